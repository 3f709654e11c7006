//! The journals of earlier runs, as far as a new plan has to know of them: see `engine::history`.

use std::path::Path;
use std::{fs, io};

use super::store::{StoreError, read_run};
use crate::calendar::Moment;
use crate::digest::Digest;
use crate::engine::history::History;
use crate::intent::Intent;
use crate::observe::Snapshot;

/// Puts what the journals below a state directory say of a snapshot's zones into it.
///
/// # Errors
/// [`StoreError`], for a journal that cannot be trusted: nobody knows then what it has done.
pub fn remember(
    state: &Path,
    (intent, plan): (&Intent, Digest),
    snapshot: &mut Snapshot,
    now: Moment,
) -> Result<(), StoreError> {
    let mut history = History::new(snapshot, intent, plan, now);
    for plan in folders(state)? {
        for run in folders(&plan)? {
            if run.join("journal.jsonl").exists() && run.join("artifact.json").exists() {
                let found = read_run(&run)?.run;
                history.add(&found.artifact, &found.state);
            }
        }
    }
    history.end();
    Ok(())
}

pub(super) fn folders(dir: &Path) -> Result<Vec<std::path::PathBuf>, StoreError> {
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
