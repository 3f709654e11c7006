//! What a message is, octet by octet: the digests by which messages are compared.
//!
//! * *raw*: the octets as a server sends them.
//! * *canonical*: with CRLF at the end of each line, a CRLF at the end of the message, and 0x80 for
//!   each NUL. These are the changes that servers make when they store a message that RFC 5322 and
//!   RFC 3501 do not allow: Dovecot 2.3 makes all of them.

use std::io;

use cutover_base::digest::{Digest, Hashing};
use cutover_imap::Octets;

/// The digests of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digests {
    /// Of the octets as they came.
    pub raw: Digest,
    /// Of the canonical form.
    pub canonical: Digest,
    /// How many octets came.
    pub octets: u64,
}

impl Digests {
    /// The digests of a message.
    ///
    /// # Errors
    /// The message is in a file that cannot be read.
    pub fn of(body: &Octets) -> io::Result<Self> {
        let mut raw = Hashing::default();
        let mut shape = Canonical::default();
        let mut is_canonical = true;
        body.pieces(|piece| {
            raw.add(piece);
            shape.add(piece, |part| is_canonical &= part.is_original);
        })?;
        shape.end(|part| is_canonical &= part.is_original);
        let raw = raw.digest();
        let canonical = match is_canonical {
            true => raw,
            false => {
                let mut hash = Hashing::default();
                let mut form = Canonical::default();
                body.pieces(|piece| form.add(piece, |part| hash.add(part.octets)))?;
                form.end(|part| hash.add(part.octets));
                hash.digest()
            }
        };
        Ok(Self { raw, canonical, octets: body.len() })
    }
}

/// The canonical form of a message, in memory: for messages that a server refuses as they are.
///
/// A line `From ` at the beginning, which programs that write mbox files leave there, is removed.
///
/// # Errors
/// The message is in a file that cannot be read.
pub fn repaired(body: &Octets) -> io::Result<Octets> {
    let mut octets = Vec::new();
    let mut form = Canonical::default();
    body.pieces(|piece| form.add(piece, |part| octets.extend_from_slice(part.octets)))?;
    form.end(|part| octets.extend_from_slice(part.octets));
    if octets.starts_with(b"From ") {
        let end = octets.windows(2).position(|pair| pair == b"\r\n").map_or(0, |at| at + 2);
        octets.drain(..end);
    }
    Ok(Octets::Memory(octets))
}

/// A part of the canonical form.
struct Part<'a> {
    octets: &'a [u8],
    /// Whether the message has it like this.
    is_original: bool,
}

/// Turns a message into its canonical form, piece by piece.
#[derive(Default)]
struct Canonical {
    /// The last octet; nothing has come yet if there is none.
    last: Option<u8>,
    /// Whether the message ends in CRLF so far.
    ends_line: bool,
}

impl Canonical {
    fn add(&mut self, piece: &[u8], mut take: impl FnMut(Part<'_>)) {
        let mut from = 0;
        for at in memchr::memchr2_iter(b'\n', 0, piece) {
            let before = if at == 0 { self.last } else { Some(piece[at - 1]) };
            if piece[at] == 0 || before != Some(b'\r') {
                take(Part { octets: &piece[from..at], is_original: true });
                let octets: &[u8] = if piece[at] == 0 { &[0x80] } else { b"\r\n" };
                take(Part { octets, is_original: false });
                from = at + 1;
            }
        }
        take(Part { octets: &piece[from..], is_original: true });
        if let Some(last) = piece.last() {
            self.ends_line = *last == b'\n';
            self.last = Some(*last);
        }
    }

    fn end(self, mut take: impl FnMut(Part<'_>)) {
        match self.last {
            None => {}
            Some(_) if self.ends_line => {}
            Some(b'\r') => take(Part { octets: b"\n", is_original: false }),
            Some(_) => take(Part { octets: b"\r\n", is_original: false }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_change_does_not_change_the_canonical_digest() {
        let of = |octets: &[u8]| Digests::of(&Octets::Memory(octets.to_vec())).expect("memory");
        let plain = of(b"A: b\r\n\r\ntext\x80\r\n");
        assert_eq!(plain.raw, plain.canonical);
        for same in [
            &b"A: b\n\ntext\x00\n"[..],
            b"A: b\r\n\ntext\x80",
            b"A: b\r\n\r\ntext\x80\r",
            b"A: b\n\r\ntext\x00",
        ] {
            assert_eq!(of(same).canonical, plain.canonical, "{}", same.escape_ascii());
            assert_ne!(of(same).raw, plain.raw);
        }
        for other in [&b"A: b\r\n\r\ntext\x81\r\n"[..], b"A: b\r\n\r\ntext\x80\r\n\r\n", b""] {
            assert_ne!(of(other).canonical, plain.canonical, "{}", other.escape_ascii());
        }
        assert_eq!(of(b"").raw, of(b"").canonical);
    }

    #[test]
    fn pieces_do_not_matter() {
        let text = b"a\nb\r\nc\x00\r";
        let whole = Digests::of(&Octets::Memory(text.to_vec())).expect("memory").canonical;
        for cut in 0..=text.len() {
            let mut hash = Hashing::default();
            let mut form = Canonical::default();
            for piece in [&text[..cut], &text[cut..]] {
                form.add(piece, |part| hash.add(part.octets));
            }
            form.end(|part| hash.add(part.octets));
            assert_eq!(hash.digest(), whole, "cut at {cut}");
        }
    }

    #[test]
    fn a_repaired_message_has_no_line_of_an_mbox_file() {
        let of = |octets: &[u8]| match repaired(&Octets::Memory(octets.to_vec())) {
            Ok(Octets::Memory(octets)) => octets,
            other => panic!("{other:?}"),
        };
        assert_eq!(of(b"From a b\nA: b\n\nx"), b"A: b\r\n\r\nx\r\n");
        assert_eq!(of(b"From: a\r\n\r\n\x00"), b"From: a\r\n\r\n\x80\r\n");
    }
}
