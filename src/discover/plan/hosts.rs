//! The plan's `hosts:`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use cutover_profile::Profile;
use cutover_zone::{Name, Rdata, RrType};

use super::limited;
use crate::Request;
use crate::domain::{DomainFacts, Sender};
use crate::report;
use crate::yaml::{self, comment, quoted};

/// The services that `discovery:` names: its key, and the labels and the port of each record.
const SERVICES: &[(&str, &str, u16)] = &[
    ("imap", "_imaps._tcp", 993),
    ("imap", "_imap._tcp", 143),
    ("pop3", "_pop3s._tcp", 995),
    ("pop3", "_pop3._tcp", 110),
    ("submission", "_submissions._tcp", 465),
    ("submission", "_submission._tcp", 587),
];

pub(super) fn text(request: &Request, moving: &[&DomainFacts], new: Option<&Profile>) -> String {
    let mut text = "\nhosts:\n".to_owned();
    for facts in moving {
        let said = comment(&report::mail(facts));
        let _ = writeln!(text, "  # {}: {said}", facts.domain);
    }
    text.push_str("  old:\n");
    text.push_str(&exchanges(moving));
    text.push_str(&senders("people", moving, |facts| Some(&facts.senders.old)));
    text.push_str(&discovery(moving));
    text.push_str(&new_host(request, new));
    text.push_str(&others(moving));
    text
}

fn exchanges(moving: &[&DomainFacts]) -> String {
    let mut all: BTreeMap<(u16, &Name), BTreeSet<Name>> = BTreeMap::new();
    for facts in moving {
        for exchange in &facts.exchanges {
            let key = (exchange.preference, &exchange.name);
            all.entry(key).or_default().insert(facts.domain.clone());
        }
    }
    let mut text = "    exchanges:\n".to_owned();
    for ((preference, name), of) in all {
        // The language would fill in what stands in braces.
        let front = if name.to_string().contains(['{', '}']) { "# " } else { "" };
        let (name, domains) = (yaml::target(name), limited(moving, &of));
        let _ =
            writeln!(text, "      {front}- {{ preference: {preference}, name: {name}{domains} }}");
    }
    text
}

/// The key `senders:` of a host: an entry for all domains whose senders are the same.
fn senders<'f>(
    name: &str,
    moving: &[&'f DomainFacts],
    of: impl Fn(&'f DomainFacts) -> Option<&'f Sender>,
) -> String {
    let mut all: Vec<(&Sender, BTreeSet<Name>)> = Vec::new();
    for facts in moving {
        let Some(sender) = of(facts).filter(|sender| **sender != Sender::default()) else {
            continue;
        };
        match all.iter_mut().find(|(known, _)| *known == sender) {
            Some((_, domains)) => drop(domains.insert(facts.domain.clone())),
            None => all.push((sender, BTreeSet::from([facts.domain.clone()]))),
        }
    }
    let mut text = String::new();
    for (place, (Sender { terms, selectors }, domains)) in all.iter().enumerate() {
        if place == 0 {
            text.push_str("    senders:\n");
        }
        let number = if place == 0 { String::new() } else { format!("-{}", place + 1) };
        let _ = write!(text, "      - {{ name: {name}{number}");
        if !terms.is_empty() {
            let _ = write!(text, ", spf: {}", quoted(&terms.join(" ")));
        }
        if !selectors.is_empty() {
            let all: Vec<String> = selectors.iter().map(|one| quoted(one)).collect();
            let _ = write!(text, ", dkim: [ {} ]", all.join(", "));
        }
        let _ = writeln!(text, "{} }}", limited(moving, domains));
    }
    text
}

/// What mail clients look up. A plan has one target for all domains, so that of the first domain is
/// taken; whatever else is there is shown in comments.
fn discovery(moving: &[&DomainFacts]) -> String {
    let mut said: BTreeMap<&str, String> = BTreeMap::new();
    let mut odd = Vec::new();
    for facts in moving {
        for (key, rdata) in &facts.discovery {
            let labels = key.name.shown_in(&facts.domain);
            let only = if rdata.len() == 1 { rdata.first() } else { None };
            let found = only.and_then(|rdata| entry(&labels, key.rtype, rdata));
            match found {
                Some((what, value)) if said.get(what).is_none_or(|known| *known == value) => {
                    said.insert(what, value);
                }
                Some(_) | None => {
                    let data: Vec<String> = rdata.iter().map(Rdata::to_string).collect();
                    odd.push(format!("{key} {}", data.join(", ")));
                }
            }
        }
    }
    let mut text = String::new();
    for one in odd {
        let _ = writeln!(text, "    # also live, and left alone: {}", comment(&one));
    }
    if !said.is_empty() {
        text.push_str("    discovery:\n");
    }
    for (key, value) in said {
        let _ = writeln!(text, "      {key}: {}", quoted(&value));
    }
    text
}

/// The key and the value for a record, if `discovery:` can say it.
fn entry(labels: &str, rtype: RrType, rdata: &Rdata) -> Option<(&'static str, String)> {
    let target = match rtype {
        RrType::CNAME => rdata.target()?,
        RrType::SRV => rdata.srv_target()?,
        _ => return None,
    };
    let shown = target.to_string();
    if target.is_root() || shown.contains(['{', '}']) {
        return None;
    }
    if rtype == RrType::CNAME {
        let known = ["autodiscover", "autoconfig"].into_iter().find(|key| *key == labels)?;
        return Some((known, shown));
    }
    let (key, _, port) = SERVICES.iter().find(|(_, known, _)| *known == labels)?;
    // Priority, weight and port (RFC 2782).
    let found = rdata.wire().get(4..6).map(|port| u16::from_be_bytes([port[0], port[1]]));
    (found == Some(*port)).then(|| (*key, format!("{}:{port}", shown.trim_end_matches('.'))))
}

fn new_host(request: &Request, new: Option<&Profile>) -> String {
    let (Some(name), Some(profile)) = (request.to, new) else {
        return "
  # The new host: a profile (`profile: NAME`, see `cutover profiles`), or what its pages say.
  new:
    exchanges: [ { preference: 10, name: TODO } ]    # the name of the new host's exchange
    # senders: [ { name: people, spf: \"include:_spf.host.example\", dkim: [ ... ] } ]
"
        .to_owned();
    };
    let mut text = format!("\n  # {}; `cutover profiles {name}` says more.\n", profile.title);
    let _ = writeln!(text, "  new:\n    profile: {name}");
    if !profile.parameters.is_empty() {
        text.push_str("    parameters:\n");
    }
    for (parameter, of) in &profile.parameters {
        let todo = quoted(&format!("TODO: {}", of.meaning));
        let _ = writeln!(text, "      {parameter}: {todo}");
    }
    text
}

/// Everybody else who sends as the domains, before, during and after the move.
fn others(moving: &[&DomainFacts]) -> String {
    let names: BTreeSet<&String> =
        moving.iter().flat_map(|facts| facts.senders.others.keys()).collect();
    let mut text = String::new();
    for name in names {
        let _ = writeln!(text, "\n  # Sends as the domain, and goes on; remove what is not used.");
        let _ = writeln!(text, "  {name}:");
        text.push_str(&senders("mail", moving, |facts| facts.senders.others.get(name)));
    }
    for facts in moving {
        for term in &facts.senders.odd {
            let term = comment(term);
            let _ = writeln!(text, "  # {}: the SPF record also has {term}", facts.domain);
        }
    }
    text
}
