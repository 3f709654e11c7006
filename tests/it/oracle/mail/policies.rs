//! What strict senders and receivers check: MTA-STS, DANE, DMARC.

use std::collections::BTreeSet;

use cutover_zone::{Name, Rdata, RrKey, RrType};

use super::super::dns::{Resolved, plain};
use super::super::language::{Host, has_names};
use super::super::schedule::NOW;
use super::ground::*;
use super::*;

/// How strict a DMARC policy is: none, quarantine, reject.
fn strictness(view: &Resolved) -> usize {
    let texts = view.records().iter().filter_map(Rdata::txt_joined);
    let texts = texts.filter_map(|text| String::from_utf8(text.into_owned()).ok());
    let ranks = texts.filter(|text| text.starts_with("v=DMARC1")).map(|text| {
        let all = ["p=none", "p=quarantine", "p=reject"];
        all.iter().rposition(|p| text.contains(p)).unwrap_or(0)
    });
    ranks.max().unwrap_or(0)
}

impl<'a> World<'a> {
    /// MTA-STS and DANE.
    pub(super) fn of_policies(&self, domain: &Name) {
        let owner = domain.child("_mta-sts").expect("a name");
        let is_policy = |view: &Resolved| match view {
            Resolved::Outside(_) => true,
            other @ (Resolved::Records(_)
            | Resolved::NoData
            | Resolved::NxDomain
            | Resolved::Failure) => other
                .records()
                .iter()
                .filter_map(Rdata::txt_joined)
                .any(|t| t.starts_with(b"v=STSv1")),
        };
        let was = is_policy(&plain(self.ground.zones, &owner, RrType::TXT))
            || self.has_policy_host(domain);
        let is = self.dns.resolved(&owner, RrType::TXT, 0).iter().any(is_policy);
        let own = domain.to_string();
        let by_name = !self.stated("sts_allows", &own).is_empty()
            && !self.may("sts_allows", &own, "false", "false");
        let may_not = |host: &str| {
            let is_said = !self.stated("sts_allows", host).is_empty();
            let is_changed = host == "old" && !is_said && self.is_policy_changed(domain);
            let unsaid = if host == "old" && !is_changed { "true" } else { "false" };
            self.may("sts_allows", host, "false", unsaid)
        };
        for exchanges in self.exchanges(domain, 0) {
            let hosts = |exchange: &Name| self.hosts_of(exchange, domain);
            if (was || is) && by_name {
                self.add(
                    "transport-policy",
                    domain,
                    "hosts that a policy of the domain may not list",
                    false,
                );
            }
            if (was || is) && !by_name {
                let is_shut = |exchange: &Name| hosts(exchange).iter().any(|host| may_not(host));
                if exchanges.iter().any(is_shut) {
                    self.add(
                        "transport-policy",
                        domain,
                        "an exchange is not allowed by MTA-STS",
                        false,
                    );
                }
                if exchanges.iter().all(is_shut) {
                    let is_known = exchanges.iter().all(|exchange| {
                        hosts(exchange).iter().any(|h| !h.is_empty() && may_not(h))
                    });
                    self.add(
                        "transport-policy",
                        domain,
                        "no exchange is allowed by MTA-STS",
                        is_known,
                    );
                }
            }
            if exchanges.iter().any(|exchange| self.fails_dane(exchange, &hosts(exchange))) {
                self.add("transport-policy", domain, "a certificate does not match TLSA", false);
            }
            if exchanges.iter().all(|exchange| self.fails_dane(exchange, &hosts(exchange))) {
                self.add(
                    "transport-policy",
                    domain,
                    "no certificate matches TLSA",
                    exchanges.iter().all(|exchange| !hosts(exchange).contains("")),
                );
            }
        }
    }

    /// A policy, or the exchanges that it has to allow, of a domain that may stay where it is.
    pub(super) fn of_other_policies(&self, domain: &Name) {
        let owner = domain.child("_mta-sts").expect("a name");
        let policy = plain(self.ground.zones, &owner, RrType::TXT);
        let is_there = !policy.records().is_empty()
            || matches!(policy, Resolved::Outside(_))
            || self.has_policy_host(domain);
        let is_other = |name: &Name, rtype| {
            let live = plain(self.ground.zones, name, rtype);
            self.dns.resolved(name, rtype, 0).iter().any(|view| *view != live)
        };
        // A policy asks for a certificate, which the server at another address may not have.
        let is_readdressed = exchanges_of(self.ground.zones, domain)
            .iter()
            .any(|name| is_other(name, RrType::A) || is_other(name, RrType::AAAA));
        let is_moved = is_other(domain, RrType::MX) || is_readdressed;
        let host = domain.child("mta-sts").expect("a name");
        let lies = plain(self.ground.zones, &host, RrType::A);
        let is_led = self.dns.resolved(&host, RrType::A, 0).iter().any(|view| *view != lies);
        if is_there && (is_moved || is_led || self.is_policy_changed(domain)) {
            self.add(
                "transport-policy",
                domain,
                "a policy that may not allow the exchanges",
                false,
            );
        }
    }

    /// Whether the host of a policy exists: senders may keep a policy whose record is gone.
    fn has_policy_host(&self, domain: &Name) -> bool {
        let host = domain.child("mta-sts").expect("a name");
        [RrType::A, RrType::AAAA, RrType::CNAME].into_iter().any(|rtype| {
            let key = RrKey::new(host.clone(), rtype);
            self.ground.zones.values().any(|zone| zone.get(&key).is_some())
        })
    }

