//! What the runs that a run supersedes have done of its tasks.

use std::sync::Arc;

use super::store::{ReadResult, RunId, Runs, Store};
use crate::calendar::Timestamp;
use crate::digest::Digest;
use crate::engine::work::{Earlier, done_of};
use crate::graph::Step;

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
