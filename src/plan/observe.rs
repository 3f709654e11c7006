//! Questions, answers, and the snapshot that they make.
//!
//! [`questions`] says what to ask so that intent and world can be compared. It is called again with
//! what is known so far until nothing is left to ask, since an SPF record may name another. A
//! [`Snapshot`] is what was seen at one time. It keeps no counted-down TTLs: for names outside of
//! the plan's zones it keeps no TTL at all.
//!
//! Resolvers are never asked for names that are not published yet: they would cache the negative
//! answer.

mod questions;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cutover_contract::Capabilities;
use cutover_zone::{Name, Rdata, RrKey, RrSet, RrType, Ttl, Zone};

use cutover_base::diag::Diagnostic;
use cutover_mail::resolution::{Reply, reply};
use cutover_steps::ask::Outside;
use cutover_steps::authority::Authority;
use cutover_steps::fact::{Fact, Subject};

pub use questions::{MAIL_ALIASES, MAIL_SERVICES, discovery_keys, discovery_of, questions};

/// What was seen of a zone.
#[derive(Clone, Debug)]
pub struct ZoneSeen {
    /// Its contents at the provider.
    pub zone: Zone,
    /// What the adapter says about itself.
    pub capabilities: Capabilities,
    /// The servers that have to serve a change before it counts as propagated.
    pub authorities: Vec<Authority>,
}

impl ZoneSeen {
    /// The negative TTL, for which resolvers may cache that a name does not exist: min(SOA MINIMUM,
    /// SOA TTL) (RFC 2308 §5).
    ///
    /// A zone without an SOA has no such bound; `hold` applies the cap of RFC 8767 §4.
    #[must_use]
    pub fn negative_ttl(&self) -> Ttl {
        let soa = self.zone.get(&RrKey::new(self.zone.origin.clone(), RrType::SOA));
        soa.and_then(|rrset| {
            let minimum = rrset.rdata().first()?.as_soa()?.minimum;
            Some(rrset.ttl().min(Ttl::from_wire(minimum)))
        })
        .unwrap_or(Ttl::MAX)
    }

    /// The RRset of this name and type.
    #[must_use]
    pub fn get(&self, key: &RrKey) -> Option<&RrSet> {
        self.zone.get(key)
    }

    /// The delegation that a name is at or below, where this zone's records are not served (RFC
    /// 1034 §4.2.1).
    #[must_use]
    pub fn delegation_of(&self, name: &Name) -> Option<Name> {
        let below =
            |name: &Name| name.is_at_or_below(&self.zone.origin) && *name != self.zone.origin;
        let ancestors = std::iter::successors(Some(name.clone()), Name::parent).take_while(below);
        ancestors.filter(|at| self.get(&RrKey::new(at.clone(), RrType::NS)).is_some()).last()
    }

    /// The records that its servers return: the name's own, or those of a wildcard. An alias does
    /// not count.
    #[must_use]
    pub fn served(&self, key: &RrKey) -> Option<&RrSet> {
        match reply(&&self.zone, key) {
            Reply::Records(rrset) => Some(rrset),
            Reply::Alias { .. } | Reply::Absent | Reply::Delegated(_) => None,
        }
    }

    /// What a wildcard or a DNAME answers, alias or records, for an RRset whose name does not
    /// exist.
    #[must_use]
    pub fn wildcard_of(&self, key: &RrKey) -> Option<&RrSet> {
        let at = |rtype| self.get(&RrKey::new(key.name.clone(), rtype));
        if at(key.rtype).or_else(|| at(RrType::CNAME)).is_some() {
            return None;
        }
        match reply(&&self.zone, key) {
            Reply::Records(rrset) | Reply::Alias { by: rrset, .. } => Some(rrset),
            Reply::Absent | Reply::Delegated(_) => None,
        }
    }
}

/// What was seen at one time.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The plan's zones.
    pub zones: BTreeMap<Name, ZoneSeen>,
    /// Names outside of them.
    pub outside: BTreeMap<RrKey, Outside>,
    /// Versions that an earlier run replaced and that may still be cached.
    pub earlier: BTreeMap<RrKey, Vec<Earlier>>,
    /// How long ago an earlier run last changed an RRset; zero if the change is not seen everywhere
    /// yet.
    pub changed: BTreeMap<RrKey, Duration>,
    /// Whether an earlier run, perhaps of this very plan, began this plan's switch and was
    /// superseded before it was done.
    pub is_switching: bool,
    /// Facts that became true in that run, confirmed by a person or a check.
    pub established: BTreeSet<(Fact, Subject)>,
    /// What a person should know about it.
    pub remarks: Vec<Diagnostic>,
    /// The original TTLs of RRsets that an earlier run lowered and nobody has restored.
    pub original_ttls: BTreeMap<RrKey, Ttl>,
    /// For a snapshot that is part of another: notes whether names of the rest are looked up.
    pub watch: Option<Arc<Watch>>,
}

/// Notes whether any of a set of names is looked up.
pub struct Watch {
    is_watched: Box<dyn Fn(&Name) -> bool + Send + Sync>,
    was_asked: AtomicBool,
}

impl Watch {
    /// A watch on these names.
    pub fn new(is_watched: impl Fn(&Name) -> bool + Send + Sync + 'static) -> Self {
        Self { is_watched: Box::new(is_watched), was_asked: AtomicBool::new(false) }
    }

