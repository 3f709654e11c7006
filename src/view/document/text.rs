//! Documents as text, for terminals and for files that people read.
//!
//! Text is readable without colour; the caller decides on colour. Characters that are not seen are
//! shown as escapes, so that no value can move the cursor, colour the terminal or hide text.
//!
//! What belongs to a heading or to a line is indented below it; below an item, it stands where the
//! text after the mark begins. A blank line separates the blocks of a document and of a section.

use std::time::Duration;

use super::{
    Block, Diff, Document, Item, Kind, Mark, Row, Section, Sign, Span, Table, Text, Timeline,
};
use anstyle::{AnsiColor, Style};
use cutover_base::calendar::since_start;
use cutover_base::diag::escape_control;

/// Whether output has colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Styling {
    /// Plain text.
    Plain,
    /// With ANSI colours.
    Coloured,
}

/// What a colour is for.
#[derive(Clone, Copy)]
pub(crate) enum Paint {
    Heading,
    Added,
    Removed,
    Changed,
    Faint,
}

impl Styling {
    /// The text in this colour.
    pub(crate) fn paint(self, paint: Paint, text: &str) -> String {
        let style = match paint {
            Paint::Heading => Style::new().bold(),
            Paint::Added => AnsiColor::Green.on_default(),
            Paint::Removed => AnsiColor::Red.on_default(),
            Paint::Changed => Style::new().underline(),
            Paint::Faint => Style::new().dimmed(),
        };
        match self {
            Self::Plain => text.to_owned(),
            Self::Coloured => format!("{style}{text}{style:#}"),
        }
    }
}

/// How far what belongs to a heading or a line is indented, in columns.
const INDENT: usize = 2;
/// How far what belongs to an item without a mark is indented, in columns: further than the text
/// of a list, so that it is not taken for the next item.
const INDENT_UNMARKED: usize = 4;
/// The width of the bars of a timeline in columns. Our choice: together with the ids they fit 120
/// columns.
const BAR_COLUMNS: usize = 40;

impl Document {
    /// The document as text.
    #[must_use]
    pub fn text(&self, styling: Styling) -> String {
        written(&self.0, 0, styling)
    }
}

/// Blocks as text, indented by so many columns.
pub(crate) fn written(blocks: &[Block], indent: usize, styling: Styling) -> String {
    let mut writer = Writer { out: String::new(), styling };
    writer.blocks(blocks, indent, Gap::Blank);
    writer.out
}

/// What separates two blocks.
#[derive(Clone, Copy)]
enum Gap {
    Blank,
    Nothing,
}

struct Writer {
    out: String,
    styling: Styling,
}

impl Writer {
    fn blocks(&mut self, blocks: &[Block], indent: usize, gap: Gap) {
        for (place, block) in blocks.iter().enumerate() {
            match gap {
                Gap::Blank if place > 0 => self.out.push('\n'),
                Gap::Blank | Gap::Nothing => {}
            }
            self.block(block, indent);
        }
    }

    fn block(&mut self, block: &Block, indent: usize) {
        match block {
            Block::Section(Section { title, blocks, room: _ }) => {
                let title = self.styling.paint(Paint::Heading, &plain(title));
                self.line(indent, &title);
                self.out.push('\n');
                self.blocks(blocks, indent + INDENT, Gap::Blank);
            }
            Block::Group { title, blocks } => {
                let title = self.shown(title);
                self.line(indent, &title);
                self.blocks(blocks, indent + INDENT, Gap::Nothing);
            }
            Block::Lines(lines) => {
                for text in lines {
                    let text = self.shown(text);
                    self.line(indent, &text);
                }
            }
            Block::List(items) => {
                for item in items {
                    self.item(item, indent);
                }
            }
            Block::Table(table) => self.table(table, indent),
            Block::Diff(diff) => self.diff(diff, indent),
            Block::Timeline(timeline) => self.timeline(timeline, indent),
            Block::Code(lines) => {
                for line in lines {
                    self.line(indent, &escaped(line));
                }
            }
        }
    }

