//! What is known of a plan before anything is done: which host is where, and from where senders
//! send.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use cutover_zone::{Name, Rdata, RrKey, RrType};

use super::super::dns::{Resolved, plain};
use super::super::spf::{self};
use super::names::{Found, Sorts, changing, to_be_found};
use super::*;

/// From where mail comes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum From {
    Address(IpAddr),
    /// From whatever passes by the SPF record at this name, which nobody could ask.
    Behind(Name),
}

impl std::fmt::Display for From {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(ip) => write!(f, "{ip}"),
            Self::Behind(name) => write!(f, "senders behind {name}"),
        }
    }
}

/// What is known of a plan before anything is done.
pub(in crate::oracle) struct Ground<'a> {
    pub(super) plan: &'a Plan,
    pub(super) zones: &'a Zones,
    pub(super) steps: &'a [Step],
    pub(super) ids: HashMap<&'a str, usize>,
    pub(super) old: BTreeSet<IpAddr>,
    pub(super) new: BTreeSet<IpAddr>,
    /// Where the clients of each host connect.
    pub(super) old_servers: BTreeSet<IpAddr>,
    pub(super) new_servers: BTreeSet<IpAddr>,
    pub(super) domains: Vec<(Name, Kind)>,
    /// Domains that have MX records only because of the plan.
    pub(super) added: BTreeSet<Name>,
    pub(super) spf_owners: BTreeSet<Name>,
    /// Whom a domain's live SPF record lets pass.
    pub(super) live: BTreeMap<Name, BTreeSet<From>>,
    /// From where the senders of a host send, by host, position and domain.
    pub(super) sources: BTreeMap<(&'static str, usize, Name), BTreeSet<From>>,
    /// The questions whose names have to resolve at all times.
    pub(super) found: Vec<Found>,
    pub(super) sorts: Sorts,
    pub(super) cache: Cache,
    /// The same if every change set is atomic.
    pub(super) cache_at_once: Cache,
}

pub(super) fn addresses(zones: &Zones, owner: &Name) -> BTreeSet<IpAddr> {
    let both = [RrType::A, RrType::AAAA].map(|rtype| plain(zones, owner, rtype));
    both.iter().flat_map(Resolved::records).filter_map(Rdata::ip).collect()
}

pub(super) fn of_domain(template: &str, domain: &Name) -> Name {
    let domain = domain.to_string();
    name(&template.replace("{domain}", domain.trim_end_matches('.')))
}

pub(super) fn exchanges_of(zones: &Zones, domain: &Name) -> Vec<Name> {
    match plain(zones, domain, RrType::MX) {
        Resolved::Records(records) => {
            records.iter().filter_map(Rdata::as_mx).map(|(_, exchange)| exchange).collect()
        }
        Resolved::NoData | Resolved::NxDomain | Resolved::Outside(_) | Resolved::Failure => {
            vec![domain.clone()]
        }
    }
}

pub(super) fn spf_text(records: &[Rdata]) -> Vec<String> {
    let texts = records.iter().filter_map(Rdata::txt_joined);
    texts
        .filter(|text| spf::is_spf(text))
        .filter_map(|text| String::from_utf8(text.into_owned()).ok())
        .collect()
}

/// A wildcard's owner stands for every name below it that does not exist.
pub(super) fn any_below(owner: &Name) -> Name {
    let up = owner.parent().filter(|_| owner.is_wildcard());
    up.and_then(|up| up.child("any-name").ok()).unwrap_or_else(|| owner.clone())
}

