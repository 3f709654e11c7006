//! `smtp`: whether the exchanges of a host take mail as they should, at each of their addresses.
//!
//! Each address gets a session of its own: greeting, EHLO, STARTTLS, the certificate, and a try to
//! send to somebody else, which the server has to refuse. No message is sent.

use std::time::Duration;

use cutover_contract::{ConfigField, FieldKind};

use super::session::{CERTIFICATE_FIELD, Said, broken, opened};
use super::target::{
    At, EXCHANGES, EXCHANGES_FIELD, HOST, Located, RESOLVER_FIELD, check_targets, locate, targets,
};
use super::{
    Asked, BadSetting, Finding, HostOf, Next, Probe, ProbeKeys, Round, check_within, text, told,
    within,
};
use crate::ask::{Answered, AskHost, AskSmtp, Encrypts, MailSeen, Query, SmtpCommand};
use crate::graph::gate::Settings;

pub(super) const PROBE: Probe = Probe {
    keys: ProbeKeys {
        name: "smtp",
        fields: FIELDS,
        check,
        in_dns: false,
        after_expiry: false,
        sends: false,
        host: Some(HostOf::New),
        establishes: None,
    },
    doc: "every exchange takes mail, with TLS, at each of its addresses",
    next,
};

/// The port of exchanges (RFC 5321 §4.5.4.2).
pub(super) const SMTP_PORT: u16 = 25;

const RELAY: &str = "relay";
const UNCHECKED: &str = "unchecked";

/// Somebody for whom no exchange of a plan may take mail (RFC 2606 §3).
const SOMEBODY_ELSE: &str = "cutover-relay-test@example.com";

const FIELDS: &[ConfigField] = &[
    ConfigField {
        name: HOST,
        kind: FieldKind::Text,
        required: false,
        former: None,
        doc: "The host of the plan whose exchanges are asked. Default: the new one.",
    },
    EXCHANGES_FIELD,
    CERTIFICATE_FIELD,
    ConfigField {
        name: RELAY,
        kind: FieldKind::Choice(&["refused", UNCHECKED]),
        required: false,
        former: None,
        doc: "`refused` (the default): a server that would take mail for other domains from this machine fails; `unchecked`: for a machine that may relay there.",
    },
    RESOLVER_FIELD,
    ConfigField {
        name: "within",
        kind: FieldKind::Duration,
        required: false,
        former: None,
        doc: "How long a session may take, default 30s.",
    },
];

fn check(settings: &Settings) -> Result<(), BadSetting> {
    check_targets(settings, EXCHANGES)?;
    check_within(settings)
}

fn commands(settings: &Settings) -> Vec<SmtpCommand> {
    if text(settings, RELAY) == Some(UNCHECKED) {
        return Vec::new();
    }
    let of = |line: String, ideal| SmtpCommand { line, ideal };
    vec![of("MAIL FROM:<>".to_owned(), 250), of(format!("RCPT TO:<{SOMEBODY_ELSE}>"), 554)]
}

fn question(settings: &Settings, at: &At) -> AskSmtp {
    AskSmtp {
        host: AskHost {
            server: at.server,
            name: at.host.clone(),
            encrypts: Encrypts::Upgraded,
            login: None,
            within: within(settings),
        },
        tlsa: Vec::new(),
        commands: commands(settings),
        // A greylisting server answers MAIL late; nothing is gained by haste.
        group: 1,
        pause: Duration::ZERO,
    }
}

fn next(asked: &Asked<'_>, rounds: &[Round]) -> Next {
    let settings = asked.settings;
    let mut found = Vec::new();
    let mut open = Vec::new();
    let targets = targets(settings, EXCHANGES);
    if targets.is_empty() {
        let said = "the host has no exchange that could be asked".to_owned();
        return Next::Found(Finding::Inconclusive, said);
    }
    for target in &targets {
        match locate(settings, target, SMTP_PORT, rounds) {
            Located::Ask(queries) => open.extend(queries),
            Located::Nowhere(finding, said) => found.push((finding, said)),
            Located::At(all) => {
                for at in all {
                    let question = question(settings, &at);
                    let mut answers = rounds.iter().flatten().filter_map(Answered::smtp);
                    let seen = answers.find(|(asked, _)| **asked == question);
                    match seen {
                        None => open.push(Query::Smtp(question)),
                        Some((_, seen)) => {
                            let (finding, said) = judged(settings, seen);
                            found.push((finding, format!("{at}: {said}")));
                        }
                    }
                }
            }
        }
    }
    if !open.is_empty() {
        return Next::Ask(open);
    }
    told(found)
}

fn judged(settings: &Settings, seen: &MailSeen) -> Said {
    let said = match opened(settings, seen) {
        Ok(said) => said,
        Err(found) => return found,
    };
    if commands(settings).is_empty() {
        return (Finding::Pass, said);
    }
    match seen.replies.as_slice() {
        // It takes no mail from this machine at all, so it does not say whether it would relay.
        [mail, ..] if mail.class() == 4 => {
            (Finding::Inconclusive, format!("it puts mail off: {mail}"))
        }
        [mail, ..] if mail.class() != 2 => {
            (Finding::Inconclusive, format!("it takes no mail from here: {mail}"))
        }
        [_, rcpt, ..] if rcpt.class() == 2 => {
            let said = format!("it is an open relay: it takes mail for {SOMEBODY_ELSE} ({rcpt})");
            (Finding::Fail, said)
        }
        [_, rcpt, ..] if rcpt.class() == 4 => {
            (Finding::Inconclusive, format!("it does not say whether it relays: {rcpt}"))
        }
        [_, _, ..] => (Finding::Pass, said),
        [] | [_] => match &seen.broken {
            Some(why) => broken(why),
            None => (Finding::Unanswered, "it ended the session".to_owned()),
        },
    }
}
