//! From a plan to accounts: which mailboxes move, and how each is opened.
//!
//! A plan that does not say enough is refused, with the lines to add. A secret that cannot be read
//! stops its mailbox only.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::Which;
use crate::cli::failure::{Code, Failure, Message, Problem};
use crate::cli::{home, planning};
use crate::config::SecretRef;
use crate::diag::listed;
use crate::imap::{Roots, Secret, Security, Server, SignIn};
use crate::intent::Mailboxes;
use crate::language::mailboxes::{self, MailboxesSpec, SignInSpec, of_user};
use crate::mailbox::account::{Account, Pair};
use crate::recipients::{Login, Recipient, Reference};
use crate::world::real::connect::{Commands, secret};

/// The mailboxes that are to be worked on, and those that cannot be.
pub(super) struct Accounts {
    pub(super) pairs: Vec<Pair>,
    pub(super) problems: Vec<Problem>,
}

/// The mailboxes of a plan that are meant.
pub(super) fn of(plan: &planning::Plan, which: &Which) -> Result<Accounts, Failure> {
    let (old, new, list) = said(plan)?;
    let home = home(&which.plan);
    let wanted = wanted(list, which)?;
    let commands = which.commands.allowed();
    let sides = [("old", old), ("new", new)];
    let [old, new] =
        sides.map(|(side, (name, spec))| Opening::of(side, name, spec, &home, commands));
    let (old, new) = (old?, new?);
    let mut accounts = Accounts { pairs: Vec::new(), problems: Vec::new() };
    for recipient in wanted {
        let Recipient { address, old: at_old, new: at_new, .. } = &recipient;
        match (old.account(at_old), new.account(at_new)) {
            (Ok(old), Ok(new)) => {
                accounts.pairs.push(Pair { address: address.clone(), old, new });
            }
            (old, new) => {
                for message in [old.err(), new.err()].into_iter().flatten() {
                    let text = format!("{address}: {}", message.text);
                    accounts.problems.push(Message { text, ..message }.into());
                }
            }
        }
    }
    Ok(accounts)
}

type Side<'p> = (&'p str, &'p MailboxesSpec);

/// What the plan says; everything that is missing at once.
fn said(plan: &planning::Plan) -> Result<(Side<'_>, Side<'_>, &[Recipient]), Failure> {
    let Some(Mailboxes { old, new, recipients }) = &plan.intent.mailboxes else {
        let text = "the plan moves no mail, so no mailbox moves";
        let help = "add `migrate:` with the domains and both hosts";
        return Err(Message::new(Code::MailboxesUnsaid, text).help(help).usage());
    };
    let mut missing = Vec::new();
    let mut help = Vec::new();
    for (name, spec) in [old, new] {
        if spec.is_none() {
            missing.push(format!("how those of the host `{name}` are opened"));
            help.push(format!(
                "add to `hosts:` `{name}:`\n  mailboxes: {{ imap: \"imap.example.com:993\" }}"
            ));
        }
    }
    if recipients.is_none() {
        missing.push("which of them move".to_owned());
        help.push(
            "add to `migrate:`\n  recipients: { file: recipients.csv }\nwhose first line is\n  address,old_user,new_user,old_secret,new_secret".to_owned(),
        );
    }
    match (&old.1, &new.1, recipients) {
        (Some(at_old), Some(at_new), Some(list)) => {
            Ok(((&old.0, at_old), (&new.0, at_new), &list.all))
        }
        _ => {
            let text = "the plan says too little about mailboxes";
            let message = Message::new(Code::MailboxesUnsaid, text).details(missing);
            Err(help.iter().fold(message, |message, help| message.help(help)).usage())
        }
    }
}

