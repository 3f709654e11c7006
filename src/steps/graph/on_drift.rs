//! What continues when a part of a plan cannot.

/// What continues when somebody else has edited a record that the plan changes, or a provider
/// refuses or does not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDrift {
    /// Nothing: the run halts.
    Halt,
    /// Everything that does not depend on it. The default, as in Terraform: what does not depend on
    /// a failed part is still applied, and the command fails.
    #[default]
    Isolate,
}

impl OnDrift {
    /// The words in a plan.
    pub const WORDS: &'static [&'static str] = &["halt", "isolate"];

    /// The word in a plan.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Halt => "halt",
            Self::Isolate => "isolate",
        }
    }

    /// What a word means.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::Halt, Self::Isolate].into_iter().find(|one| one.word() == word)
    }
}
