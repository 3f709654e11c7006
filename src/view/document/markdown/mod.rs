//! Documents as Markdown, in GitHub's dialect (GFM 0.29), for comments on pull requests.
//!
//! Every value is escaped (`escape`): it is shown as it is, and makes no element, link, mention or
//! reference. A comment has a limited length. What does not fit is left out as the sections say
//! ([`Room`]), last parts first, and the document says how much. A section that has to be whole is
//! never shortened: if that alone is too long, there is no document.

mod escape;
mod gantt;

use std::collections::BTreeMap;

use super::{
    Block, Diff, Document, Item, Mark, Room, Row, Section, Span, Spare, Table, Text, Timeline,
    count,
};
use cutover_base::calendar::since_start;
use escape::{Place, code, fenced, html, line, plain};
use gantt::{Chart, gantt};

/// The length of a comment at the most, in characters. GitHub answers a longer one with "Body is too
/// long (maximum is 65536 characters)" (REST API, issue comments; as of 2026-11).
pub const CHARS_MAX: usize = 65_536;

/// What has to be shown is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "what may not be left out (verdict, assumptions, overrides) has {chars} characters, more than the {chars_max} allowed"
)]
pub struct TooLong {
    /// Its length in characters.
    pub chars: usize,
    /// The length allowed.
    pub chars_max: usize,
}

impl Document {
    /// The document as Markdown of at most so many characters.
    ///
    /// # Errors
    ///
    /// What may not be left out is longer than that.
    pub fn markdown(&self, chars_max: usize) -> Result<String, TooLong> {
        let parts = self.parts();
        let mut kept = parts.clone();
        let whole = self.keeping(&kept);
        if whole.chars().count() <= chars_max {
            return Ok(whole);
        }
        for number in kept.values_mut() {
            *number = 0;
        }
        let chars = self.keeping(&kept).chars().count();
        if chars > chars_max {
            return Err(TooLong { chars, chars_max });
        }
        // What is left out last takes its room first.
        for (turn, all) in parts.iter().rev() {
            let fits = |number: usize| {
                let kept = kept.clone().into_iter().chain([(*turn, number)]).collect();
                self.keeping(&kept).chars().count() <= chars_max
            };
            // Each part has a character at least.
            let most = largest((*all).min(chars_max), fits);
            kept.insert(*turn, most);
        }
        Ok(self.keeping(&kept))
    }

    /// How many parts can be left out, by turn.
    fn parts(&self) -> BTreeMap<u8, usize> {
        let mut parts = BTreeMap::new();
        for block in &self.0 {
            if let Block::Section(section) = block
                && let Some(spare) = spare(section.room)
            {
                *parts.entry(spare.turn).or_default() += number(&section.blocks);
            }
        }
        parts
    }

    /// The document with the first so many parts of each turn.
    fn keeping(&self, kept: &BTreeMap<u8, usize>) -> String {
        let mut writer = Writer { kept: kept.clone(), ..Writer::default() };
        let (first, rest) = self.0.split_at(self.0.len().min(1));
        writer.blocks(first);
        let head = std::mem::take(&mut writer.out);
        writer.blocks(rest);
        let left_out = match writer.left_out.is_empty() {
            true => String::new(),
            false => {
                format!("\n**Left out, for length:** {}.\n", writer.left_out.join("; "))
            }
        };
        let gap = if writer.out.is_empty() { "" } else { "\n" };
        format!("{head}{left_out}{gap}{}", writer.out)
    }
}

