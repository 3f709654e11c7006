//! Invariants: what has to be true at every instant. Each has a file of its own, and a line in
//! [`ALL`].
//!
//! Each makes bad patterns: sets of answers and facts that must not hold together. The way back has
//! an invariant of its own, `reversible`: all of these hold along it; see `compile::back`.

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

use cutover_zone::Name;

use super::builder::PatternBuilder;
use super::parties::{Family, Parties, Route, Routes, Side};
use super::pattern::{Harm, Start};
use super::view::Choice;
use crate::intent::{DomainMove, Host};

pub use authenticated::{dmarc_requires_a_pass, end_of, is_changed_with_mail, sender_aliases};
pub use deliverable::is_known_to_stay;

/// What finds the bad patterns of an invariant.
pub struct Rule {
    /// The invariant's name, as in [`cutover_steps::invariant::TABLE`].
    pub invariant: &'static str,
    /// Adds its bad patterns to the builder.
    pub patterns: fn(&mut PatternBuilder<'_>),
}

/// The rule of every invariant but that of the way back, in the order of the table.
pub const ALL: &[Rule] = &[
    Rule { invariant: "deliverable", patterns: deliverable::patterns },
    Rule { invariant: "one-mailbox", patterns: one_mailbox::patterns },
    Rule { invariant: "no-loop", patterns: no_loop::patterns },
    Rule { invariant: "authenticated", patterns: authenticated::patterns },
    Rule { invariant: "spf-sound", patterns: spf_sound::patterns },
    Rule { invariant: "transport-policy", patterns: transport_policy::patterns },
    Rule { invariant: "clients", patterns: clients::patterns },
    Rule { invariant: "reach", patterns: reach::patterns },
    Rule { invariant: "resolves", patterns: resolves::patterns },
    Rule { invariant: "minimal-touch", patterns: minimal_touch::patterns },
];

/// The invariant of how quickly the switch, and a way back, take effect.
pub const REACH: &str = reach::ID;

/// The end of the id of a harm that is done whatever caches hold.
pub const ALWAYS: &str = "/always";

/// How much of a domain's mail goes to a host. A wider extent is another harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Extent {
    /// Its exchanges are only backups for others.
    StandingBy,
    /// No other exchange is preferred to all of its own.
    First,
    /// Over IPv4 every route goes there: a peer may have only IPv4.
    OnlyV4,
    /// Over IPv6 every route goes there.
    OnlyV6,
    /// Every route goes there.
    Only,
}

impl Extent {
    const ALL: [Self; 5] = [Self::Only, Self::OnlyV4, Self::OnlyV6, Self::First, Self::StandingBy];
    /// At least some peers reach nobody else.
    const ALONE: [Self; 3] = [Self::Only, Self::OnlyV4, Self::OnlyV6];

