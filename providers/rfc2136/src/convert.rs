//! Converts to and from RRsets: what a server sends becomes [`Found`] RRsets and zones, and a
//! change set becomes an [`Update`].

use std::collections::{BTreeMap, BTreeSet};

use cutover_contract::{Change, ChangeSet};
use cutover_zone::{Name, Rdata, RrKey, RrSet, RrSetError, RrType, Ttl, Zone};

use crate::api::answer::{Answer, MalformedMessage, Record};
use crate::api::{Edit, Prerequisite, Update};
use crate::limits::SIGNING_STATE;

/// An RRset as a server holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The RRset.
    pub(crate) rrset: RrSet,
    /// Its rdata octet for octet, for prerequisites: with the server's own case in names and its
    /// own division of TXT strings.
    pub(crate) octets: Vec<Vec<u8>>,
}

impl Found {
    /// The form in which this RRset would be found.
    pub(crate) fn of(rrset: &RrSet) -> Self {
        let octets = rrset.rdata().iter().map(|rdata| rdata.wire().to_vec()).collect();
        Self { rrset: rrset.clone(), octets }
    }
}

/// Why what a server sent is not an RRset.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadRecord {
    /// The message is malformed.
    #[error(transparent)]
    Message(#[from] MalformedMessage),
    /// The rdata of a record is malformed.
    #[error("{key}: {problem}")]
    Rdata {
        /// The RRset.
        key: RrKey,
        /// What is wrong, with the type's name for the field.
        problem: String,
    },
    /// A class other than IN.
    #[error("{0} is not of class IN")]
    Class(RrKey),
    /// A name outside the zone.
    #[error("{0} lies outside the zone")]
    OutOfZone(RrKey),
    /// Different TTLs (an error by RFC 2181 §5.2).
    #[error("the records of {0} have different TTLs")]
    MixedTtls(RrKey),
    /// Records that are not an RRset.
    #[error("{key}: {problem}")]
    RrSet {
        /// The RRset.
        key: RrKey,
        /// The reason.
        problem: RrSetError,
    },
}

/// Whether a server's signer makes this RRset, which is then neither shown nor written.
pub(crate) fn is_of_signer(key: &RrKey, zone: &Name) -> bool {
    key.rtype.is_made_by_signer() || (key.rtype == SIGNING_STATE && key.name == *zone)
}

/// A record that was read from a zone.
pub(crate) type ZoneRecord = (RrKey, Ttl, Rdata);

/// Reads a record. `scratch` is passed in only to be reused.
pub(crate) fn record(
    answer: &Answer,
    record: &Record,
    zone: &Name,
    scratch: &mut Vec<u8>,
) -> Result<ZoneRecord, BadRecord> {
    let key = answer.key(record)?;
    if !record.is_in() {
        return Err(BadRecord::Class(key));
    }
    if !key.name.is_at_or_below(zone) {
        return Err(BadRecord::OutOfZone(key));
    }
    let rdata = match answer.rdata(record, scratch) {
        Ok(()) => Rdata::kept_wire(key.rtype, scratch).map_err(|error| error.problem),
        Err(malformed) => Err(malformed.to_string()),
    };
    match rdata {
        Ok(rdata) => Ok((key, record.ttl(), rdata)),
        Err(problem) => Err(BadRecord::Rdata { key, problem }),
    }
}

/// Collects the records of a whole zone, in any order, into RRsets.
pub(crate) fn zone(origin: &Name, mut records: Vec<ZoneRecord>) -> Result<Zone, BadRecord> {
    // Servers send names in nearly this order, so the sort costs little.
    records.sort_by(|(a, ..), (b, ..)| a.cmp(b));
    let mut rrsets: Vec<(RrKey, RrSet)> = Vec::with_capacity(records.len());
    let mut records = records.into_iter().peekable();
    while let Some((key, ttl, first)) = records.next() {
        let mut rdata = vec![first];
        let mut ttl = ttl;
        while let Some((_, other_ttl, more)) = records.next_if(|(next, ..)| *next == key) {
            // An error by RFC 2181 §5.2. The largest TTL is used, since caches may hold a record
            // for that long.
            ttl = ttl.max(other_ttl);
            rdata.push(more);
        }
        let rrset = rrset(&key, ttl, rdata)?;
        rrsets.push((key, rrset));
    }
    // A sorted list becomes a tree without a search for each key.
    Ok(Zone { origin: origin.clone(), rrsets: rrsets.into_iter().collect::<BTreeMap<_, _>>() })
}

