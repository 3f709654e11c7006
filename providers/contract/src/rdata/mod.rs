//! Rdata: canonical wire form inside, presentation form at the edges.
//!
//! One table says of which fields each type's rdata consist ([`table`]); checking wire form
//! ([`wire`]), reading presentation form ([`read`]) and showing it ([`show`]) all walk that table,
//! so that a type is one line and the three cannot disagree. Types that are not in the table are
//! opaque octets, `\# 4 0a000001` in presentation form (RFC 3597 §5).
//!
//! Invariants: an [`Rdata`] of a type in the table is well-formed, since all octets pass
//! [`Rdata::from_wire`] or a typed constructor; what is shown reads back to the same octets.
//!
//! What this does not do: it follows no compression pointers (whoever has a whole message takes
//! them out first), keeps no comments, and does not ask whether a record makes sense to mail.

mod loc;
mod read;
mod show;
mod svcb;
mod svcb_keys;
mod table;
mod typed;
mod wire;
mod words;

#[cfg(test)]
mod random_tests;
#[cfg(test)]
mod svcb_tests;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use crate::{Name, RrType};

pub use typed::Soa;

/// The data of one record, in uncompressed wire form with the names in it in lower case
/// (RFC 4034 §6.2; SVCB and HTTPS targets are lowered too).
///
/// Two rdata are equal when they mean the same: TXT is compared joined across its strings, so that
/// a provider's way of splitting long values makes no difference. What is held, and written, is the
/// division into strings that was read.
#[derive(Clone)]
pub struct Rdata {
    rtype: RrType,
    wire: Box<[u8]>,
}

/// Why a text or some octets are no rdata of their type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct RdataError {
    /// What is wrong, as a lower-case fragment that names the field: `the preference is no number
    /// from 0 to 65535`.
    pub problem: String,
}

impl RdataError {
    fn new(problem: impl Into<String>) -> Self {
        Self { problem: problem.into() }
    }
}

impl Rdata {
    /// The type.
    #[must_use]
    pub fn rtype(&self) -> RrType {
        self.rtype
    }

    /// Uncompressed wire form.
    #[must_use]
    pub fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// Takes uncompressed wire form; names in it are lowered.
    ///
    /// # Errors
    /// [`RdataError`] where the octets are not well-formed for a type that is known here.
    pub fn from_wire(rtype: RrType, wire: &[u8]) -> Result<Self, RdataError> {
        if u16::try_from(wire.len()).is_err() {
            return Err(RdataError::new("the rdata have more than 65535 octets"));
        }
        let wire = match table::fields_of(rtype) {
            Some(fields) => wire::checked(fields, wire)?,
            None => wire.to_vec(),
        };
        Ok(Self { rtype, wire: wire.into_boxed_slice() })
    }

    /// Reads presentation form (RFC 1035 §5.1; `\# 4 0A000001` for any type, RFC 3597 §5). Names
    /// without a trailing dot lie below `origin`; without an origin they are refused.
    ///
    /// A `;` outside quotes is refused: in a master file it begins a comment, so a DKIM key that
    /// somebody forgot to quote would be cut short and still be valid.
    ///
    /// # Errors
    /// [`RdataError`].
    pub fn parse(rtype: RrType, text: &str, origin: Option<&Name>) -> Result<Self, RdataError> {
        // The wire is checked as if it came from elsewhere: one place decides what is well-formed.
        Self::from_wire(rtype, &read::record(table::fields_of(rtype), text, origin)?)
    }

    /// What is compared: the wire form, of TXT and SPF the strings joined.
    fn canonical(&self) -> Cow<'_, [u8]> {
        match self.txt_joined() {
            Some(joined) => Cow::Owned(joined),
            None => Cow::Borrowed(&self.wire),
        }
    }
}

impl fmt::Display for Rdata {
    /// Presentation form: names absolute, strings quoted, hexadecimal in lower case.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&match table::fields_of(self.rtype) {
            Some(fields) => show::record(fields, &self.wire),
            None => show::opaque(&self.wire),
        })
    }
}

impl fmt::Debug for Rdata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Ord for Rdata {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rtype.cmp(&other.rtype).then_with(|| self.canonical().cmp(&other.canonical()))
    }
}

impl PartialOrd for Rdata {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Rdata {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Rdata {}

impl Hash for Rdata {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.rtype.hash(state);
        self.canonical().hash(state);
    }
}
