//! `strict_sender`: whether a sender that obeys MTA-STS and DANE would deliver to a host.
//!
//! For each exchange, at each address: would it deliver, or would it wait and give up in the end?
//! MTA-STS is read as such a sender without a cached policy reads it: the record, the policy over
//! HTTPS without redirects, the exchange's name, its certificate (RFC 8461 §5). TLSA records count
//! only if the resolver says that it has validated them (RFC 7672 §2.2).

mod policy;

use std::time::Duration;

use cutover_contract::{ConfigField, FieldKind};
use cutover_zone::{Name, Rdata, RrKey, RrType};

use super::session::{Said, broken};
use super::smtp::SMTP_PORT;
use super::target::{
    At, DOMAIN, EXCHANGES, EXCHANGES_FIELD, HOST, Located, RESOLVER_FIELD, Target, check_targets,
    locate, look_up, looked, targets,
};
use super::{
    Asked, BadSetting, Finding, HostOf, Next, Probe, ProbeKeys, Round, check_within, text, told,
    within,
};
use crate::ask::{
    Answered, AskDocument, AskHost, AskSmtp, Channel, Dane, Encrypts, Fetched, Looked, MailSeen,
    Query, Trust,
};
use crate::graph::gate::Settings;
use policy::{Mode, Policy};

pub(super) const PROBE: Probe = Probe {
    keys: ProbeKeys {
        name: "strict_sender",
        fields: FIELDS,
        check,
        in_dns: false,
        after_expiry: false,
        sends: false,
        host: Some(HostOf::New),
        establishes: None,
    },
    doc: "a sender that obeys MTA-STS and DANE would deliver to every exchange",
    next,
};

const FIELDS: &[ConfigField] = &[
    ConfigField {
        name: DOMAIN,
        kind: FieldKind::Name,
        required: false,
        former: None,
        doc: "The mail domain. Default: the one that the plan moves, if it moves only one.",
    },
    ConfigField {
        name: HOST,
        kind: FieldKind::Text,
        required: false,
        former: None,
        doc: "The host of the plan whose exchanges are asked. Default: the new one.",
    },
    EXCHANGES_FIELD,
    ConfigField {
        name: super::target::RESOLVER,
        doc: "The resolvers that are asked, as ADDRESS or ADDRESS:PORT, or `none`. TLSA records count only if a resolver says that it has validated them (AD), so use your own validating resolver, on this machine or network. Default: the plan's `resolver`.",
        ..RESOLVER_FIELD
    },
    ConfigField {
        name: "within",
        kind: FieldKind::Duration,
        required: false,
        former: None,
        doc: "How long a session, or fetching the policy, may take; default 30s.",
    },
];

/// Where policies are (RFC 8461 §3.3).
const PATH: &str = "/.well-known/mta-sts.txt";
const HTTPS_PORT: u16 = 443;

fn check(settings: &Settings) -> Result<(), BadSetting> {
    check_targets(settings, EXCHANGES)?;
    check_within(settings)
}

/// What MTA-STS says of a domain.
enum Sts {
    Ask(Vec<Query>),
    /// No sender finds a policy.
    None,
    /// This one.
    Policy(Policy),
    /// There should be one, and what is wrong.
    Broken(Finding, String),
}

fn next(asked: &Asked<'_>, rounds: &[Round]) -> Next {
    let settings = asked.settings;
    let inconclusive = |said: &str| Next::Found(Finding::Inconclusive, said.to_owned());
    let Some(domain) = text(settings, DOMAIN).and_then(|text| Name::from_user(text).ok()) else {
        return inconclusive("the plan moves several domains: write `domain:`");
    };
    let targets = targets(settings, EXCHANGES);
    if targets.is_empty() {
        return inconclusive("the host has no exchange that could be asked");
    }
    let (mut open, mut found) = (Vec::new(), Vec::new());
    let policy = match sts(settings, &domain, rounds) {
        Sts::Ask(queries) => {
            open.extend(queries);
            None
        }
        Sts::None => None,
        Sts::Policy(policy) => Some(policy),
        Sts::Broken(finding, said) => {
            found.push((finding, said));
            None
        }
    };
    for target in &targets {
        let tlsa = match tlsa(target, rounds) {
            None => {
                open.extend(tlsa_key(target).map(|key| look_up(settings, key)));
                continue;
            }
            Some(tlsa) => tlsa,
        };
        let all = match locate(settings, target, SMTP_PORT, rounds) {
            Located::Ask(queries) => {
                open.extend(queries);
                continue;
            }
            Located::Nowhere(finding, said) => {
                found.push((finding, said));
                continue;
            }
            Located::At(all) => all,
        };
        let records = tlsa.as_ref().map(|tlsa| &*tlsa.records).unwrap_or_default();
        for at in all {
            let question = question(settings, &at, records);
            let mut answers = rounds.iter().flatten().filter_map(Answered::smtp);
            match answers.find(|(asked, _)| **asked == question) {
                None => open.push(Query::Smtp(question)),
                Some((_, seen)) => {
                    let (finding, said) = judged(policy.as_ref(), &at, &tlsa, seen);
                    found.push((finding, format!("{at}: {said}")));
                }
            }
        }
    }
    if open.is_empty() { told(found) } else { Next::Ask(open) }
}

