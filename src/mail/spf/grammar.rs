//! The grammar of SPF records (RFC 7208 §12), strictly: a single bad term makes the whole record
//! invalid, wherever the term is (RFC 7208 §4.6).
//!
//! Linear in the record's length, and total: any octets may be given.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

use cutover_zone::{Rdata, RrType};

use super::macros::{DomainSpec, MacroString, Place};
use super::outcome::Outcome;
use super::{Term, terms_of};

/// A record that the grammar allows.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    /// Mechanisms with their qualifiers, in order.
    pub(super) directives: Vec<Directive>,
    /// `redirect=`.
    pub(super) redirect: Option<(Term, DomainSpec)>,
    /// `exp=`.
    pub(super) explanation: Option<DomainSpec>,
}

/// A mechanism with its qualifier.
#[derive(Clone, Debug)]
pub(super) struct Directive {
    /// As written.
    pub(super) term: Term,
    /// What a match means: pass, fail, softfail or neutral (RFC 7208 §4.6.2).
    pub(super) on_match: Outcome,
    /// The mechanism.
    pub(super) mechanism: Mechanism,
}

/// A mechanism (RFC 7208 §5); `None` for a domain that is the current one.
#[derive(Clone, Debug)]
pub(super) enum Mechanism {
    All,
    Include(DomainSpec),
    A(Option<DomainSpec>, Prefixes),
    Mx(Option<DomainSpec>, Prefixes),
    Ptr(Option<DomainSpec>),
    Exists(DomainSpec),
    Ip4(Ipv4Addr, u8),
    Ip6(Ipv6Addr, u8),
}

/// How many leading bits of an address count (`dual-cidr-length`, RFC 7208 §5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Prefixes {
    /// Of an IPv4 address: 0 to 32.
    pub(super) ip4_bits: u8,
    /// Of an IPv6 address: 0 to 128.
    pub(super) ip6_bits: u8,
}

impl Prefixes {
    /// All bits, the default.
    pub(super) const WHOLE: Self = Self { ip4_bits: IP4_BITS, ip6_bits: IP6_BITS };
}

/// The names of the mechanisms (RFC 7208 §5).
pub(super) const MECHANISMS: &[&str] =
    &["all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"];

/// Bits of an IPv4 address.
const IP4_BITS: u8 = 32;
/// Bits of an IPv6 address.
const IP6_BITS: u8 = 128;

/// A modifier; unknown modifiers of the right form have no meaning (RFC 7208 §6).
pub(super) enum Modifier {
    Redirect(DomainSpec),
    Explanation(DomainSpec),
    Unknown,
}

/// The SPF records among the records of a name, each without its version (RFC 7208 §4.5).
pub(super) fn policies(records: &[Rdata]) -> impl Iterator<Item = Cow<'_, [u8]>> {
    let texts = records.iter().filter(|rdata| rdata.rtype() == RrType::TXT);
    texts.filter_map(|rdata| match rdata.txt_joined()? {
        Cow::Borrowed(text) => terms_of(text).map(Cow::Borrowed),
        Cow::Owned(text) => terms_of(&text).map(|terms| Cow::Owned(terms.to_vec())),
    })
}

/// Reads the terms of a record, without its version.
///
/// # Errors
/// The first term that the grammar does not allow, or a second `redirect` or `exp`.
pub(super) fn parse(terms: &[u8]) -> Result<Record, Term> {
    let mut record = Record::default();
    for text in terms.split(|octet| *octet == b' ').filter(|text| !text.is_empty()) {
        let bad = || Term::new(&String::from_utf8_lossy(text));
        match split_modifier(text) {
            Some((name, value)) => match modifier(name, value).ok_or_else(bad)? {
                Modifier::Redirect(spec) if record.redirect.is_none() => {
                    record.redirect = Some((bad(), spec));
                }
                Modifier::Explanation(spec) if record.explanation.is_none() => {
                    record.explanation = Some(spec);
                }
                Modifier::Unknown => {}
                Modifier::Redirect(_) | Modifier::Explanation(_) => return Err(bad()),
            },
            None => record.directives.push(directive(text).ok_or_else(bad)?),
        }
    }
    Ok(record)
}