/// Collects RRsets, with their octets, from single records.
#[derive(Default)]
pub(crate) struct Collector {
    rrsets: BTreeMap<RrKey, Collected>,
    scratch: Vec<u8>,
}

struct Collected {
    ttl: Ttl,
    rdata: Vec<Rdata>,
    octets: Vec<Vec<u8>>,
}

impl Collector {
    /// Starts with these RRsets.
    pub(crate) fn of(found: impl IntoIterator<Item = (RrKey, Found)>) -> Self {
        let collected = |(key, Found { rrset, octets }): (RrKey, Found)| {
            // The order of the records in an RRset may differ from that of the octets.
            let read = |wire: &Vec<u8>| Rdata::kept_wire(key.rtype, wire).expect("it was read");
            let rdata = octets.iter().map(read).collect();
            (key, Collected { ttl: rrset.ttl(), rdata, octets })
        };
        Self { rrsets: found.into_iter().map(collected).collect(), scratch: Vec::new() }
    }

    /// Removes a record.
    pub(crate) fn lose(
        &mut self,
        answer: &Answer,
        read: &Record,
        zone: &Name,
    ) -> Result<(), BadRecord> {
        let (key, _, rdata) = record(answer, read, zone, &mut self.scratch)?;
        let Some(collected) = self.rrsets.get_mut(&key) else { return Ok(()) };
        if let Some(place) = collected.rdata.iter().position(|held| *held == rdata) {
            collected.rdata.remove(place);
            collected.octets.remove(place);
        }
        if collected.rdata.is_empty() {
            self.rrsets.remove(&key);
        }
        Ok(())
    }

    /// Adds a record.
    pub(crate) fn take(
        &mut self,
        answer: &Answer,
        read: &Record,
        zone: &Name,
    ) -> Result<(), BadRecord> {
        let (key, ttl, rdata) = record(answer, read, zone, &mut self.scratch)?;
        let empty = || Collected { ttl, rdata: Vec::new(), octets: Vec::new() };
        let collected = self.rrsets.entry(key.clone()).or_insert_with(empty);
        if collected.ttl != ttl {
            return Err(BadRecord::MixedTtls(key));
        }
        // A transfer sends the SOA twice.
        if !collected.octets.contains(&self.scratch) {
            collected.rdata.push(rdata);
            collected.octets.push(self.scratch.clone());
        }
        Ok(())
    }

    /// The collected RRsets.
    pub(crate) fn finish(self) -> Result<BTreeMap<RrKey, Found>, BadRecord> {
        let found = |(key, Collected { ttl, rdata, octets })| {
            let rrset = rrset(&key, ttl, rdata)?;
            Ok((key, Found { rrset, octets }))
        };
        self.rrsets.into_iter().map(found).collect()
    }
}

fn rrset(key: &RrKey, ttl: Ttl, rdata: Vec<Rdata>) -> Result<RrSet, BadRecord> {
    RrSet::new(ttl, rdata).map_err(|problem| BadRecord::RrSet { key: key.clone(), problem })
}

/// What a record needs besides its owner name and rdata: type, class, TTL and length
/// (RFC 1035 §3.2.1).
const FIXED_OCTETS: usize = 10;
/// The pointer that replaces the zone's name at the end of an owner name (RFC 1035 §4.1.4).
const POINTER_OCTETS: usize = 2;

