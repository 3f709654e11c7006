//! Two hosts, and what tests do with them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use cutover_imap::{Roots, Secret, Security, Server, SignIn};
use cutover_mailbox::account::{Account, Pair};
use cutover_mailbox::clock::RealClock;
use cutover_mailbox::copy::{Limits, Pass, copy};
use cutover_mailbox::ledger::Ledger;
use cutover_mailbox::report::{MailboxReport, Progress};
use cutover_mailbox::verify::{Comparison, MailboxComparison, verify};

use crate::lab::MailboxHost;
use crate::lab::mailbox_host::{HOST, PASSWORD, Setup};

/// Two hosts and a directory for the ledger.
pub(crate) struct Bed {
    pub(crate) old: MailboxHost,
    pub(crate) new: MailboxHost,
    setups: [Setup; 2],
    dir: tempfile::TempDir,
}

impl Bed {
    /// Starts the hosts.
    pub(crate) fn start(old: Setup, new: Setup) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let hosts = (MailboxHost::start(&old), MailboxHost::start(&new));
        Self { old: hosts.0, new: hosts.1, setups: [old, new], dir }
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.dir.path().join("ledger.sqlite")
    }

    pub(crate) fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    pub(crate) fn aside(&self) -> PathBuf {
        self.dir.path().join("aside")
    }

    pub(crate) fn pair(&self, user: &str) -> Pair {
        Pair {
            address: format!("{user}@acme.test"),
            old: account(&self.old, "old", user),
            new: account(&self.new, "new", user),
        }
    }

    /// A pass with a ledger that stays from pass to pass.
    pub(crate) fn copy(&self, pairs: &[Pair]) -> Vec<MailboxReport> {
        self.copy_within(pairs, limits())
    }

    pub(crate) fn copy_within(&self, pairs: &[Pair], limits: Limits) -> Vec<MailboxReport> {
        let ledger = Ledger::open(&self.ledger()).expect("a ledger");
        let progress = Progress::default();
        let clock = RealClock;
        let pass = Pass {
            ledger: &ledger,
            aside: self.aside(),
            clock: &clock,
            progress: &progress,
            limits,
        };
        run(copy(pairs, &pass))
    }

    pub(crate) fn verify(&self, pairs: &[Pair]) -> Vec<MailboxComparison> {
        let ledger = Ledger::open(&self.ledger()).expect("a ledger");
        let progress = Progress::default();
        let comparison = Comparison {
            ledger: Some(&ledger),
            clock: &RealClock,
            progress: &progress,
            mailboxes: 4,
        };
        run(verify(pairs, &comparison))
    }

    /// What Python's `imaplib` finds in the mailbox of a user at both sides.
    pub(crate) fn judge(&self, user: &str) -> [Vec<String>; 2] {
        [judged(&self.old, &self.setups[0], user), judged(&self.new, &self.setups[1], user)]
    }

    /// What it finds at the new side.
    pub(crate) fn judge_new(&self, user: &str) -> Vec<String> {
        judged(&self.new, &self.setups[1], user)
    }

    /// Asserts that the judge finds the same at both sides: each message exactly once, with its
    /// flags and its date.
    #[track_caller]
    pub(crate) fn same(&self, user: &str) -> usize {
        let [old, new] = self.judge(user);
        let count = |lines: &[String]| {
            let mut counts = BTreeMap::new();
            lines.iter().for_each(|line| *counts.entry(line.clone()).or_insert(0) += 1);
            counts
        };
        let (before, after) = (count(&old), count(&new));
        let lost: Vec<_> = before.iter().filter(|row| after.get(row.0) < Some(row.1)).collect();
        let more: Vec<_> = after.iter().filter(|row| before.get(row.0) < Some(row.1)).collect();
        assert!(lost.is_empty() && more.is_empty(), "lost: {lost:#?}\nmore: {more:#?}");
        old.iter().filter(|line| !line.ends_with("\tempty")).count()
    }
}

fn judged(host: &MailboxHost, setup: &Setup, user: &str) -> Vec<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/judge.py");
    let separator = if setup.separator.is_empty() { "/" } else { setup.separator };
    let port = host.tls_port().to_string();
    let authority = host.authority().display().to_string();
    let arguments = [script, HOST, &port, &authority, user, PASSWORD, setup.prefix, separator];
    let output = Command::new("python3").args(arguments).output().expect("Python");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}\n{}", host.log());
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(str::to_owned).collect()
}

/// Limits for tests: a server on the same machine has stored what it got within a second.
pub(crate) fn limits() -> Limits {
    Limits { settle_max: Duration::from_secs(1), ..Limits::default() }
}

pub(crate) fn server(host: &MailboxHost) -> Server {
    Server {
        host: HOST.to_owned(),
        port: host.tls_port(),
        security: Security::Tls,
        roots: Roots::in_file(&host.authority()).expect("certificates"),
    }
}

pub(crate) fn account(host: &MailboxHost, name: &str, user: &str) -> Account {
    Account {
        name: format!("{name} {user}"),
        server: server(host),
        sign_in: password(user, PASSWORD),
        renew: None,
    }
}

pub(crate) fn password(user: &str, password: &str) -> SignIn {
    let password = Secret::new(password.to_owned());
    SignIn::Password { user: user.to_owned(), on_behalf_of: None, password }
}

pub(crate) fn run<F: Future>(future: F) -> F::Output {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

/// What the environment asks of the tests.
#[expect(clippy::disallowed_methods, reason = "a longer run is asked for by the environment")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
