//! A running name server: starting, waiting, querying, editing and stopping.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::lag::Lag;
use super::loopback::free_port;
use super::soa;

/// How long a server may take to serve its zones. Our choice: they take under a second.
const READY_WITHIN: Duration = Duration::from_secs(10);
/// How often a server that is not ready is tried again. Our choice.
const READY_POLL: Duration = Duration::from_millis(20);
/// Maximum starts of a server whose port was taken by another process meanwhile. Our choice.
const STARTS_MAX: usize = 5;
/// How much of a log is shown when something fails. Our choice.
const LOG_TAIL_LINES: usize = 40;

/// A TSIG key that a server of the lab accepts for transfers and updates.
#[derive(Clone)]
pub(crate) struct TsigKey {
    /// The key's name, without a trailing dot.
    pub(crate) name: String,
    /// `hmac-sha256` and so on.
    pub(crate) algorithm: &'static str,
    /// The secret, in base64.
    pub(crate) secret: String,
}

impl TsigKey {
    /// A key with a new secret.
    pub(crate) fn generate(algorithm: &'static str) -> Self {
        let mut octets = [0_u8; 32];
        let mut random = std::fs::File::open("/dev/urandom").expect("the system has randomness");
        random.read_exact(&mut octets).expect("the system's randomness does not end");
        Self { name: "lab-key.test".to_owned(), algorithm, secret: base64(&octets) }
    }

    /// The key as BIND's tools and `named` read it.
    pub(crate) fn clause(&self) -> String {
        let Self { name, algorithm, secret } = self;
        format!("key \"{name}\" {{ algorithm {algorithm}; secret \"{secret}\"; }};\n")
    }
}

/// A server program, and the lines of its log that matter.
pub(crate) struct Program {
    /// The program's name.
    pub(crate) name: &'static str,
    /// The Debian package that contains it.
    pub(crate) package: &'static str,
    /// The log's line if the port was already taken.
    pub(crate) port_taken: &'static [&'static str],
    /// The log's line if a zone will never be served.
    pub(crate) zone_broken: &'static str,
    /// The number of dynamic updates that a line of the log reports as made.
    pub(crate) updates_made: fn(&str) -> usize,
}

/// How to start a server, before it has a port.
pub(crate) struct Plan<'a> {
    /// The program.
    pub(crate) program: &'static Program,
    /// The address on which it listens.
    pub(crate) address: IpAddr,
    /// The port, if it is free.
    pub(crate) port_wish: Option<u16>,
    /// Its key.
    pub(crate) key: TsigKey,
    /// The zones that it has to serve before it is ready.
    pub(crate) zones: Vec<String>,
    /// Writes the configuration into the directory, and returns the arguments.
    pub(crate) configure: &'a dyn Fn(&Path, SocketAddr, &TsigKey) -> Vec<String>,
    /// Prepares the running server, and returns `true` when that is done. It is called until then.
    /// A server that reads its zones from files needs no preparation.
    pub(crate) prepare: &'a dyn Fn() -> bool,
}

/// A name server of the lab. It is killed when this is dropped.
pub(crate) struct Server {
    program: &'static Program,
    // Dropped before the server that it talks to.
    pub(super) lag: Option<Lag>,
    child: Child,
    addr: SocketAddr,
    key: TsigKey,
    zones: Vec<String>,
    // Removed after the server has ended.
    dir: TempDir,
}

impl Server {
    /// Starts a server and waits until it serves its zones.
    ///
    /// Panics with the end of the server's log if it does not.
    pub(crate) fn start(plan: &Plan<'_>) -> Self {
        for _ in 0..STARTS_MAX {
            let mut server = Self::spawn(plan);
            match server.wait_ready(plan.prepare) {
                Ok(()) => return server,
                Err(NotReady::PortTaken) => {}
                Err(NotReady::Never) => {
                    panic!("{} does not serve its zones:\n{}", plan.program.name, server.log_tail())
                }
            }
        }
        panic!("{}: the port was taken {STARTS_MAX} times", plan.program.name)
    }

