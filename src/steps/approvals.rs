//! `approvals:`, who has to agree before the plan is applied.

use std::time::Duration;

/// How many people have to approve an artifact, and for how long that counts.
///
/// Who they may be is not part of a plan: a plan is what they review.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// How many different people; 0: nobody has to.
    pub need: u32,
    /// How long an approval counts at most, from its signing; `None`: as long as it says.
    pub expire: Option<Duration>,
}

impl Demand {
    /// Whether anybody has to approve.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.need > 0
    }
}