/// The length of a `name`: `ALPHA *( ALPHA / DIGIT / "-" / "_" / "." )`.
fn name_length(text: &[u8]) -> usize {
    let is_of_name = |octet: &&u8| octet.is_ascii_alphanumeric() || b"-_.".contains(octet);
    match text.first() {
        Some(first) if first.is_ascii_alphabetic() => text.iter().take_while(is_of_name).count(),
        _ => 0,
    }
}

/// A modifier's name and value, if `=` immediately follows the name (RFC 7208 §4.6.1).
pub(super) fn split_modifier(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, rest) = text.split_at(name_length(text));
    let value = rest.strip_prefix(b"=")?;
    (!name.is_empty()).then_some((name, value))
}

/// Reads a modifier; `None` if its value is not allowed.
pub(super) fn modifier(name: &[u8], value: &[u8]) -> Option<Modifier> {
    if name.eq_ignore_ascii_case(b"redirect") {
        return DomainSpec::parse(value).map(Modifier::Redirect);
    }
    if name.eq_ignore_ascii_case(b"exp") {
        return DomainSpec::parse(value).map(Modifier::Explanation);
    }
    MacroString::parse(value, Place::Term).map(|_| Modifier::Unknown)
}

/// Reads a mechanism with its qualifier; `None` if the grammar does not allow it.
pub(super) fn directive(text: &[u8]) -> Option<Directive> {
    let (on_match, mechanism) = qualified(text)?;
    Some(Directive { term: Term::new(std::str::from_utf8(text).ok()?), on_match, mechanism })
}

/// Reads a mechanism and what a match of it means; `None` if the grammar does not allow it.
pub(super) fn qualified(text: &[u8]) -> Option<(Outcome, Mechanism)> {
    let (on_match, text) = match text {
        [b'+', rest @ ..] => (Outcome::Pass, rest),
        [b'-', rest @ ..] => (Outcome::Fail, rest),
        [b'~', rest @ ..] => (Outcome::SoftFail, rest),
        [b'?', rest @ ..] => (Outcome::Neutral, rest),
        _ => (Outcome::Pass, text),
    };
    let (name, arguments) = text.split_at(name_length(text));
    let known = MECHANISMS.iter().find(|known| name.eq_ignore_ascii_case(known.as_bytes()))?;
    Some((on_match, mechanism(known, arguments)?))
}

fn mechanism(name: &str, arguments: &[u8]) -> Option<Mechanism> {
    match name {
        "all" => arguments.is_empty().then_some(Mechanism::All),
        "include" => DomainSpec::parse(arguments.strip_prefix(b":")?).map(Mechanism::Include),
        "exists" => DomainSpec::parse(arguments.strip_prefix(b":")?).map(Mechanism::Exists),
        "ptr" => optional_domain(arguments).map(Mechanism::Ptr),
        "a" => {
            let (domain, prefixes) = domain_and_prefixes(arguments)?;
            Some(Mechanism::A(domain, prefixes))
        }
        "mx" => {
            let (domain, prefixes) = domain_and_prefixes(arguments)?;
            Some(Mechanism::Mx(domain, prefixes))
        }
        "ip4" => {
            let (address, bits) = network(arguments, IP4_BITS)?;
            Some(Mechanism::Ip4(address.parse().ok()?, bits))
        }
        "ip6" => {
            let (address, bits) = network(arguments, IP6_BITS)?;
            Some(Mechanism::Ip6(address.parse().ok()?, bits))
        }
        _ => None,
    }
}

/// `[ ":" domain-spec ]`.
fn optional_domain(text: &[u8]) -> Option<Option<DomainSpec>> {
    match text {
        [] => Some(None),
        [b':', spec @ ..] => DomainSpec::parse(spec).map(Some),
        _ => None,
    }
}

/// `[ ":" domain-spec ] [ dual-cidr-length ]`: read from the right, because a domain may contain
/// slashes but cannot end in a slash and digits.
fn domain_and_prefixes(text: &[u8]) -> Option<(Option<DomainSpec>, Prefixes)> {
    let (text, ip6_bits) = match split_digits(text) {
        Some((front, digits)) if front.ends_with(b"//") => {
            (&front[..front.len() - 2], bits(digits, IP6_BITS)?)
        }
        _ => (text, IP6_BITS),
    };
    let (text, ip4_bits) = match split_digits(text) {
        Some((front, digits)) if front.ends_with(b"/") => {
            (&front[..front.len() - 1], bits(digits, IP4_BITS)?)
        }
        _ => (text, IP4_BITS),
    };
    Some((optional_domain(text)?, Prefixes { ip4_bits, ip6_bits }))
}

