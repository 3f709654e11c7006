//! Diagnostics: what is wrong with a plan, where, why it matters to mail, and what to do.
//!
//! A diagnostic always has a place in a source text, and a help; the constructor requires both.
//! Diagnostics are collected; the first does not stop the run. They are rendered by rustc's
//! renderer.
//!
//! Invariants: titles and helps are one line of bounded length, whatever the plan contains, and no
//! diagnostic shows a secret in the plan.

mod source;

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet, normalize_untrusted_str};

pub use source::{Place, Position, Source, Span, Spanned, located, place};

/// A stable name for a kind of diagnostic.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code {
    /// The name: lower case with hyphens.
    pub name: &'static str,
    /// Whether it is about meaning, which the JSON Schema cannot and need not check.
    pub semantic: bool,
}

impl Code {
    /// A code about the form of a plan: decoder and JSON Schema agree on it.
    #[must_use]
    pub const fn form(name: &'static str) -> Self {
        Self { name, semantic: false }
    }

    /// A code about the meaning of a plan, or about the world.
    #[must_use]
    pub const fn semantic(name: &'static str) -> Self {
        Self { name, semantic: true }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// A secret in the plan itself. Its place is blanked wherever the plan is shown.
pub const SECRET_IN_PLAN: Code = Code::form("secret-in-plan");
/// The same, in a value of the right form. That value is not shown.
pub const SECRET_IN_VALUE: Code = Code::semantic("secret-in-plan");

/// The maximum number of findings collected. Our choice: nobody reads more, and a plan of garbage
/// would make hundreds of thousands.
pub const FINDINGS_MAX: usize = 1_000;
/// The maximum number of findings shown; the rest are counted. Our choice.
const SHOWN_MAX: usize = 100;
/// The maximum length of a title, a help or a label, in characters. Our choice: five lines of a
/// terminal.
const MESSAGE_CHARS_MAX: usize = 400;
/// The maximum length of quoted plan text in a title, in characters. Our choice: half a line.
const QUOTED_CHARS_MAX: usize = 48;

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The plan cannot be used.
    Error,
    /// The plan can be used, but somebody should look at it.
    Warning,
}

/// A finding about a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Its severity.
    pub severity: Severity,
    /// Its kind.
    pub code: Code,
    /// What is wrong, in one line.
    pub title: String,
    /// Where.
    pub span: Span,
    /// A few words under the caret; may be empty.
    pub label: String,
    /// A related place.
    pub also: Option<(Span, String)>,
    /// Why it matters, to mail above all.
    pub why: Option<String>,
    /// What to do.
    pub help: String,
}

impl Diagnostic {
    /// An error at a place, with what to do about it.
    #[must_use]
    pub fn error(
        code: Code,
        span: Span,
        title: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Error,
            code,
            title: one_line(title.into()),
            span,
            label: String::new(),
            also: None,
            why: None,
            help: one_line(help.into()),
        }
    }

    /// A warning at a place, with what to do about it.
    #[must_use]
    pub fn warning(
        code: Code,
        span: Span,
        title: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, title, help) }
    }

    /// Adds a few words under the caret.
    #[must_use]
    pub fn label(self, label: impl Into<String>) -> Self {
        Self { label: one_line(label.into()), ..self }
    }

    /// Adds why it matters.
    #[must_use]
    pub fn why(self, why: impl Into<String>) -> Self {
        Self { why: Some(why.into()), ..self }
    }

    /// Adds a related place.
    #[must_use]
    pub fn also(self, span: Span, label: impl Into<String>) -> Self {
        Self { also: Some((span, label.into())), ..self }
    }
}

/// Whether a character is invisible but affects the terminal or the text around it: a control, or a
/// character that changes the direction of text, ends a line, or has no width (Unicode 17, §23.2 to
/// §23.9). Characters that only join letters do not count, since some languages need them.
#[must_use]
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Text from outside, with invisible characters escaped, except line ends.
#[must_use]
pub fn escape_control(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c == '\n' || !is_unseen(c) {
            true => shown.push(c),
            false => shown.extend(c.escape_default()),
        }
    }
    shown
}

