//! Why a text is no master file of its zone.

use std::io;
use std::path::{Path, PathBuf};

use cutover_contract::{Name, NameError, RdataError, RrSetError, RrType, RrTypeError};

use crate::generate::TemplateError;

/// A place in a file, as editors count: from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was named.
    pub file: PathBuf,
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Place {
    /// The place of an octet.
    pub(crate) fn of(file: &Path, text: &[u8], at: usize) -> Self {
        let before = &text[..at.min(text.len())];
        let start = before.iter().rposition(|octet| *octet == b'\n').map_or(0, |end| end + 1);
        // Octets that continue a UTF-8 character are none of their own.
        let column = before[start..].iter().filter(|octet| **octet & 0xc0 != 0x80).count() + 1;
        let line = before.iter().filter(|octet| **octet == b'\n').count() + 1;
        Self { file: file.to_owned(), line, column }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { file, line, column } = self;
        write!(f, "{}:{line}:{column}", file.display())
    }
}

/// A text that is no master file of its zone.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct ReadError {
    /// Where.
    pub place: Place,
    /// What is wrong there.
    pub problem: Problem,
}

/// A problem at an octet of a file, before the file's name is known.
#[derive(Debug)]
pub(crate) struct Flaw {
    pub(crate) at: usize,
    pub(crate) problem: Problem,
}

impl Flaw {
    pub(crate) fn new(at: usize, problem: Problem) -> Self {
        Self { at, problem }
    }
}

/// What is wrong at a place of a master file.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// A `(` without its `)`.
    #[error("this `(` has no `)`")]
    OpenParenthesis,
    /// A `)` without its `(`.
    #[error("this `)` has no `(`")]
    StrayParenthesis,
    /// A string that does not end in its line.
    #[error("this quoted string does not end before the line does")]
    OpenQuote,
    /// A backslash at the end of a line.
    #[error("this `\\` has no character to escape")]
    OpenEscape,
    /// A carriage return that is no part of a line end.
    #[error("a carriage return without a line feed; lines end in LF or CR LF")]
    StrayReturn,
    /// An octet of value 0.
    #[error("an octet of value 0; this is no text file")]
    NullOctet,
    /// More octets than are read.
    #[error("the file has more than {max} octets")]
    FileTooLong {
        /// The bound.
        max: usize,
    },
    /// A directive that nobody knows.
    #[error("`{text}` is none of $ORIGIN, $TTL, $INCLUDE and $GENERATE")]
    UnknownDirective {
        /// What was written.
        text: String,
    },
    /// A line that ends too early.
    #[error("{what} is missing")]
    Missing {
        /// What should have come next.
        what: &'static str,
    },
    /// A line that goes on after its end.
    #[error("the line goes on after {what}")]
    Extra {
        /// What should have been last.
        what: &'static str,
    },
    /// A text that is no name.
    #[error("`{text}` is no name: {error}")]
    BadName {
        /// What was written.
        text: String,
        /// Why it is none.
        error: NameError,
    },
    /// A line that begins with a blank, and no record before it.
    #[error("the line begins with a blank, and there is no owner before it to be inherited")]
    NoOwner,
    /// An owner outside of the zone.
    #[error("{name} lies outside of the zone {zone}")]
    OutOfZone {
        /// The owner.
        name: Name,
        /// The zone.
        zone: Name,
    },
    /// A class other than IN.
    #[error("the class `{text}` is not IN")]
    OtherClass {
        /// What was written.
        text: String,
    },
    /// A text that is no TTL.
    #[error("`{text}` is no TTL from 0 to 2147483647 seconds (units: w, d, h, m, s)")]
    BadTtl {
        /// What was written.
        text: String,
    },
    /// No TTL, and nothing to take it from.
    #[error("there is no TTL, no $TTL and no TTL before it; write $TTL in front")]
    NoTtl,
    /// A text that is no type.
    #[error("{0}")]
    BadType(RrTypeError),
    /// Rdata that are none of their type.
    #[error("{rtype}: {error}")]
    BadRdata {
        /// The type.
        rtype: RrType,
        /// Why they are none.
        error: RdataError,
    },
    /// Records that make no RRset.
    #[error("{0}")]
    BadRrSet(RrSetError),
    /// No SOA at the apex.
    #[error("there is no SOA record for {zone}")]
    NoSoa {
        /// The zone.
        zone: Name,
    },
    /// An SOA elsewhere.
    #[error("an SOA record stands below the zone's apex")]
    SoaBelowApex,
    /// A file that cannot be included.
    #[error("{} cannot be read: {error}", path.display())]
    NotIncluded {
        /// The file.
        path: PathBuf,
        /// The system's word.
        error: io::Error,
    },
    /// A file that includes itself.
    #[error("{} includes itself", path.display())]
    IncludeCycle {
        /// The file.
        path: PathBuf,
    },
    /// Includes in includes.
    #[error("files are included more than {max} deep")]
    IncludeTooDeep {
        /// The bound.
        max: usize,
    },
    /// Too many files.
    #[error("more than {max} files are included")]
    TooManyIncludes {
        /// The bound.
        max: usize,
    },
    /// A range of `$GENERATE` that is none.
    #[error("`{text}` is no range such as 1-254 or 0-30/2")]
    BadRange {
        /// What was written.
        text: String,
    },
    /// A range of `$GENERATE` that has too many steps.
    #[error("$GENERATE would make more than {max} records")]
    TooManyGenerated {
        /// The bound.
        max: usize,
    },
    /// A template of `$GENERATE` that cannot be filled in.
    #[error("`{text}`: {error}")]
    BadTemplate {
        /// What was written.
        text: String,
        /// Why it cannot.
        error: TemplateError,
    },
}
