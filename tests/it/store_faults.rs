//! Two processes at once, processes that are killed, connections that are cut off, and servers that are
//! restarted, on every store, by the program itself. Whatever happens, the next `apply` goes on, and the
//! change is made once.
//!
//! A sample in a normal run; `CUTOVER_SWEEP=all` tries every request, and two processes a hundred times.
//! `tests/it/away.rs` does the same for pushes of the store in git.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use cutover_store_suite::all;
use cutover_store_suite::relay::{Fault, Relay, Serve};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::bind_fixture::said;
use crate::every_store::{KINDS, Stores};
use crate::lab::{now, sleep};
use crate::shared::Machine;
use crate::zonefile_fixture::{ZONE, ZonefileFixture};
use crate::{postgres, postgres_relay, s3, s3_relay};

/// How long anything may take that should happen.
const PATIENCE: Duration = Duration::from_secs(120);
/// Trials at once: they mostly wait.
const AT_ONCE: usize = 6;

/// One record more, so there is nothing to wait for.
const PLAN: &str = "\
version: 1
name: move
providers:
  files: { type: zonefile, directory: zones, served: { assume_within: 1s } }
resolver: none
zones: { acme.test: { provider: files } }
records:
  - { id: new, zone: acme.test, name: new, type: A, ttl: 60s, to: [ 203.0.113.80 ] }
clocks: { margin: 0s, use: 0s }
";

/// A machine with this plan.
fn machine(store: String) -> Machine {
    let files = ZonefileFixture::new();
    files.write("plan.yaml", PLAN);
    Machine { files, store }
}

impl Machine {
    /// Goes on until everything is done, through whatever lease a dead process has left.
    #[track_caller]
    fn goes_on(&self, context: &str) {
        let begun = now();
        loop {
            let again = self.command(&["apply", "plan.yaml", "--auto-approve", "--wait"]).output();
            let (code, said) = said(&again.expect("the program can be run"));
            if code == 1 && said.contains("is locked by") {
                assert!(begun.elapsed() < PATIENCE, "{context}: {said}");
                sleep(Duration::from_millis(200));
                continue;
            }
            assert_eq!(code, 0, "{context}: {said}");
            break;
        }
        self.is_done_once(context);
    }

    /// The change was made once: the serial counts them. The journal is whole.
    #[track_caller]
    fn is_done_once(&self, context: &str) -> String {
        let zone = self.files.zone();
        assert!(zone.contains("203.0.113.80") && zone.contains("( 8 ;"), "{context}: {zone}");
        self.ends(0, &["status", "plan.yaml", "--exit-code"]);
        let log = self.ends(0, &["log", "move"]);
        // A write whose answer was lost with its process is found, and not written again.
        assert!(log.matches(": written").count() <= 1, "{context}: {log}");
        assert_eq!(log.matches("finished").count(), 1, "{context}: {log}");
        let runs = self.ends(0, &["state", "list"]);
        assert!(runs.contains("finished"), "{context}: {runs}");
        runs
    }
}

/// Does something for each of many trials, some at once.
fn each<T: Copy + Send + Sync>(trials: &[T], run: impl Fn(T) + Sync) {
    let next = Mutex::new(trials.iter());
    let take = || next.lock().expect("nobody panics").next().copied();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(trial) = take() {
                    run(trial);
                }
            });
        }
    });
}

#[test]
fn two_processes_that_begin_at_once_make_one_run_and_one_change() {
    let stores = Stores::new();
    let times = if all() { 100 } else { 3 };
    let trials: Vec<_> = (0..times).flat_map(|time| KINDS.map(|kind| (kind, time))).collect();
    each(&trials, |(kind, time)| {
        let context = format!("{kind}, time {time}");
        let one = machine(stores.store(kind, ""));
        let start = || {
            let mut command = one.command(&["apply", "plan.yaml", "--auto-approve", "--wait"]);
            let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().expect("the program can be run")
        };
        let both = [start(), start()];
        let ended = both.map(|one| said(&one.wait_with_output().expect("an end")));
        assert!(ended.iter().any(|(code, _)| *code == 0), "{context}: {ended:?}");
        for (code, said) in &ended {
            // The other one found the lease taken, or the run begun, or everything done.
            let is_told = said.contains("is locked by")
                || said.contains("another process has started a run of this plan")
                || said.contains("another process has continued");
            assert!(*code == 0 || (*code == 1 && is_told), "{context}: {code}: {said}");
        }
        let runs = one.is_done_once(&context);
        assert!(
            runs.contains("move  1     0001    5 "),
            "{context}: one run of five entries: {runs}"
        );
    });
}

/// The servers whose lines can be cut.
const SERVED: [(&str, Serve); 2] = [("postgres", postgres_relay::serve), ("s3", s3_relay::serve)];

/// What happens to a process at a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Happens {
    /// Its connection is cut.
    Cut,
    /// It is killed.
    Killed,
}

