//! Kept types whose fields are like no other type's: how their octets are checked, read and shown.
//!
//! They are never written. They are read so that a zone that has them can be compared with what its
//! servers serve.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};

use super::read::{self, number, push_hex, push_number, push_string};
use super::show;
use super::table::OddForm as Form;
use super::wire;
use super::words::{Complaint, Words};
use crate::{Name, RrType};

/// Address families (IANA "Address Family Numbers").
const IPV4_FAMILY: u32 = 1;
const IPV6_FAMILY: u32 = 2;

/// The port names that WKS records use (RFC 1010).
const PORTS: &[(&str, u16)] = &[
    ("ftp", 21),
    ("ssh", 22),
    ("telnet", 23),
    ("smtp", 25),
    ("time", 37),
    ("domain", 53),
    ("finger", 79),
    ("http", 80),
    ("pop3", 110),
    ("nntp", 119),
    ("imap", 143),
];

/// Whether the octets have this form.
pub(super) fn check(form: Form, octets: &[u8]) -> Result<(), Complaint> {
    let is_whole = match form {
        Form::Apl => prefixes(octets).is_some(),
        Form::Wks => octets.len() >= 5 && octets.last() != Some(&0) || octets.len() == 5,
        Form::Nsap => !octets.is_empty(),
        Form::Atma => match octets.split_first() {
            Some((0, rest)) => !rest.is_empty(),
            Some((1, rest)) => !rest.is_empty() && rest.iter().all(u8::is_ascii_digit),
            Some(_) | None => false,
        },
        Form::A6 => a6(octets).is_some(),
        Form::IpSecKey => octets.len() >= 3 && target(octets[1], &octets[3..]).is_some(),
        Form::AmtRelay => {
            let kind = octets.get(1).map(|kind| kind & 0x7f);
            kind.is_some_and(|kind| target(kind, &octets[2..]) == Some(octets.len() - 2))
        }
        Form::Hip => hip(octets).is_some(),
        Form::Types => types(octets).is_some(),
        Form::Doa => octets.len() > 8 && wire::char_string(&octets[9..]).is_ok(),
    };
    match is_whole {
        true => Ok(()),
        false => Err("is incomplete or has parts that do not fit".to_owned()),
    }
}

/// The octets, which [`check`] accepts, with names in lower case.
pub(super) fn lowered(form: Form, octets: &[u8]) -> Vec<u8> {
    let from = match form {
        Form::A6 => a6(octets).map(|(suffix, _)| 1 + suffix),
        Form::IpSecKey => (octets[1] == 3).then_some(3),
        Form::AmtRelay => (octets[1] & 0x7f == 3).then_some(2),
        Form::Hip => hip(octets).map(|(_, _, servers)| servers),
        Form::Apl | Form::Wks | Form::Nsap | Form::Atma | Form::Types | Form::Doa => None,
    };
    let Some(from) = from else { return octets.to_vec() };
    // A key follows the name of an IPSECKEY.
    let until = match form == Form::IpSecKey {
        true => Name::from_wire(&octets[from..]).map_or(from, |(_, name)| from + name),
        false => octets.len(),
    };
    let mut lowered = octets.to_vec();
    lowered[from..until].make_ascii_lowercase();
    lowered
}

