//! Domain names: always absolute, always lower case, in wire form.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest name on the wire, in octets, with the root's length octet (RFC 1035 §2.3.4).
const NAME_OCTETS_MAX: usize = 255;
/// The longest label, in octets (RFC 1035 §2.3.4).
const LABEL_OCTETS_MAX: usize = 63;

/// One label of a name: lower case, without its length octet, not empty.
pub type Label = [u8];

/// An absolute domain name, in lower case (RFC 4343: names are compared without regard to case).
///
/// Names are in the canonical order of RFC 4034 §6.1: label by label from the root, so a name comes
/// before the names below it. The octets are shared, because a plan holds each name in many places.
///
/// The octets are the length of the wire form, the wire form, and the sort key: the labels from the
/// root, each with an end mark. Whole keys compare as the names do, and the key of a name starts with
/// the keys of the names above it. Names are compared far more often than they are made.
#[derive(Clone)]
pub struct Name(Arc<[u8]>);

/// Ends a label in a sort key: less than every octet that a key writes for a label's octets.
const KEY_LABEL_END: u8 = 0;
/// Written before the octets 0 and 1 of a label in a sort key, which are then 1 and 2.
const KEY_ESCAPE: u8 = 1;
/// Names of up to so many octets on the wire count as short. Our choice: nearly all do.
const SHORT_OCTETS_MAX: usize = 64;

/// Why a text is not a domain name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Two dots with nothing in between, or an empty text.
    #[error("a label is empty")]
    EmptyLabel,
    /// A label of more than 63 octets (RFC 1035 §2.3.4).
    #[error("the label `{label}` has more than 63 octets")]
    LabelTooLong {
        /// The label as it was written.
        label: String,
    },
    /// More than 255 octets on the wire (RFC 1035 §2.3.4).
    #[error("the name has more than 255 octets")]
    NameTooLong,
    /// A backslash that is not followed by three digits up to 255 or by another character.
    #[error("an escape is neither `\\DDD` (000 to 255) nor `\\` and one character")]
    BadEscape,
    /// A name that is not ASCII, and that IDNA (UTS 46) refuses.
    #[error("the name is not a valid internationalised name")]
    BadIdna,
    /// The trailing dot of an absolute name is missing.
    #[error("the name has no trailing dot, so it is not absolute")]
    NotAbsolute,
    /// A blank or a control character that is not escaped.
    #[error("the character {0:?} must be escaped in a name")]
    BadCharacter(char),
}

impl Name {
    /// The root.
    #[must_use]
    pub fn root() -> Self {
        Self(Arc::new([1, 0]))
    }

    /// Reads a name as people write it in a plan: absolute, with or without the trailing dot, in
    /// Unicode or ASCII. IDNA is applied here, at the edge, and nowhere else.
    ///
    /// # Errors
    /// [`NameError`] if the text is not a name of RFC 1035 §2.3.4.
    pub fn from_user(text: &str) -> Result<Self, NameError> {
        let text = text.strip_suffix('.').filter(|t| !t.ends_with('\\')).unwrap_or(text);
        if text.is_ascii() {
            return Self::from_labels_text(text);
        }
        let ascii = idna::domain_to_ascii(text).map_err(|_| NameError::BadIdna)?;
        Self::from_labels_text(&ascii)
    }

    /// Reads a name in presentation form that must end in a dot (RFC 1035 §5.1).
    ///
    /// # Errors
    /// [`NameError::NotAbsolute`] without that dot, and the errors of [`Name::from_user`].
    pub fn absolute(text: &str) -> Result<Self, NameError> {
        if text == "." {
            return Ok(Self::root());
        }
        match ends_in_dot(text) {
            true => Self::from_labels_text(&text[..text.len() - 1]),
            false => Err(NameError::NotAbsolute),
        }
    }

    /// Reads a name of a master file: `@` is the origin, and a name without a trailing dot is
    /// relative to the origin (RFC 1035 §5.1).
    ///
    /// # Errors
    /// The errors of [`Name::absolute`].
    pub fn relative_to(text: &str, origin: &Self) -> Result<Self, NameError> {
        match text {
            "@" => Ok(origin.clone()),
            _ if ends_in_dot(text) => Self::absolute(text),
            _ => Self::from_text_below(text, origin),
        }
    }

