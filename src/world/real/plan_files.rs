//! Files that a plan names. They have to be in the plan's own directory; nothing outside it is
//! read.

use std::fs;
use std::path::{Component, Path};

use super::store::read_text;
use crate::language::Wanted;

/// Why a file that a plan names is not read.
#[derive(Debug, thiserror::Error)]
pub enum PlanFileError {
    /// The path is absolute, or contains `..`.
    #[error("it has to be a path below the plan's directory, without `..`")]
    Path,
    /// A link leads elsewhere.
    #[error("it leads out of the plan's directory")]
    Outside,
    /// It is a directory, a pipe or a device.
    #[error("it is not a regular file")]
    NotRegular,
    /// It cannot be read.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// It is too large, or not text.
    #[error("{0}")]
    Text(#[from] super::store::StoreError),
}

/// The name and the text of a file that a plan in the directory `home` names.
///
/// # Errors
/// [`PlanFileError`].
pub fn read_plan_file(home: &Path, wanted: &Wanted) -> Result<(String, String), PlanFileError> {
    let relative = Path::new(&wanted.path.value);
    if !relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Err(PlanFileError::Path);
    }
    let canonical_home = fs::canonicalize(home)?;
    let path = home.join(relative);
    // Links are followed only here, so that the file that is checked is the file that is read.
    let file = fs::canonicalize(&path)?;
    if !file.starts_with(&canonical_home) {
        return Err(PlanFileError::Outside);
    }
    if !fs::metadata(&file)?.is_file() {
        return Err(PlanFileError::NotRegular);
    }
    let text = read_text(&file, wanted.octets_max() as u64)?;
    let name = path.strip_prefix("./").unwrap_or(&path);
    Ok((name.display().to_string(), text))
}
