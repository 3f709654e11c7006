//! The keys of SVCB parameters, and the form of their values (RFC 9460 §7, §8, §14.3.2).
//!
//! A key that is not in [`KEYS`] has an opaque value. A known key that the text writes as `key1`
//! has its value in wire form (RFC 9460 §2.1), and that value is checked like any other.

use super::read::{base64, ipv4, ipv6, number, push_string};
use super::show::{self, number16};
use super::words::{Complaint, octets_of};

/// The form of a value.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// Keys of two octets, ascending (RFC 9460 §8).
    Keys,
    /// Strings with a length octet, none of them empty (RFC 9460 §7.1.1).
    Protocols,
    /// No value.
    Empty,
    /// A number of two octets.
    Port,
    /// IPv4 addresses.
    Ipv4s,
    /// IPv6 addresses.
    Ipv6s,
    /// Octets, in base64 (RFC 9460 §2.1, RFC 9848).
    Base64,
    /// Octets, as a string.
    Opaque,
}

/// `mandatory` (RFC 9460 §8).
pub(super) const MANDATORY: u16 = 0;
/// `alpn` (RFC 9460 §7.1).
pub(super) const ALPN: u16 = 1;
/// `no-default-alpn` (RFC 9460 §7.1).
pub(super) const NO_DEFAULT_ALPN: u16 = 2;

/// The keys that have a name here. Sources: RFC 9460 §14.3.2; RFC 9461 §5 for `dohpath`.
const KEYS: &[(u16, &str, Form)] = &[
    (MANDATORY, "mandatory", Form::Keys),
    (ALPN, "alpn", Form::Protocols),
    (NO_DEFAULT_ALPN, "no-default-alpn", Form::Empty),
    (3, "port", Form::Port),
    (4, "ipv4hint", Form::Ipv4s),
    (5, "ech", Form::Base64),
    (6, "ipv6hint", Form::Ipv6s),
    (7, "dohpath", Form::Opaque),
];

fn form_of(key: u16) -> Form {
    KEYS.iter().find(|(known, ..)| *known == key).map_or(Form::Opaque, |(.., form)| *form)
}

/// The key as presentation form writes it: `alpn`, `key65280`.
pub(super) fn key_name(key: u16) -> String {
    match KEYS.iter().find(|(known, ..)| *known == key) {
        Some((_, name, _)) => (*name).to_owned(),
        None => format!("key{key}"),
    }
}

/// The key that a text names, and the form of the value that follows: by name, or as `keyN` without
/// leading zeros (RFC 9460 §2.1).
pub(super) fn key_of(text: &str) -> Result<(u16, Form), Complaint> {
    if let Some((key, _, form)) = KEYS.iter().find(|(_, name, _)| *name == text) {
        return Ok((*key, *form));
    }
    let digits = text.strip_prefix("key").unwrap_or("");
    let number = number(digits, 65_535).ok().filter(|number| number.to_string() == digits);
    match number.and_then(|number| u16::try_from(number).ok()) {
        Some(key) => Ok((key, Form::Opaque)),
        None => Err("is not a known key; unknown keys are written key12345".to_owned()),
    }
}

/// The wire form of a value, from text with escapes.
///
/// # Errors
/// A complaint about the text alone; [`check_value`] decides whether the value is well-formed.
pub(super) fn value_of(form: Form, raw: &str) -> Result<Vec<u8>, Complaint> {
    let octets = octets_of(raw)?;
    if octets.is_empty() {
        return Ok(octets);
    }
    let text = || std::str::from_utf8(&octets).map_err(|_| "is not ASCII".to_owned());
    match form {
        Form::Empty | Form::Opaque => Ok(octets),
        Form::Protocols => protocols(&octets),
        Form::Keys => keys(text()?),
        Form::Port => number(text()?, 65_535).map(|port| port.to_be_bytes()[2..].to_vec()),
        Form::Ipv4s => joined(text()?.split(',').map(|item| ipv4(item).map(|ip| ip.octets()))),
        Form::Ipv6s => joined(text()?.split(',').map(|item| ipv6(item).map(|ip| ip.octets()))),
        Form::Base64 => base64(text()?),
    }
}

