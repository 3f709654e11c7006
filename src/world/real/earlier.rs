//! What the runs that a run supersedes have done of its tasks.

use std::sync::Arc;

use super::store::{Found, ReadResult, RunId, Runs, Store};
use crate::artifact::Artifact;
use crate::calendar::Timestamp;
use crate::digest::Digest;
use crate::engine::work::{Earlier, done_if_replaced, done_of};
use crate::graph::{Step, StepId};

/// The tasks of a new artifact that an open run, or one before it, has done: if it supersedes that
/// run, they are not done again.
///
/// # Errors
/// As [`done`].
pub async fn kept(runs: &Runs, open: &Found, artifact: &Artifact) -> ReadResult<Vec<StepId>> {
    let mut kept = Vec::new();
    for step in artifact.graph.steps() {
        let is_done = match done_if_replaced(&open.run.artifact, &open.run.state, step) {
            Earlier::Done { .. } => true,
            Earlier::Open { parent } => done(runs.store(), &open.id, step, parent).await?.is_some(),
            Earlier::Nothing => false,
        };
        kept.extend(is_done.then(|| step.id.clone()));
    }
    Ok(kept)
}

/// When the same work was done by a run in the chain that `own` supersedes; `parent` is the artifact
/// of the last one.
///
/// # Errors
/// [`super::store::ReadError`] for a journal that cannot be trusted: it is not known then what its
/// run has done.
pub(super) async fn done(
    store: &Arc<dyn Store>,
    own: &RunId,
    step: &Step,
    mut parent: Digest,
) -> ReadResult<Option<Timestamp>> {
    let runs = Runs::new(Arc::clone(store), &own.plan);
    let before = runs.numbers().await?.into_iter().filter(|number| Some(*number) < own.number());
    for number in before.rev() {
        let Some(found) = runs.run(number).await? else { continue };
        if found.run.state.artifact() != parent {
            continue;
        }
        match done_of(&found.run.artifact, &found.run.state, step) {
            Earlier::Done { at } => return Ok(Some(at)),
            Earlier::Open { parent: earlier } => parent = earlier,
            Earlier::Nothing => return Ok(None),
        }
    }
    Ok(None)
}