/// Whom some terms let pass, in DNS with these zones.
pub(super) fn authorised(
    zones: &Zones,
    terms: &str,
    domain: &Name,
    depth: usize,
) -> BTreeSet<From> {
    let mut found = BTreeSet::new();
    for term in terms.split_whitespace().filter(|_| depth > 0) {
        let term = term.strip_prefix('+').unwrap_or(term);
        let end = term.find([':', '=', '/']).unwrap_or(term.len());
        let (word, value) = term.split_at(end);
        let value = value.trim_start_matches([':', '=']);
        let target = || match value.is_empty() || value.starts_with('/') {
            true => Some(domain.clone()),
            false => Name::absolute(&format!("{}.", value.split('/').next()?)).ok(),
        };
        match word.to_ascii_lowercase().as_str() {
            "ip4" | "ip6" => {
                let ip = value.split('/').next().and_then(|ip| ip.parse::<IpAddr>().ok());
                found.extend(ip.map(From::Address));
            }
            "a" => {
                let ips = target().into_iter().flat_map(|name| addresses(zones, &name));
                found.extend(ips.map(From::Address));
            }
            "mx" => {
                let answer = target().map(|target| plain(zones, &target, RrType::MX));
                let records = answer.iter().flat_map(Resolved::records);
                let exchanges = records.filter_map(Rdata::as_mx);
                let ips = exchanges.flat_map(|(_, exchange)| addresses(zones, &exchange));
                found.extend(ips.map(From::Address));
            }
            "include" | "redirect" => {
                if let Some(target) = target() {
                    let records = plain(zones, &target, RrType::TXT);
                    if let Resolved::Outside(name) = &records {
                        found.insert(From::Behind(name.clone()));
                    }
                    for text in spf_text(records.records()) {
                        found.extend(authorised(zones, &text[6..], &target, depth - 1));
                    }
                }
            }
            _ => {}
        }
    }
    found
}

