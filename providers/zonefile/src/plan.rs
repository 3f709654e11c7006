//! Decides what happens to the records that a change set names, and where new records go.
//!
//! A record that is in its RRset before and after keeps its line. The first removed record passes
//! its place, layout and comment to the new records. If an RRset only gains records, they follow
//! its last old record. A new RRset follows the last record of its name. If the name is new, it
//! follows the last record of the names that share most labels with it, preferably under an origin
//! above it.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};

use cutover_contract::{Change, ChangeSet};
use cutover_kit::serial::is_later;
use cutover_zone::{Name, Rdata, RrKey, RrType, Soa, Ttl, next_serial};

use crate::error::{Place, ReadError};
use crate::reading::{Entry, Reading, Source};

/// A change that cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub struct EditError {
    /// The RRset that the change fails for.
    pub key: RrKey,
    /// The reason.
    pub why: Refusal,
}

impl EditError {
    pub(crate) fn new(key: &RrKey, why: Refusal) -> Self {
        Self { key: key.clone(), why }
    }
}

/// Why a change cannot be made, and what to do instead.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The record is in an included file.
    #[error(
        "it is in an included file, at {0}; move it into the zone's own file, \
        or change it there by hand"
    )]
    Included(Place),
    /// The record comes from a `$GENERATE`.
    #[error(
        "it is made by the $GENERATE at {0}; write its records out, or change that line by hand"
    )]
    Generated(Place),
    /// A record that cannot be edited depends on a line that would change.
    #[error(
        "{0} takes its owner or TTL from earlier lines that would change; write both out there"
    )]
    Inherited(Place),
    /// The file is signed.
    #[error(
        "the file is signed: the {rtype} at {place} would no longer be valid; edit the \
        unsigned file and sign it again"
    )]
    Signed {
        /// RRSIG or ZONEMD.
        rtype: RrType,
        /// Its position.
        place: Place,
    },
    /// A type that only a signer makes.
    #[error("a signer makes records of this type; they cannot be written")]
    MadeBySigner,
    /// The change would remove the SOA.
    #[error("no server loads a zone without an SOA")]
    SoaRemoved,
    /// The change would remove the NS of the apex.
    #[error("no server loads a zone without NS records at its apex")]
    ApexNsRemoved,
    /// The change would not increase the serial.
    #[error("the serial {after} is not later than {before} (RFC 1982)")]
    SerialNotRaised {
        /// The serial in the file.
        before: u32,
        /// The serial in the change.
        after: u32,
    },
    /// An SOA in the form for unknown types.
    #[error(
        "the SOA at {0} is not written as seven fields; write it as \
         `mname rname serial refresh retry expire minimum`"
    )]
    OpaqueSoa(Place),
    /// A CNAME beside other records.
    #[error("a CNAME would be beside the {0} of the same name, which servers refuse")]
    CnameBeside(RrType),
    /// The result of the edit is not a master file.
    #[error(
        "the file could not be read after the change: {0}; nothing was written; please report this"
    )]
    NotReadable(ReadError),
    /// The result of the edit is not the wanted zone.
    #[error("the file would not hold the wanted zone; nothing was written; please report this")]
    NotReproduced,
}

/// What happens to a record.
#[derive(Debug)]
pub(crate) enum Fate<'c> {
    /// It stays, with this TTL.
    Ttl(Ttl),
    /// Its line is removed.
    Gone,
    /// Other records take its line.
    Replaced(Write<'c>),
}

/// The records to write at one place.
#[derive(Debug)]
pub(crate) struct Write<'c> {
    pub(crate) key: &'c RrKey,
    pub(crate) ttl: Ttl,
    pub(crate) rdata: Vec<&'c Rdata>,
    /// The items whose layout the records take, in order; the last serves for all remaining
    /// records. Not empty.
    pub(crate) like: Vec<usize>,
    pub(crate) ttl_column: TtlColumn,
}

/// When a new record has its TTL written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TtlColumn {
    /// If the record whose layout it takes has one, and wherever it is needed.
    AsLayout,
    /// Unless it equals the `$TTL` in effect.
    UnlessDefault,
}

