//! Why a text is not a master file of its zone.

use std::io;
use std::path::{Path, PathBuf};

use cutover_zone::{Name, NameError, RdataError, RrSetError, RrType, RrTypeError};

use crate::generate::TemplateError;

/// A position in a file as editors count: from 1, with columns in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was named when it was read.
    pub file: PathBuf,
    /// The line number.
    pub line: usize,
    /// The column number.
    pub column: usize,
}

impl Place {
    /// The position of an octet.
    pub(crate) fn of(file: &Path, text: &[u8], at: usize) -> Self {
        let before = &text[..at.min(text.len())];
        let start = before.iter().rposition(|octet| *octet == b'\n').map_or(0, |end| end + 1);
        // Octets that continue a UTF-8 character do not count.
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

/// A text that is not a master file of its zone.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct ReadError {
    /// Where the problem is.
    pub place: Place,
    /// What the problem is.
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

/// What is wrong at a place in a master file.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// A `(` without its `)`.
    #[error("this `(` has no `)`")]
    OpenParenthesis,
    /// A `)` without its `(`.
    #[error("this `)` has no `(`")]
    StrayParenthesis,
    /// A quoted string that does not end in its line.
    #[error("this quoted string does not end in this line")]
    OpenQuote,
    /// A backslash at the end of a line.
    #[error("this `\\` has no character to escape")]
    OpenEscape,
    /// A carriage return that is not part of a line end.
    #[error("a carriage return without a line feed; lines end in LF or CR LF")]
    StrayReturn,
    /// An octet with the value 0.
    #[error("an octet with the value 0; this is not a text file")]
    NullOctet,
    /// A file that is larger than the bound.
    #[error("the file has more than {max} octets")]
    FileTooLong {
        /// The bound.
        max: usize,
    },
    /// An unknown directive.
    #[error("`{text}` is not one of $ORIGIN, $TTL, $INCLUDE and $GENERATE")]
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
    /// A line with more on it than expected.
    #[error("the line goes on after {what}")]
    Extra {
        /// What should have come last.
        what: &'static str,
    },
    /// A text that is not a name.
    #[error("`{text}` is not a name: {error}")]
    BadName {
        /// What was written.
        text: String,
        /// Why it is not a name.
        error: NameError,
    },
    /// A line that begins with a blank before any record.
    #[error("the line begins with a blank, but there is no earlier owner to inherit")]
    NoOwner,
    /// An owner outside the zone.
    #[error("{name} lies outside the zone {zone}")]
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
    /// A text that is not a TTL.
    #[error("`{text}` is not a TTL from 0 to 2147483647 seconds (units: w, d, h, m, s)")]
    BadTtl {
        /// What was written.
        text: String,
    },
    /// A record without a TTL, and nothing to take it from.
    #[error("the record has no TTL, and there is no $TTL or earlier TTL; write a $TTL before it")]
    NoTtl,
    /// A text that is not a type.
    #[error("{0}")]
    BadType(RrTypeError),
    /// Rdata that do not fit their type.
    #[error("{rtype}: {error}")]
    BadRdata {
        /// The type.
        rtype: RrType,
        /// Why they do not fit.
        error: RdataError,
    },
    /// Records that are not an RRset.
    #[error("{0}")]
    BadRrSet(RrSetError),
    /// There is no SOA at the apex.
    #[error("there is no SOA record for {zone}")]
    NoSoa {
        /// The zone.
        zone: Name,
    },
    /// An SOA that is not at the apex.
    #[error("there is an SOA record below the zone's apex")]
    SoaBelowApex,
    /// A file that cannot be included.
    #[error("{} cannot be read: {error}", path.display())]
    NotIncluded {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// A file that includes itself.
    #[error("{} includes itself", path.display())]
    IncludeCycle {
        /// The file.
        path: PathBuf,
    },
    /// Includes that are nested too deep.
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
    /// A range of `$GENERATE` that is invalid.
    #[error("`{text}` is not a range such as 1-254 or 0-30/2")]
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
        /// Why it cannot be filled in.
        error: TemplateError,
    },
}
