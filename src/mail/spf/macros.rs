//! Macro strings (RFC 7208 §7): read once, expanded for each evaluation.
//!
//! Reading is strict: anything that the grammar of §7.1 does not allow is refused. Expanding never
//! fails and looks nothing up; the evaluator finds the value of `%{p}` before. Both are linear in
//! what they read and write: a string is expanded from its right end, only as far as needed.

use std::borrow::Cow;
use std::net::IpAddr;

use cutover_zone::Name;

/// The maximum length of a domain name in text form, without the trailing dot, in characters (RFC
/// 7208 §7.3).
const NAME_TEXT_MAX: usize = 253;

/// Where a macro string is used, which decides what it may contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a term: no spaces, and none of the letters `c`, `r`, `t` (RFC 7208 §7.2).
    Term,
    /// In the text that `exp` names (RFC 7208 §6.2).
    Explanation,
}

/// A macro string with a valid form for its place.
#[derive(Clone, Debug)]
pub(super) struct MacroString {
    pieces: Vec<Piece>,
}

/// A `domain-spec`: a macro string that ends in a top label or in a macro (RFC 7208 §7.1).
#[derive(Clone, Debug)]
pub(super) struct DomainSpec(MacroString);

#[derive(Clone, Debug)]
enum Piece {
    Literal(String),
    Macro(Macro),
}

#[derive(Clone, Debug)]
struct Macro {
    letter: Letter,
    /// Whether the letter is upper-case, so that the value is URL-escaped.
    is_escaped: bool,
    /// How many parts are kept, counted from the right; `usize::MAX` by default.
    parts_max: usize,
    is_reversed: bool,
    /// What separates parts; empty for the default, the dot.
    delimiters: Vec<char>,
}

/// A macro letter (RFC 7208 §7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Letter {
    Sender,
    LocalPart,
    SenderDomain,
    Domain,
    Ip,
    ValidatedName,
    IpVersion,
    Helo,
    ReadableIp,
    Receiver,
    Timestamp,
}

/// The values of the macros in a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values<'v> {
    /// `s`: the sender.
    pub(super) sender: &'v str,
    /// `l`: its local part.
    pub(super) local_part: &'v str,
    /// `o`: its domain.
    pub(super) sender_domain: &'v str,
    /// `d`: the domain whose record is evaluated.
    pub(super) domain: &'v str,
    /// `i`, `c` and `v`: the client's address; never IPv4-mapped.
    pub(super) ip: IpAddr,
    /// `p`: the validated name of that address, or `unknown`.
    pub(super) validated_name: &'v str,
    /// `h`: what the client said in HELO or EHLO.
    pub(super) helo: &'v str,
    /// `r`: the host that evaluates.
    pub(super) receiver: &'v str,
    /// `t`: the time of evaluation, in seconds since 1970 (UTC).
    pub(super) now_secs: i64,
}

impl MacroString {
    /// Reads a macro string; `None` if the grammar does not allow it (RFC 7208 §7.1).
    pub(super) fn parse(text: &[u8], place: Place) -> Option<Self> {
        Self::parse_with_tail(text, place).map(|(parsed, _)| parsed)
    }

