//! The parameter list of SVCB and HTTPS (RFC 9460 §2.1, §2.2).
//!
//! On the wire each parameter is a key, a length and a value. Keys ascend, so no key is there
//! twice. Presentation form may have them in any order. [`super::svcb_keys`] defines the values of
//! each key.
//!
//! Parameters in AliasMode are kept as they are: clients ignore them (RFC 9460 §2.4.2), so they are
//! no reason to refuse a zone.

use std::collections::BTreeMap;

use super::show::number16;
use super::svcb_keys::{ALPN, MANDATORY, NO_DEFAULT_ALPN, check_value, show_value, value_of};
use super::svcb_keys::{key_name, key_of};
use super::words::{Complaint, Word, Words};

/// Checks that the octets are parameters, each well-formed, and consistent with each other.
pub(super) fn check(wire: &[u8]) -> Result<(), Complaint> {
    let mut last = None;
    let mut rest = wire;
    while !rest.is_empty() {
        let (key, value, after) = split(rest).ok_or("ends early")?;
        if last.is_some_and(|last| key <= last) {
            return Err("is not in ascending order of its keys".to_owned());
        }
        check_value(key, value).map_err(|why| format!("has `{}`, which {why}", key_name(key)))?;
        last = Some(key);
        rest = after;
    }
    check_consistent(wire)
}

/// RFC 9460 §7.1.1 and §8: mandatory keys are present, and `no-default-alpn` comes with `alpn`.
fn check_consistent(wire: &[u8]) -> Result<(), Complaint> {
    let mandatory = params(wire).find(|(key, _)| *key == MANDATORY).map_or(&[][..], |(_, v)| v);
    // Both sides ascend, so one pass over the keys finds all mandatory keys.
    let mut keys = params(wire).map(|(key, _)| key);
    for key in mandatory.chunks(2).map(number16) {
        if !keys.any(|present| present == key) {
            return Err(format!("lacks `{}`, which it names as mandatory", key_name(key)));
        }
    }
    let has = |wanted| params(wire).any(|(key, _)| key == wanted);
    match has(NO_DEFAULT_ALPN) && !has(ALPN) {
        true => Err("has `no-default-alpn` without `alpn`".to_owned()),
        false => Ok(()),
    }
}

/// Appends parameters that [`check`] accepts.
pub(super) fn show(wire: &[u8], text: &mut String) {
    for (n, (key, value)) in params(wire).enumerate() {
        if n > 0 {
            text.push(' ');
        }
        text.push_str(&key_name(key));
        if !value.is_empty() {
            text.push('=');
            show_value(key, value, text);
        }
    }
}

/// Reads all remaining words as parameters, and sorts them.
pub(super) fn read(words: &mut Words<'_>, wire: &mut Vec<u8>) -> Result<(), Complaint> {
    let mut params = BTreeMap::new();
    while !words.is_empty() {
        let (key_text, raw) = read_param(words)?;
        let in_param = |why: String| format!("has `{key_text}`, which {why}");
        let (key, form) = key_of(key_text).map_err(in_param)?;
        let value = value_of(form, raw.unwrap_or("")).map_err(in_param)?;
        if params.insert(key, value).is_some() {
            return Err(format!("has `{}` twice", key_name(key)));
        }
    }
    for (key, value) in params {
        let too_long = |_| format!("has `{}`, which has over 65535 octets", key_name(key));
        let length = u16::try_from(value.len()).map_err(too_long)?;
        wire.extend(key.to_be_bytes());
        wire.extend(length.to_be_bytes());
        wire.extend(value);
    }
    Ok(())
}

/// A key, and its value with escapes: `key`, `key=value` or `key="value"`.
fn read_param<'t>(words: &mut Words<'t>) -> Result<(&'t str, Option<&'t str>), Complaint> {
    let Word { raw, quoted, glued: _ } = words.word()?;
    if quoted {
        return Err("has quotes around a whole parameter instead of its value".to_owned());
    }
    match raw.split_once('=') {
        None => Ok((raw, None)),
        Some((key, "")) => match words.glued_quoted() {
            Some(value) => Ok((key, Some(value.raw))),
            None => Err(format!("has `{key}=` without a value after it")),
        },
        Some((key, value)) => Ok((key, Some(value))),
    }
}

/// The parameters, up to the first that is not well-formed.
fn params(wire: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = wire;
    std::iter::from_fn(move || {
        let (key, value, after) = split(rest)?;
        rest = after;
        Some((key, value))
    })
}

/// The key, the value, and the rest.
fn split(wire: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (head, rest) = wire.split_at_checked(4)?;
    let (value, after) = rest.split_at_checked(usize::from(number16(&head[2..])))?;
    Some((number16(&head[..2]), value, after))
}
