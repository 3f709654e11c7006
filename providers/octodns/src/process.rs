//! Runs the Python process: it is started when needed, does one thing at a time, and is killed when
//! it is too slow.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex as StdMutex};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// The program that the process runs.
const BRIDGE: &str = include_str!("bridge.py");

/// The longest time for a request. Our choice: octoDNS needs 38 s for 100,000 records, and some
/// providers need a request for each record.
pub(crate) const REQUEST_MAX: Duration = Duration::from_secs(600);
/// The most octets of an answer. Our choice: about five million records.
const ANSWER_OCTETS_MAX: usize = 1 << 30;
/// How long to wait for a process to be gone after it closed its end. Our choice: the system does
/// that at once.
const LAST_WORDS_MAX: Duration = Duration::from_secs(1);
/// The most octets of the process's own messages that are kept. Our choice.
const WORDS_OCTETS_MAX: usize = 4_096;

/// How an exchange failed.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The process could not be started, or ended before a request.
    Start(String),
    /// The process ended during a request, which may have been carried out.
    Lost(String),
    /// The process did not answer in time and was ended. The request may have been carried out.
    Silent(String),
    /// The process answered with an error.
    Said(Complaint),
}

/// An error that the bridge reports.
#[derive(Debug, Deserialize)]
pub(crate) struct Complaint {
    pub(crate) kind: Kind,
    pub(crate) detail: String,
    #[serde(default)]
    pub(crate) wait: Option<u64>,
}

/// The meaning of a class's failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// Something is not installed or not configured.
    Setup,
    /// The credentials are not accepted.
    Unauthorized,
    /// There is no such zone.
    NoSuchZone,
    /// The provider asks to wait.
    Throttled,
    /// The provider reports a failure of its own.
    Failing,
    /// There was no connection.
    Unreached,
    /// A connection broke.
    Broken,
    /// An answer makes no sense.
    Garbage,
    /// The class cannot represent or write it.
    Unsupported,
    /// The provider understood the request and refused it.
    Denied,
    /// Anything else.
    Refused,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Ok(Value),
    Error(Complaint),
}

/// How to start the process, and the process if it runs.
pub(crate) struct Bridge {
    python: PathBuf,
    base: PathBuf,
    /// The first request, which contains secrets.
    open: String,
    running: Mutex<Option<Running>>,
}

struct Running {
    /// Killed on drop.
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    words: Arc<StdMutex<Vec<u8>>>,
    /// Ends when the process closes its standard error.
    listener: JoinHandle<()>,
}

impl Bridge {
    /// `python` is a program; with a slash in it, it is a path that starts at `base`.
    pub(crate) fn new(python: &str, base: &Path, open: &Value) -> Self {
        let python = match python.contains('/') {
            true => base.join(python),
            false => PathBuf::from(python),
        };
        let (base, open) = (base.to_owned(), open.to_string());
        Self { python, base, open, running: Mutex::new(None) }
    }

    /// Makes these requests in turn, with no others in between. `look` sees each answer before the
    /// next request, and can stop the sequence.
    pub(crate) async fn ask<E: From<Failed>>(
        &self,
        requests: &[Value],
        mut look: impl FnMut(usize, &Value) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut place = self.running.lock().await;
        // If anything goes wrong, the next request starts a new process.
        let mut running = match place.take() {
            Some(running) => running,
            None => self.start().await?,
        };
        for (number, request) in requests.iter().enumerate() {
            match running.exchange(&request.to_string()).await {
                Ok(answer) => look(number, &answer)?,
                Err(Failed::Said(complaint)) => {
                    *place = Some(running);
                    return Err(Failed::Said(complaint).into());
                }
                Err(failed) => return Err(failed.into()),
            }
        }
        *place = Some(running);
        Ok(())
    }

    async fn start(&self) -> Result<Running, Failed> {
        let python = self.python.display();
        let child = Command::new(&self.python)
            .args(["-c", BRIDGE])
            .current_dir(&self.base)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let mut child =
            child.map_err(|error| Failed::Start(format!("{python} cannot be run: {error}")))?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(Failed::Start(format!("{python} has no pipes")));
        };
        let words = Arc::new(StdMutex::new(Vec::new()));
        let listener = tokio::spawn(keep(stderr, Arc::clone(&words)));
        let stdout = BufReader::new(stdout);
        let mut running = Running { child, stdin, stdout, words, listener };
        match running.exchange(&self.open).await {
            Ok(_) => Ok(running),
            Err(Failed::Lost(detail)) => Err(Failed::Start(detail)),
            Err(failed) => Err(failed),
        }
    }
}

impl Running {
    async fn exchange(&mut self, request: &str) -> Result<Value, Failed> {
        let line = match timeout(REQUEST_MAX, self.exchanged(request)).await {
            Ok(Ok(line)) => line,
            Ok(Err(error)) => return Err(Failed::Lost(self.last_words(&error.to_string()).await)),
            Err(_) => {
                let _ = self.child.start_kill();
                let silence = format!("no answer within {} s", REQUEST_MAX.as_secs());
                return Err(Failed::Silent(silence));
            }
        };
        match serde_json::from_slice(&line) {
            Ok(Answer::Ok(value)) => Ok(value),
            Ok(Answer::Error(complaint)) => Err(Failed::Said(complaint)),
            Err(error) => {
                Err(Failed::Lost(format!("the Python process does not speak JSON: {error}")))
            }
        }
    }

    async fn exchanged(&mut self, request: &str) -> std::io::Result<Vec<u8>> {
        let ended = || std::io::Error::other("the Python process ended");
        for octets in [request.as_bytes(), b"\n"] {
            match self.stdin.write_all(octets).await {
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Err(ended()),
                done => done?,
            }
        }
        self.stdin.flush().await?;
        let mut line = Vec::new();
        let limit = u64::try_from(ANSWER_OCTETS_MAX).unwrap_or(u64::MAX);
        (&mut self.stdout).take(limit).read_until(b'\n', &mut line).await?;
        match line.last() {
            Some(b'\n') => Ok(line),
            _ => Err(ended()),
        }
    }

    async fn last_words(&mut self, problem: &str) -> String {
        // The process closed its end, so it is about to be gone, and its last message will arrive.
        let _ = timeout(LAST_WORDS_MAX, self.child.wait()).await;
        let _ = timeout(LAST_WORDS_MAX, &mut self.listener).await;
        let words = self.words.lock().map(|words| words.clone()).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).into_owned();
        match words.lines().rfind(|line| !line.trim().is_empty()) {
            Some(last) => format!("{problem}: {}", last.trim()),
            None => problem.to_owned(),
        }
    }
}

/// Reads to the end, so that the process never waits for us, and keeps the last part.
async fn keep(mut stderr: ChildStderr, words: Arc<StdMutex<Vec<u8>>>) {
    let mut buffer = [0; 4_096];
    while let Ok(octets @ 1..) = stderr.read(&mut buffer).await {
        if let Ok(mut words) = words.lock() {
            words.extend_from_slice(&buffer[..octets]);
            let surplus = words.len().saturating_sub(WORDS_OCTETS_MAX);
            words.drain(..surplus);
        }
    }
}
