//! The form of a plan as data: the decoder's checks and the JSON Schema both come from this one
//! description, so they cannot drift apart.
//!
//! A [`Shape`] describes form, not meaning. Whether a name is valid or a provider exists is decided
//! by `decode` and `intent`, with codes that are marked semantic.

mod check;

use serde_json::{Map, Value, json};

use super::yaml::Kind;
use cutover_base::diag::Code;
use cutover_base::{calendar, slug};

/// A key that the plan language does not have.
pub const UNKNOWN_KEY: Code = Code::form("unknown-key");
/// A key of the target language that this version does not support yet.
pub const NOT_BUILT_YET: Code = Code::form("not-built-yet");
/// A value of the target language that this version does not support yet.
pub const NOT_BUILT_YET_ANCHOR: Code = Code::semantic("not-built-yet");
/// A required key that is missing.
pub const MISSING_KEY: Code = Code::form("missing-key");
/// A value of the wrong kind for its key.
pub const WRONG_TYPE: Code = Code::form("wrong-type");
/// A value of the right kind that is not among those that its key takes.
pub const BAD_VALUE: Code = Code::form("bad-value");

/// What a node may look like.
#[derive(Clone, Debug)]
pub enum Shape {
    /// `true` or `false`.
    Bool,
    /// A whole number, both bounds included.
    Int {
        /// The least.
        min: i64,
        /// The most.
        max: i64,
    },
    /// Text in a form.
    Text(Form),
    /// One of some words.
    Choice(&'static [&'static str]),
    /// A list.
    List {
        /// Of what.
        of: Box<Shape>,
        /// How many at least.
        min: usize,
    },
    /// A mapping with keys that the user chooses.
    Map {
        /// The form of a key.
        keys: Form,
        /// Of what.
        of: Box<Shape>,
        /// How many at least.
        min: usize,
    },
    /// A mapping with keys that the language fixes.
    Object(Vec<Field>),
    /// A mapping in which the value of one key decides about the other keys.
    Tagged {
        /// The deciding key.
        tag: &'static str,
        /// One sentence about it, shown by editors.
        doc: &'static str,
        /// The words and the keys that come with them.
        variants: Vec<(&'static str, Vec<Field>)>,
        /// Words of the target language that are not supported yet.
        not_built: &'static [&'static str],
    },
    /// A reference to a secret: a mapping with keys that the language fixes. Anything else may be
    /// the secret itself, so it is never shown.
    Secret(Vec<Field>),
    /// One of several shapes that differ in the kind of node.
    AnyOf(Vec<Shape>),
}

/// The form of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Non-empty text on one line.
    Any,
    /// Non-empty text on any number of lines.
    Lines,
    /// A name that the user gives to something: lower-case letters, digits, `-` and `_`, at most
    /// 63.
    Slug,
    /// A time span.
    Span,
}

/// One key of a mapping.
#[derive(Clone, Debug)]
pub struct Field {
    /// The key.
    pub name: &'static str,
    /// One sentence, shown by editors.
    pub doc: &'static str,
    /// Whether it is required.
    pub required: bool,
    /// What it takes; `None` for a key of the target language that is not supported yet.
    pub shape: Option<Shape>,
    /// The name of the key before it was renamed.
    pub former: Option<&'static str>,
}

/// A required key.
#[must_use]
pub fn required(name: &'static str, doc: &'static str, shape: Shape) -> Field {
    Field { name, doc, required: true, shape: Some(shape), former: None }
}

/// An optional key.
#[must_use]
pub fn optional(name: &'static str, doc: &'static str, shape: Shape) -> Field {
    Field { name, doc, required: false, shape: Some(shape), former: None }
}

/// A key of the target language that is refused until it is supported.
#[must_use]
pub fn not_built(name: &'static str, doc: &'static str) -> Field {
    Field { name, doc, required: false, shape: None, former: None }
}

/// A list of at least `min` items.
#[must_use]
pub fn list(min: usize, of: Shape) -> Shape {
    Shape::List { of: Box::new(of), min }
}

/// A mapping of at least `min` entries.
#[must_use]
pub fn map(keys: Form, min: usize, of: Shape) -> Shape {
    Shape::Map { keys, of: Box::new(of), min }
}

