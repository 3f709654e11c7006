//! `round_trip`: whether mail from outside arrives in a mailbox, whole and where people read it.
//!
//! Each address of each exchange gets a message of its own, with a token that nobody can guess, as any
//! sender would send it. It is looked for in the INBOX of the mailbox and in its folder for junk, and
//! removed again. No fact is established: one mailbox says nothing about the others.
//!
//! A message that arrives after all belongs to nobody any more, so whoever sets the bound too short
//! finds it in the mailbox.

use std::time::Duration;

use cutover_base::calendar::{parse_span, show_span};
use cutover_contract::{ConfigField, FieldKind};

use super::recipients::{FROM, is_address};
use super::session::{CERTIFICATE, Said, broken, opened_as_offered};
use super::smtp::SMTP_PORT;
use super::target::{
    At, EXCHANGES, EXCHANGES_FIELD, HOST, Located, RESOLVER_FIELD, check_targets, locate, targets,
};
use super::{
    Asked, BadSetting, Finding, HostOf, Next, Probe, ProbeKeys, Round, check_within, text, told,
};
use crate::ask::{
    Answered, Arrival, AskHost, AskRoundTrip, Encrypts, MessageSeen, Query, RoundTripSeen, Unopened,
};
use crate::graph::gate::Settings;
use crate::mailboxes::{MailboxHost, MailboxLogin};

pub(super) const PROBE: Probe = Probe {
    keys: ProbeKeys {
        name: "round_trip",
        fields: FIELDS,
        check,
        in_dns: false,
        after_expiry: false,
        sends: true,
        host: Some(HostOf::New),
        establishes: None,
    },
    doc: "a message that is sent to each exchange arrives in the mailbox",
    next,
};

/// The key of the address that mail is sent to.
pub const ADDRESS: &str = "address";
/// The keys that the plan fills in: how the mailbox is opened, and by whom.
pub const MAILBOX: &str = "mailbox";
/// See [`MAILBOX`].
pub const LOGIN: &str = "login";

const ANY: &str = "any";
const BODY: &str = "body";
const SILENT: &str = "silent";
const ALLOWED: &str = "allowed";

const FIELDS: &[ConfigField] = &[
    ConfigField {
        name: ADDRESS,
        kind: FieldKind::Text,
        required: false,
        former: None,
        doc: "The address of a mailbox in `migrate.recipients`: mail is sent to it and looked for there. Default: the first of the list at a domain that moves; better is one that nobody uses.",
    },
    ConfigField {
        name: HOST,
        kind: FieldKind::Text,
        required: false,
        former: None,
        doc: "The host of the plan, old or new, whose exchanges get a message each, and whose mailbox is opened. Default: the new one.",
    },
    EXCHANGES_FIELD,
    ConfigField {
        name: FROM,
        kind: FieldKind::Text,
        required: false,
        former: None,
        doc: "The sender's address. Default: none, so that no server sends a report to anybody. With an address whose mail comes to the same mailbox, reports are read there too.",
    },
    ConfigField {
        name: CERTIFICATE,
        kind: FieldKind::Choice(&["valid", ANY]),
        required: false,
        former: None,
        doc: "`valid` (the default): a server that offers STARTTLS gets the message only if its certificate is valid for its name, from an authority that this machine trusts; `any`: whatever certificate it has, as from most senders. Without STARTTLS the message is sent in the clear.",
    },
    ConfigField {
        name: BODY,
        kind: FieldKind::Choice(&["same", ANY]),
        required: false,
        former: None,
        doc: "`same` (the default): the body has to arrive octet by octet; `any`: the host may change it, as one does that appends a footer.",
    },
    RESOLVER_FIELD,
    ConfigField {
        name: SILENT,
        kind: FieldKind::Choice(&["unanswered", ALLOWED]),
        required: false,
        former: None,
        doc: "What it means that an address of an exchange does not answer while another address of it does: `unanswered` (the default), or `allowed`; for a machine without IPv6.",
    },
    ConfigField {
        name: "within",
        kind: FieldKind::Duration,
        required: false,
        former: None,
        doc: "How long a message may take from when the server has taken it, at most 30m, default 2m.",
    },
];

/// Our choice: most hosts deliver within seconds.
const WITHIN: Duration = Duration::from_secs(2 * 60);
/// The time that greylisting commonly asks for is below it. Our choice.
const WITHIN_MAX: Duration = Duration::from_secs(30 * 60);
/// How long a session may take. Our choice: servers may filter for most of a minute before they take a
/// message (RFC 5321 §4.5.3.2.6 would give them ten).
const SESSION_WITHIN: Duration = Duration::from_secs(90);
/// The maximum number of messages. Our choice: four addresses for each exchange of a large host.
const MESSAGES_MAX: usize = 40;

