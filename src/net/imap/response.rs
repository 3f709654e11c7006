//! What a server says.

mod items;

use std::collections::BTreeSet;

pub use self::items::{Fetched, Listed, Namespace, StatusOf, internal_date, numbers_of_set};
use crate::frame::Part;
use crate::scan::Scanner;
use crate::status::{Code, Reply, Status};

/// What servers can do, by the names in upper case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(pub BTreeSet<String>);

impl Capabilities {
    /// Whether this is among them.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    /// The number after a name, as in `APPENDLIMIT=35651584`.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        let valued = |capability: &String| {
            capability.strip_prefix(name)?.strip_prefix('=').map(str::to_owned)
        };
        self.0.iter().find_map(valued)?.parse().ok()
    }

    fn of(words: &str) -> Self {
        Self(words.split_ascii_whitespace().map(str::to_ascii_uppercase).collect())
    }
}

/// A response.
#[derive(Debug)]
pub enum Response {
    /// The server waits for the rest of a command.
    Continue(String),
    /// The end of a command.
    Tagged {
        /// The command's tag.
        tag: String,
        /// How it ended.
        status: Status,
        /// The code, if there is one.
        code: Option<Code>,
        /// The text for people.
        text: String,
    },
    /// Anything else.
    Untagged(Untagged),
}

/// A response that belongs to no single command.
#[derive(Debug)]
pub enum Untagged {
    /// A status, such as a warning or `BYE`.
    Status {
        /// Its kind.
        status: Status,
        /// The code, if there is one.
        code: Option<Code>,
        /// The text for people.
        text: String,
    },
    /// What the server can do.
    Capability(Capabilities),
    /// How many messages the selected mailbox has.
    Exists(u32),
    /// A message of the selected mailbox, by its number, has disappeared.
    Expunge(u32),
    /// Messages have disappeared, by their UIDs (RFC 7162).
    Vanished,
    /// Attributes of a message.
    Fetch(Fetched),
    /// What a search has found. RFC 7162 adds a number in parentheses, which is not part of it.
    Search(Vec<u32>),
    /// A mailbox.
    List(Listed),
    /// A mailbox that is subscribed.
    Subscribed(Listed),
    /// Counts of a mailbox.
    Counts(StatusOf),
    /// Where mailboxes are (RFC 2342).
    Namespace(Namespace),
    /// The flags that the selected mailbox knows.
    Flags(Vec<Vec<u8>>),
    /// Anything else, as it came. Literals are left out.
    Other(Vec<u8>),
}

/// Text for people, whatever its octets are.
fn words(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).trim().to_owned()
}

impl Response {
    /// How the command with this tag ended, if this is its end.
    #[must_use]
    pub fn ends(self, of: &str) -> Option<Reply> {
        match self {
            Self::Tagged { tag, status, code, text } if tag == of => {
                Some(Reply { status, code, text })
            }
            Self::Tagged { .. } | Self::Continue(_) | Self::Untagged(_) => None,
        }
    }

    /// Reads a response.
    pub(crate) fn read(parts: Vec<Part>) -> Self {
        let whole = match parts.first() {
            Some(Part::Text(text)) => text.clone(),
            Some(Part::Literal(_)) | None => Vec::new(),
        };
        let mut scanner = Scanner::new(parts);
        let tag = scanner.word();
        match tag.as_slice() {
            b"+" => Self::Continue(words(scanner.rest())),
            b"*" => Self::Untagged(untagged(&mut scanner, &whole)),
            _ => {
                let word = scanner.word();
                match Status::of(&word) {
                    Some(status) => {
                        let (code, text) = code_and_text(scanner.rest());
                        Self::Tagged { tag: words(&tag), status, code, text }
                    }
                    None => Self::Untagged(Untagged::Other(whole)),
                }
            }
        }
    }
}

fn untagged(scanner: &mut Scanner, whole: &[u8]) -> Untagged {
    let other = || Untagged::Other(whole.to_vec());
    let word = scanner.word();
    if let Some(status) = Status::of(&word) {
        let (code, text) = code_and_text(scanner.rest());
        return Untagged::Status { status, code, text };
    }
    if word.iter().all(u8::is_ascii_digit) && !word.is_empty() {
        let Some(number) = words(&word).parse().ok() else { return other() };
        return match scanner.word().to_ascii_uppercase().as_slice() {
            b"EXISTS" => Untagged::Exists(number),
            b"EXPUNGE" => Untagged::Expunge(number),
            b"FETCH" => Untagged::Fetch(Fetched::read(scanner)),
            _ => other(),
        };
    }
    match word.to_ascii_uppercase().as_slice() {
        b"CAPABILITY" => Untagged::Capability(Capabilities::of(&words(scanner.rest()))),
        b"VANISHED" => Untagged::Vanished,
        b"SEARCH" => {
            let mut found = Vec::new();
            while let Some(number) = scanner.value().and_then(|value| value.number()) {
                found.push(number);
            }
            Untagged::Search(found)
        }
        b"FLAGS" => {
            let flags = scanner.value();
            Untagged::Flags(items::flags(flags.as_ref()))
        }
        b"LIST" => Listed::read(scanner).map_or_else(other, Untagged::List),
        b"LSUB" => Listed::read(scanner).map_or_else(other, Untagged::Subscribed),
        b"STATUS" => StatusOf::read(scanner).map_or_else(other, Untagged::Counts),
        b"NAMESPACE" => Untagged::Namespace(Namespace::read(scanner)),
        _ => other(),
    }
}

/// The code in brackets at the beginning of a status text, and the text after it.
fn code_and_text(rest: &[u8]) -> (Option<Code>, String) {
    let text = words(rest);
    let coded = text.strip_prefix('[').and_then(|inner| inner.split_once(']'));
    let Some((code, after)) = coded else { return (None, text) };
    // A list of flags may contain brackets: `[PERMANENTFLAGS (a] \*)]`.
    let (code, after) = match code.contains('(') && !code.contains(')') {
        true => text[1..].split_once(")]").map_or((code, after), |(code, after)| (code, after)),
        false => (code, after),
    };
    let (name, arguments) = code.split_once(' ').unwrap_or((code, ""));
    let (name, arguments) = (name.to_ascii_uppercase(), arguments.trim().to_owned());
    (Some(Code { name, arguments }), after.trim().to_owned())
}

/// The capabilities in a code, if that is what it is.
pub(crate) fn capabilities_in(code: Option<&Code>) -> Option<Capabilities> {
    let code = code.filter(|code| code.name == "CAPABILITY")?;
    Some(Capabilities::of(&code.arguments))
}

#[cfg(test)]
mod tests;
