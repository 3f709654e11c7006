//! `mailboxes`: whether each message of the old host's mailboxes is at the new host.
//!
//! The comparison reads both sides from the beginning, message by message. It is the one that
//! `cutover mailboxes verify` makes.

use std::time::Duration;

use cutover_contract::{ConfigField, FieldKind};

use super::{Asked, BadSetting, Establishes, Finding, HostOf, Next, Probe, ProbeKeys, Round, text};
use crate::ask::{Answered, AskMailboxes, MailboxesSeen, Query};
use crate::fact::Fact;
use crate::graph::gate::Settings;
use crate::mailboxes::{MailboxAccount, MailboxHost};
use cutover_base::calendar::parse_span;

pub(super) const PROBE: Probe = Probe {
    keys: ProbeKeys {
        name: "mailboxes",
        fields: FIELDS,
        check,
        in_dns: false,
        after_expiry: false,
        sends: false,
        host: Some(HostOf::Old),
        establishes: Some(Establishes {
            fact: Fact::Synced,
            counts,
            leaves: "that the list names every mailbox, that the names of the servers lead to both hosts, and that what is no message, or in no folder that is listed, has moved",
        }),
    },
    doc: "each message of the old host's mailboxes is at the new host",
    next,
};

/// The keys that the plan fills in: how each side is opened, whose mailboxes they are, and whose ledger
/// knows the names of folders.
pub const OLD: &str = "old";
/// See [`OLD`].
pub const NEW: &str = "new";
/// See [`OLD`].
pub const ACCOUNTS: &str = "accounts";
/// See [`OLD`].
pub const LEDGER: &str = "ledger";

const EMPTY: &str = "empty";
const ALLOWED: &str = "allowed";

const FIELDS: &[ConfigField] = &[
    ConfigField {
        name: EMPTY,
        kind: FieldKind::Choice(&["inconclusive", ALLOWED]),
        required: false,
        former: None,
        doc: "What it means that a mailbox has no message at the old host: `inconclusive` (the default), since it may be another user's, whom the host made up, or `allowed`.",
    },
    ConfigField {
        name: "within",
        kind: FieldKind::Duration,
        required: false,
        former: None,
        doc: "How long the comparison may take, at most 24h, default 12h.",
    },
];

/// Our choice: a night.
const WITHIN: Duration = Duration::from_secs(12 * 3_600);
/// What is named in a finding; the rest is counted. Our choice: the first few show the problem.
const NAMED_MAX: usize = 5;

fn within(settings: &Settings) -> Duration {
    text(settings, "within").and_then(|text| parse_span(text).ok()).unwrap_or(WITHIN)
}

/// Our choice: after a day it compares another mailbox.
const WITHIN_MAX: Duration = Duration::from_secs(24 * 3_600);

fn check(settings: &Settings) -> Result<(), BadSetting> {
    super::check_within(settings)?;
    match within(settings) > WITHIN_MAX {
        false => Ok(()),
        true => Err(BadSetting {
            key: "within",
            is_secret: false,
            problem: "`within` has to be at most a day".to_owned(),
            help: "write `24h` or less: what was read first is old by then".to_owned(),
        }),
    }
}

fn counts(settings: &Settings) -> Result<(), &'static str> {
    match text(settings, EMPTY) == Some(ALLOWED) {
        true => Err("with `empty: allowed` a mailbox that is the wrong one passes"),
        false => Ok(()),
    }
}

fn next(asked: &Asked<'_>, rounds: &[Round]) -> Next {
    if let Some(seen) = rounds.iter().flatten().find_map(Answered::mailboxes) {
        let (finding, said) = judged(asked.settings, seen);
        return Next::Found(finding, said);
    }
    let settings = asked.settings;
    let sides = [OLD, NEW].map(|side| MailboxHost::of_config(settings, side));
    let accounts = MailboxAccount::of_config(settings, ACCOUNTS);
    let ([Some(old), Some(new)], Some(accounts)) = (sides, accounts) else {
        let said = "the plan does not say which mailboxes, or how they are opened".to_owned();
        return Next::Found(Finding::Inconclusive, said);
    };
    if accounts.is_empty() {
        let said = "the list of recipients has no mailbox".to_owned();
        return Next::Found(Finding::Inconclusive, said);
    }
    let ledger = text(settings, LEDGER).unwrap_or_default().to_owned();
    let within = within(settings);
    let question = AskMailboxes { old, new, accounts, ledger, within };
    Next::Ask(vec![Query::Mailboxes(Box::new(question))])
}

fn judged(settings: &Settings, seen: &MailboxesSeen) -> (Finding, String) {
    let MailboxesSeen { mailboxes, present, lacking, unread, empty } = seen;
    let some = |all: &[String]| {
        let more = all.len().saturating_sub(NAMED_MAX);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        let named = all.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join("; ");
        format!("{named}{more}")
    };
    if !lacking.is_empty() {
        let said = format!(
            "of {mailboxes} mailboxes {} lack messages at the new host: {}",
            lacking.len(),
            some(lacking)
        );
        return (Finding::Fail, said);
    }
    if !unread.is_empty() {
        let said = format!(
            "of {mailboxes} mailboxes {} could not be compared: {}",
            unread.len(),
            some(unread)
        );
        return (Finding::Inconclusive, said);
    }
    if !empty.is_empty() && text(settings, EMPTY) != Some(ALLOWED) {
        let said = format!(
            "of {mailboxes} mailboxes {} have no message at the old host: are they the right ones? {}",
            empty.len(),
            some(empty)
        );
        return (Finding::Inconclusive, said);
    }
    (
        Finding::Pass,
        format!("{present} messages of {mailboxes} mailboxes were found at the new host"),
    )
}
