//! A PostgreSQL server of its own for each test: on loopback, below a temporary directory.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

/// How long a server may take to start or to stop. Our choice: it takes under a second.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// How often to look whether it has. Our choice.
const POLL: Duration = Duration::from_millis(20);

/// The superuser of all servers.
pub(crate) const ADMIN: &str = "cutover";

/// A server, which ends with the test.
pub(crate) struct Server {
    dir: tempfile::TempDir,
    port: u16,
    options: Vec<String>,
    child: Option<Child>,
}

impl Server {
    /// A server that trusts everybody.
    pub(crate) fn start() -> Self {
        // Nothing here cuts the power, so nothing has to reach the disk.
        Self::with("host all all 127.0.0.1/32 trust\n", &["fsync=off"])
    }

    /// A server with these lines in `pg_hba.conf` for connections by TCP, and these settings.
    pub(crate) fn with(hba: &str, settings: &[&str]) -> Self {
        let mut server = Self::stopped(hba, settings);
        server.go_on();
        server
    }

    /// The same, before it is started.
    pub(crate) fn stopped(hba: &str, settings: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut initdb = program("initdb");
        initdb.args(["--no-sync", "--encoding=UTF8", "--locale=C", "--auth=trust"]);
        initdb.arg("--username").arg(ADMIN).arg("--pgdata").arg(dir.path().join("data"));
        let made = initdb.output().expect("initdb runs");
        assert!(made.status.success(), "{made:?}");
        let hba = format!("local all all trust\n{hba}");
        std::fs::write(dir.path().join("data/pg_hba.conf"), hba).expect("written");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let port = listener.local_addr().expect("an address").port();
        let options = settings.iter().map(|&setting| setting.to_owned()).collect();
        Self { dir, port, options, child: None }
    }

    /// Starts it, and waits until it answers.
    pub(crate) fn go_on(&mut self) {
        let mut postgres = program("postgres");
        postgres.arg("-D").arg(self.dir.path().join("data"));
        postgres.args(["-c", "listen_addresses=127.0.0.1", "-c", &format!("port={}", self.port)]);
        postgres.arg("-c").arg(format!("unix_socket_directories={}", self.dir.path().display()));
        for option in &self.options {
            postgres.arg("-c").arg(option);
        }
        let log = std::fs::File::options().create(true).append(true).open(self.log());
        let log = log.expect("a log");
        self.child = Some(postgres.stdout(Stdio::null()).stderr(log).spawn().expect("it starts"));
        let is_ready = || {
            let mut ask = program("pg_isready");
            ask.arg("--quiet").args(["--port", &self.port.to_string(), "--host"]);
            ask.arg(self.dir.path()).status().expect("pg_isready runs").success()
        };
        wait_until(is_ready, || std::fs::read_to_string(self.log()).unwrap_or_default());
    }

    /// Stops it: `SIGINT` lets nobody finish but writes everything down, `SIGQUIT` does not even do
    /// that (PostgreSQL 15 §19.5).
    pub(crate) fn stop(&mut self, signal: Signal) {
        let Some(mut child) = self.child.take() else { return };
        let id = i32::try_from(child.id()).expect("a process id");
        kill(Pid::from_raw(id), signal).expect("it is there");
        child.wait().expect("it ends");
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    /// The directory of its socket, and of whatever a test puts there.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a new, empty database, without TLS, with these options.
    pub(crate) fn database(&self, name: &str, options: &str) -> String {
        self.sql("postgres", &format!("CREATE DATABASE {name} STRATEGY file_copy"));
        format!("postgres://{ADMIN}@127.0.0.1:{}/{name}?sslmode=disable{options}", self.port)
    }

    /// What `psql` says to these statements, of which each is a transaction.
    pub(crate) fn psql(&self, database: &str, statements: &str) -> Output {
        let mut psql = program("psql");
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"]);
        psql.args(["--set", "ON_ERROR_STOP=1", "--set", "VERBOSITY=verbose"]);
        psql.args(["--port", &self.port.to_string(), "--username", ADMIN, "--host"]);
        psql.arg(self.dir.path()).args(["--dbname", database, "--command", statements]);
        psql.env_remove("PGOPTIONS").output().expect("psql runs")
    }

    /// What statements return that have to succeed.
    pub(crate) fn sql(&self, database: &str, statements: &str) -> String {
        let said = self.psql(database, statements);
        assert!(said.status.success(), "{statements}: {}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8_lossy(&said.stdout).trim().to_owned()
    }

    /// The SQLSTATE with which statements fail that have to fail.
    pub(crate) fn refusal(&self, database: &str, statements: &str) -> String {
        let said = self.psql(database, statements);
        let error = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(!said.status.success(), "{statements} must not succeed");
        let code = error.split("ERROR:  ").nth(1).and_then(|said| said.split(':').next());
        code.unwrap_or_else(|| panic!("{statements}: {error}")).to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop(Signal::SIGQUIT);
    }
}

/// The newest version's program with this name.
fn program(name: &str) -> Command {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("Debian's package `postgresql`");
    let version = versions.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let newest: u32 = version.max().expect("there is a version");
    let path = format!("/usr/lib/postgresql/{newest}/bin/{name}");
    if !geteuid().is_root() || !matches!(name, "initdb" | "postgres") {
        return Command::new(path);
    }
    // PostgreSQL refuses to run as root. In a user namespace of its own it does not, and in that of
    // `tests/run` there is no other user whose rights it could have.
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-user=1000", "--map-group=1000"]).arg(path);
    command
}

/// Waits until something holds.
#[expect(clippy::disallowed_methods, reason = "a server is waited for")]
fn wait_until(holds: impl Fn() -> bool, otherwise: impl Fn() -> String) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < READY_WITHIN, "{}", otherwise());
        std::thread::sleep(POLL);
    }
}
