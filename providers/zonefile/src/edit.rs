//! Edits master files in place: everything that is not changed stays as it is, octet for octet.
//!
//! An edit is a list of patches to the text of the main file, found in one walk over the records.
//! The walk tracks the owner and the TTL in effect at each place of the *new* text. A record that
//! would inherit another owner or TTL than before gets its own written out. Apart from that only
//! the SOA serial changes.
//!
//! The result is read again, and must be the old zone with the changes. If it is not, we have a
//! bug, but a zone is too valuable to abort: it is reported as an error, and nothing is written.

use std::collections::BTreeMap;

use cutover_contract::ChangeSet;
use cutover_zone::{Name, Rdata, RrKey, RrSet, RrType, Soa, Ttl, Zone};

use crate::layout::{Layout, OwnerColumn};
use crate::lex::Span;
use crate::plan::{EditError, Fate, Plan, Refusal, TtlColumn, Write, plan};
use crate::read::{Load, read};
use crate::reading::{Entry, Item, Reading, Source};
use crate::ttl::TtlState;

/// The new text of a main file.
#[derive(Debug)]
pub struct Edited {
    /// The text.
    pub text: Vec<u8>,
    /// The SOA serial in it.
    pub serial: u32,
}

/// Makes the changes without comparing what they expect. `load` must be the function that the
/// reading was made with.
///
/// # Errors
/// [`EditError`] if the change cannot be written into this file.
pub fn edit(reading: &Reading, changes: &ChangeSet, load: &Load<'_>) -> Result<Edited, EditError> {
    let mut plan = plan(reading, changes)?;
    let wanted = expected(reading, changes, &plan.soa)?;
    let serial = plan.soa.serial;
    let refused = |key: &RrKey, why| EditError::new(key, why);
    let first = &changes.changes()[0].key;
    // Lines with different TTLs may become neighbours, so that another of them now decides the TTL
    // of an RRset. Such TTLs are written out, and the result is checked again.
    for _ in 0..EVENED_MAX {
        let text = written(reading, &plan)?;
        let again = read(&reading.zone.origin, &reading.files[0].path, text.clone(), load)
            .map_err(|error| refused(first, Refusal::NotReadable(error)))?;
        let Some(key) = first_difference(&wanted, &again.zone) else {
            return Ok(Edited { text, serial });
        };
        if !even(&mut plan, reading, &wanted, &again.zone) {
            return Err(refused(key, Refusal::NotReproduced));
        }
    }
    Err(refused(first, Refusal::NotReproduced))
}

/// The most times that TTLs are written out again. Our choice: each time covers all that differ,
/// and two are enough unless included files are in between.
const EVENED_MAX: usize = 4;

/// Writes out the TTLs of RRsets that differ in nothing else; returns whether there were any.
fn even(plan: &mut Plan<'_>, reading: &Reading, wanted: &Zone, again: &Zone) -> bool {
    let mut is_any = false;
    for (index, entry) in reading.entries().filter(|(_, entry)| entry.source == Source::Main) {
        let (Some(due), Some(now)) = (wanted.get(&entry.key), again.get(&entry.key)) else {
            continue;
        };
        if due != now && due.same_rdata(now) && !plan.fates.contains_key(&index) {
            plan.fates.insert(index, Fate::Ttl(due.ttl()));
            is_any = true;
        }
    }
    is_any
}

/// The new text of the main file.
fn written(reading: &Reading, plan: &Plan<'_>) -> Result<Vec<u8>, EditError> {
    let mut pen = Pen {
        reading,
        plan,
        line_end: line_end(reading.text()),
        patches: Vec::new(),
        owner: None,
        outside: Vec::new(),
        ttls: TtlState::default(),
    };
    for (index, item) in reading.items.iter().enumerate() {
        pen.item(index, item)?;
    }
    Ok(patched(reading.text(), &pen.patches))
}

/// The zone after the changes.
fn expected(reading: &Reading, changes: &ChangeSet, soa: &Soa) -> Result<Zone, EditError> {
    let mut zone = reading.zone.clone();
    for change in changes.changes() {
        match &change.after {
            Some(after) => zone.rrsets.insert(change.key.clone(), after.clone()),
            None => zone.rrsets.remove(&change.key),
        };
    }
    let key = RrKey::new(zone.origin.clone(), RrType::SOA);
    let ttl = zone.get(&key).map_or(Ttl::ZERO, RrSet::ttl);
    let rrset = RrSet::new(ttl, [Rdata::soa(soa)]).expect("one record is an RRset");
    zone.rrsets.insert(key, rrset);
    for key in changes.changes().iter().map(|change| &change.key) {
        let types: Vec<RrType> = zone.at(&key.name).map(|(rtype, _)| rtype).collect();
        let other = types.iter().find(|rtype| **rtype != RrType::CNAME);
        if let (true, Some(other)) = (types.contains(&RrType::CNAME), other) {
            return Err(EditError::new(key, Refusal::CnameBeside(*other)));
        }
    }
    Ok(zone)
}

