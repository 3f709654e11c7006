//! Reading presentation form, field by field.
//!
//! The result is in wire form but not yet checked: [`super::wire`] decides what is well-formed.

use std::net::{Ipv4Addr, Ipv6Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::RdataError;
use super::words::{Complaint, Words};
use crate::Name;

/// The mnemonics of DNSSEC algorithms, which a text may use instead of the number (RFC 4034 §A.1).
/// Source: IANA "DNS Security Algorithm Numbers", those for zone signing and those of RFC 4034.
const ALGORITHMS: &[(&str, u8)] = &[
    ("RSAMD5", 1),
    ("DH", 2),
    ("DSA", 3),
    ("RSASHA1", 5),
    ("DSA-NSEC3-SHA1", 6),
    ("RSASHA1-NSEC3-SHA1", 7),
    ("RSASHA256", 8),
    ("RSASHA512", 10),
    ("ECC-GOST", 12),
    ("ECDSAP256SHA256", 13),
    ("ECDSAP384SHA384", 14),
    ("ED25519", 15),
    ("ED448", 16),
    ("INDIRECT", 252),
    ("PRIVATEDNS", 253),
    ("PRIVATEOID", 254),
];

/// The mnemonics of certificate types (RFC 4398 §2.1).
pub(super) const CERT_TYPES: &[(&str, u32)] = &[
    ("PKIX", 1),
    ("SPKI", 2),
    ("PGP", 3),
    ("IPKIX", 4),
    ("ISPKI", 5),
    ("IPGP", 6),
    ("ACPKIX", 7),
    ("IACPKIX", 8),
    ("URI", 253),
    ("OID", 254),
];

/// The octets of a text in the form for unknown types.
pub(super) fn opaque_octets(text: &str) -> Option<Vec<u8>> {
    let mut words = Words::of(text).ok()?;
    let mut wire = Vec::new();
    let is_whole = words.opaque_mark() && opaque(&mut words, &mut wire).is_ok() && words.is_empty();
    is_whole.then_some(wire)
}

/// The words of a text that is not understood, on one line and separated by single blanks, so that
/// software that understands them can read them back.
pub(super) fn plain_words(text: &str) -> Result<String, RdataError> {
    let mut words = Words::of(text)?;
    let mut line = String::with_capacity(text.len());
    while let Some(word) = words.any() {
        if !line.is_empty() && !word.glued {
            line.push(' ');
        }
        let quote = if word.quoted { "\"" } else { "" };
        line.push_str(quote);
        line.push_str(word.raw);
        line.push_str(quote);
    }
    match line.is_empty() {
        true => Err(RdataError::new("the rdata are missing")),
        false => Ok(line),
    }
}

/// What follows the mark `\#` (RFC 3597 §5).
pub(super) fn opaque(words: &mut Words<'_>, wire: &mut Vec<u8>) -> Result<(), RdataError> {
    let length = named("length", words.plain().and_then(|word| number(word, 65_535)))?;
    if length > 0 {
        named("opaque rdata", joined(words).and_then(|text| push_hex(&text, wire)))?;
    }
    match u32::try_from(wire.len()) == Ok(length) {
        true => Ok(()),
        false => Err(RdataError::new("the length differs from the number of octets after it")),
    }
}

pub(super) fn named<T>(name: &str, result: Result<T, Complaint>) -> Result<T, RdataError> {
    result.map_err(|complaint| RdataError::new(format!("the {name} {complaint}")))
}

/// A decimal number without a sign; leading zeros are allowed.
pub(super) fn number(word: &str, max: u32) -> Result<u32, Complaint> {
    let digits = !word.is_empty() && word.bytes().all(|octet| octet.is_ascii_digit());
    let number = word.parse().ok().filter(|number| digits && *number <= max);
    number.ok_or_else(|| format!("is not a number from 0 to {max}"))
}

/// An IPv4 address in four decimal numbers.
pub(super) fn ipv4(word: &str) -> Result<Ipv4Addr, Complaint> {
    word.parse().map_err(|_| "is no IPv4 address".to_owned())
}

/// An IPv6 address (RFC 4291 §2.2).
pub(super) fn ipv6(word: &str) -> Result<Ipv6Addr, Complaint> {
    word.parse().map_err(|_| "is no IPv6 address".to_owned())
}

/// Base64 with its padding (RFC 4648 §4).
pub(super) fn base64(text: &str) -> Result<Vec<u8>, Complaint> {
    STANDARD.decode(text).map_err(|_| "is not base64".to_owned())
}

/// A string with its length octet in front. A longer string is refused instead of split: only the
/// caller knows whether readers of the record join the parts or use the first part alone.
pub(super) fn push_string(string: &[u8], wire: &mut Vec<u8>) -> Result<(), Complaint> {
    let Ok(length) = u8::try_from(string.len()) else {
        let length = string.len();
        return Err(format!("has a string of {length} octets; split it after at most 255"));
    };
    wire.push(length);
    wire.extend_from_slice(string);
    Ok(())
}

/// The last `octets` octets of the number; the others are zero.
pub(super) fn push_number(octets: usize, number: u32, wire: &mut Vec<u8>) {
    wire.extend_from_slice(&number.to_be_bytes()[4 - octets..]);
}

pub(super) fn name(word: &str, origin: Option<&Name>) -> Result<Name, Complaint> {
    let name = match origin {
        Some(origin) => Name::relative_to(word, origin),
        None => Name::absolute(word),
    };
    name.map_err(|error| format!("cannot be read: {error}"))
}

pub(super) fn algorithm(word: &str) -> Result<u32, Complaint> {
    match ALGORITHMS.iter().find(|(mnemonic, _)| mnemonic.eq_ignore_ascii_case(word)) {
        Some((_, number)) => Ok(u32::from(*number)),
        None => number(word, 255),
    }
}

/// A number, or a mnemonic for it.
pub(super) fn named_number(word: &str, names: &[(&str, u32)], max: u32) -> Result<u32, Complaint> {
    match names.iter().find(|(mnemonic, _)| mnemonic.eq_ignore_ascii_case(word)) {
        Some((_, number)) => Ok(*number),
        None => number(word, max),
    }
}

/// Seconds, or BIND's `1w2d3h4m5s`.
pub(super) fn period(word: &str) -> Result<u32, Complaint> {
    if word.bytes().all(|octet| octet.is_ascii_digit()) {
        return number(word, u32::MAX);
    }
    with_units(word).ok_or_else(|| {
        format!("is not a time from 0 to {} seconds (units: w, d, h, m, s)", u32::MAX)
    })
}

fn with_units(word: &str) -> Option<u32> {
    let mut total = 0_u32;
    let mut count: Option<u32> = None;
    for octet in word.bytes() {
        if octet.is_ascii_digit() {
            let digit = u32::from(octet - b'0');
            count = Some(count.unwrap_or(0).checked_mul(10)?.checked_add(digit)?);
            continue;
        }
        let unit_secs = match octet.to_ascii_lowercase() {
            b'w' => 604_800,
            b'd' => 86_400,
            b'h' => 3_600,
            b'm' => 60,
            b's' => 1,
            _ => return None,
        };
        total = total.checked_add(count.take()?.checked_mul(unit_secs)?)?;
    }
    // A number without a unit, after others with a unit, could mean anything.
    count.is_none().then_some(total)
}

/// All remaining words joined: hexadecimal and base64 may have blanks anywhere.
pub(super) fn joined(words: &mut Words<'_>) -> Result<String, Complaint> {
    let mut joined = words.plain()?.to_owned();
    while !words.is_empty() {
        joined.push_str(words.plain()?);
    }
    Ok(joined)
}

pub(super) fn push_hex(text: &str, wire: &mut Vec<u8>) -> Result<(), Complaint> {
    let digits: Option<Vec<u8>> = text.bytes().map(hex_digit).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0);
    let digits = digits.ok_or("is not made of pairs of hexadecimal digits")?;
    wire.extend(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]));
    Ok(())
}

fn hex_digit(octet: u8) -> Option<u8> {
    match octet {
        b'0'..=b'9' => Some(octet - b'0'),
        b'a'..=b'f' => Some(octet - b'a' + 10),
        b'A'..=b'F' => Some(octet - b'A' + 10),
        _ => None,
    }
}
