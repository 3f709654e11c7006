//! What was seen of one domain.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use cutover_base::diag::some_of;
use cutover_check::{EXCHANGES_MAX, Finding, Look, Subject, hosts_of};
use cutover_mail::spf::{SpfRecord, Target};
use cutover_zone::{Name, Rdata, RrKey, RrType, Ttl};

use crate::ZoneServers;
use crate::domain::{DomainFacts, Exchange, Key, KeyFound, Mailed};
use crate::known::{self, Known};
use crate::looking::{Looking, Named};
use crate::senders;

/// How many names an SPF record is followed to. Our choice: receivers give up after ten look-ups.
const SPF_NAMES_MAX: usize = 64;
/// How many names that were not seen for the same reason are named. Our choice.
const UNSEEN_NAMED_MAX: usize = 3;
/// How many other names with MX records are shown. Our choice.
const SIBLINGS_MAX: usize = 20;

/// Names that mail programs look up before a domain, with their type. The first part of a service's
/// labels is its name in the report.
const SERVICES: &[&str] = &[
    "_imap._tcp",
    "_imaps._tcp",
    "_pop3._tcp",
    "_pop3s._tcp",
    "_submission._tcp",
    "_submissions._tcp",
    "_autodiscover._tcp",
    "_sieve._tcp",
    "_jmap._tcp",
    "_caldavs._tcp",
    "_carddavs._tcp",
];
const ALIASES: &[&str] = &["autodiscover", "autoconfig", "ua-auto-config"];
/// Names of policies in TXT records.
const POLICIES: &[&str] = &["_dmarc", "_mta-sts", "_smtp._tls", "default._bimi"];

/// What there is to see of a domain so far. While questions are open, it is not complete.
pub(crate) fn of(looking: &Looking<'_>, domain: &Name) -> DomainFacts {
    let mut facts = DomainFacts::nothing(domain);
    let held = looking.held(domain);
    // Nothing is asked before the zone is known: a resolver must not be asked in its place.
    let Some(zone) = looking.zone(domain) else { return facts };
    match (zone, held) {
        (Ok(zone), _) => {
            facts.unseen.extend(zone.problem.clone());
            facts.unseen.extend(zone.odd.iter().cloned());
            facts.zone = Some(zone.clone());
        }
        (Err(why), Some(held)) => {
            facts.unseen.push(format!("the delegation: {why}"));
            facts.zone = Some(ZoneServers {
                origin: held.origin.clone(),
                servers: Vec::new(),
                names: Vec::new(),
                is_signed: None,
                problem: None,
                odd: Vec::new(),
            });
        }
        (Err(why), None) => {
            facts.problem = Some(why.to_owned());
            return facts;
        }
    }
    // The apex of a zone is no alias (RFC 1034 §3.6.2).
    let is_apex = facts.zone.as_ref().is_some_and(|zone| zone.origin == *domain);
    let alias = || looking.look(&RrKey::new(domain.clone(), RrType::CNAME));
    if !is_apex && let Some(target) = alias().rdata().first().and_then(Rdata::target) {
        facts.problem = Some(format!("it is an alias of {target}: look at that domain"));
        return facts;
    }
    let seeing = Seeing { looking, domain, unseen: RefCell::default() };
    seeing.exchanges(&mut facts);
    seeing.keys(&mut facts);
    seeing.spf(&mut facts);
    seeing.discovery(&mut facts);
    seeing.policies(&mut facts);
    seeing.texts(&mut facts);
    seeing.siblings(&mut facts);
    seeing.zone(&mut facts);
    facts.senders = senders::of(&facts, looking.request.to);
    let unseen = seeing.unseen.take().into_iter();
    facts
        .unseen
        .extend(unseen.map(|(why, what)| format!("{}: {why}", some_of(what, UNSEEN_NAMED_MAX))));
    facts.findings = findings(looking, &facts);
    facts
}

/// What the checks find.
fn findings(looking: &Looking<'_>, facts: &DomainFacts) -> Vec<Finding> {
    let keys = facts.keys.iter().filter_map(|key| {
        Name::from_user(&format!("{}._domainkey", key.selector)).ok()?.join(&facts.domain).ok()
    });
    let keys: Vec<Name> = keys.collect();
    let new = looking.request.to.map(|to| Known::of(to).mx(&facts.domain)).unwrap_or_default();
    // Nothing else of the new host is known yet.
    let after = |key: &RrKey| match key.rtype {
        RrType::MX if key.name == facts.domain && !new.is_empty() => {
            Look::Records { rdata: new.clone().into(), ttl: None, is_wildcard: false }
        }
        _ => Look::Unseen("no plan says it yet".to_owned()),
    };
    cutover_check::look(&Subject {
        domain: &facts.domain,
        zone: facts.zone.as_ref().map(|zone| &zone.origin),
        look: &|key| looking.look(key),
        after: Some(&after),
        keys: &keys,
        policy: facts.policy.as_ref(),
        is_signed: facts.zone.as_ref().and_then(|zone| zone.is_signed),
    })
}