/// Escapes invisible characters, including line ends, and bounds the length.
fn one_line(text: String) -> String {
    if text.len() <= MESSAGE_CHARS_MAX && !text.contains(is_unseen) {
        return text;
    }
    let shown = |c: char| if is_unseen(c) { c.escape_default().to_string() } else { c.into() };
    let mut line: String = text.chars().take(MESSAGE_CHARS_MAX).map(shown).collect();
    if text.chars().nth(MESSAGE_CHARS_MAX).is_some() {
        line.push('…');
    }
    line
}

/// A word of the plan in backticks; a long word is cut.
#[must_use]
pub fn quoted(word: &str) -> String {
    if word.is_empty() {
        return "`\"\"`".to_owned();
    }
    match word.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => format!("`{}…`", &word[..end]),
        None => format!("`{word}`"),
    }
}

/// The first ten of several words, in backticks.
#[must_use]
pub fn listed<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    some_of(words.into_iter().map(quoted), 10)
}

/// At most `most` of some words; the rest are counted.
#[must_use]
pub fn some_of<W: std::fmt::Display>(words: impl IntoIterator<Item = W>, most: usize) -> String {
    let mut words = words.into_iter();
    let first: Vec<String> = words.by_ref().take(most).map(|word| word.to_string()).collect();
    match words.count() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// The maximum size of the source excerpt for the renderer, per diagnostic, in octets. Our choice:
/// a dozen long lines.
const EXCERPT_OCTETS_MAX: usize = 8 * 1024;
/// The maximum number of octets that are underlined. Our choice: a line of a terminal.
const CARET_OCTETS_MAX: usize = 80;

/// The lines of a source that a diagnostic shows.
struct Excerpt<'t> {
    text: &'t str,
    /// Where it starts in the source.
    start: usize,
    /// The number of its first line, counted from one.
    line: usize,
}

impl<'t> Excerpt<'t> {
    /// The whole lines from one octet to another, if they are short enough.
    fn of(text: &'t str, from: usize, to: usize) -> Option<Self> {
        let start = text[..from].rfind('\n').map_or(0, |end| end + 1);
        let end = text[to..].find('\n').map_or(text.len(), |length| to + length);
        let line = text[..start].matches('\n').count() + 1;
        let text = &text[start..end];
        (text.len() <= EXCERPT_OCTETS_MAX).then_some(Self { text, start, line })
    }

    fn range(&self, range: &Range<usize>) -> Range<usize> {
        let end = range.end.min(range.start + CARET_OCTETS_MAX);
        let span = Span { start: range.start - self.start, end: end - self.start };
        span.within(self.text)
    }
}

/// Shows one diagnostic: with colours for a terminal, or plain.
#[must_use]
pub fn render(diagnostic: &Diagnostic, source: &Source, coloured: bool) -> String {
    show(diagnostic, &without_secrets(source, [diagnostic]), coloured)
}