impl<'a> Ground<'a> {
    pub(in crate::oracle) fn of(plan: &'a Plan, zones: &'a Zones, steps: &'a [Step]) -> Self {
        let mut done = zones.clone();
        let mut changed = BTreeSet::new();
        for (zone, changes) in steps.iter().filter_map(|step| step.changes.as_ref()) {
            let records = done.get_mut(zone).expect("a zone of the plan");
            for change in changes {
                changed.insert(change.key.clone());
                match &change.after {
                    Some(after) => drop(records.insert(change.key.clone(), after.clone())),
                    None => drop(records.remove(&change.key)),
                }
            }
        }
        let ids = steps.iter().enumerate().map(|(place, step)| (step.id.as_str(), place)).collect();
        let moving: Vec<Name> = plan.domains.iter().map(|domain| name(domain)).collect();
        let (mut old, mut new) = (BTreeSet::new(), BTreeSet::new());
        let (mut old_names, mut sources) = (BTreeSet::new(), BTreeMap::new());
        let (mut old_servers, mut new_servers) = (BTreeSet::new(), BTreeSet::new());
        for domain in &moving {
            for exchange in &plan.hosts[0].exchanges {
                let exchange = of_domain(&exchange.name, domain);
                old.extend(addresses(zones, &exchange));
                old_names.insert(exchange);
            }
            for exchange in &plan.hosts[1].exchanges {
                new.extend(addresses(&done, &of_domain(&exchange.name, domain)));
                new.extend(exchange.addresses.iter().filter_map(|ip| ip.parse::<IpAddr>().ok()));
            }
            let server =
                |target: &str| of_domain(target.split(':').next().unwrap_or(target), domain);
            for (_, target) in &plan.hosts[0].discovery {
                old_servers.extend(addresses(zones, &server(target)));
            }
            // What clients find before the move belongs to the old host.
            for label in SERVICES {
                let Ok(owner) = Name::relative_to(label, domain) else { continue };
                let rtype = if label.starts_with('_') { RrType::SRV } else { RrType::A };
                let key = RrKey::new(owner.clone(), rtype);
                // A name for which a wildcard answers is not a mail server.
                if !zones.values().any(|records| records.contains_key(&key)) {
                    continue;
                }
                let found = plain(zones, &owner, rtype);
                old_servers.extend(found.records().iter().filter_map(Rdata::ip));
                for target in found.records().iter().filter_map(Rdata::srv_target) {
                    old_servers.extend(addresses(zones, &target));
                }
            }
            for (_, target) in &plan.hosts[1].discovery {
                new_servers.extend(addresses(&done, &server(target)));
            }
            for host in &plan.hosts {
                let when = if host.name == "new" { &done } else { zones };
                for (place, sender) in host.senders.iter().enumerate() {
                    let ips = authorised(when, &sender.spf.join(" "), domain, 5);
                    sources.insert((host.name, place, domain.clone()), ips);
                }
            }
        }
        let is_new_too = |ip: &IpAddr| old.contains(ip);
        new.retain(|ip| !is_new_too(ip));
        let every = |rtype: RrType| {
            let keys = zones.values().flat_map(|records| records.keys()).chain(&changed);
            keys.filter(move |key| key.rtype == rtype).map(|key| key.name.clone())
        };
        let has_spf = |zones: &Zones, owner: &Name| {
            !spf_text(plain(zones, owner, RrType::TXT).records()).is_empty()
        };
        // A name that sends mail may receive mail at its own address (RFC 5321 §5.1).
        let is_host = |owner: &Name| !owner.labels().any(|label| label.first() == Some(&b'_'));
        let sends = every(RrType::TXT).filter(|owner| is_host(owner) && has_spf(zones, owner));
        let signs = every(RrType::TXT).chain(every(RrType::CNAME)).filter_map(|owner| {
            owner.to_string().contains("._domainkey.").then(|| owner.parent()?.parent()).flatten()
        });
        let has_policy = every(RrType::TXT).chain(every(RrType::CNAME)).filter_map(|owner| {
            let own = owner.to_string();
            (own.starts_with("_mta-sts.") || own.starts_with("_dmarc.")).then(|| owner.parent())?
        });
        // A sender that looks for a server's certificate comes with mail (RFC 7672 §3.1): for a
        // domain with MX records, or for the server's own name.
        let has_certificate = every(RrType::TLSA).filter_map(|owner| {
            owner.to_string().starts_with("_25._tcp.").then(|| owner.parent()?.parent()).flatten()
        });
        let owners: BTreeSet<Name> = every(RrType::MX)
            .chain(has_certificate)
            .chain(sends)
            .chain(signs)
            .chain(has_policy)
            .chain(moving.iter().cloned())
            .collect();
        let owners: BTreeSet<Name> = owners.into_iter().map(|owner| any_below(&owner)).collect();
        let domains = owners.into_iter().map(|owner| {
            let is_below = moving.iter().any(|domain| owner.is_at_or_below(domain));
            let exchanges = exchanges_of(zones, &owner);
            let kind = match moving.contains(&owner) {
                true => Kind::Moves,
                false
                    if !is_below
                        && exchanges.iter().any(|exchange| old_names.contains(exchange)) =>
                {
                    Kind::Stays
                }
                false => Kind::Other,
            };
            (owner, kind)
        });
        let domains: Vec<(Name, Kind)> = domains.collect();
        let is_added = |(owner, kind): &&(Name, Kind)| {
            *kind != Kind::Moves && plain(zones, owner, RrType::MX).records().is_empty()
        };
        let added = domains.iter().filter(is_added).map(|(owner, _)| owner.clone()).collect();
        let spf_owners: BTreeSet<Name> = every(RrType::TXT)
            .filter(|owner| has_spf(zones, owner) || has_spf(&done, owner))
            .collect();
        let live = spf_owners.iter().map(|owner| {
            let texts = spf_text(plain(zones, owner, RrType::TXT).records());
            let ips = texts.iter().flat_map(|text| authorised(zones, &text[6..], owner, 5));
            (owner.clone(), ips.collect())
        });
        let live = live.collect();
        Self {
            plan,
            zones,
            steps,
            ids,
            old,
            new,
            old_servers,
            new_servers,
            domains,
            added,
            spf_owners,
            live,
            sources,
            found: to_be_found(zones, &done),
            sorts: Sorts::of(zones, &done),
            cache: Cache::default(),
            cache_at_once: Cache::default(),
        }
    }
    /// The number of questions with another answer in the end, directly and through an alias.
    pub(in crate::oracle) fn changing(&self) -> (usize, usize) {
        changing(&self.found)
    }
}