fn sts(settings: &Settings, domain: &Name, rounds: &[Round]) -> Sts {
    let unfit = |said: String| Sts::Broken(Finding::Fail, said);
    let (Ok(owner), Ok(host)) = (domain.child("_mta-sts"), domain.child("mta-sts")) else {
        // The names would be too long, so that there are none.
        return Sts::None;
    };
    let key = RrKey::new(owner, RrType::TXT);
    let records = match looked(rounds, &key) {
        None => return Sts::Ask(vec![look_up(settings, key)]),
        Some(Looked::Found { rdata, .. }) => rdata,
        Some(Looked::Fails(why) | Looked::Unanswered(why)) => {
            return Sts::Broken(Finding::Unanswered, format!("the record of MTA-STS: {why}"));
        }
    };
    let texts = records.iter().filter_map(Rdata::txt_joined);
    let texts: Vec<_> = texts.filter(|text| policy::is_record(text)).collect();
    match texts.as_slice() {
        [] => return Sts::None,
        [one] if policy::id(one).is_some() => {}
        [_] => return unfit(format!("senders cannot read the record at {}", key.name)),
        several => {
            let count = several.len();
            return unfit(format!("senders ignore {}, which has {count} records", key.name));
        }
    }
    let target = Target { name: host, address: None, port: None };
    let all = match locate(settings, &target, HTTPS_PORT, rounds) {
        Located::Ask(queries) => return Sts::Ask(queries),
        Located::Nowhere(finding, said) => {
            return Sts::Broken(finding, format!("the policy of MTA-STS: {said}"));
        }
        Located::At(all) => all,
    };
    let question = AskDocument {
        host: target.host(),
        servers: all.iter().map(|at| at.server).collect(),
        path: PATH.to_owned(),
        within: within(settings),
    };
    let mut answers = rounds.iter().flatten().filter_map(Answered::document);
    let host = target.host();
    match answers.find(|(asked, _)| **asked == question).map(|(_, fetched)| fetched) {
        None => Sts::Ask(vec![Query::Document(question)]),
        Some(Fetched::Document { status: 200, body, media: _ }) => match Policy::read(body) {
            Ok(policy) => Sts::Policy(policy),
            Err(why) => unfit(format!("senders cannot read the policy at {host}: {why}")),
        },
        Some(Fetched::Document { status: status @ 300..=399, .. }) => unfit(format!(
            "{host} redirects (status {status}), which senders do not follow: they have no policy, or keep an older one"
        )),
        Some(Fetched::Document { status, .. }) => {
            unfit(format!("{host} has no policy (status {status}): senders keep an older one"))
        }
        Some(Fetched::Untrusted(why)) => unfit(format!("senders do not trust {host}: {why}")),
        Some(Fetched::TooLarge) => {
            unfit(format!("the policy at {host} has more than 64 KiB, which senders do not read"))
        }
        Some(Fetched::Unanswered(why)) => {
            Sts::Broken(Finding::Unanswered, format!("the policy at {host}: {why}"))
        }
    }
}

/// Where the TLSA records of an exchange are (RFC 7672 §2.2.3).
fn tlsa_key(target: &Target) -> Option<RrKey> {
    let name = target.name.child("_tcp").and_then(|name| name.child("_25")).ok()?;
    Some(RrKey::new(name, RrType::TLSA))
}

/// The TLSA records of an exchange.
#[derive(Clone, Default)]
struct Tlsa {
    records: Vec<Rdata>,
    /// Whether a sender with this resolver obeys them.
    is_validated: bool,
}

