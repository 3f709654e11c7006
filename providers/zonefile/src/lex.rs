//! Splits master files into lines and tokens, each with its position in octets.
//!
//! A *line* here is a logical line: parentheses join physical lines (RFC 1035 §5.1), and a line
//! includes its line end. A *token* is a run of octets without blanks, or a quoted string with its
//! quotes. Tokens keep their escapes. Comments and parentheses belong to no token.
//!
//! The unit is the octet and not the character, because a comment may be in any encoding. Lines end
//! in LF or CR LF. A CR elsewhere is refused, because servers disagree about its meaning; so is a
//! line end in a quoted string.
//!
//! Invariant: the lines of a text are disjoint, and cover it from the byte order mark to its end.

use crate::error::{Flaw, Problem};

/// The UTF-8 byte order mark, which some editors write at the start of a file.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A half-open range of octets of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The range from one offset to another.
    pub(crate) fn new(start: usize, end: usize) -> Self {
        let short = |at| u32::try_from(at).expect("a file has at most FILE_OCTETS_MAX octets");
        Self { start: short(start), end: short(end) }
    }

    /// Where it starts.
    pub(crate) fn start(self) -> usize {
        self.start as usize
    }

    /// Where it ends.
    pub(crate) fn end(self) -> usize {
        self.end as usize
    }

    /// Its length in octets.
    pub(crate) fn len(self) -> usize {
        self.end() - self.start()
    }

    /// Its octets in the text that it belongs to.
    pub(crate) fn of(self, text: &[u8]) -> &[u8] {
        &text[self.start()..self.end()]
    }
}

/// The position of a logical line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    /// The whole line, with its line end if it has one.
    pub(crate) whole: Span,
    /// The number of blanks at its start; one is enough to inherit the owner.
    pub(crate) lead: usize,
    /// The end of its last token or parenthesis. Blanks, a comment and the line end follow.
    pub(crate) end: usize,
}

/// The start of the first line: after the byte order mark, if there is one.
pub(crate) fn first_line(text: &[u8]) -> usize {
    if text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 }
}

/// Whether the octet is a blank.
pub(crate) fn is_blank(octet: &u8) -> bool {
    matches!(octet, b' ' | b'\t')
}

/// Splits the line that starts at `from` into tokens; `None` at the end of the text.
///
/// # Errors
/// [`Flaw`] if the text is not a line of a master file.
pub(crate) fn line(text: &[u8], from: usize, tokens: &mut Vec<Span>) -> Result<Option<Line>, Flaw> {
    tokens.clear();
    if from >= text.len() {
        return Ok(None);
    }
    let lead = text[from..].iter().take_while(|octet| is_blank(octet)).count();
    let mut at = from + lead;
    let mut end = at;
    // Errors point at the outermost open parenthesis, so the inner ones need no position.
    let (mut depth, mut opened) = (0_usize, at);
    loop {
        match text.get(at) {
            None if depth > 0 => return Err(Flaw::new(opened, Problem::OpenParenthesis)),
            None => break,
            Some(b' ' | b'\t') => at += 1,
            Some(b'\n') => {
                at += 1;
                if depth == 0 {
                    break;
                }
            }
            Some(b'\r') if text.get(at + 1) == Some(&b'\n') => at += 1,
            Some(b'\r') => return Err(Flaw::new(at, Problem::StrayReturn)),
            Some(b';') => at += text[at..].iter().take_while(|octet| **octet != b'\n').count(),
            Some(b'(') => {
                if depth == 0 {
                    opened = at;
                }
                depth += 1;
                at += 1;
                end = at;
            }
            Some(b')') => {
                let Some(less) = depth.checked_sub(1) else {
                    return Err(Flaw::new(at, Problem::StrayParenthesis));
                };
                depth = less;
                at += 1;
                end = at;
            }
            Some(b'"') => {
                let close = quoted_end(text, at)?;
                tokens.push(Span::new(at, close));
                (at, end) = (close, close);
            }
            Some(_) => {
                let close = plain_end(text, at)?;
                tokens.push(Span::new(at, close));
                (at, end) = (close, close);
            }
        }
    }
    Ok(Some(Line { whole: Span::new(from, at), lead, end }))
}

/// The position after the closing quote of the string that opens at `open`.
fn quoted_end(text: &[u8], open: usize) -> Result<usize, Flaw> {
    let mut at = open + 1;
    loop {
        match text.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') if !matches!(text.get(at + 1), Some(b'\n') | None) => at += 2,
            Some(b'\n' | b'\\') | None => return Err(Flaw::new(open, Problem::OpenQuote)),
            Some(0) => return Err(Flaw::new(at, Problem::NullOctet)),
            Some(_) => at += 1,
        }
    }
}

