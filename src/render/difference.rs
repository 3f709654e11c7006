//! Line by line differences between versions of RRsets, with changes within a line marked.

use similar::{ChangeTag, TextDiff};

use super::{Paint, Styling, escape_control};

/// The difference between two lists of lines, indented.
pub(super) fn difference(
    before: &[String],
    after: &[String],
    indent: &str,
    styling: Styling,
) -> String {
    let before: String = before.iter().map(|line| escape_control(line) + "\n").collect();
    let after: String = after.iter().map(|line| escape_control(line) + "\n").collect();
    let diff = TextDiff::from_lines(&before, &after);
    let mut text = String::new();
    for op in diff.ops() {
        for change in diff.iter_inline_changes(op) {
            let (sign, paint) = match change.tag() {
                ChangeTag::Delete => ("-", Paint::Removed),
                ChangeTag::Insert => ("+", Paint::Added),
                ChangeTag::Equal => (" ", Paint::Faint),
            };
            let mut line = styling.paint(paint, sign) + " ";
            for (emphasised, value) in change.iter_strings_lossy() {
                let value = value.trim_end_matches('\n');
                let within = if emphasised {
                    styling.paint(Paint::Changed, value)
                } else {
                    value.to_owned()
                };
                line += &styling.paint(paint, &within);
            }
            text += &format!("{indent}{}\n", line.trim_end());
        }
    }
    text
}
