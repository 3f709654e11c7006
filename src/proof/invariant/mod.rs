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
mod resolves;
mod spf_sound;
mod transport_policy;

use std::sync::Arc;
use std::time::Duration;

use cutover_contract::Name;

use super::model::PatternBuilder;
use super::parties::{Family, Parties, Route, Routes, Side};
use super::pattern::{Harm, Start};
use super::view::Choice;
use crate::intent::{DomainMove, Host};

pub use deliverable::is_known_to_stay;

/// Something that has to be true at every instant.
pub struct Invariant {
    /// Its name, in verdicts and in the documentation.
    pub name: &'static str,
    /// What it says.
    pub says: &'static str,
    /// Puts its bad patterns on the builder.
    pub patterns: fn(&mut PatternBuilder<'_>),
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
        name: "resolves",
        says: "a name that is found before and in the end is found all the while",
        patterns: resolves::patterns,
    },
    Invariant {
        name: "minimal-touch",
        says: "only records that the plan owns change, and no other name's answer does",
        patterns: minimal_touch::patterns,
    },
];

/// The invariant of how quickly the switch, and a way back, take effect.
pub const REACH: &str = reach::ID;

/// How the id of a harm ends that is done whatever is cached.
pub const ALWAYS: &str = "/always";

/// The invariant of the way back.
pub const REVERSIBLE: &str = "reversible";

/// How far the mail of a domain comes to a host: what is wider is another harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Leads {
    /// Its exchanges stand by behind others.
    StandingBy,
    /// No other exchange is preferred to all of its own.
    First,
    /// Over IPv4 every route leads there: a peer may have that alone.
    OnlyV4,
    /// Over IPv6 every route leads there.
    OnlyV6,
    /// Every route leads there.
    Only,
}

impl Leads {
    const ALL: [Self; 5] = [Self::Only, Self::OnlyV4, Self::OnlyV6, Self::First, Self::StandingBy];
    /// Some peers at least come to nobody else.
    const ALONE: [Self; 3] = [Self::Only, Self::OnlyV4, Self::OnlyV6];

    /// As it stands in the id of a harm.
    fn suffix(self) -> &'static str {
        match self {
            Self::StandingBy => "/standing-by",
            Self::First => "/first",
            Self::OnlyV4 => "/over-ipv4",
            Self::OnlyV6 => "/over-ipv6",
            Self::Only => "",
        }
    }
}

/// Whether the ways of a domain's mail lead to a host.
fn leads(parties: &Parties, routes: &Routes, side: Side) -> Option<Leads> {
    how_far(routes, &|route| parties.whose(route) == Some(side))
}

/// How much of a domain's mail takes one of these routes.
fn how_far(routes: &Routes, is_one: &dyn Fn(&Route) -> bool) -> Option<Leads> {
    let Routes::To(routes) = routes else { return None };
    if !routes.iter().any(is_one) {
        return None;
    }
    let only = |family| {
        let mut of_family = routes.iter().filter(|route| route.family == family).peekable();
        of_family.peek().is_some() && of_family.all(is_one)
    };
    match (only(Family::V4), only(Family::V6)) {
        _ if routes.iter().all(is_one) => return Some(Leads::Only),
        (true, _) => return Some(Leads::OnlyV4),
        (_, true) => return Some(Leads::OnlyV6),
        (false, false) => {}
    }
    let best = |own: bool| {
        routes.iter().filter(|route| is_one(route) == own).map(|route| route.preference).min()
    };
    match best(true) <= best(false) {
        true => Some(Leads::First),
        false => Some(Leads::StandingBy),
    }
}

/// The answers with which the mail of a domain comes to a host just so far.
fn leading(
    builder: &PatternBuilder<'_>,
    invariant: &'static str,
    domain: &Name,
    (side, extent): (Side, Leads),
) -> Arc<Vec<(Choice, Leads)>> {
    let what = match (side, extent) {
        (Side::From, Leads::Only) => "only-old",
        (Side::From, Leads::OnlyV4) => "only-old-v4",
        (Side::From, Leads::OnlyV6) => "only-old-v6",
        (Side::From, Leads::First) => "first-old",
        (Side::From, Leads::StandingBy) => "standing-by-old",
        (Side::To, Leads::Only) => "only-new",
        (Side::To, Leads::OnlyV4) => "only-new-v4",
        (Side::To, Leads::OnlyV6) => "only-new-v6",
        (Side::To, Leads::First) => "first-new",
        (Side::To, Leads::StandingBy) => "standing-by-new",
    };
    let parties = builder.parties();
    let wanted = |routes: &Routes| leads(parties, routes, side).filter(|leads| *leads == extent);
    builder.routed(invariant, (what, domain, 0), &wanted)
}

/// Whether the mail of a domain can come to a host at all.
fn comes_to(builder: &PatternBuilder<'_>, domain: &Name, side: Side) -> bool {
    let mut all = Leads::ALL.into_iter();
    all.any(|extent| !leading(builder, deliverable::ID, domain, (side, extent)).is_empty())
}

/// Adds patterns: the mail of a domain comes to a host, while all of these atoms hold, for each of the
/// sets. How far it comes there makes harms of its own.
fn forbid_where_it_leads(
    builder: &mut PatternBuilder<'_>,
    of: (&'static str, &Name, Side),
    sets: (Duration, &[Vec<usize>]),
    harm: &Harm,
) {
    forbid_as_far(builder, of, &Leads::ALL, sets, harm);
}

/// The same where it comes there just so far.
fn forbid_as_far(
    builder: &mut PatternBuilder<'_>,
    (invariant, domain, side): (&'static str, &Name, Side),
    extents: &[Leads],
    (extra, sets): (Duration, &[Vec<usize>]),
    harm: &Harm,
) {
    if sets.is_empty() {
        return;
    }
    let what = match (side, extents.len() == Leads::ALL.len()) {
        (Side::From, true) => "leads-old",
        (Side::From, false) => "alone-old",
        (Side::To, true) => "leads-new",
        (Side::To, false) => "alone-new",
    };
    let parties = builder.parties();
    let anyhow = |routes: &Routes| {
        leads(parties, routes, side).filter(|extent| extents.contains(extent)).map(drop)
    };
    let found = builder.routed(invariant, (what, domain, 0), &anyhow);
    // Where mail comes there whatever is cached, there is one story, and no order to be looked for.
    if found.iter().any(|(choice, ())| choice.is_empty()) {
        let begins = |atom: &usize| builder.library.atoms.borrow()[*atom].start != Start::Always;
        let begin: Vec<&Vec<usize>> = sets.iter().filter(|set| set.iter().any(begins)).collect();
        let harm = Harm { id: format!("{}{ALWAYS}", harm.id).into(), ..harm.clone() };
        for atoms in begin {
            builder.forbid(invariant, (&Choice::new(), extra), atoms, &harm);
        }
    }
    for extent in extents.iter().copied() {
        let found = leading(builder, invariant, domain, (side, extent));
        if found.is_empty() {
            continue;
        }
        let harm = Harm { id: format!("{}{}", harm.id, extent.suffix()).into(), ..harm.clone() };
        for (choice, _) in found.iter() {
            for atoms in sets {
                builder.forbid(invariant, (choice, extra), atoms, &harm);
            }
        }
    }
}

/// Sets of one atom of either kind.
fn both(ones: &[usize], others: &[usize]) -> Vec<Vec<usize>> {
    ones.iter().flat_map(|one| others.iter().map(|other| vec![*one, *other])).collect()
}

fn host(one: &DomainMove, side: Side) -> &Host {
    match side {
        Side::From => &one.from,
        Side::To => &one.to,
    }
}
