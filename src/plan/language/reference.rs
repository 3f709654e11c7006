//! The reference of the plan language: a Markdown table for each mapping, made from the same
//! description as the decoder's checks and the JSON Schema.

use super::shape::{Field, Form, Shape};

/// Describes every key of a plan: a section for each mapping, in the order in which a reader meets
/// them.
#[must_use]
pub fn reference(plan: &Shape) -> String {
    let mut sections = Sections::default();
    sections.mapping("", plan);
    sections.text
}

#[derive(Default)]
struct Sections {
    text: String,
    /// The tables so far, each with its place, so that none is repeated.
    known: Vec<(String, String)>,
}

impl Sections {
    /// Describes a mapping and all mappings below it.
    fn mapping(&mut self, path: &str, shape: &Shape) {
        match shape {
            Shape::Object(fields) | Shape::Secret(fields) => {
                if self.section(path, "", fields) {
                    self.below(path, fields);
                }
            }
            Shape::Tagged { tag, doc, variants, not_built } => {
                self.title(path, &format!("{doc}\n\nWhich keys it takes depends on `{tag}:`."));
                let mut described: Vec<&[Field]> = Vec::new();
                for (word, fields) in variants {
                    if self.section(path, &format!("{tag}: {word}"), fields) {
                        described.push(fields);
                    }
                }
                if !not_built.is_empty() {
                    let words: Vec<String> = not_built.iter().map(|w| format!("`{w}`")).collect();
                    self.text += &format!("\nNot supported yet: {}.\n", words.join(", "));
                }
                described.into_iter().for_each(|fields| self.below(path, fields));
            }
            Shape::List { of, .. } => self.mapping(&format!("{path}[]"), of),
            Shape::Map { of, .. } => self.mapping(&format!("{path}.NAME"), of),
            Shape::AnyOf(shapes) => shapes.iter().for_each(|one| self.mapping(path, one)),
            Shape::Bool | Shape::Int { .. } | Shape::Text(_) | Shape::Choice(_) => {}
        }
    }

    fn title(&mut self, path: &str, text: &str) {
        let heading = if path.is_empty() { "The plan".to_owned() } else { format!("`{path}`") };
        self.text += &format!("\n### {heading}\n");
        if !text.is_empty() {
            self.text += &format!("\n{text}\n");
        }
    }

    /// Adds the table of some keys; `false` if the same table exists already.
    fn section(&mut self, path: &str, tag: &str, fields: &[Field]) -> bool {
        let rows: String = fields.iter().map(row).collect();
        // A reference to a secret, for example, has the same keys everywhere.
        if let Some((_, first)) = self.known.iter().find(|(known, _)| *known == rows) {
            let text = format!("The same keys as {first}.");
            match tag {
                "" => self.title(path, &text),
                tag => self.text += &format!("\nWith `{tag}`: t{}\n", &text[1..]),
            }
            return false;
        }
        match tag {
            "" => self.title(path, ""),
            tag => self.text += &format!("\nWith `{tag}`:\n"),
        }
        self.text += &format!("\n| key | takes | meaning |\n|---|---|---|\n{rows}");
        let place = if path.is_empty() { "the plan".to_owned() } else { format!("`{path}`") };
        self.known.push((rows, place));
        true
    }

    /// The mappings below some keys.
    fn below(&mut self, path: &str, fields: &[Field]) {
        for Field { name, shape, .. } in fields {
            let Some(shape) = shape else { continue };
            let below = if path.is_empty() { (*name).to_owned() } else { format!("{path}.{name}") };
            self.mapping(&below, shape);
        }
    }
}

fn row(Field { name, doc, required, shape, former: _ }: &Field) -> String {
    let takes = match shape {
        Some(shape) => takes(shape),
        None => "*not supported yet*".to_owned(),
    };
    let required = if *required { " (required)" } else { "" };
    format!("| `{name}`{required} | {} | {} |\n", cell(&takes), cell(doc))
}

/// What a value looks like, in a few words.
fn takes(shape: &Shape) -> String {
    match shape {
        Shape::Bool => "`true` or `false`".to_owned(),
        Shape::Int { min, max } => format!("{min} to {max}"),
        Shape::Text(form) => match form {
            Form::Any | Form::Lines => "text".to_owned(),
            Form::Slug => "a name".to_owned(),
            Form::Span => "a time span".to_owned(),
        },
        Shape::Choice(words) => {
            words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
        }
        Shape::List { of, .. } => format!("a list: {}", takes(of)),
        Shape::Map { of, .. } => format!("by name: {}", takes(of)),
        Shape::Object(_) | Shape::Tagged { .. } => "a mapping".to_owned(),
        Shape::Secret(_) => "a reference to a secret".to_owned(),
        Shape::AnyOf(shapes) => shapes.iter().map(takes).collect::<Vec<_>>().join(", or "),
    }
}

/// A text, escaped for a table cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
