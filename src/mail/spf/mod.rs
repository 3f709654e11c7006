//! SPF (RFC 7208), in two views that share only a record's version and the spelling of its terms.
//!
//! [`SpfRecord`] is a list of terms, as needed to widen and narrow a record without changing its
//! meaning. Terms keep their spelling, and equality ignores only case and the qualifier `+`;
//! [`Term::same_as`] compares meanings. It takes any terms, even bad ones; [`SpfRecord::check`]
//! finds those.
//!
//! [`check_host`] evaluates a record as a receiver does: all of RFC 7208, strictly, as the
//! published test suite requires. Nothing here asks a server; answers come from a function.

mod eval;
#[cfg(test)]
mod eval_tests;
mod grammar;
mod hint;
mod identity;
mod macros;
mod meaning;
mod network;
mod outcome;

pub use eval::{Answer, EXPLANATION_OCTETS_MAX, World, check_host, check_mail};
pub use hint::{BadTerm, mechanism_with_equals_sign};
pub use identity::Client;
pub use macros::dotted;
pub use meaning::TermMeaning;
pub use network::Network;
pub use outcome::{
    EXCHANGES_MAX, Evaluation, Outcome, POINTERS_MAX, Problem, Reached, TERMS_MAX, VOIDS_MAX,
};

use std::fmt;

use cutover_zone::{Name, Rdata, RrType};

use grammar::MECHANISMS;

/// A term.
#[derive(Clone, Debug)]
pub struct Term(String);

/// What an evaluator has to ask because of a term.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// Another SPF record: `include`, `redirect`.
    Record(Name),
    /// The exchanges of a name: `mx`.
    Exchanges(Name),
    /// The addresses of a name: `a`.
    Addresses(Name),
}

