//! Several processes at one store. The test binary starts itself again as a writer: [`child`] is
//! its entry.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use cutover_store::{Lease, RunId, Store, StoreError};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{PLAN, claim, head, line, lines};

/// The environment variable that names a child's role and its store.
const ROLE: &str = "CUTOVER_STORE_SUITE";

/// Opens the store with this name.
pub type Open = fn(&str) -> Arc<dyn Store>;

/// How long to wait for a lease that is held. Our choice: far longer than any lease of a test.
const LEASE_TRIES: u32 = 3_000;

/// Pauses between two attempts.
#[expect(clippy::disallowed_methods, reason = "another process is waited for")]
async fn pause() {
    tokio::time::sleep(Duration::from_millis(10)).await;
}

/// Waits for the lease.
async fn lease(store: &dyn Store, owner: &str) -> Box<dyn Lease> {
    for _ in 0..LEASE_TRIES {
        match store.lease(PLAN, &claim(owner)).await {
            Err(StoreError::Locked { .. }) => pause().await,
            taken => return taken.expect("a lease"),
        }
    }
    panic!("the lease does not become free")
}

/// The run that all processes write.
fn run() -> RunId {
    RunId::new(PLAN, 1)
}

/// A process that writes.
struct Writer {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Writer {
    fn start(role: &str, place: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this binary"));
        command.args(["--exact", "child", "--nocapture"]).env(ROLE, format!("{role} {place}"));
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("a child");
        let said = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, said }
    }

    /// What it says next; `None` at its end. The test harness says things too, without a colon.
    fn next(&mut self) -> Option<String> {
        loop {
            let mut text = String::new();
            if self.said.read_line(&mut text).expect("text") == 0 {
                return None;
            }
            if let Some((_, said)) = text.trim_end().split_once("says: ") {
                return Some(said.to_owned());
            }
        }
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("a process id");
        kill(Pid::from_raw(id), signal).expect("it is there");
    }

