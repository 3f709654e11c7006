//! Names that a plan gives: to itself, to its hosts, providers and tasks. They become names of
//! folders and parts of ids, so few characters are allowed.

/// The regular expression for JSON Schemas; agrees with [`is_slug`].
pub const PATTERN: &str = "^[a-z0-9][a-z0-9_-]{0,62}$";

/// Whether a text is such a name: lower-case letters, digits, `-` and `_`, at most 63. Our choice,
/// the length of a DNS label.
#[must_use]
pub fn is_slug(text: &str) -> bool {
    let inner = |octet: u8| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    text.bytes().all(inner) && (1..=63).contains(&text.len()) && !text.starts_with(['-', '_'])
}