    fn spawn(plan: &Plan<'_>) -> Self {
        let Plan { program, address, port_wish, key, zones, configure, prepare: _ } = plan;
        let dir = tempfile::Builder::new()
            .prefix("cutover-lab-")
            .tempdir()
            .expect("a temporary directory can be made");
        std::fs::write(dir.path().join("key.conf"), key.clause()).expect("the key can be written");
        let addr = SocketAddr::new(*address, free_port(*address, *port_wish));
        let args = configure(dir.path(), addr, key);
        let log = std::fs::File::create(dir.path().join("stderr.log")).expect("a log can be made");
        let child = spawn(program, &args, log);
        let (key, zones) = (key.clone(), zones.clone());
        Self { program, lag: None, child, addr, key, zones, dir }
    }

    fn wait_ready(&mut self, prepare: &dyn Fn() -> bool) -> Result<(), NotReady> {
        let polls = READY_WITHIN.as_millis() / READY_POLL.as_millis();
        for _ in 0..polls {
            // A different server may answer at this port, so check the log before the answer
            // counts.
            let is_prepared = prepare();
            let ready = is_prepared && self.zones.iter().all(|zone| self.serial(zone).is_some());
            let ended = self.child.try_wait().expect("a child can be waited for").is_some();
            let log = self.log();
            if self.program.port_taken.iter().any(|text| log.contains(text)) {
                return Err(NotReady::PortTaken);
            }
            match (ready, ended || log.contains(self.program.zone_broken)) {
                (true, false) => return Ok(()),
                (_, true) => return Err(NotReady::Never),
                (false, false) => sleep(READY_POLL),
            }
        }
        Err(NotReady::Never)
    }

    /// Its address, for UDP and TCP.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The key for transfers and updates.
    pub(crate) fn key(&self) -> &TsigKey {
        &self.key
    }