#[test]
fn a_line_that_is_cut_or_a_process_that_is_killed_at_any_request_loses_and_doubles_nothing() {
    let stores = Stores::new();
    for (kind, serve) in SERVED {
        let requests = requests(&stores, kind, serve);
        assert!(requests > 10, "{kind}: {requests} requests");
        let step = if all() { 1 } else { requests / 4 + 1 };
        let cases = [
            (Happens::Cut, Fault::RequestLost),
            (Happens::Cut, Fault::AnswerLost),
            (Happens::Killed, Fault::RequestLost),
            (Happens::Killed, Fault::AnswerLost),
        ];
        // Each case takes other requests.
        let trials = (0..).zip(cases).flat_map(|(first, case)| {
            let first = if all() { 0 } else { first * step / 4 };
            (first..requests).step_by(step).map(move |at| (at, case))
        });
        let trials: Vec<_> = trials.collect();
        each(&trials, |(at, (happens, fault))| {
            let context = format!("{kind}, request {at} of {requests}, {happens:?}, {fault:?}");
            trial(&stores, (kind, serve), at, (happens, fault), &context);
        });
        println!("{kind}: {} trials, {requests} requests", trials.len());
    }
}

/// A store of a kind, as it is reached through a relay.
pub(crate) fn through(store: &str, relay: &Relay, port: u16) -> String {
    store.replace(&format!(":{port}"), &format!(":{}", relay.port()))
}

/// How many requests an undisturbed run makes.
fn requests(stores: &Stores, kind: &str, serve: Serve) -> usize {
    let port = stores.port(kind);
    let relay = Relay::before(port, serve);
    let one = machine(through(&stores.store(kind, ""), &relay, port));
    one.ends(0, &["apply", "plan.yaml", "--auto-approve", "--wait"]);
    relay.arm(None)
}

fn trial(
    stores: &Stores,
    (kind, serve): (&str, Serve),
    at: usize,
    (happens, fault): (Happens, Fault),
    context: &str,
) {
    let port = stores.port(kind);
    let relay = Relay::before(port, serve);
    let store = stores.store(kind, "lease=2s");
    let mut one = machine(through(&store, &relay, port));
    let (tell, told) = channel();
    match happens {
        Happens::Cut => drop(relay.arm(Some((at, fault)))),
        Happens::Killed => relay.arm_and(at, fault, move || {
            let id: i32 = told.recv().expect("the process was started");
            kill(Pid::from_raw(id), Signal::SIGKILL).expect("it is there");
        }),
    }
    let mut command = one.command(&["apply", "plan.yaml", "--auto-approve", "--wait"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.expect("the program can be run");
    let _ = tell.send(i32::try_from(child.id()).expect("a process id"));
    let ended = child.wait_with_output().expect("an end");
    let made = relay.arm(None);
    let (code, said) = said(&ended);
    match happens {
        // It has gone on, or it has halted and says so. What was never there is not waited for.
        Happens::Cut => assert!([0, 1, 5].contains(&code), "{context}: {code}: {said}"),
        // The number of requests differs a little with what is due when.
        Happens::Killed if made > at => {
            assert_eq!(ended.status.signal(), Some(9), "{context}: {said}");
        }
        Happens::Killed => assert_eq!(code, 0, "{context}: {said}"),
    }
    if code != 0 {
        let zone = one.files.zone();
        assert!(zone == ZONE || zone.contains("( 8 ;"), "{context}: {zone}");
    }
    one.store = store;
    one.goes_on(context);
}

/// The server is restarted when it gets a request, and answers nothing until it is back.
#[test]
fn a_server_that_is_restarted_at_any_request_loses_and_doubles_nothing() {
    let step = if all() { 1 } else { 9 };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let server = postgres::Server::start();
            let port = server.port();
            let relay = Relay::before(port, postgres_relay::serve);
            let server = std::sync::Arc::new(Mutex::new(server));
            restarted(&relay, port, step, |name| {
                let server = std::sync::Arc::clone(&server);
                let url = server.lock().expect("nobody panics").database(name, "&lease=2s");
                let restart = move || {
                    let mut server = server.lock().expect("nobody panics");
                    server.stop(Signal::SIGQUIT);
                    server.go_on();
                };
                (url, Box::new(restart))
            });
        });
        scope.spawn(|| {
            let server = s3::Server::start();
            let port = server.port();
            let relay = Relay::before(port, s3_relay::serve);
            let server = std::sync::Arc::new(Mutex::new(server));
            restarted(&relay, port, step, |name| {
                let server = std::sync::Arc::clone(&server);
                let restart = move || server.lock().expect("nobody panics").restart();
                (s3::url(port, name, "&lease=2s"), Box::new(restart))
            });
        });
    });
}

/// The URL of a new store, and what restarts its server.
type Restartable = (String, Box<dyn FnOnce() + Send>);

fn restarted(relay: &Relay, port: u16, step: usize, store: impl Fn(&str) -> Restartable) {
    let (url, _) = store("whole");
    relay.arm(None);
    let one = machine(through(&url, relay, port));
    one.ends(0, &["apply", "plan.yaml", "--auto-approve", "--wait"]);
    let requests = relay.arm(None);
    for at in (step / 2..requests).step_by(step) {
        let (url, restart) = store(&format!("restarted{at}"));
        let mut one = machine(through(&url, relay, port));
        let (tell, told) = channel();
        relay.arm_and(at, Fault::RequestLost, move || {
            restart();
            let _ = tell.send(());
        });
        let ended = one.command(&["apply", "plan.yaml", "--auto-approve", "--wait"]).output();
        let (code, said) = said(&ended.expect("the program can be run"));
        let made = relay.arm(None);
        let context = format!("port {port}, request {at} of {requests}, {made} made");
        assert!([0, 1, 5].contains(&code), "{context}: {code}: {said}");
        // A program that gives up at once is quicker than the server.
        assert!(made <= at || told.recv_timeout(PATIENCE).is_ok(), "{context}: it never returns");
        one.store = url;
        one.goes_on(&context);
    }
}
