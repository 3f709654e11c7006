//! Rdata: canonical wire form inside, presentation form at the edges.
//!
//! One table says of which fields each type's rdata consist ([`table`]); checking wire form
//! ([`wire`]), reading presentation form ([`read`]) and showing it ([`show`]) all walk that table,
//! so that a type is one line and the three cannot disagree. Types that are not in the table are
//! opaque octets, `\# 4 0a000001` in presentation form (RFC 3597 §5).
//!
//! A zone may hold what nobody here understands: octets that are none of their type, or words that a
//! server takes and that cannot be read. Neither makes the zone unreadable: [`Rdata::kept_wire`] and
//! [`Rdata::kept`] hold octets and words as they are, but for the types that a delegation or a mail is
//! found by. Such rdata are *opaque*, as are those of types that are only kept ([`RrType::is_kept`]):
//! they are shown and compared, and never written.
//!
//! Invariants: an [`Rdata`] of a type in the table whose form is [`Form::Fields`] is well-formed,
//! since all octets pass [`Rdata::from_wire`] or a typed constructor; what is shown reads back to the
//! same octets.
//!
//! What this does not do: it follows no compression pointers (whoever has a whole message takes
//! them out first), keeps no comments, and does not ask whether a record makes sense to mail.

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

/// The data of one record, in uncompressed wire form with the names in it in lower case
/// (RFC 4034 §6.2; SVCB and HTTPS targets are lowered too).
///
/// Two rdata are equal when their octets are. The division of a TXT into strings counts: to DNS-SD
/// `"a=1" "b=2"` is something else than `"a=1b=2"` (RFC 6763 §6). Whoever asks what SPF or DKIM make of a
/// TXT joins its strings ([`Rdata::txt_joined`], [`Rdata::reads_as`]).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Rdata {
    rtype: RrType,
    wire: Box<[u8]>,
    form: Form,
}

/// What is known of some rdata.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Form {
    /// The octets are those of the type, or of a type that has no fields here.
    Fields,
    /// The octets are not made of the type's fields.
    Octets,
    /// There are words only, in place of the octets; names in them lie below this one.
    Words(Option<Name>),
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

    /// Uncompressed wire form; of rdata whose words are all that is known, nothing.
    #[must_use]
    pub fn wire(&self) -> &[u8] {
        match self.form {
            Form::Fields | Form::Octets => &self.wire,
            Form::Words(_) => &[],
        }
    }

    /// Whether the record is kept as it is, and never written.
    #[must_use]
    pub fn is_opaque(&self) -> bool {
        self.form != Form::Fields || self.rtype.is_kept()
    }

    /// The name below which relative names in the words lie, where words are all that is known.
    #[must_use]
    pub fn origin_of_words(&self) -> Option<&Name> {
        match &self.form {
            Form::Words(origin) => origin.as_ref(),
            Form::Fields | Form::Octets => None,
        }
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
        Ok(Self { rtype, wire: wire.into_boxed_slice(), form: Form::Fields })
    }

    /// The same, and octets that are not of the type's fields are held as they are, but for the
    /// types that a delegation or a mail is found by.
    ///
    /// # Errors
    /// [`RdataError`] for those types, and beyond 65535 octets.
    pub fn kept_wire(rtype: RrType, wire: &[u8]) -> Result<Self, RdataError> {
        match Self::from_wire(rtype, wire) {
            Err(_) if !has_to_be_read(rtype) && u16::try_from(wire.len()).is_ok() => {
                Ok(Self { rtype, wire: wire.into(), form: Form::Octets })
            }
            read => read,
        }
    }

    /// The same as [`Rdata::parse`], and words that cannot be read are held as they are, but for the
    /// types that a delegation or a mail is found by.
    ///
    /// # Errors
    /// [`RdataError`] for those types, and where the text has no words at all.
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

    /// Whether the two read the same to whoever joins the strings of a TXT, as SPF and DKIM do.
    #[must_use]
    pub fn reads_as(&self, other: &Self) -> bool {
        match (self.txt_joined(), other.txt_joined()) {
            (Some(one), Some(other_text)) => self.rtype == other.rtype && one == other_text,
            _ => self == other,
        }
    }
}

/// Types by which a delegation, a name or a mail is found: what of them cannot be read could be
/// anything, so that the zone as a whole is not understood.
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
    /// Presentation form: names absolute, strings quoted, hexadecimal in lower case; of words that
    /// were not understood the words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&match (&self.form, table::fields_of(self.rtype)) {
            (Form::Words(_), _) => String::from_utf8_lossy(&self.wire).into_owned(),
            // Nothing at all has no other form.
            (Form::Fields, Some(fields)) if !self.wire.is_empty() => {
                show::record(fields, &self.wire)
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
    /// TXT are in the order of their text, for people: the length of its first string says nothing.
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
