//! What the text in a store means: sealed artifacts and journals, read as the runs of one plan, with
//! every line checked. The stores themselves are crates of their own (`cutover-store`).

pub mod address;
mod runs;
pub mod transfer;

use std::path::Path;

use crate::artifact::{self, Artifact};
use crate::world::LineError;

pub use cutover_store::{
    Claim, Directory, Holder, Lease, Line, Listed, Note, Part, RunId, Standing, Store, StoreError,
    StoreResult, Summary, read_text,
};
pub use runs::{Found, Runs};

/// The result of reading what a store holds.
pub type ReadResult<T> = Result<T, ReadError>;

/// Why what a store holds cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A sealed artifact cannot be used.
    #[error("{place} cannot be used: {source}")]
    Artifact {
        /// The file or other location.
        place: String,
        /// Why it cannot be used.
        source: artifact::ReadError,
    },
    /// A line of a journal cannot be used.
    #[error("{place}:{line}: {source}")]
    Line {
        /// The journal.
        place: String,
        /// The number of the line, from 1.
        line: u64,
        /// Why it cannot be used.
        source: LineError,
    },
}

/// Reads an artifact.
///
/// # Errors
/// [`ReadError`].
pub fn read_artifact(path: &Path) -> ReadResult<Artifact> {
    let text = read_text(path, artifact::OCTETS_MAX)?;
    let place = || path.display().to_string();
    Artifact::decode(&text).map_err(|source| ReadError::Artifact { place: place(), source })
}
