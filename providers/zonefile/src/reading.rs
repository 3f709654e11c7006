//! What the reader found: the zone, and for the editor every record with its place.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use cutover_contract::{Name, Rdata, RrKey, RrSet, RrType, Ttl, Zone};

use crate::error::{Place, Problem, ReadError};
use crate::lex::Span;

/// A zone as its files have it.
#[derive(Debug)]
pub struct Reading {
    /// What the files say, the records of a signer left out.
    pub zone: Zone,
    /// What sets and uses state, in the order in which it is read.
    pub(crate) items: Vec<Item>,
    /// The origins that were in effect at some time; the first is the zone's name.
    pub(crate) origins: Vec<Name>,
    /// The files; the first is the main one.
    pub(crate) files: Vec<File>,
}

/// A file that was read.
#[derive(Clone, Debug)]
pub(crate) struct File {
    /// Its name.
    pub(crate) path: PathBuf,
    /// What is in it.
    pub(crate) text: Arc<Vec<u8>>,
}

/// Something that sets or uses the state.
#[derive(Debug)]
pub(crate) enum Item {
    /// A record.
    Record(Entry),
    /// A `$TTL`.
    DefaultTtl(Ttl),
    /// An included file begins: owner and origin are put aside.
    IncludeStart,
    /// And ends: they are restored.
    IncludeEnd,
}

/// Where an owner is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnerAt {
    /// Its octets.
    pub(crate) span: Span,
    /// The origin in effect there, as an index of `Reading::origins`.
    pub(crate) origin: usize,
}

/// A record and the place where it stands.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Which record.
    pub(crate) key: RrKey,
    /// Its TTL, wherever that comes from.
    pub(crate) ttl: Ttl,
    /// Its data; `None` for what a signer made.
    pub(crate) rdata: Option<Rdata>,
    /// Its file, as an index of `Reading::files`.
    pub(crate) file: usize,
    /// Its logical line there.
    pub(crate) line: Span,
    /// The owner it has, which may stand in an earlier line of the same file.
    pub(crate) owner: OwnerAt,
    /// The origin in effect.
    pub(crate) origin: usize,
    /// Whether the owner is inherited from an earlier line.
    pub(crate) inherits: bool,
    /// Whether the TTL is written.
    pub(crate) explicit_ttl: bool,
    /// Where it comes from.
    pub(crate) source: Source,
}

/// What kind of line a record comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A line of the main file: the only kind that can be edited.
    Main,
    /// An included file.
    Included,
    /// A `$GENERATE`.
    Generated,
}

impl Reading {
    /// The records, with their index among the items.
    pub(crate) fn entries(&self) -> impl DoubleEndedIterator<Item = (usize, &Entry)> {
        self.items.iter().enumerate().filter_map(|(index, item)| match item {
            Item::Record(entry) => Some((index, entry)),
            Item::DefaultTtl(_) | Item::IncludeStart | Item::IncludeEnd => None,
        })
    }

    /// The main file's text.
    pub(crate) fn text(&self) -> &[u8] {
        &self.files[0].text
    }

    /// Where a record stands.
    pub(crate) fn place(&self, entry: &Entry) -> Place {
        let File { path, text } = &self.files[entry.file];
        Place::of(path, text, entry.line.start())
    }

    /// The records as RRsets. Where the TTLs of one differ, it has the largest: caches may hold a
    /// record for so long, and waiting times are computed from it.
    pub(crate) fn gathered(&self) -> Result<BTreeMap<RrKey, RrSet>, ReadError> {
        let mut records: Vec<(&Entry, &Rdata)> =
            self.entries().filter_map(|(_, entry)| Some((entry, entry.rdata.as_ref()?))).collect();
        // The sort is stable: records of one RRset stay in the order of the file.
        records.sort_by(|(a, _), (b, _)| a.key.cmp(&b.key));
        let refused = |entry: &Entry, problem| ReadError { place: self.place(entry), problem };
        let mut rrsets = Vec::new();
        for group in records.chunk_by(|(a, _), (b, _)| a.key == b.key) {
            let (first, last) = (group[0].0, group[group.len() - 1].0);
            let ttl = group.iter().map(|(entry, _)| entry.ttl).max().unwrap_or(first.ttl);
            let rrset = RrSet::new(ttl, group.iter().map(|(_, rdata)| (*rdata).clone()))
                .map_err(|error| refused(last, Problem::BadRrSet(error)))?;
            if first.key.rtype == RrType::SOA && first.key.name != self.zone.origin {
                return Err(refused(first, Problem::SoaBelowApex));
            }
            rrsets.push((first.key.clone(), rrset));
        }
        let apex = RrKey::new(self.zone.origin.clone(), RrType::SOA);
        let rrsets: BTreeMap<RrKey, RrSet> = rrsets.into_iter().collect();
        let File { path, text } = &self.files[0];
        match rrsets.contains_key(&apex) {
            true => Ok(rrsets),
            false => Err(ReadError {
                place: Place::of(path, text, text.len()),
                problem: Problem::NoSoa { zone: apex.name },
            }),
        }
    }
}

/// The minimum of an SOA, as a TTL (RFC 2308 §4); `None` for rdata of another type.
pub(crate) fn soa_minimum(rdata: &Rdata) -> Option<Ttl> {
    rdata.as_soa().map(|soa| Ttl::from_wire(soa.minimum))
}
