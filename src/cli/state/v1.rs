//! What `state list` and `state show` print for programs. The version is raised when a meaning
//! changes; readers ignore fields that they do not know.

use serde::Serialize;

use super::super::standing::RunEntry;
use crate::calendar::{Timestamp, show_exact};
use crate::world::real::store::{Found, Holder, RunId};

/// The version of both forms.
const VERSION: u32 = 1;

#[derive(Serialize)]
pub(super) struct ListV1 {
    version: u32,
    plans: Vec<PlanV1>,
}

#[derive(Serialize)]
pub(super) struct PlanV1 {
    plan: String,
    runs: usize,
    /// The newest run; `null` if none was opened, or if it cannot be read.
    newest: Option<RunV1>,
    /// Why the newest run cannot be read.
    error: Option<String>,
    lease: Option<LeaseV1>,
}

#[derive(Serialize)]
pub(super) struct ShowV1 {
    version: u32,
    plan: String,
    runs: Vec<ShownV1>,
    lease: Option<LeaseV1>,
}

#[derive(Serialize)]
pub(super) struct ShownV1 {
    name: String,
    /// `null` if it cannot be read.
    run: Option<RunV1>,
    /// Why it cannot be read.
    error: Option<String>,
}

#[derive(Serialize)]
pub(super) struct RunV1 {
    name: String,
    /// The digest of its artifact.
    artifact: String,
    way_back: bool,
    /// Whether it was taken out of the row of runs.
    given_up: bool,
    entries: u64,
    /// The digest of the last line of the journal.
    head: String,
    /// `unopened`, `running`, `settling`, `halted` or `finished`.
    stage: &'static str,
}

/// Who may write.
#[derive(Serialize)]
pub(super) struct LeaseV1 {
    owner: String,
    host: String,
    since: String,
    /// When it ends if it is not prolonged; `null`: with its process.
    until: Option<String>,
    fence: u64,
}

impl ListV1 {
    pub(super) fn of(plans: Vec<PlanV1>) -> Self {
        Self { version: VERSION, plans }
    }
}

impl PlanV1 {
    pub(super) fn of(
        plan: &str,
        runs: usize,
        newest: Result<Option<&RunEntry>, String>,
        lease: Option<&Holder>,
    ) -> Self {
        let (newest, error) = match newest {
            Ok(newest) => (newest.map(RunV1::of), None),
            Err(error) => (None, Some(error)),
        };
        let (plan, lease) = (plan.to_owned(), lease.map(LeaseV1::of));
        Self { plan, runs, newest, error, lease }
    }
}

impl ShowV1 {
    pub(super) fn of(plan: &str, runs: Vec<ShownV1>, lease: Option<&Holder>) -> Self {
        let (plan, lease) = (plan.to_owned(), lease.map(LeaseV1::of));
        Self { version: VERSION, plan, runs, lease }
    }
}

impl ShownV1 {
    pub(super) fn of(id: &RunId, run: Result<&Found, String>) -> Self {
        let (run, error) = match run {
            Ok(found) => (Some(RunV1::of(&RunEntry::of(found))), None),
            Err(error) => (None, Some(error)),
        };
        Self { name: id.name.clone(), run, error }
    }
}

impl RunV1 {
    fn of(entry: &RunEntry) -> Self {
        let RunEntry { name, artifact, is_way_back, is_given_up, entries, head, stage } = entry;
        Self {
            name: name.clone(),
            artifact: artifact.to_string(),
            way_back: *is_way_back,
            given_up: *is_given_up,
            entries: *entries,
            head: head.to_string(),
            stage: stage.word(),
        }
    }
}

impl LeaseV1 {
    fn of(Holder { owner, host, since, until, fence }: &Holder) -> Self {
        let exact = |at| show_exact(Timestamp::from(at));
        let (since, until) = (exact(*since), until.map(exact));
        Self { owner: owner.clone(), host: host.clone(), since, until, fence: *fence }
    }
}
