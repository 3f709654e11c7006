//! What a term means, whatever its spelling: `ip4:192.0.2.10` and `+IP4:192.0.2.10/32` are the
//! same.
//!
//! Only the record itself counts; whether two names have the same addresses is not considered.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cutover_zone::Name;

use super::grammar::{self, Mechanism, Modifier, Prefixes};
use super::identity::domain_text;
use super::macros::{MacroString, Place, Values};
use super::outcome::Outcome;
use super::{Term, macros};

/// The maximum size of a term whose macros were replaced by names, in octets. Only a bound:
/// anything larger is not a name.
const TERM_OCTETS_MAX: usize = 1_024;

/// The meaning of a term, in one form for all spellings.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TermMeaning(Says);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Says {
    /// A mechanism and what a match means.
    Directive(Outcome, Matches),
    Redirect(Domain),
    Explanation(Domain),
    /// A modifier without meaning, or a term that the grammar does not allow: its spelling in lower
    /// case.
    Else(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Matches {
    All,
    Include(Domain),
    A(Domain, Prefixes),
    Mx(Domain, Prefixes),
    Ptr(Domain),
    Exists(Domain),
    Ip4(Ipv4Addr, u8),
    Ip6(Ipv6Addr, u8),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Domain {
    Name(Name),
    /// A text with macros, in lower case except where case matters.
    Macros(String),
}

impl Term {
    /// Its meaning in the record of `domain`: host bits are masked, names have neither case nor a
    /// trailing dot, and defaults are filled in (RFC 7208 §4.6.2, §4.7, §5.6).
    #[must_use]
    pub fn meaning(&self, domain: &Name) -> TermMeaning {
        TermMeaning(says(&self.0, domain).unwrap_or_else(|| Says::Else(self.canonical())))
    }

    /// The same with names instead of these macros: `d`, the domain of the record, and `o`, the
    /// domain that mail is sent as (RFC 7208 §7.2). A term with any other macro does not change.
    #[must_use]
    pub fn named(&self, record: &Name, sender: &Name) -> Self {
        let text = &self.0;
        let start = text.find([':', '=']).map_or(text.len(), |at| at + 1);
        let (front, value) = text.split_at(start);
        let letters = value.split("%{").skip(1).map(|rest| rest.chars().next());
        let is_name = |letter: Option<char>| matches!(letter, Some('d' | 'D' | 'o' | 'O'));
        if !value.contains("%{") || !letters.clone().all(is_name) {
            return self.clone();
        }
        let Some(parsed) = MacroString::parse(value.as_bytes(), Place::Term) else {
            return self.clone();
        };
        let [record, sender] = [record, sender].map(domain_text);
        let expanded = parsed.expand(
            &Values {
                sender: "",
                local_part: "",
                sender_domain: &sender,
                domain: &record,
                ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                validated_name: "",
                helo: "",
                receiver: "",
                now_secs: 0,
            },
            TERM_OCTETS_MAX,
        );
        Self(format!("{front}{expanded}"))
    }

    /// Whether two terms mean the same in the record of `domain`.
    #[must_use]
    pub fn same_as(&self, other: &Self, domain: &Name) -> bool {
        self.meaning(domain) == other.meaning(domain)
    }

    /// Whether a prefix length of `a` or `mx` covers more than single addresses (RFC 7208 §5.6).
    #[must_use]
    pub fn has_prefix_length(&self) -> bool {
        match grammar::qualified(self.0.as_bytes()) {
            Some((_, Mechanism::A(_, prefixes) | Mechanism::Mx(_, prefixes))) => {
                prefixes != Prefixes::WHOLE
            }
            _ => false,
        }
    }
}

fn says(text: &str, domain: &Name) -> Option<Says> {
    if let Some((name, value)) = grammar::split_modifier(text.as_bytes()) {
        let value_text = std::str::from_utf8(value).ok()?;
        return match grammar::modifier(name, value)? {
            Modifier::Redirect(_) => Some(Says::Redirect(Domain::of(value_text))),
            Modifier::Explanation(_) => Some(Says::Explanation(Domain::of(value_text))),
            Modifier::Unknown => None,
        };
    }
    let (on_match, mechanism) = grammar::qualified(text.as_bytes())?;
    // The grammar has accepted it; the part after the colon is needed as written.
    let written = text.split_once(':').map(|(_, written)| written);
    let named = || written.map(Domain::of);
    // Prefix lengths come after the last macro or name.
    let or_domain = || match written {
        Some(written) => Domain::of(without_prefixes(written)),
        None => Domain::Name(domain.clone()),
    };
    let matches = match mechanism {
        Mechanism::All => Matches::All,
        Mechanism::Include(_) => Matches::Include(named()?),
        Mechanism::Exists(_) => Matches::Exists(named()?),
        Mechanism::Ptr(_) => Matches::Ptr(named().unwrap_or_else(|| Domain::Name(domain.clone()))),
        Mechanism::A(_, prefixes) => Matches::A(or_domain(), prefixes),
        Mechanism::Mx(_, prefixes) => Matches::Mx(or_domain(), prefixes),
        Mechanism::Ip4(address, bits) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            Matches::Ip4((address.to_bits() & mask).into(), bits)
        }
        Mechanism::Ip6(address, bits) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            Matches::Ip6((address.to_bits() & mask).into(), bits)
        }
    };
    Some(Says::Directive(on_match, matches))
}

/// A `domain-spec` without the prefix lengths after it.
fn without_prefixes(written: &str) -> &str {
    let without = |text: &str, mark: &str| {
        let front = text.trim_end_matches(|c: char| c.is_ascii_digit());
        (front.len() < text.len()).then(|| front.strip_suffix(mark).map(str::len)).flatten()
    };
    let end = without(written, "//").unwrap_or(written.len());
    let end = without(&written[..end], "/").unwrap_or(end);
    &written[..end]
}

impl Domain {
    fn of(written: &str) -> Self {
        let bare = written.strip_suffix('.').unwrap_or(written);
        match macros::name_of(bare).filter(|_| !bare.contains('%')) {
            Some(name) => Self::Name(name),
            None => Self::Macros(lower_outside_macros(bare)),
        }
    }
}

/// The case of a macro's letter counts: a capital escapes (RFC 7208 §7.3).
fn lower_outside_macros(text: &str) -> String {
    let mut within = false;
    let lower = |c: char| {
        within = match c {
            '{' => true,
            '}' => false,
            _ => within,
        };
        if within { c } else { c.to_ascii_lowercase() }
    };
    text.chars().map(lower).collect()
}
