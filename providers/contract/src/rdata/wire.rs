//! Checking wire form, field by field.

use super::table::{Complaint, Field, Kind};
use super::{RdataError, loc, odd, svcb};
use crate::Name;

/// The same octets with names in lower case, if they are well-formed.
pub(super) fn checked(fields: &[Field], wire: &[u8]) -> Result<Vec<u8>, RdataError> {
    let mut lowered = Vec::with_capacity(wire.len());
    let mut rest = wire;
    for Field { name, kind } in fields {
        let octets = extent(*kind, rest)
            .map_err(|complaint| RdataError::new(format!("the {name} {complaint}")))?;
        let (front, after) = rest.split_at(octets);
        if let Kind::Name = kind {
            // A length octet of a label is below 64, so it is never taken for a letter.
            lowered.extend(front.iter().map(u8::to_ascii_lowercase));
        } else if let Kind::Odd(form) = kind {
            lowered.extend(odd::lowered(*form, front));
        } else {
            lowered.extend_from_slice(front);
        }
        rest = after;
    }
    match rest.is_empty() {
        true => Ok(lowered),
        false => Err(RdataError::new("the rdata go on after the last field")),
    }
}

/// The number of octets at the front of `wire` that belong to this field, if they are well-formed.
pub(super) fn extent(kind: Kind, wire: &[u8]) -> Result<usize, Complaint> {
    match kind {
        Kind::Name => match Name::from_wire(wire) {
            Some((_, octets)) => Ok(octets),
            None => Err("is not a complete, uncompressed name of at most 255 octets".to_owned()),
        },
        Kind::U8 | Kind::Algorithm => fixed(1, wire),
        Kind::U16 => fixed(2, wire),
        Kind::U32 | Kind::Period | Kind::Ipv4 => fixed(4, wire),
        Kind::Ipv6 => fixed(16, wire),
        Kind::CharString => char_string(wire),
        Kind::CharStrings => char_strings(wire),
        Kind::Tag => tag(wire),
        Kind::Text => Ok(wire.len()),
        Kind::Hex { octets_min } => at_least(octets_min, wire),
        Kind::Base64 => at_least(1, wire),
        Kind::Base64OrNothing => Ok(wire.len()),
        Kind::CertType | Kind::TypeName => fixed(2, wire),
        Kind::Scheme => fixed(1, wire),
        Kind::Dashed(octets) => fixed(octets, wire),
        Kind::Groups => fixed(8, wire),
        Kind::Odd(form) => odd::check(form, wire).map(|()| wire.len()),
        Kind::Location => loc::check(wire).map(|()| wire.len()),
        Kind::SvcParams => svcb::check(wire).map(|()| wire.len()),
    }
}

fn fixed(octets: usize, wire: &[u8]) -> Result<usize, Complaint> {
    match wire.len() >= octets {
        true => Ok(octets),
        false => Err("ends early".to_owned()),
    }
}

fn at_least(octets_min: usize, wire: &[u8]) -> Result<usize, Complaint> {
    match wire.len() >= octets_min {
        true => Ok(wire.len()),
        false if octets_min == 1 => Err("is empty".to_owned()),
        false => Err(format!("has fewer than {octets_min} octets")),
    }
}

pub(super) fn char_string(wire: &[u8]) -> Result<usize, Complaint> {
    let length = fixed(1, wire).map(|_| usize::from(wire[0]))?;
    fixed(1 + length, wire)
}

fn char_strings(wire: &[u8]) -> Result<usize, Complaint> {
    // A TXT has at least one string (RFC 1035 §3.3.14), which may be empty.
    let mut at = char_string(wire)?;
    while at < wire.len() {
        at += char_string(&wire[at..])?;
    }
    Ok(at)
}

fn tag(wire: &[u8]) -> Result<usize, Complaint> {
    let octets = char_string(wire)?;
    let tag = &wire[1..octets];
    match !tag.is_empty() && tag.iter().all(u8::is_ascii_alphanumeric) {
        true => Ok(octets),
        false => Err("is not made of letters and digits".to_owned()),
    }
}
