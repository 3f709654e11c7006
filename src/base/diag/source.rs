//! The texts that diagnostics point into, and places in them.

use std::ops::Range;

use crate::digest::Digest;

/// A text that diagnostics point into, with its file name and the other files that belong to it.
///
/// Places count through all files: the first file starts at zero, and every other after the end of
/// the file before it.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file's name, as given.
    pub name: String,
    /// The whole text.
    pub text: String,
    /// The other files that belong to it.
    beside: Vec<Beside>,
}

/// A file that belongs to a source.
#[derive(Clone, Debug)]
struct Beside {
    name: String,
    text: String,
    /// Where its places start.
    start: usize,
}

impl Source {
    /// A single text, without other files.
    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into(), beside: Vec::new() }
    }

    /// Adds a file, and returns where its places start.
    pub fn add(&mut self, name: String, text: String) -> usize {
        let last = self.beside.last().map_or((0, self.text.len()), |f| (f.start, f.text.len()));
        // Plus one, so that the end of a file is not the beginning of the next.
        let start = last.0 + last.1 + 1;
        self.beside.push(Beside { name, text, start });
        start
    }

    /// The digest of all files; without other files, simply that of the text.
    #[must_use]
    pub fn digest(&self) -> Digest {
        if self.beside.is_empty() {
            return Digest::of(self.text.as_bytes());
        }
        let mut all = self.text.clone();
        for Beside { name: _, text, start: _ } in &self.beside {
            // With the lengths, moving text from one file to another changes the digest.
            all += &format!("\0{}\0{text}", text.len());
        }
        Digest::of(all.as_bytes())
    }

    /// The file that contains a place, and the place within it.
    pub(super) fn file(&self, span: Span) -> (&str, &str, Span) {
        let found = self.beside.iter().rev().find(|file| span.start >= file.start);
        found.map_or((&self.name, &self.text, span), |Beside { name, text, start }| {
            (name, text, Span { start: span.start - start, end: span.end.saturating_sub(*start) })
        })
    }

    /// The same, with the text mutable.
    pub(super) fn text_mut(&mut self, span: Span) -> (&mut String, Span) {
        let found = self.beside.iter_mut().rev().find(|file| span.start >= file.start);
        match found {
            None => (&mut self.text, span),
            Some(Beside { name: _, text, start }) => {
                let end = span.end.saturating_sub(*start);
                (text, Span { start: span.start - *start, end })
            }
        }
    }
}

/// A half-open range of octets in a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The first octet.
    pub start: usize,
    /// One past the last.
    pub end: usize,
}

impl Span {
    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.end <= self.start
    }

    /// The same place in a file that comes after others.
    #[must_use]
    pub fn shifted(self, by: usize) -> Self {
        Self { start: self.start + by, end: self.end + by }
    }

    pub(super) fn within(self, text: &str) -> Range<usize> {
        let mut start = self.start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let mut end = self.end.clamp(start, text.len());
        while !text.is_char_boundary(end) {
            end += 1;
        }
        start..end
    }
}

/// A value and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub span: Span,
}

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'s> {
    /// The file's name.
    pub file: &'s str,
    /// Where it begins.
    pub begin: Position,
    /// The first position after it.
    pub end: Position,
}

/// A position in a text, both counted from one, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Position {
    fn after(front: &str) -> Self {
        let line = front.matches('\n').count() + 1;
        Self { line, column: front.rsplit('\n').next().unwrap_or("").chars().count() + 1 }
    }
}

/// The file, lines and columns of a span.
#[must_use]
pub fn located(source: &Source, span: Span) -> Place<'_> {
    let (file, text, span) = source.file(span);
    let Range { start, end } = span.within(text);
    Place { file, begin: Position::after(&text[..start]), end: Position::after(&text[..end]) }
}

/// `file:line:column` of the beginning of a span.
#[must_use]
pub fn place(source: &Source, span: Span) -> String {
    let Place { file, begin: Position { line, column }, end: _ } = located(source, span);
    format!("{file}:{line}:{column}")
}
