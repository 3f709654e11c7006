//! The columns of a record's line as they were written, to write other records in the same style.

use cutover_zone::{Rdata, Ttl};

use crate::lex::{self, Line, Span, is_blank};
use crate::reading::Entry;
use crate::record::{self, Head};

/// The line of a record of the main file, split into its columns again.
pub(crate) struct Layout<'t> {
    text: &'t [u8],
    line: Line,
    head: Head,
    rdata: Vec<Span>,
}

/// The first column of a new line.
pub(crate) enum OwnerColumn<'n> {
    /// Blanks: the owner is inherited from the previous line.
    Inherited,
    /// The owner.
    Written(&'n [u8]),
}

impl<'t> Layout<'t> {
    /// The layout of a record that the reader found in this text.
    pub(crate) fn of(text: &'t [u8], entry: &Entry) -> Self {
        let mut tokens = Vec::new();
        let line = lex::line(text, entry.line.start(), &mut tokens)
            .ok()
            .flatten()
            .expect("the reader has read this line");
        let head = record::head(text, &line, &tokens).expect("the reader has read this record");
        let rdata = tokens.split_off(head.rdata);
        Self { text, line, head, rdata }
    }

    /// The tokens of the rdata.
    pub(crate) fn rdata(&self) -> &[Span] {
        &self.rdata
    }

    /// What follows the record: blanks, a comment and the line end.
    pub(crate) fn tail(&self) -> &'t [u8] {
        &self.text[self.line.end..self.line.whole.end()]
    }

    /// The blanks at the start of the line, and the text that puts the owner there without moving
    /// columns.
    pub(crate) fn with_owner(&self, owner: &[u8]) -> (Span, Vec<u8>) {
        let start = self.line.whole.start();
        let lead = Span::new(start, start + self.line.lead);
        let mut text = owner.to_vec();
        push_gap(lead.of(self.text), 0, owner.len(), &mut text);
        (lead, text)
    }

    /// The place of the TTL (empty if none is written), and the text that puts this TTL there.
    pub(crate) fn with_ttl(&self, ttl: Ttl) -> (Span, Vec<u8>) {
        if let Some((at, _)) = self.head.ttl {
            return (at, ttl.to_string().into_bytes());
        }
        let at = self.head.class.unwrap_or(self.head.rtype_at).start();
        let mut text = ttl.to_string().into_bytes();
        let before = self.text[..at].last().copied();
        text.push(if before == Some(b'\t') { b'\t' } else { b' ' });
        (Span::new(at, at), text)
    }

    /// A record in this layout, without a line end. A TTL of `None` is not written.
    pub(crate) fn record(
        &self,
        owner: &OwnerColumn<'_>,
        ttl: Option<Ttl>,
        rdata: &Rdata,
    ) -> Vec<u8> {
        let mut line = Vec::new();
        let lead = &self.text[self.line.whole.start()..][..self.line.lead];
        match (owner, self.head.owner) {
            (OwnerColumn::Inherited, _) => push_gap(lead, 0, 0, &mut line),
            (OwnerColumn::Written(owner), None) => {
                line.extend_from_slice(owner);
                push_gap(lead, 0, owner.len(), &mut line);
            }
            (OwnerColumn::Written(owner), Some(was)) => {
                line.extend_from_slice(owner);
                push_gap(self.gap(was), was.len(), owner.len(), &mut line);
            }
        }
        self.push_ttl_and_class(ttl, &mut line);
        let was = self.head.rtype_at;
        let rtype = match rdata.rtype() == self.head.rtype {
            true => was.of(self.text).to_vec(),
            false => rdata.rtype().to_string().into_bytes(),
        };
        line.extend_from_slice(&rtype);
        push_gap(self.gap(was), was.len(), rtype.len(), &mut line);
        line.extend_from_slice(rdata.to_string().as_bytes());
        line
    }

    fn push_ttl_and_class(&self, ttl: Option<Ttl>, line: &mut Vec<u8>) {
        let Head { ttl: was, class, .. } = self.head;
        if let (Some(ttl), None) = (ttl, was) {
            let gap = if line.last() == Some(&b'\t') { b'\t' } else { b' ' };
            line.extend_from_slice(ttl.to_string().as_bytes());
            line.push(gap);
        }
        let push_class = |line: &mut Vec<u8>| {
            if let Some(at) = class {
                line.extend_from_slice(at.of(self.text));
                line.extend_from_slice(self.gap(at));
            }
        };
        let class_first =
            matches!((was, class), (Some((ttl, _)), Some(class)) if class.start() < ttl.start());
        if class_first {
            push_class(line);
        }
        if let (Some(ttl), Some((at, old))) = (ttl, was) {
            match ttl == old {
                true => line.extend_from_slice(at.of(self.text)),
                false => line.extend_from_slice(ttl.to_string().as_bytes()),
            }
            line.extend_from_slice(self.gap(at));
        }
        if !class_first {
            push_class(line);
        }
    }

    /// The blanks after a column; a single blank if a parenthesis or line end follows.
    fn gap(&self, column: Span) -> &'t [u8] {
        let rest = &self.text[column.end()..];
        match rest.iter().take_while(|octet| is_blank(octet)).count() {
            0 => b" ",
            blanks => &rest[..blanks],
        }
    }
}

/// The blanks after a column that was `was` octets wide and is now `now`. Several spaces are
/// adjusted to keep the next column in place; tabs and single spaces stay.
fn push_gap(gap: &[u8], was: usize, now: usize, line: &mut Vec<u8>) {
    if gap.len() > 1 && gap.iter().all(|octet| *octet == b' ') {
        let spaces = (was + gap.len()).saturating_sub(now).max(1);
        line.extend(std::iter::repeat_n(b' ', spaces));
    } else {
        line.extend_from_slice(gap);
    }
}
