//! Reads master files: every record, with its position and the state in effect there.
//!
//! The reader is a pure function of the main file's text and of a function that loads included
//! files. A [`Reading`] holds the zone. For the editor it also holds an [`Item`] for everything
//! that sets or uses the state that a record's owner and TTL depend on: `$TTL`, the last TTL, the
//! last owner, and the origin.
//!
//! The reader keeps nothing about comments and blank lines, because the editor copies everything
//! that it does not change. It does not judge what records mean. Records that a signer made (RRSIG,
//! NSEC, ..) are noted and left out of the zone.
//!
//! It follows BIND in these points: an included file starts with the owner of the including file;
//! origin and owner are restored after an include, but `$TTL` is not; `$GENERATE` does not change
//! the owner. The path of an included file is relative to the file that includes it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cutover_zone::{Name, Rdata, RrKey, RrType, Ttl, Zone};

use crate::error::{Flaw, Place, Problem, ReadError};
use crate::generate::{self, Range};
use crate::lex::{self, Line, Span};
use crate::reading::{Entry, File, Item, OwnerAt, Reading, Source, soa_minimum};
use crate::record::{self, Head, read_name, read_ttl, shown};
use crate::ttl::TtlState;

/// The largest file, in octets. Our choice: some millions of records.
pub const FILE_OCTETS_MAX: usize = 256 * 1024 * 1024;
/// The deepest nesting of includes. Our choice; we have seen nobody use more than three.
pub const INCLUDE_DEPTH_MAX: usize = 8;
/// The most files in one zone. Our choice: it stops files that include each other many times.
pub const INCLUDES_MAX: usize = 1000;
/// The most records of one `$GENERATE`: the number of addresses in a /16. Our choice.
pub const GENERATED_MAX: usize = 65_536;
/// The most records of all `$GENERATE` lines of a zone. Our choice.
pub const GENERATED_TOTAL_MAX: usize = 16 * GENERATED_MAX;

/// Loads an included file.
pub type Load<'l> = dyn Fn(&Path) -> io::Result<Vec<u8>> + 'l;

/// Reads the zone from its main file's text.
///
/// # Errors
/// [`ReadError`], for the first place that does not belong in a master file of this zone.
pub fn read(
    zone: &Name,
    file: &Path,
    text: Vec<u8>,
    load: &Load<'_>,
) -> Result<Reading, ReadError> {
    let mut reader = Reader {
        zone,
        load,
        items: Vec::new(),
        origins: vec![zone.clone()],
        files: vec![File { path: file.to_owned(), text: Arc::new(text) }],
        open: vec![0],
        ttls: TtlState::default(),
        generated: 0,
        scratch: String::new(),
    };
    reader.file(0, 0, None)?;
    let Reader { items, origins, files, .. } = reader;
    let zone = Zone { origin: zone.clone(), rrsets: BTreeMap::new() };
    let mut reading = Reading { zone, items, origins, files };
    reading.zone.rrsets = reading.gathered()?;
    Ok(reading)
}

struct Reader<'r> {
    zone: &'r Name,
    load: &'r Load<'r>,
    items: Vec<Item>,
    origins: Vec<Name>,
    files: Vec<File>,
    /// The indexes of the open files, each included by the previous one.
    open: Vec<usize>,
    ttls: TtlState,
    generated: usize,
    scratch: String,
}

/// A record or directive, as it is in a file.
#[derive(Clone, Copy)]
struct Statement<'t> {
    /// The text of the whole file.
    text: &'t [u8],
    /// The index of the file in [`Reader::files`].
    file: usize,
    line: &'t Line,
    /// Not empty.
    tokens: &'t [Span],
}

/// The state within a file, in addition to that of the reader.
struct Cursor {
    origin: usize,
    owner: Option<(Name, OwnerAt)>,
}

