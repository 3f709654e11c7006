//! Why work on a mailbox ended early.

use std::io;
use std::path::PathBuf;

use cutover_imap::{ImapError, Reply};

use crate::ledger::LedgerError;
use crate::throttle::{meaning, must_wait};

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
    /// A folder cannot be made or opened at the new side.
    #[error("new side: folder {folder} cannot be used: {reply}")]
    NoFolder {
        /// The folder.
        folder: String,
        /// What the server says.
        reply: Reply,
    },
    /// The new side has taken a name, and does not list it: it leads to a folder of another name, in
    /// which the messages of two folders would be mixed.
    #[error(
        "new side: folder {folder} is not listed under its name after it was made{}: nothing is copied \
         into it",
        led_to(.instead)
    )]
    OtherName {
        /// The folder.
        folder: String,
        /// A folder that the name may lead to.
        instead: Option<String>,
    },
    /// People have deleted or renamed a folder at the new side.
    #[error(
        "new side: folder {folder} was there, and is not any more: people have deleted or renamed it{}. \
         {open} messages of the old side are not copied. Make the folder again to get them",
        maybe(.renamed)
    )]
    GoneAtNew {
        /// The folder.
        folder: String,
        /// What it is called now, if a folder has the same UIDVALIDITY.
        renamed: Option<String>,
        /// Messages that came to the old side since.
        open: u64,
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
            | Self::OtherName { .. }
            | Self::GoneAtNew { .. }
            | Self::Labels
            | Self::Ledger(_)
            | Self::File { .. } => None,
        }
    }

    /// Whether only the folder is concerned in which it happened.
    pub(crate) fn is_of_folder(&self) -> bool {
        match self {
            Self::Imap { error, .. } => {
                let must_wait = error.reply().is_some_and(|reply| must_wait(meaning(reply)));
                !error.ends_session() && !must_wait
            }
            Self::NoUidValidity { .. }
            | Self::UidsReused { .. }
            | Self::NoFolder { .. }
            | Self::OtherName { .. }
            | Self::GoneAtNew { .. } => true,
            Self::Full(_)
            | Self::Throttled { .. }
            | Self::Labels
            | Self::Ledger(_)
            | Self::File { .. } => false,
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

fn led_to(instead: &Option<String>) -> String {
    instead.as_ref().map_or_else(String::new, |name| format!(", but {name} is"))
}

fn maybe(renamed: &Option<String>) -> String {
    renamed.as_ref().map_or_else(String::new, |name| format!(" (maybe to {name})"))
}
