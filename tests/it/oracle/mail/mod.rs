//! What happens to a message, a sender and a client at an instant.
//!
//! Everything starts from records and addresses. A host is known by its addresses, whatever its
//! name. What neither the plan states nor the zones show, the adversary chooses: each answer that
//! caches may hold, separately for each question; the exchange and the address family; the selector
//! and the address that a sender uses; what is at an unknown address.
//!
//! Harm is certain, or only possible if the language leaves open whether it counts. Under a proof
//! there must be no certain harm. The story of a refutation has to show at least possible harm.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use cutover_zone::Name;

use super::dns::{Cache, Dns, Zones};
use super::language::Plan;
use super::schedule::{Back, Execution, Step};

mod choices;
mod clients;
mod facts;
mod ground;
mod names;
mod policies;
mod routes;
mod senders;
mod set_up;
mod strangers;

pub(super) use ground::Ground;

/// Views of an SPF evaluation that are tried.
const VIEWS_MAX: usize = 300;
/// An address that no record of the zones names.
const NOBODY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(233, 252, 0, 99));
/// The start of the owner of a mail service's SRV records.
const SERVICES: [&str; 10] = [
    "_imap._tcp",
    "_imaps._tcp",
    "_pop3._tcp",
    "_pop3s._tcp",
    "_submission._tcp",
    "_submissions._tcp",
    "_autodiscover._tcp",
    "_sieve._tcp",
    "_jmap._tcp",
    "autodiscover",
];

/// An invariant, the domain that is harmed, and how.
pub(super) type Harm = BTreeMap<(&'static str, String, String), Sureness>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sureness {
    Possible,
    Sure,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Moves,
    /// It names an exchange of the old host, and stays there.
    Stays,
    Other,
}

pub(super) fn name(text: &str) -> Name {
    Name::absolute(&format!("{}.", text.trim_end_matches('.'))).expect("a name")
}

/// The world at [`NOW`], in an execution.
pub(super) struct World<'a> {
    ground: &'a Ground<'a>,
    execution: &'a Execution,
    back_ids: HashMap<&'a str, usize>,
    /// What was done before the point to which the run goes back, and stays.
    before_point: &'a BTreeSet<usize>,
    point: &'a str,
    /// The steps of the way back.
    back: &'a [Step],
    dns: Dns<'a>,
    harm: RefCell<Harm>,
}

impl<'a> World<'a> {
    pub(super) fn of(
        ground: &'a Ground<'a>,
        back: Option<&'a Back>,
        execution: &'a Execution,
    ) -> Self {
        static NOTHING: BTreeSet<usize> = BTreeSet::new();
        let nothing: &'static BTreeSet<usize> = &NOTHING;
        let before_point = back.map_or(nothing, |back| &back.before_point);
        let point = back.map_or("", |back| back.name.as_str());
        let back: &[Step] = back.map_or(&[], |back| &back.steps);
        let steps = (ground.steps, back);
        let plan = ground.plan;
        let dns = Dns::of(
            ground.zones,
            plan.atomicity,
            plan.margin_secs,
            steps,
            execution,
            &ground.cache,
        );
        let back_ids =
            back.iter().enumerate().map(|(place, step)| (step.id.as_str(), place)).collect();
        let harm = RefCell::default();
        Self { ground, execution, back_ids, before_point, point, back, dns, harm }
    }

    fn add(&self, invariant: &'static str, domain: &Name, what: impl Into<String>, sure: bool) {
        // A name that was not a mail domain before the plan has no mail that could be lost.
        let of_mail = matches!(invariant, "deliverable" | "transport-policy");
        let is_mail = !of_mail || !self.ground.added.contains(domain);
        let sure = sure && is_mail;
        let sureness = if sure { Sureness::Sure } else { Sureness::Possible };
        let mut harm = self.harm.borrow_mut();
        let known = harm.entry((invariant, domain.to_string(), what.into())).or_insert(sureness);
        *known = (*known).max(sureness);
    }

    /// Everything that is harmed; on request also what is only possibly harm.
    pub(super) fn harm(self, with_possible: bool) -> Harm {
        for (domain, kind) in &self.ground.domains {
            self.of_routes(domain, *kind);
            self.of_live_senders(domain, Some(*kind));
            self.of_strangers(domain, Some(*kind));
            if with_possible {
                self.of_foreign_exchanges(domain);
                self.of_other_policies(domain);
            }
            if *kind == Kind::Stays {
                self.of_typed(domain);
            }
            if *kind == Kind::Moves {
                self.of_policies(domain);
                self.of_clients(domain);
                self.of_new_discovery(domain);
                self.of_senders(domain);
            }
        }
        for owner in &self.ground.spf_owners {
            self.of_records(owner);
            if with_possible && !self.ground.domains.iter().any(|(domain, _)| domain == owner) {
                self.of_live_senders(owner, None);
                self.of_strangers(owner, None);
            }
        }
        let zones = self.ground.zones.values().flat_map(|records| records.keys());
        let policies = zones.filter(|key| key.name.to_string().starts_with("_dmarc."));
        policies.filter_map(|key| key.name.parent()).for_each(|domain| self.of_dmarc(&domain));
        self.of_keys();
        self.of_found();
        if with_possible {
            self.of_names();
        }
        if self.ground.plan.is_move() {
            self.of_speed();
        }
        self.harm.into_inner()
    }
}