/// One line that is not blank. Control characters except tabs are refused: no name, address or
/// record has them, and a terminal would obey them.
const ANY_PATTERN: &str =
    r"^[^\x00-\x08\x0A-\x1F\x7F-\x9F]*[^\x00-\x20\x7F-\x9F][^\x00-\x08\x0A-\x1F\x7F-\x9F]*$";

/// As [`ANY_PATTERN`], but line ends are allowed.
const LINES_PATTERN: &str = r"^[^\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F]*[^\x00-\x20\x7F-\x9F][^\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F]*$";

/// Whether this character is not allowed in [`Form::Any`].
fn broken(c: char) -> bool {
    c.is_control() && c != '\t'
}

/// Whether this character is not allowed in [`Form::Lines`].
fn broken_in_lines(c: char) -> bool {
    broken(c) && !matches!(c, '\r' | '\n')
}

impl Form {
    /// The regular expression of the JSON Schema.
    #[must_use]
    pub fn pattern(self) -> &'static str {
        match self {
            Self::Any => ANY_PATTERN,
            Self::Lines => LINES_PATTERN,
            Self::Slug => slug::PATTERN,
            Self::Span => calendar::SPAN_PATTERN,
        }
    }

    /// Whether the text has this form; agrees with the pattern.
    #[must_use]
    pub fn accepts(self, text: &str) -> bool {
        match self {
            Self::Any => {
                let blank = |c| matches!(c, ' ' | '\t');
                !text.contains(broken) && text.contains(|c| !blank(c))
            }
            Self::Lines => {
                let blank = |c| matches!(c, ' ' | '\t' | '\r' | '\n');
                !text.contains(broken_in_lines) && text.contains(|c| !blank(c))
            }
            Self::Slug => slug::is_slug(text),
            Self::Span => calendar::parse_span(text) != Err(calendar::SpanError::Form),
        }
    }

    /// What to write, for messages.
    fn wanted(self) -> &'static str {
        match self {
            Self::Any => "one line of non-empty text",
            Self::Lines => "text that is not empty",
            Self::Slug => "lower-case letters, digits, `-` and `_`, at most 63",
            Self::Span => "numbers with units, such as `90s`, `5m`, `1h30m` or `7d`",
        }
    }
}

