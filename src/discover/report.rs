//! The report: what depends on mail, what could not be seen, what is dangerous.

use std::collections::BTreeSet;

use cutover_check::Finding;
use cutover_mail::spf::{TERMS_MAX, Target};
use cutover_zone::{Name, Rdata};
use serde::Serialize;

use crate::domain::{DomainFacts, Key, KeyFound, Mailed, Sender};

/// The most characters of a text from outside. Our choice: two lines.
const TEXT_CHARS_MAX: usize = 160;
/// The most texts and records of a kind that are listed. Our choice.
const LISTED_MAX: usize = 20;

/// The report about all domains.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The domains, in the order in which they were asked for.
    pub domains: Vec<DomainReport>,
}

/// The report about one domain. Texts from outside are as they came, but cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DomainReport {
    /// The domain.
    pub domain: String,
    /// In a sentence: who takes its mail.
    pub mail: String,
    /// The profiles of the hosts that take its mail.
    pub hosts: Vec<&'static str>,
    /// What depends on mail here.
    pub depends: Vec<Seen>,
    /// What could not be seen, and why.
    pub unseen: Vec<String>,
    /// What is dangerous, the worst first.
    pub dangerous: Vec<Danger>,
}

/// Something that mail depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// What it is: `MX`, `sends as the domain`.
    pub what: String,
    /// Its value.
    pub value: String,
}

/// Something dangerous.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Danger {
    /// The code of the check.
    pub code: &'static str,
    /// `error`, `warning` or `note`.
    pub grade: &'static str,
    /// What was seen.
    pub seen: String,
    /// What it means for mail.
    pub means: &'static str,
    /// What to do.
    pub fix: &'static str,
}

/// The report.
#[must_use]
pub fn report(found: &[DomainFacts]) -> Report {
    Report { domains: found.iter().map(of).collect() }
}

fn of(facts: &DomainFacts) -> DomainReport {
    let danger = |finding: &Finding| {
        let Finding { code, grade, seen, means, fix } = finding.clone();
        Danger { code, grade: grade.word(), seen: cut(&seen), means, fix }
    };
    let unseen = facts.problem.iter().chain(&facts.unseen);
    DomainReport {
        domain: facts.domain.to_string(),
        mail: mail(facts),
        hosts: facts.hosts.iter().copied().collect(),
        depends: depends(facts),
        unseen: unseen.map(|text| cut(text)).take(LISTED_MAX).collect(),
        dangerous: facts.findings.iter().map(danger).collect(),
    }
}

/// Who takes the mail, in a sentence without a final stop.
pub(crate) fn mail(facts: &DomainFacts) -> String {
    if facts.problem.is_some() {
        return "nothing could be seen".to_owned();
    }
    let titles: Vec<String> =
        facts.hosts.iter().filter_map(|host| Some(cutover_profile::profile(host)?.title)).collect();
    match facts.mailed {
        Mailed::ByMx if titles.is_empty() => {
            let own = facts.exchanges.iter().all(|one| one.name.is_at_or_below(&facts.domain));
            match own {
                true => "its mail is taken by a server of its own".to_owned(),
                false => "its mail is taken by a host that no profile describes".to_owned(),
            }
        }
        Mailed::ByMx => format!("its mail is taken by {}", titles.join(" and ")),
        Mailed::ByAddress => {
            "it has no MX records, so that its mail goes to the server at its address".to_owned()
        }
        Mailed::Refused => "it says that it takes no mail (null MX)".to_owned(),
        Mailed::Not => "it takes no mail: it has neither MX records nor an address".to_owned(),
        Mailed::Unseen => "nobody could see who takes its mail".to_owned(),
    }
}

