//! Why work on a mailbox ended early.

use std::io;
use std::path::PathBuf;

use cutover_imap::{ImapError, Reply};

use crate::ledger::LedgerError;

/// On which side something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Where the mail is.
    Old,
    /// Where it goes.
    New,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Old => "old",
            Self::New => "new",
        })
    }
}

/// Why work on a mailbox ended early. Other mailboxes are not concerned, unless it is the ledger.
#[derive(Debug, thiserror::Error)]
pub enum MailboxError {
    /// A server.
    #[error("{side} side: {error}")]
    Imap {
        /// Which.
        side: Side,
        /// What happened.
        #[source]
        error: ImapError,
    },
    /// The new mailbox is full.
    #[error("new side: the mailbox is full: {0}")]
    Full(Reply),
    /// A server asks to wait again and again.
    #[error("{side} side: it still asks to wait after {waited_secs} s of waiting")]
    Throttled {
        /// Which.
        side: Side,
        /// How long was waited altogether.
        waited_secs: u64,
    },
    /// The UIDs of a server do not stay, so no message can be recognized in a later pass.
    #[error("{side} side: folder {folder} has no UIDVALIDITY")]
    NoUidValidity {
        /// Which.
        side: Side,
        /// The folder.
        folder: String,
    },
    /// UIDs are given to other messages, against RFC 3501 §2.3.1.1.
    #[error(
        "old side: folder {folder} gives UIDs anew that other messages had: nothing in it is copied \
         until its UIDVALIDITY changes, or it is copied with a new ledger"
    )]
    UidsReused {
        /// The folder.
        folder: String,
    },
    /// A folder cannot be made at the new side.
    #[error("new side: folder {folder} cannot be made: {reply}")]
    NoFolder {
        /// The folder.
        folder: String,
        /// What the server says.
        reply: Reply,
    },
    /// A host whose folders are views of one heap of messages.
    #[error("old side: the server is Gmail, whose labels are not copied without doublets yet")]
    Labels,
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A file.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
}

impl MailboxError {
    /// The error of a server, and its side.
    pub(crate) fn imap(&self) -> Option<(Side, &ImapError)> {
        match self {
            Self::Imap { side, error } => Some((*side, error)),
            Self::Full(_)
            | Self::Throttled { .. }
            | Self::NoUidValidity { .. }
            | Self::UidsReused { .. }
            | Self::NoFolder { .. }
            | Self::Labels
            | Self::Ledger(_)
            | Self::File { .. } => None,
        }
    }

    /// An error of the old side.
    pub(crate) fn old(error: ImapError) -> Self {
        Self::Imap { side: Side::Old, error }
    }

    /// An error of the new side.
    pub(crate) fn new(error: ImapError) -> Self {
        Self::Imap { side: Side::New, error }
    }
}