impl Shape {
    /// This shape as JSON Schema (draft 2020-12).
    #[must_use]
    pub fn schema(&self) -> Value {
        match self {
            Self::Bool => json!({ "type": "boolean" }),
            Self::Int { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
            Self::Text(form) => json!({ "type": "string", "pattern": form.pattern() }),
            Self::Choice(words) => json!({ "enum": words }),
            Self::List { of, min } => {
                json!({ "type": "array", "items": of.schema(), "minItems": min })
            }
            Self::Map { keys, of, min } => json!({
                "type": "object",
                "propertyNames": { "pattern": keys.pattern() },
                "additionalProperties": of.schema(),
                "minProperties": min,
            }),
            Self::Object(fields) | Self::Secret(fields) => object_schema(fields, None),
            Self::Tagged { tag, doc, variants, not_built: _ } => {
                let of = variants
                    .iter()
                    .map(|(word, fields)| object_schema(fields, Some((tag, doc, word))));
                json!({ "type": "object", "required": [tag], "oneOf": of.collect::<Vec<_>>() })
            }
            Self::AnyOf(shapes) => {
                json!({ "anyOf": shapes.iter().map(Self::schema).collect::<Vec<_>>() })
            }
        }
    }
}

fn object_schema(fields: &[Field], tag: Option<(&str, &str, &str)>) -> Value {
    let mut properties = Map::new();
    let mut needed: Vec<&str> = Vec::new();
    if let Some((tag, doc, word)) = tag {
        properties.insert(tag.to_owned(), json!({ "const": word, "description": doc }));
        needed.push(tag);
    }
    for Field { name, doc, required, shape, former: _ } in fields {
        let Some(shape) = shape else { continue };
        let mut schema = shape.schema();
        schema["description"] = json!(doc);
        properties.insert((*name).to_owned(), schema);
        if *required {
            needed.push(name);
        }
    }
    json!({
        "type": "object",
        "properties": properties,
        "required": needed,
        "additionalProperties": false,
    })
}

/// The value of a whole number; as in JSON Schema, that includes `1.0`.
#[must_use]
pub fn whole(kind: &Kind) -> Option<i64> {
    /// Up to here every whole `f64` is exact.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    match kind {
        Kind::Int(number) => Some(*number),
        #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
        Kind::Float(number) if number.fract() == 0.0 && number.abs() <= EXACT_MAX => {
            Some(*number as i64)
        }
        Kind::Null
        | Kind::Bool(_)
        | Kind::Float(_)
        | Kind::Text(_)
        | Kind::List(_)
        | Kind::Map(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::yaml::Node;
    use cutover_base::diag::Span;

    fn check(shape: &Shape, kind: Kind, expected: Option<&str>) {
        let node = Node { span: Span::default(), kind };
        let mut found = Vec::new();
        shape.check(&node, &mut found);
        let titles: Vec<&str> = found.iter().map(|d| d.title.as_str()).collect();
        assert_eq!(titles, expected.into_iter().collect::<Vec<_>>(), "{:?}", node.kind);
    }

    #[test]
    fn whole_numbers_include_their_bounds() {
        let shape = Shape::Int { min: 0, max: 65_535 };
        for good in [Kind::Int(0), Kind::Int(65_535), Kind::Float(1.0), Kind::Float(-0.0)] {
            check(&shape, good, None);
        }
        let outside = Some("this is not a whole number from 0 to 65535");
        for bad in [Kind::Int(-1), Kind::Int(65_536), Kind::Int(i64::MAX)] {
            check(&shape, bad, outside);
        }
        let other = Some("expected a whole number from 0 to 65535, found a number");
        for bad in [Kind::Float(1.5), Kind::Float(f64::MAX)] {
            check(&shape, bad, other);
        }
    }

    #[test]
    fn forms_accept_what_their_patterns_accept() {
        let (slug, long) = ("a".repeat(63), "a".repeat(64));
        for (form, text, accepted) in [
            (Form::Any, "a", true),
            (Form::Any, "\u{a0}", true),
            (Form::Any, "a\tb", true),
            (Form::Any, "", false),
            (Form::Any, " \t", false),
            (Form::Any, "a\nb", false),
            (Form::Any, "a\u{1b}b", false),
            (Form::Any, "a\u{9b}b", false),
            (Form::Lines, "a\r\nb\tc\n", true),
            (Form::Lines, " \n", false),
            (Form::Lines, "a\n\u{1b}b", false),
            (Form::Slug, "a-b_1", true),
            (Form::Slug, slug.as_str(), true),
            (Form::Slug, long.as_str(), false),
            (Form::Slug, "-a", false),
            (Form::Slug, "A", false),
            (Form::Slug, "é", false),
            (Form::Span, "1h 30m", true),
            (Form::Span, "999999999w", true),
            (Form::Span, "5", false),
        ] {
            assert_eq!(form.accepts(text), accepted, "{form:?} {text:?}");
            check(
                &Shape::Text(form),
                Kind::Text(text.to_owned()),
                match (form, accepted) {
                    (_, true) => None,
                    (Form::Any | Form::Lines, false) if text.trim().is_empty() => {
                        Some("this text is empty")
                    }
                    (Form::Lines, false) => Some("this text contains a control character"),
                    (Form::Any, false) => {
                        Some("this text contains a line break or a control character")
                    }
                    (Form::Slug, false) if text == long => Some(
                        "`aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…` is not a valid name",
                    ),
                    (Form::Slug, false) if text == "-a" => Some("`-a` is not a valid name"),
                    (Form::Slug, false) if text == "A" => Some("`A` is not a valid name"),
                    (Form::Slug, false) => Some("`é` is not a valid name"),
                    (Form::Span, false) => Some("`5` is not a time span"),
                },
            );
        }
    }

    #[test]
    fn a_key_that_is_not_built_is_known_and_not_offered() {
        let shape = Shape::Object(vec![not_built("waves", "groups")]);
        let key = Node { span: Span::default(), kind: Kind::Text("waves".to_owned()) };
        let value = Node { span: Span::default(), kind: Kind::Null };
        check(&shape, Kind::Map(vec![(key, value)]), Some("`waves` is not supported yet"));
        assert_eq!(shape.schema()["properties"], json!({}));
    }
}
