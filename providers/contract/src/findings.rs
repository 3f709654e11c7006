//! What the conformance suite found about an adapter, as data.

use serde::{Deserialize, Serialize};

/// What a run of the suite found on one server or fake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Findings {
    /// What the suite ran on: `rfc2136 on BIND`.
    pub title: String,
    /// The adapter's capabilities and how many cases passed: the same figures, in the same order,
    /// for every adapter.
    pub figures: Vec<Figure>,
    /// The skipped cases, in the order of the suite.
    pub skipped: Vec<SkippedCase>,
}

/// A figure, worded for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// What it counts or names.
    pub name: String,
    /// The figure, with its unit.
    pub value: String,
}

/// A case that was not run, or that the adapter refused as it declares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SkippedCase {
    /// The name of the case.
    pub case: String,
    /// The reason.
    pub why: String,
}
