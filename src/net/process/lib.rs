//! Runs commands, such as those that make a server reload a file or that answer a gate.
//!
//! A command runs without a shell, in its own process group, and with an empty stdin. The whole
//! group is killed when its time is up, and when the caller stops waiting. Background processes of
//! a command that succeeded keep running, but their output is no longer read.

mod piped;

use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub use piped::{Piped, Spoke, pipe};

/// The most octets of output that are kept; the rest is read and dropped. Our choice.
pub const OUTPUT_OCTETS_MAX: usize = 64 * 1024;
/// How long to wait for a killed command to be reaped, and for the output of a failed one to end.
/// Our choice.
const ENDING_TIME_MAX: Duration = Duration::from_secs(2);

/// A command that did not end by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It could not be started.
    #[error("`{program}` cannot be run: {error}")]
    NotRun {
        /// The program.
        program: String,
        /// The system's error.
        error: io::Error,
    },
    /// It was started, but the system does not say how it ended.
    #[error("how `{program}` ended is not known: {error}")]
    Lost {
        /// The program.
        program: String,
        /// The system's error.
        error: io::Error,
    },
    /// It was killed at its time limit.
    #[error("`{program}` was killed after {} s{}", limit.as_secs(), shown(output))]
    TimedOut {
        /// The program.
        program: String,
        /// The time limit.
        limit: Duration,
        /// What it wrote.
        output: String,
    },
}

/// A command that ended by itself.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// What it wrote to stdout and stderr, at most [`OUTPUT_OCTETS_MAX`] octets; after a success,
    /// what had been read when it ended.
    pub output: String,
}

/// The output as the end of a sentence; empty if there is no output.
#[must_use]
pub fn shown(output: &str) -> String {
    match output.trim() {
        "" => String::new(),
        text => format!(": {text}"),
    }
}

/// Runs a program with these arguments in a directory, for at most `limit`.
///
/// # Errors
/// [`RunError`].
pub async fn run(
    program: &str,
    arguments: &[String],
    directory: &Path,
    limit: Duration,
) -> Result<Ended, RunError> {
    let not_run = |error| RunError::NotRun { program: program.to_owned(), error };
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(not_run)?;
    let output = Output::default();
    let readers = [
        child.stdout.take().map(|pipe| output.read(pipe)),
        child.stderr.take().map(|pipe| output.read(pipe)),
    ];
    let mut group = Group(child.id());
    let ended = timeout(limit, child.wait()).await;
    if ended.is_ok() {
        // It has been reaped, so its number may belong to another process now.
        group.0 = None;
    } else {
        if let Some(group) = group.0.take() {
            kill_group(group);
        }
        // It is dead by now, or the system cannot kill it; neither is worth more waiting.
        let _ = timeout(ENDING_TIME_MAX, child.wait()).await;
    }
    let output = match &ended {
        Ok(Ok(status)) if status.success() => {
            readers.iter().flatten().for_each(JoinHandle::abort);
            output.kept()
        }
        _ => output.collected(readers).await,
    };
    let program = program.to_owned();
    match ended {
        Ok(Ok(status)) => Ok(Ended { status, output }),
        Ok(Err(error)) => Err(RunError::Lost { program, error }),
        Err(_) => Err(RunError::TimedOut { program, limit, output }),
    }
}

/// A process group that is killed on drop, because then nobody waits for its command any more.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            kill_group(group);
        }
    }
}

/// Kills a process group whose leader has not been reaped, so that the number still belongs to it.
fn kill_group(group: u32) {
    let Ok(group) = i32::try_from(group) else { return };
    // A failure does not matter: the group is gone, and the command itself is killed on drop.
    let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
}

/// What was written so far to both outputs, in the order in which it was read.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl Output {
    fn read(&self, mut pipe: impl AsyncRead + Unpin + Send + 'static) -> JoinHandle<()> {
        let Self(kept) = self.clone();
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            // An output that cannot be read is treated as ended.
            while let Ok(octets @ 1..) = pipe.read(&mut buffer).await {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                let room = OUTPUT_OCTETS_MAX - kept.len();
                kept.extend_from_slice(&buffer[..octets.min(room)]);
            }
        })
    }

    async fn collected(self, readers: [Option<JoinHandle<()>>; 2]) -> String {
        for mut reader in readers.into_iter().flatten() {
            if timeout(ENDING_TIME_MAX, &mut reader).await.is_err() {
                reader.abort();
            }
        }
        self.kept()
    }

    fn kept(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&kept).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME_MAX: Duration = Duration::from_secs(30);

    fn sh(script: &str, limit: Duration) -> Result<Ended, RunError> {
        let arguments = ["-c".to_owned(), script.to_owned()];
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .expect("a runtime")
            .block_on(run("/bin/sh", &arguments, Path::new("/"), limit))
    }

    #[test]
    fn a_success_is_no_error() {
        sh("echo fine; pwd", TIME_MAX).expect("a success");
        sh("sleep 3 & exit 0", TIME_MAX).expect("background processes are left alone");
    }

    #[test]
    fn a_failure_has_status_and_output_of_a_bounded_size() {
        let Ended { status, output } =
            sh("echo out; echo err >&2; exit 3", TIME_MAX).expect("an end");
        assert_eq!(status.code(), Some(3));
        assert!(output.contains("out") && output.contains("err"), "{output}");
        let Ended { output, .. } = sh("yes | head -c 1000000; exit 1", TIME_MAX).expect("an end");
        assert_eq!(output.len(), OUTPUT_OCTETS_MAX);
    }

    #[test]
    fn a_program_that_cannot_be_run_is_an_error() {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let absent = run("/no/such/program", &[], Path::new("/"), TIME_MAX);
        let error = runtime.block_on(absent).expect_err("there is no such program");
        assert!(error.to_string().starts_with("`/no/such/program` cannot be run: "), "{error}");
    }

    #[test]
    fn at_the_limit_the_whole_group_is_killed() {
        let limit = Duration::from_millis(300);
        let error = sh("sleep 600 & echo $!; sleep 600", limit).expect_err("too slow");
        let RunError::TimedOut { output, .. } = &error else { panic!("{error}") };
        let grandchild = output.trim();
        assert!(!grandchild.is_empty(), "the limit allows it to start");
        // It is gone, or a zombie that its new parent will reap, or about to exit: flag
        // `PF_EXITING` in the ninth field (proc(5)).
        let Ok(state) = std::fs::read_to_string(format!("/proc/{grandchild}/stat")) else { return };
        let (_, fields) = state.rsplit_once(") ").expect("a name in parentheses");
        let fields: Vec<&str> = fields.split(' ').collect();
        let flags: u64 = fields[6].parse().expect("flags");
        assert!(fields[0] == "Z" || flags & 0x4 != 0, "{state}");
    }
}
