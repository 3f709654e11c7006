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
        host: Some(HostOf::Old),
        establishes: Some(Establishes {
            fact: Fact::Synced,
            counts: |_| Ok(()),
            leaves: "that the list names every mailbox, and that what is no message has moved",
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

const FIELDS: &[ConfigField] = &[ConfigField {
    name: "within",
    kind: FieldKind::Duration,
    required: false,
    former: None,
    doc: "How long the comparison may take, default 12h.",
}];

/// Our choice: a night.
const WITHIN: Duration = Duration::from_secs(12 * 3_600);
/// What is named in a finding; the rest is counted. Our choice: the first few show the problem.
const NAMED_MAX: usize = 5;

fn within(settings: &Settings) -> Duration {
    text(settings, "within").and_then(|text| parse_span(text).ok()).unwrap_or(WITHIN)
}

fn check(settings: &Settings) -> Result<(), BadSetting> {
    super::check_within(settings)
}

fn next(asked: &Asked<'_>, rounds: &[Round]) -> Next {
    if let Some(seen) = rounds.iter().flatten().find_map(Answered::mailboxes) {
        let (finding, said) = judged(seen);
        return Next::Found(finding, said);
    }
    let settings = asked.settings;
    let sides = [OLD, NEW].map(|side| MailboxHost::of_config(settings, side));
    let accounts = MailboxAccount::of_config(settings, ACCOUNTS);
    let ([Some(old), Some(new)], Some(accounts)) = (sides, accounts) else {
        let said = "the plan does not say which mailboxes, or how they are opened".to_owned();
        return Next::Found(Finding::Inconclusive, said);
    };
    let ledger = text(settings, LEDGER).unwrap_or_default().to_owned();
    let within = within(settings);
    let question = AskMailboxes { old, new, accounts, ledger, within };
    Next::Ask(vec![Query::Mailboxes(Box::new(question))])
}

fn judged(seen: &MailboxesSeen) -> (Finding, String) {
    let MailboxesSeen { mailboxes, present, lacking, unread } = seen;
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
    (
        Finding::Pass,
        format!("{present} messages of {mailboxes} mailboxes were found at the new host"),
    )
}
