//! Who is told.

use super::{Decoder, items, text};
use crate::diag::{Code, listed, quoted};
use crate::spec::notify::{Notice, Occasion, PLACEHOLDERS, unknown_placeholder};
use crate::spec::yaml::Node;

/// A text with a placeholder that nothing is filled into.
const BAD_TEXT: Code = Code::semantic("bad-text");

impl Decoder<'_> {
    pub(super) fn notice(&mut self, node: &Node) -> Option<Notice> {
        let written = node.get("text").and_then(text);
        if let Some(written) = written
            && let Some(word) = unknown_placeholder(written.value)
        {
            let title = format!("nothing is filled in for {}", quoted(&format!("{{{word}}}")));
            let help = format!("write one of {} in braces", listed(PLACEHOLDERS.iter().copied()));
            self.error(BAD_TEXT, written.span, title, &help);
        }
        let words = items(node.get("at")).filter_map(text);
        Some(Notice {
            at: words.filter_map(|word| Occasion::of_word(word.value)).collect(),
            webhook: self.secret(node.get("webhook")?)?,
            text: written.map(|text| text.value.to_owned()),
        })
    }
}
