//! Verdicts on the wire.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::artifact::{Checked, Finding, FindingPlace, Outcome, Verdict};

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
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    findings: Vec<FindingV1>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FindingV1 {
    code: String,
    severity: SeverityV1,
    said: String,
    /// The file that the plan names; none for the plan itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    line: usize,
    column: usize,
    /// The reason of `checks:`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ignored: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SeverityV1 {
    Error,
    Warning,
}

impl From<Finding> for FindingV1 {
    fn from(finding: Finding) -> Self {
        let Finding { code, is_error, said, place, ignored } = finding;
        let FindingPlace { file, line, column } = place;
        let severity = if is_error { SeverityV1::Error } else { SeverityV1::Warning };
        Self { code, severity, said, file, line, column, ignored }
    }
}

impl From<FindingV1> for Finding {
    fn from(wire: FindingV1) -> Self {
        let FindingV1 { code, severity, said, file, line, column, ignored } = wire;
        let is_error = matches!(severity, SeverityV1::Error);
        Self { code, is_error, said, place: FindingPlace { file, line, column }, ignored }
    }
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
        findings,
    } = verdict.clone();
    let findings = findings.into_iter().map(FindingV1::from).collect();
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
        findings,
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
        findings,
    } = wire;
    let findings = findings.into_iter().map(Finding::from).collect();
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
        findings,
    }
}