fn keys(text: &str) -> Result<Vec<u8>, Complaint> {
    let keys: Result<Vec<u16>, _> = text.split(',').map(|item| Ok(key_of(item)?.0)).collect();
    let mut keys = keys.map_err(|why: Complaint| format!("names a key that {why}"))?;
    keys.sort_unstable();
    Ok(keys.into_iter().flat_map(u16::to_be_bytes).collect())
}

fn joined<const N: usize>(
    items: impl Iterator<Item = Result<[u8; N], Complaint>>,
) -> Result<Vec<u8>, Complaint> {
    Ok(items.collect::<Result<Vec<_>, _>>()?.concat())
}

/// The value list of RFC 9460 §A.1, which has its own escapes `\,` and `\\`.
fn protocols(octets: &[u8]) -> Result<Vec<u8>, Complaint> {
    let mut wire = Vec::with_capacity(octets.len() + 1);
    let mut item = Vec::new();
    let mut rest = octets.iter();
    while let Some(octet) = rest.next() {
        match octet {
            b',' => push_string(&std::mem::take(&mut item), &mut wire)?,
            b'\\' => match rest.next() {
                Some(escaped @ (b',' | b'\\')) => item.push(*escaped),
                _ => return Err("has a `\\` in its list not escaping `,` or `\\`".to_owned()),
            },
            octet => item.push(*octet),
        }
    }
    push_string(&item, &mut wire)?;
    Ok(wire)
}

/// Checks that the octets are a value of this key.
pub(super) fn check_value(key: u16, value: &[u8]) -> Result<(), Complaint> {
    let form = form_of(key);
    if value.is_empty() && !matches!(form, Form::Empty | Form::Opaque) {
        return Err("has no value".to_owned());
    }
    let complaint = match form {
        Form::Keys => (!ascend(value)).then_some("is not a list of other keys, each once"),
        Form::Protocols => (!are_strings(value)).then_some("is not a list of non-empty strings"),
        Form::Empty => (!value.is_empty()).then_some("has a value"),
        Form::Port => (value.len() != 2).then_some("does not have two octets"),
        Form::Ipv4s => (!value.len().is_multiple_of(4)).then_some("holds no whole IPv4 addresses"),
        Form::Ipv6s => (!value.len().is_multiple_of(16)).then_some("holds no whole IPv6 addresses"),
        Form::Base64 | Form::Opaque => None,
    };
    complaint.map_or(Ok(()), |complaint| Err(complaint.to_owned()))
}

/// Whether the keys ascend and leave out `mandatory` itself (RFC 9460 §8).
fn ascend(value: &[u8]) -> bool {
    let keys = || value.chunks(2).map(number16);
    let starts = keys().next().is_some_and(|first| first > MANDATORY);
    value.len().is_multiple_of(2) && starts && keys().zip(keys().skip(1)).all(|(a, b)| a < b)
}

fn are_strings(value: &[u8]) -> bool {
    let octets: usize = show::strings(value).map(|string| string.len() + 1).sum();
    octets == value.len() && show::strings(value).all(|string| !string.is_empty())
}

/// Appends a non-empty value that [`check_value`] accepts.
pub(super) fn show_value(key: u16, value: &[u8], text: &mut String) {
    match form_of(key) {
        Form::Keys => push_list(value.chunks(2).map(|key| key_name(number16(key))), text),
        Form::Protocols => show::push_quoted(&value_list(value), text),
        Form::Port => text.push_str(&show::number(value).to_string()),
        Form::Ipv4s => push_list(value.chunks(4).map(show::ipv4), text),
        Form::Ipv6s => push_list(value.chunks(16).map(show::ipv6), text),
        Form::Base64 => text.push_str(&show::base64(value)),
        Form::Empty | Form::Opaque => show::push_quoted(value, text),
    }
}

fn push_list(items: impl Iterator<Item = String>, text: &mut String) {
    for (n, item) in items.enumerate() {
        if n > 0 {
            text.push(',');
        }
        text.push_str(&item);
    }
}

fn value_list(value: &[u8]) -> Vec<u8> {
    let mut list = Vec::with_capacity(value.len());
    for (n, string) in show::strings(value).enumerate() {
        if n > 0 {
            list.push(b',');
        }
        for octet in string {
            if matches!(octet, b',' | b'\\') {
                list.push(b'\\');
            }
            list.push(*octet);
        }
    }
    list
}
