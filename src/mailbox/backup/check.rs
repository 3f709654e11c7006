//! Checking a backup: every octet against the manifest.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Serialize;

use super::bag::{self, digest_of, digits, mark_of};
use super::{BackupError, index};

/// The most problems that are listed. Our choice.
const PROBLEMS_MAX: usize = 1000;

/// What was found in a bag.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Files whose digests were compared.
    pub files: u64,
    /// Their octets.
    pub octets: u64,
    /// Messages of the index.
    pub messages: u64,
    /// What is wrong, by file.
    pub problems: Vec<String>,
    /// Problems that were left out.
    pub left_out: u64,
}

impl Checked {
    fn report(&mut self, problem: String) {
        match self.problems.len() < PROBLEMS_MAX {
            true => self.problems.push(problem),
            false => self.left_out += 1,
        }
    }
}

/// Compares every file of a bag with its manifests, and the index with the manifest.
///
/// # Errors
/// There is no bag, or a file cannot be read as what it is. A wrong digest is not an error but a
/// finding.
pub fn check(bag: &Path) -> Result<Checked, BackupError> {
    let mut found = Checked::default();
    if mark_of(bag).exists() {
        found.report("the backup was not finished: make it again".to_owned());
    }
    let tags = manifest(bag, "tagmanifest-sha256.txt")?;
    let payload = manifest(bag, "manifest-sha256.txt")?;
    for (path, wanted) in tags.iter().chain(&payload) {
        match digest_of(bag, path) {
            Ok((digest, octets)) => {
                found.files += 1;
                found.octets += octets;
                if digits(&digest) != *wanted {
                    found.report(format!("{path} has changed: its digest is another"));
                }
            }
            Err(error) => found.report(error.to_string()),
        }
    }
    for path in files_of(bag)? {
        if !payload.contains_key(&path) {
            found.report(format!("{path} is not in the manifest"));
        }
    }
    for tag in ["bagit.txt", "bag-info.txt", "manifest-sha256.txt"] {
        if !tags.contains_key(tag) {
            found.report(format!("{tag} is not in the manifest of tag files"));
        }
    }
    let entries = index::read(bag, false)?;
    found.messages = entries.len() as u64;
    for entry in entries.values() {
        let path = entry.path();
        if payload.get(&path).is_none_or(|digest| *digest != digits(&entry.raw)) {
            found.report(format!("{path} has another digest in the index than in the manifest"));
        }
    }
    Ok(found)
}

/// The digests of a manifest by path (RFC 8493 §2.1.3). A path that leads out of the bag is refused.
pub(super) fn manifest(bag: &Path, name: &str) -> Result<BTreeMap<String, String>, BackupError> {
    let path = &*bag.join(name);
    let text = bag::text(bag, name)?;
    let mut digests = BTreeMap::new();
    for (at, line) in text.lines().enumerate() {
        let parts = line.split_once("  ").filter(|(digest, name)| {
            let is_safe = !name.starts_with('/') && !name.split('/').any(|part| part == "..");
            digest.len() == 64 && is_safe
        });
        let Some((digest, name)) = parts else {
            return Err(BackupError::damaged(path, format!("line {} is malformed", at + 1)));
        };
        digests.insert(name.to_owned(), digest.to_ascii_lowercase());
    }
    Ok(digests)
}

/// The files below `data/`, as paths within the bag.
pub(super) fn files_of(bag: &Path) -> Result<Vec<String>, BackupError> {
    let mut files = Vec::new();
    let mut open = vec!["data".to_owned()];
    while let Some(dir) = open.pop() {
        let path = bag.join(&dir);
        for entry in fs::read_dir(&path).map_err(BackupError::file(&path))? {
            let entry = entry.map_err(BackupError::file(&path))?;
            let name = format!("{dir}/{}", entry.file_name().to_string_lossy());
            match entry.file_type().map_err(BackupError::file(&path))?.is_dir() {
                true => open.push(name),
                false => files.push(name),
            }
        }
    }
    Ok(files)
}
