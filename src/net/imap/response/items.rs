//! The parts of responses that describe messages and mailboxes.

use std::collections::BTreeSet;

use chrono::{DateTime, FixedOffset, NaiveDateTime, TimeZone as _};

use crate::frame::Octets;
use crate::scan::{Scanner, Value};

/// Attributes of a message, as far as they came.
#[derive(Debug, Default)]
pub struct Fetched {
    /// Its UID.
    pub uid: Option<u32>,
    /// Its flags, `\Recent` included.
    pub flags: Option<Vec<Vec<u8>>>,
    /// When the server got it, as the server wrote it.
    pub internal_date: Option<String>,
    /// The size that the server states. It may be wrong: the literal counts.
    pub size: Option<u64>,
    /// The whole message: `BODY[]` and nothing else.
    pub body: Option<Octets>,
    /// Fields of the header: `BODY[HEADER.FIELDS (…)]`.
    pub header: Option<Octets>,
    /// The server says that there is no body: `BODY[] NIL`.
    pub has_no_body: bool,
    /// The modification sequence (RFC 7162).
    pub modseq: Option<u64>,
    /// Names of attributes that are not known here.
    pub others: Vec<String>,
    /// The response is not whole: it does not end where it should, or says something twice. A
    /// literal was then longer or shorter than its announcement, so there is no body and no header.
    pub is_broken: bool,
}

impl Fetched {
    pub(super) fn read(scanner: &mut Scanner) -> Self {
        let mut fetched = Self::default();
        let mut names = BTreeSet::new();
        let mut is_whole = false;
        scanner.takes(b'(');
        while !scanner.is_at_end() {
            if scanner.takes(b')') {
                is_whole = scanner.is_at_end();
                break;
            }
            let name = scanner.attribute();
            if !is_attribute(&name) || !names.insert(name.clone()) {
                break;
            }
            let Some(value) = scanner.value() else { break };
            if name == b"BODY[]" && !scanner.is_between() {
                break;
            }
            match name.as_slice() {
                b"UID" => fetched.uid = value.number().filter(|uid| *uid > 0),
                b"FLAGS" => fetched.flags = Some(flags(Some(&value))),
                b"INTERNALDATE" => {
                    let text = value.octets().map(|text| String::from_utf8_lossy(text).into());
                    fetched.internal_date = text;
                }
                b"RFC822.SIZE" => fetched.size = value.number(),
                b"MODSEQ" => {
                    fetched.modseq = value.elements().first().and_then(Value::number);
                }
                b"BODY[]" => match value {
                    Value::Text(octets) => fetched.body = Some(octets),
                    Value::Nil => fetched.has_no_body = true,
                    Value::Word(_) | Value::List(_) => {}
                },
                name if name.starts_with(b"BODY[HEADER.FIELDS") => {
                    if let Value::Text(octets) = value {
                        fetched.header = Some(octets);
                    }
                }
                name => fetched.others.push(String::from_utf8_lossy(name).into()),
            }
        }
        if !is_whole {
            fetched.is_broken = true;
            fetched.body = None;
            fetched.header = None;
        }
        fetched
    }
}

/// Whether this may be the name of an attribute: `UID`, `X-GM-LABELS`, `BODY[]<0>`.
fn is_attribute(name: &[u8]) -> bool {
    let word = name.split(|octet| *octet == b'[').next().unwrap_or_default();
    let is_part = |octet: &u8| octet.is_ascii_alphanumeric() || b".-_".contains(octet);
    word.first().is_some_and(u8::is_ascii_alphabetic) && word.iter().all(is_part)
}

/// The words of a list of flags.
pub(super) fn flags(list: Option<&Value>) -> Vec<Vec<u8>> {
    let elements = list.map(Value::elements).unwrap_or_default();
    elements.iter().filter_map(|flag| flag.octets().map(<[u8]>::to_vec)).collect()
}

/// A mailbox, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its attributes, in lower case, such as `\noselect` or `\sent`.
    pub attributes: Vec<String>,
    /// The separator between the levels of names; there is none if names are flat.
    pub separator: Option<u8>,
    /// Its name, as the server writes it.
    pub name: Vec<u8>,
}

impl Listed {
    pub(super) fn read(scanner: &mut Scanner) -> Option<Self> {
        let attributes = scanner.value()?;
        let attributes = flags(Some(&attributes));
        let lower = |text: Vec<u8>| String::from_utf8_lossy(&text).to_ascii_lowercase();
        let separator = scanner.value()?.octets().and_then(|text| text.first().copied());
        // A name that is a word may contain parentheses if the server does not care.
        let value = scanner.value()?;
        let is_nil = matches!(value, Value::Nil);
        let name = if is_nil { b"NIL".to_vec() } else { value.octets()?.to_vec() };
        Some(Self { attributes: attributes.into_iter().map(lower).collect(), separator, name })
    }

    /// Whether it has this attribute (in lower case, with its backslash).
    #[must_use]
    pub fn has(&self, attribute: &str) -> bool {
        self.attributes.iter().any(|known| known == attribute)
    }
}