/// The largest number up to `most` that fits, if whatever is smaller than a number that fits does so
/// too; 0 fits.
fn largest(most: usize, fits: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, most);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if fits(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

fn spare(room: Room) -> Option<Spare> {
    match room {
        Room::Whole => None,
        Room::Spare(spare) | Room::Folded(spare) => Some(spare),
    }
}

/// How many parts blocks have.
fn number(blocks: &[Block]) -> usize {
    let parts = blocks.iter().map(|block| match block {
        Block::Section(Section { blocks, .. }) | Block::Group { blocks, .. } => number(blocks),
        Block::Lines(_) => 0,
        Block::List(items) => items.len(),
        Block::Table(table) => table.rows.len(),
        Block::Diff(Diff(hunks)) => hunks.len(),
        Block::Timeline(timeline) => timeline.rows.len(),
        Block::Code(lines) => lines.len(),
    });
    parts.sum()
}

#[derive(Default)]
struct Writer {
    out: String,
    /// What each line begins with: the indentation of the items around it.
    indent: usize,
    /// How many headings are open.
    depth: usize,
    /// How many parts may still be written, by turn.
    kept: BTreeMap<u8, usize>,
    /// The same for the section that is being written, if it has a limit.
    room: Option<usize>,
    /// What was left out.
    left_out: Vec<String>,
}

impl Writer {
    /// Blocks with a blank line between them.
    fn blocks(&mut self, blocks: &[Block]) {
        for block in blocks {
            if !self.is_empty(block) {
                self.gap();
                self.block(block);
            }
        }
    }

    fn gap(&mut self) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
    }

    /// Whether a block shows nothing, or no room is left for it.
    fn is_empty(&self, block: &Block) -> bool {
        let is_out = self.room == Some(0);
        match block {
            Block::Section(_) => false,
            Block::Group { blocks, .. } => is_out && number(blocks) > 0,
            Block::Lines(lines) => lines.is_empty(),
            Block::List(_) | Block::Table(_) | Block::Diff(_) | Block::Code(_) => {
                is_out || number(std::slice::from_ref(block)) == 0
            }
            Block::Timeline(timeline) => is_out || timeline.rows.is_empty(),
        }
    }

    fn block(&mut self, block: &Block) {
        match block {
            Block::Section(section) => self.section(section),
            Block::Group { title, blocks } => {
                self.line(&shown(title));
                self.blocks(blocks);
            }
            Block::Lines(lines) => self.lines(lines),
            Block::List(items) => {
                for item in self.first(items) {
                    self.item(item);
                }
            }
            Block::Table(table) => self.table(table),
            Block::Diff(diff) => self.diff(diff),
            Block::Timeline(timeline) => self.timeline(timeline),
            Block::Code(lines) => {
                let lines = self.first(lines);
                self.fence("", lines);
            }
        }
    }

    /// The first of some parts: as many as there is room for.
    fn first<'p, P>(&mut self, parts: &'p [P]) -> &'p [P] {
        let Some(room) = &mut self.room else { return parts };
        let kept = parts.len().min(*room);
        *room -= kept;
        &parts[..kept]
    }

    fn section(&mut self, Section { title, blocks, room }: &Section) {
        let Some(spare) = spare(*room) else {
            self.heading(title);
            self.depth += 1;
            self.blocks(blocks);
            self.depth -= 1;
            return;
        };
        let all = number(blocks);
        let kept = self.kept.get(&spare.turn).copied().unwrap_or(all).min(all);
        if let Some(left) = self.kept.get_mut(&spare.turn) {
            *left -= kept;
        }
        let missing = match all - kept {
            0 => None,
            1 if all == 1 => Some(format!("the only {}", spare.part)),
            missing if missing == all => Some(format!("all {}", count(all, spare.part))),
            missing => Some(format!("{missing} of {}", count(all, spare.part))),
        };
        if let Some(missing) = &missing {
            let title = plain(&title.unstyled(), Place::Line);
            self.left_out.push(format!("{missing} (“{title}”)"));
        }
        let outer = self.room.replace(kept);
        match room {
            Room::Folded(_) if kept > 0 => {
                let number = match kept == all {
                    true => all.to_string(),
                    false => format!("{kept} of {all}"),
                };
                self.folded(&format!("{} ({number})", title.unstyled()), |writer| {
                    writer.blocks(blocks);
                });
            }
            Room::Whole | Room::Spare(_) | Room::Folded(_) => {
                self.heading(title);
                self.depth += 1;
                self.blocks(blocks);
                self.depth -= 1;
                if let Some(missing) = missing {
                    self.gap();
                    let verb = if all - kept == 1 { "is" } else { "are" };
                    self.line(&format!("*{} {verb} left out.*", capital(&missing)));
                }
            }
        }
        self.room = outer;
    }

    fn folded(&mut self, title: &str, content: impl FnOnce(&mut Self)) {
        self.line(&format!("<details><summary>{}</summary>", html(title)));
        content(self);
        self.gap();
        self.line("</details>");
    }

    fn heading(&mut self, title: &Text) {
        let signs = "#".repeat((self.depth + 3).min(6));
        self.line(&format!("{signs} {}", shown(title)));
    }

    /// Lines of a paragraph, each on a line of its own.
    fn lines(&mut self, lines: &[Text]) {
        let lines: Vec<String> = lines.iter().map(shown).filter(|text| !text.is_empty()).collect();
        for (place, text) in lines.iter().enumerate() {
            let end = if place + 1 < lines.len() { "\\" } else { "" };
            self.line(&format!("{text}{end}"));
        }
    }

    /// An item; what belongs to it follows without a blank line, so that the list stays tight.
    fn item(&mut self, Item { mark, text, blocks }: &Item) {
        let (mark, sign) = match mark {
            Mark::None | Mark::Bullet => ("-".to_owned(), ""),
            Mark::Warning => ("-".to_owned(), "⚠ "),
            Mark::Number(number) => (format!("{number}."), ""),
        };
        let below = mark.len() + 1;
        let outer = self.room.take();
        let mut blocks = &blocks[..];
        let mut text = shown(text);
        if let [Block::Lines(lines), rest @ ..] = blocks {
            let indent = " ".repeat(self.indent + below);
            for more in lines.iter().map(shown).filter(|more| !more.is_empty()) {
                text += &format!("\\\n{indent}{more}");
            }
            blocks = rest;
        }
        self.line(&format!("{mark} {sign}{text}"));
        self.indent += below;
        for block in blocks.iter().filter(|block| !is_nothing(block)) {
            self.block(block);
        }
        self.indent -= below;
        self.room = outer;
    }

    fn table(&mut self, Table { head, rows }: &Table) {
        let row = |cells: &[Text]| {
            let cells = cells.iter().map(|cell| inline(cell, Place::Cell).trim().to_owned());
            format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
        };
        self.line(&row(head));
        self.line(&format!("|{}", "---|".repeat(head.len())));
        for cells in self.first(rows) {
            self.line(&row(cells));
        }
    }

    fn diff(&mut self, Diff(hunks): &Diff) {
        let lines = self.first(hunks).iter().flat_map(|hunk| &hunk.0);
        let lines: Vec<String> =
            lines.map(|line| format!("{} {}", line.sign.char(), line.text())).collect();
        self.fence("diff", &lines);
    }

    fn timeline(&mut self, timeline: &Timeline) {
        let rows = self.first(&timeline.rows);
        if let Some(Chart { lines, drawn }) = gantt(timeline.total, rows) {
            self.fence("mermaid", &lines);
            if drawn < rows.len() {
                self.gap();
                self.line(&format!("The chart has the first {drawn} of {} rows.", rows.len()));
            }
            self.gap();
        }
        let table = Table::new(
            ["step", "kind", "begins", "ends"],
            rows.iter().map(|Row { label, kind, begin, end }| {
                let [begin, end] = [*begin, *end].map(|at| Text::from(since_start(at)));
                [Text::value(label), kind.word().into(), begin, end]
            }),
        );
        let outer = self.room.take();
        self.folded(&format!("As a table ({})", rows.len()), |writer| {
            writer.gap();
            writer.table(&table);
        });
        self.room = outer;
    }

    fn fence(&mut self, language: &str, lines: &[String]) {
        for line in fenced(language, lines) {
            self.line(&line);
        }
    }

    fn line(&mut self, text: &str) {
        self.out.extend(std::iter::repeat_n(' ', self.indent));
        self.out += text;
        self.out.push('\n');
    }
}

/// Whether a block within an item shows nothing.
fn is_nothing(block: &Block) -> bool {
    match block {
        Block::Lines(lines) => lines.is_empty(),
        Block::Section(_) | Block::Group { .. } => false,
        Block::List(_) | Block::Table(_) | Block::Diff(_) | Block::Timeline(_) | Block::Code(_) => {
            number(std::slice::from_ref(block)) == 0
        }
    }
}

/// A text at the beginning of a line.
fn shown(text: &Text) -> String {
    line(&inline(text, Place::Line))
}

fn inline(text: &Text, place: Place) -> String {
    let mut line = String::new();
    for span in &text.0 {
        let span = match span {
            Span::Plain(text) => plain(text, place),
            Span::Strong(text) if text.trim().is_empty() => plain(text, place),
            Span::Strong(text) => format!("**{}**", plain(text.trim(), place)),
            Span::Faint(text) | Span::Code(text) | Span::Value(text) => code(text, place),
        };
        // Backticks that touch would be one longer fence.
        if line.ends_with('`') && span.starts_with('`') {
            line.push(' ');
        }
        line += &span;
    }
    line
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests;