    pub(super) fn is_policy_changed(&self, domain: &Name) -> bool {
        let names = ["_mta-sts", "mta-sts"].map(|label| domain.child(label).expect("a name"));
        let changes =
            self.ground.steps.iter().zip(&self.execution.there).filter_map(|(step, time)| {
                time.filter(|(begin, _)| *begin <= NOW).and(step.changes.as_ref())
            });
        changes.flat_map(|(_, changes)| changes).any(|change| {
            let is_new = match (&change.before, &change.after) {
                (Some(before), Some(after)) => !before.same_rdata(after),
                (None, Some(_)) => true,
                (_, None) => false,
            };
            names.contains(&change.key.name) && is_new
        })
    }

    /// The hosts that an exchange may be, by its addresses; `""` if unknown.
    pub(super) fn hosts_of(&self, exchange: &Name, domain: &Name) -> BTreeSet<&'static str> {
        let mut hosts = BTreeSet::new();
        for family in [RrType::A, RrType::AAAA] {
            for view in self.dns.resolved(exchange, family, 0) {
                if matches!(view, Resolved::Outside(_)) {
                    let of = |host: &Host| {
                        host.exchanges.iter().any(|own| of_domain(&own.name, domain) == *exchange)
                    };
                    hosts.insert(if of(self.host(true)) { "new" } else { "" });
                }
                for ip in view.records().iter().filter_map(Rdata::ip) {
                    hosts.insert(
                        match (self.ground.old.contains(&ip), self.ground.new.contains(&ip)) {
                            (true, _) => "old",
                            (false, true) => "new",
                            (false, false) => "",
                        },
                    );
                }
            }
        }
        hosts
    }

    pub(super) fn fails_dane(&self, exchange: &Name, hosts: &BTreeSet<&'static str>) -> bool {
        let Some(owner) = exchange.child("_tcp").ok().and_then(|tcp| tcp.child("_25").ok()) else {
            return false;
        };
        let live = plain(self.ground.zones, &owner, RrType::TLSA);
        let views = self.dns.resolved(&owner, RrType::TLSA, 0);
        views.iter().filter(|view| !view.records().is_empty()).any(|view| {
            hosts.iter().any(|host| {
                let declared: Vec<String> = match *host {
                    "old" => self.host(false).tlsa.clone(),
                    "new" => self.host(true).tlsa.clone(),
                    _ => Vec::new(),
                };
                let declared: Vec<Rdata> = declared
                    .iter()
                    .filter_map(|text| Rdata::parse(RrType::TLSA, text, None).ok())
                    .collect();
                let is_declared = view.records().iter().any(|rdata| declared.contains(rdata));
                let is_live = *host == "old" && *view == live;
                let unsaid = if is_declared || is_live { "true" } else { "false" };
                self.may("tlsa_matches", host, "false", unsaid)
            })
        })
    }

    /// Whether a policy of the domain, or of a domain above it, may have mail refused.
    pub(super) fn is_strict(&self, domain: &Name) -> bool {
        let names = std::iter::successors(Some(domain.clone()), Name::parent);
        let mut owners = names.filter_map(|name| name.child("_dmarc").ok());
        owners.any(|owner| {
            let views = self.dns.resolved(&owner, RrType::TXT, 0);
            views.iter().any(|view| strictness(view) > 0)
        })
    }

    /// Whether a policy may be stricter than today's, for mail that was not considered.
    pub(super) fn of_dmarc(&self, domain: &Name) {
        let owner = domain.child("_dmarc").expect("a name");
        let rank = strictness;
        let own = domain.to_string();
        let passes = !self.stated("passes_dmarc", &own).is_empty()
            && !self.may("passes_dmarc", &own, "false", "false");
        let today = rank(&plain(self.ground.zones, &owner, RrType::TXT));
        let views = self.dns.resolved(&owner, RrType::TXT, 0);
        if views.iter().any(|view| rank(view) > today) {
            if !passes {
                self.add("authenticated", domain, "a stricter DMARC policy", has_names());
            }
            self.add("authenticated", domain, "a stricter policy for names below", false);
        }
    }

    /// Exchanges elsewhere may have TLSA records that were not queried.
    pub(super) fn of_foreign_exchanges(&self, domain: &Name) {
        for exchange in self.exchanges(domain, 0).iter().flatten() {
            let views = self.dns.resolved(exchange, RrType::A, 0);
            let live = plain(self.ground.zones, exchange, RrType::A);
            let six = self.dns.resolved(exchange, RrType::AAAA, 0);
            let live_six = plain(self.ground.zones, exchange, RrType::AAAA);
            let is_moved =
                views.iter().any(|view| *view != live) || six.iter().any(|view| *view != live_six);
            let owner = exchange.child("_tcp").ok().and_then(|tcp| tcp.child("_25").ok());
            let is_new = !exchanges_of(self.ground.zones, domain).contains(exchange);
            let is_changed = owner.is_some_and(|owner| {
                let live = plain(self.ground.zones, &owner, RrType::TLSA);
                let views = self.dns.resolved(&owner, RrType::TLSA, 0);
                let is_other = is_moved || is_new;
                views.iter().any(|view| *view != live || (is_other && !view.records().is_empty()))
            });
            if is_changed || views.iter().any(|view| matches!(view, Resolved::Outside(_))) {
                self.add(
                    "transport-policy",
                    domain,
                    format!("{exchange} may have TLSA records"),
                    false,
                );
            }
        }
    }
}
