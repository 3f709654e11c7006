//! Whose server accepts the mail. A host is identified by the names of its exchanges, and by their
//! addresses under any name.
//!
//! The old host has the addresses that its exchanges have when the plan is made, and the new host
//! those that its exchanges have in the end. Any other address of an exchange belongs to a
//! stranger: nobody has said that it accepts the mail.

use std::collections::BTreeSet;
use std::net::IpAddr;

use cutover_zone::{Name, Rdata, RrKey, RrSet, RrType};
use foldhash::HashSet;

use crate::intent::{DomainMove, Exchange, Host, Intent};
use crate::observe::Snapshot;
use cutover_steps::ask::Outside;

/// The two hosts of a move.
#[derive(Debug, Default)]
pub struct Parties {
    /// The names of the old host's exchanges, and of the new one's.
    names: [HashSet<Name>; 2],
    /// Their addresses.
    addresses: [BTreeSet<IpAddr>; 2],
    /// The addresses of the servers that the old host's clients use, if they are not the new host's
    /// too.
    old_servers: BTreeSet<IpAddr>,
    /// Exchanges of a third party, which both hosts list and which the move leaves alone.
    shared: HashSet<Name>,
    /// The names outside the zones that exchanges of the old host lead to when the plan is made,
    /// and those of the new host in the end.
    outside: [HashSet<Name>; 2],
}

/// One of the hosts of a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The host that mail leaves.
    From,
    /// The host that accepts it in the end.
    To,
}

/// The family of an address. A peer may have only one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Where a sender may connect to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// The exchange.
    pub exchange: Name,
    /// Its preference; lower ones are tried first (RFC 5321 §5.1).
    pub preference: u16,
    /// The family of the address.
    pub family: Family,
    /// The address; `None`: it is not known whether there is any.
    pub ip: Option<IpAddr>,
    /// The name outside the zones beyond which nothing is known.
    pub outside: Option<Name>,
}

/// Where the mail of a domain may go in a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Routes {
    /// These routes. An exchange that is missing has no address in this view.
    To(Vec<Route>),
    /// Nowhere: a null MX (RFC 7505).
    Nowhere,
    /// Unknown: they depend on this name, which nobody asked for.
    Unknown(Name),
}

impl Routes {
    /// The known routes.
    #[must_use]
    pub fn all(&self) -> &[Route] {
        match self {
            Self::To(routes) => routes,
            Self::Nowhere | Self::Unknown(_) => &[],
        }
    }
}

impl Parties {
    /// The hosts of a plan, as it was seen and as it will be in the end.
    #[must_use]
    pub fn of(intent: &Intent, snapshot: &Snapshot, end: &Snapshot) -> Self {
        let mut parties = Self::default();
        for domain in &intent.moves {
            for exchange in &domain.from.exchanges {
                let name = &exchange.name.value;
                if parties.shared.contains(name) || parties.names[0].contains(name) {
                    continue;
                }
                if is_shared(domain, name, snapshot, end) {
                    parties.shared.insert(name.clone());
                    continue;
                }
                parties.names[0].insert(name.clone());
                let given = |ip: &IpAddr| given(domain, name).any(|other| other == ip);
                let live = snapshot.addresses(name).into_iter();
                let known = live.chain(addresses_before(name, snapshot));
                parties.addresses[0].extend(known.filter(|ip| !given(ip)));
                parties.outside[0].extend(outside(name, snapshot));
            }
            for exchange in &domain.to.exchanges {
                let name = &exchange.name.value;
                if !parties.shared.contains(name) && parties.names[1].insert(name.clone()) {
                    parties.addresses[1].extend(end.addresses(name));
                    parties.outside[1].extend(outside(name, end));
                }
                parties.addresses[1].extend(&exchange.addresses);
            }
        }
        for domain in &intent.moves {
            let of = |host: &Host, at: &Snapshot| -> Vec<IpAddr> {
                let rdata = host.discovery.values().map(|rdata| &rdata.value);
                let names = rdata.filter_map(|rdata| rdata.target().or(rdata.srv_target()));
                names.flat_map(|name| at.addresses(&name)).collect()
            };
            let new = of(&domain.to, end);
            let own = |ip: &IpAddr| !new.contains(ip) && !parties.addresses[1].contains(ip);
            let old: Vec<IpAddr> = of(&domain.from, snapshot).into_iter().filter(own).collect();
            parties.old_servers.extend(old);
        }
        parties
    }

    /// Whether an address belongs to an exchange or another server of the old host.
    #[must_use]
    pub fn is_at_old(&self, ip: IpAddr) -> bool {
        self.addresses[0].contains(&ip) || self.old_servers.contains(&ip)
    }

    /// The names of a host's exchanges, without those of third parties.
    #[must_use]
    pub fn names(&self, side: Side) -> &HashSet<Name> {
        match side {
            Side::From => &self.names[0],
            Side::To => &self.names[1],
        }
    }

    /// Whether an address belongs to an exchange of a host.
    #[must_use]
    pub fn has(&self, side: Side, ip: IpAddr) -> bool {
        match side {
            Side::From => self.addresses[0].contains(&ip),
            Side::To => self.addresses[1].contains(&ip),
        }
    }

