//! Gates: steps that end when a probe has passed.

use std::collections::BTreeMap;
use std::time::Duration;

use cutover_zone::{Name, RrKey, RrSet};

use super::{MovePoint, StepId};
use crate::config::ConfigSpec;
use crate::fact::{Fact, Subject};

/// The keys of a probe and their values.
pub type Settings = BTreeMap<String, ConfigSpec>;

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
    /// What the plan relies on once it has passed; `None` if nothing does.
    pub evidence: Option<Evidence>,
}

/// A fact that a gate establishes, for people.
#[must_use]
pub fn established(fact: Fact, subject: &Subject) -> String {
    format!("`{fact}` of {}", subject.shown())
}

/// A gate that establishes facts, and for how long that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The facts, for people: `accepts of host`.
    pub facts: Vec<String>,
    /// How old it may be when a step begins that relies on it. Then the gate is asked again.
    pub age_max: Duration,
    /// The steps that rely on it, each after the gate.
    pub before: Vec<StepId>,
}

impl Evidence {
    /// Our choice: long enough for a person who confirms a task, too short for another shift.
    pub const AGE_MAX: Duration = Duration::from_secs(60 * 60);
    /// The shortest age that a plan can ask for. Our choice: longer than a probe takes.
    pub const AGE_MIN: Duration = Duration::from_secs(5 * 60);
    /// The longest age that a plan can ask for. Our choice: a day later it is another host.
    pub const AGE_LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
}

/// Where a gate can stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Before the switch.
    BeforeSwitch,
    /// After the switch, before the old side is left.
    AfterSwitch,
}

impl Place {
    /// The word in its id.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::BeforeSwitch => MovePoint::BeforeSwitch.word(),
            Self::AfterSwitch => "after-switch",
        }
    }

    /// The key in a plan.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::BeforeSwitch => "before_switch",
            Self::AfterSwitch => "after_switch",
        }
    }
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

/// How often a gate asks, and its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The time between two questions.
    pub every: Duration,
    /// After how many answers the gate decides; `None`: when `success_limit` is reached.
    pub count: Option<u32>,
    /// How many passes in a row are enough before that.
    pub success_limit: Option<u32>,
    /// How many failures are tolerated.
    pub fail_limit: u32,
    /// How many inconclusive answers are tolerated.
    pub inconclusive_limit: u32,
    /// How many unanswered questions in a row are tolerated.
    pub unanswered_limit: u32,
}

impl Pace {
    /// 1 min. Our choice: comparable tools use it.
    pub const EVERY: Duration = Duration::from_secs(60);
    /// The limit of Argo Rollouts for errors in a row (`consecutiveErrorLimit`, 2026-11).
    pub const UNANSWERED_LIMIT: u32 = 4;
    /// The shortest time between two questions. Our choice, to spare the servers that are asked.
    pub const EVERY_MIN: Duration = Duration::from_secs(1);
}
