//! An export becomes part of a store.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::ops::ControlFlow;
use std::sync::Arc;

use cutover_store::StoreResult;

use super::Whole;
use super::v1::{self, LineProblem};
use crate::digest::Digest;
use crate::world::real::store::{
    Claim, Lease, Line, Note, Part, ReadError, RunId, Store, StoreError,
};

/// Why an export was not imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The text cannot be read.
    #[error("the export cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// It is not a whole export, or holds what cannot be trusted.
    #[error("line {line}: {problem}")]
    Line {
        /// The number of the line, from 1.
        line: u64,
        /// What is wrong with it.
        #[source]
        problem: LineProblem,
    },
    /// The store has another run of this name, or one that the export does not have.
    #[error("the store has a run {run} that {why}")]
    Differs {
        /// The run.
        run: RunId,
        /// How it differs.
        why: Difference,
    },
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the store holds now is not what was written.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// How a run in the store differs from the exported one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// The export does not have it.
    #[error("the export does not have")]
    Unknown,
    /// It has another artifact.
    #[error("has another artifact")]
    Artifact,
    /// Its journal has another line.
    #[error("has another journal")]
    Journal,
    /// Its journal is longer, though other runs of the plan are behind.
    #[error("has more entries than the export")]
    Ahead,
}

/// A run that was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The run.
    pub run: RunId,
    /// The digest of the last line of its journal in the export.
    pub head: Digest,
    /// What was done.
    pub outcome: Outcome,
}

/// What an import did with a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was created.
    Created,
    /// So many entries were added.
    Extended(usize),
    /// Everything was there.
    There,
}

/// How a run in a store compares with the exported one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compared {
    Missing,
    /// The store has this many of its lines.
    Has(usize),
    /// The store has all lines, and more.
    Ahead,
}

/// Reads a whole export and checks it: the form, every artifact, every entry, and the digest.
///
/// # Errors
/// [`ImportError::Io`] and [`ImportError::Line`].
pub fn read(from: &mut dyn BufRead) -> Result<Vec<Whole>, ImportError> {
    v1::read(from)?.map_err(|(line, problem)| ImportError::Line { line, problem })
}

/// Adds runs to a store. Everything is compared first, and the leases of all plans that lack
/// something are taken, before anything is written.
///
/// # Errors
/// [`ImportError`]. If the store fails halfway, the same import goes on where it ended.
pub async fn import(
    store: &Arc<dyn Store>,
    runs: &[Whole],
    claim: &Claim,
) -> Result<Vec<Imported>, ImportError> {
    let mut plans: BTreeMap<&str, Vec<&Whole>> = BTreeMap::new();
    for run in runs {
        plans.entry(&run.id.plan).or_default().push(run);
    }
    let mut leases: BTreeMap<&str, Box<dyn Lease>> = BTreeMap::new();
    for (plan, runs) in &plans {
        if lacks(&compare(store, plan, runs).await?, runs) {
            leases.insert(plan, store.lease(plan, claim).await?);
        }
    }
    let mut imported = Vec::new();
    for (plan, runs) in &plans {
        let compared = compare(store, plan, runs).await?;
        for (run, compared) in runs.iter().zip(compared) {
            let outcome = match leases.get_mut(plan) {
                Some(lease) => add(store, &mut **lease, run, compared).await?,
                None => Outcome::There,
            };
            imported.push(Imported { run: run.id.clone(), head: run.head(), outcome });
        }
    }
    Ok(imported)
}

/// Whether something has to be written.
fn lacks(compared: &[Compared], runs: &[&Whole]) -> bool {
    compared.iter().zip(runs).any(|(compared, run)| match compared {
        Compared::Missing => true,
        Compared::Has(lines) => *lines < run.lines.len(),
        Compared::Ahead => false,
    })
}

/// Compares the runs of a plan with those in the store.
async fn compare(
    store: &Arc<dyn Store>,
    plan: &str,
    runs: &[&Whole],
) -> Result<Vec<Compared>, ImportError> {
    let there = store.runs(plan).await?;
    let mut compared = Vec::new();
    for run in runs {
        compared.push(match there.contains(&run.id) {
            false => Compared::Missing,
            true => compare_one(store, run).await?,
        });
    }
    if lacks(&compared, runs) {
        let differs = |run: &RunId, why| ImportError::Differs { run: run.clone(), why };
        if let Some(run) = there.iter().find(|id| !runs.iter().any(|run| run.id == **id)) {
            return Err(differs(run, Difference::Unknown));
        }
        let mut pairs = compared.iter().zip(runs);
        if let Some((_, run)) = pairs.find(|(compared, _)| **compared == Compared::Ahead) {
            return Err(differs(&run.id, Difference::Ahead));
        }
    }
    Ok(compared)
}

async fn compare_one(store: &Arc<dyn Store>, run: &Whole) -> Result<Compared, ImportError> {
    let differs = |why| ImportError::Differs { run: run.id.clone(), why };
    if store.artifact(&run.id).await? != run.artifact {
        return Err(differs(Difference::Artifact));
    }
    let (mut same, mut compared) = (0, None);
    let mut take = |line: &[u8]| {
        match run.lines.get(same) {
            Some(own) if own.as_bytes() == line => same += 1,
            Some(_) => compared = Some(Err(Difference::Journal)),
            None => compared = Some(Ok(Compared::Ahead)),
        }
        if compared.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    store.lines(&run.id, &mut take).await?;
    compared.unwrap_or(Ok(Compared::Has(same))).map_err(differs)
}

/// Adds what a store lacks of a run, and looks whether it is there.
async fn add(
    store: &Arc<dyn Store>,
    lease: &mut dyn Lease,
    run: &Whole,
    compared: Compared,
) -> Result<Outcome, ImportError> {
    let has = match compared {
        Compared::Missing => {
            lease.create_named(&run.id, &run.artifact).await?;
            0
        }
        Compared::Has(lines) => lines,
        Compared::Ahead => return Ok(Outcome::There),
    };
    let lines: Vec<Line> = run.lines[has..].iter().map(Line::new).collect();
    if !lines.is_empty() {
        let before = has.checked_sub(1).map_or("", |last| &run.lines[last]);
        // What the process of the run needs comes first: with its last line it may go on.
        if let Some((digest, artifact)) = &run.next
            && store.kept(&run.id, *digest).await?.is_none()
        {
            lease.keep(&run.id, *digest, artifact).await?;
        }
        leave(store, run).await?;
        lease.append(&run.id, Digest::of(before.as_bytes()), &lines).await?;
    }
    if compare_one(store, run).await? != Compared::Has(run.lines.len()) {
        let place = store.place(&run.id, Part::Journal);
        return Err(StoreError::Conflict { place }.into());
    }
    Ok(match (compared, lines.len()) {
        (Compared::Missing, _) => Outcome::Created,
        (Compared::Has(_) | Compared::Ahead, 0) => Outcome::There,
        (Compared::Has(_) | Compared::Ahead, added) => Outcome::Extended(added),
    })
}

async fn leave(store: &Arc<dyn Store>, run: &Whole) -> StoreResult<()> {
    for (step, text) in &run.notes {
        let note = step.as_ref().map_or(Note::TurnBack, |step| Note::Done(step.as_str()));
        store.leave(&run.id, note, text).await?;
    }
    Ok(())
}
