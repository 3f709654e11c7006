//! What a pass did, folder by folder and with every message that needs a word.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

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
    /// The new side has said that it stored it, and it cannot be told which message there it is, if any. It
    /// is not sent again.
    Unconfirmed,
    /// The new side has said that it stored it, and it is not there. It is sent again by the next pass.
    Lost,
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
    /// Messages that the new side has said to have stored, and that cannot be recognized there. They
    /// are not sent again, whatever the number of passes: look for them.
    pub unconfirmed: u64,
    /// Messages that the new side has said to have stored, and that are not there.
    pub lost: u64,
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
    /// Adds a note, unless it is there from an earlier try of the same pass.
    pub fn note(&mut self, uid: u32, text: impl Into<String>) {
        let note = Note { uid, text: text.into() };
        match self.notes.len() < NOTES_MAX {
            true if self.notes.contains(&note) => {}
            true => self.notes.push(note),
            false => self.notes_left_out += 1,
        }
    }

    /// Whether every message of the old side is at the new side, or has disappeared.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let failed = [self.refused, self.unreadable, self.unconfirmed, self.lost];
        self.error.is_none() && failed.iter().all(|count| *count == 0)
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
            unconfirmed,
            lost,
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
        self.unconfirmed += unconfirmed;
        self.lost += lost;
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
    /// Messages of a backup that are not restored, because they were gone at the server when it was
    /// last made.
    #[serde(skip_serializing_if = "is_none")]
    pub left_out: u64,
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

    /// How long the rest takes if it goes on as it went so far, with all waits; `None` before the first
    /// message is done. Mailboxes that were not opened yet are not in it.
    #[must_use]
    pub fn left(&self, elapsed: Duration) -> Option<Duration> {
        let done = self.messages();
        let rest = self.expected().saturating_sub(done);
        let factor = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        (done > 0).then(|| (elapsed / factor(done)).saturating_mul(factor(rest)))
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
            Self::Unconfirmed => "unconfirmed",
            Self::Lost => "lost",
        })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_none(count: &u64) -> bool {
    *count == 0
}