fn show(diagnostic: &Diagnostic, source: &Source, coloured: bool) -> String {
    let Diagnostic { severity, code, title, span, label, also, why, help } = diagnostic;
    let level = match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let (name, text, local) = source.file(*span);
    let primary = local.within(text);
    // A place in another file is only named.
    let beside = also.as_ref().and_then(|(span, label)| {
        let (other, _, local) = source.file(*span);
        (other == name).then(|| (local.within(text), label))
    });
    let both = beside.as_ref().and_then(|(also, _)| {
        Excerpt::of(text, primary.start.min(also.start), primary.start.max(also.start))
    });
    let shows_both = both.is_some();
    let mut group = Group::with_title(level.primary_title(title).id(code.name));
    match both.or_else(|| Excerpt::of(text, primary.start, primary.start)) {
        Some(excerpt) => {
            let mut caret = AnnotationKind::Primary.span(excerpt.range(&primary));
            if !label.is_empty() {
                caret = caret.label(label);
            }
            let snippet = Snippet::source(excerpt.text).line_start(excerpt.line);
            let mut snippet = snippet.path(name).annotation(caret);
            if let Some((also, label)) = beside.as_ref().filter(|_| shows_both) {
                let context = AnnotationKind::Context.span(excerpt.range(also));
                snippet = snippet.annotation(context.label(*label));
            }
            group = group.element(snippet);
        }
        None => group = group.element(Level::NOTE.message(format!("at {}", place(source, *span)))),
    }
    if let Some((also, label)) = also.as_ref().filter(|_| !shows_both) {
        group = group.element(Level::NOTE.message(format!("{label}: {}", place(source, *also))));
    }
    if let Some(why) = why {
        group = group.element(Level::NOTE.message(normalize_untrusted_str(why)));
    }
    group = group.element(Level::HELP.message(normalize_untrusted_str(help)));
    let renderer = if coloured { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&[group])
}

/// The source with every secret blanked. Each octet becomes an asterisk and line ends are kept, so
/// that places do not move.
fn without_secrets<'d>(
    source: &Source,
    diagnostics: impl IntoIterator<Item = &'d Diagnostic>,
) -> Source {
    let mut blanked = source.clone();
    for diagnostic in
        diagnostics.into_iter().filter(|d| [SECRET_IN_PLAN, SECRET_IN_VALUE].contains(&d.code))
    {
        let (text, span) = blanked.text_mut(diagnostic.span);
        let secret = span.within(text);
        let blank = |octet| if octet == b'\n' { '\n' } else { '*' };
        let blank: String = text[secret.clone()].bytes().map(blank).collect();
        text.replace_range(secret, &blank);
    }
    blanked
}

/// Diagnostics in the order of their places, each once.
#[must_use]
pub fn in_order(diagnostics: &[Diagnostic]) -> Vec<&Diagnostic> {
    let mut sorted: Vec<&Diagnostic> = diagnostics.iter().collect();
    sorted.sort_by_key(|d| (d.span, d.severity, d.code));
    sorted.dedup();
    sorted
}

/// Removes duplicates: a mistake in `defaults:` is found wherever the default is used.
#[must_use]
pub fn distinct(found: &[Diagnostic]) -> Vec<Diagnostic> {
    let mut kept: Vec<Diagnostic> = Vec::with_capacity(found.len());
    for one in found {
        if !kept.contains(one) {
            kept.push(one.clone());
        }
    }
    kept
}

/// Shows diagnostics in the order of their places; if there are very many, only the first.
#[must_use]
pub fn render_all(diagnostics: &[Diagnostic], source: &Source, coloured: bool) -> String {
    let source = without_secrets(source, diagnostics);
    let sorted = in_order(diagnostics);
    let shown = sorted.iter().take(SHOWN_MAX);
    let mut text: String = shown.map(|d| show(d, &source, coloured) + "\n\n").collect();
    if sorted.len() > SHOWN_MAX {
        let more = sorted.len() - SHOWN_MAX;
        text.push_str(&format!("{more} more of this plan's errors are not shown.\n"));
    }
    text
}