    fn item(&mut self, Item { mark, text, blocks }: &Item, indent: usize) {
        let mark = match mark {
            Mark::None => String::new(),
            Mark::Bullet => "* ".to_owned(),
            Mark::Warning => "! ".to_owned(),
            Mark::Number(number) => format!("{number:>3}. "),
        };
        let text = self.shown(text);
        self.line(indent, &format!("{mark}{text}"));
        let below = if mark.is_empty() { INDENT_UNMARKED } else { mark.len() };
        self.blocks(blocks, indent + below, Gap::Nothing);
    }

    /// The columns fit their content.
    fn table(&mut self, Table { head, rows }: &Table, indent: usize) {
        let all: Vec<Vec<String>> =
            std::iter::once(head).chain(rows).map(|row| row.iter().map(plain).collect()).collect();
        let widths: Vec<usize> = (0..head.len())
            .map(|column| all.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
            .collect();
        for row in all {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            self.line(indent, &cells.collect::<Vec<_>>().join("  "));
        }
    }

    fn diff(&mut self, Diff(hunks): &Diff, indent: usize) {
        for line in hunks.iter().flat_map(|hunk| &hunk.0) {
            let paint = match line.sign {
                Sign::Removed => Paint::Removed,
                Sign::Added => Paint::Added,
                Sign::Kept => Paint::Faint,
            };
            let mut shown = self.styling.paint(paint, &line.sign.char().to_string()) + " ";
            for (changed, piece) in &line.pieces {
                let piece = escaped(piece);
                let within = match changed {
                    true => self.styling.paint(Paint::Changed, &piece),
                    false => piece,
                };
                shown += &self.styling.paint(paint, &within);
            }
            self.line(indent, &shown);
        }
    }

    /// A bar for each step, from the start of the run to its end: `#` for changes, `=` for waits,
    /// `?` for gates, `+` for tasks, `o` for checkpoints.
    fn timeline(&mut self, Timeline { total, rows }: &Timeline, indent: usize) {
        let labels: Vec<String> = rows.iter().map(|row| escaped(&row.label)).collect();
        let width = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0);
        let end = format!("{:>1$}", since_start(*total), BAR_COLUMNS.saturating_sub(2));
        self.line(indent, &format!("{:width$}  T+0s{end}", ""));
        for (Row { label: _, kind, begin, end }, label) in rows.iter().zip(labels) {
            let mark = match kind {
                Kind::Change => '#',
                Kind::Wait => '=',
                Kind::Gate => '?',
                Kind::Task => '+',
                Kind::Checkpoint => 'o',
            };
            let (from, to) = (column(*begin, *total), column(*end, *total));
            let bar: String = (0..BAR_COLUMNS)
                .map(|at| if at == from || (from..to).contains(&at) { mark } else { ' ' })
                .collect();
            let times = match begin == end {
                true => since_start(*begin),
                false => format!("{} to {}", since_start(*begin), since_start(*end)),
            };
            self.line(indent, &format!("{label:width$}  |{bar}|  {times}"));
        }
    }

    fn line(&mut self, indent: usize, text: &str) {
        let start = self.out.len();
        self.out.extend(std::iter::repeat_n(' ', indent));
        self.out += text;
        let trimmed = self.out[start..].trim_end().len();
        self.out.truncate(start + trimmed);
        self.out.push('\n');
    }

    fn shown(&self, text: &Text) -> String {
        let spans = text.0.iter().map(|span| match span {
            Span::Plain(text) | Span::Value(text) => escaped(text),
            Span::Strong(text) => self.styling.paint(Paint::Heading, &escaped(text)),
            Span::Faint(text) => self.styling.paint(Paint::Faint, &escaped(text)),
            Span::Code(text) => format!("`{}`", escaped(text)),
        });
        spans.collect()
    }
}

/// A text without colours.
fn plain(text: &Text) -> String {
    Writer { out: String::new(), styling: Styling::Plain }.shown(text)
}

/// Text with every unseen character escaped, line ends too: a line stays a line.
fn escaped(text: &str) -> String {
    let text = escape_control(text);
    if text.contains('\n') { text.replace('\n', "\\n") } else { text }
}

fn column(at: Duration, total: Duration) -> usize {
    let columns = u64::try_from(BAR_COLUMNS).unwrap_or(u64::MAX);
    let column = at.as_secs().saturating_mul(columns) / total.as_secs().max(1);
    usize::try_from(column).unwrap_or(BAR_COLUMNS).min(BAR_COLUMNS - 1)
}