/// Appends octets that [`check`] accepts.
pub(super) fn show(form: Form, octets: &[u8], text: &mut String) {
    let mut words: Vec<String> = Vec::new();
    match form {
        Form::Apl => {
            for Prefix { family, length, negated, address } in prefixes(octets).unwrap_or_default()
            {
                let address = match family {
                    IPV4_FAMILY => show::ipv4(&padded(address, 4)),
                    _ => show::ipv6(&padded(address, 16)),
                };
                let mark = if negated { "!" } else { "" };
                words.push(format!("{mark}{family}:{address}/{length}"));
            }
        }
        Form::Wks => {
            words.push(show::ipv4(&octets[..4]));
            words.push(octets[4].to_string());
            let ports = bits(&octets[5..]);
            words.extend(ports.map(|port| port.to_string()));
        }
        Form::Nsap => words.push(format!("0x{}", hex(octets))),
        Form::Atma => match octets[0] {
            1 => words.push(format!("+{}", String::from_utf8_lossy(&octets[1..]))),
            _ => words.push(hex(&octets[1..])),
        },
        Form::A6 => {
            let (suffix, name) = a6(octets).unwrap_or_default();
            words.push(octets[0].to_string());
            if suffix > 0 {
                let mut address = [0; 16];
                address[16 - suffix..].copy_from_slice(&octets[1..=suffix]);
                words.push(Ipv6Addr::from(address).to_string());
            }
            words.extend(name.map(|name| name.to_string()));
        }
        Form::IpSecKey => {
            words.extend(octets[..3].iter().map(u8::to_string));
            let length = target(octets[1], &octets[3..]).unwrap_or_default();
            words.push(shown_target(octets[1], &octets[3..3 + length]));
            let key = &octets[3 + length..];
            words.extend((!key.is_empty()).then(|| show::base64(key)));
        }
        Form::AmtRelay => {
            let kind = octets[1] & 0x7f;
            let discovery = octets[1] >> 7;
            words.extend([octets[0], discovery, kind].iter().map(u8::to_string));
            words.push(shown_target(kind, &octets[2..]));
        }
        Form::Hip => {
            let (tag, key, servers) = hip(octets).unwrap_or_default();
            words.push(octets[1].to_string());
            words.push(hex(&octets[4..tag]));
            words.push(show::base64(&octets[tag..key]));
            words.extend(names(&octets[servers..]).unwrap_or_default());
        }
        Form::Types => {
            let types = types(octets).unwrap_or_default();
            words.extend(types.into_iter().map(|rtype| rtype.to_string()));
        }
        Form::Doa => {
            let (enterprise, kind) = (show::number(&octets[..4]), show::number(&octets[4..8]));
            words.extend([enterprise.to_string(), kind.to_string(), octets[8].to_string()]);
            let length = wire::char_string(&octets[9..]).unwrap_or_default();
            let mut media = String::new();
            show::push_quoted(&octets[10..9 + length], &mut media);
            words.push(media);
            let data = &octets[9 + length..];
            words.push(if data.is_empty() { "-".to_owned() } else { show::base64(data) });
        }
    }
    text.push_str(&words.join(" "));
}