    /// Reads a macro string; also returns the text after its last macro.
    fn parse_with_tail(text: &[u8], place: Place) -> Option<(Self, &[u8])> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        let mut tail = text;
        while let Some((octet, after)) = rest.split_first() {
            rest = after;
            match *octet {
                b'%' => {
                    let (kind, after) = rest.split_first()?;
                    rest = after;
                    match *kind {
                        b'%' => literal.push('%'),
                        b'_' => literal.push(' '),
                        b'-' => literal.push_str("%20"),
                        b'{' => {
                            let end = rest.iter().position(|octet| *octet == b'}')?;
                            if !literal.is_empty() {
                                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                            }
                            pieces.push(Piece::Macro(Macro::parse(&rest[..end], place)?));
                            rest = &rest[end + 1..];
                        }
                        _ => return None,
                    }
                    tail = rest;
                }
                b' ' if place == Place::Explanation => literal.push(' '),
                0x21..=0x7e => literal.push(char::from(*octet)),
                _ => return None,
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Some((Self { pieces }, tail))
    }

    /// Whether `%{p}` occurs, whose value has to be looked up.
    pub(super) fn names_validated(&self) -> bool {
        self.pieces.iter().any(|piece| match piece {
            Piece::Literal(_) => false,
            Piece::Macro(one) => one.letter == Letter::ValidatedName,
        })
    }

    /// The expanded text, or a right end of it that is just longer than `octets_max` octets.
    pub(super) fn expand(&self, values: &Values<'_>, octets_max: usize) -> String {
        let mut parts = Vec::new();
        let mut length = 0;
        for piece in self.pieces.iter().rev() {
            if length > octets_max {
                break;
            }
            let part = match piece {
                Piece::Literal(text) => Cow::Borrowed(text.as_str()),
                Piece::Macro(one) => one.expand(values),
            };
            length += part.len();
            parts.push(part);
        }
        parts.reverse();
        parts.concat()
    }
}

impl DomainSpec {
    /// Reads a `domain-spec`; `None` if the grammar does not allow it (RFC 7208 §7.1).
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let (parsed, tail) = MacroString::parse_with_tail(text, Place::Term)?;
        let ends_well = match tail {
            // Nothing follows the last macro: fine, if there is one.
            [] => !text.is_empty(),
            _ => ends_in_top_label(tail),
        };
        ends_well.then_some(Self(parsed))
    }

    /// Whether `%{p}` occurs.
    pub(super) fn names_validated(&self) -> bool {
        self.0.names_validated()
    }

    /// The domain name that it expands to; a name that is too long loses labels on the left (RFC
    /// 7208 §7.3).
    ///
    /// `None` if the result is not a domain name, for example with two dots in a row (RFC 7208
    /// §4.8).
    pub(super) fn name(&self, values: &Values<'_>) -> Option<Name> {
        // One more for a trailing dot, which does not count.
        let text = self.0.expand(values, NAME_TEXT_MAX + 1);
        let mut text = text.strip_suffix('.').unwrap_or(&text);
        while text.len() > NAME_TEXT_MAX {
            text = text.split_once('.')?.1;
        }
        name_of(text)
    }
}

/// The name of a text in which every dot separates labels; ASCII only (RFC 8616 §4).
pub(super) fn name_of(text: &str) -> Option<Name> {
    if text.is_empty() || !text.is_ascii() {
        return None;
    }
    Name::from_labels(text.as_bytes().split(|octet| *octet == b'.')).ok()
}

/// Whether a text ends in `"." toplabel [ "." ]` (RFC 7208 §7.1).
fn ends_in_top_label(text: &[u8]) -> bool {
    let text = text.strip_suffix(b".").unwrap_or(text);
    let Some(dot) = text.iter().rposition(|octet| *octet == b'.') else { return false };
    let label = &text[dot + 1..];
    let (Some(first), Some(last)) = (label.first(), label.last()) else { return false };
    let is_allowed = |octet: &u8| octet.is_ascii_alphanumeric() || *octet == b'-';
    first.is_ascii_alphanumeric()
        && last.is_ascii_alphanumeric()
        && label.iter().all(is_allowed)
        && !label.iter().all(u8::is_ascii_digit)
}

impl Macro {
    /// Reads the text between the braces.
    fn parse(body: &[u8], place: Place) -> Option<Self> {
        let (letter, rest) = body.split_first()?;
        let is_escaped = letter.is_ascii_uppercase();
        let letter = Letter::parse(letter.to_ascii_lowercase(), place)?;
        let digits = rest.iter().take_while(|octet| octet.is_ascii_digit()).count();
        let (digits, rest) = rest.split_at(digits);
        let parts_max = match digits {
            [] => usize::MAX,
            _ => digits.iter().fold(0, |number: usize, digit| {
                number.saturating_mul(10).saturating_add(usize::from(digit - b'0'))
            }),
        };
        if parts_max == 0 {
            return None;
        }
        let (is_reversed, rest) = match rest {
            [b'r' | b'R', rest @ ..] => (true, rest),
            _ => (false, rest),
        };
        let is_delimiter = |octet: &u8| b".-+,/_=".contains(octet);
        if !rest.iter().all(is_delimiter) {
            return None;
        }
        let mut delimiters: Vec<char> = rest.iter().map(|octet| char::from(*octet)).collect();
        // There are only seven; repetitions would only slow down the search.
        delimiters.sort_unstable();
        delimiters.dedup();
        Some(Self { letter, is_escaped, parts_max, is_reversed, delimiters })
    }

