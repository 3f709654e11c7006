//! What whoever has driven a plan says of its newest run when it leaves it.
//!
//! In a store that shares out plans ([`Store::shares_out`]), a list of all of them and the search for
//! one that is due need not read every run. What is said follows from the artifact and the journal,
//! and the store drops it as soon as the journal has another entry. Whoever continues a run reads the
//! run itself.
//!
//! [`Store::shares_out`]: crate::world::real::store::Store::shares_out

mod v2;

use std::collections::BTreeSet;
use std::time::Duration;

use cutover_zone::Name;
use serde::{Deserialize, Serialize};

use super::due::{Due, LOOK_EVERY, Looked, look};
use super::exit::Exit;
use super::failure::Failure;
use crate::digest::Digest;
use crate::engine::view::{RunView, Stage};
use crate::render::overview::Line;
use crate::world::Run;
use crate::world::real::clashes::is_open;
use crate::world::real::now;
use crate::world::real::store::{Found, Lease, Runs, Standing as Said, StoreResult};

/// Zones that are named at most. Our choice: a run of more is read whenever its zones matter, and a
/// list of ten thousand plans stays small.
const ZONES_MAX: usize = 32;

/// What is said of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// What `status --all` shows.
    pub(super) line: Line,
    /// How `apply` would end now.
    pub(super) exit: Exit,
    /// When it can be continued.
    pub(super) due: Due,
    /// Whether the run, or its way back, still has something to do.
    pub(super) is_open: bool,
    /// The zones that the run changes or relies on, if the plan has no other run; `None`: they have to
    /// be looked up.
    pub(super) zones: Option<BTreeSet<Name>>,
    /// What `state list` shows of the run.
    pub(super) entry: RunEntry,
}

/// A run in a list of stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RunEntry {
    /// Its name.
    pub(super) name: String,
    /// The digest of its artifact.
    pub(super) artifact: Digest,
    /// Whether it is the way back of another run.
    pub(super) is_way_back: bool,
    /// Whether it was taken out of the row of runs.
    pub(super) is_given_up: bool,
    /// How many entries its journal has.
    pub(super) entries: u64,
    /// The digest of the last line of its journal.
    pub(super) head: Digest,
    /// What it is doing.
    pub(super) stage: RunStage,
}

/// What a run is doing, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RunStage {
    Unopened,
    Running,
    Settling,
    Halted,
    Finished,
}

impl RunStage {
    pub(super) fn of(run: &Run) -> Self {
        if run.state.opened.is_none() {
            return Self::Unopened;
        }
        match RunView::of(&run.artifact, &run.state, now()).stage {
            Stage::Running => Self::Running,
            Stage::Settling => Self::Settling,
            Stage::Halted(_) => Self::Halted,
            Stage::Finished { .. } => Self::Finished,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Unopened => "unopened",
            Self::Running => "running",
            Self::Settling => "settling",
            Self::Halted => "halted",
            Self::Finished => "finished",
        }
    }
}

impl RunEntry {
    /// A run that was read.
    pub(super) fn of(Found { run, id, incomplete_octets: _ }: &Found) -> Self {
        Self {
            name: id.name.clone(),
            artifact: run.state.artifact(),
            is_way_back: run.artifact.is_way_back(),
            is_given_up: id.number().is_none(),
            entries: run.seq,
            head: run.head,
            stage: RunStage::of(run),
        }
    }
}

impl Standing {
    /// What is to be said of a run that was looked at. `is_only`: its plan has no other run.
    pub(super) fn of(Looked { found, due, providers: _ }: &Looked, is_only: bool) -> Self {
        let (artifact, state) = (&found.run.artifact, &found.run.state);
        let view = RunView::of(artifact, state, now());
        let zones: BTreeSet<Name> =
            artifact.zones.keys().chain(artifact.relies_on.keys()).cloned().collect();
        let zones = Some(zones).filter(|zones| is_only && zones.len() <= ZONES_MAX);
        let (line, exit) = (Line::of(&view), Exit::of_run(&view));
        let entry = RunEntry::of(found);
        Self { line, exit, due: *due, is_open: is_open(found), zones, entry }
    }

    /// Reads what was said; `None` if another version of the program has said it, in a form that this
    /// one does not know.
    pub(super) fn read(text: &str) -> Option<Self> {
        v2::read(text)
    }

    /// Whether no run of the plan changes or relies on anything in these zones, or in zones above or
    /// below them.
    pub(super) fn is_apart_from(&self, zones: &BTreeSet<Name>) -> bool {
        let meet =
            |one: &Name, other: &Name| one.is_at_or_below(other) || other.is_at_or_below(one);
        let theirs = self.zones.as_ref();
        theirs
            .is_some_and(|theirs| !theirs.iter().any(|one| zones.iter().any(|own| meet(one, own))))
    }
}

/// When a plan is due again whose run can be continued at once. Our choice: whatever was left undone
/// is not tried without a pause.
const AGAIN: Duration = Duration::from_secs(1);

/// Does something under a lease, then says how the newest run of the plan stands, and gives the lease
/// back.
pub(super) async fn holding<T>(
    runs: &Runs,
    mut lease: Box<dyn Lease>,
    work: impl AsyncFnOnce(&mut dyn Lease) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let ended = work(&mut *lease).await;
    let rest = match &ended {
        Ok(_) => AGAIN,
        // Somebody else may go on at once.
        Err(Failure { exit: Exit::Stopped(_), .. }) => Duration::ZERO,
        Err(_) => LOOK_EVERY,
    };
    // If that fails, the plan is due as before, and its run is read by whoever wants to know of it.
    let _ = leave(runs, &mut *lease, rest).await;
    let _ = lease.give_back().await;
    ended
}

/// Says how the newest run of a plan stands, and when the plan is due again, but not before `rest` has
/// passed. In a store that keeps no such thing, it does nothing.
///
/// # Errors
/// `StoreError`.
pub(super) async fn leave(runs: &Runs, lease: &mut dyn Lease, rest: Duration) -> StoreResult<()> {
    if !runs.store().shares_out() {
        return Ok(());
    }
    match look(runs).await {
        Ok(Some(looked)) => leave_as(runs, lease, &looked, rest).await,
        Ok(None) => lease.rest(None, None).await,
        // Whoever looks next says why it cannot be read.
        Err(_) => lease.rest(Some(LOOK_EVERY), None).await,
    }
}

/// The same for a plan that was just looked at.
///
/// # Errors
/// `StoreError`.
pub(super) async fn leave_as(
    runs: &Runs,
    lease: &mut dyn Lease,
    looked: &Looked,
    rest: Duration,
) -> StoreResult<()> {
    let Looked { found, due, providers: _ } = looked;
    let is_only = runs.store().runs(runs.plan()).await?.len() == 1;
    let said = Said {
        run: found.id.clone(),
        head: found.run.head,
        text: v2::write(&Standing::of(looked, is_only)),
    };
    lease.rest(due.span(now()).map(|span| span.max(rest)), Some(&said)).await
}
