//! Verdicts on the wire.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::artifact::{Checked, Outcome, Verdict};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VerdictV1 {
    outcome: OutcomeV1,
    holding: Vec<String>,
    broken: Vec<String>,
    overrides: BTreeMap<String, String>,
    atoms: usize,
    patterns: usize,
    patterns_back: usize,
    assumptions: Vec<String>,
    shortened: Vec<String>,
    at_old: Vec<String>,
    present: Vec<String>,
    story: Vec<String>,
    derivation: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OutcomeV1 {
    Proved,
    Refuted,
}

pub(super) fn wire(verdict: &Verdict) -> VerdictV1 {
    let Verdict {
        outcome,
        holding,
        broken,
        overrides,
        checked: Checked { atoms, patterns, patterns_back },
        assumptions,
        shortened,
        at_old,
        present,
        story,
        derivation,
    } = verdict.clone();
    let outcome = match outcome {
        Outcome::Proved => OutcomeV1::Proved,
        Outcome::Refuted => OutcomeV1::Refuted,
    };
    VerdictV1 {
        outcome,
        holding,
        broken,
        overrides,
        atoms,
        patterns,
        patterns_back,
        assumptions,
        shortened,
        at_old,
        present,
        story,
        derivation,
    }
}

pub(super) fn read(wire: VerdictV1) -> Verdict {
    let VerdictV1 {
        outcome,
        holding,
        broken,
        overrides,
        atoms,
        patterns,
        patterns_back,
        assumptions,
        shortened,
        at_old,
        present,
        story,
        derivation,
    } = wire;
    let outcome = match outcome {
        OutcomeV1::Proved => Outcome::Proved,
        OutcomeV1::Refuted => Outcome::Refuted,
    };
    let checked = Checked { atoms, patterns, patterns_back };
    Verdict {
        outcome,
        holding,
        broken,
        overrides,
        checked,
        assumptions,
        shortened,
        at_old,
        present,
        story,
        derivation,
    }
}
