//! Gates: steps that end when a probe has passed.

use std::time::Duration;

use cutover_contract::{Name, RrKey, RrSet};

use crate::spec::gate::{Pace, Settings};

/// A gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// The probe's name.
    pub probe: String,
    /// The probe's own keys.
    pub settings: Settings,
    /// What should be found in DNS, for probes that look there.
    pub expect: Vec<Expected>,
    /// How long after its predecessors the gate probes for the first time.
    pub delay: Duration,
    /// How often it probes, and what counts.
    pub pace: Pace,
    /// What happens when it fails.
    pub on_fail: Failing,
}

/// What happens when a gate fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failing {
    /// The run halts.
    Halt,
    /// The run goes back to this rollback point.
    Rollback {
        /// Its name.
        to: String,
    },
    /// The run halts, and a person may confirm the gate to go on.
    Ask,
}

/// What should be found at one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The zone.
    pub zone: Name,
    /// The RRset.
    pub key: RrKey,
    /// Each version that is right while the gate probes: the newest that the gate comes after, and
    /// those that other steps may publish meanwhile.
    pub versions: Vec<Option<RrSet>>,
    /// What was there before, and may still be cached.
    pub replaced: Option<RrSet>,
    /// How long the replaced version may be cached, from when the new version has propagated.
    pub expires: Duration,
    /// How much longer some resolvers keep records than their TTL.
    pub overrun: Duration,
}
