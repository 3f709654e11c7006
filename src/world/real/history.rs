//! The journals of earlier runs, as far as a new plan has to know of them: see `engine::history`.

use std::sync::Arc;

use super::store::{Runs, Store, StoreResult};
use crate::calendar::Moment;
use crate::digest::Digest;
use crate::engine::history::History;
use crate::intent::Intent;
use crate::observe::Snapshot;

/// Puts what the journals in a store say of a snapshot's zones into it.
///
/// # Errors
/// [`super::store::StoreError`], for a journal that cannot be trusted: nobody knows then what its run
/// has done.
pub async fn remember(
    store: &Arc<dyn Store>,
    (intent, plan): (&Intent, Digest),
    snapshot: &mut Snapshot,
    now: Moment,
) -> StoreResult<()> {
    let mut history = History::new(snapshot, intent, plan, now);
    for plan in store.plans().await? {
        let runs = Runs::new(Arc::clone(store), &plan);
        runs.each(&mut |found| history.add(&found.run.artifact, &found.run.state)).await?;
    }
    history.end();
    Ok(())
}
