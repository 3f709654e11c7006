//! Runs of other plans in the same store: what one of them changes, no other may change
//! before it is done.
//!
//! Whether there is another store for the same zone, nobody can know: there the zone itself
//! is all that they share, and whoever comes second halts for drift.

use std::collections::BTreeSet;
use std::sync::Arc;

use cutover_contract::{Name, RrKey};

use super::store::{Found, Runs, Store, StoreResult};
use crate::artifact::Artifact;
use crate::graph::{Primitive, StepGraph};

/// Another plan, whose run is open and gets in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clash {
    /// The other plan's name.
    pub plan: String,
    /// The records that both change.
    pub keys: BTreeSet<RrKey>,
    /// The records that one changes, and on which the proof of the other relies.
    pub relied: BTreeSet<RrKey>,
}

/// The runs of other plans that are open, and change what an artifact changes or relies on, or rely on
/// what it changes.
///
/// # Errors
/// [`super::store::StoreError`], for a journal that cannot be trusted.
pub async fn clashes(store: &Arc<dyn Store>, artifact: &Artifact) -> StoreResult<Vec<Clash>> {
    let own = changed(artifact);
    let mut found = Vec::new();
    for plan in store.plans().await? {
        if plan == artifact.name {
            continue;
        }
        let Some(other) = Runs::new(Arc::clone(store), &plan).newest().await? else { continue };
        if !is_open(&other) {
            continue;
        }
        let theirs = changed(&other.run.artifact);
        let of_both = |one: &BTreeSet<(&Name, &RrKey)>, other: &BTreeSet<(&Name, &RrKey)>| {
            one.intersection(other).map(|(_, key)| (*key).clone()).collect::<BTreeSet<RrKey>>()
        };
        let keys = of_both(&own, &theirs);
        let mut relied = of_both(&own, &relied_on(&other.run.artifact));
        relied.extend(of_both(&theirs, &relied_on(artifact)));
        if !keys.is_empty() || !relied.is_empty() {
            found.push(Clash { plan, keys, relied });
        }
    }
    Ok(found)
}

/// Whether a run, or the way back that it was turned to, has something to do yet.
fn is_open(found: &Found) -> bool {
    let state = &found.run.state;
    let has_to_go_back = state.turned_back.is_some() && !found.run.artifact.is_way_back();
    state.finished.is_none() || has_to_go_back
}

/// What an artifact's proof relies on.
fn relied_on(artifact: &Artifact) -> BTreeSet<(&Name, &RrKey)> {
    let zones = artifact.relies_on.iter();
    zones.flat_map(|(zone, relied)| relied.rrsets.keys().map(move |key| (zone, key))).collect()
}

/// What an artifact changes, on its ways back too.
fn changed(artifact: &Artifact) -> BTreeSet<(&Name, &RrKey)> {
    let back = artifact.rollback_points.iter().map(|point| &point.graph);
    let steps = std::iter::once(&artifact.graph).chain(back).flat_map(StepGraph::steps);
    let changes = steps.filter_map(|step| match &step.primitive {
        Primitive::Change(changes) => Some(changes),
        Primitive::Wait(_) | Primitive::Gate(_) | Primitive::Task(_) | Primitive::Checkpoint(_) => {
            None
        }
    });
    changes
        .flat_map(|changes| changes.changes().iter().map(|change| (changes.zone(), &change.key)))
        .collect()
}