    /// Builds a name from its labels, leftmost first; upper case becomes lower case.
    ///
    /// # Errors
    /// [`NameError`] for empty or long labels, and for a name that is too long.
    pub fn from_labels<'a>(labels: impl IntoIterator<Item = &'a Label>) -> Result<Self, NameError> {
        let mut wire = Vec::with_capacity(32);
        for label in labels {
            push_label(&mut wire, label)?;
        }
        wire.push(0);
        Self::checked(wire)
    }

    /// Reads an uncompressed name from the front of `wire`, and returns how many octets it took.
    ///
    /// `None` if the octets end early, hold a compression pointer, or form a name that is too
    /// long.
    #[must_use]
    pub fn from_wire(wire: &[u8]) -> Option<(Self, usize)> {
        let mut at = 0;
        loop {
            let length = usize::from(*wire.get(at)?);
            if length > LABEL_OCTETS_MAX || at + length + 1 > NAME_OCTETS_MAX {
                return None;
            }
            at += length + 1;
            if length == 0 {
                // Built on the stack first, so that the shared octets are allocated only once.
                let mut octets = [0; NAME_OCTETS_MAX];
                let octets = &mut octets[..at];
                octets.copy_from_slice(wire.get(..at)?);
                octets.make_ascii_lowercase();
                return Some((Self::of_wire(octets), at));
            }
        }
    }

    /// The name on the wire: uncompressed, lower case, with the root's octet.
    #[must_use]
    pub fn wire(&self) -> &[u8] {
        &self.0[1..=usize::from(self.0[0])]
    }

    /// The sort key.
    fn key(&self) -> &[u8] {
        &self.0[usize::from(self.0[0]) + 1..]
    }

    /// The labels, leftmost first, without the empty label of the root.
    pub fn labels(&self) -> impl Iterator<Item = &Label> {
        let mut rest = self.wire();
        std::iter::from_fn(move || {
            let length = usize::from(rest[0]);
            if length == 0 {
                return None;
            }
            let label = &rest[1..=length];
            rest = &rest[length + 1..];
            Some(label)
        })
    }

    /// Whether this is the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.wire().len() == 1
    }

    /// Whether the leftmost label is `*` (RFC 4592 §2.1.1).
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.wire().starts_with(b"\x01*")
    }

    /// The name without its leftmost label; `None` for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        match self.is_root() {
            true => None,
            false => Some(self.without_first_label()),
        }
    }

    /// Whether this name is `other` or lies below it.
    #[must_use]
    pub fn is_at_or_below(&self, other: &Self) -> bool {
        self.key().starts_with(other.key())
    }

    /// This name, taken as relative, with `origin` appended.
    ///
    /// # Errors
    /// [`NameError::NameTooLong`].
    pub fn join(&self, origin: &Self) -> Result<Self, NameError> {
        let (_, labels) = self.wire().split_last().expect("the root's octet");
        Self::checked([labels, origin.wire()].concat())
    }

    /// This name with one more label in front, or several with dots in between.
    ///
    /// # Errors
    /// As [`Name::from_labels`].
    pub fn child(&self, label: &str) -> Result<Self, NameError> {
        Self::from_text_below(label, self)
    }

    /// The name as a master file of `origin` writes it: `@`, relative, or absolute if it lies
    /// outside.
    #[must_use]
    pub fn shown_in(&self, origin: &Self) -> String {
        if self == origin {
            return "@".to_owned();
        }
        if !self.is_at_or_below(origin) || origin.is_root() {
            return self.to_string();
        }
        let text = self.to_string();
        text[..text.len() - origin.to_string().len() - 1].to_owned()
    }

    /// The name of a valid wire form in lower case.
    fn of_wire(wire: &[u8]) -> Self {
        // Most names are short, and the octets are built on the stack first, so that the shared octets
        // are allocated only once.
        match wire.len() <= SHORT_OCTETS_MAX {
            true => Self::built(wire, &mut [0; 1 + 3 * SHORT_OCTETS_MAX]),
            false => Self::built(wire, &mut [0; 1 + 3 * NAME_OCTETS_MAX]),
        }
    }

    fn built(wire: &[u8], octets: &mut [u8]) -> Self {
        octets[0] = u8::try_from(wire.len()).expect("a name has at most 255 octets");
        octets[1..=wire.len()].copy_from_slice(wire);
        let mut end = wire.len() + 1;
        let mut starts = [0_u8; 128];
        for start in starts_into(wire, &mut starts).iter().rev() {
            let start = usize::from(*start);
            let label = &wire[start + 1..=start + usize::from(wire[start])];
            if label.iter().all(|octet| *octet > KEY_ESCAPE) {
                octets[end..end + label.len()].copy_from_slice(label);
                end += label.len();
            } else {
                for octet in label {
                    if *octet <= KEY_ESCAPE {
                        octets[end] = KEY_ESCAPE;
                        end += 1;
                    }
                    octets[end] = *octet + u8::from(*octet <= KEY_ESCAPE);
                    end += 1;
                }
            }
            octets[end] = KEY_LABEL_END;
            end += 1;
        }
        Self(octets[..end].into())
    }

    /// The key of the parent is the beginning of this name's key.
    fn without_first_label(&self) -> Self {
        let (wire, key) = (self.wire(), self.key());
        let first = usize::from(wire[0]);
        let escaped = wire[1..=first].iter().filter(|octet| **octet <= KEY_ESCAPE).count();
        let (wire, key) = (&wire[first + 1..], &key[..key.len() - first - escaped - 1]);
        let length = u8::try_from(wire.len()).expect("a name has at most 255 octets");
        Self([&[length], wire, key].concat().into())
    }

    fn checked(wire: Vec<u8>) -> Result<Self, NameError> {
        match wire.len() <= NAME_OCTETS_MAX {
            true => Ok(Self::of_wire(&wire)),
            false => Err(NameError::NameTooLong),
        }
    }

    /// `text` has no final dot for the root; every unescaped dot separates labels.
    fn from_labels_text(text: &str) -> Result<Self, NameError> {
        Self::from_text_below(text, &Self::root())
    }

    /// The same, as a name below another.
    fn from_text_below(text: &str, above: &Self) -> Result<Self, NameError> {
        let mut wire = Vec::with_capacity(text.len() + above.wire().len() + 1);
        let mut start = 0;
        wire.push(0);
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            match c {
                '.' => {
                    end_label(&mut wire, start)?;
                    start = wire.len();
                    wire.push(0);
                }
                '\\' => wire.push(unescape(&mut rest).ok_or(NameError::BadEscape)?),
                c if c.is_ascii_graphic() => wire.push(c as u8),
                c => return Err(NameError::BadCharacter(c)),
            }
        }
        end_label(&mut wire, start)?;
        wire.extend_from_slice(above.wire());
        Self::checked(wire)
    }
}

