//! Gates as a plan has them, and what the probes say of their keys.

use std::collections::BTreeMap;
use std::time::Duration;

use cutover_contract::ConfigField;

use super::ConfigSpec;
use crate::diag::Spanned;

/// The keys of a probe and what stands behind them.
pub type Settings = BTreeMap<String, ConfigSpec>;

/// What the plan language has to know of a probe.
#[derive(Clone, Copy, Debug)]
pub struct ProbeKeys {
    /// Its name: the word behind `probe:`.
    pub name: &'static str,
    /// Its own keys.
    pub fields: &'static [ConfigField],
    /// Looks at the values together, when each is of its kind.
    pub check: fn(&Settings) -> Result<(), BadSetting>,
    /// Whether it looks for what the plan has changed.
    pub in_dns: bool,
    /// Whether it is asked for the first time when what was there before has expired in caches.
    pub after_expiry: bool,
}

/// A value of a probe's key that it cannot use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadSetting {
    /// The key.
    pub key: &'static str,
    /// Whether it has a secret in it, and is not shown.
    pub is_secret: bool,
    /// What is wrong.
    pub problem: String,
    /// What to write.
    pub help: String,
}

/// The gates of a plan.
#[derive(Clone, Debug, Default)]
pub struct GatesSpec {
    /// What has to pass before the switch, within its window.
    pub before_switch: Vec<GateSpec>,
    /// What has to pass after the switch, before the old side is left.
    pub after_switch: Vec<GateSpec>,
}

impl GatesSpec {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &GateSpec> {
        self.before_switch.iter().chain(&self.after_switch)
    }
}

/// A gate.
#[derive(Clone, Debug)]
pub struct GateSpec {
    /// The probe's name.
    pub probe: Spanned<String>,
    /// The probe's own keys.
    pub settings: Settings,
    /// How often it is asked, and what counts.
    pub pace: PaceSpec,
    /// When it is asked for the first time; `None`: as the probe has it.
    pub delay: Option<Duration>,
    /// What happens when it fails.
    pub on_fail: OnFail,
}

/// How often a probe is asked, and what its findings amount to, as far as a plan says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaceSpec {
    /// From one time to the next.
    pub every: Duration,
    /// How many answers make a gate.
    pub count: Option<u32>,
    /// How many passes in a row are enough before that.
    pub success_limit: Option<u32>,
    /// How many failures are put up with.
    pub fail_limit: u32,
    /// How many times it may stay open what is true.
    pub inconclusive_limit: Option<u32>,
    /// How many times in a row nobody may answer.
    pub unanswered_limit: u32,
}

impl PaceSpec {
    /// The pace of a gate of which it may stay open what is true for as long as `open`.
    ///
    /// Where that is any time at all and nothing says how many answers make the gate, it is asked until
    /// it has passed once.
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

/// How often it is asked so that the last time is no earlier than `long` after the first.
#[must_use]
pub fn times(long: Duration, every: Duration) -> u32 {
    let intervals = long.as_millis().div_ceil(every.as_millis().max(1));
    u32::try_from(intervals).unwrap_or(u32::MAX).saturating_add(1)
}

/// How often a probe is asked, and what its findings amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// From one time to the next.
    pub every: Duration,
    /// How many answers make a gate; `None`: until `success_limit` is reached.
    pub count: Option<u32>,
    /// How many passes in a row are enough before that.
    pub success_limit: Option<u32>,
    /// How many failures are put up with.
    pub fail_limit: u32,
    /// How many times it may stay open what is true.
    pub inconclusive_limit: u32,
    /// How many times in a row nobody may answer.
    pub unanswered_limit: u32,
}

impl Pace {
    /// 1 min: what the field's gates use. Our choice.
    pub const EVERY: Duration = Duration::from_secs(60);
    /// The limit of Argo Rollouts for errors in a row (`consecutiveErrorLimit`, 2026-11).
    pub const UNANSWERED_LIMIT: u32 = 4;
    /// The shortest time between two questions: our choice, gentle to whoever is asked.
    pub const EVERY_MIN: Duration = Duration::from_secs(1);
}

/// What happens when a gate fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFail {
    /// The run halts.
    #[default]
    Halt,
    /// The run goes back to where it was before the switch.
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
