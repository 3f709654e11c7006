//! `submission`: whether clients can hand in mail.

use std::time::Duration;

use super::login::{self, FIELDS, Protocol};
use super::session::Said;
use super::{Asked, Finding, HostOf, Next, Probe, ProbeKeys, Round};
use crate::ask::{Answered, AskHost, AskSmtp, MailSeen, Query};

pub(super) const PROBE: Probe = Probe {
    keys: ProbeKeys {
        name: "submission",
        fields: FIELDS,
        check: login::check,
        in_dns: false,
        after_expiry: false,
        sends: false,
        host: Some(HostOf::New),
        establishes: None,
    },
    doc: "clients can hand in mail, with TLS and a log-in",
    next,
};

/// RFC 8314 §7.3, RFC 6409 §3.1.
const PROTOCOL: Protocol = Protocol { implicit_port: 465, starttls_port: 587, query, seen, offers };

fn query(host: AskHost) -> Query {
    Query::Smtp(AskSmtp {
        host,
        tlsa: Vec::new(),
        commands: Vec::new(),
        group: 1,
        pause: Duration::ZERO,
    })
}

fn seen<'r>(rounds: &'r [Round], query: &Query) -> Option<&'r MailSeen> {
    let answers = rounds.iter().flatten().filter_map(Answered::smtp);
    let mut answers =
        answers.filter(|(asked, _)| matches!(query, Query::Smtp(one) if one == *asked));
    answers.next().map(|(_, seen)| seen)
}

fn offers(seen: &MailSeen) -> Result<String, Said> {
    let mechanisms = seen.mechanisms();
    match mechanisms.is_empty() {
        true => Err((Finding::Fail, "it offers no log-in".to_owned())),
        false => Ok(format!("AUTH {}", mechanisms.join(" "))),
    }
}

fn next(asked: &Asked<'_>, rounds: &[Round]) -> Next {
    login::next(&PROTOCOL, asked, rounds)
}