impl Term {
    /// A term as written.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    fn canonical(&self) -> String {
        let lower = self.0.to_ascii_lowercase();
        lower.strip_prefix('+').map(str::to_owned).unwrap_or(lower)
    }

    /// The name of the mechanism or modifier as written, and its value after `:` or `=`.
    fn parts(&self) -> (&str, Option<&str>) {
        let text = self.0.trim_start_matches(['+', '-', '~', '?']);
        let end = text.find([':', '=', '/']).unwrap_or(text.len());
        let value = text[end..].strip_prefix([':', '=']);
        (&text[..end], value)
    }

    /// Its kind, and its value after `:` or `=`.
    fn kind(&self) -> (Option<&'static str>, Option<&str>) {
        let (name, value) = self.parts();
        let mut kinds = MECHANISMS.iter().chain(&["redirect"]).copied();
        (kinds.find(|kind| name.eq_ignore_ascii_case(kind)), value)
    }

    fn is(&self, kind: &str) -> bool {
        self.parts().0.eq_ignore_ascii_case(kind)
    }

    /// `all`, with any qualifier.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.is("all")
    }

    /// `redirect=`.
    #[must_use]
    pub fn is_redirect(&self) -> bool {
        self.is("redirect")
    }

    /// Whether it costs a DNS look-up (RFC 7208 §4.6.4).
    #[must_use]
    pub fn costs_lookup(&self) -> bool {
        matches!(self.kind().0, Some("include" | "a" | "mx" | "ptr" | "exists" | "redirect"))
    }

    /// `exists`, which matches if there is any address (RFC 7208 §5.7).
    #[must_use]
    pub fn is_existence(&self) -> bool {
        self.is("exists")
    }

    /// `include` or `redirect` with macros that depend on the client: which record it leads to
    /// depends on who sends.
    #[must_use]
    pub fn leads_to_any_record(&self) -> bool {
        matches!(self.kind(), (Some("include" | "redirect"), Some(name)) if name.contains('%'))
    }

    /// The name that an `exists` term without macros looks up.
    #[must_use]
    pub fn existence(&self) -> Option<Name> {
        match self.kind() {
            (Some("exists"), Some(name)) if !name.contains('%') => Name::from_user(name).ok(),
            _ => None,
        }
    }

    /// The zone that answers for a term whose name depends on the client: the labels after the last
    /// macro, or the domain itself.
    #[must_use]
    pub fn answered_below(&self, domain: &Name) -> Name {
        let (_, value) = self.parts();
        let value = value.unwrap_or_default();
        let rest = match value.rfind('}') {
            Some(end) => value[end + 1..].trim_start_matches(|c| c != '.').trim_matches('.'),
            None => value.split('/').next().unwrap_or_default(),
        };
        match rest.is_empty() {
            true => domain.clone(),
            false => Name::from_user(rest).unwrap_or_else(|_| domain.clone()),
        }
    }

    /// Whether its last macro is `i`: what stands before the rest of its name is part of an address
    /// (RFC 7208 §7.2).
    #[must_use]
    pub fn ends_in_an_address(&self) -> bool {
        let last = self.0.rsplit("%{").next().filter(|_| self.0.contains("%{"));
        last.is_some_and(|last| {
            last.starts_with(['i', 'I']) && last.contains("}.") && !last.contains('%')
        })
    }

    /// Whether it matches by the names of the client's address: `ptr` (RFC 7208 §5.5).
    #[must_use]
    pub fn is_of_host_names(&self) -> bool {
        self.is("ptr")
    }

    /// Whether an evaluator looks up the names of the client's address: `ptr`, and the macro `p`
    /// (RFC 7208 §5.5, §7.3).
    #[must_use]
    pub fn asks_names_of_addresses(&self) -> bool {
        self.is_of_host_names()
            || self.0.to_ascii_lowercase().split("%{").skip(1).any(|rest| rest.starts_with('p'))
    }

    /// The types that an evaluator looks up at its name (RFC 7208 §5); for `ptr`, at the names of
    /// the client's address.
    #[must_use]
    pub fn asks_for(&self) -> &'static [RrType] {
        match self.kind().0 {
            Some("include" | "redirect") => &[RrType::TXT],
            Some("mx") => &[RrType::MX],
            Some("exists") => &[RrType::A],
            Some("a" | "ptr") => &[RrType::A, RrType::AAAA],
            _ => &[],
        }
    }

    /// What an evaluator for `domain` has to ask because of it; `None` also if the name contains
    /// macros.
    #[must_use]
    pub fn target(&self, domain: &Name) -> Option<Target> {
        let (kind, value) = self.kind();
        let name = || match value {
            Some(value) => {
                let bare = value.split('/').next().unwrap_or(value);
                if bare.contains('%') { None } else { Name::from_user(bare).ok() }
            }
            None => Some(domain.clone()),
        };
        match kind {
            Some("include" | "redirect") if value.is_some() => name().map(Target::Record),
            Some("mx") => name().map(Target::Exchanges),
            Some("a") => name().map(Target::Addresses),
            _ => None,
        }
    }
}

impl PartialEq for Term {
    fn eq(&self, other: &Self) -> bool {
        self.canonical() == other.canonical()
    }
}

impl Eq for Term {}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An SPF record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpfRecord {
    /// Its terms, in order.
    pub terms: Vec<Term>,
}

impl SpfRecord {
    /// The record in a TXT rdata, if it is one: `v=spf1`, alone or with a blank (RFC 7208 §4.5).
    #[must_use]
    pub fn of_rdata(rdata: &Rdata) -> Option<Self> {
        let value = rdata.txt_joined()?;
        Some(Self::of_terms(&String::from_utf8_lossy(terms_of(&value)?)))
    }

    /// Whether a TXT rdata is an SPF record, as [`SpfRecord::of_rdata`] reads it.
    #[must_use]
    pub fn is_in(rdata: &Rdata) -> bool {
        rdata.txt_joined().is_some_and(|value| terms_of(&value).is_some())
    }

