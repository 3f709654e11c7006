//! `imap`: whether a server of mailboxes can be used by clients.

use super::login::{self, FIELDS, Protocol};
use super::session::Said;
use super::{Asked, Finding, HostOf, Next, Probe, ProbeKeys, Round};
use crate::ask::{Answered, AskHost, AskImap, MailSeen, Query};

pub(super) const PROBE: Probe = Probe {
    keys: ProbeKeys {
        name: "imap",
        fields: FIELDS,
        check: login::check,
        in_dns: false,
        after_expiry: false,
        sends: false,
        host: Some(HostOf::New),
        establishes: None,
    },
    doc: "clients reach their mailboxes by IMAP, with TLS",
    next,
};

/// RFC 9051 §2.1, RFC 8314 §7.2.
const PROTOCOL: Protocol = Protocol { implicit_port: 993, starttls_port: 143, query, seen, offers };

fn query(host: AskHost) -> Query {
    Query::Imap(AskImap { host })
}

fn seen<'r>(rounds: &'r [Round], query: &Query) -> Option<&'r MailSeen> {
    let answers = rounds.iter().flatten().filter_map(Answered::imap);
    let mut answers =
        answers.filter(|(asked, _)| matches!(query, Query::Imap(one) if one == *asked));
    answers.next().map(|(_, seen)| seen)
}

fn offers(seen: &MailSeen) -> Result<String, Said> {
    if !seen.offers("IMAP4REV1") && !seen.offers("IMAP4REV2") {
        return Err((Finding::Fail, "it does not offer IMAP4rev1".to_owned()));
    }
    let mechanisms = seen.mechanisms();
    if mechanisms.is_empty() && seen.offers("LOGINDISABLED") {
        return Err((Finding::Fail, "it offers no way to log in".to_owned()));
    }
    Ok(match mechanisms.is_empty() {
        true => "LOGIN".to_owned(),
        false => format!("AUTH {}", mechanisms.join(" ")),
    })
}

fn next(asked: &Asked<'_>, rounds: &[Round]) -> Next {
    login::next(&PROTOCOL, asked, rounds)
}