fn first_difference<'z>(a: &'z Zone, b: &'z Zone) -> Option<&'z RrKey> {
    let differs = |x: &'z BTreeMap<RrKey, RrSet>, y: &'z BTreeMap<RrKey, RrSet>| {
        x.iter().find(|(key, rrset)| y.get(key) != Some(rrset)).map(|(key, _)| key)
    };
    differs(&a.rrsets, &b.rrsets).or_else(|| differs(&b.rrsets, &a.rrsets))
}

/// The line end for new lines: that of the first line of the text.
fn line_end(text: &[u8]) -> &'static [u8] {
    let first = text.iter().position(|octet| *octet == b'\n').unwrap_or(0);
    if text[..first].ends_with(b"\r") { b"\r\n" } else { b"\n" }
}

fn patched(text: &[u8], patches: &[(Span, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + patches.len() * 32);
    let mut done = 0;
    for (at, with) in patches {
        assert!(done <= at.start(), "the walk goes from front to back");
        out.extend_from_slice(&text[done..at.start()]);
        out.extend_from_slice(with);
        done = at.end();
    }
    out.extend_from_slice(&text[done..]);
    out
}

/// The state of the walk.
struct Pen<'a> {
    reading: &'a Reading,
    plan: &'a Plan<'a>,
    line_end: &'static [u8],
    patches: Vec<(Span, Vec<u8>)>,
    /// The owner that a line inherits at this place of the new text.
    owner: Option<&'a Name>,
    /// The owners to restore after each open included file.
    outside: Vec<Option<&'a Name>>,
    /// The TTL state at this place of the new text, for records that have no TTL.
    ttls: TtlState,
}

impl<'a> Pen<'a> {
    fn item(&mut self, index: usize, item: &'a Item) -> Result<(), EditError> {
        match item {
            Item::DefaultTtl(ttl) => self.ttls.set_default(*ttl),
            Item::IncludeStart => self.outside.push(self.owner),
            Item::IncludeEnd => {
                self.owner = self.outside.pop().expect("each end has its start");
            }
            Item::Record(entry) if entry.source != Source::Main => self.elsewhere(entry)?,
            Item::Record(entry) => match self.plan.fates.get(&index) {
                None => self.stays(entry, entry.ttl)?,
                Some(Fate::Ttl(ttl)) => self.stays(entry, *ttl)?,
                Some(Fate::Gone) => self.patches.push((entry.line, Vec::new())),
                Some(Fate::Replaced(write)) => {
                    let tail = Layout::of(self.reading.text(), entry).tail();
                    let lines = self.lines(write, entry, tail);
                    self.patches.push((entry.line, lines));
                }
            },
        }
        let Item::Record(entry) = item else { return Ok(()) };
        for write in self.plan.following.get(&index).into_iter().flatten() {
            let mut lines = Vec::new();
            if !self.new_text_ends_in_line_end(entry) {
                lines.extend_from_slice(self.line_end);
            }
            lines.extend(self.lines(write, entry, self.line_end));
            self.patches.push((Span::new(entry.line.end(), entry.line.end()), lines));
        }
        Ok(())
    }

    /// Whether the new text ends in a line end after the line of this record.
    fn new_text_ends_in_line_end(&self, entry: &Entry) -> bool {
        match self.patches.last() {
            Some((at, with)) if at.end() == entry.line.end() && !with.is_empty() => {
                with.ends_with(b"\n")
            }
            // If the line itself is removed, the text before it ends in a line end.
            Some((at, _)) if *at == entry.line => true,
            Some(_) | None => entry.line.of(self.reading.text()).ends_with(b"\n"),
        }
    }

    /// A record that cannot be edited must keep its owner and TTL.
    fn elsewhere(&mut self, entry: &'a Entry) -> Result<(), EditError> {
        let name = &entry.key.name;
        let owner_differs = entry.inherits && self.owner != Some(name);
        let ttl_differs = !entry.explicit_ttl && self.ttls.implicit(None) != Some(entry.ttl);
        if owner_differs || ttl_differs {
            let why = Refusal::Inherited(self.reading.place(entry));
            return Err(EditError::new(&entry.key, why));
        }
        self.ttls.record(entry.explicit_ttl.then_some(entry.ttl), None);
        if entry.source == Source::Included {
            self.owner = Some(name);
        }
        Ok(())
    }

