//! Differences between versions of RRsets, line by line, with what changed within a line marked.

use similar::{ChangeTag, TextDiff};

use super::{Dress, Paint, harmless};

/// The difference between two lists of lines, each line of the result indented.
pub(super) fn difference(
    before: &[String],
    after: &[String],
    indent: &str,
    dress: Dress,
) -> String {
    let before: String = before.iter().map(|line| harmless(line) + "\n").collect();
    let after: String = after.iter().map(|line| harmless(line) + "\n").collect();
    let diff = TextDiff::from_lines(&before, &after);
    let mut text = String::new();
    for op in diff.ops() {
        for change in diff.iter_inline_changes(op) {
            let (sign, paint) = match change.tag() {
                ChangeTag::Delete => ("-", Paint::Removed),
                ChangeTag::Insert => ("+", Paint::Added),
                ChangeTag::Equal => (" ", Paint::Faint),
            };
            let mut line = dress.paint(paint, sign) + " ";
            for (emphasised, value) in change.iter_strings_lossy() {
                let value = value.trim_end_matches('\n');
                let within =
                    if emphasised { dress.paint(Paint::Changed, value) } else { value.to_owned() };
                line += &dress.paint(paint, &within);
            }
            text += &format!("{indent}{}\n", line.trim_end());
        }
    }
    text
}
