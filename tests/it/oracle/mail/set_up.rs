//! How mail clients come to know their server: by names that people have typed in and that last,
//! and by discovery records that come into being.

use std::collections::BTreeSet;
use std::net::IpAddr;

use cutover_zone::{Name, Rdata, RrKey, RrType};

use super::super::dns::{Resolved, plain};
use super::ground::addresses;
use super::*;

/// The labels before a domain that people type in, whether or not a record has them.
const TYPED: [&str; 5] = ["imap", "mail", "pop", "pop3", "smtp"];
/// The labels before a domain that clients themselves look up.
const LOOKED_UP: [&str; 2] = ["autoconfig", "autodiscover"];
/// A key of `discovery:` in the oracle's plans, and the labels that it is about.
const DECLARED: [(&str, &str); 5] = [
    ("imap", "_imaps._tcp"),
    ("pop3", "_pop3s._tcp"),
    ("submission", "_submissions._tcp"),
    ("autodiscover", "autodiscover"),
    ("autoconfig", "autoconfig"),
];
const FAMILIES: [RrType; 2] = [RrType::A, RrType::AAAA];

/// Whose a server is, the worst last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    Old,
    New,
    Nobodys,
}

impl World<'_> {
    /// Names of a domain that stays at the old host, and that lead there before the plan.
    pub(super) fn of_typed(&self, domain: &Name) {
        let zones = self.ground.zones.values();
        let keys = zones.flat_map(|records| records.keys());
        let is_address =
            |key: &&RrKey| matches!(key.rtype, RrType::A | RrType::AAAA | RrType::CNAME);
        let written = keys.filter(is_address).map(|key| key.name.clone());
        let typed = TYPED.iter().filter_map(|label| domain.child(label).ok());
        let is_host = |owner: &Name| {
            !owner.labels().any(|label| label.first() == Some(&b'_') || label == b"*")
        };
        let others = self.ground.domains.iter().map(|(other, _)| other);
        let others: Vec<&Name> =
            others.filter(|other| *other != domain && other.is_at_or_below(domain)).collect();
        let names: BTreeSet<Name> = written
            .chain(typed)
            .filter(|owner| owner.is_at_or_below(domain) && is_host(owner))
            .filter(|owner| !others.iter().any(|other| owner.is_at_or_below(other)))
            .filter(|owner| {
                let first = owner.labels().next().unwrap_or_default();
                !LOOKED_UP.iter().any(|label| label.as_bytes() == first)
            })
            .collect();
        for owner in names {
            let is_at_old = |ip: &IpAddr| self.ground.old.contains(ip);
            if !addresses(self.ground.zones, &owner).iter().any(is_at_old)
                || !self.may("clients", &owner.to_string(), "true", "true")
            {
                continue;
            }
            for family in FAMILIES {
                let live = plain(self.ground.zones, &owner, family);
                for view in self.dns.resolved(&owner, family, 0) {
                    let mut ips = view.records().iter().filter_map(Rdata::ip);
                    let is_lost = view.records().is_empty() && !live.records().is_empty();
                    if is_lost || !ips.all(|ip| is_at_old(&ip)) {
                        let is_seen = !matches!(view, Resolved::Outside(_) | Resolved::Failure);
                        let what = format!("{owner} {family} no longer leads to its mailboxes");
                        self.add("clients", domain, what, is_seen && view != live);
                    }
                }
            }
        }
    }

    /// Discovery records of a domain that moves, which nobody declares and which do not exist
    /// before the plan: whoever finds one is set up by it.
    pub(super) fn of_new_discovery(&self, domain: &Name) {
        let declared = self.ground.plan.hosts.iter().flat_map(|host| &host.discovery);
        let declared: BTreeSet<&str> = declared.map(|(word, _)| *word).collect();
        let is_declared = |label: &str| {
            DECLARED.iter().any(|(word, owner)| *owner == label && declared.contains(word))
        };
        let services = SERVICES.iter().filter(|label| label.starts_with('_'));
        for label in services.chain(&LOOKED_UP).filter(|label| !is_declared(label)) {
            let Ok(owner) = Name::relative_to(label, domain) else { continue };
            let types: &[RrType] = if label.starts_with('_') { &[RrType::SRV] } else { &FAMILIES };
            for rtype in types {
                if plain(self.ground.zones, &owner, *rtype).records().is_empty() {
                    self.of_first(domain, &owner, *rtype);
                }
            }
        }
    }

    /// Where a client is led that finds a record for the first time.
    fn of_first(&self, domain: &Name, owner: &Name, rtype: RrType) {
        let (at_old, at_new) = self.people();
        let off = self.may("mail", "old", "off", "store");
        let idle = self.may("serves", "new", "false", "false");
        let uses = self.may("clients", &owner.to_string(), "true", "true");
        let mut leads: BTreeSet<Whose> = BTreeSet::new();
        for view in self.dns.resolved(owner, rtype, 0) {
            let mut ips: Vec<IpAddr> = view.records().iter().filter_map(Rdata::ip).collect();
            for target in view.records().iter().filter_map(Rdata::srv_target) {
                let views = FAMILIES.map(|family| self.dns.resolved(&target, family, 0));
                ips.extend(
                    views.iter().flatten().flat_map(Resolved::records).filter_map(Rdata::ip),
                );
            }
            leads.extend(ips.iter().map(|ip| self.whose(ip)));
        }
        let harm = |what: &str, sure| {
            self.add("clients", domain, format!("{owner} {rtype} comes, and leads {what}"), sure);
        };
        if leads.contains(&Whose::New) && (at_old || idle) {
            harm("to the new host too early", !at_new || idle);
        }
        if leads.contains(&Whose::Nobodys) && uses {
            harm("to nobody's server", true);
        }
        if leads.contains(&Whose::Old) && off {
            harm("to the old host, which is off", true);
        }
    }

    fn whose(&self, ip: &IpAddr) -> Whose {
        let ground = self.ground;
        let is_old = ground.old.contains(ip);
        if !is_old && (ground.new.contains(ip) || ground.new_servers.contains(ip)) {
            Whose::New
        } else if is_old || ground.old_servers.contains(ip) {
            Whose::Old
        } else {
            Whose::Nobodys
        }
    }
}