/// Reads all remaining words.
pub(super) fn read(
    form: Form,
    words: &mut Words<'_>,
    origin: Option<&Name>,
    wire: &mut Vec<u8>,
) -> Result<(), Complaint> {
    match form {
        Form::Apl => {
            while !words.is_empty() {
                read_prefix(words.plain()?, wire)?;
            }
        }
        Form::Wks => read_wks(words, wire)?,
        Form::Nsap => {
            let text = read::joined(words)?.to_ascii_lowercase();
            let digits = text.strip_prefix("0x").ok_or("does not begin with `0x`")?;
            push_hex(&digits.replace(['.', '+', '/'], ""), wire)?;
        }
        Form::Atma => {
            let text = words.plain()?;
            match text.strip_prefix('+') {
                Some(digits) => {
                    wire.push(1);
                    wire.extend(digits.replace('.', "").bytes());
                }
                None => {
                    wire.push(0);
                    push_hex(&text.replace('.', ""), wire)?;
                }
            }
        }
        Form::A6 => {
            let length = number(words.plain()?, 128)?;
            push_number(1, length, wire);
            let octets = suffix_octets(length);
            if octets > 0 {
                let address = read::ipv6(words.plain()?)?.octets();
                let from = wire.len();
                wire.extend(&address[16 - octets..]);
                // Bits of the prefix are zero (RFC 2874 §3.1.1).
                wire[from] &= first_mask(length);
            }
            if length > 0 {
                wire.extend_from_slice(read::name(words.plain()?, origin)?.wire());
            }
        }
        Form::IpSecKey => {
            let precedence = number(words.plain()?, 255)?;
            let kind = number(words.plain()?, 3)?;
            let algorithm = number(words.plain()?, 255)?;
            [precedence, kind, algorithm].iter().for_each(|octet| push_number(1, *octet, wire));
            read_target(kind, words, origin, wire)?;
            if !words.is_empty() {
                wire.extend(read::base64(&read::joined(words)?)?);
            }
        }
        Form::AmtRelay => {
            push_number(1, number(words.plain()?, 255)?, wire);
            let discovery = number(words.plain()?, 1)?;
            let kind = number(words.plain()?, 3)?;
            push_number(1, discovery << 7 | kind, wire);
            read_target(kind, words, origin, wire)?;
        }
        Form::Hip => {
            let algorithm = number(words.plain()?, 255)?;
            let (mut tag, mut key) = (Vec::new(), Vec::new());
            push_hex(words.plain()?, &mut tag)?;
            key.extend(read::base64(words.plain()?)?);
            let tag_octets = u8::try_from(tag.len()).map_err(|_| "has a tag that is too long")?;
            let key_octets = u16::try_from(key.len()).map_err(|_| "has a key that is too long")?;
            wire.push(tag_octets);
            push_number(1, algorithm, wire);
            wire.extend(key_octets.to_be_bytes());
            wire.extend(tag);
            wire.extend(key);
            while !words.is_empty() {
                wire.extend_from_slice(read::name(words.plain()?, origin)?.wire());
            }
        }
        Form::Types => read_types(words, wire)?,
        Form::Doa => {
            push_number(4, number(words.plain()?, u32::MAX)?, wire);
            push_number(4, number(words.plain()?, u32::MAX)?, wire);
            push_number(1, number(words.plain()?, 255)?, wire);
            push_string(&words.string()?, wire)?;
            let data = read::joined(words)?;
            if data != "-" {
                wire.extend(read::base64(&data)?);
            }
        }
    }
    Ok(())
}

/// Reads this many octets, separated by dashes.
pub(super) fn read_dashed(word: &str, octets: usize, wire: &mut Vec<u8>) -> Result<(), Complaint> {
    let complaint = || format!("is not {octets} octets separated by dashes");
    let groups: Vec<&str> = word.split('-').collect();
    match groups.len() == octets && groups.iter().all(|group| group.len() == 2) {
        true => push_hex(&groups.concat(), wire).map_err(|_| complaint()),
        false => Err(complaint()),
    }
}

/// Shows octets, separated by dashes.
pub(super) fn show_dashed(octets: &[u8], text: &mut String) {
    let groups: Vec<String> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    text.push_str(&groups.join("-"));
}

/// Reads four groups of up to four hexadecimal digits, separated by colons.
pub(super) fn read_groups(word: &str, wire: &mut Vec<u8>) -> Result<(), Complaint> {
    let is_group = |group: &&str| {
        (1..=4).contains(&group.len()) && group.bytes().all(|octet| octet.is_ascii_hexdigit())
    };
    let groups: Vec<&str> = word.split(':').collect();
    match groups.len() == 4 && groups.iter().all(is_group) {
        true => {
            push_hex(&groups.iter().map(|group| format!("{group:0>4}")).collect::<String>(), wire)
        }
        false => Err("is not four groups separated by colons".to_owned()),
    }
}

/// Shows eight octets as four groups.
pub(super) fn show_groups(octets: &[u8], text: &mut String) {
    let groups: Vec<String> = octets.chunks(2).map(hex).collect();
    text.push_str(&groups.join(":"));
}

fn hex(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len() * 2);
    show::push_hex(octets, &mut text);
    text
}

fn padded(front: &[u8], octets: usize) -> Vec<u8> {
    let mut padded = front.to_vec();
    padded.resize(octets, 0);
    padded
}

struct Prefix<'w> {
    family: u32,
    length: u8,
    negated: bool,
    address: &'w [u8],
}

