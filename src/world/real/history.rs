//! What a new plan has to know from the journals of earlier runs: see `history`.

use std::collections::BTreeSet;
use std::sync::Arc;

use cutover_zone::Name;

use super::store::{Listed, ReadResult, Runs, Store};
use crate::calendar::Moment;
use crate::digest::Digest;
use crate::history::History;
use crate::intent::Intent;
use crate::observe::Snapshot;

/// Adds to a snapshot what the journals in a store say about its zones. Other plans are not read whose
/// runs are known to be `apart` from these zones, by what the store says of them
/// ([`Listed::standing`]).
///
/// # Errors
/// [`super::store::ReadError`] for a journal that cannot be trusted, because then it is not known
/// what its run has done.
pub async fn add_history(
    store: &Arc<dyn Store>,
    (intent, plan): (&Intent, Digest),
    snapshot: &mut Snapshot,
    now: Moment,
    apart: impl Fn(&str, &BTreeSet<Name>) -> bool,
) -> ReadResult<()> {
    let (name, zones) = (&intent.name, snapshot.zones.keys().cloned().collect());
    let mut history = History::new(snapshot, intent, plan, now);
    for Listed { plan, standing } in store.listed().await? {
        if plan != *name && standing.is_some_and(|standing| apart(&standing, &zones)) {
            continue;
        }
        let runs = Runs::new(Arc::clone(store), &plan);
        runs.each(&mut |found| history.add(&found.run.artifact, &found.run.state)).await?;
    }
    history.end();
    Ok(())
}
