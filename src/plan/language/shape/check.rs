//! Checks whether a node has the expected shape, and reports what is wrong.
//!
//! Whatever is reported here with a form code, the JSON Schema refuses too, and vice versa; a test
//! compares the two.

use super::{
    BAD_VALUE, Field, Form, MISSING_KEY, NOT_BUILT_YET, Shape, UNKNOWN_KEY, WRONG_TYPE, broken,
    broken_in_lines, whole,
};
use crate::language::yaml::{Kind, Node};
use cutover_base::diag::{
    Diagnostic, FINDINGS_MAX, SECRET_IN_PLAN, Span, did_you_mean, listed, quoted,
};

impl Form {
    fn refuse(self, text: &str, span: Span) -> Diagnostic {
        let wanted = self.wanted();
        let (title, help) = match self {
            Self::Any if text.contains(broken) => (
                "this text contains a line break or a control character".to_owned(),
                "write it on one line, without escapes such as `\\n`".to_owned(),
            ),
            Self::Lines if text.contains(broken_in_lines) => (
                "this text contains a control character".to_owned(),
                "write it without escapes such as `\\e`".to_owned(),
            ),
            Self::Any | Self::Lines => ("this text is empty".to_owned(), format!("write {wanted}")),
            Self::Slug => {
                let near = slug(text);
                let help = match self.accepts(&near) {
                    true => format!("write {wanted}: {}", quoted(&near)),
                    false => format!("write {wanted}, starting with a letter or a digit"),
                };
                (format!("{} is not a valid name", quoted(text)), help)
            }
            Self::Span if !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit()) => (
                format!("{} is not a time span", quoted(text)),
                "add the unit: `300s`, `5m`, `1h30m` or `7d`".to_owned(),
            ),
            Self::Span => {
                (format!("{} is not a time span", quoted(text)), format!("write {wanted}"))
            }
        };
        Diagnostic::error(BAD_VALUE, span, title, help)
    }
}

/// The nearest valid name that the user may have meant.
fn slug(text: &str) -> String {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-');
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
}

impl Shape {
    /// What messages call it.
    fn name(&self) -> String {
        match self {
            Self::Bool => "true or false".into(),
            Self::Int { min, max } if min == max => format!("the number {min}"),
            Self::Int { min, max } => format!("a whole number from {min} to {max}"),
            Self::Text(Form::Span) => "a time span".into(),
            Self::Text(_) => "text".into(),
            Self::Choice(words) => {
                words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or ")
            }
            Self::List { .. } => "a list".into(),
            Self::Map { .. } | Self::Object(_) | Self::Tagged { .. } | Self::Secret(_) => {
                "a mapping".into()
            }
            Self::AnyOf(shapes) => shapes.iter().map(Self::name).collect::<Vec<_>>().join(" or "),
        }
    }

    /// What to write instead of a node of another kind.
    fn wanted(&self) -> String {
        match self {
            Self::Bool | Self::Int { .. } | Self::Choice(_) => format!("write {}", self.name()),
            Self::Text(form) => format!("write {}", form.wanted()),
            Self::List { of, .. } => match of.as_ref() {
                Self::Bool
                | Self::Int { .. }
                | Self::Text(_)
                | Self::Choice(_)
                | Self::List { .. }
                | Self::AnyOf(_) => {
                    "write a list: `[ a, b ]`, or one item per line after `- `".to_owned()
                }
                Self::Map { .. } | Self::Object(_) | Self::Tagged { .. } | Self::Secret(_) => {
                    "write a list, one item per line after `- `".to_owned()
                }
            },
            Self::Map { .. } => {
                "write a mapping: names of your choice, each followed by a colon".to_owned()
            }
            Self::Object(fields) | Self::Secret(fields) => {
                format!("write a mapping; {}", known_keys(fields, None))
            }
            Self::Tagged { tag, variants, .. } => {
                let words = listed(variants.iter().map(|(word, _)| *word));
                format!("write a mapping with `{tag}:`, which is one of {words}")
            }
            Self::AnyOf(shapes) => {
                shapes.iter().map(Self::wanted).collect::<Vec<_>>().join("; or ")
            }
        }
    }

