//! Values as Markdown that shows exactly their characters and means nothing.
//!
//! A backslash keeps a parser from reading a sign as markup. It does not help against what a forge
//! looks for in the finished page: mentions, references to issues and commits, bare addresses,
//! emoji, formulas. Words with such signs become code, where no forge looks for anything.

use cutover_base::diag::is_unseen;

/// Where text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a paragraph.
    Line,
    /// In a cell of a table, which ends at a bar.
    Cell,
}

/// Signs that mean something to a Markdown parser, apart from those at the beginning of a line.
const MARKUP: &str = "\\`*_[]<>|~&";

/// Signs before a number or a word that make it a reference on GitHub, GitLab or both. Sources:
/// docs.github.com, "Autolinked references and URLs", and docs.gitlab.com, "GitLab-specific
/// references", both as of 2026-11.
const REFERENCES: &str = "!&%~";

/// The shortest and the longest run of hexadecimal digits that GitHub takes for a commit.
const COMMIT_DIGITS: std::ops::RangeInclusive<usize> = 7..=40;

/// Text with each hidden character shown as an escape: what is reviewed is what is there.
///
/// These are the controls, line ends, and every character that a font does not draw
/// (`Default_Ignorable_Code_Point`, Unicode 17, DerivedCoreProperties.txt). Joiners are among them:
/// some languages need them in prose, but in records they can make two names look alike.
pub(super) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match is_unseen(c) || is_ignorable(c) {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
    }
    shown
}

fn is_ignorable(c: char) -> bool {
    matches!(c,
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200c}' | '\u{200d}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0080}'..='\u{e0fff}')
}

/// Text as a part of a paragraph or of a cell.
pub(super) fn plain(text: &str, place: Place) -> String {
    let words = visible(text);
    let words = words.split(' ').map(|word| match is_risky(word) {
        true => risky(word, place),
        false => word.chars().fold(String::new(), |mut shown, c| {
            if MARKUP.contains(c) {
                shown.push('\\');
            }
            shown.push(c);
            shown
        }),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// A line, made by [`plain`] and [`code`], that begins no list, heading, quote or table, and is no
/// command for a forge or its robots (`/close`).
pub(super) fn line(text: &str) -> String {
    let text = text.trim();
    let number = text.trim_start_matches(|c: char| c.is_ascii_digit());
    if text.starts_with(['#', '+', '-', '=', ':', '/']) {
        return format!("\\{text}");
    }
    if number.len() < text.len() && number.starts_with(['.', ')']) {
        return format!("{}\\{number}", &text[..text.len() - number.len()]);
    }
    text.to_owned()
}

/// Text as code within a line.
pub(super) fn code(text: &str, place: Place) -> String {
    of_code(&visible(text), place)
}

/// A risky word as code, without the punctuation around it.
fn risky(word: &str, place: Place) -> String {
    let begin = word.len() - word.trim_start_matches('(').len();
    let end = word.trim_end_matches([',', '.', ';', ':', ')']).len();
    match word.get(begin..end) {
        Some(core) if !core.is_empty() => {
            format!("{}{}{}", &word[..begin], of_code(core, place), &word[end..])
        }
        Some(_) | None => of_code(word, place),
    }
}

fn of_code(text: &str, place: Place) -> String {
    match place {
        Place::Line => span(text),
        // A bar ends a cell even within code, and a backslash before it would be shown.
        Place::Cell => text.split('|').map(span).collect::<Vec<_>>().join("\\|"),
    }
}

fn span(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let fence = "`".repeat(longest_run(text, '`') + 1);
    let is_padded = text.starts_with(' ') && text.ends_with(' ') && !text.trim().is_empty();
    let pad = if text.starts_with('`') || text.ends_with('`') || is_padded { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// Lines between fences that are longer than any run of backticks within.
pub(super) fn fenced(language: &str, lines: &[String]) -> Vec<String> {
    let lines: Vec<String> = lines.iter().map(|line| visible(line)).collect();
    let longest = lines.iter().map(|line| longest_run(line, '`')).max().unwrap_or(0);
    let fence = "`".repeat((longest + 1).max(3));
    let first = format!("{fence}{language}");
    std::iter::once(first).chain(lines).chain([fence]).collect()
}

/// Text within HTML, in which Markdown means nothing.
pub(super) fn html(text: &str) -> String {
    let words = visible(text);
    let words = words.split(' ').map(|word| {
        let shown = word.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        if is_risky(word) { format!("<code>{shown}</code>") } else { shown }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn longest_run(text: &str, of: char) -> usize {
    text.split(|c| c != of).map(str::len).max().unwrap_or(0)
}

/// Whether a forge may find something in a word that a backslash does not keep from it.
fn is_risky(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    lower.contains(['@', '#', '$'])
        || lower.contains("://")
        || lower.contains("www.")
        || follows(&lower, "gh-", |c| c.is_ascii_digit())
        || REFERENCES.chars().any(|sign| follows(&lower, &sign.to_string(), char::is_alphanumeric))
        || has_emoji(&lower)
        || has_commit(&lower)
}

/// Whether such a character follows the sign somewhere.
fn follows(word: &str, sign: &str, is_such: impl Fn(char) -> bool) -> bool {
    word.match_indices(sign).any(|(at, _)| word[at + sign.len()..].starts_with(&is_such))
}

/// `:name:`.
fn has_emoji(word: &str) -> bool {
    let is_name = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "_+-".contains(c))
    };
    let parts: Vec<&str> = word.split(':').collect();
    parts.len() > 2 && parts[1..parts.len() - 1].iter().any(|part| is_name(part))
}

/// A whole run of letters and digits that may be a commit's.
fn has_commit(word: &str) -> bool {
    word.split(|c: char| !c.is_ascii_alphanumeric())
        .any(|run| COMMIT_DIGITS.contains(&run.len()) && run.chars().all(|c| c.is_ascii_hexdigit()))
}