fn depends(facts: &DomainFacts) -> Vec<Seen> {
    let mut all: Vec<Seen> = Vec::new();
    let mut add = |what: &str, value: String| {
        all.push(Seen { what: what.to_owned(), value: cut(&value) });
    };
    for exchange in &facts.exchanges {
        let at: Vec<String> = exchange.addresses.iter().map(ToString::to_string).collect();
        let at = if at.is_empty() { "no address seen".to_owned() } else { at.join(", ") };
        add("MX", format!("{} {} ({at})", exchange.preference, exchange.name));
    }
    for (place, (name, record)) in facts.spf.iter().enumerate().take(LISTED_MAX) {
        match place {
            0 => add("SPF", record.to_string()),
            _ => add("SPF, included", format!("{name} {record}")),
        }
    }
    let lookups: usize = facts
        .spf
        .iter()
        .map(|(_, record)| record.terms.iter().filter(|term| term.costs_lookup()).count())
        .sum();
    if !facts.spf.is_empty() {
        let seen: BTreeSet<&Name> = facts.spf.iter().map(|(name, _)| name).collect();
        let targets = facts.spf.iter().flat_map(|(of, record)| record.targets(of));
        let mut includes = targets.filter_map(|target| match target {
            Target::Record(name) => Some(name),
            Target::Exchanges(_) | Target::Addresses(_) => None,
        });
        let more = if includes.any(|name| !seen.contains(&name)) { "at least " } else { "" };
        add("SPF look-ups", format!("{more}{lookups} of {TERMS_MAX}"));
    }
    let sender = |name: &str, sender: &Sender| {
        let keys = sender.selectors.iter().map(|key| format!("key {key}"));
        let what: Vec<String> = sender.terms.iter().cloned().chain(keys).collect();
        (!what.is_empty()).then(|| format!("{name}: {}", what.join(", ")))
    };
    let senders = std::iter::once(("the present host", &facts.senders.old))
        .chain(facts.senders.others.iter().map(|(name, of)| (name.as_str(), of)));
    for text in senders.filter_map(|(name, of)| sender(name, of)) {
        add("sends as the domain", text);
    }
    for Key { selector, found } in &facts.keys {
        match found {
            KeyFound::Alias(target) => add("DKIM", format!("{selector}, an alias of {target}")),
            KeyFound::Text => add("DKIM", format!("{selector}, a key")),
        }
    }
    if facts.tried > 0 {
        add("DKIM", format!("{} selectors tried", facts.tried));
    }
    for (labels, text) in facts.policies.iter().take(LISTED_MAX) {
        add(labels, text.clone());
    }
    if let Some(Ok(policy)) = &facts.policy {
        let lines: Vec<&str> = policy.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        add("MTA-STS policy", lines.join("; "));
    }
    for (key, rdata) in facts.discovery.iter().take(LISTED_MAX) {
        let data: Vec<String> = rdata.iter().map(Rdata::to_string).collect();
        add("mail clients", format!("{key} {}", data.join(", ")));
    }
    for text in facts.texts.iter().take(LISTED_MAX) {
        let owner = cutover_profile::keeper(text);
        let owner = owner.map_or_else(|| "unknown".to_owned(), |title| format!("of {title}"));
        add("verification", format!("{text} ({owner})"));
    }
    for (name, exchanges) in &facts.siblings {
        let names: Vec<String> = exchanges.iter().map(ToString::to_string).collect();
        add("another mail domain", format!("{name} MX {}", names.join(", ")));
    }
    if let Some(zone) = &facts.zone {
        let names: Vec<String> = zone.names.iter().map(ToString::to_string).collect();
        if !names.is_empty() {
            add("name servers", format!("{} at {}", zone.origin, names.join(", ")));
        }
        let signed = match zone.is_signed {
            Some(true) => "signed",
            Some(false) => "not signed",
            None => "nobody knows",
        };
        add("DNSSEC", signed.to_owned());
    }
    for (key, rdata) in facts.certificates.iter().take(LISTED_MAX) {
        let data: Vec<String> = rdata.iter().map(Rdata::to_string).collect();
        add("certificates", format!("{key} {}", data.join(", ")));
    }
    if let Some(ttl) = facts.negative_ttl {
        add("negative TTL", format!("{} s", ttl.secs()));
    }
    if let Some(ttl) = facts.mx_ttl {
        add("TTL of the MX records", format!("{} s", ttl.secs()));
    }
    all
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