    fn takes(&self, kind: &Kind) -> bool {
        match self {
            Self::Bool => matches!(kind, Kind::Bool(_)),
            Self::Int { .. } => whole(kind).is_some(),
            Self::Text(_) | Self::Choice(_) => matches!(kind, Kind::Text(_)),
            Self::List { .. } => matches!(kind, Kind::List(_)),
            Self::Map { .. } | Self::Object(_) | Self::Tagged { .. } | Self::Secret(_) => {
                matches!(kind, Kind::Map(_))
            }
            Self::AnyOf(shapes) => shapes.iter().any(|shape| shape.takes(kind)),
        }
    }

    /// Checks a node and everything below it, and adds what is wrong to `found`.
    pub fn check(&self, node: &Node, found: &mut Vec<Diagnostic>) {
        if found.len() >= FINDINGS_MAX {
            return;
        }
        match (self, &node.kind) {
            _ if !self.takes(&node.kind) => found.push(self.wrong_type(node)),
            (Self::AnyOf(shapes), kind) => {
                for shape in shapes.iter().filter(|shape| shape.takes(kind)) {
                    let others = shapes.iter().filter(|other| !other.takes(kind));
                    match (shape, kind) {
                        (Self::Choice(words), Kind::Text(text)) => {
                            let others: Vec<String> = others.map(Self::wanted).collect();
                            check_word(text, words, &others, node.span, found);
                        }
                        _ => shape.check(node, found),
                    }
                }
            }
            (Self::Int { min, max }, kind)
                if whole(kind).is_none_or(|number| number < *min || number > *max) =>
            {
                let title = format!("this is not {}", self.name());
                let help = match min == max {
                    true => format!("write {min}: this version of `cutover` supports no other"),
                    false => format!("write {}", self.name()),
                };
                found.push(Diagnostic::error(BAD_VALUE, node.span, title, help));
            }
            (Self::Text(form), Kind::Text(text)) if !form.accepts(text) => {
                found.push(form.refuse(text, node.span));
            }
            (Self::Choice(words), Kind::Text(text)) => {
                check_word(text, words, &[], node.span, found);
            }
            (Self::List { of, min }, Kind::List(items)) => {
                check_count(node, items.len(), *min, found);
                items.iter().for_each(|item| of.check(item, found));
            }
            (Self::Map { keys, of, min }, Kind::Map(entries)) => {
                check_count(node, entries.len(), *min, found);
                for (key, value) in entries {
                    check_key(*keys, key, found);
                    of.check(value, found);
                }
            }
            (Self::Object(fields), Kind::Map(entries)) => {
                check_fields(fields, None, node, entries, found);
            }
            (Self::Secret(fields), Kind::Map(entries)) => {
                check_fields(fields, None, node, entries, found);
                let known = |key: &Node| fields.iter().any(|field| key.is_text(field.name));
                let unknown = entries.iter().filter(|(key, _)| !known(key));
                let scalars = unknown.filter(|(_, value)| value.is_scalar());
                found.extend(scalars.map(|(_, value)| secret_in_plan(value.span)));
            }
            (Self::Tagged { tag, variants, not_built, doc: _ }, Kind::Map(entries)) => {
                check_tagged(tag, variants, not_built, node, entries, found);
            }
            // A valid number or text; `takes` leaves no other pair.
            _ => {}
        }
    }

