//! Probes: what a gate asks the world, and what it makes of the answers.
//!
//! A probe is pure. [`Probe::next`] gets the rounds of questions and answers so far and gives the
//! next questions, or a finding; whoever asks is somebody else. To add one is a file and a line in
//! [`ALL`]; a protocol is a variant of [`Query`].
//!
//! "Could not ask" is never "no": a finding has four values, and each has a limit of its own.

mod command;
mod http;
mod seen;
mod served;

use std::net::SocketAddr;
use std::time::Duration;

use cutover_contract::Name;
use serde::{Deserialize, Serialize};

use crate::calendar::parse_span;
use crate::graph::gate::Expected;
use crate::observe::{Answered, Query};
use crate::spec::ConfigSpec;
use crate::spec::gate::{BadSetting, ProbeKeys, Settings};

/// What a probe can find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// It is as it should be.
    Pass,
    /// Somebody who has to answer does not.
    Unanswered,
    /// There are answers, and it is still open what is true.
    Inconclusive,
    /// It is not as it should be.
    Fail,
}

impl Finding {
    /// The word for people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "passed",
            Self::Unanswered => "nobody answered",
            Self::Inconclusive => "inconclusive",
            Self::Fail => "failed",
        }
    }
}

/// What a probe does next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Ask this.
    Ask(Vec<Query>),
    /// It knows: what, and in words.
    Found(Finding, String),
}

/// What a probe is asked about.
pub struct Asked<'a> {
    /// The keys of the plan.
    pub settings: &'a Settings,
    /// What should be found in DNS.
    pub expect: &'a [Expected],
    /// The authoritative servers of each zone that are asked.
    pub servers: &'a dyn Fn(&Name) -> Vec<SocketAddr>,
    /// How long ago everything that comes before it was done.
    pub since: Duration,
}

/// A round of questions, in their order, each with its answer.
pub type Round = Vec<Answered>;

/// A probe.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// What the plan language has to know of it.
    pub keys: ProbeKeys,
    /// What it does, for people: `every authoritative server serves what was changed`.
    pub doc: &'static str,
    /// What it does next, after these rounds.
    pub next: fn(&Asked<'_>, &[Round]) -> Next,
}

/// Every probe, one line each.
pub const ALL: &[Probe] = &[served::PROBE, seen::PROBE, command::PROBE, http::PROBE];

/// The keys of all probes, for the plan language.
pub const KEYS: [ProbeKeys; ALL.len()] = {
    let mut keys = [ALL[0].keys; ALL.len()];
    let mut place = 0;
    while place < ALL.len() {
        keys[place] = ALL[place].keys;
        place += 1;
    }
    keys
};

/// The probe of this name.
#[must_use]
pub fn of_name(name: &str) -> Option<&'static Probe> {
    ALL.iter().find(|probe| probe.keys.name == name)
}

/// How long a command or a web server may take where the plan does not say. Our choice.
const WITHIN: Duration = Duration::from_secs(30);

/// The text behind a key.
fn text<'s>(settings: &'s Settings, key: &str) -> Option<&'s str> {
    match settings.get(key)? {
        ConfigSpec::Text(text) => Some(text),
        ConfigSpec::Argv(_)
        | ConfigSpec::Secret(_)
        | ConfigSpec::Object(_)
        | ConfigSpec::Number(_)
        | ConfigSpec::Bool(_) => None,
    }
}

/// The texts behind a key.
fn texts<'s>(settings: &'s Settings, key: &str) -> &'s [String] {
    match settings.get(key) {
        Some(ConfigSpec::Argv(texts)) => texts,
        Some(_) | None => &[],
    }
}

fn within(settings: &Settings) -> Duration {
    text(settings, "within").and_then(|text| parse_span(text).ok()).unwrap_or(WITHIN)
}

/// A time limit has to be at least a second: an answer takes its time.
fn check_within(settings: &Settings) -> Result<(), BadSetting> {
    match within(settings) < Duration::from_secs(1) {
        false => Ok(()),
        true => Err(BadSetting {
            key: "within",
            is_secret: false,
            problem: "nobody answers within less than a second".to_owned(),
            help: "write `1s` or longer".to_owned(),
        }),
    }
}

/// One finding of many: the gravest, and what is said of all that are as grave.
fn gravest(findings: Vec<(Finding, String)>) -> (Finding, String) {
    /// Sentences in one finding at the most. Our choice: the first ones tell what it is about.
    const SAID_MAX: usize = 8;
    let Some(worst) = findings.iter().map(|(finding, _)| *finding).max() else {
        return (Finding::Pass, "there was nothing to look for".to_owned());
    };
    let mut said: Vec<String> =
        findings.into_iter().filter(|(f, _)| *f == worst).map(|(_, said)| said).collect();
    let more = said.len().saturating_sub(SAID_MAX);
    said.truncate(SAID_MAX);
    if worst == Finding::Pass {
        return (worst, String::new());
    }
    if more > 0 {
        said.push(format!("and {more} more"));
    }
    (worst, said.join("; "))
}