struct Seeing<'a> {
    looking: &'a Looking<'a>,
    domain: &'a Name,
    /// What was not seen, by the reason.
    unseen: RefCell<BTreeMap<String, BTreeSet<String>>>,
}

impl Seeing<'_> {
    fn unseen(&self, what: &str, why: &str) {
        let mut all = self.unseen.borrow_mut();
        all.entry(why.to_owned()).or_default().insert(what.to_owned());
    }

    /// Looks, and notes what cannot be seen.
    fn look(&self, key: &RrKey) -> Look {
        let found = self.looking.look(key);
        if let Look::Unseen(why) = &found {
            self.unseen(&key.to_string(), why);
        }
        found
    }

    fn own(&self, rtype: RrType) -> Look {
        self.look(&RrKey::new(self.domain.clone(), rtype))
    }

    fn below(&self, labels: &str) -> Option<Name> {
        Name::from_user(labels).and_then(|labels| labels.join(self.domain)).ok()
    }

    fn addresses(&self, name: &Name) -> Vec<IpAddr> {
        let both =
            [RrType::A, RrType::AAAA].map(|rtype| self.look(&RrKey::new(name.clone(), rtype)));
        both.iter().flat_map(Look::rdata).filter_map(Rdata::ip).collect()
    }

    fn exchanges(&self, facts: &mut DomainFacts) {
        let found = self.own(RrType::MX);
        facts.mx_ttl = found.ttl();
        let mut all: Vec<(u16, Name)> = found.rdata().iter().filter_map(Rdata::as_mx).collect();
        all.sort();
        if all.len() > EXCHANGES_MAX {
            let more = all.len() - EXCHANGES_MAX;
            let why = format!("only the first {EXCHANGES_MAX} are looked at");
            self.unseen(&format!("{more} more exchanges"), &why);
        }
        let is_null = all.iter().any(|(_, name)| name.is_root());
        all.retain(|(_, name)| !name.is_root());
        all.truncate(EXCHANGES_MAX);
        let names: Vec<Name> = all.iter().map(|(_, name)| name.clone()).collect();
        facts.hosts = hosts_of(&names);
        facts.exchanges = all
            .into_iter()
            .map(|(preference, name)| Exchange {
                preference,
                addresses: self.addresses(&name),
                name,
            })
            .collect();
        facts.mailed = match &found {
            Look::Unseen(_) => Mailed::Unseen,
            _ if !facts.exchanges.is_empty() => Mailed::ByMx,
            _ if is_null => Mailed::Refused,
            Look::Records { .. } | Look::Absent => match self.addresses(self.domain).is_empty() {
                true => Mailed::Not,
                false => Mailed::ByAddress,
            },
        };
    }

    /// The selectors to try: those that the user knows, those of the zone if it can be read, those of
    /// the hosts that are recognised, and common ones.
    fn selectors(&self) -> BTreeSet<String> {
        let owner = self.below("_domainkey");
        let held = self.looking.held(self.domain).into_iter().flat_map(|zone| zone.rrsets.keys());
        let held = held.filter_map(|key| {
            let owner = owner.as_ref()?;
            let is_key = key.name.is_at_or_below(owner) && key.name != *owner;
            is_key.then(|| key.name.shown_in(owner))
        });
        let named = self.looking.request.selectors.iter().cloned();
        let known = known::selectors();
        // What a plan would have to escape is no selector that a host chooses.
        let is_plain = |text: &String| {
            text.bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.'))
        };
        held.chain(named).chain(known).filter(is_plain).collect()
    }

    fn keys(&self, facts: &mut DomainFacts) {
        let selectors = self.selectors();
        facts.tried = selectors.len();
        let mut unseen: BTreeSet<String> = BTreeSet::new();
        let mut is_wild = false;
        let mut missed = 0;
        for selector in selectors {
            let Some(owner) = self.below(&format!("{selector}._domainkey")) else { continue };
            let guess =
                |rtype| self.looking.follow(&RrKey::new(owner.clone(), rtype), Named::Guessed);
            let (alias, text) = (guess(RrType::CNAME), guess(RrType::TXT));
            let found = match (&alias, &text) {
                (Look::Records { rdata, is_wildcard: false, .. }, _) => {
                    rdata.first().and_then(Rdata::target).map(KeyFound::Alias)
                }
                (_, Look::Records { is_wildcard: false, .. }) => Some(KeyFound::Text),
                (Look::Records { .. }, _) | (_, Look::Records { .. }) => {
                    is_wild = true;
                    None
                }
                (Look::Unseen(why), _) | (_, Look::Unseen(why)) => {
                    missed += 1;
                    unseen.insert(why.clone());
                    None
                }
                (Look::Absent, Look::Absent) => None,
            };
            facts.keys.extend(found.map(|found| Key { selector, found }));
        }
        if let Some(why) = unseen.first() {
            self.unseen(&format!("{missed} DKIM selectors"), why);
        }
        if is_wild {
            self.unseen("DKIM keys", "a wildcard answers for every selector");
        }
    }

    fn spf(&self, facts: &mut DomainFacts) {
        let records = |name: &Name| {
            let found = self.look(&RrKey::new(name.clone(), RrType::TXT));
            found.rdata().iter().filter_map(SpfRecord::of_rdata).collect::<Vec<_>>()
        };
        let mut open: Vec<(Name, SpfRecord)> =
            records(self.domain).into_iter().map(|record| (self.domain.clone(), record)).collect();
        let mut reached = BTreeSet::from([self.domain.clone()]);
        open.reverse();
        while let Some((of, record)) = open.pop() {
            let mut next = Vec::new();
            for target in record.targets(&of) {
                let Target::Record(name) = target else { continue };
                if reached.contains(&name) {
                    continue;
                }
                if reached.len() > SPF_NAMES_MAX {
                    let why = format!("the SPF record leads to more than {SPF_NAMES_MAX} others");
                    self.unseen("the rest of it", &why);
                    continue;
                }
                next.extend(records(&name).into_iter().map(|record| (name.clone(), record)));
                reached.insert(name);
            }
            facts.spf.push((of, record));
            next.reverse();
            open.extend(next);
        }
    }

    fn discovery(&self, facts: &mut DomainFacts) {
        let services = SERVICES.iter().map(|labels| (*labels, RrType::SRV));
        let aliases = ALIASES.iter().flat_map(|label| {
            [RrType::CNAME, RrType::A, RrType::AAAA].map(|rtype| (*label, rtype))
        });
        let mut missed = BTreeSet::new();
        for (labels, rtype) in services.chain(aliases) {
            let Some(owner) = self.below(labels) else { continue };
            // An address behind an alias is the alias's.
            if rtype != RrType::CNAME && facts.discovery.iter().any(|(key, _)| key.name == owner) {
                continue;
            }
            let key = RrKey::new(owner, rtype);
            match self.looking.follow(&key, Named::Guessed) {
                Look::Records { rdata, .. } => facts.discovery.push((key, rdata.to_vec())),
                Look::Absent => {}
                Look::Unseen(why) => drop(missed.insert(why)),
            }
        }
        if let Some(why) = missed.first() {
            self.unseen("some discovery records", why);
        }
    }

    fn policies(&self, facts: &mut DomainFacts) {
        for labels in POLICIES {
            let Some(owner) = self.below(labels) else { continue };
            let found = self.look(&RrKey::new(owner, RrType::TXT));
            let texts = found.rdata().iter().filter_map(Rdata::txt_joined);
            let texts = texts.map(|text| (*labels, String::from_utf8_lossy(&text).into_owned()));
            facts.policies.extend(texts);
        }
        let is_sts = |(labels, text): &(&str, String)| {
            *labels == "_mta-sts" && text.to_ascii_lowercase().starts_with("v=stsv1")
        };
        if facts.policies.iter().any(is_sts) {
            facts.policy = self.looking.policy(self.domain).cloned();
        }
    }

    /// Texts at the domain that are no SPF record.
    fn texts(&self, facts: &mut DomainFacts) {
        let found = self.own(RrType::TXT);
        let others = found.rdata().iter().filter(|rdata| !SpfRecord::is_in(rdata));
        let texts = others.filter_map(Rdata::txt_joined);
        facts.texts = texts.map(|text| String::from_utf8_lossy(&text).into_owned()).collect();
    }

    /// What is about the zone, and about certificates.
    fn zone(&self, facts: &mut DomainFacts) {
        if let Some(zone) = &facts.zone {
            let soa = self.look(&RrKey::new(zone.origin.clone(), RrType::SOA));
            let minimum = soa.rdata().first().and_then(Rdata::as_soa).map(|soa| soa.minimum);
            let both = soa.ttl().zip(minimum.map(Ttl::from_wire));
            facts.negative_ttl = both.map(|(ttl, minimum)| ttl.min(minimum));
        }
        let tlsa = facts.exchanges.iter().filter_map(|exchange| {
            let owner = Name::from_user("_25._tcp").ok()?.join(&exchange.name).ok()?;
            Some(RrKey::new(owner, RrType::TLSA))
        });
        let caa = RrKey::new(self.domain.clone(), RrType::CAA);
        let all: Vec<RrKey> = tlsa.chain([caa]).collect();
        let found = all.into_iter().filter_map(|key| {
            let rdata = self.look(&key).rdata().to_vec();
            (!rdata.is_empty()).then_some((key, rdata))
        });
        facts.certificates = found.collect();
    }

    fn siblings(&self, facts: &mut DomainFacts) {
        let Some(zone) = self.looking.held(self.domain) else { return };
        let others = zone.rrsets.iter().filter(|(key, _)| {
            key.rtype == RrType::MX && !self.looking.request.domains.contains(&key.name)
        });
        let others = others.map(|(key, rrset)| {
            let exchanges = rrset.rdata().iter().filter_map(Rdata::as_mx).map(|(_, name)| name);
            (key.name.clone(), exchanges.collect::<Vec<Name>>())
        });
        facts.siblings = others.take(SIBLINGS_MAX).collect();
    }
}
