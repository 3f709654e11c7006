//! Rdata: canonical wire form inside, presentation form at the edges.
//!
//! One table lists the fields of each type's rdata ([`table`]). Checking wire form ([`wire`]),
//! reading presentation form ([`read`]) and showing it ([`show`]) all use that table, so a type is
//! a single line and the three cannot disagree. Types that are not in the table are opaque octets,
//! `\# 4 0a000001` in presentation form (RFC 3597 §5).
//!
//! A zone may hold records that we cannot read: octets that do not fit their type, or words that
//! only the server understands. They do not make the zone unreadable: [`Rdata::kept_wire`] and
//! [`Rdata::kept`] keep such octets and words as they are, except for the types that lead to a name
//! server, a name or a mail server. Such rdata are *opaque*, like the rdata of types that are only
//! kept ([`RrType::is_kept`]): they are shown and compared, but never written.
//!
//! Invariants: an [`Rdata`] of a type in the table whose form is [`Form::Fields`] is well-formed,
//! because all octets pass [`Rdata::from_wire`] or a typed constructor. What is shown reads back to
//! the same octets.
//!
//! This module follows no compression pointers (the caller resolves those of a message first),
//! keeps no comments, and does not judge whether a record makes sense for mail.

mod fields;
mod loc;
mod odd;
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

use std::cmp::Ordering;
use std::fmt;

use crate::{Name, RrType};

pub use typed::{Soa, next_serial};

/// The data of one record, in uncompressed wire form with all names in lower case (RFC 4034 §6.2;
/// SVCB and HTTPS targets too).
///
/// Two rdata are equal when their octets are. The division of a TXT into strings counts: DNS-SD
/// tells `"a=1" "b=2"` from `"a=1b=2"` (RFC 6763 §6). To see a TXT as SPF or DKIM do, join its
/// strings ([`Rdata::txt_joined`], [`Rdata::reads_as`]).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Rdata {
    rtype: RrType,
    wire: Box<[u8]>,
    form: Form,
}

/// How much of the rdata is understood.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Form {
    /// The octets consist of the type's fields, or the type has no fields here.
    Fields,
    /// The octets do not consist of the type's fields.
    Octets,
    /// There are only words and no octets; relative names in them are below this name.
    Words(Option<Name>),
}

