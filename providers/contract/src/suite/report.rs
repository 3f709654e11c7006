//! The results of a run.

use std::fmt;

use crate::Capabilities;

/// The result of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The adapter behaved as the case says.
    Passed,
    /// Not run, or refused as declared, with the declared limit or the missing means.
    Skipped(String),
    /// The adapter behaved differently, with what happened.
    Failed(String),
}

/// A case and its result.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The name of the case.
    pub name: String,
    /// Its story.
    pub story: String,
    /// The result.
    pub outcome: Outcome,
}

/// The result of a run of the suite.
#[derive(Clone, Debug)]
pub struct Report {
    /// What the suite ran on: `rfc2136 on BIND`.
    pub title: &'static str,
    /// What the adapter declares.
    pub capabilities: Capabilities,
    /// All cases, in their order.
    pub verdicts: Vec<Verdict>,
}

impl Report {
    /// How many cases passed.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Passed))
    }

    /// How many failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Failed(_)))
    }

    /// The cases that were skipped, with their reasons.
    pub fn skipped(&self) -> impl Iterator<Item = (&str, &str)> {
        self.verdicts.iter().filter_map(|verdict| match &verdict.outcome {
            Outcome::Skipped(why) => Some((verdict.name.as_str(), why.as_str())),
            Outcome::Passed | Outcome::Failed(_) => None,
        })
    }

    /// `rfc2136 on BIND: 90 cases, 85 passed, 5 skipped, 0 failed`.
    #[must_use]
    pub fn summary(&self) -> String {
        let (all, skipped) = (self.verdicts.len(), self.skipped().count());
        let (passed, failed) = (self.passed(), self.failed());
        format!("{}: {all} cases, {passed} passed, {skipped} skipped, {failed} failed", self.title)
    }

    /// Panics with the story of each failed case; does nothing if none failed.
    ///
    /// # Panics
    /// If a case failed.
    pub fn assert_passed(&self) {
        let failed = self.verdicts.iter().filter_map(|verdict| match &verdict.outcome {
            Outcome::Failed(what) => {
                Some(format!("{}\n  {}\n\n  {what}\n", verdict.name, verdict.story))
            }
            Outcome::Passed | Outcome::Skipped(_) => None,
        });
        let failed: Vec<String> = failed.collect();
        assert!(failed.is_empty(), "\n{}\n\n{}", self.summary(), failed.join("\n"));
    }

    fn count(&self, is: impl Fn(&Outcome) -> bool) -> usize {
        self.verdicts.iter().filter(|verdict| is(&verdict.outcome)).count()
    }
}

impl fmt::Display for Report {
    /// A line for each case, and the summary.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.verdicts.iter().map(|verdict| verdict.name.len()).max().unwrap_or(0);
        for Verdict { name, story: _, outcome } in &self.verdicts {
            match outcome {
                Outcome::Passed => writeln!(f, "  passed   {name}")?,
                Outcome::Skipped(why) => writeln!(f, "  skipped  {name:width$}  {why}")?,
                Outcome::Failed(_) => writeln!(f, "  FAILED   {name}")?,
            }
        }
        writeln!(f, "{}", self.summary())
    }
}
