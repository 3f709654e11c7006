//! What the SPF terms `mx` and `a` mean: the addresses behind them at one time (RFC 7208 §5.3,
//! §5.4).

use std::net::IpAddr;

use cutover_contract::{Name, Rdata, RrKey, RrType};

use crate::observe::{Seen, Snapshot};
use crate::spf::{Target, Term};

/// One thing that a term means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// An address.
    Address(IpAddr),
    /// The addresses of a name outside of the plan's zones, which were not seen; and why.
    Unseen(RrKey, String),
}

impl Meaning {
    /// As a term that says the same for ever, if the address is known.
    #[must_use]
    pub fn frozen(&self) -> Option<Term> {
        match self {
            Self::Address(IpAddr::V4(v4)) => Some(Term::new(&format!("ip4:{v4}"))),
            Self::Address(IpAddr::V6(v6)) => Some(Term::new(&format!("ip6:{v6}"))),
            Self::Unseen(..) => None,
        }
    }
}

/// What a target means; `None` for another record, whose own terms say it.
#[must_use]
pub fn meaning(target: &Target, snapshot: &Snapshot) -> Option<Vec<Meaning>> {
    match target {
        Target::Record(_) => None,
        Target::Addresses(name) => Some(addresses(std::slice::from_ref(name), snapshot)),
        Target::Exchanges(domain) => {
            let key = RrKey::new(domain.clone(), RrType::MX);
            match snapshot.look_up(&key) {
                Seen::Records(mx) => {
                    let names: Vec<Name> =
                        mx.iter().filter_map(Rdata::as_mx).map(|(_, exchange)| exchange).collect();
                    Some(addresses(&names, snapshot))
                }
                // A domain without exchanges has none here, whatever its own address (§5.4).
                Seen::Absent => Some(Vec::new()),
                Seen::Unknown(why) => {
                    let key = snapshot.leaves_at(&key).unwrap_or(key);
                    Some(vec![Meaning::Unseen(key, why.to_owned())])
                }
            }
        }
    }
}

/// The addresses of some names, each once.
#[must_use]
pub fn addresses(names: &[Name], snapshot: &Snapshot) -> Vec<Meaning> {
    let mut found: Vec<Meaning> = Vec::new();
    for name in names {
        for rtype in [RrType::A, RrType::AAAA] {
            let key = RrKey::new(name.clone(), rtype);
            let more: Vec<Meaning> = match snapshot.look_up(&key) {
                Seen::Records(rdata) => {
                    rdata.iter().filter_map(Rdata::ip).map(Meaning::Address).collect()
                }
                Seen::Absent => Vec::new(),
                Seen::Unknown(why) => {
                    let key = snapshot.leaves_at(&key).unwrap_or(key);
                    vec![Meaning::Unseen(key, why.to_owned())]
                }
            };
            for one in more {
                if !found.contains(&one) {
                    found.push(one);
                }
            }
        }
    }
    found
}

/// Whether two meanings are the same, in whatever order.
#[must_use]
pub fn same(one: &[Meaning], other: &[Meaning]) -> bool {
    one.iter().all(|a| other.contains(a)) && other.iter().all(|a| one.contains(a))
}
