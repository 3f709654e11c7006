//! What a message is recognized by at a server that changes its octets.
//!
//! Exchange rebuilds each message from its own store: header fields are folded anew, parts are
//! encoded anew, and fields are added. What stays is the Message-ID, when it was written, who wrote
//! it, and about how large it is. Two messages are *alike* if they have the same Message-ID; of
//! those without one, if they have the same date, author and subject. Either way one must not be much larger
//! than the other.
//!
//! This is weaker than a digest: a message that was edited is like the first version. So it decides
//! only where the alternative is a message that is there twice: after a lost answer, about messages
//! that are new in the folder since, and in a folder that had messages before the ledger knew it
//! (there, the internal date has to be the same too). A message that was recognized like this is named
//! in the report, and `verify` lists it as altered.

use std::io::{self, Read as _};

use chrono::DateTime;
use cutover_base::digest::Digest;
use cutover_imap::Octets;

/// The octets of a header that are looked at. Our choice: larger headers are attacks.
const HEADER_OCTETS_MAX: u64 = 128 * 1024;
/// How much larger or smaller a message may become: from base64 to quoted-printable, or with fields
/// of the new host. Our choice.
const GROWTH_MAX: u64 = 2;
const ADDED_OCTETS_MAX: u64 = 32 * 1024;

/// What a message is recognized by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Likeness {
    /// Of its Message-ID, if it has one.
    pub id: Option<[u8; 16]>,
    /// Of its date, author and subject, if it has a date.
    pub head: Option<[u8; 16]>,
}

impl Likeness {
    /// What this message is recognized by.
    ///
    /// # Errors
    /// The message is in a file that cannot be read.
    pub fn of(body: &Octets) -> io::Result<Self> {
        let mut header = Vec::new();
        match body {
            Octets::Memory(octets) => {
                let end = usize::try_from(HEADER_OCTETS_MAX).unwrap_or(usize::MAX);
                Ok(Self::of_header(&octets[..octets.len().min(end)]))
            }
            Octets::Spooled { .. } => {
                body.reader()?.take(HEADER_OCTETS_MAX).read_to_end(&mut header)?;
                Ok(Self::of_header(&header))
            }
        }
    }

    fn of_header(octets: &[u8]) -> Self {
        let id = field(octets, b"message-id").map(|id| id.split_whitespace().collect::<String>());
        let id = id.filter(|id| !id.is_empty()).map(|id| short(&["id", &id]));
        let written = field(octets, b"date").and_then(|text| instant(&text));
        let head = written.map(|written| {
            let author = field(octets, b"from").map_or_else(String::new, |text| address(&text));
            let subject = field(octets, b"subject").unwrap_or_default();
            // A server may encode a subject anew, so one that is encoded says nothing.
            let subject = match subject.contains("=?") || !subject.is_ascii() {
                true => String::new(),
                false => subject.split_whitespace().collect::<Vec<_>>().join(" "),
            };
            short(&["head", &written.to_string(), &author, &subject])
        });
        Self { id, head }
    }
}

/// The sizes between which a message lies that is like one of this size.
#[must_use]
pub fn sizes(octets: u64) -> (u64, u64) {
    let least = octets.saturating_sub(ADDED_OCTETS_MAX) / GROWTH_MAX;
    (least, octets.saturating_mul(GROWTH_MAX).saturating_add(ADDED_OCTETS_MAX))
}

fn short(parts: &[&str]) -> [u8; 16] {
    let digest = Digest::of(parts.join("\0").as_bytes()).octets();
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    half
}

/// The first field of this name, unfolded.
fn field(header: &[u8], name: &[u8]) -> Option<String> {
    let mut rest = header;
    let mut value: Option<Vec<u8>> = None;
    while !rest.is_empty() {
        let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        let (line, after) = rest.split_at(end);
        rest = after;
        let line = line.trim_ascii_end();
        if line.is_empty() {
            break;
        }
        let is_more = line[0] == b' ' || line[0] == b'\t';
        match &mut value {
            Some(value) if is_more => value.extend_from_slice(line),
            Some(_) => break,
            None => {
                let found = line.get(..name.len()).filter(|word| word.eq_ignore_ascii_case(name));
                let after = found.map(|_| line[name.len()..].trim_ascii_start());
                value = after.and_then(|after| after.strip_prefix(b":")).map(<[u8]>::to_vec);
            }
        }
    }
    value.map(|value| String::from_utf8_lossy(&value).trim().to_owned())
}

/// When it was written, in seconds since 1970.
fn instant(text: &str) -> Option<i64> {
    let plain = text.split('(').next().unwrap_or_default().trim();
    DateTime::parse_from_rfc2822(plain).ok().map(|date| date.timestamp())
}

/// The address of a field `From`: what stands in angle brackets, or all of it.
fn address(text: &str) -> String {
    let inner = text.rsplit_once('<').map_or(text, |(_, rest)| rest);
    let inner = inner.split('>').next().unwrap_or_default();
    inner.trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(header: &str) -> Likeness {
        Likeness::of(&Octets::Memory(header.as_bytes().to_vec())).expect("memory")
    }

    #[test]
    fn what_exchange_changes_keeps_the_likeness() {
        let one = of("From: Anna <anna@acme.test>\r\nDate: Sun, 13 Sep 2020 12:26:40 +0000\r\n\
            Subject: a  long\r\n subject\r\nMessage-ID: <1@acme.test>\r\n\r\nx");
        let other = of("Received: x\nmessage-id:\n <1@acme.test>\nsubject: a long subject\n\
            date: Sun, 13 Sep 2020 14:26:40 +0200 (CEST)\nfrom: \"Anna\" <Anna@acme.test>\n\ny");
        assert_eq!(one, other);
        assert!(one.id.is_some() && one.head.is_some());
    }

    #[test]
    fn other_messages_are_not_alike() {
        let base = "From: a@b\r\nDate: Sun, 13 Sep 2020 12:26:40 +0000\r\nSubject: s\r\n\r\n";
        let one = of(base);
        assert_eq!(one.id, None);
        for (from, to) in [("a@b", "c@b"), (":40", ":41"), (": s", ": t")] {
            assert_ne!(of(&base.replace(from, to)).head, one.head, "{to}");
        }
        // What stands in the body is no field.
        assert_eq!(of("Subject: s\r\n\r\nMessage-ID: <1@a>\r\nDate: x\r\n"), Likeness::default());
        assert_eq!(of("Message-ID:\r\nDate: never\r\n\r\n"), Likeness::default());
    }

    #[test]
    fn sizes_are_bounded_on_both_sides() {
        assert_eq!(sizes(0), (0, 32_768));
        assert_eq!(sizes(100_000), (33_616, 232_768));
        assert_eq!(sizes(u64::MAX).1, u64::MAX);
    }
}
