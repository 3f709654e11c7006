//! What a change does, in one word.

use std::fmt;

/// What a transition does, for people and for ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Same records, shorter TTL.
    Lower,
    /// Records where there were none.
    Publish,
    /// More senders in the SPF record.
    Widen,
    /// New exchanges beside the old ones, at a worse preference.
    Join,
    /// New exchanges beside the old ones, at a better preference.
    Prefer,
    /// Other records.
    Switch,
    /// Fewer senders in the SPF record.
    Narrow,
    /// No records where there were some.
    Remove,
    /// Same records, with the TTL that they keep.
    Restore,
}

impl Verb {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Lower,
        Self::Publish,
        Self::Widen,
        Self::Join,
        Self::Prefer,
        Self::Switch,
        Self::Narrow,
        Self::Remove,
        Self::Restore,
    ];

    /// The word for it, in ids and for people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Lower => "lower",
            Self::Publish => "publish",
            Self::Widen => "widen",
            Self::Join => "join",
            Self::Prefer => "prefer",
            Self::Switch => "switch",
            Self::Narrow => "narrow",
            Self::Remove => "remove",
            Self::Restore => "restore",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