impl Reader<'_> {
    fn file(
        &mut self,
        file: usize,
        origin: usize,
        owner: Option<(Name, OwnerAt)>,
    ) -> Result<(), ReadError> {
        let File { path, text } = self.files[file].clone();
        let text = text.as_slice();
        let named = |Flaw { at, problem }| ReadError { place: Place::of(&path, text, at), problem };
        if text.len() > FILE_OCTETS_MAX {
            let problem = Problem::FileTooLong { max: FILE_OCTETS_MAX };
            return Err(named(Flaw::new(0, problem)));
        }
        let mut cursor = Cursor { origin, owner };
        let mut tokens = Vec::new();
        let mut at = lex::first_line(text);
        loop {
            let line = match lex::line(text, at, &mut tokens) {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(()),
                Err(flaw) => return Err(named(flaw)),
            };
            at = line.whole.end();
            let Some(first) = tokens.first() else { continue };
            let statement = Statement { text, file, line: &line, tokens: &tokens };
            let done = if line.lead > 0 || !first.of(text).starts_with(b"$") {
                self.record(statement, &mut cursor)
            } else if first.of(text).eq_ignore_ascii_case(b"$INCLUDE") {
                // Errors of an included file have their own position.
                match self.include(statement, &cursor) {
                    Ok(result) => {
                        result?;
                        Ok(())
                    }
                    Err(flaw) => Err(flaw),
                }
            } else {
                self.directive(statement, &mut cursor)
            };
            done.map_err(named)?;
        }
    }

    fn record(&mut self, statement: Statement<'_>, cursor: &mut Cursor) -> Result<(), Flaw> {
        let Statement { text, file, line, tokens } = statement;
        let Head { owner, ttl, class: _, rtype_at, rtype, rdata } =
            record::head(text, line, tokens)?;
        if let Some(span) = owner {
            let name = read_name(text, span, &self.origins[cursor.origin])?;
            cursor.owner = Some((name, OwnerAt { span, origin: cursor.origin }));
        }
        let (name, at) =
            cursor.owner.as_ref().ok_or_else(|| Flaw::new(line.whole.start(), Problem::NoOwner))?;
        record::rdata_text(text, &tokens[rdata..], &mut self.scratch);
        let rdata_at = tokens.get(rdata).map_or(line.end, |first| first.start());
        let entry = Entry {
            key: RrKey::new(name.clone(), rtype),
            ttl: Ttl::ZERO,
            rdata: None,
            file,
            line: line.whole,
            owner: *at,
            origin: cursor.origin,
            inherits: owner.is_none(),
            explicit_ttl: ttl.is_some(),
            source: if file == 0 { Source::Main } else { Source::Included },
        };
        let ttl = ttl.map(|(_, ttl)| ttl);
        self.add(entry, ttl, [rtype_at.start(), rdata_at])
    }

    /// Adds a record whose rdata is in `scratch`.
    fn add(
        &mut self,
        mut entry: Entry,
        ttl: Option<Ttl>,
        [head_at, rdata_at]: [usize; 2],
    ) -> Result<(), Flaw> {
        let RrKey { name, rtype } = &entry.key;
        if !name.is_at_or_below(self.zone) {
            let problem = Problem::OutOfZone { name: name.clone(), zone: self.zone.clone() };
            return Err(Flaw::new(entry.line.start(), problem));
        }
        if !rtype.is_made_by_signer() {
            let origin = &self.origins[entry.origin];
            let rdata = Rdata::kept(*rtype, &self.scratch, Some(origin));
            entry.rdata = Some(rdata.map_err(|error| {
                Flaw::new(rdata_at, Problem::BadRdata { rtype: *rtype, error })
            })?);
        }
        let minimum = entry.rdata.as_ref().and_then(soa_minimum);
        entry.ttl =
            self.ttls.record(ttl, minimum).ok_or_else(|| Flaw::new(head_at, Problem::NoTtl))?;
        self.items.push(Item::Record(entry));
        Ok(())
    }

    fn directive(&mut self, statement: Statement<'_>, cursor: &mut Cursor) -> Result<(), Flaw> {
        let Statement { text, file: _, line, tokens } = statement;
        match tokens[0].of(text).to_ascii_uppercase().as_slice() {
            b"$ORIGIN" => {
                let at = only_argument(line, tokens, "the origin")?;
                self.origins.push(read_name(text, at, &self.origins[cursor.origin])?);
                cursor.origin = self.origins.len() - 1;
                Ok(())
            }
            b"$TTL" => {
                let ttl = read_ttl(text, only_argument(line, tokens, "the TTL")?)?;
                self.ttls.set_default(ttl);
                self.items.push(Item::DefaultTtl(ttl));
                Ok(())
            }
            b"$GENERATE" => self.generate(statement, cursor.origin),
            other => {
                let problem = Problem::UnknownDirective { text: shown(other) };
                Err(Flaw::new(line.whole.start(), problem))
            }
        }
    }

    /// An outer error has its position in this file, an inner error in the included file.
    fn include(
        &mut self,
        statement: Statement<'_>,
        cursor: &Cursor,
    ) -> Result<Result<(), ReadError>, Flaw> {
        let Statement { text, file, line, tokens } = statement;
        let Some(at) = tokens.get(1).copied() else {
            return Err(Flaw::new(line.end, Problem::Missing { what: "the file" }));
        };
        if let Some(extra) = tokens.get(3) {
            return Err(Flaw::new(extra.start(), Problem::Extra { what: "the origin" }));
        }
        let mut origin = cursor.origin;
        if let Some(named) = tokens.get(2) {
            self.origins.push(read_name(text, *named, &self.origins[cursor.origin])?);
            origin = self.origins.len() - 1;
        }
        let path = self.included_path(file, at.of(text));
        let refused = |problem| Err(Flaw::new(at.start(), problem));
        if self.open.iter().any(|open| self.files[*open].path == path) {
            return refused(Problem::IncludeCycle { path });
        }
        if self.open.len() > INCLUDE_DEPTH_MAX {
            return refused(Problem::IncludeTooDeep { max: INCLUDE_DEPTH_MAX });
        }
        if self.files.len() > INCLUDES_MAX {
            return refused(Problem::TooManyIncludes { max: INCLUDES_MAX });
        }
        let included = match (self.load)(&path) {
            Ok(included) => included,
            Err(error) => return refused(Problem::NotIncluded { path, error }),
        };
        self.files.push(File { path, text: Arc::new(included) });
        let index = self.files.len() - 1;
        self.open.push(index);
        self.items.push(Item::IncludeStart);
        if let Err(error) = self.file(index, origin, cursor.owner.clone()) {
            return Ok(Err(error));
        }
        self.items.push(Item::IncludeEnd);
        self.open.pop();
        Ok(Ok(()))
    }

    fn included_path(&self, file: usize, token: &[u8]) -> PathBuf {
        let name = token.strip_prefix(b"\"").and_then(|t| t.strip_suffix(b"\"")).unwrap_or(token);
        let directory = self.files[file].path.parent().unwrap_or(Path::new(""));
        directory.join(shown(name))
    }

    fn generate(&mut self, statement: Statement<'_>, origin: usize) -> Result<(), Flaw> {
        let Statement { text, file, line, tokens } = statement;
        let Generate { range, left, ttl, rtype, rtype_at, right } =
            Generate::parse(text, line, tokens)?;
        self.generated = self.generated.saturating_add(range.count());
        let max = match range.count() > GENERATED_MAX {
            true => GENERATED_MAX,
            false => GENERATED_TOTAL_MAX,
        };
        if range.count() > max || self.generated > max {
            return Err(Flaw::new(tokens[1].start(), Problem::TooManyGenerated { max }));
        }
        let filled = |span: Span, number| {
            let template = unquoted(span.of(text));
            generate::fill(&template, number).map_err(|error| {
                Flaw::new(span.start(), Problem::BadTemplate { text: template, error })
            })
        };
        for number in range.numbers() {
            let owner = filled(left, number)?;
            let name = Name::relative_to(&owner, &self.origins[origin]).map_err(|error| {
                Flaw::new(left.start(), Problem::BadName { text: owner, error })
            })?;
            self.scratch = filled(right, number)?;
            let entry = Entry {
                key: RrKey::new(name, rtype),
                ttl: Ttl::ZERO,
                rdata: None,
                file,
                line: line.whole,
                owner: OwnerAt { span: left, origin },
                origin,
                inherits: false,
                explicit_ttl: ttl.is_some(),
                source: Source::Generated,
            };
            self.add(entry, ttl, [rtype_at.start(), right.start()])?;
        }
        Ok(())
    }
}

