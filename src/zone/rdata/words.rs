//! Presentation form, split into words (RFC 1035 §5.1).
//!
//! A *word* is a quoted string, or what stands between blanks. Parentheses count as blanks, since
//! they only allow line breaks. Words keep their escapes: a name decodes its own, because an
//! escaped dot is not a dot.

use super::RdataError;
use crate::name::unescape;

/// What is wrong with a field, as a predicate for "the preference": `is not a number from 0 to 65535`.
pub(super) type Complaint = String;

/// A word as it was written.
#[derive(Clone, Copy)]
pub(super) struct Word<'t> {
    /// The text without quotes, with escapes.
    pub(super) raw: &'t str,
    /// Whether it is in quotes.
    pub(super) quoted: bool,
    /// Whether it touches the previous word, and at least one of the two is not quoted:
    /// `alpn="h2"`. Two quoted strings that touch are separate words.
    pub(super) glued: bool,
}

/// The words of a text, taken in turn.
pub(super) struct Words<'t> {
    words: std::iter::Peekable<std::vec::IntoIter<Word<'t>>>,
}

impl<'t> Words<'t> {
    /// Splits a text into words, in one pass.
    pub(super) fn of(text: &'t str) -> Result<Self, RdataError> {
        let mut words: Vec<Word<'t>> = Vec::new();
        let octets = text.as_bytes();
        let (mut at, mut depth) = (0, 0_usize);
        let mut touches = false;
        while let Some(octet) = octets.get(at) {
            match octet {
                b' ' | b'\t' | b'\r' | b'\n' | b'(' | b')' => {
                    depth = depth_after(*octet, depth)?;
                    touches = false;
                    at += 1;
                    continue;
                }
                b';' => {
                    return Err(RdataError::new(
                        "a `;` outside quotes starts a comment; quote the text, or write `\\;`",
                    ));
                }
                _ => {}
            }
            let quoted = *octet == b'"';
            let start = at + usize::from(quoted);
            let end = if quoted { quoted_end(octets, start)? } else { plain_end(octets, start) };
            let glued = touches && words.last().is_some_and(|last| !(last.quoted && quoted));
            words.push(Word { raw: &text[start..end], quoted, glued });
            touches = true;
            at = end + usize::from(quoted);
        }
        match depth {
            0 => Ok(Self { words: words.into_iter().peekable() }),
            _ => Err(RdataError::new("a `(` has no `)`")),
        }
    }

    /// Whether no word is left.
    pub(super) fn is_empty(&mut self) -> bool {
        self.words.peek().is_none()
    }

    /// The next word, which must not be glued to the previous word.
    pub(super) fn word(&mut self) -> Result<Word<'t>, Complaint> {
        let word = self.words.next().ok_or("is missing")?;
        match word.glued {
            true => Err("is not set off by a blank: quotes enclose a whole word".to_owned()),
            false => Ok(word),
        }
    }

    /// The next word, glued or not.
    pub(super) fn any(&mut self) -> Option<Word<'t>> {
        self.words.next()
    }

    /// The next word, if it is quoted and glued to the previous word.
    pub(super) fn glued_quoted(&mut self) -> Option<Word<'t>> {
        self.words.next_if(|word| word.glued && word.quoted)
    }

    /// The next word with its escapes, which must not be quoted.
    pub(super) fn plain(&mut self) -> Result<&'t str, Complaint> {
        let word = self.word()?;
        match word.quoted {
            true => Err("is in quotes, which only strings may have".to_owned()),
            false => Ok(word.raw),
        }
    }

    /// The octets of the next word, quoted or not.
    pub(super) fn string(&mut self) -> Result<Vec<u8>, Complaint> {
        octets_of(self.word()?.raw)
    }

    /// Takes the mark `\#` of RFC 3597 §5, if it is next.
    pub(super) fn opaque_mark(&mut self) -> bool {
        self.words.next_if(|word| !word.quoted && word.raw == "\\#").is_some()
    }
}

/// The octets of a text with escapes; characters beyond ASCII become UTF-8.
pub(super) fn octets_of(raw: &str) -> Result<Vec<u8>, Complaint> {
    let mut octets = Vec::with_capacity(raw.len());
    let mut rest = raw.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => octets.push(unescape(&mut rest).ok_or(
                "has an escape that is neither `\\DDD` (000 to 255) nor `\\` and one character",
            )?),
            c => octets.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Ok(octets)
}

fn depth_after(octet: u8, depth: usize) -> Result<usize, RdataError> {
    match octet {
        b'(' => Ok(depth + 1),
        b')' => depth.checked_sub(1).ok_or_else(|| RdataError::new("a `)` has no `(`")),
        _ => Ok(depth),
    }
}

/// The position of the closing quote. Only ASCII octets decide, so every cut is between characters.
fn quoted_end(octets: &[u8], start: usize) -> Result<usize, RdataError> {
    let mut at = start;
    loop {
        match octets.get(at) {
            Some(b'"') => return Ok(at),
            Some(b'\\') => at += 2,
            Some(b'\n') => return Err(RdataError::new("a quoted string goes over a line end")),
            Some(_) => at += 1,
            None => return Err(RdataError::new("a quoted string has no closing quote")),
        }
    }
}

fn plain_end(octets: &[u8], start: usize) -> usize {
    let mut at = start;
    loop {
        match octets.get(at) {
            Some(b' ' | b'\t' | b'\r' | b'\n' | b'(' | b')' | b'"' | b';') | None => {
                return at.min(octets.len());
            }
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
        }
    }
}
