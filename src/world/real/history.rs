//! What earlier runs have replaced, and caches may still hold.
//!
//! A run that was given up has lowered TTLs, or has switched records, and its journal knows when. A
//! new plan of the same zones has to wait out what was there before, as if it had replaced it itself;
//! and the TTL that it restores in the end is the one from before, not the lowered one.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use cutover_contract::{RrKey, RrSet, Ttl};

use super::store::{StoreError, read_run};
use crate::calendar::{Moment, later};
use crate::engine::StepState;
use crate::graph::Primitive;
use crate::model::hold::hold_of_replaced;
use crate::observe::Snapshot;

/// Puts what the journals below a state directory say of a snapshot's zones into it.
///
/// # Errors
/// [`StoreError`], for a journal that cannot be trusted: nobody knows then what it has done.
pub fn remember(state: &Path, snapshot: &mut Snapshot, now: Moment) -> Result<(), StoreError> {
    let mut earlier: BTreeMap<RrKey, Vec<Option<RrSet>>> = BTreeMap::new();
    for plan in folders(state)? {
        for run in folders(&plan)? {
            if run.join("journal.jsonl").exists() && run.join("artifact.json").exists() {
                of_run(&run, snapshot, &mut earlier, now)?;
            }
        }
    }
    snapshot.earlier = earlier;
    Ok(())
}

fn folders(dir: &Path) -> Result<Vec<std::path::PathBuf>, StoreError> {
    let failed = |source| StoreError::Io { path: dir.to_owned(), source };
    let listing = match fs::read_dir(dir) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(failed(source)),
    };
    let mut found = Vec::new();
    for entry in listing {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn of_run(
    dir: &Path,
    snapshot: &mut Snapshot,
    earlier: &mut BTreeMap<RrKey, Vec<Option<RrSet>>>,
    now: Moment,
) -> Result<(), StoreError> {
    let found = read_run(dir)?;
    let (artifact, state) = (&found.run.artifact, &found.run.state);
    // A run that was turned back has lowered TTLs that its way back may have left low.
    let keeps_ttls = artifact.is_way_back() || (state.finished.is_some() && !state.leaves());
    let mut first_ttls: BTreeMap<RrKey, Ttl> = BTreeMap::new();
    for (place, step) in artifact.graph.steps().iter().enumerate() {
        let Primitive::Change(changes) = &step.primitive else { continue };
        let Some(zone) = snapshot.zones.get(changes.zone()) else { continue };
        let since = match state.at(place) {
            StepState::Pending { .. } => continue,
            StepState::Done { at } => at,
            // Some server may serve it still.
            StepState::Begun
            | StepState::InDoubt { .. }
            | StepState::Written { .. }
            | StepState::Waiting { .. }
            | StepState::Probing { .. } => now.at,
        };
        for change in changes.changes() {
            let hold = hold_of_replaced(change.before.as_ref(), zone, &change.key);
            let live = zone.get(&change.key);
            let is_held =
                now.at < later(since, hold) || !state.remaining(place, hold, now).is_zero();
            if is_held && change.before.as_ref() != live {
                let versions = earlier.entry(change.key.clone()).or_default();
                if !versions.contains(&change.before) {
                    versions.push(change.before.clone());
                }
            }
            if let Some(before) = &change.before {
                first_ttls.entry(change.key.clone()).or_insert(before.ttl());
            }
            // What stands as the run has left it has the TTL that the run gave it.
            if !keeps_ttls
                && live.is_some()
                && live == change.after.as_ref()
                && let Some(ttl) = first_ttls.get(&change.key)
            {
                snapshot.original_ttls.insert(change.key.clone(), *ttl);
            }
        }
    }
    Ok(())
}
