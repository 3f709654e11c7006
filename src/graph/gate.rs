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
    /// How long after its predecessors the probe is asked for the first time.
    pub delay: Duration,
    /// How often, and what counts.
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
    /// The run halts, and a person may let it pass.
    Ask,
}

/// What should be found at one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The zone.
    pub zone: Name,
    /// The RRset.
    pub key: RrKey,
    /// Each version that is right while the gate is asked: the newest that it comes after, and those
    /// that come about beside it.
    pub versions: Vec<Option<RrSet>>,
    /// What was there before, and may be in caches.
    pub replaced: Option<RrSet>,
    /// For how long, from when the new version has propagated.
    pub expires: Duration,
    /// For how long besides where resolvers keep records longer than their TTL.
    pub overrun: Duration,
}
