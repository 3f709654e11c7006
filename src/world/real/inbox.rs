//! What people say while another process has the lock: one file a step, in a folder beside the journal.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::digest::Digest;

/// The folder of a run whose journal this is.
#[must_use]
pub fn of_journal(journal: &Path) -> PathBuf {
    journal.with_file_name("confirmed")
}

/// A step's id may have anything in it that a file's name may not.
fn file(inbox: &Path, step: &str) -> PathBuf {
    let digest = Digest::of(step.as_bytes()).to_string();
    inbox.join(digest.trim_start_matches("sha256:"))
}

/// Says that a step is done, and why that is known.
///
/// # Errors
/// The system's word; nothing was said then.
pub fn say(inbox: &Path, step: &str, reason: &str) -> io::Result<()> {
    fs::create_dir_all(inbox)?;
    let written = tempfile::NamedTempFile::new_in(inbox)?;
    fs::write(written.path(), reason)?;
    written.persist(file(inbox, step)).map(drop).map_err(|error| error.error)
}

/// What was said of a step; `None` where nothing was, or it cannot be read.
pub(super) fn taken(inbox: &Path, step: &str) -> Option<String> {
    fs::read_to_string(file(inbox, step)).ok()
}
