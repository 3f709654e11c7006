//! Probes: what a gate asks the world, and what it makes of the answers.
//!
//! A probe is pure. [`Probe::next`] takes the rounds of questions and answers so far and returns
//! the next questions, or a finding; it does not ask itself. To add a probe: a file, and a line in
//! [`ALL`]. A new protocol is a variant of [`Query`].
//!
//! "Could not ask" is never "no": a finding has four values, and each has its own limit.

mod command;
mod http;
mod imap;
mod keys;
pub mod login;
pub mod mailboxes;
mod old_side;
pub mod recipients;
pub mod round_trip;
mod seen;
mod served;
mod session;
mod smtp;
mod strict_sender;
mod submission;
pub mod target;

use std::net::SocketAddr;
use std::time::Duration;

use cutover_zone::Name;
use serde::{Deserialize, Serialize};

use crate::ask::{Answered, Query};
use crate::config::ConfigSpec;
use crate::graph::gate::{Expected, Settings};
use cutover_base::calendar::parse_span;

pub use keys::{BadSetting, Establishes, HostOf, ProbeKeys};

/// What a probe can find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// It is as it should be.
    Pass,
    /// There is no answer.
    Unanswered,
    /// There are answers, but they do not decide.
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
    /// It is done: the finding, and its explanation.
    Found(Finding, String),
}

/// The input of a probe.
pub struct Asked<'a> {
    /// The keys of the plan.
    pub settings: &'a Settings,
    /// What should be found in DNS.
    pub expect: &'a [Expected],
    /// The authoritative servers of each zone that are asked.
    pub servers: &'a dyn Fn(&Name) -> Vec<SocketAddr>,
    /// How long ago everything before it was done.
    pub since: Duration,
}

/// A round of questions, in order, each with its answer.
pub type Round = Vec<Answered>;

/// A probe.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// What the plan language needs to know about it.
    pub keys: ProbeKeys,
    /// What it checks, for people: `every authoritative server serves the changed records`.
    pub doc: &'static str,
    /// What it does next, after these rounds.
    pub next: fn(&Asked<'_>, &[Round]) -> Next,
}

/// Every probe, one line each.
pub const ALL: &[Probe] = &[
    served::PROBE,
    seen::PROBE,
    command::PROBE,
    http::PROBE,
    smtp::PROBE,
    recipients::PROBE,
    strict_sender::PROBE,
    imap::PROBE,
    submission::PROBE,
    old_side::PROBE,
    mailboxes::PROBE,
    round_trip::PROBE,
];

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

/// The default time limit for a command or a web server. Our choice.
const WITHIN: Duration = Duration::from_secs(30);

/// The text of a key.
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

/// The texts of a key.
fn texts<'s>(settings: &'s Settings, key: &str) -> &'s [String] {
    match settings.get(key) {
        Some(ConfigSpec::Argv(texts)) => texts,
        Some(_) | None => &[],
    }
}

fn within(settings: &Settings) -> Duration {
    text(settings, "within").and_then(|text| parse_span(text).ok()).unwrap_or(WITHIN)
}

/// Refuses a time limit below a second, which hardly any answer could meet.
fn check_within(settings: &Settings) -> Result<(), BadSetting> {
    match within(settings) < Duration::from_secs(1) {
        false => Ok(()),
        true => Err(BadSetting {
            key: "within",
            is_secret: false,
            problem: "`within` has to be at least a second".to_owned(),
            help: "write `1s` or longer".to_owned(),
        }),
    }
}

/// The gravest of several findings. A pass says what was seen at each server.
fn told(findings: Vec<(Finding, String)>) -> Next {
    /// The maximum number of explanations in a pass. Our choice: as for other findings.
    const SAID_MAX: usize = 8;
    if findings.iter().any(|(finding, _)| *finding != Finding::Pass) {
        let (finding, said) = gravest(findings);
        return Next::Found(finding, said);
    }
    let more = findings.len().saturating_sub(SAID_MAX);
    let said = findings.into_iter().take(SAID_MAX).map(|(_, said)| said);
    let more = (more > 0).then(|| format!("and {more} more"));
    Next::Found(Finding::Pass, said.chain(more).collect::<Vec<_>>().join("; "))
}

/// Combines findings: the gravest, with the explanations of all that are as grave.
fn gravest(findings: Vec<(Finding, String)>) -> (Finding, String) {
    /// The maximum number of explanations in a finding. Our choice: the first few show the problem.
    const SAID_MAX: usize = 8;
    let Some(worst) = findings.iter().map(|(finding, _)| *finding).max() else {
        return (Finding::Pass, "there was nothing to check".to_owned());
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
