//! From a plan to accounts: which mailboxes move, and how each is opened.
//!
//! A plan that does not say enough is refused, with the lines to add. A secret that cannot be read
//! stops its mailbox only.

use std::collections::BTreeSet;

use super::Which;
use crate::cli::failure::{Code, Failure, Message, Problem};
use crate::cli::{home, planning};
use crate::diag::listed;
use crate::intent::Mailboxes;
use crate::language::mailboxes::{MailboxesSpec, account};
use crate::mailbox::account::Pair;
use crate::mailboxes::MailboxAccount;
use crate::recipients::Recipient;
use crate::world::real::mailboxes::{OpenError, Opening};

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
    let access = [old, new].map(|(name, spec)| (name, spec.unplaced()));
    let [old, new] = &access;
    let opened = |(name, access)| Opening::of(name, access, &home, commands);
    let [old, new] = [old, new].map(|(name, access)| opened((name, access)));
    let usage = |error: OpenError| message("", &error).usage();
    let (old, new) = (old.map_err(usage)?, new.map_err(usage)?);
    let mut accounts = Accounts { pairs: Vec::new(), problems: Vec::new() };
    for account in wanted.iter().map(account) {
        let MailboxAccount { address, old: at_old, new: at_new } = account;
        match (old.account(&at_old), new.account(&at_new)) {
            (Ok(old), Ok(new)) => accounts.pairs.push(Pair { address, old, new }),
            (old, new) => {
                for (side, error) in [("old", old.err()), ("new", new.err())] {
                    let Some(error) = error else { continue };
                    let message = message(side, &error);
                    let text = format!("{address}: {}", message.text);
                    accounts.problems.push(Message { text, ..message }.into());
                }
            }
        }
    }
    Ok(accounts)
}

/// What is said of a mailbox that cannot be opened at a side.
fn message(side: &str, error: &OpenError) -> Message {
    let text = error.to_string();
    match error {
        OpenError::Roots { .. } => Message::new(Code::MailboxesUnsaid, text),
        OpenError::Secret { .. } => Message::new(Code::SecretUnreadable, text),
        OpenError::NoPassword { .. } => {
            let help = format!(
                "fill in `{side}_secret` in the list of recipients, or add `sign_in:` to the host's `mailboxes:`"
            );
            Message::new(Code::MailboxesUnsaid, text).help(help)
        }
    }
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