/// What to do with each item.
#[derive(Debug)]
pub(crate) struct Plan<'c> {
    /// By the index of the item; other items stay as they are.
    pub(crate) fates: BTreeMap<usize, Fate<'c>>,
    /// What to write after an item.
    pub(crate) following: BTreeMap<usize, Vec<Write<'c>>>,
    /// The SOA before the change.
    pub(crate) soa_before: Soa,
    /// The SOA after the change, with a higher serial.
    pub(crate) soa: Soa,
}

/// Decides what happens to each record.
pub(crate) fn plan<'c>(reading: &Reading, changes: &'c ChangeSet) -> Result<Plan<'c>, EditError> {
    let soa_key = RrKey::new(reading.zone.origin.clone(), RrType::SOA);
    refuse_signed(reading, changes)?;
    let mut found: BTreeMap<&RrKey, Vec<(usize, &Entry)>> = BTreeMap::new();
    found.insert(&soa_key, Vec::new());
    found.extend(changes.changes().iter().map(|change| (&change.key, Vec::new())));
    for (index, entry) in reading.entries() {
        if let Some(records) = found.get_mut(&entry.key) {
            records.push((index, entry));
            let why = match entry.source {
                Source::Main => continue,
                Source::Included => Refusal::Included(reading.place(entry)),
                Source::Generated => Refusal::Generated(reading.place(entry)),
            };
            return Err(EditError::new(&entry.key, why));
        }
    }
    let soa_before = reading
        .zone
        .get(&soa_key)
        .and_then(|rrset| rrset.rdata()[0].as_soa())
        .expect("the reader found an SOA");
    let soa = raised(&soa_key, &soa_before, changes)?;
    let neighbours = OnceCell::new();
    let mut plan = Plan { fates: BTreeMap::new(), following: BTreeMap::new(), soa_before, soa };
    for change in changes.changes() {
        let records = &found[&change.key];
        refuse_change(&soa_key.name, change)?;
        match &change.after {
            Some(after) if change.key == soa_key => {
                let kept = records.iter().map(|(index, _)| (*index, Fate::Ttl(after.ttl())));
                plan.fates.extend(kept);
            }
            _ => plan.change((reading, &neighbours), change, records),
        }
    }
    Ok(plan)
}

impl<'c> Plan<'c> {
    fn change<'r>(
        &mut self,
        (reading, neighbours): (&'r Reading, &OnceCell<Neighbours<'r>>),
        change: &'c Change,
        records: &[(usize, &Entry)],
    ) {
        let wanted = change.after.as_ref().map_or(&[][..], |after| after.rdata());
        let stays =
            |entry: &Entry| entry.rdata.as_ref().is_some_and(|rdata| wanted.contains(rdata));
        let (kept, gone): (Vec<_>, Vec<_>) =
            records.iter().copied().partition(|(_, entry)| stays(entry));
        self.fates.extend(gone.iter().map(|(index, _)| (*index, Fate::Gone)));
        let Some(after) = &change.after else { return };
        self.fates.extend(kept.iter().map(|(index, _)| (*index, Fate::Ttl(after.ttl()))));
        let is_new = |rdata: &&Rdata| !kept.iter().any(|(_, e)| e.rdata.as_ref() == Some(*rdata));
        let rdata: Vec<&Rdata> = wanted.iter().filter(is_new).collect();
        if rdata.is_empty() {
            return;
        }
        let write = |like, ttl_column| Write {
            key: &change.key,
            ttl: after.ttl(),
            rdata,
            like,
            ttl_column,
        };
        if let Some((place, _)) = gone.first() {
            let like = gone.iter().map(|(index, _)| *index).collect();
            self.fates.insert(*place, Fate::Replaced(write(like, TtlColumn::AsLayout)));
        } else if let Some((place, _)) = kept.last() {
            let writes = self.following.entry(*place).or_default();
            writes.push(write(vec![*place], TtlColumn::AsLayout));
        } else {
            let place = neighbours.get_or_init(|| Neighbours::of(reading));
            let place = place.place_for(&change.key.name);
            let writes = self.following.entry(place).or_default();
            writes.push(write(vec![place], TtlColumn::UnlessDefault));
        }
    }
}

