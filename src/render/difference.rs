//! A difference as text, for views that are not documents yet.

use super::Styling;
use crate::document::text::written;
use crate::document::{Block, Diff, Hunk};

/// The difference between two lists of lines, indented.
pub(super) fn difference(
    before: &[String],
    after: &[String],
    indent: &str,
    styling: Styling,
) -> String {
    let diff = Diff(vec![Hunk::of(before, after)]);
    written(&[Block::Diff(diff)], indent.len(), styling)
}