    fn expand<'v>(&self, values: &Values<'v>) -> Cow<'v, str> {
        let value = self.transform(self.letter.value(values));
        match self.is_escaped {
            true => Cow::Owned(escape(&value)),
            false => value,
        }
    }

    /// Splits, reverses, keeps parts from the right, and joins with dots (RFC 7208 §7.3).
    ///
    /// Only searches for the parts that are kept.
    fn transform<'v>(&self, value: Cow<'v, str>) -> Cow<'v, str> {
        let dot = ['.'];
        let delimiters = if self.delimiters.is_empty() { &dot } else { &self.delimiters[..] };
        if delimiters == dot && !self.is_reversed && self.parts_max == usize::MAX {
            return value;
        }
        // The rightmost parts after reversal are the leftmost parts of the value.
        let mut parts: Vec<&str> = match self.is_reversed {
            true => value.split(delimiters).take(self.parts_max).collect(),
            false => value.rsplit(delimiters).take(self.parts_max).collect(),
        };
        parts.reverse();
        Cow::Owned(parts.join("."))
    }
}

impl Letter {
    /// The letter in lower case, if it is allowed here.
    fn parse(letter: u8, place: Place) -> Option<Self> {
        match letter {
            b's' => Some(Self::Sender),
            b'l' => Some(Self::LocalPart),
            b'o' => Some(Self::SenderDomain),
            b'd' => Some(Self::Domain),
            b'i' => Some(Self::Ip),
            b'p' => Some(Self::ValidatedName),
            b'v' => Some(Self::IpVersion),
            b'h' => Some(Self::Helo),
            b'c' if place == Place::Explanation => Some(Self::ReadableIp),
            b'r' if place == Place::Explanation => Some(Self::Receiver),
            b't' if place == Place::Explanation => Some(Self::Timestamp),
            _ => None,
        }
    }

    fn value<'v>(self, values: &Values<'v>) -> Cow<'v, str> {
        match self {
            Self::Sender => Cow::Borrowed(values.sender),
            Self::LocalPart => Cow::Borrowed(values.local_part),
            Self::SenderDomain => Cow::Borrowed(values.sender_domain),
            Self::Domain => Cow::Borrowed(values.domain),
            Self::Ip => Cow::Owned(dotted(values.ip)),
            Self::ValidatedName => Cow::Borrowed(values.validated_name),
            Self::IpVersion if values.ip.is_ipv4() => Cow::Borrowed("in-addr"),
            Self::IpVersion => Cow::Borrowed("ip6"),
            Self::Helo => Cow::Borrowed(values.helo),
            Self::ReadableIp => Cow::Owned(values.ip.to_string()),
            Self::Receiver => Cow::Borrowed(values.receiver),
            Self::Timestamp => Cow::Owned(values.now_secs.to_string()),
        }
    }
}

/// An address as labels: a dotted quad, or 32 hexadecimal digits with dots (RFC 7208 §7.3). Upper
/// case, because the published test suite compares explanations that way.
#[must_use]
pub fn dotted(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => {
            let digits = format!("{:032X}", ip.to_bits());
            let digits: Vec<&str> = digits.split("").filter(|digit| !digit.is_empty()).collect();
            digits.join(".")
        }
    }
}

