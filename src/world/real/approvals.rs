//! Approvals as files: signatures beside an artifact, and the list of people who may sign.

use std::fs;
use std::path::{Path, PathBuf};

use cutover_approval::{AllowedSigners, Kept, SignersError};

use super::store::{StoreError, read_text};

/// The maximum size of a signature or its text, in octets. Our choice: an RSA signature of 16,384
/// bits takes a quarter of it.
const OCTETS_MAX: u64 = 16 * 1024;

/// The maximum size of a list of allowed signers, in octets. Our choice: ten thousand people.
const SIGNERS_OCTETS_MAX: u64 = 8 * 1024 * 1024;

/// The maximum number of signatures that are looked at. Our choice: more than any team has people.
const SIGNATURES_MAX: usize = 1000;

/// How the name of a signature ends, as `ssh-keygen` names it.
const ENDING: &str = "sig";

/// Why files of approvals cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalFileError {
    /// A file cannot be read.
    #[error(transparent)]
    Unreadable(#[from] StoreError),
    /// The directory has too many signatures.
    #[error("{0} has more than {SIGNATURES_MAX} signatures")]
    TooMany(String),
    /// A line of the allowed signers cannot be used.
    #[error("{place}: {source}")]
    Signers {
        /// The file.
        place: String,
        /// What is wrong with it.
        source: SignersError,
    },
    /// The allowed signers are part of what is reviewed.
    #[error("{place} is part of what is reviewed, which lies in {tree}")]
    Reviewed {
        /// The file.
        place: String,
        /// The directory that is reviewed.
        tree: String,
    },
}

/// The directory of the signatures of the artifact in a file: `plan.json.sig.d`.
#[must_use]
pub fn directory(artifact: &Path) -> PathBuf {
    let mut name = artifact.file_name().unwrap_or_default().to_owned();
    name.push(".sig.d");
    artifact.with_file_name(name)
}

/// The signatures in a directory, in the order of their names; none if there is no directory.
///
/// # Errors
/// [`ApprovalFileError`].
pub fn signatures(dir: &Path) -> Result<Vec<Kept>, ApprovalFileError> {
    let io = |source| StoreError::Io { place: dir.display().to_string(), source };
    let listing = match fs::read_dir(dir) {
        Ok(listing) => listing,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(io(source).into()),
    };
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in listing {
        let path = entry.map_err(io)?.path();
        if path.extension().is_some_and(|ending| ending == ENDING) {
            files.push(path);
        }
        if files.len() > SIGNATURES_MAX {
            return Err(ApprovalFileError::TooMany(dir.display().to_string()));
        }
    }
    files.sort();
    let kept = files.iter().map(|path| {
        let text = path.with_extension("");
        let text = text.exists().then(|| shown(&text)).transpose()?;
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Kept { file, text, signature: shown(path)? })
    });
    kept.collect()
}

/// The text of a file. Octets that are not UTF-8 are replaced: no signature fits them, and that is
/// said of this signature and not of all.
fn shown(path: &Path) -> Result<String, StoreError> {
    match read_text(path, OCTETS_MAX) {
        Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::InvalidData => {
            Ok(String::from("\u{fffd}"))
        }
        read => read,
    }
}

/// Reads who may approve what lies at `reviewed`.
///
/// The file must not be part of what is reviewed: whoever writes a plan could otherwise add
/// themselves. That is the work tree of git which has the plan or artifact, or else its directory.
///
/// # Errors
/// [`ApprovalFileError`].
pub fn allowed_signers(path: &Path, reviewed: &Path) -> Result<AllowedSigners, ApprovalFileError> {
    let place = || path.display().to_string();
    let io = |source| StoreError::Io { place: place(), source };
    let file = fs::canonicalize(path).map_err(io)?;
    // A run that is known by its name alone is continued from the present directory.
    let reviewed = match fs::canonicalize(reviewed) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            fs::canonicalize(".").map(|here| here.join(reviewed))
        }
        found => found,
    };
    let reviewed = reviewed.map_err(io)?;
    let tree = reviewed.ancestors().skip(1).find(|dir| dir.join(".git").exists());
    if let Some(tree) = tree.or(reviewed.parent()).filter(|tree| file.starts_with(tree)) {
        let tree = tree.display().to_string();
        return Err(ApprovalFileError::Reviewed { place: place(), tree });
    }
    let text = read_text(&file, SIGNERS_OCTETS_MAX)?;
    // OpenSSH reads times without a zone in the zone of the machine.
    AllowedSigners::read(&text, &chrono::Local)
        .map_err(|source| ApprovalFileError::Signers { place: place(), source })
}