/// Whether the text ends in a dot that ends the name. An odd number of backslashes before the dot
/// makes it part of a label.
fn ends_in_dot(text: &str) -> bool {
    let Some(front) = text.strip_suffix('.') else { return false };
    let backslashes = front.bytes().rev().take_while(|octet| *octet == b'\\').count();
    backslashes % 2 == 0
}

fn push_label(wire: &mut Vec<u8>, label: &Label) -> Result<(), NameError> {
    let start = wire.len();
    wire.push(0);
    wire.extend_from_slice(label);
    end_label(wire, start)
}

/// Ends a label whose length octet is at `start`: sets that octet, and makes the label lower case.
fn end_label(wire: &mut [u8], start: usize) -> Result<(), NameError> {
    let label = &mut wire[start + 1..];
    match label.len() {
        0 => return Err(NameError::EmptyLabel),
        1..=LABEL_OCTETS_MAX => {}
        _ => {
            let label = String::from_utf8_lossy(label).into_owned();
            return Err(NameError::LabelTooLong { label });
        }
    }
    label.make_ascii_lowercase();
    wire[start] = u8::try_from(wire.len() - start - 1).expect("at most 63 octets");
    Ok(())
}

/// The octet of an escape after its backslash: `\DDD` or `\X` (RFC 1035 §5.1).
pub(crate) fn unescape(rest: &mut std::str::Chars<'_>) -> Option<u8> {
    let first = rest.next()?;
    let Some(hundreds) = first.to_digit(10) else {
        return u8::try_from(first).ok().filter(u8::is_ascii);
    };
    let tens = rest.next()?.to_digit(10)?;
    let ones = rest.next()?.to_digit(10)?;
    u8::try_from(hundreds * 100 + tens * 10 + ones).ok()
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        // Most names that are equal are the same.
        match Arc::ptr_eq(&self.0, &other.0) {
            true => Ordering::Equal,
            false => self.key().cmp(other.key()),
        }
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.wire() == other.wire()
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.wire().hash(state);
    }
}