/// The mailboxes that the arguments mean.
fn wanted(all: &[Recipient], which: &Which) -> Result<Vec<Recipient>, Failure> {
    let mailboxes: Vec<&Recipient> = all.iter().filter(|one| one.kind.is_mailbox()).collect();
    let is_called = |one: &Recipient, name: &String| one.address.eq_ignore_ascii_case(name);
    let unknown: Vec<&str> = which
        .only
        .iter()
        .filter(|name| !mailboxes.iter().any(|one| is_called(one, name)))
        .map(String::as_str)
        .collect();
    if !unknown.is_empty() {
        let text = format!("no mailbox of the list is {}", listed(unknown));
        return Err(Message::new(Code::RecipientsUnusable, text).usage());
    }
    let of_wave = |one: &Recipient| which.wave.is_none() || one.wave == which.wave;
    let is_named = |one: &Recipient| {
        which.only.is_empty() || which.only.iter().any(|name| is_called(one, name))
    };
    let found: Vec<Recipient> = mailboxes
        .iter()
        .filter(|one| of_wave(one) && is_named(one))
        .map(|one| (*one).clone())
        .collect();
    if found.is_empty() {
        let waves: BTreeSet<&str> = all.iter().filter_map(|one| one.wave.as_deref()).collect();
        let text = match &which.wave {
            Some(wave) => format!("no mailbox is of the wave `{wave}`"),
            None => "the list of recipients has no mailbox".to_owned(),
        };
        let help = match waves.is_empty() {
            true => "no line of the list names a wave".to_owned(),
            false => format!("the waves are {}", listed(waves)),
        };
        return Err(Message::new(Code::RecipientsUnusable, text).help(help).usage());
    }
    Ok(found)
}

/// How the mailboxes of a host are opened.
struct Opening<'p> {
    name: &'p str,
    spec: &'p MailboxesSpec,
    server: Server,
    /// The master's password, which is read once.
    master: Option<Secret>,
    home: &'p Path,
    commands: Commands,
    /// `old` or `new`.
    side: &'static str,
}

impl<'p> Opening<'p> {
    fn of(
        side: &'static str,
        name: &'p str,
        spec: &'p MailboxesSpec,
        home: &'p Path,
        commands: Commands,
    ) -> Result<Self, Failure> {
        let roots = match &spec.authority {
            Some(path) => Roots::in_file(&home.join(path)),
            None => Roots::system(),
        };
        let roots = roots.map_err(|error| {
            let text = format!("host `{name}`: {error}");
            Message::new(Code::MailboxesUnsaid, text).usage()
        })?;
        let security = match spec.security {
            mailboxes::Security::Tls => Security::Tls,
            mailboxes::Security::StartTls => Security::StartTls,
            mailboxes::Security::None => Security::Plain,
        };
        let server = Server { host: spec.host.value.clone(), port: spec.port, security, roots };
        let mut opening = Self { name, spec, server, master: None, home, commands, side };
        if let SignInSpec::Master { password, .. } = &spec.sign_in {
            let secret = opening.secret(password).map_err(Message::error)?;
            opening.master = Some(secret);
        }
        Ok(opening)
    }

    fn secret(&self, reference: &SecretRef) -> Result<Secret, Message> {
        match secret(reference, self.home, self.commands) {
            Ok(secret) => Ok(Secret::new(secret.expose().to_owned())),
            Err(error) => {
                let text = format!("host `{}`: {error}", self.name);
                Err(Message::new(Code::SecretUnreadable, text))
            }
        }
    }

    fn account(&self, Login { user, secret: listed }: &Login) -> Result<Account, Message> {
        let mut renew: Option<crate::mailbox::account::Renew> = None;
        let password =
            |password| SignIn::Password { user: user.clone(), on_behalf_of: None, password };
        let sign_in = match (&self.spec.sign_in, listed) {
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
                let (home, commands, user) = (self.home.to_owned(), self.commands, user.clone());
                let of_user = user.clone();
                renew = Some(Arc::new(move || {
                    let text = secret(&reference, &home, commands).map_err(|e| e.to_string())?;
                    let token = Secret::new(text.expose().to_owned());
                    Ok(SignIn::Token { user: of_user.clone(), token })
                }));
                SignIn::Token { user, token }
            }
            // What the list says about one user counts more than what the plan says about all.
            (SignInSpec::Password(_) | SignInSpec::Listed, Some(reference)) => {
                let reference = match reference {
                    Reference::Env(name) => SecretRef::Env(name.clone()),
                    Reference::File(path) => SecretRef::File(path.clone()),
                };
                password(self.secret(&reference)?)
            }
            (SignInSpec::Listed, None) => {
                let text =
                    format!("nothing says with which password host `{}` is opened", self.name);
                let help = format!(
                    "fill in `{}_secret` in the list of recipients, or add `sign_in:` to the host's `mailboxes:`",
                    self.side
                );
                return Err(Message::new(Code::MailboxesUnsaid, text).help(help));
            }
        };
        let Server { host, port, .. } = &self.server;
        let name = format!("{host}:{port} {user}");
        Ok(Account { name, server: self.server.clone(), sign_in, renew })
    }
}
