//! The addresses of `ip4` and `ip6` (RFC 7208 §5.6), and what a match of a term means.

use std::net::IpAddr;

use super::grammar::{self, Mechanism};
use super::outcome::Outcome;
use super::{SpfRecord, Term};

/// Addresses with the same leading bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    /// The lowest address.
    pub first: IpAddr,
    /// The highest address.
    pub last: IpAddr,
}

impl Network {
    /// The addresses that share this number of leading bits with an address; only the address
    /// itself if it has fewer bits.
    #[must_use]
    pub fn of(ip: IpAddr, bits: u8) -> Self {
        match ip {
            IpAddr::V4(ip) => {
                let mask = u32::MAX.checked_shl(32_u32.saturating_sub(bits.into())).unwrap_or(0);
                let first = ip.to_bits() & mask;
                Self { first: IpAddr::V4(first.into()), last: IpAddr::V4((first | !mask).into()) }
            }
            IpAddr::V6(ip) => {
                let mask = u128::MAX.checked_shl(128_u32.saturating_sub(bits.into())).unwrap_or(0);
                let first = ip.to_bits() & mask;
                Self { first: IpAddr::V6(first.into()), last: IpAddr::V6((first | !mask).into()) }
            }
        }
    }

    /// Whether an address is one of these.
    #[must_use]
    pub fn has(&self, ip: IpAddr) -> bool {
        ip.is_ipv4() == self.first.is_ipv4() && self.first <= ip && ip <= self.last
    }

    /// The addresses right before and right after these, where the result of a check against this
    /// network changes.
    #[must_use]
    pub fn neighbours(&self) -> [Option<IpAddr>; 2] {
        match (self.first, self.last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => [
                first.to_bits().checked_sub(1).map(|bits| IpAddr::V4(bits.into())),
                last.to_bits().checked_add(1).map(|bits| IpAddr::V4(bits.into())),
            ],
            (IpAddr::V6(first), IpAddr::V6(last)) => [
                first.to_bits().checked_sub(1).map(|bits| IpAddr::V6(bits.into())),
                last.to_bits().checked_add(1).map(|bits| IpAddr::V6(bits.into())),
            ],
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => [None, None],
        }
    }
}

impl Term {
    /// The addresses of an `ip4` or `ip6` term.
    #[must_use]
    pub fn network(&self) -> Option<Network> {
        match grammar::qualified(self.0.as_bytes())?.1 {
            Mechanism::Ip4(ip, bits) => Some(Network::of(IpAddr::V4(ip), bits)),
            Mechanism::Ip6(ip, bits) => Some(Network::of(IpAddr::V6(ip), bits)),
            Mechanism::All
            | Mechanism::Include(_)
            | Mechanism::A(..)
            | Mechanism::Mx(..)
            | Mechanism::Ptr(_)
            | Mechanism::Exists(_) => None,
        }
    }

    /// The addresses around an address that an `a` or `mx` with a prefix length covers (`a/24`).
    #[must_use]
    pub fn around(&self, ip: IpAddr) -> Option<Network> {
        match grammar::qualified(self.0.as_bytes())?.1 {
            Mechanism::A(_, prefixes) | Mechanism::Mx(_, prefixes) => {
                let bits = if ip.is_ipv4() { prefixes.ip4_bits } else { prefixes.ip6_bits };
                Some(Network::of(ip, bits))
            }
            Mechanism::All
            | Mechanism::Include(_)
            | Mechanism::Ptr(_)
            | Mechanism::Exists(_)
            | Mechanism::Ip4(..)
            | Mechanism::Ip6(..) => None,
        }
    }

    /// What a match means; `None` for modifiers, and for terms that the grammar does not allow.
    #[must_use]
    pub fn on_match(&self) -> Option<Outcome> {
        Some(grammar::qualified(self.0.as_bytes())?.0)
    }

    /// Whether it looks up more than its record names: `ptr`, `exists`, and names with macros.
    #[must_use]
    pub fn hangs_on_the_client(&self) -> bool {
        match grammar::qualified(self.0.as_bytes()) {
            Some((_, Mechanism::Ptr(_) | Mechanism::Exists(_))) => true,
            Some(_) | None => self.0.contains('%'),
        }
    }
}

impl SpfRecord {
    /// The terms up to the first that matches everything.
    pub fn terms_that_count(&self) -> impl Iterator<Item = &Term> {
        let end = self.terms.iter().position(Term::is_all).unwrap_or(self.terms.len());
        self.terms[..end].iter()
    }
}