/// The last record of the main file at and below each name, for each origin.
struct Neighbours<'r> {
    origins: &'r [Name],
    /// At exactly this name.
    same: HashMap<&'r Name, Last>,
    /// At this name (in wire form), or below it.
    below: HashMap<&'r [u8], Last>,
}

/// The last record under each origin.
type Last = BTreeMap<usize, usize>;

/// A name in wire form and every name above it, ending with the root.
fn upwards(name: &Name) -> impl Iterator<Item = &[u8]> {
    let starts = name.labels().scan(0, |at, label| {
        let start = *at;
        *at += label.len() + 1;
        Some(start)
    });
    let root = name.wire().len() - 1;
    starts.chain([root]).map(|start| &name.wire()[start..])
}

impl<'r> Neighbours<'r> {
    fn of(reading: &'r Reading) -> Self {
        let (mut same, mut below) = (HashMap::<_, Last>::new(), HashMap::<_, Last>::new());
        let own = reading.entries().filter(|(_, entry)| entry.source == Source::Main);
        for (index, entry) in own {
            let name = &entry.key.name;
            same.entry(name).or_default().insert(entry.origin, index);
            for above in upwards(name) {
                below.entry(above).or_default().insert(entry.origin, index);
            }
        }
        Self { origins: &reading.origins, same, below }
    }

    /// The record after which a new name or type goes. This is the last record of its name, or else
    /// of the names that share most labels with it, preferably under an origin above it.
    fn place_for(&self, name: &Name) -> usize {
        let shared = || upwards(name).find_map(|above| self.below.get(above));
        let last = self.same.get(name).or_else(shared).expect("the SOA is in the main file");
        let is_under = |origin: &usize| name.is_at_or_below(&self.origins[*origin]);
        let under = last.iter().filter(|(origin, _)| is_under(origin)).map(|(_, index)| *index);
        under.max().or_else(|| last.values().copied().max()).expect("no list is empty")
    }
}

/// The SOA after the change: as the change set has it, but with a higher serial.
fn raised(key: &RrKey, before: &Soa, changes: &ChangeSet) -> Result<Soa, EditError> {
    let change = changes.changes().iter().find(|change| change.key == *key);
    let after = change.and_then(|change| change.after.as_ref());
    let mut soa = after.and_then(|set| set.rdata()[0].as_soa()).unwrap_or_else(|| before.clone());
    if soa.serial == before.serial {
        soa.serial = next_serial(before.serial);
    } else if !is_later(soa.serial, before.serial) {
        let why = Refusal::SerialNotRaised { before: before.serial, after: soa.serial };
        return Err(EditError::new(key, why));
    }
    Ok(soa)
}

fn refuse_signed(reading: &Reading, changes: &ChangeSet) -> Result<(), EditError> {
    let signed = |entry: &&Entry| match entry.key.rtype {
        RrType::RRSIG => true,
        // RFC 8976 §2: a digest of the zone is at its apex; elsewhere it has no effect.
        RrType::ZONEMD => entry.key.name == *changes.zone(),
        _ => false,
    };
    match reading.entries().map(|(_, entry)| entry).find(signed) {
        None => Ok(()),
        Some(entry) => {
            let why = Refusal::Signed { rtype: entry.key.rtype, place: reading.place(entry) };
            Err(EditError::new(&changes.changes()[0].key, why))
        }
    }
}

fn refuse_change(apex: &Name, Change { key, before: _, after }: &Change) -> Result<(), EditError> {
    let why = match (key.rtype, after) {
        (rtype, _) if rtype.is_made_by_signer() => Refusal::MadeBySigner,
        (RrType::SOA, None) => Refusal::SoaRemoved,
        (RrType::NS, None) if key.name == *apex => Refusal::ApexNsRemoved,
        _ => return Ok(()),
    };
    Err(EditError::new(key, why))
}
