//! Backups: what is in a mailbox, as files that a stranger can check.
//!
//! A backup of a mailbox is a *bag* (BagIt 1.0, RFC 8493): `sha256sum -c manifest-sha256.txt` checks
//! it, and every file of a message opens in a mail program.
//!
//! ```text
//! ADDRESS/bagit.txt, bag-info.txt, manifest-sha256.txt, tagmanifest-sha256.txt
//! ADDRESS/data/index.jsonl                 a line for each message: folder, UID, flags, date, digests
//! ADDRESS/data/folders.json                the folders, with special uses and subscriptions
//! ADDRESS/data/FOLDER/UIDVALIDITY-UID.eml  the octets of the message; FOLDER is a number
//! ```
//!
//! A backup that is made again reads only what is new, and the flags of the rest. What has been
//! deleted at the server stays in the bag, and its line says so. A backup that was cut off is
//! continued: what its index names is hashed again first, because a file that was being written when
//! the machine lost power may be damaged. While a backup is being made, a file `ADDRESS.unfinished`
//! stands beside the bag, and the bag is not valid.

mod bag;
mod check;
mod index;
mod make;
mod restore;
mod sealed;

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

pub use check::{Checked, check};
pub use make::{Made, make};
pub use restore::{Restoring, restore};

/// Why a backup could not be made, read or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The mailbox.
    #[error(transparent)]
    Mailbox(#[from] crate::error::MailboxError),
    /// A file of the bag.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The bag is not one that this version reads, or it is damaged.
    #[error("{}: {problem}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Another process makes this backup.
    #[error("{} is being made by another process", .0.display())]
    Locked(PathBuf),
}

impl BackupError {
    fn file(path: &Path) -> impl Fn(io::Error) -> Self + '_ {
        |error| Self::File { path: path.to_owned(), error }
    }

    fn damaged(path: &Path, problem: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), problem: problem.into() }
    }
}

/// The directory of the bag of an address. Octets that a file system may refuse are replaced; an
/// address that changes by that gets a part of its digest, so that no two addresses share a bag.
#[must_use]
pub fn bag_of(dir: &Path, address: &str) -> PathBuf {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "@._-+".contains(c);
    let plain: String =
        address.chars().map(|c| if is_plain(c) { c.to_ascii_lowercase() } else { '_' }).collect();
    let plain = plain.trim_start_matches('.').to_owned();
    match plain == address && !plain.is_empty() {
        true => dir.join(plain),
        false => {
            let digest = cutover_base::digest::Digest::of(address.as_bytes()).to_string();
            dir.join(format!("{plain}-{}", &digest[7..19]))
        }
    }
}

/// Which messages of a backup are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Those that were at the server when the backup was last made.
    AtLastBackup,
    /// All that were ever there.
    Ever,
}

/// What a backup did with a mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Messages at the server.
    pub messages: u64,
    /// Messages that were read.
    pub done: u64,
    /// Their octets.
    pub octets: u64,
    /// Messages that were in the bag already.
    pub already: u64,
}
