//! A tolerant reader of what stands in a response: words, quoted strings, literals, lists.
//!
//! It takes what the grammar of RFC 9051 §9 takes, and more: doubled and trailing spaces, 8-bit
//! octets, brackets in flags. It never fails: what is missing at the end of a response is simply
//! not there, and the caller notices it by what it did not get.

use crate::frame::{Octets, Part};

/// How deeply lists may be nested; what is deeper is skipped. Our choice: flags and names need two.
const DEPTH_MAX: usize = 8;

/// A value of a response.
#[derive(Debug)]
pub(crate) enum Value {
    /// `NIL`.
    Nil,
    /// A word without quotes.
    Word(Vec<u8>),
    /// A quoted string, or a literal.
    Text(Octets),
    /// A list in parentheses.
    List(Vec<Value>),
}

impl Value {
    /// A word or a text in memory. A text in a file is far too long for what this is used for.
    pub(crate) fn octets(&self) -> Option<&[u8]> {
        match self {
            Self::Word(octets) | Self::Text(Octets::Memory(octets)) => Some(octets),
            Self::Text(Octets::Spooled { .. }) | Self::Nil | Self::List(_) => None,
        }
    }

    /// The elements of a list; none of anything else.
    pub(crate) fn elements(&self) -> &[Self] {
        match self {
            Self::List(elements) => elements,
            Self::Nil | Self::Word(_) | Self::Text(_) => &[],
        }
    }

    /// A number.
    pub(crate) fn number<N: std::str::FromStr>(&self) -> Option<N> {
        std::str::from_utf8(self.octets()?).ok()?.parse().ok()
    }
}

/// A position in a response.
pub(crate) struct Scanner {
    /// The parts that come, the next one last.
    parts: Vec<Part>,
    text: Vec<u8>,
    at: usize,
}

impl Scanner {
    pub(crate) fn new(mut parts: Vec<Part>) -> Self {
        parts.reverse();
        let mut scanner = Self { parts, text: Vec::new(), at: 0 };
        scanner.next_text();
        scanner
    }

    /// Goes on with the next part if it is text.
    fn next_text(&mut self) {
        if self.at >= self.text.len()
            && let Some(Part::Text(text)) = self.parts.pop_if(|part| matches!(part, Part::Text(_)))
        {
            self.text = text;
            self.at = 0;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn step(&mut self) {
        self.at += 1;
    }

    fn spaces(&mut self) {
        while self.peek() == Some(b' ') {
            self.step();
        }
    }

    /// Whether nothing is left.
    pub(crate) fn is_at_end(&mut self) -> bool {
        self.next_text();
        self.spaces();
        self.next_text();
        self.at >= self.text.len() && self.parts.is_empty()
    }

    /// Whether a value ends here: before a space, a parenthesis, or the end.
    pub(crate) fn is_between(&mut self) -> bool {
        self.next_text();
        self.peek().is_none_or(|octet| matches!(octet, b' ' | b'(' | b')'))
    }

    /// The rest of the current text, as it is.
    pub(crate) fn rest(&self) -> &[u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next word, up to a space or parenthesis.
    pub(crate) fn word(&mut self) -> Vec<u8> {
        self.spaces();
        let from = self.at;
        while self.peek().is_some_and(|octet| !matches!(octet, b' ' | b'(' | b')')) {
            self.step();
        }
        self.text[from..self.at].to_vec()
    }

    /// Consumes this octet, if it is next.
    pub(crate) fn takes(&mut self, octet: u8) -> bool {
        self.spaces();
        let is_next = self.peek() == Some(octet);
        if is_next {
            self.step();
        }
        is_next
    }

    /// The name of a fetched attribute, in upper case: `UID`, `BODY[HEADER.FIELDS (DATE)]<0>`.
    pub(crate) fn attribute(&mut self) -> Vec<u8> {
        self.spaces();
        let from = self.at;
        let mut brackets = 0_usize;
        while let Some(octet) = self.peek() {
            match octet {
                b'[' => brackets += 1,
                b']' => brackets = brackets.saturating_sub(1),
                b' ' | b'(' | b')' if brackets == 0 => break,
                _ => {}
            }
            self.step();
        }
        self.text[from..self.at].to_ascii_uppercase()
    }

    /// The next value; `None` at the end of the response, or of the list that is being read.
    pub(crate) fn value(&mut self) -> Option<Value> {
        self.value_at(0)
    }

    fn value_at(&mut self, depth: usize) -> Option<Value> {
        self.spaces();
        match self.peek() {
            None => match self.parts.pop()? {
                Part::Literal(octets) => {
                    self.text.clear();
                    self.at = 0;
                    self.next_text();
                    Some(Value::Text(octets))
                }
                Part::Text(text) => {
                    self.text = text;
                    self.at = 0;
                    self.value_at(depth)
                }
            },
            Some(b')') => None,
            Some(b'(') => {
                self.step();
                let mut elements = Vec::new();
                if depth < DEPTH_MAX {
                    while let Some(element) = self.value_at(depth + 1) {
                        elements.push(element);
                    }
                    self.takes(b')');
                } else {
                    self.skip_list();
                }
                Some(Value::List(elements))
            }
            Some(b'"') => Some(Value::Text(Octets::Memory(self.quoted()))),
            Some(_) => {
                let word = self.word();
                match word.eq_ignore_ascii_case(b"NIL") {
                    true => Some(Value::Nil),
                    false => Some(Value::Word(word)),
                }
            }
        }
    }

    /// Skips the rest of a list, whatever is in it. It needs no stack, because a server decides how
    /// deep it is.
    fn skip_list(&mut self) {
        let mut open = 1_usize;
        while open > 0 {
            match self.peek() {
                None => match self.parts.pop() {
                    None => return,
                    Some(Part::Literal(_)) => {}
                    Some(Part::Text(text)) => {
                        self.text = text;
                        self.at = 0;
                    }
                },
                Some(b'"') => _ = self.quoted(),
                Some(octet) => {
                    match octet {
                        b'(' => open += 1,
                        b')' => open -= 1,
                        _ => {}
                    }
                    self.step();
                }
            }
        }
    }

    fn quoted(&mut self) -> Vec<u8> {
        self.step();
        let mut text = Vec::new();
        while let Some(octet) = self.peek() {
            self.step();
            match octet {
                b'"' => break,
                b'\\' => {
                    text.extend(self.peek());
                    self.step();
                }
                octet => text.push(octet),
            }
        }
        text
    }
}
