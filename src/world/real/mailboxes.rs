//! Mailboxes of hosts: how each is opened, and the comparison of both sides for a gate.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::connect::{Commands, ConnectError, secret};
use crate::ask::{AskMailboxes, MailboxesSeen};
use crate::calendar::show_span;
use crate::config::SecretRef;
use crate::imap::{Roots, RootsError, Secret, Server, SignIn};
use crate::mailbox::account::{Account, Pair, Renew};
use crate::mailbox::clock::RealClock;
use crate::mailbox::ledger::{Ledger, LedgerError};
use crate::mailbox::report::Progress;
use crate::mailbox::verify::{Comparison, MailboxComparison, verify};
use crate::mailboxes::{self, MailboxAccount, MailboxHost, MailboxLogin, SignInSpec, of_user};

/// Mailboxes that a gate compares at once. Our choice, as for the command.
const MAILBOXES_AT_ONCE: usize = 4;
/// Messages that are named for each mailbox. Our choice: the first few show the problem.
const NAMED_MAX: usize = 3;

/// Why a mailbox cannot be opened. No error contains a secret.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The authorities cannot be read.
    #[error("host `{host}`: {error}")]
    Roots {
        /// The host's name in the plan.
        host: String,
        /// Why not.
        error: RootsError,
    },
    /// A secret cannot be read.
    #[error("host `{host}`: {error}")]
    Secret {
        /// The host's name in the plan.
        host: String,
        /// Why not.
        error: ConnectError,
    },
    /// The plan names no password for this user.
    #[error("nothing says with which password host `{host}` is opened")]
    NoPassword {
        /// The host's name in the plan.
        host: String,
    },
}

/// How the mailboxes of a host are opened.
pub struct Opening<'p> {
    name: &'p str,
    access: &'p MailboxHost,
    server: Server,
    /// The master's password, which is read once.
    master: Option<Secret>,
    home: &'p Path,
    commands: Commands,
}

impl<'p> Opening<'p> {
    /// Prepares to open mailboxes of the host with this name. Files and programs are named from `home`.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn of(
        name: &'p str,
        access: &'p MailboxHost,
        home: &'p Path,
        commands: Commands,
    ) -> Result<Self, OpenError> {
        let roots = match &access.authority {
            Some(path) => Roots::in_file(&home.join(path)),
            None => Roots::system(),
        };
        let roots = roots.map_err(|error| OpenError::Roots { host: name.to_owned(), error })?;
        let security = match access.security {
            mailboxes::Security::Tls => crate::imap::Security::Tls,
            mailboxes::Security::StartTls => crate::imap::Security::StartTls,
            mailboxes::Security::None => crate::imap::Security::Plain,
        };
        let server = Server { host: access.host.clone(), port: access.port, security, roots };
        let mut opening = Self { name, access, server, master: None, home, commands };
        if let SignInSpec::Master { password, .. } = &access.sign_in {
            opening.master = Some(opening.secret(password)?);
        }
        Ok(opening)
    }

    fn secret(&self, reference: &SecretRef) -> Result<Secret, OpenError> {
        match secret(reference, self.home, self.commands) {
            Ok(secret) => Ok(Secret::new(secret.expose().to_owned())),
            Err(error) => Err(OpenError::Secret { host: self.name.to_owned(), error }),
        }
    }

    /// The account of a user.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn account(&self, login: &MailboxLogin) -> Result<Account, OpenError> {
        let MailboxLogin { user, secret: listed } = login;
        let mut renew: Option<Renew> = None;
        let password =
            |password| SignIn::Password { user: user.clone(), on_behalf_of: None, password };
        let sign_in = match (&self.access.sign_in, listed) {
            (SignInSpec::Master { user: master, .. }, _) => SignIn::Password {
                user: master.clone(),
                on_behalf_of: Some(user.clone()),
                password: self.master.clone().expect("it was read with the host"),
            },
            (SignInSpec::Password(reference), None) => {
                password(self.secret(&of_user(reference, user))?)
            }
            (SignInSpec::Token(reference), _) => {
                let reference = of_user(reference, user);
                let token = self.secret(&reference)?;
                let (home, commands, of_user) = (self.home.to_owned(), self.commands, user.clone());
                renew = Some(Arc::new(move || {
                    let text = secret(&reference, &home, commands).map_err(|e| e.to_string())?;
                    let token = Secret::new(text.expose().to_owned());
                    Ok(SignIn::Token { user: of_user.clone(), token })
                }));
                SignIn::Token { user: user.clone(), token }
            }
            // What the list says about one user counts more than what the plan says about all.
            (SignInSpec::Password(_) | SignInSpec::Listed, Some(reference)) => {
                password(self.secret(reference)?)
            }
            (SignInSpec::Listed, None) => {
                return Err(OpenError::NoPassword { host: self.name.to_owned() });
            }
        };
        let Server { host, port, .. } = &self.server;
        let name = format!("{host}:{port} {user}");
        Ok(Account { name, server: self.server.clone(), sign_in, renew })
    }
}

