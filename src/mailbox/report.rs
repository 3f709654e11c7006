//! What a pass did, folder by folder and with every message that needs a word.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// The most notes of a folder that a report holds; the others are counted. Our choice.
pub const NOTES_MAX: usize = 1000;

/// How a message of the old side ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It is at the new side.
    Copied,
    /// It disappeared at the old side before it could be copied.
    Vanished,
    /// The new side refuses it in every form. It is put aside as a file.
    Refused,
    /// The old side names it and does not hand it out.
    Unreadable,
}

/// A message that needs a word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Its UID at the old side.
    pub uid: u32,
    /// What is to be said.
    pub text: String,
}

/// What a pass did in a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FolderReport {
    /// The folder's name at the old side, for people.
    pub old: String,
    /// Its name at the new side.
    pub new: String,
    /// Messages at the old side when the pass looked.
    pub messages: u64,
    /// Messages that this pass has copied.
    pub copied: u64,
    /// Their octets.
    pub octets: u64,
    /// Messages that were already there, from earlier passes or by their digest.
    pub already: u64,
    /// Messages that disappeared at the old side while they were copied.
    pub vanished: u64,
    /// Messages that the new side refuses.
    pub refused: u64,
    /// Messages that the old side does not hand out.
    pub unreadable: u64,
    /// Messages whose flags have changed at the old side since the last pass, and now at the new
    /// side.
    pub flags_changed: u64,
    /// Messages that were copied in an earlier pass and have been deleted or moved at the old side
    /// since. They stay at the new side.
    pub gone_at_old: u64,
    /// Why nothing, or not everything, of the folder could be copied.
    pub error: Option<String>,
    /// Messages that need a word.
    pub notes: Vec<Note>,
    /// Notes that were left out.
    pub notes_left_out: u64,
}

impl FolderReport {
    /// Adds a note.
    pub fn note(&mut self, uid: u32, text: impl Into<String>) {
        match self.notes.len() < NOTES_MAX {
            true => self.notes.push(Note { uid, text: text.into() }),
            false => self.notes_left_out += 1,
        }
    }

    /// Whether every message of the old side is at the new side, or has disappeared.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.error.is_none() && self.refused == 0 && self.unreadable == 0
    }

    fn add(&mut self, other: &Self) {
        let Self {
            old: _,
            new: _,
            messages,
            copied,
            octets,
            already,
            vanished,
            refused,
            unreadable,
            flags_changed,
            gone_at_old,
            error: _,
            notes: _,
            notes_left_out: _,
        } = other;
        self.messages += messages;
        self.copied += copied;
        self.octets += octets;
        self.already += already;
        self.vanished += vanished;
        self.refused += refused;
        self.unreadable += unreadable;
        self.flags_changed += flags_changed;
        self.gone_at_old += gone_at_old;
    }
}

/// What a pass did in a mailbox.
#[derive(Clone, Debug, Default, Serialize)]
pub struct MailboxReport {
    /// Its address.
    pub address: String,
    /// Its folders.
    pub folders: Vec<FolderReport>,
    /// Why the pass ended early, if it did.
    pub error: Option<String>,
    /// How often the work began anew after a broken connection.
    pub restarts: u32,
    /// How long servers asked to wait, in milliseconds.
    pub waited_ms: u64,
}

impl MailboxReport {
    /// The sums of all folders.
    #[must_use]
    pub fn total(&self) -> FolderReport {
        let mut total = FolderReport::default();
        self.folders.iter().for_each(|folder| total.add(folder));
        total
    }

    /// Whether every message of the old side is at the new side.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.error.is_none() && self.folders.iter().all(FolderReport::is_complete)
    }
}

/// Counters of a pass that runs, for whoever shows progress.
#[derive(Debug, Default)]
pub struct Progress {
    messages: AtomicU64,
    octets: AtomicU64,
    expected: AtomicU64,
    waiting: AtomicU64,
}

impl Progress {
    /// Messages that have been copied or compared.
    pub fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    /// Their octets.
    pub fn octets(&self) -> u64 {
        self.octets.load(Ordering::Relaxed)
    }

    /// Messages that are known to be done in the end.
    pub fn expected(&self) -> u64 {
        self.expected.load(Ordering::Relaxed)
    }

    /// Mailboxes that wait because a server asked for it.
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(crate) fn expect(&self, messages: u64) {
        self.expected.fetch_add(messages, Ordering::Relaxed);
    }

    pub(crate) fn unexpect(&self, messages: u64) {
        // A message that is refused in each of several tries is not subtracted below what is done.
        let less = |expected: u64| Some(expected.saturating_sub(messages));
        let _ = self.expected.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    pub(crate) fn done(&self, messages: u64, octets: u64) {
        self.messages.fetch_add(messages, Ordering::Relaxed);
        self.octets.fetch_add(octets, Ordering::Relaxed);
    }

    pub(crate) fn waits(&self) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn goes_on(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Copied => "copied",
            Self::Vanished => "vanished",
            Self::Refused => "refused",
            Self::Unreadable => "unreadable",
        })
    }
}