    fn look(&self, name: &Name) {
        if !self.was_asked() && (self.is_watched)(name) {
            self.was_asked.store(true, Ordering::Relaxed);
        }
    }

    /// Whether any of them was looked up.
    #[must_use]
    pub fn was_asked(&self) -> bool {
        self.was_asked.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("was_asked", &self.was_asked()).finish_non_exhaustive()
    }
}

/// A version that an earlier run replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// Its records; `None` if there were none.
    pub records: Option<RrSet>,
    /// Whether it has expired, so that only those hold it who use or keep answers for longer.
    pub is_late: bool,
}

/// The answer for a name, inside or outside of the zones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen<'s> {
    /// These records.
    Records(&'s [Rdata]),
    /// There are none.
    Absent,
    /// Unknown, and why.
    Unknown(&'s str),
}

/// Where a question leads in the plan's zones, following aliases.
enum End<'s> {
    /// To these records.
    Records(&'s RrSet),
    /// To a name that has none.
    Absent,
    /// Out of the zones, to this question.
    Outside(RrKey),
    /// Nowhere: the aliases form a loop, or too long a chain.
    Circle,
}

/// The maximum length of a chain of aliases; resolvers follow about as many. Our choice.
pub const ALIASES_MAX: usize = 8;
/// Why a longer chain of aliases has no answer.
pub const MANY_ALIASES: &str = "more than eight aliases in a row";
/// Why a question outside of the plan's zones has no answer without a resolver.
pub const NOBODY_ASKED: &str = "nobody was asked";

/// The answer for a name about which nothing is known.
#[must_use]
pub fn unknown_at(key: &RrKey, why: &str) -> Outside {
    Outside::Unknown(format!("{}: {why}", key.name))
}

impl Snapshot {
    /// The plan's zone that a name is in.
    #[must_use]
    pub fn zone_of(&self, name: &Name) -> Option<&ZoneSeen> {
        if let Some(watch) = &self.watch {
            watch.look(name);
        }
        // In canonical order a zone comes before all names in it, but other zones and their names
        // may lie in between. So try the closest zone first.
        if let Some((origin, zone)) = self.zones.range(..=name).next_back()
            && name.is_at_or_below(origin)
        {
            return Some(zone);
        }
        let ancestors = std::iter::successors(Some(name.clone()), Name::parent);
        ancestors.into_iter().find_map(|name| self.zones.get(&name))
    }

    /// Follows a question through the plan's zones.
    fn follow(&self, key: &RrKey) -> End<'_> {
        let mut key = key.clone();
        for _ in 0..=ALIASES_MAX {
            let Some(seen) = self.zone_of(&key.name) else { return End::Outside(key) };
            match reply(&&seen.zone, &key) {
                Reply::Records(rrset) => return End::Records(rrset),
                Reply::Alias { target, by: _ } => key.name = target,
                Reply::Absent => return End::Absent,
                Reply::Delegated(_) => return End::Outside(key),
            }
        }
        End::Circle
    }

    /// What a resolver would be told, with aliases followed and wildcards applied.
    #[must_use]
    pub fn look_up(&self, key: &RrKey) -> Seen<'_> {
        match self.follow(key) {
            End::Records(rrset) => Seen::Records(rrset.rdata()),
            End::Absent => Seen::Absent,
            End::Outside(key) => match self.outside.get(&key) {
                Some(Outside::Records(records)) => Seen::Records(records),
                Some(Outside::Absent) => Seen::Absent,
                Some(Outside::Unknown(why)) => Seen::Unknown(why),
                None => Seen::Unknown(NOBODY_ASKED),
            },
            End::Circle => Seen::Unknown(MANY_ALIASES),
        }
    }

    /// The known addresses of a name in both families, with aliases followed.
    #[must_use]
    pub fn addresses(&self, name: &Name) -> Vec<IpAddr> {
        let of = |rtype| match self.look_up(&RrKey::new(name.clone(), rtype)) {
            Seen::Records(records) => records.iter().filter_map(Rdata::ip).collect(),
            Seen::Absent | Seen::Unknown(_) => Vec::new(),
        };
        [of(RrType::A), of(RrType::AAAA)].concat()
    }

    /// As [`Snapshot::look_up`], but owned. An unknown answer includes the name, so that unknowns
    /// of different names differ.
    #[must_use]
    pub fn told(&self, key: &RrKey) -> Outside {
        match self.follow(key) {
            End::Records(rrset) => Outside::Records(rrset.shared_rdata()),
            End::Absent => Outside::Absent,
            End::Outside(key) => match self.outside.get(&key) {
                Some(Outside::Unknown(why)) => unknown_at(&key, why),
                Some(known) => known.clone(),
                None => unknown_at(&key, NOBODY_ASKED),
            },
            End::Circle => unknown_at(key, MANY_ALIASES),
        }
    }

    /// The question outside of the plan's zones that a chain of aliases from `key` ends in, if any.
    #[must_use]
    pub fn leaves_at(&self, key: &RrKey) -> Option<RrKey> {
        match self.follow(key) {
            End::Outside(key) => Some(key),
            End::Records(_) | End::Absent | End::Circle => None,
        }
    }
}