    fn tell(&mut self) {
        let stdin = self.child.stdin.as_mut().expect("a pipe");
        stdin.write_all(b"\n").expect("it listens");
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a child says to its parent, in one write.
fn say(text: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(format!("\nsays: {text}\n").as_bytes()).and_then(|()| out.flush());
}

/// Waits until the parent says something.
fn heed() {
    let _ = std::io::stdin().lock().read_line(&mut String::new());
}

/// The entry of a child: a test with this name has to call it, and nothing else. Without a parent
/// it does nothing.
///
/// # Panics
/// If the store does not do what it has to.
pub async fn child(open: Open) {
    #[expect(clippy::disallowed_methods, reason = "this is how the parent says what to do")]
    let Ok(role) = std::env::var(ROLE) else { return };
    let (role, place) = role.split_once(' ').expect("a role and a place");
    let store = open(place);
    let me = std::process::id();
    let (turns, per_turn) = match role.split(':').collect::<Vec<_>>()[..] {
        ["turns", turns] => (turns.parse().expect("a number"), 1),
        ["forever"] => (1, u32::MAX),
        ["slept"] => return sleeper(&*store).await,
        _ => panic!("{role}"),
    };
    for turn in 0..turns {
        let mut lease = lease(&*store, &format!("process {me}")).await;
        let mut after = head(&*store, &run()).await;
        for count in 0..per_turn {
            let line = line(format!("{me}.{turn}.{count}"), after);
            lease.append(&run(), after, std::slice::from_ref(&line)).await.expect("written");
            after = line.digest();
            say(line.text());
        }
    }
}

async fn sleeper(store: &dyn Store) {
    let mut lease = lease(store, "the sleeper").await;
    let after = head(store, &run()).await;
    say("ready");
    heed();
    let line = line("too late", after);
    match lease.append(&run(), after, &[line]).await {
        Err(StoreError::Lost { .. }) => say("lost"),
        other => say(format!("{other:?}")),
    }
}

/// Creates the run that all processes write.
async fn created(store: &dyn Store) {
    let mut lease = lease(store, "the parent").await;
    assert_eq!(lease.create("an artifact").await.expect("created"), run());
}

/// Every line follows the line before it, and every line that a process knows to be written is
/// there once.
async fn check(store: &dyn Store, written: &[String]) {
    let found = lines(store, &run()).await;
    let mut before = super::none();
    for line in &found {
        assert!(line.ends_with(&format!("after {before}")), "{line} after {before}");
        before = cutover_base::digest::Digest::of(line.as_bytes());
    }
    let distinct: BTreeSet<&String> = found.iter().collect();
    assert_eq!(distinct.len(), found.len(), "no line is there twice");
    for line in written {
        assert!(distinct.contains(line), "{line} was lost");
    }
}

/// Two processes want to write at once, each so many times.
///
/// # Panics
/// If a line is lost or doubled.
pub async fn two_writers(open: Open, place: &str, turns: usize) {
    let store = open(place);
    created(&*store).await;
    let role = format!("turns:{turns}");
    let mut writers = [Writer::start(&role, place), Writer::start(&role, place)];
    let mut written = Vec::new();
    for writer in &mut writers {
        written.extend(std::iter::from_fn(|| writer.next()));
        assert!(writer.child.wait().expect("an end").success());
    }
    assert_eq!(written.len(), 2 * turns);
    check(&*store, &written).await;
    assert_eq!(lines(&*store, &run()).await.len(), 2 * turns);
}

/// A process is killed after each of its first lines. The next one continues.
///
/// # Panics
/// If a line is lost, or more than one is there that the process did not know of.
pub async fn killed(open: Open, place: &str, kills: usize) {
    let store = open(place);
    created(&*store).await;
    let mut written = Vec::new();
    for count in 1..=kills {
        let mut writer = Writer::start("forever", place);
        written.extend((0..count).map_while(|_| writer.next()));
        writer.signal(Signal::SIGKILL);
        written.extend(std::iter::from_fn(|| writer.next()));
        drop(writer);
        let lease = lease(&*store, "the parent").await;
        let found = lines(&*store, &run()).await.len();
        drop(lease);
        // What was written before the process could say so is there too.
        assert!(found <= written.len() + count, "{found} lines, {} known", written.len());
    }
    check(&*store, &written).await;
}

/// A process is stopped, loses its lease, and wakes. `unlock` says whether the lease has to be
/// taken away, because it has no end of its own.
///
/// # Panics
/// If it can write.
pub async fn stopped(open: Open, place: &str, ends: LeaseEnd) {
    let store = open(place);
    created(&*store).await;
    let mut sleeper = Writer::start("slept", place);
    assert_eq!(sleeper.next().as_deref(), Some("ready"));
    sleeper.signal(Signal::SIGSTOP);
    let holder = store.holder(PLAN).await.expect("an answer").expect("the sleeper");
    match ends {
        LeaseEnd::ByItself => {}
        LeaseEnd::ByUnlock => {
            assert!(store.unlock(PLAN, holder.fence).await.expect("taken away"));
        }
    }
    let mut lease = lease(&*store, "the parent").await;
    assert!(lease.holder().fence > holder.fence);
    let after = head(&*store, &run()).await;
    let next = line("in time", after);
    lease.append(&run(), after, &[next]).await.expect("written");
    sleeper.tell();
    sleeper.signal(Signal::SIGCONT);
    assert_eq!(sleeper.next().as_deref(), Some("lost"));
    let found = lines(&*store, &run()).await;
    assert_eq!(found, [line("in time", after).text()]);
}

/// How a lease ends whose holder was stopped.
#[derive(Clone, Copy, Debug)]
pub enum LeaseEnd {
    /// After its time.
    ByItself,
    /// When somebody takes it away.
    ByUnlock,
}