    /// The program's name: `named` or `knotd`.
    pub(crate) fn program(&self) -> &'static str {
        self.program.name
    }

    /// The zones that it was started with.
    pub(crate) fn zones(&self) -> &[String] {
        &self.zones
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its directory, which is removed with it.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Its whole log, with its standard error last.
    pub(crate) fn log(&self) -> String {
        let mut text = String::new();
        for file in ["server.log", "update.log", "stderr.log"] {
            let octets = std::fs::read(self.dir.path().join(file)).unwrap_or_default();
            text.push_str(&String::from_utf8_lossy(&octets));
        }
        text
    }

    /// The number of dynamic updates that changed a zone, by the server's own log. A message that
    /// was refused or changed nothing does not count.
    pub(crate) fn updates_made(&self) -> usize {
        self.log().lines().map(self.program.updates_made).sum()
    }

    /// The serial that it serves for a zone.
    pub(crate) fn serial(&self, zone: &str) -> Option<u32> {
        soa::serial(self.addr, zone)
    }

    /// Waits until it serves this serial. Panics after `within`.
    pub(crate) fn wait_serial(&self, zone: &str, serial: u32, within: Duration) {
        for _ in 0..within.as_millis() / READY_POLL.as_millis() {
            if self.serial(zone) == Some(serial) {
                return;
            }
            sleep(READY_POLL);
        }
        panic!("{zone} has no serial {serial} within {within:?}:\n{}", self.log_tail())
    }

    /// The output of `dig` for this server, with the server's key.
    pub(crate) fn dig(&self, args: &[&str]) -> String {
        let mut command = tool("dig", "bind9-dnsutils");
        command.arg("-k").arg(self.key_file()).arg(format!("@{}", self.addr.ip()));
        command.args(["-p", &self.addr.port().to_string()]).args(args);
        output(command, "")
    }

    /// Waits until `dig` shows this text. Panics after the time in which a server has to be ready.
    pub(crate) fn wait_shown(&self, args: &[&str], word: &str) {
        let mut shown = String::new();
        for _ in 0..READY_WITHIN.as_millis() / READY_POLL.as_millis() {
            shown = self.dig(args);
            if shown.contains(word) {
                return;
            }
            sleep(READY_POLL);
        }
        panic!("{word} is not shown within {READY_WITHIN:?}: {shown}\n{}", self.log_tail())
    }

    /// The zone's records, one per line, as `dig` shows a transfer.
    pub(crate) fn transfer(&self, zone: &str) -> String {
        let text = self.dig(&[zone, "AXFR", "+noall", "+answer", "+onesoa"]);
        assert!(text.contains("SOA"), "no transfer of {zone}: {text}\n{}", self.log_tail());
        text
    }

    /// Edits a zone as another user, with a script of `nsupdate` without `server`, `key` and
    /// `send`.
    ///
    /// Panics with the output of `nsupdate` if the server refuses.
    pub(crate) fn nsupdate(&self, script: &str) {
        let mut command = tool("nsupdate", "bind9-dnsutils");
        command.arg("-v").arg("-k").arg(self.key_file());
        let (ip, port) = (self.addr.ip(), self.addr.port());
        let said = output(command, &format!("server {ip} {port}\n{script}\nsend\n"));
        assert!(said.trim().is_empty(), "nsupdate: {said}\n{}", self.log_tail());
    }

    fn key_file(&self) -> PathBuf {
        self.dir.path().join("key.conf")
    }

    pub(super) fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let from = lines.len().saturating_sub(LOG_TAIL_LINES);
        lines[from..].iter().fold(String::new(), |mut text, line| {
            let _ = writeln!(text, "  {line}");
            text
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.lag.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

enum NotReady {
    PortTaken,
    Never,
}

/// A job for the thread that starts all servers.
type Job = Box<dyn FnOnce() + Send>;

/// The kernel sends the death signal when the *thread* that started a child ends. So a thread that
/// lives as long as the process starts all children, because tests may share a server.
static STARTER: LazyLock<Sender<Job>> = LazyLock::new(|| {
    let (sender, jobs) = channel::<Job>();
    std::thread::spawn(move || jobs.into_iter().for_each(|job| job()));
    sender
});

fn spawn(program: &'static Program, args: &[String], log: std::fs::File) -> Child {
    let found = find(program.name);
    let Some(path) = found else {
        panic!("{} is not installed: apt install {}", program.name, program.package)
    };
    let mut command = match find("setpriv") {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL"]).arg(path);
            command
        }
        None => Command::new(path),
    };
    command.args(args).stdin(Stdio::null()).stderr(log.try_clone().expect("a log can be shared"));
    command.stdout(log);
    let (sender, child) = channel();
    let job: Job = Box::new(move || sender.send(command.spawn()).expect("the caller waits"));
    STARTER.send(job).expect("the thread lives as long as the process");
    let child = child.recv().expect("the thread answers each job");
    child.unwrap_or_else(|error| panic!("{} cannot be started: {error}", program.name))
}

/// Servers are in `sbin`, which is not in everyone's path.
fn find(program: &str) -> Option<PathBuf> {
    let dirs = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"];
    dirs.iter().map(|dir| Path::new(dir).join(program)).find(|path| path.exists())
}

pub(super) fn tool(program: &str, package: &str) -> Command {
    let path = find(program);
    Command::new(
        path.unwrap_or_else(|| panic!("{program} is not installed: apt install {package}")),
    )
}

/// What a tool prints to both channels after it has read `input`.
pub(super) fn output(mut command: Command, input: &str) -> String {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the tool can be started");
    let mut stdin = child.stdin.take().expect("the input is a pipe");
    // The tools read all of their input before they print anything.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("the tool ends");
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    text
}

/// Base64 with padding (RFC 4648 §4).
fn base64(octets: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in octets.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, octet| bits << 8 | u32::from(*octet));
        let bits = bits << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let index = (bits >> (18 - 6 * digit)) & 0x3f;
            match digit <= chunk.len() {
                true => text.push(char::from(ALPHABET[index as usize])),
                false => text.push('='),
            }
        }
    }
    text
}

/// Sleeps in real time, because servers and networks need it.
#[expect(clippy::disallowed_methods, reason = "a server is polled until it is ready")]
pub(crate) fn sleep(span: Duration) {
    std::thread::sleep(span);
}

/// Real time, for the same reason.
#[expect(clippy::disallowed_methods, reason = "the lab times what servers do")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
