//! Invariants: what has to be true at every instant. One file each, and a line in [`ALL`].
//!
//! Each makes bad patterns: sets of answers and facts that must not hold together. The way back has
//! an invariant of its own, `reversible`, which is all of these along it; see `compile::back`.

mod authenticated;
mod clients;
mod deliverable;
mod minimal_touch;
mod no_loop;
mod one_mailbox;
mod reach;
mod spf_sound;
mod transport_policy;

use std::sync::Arc;

use cutover_contract::Name;

use super::model::Bench;
use super::parties::{Family, Parties, Route, Routes, Side};
use super::view::Choice;
use crate::intent::{DomainMove, Host};

pub use deliverable::is_known_to_stay;

/// Something that has to be true at every instant.
pub struct Invariant {
    /// Its name, in verdicts and in the documentation.
    pub name: &'static str,
    /// What it says.
    pub says: &'static str,
    /// Puts its bad patterns on the bench.
    pub patterns: fn(&mut Bench<'_>),
}

/// Every invariant.
pub const ALL: &[Invariant] = &[
    Invariant {
        name: "deliverable",
        says: "over every route a host accepts the mail, and none that it may reach rejects a valid recipient",
        patterns: deliverable::patterns,
    },
    Invariant {
        name: "one-mailbox",
        says: "what is stored or written at one host reaches the mailbox at the other",
        patterns: one_mailbox::patterns,
    },
    Invariant {
        name: "no-loop",
        says: "no two hosts pass mail to one another, and none finds itself behind the MX records that it follows",
        patterns: no_loop::patterns,
    },
    Invariant {
        name: "authenticated",
        says: "mail that may be in flight passes SPF and DKIM, as far as its sender declares them",
        patterns: authenticated::patterns,
    },
    Invariant {
        name: "spf-sound",
        says: "every SPF record that can be seen is one record of at most ten look-ups, two of them void",
        patterns: spf_sound::patterns,
    },
    Invariant {
        name: "transport-policy",
        says: "a sender that obeys MTA-STS and DANE can deliver",
        patterns: transport_policy::patterns,
    },
    Invariant {
        name: "clients",
        says: "every user finds and reaches a server that serves the mailbox",
        patterns: clients::patterns,
    },
    Invariant {
        name: "reach",
        says: "from the switch on, what is cached of the switched records expires within the cutover TTL",
        patterns: reach::patterns,
    },
    Invariant {
        name: "minimal-touch",
        says: "only records that the plan owns change, and no other name's answer does",
        patterns: minimal_touch::patterns,
    },
];

/// The invariant of how quickly the switch, and a way back, take effect.
pub const REACH: &str = reach::ID;

/// The invariant of the way back.
pub const REVERSIBLE: &str = "reversible";

/// Whether senders with this view may come to an exchange of a host, and whether that is all that
/// they can come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Leads {
    /// Some route leads there.
    Some,
    /// Over one family of addresses at least every route does: a peer may have that one alone.
    Only,
}

/// Whether the ways of a domain's mail lead to a host.
fn leads(parties: &Parties, routes: &Routes, side: Side) -> Option<Leads> {
    let Routes::To(routes) = routes else { return None };
    let leads = |route: &Route| parties.whose(route) == Some(side);
    if !routes.iter().any(leads) {
        return None;
    }
    let only = |family| {
        let mut of_family = routes.iter().filter(|route| route.family == family).peekable();
        of_family.peek().is_some() && of_family.all(leads)
    };
    match only(Family::V4) || only(Family::V6) {
        true => Some(Leads::Only),
        false => Some(Leads::Some),
    }
}

/// The answers with which the mail of a domain may come to a host, and how far.
fn leading(
    bench: &Bench<'_>,
    invariant: &'static str,
    domain: &Name,
    side: Side,
) -> Arc<Vec<(Choice, Leads)>> {
    let what = match side {
        Side::From => "leads-old",
        Side::To => "leads-new",
    };
    let parties = bench.parties();
    bench.routed(invariant, (what, domain, 0), &|routes| leads(parties, routes, side))
}

/// The same where it comes there just so far.
fn leading_as(
    bench: &Bench<'_>,
    invariant: &'static str,
    domain: &Name,
    (side, extent): (Side, Leads),
) -> Arc<Vec<(Choice, Leads)>> {
    let what = match (side, extent) {
        (Side::From, Leads::Only) => "only-old",
        (Side::From, Leads::Some) => "also-old",
        (Side::To, Leads::Only) => "only-new",
        (Side::To, Leads::Some) => "also-new",
    };
    let parties = bench.parties();
    let wanted = |routes: &Routes| leads(parties, routes, side).filter(|leads| *leads == extent);
    bench.routed(invariant, (what, domain, 0), &wanted)
}

fn host(one: &DomainMove, side: Side) -> &Host {
    match side {
        Side::From => &one.from,
        Side::To => &one.to,
    }
}
