//! What the SPF terms `mx` and `a` mean: the addresses that they stand for at one time (RFC 7208
//! §5.3, §5.4).

use std::net::IpAddr;

use cutover_zone::{Name, Rdata, RrKey, RrType};

use crate::observe::{Seen, Snapshot};
use cutover_mail::spf::{Target, Term};

/// An address, or addresses that are not known, that a term means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// An address.
    Address(IpAddr),
    /// The addresses of a name outside the plan's zones, which were not seen, and why.
    Unseen(RrKey, String),
}

impl Meaning {
    /// A term that always means the same, if the address is known.
    #[must_use]
    pub fn frozen(&self) -> Option<Term> {
        match self {
            Self::Address(IpAddr::V4(v4)) => Some(Term::new(&format!("ip4:{v4}"))),
            Self::Address(IpAddr::V6(v6)) => Some(Term::new(&format!("ip6:{v6}"))),
            Self::Unseen(..) => None,
        }
    }
}

/// What a target means; `None` for another record, whose own terms have the meaning.
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
                // A domain without exchanges means no addresses, whatever its own address is
                // (§5.4).
                Seen::Absent => Some(Vec::new()),
                Seen::Unknown(why) => {
                    let key = snapshot.leaves_at(&key).unwrap_or(key);
                    Some(vec![Meaning::Unseen(key, why.to_owned())])
                }
            }
        }
    }
}

/// The addresses of these names, without duplicates.
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
            for meaning in more {
                if !found.contains(&meaning) {
                    found.push(meaning);
                }
            }
        }
    }
    found
}

/// Whether two lists have the same meanings, in any order.
#[must_use]
pub fn same(left: &[Meaning], right: &[Meaning]) -> bool {
    left.iter().all(|a| right.contains(a)) && right.iter().all(|a| left.contains(a))
}
