//! Checking wire form.

use super::words::Complaint;

pub(super) fn fixed(octets: usize, wire: &[u8]) -> Result<usize, Complaint> {
    match wire.len() >= octets {
        true => Ok(octets),
        false => Err("ends early".to_owned()),
    }
}

pub(super) fn at_least(octets_min: usize, wire: &[u8]) -> Result<usize, Complaint> {
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

pub(super) fn char_strings(wire: &[u8]) -> Result<usize, Complaint> {
    // A TXT has at least one string (RFC 1035 §3.3.14), which may be empty.
    let mut at = char_string(wire)?;
    while at < wire.len() {
        at += char_string(&wire[at..])?;
    }
    Ok(at)
}

pub(super) fn tag(wire: &[u8]) -> Result<usize, Complaint> {
    let octets = char_string(wire)?;
    let tag = &wire[1..octets];
    match !tag.is_empty() && tag.iter().all(u8::is_ascii_alphanumeric) {
        true => Ok(octets),
        false => Err("is not made of letters and digits".to_owned()),
    }
}