    fn wrong_type(&self, node: &Node) -> Diagnostic {
        if matches!(self, Self::Secret(_)) && node.is_scalar() && node.kind != Kind::Null {
            return secret_in_plan(node.span);
        }
        let text = match &node.kind {
            Kind::Text(text) => text.to_ascii_lowercase(),
            Kind::Null
            | Kind::Bool(_)
            | Kind::Int(_)
            | Kind::Float(_)
            | Kind::List(_)
            | Kind::Map(_) => String::new(),
        };
        let plain = matches!(node.kind, Kind::Int(_) | Kind::Float(_) | Kind::Bool(_));
        let help = match (self, text.as_str()) {
            (Self::Bool, "no" | "off" | "n") => {
                "write `false`: in YAML 1.2 this word is text and not false".to_owned()
            }
            (Self::Bool, "yes" | "on" | "y") => {
                "write `true`: in YAML 1.2 this word is text and not true".to_owned()
            }
            (Self::Text(Form::Span), _) if whole(&node.kind).is_some() => {
                "add the unit: `300s`, `5m`, `1h30m` or `7d`".to_owned()
            }
            _ if node.kind == Kind::Null => {
                format!("{}, or remove the key if it is optional", self.wanted())
            }
            (Self::Int { .. } | Self::Bool, text)
                if text.parse::<i64>().is_ok() || matches!(text, "true" | "false") =>
            {
                "write it without quotes".to_owned()
            }
            _ if plain && self.takes(&Kind::Text(String::new())) => {
                "quote it to make it text".to_owned()
            }
            _ => self.wanted(),
        };
        let title = format!("expected {}, found {}", self.name(), node.kind.name());
        Diagnostic::error(WRONG_TYPE, node.span, title, help)
    }
}

impl Node {
    fn is_list(&self) -> bool {
        matches!(self.kind, Kind::List(_))
    }

    fn is_scalar(&self) -> bool {
        !matches!(self.kind, Kind::List(_) | Kind::Map(_))
    }
}

fn secret_in_plan(span: Span) -> Diagnostic {
    let title = "the plan contains a secret";
    let help = "write where to find it: `{ env: NAME }`, `{ file: PATH }` or `{ command: [PROGRAM, ARGUMENT] }`";
    Diagnostic::error(SECRET_IN_PLAN, span, title, help)
        .label("not shown")
        .why("plans are shared and kept: if this plan was, replace the secret")
}

/// Checks a key that the user chooses.
fn check_key(form: Form, key: &Node, found: &mut Vec<Diagnostic>) {
    match &key.kind {
        Kind::Text(text) if form.accepts(text) => {}
        Kind::Text(text) => found.push(form.refuse(text, key.span)),
        Kind::Null
        | Kind::Bool(_)
        | Kind::Int(_)
        | Kind::Float(_)
        | Kind::List(_)
        | Kind::Map(_) => {
            let title = format!("expected text as the key, found {}", key.kind.name());
            let help = match key.is_scalar() {
                true => "quote the key to make it text",
                false => "write a name before the colon",
            };
            found.push(Diagnostic::error(WRONG_TYPE, key.span, title, help));
        }
    }
}

/// Checks a word; `others` says which other values the key takes.
fn check_word(
    text: &str,
    words: &[&str],
    others: &[String],
    span: Span,
    found: &mut Vec<Diagnostic>,
) {
    if words.contains(&text) {
        return;
    }
    let help = match did_you_mean(text, words.iter().copied()) {
        Some(guess) => format!("did you mean `{guess}`?"),
        None => {
            let words = format!("write one of {}", listed(words.iter().copied()));
            others.iter().fold(words, |help, other| format!("{help}; or {other}"))
        }
    };
    let title = format!("{} is not a value of this key", quoted(text));
    found.push(Diagnostic::error(BAD_VALUE, span, title, help));
}

fn check_count(node: &Node, count: usize, min: usize, found: &mut Vec<Diagnostic>) {
    if count < min {
        let title = format!("this {} is empty", if node.is_list() { "list" } else { "mapping" });
        let help = "add an entry, or remove the key if it is optional";
        found.push(Diagnostic::error(BAD_VALUE, node.span, title, help));
    }
}

