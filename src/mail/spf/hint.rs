//! What the author of a bad term probably meant.

use std::net::IpAddr;

use cutover_zone::Name;

use super::SpfRecord;
use super::grammar::{self, MECHANISMS};
use cutover_base::diag::did_you_mean;

/// A text that the grammar does not allow in a record (RFC 7208 §12).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadTerm {
    /// As written.
    pub term: String,
    /// What was probably meant: one or more terms.
    pub meant: Option<String>,
}

impl SpfRecord {
    /// Whether a receiver can read the record at all (RFC 7208 §4.6).
    ///
    /// # Errors
    /// The first term that the grammar does not allow, or does not allow twice.
    pub fn check(&self) -> Result<(), BadTerm> {
        let terms: Vec<String> = self.terms.iter().map(ToString::to_string).collect();
        match grammar::parse(terms.join(" ").as_bytes()) {
            Ok(_) => Ok(()),
            Err(term) => {
                let term = term.to_string();
                let meant = meant(&term).filter(|meant| *meant != term && is_good(meant));
                Err(BadTerm { term, meant })
            }
        }
    }
}

fn is_good(terms: &str) -> bool {
    grammar::parse(terms.as_bytes()).is_ok()
}

/// What was meant by a modifier that looks like a mechanism: `include=a.test` means nothing to a
/// receiver (RFC 7208 §6), but its author meant `include:a.test`.
#[must_use]
pub fn mechanism_with_equals_sign(term: &str) -> Option<String> {
    let (name, value) = term.split_once('=')?;
    let bare = name.trim_start_matches(['+', '-', '~', '?']).to_ascii_lowercase();
    let meant = format!("{name}:{value}");
    (MECHANISMS.contains(&bare.as_str()) && is_good(&meant)).then_some(meant)
}

fn meant(term: &str) -> Option<String> {
    let (lower, length) = (term.to_ascii_lowercase(), term.len());
    // `ip4:192.0.2.10~all`
    for all in ["~all", "-all", "?all", "+all"] {
        if lower.ends_with(all) && is_good(&term[..length - all.len()]) {
            let (front, all) = term.split_at(length - all.len());
            return Some(format!("{front} {all}"));
        }
    }
    // `mx,a`, `a;mx`
    if term.contains([',', ';']) {
        let parts: Vec<&str> = term.split([',', ';']).filter(|part| !part.is_empty()).collect();
        return Some(parts.join(" "));
    }
    if !term.is_ascii() {
        let (mechanism, domain) = term.split_once([':', '='])?;
        let name = Name::from_user(domain).ok()?.to_string();
        let mark = &term[mechanism.len()..=mechanism.len()];
        return Some(format!("{mechanism}{mark}{}", name.trim_end_matches('.')));
    }
    let (mechanism, value) = term.split_once([':', '=']).unwrap_or((term, ""));
    let qualifier =
        &mechanism[..mechanism.len() - mechanism.trim_start_matches(['+', '-', '~', '?']).len()];
    // `a:192.0.2.10`, `ip:192.0.2.10`, `ip4:2001:db8::1`, `192.0.2.10`
    for network in [value, term.trim_start_matches(['+', '-', '~', '?'])] {
        let address = network.split_once('/').map_or(network, |(address, _)| address);
        match address.parse::<IpAddr>() {
            Ok(IpAddr::V4(_)) => return Some(format!("{qualifier}ip4:{network}")),
            Ok(IpAddr::V6(_)) => return Some(format!("{qualifier}ip6:{network}")),
            Err(_) => {}
        }
    }
    // `ip4:192.0.2.10ip4:192.0.2.11`
    for glued in ["ip4:", "ip6:", "include:", "redirect=", "exists:", "mx:", "a:"] {
        let Some(at) = lower.rfind(glued).filter(|at| *at > 0) else { continue };
        let (front, back) = term.split_at(at);
        if is_good(front) && is_good(back) {
            return Some(format!("{front} {back}"));
        }
    }
    // `inlcude:a.test`, `redirect:a.test`
    let name = mechanism[qualifier.len()..].to_ascii_lowercase();
    if name == "redirect" || name == "exp" {
        return Some(format!("{name}={value}"));
    }
    let guess = did_you_mean(&name, MECHANISMS.iter().copied().chain(["redirect"]))?;
    let mark = match (value, guess) {
        ("", _) => "",
        (_, "redirect") => "=",
        (_, _) => ":",
    };
    Some(format!("{qualifier}{guess}{mark}{value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_probably_meant() {
        for (record, term, meant) in [
            ("mx ip4:192.0.2.10~all", "ip4:192.0.2.10~all", Some("ip4:192.0.2.10 ~all")),
            ("mx-all", "mx-all", Some("mx -all")),
            ("include:a.test.~ALL", "include:a.test.~ALL", Some("include:a.test. ~ALL")),
            ("a,mx -all", "a,mx", Some("a mx")),
            ("a:192.0.2.10 -all", "a:192.0.2.10", Some("ip4:192.0.2.10")),
            ("?ip:192.0.2.0/24", "?ip:192.0.2.0/24", Some("?ip4:192.0.2.0/24")),
            ("ipv4:192.0.2.10", "ipv4:192.0.2.10", Some("ip4:192.0.2.10")),
            ("ip4:2001:db8::1", "ip4:2001:db8::1", Some("ip6:2001:db8::1")),
            ("192.0.2.10", "192.0.2.10", Some("ip4:192.0.2.10")),
            (
                "ip4:192.0.2.1ip4:192.0.2.2",
                "ip4:192.0.2.1ip4:192.0.2.2",
                Some("ip4:192.0.2.1 ip4:192.0.2.2"),
            ),
            ("inlcude:a.test", "inlcude:a.test", Some("include:a.test")),
            ("redirect:a.test", "redirect:a.test", Some("redirect=a.test")),
            (
                "include:b\u{fc}cher.test",
                "include:b\u{fc}cher.test",
                Some("include:xn--bcher-kva.test"),
            ),
            ("ip4:192.0.2.256", "ip4:192.0.2.256", None),
            ("include:", "include:", None),
            ("spf.example", "spf.example", None),
            ("redirect=a.test redirect=a.test", "redirect=a.test", None),
        ] {
            let bad = SpfRecord::of_terms(record).check().expect_err("a bad term");
            assert_eq!((bad.term.as_str(), bad.meant.as_deref()), (term, meant), "{record}");
        }
        assert_eq!(SpfRecord::of_terms("mx ip4:192.0.2.10 x=y ~all").check(), Ok(()));
    }

    #[test]
    fn mechanisms_with_an_equals_sign() {
        assert_eq!(mechanism_with_equals_sign("ip4=192.0.2.1").as_deref(), Some("ip4:192.0.2.1"));
        for term in ["redirect=a.test", "exp=a.test", "x=y", "mx", "ip4:192.0.2.1"] {
            assert_eq!(mechanism_with_equals_sign(term), None, "{term}");
        }
    }
}
