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
    write(inbox, &file(inbox, step), reason)
}

/// Writes a file that is there whole or not at all.
fn write(inbox: &Path, file: &Path, text: &str) -> io::Result<()> {
    fs::create_dir_all(inbox)?;
    let written = tempfile::NamedTempFile::new_in(inbox)?;
    fs::write(written.path(), text)?;
    written.persist(file).map(drop).map_err(|error| error.error)
}

/// The file that names the rollback point which somebody wants a run to go back to. No step has this
/// name, and none of the other files.
const TURN_BACK: &str = "turn-back";

/// Says that a run shall go back to a rollback point, to the process that drives it.
///
/// # Errors
/// The system's word; nothing was said then.
pub fn want_back(inbox: &Path, to: &str) -> io::Result<()> {
    write(inbox, &inbox.join(TURN_BACK), to)
}

/// The rollback point that somebody wants the run to go back to; `None` where nobody does, or it cannot
/// be read.
pub(super) fn wanted_back(inbox: &Path) -> Option<String> {
    fs::read_to_string(inbox.join(TURN_BACK)).ok()
}

/// What was said of a step; `None` where nothing was, or it cannot be read.
#[must_use]
pub fn taken(inbox: &Path, step: &str) -> Option<String> {
    fs::read_to_string(file(inbox, step)).ok()
}
