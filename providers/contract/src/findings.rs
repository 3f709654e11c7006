//! What the conformance suite found of an adapter, as data.

use serde::{Deserialize, Serialize};

/// What a run of the suite found on one server or fake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Findings {
    /// What was tried: `rfc2136 on BIND`.
    pub title: String,
    /// What the adapter says of itself, and how many cases passed: the same figures, in the same order,
    /// for every adapter.
    pub figures: Vec<Figure>,
    /// The cases that were skipped, in their order.
    pub skipped: Vec<SkippedCase>,
}

/// A figure, in words for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// What it is about.
    pub name: String,
    /// The figure, with its unit.
    pub value: String,
}

/// A case that was not tried, or was refused as declared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SkippedCase {
    /// The name of the case.
    pub case: String,
    /// The reason.
    pub why: String,
}