fn within(settings: &Settings) -> Duration {
    text(settings, "within").and_then(|text| parse_span(text).ok()).unwrap_or(WITHIN)
}

fn check(settings: &Settings) -> Result<(), BadSetting> {
    check_targets(settings, EXCHANGES)?;
    let bad = |key, problem: String, help: &str| {
        Err(BadSetting { key, is_secret: false, problem, help: help.to_owned() })
    };
    for key in [ADDRESS, FROM] {
        if let Some(odd) = text(settings, key).filter(|address| !is_address(address)) {
            let shown = cutover_base::diag::quoted(odd);
            let help = "write `somebody@example.net`, in ASCII";
            return bad(key, format!("{shown} is not an address of mail"), help);
        }
    }
    check_within(settings)?;
    match within(settings) > WITHIN_MAX {
        false => Ok(()),
        true => bad(
            "within",
            "`within` has to be at most half an hour".to_owned(),
            "write `30m` or less: what takes longer, people call lost",
        ),
    }
}

/// The servers to send to, each with what is found without sending.
enum Servers {
    Ask(Vec<Query>),
    Of { all: Vec<At>, found: Vec<Said> },
}

fn servers(settings: &Settings, rounds: &[Round]) -> Servers {
    let (mut all, mut found, mut open) = (Vec::new(), Vec::new(), Vec::new());
    for target in targets(settings, EXCHANGES) {
        match locate(settings, &target, SMTP_PORT, rounds) {
            Located::Ask(queries) => open.extend(queries),
            Located::Nowhere(finding, said) => found.push((finding, said)),
            Located::At(more) => all.extend(more),
        }
    }
    all.sort();
    all.dedup();
    if open.is_empty() { Servers::Of { all, found } } else { Servers::Ask(open) }
}

fn next(asked: &Asked<'_>, rounds: &[Round]) -> Next {
    let settings = asked.settings;
    let (all, mut found) = match servers(settings, rounds) {
        Servers::Ask(open) => return Next::Ask(open),
        Servers::Of { all, found } => (all, found),
    };
    let inconclusive = |said: String| Next::Found(Finding::Inconclusive, said);
    if all.is_empty() && found.is_empty() {
        return inconclusive("the host has no exchange that could be asked".to_owned());
    }
    if all.len() > MESSAGES_MAX {
        let said = format!("its exchanges have more than {MESSAGES_MAX} addresses: list some");
        return inconclusive(said);
    }
    // A host of which one exchange is nowhere is not asked at the others: nothing would pass.
    if all.is_empty() || found.iter().any(|(finding, _)| *finding == Finding::Fail) {
        return told(found);
    }
    match rounds.iter().flatten().find_map(Answered::round_trip) {
        None => match question(settings, &all) {
            Some(question) => Next::Ask(vec![Query::RoundTrip(Box::new(question))]),
            None => {
                inconclusive("the plan does not say which mailbox, or how it is opened".to_owned())
            }
        },
        Some((_, RoundTripSeen::Unopened(why))) => match why {
            Unopened::Silent(why) => {
                let said = format!("the mailbox cannot be opened, so no mail was sent: {why}");
                Next::Found(Finding::Unanswered, said)
            }
            Unopened::Refused(why) => {
                inconclusive(format!("the mailbox cannot be opened, so no mail was sent: {why}"))
            }
        },
        Some((question, RoundTripSeen::Sent(messages))) => {
            let judged = all.iter().zip(messages).map(|(at, message)| {
                let (finding, said) = judged(settings, question, message);
                (at, (finding, format!("{at}: {said}{}", left(message))))
            });
            found.extend(heard(settings, judged.collect()));
            told(found)
        }
    }
}

fn question(settings: &Settings, all: &[At]) -> Option<AskRoundTrip> {
    let host = |at: &At| AskHost {
        server: at.server,
        name: at.host.clone(),
        encrypts: Encrypts::Upgraded,
        login: None,
        within: SESSION_WITHIN,
    };
    Some(AskRoundTrip {
        exchanges: all.iter().map(host).collect(),
        from: text(settings, FROM).unwrap_or_default().to_owned(),
        address: text(settings, ADDRESS)?.to_owned(),
        needs_valid: text(settings, CERTIFICATE) != Some(ANY),
        mailbox: MailboxHost::of_config(settings, MAILBOX)?,
        login: MailboxLogin::of_config(settings, LOGIN)?,
        within: within(settings),
    })
}

