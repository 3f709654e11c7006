//! Policies about TLS between mail servers: MTA-STS (RFC 8461) and DANE (RFC 7672).

use cutover_zone::{Name, RrType};

use crate::exchanges::is_own;
use crate::subject::shown;
use crate::{Check, Grade, Look, Subject};

/// The `mx:` lines of a policy (RFC 8461 §3.2).
fn patterns(policy: &str) -> impl Iterator<Item = String> {
    let values = policy.lines().filter_map(|line| line.split_once(':'));
    let values = values.filter(|(key, _)| key.trim() == "mx");
    values.map(|(_, value)| value.trim().trim_end_matches('.').to_ascii_lowercase())
}

/// Whether a policy allows an exchange: `*.` stands for exactly one label (RFC 8461 §4.1).
pub(crate) fn allows(policy: &str, exchange: &Name) -> bool {
    let name = exchange.to_string();
    let name = name.trim_end_matches('.');
    patterns(policy).any(|pattern| match pattern.strip_prefix("*.") {
        Some(end) => name.split_once('.').is_some_and(|(_, rest)| rest == end),
        None => name == pattern,
    })
}

pub(crate) const POLICY_LEAVES_OUT: Check = Check {
    code: "sts-policy-leaves-out",
    grade: Grade::Error,
    traps: &[35],
    means: "senders that obey MTA-STS do not deliver to an exchange that the policy does not list",
    fix: "add the exchange to the policy, then change the `id` of the record",
    find: |subject| {
        let Some(Ok(policy)) = subject.policy else { return Vec::new() };
        let out = subject.mail_exchanges().into_iter().filter(|name| !allows(policy, name));
        out.map(|name| format!("the MTA-STS policy does not list the exchange {name}")).collect()
    },
};

pub(crate) const POLICY_UNREADABLE: Check = Check {
    code: "sts-policy-unreadable",
    grade: Grade::Warning,
    traps: &[36],
    means: "senders that have no policy yet deliver without one, and those that have an old one obey it until it expires",
    fix: "serve the policy with status 200, without a redirect, and with a valid certificate for `mta-sts.DOMAIN`",
    find: |subject| match subject.policy {
        Some(Err(why)) => vec![format!("the MTA-STS policy cannot be read: {}", shown(why))],
        Some(Ok(_)) | None => Vec::new(),
    },
};

pub(crate) const RECORD: Check = Check {
    code: "sts-record-invalid",
    grade: Grade::Warning,
    traps: &[37],
    means: "senders ignore the policy, as if there were none (RFC 8461 §3.1)",
    fix: "publish exactly one record: `v=STSv1; id=LETTERS-AND-DIGITS`",
    find: |subject| {
        let all = subject.texts("_mta-sts", "v=STSv1");
        let id = all.first().and_then(|text| crate::subject::tag(text, "id"));
        // RFC 8461 §3.1: 1 to 32 letters and digits.
        let is_id = |id: &str| {
            (1..=32).contains(&id.len()) && id.bytes().all(|octet| octet.is_ascii_alphanumeric())
        };
        match all.len() {
            0 => Vec::new(),
            1 if id.is_some_and(is_id) => Vec::new(),
            1 => vec!["the MTA-STS record has no valid `id`".to_owned()],
            count => vec![format!("there are {count} MTA-STS records")],
        }
    },
};

pub(crate) const TLSA: Check = Check {
    code: "tlsa-at-exchange",
    grade: Grade::Note,
    traps: &[38],
    means: "senders that use DANE demand a certificate that matches: it must not be renewed with another key during the move",
    fix: "keep the key of the certificate until the old host is left, and the TLSA record as long as the exchange",
    find: |subject| {
        let own = subject.mail_exchanges().into_iter().filter(|name| is_own(subject, name));
        let pinned = own.filter(|name| has_tlsa(subject, name));
        pinned.map(|name| format!("the exchange {name} has TLSA records")).collect()
    },
};

fn has_tlsa(subject: &Subject<'_>, exchange: &Name) -> bool {
    let owner = Name::from_user("_25._tcp").and_then(|labels| labels.join(exchange));
    owner.is_ok_and(|owner| matches!(subject.at(&owner, RrType::TLSA), Look::Records { .. }))
}
