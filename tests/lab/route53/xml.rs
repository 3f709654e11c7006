//! The part of XML that the API of Route 53 needs: elements and text, and no meaningful attributes.

/// An element.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
}

impl Element {
    /// An element with text.
    pub(crate) fn text(name: &str, text: &str) -> Self {
        Self { name: name.to_owned(), text: text.to_owned(), children: Vec::new() }
    }

    /// An element with children.
    pub(crate) fn with(name: &str, children: Vec<Self>) -> Self {
        Self { name: name.to_owned(), text: String::new(), children }
    }

    /// The first child of this name.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of this name.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }

    /// The document as text.
    pub(crate) fn document(&self) -> String {
        let mut out = "<?xml version=\"1.0\"?>\n".to_owned();
        self.write(&mut out, " xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"");
        out
    }

    fn write(&self, out: &mut String, attributes: &str) {
        out.push_str(&format!("<{}{attributes}>", self.name));
        for c in self.text.chars() {
            match c {
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '&' => out.push_str("&amp;"),
                c => out.push(c),
            }
        }
        self.children.iter().for_each(|child| child.write(out, ""));
        out.push_str(&format!("</{}>", self.name));
    }
}

/// Reads a document; `None` if it is malformed.
pub(crate) fn read(text: &str) -> Option<Element> {
    let mut open: Vec<Element> = vec![Element::default()];
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let (before, after) = rest.split_at(at);
        open.last_mut()?.text.push_str(&unescaped(before)?);
        let (tag, after_tag) = after[1..].split_once('>')?;
        rest = after_tag;
        if tag.starts_with('?') || tag.starts_with('!') {
            continue;
        }
        if let Some(name) = tag.strip_prefix('/') {
            let mut closed = open.pop()?;
            if closed.name != name.trim() {
                return None;
            }
            if !closed.children.is_empty() {
                closed.text.clear();
            }
            open.last_mut()?.children.push(closed);
            continue;
        }
        let name = tag.trim_end_matches('/').split_whitespace().next()?;
        let element = Element::text(name, "");
        match tag.ends_with('/') {
            true => open.last_mut()?.children.push(element),
            false => open.push(element),
        }
    }
    match <[Element; 1]>::try_from(open) {
        Ok([mut outer]) => outer.children.pop(),
        Err(_) => None,
    }
}

fn unescaped(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        let (entity, after_entity) = rest[at + 1..].split_once(';')?;
        rest = after_entity;
        out.push(match entity {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "quot" => '"',
            "apos" => '\'',
            number => {
                let code = match number.strip_prefix("#x") {
                    Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                    None => number.strip_prefix('#')?.parse().ok()?,
                };
                char::from_u32(code)?
            }
        });
    }
    out.push_str(rest);
    Some(out)
}