    /// A record of these terms, separated by blanks.
    #[must_use]
    pub fn of_terms(terms: &str) -> Self {
        Self { terms: terms.split_ascii_whitespace().map(Term::new).collect() }
    }

    /// The same with names instead of macros ([`Term::named`]).
    #[must_use]
    pub fn named(&self, record: &Name, sender: &Name) -> Self {
        Self { terms: self.terms.iter().map(|term| term.named(record, sender)).collect() }
    }

    /// As TXT rdata.
    #[must_use]
    pub fn rdata(&self) -> Rdata {
        Rdata::txt(self.to_string().as_bytes())
    }

    /// Whether it has a term that means the same in the record of `domain`.
    #[must_use]
    pub fn has(&self, term: &Term, domain: &Name) -> bool {
        let meaning = term.meaning(domain);
        self.terms.iter().any(|own| own.meaning(domain) == meaning)
    }

    /// What an evaluator for `domain` has to ask because of the terms.
    pub fn targets<'r>(&'r self, domain: &'r Name) -> impl Iterator<Item = Target> + 'r {
        self.terms.iter().filter_map(|term| term.target(domain))
    }

    /// Inserts a term before `all` and `redirect`, where it still counts.
    pub fn add(&mut self, term: Term) {
        let end = self.terms.iter().position(|t| t.is_all() || t.is_redirect());
        self.terms.insert(end.unwrap_or(self.terms.len()), term);
    }
}

impl fmt::Display for SpfRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("v=spf1")?;
        self.terms.iter().try_for_each(|term| write!(f, " {term}"))
    }
}