/// The digits at the end of a text, if any, and the part before them.
fn split_digits(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let digits = text.iter().rev().take_while(|octet| octet.is_ascii_digit()).count();
    (digits > 0).then(|| text.split_at(text.len() - digits))
}

/// `":" network [ "/" length ]`.
fn network(text: &[u8], bits_max: u8) -> Option<(&str, u8)> {
    let text = std::str::from_utf8(text.strip_prefix(b":")?).ok()?;
    match text.split_once('/') {
        Some((address, digits)) => Some((address, bits(digits.as_bytes(), bits_max)?)),
        None => Some((text, bits_max)),
    }
}

/// A prefix length: digits without a leading zero, up to `bits_max` (RFC 7208 §5.6).
fn bits(digits: &[u8], bits_max: u8) -> Option<u8> {
    let is_number = digits.iter().all(u8::is_ascii_digit);
    if !is_number || (digits.len() > 1 && digits[0] == b'0') {
        return None;
    }
    let number: u8 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (number <= bits_max).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7208_section_4_6_1_terms() {
        for (text, is_good) in [
            ("", true),
            ("   ALL   ", true),
            ("+a -mx ?ptr ~exists:%{i}.a.test", true),
            ("a/24 a//64 a/24//64 a:b.test/24//64 mx:b.test//0", true),
            ("a:b/c.test a:b/24.test a:%{d}/24", true),
            ("ip4:192.0.2.0/24 ip4:192.0.2.1 ip6:2001:db8::/32 ip6:::1", true),
            ("moo.cow-far_out=man:dog/cat include=", true),
            ("exp=a.test redirect=b.test", true),
            ("REDIRECT=b.test Exp=%{d}", true),
            ("a/24/64", false),
            ("a//64/24", false),
            ("a///64", false),
            ("a/", false),
            ("a//", false),
            ("a/024", false),
            ("a/33", false),
            ("a//129", false),
            ("a:", false),
            ("a:/24", false),
            ("ptr/24", false),
            ("ip4:192.0.2.256", false),
            ("ip4:192.0.02.1", false),
            ("ip4:192.0.2.1/", false),
            ("ip4:192.0.2.1/+8", false),
            ("ip6:fe80::1%eth0", false),
            ("ip6:2001:db8::/999", false),
            ("include", false),
            ("all:a.test", false),
            ("++all", false),
            ("-redirect=a.test", false),
            ("redirect:a.test", false),
            ("moo", false),
            ("-", false),
            ("=a", false),
            ("a\tmx", false),
            ("exp=a.test EXP=a.test", false),
            ("redirect=a.test redirect=a.test", false),
            ("unknown=%{c}", false),
        ] {
            assert_eq!(parse(text.as_bytes()).is_ok(), is_good, "{text:?}");
        }
        assert!(parse(b"a:\xff.test").is_err());
    }

    #[test]
    fn rfc7208_section_5_6_prefix_lengths() {
        let read = |text: &str| {
            let (_, prefixes) = domain_and_prefixes(text.as_bytes()).expect("a domain");
            (prefixes.ip4_bits, prefixes.ip6_bits)
        };
        assert_eq!(read(""), (32, 128));
        assert_eq!(read("/0"), (0, 128));
        assert_eq!(read("//0"), (32, 0));
        assert_eq!(read(":a.test/24//64"), (24, 64));
    }

    #[test]
    fn a_record_of_a_megabyte_is_read_in_one_go() {
        for term in
            ["a ", "%{d}", "%{", "a:%{d}.b.test/24//64 ", "x=%%%_%- ", "////", "\0", "a:", "="]
        {
            let long = term.repeat(1_000_000 / term.len());
            let _ = parse(long.as_bytes());
            let _ = parse(format!("x={long}").as_bytes());
            let _ = parse(format!("exists:{long}.a.test").as_bytes());
        }
    }
}
