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

use super::model::{Bench, Domain};
use super::view::View;
use crate::intent::{DomainMove, Host};
use cutover_contract::{Name, Rdata, RrKey, RrType};

use crate::observe::Outside;

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

/// Which host's exchange a sender may come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    From,
    To,
}

/// Whether senders with this view may come to an exchange of a host, and whether that is all that
/// they can come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Leads {
    /// Some exchange is the host's.
    Some,
    /// Every exchange is.
    Only,
}

/// Where the MX records lead in a view.
fn leads(view: &View<'_>, one: &DomainMove, side: Side) -> Option<Leads> {
    let Outside::Records(mx) = view.look_up(&RrKey::new(one.domain.value.clone(), RrType::MX))
    else {
        return None;
    };
    let exchanges: Vec<Name> = mx.iter().filter_map(Rdata::as_mx).map(|(_, name)| name).collect();
    let of_side = exchanges.iter().filter(|name| is_of(view, one, name, side)).count();
    match of_side {
        0 => None,
        all if all == exchanges.len() => Some(Leads::Only),
        _ => Some(Leads::Some),
    }
}

/// Whether an exchange leads to a host in this view. A name that both hosts have is told apart by
/// the addresses that the plan gives the new one.
fn is_of(view: &View<'_>, one: &DomainMove, exchange: &Name, side: Side) -> bool {
    let (from, to) = (one.from.has_exchange(exchange), one.to.has_exchange(exchange));
    if !(from && to) {
        return match side {
            Side::From => from,
            Side::To => to,
        };
    }
    let meant: Vec<_> = one
        .to
        .exchanges
        .iter()
        .filter(|other| other.name.value == *exchange)
        .flat_map(|other| &other.addresses)
        .collect();
    if meant.is_empty() {
        return true;
    }
    let mut of_side = false;
    for rtype in [RrType::A, RrType::AAAA] {
        let Outside::Records(found) = view.look_up(&RrKey::new(exchange.clone(), rtype)) else {
            continue;
        };
        of_side |= found.iter().filter_map(Rdata::ip).any(|ip| {
            meant.contains(&&ip)
                == match side {
                    Side::To => true,
                    Side::From => false,
                }
        });
    }
    of_side
}

/// The label of the evaluation [`leads`].
fn label(side: Side) -> &'static str {
    match side {
        Side::From => "leads-old",
        Side::To => "leads-new",
    }
}

fn host(one: &DomainMove, side: Side) -> &Host {
    match side {
        Side::From => &one.from,
        Side::To => &one.to,
    }
}

/// The domains that move.
fn moving<'d>(bench: &Bench<'d>) -> impl Iterator<Item = (&'d Name, &'d DomainMove)> + use<'d> {
    let domains = bench.domains();
    domains.into_iter().filter_map(|Domain { name, moves }| Some((name, moves?)))
}