/// The word in `known` that `word` was probably meant to be.
#[must_use]
pub fn did_you_mean<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    // Our choice: one typo per three letters, so that it is never a different word.
    let distance_max = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (strsim::osa_distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= distance_max)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_are_near_or_absent() {
        for (word, guess) in [("recrods", Some("records")), ("zone", Some("zones")), ("x", None)] {
            assert_eq!(did_you_mean(word, ["records", "zones", "migrate"]), guess, "{word}");
        }
    }

    #[test]
    fn places_count_from_one_in_characters() {
        let source = Source::new("p.yaml", "a: ü\nbü: c\n");
        assert_eq!(place(&source, Span { start: 11, end: 12 }), "p.yaml:2:5");
        assert_eq!(place(&source, Span { start: 99, end: 100 }), "p.yaml:3:1");
    }

    const ANY: Code = Code::form("any");

    fn found(source: &Source, span: Span) -> String {
        render(&Diagnostic::error(ANY, span, "wrong", "write it right"), source, false)
    }

    #[test]
    fn a_long_line_is_cut_around_the_caret() {
        let text = format!("{}\nkey: {} end\n", "#".repeat(1_000), "x".repeat(2_000));
        let source = Source::new("p.yaml", text);
        let shown = found(&source, Span { start: 1_006, end: 3_006 });
        assert!(shown.contains("--> p.yaml:2:6"), "{shown}");
        assert!(shown.lines().all(|line| line.chars().count() < 200), "{shown}");
        // A line that is garbage is named and not shown.
        let source = Source::new("p.yaml", "x".repeat(1_000_000));
        let shown = found(&source, Span { start: 900_000, end: 1_000_000 });
        assert!(shown.contains("at p.yaml:1:900001") && shown.len() < 300, "{shown}");
    }

    #[test]
    fn two_places_are_shown_together_or_the_other_one_is_named() {
        for (lines, together) in [(5, true), (5_000, false)] {
            let text = format!("first: 1\n{}last: 2\n", "- x\n".repeat(lines));
            let at = text.len() - 8;
            let diagnostic =
                Diagnostic::error(ANY, Span { start: at, end: at + 4 }, "wrong", "help")
                    .also(Span { start: 0, end: 5 }, "first here");
            let shown = render(&diagnostic, &Source::new("p.yaml", text), false);
            assert!(shown.contains(&format!("p.yaml:{}:1", lines + 2)), "{shown}");
            assert_eq!(shown.contains("first here: p.yaml:1:1"), !together, "{shown}");
        }
    }

    #[test]
    fn messages_are_one_bounded_line_whatever_the_plan_holds() {
        let title = format!("`{}\n\u{1b}[31m`", "x".repeat(1_000_000));
        let diagnostic = Diagnostic::error(ANY, Span::default(), &title, "a\u{1b}[2Jb\nc");
        assert!(diagnostic.title.chars().count() <= MESSAGE_CHARS_MAX + 1);
        assert_eq!(diagnostic.help, "a\\u{1b}[2Jb\\nc");
        let source = Source::new("p.yaml", "a: \u{1b}[31m\n");
        let shown = render(&diagnostic.why("\u{1b}[31m"), &source, false);
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
    }

    #[test]
    fn of_very_many_the_first_are_shown() {
        let source = Source::new("p.yaml", "a\n".repeat(300));
        let all: Vec<Diagnostic> = (0..300)
            .map(|line| {
                Diagnostic::error(ANY, Span { start: 2 * line, end: 2 * line + 1 }, "t", "h")
            })
            .collect();
        let shown = render_all(&all, &source, false);
        assert_eq!(shown.matches("error[any]").count(), SHOWN_MAX);
        assert!(shown.ends_with("200 more of this plan's errors are not shown.\n"));
    }

    #[test]
    fn a_secret_is_blanked_in_every_diagnostic_that_shows_its_line() {
        let text = "key: name, secret: é-hunter2\n".to_owned();
        let source = Source::new("p.yaml", text);
        let all = [
            Diagnostic::error(ANY, Span { start: 0, end: 3 }, "wrong", "help"),
            Diagnostic::error(SECRET_IN_PLAN, Span { start: 19, end: 29 }, "secret", "help"),
        ];
        let shown = render_all(&all, &source, false);
        assert!(!shown.contains("hunter2") && shown.contains("**********"), "{shown}");
        assert!(!render(&all[1], &source, false).contains("hunter2"));
    }
}
