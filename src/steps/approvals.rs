//! `approvals:`, who has to agree before the plan is applied.

use std::collections::BTreeSet;
use std::time::Duration;

/// How many people have to approve an artifact, who of those who may, and for how long that counts.
///
/// Who may approve at all is not part of a plan: a plan is what they review. It can only ask for more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// How many different people; 0: nobody has to.
    pub need: u32,
    /// Whose approvals count, by their names among the allowed signers; empty: everybody's who may
    /// approve.
    pub signers: Vec<String>,
    /// How long an approval counts at most, from its signing; `None`: as long as it says.
    pub expire: Option<Duration>,
}

/// The maximum length of a signer's name, in octets. Our choice: the longest address of a mailbox
/// (RFC 5321 §4.5.3.1), and some more.
const NAME_OCTETS_MAX: usize = 320;

impl Demand {
    /// Whether anybody has to approve.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.need > 0
    }

    /// Whether so many different people can approve it.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        self.signers.is_empty() || usize::try_from(self.need).is_ok_and(|n| n <= self.signers.len())
    }

    /// The first signer who is named a second time, in whatever case: the two count as one person.
    #[must_use]
    pub fn named_twice(&self) -> Option<usize> {
        let mut known = BTreeSet::new();
        self.signers.iter().position(|name| !known.insert(name.to_lowercase()))
    }
}

/// Whether a list of allowed signers can have this name, and for one person: neither a pattern, which
/// may be anybody, nor what separates names there.
#[must_use]
pub fn is_signer(name: &str) -> bool {
    let is_plain = |c: char| c == ' ' || (!c.is_whitespace() && !c.is_control());
    let is_single = name.chars().all(|c| is_plain(c) && !"*?!,\"".contains(c));
    is_single && name.trim() == name && (1..=NAME_OCTETS_MAX).contains(&name.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(need: u32, signers: &[&str]) -> Demand {
        let signers = signers.iter().map(|name| (*name).to_owned()).collect();
        Demand { need, signers, expire: None }
    }

    #[test]
    fn so_many_people_can_approve_as_are_named() {
        for (demand, expected) in [
            (of(3, &[]), true),
            (of(1, &["a"]), true),
            (of(2, &["a"]), false),
            (of(2, &["a", "b"]), true),
            (of(3, &["a", "b"]), false),
        ] {
            assert_eq!(demand.is_possible(), expected, "{demand:?}");
        }
    }

    #[test]
    fn a_name_in_another_case_is_the_same_person() {
        assert_eq!(of(1, &["a", "b", "A"]).named_twice(), Some(2));
        assert_eq!(of(1, &["a", "b"]).named_twice(), None);
    }

    #[test]
    fn signers_are_names_of_single_people() {
        for name in ["alice@example.com", "alice", "ålice", "Alice Liddell", &"a".repeat(320)] {
            assert!(is_signer(name), "{name}");
        }
        for name in ["", "*@example.com", "a?", "!a", "a,b", "a\tb", " a", "\"a\"", "a\u{7}"] {
            assert!(!is_signer(name), "{name}");
        }
        assert!(!is_signer(&"a".repeat(321)));
    }
}
