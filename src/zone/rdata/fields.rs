//! A record as its fields: each kind of field is read, shown and checked by the file that knows it.

use super::table::{Field, Kind};
use super::words::{Complaint, Words};
use super::{RdataError, loc, odd, read, show, svcb, wire};
use crate::{Name, RrType};

/// Reads a text into wire form; `fields` is `None` for an opaque type.
pub(super) fn read(
    fields: Option<&[Field]>,
    text: &str,
    origin: Option<&Name>,
) -> Result<Vec<u8>, RdataError> {
    let mut words = Words::of(text)?;
    let mut wire = Vec::with_capacity(text.len());
    match fields {
        _ if words.opaque_mark() => read::opaque(&mut words, &mut wire)?,
        Some(fields) => {
            for Field { name, kind } in fields {
                read::named(name, read_field(*kind, &mut words, origin, &mut wire))?;
            }
        }
        None => {
            let problem = "rdata of an unknown type are written `\\# length hex`";
            return Err(RdataError::new(problem));
        }
    }
    match words.is_empty() {
        true => Ok(wire),
        false => Err(RdataError::new("there is text after the last field")),
    }
}

fn read_field(
    kind: Kind,
    words: &mut Words<'_>,
    origin: Option<&Name>,
    wire: &mut Vec<u8>,
) -> Result<(), Complaint> {
    match kind {
        Kind::Name => wire.extend_from_slice(read::name(words.plain()?, origin)?.wire()),
        Kind::U8 => read::push_number(1, read::number(words.plain()?, 255)?, wire),
        Kind::U16 => read::push_number(2, read::number(words.plain()?, 65_535)?, wire),
        Kind::U32 => read::push_number(4, read::number(words.plain()?, u32::MAX)?, wire),
        Kind::Period => read::push_number(4, read::period(words.plain()?)?, wire),
        Kind::Algorithm => read::push_number(1, read::algorithm(words.plain()?)?, wire),
        Kind::Ipv4 => wire.extend(read::ipv4(words.plain()?)?.octets()),
        Kind::Ipv6 => wire.extend(read::ipv6(words.plain()?)?.octets()),
        Kind::CharString => read::push_string(&words.string()?, wire)?,
        Kind::Tag => read::push_string(words.plain()?.as_bytes(), wire)?,
        Kind::CharStrings => {
            read::push_string(&words.string()?, wire)?;
            while !words.is_empty() {
                read::push_string(&words.string()?, wire)?;
            }
        }
        Kind::Text => wire.extend(words.string()?),
        Kind::Hex { .. } => read::push_hex(&read::joined(words)?, wire)?,
        Kind::Base64 => wire.extend(read::base64(&read::joined(words)?)?),
        Kind::Base64OrNothing if words.is_empty() => {}
        Kind::Base64OrNothing => wire.extend(read::base64(&read::joined(words)?)?),
        Kind::CertType => read::push_number(
            2,
            read::named_number(words.plain()?, read::CERT_TYPES, 65_535)?,
            wire,
        ),
        Kind::TypeName => {
            let rtype: RrType =
                words.plain()?.parse().map_err(|error| format!("is unknown: {error}"))?;
            read::push_number(2, u32::from(rtype.number()), wire);
        }
        Kind::Scheme => {
            read::push_number(1, read::named_number(words.plain()?, &[("NOTIFY", 1)], 255)?, wire)
        }
        Kind::Dashed(octets) => odd::read_dashed(words.plain()?, octets, wire)?,
        Kind::Groups => odd::read_groups(words.plain()?, wire)?,
        Kind::Odd(form) => odd::read(form, words, origin, wire)?,
        Kind::Location => loc::read(words, wire)?,
        Kind::SvcParams => svcb::read(words, wire)?,
    }
    Ok(())
}

/// The presentation form of well-formed octets.
pub(super) fn show(fields: &[Field], wire: &[u8]) -> String {
    let mut text = String::with_capacity(wire.len() * 2);
    let mut rest = wire;
    for Field { kind, .. } in fields {
        let octets = extent(*kind, rest).expect("checked when the rdata was made");
        let (front, after) = rest.split_at(octets);
        // An empty parameter list is shown as nothing; an empty CAA value is still shown as `""`.
        let shows = !front.is_empty() || matches!(kind, Kind::Text);
        if shows && !text.is_empty() {
            text.push(' ');
        }
        show_field(*kind, front, &mut text);
        rest = after;
    }
    text
}

fn show_field(kind: Kind, front: &[u8], text: &mut String) {
    match kind {
        Kind::Name => text.push_str(&show::name(front).to_string()),
        Kind::U8 | Kind::U16 | Kind::U32 | Kind::Period | Kind::Algorithm => {
            text.push_str(&show::number(front).to_string());
        }
        Kind::Ipv4 => text.push_str(&show::ipv4(front)),
        Kind::Ipv6 => text.push_str(&show::ipv6(front)),
        Kind::CharString => show::push_quoted(&front[1..], text),
        Kind::CharStrings => {
            for (n, string) in show::strings(front).enumerate() {
                if n > 0 {
                    text.push(' ');
                }
                show::push_quoted(string, text);
            }
        }
        Kind::Tag => text.extend(front[1..].iter().copied().map(char::from)),
        Kind::Text => show::push_quoted(front, text),
        Kind::Hex { .. } => show::push_hex(front, text),
        Kind::Base64 | Kind::Base64OrNothing => text.push_str(&show::base64(front)),
        Kind::TypeName => {
            let number = u16::try_from(show::number(front)).expect("two octets are below 65536");
            text.push_str(&RrType::new(number).to_string());
        }
        Kind::Scheme | Kind::CertType => text.push_str(&show::number(front).to_string()),
        Kind::Dashed(_) => odd::show_dashed(front, text),
        Kind::Groups => odd::show_groups(front, text),
        Kind::Odd(form) => odd::show(form, front, text),
        Kind::Location => loc::show(front, text),
        Kind::SvcParams => svcb::show(front, text),
    }
}

/// The same octets with names in lower case, if they are well-formed.
pub(super) fn check(fields: &[Field], wire: &[u8]) -> Result<Vec<u8>, RdataError> {
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
fn extent(kind: Kind, wire: &[u8]) -> Result<usize, Complaint> {
    match kind {
        Kind::Name => match Name::from_wire(wire) {
            Some((_, octets)) => Ok(octets),
            None => Err("is not a complete, uncompressed name of at most 255 octets".to_owned()),
        },
        Kind::U8 | Kind::Algorithm => wire::fixed(1, wire),
        Kind::U16 => wire::fixed(2, wire),
        Kind::U32 | Kind::Period | Kind::Ipv4 => wire::fixed(4, wire),
        Kind::Ipv6 => wire::fixed(16, wire),
        Kind::CharString => wire::char_string(wire),
        Kind::CharStrings => wire::char_strings(wire),
        Kind::Tag => wire::tag(wire),
        Kind::Text => Ok(wire.len()),
        Kind::Hex { octets_min } => wire::at_least(octets_min, wire),
        Kind::Base64 => wire::at_least(1, wire),
        Kind::Base64OrNothing => Ok(wire.len()),
        Kind::CertType | Kind::TypeName => wire::fixed(2, wire),
        Kind::Scheme => wire::fixed(1, wire),
        Kind::Dashed(octets) => wire::fixed(octets, wire),
        Kind::Groups => wire::fixed(8, wire),
        Kind::Odd(form) => odd::check(form, wire).map(|()| wire.len()),
        Kind::Location => loc::check(wire).map(|()| wire.len()),
        Kind::SvcParams => svcb::check(wire).map(|()| wire.len()),
    }
}