/// The prefixes of an APL, none of which ends in zero octets (RFC 3123 §4).
fn prefixes(octets: &[u8]) -> Option<Vec<Prefix<'_>>> {
    let (mut rest, mut prefixes) = (octets, Vec::new());
    while !rest.is_empty() {
        let (head, rest_of_item) = rest.split_at_checked(4)?;
        let (address, after) = rest_of_item.split_at_checked(usize::from(head[3] & 0x7f))?;
        let family = show::number(&head[..2]);
        let octets_max = match family {
            IPV4_FAMILY => 4,
            IPV6_FAMILY => 16,
            _ => return None,
        };
        let is_short = address.len() <= octets_max && address.last() != Some(&0);
        if !is_short || usize::from(head[2]) > octets_max * 8 {
            return None;
        }
        prefixes.push(Prefix { family, length: head[2], negated: head[3] & 0x80 != 0, address });
        rest = after;
    }
    Some(prefixes)
}

fn read_prefix(word: &str, wire: &mut Vec<u8>) -> Result<(), Complaint> {
    let bad = || format!("has `{word}`, which is not a prefix such as 1:192.0.2.0/24");
    let (negated, plain) = match word.strip_prefix('!') {
        Some(plain) => (0x80, plain),
        None => (0, word),
    };
    let (family, rest) = plain.split_once(':').ok_or_else(bad)?;
    let (address, length) = rest.split_once('/').ok_or_else(bad)?;
    let mut octets: Vec<u8> = match number(family, 65_535).map_err(|_| bad())? {
        IPV4_FAMILY => address.parse::<Ipv4Addr>().map_err(|_| bad())?.octets().to_vec(),
        IPV6_FAMILY => address.parse::<Ipv6Addr>().map_err(|_| bad())?.octets().to_vec(),
        _ => return Err(bad()),
    };
    let bits_max = u32::try_from(octets.len() * 8).unwrap_or(u32::MAX);
    let length = number(length, bits_max).map_err(|_| bad())?;
    let kept = octets.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
    octets.truncate(kept);
    push_number(2, number(family, 65_535)?, wire);
    push_number(1, length, wire);
    wire.push(negated | u8::try_from(octets.len()).unwrap_or(u8::MAX));
    wire.extend(octets);
    Ok(())
}

/// The positions of the set bits, counted from the highest bit of the first octet.
fn bits(octets: &[u8]) -> impl Iterator<Item = usize> {
    let of_octet = |(at, octet): (usize, &u8)| {
        let octet = *octet;
        (0..8).filter(move |bit| octet & (0x80 >> bit) != 0).map(move |bit| at * 8 + bit)
    };
    octets.iter().enumerate().flat_map(of_octet)
}

fn read_wks(words: &mut Words<'_>, wire: &mut Vec<u8>) -> Result<(), Complaint> {
    wire.extend(read::ipv4(words.plain()?)?.octets());
    let protocol = words.plain()?;
    wire.push(match protocol.to_ascii_lowercase().as_str() {
        "tcp" => 6,
        "udp" => 17,
        _ => u8::try_from(number(protocol, 255)?).unwrap_or(u8::MAX),
    });
    let mut map: Vec<u8> = Vec::new();
    while !words.is_empty() {
        let word = words.plain()?;
        let named = PORTS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
        let port = match named {
            Some((_, port)) => u32::from(*port),
            None => number(word, 65_535)?,
        };
        let at = (port / 8) as usize;
        map.resize(map.len().max(at + 1), 0);
        map[at] |= 0x80 >> (port % 8);
    }
    wire.extend(map);
    Ok(())
}

/// The octets of an A6 suffix after a prefix of this many bits.
fn suffix_octets(prefix_bits: u32) -> usize {
    (128_usize.saturating_sub(prefix_bits as usize)).div_ceil(8)
}

/// The bits of the suffix's first octet that do not belong to the prefix.
fn first_mask(prefix_bits: u32) -> u8 {
    0xff >> (prefix_bits % 8)
}

/// The length of the suffix in octets, and the name of the prefix.
fn a6(octets: &[u8]) -> Option<(usize, Option<Name>)> {
    let length = u32::from(*octets.first()?);
    if length > 128 {
        return None;
    }
    let suffix = suffix_octets(length);
    let (address, rest) = octets[1..].split_at_checked(suffix)?;
    let is_clean = address.first().is_none_or(|first| first & !first_mask(length) == 0);
    if !is_clean {
        return None;
    }
    if length == 0 {
        return rest.is_empty().then_some((suffix, None));
    }
    let (name, used) = Name::from_wire(rest)?;
    (used == rest.len()).then_some((suffix, Some(name)))
}

