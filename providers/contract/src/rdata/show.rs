//! Showing presentation form, field by field.
//!
//! Everything here relies on wire form that was checked before.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::table::{Field, Kind};
use super::{loc, odd, svcb, wire};
use crate::{Name, RrType};

/// The presentation form of well-formed octets.
pub(super) fn record(fields: &[Field], wire: &[u8]) -> String {
    let mut text = String::with_capacity(wire.len() * 2);
    let mut rest = wire;
    for Field { kind, .. } in fields {
        let octets = wire::extent(*kind, rest).expect("checked when the rdata was made");
        let (front, after) = rest.split_at(octets);
        // An empty parameter list is shown as nothing; an empty CAA value is still shown as `""`.
        let shows = !front.is_empty() || matches!(kind, Kind::Text);
        if shows && !text.is_empty() {
            text.push(' ');
        }
        field(*kind, front, &mut text);
        rest = after;
    }
    text
}

/// Octets of any type (RFC 3597 §5).
pub(super) fn opaque(wire: &[u8]) -> String {
    let mut text = format!("\\# {}", wire.len());
    if !wire.is_empty() {
        text.push(' ');
        push_hex(wire, &mut text);
    }
    text
}

fn field(kind: Kind, front: &[u8], text: &mut String) {
    match kind {
        Kind::Name => text.push_str(&name(front).to_string()),
        Kind::U8 | Kind::U16 | Kind::U32 | Kind::Period | Kind::Algorithm => {
            text.push_str(&number(front).to_string());
        }
        Kind::Ipv4 => text.push_str(&ipv4(front)),
        Kind::Ipv6 => text.push_str(&ipv6(front)),
        Kind::CharString => push_quoted(&front[1..], text),
        Kind::CharStrings => {
            for (n, string) in strings(front).enumerate() {
                if n > 0 {
                    text.push(' ');
                }
                push_quoted(string, text);
            }
        }
        Kind::Tag => text.extend(front[1..].iter().copied().map(char::from)),
        Kind::Text => push_quoted(front, text),
        Kind::Hex { .. } => push_hex(front, text),
        Kind::Base64 | Kind::Base64OrNothing => text.push_str(&base64(front)),
        Kind::TypeName => {
            let number = u16::try_from(number(front)).expect("two octets are below 65536");
            text.push_str(&RrType::new(number).to_string());
        }
        Kind::Scheme | Kind::CertType => text.push_str(&number(front).to_string()),
        Kind::Dashed(_) => odd::show_dashed(front, text),
        Kind::Groups => odd::show_groups(front, text),
        Kind::Odd(form) => odd::show(form, front, text),
        Kind::Location => loc::show(front, text),
        Kind::SvcParams => svcb::show(front, text),
    }
}

/// The strings of octets that consist only of strings with length octets.
pub(super) fn strings(wire: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = wire;
    std::iter::from_fn(move || {
        let (length, after_length) = rest.split_first()?;
        let (string, after) = after_length.split_at_checked(usize::from(*length))?;
        rest = after;
        Some(string)
    })
}

/// The name in these octets.
pub(super) fn name(front: &[u8]) -> Name {
    Name::from_wire(front).expect("checked when the rdata was made").0
}

/// The number in at most four octets, the highest first.
pub(super) fn number(front: &[u8]) -> u32 {
    front.iter().fold(0, |number, octet| number << 8 | u32::from(*octet))
}

/// The IPv4 address in four octets.
pub(super) fn ipv4(front: &[u8]) -> String {
    let octets: [u8; 4] = front.try_into().expect("an IPv4 address has four octets");
    Ipv4Addr::from(octets).to_string()
}

/// The IPv6 address in sixteen octets (RFC 5952).
pub(super) fn ipv6(front: &[u8]) -> String {
    let octets: [u8; 16] = front.try_into().expect("an IPv6 address has sixteen octets");
    Ipv6Addr::from(octets).to_string()
}

/// Base64 with padding and without blanks.
pub(super) fn base64(octets: &[u8]) -> String {
    STANDARD.encode(octets)
}

/// A string in quotes, with `\"`, `\\`, and `\DDD` for everything that is not printable ASCII.
pub(super) fn push_quoted(string: &[u8], text: &mut String) {
    text.push('"');
    for octet in string {
        match octet {
            b'"' | b'\\' => text.extend(['\\', char::from(*octet)]),
            0x20..=0x7e => text.push(char::from(*octet)),
            _ => write!(text, "\\{octet:03}").expect("writing to a String does not fail"),
        }
    }
    text.push('"');
}

pub(super) fn push_hex(octets: &[u8], text: &mut String) {
    for octet in octets {
        write!(text, "{octet:02x}").expect("writing to a String does not fail");
    }
}