/// The part after `v=spf1`, if the text is an SPF record (RFC 7208 §4.5).
fn terms_of(text: &[u8]) -> Option<&[u8]> {
    let (version, rest) = text.split_at_checked(6)?;
    let ends = rest.first().is_none_or(|octet| *octet == b' ');
    (ends && version.eq_ignore_ascii_case(b"v=spf1")).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(text: &str) -> SpfRecord {
        SpfRecord::of_rdata(&Rdata::txt(text.as_bytes())).expect("an SPF record")
    }

    #[test]
    fn rfc7208_section_4_5_only_the_version_followed_by_a_blank_counts() {
        for (text, is_record) in [
            ("v=spf1", true),
            ("v=spf1 -all", true),
            ("V=SPF1 -all", true),
            ("v=spf10 -all", false),
            ("v=spf1\t-all", false),
            (" v=spf1 -all", false),
            ("google-site-verification=v=spf1", false),
        ] {
            let found = SpfRecord::of_rdata(&Rdata::txt(text.as_bytes())).is_some();
            assert_eq!(found, is_record, "{text:?}");
        }
    }

    #[test]
    fn added_terms_stand_where_they_count() {
        for (before, after) in [
            ("v=spf1 mx -all", "v=spf1 mx ip4:192.0.2.1 -all"),
            ("v=spf1 redirect=_spf.a.test", "v=spf1 ip4:192.0.2.1 redirect=_spf.a.test"),
            ("v=spf1 a", "v=spf1 a ip4:192.0.2.1"),
        ] {
            let mut changed = record(before);
            changed.add(Term::new("ip4:192.0.2.1"));
            assert_eq!(changed.to_string(), after);
        }
    }

    #[test]
    fn rfc7208_section_7_2_what_ends_in_an_address() {
        for (term, ends) in [
            ("exists:%{i}.l.a.test", true),
            ("-exists:%{l}.%{ir}.l.a.test", true),
            ("exists:%{i}.%{l}.l.a.test", false),
            ("exists:%{i}x.a.test", false),
            ("exists:%{i}.%%.a.test", false),
            ("exists:l.a.test", false),
        ] {
            assert_eq!(Term::new(term).ends_in_an_address(), ends, "{term}");
        }
    }

    #[test]
    fn terms_are_equal_whatever_their_case_and_plus() {
        assert_eq!(Term::new("+Include:A.test"), Term::new("include:a.test"));
        assert_ne!(Term::new("~include:a.test"), Term::new("include:a.test"));
    }

    #[test]
    fn terms_that_mean_the_same() {
        let domain = Name::from_user("acme.test").expect("a name");
        for same in [
            &["ip4:192.0.2.10", "ip4:192.0.2.10/32", "+IP4:192.0.2.10"][..],
            &["ip4:192.0.2.0/24", "ip4:192.0.2.10/24"],
            &["ip4:0.0.0.0/0", "ip4:192.0.2.10/0"],
            &["ip6:2001:db8::10", "ip6:2001:DB8:0::10/128", "ip6:2001:db8:0:0:0:0:0:10"],
            &["ip6:2001:db8::/32", "ip6:2001:db8:1::1/32"],
            &["ip6:::/0", "ip6:2001:db8::1/0"],
            &["?ip4:192.0.2.10", "?ip4:192.0.2.10/32"],
            &["mx", "mx:acme.test", "MX:Acme.Test.", "mx/32", "mx//128", "mx:acme.test/32//128"],
            &["mx/24", "mx:acme.test/24", "mx/24//128"],
            &["mx//64", "mx:acme.test./32//64"],
            &["a", "a:acme.test.", "+a/32"],
            &["a:b.test", "A:B.test./32"],
            &["ptr", "ptr:acme.test"],
            &["include:b.test", "Include:B.Test."],
            &["exists:%{i}.b.test", "EXISTS:%{i}.B.test."],
            &["exists:%{I}.b.test"],
            &["redirect=b.test", "REDIRECT=b.test."],
            &["exp=b.test", "exp=B.test."],
            &["-all", "-ALL"],
            &["~all"],
            &["a:b/c.test"],
            &["x=y", "X=Y"],
            &["no-term"],
        ] {
            for (one, other) in same.iter().flat_map(|one| same.iter().map(move |o| (one, o))) {
                let (one, other) = (Term::new(one), Term::new(other));
                assert!(one.same_as(&other, &domain), "{one} and {other}");
            }
        }
        for (one, other) in [
            ("ip4:192.0.2.10", "ip4:192.0.2.11"),
            ("ip4:192.0.2.10", "?ip4:192.0.2.10"),
            ("ip4:192.0.2.0/24", "ip4:192.0.2.0/25"),
            ("ip4:192.0.2.10", "ip6:::ffff:192.0.2.10"),
            ("mx", "a"),
            ("mx", "mx/24"),
            ("mx", "mx:b.test"),
            ("mx//64", "mx/24"),
            ("include:b.test", "redirect=b.test"),
            ("exists:%{i}.b.test", "exists:%{I}.b.test"),
            ("include:%{d}", "include:acme.test"),
            ("all", "-all"),
        ] {
            let (one, other) = (Term::new(one), Term::new(other));
            assert!(!one.same_as(&other, &domain), "{one} and {other}");
        }
    }

    #[test]
    fn a_prefix_length_of_all_bits_is_none() {
        for (text, has) in
            [("mx/24", true), ("a:b.test//64", true), ("mx", false), ("mx/32//128", false)]
        {
            assert_eq!(Term::new(text).has_prefix_length(), has, "{text}");
        }
    }

    #[test]
    fn targets_are_understood() {
        let domain = Name::from_user("acme.test").expect("a name");
        let other = Name::from_user("b.test").expect("a name");
        let text = "v=spf1 mx a/24 a:b.test/24 include:b.test mx:b.test//64 exists:%{i}.b.test \
                    include:%{d}.b.test ip4:192.0.2.0/24 -all";
        let targets: Vec<_> = record(text).targets(&domain).collect();
        assert_eq!(
            targets,
            [
                Target::Exchanges(domain.clone()),
                Target::Addresses(domain),
                Target::Addresses(other.clone()),
                Target::Record(other.clone()),
                Target::Exchanges(other),
            ]
        );
    }
}