/// Why a text or some octets are not rdata of their type.
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

    /// Uncompressed wire form; empty for rdata of which only the words are known.
    #[must_use]
    pub fn wire(&self) -> &[u8] {
        match self.form {
            Form::Fields | Form::Octets => &self.wire,
            Form::Words(_) => &[],
        }
    }

    /// Whether the record is kept as it is and never written.
    #[must_use]
    pub fn is_opaque(&self) -> bool {
        self.form != Form::Fields || self.rtype.is_kept()
    }

    /// The origin of relative names in the words, if only the words are known.
    #[must_use]
    pub fn origin_of_words(&self) -> Option<&Name> {
        match &self.form {
            Form::Words(origin) => origin.as_ref(),
            Form::Fields | Form::Octets => None,
        }
    }

    /// Reads uncompressed wire form; names in it become lower case.
    ///
    /// # Errors
    /// [`RdataError`] if the octets are not well-formed for a known type.
    pub fn from_wire(rtype: RrType, wire: &[u8]) -> Result<Self, RdataError> {
        if u16::try_from(wire.len()).is_err() {
            return Err(RdataError::new("the rdata have more than 65535 octets"));
        }
        let wire = match table::fields_of(rtype) {
            Some(fields) => fields::check(fields, wire)?,
            None => wire.to_vec(),
        };
        Ok(Self { rtype, wire: wire.into_boxed_slice(), form: Form::Fields })
    }

    /// Like [`Rdata::from_wire`], but keeps octets that do not consist of the type's fields as they
    /// are, except for the types that lead to a name server, a name or a mail server.
    ///
    /// # Errors
    /// [`RdataError`] for those types, and above 65535 octets.
    pub fn kept_wire(rtype: RrType, wire: &[u8]) -> Result<Self, RdataError> {
        match Self::from_wire(rtype, wire) {
            Err(_) if !has_to_be_read(rtype) && u16::try_from(wire.len()).is_ok() => {
                Ok(Self { rtype, wire: wire.into(), form: Form::Octets })
            }
            read => read,
        }
    }

    /// Like [`Rdata::parse`], but keeps words that it cannot read as they are, except for the types
    /// that lead to a name server, a name or a mail server.
    ///
    /// # Errors
    /// [`RdataError`] for those types, and if the text has no words.
    pub fn kept(rtype: RrType, text: &str, origin: Option<&Name>) -> Result<Self, RdataError> {
        match Self::parse(rtype, text, origin) {
            Err(_) if !has_to_be_read(rtype) => {
                if let Some(octets) = read::opaque_octets(text) {
                    return Self::kept_wire(rtype, &octets);
                }
                let text = read::plain_words(text)?;
                let form = Form::Words(origin.cloned());
                Ok(Self { rtype, wire: text.into_bytes().into(), form })
            }
            read => read,
        }
    }

    /// Reads presentation form (RFC 1035 §5.1; `\# 4 0A000001` for any type, RFC 3597 §5). Names
    /// without a trailing dot are relative to `origin`; without an origin they are refused.
    ///
    /// A `;` outside quotes is refused. In a master file it starts a comment, so an unquoted DKIM
    /// key would be cut short and still be valid.
    ///
    /// # Errors
    /// [`RdataError`].
    pub fn parse(rtype: RrType, text: &str, origin: Option<&Name>) -> Result<Self, RdataError> {
        // The wire form is checked as if it came from elsewhere, so one place decides what is
        // well-formed.
        Self::from_wire(rtype, &fields::read(table::fields_of(rtype), text, origin)?)
    }

    /// Whether the two read the same after the strings of a TXT are joined, as SPF and DKIM do.
    #[must_use]
    pub fn reads_as(&self, other: &Self) -> bool {
        match (self.txt_joined(), other.txt_joined()) {
            (Some(mine), Some(theirs)) => self.rtype == other.rtype && mine == theirs,
            _ => self == other,
        }
    }
}

/// Types that lead to a name server, a name or a mail server. A record of these types that cannot
/// be read could mean anything, so the zone as a whole is not understood.
fn has_to_be_read(rtype: RrType) -> bool {
    matches!(
        rtype,
        RrType::A
            | RrType::AAAA
            | RrType::CNAME
            | RrType::DNAME
            | RrType::MX
            | RrType::NS
            | RrType::PTR
            | RrType::SOA
            | RrType::SPF
            | RrType::SRV
            | RrType::TXT
    )
}

impl fmt::Display for Rdata {
    /// Presentation form: absolute names, quoted strings, lower-case hexadecimal. Words that were
    /// not understood are shown as they are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&match (&self.form, table::fields_of(self.rtype)) {
            (Form::Words(_), _) => String::from_utf8_lossy(&self.wire).into_owned(),
            // Empty rdata have no other form.
            (Form::Fields, Some(fields)) if !self.wire.is_empty() => {
                fields::show(fields, &self.wire)
            }
            (Form::Octets | Form::Fields, _) => show::opaque(&self.wire),
        })
    }
}

impl fmt::Debug for Rdata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Ord for Rdata {
    /// TXT records are in the order of their text, for people; the length of the first string says
    /// nothing.
    fn cmp(&self, other: &Self) -> Ordering {
        let by_type = self.rtype.cmp(&other.rtype);
        let by_text = || self.txt_joined().cmp(&other.txt_joined());
        let by_octets = || (&self.wire, &self.form).cmp(&(&other.wire, &other.form));
        by_type.then_with(by_text).then_with(by_octets)
    }
}

impl PartialOrd for Rdata {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
