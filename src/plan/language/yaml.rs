//! From YAML text to a tree of nodes that know their places.
//!
//! The parser is `serde-saphyr`: it refuses duplicate keys, counts nodes and aliases, and bounds
//! depth. This module adds a bound on the text and keeps the place of every key and value, which
//! serde's own derive would lose. It knows nothing about plans.
//!
//! YAML 1.2's core schema holds: `no`, `yes`, `on`, `off` are text.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use cutover_base::diag::{Code, Diagnostic, Span, Spanned, quoted};

/// The maximum size of a file of a plan, in octets. Our choice: ten thousand records fit, and more
/// fit into several files (`include:`).
pub const TEXT_OCTETS_MAX: usize = 4 * 1024 * 1024;
/// The maximum number of nodes, with aliases expanded. Our choice, as above.
const NODES_MAX: usize = 200_000;
/// The maximum number of aliases, and of anchors. Our choice: enough for shared lists, far too few
/// for a YAML bomb.
const ALIASES_MAX: usize = 200;
/// The maximum depth; a plan needs eight.
const DEPTH_MAX: usize = 32;

/// A syntax error of the YAML, duplicate keys and exceeded bounds included.
pub const YAML: Code = Code::form("yaml");
/// A plan that is too large.
pub const TOO_LARGE: Code = Code::form("too-large");

/// A node and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its place; for a mapping or a list, the opening bracket, or the key or dash before it.
    pub span: Span,
    /// Its value.
    pub kind: Kind,
}

/// The value of a node.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the text.
    Map(Vec<(Node, Node)>),
}

impl Kind {
    /// What messages call such a node.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// Reads one YAML document.
///
/// # Errors
/// One diagnostic: after a syntax error there is no tree to look at.
pub fn parse(text: &str) -> Result<Node, Box<Diagnostic>> {
    if text.len() > TEXT_OCTETS_MAX {
        return Err(Box::new(Diagnostic::error(
            TOO_LARGE,
            Span { start: 0, end: 0 },
            format!("the file has {} octets; the maximum is {TEXT_OCTETS_MAX}", text.len()),
            "move parts of it into other files (`include:`), or split it into several plans",
        )));
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: NODES_MAX,
            max_aliases: ALIASES_MAX,
            max_anchors: ALIASES_MAX,
            // A single shared list may use up all aliases.
            enforce_alias_anchor_ratio: false,
            max_depth: DEPTH_MAX,
        },
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        merge_keys: serde_saphyr::MergeKeyPolicy::Error,
        reject_unsupported_tags: true,
        with_snippet: false,
    };
    let places = Places { text };
    match serde_saphyr::from_str_with_options::<Raw>(text, options) {
        Ok(Raw(mut node)) => {
            places.node(&mut node);
            Ok(node)
        }
        Err(error) => Err(Box::new(places.diagnostic(&error))),
    }
}

/// A node as serde gives it, with the parser's place.
struct Raw(Node);

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned: serde_saphyr::Spanned<RawKind> = Deserialize::deserialize(deserializer)?;
        let span = spanned.referenced.span();
        let number = |count: Option<u64>| count.and_then(|count| usize::try_from(count).ok());
        // For a text in memory, all places are in octets.
        let start = number(span.byte_offset()).unwrap_or_default();
        let end = start.saturating_add(number(span.byte_len()).unwrap_or_default());
        Ok(Self(Node { span: Span { start, end }, kind: spanned.value.0 }))
    }
}

struct RawKind(Kind);