    fn stays(&mut self, entry: &'a Entry, ttl: Ttl) -> Result<(), EditError> {
        let is_soa = entry.key.rtype == RrType::SOA;
        let minimum = is_soa.then(|| Ttl::from_wire(self.plan.soa.minimum));
        let needs_owner = entry.inherits && self.owner != Some(&entry.key.name);
        let needs_ttl = match entry.explicit_ttl {
            true => ttl != entry.ttl,
            false => self.ttls.implicit(minimum) != Some(ttl),
        };
        let written = entry.explicit_ttl || needs_ttl;
        self.ttls.record(written.then_some(ttl), minimum);
        self.owner = Some(&entry.key.name);
        if !(needs_owner || needs_ttl || is_soa) {
            return Ok(());
        }
        let layout = Layout::of(self.reading.text(), entry);
        if needs_owner {
            let origin = &self.reading.origins[entry.origin];
            let owner = self.owner_text(entry, &entry.key.name, origin);
            self.patches.push(layout.with_owner(&owner));
        }
        if needs_ttl {
            self.patches.push(layout.with_ttl(ttl));
        }
        if is_soa {
            self.soa(entry, layout.rdata())?;
        }
        Ok(())
    }

    /// Edits only those fields of the SOA that differ, so that its comments stay.
    fn soa(&mut self, entry: &Entry, tokens: &[Span]) -> Result<(), EditError> {
        let Ok(tokens) = <&[Span; 7]>::try_from(tokens) else {
            let why = Refusal::OpaqueSoa(self.reading.place(entry));
            return Err(EditError::new(&entry.key, why));
        };
        let before = soa_fields(&self.plan.soa_before);
        let after = soa_fields(&self.plan.soa);
        for ((at, before), after) in tokens.iter().zip(before).zip(after) {
            if before != after {
                self.patches.push((*at, after.into_bytes()));
            }
        }
        Ok(())
    }

    /// The lines of new records at the place of `entry`, with `tail` after the first line.
    fn lines(&mut self, write: &'a Write<'a>, entry: &Entry, tail: &[u8]) -> Vec<u8> {
        let Write { key, ttl, rdata, like, ttl_column } = write;
        let mut lines = Vec::new();
        for (n, rdata) in rdata.iter().enumerate() {
            if n > 0 && !lines.ends_with(b"\n") {
                lines.extend_from_slice(self.line_end);
            }
            let model = self.entry(like[n.min(like.len() - 1)]);
            let layout = Layout::of(self.reading.text(), model);
            let owner = self.owner_text(model, &key.name, &self.reading.origins[entry.origin]);
            let column = match model.inherits && self.owner == Some(&key.name) {
                true => OwnerColumn::Inherited,
                false => OwnerColumn::Written(&owner),
            };
            let written = match ttl_column {
                TtlColumn::UnlessDefault => self.ttls.default_ttl() != Some(*ttl),
                TtlColumn::AsLayout => model.explicit_ttl || self.ttls.implicit(None) != Some(*ttl),
            };
            let written = written.then_some(*ttl);
            lines.extend(layout.record(&column, written, rdata));
            lines.extend_from_slice(if n == 0 { tail } else { self.line_end });
            self.ttls.record(written, None);
            self.owner = Some(&key.name);
        }
        lines
    }

    fn entry(&self, index: usize) -> &'a Entry {
        match &self.reading.items[index] {
            Item::Record(entry) => entry,
            Item::DefaultTtl(_) | Item::IncludeStart | Item::IncludeEnd => {
                unreachable!("only records have layouts")
            }
        }
    }

    /// The owner as the model writes it, if that means the same here; otherwise relative to the
    /// origin.
    fn owner_text(&self, model: &Entry, name: &Name, origin: &Name) -> Vec<u8> {
        match model.key.name == *name && self.reading.origins[model.owner.origin] == *origin {
            true => model.owner.span.of(self.reading.text()).to_vec(),
            false => name.shown_in(origin).into_bytes(),
        }
    }
}

fn soa_fields(soa: &Soa) -> [String; 7] {
    let Soa { mname, rname, serial, refresh, retry, expire, minimum } = soa;
    let numbers = [serial, refresh, retry, expire, minimum].map(u32::to_string);
    let [serial, refresh, retry, expire, minimum] = numbers;
    [mname.to_string(), rname.to_string(), serial, refresh, retry, expire, minimum]
}