    /// The host that a sender reaches; `None`: neither.
    #[must_use]
    pub fn whose(&self, route: &Route) -> Option<Side> {
        let name = &route.exchange;
        let named = |side| self.names(side).contains(name);
        let by_name = match (named(Side::From), named(Side::To)) {
            (true, false) => Some(Side::From),
            (false, true) => Some(Side::To),
            (true, true) | (false, false) => None,
        };
        let Some(ip) = route.ip else {
            // An exchange that later leads to somebody else belongs to them.
            let leads_to = |side: Side| match &route.outside {
                Some(target) => self.outside[usize::from(side == Side::To)].contains(target),
                None => true,
            };
            // A name that both have belongs to the old host until the plan says otherwise.
            let by_name = by_name.or(named(Side::From).then_some(Side::From));
            return by_name.filter(|side| leads_to(*side));
        };
        match (self.has(Side::From, ip), self.has(Side::To, ip)) {
            (true, false) => Some(Side::From),
            (false, true) => Some(Side::To),
            // Two hosts at the same address are distinguished only by name.
            (true, true) => by_name.or(Some(Side::From)),
            (false, false) => None,
        }
    }
}

/// The names outside the zones that an exchange leads to.
fn outside(name: &Name, at: &Snapshot) -> impl Iterator<Item = Name> {
    let keys = [RrType::A, RrType::AAAA].map(|rtype| RrKey::new(name.clone(), rtype));
    keys.into_iter().filter_map(|key| at.leaves_at(&key)).map(|key| key.name)
}

/// The addresses of a name that caches may still hold from before the plan.
fn addresses_before(name: &Name, at: &Snapshot) -> impl Iterator<Item = IpAddr> {
    let keys = [RrType::A, RrType::AAAA].map(|rtype| RrKey::new(name.clone(), rtype));
    let versions = keys.into_iter().filter_map(|key| at.earlier.get(&key)).flatten();
    let records = versions.filter_map(|earlier| earlier.records.as_ref());
    records.flat_map(RrSet::rdata).filter_map(Rdata::ip)
}

/// Whether an exchange is a third party's: both hosts list it, and the plan does not change it.
fn is_shared(domain: &DomainMove, name: &Name, snapshot: &Snapshot, end: &Snapshot) -> bool {
    let of_both = domain.to.has_exchange(name) && given(domain, name).next().is_none();
    // If it is their only exchange, nothing else distinguishes the two hosts.
    let others = |exchanges: &[Exchange]| exchanges.iter().any(|e| e.name.value != *name);
    of_both
        && others(&domain.from.exchanges)
        && others(&domain.to.exchanges)
        && snapshot.addresses(name) == end.addresses(name)
}

/// The addresses that the plan gives the new host for an exchange.
fn given<'o>(domain: &'o DomainMove, name: &'o Name) -> impl Iterator<Item = &'o IpAddr> {
    let same = domain.to.exchanges.iter().filter(move |exchange| exchange.name.value == *name);
    same.flat_map(|exchange| &exchange.addresses)
}

/// Where a sender of mail for a domain may go before the first step: every exchange, over either
/// family (RFC 5321 §5.1).
#[must_use]
pub fn routes_today(snapshot: &Snapshot, domain: &Name) -> Routes {
    let leaves = |key: &RrKey| snapshot.leaves_at(key).map(|key| key.name);
    routes_in(&|key| snapshot.told(key), &leaves, domain)
}

/// The same, by these answers.
pub(super) fn routes_in(
    look_up: &dyn Fn(&RrKey) -> Outside,
    leaves_at: &dyn Fn(&RrKey) -> Option<Name>,
    domain: &Name,
) -> Routes {
    let mx = RrKey::new(domain.clone(), RrType::MX);
    let exchanges: Vec<(u16, Name)> = match look_up(&mx) {
        Outside::Records(mx) => mx.iter().filter_map(Rdata::as_mx).collect(),
        // The domain itself is its exchange (RFC 5321 §5.1).
        Outside::Absent => vec![(0, domain.clone())],
        Outside::Unknown(_) => return Routes::Unknown(leaves_at(&mx).unwrap_or(mx.name)),
    };
    if exchanges.iter().any(|(_, exchange)| exchange.is_root()) {
        return Routes::Nowhere;
    }
    let mut routes = Vec::new();
    for (preference, exchange) in exchanges {
        for (family, rtype) in [(Family::V4, RrType::A), (Family::V6, RrType::AAAA)] {
            let key = RrKey::new(exchange.clone(), rtype);
            let to = |ip, outside| {
                let exchange = exchange.clone();
                Route { exchange, preference, family, ip, outside }
            };
            match look_up(&key) {
                Outside::Records(records) => {
                    let ips = records.iter().filter_map(Rdata::ip);
                    routes.extend(ips.map(|ip| to(Some(ip), None)));
                }
                Outside::Unknown(_) => routes.push(to(None, leaves_at(&key))),
                Outside::Absent => {}
            }
        }
    }
    Routes::To(routes)
}
