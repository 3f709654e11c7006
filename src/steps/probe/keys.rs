//! How a probe describes its keys to the plan language.

use cutover_contract::ConfigField;

use crate::fact::Fact;
use crate::graph::gate::Settings;

/// What the plan language needs to know about a probe.
#[derive(Clone, Copy, Debug)]
pub struct ProbeKeys {
    /// Its name, the value of `probe:`.
    pub name: &'static str,
    /// Its own keys.
    pub fields: &'static [ConfigField],
    /// Checks the values together, after each has been checked for its kind.
    pub check: fn(&Settings) -> Result<(), BadSetting>,
    /// Whether it looks for what the plan has changed.
    pub in_dns: bool,
    /// Whether it first asks after the old records have expired in caches.
    pub after_expiry: bool,
    /// Whether it sends a message, which nobody wants to get unasked.
    pub sends: bool,
    /// The host of the plan whose servers it asks, unless the plan names another.
    pub host: Option<HostOf>,
    /// What is true of that host when it has passed.
    pub establishes: Option<Establishes>,
}

/// A fact about a host that a probe establishes when it has passed.
#[derive(Clone, Copy, Debug)]
pub struct Establishes {
    /// The fact, with the value that is good for mail.
    pub fact: Fact,
    /// Whether a gate with these keys looks closely enough; otherwise, why not.
    pub counts: fn(&Settings) -> Result<(), &'static str>,
    /// What it does not show, so that the verdict lists it: a clause.
    pub leaves: &'static str,
}

/// A host of a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostOf {
    /// The one that mail moves to.
    New,
    /// The one that mail moves from.
    Old,
}

/// A key with a value that the probe cannot use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadSetting {
    /// The key.
    pub key: &'static str,
    /// Whether the value contains a secret and must not be shown.
    pub is_secret: bool,
    /// What is wrong.
    pub problem: String,
    /// What to write.
    pub help: String,
}