/// Escapes everything that is not unreserved in a URL (RFC 3986 §2.3).
fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for octet in value.bytes() {
        match octet {
            b'-' | b'.' | b'_' | b'~' => escaped.push(char::from(octet)),
            _ if octet.is_ascii_alphanumeric() => escaped.push(char::from(octet)),
            _ => escaped.push_str(&format!("%{octet:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values<'static> {
        Values {
            sender: "strong-bad@email.example.com",
            local_part: "strong-bad",
            sender_domain: "email.example.com",
            domain: "email.example.com",
            ip: "192.0.2.3".parse().expect("an address"),
            validated_name: "mx.example.org",
            helo: "mx example",
            receiver: "here.test",
            now_secs: 1_000_000_000,
        }
    }

    fn check(text: &str, expected: Option<&str>) {
        let parsed = MacroString::parse(text.as_bytes(), Place::Explanation);
        let expanded = parsed.map(|parsed| parsed.expand(&values(), 4096));
        assert_eq!(expanded.as_deref(), expected, "{text}");
    }

    #[test]
    fn rfc7208_section_7_4_examples() {
        for (text, expected) in [
            ("%{s}", "strong-bad@email.example.com"),
            ("%{o}", "email.example.com"),
            ("%{d}", "email.example.com"),
            ("%{d4}", "email.example.com"),
            ("%{d3}", "email.example.com"),
            ("%{d2}", "example.com"),
            ("%{d1}", "com"),
            ("%{dr}", "com.example.email"),
            ("%{d2r}", "example.email"),
            ("%{l}", "strong-bad"),
            ("%{l-}", "strong.bad"),
            ("%{lr}", "strong-bad"),
            ("%{lr-}", "bad.strong"),
            ("%{l1r-}", "strong"),
            ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
            ("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"),
            ("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
        ] {
            check(text, Some(expected));
        }
    }

    #[test]
    fn rfc7208_section_7_3_escapes_and_letters_of_explanations() {
        check("%{H} %{h}%%%_%-", Some("mx%20example mx example% %20"));
        check("%{c} %{r} %{t} %{p}", Some("192.0.2.3 here.test 1000000000 mx.example.org"));
        check("%{d99999999999999999999999999}", Some("email.example.com"));
    }

    #[test]
    fn rfc7208_section_7_1_what_is_no_macro_string() {
        for text in [
            "%", "%a", "%{", "%{}", "%{a}", "%{d", "%{d0}", "%{d2r2}", "%{d:}", "%{%{d}}",
            "\u{e9}", "\t",
        ] {
            check(text, None);
        }
        for letter in ["%{c}", "%{r}", "%{t}", "%{R}", " "] {
            assert!(MacroString::parse(letter.as_bytes(), Place::Term).is_none(), "{letter}");
        }
    }

    #[test]
    fn rfc7208_section_7_1_how_a_domain_spec_ends() {
        for (text, is_domain) in [
            ("a.test", true),
            ("a.test.", true),
            ("a.xn--p1ai", true),
            ("%{i}", true),
            ("a%%", true),
            ("%{i}.a", true),
            ("%{i}a", false),
            ("%{i}.", false),
            ("a", false),
            ("a.", false),
            ("a.1", false),
            ("a.1-1", true),
            ("a.-b", false),
            ("a.b-", false),
            ("a.b/24", false),
            ("", false),
        ] {
            assert_eq!(DomainSpec::parse(text.as_bytes()).is_some(), is_domain, "{text:?}");
        }
    }

    #[test]
    fn rfc7208_section_7_3_long_names_lose_labels_from_the_left() {
        let spec = DomainSpec::parse(format!("{}.z.test", "%{d}.".repeat(100)).as_bytes());
        let found = spec.and_then(|spec| spec.name(&values()));
        assert_eq!(found, None, "two dots in a row are no name");
        let spec = DomainSpec::parse(format!("{}z.test", "%{d}.".repeat(100)).as_bytes());
        let found = spec.and_then(|spec| spec.name(&values())).expect("a name").to_string();
        assert_eq!(found.trim_end_matches('.').len(), 252);
        assert!(found.starts_with("example.com.email."), "{found}");
    }
}