/// The start of each label; a name has at most 127 labels, and each starts below 255.
fn starts_into<'b>(wire: &[u8], into: &'b mut [u8; 128]) -> &'b [u8] {
    let mut count = 0;
    let mut at = 0_u8;
    while wire[usize::from(at)] > 0 {
        into[count] = at;
        count += 1;
        at += wire[usize::from(at)] + 1;
    }
    &into[..count]
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Whether an octet of a label stands for itself in presentation form (RFC 4343 §2.1).
fn is_plain(octet: u8) -> bool {
    let is_special = matches!(octet, b'.' | b'\\' | b'"' | b'(' | b')' | b';' | b'@' | b'$');
    octet.is_ascii_graphic() && !is_special
}

impl fmt::Display for Name {
    /// Presentation form, absolute, with the trailing dot (RFC 1035 §5.1, RFC 4343 §2.1).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str(".");
        }
        let mut text = Vec::with_capacity(self.wire().len() + 1);
        for label in self.labels() {
            // Nearly all labels are written as they are.
            match label.iter().all(|octet| is_plain(*octet)) {
                true => text.extend_from_slice(label),
                false => label.iter().for_each(|octet| match octet {
                    octet if is_plain(*octet) => text.push(*octet),
                    0x21..=0x7e => text.extend([b'\\', *octet]),
                    _ => text.extend_from_slice(format!("\\{octet:03}").as_bytes()),
                }),
            }
            text.push(b'.');
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::absolute(text)
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::absolute(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::absolute(text).expect("a valid name")
    }

    #[test]
    fn user_names_are_absolute_lower_case_and_ascii() {
        for (text, shown) in [
            ("Acme.Test", "acme.test."),
            ("acme.test.", "acme.test."),
            ("bücher.example", "xn--bcher-kva.example."),
            ("_dmarc.acme.test", "_dmarc.acme.test."),
            ("*.acme.test", "*.acme.test."),
            ("a\\.b.test", "a\\.b.test."),
            ("a\\046b.test", "a\\.b.test."),
            ("a\\032b.test", "a\\032b.test."),
        ] {
            assert_eq!(Name::from_user(text).expect(text).to_string(), shown, "{text}");
        }
    }

    #[test]
    fn texts_that_are_not_names_are_refused() {
        let long = "a".repeat(64);
        for (text, error) in [
            ("", NameError::EmptyLabel),
            ("a..b", NameError::EmptyLabel),
            (".a", NameError::EmptyLabel),
            ("a b", NameError::BadCharacter(' ')),
            ("a\\", NameError::BadEscape),
            ("a\\256", NameError::BadEscape),
            ("a\\1x", NameError::BadEscape),
            (&long, NameError::LabelTooLong { label: long.clone() }),
            (&["a"; 128].join("."), NameError::NameTooLong),
        ] {
            assert_eq!(Name::from_user(text), Err(error), "{text}");
        }
        assert!(Name::from_user(&["a"; 127].join(".")).is_ok(), "255 octets is the limit");
        assert_eq!(Name::absolute("a.test"), Err(NameError::NotAbsolute));
        assert_eq!(Name::absolute("a.test\\."), Err(NameError::NotAbsolute));
    }

    #[test]
    fn rfc4034_section_6_1_canonical_order() {
        let sorted = [
            "example.",
            "a.example.",
            "yljkjljk.a.example.",
            "z.a.example.",
            "zabc.a.example.",
            "z.example.",
            "\\001.z.example.",
            "*.z.example.",
            "\\200.z.example.",
        ];
        let mut names: Vec<Name> = sorted.iter().rev().map(|text| name(text)).collect();
        names.sort();
        assert_eq!(names, sorted.map(name));
    }

    /// The order and the relation "is at or below", label by label, as RFC 4034 §6.1 words it.
    fn by_labels(a: &Name, b: &Name) -> (Ordering, bool) {
        let labels = |name: &Name| {
            let mut labels: Vec<Vec<u8>> = name.labels().map(<[u8]>::to_vec).collect();
            labels.reverse();
            labels
        };
        let (a, b) = (labels(a), labels(b));
        (a.cmp(&b), a.starts_with(&b))
    }

    #[test]
    fn sort_keys_give_the_order_of_labels() {
        // Every name of up to six octets. 0 and 1 are escaped in keys; 1 to 3 look like lengths.
        let mut names = vec![Name::root()];
        for length in 1..=5_u32 {
            for number in 0..5_u32.pow(length) {
                let octets = (0..length)
                    .map(|place| [0, 1, 2, 3, b'a'][(number / 5_u32.pow(place)) as usize % 5]);
                let wire: Vec<u8> = octets.chain([0]).collect();
                let read = Name::from_wire(&wire).filter(|(_, read)| *read == wire.len());
                names.extend(read.map(|(name, _)| name));
            }
        }
        assert!(names.len() > 300, "{}", names.len());
        for name in &names {
            let parent = name.parent().unwrap_or_else(|| name.clone());
            assert_eq!(parent.0, Name::of_wire(parent.wire()).0, "the key of {name}'s parent");
            for other in &names {
                let found = (name.cmp(other), name.is_at_or_below(other));
                assert_eq!(found, by_labels(name, other), "{name} {other}");
                assert_eq!(name == other, found.0 == Ordering::Equal, "{name} {other}");
            }
        }
    }

    #[test]
    fn a_name_is_below_another_by_whole_labels() {
        assert!(name("a.acme.test.").is_at_or_below(&name("acme.test.")));
        assert!(name("acme.test.").is_at_or_below(&name("acme.test.")));
        assert!(!name("xacme.test.").is_at_or_below(&name("acme.test.")));
        assert!(name("acme.test.").is_at_or_below(&Name::root()));
        // The octet 4 before "acme" is part of a label here, and not a length.
        assert!(!name("x\\004acme.test.").is_at_or_below(&name("acme.test.")));
    }

    #[test]
    fn names_of_a_master_file_are_relative_to_its_origin() {
        let origin = name("acme.test.");
        for (text, absolute) in [
            ("@", "acme.test."),
            ("mail", "mail.acme.test."),
            ("a.b", "a.b.acme.test."),
            ("mail.other.", "mail.other."),
            ("dot\\.", "dot\\..acme.test."),
        ] {
            let read = Name::relative_to(text, &origin).expect(text);
            assert_eq!(read.to_string(), absolute);
            if text != "mail.other." {
                assert_eq!(read.shown_in(&origin), text);
            }
        }
    }

    #[test]
    fn wire_round_trip() {
        let read = name("mail.acme.test.");
        assert_eq!(Name::from_wire(read.wire()), Some((read.clone(), read.wire().len())));
        assert_eq!(Name::from_wire(b"\xc0\x0c"), None, "a compression pointer");
        assert_eq!(Name::from_wire(b"\x04mai"), None, "too short");
        assert_eq!(read.parent().map(|p| p.to_string()).as_deref(), Some("acme.test."));
        assert_eq!(Name::root().parent(), None);
    }
}