/// The arguments of a `$GENERATE`: `range owner [ttl] [class] type rdata`.
struct Generate {
    range: Range,
    left: Span,
    ttl: Option<Ttl>,
    rtype: RrType,
    rtype_at: Span,
    right: Span,
}

impl Generate {
    fn parse(text: &[u8], line: &Line, tokens: &[Span]) -> Result<Self, Flaw> {
        let Some(range_at) = tokens.get(1) else {
            return Err(Flaw::new(line.end, Problem::Missing { what: "the range" }));
        };
        let range_text = shown(range_at.of(text));
        let range = Range::parse(&range_text)
            .ok_or_else(|| Flaw::new(range_at.start(), Problem::BadRange { text: range_text }))?;
        // The rest has the columns of a record that writes its owner.
        let written = Line { lead: 0, ..*line };
        let Head { owner, ttl, class: _, rtype_at, rtype, rdata } =
            record::head(text, &written, &tokens[2..])?;
        let rdata = &tokens[2..][rdata..];
        let (Some(left), Some(right)) = (owner, rdata.first()) else {
            return Err(Flaw::new(line.end, Problem::Missing { what: "the rdata" }));
        };
        match rdata.get(1) {
            // BIND takes a single token; several must be quoted.
            Some(extra) => Err(Flaw::new(extra.start(), Problem::Extra { what: "the rdata" })),
            None => {
                let ttl = ttl.map(|(_, ttl)| ttl);
                Ok(Self { range, left, ttl, rtype, rtype_at, right: *right })
            }
        }
    }
}

fn unquoted(token: &[u8]) -> String {
    let inner = token.strip_prefix(b"\"").and_then(|t| t.strip_suffix(b"\"")).unwrap_or(token);
    let mut text = String::with_capacity(inner.len());
    lex::push_escaped(inner, &mut text);
    text
}

/// The only token after the name of a directive.
fn only_argument(line: &Line, tokens: &[Span], what: &'static str) -> Result<Span, Flaw> {
    match tokens {
        [_, argument] => Ok(*argument),
        [_, _, extra, ..] => Err(Flaw::new(extra.start(), Problem::Extra { what })),
        [_] | [] => Err(Flaw::new(line.end, Problem::Missing { what })),
    }
}
