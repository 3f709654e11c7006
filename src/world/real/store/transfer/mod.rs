//! Runs on their way from one store to another: the whole of a store, or of some of its plans, as
//! text that another store can take.
//!
//! An export is lines of JSON ([`v1`]): each run with the text of its artifact, the lines of its
//! journal as they are, and what its process still needs. The last line has the digest of all the
//! lines before it, so a part is never taken for the whole. Artifacts and journals are checked when
//! they are exported, and again when they are imported, as whenever they are read.
//!
//! An import adds to a store and changes nothing in it. A run that is there already may lack the end
//! of its journal, as after an import that was cut off; any other difference is refused before
//! anything is written.

mod import;
mod v1;

use std::io::Write;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::{Note, Part, ReadError, ReadResult, RunId, Store};
use crate::artifact::Artifact;
use crate::digest::Digest;
use crate::graph::StepId;
use crate::world::Run;

pub use import::{ImportError, Imported, Outcome, import, read};
pub use v1::{EXPORT_OCTETS_MAX, FORMAT, LineProblem};

/// A run with everything that a store holds of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    /// Its name.
    pub id: RunId,
    /// The text of its artifact.
    pub artifact: String,
    /// The lines of its journal, without line ends.
    pub lines: Vec<String>,
    /// The artifact that supersedes it, until it has settled what it has begun.
    pub next: Option<(Digest, String)>,
    /// What people have left for the process that drives it; the step, or a rollback.
    pub notes: Vec<(Option<StepId>, String)>,
}

impl Whole {
    /// The digest of the last line, or of nothing.
    #[must_use]
    pub fn head(&self) -> Digest {
        Digest::of(self.lines.last().map_or("", String::as_str).as_bytes())
    }

    /// Reads a run from a store, and checks it.
    ///
    /// # Errors
    /// [`ReadError`] for anything in it that cannot be trusted.
    pub async fn of(store: &Arc<dyn Store>, id: RunId) -> ReadResult<Self> {
        let text = store.artifact(&id).await?;
        let artifact = Artifact::decode(&text).map_err(|source| ReadError::Artifact {
            place: store.place(&id, Part::Artifact),
            source,
        })?;
        let digest = artifact.digest();
        let mut run = Run::new(artifact, digest);
        let (mut lines, mut refused) = (Vec::new(), None);
        let mut take = |line: &[u8]| match run.read_line(line) {
            Ok(_) => {
                lines.push(String::from_utf8(line.to_vec()).expect("an entry is text"));
                ControlFlow::Continue(())
            }
            Err(source) => {
                refused = Some((run.seq + 1, source));
                ControlFlow::Break(())
            }
        };
        store.lines(&id, &mut take).await?;
        if let Some((line, source)) = refused {
            return Err(ReadError::Line { place: store.place(&id, Part::Journal), line, source });
        }
        let next = match run.state.replaced {
            Some(by) => store.kept(&id, by).await?.map(|text| (by, text)),
            None => None,
        };
        let notes = notes(store, &id, &run).await?;
        Ok(Self { id, artifact: text, lines, next, notes })
    }
}

/// The notes that the process that drives a run may still read.
async fn notes(
    store: &Arc<dyn Store>,
    id: &RunId,
    run: &Run,
) -> ReadResult<Vec<(Option<StepId>, String)>> {
    let mut notes = Vec::new();
    if run.state.finished.is_some() {
        return Ok(notes);
    }
    for step in run.artifact.graph.steps() {
        if run.state.of(&run.artifact, &step.id).is_done() {
            continue;
        }
        let said = store.note(id, Note::Done(step.id.as_str())).await?;
        notes.extend(said.map(|text| (Some(step.id.clone()), text)));
    }
    let back = store.note(id, Note::TurnBack).await?;
    notes.extend(back.map(|text| (None, text)));
    Ok(notes)
}

/// What was exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// The runs.
    pub runs: u64,
    /// The entries of their journals.
    pub entries: u64,
}

/// Why an export failed.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store cannot be read, or holds what cannot be trusted.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The text cannot be written.
    #[error("the export cannot be written: {0}")]
    Write(#[from] std::io::Error),
}

/// Writes all runs of these plans, in order.
///
/// # Errors
/// [`ExportError`]; what was written until then is not an export, because its last line is missing.
pub async fn export(
    store: &Arc<dyn Store>,
    plans: &[String],
    to: &mut (dyn Write + Send),
) -> Result<Exported, ExportError> {
    let mut writer = v1::Writer::new(to)?;
    let mut exported = Exported::default();
    for plan in plans {
        for id in store.runs(plan).await.map_err(ReadError::from)? {
            let whole = Whole::of(store, id).await?;
            exported.runs += 1;
            exported.entries += whole.lines.len() as u64;
            writer.run(&whole)?;
        }
    }
    writer.end(exported.runs)?;
    Ok(exported)
}