impl<'de> Deserialize<'de> for RawKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor).map(Self)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_none<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Kind, E> {
        Ok(Kind::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Kind, E> {
        // No key of a plan takes such a large number, so make it one that is out of range
        // everywhere.
        Ok(i64::try_from(value).map_or(Kind::Float(f64::MAX), Kind::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Kind, E> {
        Ok(Kind::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Kind, E> {
        Ok(Kind::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Kind, A::Error> {
        let mut list = Vec::new();
        while let Some(Raw(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Kind::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Kind, A::Error> {
        let mut map = Vec::new();
        while let Some((Raw(key), Raw(value))) = entries.next_entry()? {
            map.push((key, value));
        }
        Ok(Kind::Map(map))
    }
}

/// Translates the parser's places into ours.
struct Places<'t> {
    text: &'t str,
}

impl Places<'_> {
    fn span(&self, location: serde_saphyr::Location) -> Span {
        let span = location.span();
        let number = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        let (start, length) = match (span.byte_offset(), span.byte_len()) {
            (Some(offset), Some(length)) => (number(offset), number(length)),
            // The scanner's own errors count characters.
            _ => {
                let characters = number(span.offset());
                let offset = self.text.char_indices().nth(characters).map(|(offset, _)| offset);
                (offset.unwrap_or(self.text.len()), 0)
            }
        };
        self.within_a_line(Span { start, end: start.saturating_add(length) })
    }

    /// A text may span several lines; showing the first is enough.
    fn within_a_line(&self, span: Span) -> Span {
        let start = span.start.min(self.text.len());
        let end = span.end.min(self.text.len());
        let covered = self.text.get(start..end).unwrap_or("");
        let first = covered.split('\n').next().unwrap_or("").trim_end().len();
        Span { start, end: start + first }
    }

    /// Corrects the places of a node and of everything in it.
    fn node(&self, node: &mut Node) {
        node.span = self.within_a_line(node.span);
        match &mut node.kind {
            Kind::List(list) => {
                node.span = self.opening(node.span);
                list.iter_mut().for_each(|item| self.item(item));
            }
            Kind::Map(map) => {
                node.span = self.opening(node.span);
                map.iter_mut().for_each(|(key, value)| self.entry(key, value));
            }
            Kind::Null | Kind::Bool(_) | Kind::Int(_) | Kind::Float(_) | Kind::Text(_) => {}
        }
    }

    /// An item of a list; a block item has the place of its dash.
    fn item(&self, node: &mut Node) {
        self.node(node);
        let front = self.text[..node.span.start].trim_end_matches(' ');
        if let Some(front) = front.strip_suffix('-').filter(|_| node.is_block(self.text)) {
            node.span = Span { start: front.len(), end: front.len() + 1 };
        }
    }

    /// A key and its value; a block value on the next line has the place of its key.
    fn entry(&self, key: &mut Node, value: &mut Node) {
        self.node(key);
        self.node(value);
        let between = self.text.get(key.span.end..value.span.start).unwrap_or("");
        if value.is_block(self.text) && between.contains('\n') {
            value.span = key.span;
        }
    }

    /// An opening bracket; the closing one too if there is nothing in between.
    fn opening(&self, span: Span) -> Span {
        let rest = &self.text[span.start..];
        let Some(inner) = rest.strip_prefix(['[', '{']) else { return span };
        let inner = inner.trim_start();
        let end = match inner.starts_with([']', '}']) {
            true => span.start + (rest.len() - inner.len()) + 1,
            false => span.start + 1,
        };
        Span { end, ..span }
    }

    fn diagnostic(&self, error: &serde_saphyr::Error) -> Diagnostic {
        let error = error.without_snippet();
        let span = error.location().map(|place| self.span(place)).unwrap_or_default();
        let error = if let serde_saphyr::Error::AliasError { error, .. } = error {
            error.without_snippet()
        } else {
            error
        };
        // The scanner stops after a tab, but the tab itself is the mistake.
        let tab = self.text[..span.start].ends_with('\t');
        let start = span.start - usize::from(tab && span.is_empty());
        let span = self.visible(Span { start, ..span });
        let (title, help) = explain(error, &self.text[span.start..]);
        Diagnostic::error(YAML, span, title, help)
    }

    /// At least one character, so that the caret shows; at the end of a line, the last one before
    /// it.
    fn visible(&self, span: Span) -> Span {
        let length = |c: char| c.len_utf8();
        if !span.is_empty() {
            return span;
        }
        match self.text[span.start..].chars().next().filter(|c| !matches!(c, '\r' | '\n')) {
            Some(c) => Span { end: span.start + length(c), ..span },
            None => {
                let text = self.text[..span.start].trim_end();
                let start = text.len() - text.chars().next_back().map_or(0, length);
                Span { start, end: text.len() }
            }
        }
    }
}

impl Node {
    /// Whether it is this text.
    pub(super) fn is_text(&self, word: &str) -> bool {
        matches!(&self.kind, Kind::Text(text) if text == word)
    }

    /// The text and its place, if this is a text.
    pub(super) fn text(&self) -> Option<Spanned<String>> {
        let Kind::Text(text) = &self.kind else { return None };
        Some(Spanned { value: text.clone(), span: self.span })
    }

    /// The value of a key, if this is a mapping that has it.
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        let Kind::Map(entries) = &self.kind else { return None };
        entries.iter().find(|(key, _)| key.is_text(name)).map(|(_, value)| value)
    }

    /// The same, mutable.
    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Node> {
        let Kind::Map(entries) = &mut self.kind else { return None };
        entries.iter_mut().find(|(key, _)| key.is_text(name)).map(|(_, value)| value)
    }

    /// Shifts the places of a node and of everything in it, since its text comes after other files.
    pub(super) fn shift(&mut self, by: usize) {
        self.span = self.span.shifted(by);
        match &mut self.kind {
            Kind::List(items) => items.iter_mut().for_each(|item| item.shift(by)),
            Kind::Map(entries) => entries.iter_mut().for_each(|(key, value)| {
                key.shift(by);
                value.shift(by);
            }),
            Kind::Null | Kind::Bool(_) | Kind::Int(_) | Kind::Float(_) | Kind::Text(_) => {}
        }
    }

    /// Whether this is a list or a mapping without brackets.
    fn is_block(&self, text: &str) -> bool {
        let bracket = text[self.span.start..].starts_with(['[', '{', '*']);
        matches!(self.kind, Kind::List(_) | Kind::Map(_)) && !bracket
    }
}

/// What is wrong with the YAML, and what to do. We reword what the parser says about its own
/// interface rather than about the text.
#[expect(clippy::wildcard_enum_match_arm, reason = "the parser's errors are an open set")]
fn explain(error: &serde_saphyr::Error, rest: &str) -> (String, String) {
    use serde_saphyr::Error;
    use serde_saphyr::budget::BudgetBreach;
    let said = |title: &str, help: &str| (title.to_owned(), help.to_owned());
    let split = "move parts of it into other files (`include:`), or split it into several plans";
    match error {
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().map(|key| format!(" {}", quoted(key))).unwrap_or_default();
            let help = "keep one of them: the other would be lost silently";
            (format!("the key{key} appears here a second time"), help.to_owned())
        }
        Error::MultipleDocuments { .. } => said(
            "a second document begins here",
            "a plan is one document: move the second into a file of its own",
        ),
        Error::MergeKeyNotAllowed { .. } => said(
            "the plan language has no merge keys",
            "write the keys out, so that they can be read in one place",
        ),
        Error::UnsupportedTag { .. } => said(
            "the plan language has no tags",
            "remove the `!` and the word after it, or quote the text",
        ),
        Error::NonFiniteFloat { .. } => {
            said("a plan cannot contain this number", "write a whole number")
        }
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => (
            format!("the plan is nested deeper than {DEPTH_MAX} levels"),
            "close the brackets; the deepest key of a plan is eight levels deep".to_owned(),
        ),
        Error::Budget { breach: BudgetBreach::Nodes { .. }, .. } => {
            let title =
                format!("the plan has more than {NODES_MAX} values, counting those of aliases");
            let help = match rest.starts_with('*') {
                true => "write the value out: an alias counts as everything that it stands for",
                false => split,
            };
            (title, help.to_owned())
        }
        Error::Budget {
            breach: BudgetBreach::Aliases { .. } | BudgetBreach::Anchors { .. },
            ..
        } => (
            format!("the plan has more than {ALIASES_MAX} aliases or anchors"),
            "write the values out".to_owned(),
        ),
        Error::Budget { .. } => said("the plan is too large for the YAML parser", split),
        Error::UnknownAnchor { .. } => said(
            "there is no anchor of this name",
            "write the value out, or quote the text if the `*` belongs to it",
        ),
        _ => parser_words(error, rest),
    }
}

/// What the parser says about invalid YAML, and what we say instead. Other messages are shown as
/// they are.
const REWORDED: &[(&str, &str)] = &[
    ("simple key expected ':'", "this key has no colon"),
    ("recursion limit exceeded", "the brackets are nested too deeply"),
    (
        "while parsing a block mapping, did not find expected key",
        "this line is not indented like the lines it belongs to",
    ),
];

fn parser_words(error: &serde_saphyr::Error, rest: &str) -> (String, String) {
    let mut title = error.to_string();
    // The parser appends the place, which the caret shows already.
    if let Some(at) = title.find(" at line ") {
        title.truncate(at);
    }
    if let Some((_, ours)) = REWORDED.iter().find(|(theirs, _)| title == *theirs) {
        title = (*ours).to_owned();
    }
    let tabs = rest.starts_with('\t') || title.contains("found a tab");
    let help = match tabs {
        true => "indent with spaces: YAML does not allow tabs",
        false => "check quotes, brackets, colons and indentation, here and in the line above",
    };
    (title, help.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Node, Box<Diagnostic>> {
        parse(text)
    }

    /// Each node with what stands in its place, in the order of the text.
    fn places(text: &str) -> Vec<(&'static str, &str)> {
        fn walk<'t>(node: &Node, text: &'t str, into: &mut Vec<(&'static str, &'t str)>) {
            into.push((node.kind.name(), &text[node.span.start..node.span.end]));
            match &node.kind {
                Kind::List(items) => items.iter().for_each(|item| walk(item, text, into)),
                Kind::Map(entries) => entries.iter().for_each(|(key, value)| {
                    walk(key, text, into);
                    walk(value, text, into);
                }),
                Kind::Null | Kind::Bool(_) | Kind::Int(_) | Kind::Float(_) | Kind::Text(_) => {}
            }
        }
        let mut found = Vec::new();
        walk(&read(text).expect(text), text, &mut found);
        found
    }

    #[test]
    fn scalars_stand_where_they_are_written() {
        for (front, back) in [("", "\n"), ("\u{feff}", "\n"), ("# é𝒳\r\n", "\r\n"), ("---\n", "")]
        {
            let text = format!("{front}ключ: \"é\\n𝒳\"  # ü{back}");
            let expected = [("a mapping", ""), ("text", "ключ"), ("text", "\"é\\n𝒳\"")];
            assert_eq!(places(&text), expected, "{text:?}");
        }
    }

    #[test]
    fn line_ends_of_windows_belong_to_no_place() {
        let text = "é: ü\r\nlist:\r\n  - 1\r\n  - two words\r\n";
        let expected = [
            ("a mapping", ""),
            ("text", "é"),
            ("text", "ü"),
            ("text", "list"),
            ("a list", "list"),
            ("a number", "1"),
            ("text", "two words"),
        ];
        assert_eq!(places(text), expected);
    }

    #[test]
    fn lists_and_mappings_stand_where_they_begin() {
        let text = "block:\n  inner: { a: [], b: [ ] }\nitems:\n- x: 1\n- [ y ]\n";
        let expected = [
            ("a mapping", ""),
            ("text", "block"),
            ("a mapping", "block"),
            ("text", "inner"),
            ("a mapping", "{"),
            ("text", "a"),
            ("a list", "[]"),
            ("text", "b"),
            ("a list", "[ ]"),
            ("text", "items"),
            ("a list", "items"),
            ("a mapping", "-"),
            ("text", "x"),
            ("a number", "1"),
            ("a list", "["),
            ("text", "y"),
        ];
        assert_eq!(places(text), expected);
    }

    #[test]
    fn what_an_alias_brings_stands_at_the_alias() {
        let text = "a: &é 5m\nb: *é\nc: &l [ 1 ]\nd: *l\n";
        let expected = [
            ("a mapping", ""),
            ("text", "a"),
            ("text", "5m"),
            ("text", "b"),
            ("text", "*é"),
            ("text", "c"),
            ("a list", "["),
            ("a number", "1"),
            ("text", "d"),
            ("a list", "*l"),
            ("a number", "*l"),
        ];
        assert_eq!(places(text), expected);
    }

    #[test]
    fn a_text_of_several_lines_stands_on_its_first() {
        let text = "a: \"one\n  two\"\nb: |\n  three\n  four\n";
        let found = places(text);
        assert_eq!(found[2], ("text", "\"one"));
        assert!(!found[4].1.contains('\n'), "{found:?}");
    }

    #[test]
    fn nothing_is_nothing() {
        for text in ["", "\n", "# only a comment\n", "---\n", "~", "null\n", "\u{feff}"] {
            assert_eq!(read(text).map(|node| node.kind), Ok(Kind::Null), "{text:?}");
        }
    }

    #[test]
    fn words_and_numbers_are_those_of_yaml_1_2() {
        for (text, kind) in [
            ("no", Kind::Text("no".into())),
            ("yes", Kind::Text("yes".into())),
            ("on", Kind::Text("on".into())),
            ("y", Kind::Text("y".into())),
            ("true", Kind::Bool(true)),
            ("False", Kind::Bool(false)),
            ("12", Kind::Int(12)),
            ("-1", Kind::Int(-1)),
            ("+1", Kind::Int(1)),
            ("0x10", Kind::Int(16)),
            ("0o17", Kind::Int(15)),
            ("007", Kind::Text("007".into())),
            ("1_000", Kind::Text("1_000".into())),
            ("1.5", Kind::Float(1.5)),
            ("18446744073709551615", Kind::Float(f64::MAX)),
            ("'12'", Kind::Text("12".into())),
            ("!!str 12", Kind::Text("12".into())),
            ("20:30", Kind::Text("20:30".into())),
            ("192.0.2.1", Kind::Text("192.0.2.1".into())),
            ("2026-11-23", Kind::Text("2026-11-23".into())),
        ] {
            assert_eq!(read(text).map(|node| node.kind), Ok(kind), "{text}");
        }
    }

    #[test]
    fn errors_have_a_place_of_a_line() {
        for (text, place) in [
            ("é: 1\né: 2\n", "é"),
            ("ü:\n\tb: 1\n", "\t"),
            ("ü: [ x\nb: 1\n", ":"),
            ("ü: *é\n", "*"),
            ("ü: \"open\n", "\""),
            ("a: 1\n---\nb: 2\n", "b"),
            ("a: .nan\n", ".nan"),
        ] {
            let found = read(text).expect_err(text);
            let span = found.span;
            let shown = &text[span.start..span.end];
            assert!(shown.starts_with(place), "{shown:?} in {text:?}: {found:?}");
        }
    }

    #[test]
    fn the_bounds_hold_on_their_edges() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(read(&nested(DEPTH_MAX)).is_ok());
        assert!(read(&nested(DEPTH_MAX + 1)).is_err());
        let aliased = |count: usize| format!("a: &a x\nb:\n{}", "- *a\n".repeat(count));
        assert!(read(&aliased(ALIASES_MAX)).is_ok());
        assert!(read(&aliased(ALIASES_MAX + 1)).is_err());
        let long = |length: usize| "#".repeat(length);
        assert!(read(&long(TEXT_OCTETS_MAX)).is_ok());
        assert_eq!(read(&long(TEXT_OCTETS_MAX + 1)).expect_err("too large").code, TOO_LARGE);
    }
}