/// The findings but for addresses that are silent while another one of the same exchange is not, if the
/// plan allows that: senders try the next.
fn heard(settings: &Settings, all: Vec<(&At, Said)>) -> Vec<Said> {
    let is_heard = |host: &str| {
        all.iter().any(|(at, (finding, _))| at.host == host && *finding != Finding::Unanswered)
    };
    let allowed = text(settings, SILENT) == Some(ALLOWED);
    let dropped =
        |at: &At, finding| allowed && finding == Finding::Unanswered && is_heard(&at.host);
    let kept = all.iter().filter(|(at, (finding, _))| !dropped(at, *finding));
    kept.map(|(_, said)| said.clone()).collect()
}

/// What became of one message.
fn judged(settings: &Settings, question: &AskRoundTrip, message: &MessageSeen) -> Said {
    let session = &message.session;
    let channel = match opened_as_offered(settings, session) {
        Ok(Some(_)) => "",
        Ok(None) => ", sent without TLS, which it does not offer",
        Err(found) => return found,
    };
    if let Some((what, reply)) = message.refusal() {
        return match reply.class() {
            4 => (Finding::Inconclusive, format!("it puts {what} off: {reply}")),
            _ => (Finding::Fail, format!("it refuses {what}: {reply}")),
        };
    }
    if !message.may_arrive() {
        return match &session.broken {
            Some(why) => broken(why),
            None => (Finding::Unanswered, "it ended the session".to_owned()),
        };
    }
    if let Some(bounce) = &message.bounce {
        let said = format!("it has taken the message, and a report says: {bounce}");
        return (Finding::Fail, said);
    }
    match message.arrivals.as_slice() {
        [] => lost(question, message),
        [one] => arrived(settings, question, one, channel),
        several => {
            let folders: Vec<&str> = several.iter().map(|one| one.folder.as_str()).collect();
            let (count, folders) = (several.len(), folders.join(", "));
            (Finding::Fail, format!("the message arrived {count} times: in {folders}"))
        }
    }
}

/// A message that was not found.
fn lost(question: &AskRoundTrip, message: &MessageSeen) -> Said {
    let session = &message.session;
    let within = show_span(question.within);
    if let Some(why) = &message.unread {
        let said = format!("nobody could look whether the message arrived: {why}");
        return (Finding::Unanswered, said);
    }
    match (message.taken(), &session.broken) {
        (Some(reply), _) => {
            let said = format!(
                "it has taken the message ({reply}), which is neither in INBOX nor in the folder for junk of {} after {within}",
                question.address
            );
            (Finding::Fail, said)
        }
        (None, why) => {
            let why = why.as_ref().map_or("it ended the session".to_owned(), ToString::to_string);
            let said = format!(
                "it did not say whether it has taken the message ({why}), which is not there after {within}"
            );
            (Finding::Unanswered, said)
        }
    }
}

/// A message that was found once.
fn arrived(settings: &Settings, question: &AskRoundTrip, arrival: &Arrival, channel: &str) -> Said {
    let Arrival { folder, is_junk, after, missed, results, sent, body } = arrival;
    // Looks are a quarter of a second apart at first, and more later.
    let seconds = format!("{:.1} s", after.as_secs_f64());
    let results = match results.as_slice() {
        [] => "no Authentication-Results".to_owned(),
        all => format!("Authentication-Results: {}", all.join(" | ")),
    };
    if *is_junk {
        let said =
            format!("the message arrived after {seconds}, but as junk in {folder}; {results}");
        // A real message may look less like junk than this one.
        return (Finding::Inconclusive, said);
    }
    if *missed >= question.within {
        let said = format!(
            "the message took {seconds}, longer than {}; {results}",
            show_span(question.within)
        );
        return (Finding::Fail, said);
    }
    let is_same = sent == body;
    if !is_same && text(settings, BODY) != Some(ANY) {
        let said = format!(
            "the message arrived in {folder} after {seconds}, but its body was changed on the way: {body} instead of {sent}; {results}"
        );
        return (Finding::Fail, said);
    }
    let body = if is_same { "as it was sent" } else { "with another body" };
    let said = format!("arrived in {folder} after {seconds}, {body}{channel}; {results}");
    (Finding::Pass, said)
}

/// What is still in the mailbox.
fn left(message: &MessageSeen) -> String {
    match &message.left {
        Some(why) => format!("; the message is still there: {why}"),
        None => String::new(),
    }
}
