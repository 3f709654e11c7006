//! Documents: what a view says, as values. A writer gives them a form.
//!
//! A view builds a [`Document`] and knows no form: no indentation, no colour, no escaping. A writer
//! ([`text`], [`markdown`]) knows no plan: it lays blocks out and escapes every character that means
//! something in its form. So a value from outside is escaped once, by whoever knows how.

mod diff;
pub mod markdown;
pub mod text;

use std::time::Duration;

pub use diff::{Diff, DiffLine, Hunk, Sign};

/// Blocks, in the order in which they are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document(pub Vec<Block>);

/// A part of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A heading, and what belongs to it.
    Section(Section),
    /// A line of text, and what it introduces.
    Group {
        /// The line.
        title: Text,
        /// What it introduces.
        blocks: Vec<Block>,
    },
    /// Lines of text.
    Lines(Vec<Text>),
    /// A list.
    List(Vec<Item>),
    /// A table.
    Table(Table),
    /// A difference between two versions.
    Diff(Diff),
    /// When steps begin and end.
    Timeline(Timeline),
    /// Lines in which every character counts, such as records or commands.
    Code(Vec<String>),
}

/// A heading, and what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The heading.
    pub title: Text,
    /// What belongs to it.
    pub blocks: Vec<Block>,
    /// What a writer with little room may do with it.
    pub room: Room,
}

/// What a writer with little room may do with a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Nothing: a reviewer has to see it as it is. Assumptions, overrides and refusals are so.
    Whole,
    /// Leave parts of it out.
    Spare(Spare),
    /// Fold it, so that a reader opens it, and leave parts of it out.
    Folded(Spare),
}

/// What can be left out of a section: items, rows, or records that change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spare {
    /// When it is its turn: parts of the section with the lowest number are left out first.
    pub turn: u8,
    /// What a part is called, in the singular.
    pub part: &'static str,
}

/// An item of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What stands before it.
    pub mark: Mark,
    /// What it says.
    pub text: Text,
    /// What belongs to it.
    pub blocks: Vec<Block>,
}

impl Item {
    /// An item without a mark.
    #[must_use]
    pub fn new(text: impl Into<Text>, blocks: Vec<Block>) -> Self {
        Self { mark: Mark::None, text: text.into(), blocks }
    }

    /// An item with a mark, and nothing below it.
    #[must_use]
    pub fn marked(mark: Mark, text: impl Into<Text>) -> Self {
        Self { mark, text: text.into(), blocks: Vec::new() }
    }
}

/// What stands before an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Nothing.
    None,
    /// A bullet.
    Bullet,
    /// A sign that catches the eye.
    Warning,
    /// The number of the item.
    Number(usize),
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The titles of the columns.
    pub head: Vec<Text>,
    /// The rows, each with a cell for every column.
    pub rows: Vec<Vec<Text>>,
}

impl Table {
    /// A table with these titles and rows.
    #[must_use]
    pub fn new<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [Text; N]>) -> Self {
        Self { head: head.map(Text::from).into(), rows: rows.into_iter().map(Vec::from).collect() }
    }
}

/// When steps begin and end, counted from the start of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// When the last step ends.
    pub total: Duration,
    /// The steps, in order.
    pub rows: Vec<Row>,
}

/// A step of a timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What it is called.
    pub label: String,
    /// What it is.
    pub kind: Kind,
    /// When it begins.
    pub begin: Duration,
    /// When it ends.
    pub end: Duration,
}

/// What a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Records change.
    Change,
    /// Time passes.
    Wait,
    /// Probes are asked.
    Gate,
    /// Something is done outside of DNS.
    Task,
    /// The run may rest here.
    Checkpoint,
}

impl Kind {
    /// Its name.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Wait => "wait",
            Self::Gate => "gate",
            Self::Task => "task",
            Self::Checkpoint => "checkpoint",
        }
    }
}

/// A line of text. A line end within it is a character like any other, which writers escape.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(pub Vec<Span>);

/// A part of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Span {
    /// As it is.
    Plain(String),
    /// What the eye should find.
    Strong(String),
    /// A name beside a text that matters more: the id of a step.
    Faint(String),
    /// What somebody may type or has typed: writers mark it off from the text around it.
    Code(String),
    /// A value that stands for itself, such as the id of a step in a table. It is code where that
    /// needs no character of its own.
    Value(String),
}

impl Span {
    /// The characters, without the style.
    #[must_use]
    pub fn chars(&self) -> &str {
        let (Self::Plain(text)
        | Self::Strong(text)
        | Self::Faint(text)
        | Self::Code(text)
        | Self::Value(text)) = self;
        text
    }
}

impl Text {
    /// A name beside a text that matters more.
    #[must_use]
    pub fn faint(text: impl Into<String>) -> Self {
        Self(vec![Span::Faint(text.into())])
    }

    /// What the eye should find.
    #[must_use]
    pub fn strong(text: impl Into<String>) -> Self {
        Self(vec![Span::Strong(text.into())])
    }

    /// A value that stands for itself.
    #[must_use]
    pub fn value(text: impl Into<String>) -> Self {
        Self(vec![Span::Value(text.into())])
    }

    /// Its characters, without any style.
    #[must_use]
    pub fn unstyled(&self) -> String {
        self.0.iter().map(Span::chars).collect()
    }

    /// Adds text as it is.
    #[must_use]
    pub fn and(self, text: impl Into<String>) -> Self {
        self.with(Span::Plain(text.into()))
    }

    /// Adds what somebody may type.
    #[must_use]
    pub fn and_code(self, text: impl Into<String>) -> Self {
        self.with(Span::Code(text.into()))
    }

    /// Adds a value that stands for itself.
    #[must_use]
    pub fn and_value(self, text: impl Into<String>) -> Self {
        self.with(Span::Value(text.into()))
    }

    /// Adds what the eye should find.
    #[must_use]
    pub fn and_strong(self, text: impl Into<String>) -> Self {
        self.with(Span::Strong(text.into()))
    }

    fn with(mut self, span: Span) -> Self {
        self.0.push(span);
        self
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(vec![Span::Plain(text)])
    }
}

/// `3 changes`, `1 change`.
#[must_use]
pub fn count(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// A list of texts, each with this mark.
#[must_use]
pub fn list(mark: Mark, texts: Vec<Text>) -> Block {
    Block::List(texts.into_iter().map(|text| Item::marked(mark, text)).collect())
}
