//! What becomes of the records that a change set names, and where new ones go.
//!
//! Records that are in an RRset before and after keep their lines. The first record that goes gives
//! its place, layout and comment to the new ones. An RRset that has only new records gets them
//! after its last old one; a new RRset stands after the last record of its name, else after the
//! last one of those that share most of its labels, where possible under an origin above it.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};

use cutover_contract::{Change, ChangeSet, Name, Rdata, RrKey, RrType, Soa, Ttl, next_serial};
use cutover_kit::serial::is_later;

use crate::error::{Place, ReadError};
use crate::reading::{Entry, Reading, Source};

/// A change that is not made.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub struct EditError {
    /// The RRset that it fails for.
    pub key: RrKey,
    /// Why.
    pub why: Refusal,
}

impl EditError {
    pub(crate) fn new(key: &RrKey, why: Refusal) -> Self {
        Self { key: key.clone(), why }
    }
}

/// Why a change is not made, and what to do instead.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The record stands in an included file.
    #[error(
        "it stands in an included file, at {0}; move it into the zone's own file, \
         or change it there by hand"
    )]
    Included(Place),
    /// The record comes from a `$GENERATE`.
    #[error(
        "it is made by the $GENERATE at {0}; write its records out, or change the line by hand"
    )]
    Generated(Place),
    /// A record elsewhere depends on the line that would change.
    #[error(
        "{0} takes its owner or TTL from lines before it that would change; write both out there"
    )]
    Inherited(Place),
    /// The file is signed.
    #[error(
        "the file is signed: the {rtype} at {place} would no longer fit; edit the unsigned \
         file and sign it again"
    )]
    Signed {
        /// RRSIG or ZONEMD.
        rtype: RrType,
        /// Where.
        place: Place,
    },
    /// A type that only signers make.
    #[error("records of this type are made by a signer and not written")]
    MadeBySigner,
    /// No SOA.
    #[error("a zone without SOA is loaded by no server")]
    SoaRemoved,
    /// No NS at the apex.
    #[error("a zone without NS at its apex is loaded by no server")]
    ApexNsRemoved,
    /// A serial that does not rise.
    #[error("the serial {after} does not come after {before} (RFC 1982)")]
    SerialNotRaised {
        /// The file's.
        before: u32,
        /// The change's.
        after: u32,
    },
    /// An SOA in the form of unknown types.
    #[error(
        "the SOA at {0} is not written as seven fields; write it as \
         `mname rname serial refresh retry expire minimum`"
    )]
    OpaqueSoa(Place),
    /// A CNAME with company.
    #[error("a CNAME would stand beside the {0} of the same name, which servers refuse")]
    CnameBeside(RrType),
    /// The result of the edit is no master file.
    #[error(
        "the file could not be read after the change: {0}; nothing was written, please report this"
    )]
    NotReadable(ReadError),
    /// The result of the edit is not what was wanted.
    #[error("the file would not have come out as wanted; nothing was written, please report this")]
    NotReproduced,
}

/// What becomes of a record.
#[derive(Debug)]
pub(crate) enum Fate<'c> {
    /// It stays, with this TTL.
    Ttl(Ttl),
    /// Its line goes.
    Gone,
    /// Others take its line.
    Replaced(Write<'c>),
}

/// Records to write at one place.
#[derive(Debug)]
pub(crate) struct Write<'c> {
    pub(crate) key: &'c RrKey,
    pub(crate) ttl: Ttl,
    pub(crate) rdata: Vec<&'c Rdata>,
    /// The items whose layout they take; the last one's serves for all that follow. Not empty.
    pub(crate) like: Vec<usize>,
    pub(crate) ttl_column: TtlColumn,
}

/// When a new record writes its TTL.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TtlColumn {
    /// Where the one whose layout it takes does, and where it must.
    AsLayout,
    /// Unless it is the `$TTL` in effect.
    UnlessDefault,
}

/// What to do with which item.
#[derive(Debug)]
pub(crate) struct Plan<'c> {
    /// By index of the item; others stay as they are.
    pub(crate) fates: BTreeMap<usize, Fate<'c>>,
    /// What to write after items.
    pub(crate) following: BTreeMap<usize, Vec<Write<'c>>>,
    /// The SOA as it was.
    pub(crate) soa_before: Soa,
    /// The SOA as it is to be, its serial raised.
    pub(crate) soa: Soa,
}

/// Decides what becomes of each record.
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

/// The last records of the zone's own file below each name, by the origin that they stand under.
struct Neighbours<'r> {
    origins: &'r [Name],
    /// At exactly this name.
    same: HashMap<&'r Name, Last>,
    /// At this name, which is given on the wire, or below it.
    below: HashMap<&'r [u8], Last>,
}

/// For each origin the last record.
type Last = BTreeMap<usize, usize>;

/// A name on the wire, and each name above it, the root last.
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

    /// The record after which a new name or type goes: the last one of its name, or of those that share
    /// most of its labels; if there is one, of those that stand under an origin above it.
    fn place_for(&self, name: &Name) -> usize {
        let shared = || upwards(name).find_map(|above| self.below.get(above));
        let last = self.same.get(name).or_else(shared).expect("the SOA stands in the main file");
        let is_under = |origin: &usize| name.is_at_or_below(&self.origins[*origin]);
        let under = last.iter().filter(|(origin, _)| is_under(origin)).map(|(_, index)| *index);
        under.max().or_else(|| last.values().copied().max()).expect("no list is empty")
    }
}

/// The SOA after the change: as the change set says, with a serial that is higher.
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
        // RFC 8976 §2: a digest of the zone stands at its apex; elsewhere it is inert.
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