/// The length in octets of a gateway or relay of this kind (RFC 4025 §2.3, RFC 8777 §4.2.3).
fn target(kind: u8, octets: &[u8]) -> Option<usize> {
    let length = match kind {
        0 => 0,
        1 => 4,
        2 => 16,
        3 => Name::from_wire(octets)?.1,
        _ => return None,
    };
    (octets.len() >= length).then_some(length)
}

fn shown_target(kind: u8, octets: &[u8]) -> String {
    match kind {
        1 => show::ipv4(octets),
        2 => show::ipv6(octets),
        3 => show::name(octets).to_string(),
        _ => ".".to_owned(),
    }
}

fn read_target(
    kind: u32,
    words: &mut Words<'_>,
    origin: Option<&Name>,
    wire: &mut Vec<u8>,
) -> Result<(), Complaint> {
    let word = words.plain()?;
    match kind {
        0 if word == "." => {}
        0 => return Err("names a gateway, although its kind is 0, which has none".to_owned()),
        1 => wire.extend(read::ipv4(word)?.octets()),
        2 => wire.extend(read::ipv6(word)?.octets()),
        _ => wire.extend_from_slice(read::name(word, origin)?.wire()),
    }
    Ok(())
}

/// The ends of the tag and of the key, and the start of the servers.
fn hip(octets: &[u8]) -> Option<(usize, usize, usize)> {
    let head = octets.get(..4)?;
    let tag = 4 + usize::from(head[0]);
    let key = tag + usize::try_from(show::number(&head[2..])).ok()?;
    let is_whole = head[0] > 0 && key > tag && key <= octets.len();
    names(octets.get(key..)?)?;
    is_whole.then_some((tag, key, key))
}

fn names(octets: &[u8]) -> Option<Vec<String>> {
    let (mut rest, mut names) = (octets, Vec::new());
    while !rest.is_empty() {
        let (name, used) = Name::from_wire(rest)?;
        names.push(name.to_string());
        rest = &rest[used..];
    }
    Some(names)
}

/// The types of a bitmap (RFC 4034 §4.1.2): windows ascend, and no window ends in a zero octet.
fn types(octets: &[u8]) -> Option<Vec<RrType>> {
    let (mut rest, mut types, mut last) = (octets, Vec::new(), None);
    while !rest.is_empty() {
        let (head, rest_of_window) = rest.split_at_checked(2)?;
        let (map, after) = rest_of_window.split_at_checked(usize::from(head[1]))?;
        let ascends = last.is_none_or(|last| head[0] > last);
        if !ascends || !(1..=32).contains(&map.len()) || map.last() == Some(&0) {
            return None;
        }
        for bit in bits(map) {
            let number = usize::from(head[0]) * 256 + bit;
            types.push(RrType::new(u16::try_from(number).ok()?));
        }
        last = Some(head[0]);
        rest = after;
    }
    Some(types)
}

fn read_types(words: &mut Words<'_>, wire: &mut Vec<u8>) -> Result<(), Complaint> {
    let mut numbers = BTreeSet::new();
    while !words.is_empty() {
        let word = words.plain()?;
        let rtype: RrType =
            word.parse().map_err(|error| format!("has an unknown type: {error}"))?;
        numbers.insert(rtype.number());
    }
    let mut windows: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
    for number in numbers {
        let [window, low] = number.to_be_bytes();
        let map = windows.entry(window).or_default();
        let at = usize::from(low / 8);
        map.resize(map.len().max(at + 1), 0);
        map[at] |= 0x80 >> (low % 8);
    }
    for (window, map) in windows {
        wire.push(window);
        wire.push(u8::try_from(map.len()).unwrap_or(u8::MAX));
        wire.extend(map);
    }
    Ok(())
}
