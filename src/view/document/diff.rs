//! Line by line differences, with the words that changed within a line.

use similar::{ChangeTag, TextDiff};

/// How a group of records changes, one hunk for each RRset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff(pub Vec<Hunk>);

/// How the lines of one RRset change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hunk(pub Vec<DiffLine>);

/// A line of a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiffLine {
    /// Which of the two versions has it.
    pub sign: Sign,
    /// Its text in pieces, and whether each piece is what changed within the line.
    pub pieces: Vec<(bool, String)>,
}

/// Which of two versions has a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Only the earlier version.
    Removed,
    /// Only the later version.
    Added,
    /// Both versions.
    Kept,
}

impl Sign {
    /// The character before the line.
    #[must_use]
    pub fn char(self) -> char {
        match self {
            Self::Removed => '-',
            Self::Added => '+',
            Self::Kept => ' ',
        }
    }
}

impl Hunk {
    /// The difference between two lists of lines.
    #[must_use]
    pub fn of(before: &[String], after: &[String]) -> Self {
        let before: Vec<&str> = before.iter().map(String::as_str).collect();
        let after: Vec<&str> = after.iter().map(String::as_str).collect();
        // As they are: a line end within a line does not make two of it.
        let diff = TextDiff::from_slices(&before, &after);
        let changes = diff.ops().iter().flat_map(|op| diff.iter_inline_changes(op));
        let lines = changes.map(|change| {
            let sign = match change.tag() {
                ChangeTag::Delete => Sign::Removed,
                ChangeTag::Insert => Sign::Added,
                ChangeTag::Equal => Sign::Kept,
            };
            let pieces = change.iter_strings_lossy();
            let pieces = pieces.map(|(changed, piece)| (changed, piece.into_owned()));
            DiffLine { sign, pieces: pieces.collect() }
        });
        Self(lines.collect())
    }
}

impl DiffLine {
    /// Its text.
    #[must_use]
    pub fn text(&self) -> String {
        self.pieces.iter().map(|(_, piece)| piece.as_str()).collect()
    }
}
