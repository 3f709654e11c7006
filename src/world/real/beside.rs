//! Files beside a plan, which the plan names: nothing outside of its own directory is read for it.

use std::fs;
use std::path::{Component, Path};

use super::store::read_text;
use crate::spec::yaml::TEXT_OCTETS_MAX;

/// Why a file beside a plan is not read.
#[derive(Debug, thiserror::Error)]
pub enum BesideError {
    /// A path that begins elsewhere, or leads up.
    #[error("it has to be a path below the plan's directory, without `..`")]
    Path,
    /// A link that leads elsewhere.
    #[error("it leads out of the plan's directory")]
    Outside,
    /// A directory, a pipe or a device.
    #[error("it is no file")]
    NoFile,
    /// It cannot be read.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// It is too large, or no text.
    #[error("{0}")]
    Text(#[from] super::store::StoreError),
}

/// The name and the text of a file that a plan in the directory `home` names.
///
/// # Errors
/// [`BesideError`].
pub fn beside(home: &Path, path: &str) -> Result<(String, String), BesideError> {
    let relative = Path::new(path);
    if !relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Err(BesideError::Path);
    }
    let home_itself = fs::canonicalize(home)?;
    let whole = home.join(relative);
    // Links are followed here and not again: what is read is what was looked at.
    let file = fs::canonicalize(&whole)?;
    if !file.starts_with(&home_itself) {
        return Err(BesideError::Outside);
    }
    if !fs::metadata(&file)?.is_file() {
        return Err(BesideError::NoFile);
    }
    let text = read_text(&file, TEXT_OCTETS_MAX as u64)?;
    let name = whole.strip_prefix("./").unwrap_or(&whole);
    Ok((name.display().to_string(), text))
}
