//! Gates of a plan, and how probes describe their keys.

use std::time::Duration;

use cutover_base::diag::Spanned;
use cutover_steps::graph::StepId;
use cutover_steps::graph::gate::{Pace, Place, Settings};

/// The gates of a plan.
#[derive(Clone, Debug, Default)]
pub struct GatesSpec {
    /// Gates that have to pass before the switch, within its window.
    pub before_switch: Vec<GateSpec>,
    /// Gates that have to pass after the switch, before the old side is left.
    pub after_switch: Vec<GateSpec>,
}

impl GatesSpec {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &GateSpec> {
        self.before_switch.iter().chain(&self.after_switch)
    }
}

/// The id of a gate, by its number in the list: gates with the same probe are counted.
#[must_use]
pub fn gate_id(place: Place, gates: &[GateSpec], number: usize) -> StepId {
    let probe = &gates[number].probe.value;
    let count = gates[..=number].iter().filter(|gate| gate.probe.value == *probe).count();
    StepId::of_gate(place.word(), probe, count)
}

/// A gate.
#[derive(Clone, Debug)]
pub struct GateSpec {
    /// The probe's name.
    pub probe: Spanned<String>,
    /// The probe's own keys.
    pub settings: Settings,
    /// How often it asks, and its limits.
    pub pace: PaceSpec,
    /// When it first asks; `None` for the probe's default.
    pub delay: Option<Duration>,
    /// What happens when it fails.
    pub on_fail: OnFail,
    /// How old what it establishes may be when a step begins that relies on it.
    pub age_max: Duration,
}

/// How often a gate asks, and its limits, as far as the plan states them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaceSpec {
    /// The time between two questions.
    pub every: Duration,
    /// After how many answers the gate decides.
    pub count: Option<u32>,
    /// How many passes in a row are enough before that.
    pub success_limit: Option<u32>,
    /// How many failures are tolerated.
    pub fail_limit: u32,
    /// How many inconclusive answers are tolerated.
    pub inconclusive_limit: Option<u32>,
    /// How many unanswered questions in a row are tolerated.
    pub unanswered_limit: u32,
}

impl PaceSpec {
    /// The pace of a gate whose answers may be inconclusive for as long as `open`.
    ///
    /// If that is not zero and the plan sets neither `count` nor `success_limit`, the gate asks
    /// until it has passed once.
    #[must_use]
    pub fn pace(self, open: Duration) -> Pace {
        let Self { every, count, success_limit, fail_limit, inconclusive_limit, unanswered_limit } =
            self;
        let is_open = !open.is_zero() && count.is_none() && success_limit.is_none();
        let success_limit = success_limit.or(is_open.then_some(1));
        let times = if open.is_zero() { 0 } else { times(open, every) };
        Pace {
            every,
            count: count.or(if success_limit.is_none() { Some(1) } else { None }),
            success_limit,
            fail_limit,
            inconclusive_limit: inconclusive_limit.unwrap_or(times),
            unanswered_limit,
        }
    }
}

/// How often to ask so that the last question is at least `long` after the first.
#[must_use]
pub fn times(long: Duration, every: Duration) -> u32 {
    let intervals = long.as_millis().div_ceil(every.as_millis().max(1));
    u32::try_from(intervals).unwrap_or(u32::MAX).saturating_add(1)
}

/// What happens when a gate fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFail {
    /// The run halts.
    #[default]
    Halt,
    /// The run rolls back to the point before the switch.
    Rollback,
    /// The run halts, and a person may let it pass.
    Ask,
}

impl OnFail {
    /// The words in a plan.
    pub const WORDS: &'static [&'static str] = &["halt", "rollback", "ask"];

    /// What a word means.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        match word {
            "halt" => Some(Self::Halt),
            "rollback" => Some(Self::Rollback),
            "ask" => Some(Self::Ask),
            _ => None,
        }
    }
}
