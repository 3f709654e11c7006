//! Showing presentation form.
//!
//! Everything here relies on wire form that was checked before.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::Name;

/// Octets of any type (RFC 3597 §5).
pub(super) fn opaque(wire: &[u8]) -> String {
    let mut text = format!("\\# {}", wire.len());
    if !wire.is_empty() {
        text.push(' ');
        push_hex(wire, &mut text);
    }
    text
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

/// The number in two octets.
pub(super) fn number16(octets: &[u8]) -> u16 {
    u16::try_from(number(octets)).expect("two octets are below 65536")
}