fn plain_end(text: &[u8], start: usize) -> Result<usize, Flaw> {
    let mut at = start;
    loop {
        match text.get(at) {
            Some(b' ' | b'\t' | b'\r' | b'\n' | b'(' | b')' | b'"' | b';') | None => {
                return Ok(at);
            }
            Some(b'\\') if !matches!(text.get(at + 1), Some(b'\r' | b'\n' | 0) | None) => at += 2,
            Some(b'\\') => return Err(Flaw::new(at, Problem::OpenEscape)),
            Some(0) => return Err(Flaw::new(at, Problem::NullOctet)),
            Some(_) => at += 1,
        }
    }
}

/// Appends a token as text for the parsers of the contract. Whatever is not printable ASCII becomes
/// `\DDD`, so that octets of any encoding pass unchanged.
pub(crate) fn push_escaped(token: &[u8], into: &mut String) {
    let mut at = 0;
    while let Some(octet) = token.get(at) {
        match (octet, token.get(at + 1)) {
            // An escaped octet that becomes `\DDD` needs no backslash of its own.
            (b'\\', Some(next)) if !is_printable(*next) => {}
            (b'\\', Some(next)) => {
                into.push('\\');
                into.push(char::from(*next));
                at += 1;
            }
            (octet, _) if is_printable(*octet) => into.push(char::from(*octet)),
            (octet, _) => into.push_str(&format!("\\{octet:03}")),
        }
        at += 1;
    }
}

fn is_printable(octet: u8) -> bool {
    matches!(octet, b' '..=b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &[&str])]) {
        let text = text.as_bytes();
        let mut tokens = Vec::new();
        let mut at = first_line(text);
        let mut seen = Vec::new();
        while let Some(line) = line(text, at, &mut tokens).expect("a valid text") {
            at = line.whole.end();
            seen.push((shown(line.whole, text), tokens.iter().map(|t| shown(*t, text)).collect()));
        }
        let expected: Vec<(String, Vec<String>)> = expected
            .iter()
            .map(|(line, tokens)| {
                ((*line).to_owned(), tokens.iter().map(|t| (*t).to_owned()).collect())
            })
            .collect();
        assert_eq!(seen, expected);
    }

    fn shown(span: Span, text: &[u8]) -> String {
        String::from_utf8_lossy(span.of(text)).into_owned()
    }

    fn flaw_at(text: &[u8]) -> Option<usize> {
        let mut tokens = Vec::new();
        let mut at = 0;
        loop {
            match line(text, at, &mut tokens) {
                Ok(Some(line)) => at = line.whole.end(),
                Ok(None) => return None,
                Err(flaw) => return Some(flaw.at),
            }
        }
    }

    #[test]
    fn rfc1035_section_5_1_lines_and_tokens() {
        check("", &[]);
        check("\n\n", &[("\n", &[]), ("\n", &[])]);
        check("a b\tc ; d\ne", &[("a b\tc ; d\n", &["a", "b", "c"]), ("e", &["e"])]);
        check(
            "a (b ; c)\r\n d)e\r\nf",
            &[("a (b ; c)\r\n d)e\r\n", &["a", "b", "d", "e"]), ("f", &["f"])],
        );
        check(
            "\"a;(\\\"\" \\; b\\ c;d",
            &[("\"a;(\\\"\" \\; b\\ c;d", &["\"a;(\\\"\"", "\\;", "b\\ c"])],
        );
        check("k=\"v w\"\"x\"", &[("k=\"v w\"\"x\"", &["k=", "\"v w\"", "\"x\""])]);
        check("\u{feff}a\n", &[("a\n", &["a"])]);
    }

    #[test]
    fn invalid_lines_are_refused_at_their_octet() {
        for (text, at) in [
            (&b"a (b\n(c) ;)"[..], 2),
            (b"a )", 2),
            (b"a \"b\nc\"", 2),
            (b"a \"b\\\nc\"", 2),
            (b"a \"b\\", 2),
            (b"a b\\", 3),
            (b"a b\\\n", 3),
            (b"a\rb", 1),
            (b"a \0", 2),
        ] {
            assert_eq!(flaw_at(text), Some(at), "{text:?}");
        }
        assert_eq!(flaw_at(b"; \0 \r \xff \" ( \\\n"), None, "a comment may hold anything");
    }

    #[test]
    fn octets_beyond_ascii_are_escaped_once() {
        for (token, escaped) in
            [(&b"a\xe9\\\xe9\\\\"[..], "a\\233\\233\\\\"), (b"\"\t\"", "\"\\009\""), (b"\\", "\\")]
        {
            let mut text = String::new();
            push_escaped(token, &mut text);
            assert_eq!(text, escaped);
        }
    }
}
