//! What people paste instead of a DKIM key's plain text: strings in quotes, `\;`, parentheses
//! around several lines, a whole line of a master file (RFC 1035 §5.1).
//!
//! Only text in a plan is read this way. The result is one line: strings joined without anything
//! between them (RFC 6376 §3.6.2.2), and no spaces in the base64 of `p=`.

use super::{Problem, refuse_pem, without_blanks};

/// What was pasted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pasted {
    /// The owner name before `TXT`, as written, if a whole line was pasted.
    pub owner: Option<String>,
    /// The text of the record.
    pub text: String,
}

/// The maximum number of words before `TXT` in a line of a master file: owner, TTL and class.
const WORDS_MAX: usize = 3;
/// The classes of DNS (RFC 1035 §3.2.4).
const CLASSES: [&str; 4] = ["IN", "CH", "CS", "HS"];

/// Understands what was pasted.
///
/// # Errors
/// [`Problem::Quotes`], and key files. The text is not checked further.
pub fn read(text: &str) -> Result<Pasted, Problem> {
    refuse_pem(text)?;
    // Word processors turn plain quotes into these.
    let text = text.replace(['\u{201c}', '\u{201d}', '\u{201e}'], "\"");
    let (owner, rest) = after_type(text.trim());
    let text = match rest.contains('"') {
        true => strings(rest)?,
        false => within_parentheses(rest).replace("\\;", ";"),
    };
    Ok(Pasted { owner, text: on_one_line(&text) })
}

/// The owner name in a line of a master file, and what follows `TXT`.
fn after_type(text: &str) -> (Option<String>, &str) {
    let mut owner = None;
    let mut rest = text;
    for index in 0..=WORDS_MAX {
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.eq_ignore_ascii_case("TXT") {
            return (owner, after.trim_start());
        }
        if word.contains(['=', '"', '(', ';']) {
            break;
        }
        let is_class = CLASSES.iter().any(|class| class.eq_ignore_ascii_case(word));
        if index == 0 && !is_class {
            owner = Some(word.to_owned());
        }
        rest = after.trim_start();
    }
    (None, text)
}

/// The strings in quotes, joined.
fn strings(text: &str) -> Result<String, Problem> {
    let mut joined = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '(' | ')' => {}
            c if c.is_whitespace() => {}
            '"' => push_string(&mut rest, &mut joined)?,
            // A comment. If it contains quotes, its end is unclear: YAML may have folded lines.
            ';' => {
                let comment: String = rest.by_ref().take_while(|c| *c != '\n').collect();
                if comment.contains('"') {
                    return Err(Problem::Quotes);
                }
            }
            _ => return Err(Problem::Quotes),
        }
    }
    Ok(joined)
}

/// Reads one string up to its closing quote (RFC 1035 §5.1).
fn push_string(rest: &mut std::str::Chars<'_>, joined: &mut String) -> Result<(), Problem> {
    loop {
        match rest.next().ok_or(Problem::Quotes)? {
            '"' => return Ok(()),
            '\\' => match rest.next().ok_or(Problem::Quotes)? {
                hundreds @ '0'..='9' => {
                    let digits: String =
                        std::iter::once(hundreds).chain(rest.by_ref().take(2)).collect();
                    let octet: u8 = digits.parse().map_err(|_| Problem::Quotes)?;
                    joined.push(char::from(octet));
                }
                escaped => joined.push(escaped),
            },
            c => joined.push(c),
        }
    }
}

/// The text between a leading `(` and its `)`, after which only a comment may follow.
fn within_parentheses(text: &str) -> &str {
    let inner = text.strip_prefix('(').and_then(|inner| inner.rsplit_once(')'));
    match inner {
        Some((inner, after)) if after.is_empty() || after.trim_start().starts_with(';') => {
            inner.trim()
        }
        _ => text,
    }
}

/// Replaces line ends by spaces, and removes all spaces from the key.
fn on_one_line(text: &str) -> String {
    let tidy = |part: &str| match part.split_once('=') {
        Some((tag, key)) if tag.trim() == "p" => format!("{tag}={}", without_blanks(key)),
        _ => part.to_owned(),
    };
    let parts: Vec<String> = text.split(';').map(tidy).collect();
    let text = parts.join(";");
    match text.contains(['\n', '\r']) {
        true => text.split_whitespace().collect::<Vec<_>>().join(" "),
        false => text.trim().to_owned(),
    }
}
