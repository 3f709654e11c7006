//! Who is told, and when.

use serde::{Deserialize, Serialize};

use super::SecretRef;

/// When people are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// The switch begins.
    Switch,
    /// The run goes back, and has come back.
    Rollback,
    /// Everything is done.
    Done,
    /// The run has halted.
    Halted,
}

impl Occasion {
    /// The words in a plan.
    pub const WORDS: &'static [&'static str] = &["switch", "rollback", "done", "halted"];

    /// What a word means.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        match word {
            "switch" => Some(Self::Switch),
            "rollback" => Some(Self::Rollback),
            "done" => Some(Self::Done),
            "halted" => Some(Self::Halted),
            _ => None,
        }
    }

    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Switch => "switch",
            Self::Rollback => "rollback",
            Self::Done => "done",
            Self::Halted => "halted",
        }
    }
}

/// Somebody who is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// When.
    pub at: Vec<Occasion>,
    /// Where: an address that takes JSON by POST. Whoever has it can write there, so it is a secret.
    pub webhook: SecretRef,
    /// In which words; `None`: in ours.
    pub text: Option<String>,
}

/// What can stand in a text, each in braces.
pub const PLACEHOLDERS: &[&str] = &["plan", "occasion", "step", "why", "at"];

/// What is wrong with a text: the first placeholder that there is none of.
#[must_use]
pub fn unknown_placeholder(text: &str) -> Option<&str> {
    text.split('{').skip(1).find_map(|rest| {
        let word = rest.split('}').next().unwrap_or_default();
        let is_known = rest.len() > word.len() && PLACEHOLDERS.contains(&word);
        (!is_known).then_some(word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_known_and_closed() {
        for (text, unknown) in [
            ("nothing", None),
            ("{plan}: {occasion} at {at}", None),
            ("{plan} {who}", Some("who")),
            ("{plan", Some("plan")),
            ("{}", Some("")),
        ] {
            assert_eq!(unknown_placeholder(text), unknown, "{text}");
        }
    }
}
