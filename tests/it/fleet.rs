//! Many plans in one PostgreSQL store, driven by several `cutover run --loop` against one BIND. One of
//! them is killed, and one is stopped until others have its leases. BIND's own journals say what was
//! done, and how often.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::lab::{Bind, Server, now, sleep};
use crate::postgres;

/// How many plans, and how long things take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Plans, each with a zone of its own.
    pub(crate) plans: usize,
    /// The TTL of the record that each plan changes: what every run has to wait for.
    pub(crate) ttl_secs: u32,
    /// How long a process is stopped.
    pub(crate) stopped: Duration,
    /// How long a lease lasts, which is less.
    pub(crate) lease_secs: u32,
    /// How long all of it may take.
    pub(crate) patience: Duration,
}

/// The store, the name server, and the plans.
pub(crate) struct Fleet {
    pub(crate) size: Size,
    pub(crate) dir: TempDir,
    pub(crate) store: postgres::Server,
    url: String,
    pub(crate) bind: Server,
}

/// The name of the database.
pub(crate) const STATE: &str = "state";

impl Fleet {
    pub(crate) fn new(size: Size) -> Self {
        let ttl = size.ttl_secs;
        let text = format!(
            "$TTL 60\n@ SOA ns1 hostmaster 1 3600 600 86400 2\n@ NS ns1\nns1 A 192.0.2.53\n\
             www {ttl} A 192.0.2.80\n"
        );
        let names: Vec<String> = (0..size.plans).map(zone).collect();
        let zones: Vec<(&str, &str)> = names.iter().map(|name| (&**name, &*text)).collect();
        let bind = Bind::primary(&zones);
        let store = postgres::Server::start();
        let url = store.database(STATE, &format!("&lease={}s", size.lease_secs));
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (server, key) = (bind.addr(), bind.key());
        for n in 0..size.plans {
            let plan = format!(
                "version: 1
name: {plan}
providers:
  dns:
    type: rfc2136
    server: \"{server}\"
    tsig: {{ key: {name}, algorithm: {algorithm}, secret: {{ env: FIXTURE_TSIG }} }}
resolver: none
zones: {{ {zone}: {{ provider: dns, authorities: [ \"{server}\" ] }} }}
records:
  - {{ id: site, zone: {zone}, name: www, type: A, to: [ 203.0.113.80 ], lower_ttl: 1s }}
clocks: {{ margin: 0s, use: 0s }}
",
                plan = plan(n),
                zone = zone(n),
                name = key.name,
                algorithm = key.algorithm,
            );
            fs::write(dir.path().join(file(n)), plan).expect("written");
        }
        Self { size, dir, store, url, bind }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
        command.args(args).current_dir(self.dir.path()).stdin(Stdio::null());
        command.env("CUTOVER_STATE", &self.url).env("FIXTURE_TSIG", &self.bind.key().secret);
        command
    }

    /// What the program prints, which has to exit with this code.
    #[track_caller]
    pub(crate) fn ends(&self, code: i32, args: &[&str]) -> String {
        let output = self.command(args).output().expect("the program can be run");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}{errors}");
        said
    }

    /// Begins all runs, by two processes. All of them wait.
    pub(crate) fn begin(&self) {
        let files: Vec<String> = (0..self.size.plans).map(file).collect();
        std::thread::scope(|scope| {
            for files in files.chunks(files.len().div_ceil(2)) {
                let files: Vec<&str> = files.iter().map(String::as_str).collect();
                scope.spawn(move || {
                    self.ends(4, &[&["apply", "--auto-approve"][..], &files].concat());
                });
            }
        });
    }

    /// A process that continues what is due.
    pub(crate) fn drive(&self, number: usize) -> Driver {
        let log = self.dir.path().join(format!("driver-{number}"));
        let mut command = self.command(&["run", "--all", "--loop"]);
        let file = || fs::File::options().create(true).append(true).open(&log).expect("a log");
        let child = command.stdout(file()).stderr(file()).spawn();
        Driver { child: child.expect("the program can be run"), log }
    }

    /// How many runs are finished, by their journals.
    pub(crate) fn finished(&self) -> usize {
        let count = "SELECT count(*) FROM cutover.run
            JOIN cutover.entry ON entry.plan = run.plan AND entry.run = run.name
                AND entry.number = run.entries
            WHERE text LIKE '%\"finished\"%'";
        self.store.sql(STATE, count).parse().expect("a number")
    }

    /// Waits until so many runs are finished.
    #[track_caller]
    pub(crate) fn until(&self, finished: usize, drivers: &[Driver]) {
        let begun = now();
        while self.finished() < finished {
            let waited = begun.elapsed();
            if waited > self.size.patience {
                let logs: Vec<String> = drivers.iter().map(Driver::said).collect();
                let status = self.command(&["status", "--all"]).output().expect("it runs");
                let status = String::from_utf8_lossy(&status.stdout).into_owned();
                panic!("{} of {finished} finished\n{status}\n{}", self.finished(), logs.join("\n"));
            }
            sleep(Duration::from_millis(100));
        }
    }

    /// All plans are driven by four processes, of which one is killed and one is stopped.
    #[track_caller]
    pub(crate) fn drive_all(&self) {
        let mut drivers: Vec<Driver> = (0..4).map(|number| self.drive(number)).collect();
        self.until(1, &drivers);
        // Each has leases, since everything is due at about the same time.
        drivers[0].signal(Signal::SIGKILL);
        drivers[1].signal(Signal::SIGSTOP);
        sleep(self.size.stopped);
        drivers[1].signal(Signal::SIGCONT);
        self.until(self.size.plans, &drivers);
        drivers[1..].iter_mut().for_each(Driver::end);
    }

    /// What the loops did is done, and nothing was done twice.
    #[track_caller]
    pub(crate) fn check(&self) {
        let ttl = self.size.ttl_secs;
        for n in 0..self.size.plans {
            let name = format!("www.{}.", zone(n));
            let record = |ttl: u32, address: &str| format!("{name} {ttl} IN A {address}");
            let (old, new) = ("192.0.2.80", "203.0.113.80");
            let expected = [
                format!("del {}", record(ttl, old)),
                format!("add {}", record(1, old)),
                format!("del {}", record(1, old)),
                format!("add {}", record(1, new)),
                format!("del {}", record(1, new)),
                format!("add {}", record(ttl, new)),
            ];
            assert_eq!(journal(&self.bind.dir().join(format!("{n}.zone.jnl"))), expected);
        }
        assert_eq!(self.finished(), self.size.plans);
        self.ends(0, &["status", "--all", "--exit-code"]);
    }
}

/// The changes in a journal of BIND, in order, without those of the SOA record.
fn journal(path: &Path) -> Vec<String> {
    let printed = Command::new("named-journalprint").arg(path).output();
    let printed = printed.expect("Debian's package `bind9` has it");
    assert!(printed.status.success(), "{printed:?}");
    let text = String::from_utf8_lossy(&printed.stdout).into_owned();
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.contains(" SOA ")).collect()
}

pub(crate) fn zone(n: usize) -> String {
    format!("z{n}.test")
}

pub(crate) fn plan(n: usize) -> String {
    format!("p{n}")
}

fn file(n: usize) -> String {
    format!("p{n}.yaml")
}

/// A process that stays, until it is ended.
pub(crate) struct Driver {
    child: Child,
    log: PathBuf,
}

impl Driver {
    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("a process id");
        kill(Pid::from_raw(id), signal).expect("it is there");
    }

    /// Ends it by a signal.
    #[track_caller]
    pub(crate) fn end(&mut self) {
        self.signal(Signal::SIGTERM);
        assert_eq!(self.child.wait().expect("an end").code(), Some(143), "{}", self.said());
    }

    fn said(&self) -> String {
        let said = fs::read_to_string(&self.log).unwrap_or_default();
        format!("{}:\n{}", self.log.display(), &said[said.len().saturating_sub(4_000)..])
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Forty plans in a normal run, and a thousand with `CUTOVER_SWEEP=all`.
#[test]
#[expect(clippy::disallowed_methods, reason = "the environment says how much is tested")]
fn processes_share_out_many_plans_and_make_each_change_once() {
    let all = std::env::var("CUTOVER_SWEEP").is_ok_and(|sweep| sweep == "all");
    let size = match all {
        false => Size {
            plans: 40,
            ttl_secs: 3,
            stopped: Duration::from_secs(4),
            lease_secs: 2,
            patience: Duration::from_secs(120),
        },
        true => Size {
            plans: 1_000,
            ttl_secs: 60,
            stopped: Duration::from_secs(60),
            lease_secs: 20,
            patience: Duration::from_secs(1_200),
        },
    };
    let fleet = Fleet::new(size);
    fleet.begin();
    assert_eq!(fleet.finished(), 0);
    fleet.drive_all();
    fleet.check();
    assert_eq!(fleet.ends(0, &["run", "--all", "--once"]), "nothing is left to do\n");
}
