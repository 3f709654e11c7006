//! The parts of a move.

/// A part of the move that an assumption can begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// Before the switch.
    Expand,
    /// With the switch.
    Switch,
    /// When the old side is left.
    Contract,
}

impl Point {
    /// The word in a plan.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Expand => "expand",
            Self::Switch => "switch",
            Self::Contract => "contract",
        }
    }
}
