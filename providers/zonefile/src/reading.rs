//! What the reader found: the zone and, for the editor, every record with its position.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use cutover_zone::{Name, Rdata, RrKey, RrSet, RrType, Ttl, Zone};

use crate::error::{Place, Problem, ReadError};
use crate::lex::Span;

/// A zone as it is in its files.
#[derive(Debug)]
pub struct Reading {
    /// The zone, without the records of a signer.
    pub zone: Zone,
    /// Everything that sets or uses state, in reading order.
    pub(crate) items: Vec<Item>,
    /// All origins that were in effect somewhere; the first is the name of the zone.
    pub(crate) origins: Vec<Name>,
    /// The files; the first is the main file.
    pub(crate) files: Vec<File>,
}

/// A file that was read.
#[derive(Clone, Debug)]
pub(crate) struct File {
    /// Its name.
    pub(crate) path: PathBuf,
    /// Its contents.
    pub(crate) text: Arc<Vec<u8>>,
}

/// Something that sets or uses the state.
#[derive(Debug)]
pub(crate) enum Item {
    /// A record.
    Record(Entry),
    /// A `$TTL`.
    DefaultTtl(Ttl),
    /// The start of an included file, where owner and origin are saved.
    IncludeStart,
    /// Its end, where they are restored.
    IncludeEnd,
}

/// Where an owner is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnerAt {
    /// The position of the owner.
    pub(crate) span: Span,
    /// The origin in effect there, as an index into `Reading::origins`.
    pub(crate) origin: usize,
}

/// A record and its position.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its owner and type.
    pub(crate) key: RrKey,
    /// Its TTL, from wherever it comes.
    pub(crate) ttl: Ttl,
    /// Its data; `None` for a record that a signer made.
    pub(crate) rdata: Option<Rdata>,
    /// Its file, as an index into `Reading::files`.
    pub(crate) file: usize,
    /// Its logical line there.
    pub(crate) line: Span,
    /// Its owner, which may be written in an earlier line of the same file.
    pub(crate) owner: OwnerAt,
    /// The origin in effect.
    pub(crate) origin: usize,
    /// Whether the owner is inherited from an earlier line.
    pub(crate) inherits: bool,
    /// Whether the TTL is written in its line.
    pub(crate) explicit_ttl: bool,
    /// The kind of line it comes from.
    pub(crate) source: Source,
}

/// The kind of line that a record comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A line of the main file, the only kind that can be edited.
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

    /// The text of the main file.
    pub(crate) fn text(&self) -> &[u8] {
        &self.files[0].text
    }

    /// The position of a record.
    pub(crate) fn place(&self, entry: &Entry) -> Place {
        let File { path, text } = &self.files[entry.file];
        Place::of(path, text, entry.line.start())
    }

    /// The TTL of each RRset.
    pub(crate) fn ttls(&self) -> BTreeMap<&RrKey, Ttl> {
        let mut rows = Rows::of(&self.zone.origin);
        for item in &self.items {
            match item {
                Item::Record(entry) => rows.take(entry),
                Item::IncludeStart | Item::IncludeEnd => rows.commit(),
                Item::DefaultTtl(_) => {}
            }
        }
        rows.commit();
        rows.ttls
    }

    /// Remarks about what is ambiguous: records whose TTL does not count.
    pub(crate) fn remarks(&self) -> Vec<String> {
        let ttls = self.ttls();
        let records = self.entries().filter(|(_, entry)| entry.rdata.is_some());
        let other = records.filter(|(_, entry)| ttls[&entry.key] != entry.ttl);
        other
            .map(|(_, entry)| {
                format!(
                    "{}: this record has the TTL {}, but {} as a whole has {}: an RRset has one \
                     TTL, and servers use this one",
                    self.place(entry),
                    entry.ttl,
                    entry.key,
                    ttls[&entry.key],
                )
            })
            .collect()
    }

    /// The records as RRsets.
    pub(crate) fn gathered(&self) -> Result<BTreeMap<RrKey, RrSet>, ReadError> {
        let mut records: Vec<(&Entry, &Rdata)> =
            self.entries().filter_map(|(_, entry)| Some((entry, entry.rdata.as_ref()?))).collect();
        // The sort is stable: the records of an RRset stay in the order of the file.
        records.sort_by(|(a, _), (b, _)| a.key.cmp(&b.key));
        let ttls = self.ttls();
        let refused = |entry: &Entry, problem| ReadError { place: self.place(entry), problem };
        let mut rrsets = Vec::new();
        for group in records.chunk_by(|(a, _), (b, _)| a.key == b.key) {
            let (first, last) = (group[0].0, group[group.len() - 1].0);
            let ttl = ttls.get(&first.key).copied().unwrap_or(first.ttl);
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

/// The TTLs of RRsets whose records have several, by BIND's rules (`lib/dns/master.c`). In a row of
/// consecutive records of one owner, the first record of an RRset sets its TTL ("TTL set to prior
/// TTL"). A later row of the same owner replaces it. The glue of a delegation does not end its row,
/// but an included file does.
struct Rows<'r> {
    apex: &'r Name,
    ttls: BTreeMap<&'r RrKey, Ttl>,
    owner: Option<&'r Name>,
    row: BTreeMap<&'r RrKey, Ttl>,
    /// The servers that the row delegates to.
    servers: Vec<Name>,
    glue: Option<&'r Name>,
    glue_row: BTreeMap<&'r RrKey, Ttl>,
}

impl<'r> Rows<'r> {
    fn of(apex: &'r Name) -> Self {
        Self {
            apex,
            ttls: BTreeMap::new(),
            owner: None,
            row: BTreeMap::new(),
            servers: Vec::new(),
            glue: None,
            glue_row: BTreeMap::new(),
        }
    }

    fn take(&mut self, entry: &'r Entry) {
        let name = &entry.key.name;
        if entry.source == Source::Generated {
            self.ttls.insert(&entry.key, entry.ttl);
            return;
        }
        if self.glue.is_some_and(|glue| glue != name) {
            self.commit_glue();
        }
        if self.glue.is_none() && self.owner != Some(name) {
            if self.servers.contains(name) {
                self.glue = Some(name);
            } else {
                self.commit();
                self.owner = Some(name);
            }
        }
        let row = if self.glue.is_some() { &mut self.glue_row } else { &mut self.row };
        row.entry(&entry.key).or_insert(entry.ttl);
        let is_delegation = entry.key.rtype == RrType::NS && name != self.apex;
        if self.glue.is_none() && is_delegation {
            self.servers.extend(entry.rdata.as_ref().and_then(Rdata::target));
        }
    }

    fn commit_glue(&mut self) {
        self.ttls.extend(std::mem::take(&mut self.glue_row));
        self.glue = None;
    }

    /// Ends the current row.
    fn commit(&mut self) {
        self.ttls.extend(std::mem::take(&mut self.row));
        self.commit_glue();
        self.servers.clear();
    }
}

/// The minimum field of an SOA, as a TTL (RFC 2308 §4); `None` for rdata of another type.
pub(crate) fn soa_minimum(rdata: &Rdata) -> Option<Ttl> {
    rdata.as_soa().map(|soa| Ttl::from_wire(soa.minimum))
}