/// Checks the keys of a mapping; `tag` is a key that was checked before.
fn check_fields(
    fields: &[Field],
    tag: Option<&'static str>,
    node: &Node,
    entries: &[(Node, Node)],
    found: &mut Vec<Diagnostic>,
) {
    // A misspelt key must not be reported as missing too.
    let mut meant: Vec<&str> = Vec::new();
    for (key, value) in entries {
        if found.len() >= FINDINGS_MAX {
            return;
        }
        let Kind::Text(name) = &key.kind else {
            let title = format!("expected a key of the plan language, found {}", key.kind.name());
            found.push(Diagnostic::error(UNKNOWN_KEY, key.span, title, known_keys(fields, tag)));
            continue;
        };
        if tag == Some(name) {
            continue;
        }
        match fields.iter().find(|field| field.name == name) {
            Some(Field { shape: Some(shape), .. }) => shape.check(value, found),
            Some(Field { shape: None, doc, .. }) => found.push(not_built_yet(name, doc, key.span)),
            None => {
                let renamed = fields.iter().find(|field| field.former == Some(name));
                let names = fields.iter().map(|field| field.name);
                let guess = renamed.map(|field| field.name).or_else(|| did_you_mean(name, names));
                meant.extend(guess);
                let help = match (guess, renamed) {
                    (Some(name), Some(_)) => format!("the key was renamed: write `{name}`"),
                    (Some(guess), None) => format!("did you mean `{guess}`?"),
                    (None, _) => known_keys(fields, tag),
                };
                let title = format!("unknown key {}", quoted(name));
                found.push(Diagnostic::error(UNKNOWN_KEY, key.span, title, help));
            }
        }
    }
    for Field { name, doc, .. } in fields.iter().filter(|field| field.required) {
        if !entries.iter().any(|(key, _)| key.is_text(name)) && !meant.contains(name) {
            let title = format!("missing key `{name}`");
            let help = format!("add `{name}:` here: {}", sentence_in_line(doc));
            found.push(Diagnostic::error(MISSING_KEY, node.span, title, help));
        }
    }
}

/// A sentence in the form in which it follows a colon.
fn sentence_in_line(sentence: &str) -> String {
    let sentence = sentence.trim_end_matches('.');
    let mut characters = sentence.chars();
    match (characters.next(), characters.clone().next()) {
        // Words in capitals, such as HOST, stay as they are.
        (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => {
            first.to_lowercase().chain(characters).collect()
        }
        _ => sentence.to_owned(),
    }
}

fn not_built_yet(name: &str, doc: &'static str, span: Span) -> Diagnostic {
    let title = format!("`{name}` is not supported yet");
    let help = "remove the key and do this by hand; the README lists what is supported";
    let why = "an ignored key would promise something that does not happen, so unsupported keys are refused";
    Diagnostic::error(NOT_BUILT_YET, span, title, help).label(doc).why(why)
}

fn known_keys(fields: &[Field], tag: Option<&str>) -> String {
    let built = fields.iter().filter(|field| field.shape.is_some());
    let names: Vec<String> = tag
        .into_iter()
        .chain(built.map(|field| field.name))
        .map(|name| format!("`{name}`"))
        .collect();
    format!("the keys are {}", names.join(", "))
}

fn check_tagged(
    tag: &'static str,
    variants: &[(&'static str, Vec<Field>)],
    not_built: &[&'static str],
    node: &Node,
    entries: &[(Node, Node)],
    found: &mut Vec<Diagnostic>,
) {
    let words: Vec<&'static str> = variants.iter().map(|(word, _)| *word).collect();
    let Some((_, value)) = entries.iter().find(|(key, _)| key.is_text(tag)) else {
        let near = entries.iter().find(
            |(key, _)| matches!(&key.kind, Kind::Text(text) if did_you_mean(text, [tag]).is_some()),
        );
        let all = listed(words);
        found.push(match near {
            Some((Node { span, kind: Kind::Text(text) }, _)) => {
                let title = format!("unknown key {}", quoted(text));
                Diagnostic::error(UNKNOWN_KEY, *span, title, format!("did you mean `{tag}`?"))
            }
            _ => {
                let title = format!("missing key `{tag}`");
                let help = format!("add `{tag}:` here, with one of {all}");
                Diagnostic::error(MISSING_KEY, node.span, title, help)
            }
        });
        return;
    };
    let Kind::Text(word) = &value.kind else {
        found.push(Shape::Text(Form::Slug).wrong_type(value));
        return;
    };
    match variants.iter().find(|(variant, _)| variant == word) {
        Some((_, fields)) => check_fields(fields, Some(tag), node, entries, found),
        None if not_built.contains(&word.as_str()) => {
            found.push(not_built_yet(word, "it belongs to the target language", value.span));
        }
        None => check_word(word, &words, &[], value.span, found),
    }
}