/// The TLSA records of an exchange, or why a sender waits instead; `None` if nobody was asked yet.
fn tlsa(target: &Target, rounds: &[Round]) -> Option<Result<Tlsa, Said>> {
    // The name would be too long, so that there are none.
    let Some(key) = tlsa_key(target) else { return Some(Ok(Tlsa::default())) };
    Some(match looked(rounds, &key)? {
        Looked::Found { rdata, is_validated } => {
            Ok(Tlsa { records: rdata.clone(), is_validated: *is_validated })
        }
        // RFC 7672 §2.1.2: without a secure answer, mail has to wait.
        Looked::Fails(why) => Err((Finding::Fail, format!("it would wait, since {why}"))),
        Looked::Unanswered(why) => Err((Finding::Unanswered, format!("its TLSA records: {why}"))),
    })
}

fn question(settings: &Settings, at: &At, tlsa: &[Rdata]) -> AskSmtp {
    AskSmtp {
        host: AskHost {
            server: at.server,
            name: at.host.clone(),
            encrypts: Encrypts::Upgraded,
            login: None,
            within: within(settings),
        },
        tlsa: tlsa.to_vec(),
        commands: Vec::new(),
        group: 1,
        pause: Duration::ZERO,
    }
}

/// What a strict sender does at one address.
fn judged(policy: Option<&Policy>, at: &At, tlsa: &Result<Tlsa, Said>, seen: &MailSeen) -> Said {
    let tlsa = match tlsa {
        Ok(tlsa) => tlsa,
        Err(said) => return said.clone(),
    };
    let enforced = policy.filter(|policy| policy.mode == Mode::Enforce);
    if enforced.is_some_and(|policy| !policy.allows(&at.host)) {
        let said = "it would not deliver: the policy of MTA-STS does not allow this exchange";
        return (Finding::Fail, said.to_owned());
    }
    match (&seen.greeting, &seen.broken) {
        (None, Some(why)) => return broken(why),
        (Some(greeting), _) if greeting.class() == 4 => {
            return (Finding::Inconclusive, format!("it greets with {greeting}"));
        }
        (Some(greeting), _) if greeting.class() != 2 => {
            return (Finding::Fail, format!("it would not deliver: it greets with {greeting}"));
        }
        (_, _) => {}
    }
    let has_records = !tlsa.records.is_empty();
    let (has_dane, has_sts) = (has_records && tlsa.is_validated, enforced.is_some());
    let why = match (has_dane, has_sts) {
        (true, true) => "TLSA records and MTA-STS ask for TLS",
        (true, false) => "TLSA records ask for TLS",
        (false, true) => "MTA-STS asks for TLS",
        (false, false) => "",
    };
    let wait = |said: String| (Finding::Fail, format!("it would wait and give up: {said}"));
    let certified = match &seen.channel {
        Channel::Tls(certified) => Some(certified),
        _ if why.is_empty() => None,
        Channel::NotOffered => return wait(format!("{why}, and STARTTLS is not offered")),
        Channel::Refused(reply) => return wait(format!("{why}, and STARTTLS gets {reply}")),
        Channel::Failed(problem) => return wait(format!("{why}, and TLS fails: {problem}")),
        Channel::NotReached => {
            return match &seen.broken {
                Some(why) => broken(why),
                None => (Finding::Unanswered, "it ended the session".to_owned()),
            };
        }
    };
    if let (Some(certified), true) = (certified, has_dane)
        && certified.dane != Some(Dane::Matches)
        && certified.dane != Some(Dane::Unusable)
    {
        return wait("no TLSA record matches the certificate".to_owned());
    }
    // Another sender's resolver may validate what this one does not.
    if has_records
        && !tlsa.is_validated
        && certified.is_none_or(|certified| certified.dane == Some(Dane::Differs))
    {
        let said = "it has TLSA records that its certificate does not match, and the resolver does not say that they are validated: ask a validating one (`resolver:`)";
        return (Finding::Inconclusive, said.to_owned());
    }
    if let (Some(certified), true) = (certified, has_sts) {
        match &certified.trust {
            Trust::Valid => {}
            Trust::Invalid(why) => return wait(format!("MTA-STS is enforced, and {why}")),
            Trust::Unknown(why) => {
                let said = format!("this machine cannot check the certificate: {why}");
                return (Finding::Unanswered, said);
            }
        }
    }
    let obeyed = match (has_dane, has_sts) {
        (true, true) => "DANE and MTA-STS are kept",
        (true, false) => "DANE is kept",
        (false, true) => "MTA-STS is kept",
        (false, false) if policy.is_some() => "the policy of MTA-STS is not enforced",
        (false, false) => "neither DANE nor MTA-STS asks for anything",
    };
    (Finding::Pass, format!("it would deliver: {obeyed}"))
}