    /// As written in the id of a harm.
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

/// How much of a domain's mail goes to a host.
fn extent_at(parties: &Parties, routes: &Routes, side: Side) -> Option<Extent> {
    extent_of(routes, &|route| parties.whose(route) == Some(side))
}

/// How much of a domain's mail takes one of these routes.
fn extent_of(routes: &Routes, is_wanted: &dyn Fn(&Route) -> bool) -> Option<Extent> {
    let Routes::To(routes) = routes else { return None };
    if !routes.iter().any(is_wanted) {
        return None;
    }
    let only = |family| {
        let mut of_family = routes.iter().filter(|route| route.family == family).peekable();
        of_family.peek().is_some() && of_family.all(is_wanted)
    };
    match (only(Family::V4), only(Family::V6)) {
        _ if routes.iter().all(is_wanted) => return Some(Extent::Only),
        (true, _) => return Some(Extent::OnlyV4),
        (_, true) => return Some(Extent::OnlyV6),
        (false, false) => {}
    }
    let best = |own: bool| {
        routes.iter().filter(|route| is_wanted(route) == own).map(|route| route.preference).min()
    };
    match best(true) <= best(false) {
        true => Some(Extent::First),
        false => Some(Extent::StandingBy),
    }
}

/// The answers with which exactly this much of a domain's mail goes to a host.
fn routed_to(
    builder: &PatternBuilder<'_>,
    invariant: &'static str,
    domain: &Name,
    (side, extent): (Side, Extent),
) -> Arc<Vec<(Choice, Extent)>> {
    let what = match (side, extent) {
        (Side::From, Extent::Only) => "only-old",
        (Side::From, Extent::OnlyV4) => "only-old-v4",
        (Side::From, Extent::OnlyV6) => "only-old-v6",
        (Side::From, Extent::First) => "first-old",
        (Side::From, Extent::StandingBy) => "standing-by-old",
        (Side::To, Extent::Only) => "only-new",
        (Side::To, Extent::OnlyV4) => "only-new-v4",
        (Side::To, Extent::OnlyV6) => "only-new-v6",
        (Side::To, Extent::First) => "first-new",
        (Side::To, Extent::StandingBy) => "standing-by-new",
    };
    let parties = builder.parties();
    let wanted =
        |routes: &Routes| extent_at(parties, routes, side).filter(|found| *found == extent);
    builder.routed(invariant, (what, domain, 0), &wanted)
}

/// Whether any mail of a domain can go to a host.
fn can_reach(builder: &PatternBuilder<'_>, domain: &Name, side: Side) -> bool {
    let mut all = Extent::ALL.into_iter();
    all.any(|extent| !routed_to(builder, deliverable::ID, domain, (side, extent)).is_empty())
}

/// Adds patterns for each of the sets: mail of a domain goes to a host while all of these atoms
/// hold. Each extent makes a harm of its own.
fn forbid_at_host(
    builder: &mut PatternBuilder<'_>,
    of: (&'static str, &Name, Side),
    sets: (Duration, &[Vec<usize>]),
    harm: &Harm,
) {
    forbid_to_extents(builder, of, &Extent::ALL, sets, harm);
}

/// The same for some extents only.
fn forbid_to_extents(
    builder: &mut PatternBuilder<'_>,
    (invariant, domain, side): (&'static str, &Name, Side),
    extents: &[Extent],
    (extra, sets): (Duration, &[Vec<usize>]),
    harm: &Harm,
) {
    if sets.is_empty() {
        return;
    }
    let what = match (side, extents.len() == Extent::ALL.len()) {
        (Side::From, true) => "leads-old",
        (Side::From, false) => "alone-old",
        (Side::To, true) => "leads-new",
        (Side::To, false) => "alone-new",
    };
    let parties = builder.parties();
    let anyhow = |routes: &Routes| {
        extent_at(parties, routes, side).filter(|extent| extents.contains(extent)).map(drop)
    };
    let found = builder.routed(invariant, (what, domain, 0), &anyhow);
    // If mail goes there whatever caches hold, there is one story, and no order to look for.
    if found.iter().any(|(choice, ())| choice.is_empty()) {
        let begins = |atom: &usize| builder.library.atoms.borrow()[*atom].start != Start::Always;
        let begin: Vec<&Vec<usize>> = sets.iter().filter(|set| set.iter().any(begins)).collect();
        let harm = Harm { id: format!("{}{ALWAYS}", harm.id).into(), ..harm.clone() };
        for atoms in begin {
            builder.forbid(invariant, (&Choice::new(), extra), atoms, &harm);
        }
    }
    for extent in extents.iter().copied() {
        let found = routed_to(builder, invariant, domain, (side, extent));
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

/// All sets of one atom of each kind.
fn both(left: &[usize], right: &[usize]) -> Vec<Vec<usize>> {
    left.iter().flat_map(|left| right.iter().map(|right| vec![*left, *right])).collect()
}

fn host(domain_move: &DomainMove, side: Side) -> &Host {
    match side {
        Side::From => &domain_move.from,
        Side::To => &domain_move.to,
    }
}

#[cfg(test)]
mod tests {
    use super::ALL;
    use cutover_steps::invariant::{NAMES, REVERSIBLE};

    #[test]
    fn every_invariant_has_a_rule() {
        let rules: Vec<&str> = ALL.iter().map(|rule| rule.invariant).collect();
        let named = NAMES.into_iter().filter(|name| *name != REVERSIBLE);
        assert_eq!(rules, named.collect::<Vec<_>>());
    }
}
