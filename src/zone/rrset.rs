//! RRsets, their keys, and zones as sets of them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use crate::{Name, Rdata, RrType};

/// A time to live in seconds, 0 to 2³¹ − 1 (RFC 2181 §8).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Ttl(u32);

/// A number of seconds above 2³¹ − 1 (RFC 2181 §8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a TTL is at most 2147483647 seconds")]
pub struct TtlError;

impl Ttl {
    /// The longest TTL (RFC 2181 §8).
    pub const MAX: Self = Self(i32::MAX as u32);
    /// No caching.
    pub const ZERO: Self = Self(0);

    /// A TTL of this many seconds.
    ///
    /// # Errors
    /// [`TtlError`] above 2³¹ − 1.
    pub const fn from_secs(secs: u32) -> Result<Self, TtlError> {
        match secs <= Self::MAX.0 {
            true => Ok(Self(secs)),
            false => Err(TtlError),
        }
    }

    /// The TTL that a wire value stands for: a value above 2³¹ − 1 counts as zero (RFC 2181 §8).
    #[must_use]
    pub fn from_wire(secs: u32) -> Self {
        Self::from_secs(secs).unwrap_or(Self::ZERO)
    }

    /// The TTL in seconds.
    #[must_use]
    pub const fn secs(self) -> u32 {
        self.0
    }

    /// The TTL as a duration.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0 as u64)
    }
}

impl fmt::Display for Ttl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.to_string())
    }
}

impl fmt::Debug for Ttl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'de> Deserialize<'de> for Ttl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_secs(u32::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// What identifies an RRset in its zone: owner name and type.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RrKey {
    /// The owner name.
    pub name: Name,
    /// The type.
    pub rtype: RrType,
}

impl RrKey {
    /// The key of this name and type.
    #[must_use]
    pub fn new(name: Name, rtype: RrType) -> Self {
        Self { name, rtype }
    }
}

impl fmt::Display for RrKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.rtype)
    }
}

impl fmt::Debug for RrKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// All records of one name and type: one TTL and a set of rdata (RFC 2181 §5).
///
/// Never empty, and all rdata are of one type. Equality is canonical: the order of records and the
/// case of names do not count, but the TTL and the division of a TXT into strings do.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RrSet {
    ttl: Ttl,
    /// Sorted, without duplicates. Shared, because a plan holds each RRset in many places.
    rdata: Arc<[Rdata]>,
}

/// Why some rdata are not an RRset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RrSetError {
    /// There are no rdata.
    #[error("an RRset has at least one record")]
    Empty,
    /// The rdata are of different types.
    #[error("the records of an RRset have one type")]
    MixedTypes,
    /// More than one CNAME (RFC 2181 §10.1), DNAME (RFC 6672 §2.4) or SOA.
    #[error("a name has at most one {0} record")]
    Singleton(RrType),
}

impl RrSet {
    /// An RRset of these rdata; duplicates are dropped.
    ///
    /// # Errors
    /// [`RrSetError`] if there are no rdata, if their types differ, and for a second CNAME,
    /// DNAME or SOA.
    pub fn new(ttl: Ttl, rdata: impl IntoIterator<Item = Rdata>) -> Result<Self, RrSetError> {
        let mut rdata: Vec<Rdata> = rdata.into_iter().collect();
        rdata.sort();
        rdata.dedup();
        let rtype = rdata.first().ok_or(RrSetError::Empty)?.rtype();
        if rdata.iter().any(|rdata| rdata.rtype() != rtype) {
            return Err(RrSetError::MixedTypes);
        }
        let single = matches!(rtype, RrType::CNAME | RrType::DNAME | RrType::SOA);
        if single && rdata.len() > 1 {
            return Err(RrSetError::Singleton(rtype));
        }
        Ok(Self { ttl, rdata: rdata.into() })
    }

    /// The type of its records.
    #[must_use]
    pub fn rtype(&self) -> RrType {
        self.rdata[0].rtype()
    }

    /// The TTL.
    #[must_use]
    pub fn ttl(&self) -> Ttl {
        self.ttl
    }

    /// The rdata, sorted.
    #[must_use]
    pub fn rdata(&self) -> &[Rdata] {
        &self.rdata
    }

    /// The rdata, sorted, as a shared reference that can be kept.
    #[must_use]
    pub fn shared_rdata(&self) -> Arc<[Rdata]> {
        Arc::clone(&self.rdata)
    }

    /// The same records with another TTL.
    #[must_use]
    pub fn with_ttl(&self, ttl: Ttl) -> Self {
        Self { ttl, rdata: self.rdata.clone() }
    }

    /// Whether any of the records is kept as it is and never written.
    #[must_use]
    pub fn is_opaque(&self) -> bool {
        self.rdata.iter().any(Rdata::is_opaque)
    }

    /// Whether the two are equal apart from the division of TXT into strings, which some providers
    /// do not show.
    #[must_use]
    pub fn reads_as(&self, other: &Self) -> bool {
        let count =
            |all: &[Rdata], one: &Rdata| all.iter().filter(|rdata| rdata.reads_as(one)).count();
        self == other
            || self.ttl == other.ttl
                && self.rdata.len() == other.rdata.len()
                && self.rdata.iter().all(|rdata| {
                    let theirs = count(&other.rdata, rdata);
                    theirs > 0 && theirs == count(&self.rdata, rdata)
                })
    }

    /// The same RRset with every TXT divided into strings of 255 octets, as providers have it that
    /// do not show the division.
    #[must_use]
    pub fn divided_by_255(&self) -> Self {
        let divided = |rdata: &Rdata| match rdata.txt_joined() {
            Some(text) if rdata.rtype() == RrType::TXT => Rdata::txt(&text),
            Some(_) | None => rdata.clone(),
        };
        let mut rdata: Vec<Rdata> = self.rdata.iter().map(divided).collect();
        rdata.sort();
        rdata.dedup();
        Self { ttl: self.ttl, rdata: rdata.into() }
    }

    /// Whether the records are equal; the TTL may differ.
    #[must_use]
    pub fn same_rdata(&self, other: &Self) -> bool {
        self.rdata == other.rdata
    }
}

impl fmt::Debug for RrSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.ttl, self.rtype())?;
        self.rdata.iter().try_for_each(|rdata| write!(f, " ({rdata})"))
    }
}

/// The contents of a zone: its RRsets by key. Adapters leave out the records that a signer makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// The name of the zone's apex.
    pub origin: Name,
    /// The RRsets, in canonical order of their names.
    pub rrsets: BTreeMap<RrKey, RrSet>,
}

impl Zone {
    /// The RRset of this name and type, if any. Wildcards are not applied.
    #[must_use]
    pub fn get(&self, key: &RrKey) -> Option<&RrSet> {
        self.rrsets.get(key)
    }

    /// All RRsets at a name.
    pub fn at<'z>(&'z self, name: &Name) -> impl Iterator<Item = (RrType, &'z RrSet)> + use<'z> {
        let from = RrKey::new(name.clone(), RrType::new(0));
        let to = RrKey::new(name.clone(), RrType::new(u16::MAX));
        self.rrsets.range(from..=to).map(|(key, rrset)| (key.rtype, rrset))
    }
}
