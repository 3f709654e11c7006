//! What a new plan has to know from the journals of earlier runs: see `history`.

use std::sync::Arc;

use super::store::{ReadResult, Runs, Store};
use crate::calendar::Moment;
use crate::digest::Digest;
use crate::history::History;
use crate::intent::Intent;
use crate::observe::Snapshot;

/// Adds to a snapshot what the journals in a store say about its zones.
///
/// # Errors
/// [`super::store::ReadError`] for a journal that cannot be trusted, because then it is not known
/// what its run has done.
pub async fn add_history(
    store: &Arc<dyn Store>,
    (intent, plan): (&Intent, Digest),
    snapshot: &mut Snapshot,
    now: Moment,
) -> ReadResult<()> {
    let mut history = History::new(snapshot, intent, plan, now);
    for plan in store.plans().await? {
        let runs = Runs::new(Arc::clone(store), &plan);
        runs.each(&mut |found| history.add(&found.run.artifact, &found.run.state)).await?;
    }
    history.end();
    Ok(())
}
