//! A store whose line is cut: a process writes until something fails, and another one goes on.

use std::time::Duration;

use cutover_base::digest::Digest;
use cutover_store::{RunId, Store, StoreError};

use super::{PLAN, claim, line, lines, none};

/// What a process knows to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The run that it has created.
    run: Option<RunId>,
    /// How many batches of lines it has written.
    batches: usize,
    /// Whether it could read everything at the end.
    read: bool,
}

/// The lines that the process writes, in batches of different sizes.
const BATCHES: &[&[&str]] = &[&["0"], &["1", "2", "3"], &["4"]];

impl Progress {
    /// That of a process to which nothing happens.
    #[must_use]
    pub fn whole(run: &RunId) -> Self {
        Self { run: Some(run.clone()), batches: BATCHES.len(), read: true }
    }
}

/// All lines, each after the one before it, as batches.
fn batches() -> Vec<Vec<cutover_store::Line>> {
    let mut after = none();
    let mut batches = Vec::new();
    for batch in BATCHES {
        let mut made = Vec::new();
        for text in *batch {
            let next = line(text, after);
            after = next.digest();
            made.push(next);
        }
        batches.push(made);
    }
    batches
}

/// Writes a run, and stops at the first error, as the driver of a run does.
pub async fn write(store: &dyn Store) -> Progress {
    let mut progress = Progress::default();
    // What went wrong does not matter: it is looked at what is there.
    let _ = try_to_write(store, &mut progress).await;
    progress
}

async fn try_to_write(store: &dyn Store, progress: &mut Progress) -> Result<(), StoreError> {
    let mut lease = store.lease(PLAN, &claim("the writer")).await?;
    let run = lease.create("an artifact").await?;
    progress.run = Some(run.clone());
    let mut after = none();
    for batch in batches() {
        lease.append(&run, after, &batch).await?;
        progress.batches += 1;
        after = batch.last().map_or(none(), cutover_store::Line::digest);
    }
    drop(lease);
    store.artifact(&run).await?;
    progress.read = true;
    Ok(())
}

/// Goes on where a process has stopped, and looks that nothing is lost or doubled.
///
/// # Panics
/// If something is.
pub async fn check(store: &dyn Store, progress: &Progress, context: &str) {
    if let Some(holder) = store.holder(PLAN).await.expect("an answer") {
        assert!(store.unlock(PLAN, holder.fence).await.expect("taken away"), "{context}");
    }
    let mut lease = store.lease(PLAN, &claim("the next")).await.expect("nobody has it");
    let there = store.runs(PLAN).await.expect("runs");
    assert!(there.len() <= 1, "{context}: {there:?}");
    let Some(run) = there.first() else {
        assert_eq!(progress.run, None, "{context}: the run was lost");
        return;
    };
    assert_eq!(store.artifact(run).await.expect("an artifact"), "an artifact");
    let all = batches();
    let found = lines(store, run).await;
    // Whole batches, in order: those that the process knows of, and perhaps the next one.
    let whole = |count: usize| -> Vec<String> {
        all[..count].iter().flatten().map(|line| line.text().to_owned()).collect()
    };
    let next = (progress.batches + 1).min(all.len());
    let is_next = found == whole(next);
    assert!(found == whole(progress.batches) || is_next, "{context}: {found:?}");
    for batch in &all[if is_next { next } else { progress.batches }..] {
        let head = lines(store, run).await.last().map_or(none(), |l| Digest::of(l.as_bytes()));
        lease.append(run, head, batch).await.expect("written");
    }
    assert_eq!(lines(store, run).await, whole(all.len()), "{context}");
    let _ = tokio::time::timeout(Duration::from_secs(5), lease.renew()).await;
}
