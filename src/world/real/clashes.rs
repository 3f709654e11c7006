//! Conflicts with the open runs of other plans in the same store. While a run is open, no other
//! plan may change what it changes.
//!
//! A run in another store cannot be seen here. Two such runs share only the zone, and the second to
//! change a record halts for drift.

use std::collections::BTreeSet;
use std::sync::Arc;

use cutover_zone::{Name, RrKey};

use super::store::{Found, Listed, ReadResult, Runs, Store};
use crate::artifact::Artifact;
use crate::graph::{Primitive, StepGraph};

/// Another plan whose open run conflicts with an artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clash {
    /// The other plan's name.
    pub plan: String,
    /// The records that both change.
    pub keys: BTreeSet<RrKey>,
    /// The records that either changes and on which the proof of the other relies.
    pub relied: BTreeSet<RrKey>,
}

/// The open runs of other plans that change what an artifact changes or relies on, or that rely on
/// what it changes. Runs that are known to be `apart` from it, by what the store says of them
/// ([`Listed::standing`]), are not read.
///
/// # Errors
/// [`super::store::ReadError`], for a journal that cannot be trusted.
pub async fn clashes(
    store: &Arc<dyn Store>,
    artifact: &Artifact,
    apart: impl Fn(&str) -> bool,
) -> ReadResult<Vec<Clash>> {
    let own = changed(artifact);
    let mut found = Vec::new();
    for Listed { plan, standing } in store.listed().await? {
        if plan == artifact.name || standing.is_some_and(|standing| apart(&standing)) {
            continue;
        }
        let Some(other) = Runs::new(Arc::clone(store), &plan).newest().await? else { continue };
        if !is_open(&other) {
            continue;
        }
        let theirs = changed(&other.run.artifact);
        let common = |left: &BTreeSet<(&Name, &RrKey)>, right: &BTreeSet<(&Name, &RrKey)>| {
            left.intersection(right).map(|(_, key)| (*key).clone()).collect::<BTreeSet<RrKey>>()
        };
        let keys = common(&own, &theirs);
        let mut relied = common(&own, &relied_on(&other.run.artifact));
        relied.extend(common(&theirs, &relied_on(artifact)));
        if !keys.is_empty() || !relied.is_empty() {
            found.push(Clash { plan, keys, relied });
        }
    }
    Ok(found)
}

/// Whether a run, or its way back if it was rolled back, still has something to do.
#[must_use]
pub fn is_open(found: &Found) -> bool {
    let state = &found.run.state;
    let has_to_go_back = state.turned_back.is_some() && !found.run.artifact.is_way_back();
    state.finished.is_none() || has_to_go_back
}

/// The records on which an artifact's proof relies.
fn relied_on(artifact: &Artifact) -> BTreeSet<(&Name, &RrKey)> {
    let zones = artifact.relies_on.iter();
    zones.flat_map(|(zone, relied)| relied.rrsets.keys().map(move |key| (zone, key))).collect()
}

/// The records that an artifact changes, including those on its ways back.
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