/// Counts of a mailbox (RFC 3501 §6.3.10, RFC 8438, RFC 7162).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusOf {
    /// Its name, as the server writes it.
    pub name: Vec<u8>,
    /// Messages.
    pub messages: Option<u32>,
    /// Octets of all messages.
    pub size: Option<u64>,
    /// The UID that the next message will have, or a lower one.
    pub uid_next: Option<u32>,
    /// The validity of its UIDs.
    pub uid_validity: Option<u32>,
    /// The highest modification sequence.
    pub highest_modseq: Option<u64>,
}

impl StatusOf {
    pub(super) fn read(scanner: &mut Scanner) -> Option<Self> {
        let name = scanner.value()?.octets()?.to_vec();
        let mut status = Self { name, ..Self::default() };
        let items = scanner.value()?;
        for pair in items.elements().chunks_exact(2) {
            let value = &pair[1];
            match pair[0].octets()?.to_ascii_uppercase().as_slice() {
                b"MESSAGES" => status.messages = value.number(),
                b"SIZE" => status.size = value.number(),
                b"UIDNEXT" => status.uid_next = value.number(),
                b"UIDVALIDITY" => status.uid_validity = value.number(),
                b"HIGHESTMODSEQ" => status.highest_modseq = value.number(),
                _ => {}
            }
        }
        Some(status)
    }
}

/// The first of the user's own namespaces (RFC 2342).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    /// What the names of the user's mailboxes begin with, INBOX aside.
    pub prefix: Vec<u8>,
    /// The separator.
    pub separator: Option<u8>,
}

impl Namespace {
    pub(super) fn read(scanner: &mut Scanner) -> Self {
        let personal = scanner.value();
        let first = personal.as_ref().and_then(|list| list.elements().first());
        let elements = first.map(Value::elements).unwrap_or_default();
        let text = |at: usize| elements.get(at).and_then(Value::octets);
        Self {
            prefix: text(0).unwrap_or_default().to_vec(),
            separator: text(1).and_then(|text| text.first().copied()),
        }
    }
}

/// The instant of an internal date (RFC 3501 §9, `date-time`), in seconds since 1970 and with the
/// zone of the server. `None` for what is no date.
#[must_use]
pub fn internal_date(text: &str) -> Option<DateTime<FixedOffset>> {
    let (local, zone) = text.trim().rsplit_once(' ')?;
    let (sign, digits) = zone.split_at_checked(1)?;
    let sign = match sign {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let is_zone = digits.len() == 4 && digits.bytes().all(|digit| digit.is_ascii_digit());
    let number: i32 = digits.parse().ok().filter(|_| is_zone)?;
    let zone = FixedOffset::east_opt(sign * (number / 100 * 3600 + number % 100 * 60))?;
    let local = NaiveDateTime::parse_from_str(local.trim(), "%d-%b-%Y %H:%M:%S").ok()?;
    zone.from_local_datetime(&local).single()
}

/// The numbers of a set such as `1,4:7`, in its order; `None` if it is malformed or has more than
/// `count_max`.
#[must_use]
pub fn numbers_of_set(set: &str, count_max: usize) -> Option<Vec<u32>> {
    let mut numbers = Vec::new();
    for range in set.split(',') {
        let (from, to) = range.split_once(':').unwrap_or((range, range));
        let (from, to): (u32, u32) = (from.parse().ok()?, to.parse().ok()?);
        // RFC 3501 §9: `4:2` is the same as `2:4`.
        let (from, to) = (from.min(to), from.max(to));
        if usize::try_from(to - from).ok()? >= count_max.saturating_sub(numbers.len()) {
            return None;
        }
        numbers.extend(from..=to);
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_leniently_and_what_is_none_is_none() {
        for (text, seconds) in [
            ("17-Jul-1996 02:44:25 -0700", 837_596_665),
            (" 1-Jan-1970 00:00:00 +0000", 0),
            ("1-Jan-1970 01:00:00 +0100", 0),
            ("19-Jan-2038 03:14:08 +0000", 2_147_483_648),
            ("31-Dec-1969 23:59:59 +0000", -1),
        ] {
            assert_eq!(internal_date(text).map(|date| date.timestamp()), Some(seconds), "{text}");
        }
        for text in ["", "NIL", "30-Feb-2020 00:00:00 +0000", "1-Jan-2020 00:00:00 +2500", "x +é00"]
        {
            assert_eq!(internal_date(text), None, "{text}");
        }
    }

    #[test]
    fn sets_are_bounded() {
        assert_eq!(numbers_of_set("3,7:9,12:11", 6), Some(vec![3, 7, 8, 9, 11, 12]));
        assert_eq!(numbers_of_set("3,7:9,12:11", 5), None);
        assert_eq!(numbers_of_set("1:4294967295", 1000), None);
        for set in ["", "1,", "a", "1:*", "-1"] {
            assert_eq!(numbers_of_set(set, 10), None, "{set}");
        }
    }
}