/// The directory of the ledgers of a plan in `home`.
#[must_use]
pub fn ledgers_in(home: &Path) -> PathBuf {
    home.join(".cutover/mailboxes")
}

/// The ledger of a plan in this directory.
#[must_use]
pub fn ledger_in(dir: &Path, plan: &str) -> PathBuf {
    dir.join(format!("{plan}.sqlite"))
}

/// Compares the mailboxes of both sides, on a thread of its own: it may read for hours, and ends when
/// nobody waits for it any more.
pub(super) async fn compare(question: &AskMailboxes, home: &Path) -> MailboxesSeen {
    let (mut answer, answered) = oneshot::channel();
    let (asked, home, runtime) = (question.clone(), home.to_owned(), Handle::current());
    let thread = thread::Builder::new().name("mailboxes".to_owned()).spawn(move || {
        let seen = runtime.block_on(async {
            tokio::select! {
                seen = compared(&asked, &home) => Some(seen),
                () = answer.closed() => None,
            }
        });
        // If nobody waits any more, nobody is told.
        seen.map(|seen| answer.send(seen))
    });
    let seen = match thread {
        Ok(_) => answered.await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let mailboxes = question.accounts.len();
    seen.unwrap_or_else(|why| MailboxesSeen {
        mailboxes,
        unread: vec![format!("all: {why}")],
        ..MailboxesSeen::default()
    })
}

async fn compared(question: &AskMailboxes, home: &Path) -> MailboxesSeen {
    let AskMailboxes { old, new, accounts, ledger: _, within } = question;
    let mut seen = MailboxesSeen { mailboxes: accounts.len(), ..MailboxesSeen::default() };
    let path = ledger_in(&ledgers_in(home), &question.ledger);
    // Without one, folders are found by their names and uses alone.
    let ledger = match path.exists().then(|| Ledger::open(&path)).transpose() {
        Ok(ledger) => ledger,
        Err(error) => {
            let why = match &error {
                LedgerError::Locked(_) => "a copy is running".to_owned(),
                LedgerError::Foreign { .. } | LedgerError::Sqlite(_) => error.to_string(),
            };
            seen.unread.push(format!("all: {why}"));
            return seen;
        }
    };
    let sides = [("old", old), ("new", new)];
    let opened = sides.map(|(name, access)| Opening::of(name, access, home, Commands::Run));
    let [Ok(old), Ok(new)] = opened else {
        let why = opened.into_iter().filter_map(Result::err).map(|error| error.to_string());
        seen.unread.extend(why.map(|why| format!("all: {why}")));
        return seen;
    };
    let mut pairs = Vec::new();
    for MailboxAccount { address, old: at_old, new: at_new } in accounts {
        match (old.account(at_old), new.account(at_new)) {
            (Ok(old), Ok(new)) => pairs.push(Pair { address: address.clone(), old, new }),
            (old, new) => {
                let why = old.err().or(new.err()).map_or(String::new(), |error| error.to_string());
                seen.unread.push(format!("{address}: {why}"));
            }
        }
    }
    let progress = Progress::default();
    let comparison = Comparison {
        ledger: ledger.as_ref(),
        clock: &RealClock,
        progress: &progress,
        mailboxes: MAILBOXES_AT_ONCE,
    };
    match tokio::time::timeout(*within, verify(&pairs, &comparison)).await {
        Ok(results) => results.iter().for_each(|result| add(result, &mut seen)),
        Err(_) => {
            let within: Duration = *within;
            seen.unread.push(format!("all: it takes longer than {}", show_span(within)));
        }
    }
    seen
}

fn add(result: &MailboxComparison, seen: &mut MailboxesSeen) {
    let verdict = result.verdict();
    seen.present += verdict.present;
    let (lost, address) = (verdict.missing + verdict.altered + verdict.refused, &result.address);
    if lost > 0 {
        let folders = result.folders.iter().flat_map(|folder| {
            let lists = [&folder.missing, &folder.altered, &folder.refused];
            let all = lists.into_iter().flat_map(|list| &list.listed);
            all.map(|one| {
                let name = one.message_id.as_ref().or(one.subject.as_ref());
                let name = name.map_or_else(|| format!("UID {}", one.uid), Clone::clone);
                format!("{name} in {}", folder.old)
            })
        });
        let named: Vec<String> = folders.take(NAMED_MAX).collect();
        seen.lacking.push(format!("{address}: {lost}, among them {}", named.join(", ")));
    } else if !result.has_all() {
        let mut errors = result.folders.iter().filter_map(|folder| folder.error.clone());
        let why = result.error.clone().or_else(|| errors.next());
        let why = why.unwrap_or_else(|| format!("{} messages are not handed out", verdict.unread));
        seen.unread.push(format!("{address}: {why}"));
    } else if result.folders.iter().all(|folder| folder.messages == 0) {
        seen.empty.push(address.clone());
    }
}