/// The most octets that [`update`] needs for a change: the current records as prerequisites, the
/// RRset once as deleted or absent, and the new records. Only the zone's name counts as compressed,
/// since pointers reach no further than the first 16 KiB of a message.
pub(crate) fn octets_of(zone: &Name, change: &Change) -> usize {
    let Change { key, before, after } = change;
    let owner = key.name.wire().len() - zone.wire().len() + POINTER_OCTETS + FIXED_OCTETS;
    let records = before.iter().chain(after).flat_map(RrSet::rdata);
    owner + records.map(|rdata| owner + rdata.wire().len()).sum::<usize>()
}

/// The update that makes these changes to the zone as it was found: `soa` is its SOA, and `live`
/// has the current RRset for each change.
///
/// The values are prerequisites. The SOA is one too, because prerequisites do not compare TTLs.
/// Deletions of RRsets come before additions, so that a CNAME finds its name empty and other data
/// finds no CNAME (RFC 2136 §3.4.2.2 lets a server ignore either silently).
pub(crate) fn update(changes: &ChangeSet, soa: &Found, live: &[Option<Found>]) -> Update {
    let zone = changes.zone();
    let apex = |rtype| RrKey::new(zone.clone(), rtype);
    let soa_key = apex(RrType::SOA);
    let mut prerequisites = vec![Prerequisite::Exactly(soa_key.clone(), soa.octets.clone())];
    let (mut deletions, mut additions, mut removals) = (Vec::new(), Vec::new(), Vec::new());
    for (Change { key, before: _, after }, live) in changes.changes().iter().zip(live) {
        match live {
            Some(found) if *key != soa_key => {
                prerequisites.push(Prerequisite::Exactly(key.clone(), found.octets.clone()));
            }
            Some(_) => {}
            None => prerequisites.push(Prerequisite::Absent(key.clone())),
        }
        let new = after.iter().flat_map(RrSet::rdata);
        additions.extend(new.clone().map(|rdata| {
            let ttl = after.as_ref().expect("it has rdata").ttl();
            Edit::Add(key.clone(), ttl, rdata.wire().to_vec())
        }));
        let Some(old) = live else { continue };
        if *key == soa_key {
            // An SOA is replaced by adding an SOA with a higher serial (RFC 2136 §3.4.2.2).
            continue;
        }
        if *key == apex(RrType::NS) {
            // Servers ignore the deletion of this RRset (RFC 2136 §3.4.2.3) and of its last record
            // (§3.4.2.4). So the old records are deleted one by one, after the new records are
            // added.
            let gone = old.rrset.rdata().iter().filter(|old| !new.clone().any(|kept| kept == *old));
            removals.extend(gone.map(|old| Edit::DeleteRecord(key.clone(), old.wire().to_vec())));
            continue;
        }
        // Otherwise the records that stay would keep their old TTL.
        deletions.push(Edit::DeleteRrSet(key.clone()));
    }
    let edits = [deletions, additions, removals].concat();
    Update { zone: zone.clone(), prerequisites, edits }
}

/// The same for RRsets at names that the zone does not have yet, of which nothing was read: the
/// server compares. There is no SOA and no apex among them, since those exist.
pub(crate) fn creation(changes: &ChangeSet, soa: &Found) -> Update {
    let zone = changes.zone();
    let soa_key = RrKey::new(zone.clone(), RrType::SOA);
    let names: BTreeSet<&Name> = changes.changes().iter().map(|change| &change.key.name).collect();
    let unused = names.into_iter().cloned().map(Prerequisite::Unused);
    let soa = Prerequisite::Exactly(soa_key, soa.octets.clone());
    let prerequisites = std::iter::once(soa).chain(unused).collect();
    let edits = changes.changes().iter().flat_map(|Change { key, before: _, after }| {
        let after = after.iter();
        after.flat_map(|after| {
            let add = |rdata: &Rdata| Edit::Add(key.clone(), after.ttl(), rdata.wire().to_vec());
            after.rdata().iter().map(add)
        })
    });
    Update { zone: zone.clone(), prerequisites, edits: edits.collect() }
}
