//! Judges a gate by its findings.

use std::time::Duration;

use cutover_zone::Name;

use crate::artifact::Artifact;
use cutover_base::calendar::{Timestamp, later};
use cutover_steps::graph::gate::{Gate, Pace};
use cutover_steps::probe::{self, Asked, Finding, Next, Round};

/// The findings of a gate so far, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Passes.
    pub passed: u32,
    /// Failures.
    pub failed: u32,
    /// Answers that show neither a pass nor a failure.
    pub inconclusive: u32,
    /// Passes in a row.
    pub passed_in_row: u32,
    /// Missing answers in a row.
    pub unanswered_in_row: u32,
}

/// The judgement of a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// There is none yet: the gate is probed again.
    Open,
    /// The run goes on.
    Passed,
    /// Something is not as it should be.
    Failed,
    /// The findings show neither.
    Undecided,
}

impl Tally {
    /// Adds a finding.
    #[must_use]
    pub fn with(self, finding: Finding) -> Self {
        let Self { passed, failed, inconclusive, passed_in_row, unanswered_in_row } = self;
        match finding {
            Finding::Pass => Self {
                passed: passed.saturating_add(1),
                passed_in_row: passed_in_row.saturating_add(1),
                unanswered_in_row: 0,
                ..self
            },
            Finding::Fail => Self {
                failed: failed.saturating_add(1),
                passed_in_row: 0,
                unanswered_in_row: 0,
                ..self
            },
            Finding::Inconclusive => Self {
                inconclusive: inconclusive.saturating_add(1),
                passed_in_row: 0,
                unanswered_in_row: 0,
                ..self
            },
            Finding::Unanswered => Self {
                passed_in_row: 0,
                unanswered_in_row: unanswered_in_row.saturating_add(1),
                ..self
            },
        }
    }

    /// The findings in words, with the detail of the last.
    pub(super) fn summary(&self, last: Option<&String>) -> String {
        let counts = [
            (self.failed, "failed"),
            (self.passed, "passed"),
            (self.inconclusive, "inconclusive"),
            (self.unanswered_in_row, "not answered in the end"),
        ];
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        let counts: Vec<String> = counts.map(|(count, word)| format!("{count} {word}")).collect();
        match last {
            Some(last) => format!("{}; at last: {last}", counts.join(", ")),
            None => counts.join(", "),
        }
    }

    /// The number of answers. Missing answers do not count.
    #[must_use]
    pub fn answers(&self) -> u32 {
        self.passed.saturating_add(self.failed).saturating_add(self.inconclusive)
    }

    /// Judges the findings by the rules of Argo Rollouts' analysis (2026-11): a limit is the number that
    /// is tolerated, missing answers are counted in a row, and a gate that reaches `count` without enough
    /// passes is undecided. Without `success_limit`, one pass is enough.
    #[must_use]
    pub fn judge(&self, pace: &Pace) -> Judgement {
        let enough = pace.success_limit.is_some_and(|limit| self.passed_in_row >= limit);
        let at_end = pace.count.is_some_and(|count| self.answers() >= count);
        if self.failed > pace.fail_limit {
            Judgement::Failed
        } else if self.inconclusive > pace.inconclusive_limit
            || self.unanswered_in_row > pace.unanswered_limit
        {
            Judgement::Undecided
        } else if enough || (at_end && pace.success_limit.is_none() && self.passed > 0) {
            Judgement::Passed
        } else if at_end {
            Judgement::Undecided
        } else {
            Judgement::Open
        }
    }
}

/// When a gate is probed for the first time.
pub(super) fn first(gate: &Gate, ready: Timestamp) -> Timestamp {
    later(ready, gate.delay)
}

/// When a gate is probed again.
pub(super) fn again(gate: &Gate, last: Timestamp) -> Timestamp {
    later(last, gate.pace.every)
}

/// How long all predecessors of a gate have been done.
pub(super) fn since(ready: Option<Timestamp>, now: Timestamp) -> Duration {
    ready.and_then(|ready| (now - ready).to_std().ok()).unwrap_or_default()
}

/// What a gate's probe does after these rounds of queries and answers.
pub(super) fn ask(artifact: &Artifact, gate: &Gate, rounds: &[Round], since: Duration) -> Next {
    let servers = |zone: &Name| {
        let zone = artifact.zones.get(zone);
        zone.into_iter().flat_map(|zone| zone.asked()).map(|server| server.address).collect()
    };
    let Gate { settings, expect, .. } = gate;
    // The artifact's reader has checked that there is such a probe.
    let probe = probe::of_name(&gate.probe).expect("a probe of this version");
    (probe.next)(&Asked { settings, expect, servers: &servers, since }, rounds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Finding::{Fail, Inconclusive, Pass, Unanswered};

    const ONCE: Pace = Pace {
        every: Pace::EVERY,
        count: Some(1),
        success_limit: None,
        fail_limit: 0,
        inconclusive_limit: 0,
        unanswered_limit: 1,
    };

    /// The judgement after each finding.
    fn judged(pace: &Pace, findings: &[Finding]) -> Vec<Judgement> {
        let mut tally = Tally::default();
        let judge = |finding: &Finding| {
            tally = tally.with(*finding);
            tally.judge(pace)
        };
        findings.iter().map(judge).collect()
    }

    #[test]
    fn a_limit_is_the_number_that_is_tolerated() {
        use Judgement::{Failed, Open, Passed, Undecided};
        let three = Pace { count: Some(3), ..ONCE };
        let two_in_row = Pace { count: None, success_limit: Some(2), fail_limit: 1, ..ONCE };
        for (pace, findings, judgements) in [
            (ONCE, &[Pass][..], &[Passed][..]),
            (ONCE, &[Fail], &[Failed]),
            (ONCE, &[Inconclusive], &[Undecided]),
            (ONCE, &[Unanswered, Unanswered], &[Open, Undecided]),
            (ONCE, &[Unanswered, Pass], &[Open, Passed]),
            (three, &[Pass, Pass, Pass], &[Open, Open, Passed]),
            (three, &[Pass, Fail], &[Open, Failed]),
            (Pace { fail_limit: 1, ..three }, &[Fail, Pass, Pass], &[Open, Open, Passed]),
            (Pace { fail_limit: 1, ..three }, &[Fail, Fail], &[Open, Failed]),
            (Pace { inconclusive_limit: 3, ..three }, &[Inconclusive; 3], &[Open, Open, Undecided]),
            // Missing answers do not count, and an answer in between restarts the row.
            (
                three,
                &[Unanswered, Pass, Unanswered, Pass, Unanswered, Pass],
                &[Open, Open, Open, Open, Open, Passed],
            ),
            (two_in_row, &[Pass, Fail, Pass, Pass], &[Open, Open, Open, Passed]),
            (Pace { count: Some(3), ..two_in_row }, &[Pass, Fail, Pass], &[Open, Open, Undecided]),
        ] {
            assert_eq!(judged(&pace, findings), judgements, "{pace:?} {findings:?}");
        }
    }
}
