//! `assume:` and `override:`: facts that the user states, and what may be broken.

use std::time::Duration;

use cutover_zone::Name;

use super::{BAD_ANCHOR, BAD_FACT, BAD_NAME, Decoder, ONE_OF, argv, bool_of, text};
use crate::language::yaml::Node;
use crate::language::{AssumeSpec, Confirm, IgnoreSpec, NEGATIVE_OUTSIDE, OverrideSpec};
use cutover_base::diag::{Spanned, listed, quoted};
use cutover_steps::fact::{Fact, Subject, SubjectKind, Value};
use cutover_steps::graph::Point;
use cutover_steps::invariant;

impl Decoder<'_> {
    pub(super) fn assume(&mut self, node: &Node) -> Option<AssumeSpec> {
        let word = text(node.get("fact")?)?;
        let fact = Fact::of_word(word.value)?;
        let subject = self.subject(node, fact)?;
        let settle = self.span(node.get("settle"));
        let value = match node.get("value") {
            None => Some(fact.row().stated),
            Some(value) => {
                let truth = bool_of(Some(value)).map(|truth| truth.to_string());
                let said = truth.or(text(value).map(|text| text.value.to_owned()))?;
                let found = fact.value(&said);
                if found.is_none() {
                    let title = format!("`{fact}` cannot be {}", quoted(&said));
                    let words = fact.values().map(Value::word);
                    let help = format!("write one of {}", listed(words));
                    self.error(BAD_FACT, value.span, title, &help);
                }
                found
            }
        };
        let from = match node.get("from").and_then(text).map(|text| text.value) {
            Some("expand") => Some(Point::Expand),
            Some("switch") => Some(Point::Switch),
            Some("contract") => Some(Point::Contract),
            // The shape has refused other words.
            Some(_) | None => None,
        };
        let confirm = value.and_then(|value| self.confirm(node, fact, value, from));
        let by = node.get("by").and_then(text).and_then(|by| self.task_of(by));
        if let (Some(by), true) = (node.get("by"), node.get("from").is_some()) {
            let title = "`from` and `by` both say when the fact becomes true".to_owned();
            self.error(ONE_OF, by.span, title, "keep one: `by` means the end of a task");
        }
        // Resolvers that asked before it existed may have cached that it does not.
        let usual = match (fact, from.is_some() || by.is_some()) {
            (Fact::Published, true) => NEGATIVE_OUTSIDE,
            (_, _) => Duration::ZERO,
        };
        Some(AssumeSpec {
            fact: Spanned { value: fact, span: word.span },
            subject,
            value: value?,
            from,
            by,
            settle: settle.unwrap_or(usual),
            confirm: confirm?,
            reason: self.reason(node)?,
        })
    }

    /// Who confirms a fact. Nobody has to if it holds from the start, or if nothing relies on it,
    /// such as that a host may be off.
    fn confirm(
        &mut self,
        node: &Node,
        fact: Fact,
        value: Value,
        from: Option<Point>,
    ) -> Option<Confirm> {
        let check = node.get("check");
        let said = node.get("confirm").map(|said| (said, bool_of(Some(said))));
        if let (None, Some(place)) = (from, check.or(said.map(|(said, _)| said))) {
            let title = "a fact that already holds needs no confirmation".to_owned();
            let help = "add `from:`, or remove the key";
            self.error(ONE_OF, place.span, title, help);
            return None;
        }
        if let (Some((said, Some(false))), Some(_)) = (said, check) {
            let title = "`check` confirms a fact, but `confirm: false` turns that off".to_owned();
            self.error(ONE_OF, said.span, title, "keep one of `confirm: false` and `check`");
            return None;
        }
        let relied_on = value != fact.row().unknown && !matches!(value, Value::Reject | Value::Off);
        let asked = said.and_then(|(_, said)| said).unwrap_or(relied_on || check.is_some());
        Some(match asked && from.is_some() {
            true => Confirm::Person { check: check.map(argv) },
            false => Confirm::Nobody,
        })
    }

    /// The task that brings about a fact: `task/NAME`, the id of its step.
    fn task_of(&mut self, by: Spanned<&str>) -> Option<Spanned<String>> {
        match by.value.strip_prefix("task/") {
            Some(name) => Some(Spanned { value: name.to_owned(), span: by.span }),
            None => {
                let title = format!("{} is not a task", quoted(by.value));
                self.error(BAD_ANCHOR, by.span, title, "write `task/NAME`");
                None
            }
        }
    }

    /// What a fact is about: a host, a name or an address, depending on the fact.
    fn subject(&mut self, node: &Node, fact: Fact) -> Option<Spanned<Subject>> {
        let kinds = fact.row().subjects;
        let all = [SubjectKind::Host, SubjectKind::Name, SubjectKind::Address];
        let said: Vec<(SubjectKind, &Node)> =
            all.into_iter().filter_map(|kind| Some((kind, node.get(kind.key())?))).collect();
        let wanted = listed(kinds.iter().map(|kind| kind.key()));
        let (kind, of) = match said.as_slice() {
            [one] => *one,
            [] => {
                let title = format!("this does not say what `{fact}` is about");
                self.error(BAD_FACT, node.span, title, &format!("add one of {wanted}"));
                return None;
            }
            [_, (_, second), ..] => {
                let title = "a fact is about one thing".to_owned();
                self.error(BAD_FACT, second.span, title, &format!("keep one of {wanted}"));
                return None;
            }
        };
        if !kinds.contains(&kind) {
            let title = format!("`{fact}` does not take `{}`", kind.key());
            self.error(BAD_FACT, of.span, title, &format!("write {wanted}"));
            return None;
        }
        let text = text(of)?;
        let value = match kind {
            SubjectKind::Host => Some(Subject::Host(text.value.to_owned())),
            SubjectKind::Name => match Name::from_user(text.value) {
                Ok(name) => Some(Subject::Name(name)),
                Err(error) => {
                    let title = format!("{} is not a name: {error}", quoted(text.value));
                    self.error(BAD_NAME, text.span, title, "write it as in DNS");
                    None
                }
            },
            SubjectKind::Address => match text.value.parse() {
                Ok(address) => Some(Subject::Address(address)),
                Err(_) => {
                    let title = format!("{} is not an IP address", quoted(text.value));
                    self.error(BAD_FACT, text.span, title, "write `192.0.2.1` or `2001:db8::1`");
                    None
                }
            },
        };
        Some(Spanned { value: value?, span: text.span })
    }

    pub(super) fn overridden(&mut self, node: &Node) -> Option<OverrideSpec> {
        let said = (node.get("invariant"), node.get("defect"));
        let what = match said {
            (Some(one), None) | (None, Some(one)) => text(one)?,
            (Some(_), Some(defect)) => {
                let title = "an override has either `invariant` or `defect`".to_owned();
                self.error(ONE_OF, defect.span, title, "keep one of `invariant` and `defect`");
                return None;
            }
            (None, None) => {
                let title = "this override does not say what may be broken".to_owned();
                self.error(ONE_OF, node.span, title, "add `invariant:` or `defect:`");
                return None;
            }
        };
        let known = invariant::NAMES.iter().any(|name| {
            what.value == *name || what.value.strip_prefix(name).is_some_and(|r| r.starts_with('/'))
        });
        if !known {
            let title = format!("{} is not the id of a defect", quoted(what.value));
            self.error(BAD_FACT, what.span, title, "copy the id from the verdict");
            return None;
        }
        let reason = self.reason(node);
        Some(OverrideSpec {
            what: Spanned { value: what.value.to_owned(), span: what.span },
            reason: reason?,
        })
    }

    pub(super) fn ignored(&mut self, node: &Node) -> Option<IgnoreSpec> {
        let reason = self.reason(node);
        let code = text(node.get("ignore")?)?;
        // Reported by the shape.
        cutover_check::of_code(code.value)?;
        let code = Spanned { value: code.value.to_owned(), span: code.span };
        Some(IgnoreSpec { code, reason: reason? })
    }
}
