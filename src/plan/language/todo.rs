//! Values that nobody has decided yet.
//!
//! `cutover discover` writes `TODO` and a question where only a person knows the answer. Such a plan
//! can be read and checked, so that everything else in it can be corrected; no plan is proved or
//! applied while one is left ([`crate::intent::Intent::undecided`]).

use super::yaml::{Kind, Node};
use cutover_base::diag::{Code, Spanned};

/// A value that nobody has decided yet.
pub const UNDECIDED: Code = Code::semantic("undecided");

/// How such a text begins.
const MARK: &str = "TODO";

/// Whether a text says that nobody has decided yet: `TODO`, alone or before something that is not
/// part of a word.
pub(super) fn is_undecided(text: &str) -> bool {
    let rest = text.trim_start().strip_prefix(MARK);
    rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}

/// All such values, in the order of the plan. Keys are not values.
pub(super) fn undecided(node: &Node) -> Vec<Spanned<String>> {
    let mut found = Vec::new();
    gather(node, &mut found);
    found
}

fn gather(node: &Node, into: &mut Vec<Spanned<String>>) {
    match &node.kind {
        Kind::Text(text) if is_undecided(text) => {
            into.push(Spanned { value: text.clone(), span: node.span });
        }
        Kind::List(items) => items.iter().for_each(|item| gather(item, into)),
        Kind::Map(entries) => entries.iter().for_each(|(_, value)| gather(value, into)),
        Kind::Text(_) | Kind::Null | Kind::Bool(_) | Kind::Int(_) | Kind::Float(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::is_undecided;

    #[test]
    fn only_the_word_itself_counts() {
        for (text, wanted) in [
            ("TODO", true),
            (" TODO: ask", true),
            ("TODO(ask)", true),
            ("TODOS", false),
            ("TODO_LIST", false),
            ("todo", false),
            ("see TODO", false),
            ("\"TODO\"", false),
        ] {
            assert_eq!(is_undecided(text), wanted, "{text}");
        }
    }
}
