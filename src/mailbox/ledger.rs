//! The ledger of a copy: what became of each message, so that each is copied exactly once.
//!
//! It is one SQLite file. A row of `message` is written *before* the message is sent (`begun`), and
//! changed once the new side has answered. `target` has the messages of the new side by digest, and
//! the message of the old side that each one is the copy of. A message whose answer was lost is
//! found there, so nothing is sent twice.
//!
//! One process at a time holds a ledger: SQLite's lock lasts as long as the process. What is about to be
//! sent, and everything before it, is on the disk before it is sent. What follows survives the end of the
//! process at once, and a power cut a little later: what a power cut undoes is looked for at the new side,
//! like a lost answer. Only the current UIDVALIDITY of a folder has rows.

mod claims;
mod schema;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use cutover_base::digest::Digest;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use crate::content::Digests;
use crate::likeness::Likeness;
use crate::report::Outcome;

/// Why a ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Another process copies with it.
    #[error("the ledger {} is in use: another copy is running", .0.display())]
    Locked(PathBuf),
    /// It is of another version of this program, or no ledger.
    #[error("{} is not a ledger that this version can use: it has format {found}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The format that it states.
        found: i64,
    },
    /// The file system, or the file is damaged.
    #[error("the ledger cannot be used: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

pub use claims::{Arrivals, Claimed, Expected, FoundTarget, There};

type Result<T> = std::result::Result<T, LedgerError>;

/// The number of a folder in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FolderId(i64);

impl std::fmt::Display for FolderId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A message of the old side, before it is sent.
pub struct Begun<'a> {
    /// Its UID at the old side.
    pub uid: u32,
    /// Its digests.
    pub digests: Digests,
    /// What it is recognized by if the new side changes it.
    pub likeness: Likeness,
    /// Its internal date at the old side, in seconds since 1970.
    pub date: Option<i64>,
    /// Its flags, separated by spaces.
    pub flags: &'a str,
}

/// What became of a message.
pub struct Settled {
    /// Its UID at the old side.
    pub uid: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// Its UID at the new side, and its digest there, if both are known.
    pub copy: Option<(u32, Digest)>,
    /// What was changed, or why it was refused.
    pub note: Option<String>,
}

/// What the old side looked like when a pass had settled everything in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// UIDVALIDITY.
    pub uid_validity: u32,
    /// UIDNEXT.
    pub uid_next: u32,
    /// Messages.
    pub exists: u32,
    /// HIGHESTMODSEQ, without which a folder is never known to be unchanged.
    pub modseq: Option<u64>,
}

/// What the ledger says about the UIDs that the old side has.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// UIDs without a final outcome, sorted.
    pub open: Vec<u32>,
    /// How many are copied.
    pub copied: u64,
    /// How many were copied, and are not at the old side any more.
    pub gone: u64,
    /// How many had begun or failed, and are not at the old side any more.
    pub vanished: u64,
    /// UIDs of messages that may be at the new side, and are not sent again.
    pub unconfirmed: Vec<u32>,
}

/// Whether a folder of the new side was made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anew {
    /// It is the one that the ledger knows, or was never seen before.
    No,
    /// It was, and what was copied is copied again if it is not there.
    Unseen,
    /// It was, after people had deleted it: what was copied is not copied again.
    AfterPeople,
}

/// A ledger that is held.
pub struct Ledger {
    connection: Mutex<Connection>,
}

impl Ledger {
    /// Opens a ledger, and makes it if there is none.
    ///
    /// # Errors
    /// [`LedgerError::Locked`] if another process holds it.
    pub fn open(path: &Path) -> Result<Self> {
        let connection = schema::open(path)?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic elsewhere leaves a transaction, which SQLite rolls back.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write<T>(&self, change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        let value = change(&transaction)?;
        transaction.commit()?;
        Ok(value)
    }

    /// The same, and the change is on the disk afterwards, with all changes before it.
    fn write_through<T>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let mut connection = self.connection();
        connection.pragma_update(None, "synchronous", "FULL")?;
        let transaction = connection.transaction()?;
        let value = change(&transaction)?;
        transaction.commit()?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        Ok(value)
    }

    /// The names that earlier passes have chosen for the folders of a mailbox.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn names(&self, old: &str, new: &str) -> Result<BTreeMap<Vec<u8>, Vec<u8>>> {
        let connection = self.connection();
        let mut query = connection.prepare_cached(
            "SELECT old_name, new_name FROM folder JOIN mailbox ON mailbox.id = folder.mailbox
             WHERE old = ? AND new = ?",
        )?;
        let rows = query.query_map([old, new], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The folder of this name, which is added if it is new.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn folder(&self, accounts: (&str, &str), names: (&[u8], &[u8])) -> Result<FolderId> {
        self.write(|change| {
            let (old, new) = accounts;
            let insert = "INSERT OR IGNORE INTO mailbox (old, new) VALUES (?, ?)";
            change.execute(insert, params![old, new])?;
            let mailbox: i64 = change.query_row(
                "SELECT id FROM mailbox WHERE old = ? AND new = ?",
                params![old, new],
                |row| row.get(0),
            )?;
            let (old, new) = names;
            change.execute(
                "INSERT OR IGNORE INTO folder (mailbox, old_name, new_name) VALUES (?, ?, ?)",
                params![mailbox, old, new],
            )?;
            let id = change.query_row(
                "SELECT id FROM folder WHERE mailbox = ? AND old_name = ?",
                params![mailbox, old],
                |row| row.get(0),
            )?;
            Ok(FolderId(id))
        })
    }

    /// What the folder looked like when everything in it was settled.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn mark(&self, FolderId(folder): FolderId) -> Result<Option<Mark>> {
        let connection = self.connection();
        let mut query = connection.prepare_cached(
            "SELECT old_validity, settled_uid_next, settled_exists, settled_modseq FROM folder
             WHERE id = ? AND settled_uid_next IS NOT NULL",
        )?;
        let row = query.query_row([folder], |row| {
            let modseq: Option<i64> = row.get(3)?;
            Ok(Mark {
                uid_validity: row.get(0)?,
                uid_next: row.get(1)?,
                exists: row.get(2)?,
                modseq: modseq.map(i64::cast_unsigned),
            })
        });
        Ok(row.optional()?)
    }

    /// Notes that everything in a folder is settled.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn set_mark(&self, FolderId(folder): FolderId, mark: &Mark) -> Result<()> {
        self.write(|change| {
            change.execute(
                "UPDATE folder SET settled_uid_next = ?, settled_exists = ?, settled_modseq = ?
                 WHERE id = ?",
                params![mark.uid_next, mark.exists, mark.modseq.map(u64::cast_signed), folder],
            )
        })?;
        Ok(())
    }

    /// States the UIDVALIDITY of the old folder. If it is another than before, all its messages
    /// have new UIDs: their rows go, their copies are free to be recognized by digest, and what was
    /// copied and then deleted at the new side is remembered by digest. Whether it has changed.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn old_validity(&self, FolderId(folder): FolderId, validity: u32) -> Result<bool> {
        self.write(|change| {
            let before: Option<u32> = change.query_row(
                "SELECT old_validity FROM folder WHERE id = ?",
                [folder],
                |row| row.get(0),
            )?;
            if before == Some(validity) {
                return Ok(false);
            }
            change.execute(
                "INSERT INTO former (folder, canonical)
                 SELECT folder, canonical FROM message WHERE folder = ?1 AND outcome = 1
                 AND NOT EXISTS (SELECT 1 FROM target
                   WHERE target.folder = ?1 AND target.copy_of = message.uid)",
                [folder],
            )?;
            change.execute("UPDATE target SET copy_of = NULL WHERE folder = ?", [folder])?;
            change.execute("DELETE FROM message WHERE folder = ?", [folder])?;
            change.execute(
                "UPDATE folder SET old_validity = ?, settled_uid_next = NULL WHERE id = ?",
                params![validity, folder],
            )?;
            Ok(before.is_some())
        })
    }

    /// The UIDVALIDITY that each folder of the new side had last, of those that this ledger has seen.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn new_validities(&self, old: &str, new: &str) -> Result<BTreeMap<Vec<u8>, u32>> {
        let connection = self.connection();
        let mut query = connection.prepare_cached(
            "SELECT new_name, new_validity FROM folder JOIN mailbox ON mailbox.id = folder.mailbox
             WHERE old = ? AND new = ? AND new_validity IS NOT NULL",
        )?;
        let rows = query.query_map([old, new], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The UIDVALIDITY that the new folder had last.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn known_new_validity(&self, FolderId(folder): FolderId) -> Result<Option<u32>> {
        let connection = self.connection();
        let mut query =
            connection.prepare_cached("SELECT new_validity FROM folder WHERE id = ?")?;
        Ok(query.query_row([folder], |row| row.get(0))?)
    }

    /// States the UIDVALIDITY of the new folder. If it is another than before, the folder was made anew,
    /// and its messages have to be looked for again: each that was copied counts as begun, unless
    /// people had deleted the folder ([`Ledger::set_gone`]).
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn new_validity(&self, FolderId(folder): FolderId, validity: u32) -> Result<Anew> {
        self.write(|change| {
            let (before, gone): (Option<u32>, bool) = change.query_row(
                "SELECT new_validity, gone FROM folder WHERE id = ?",
                [folder],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            if before == Some(validity) {
                change.execute("UPDATE folder SET gone = 0 WHERE id = ?", [folder])?;
                return Ok(Anew::No);
            }
            change.execute("DELETE FROM target WHERE folder = ?", [folder])?;
            let outcome = if gone { schema::code(Outcome::Copied) } else { 0 };
            change.execute(
                "UPDATE message SET outcome = ?, new_uid = NULL WHERE folder = ? AND outcome = 1",
                params![outcome, folder],
            )?;
            change.execute(
                "UPDATE folder SET new_validity = ?, settled_uid_next = NULL, first_next = NULL,
                 floor = NULL, gone = 0 WHERE id = ?",
                params![validity, folder],
            )?;
            Ok(match (before, gone) {
                (None, _) => Anew::No,
                (Some(_), true) => Anew::AfterPeople,
                (Some(_), false) => Anew::Unseen,
            })
        })
    }

    /// Notes that people have deleted the new folder, or renamed it.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn set_gone(&self, FolderId(folder): FolderId) -> Result<()> {
        self.write(|change| change.execute("UPDATE folder SET gone = 1 WHERE id = ?", [folder]))?;
        Ok(())
    }

    /// The UIDVALIDITY that the old folder had last.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn known_old_validity(&self, FolderId(folder): FolderId) -> Result<Option<u32>> {
        let connection = self.connection();
        let mut query =
            connection.prepare_cached("SELECT old_validity FROM folder WHERE id = ?")?;
        Ok(query.query_row([folder], |row| row.get(0))?)
    }

    /// The whole mailbox was made anew at the new side: each message that was copied counts as begun, so that
    /// it is looked for, and copied again if it is not there.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn made_anew(&self, old: &str, new: &str) -> Result<()> {
        self.write(|change| {
            let folders = "SELECT folder.id FROM folder JOIN mailbox ON mailbox.id = folder.mailbox
                           WHERE old = ?1 AND new = ?2";
            let accounts = params![old, new];
            change.execute(&format!("DELETE FROM target WHERE folder IN ({folders})"), accounts)?;
            change.execute(
                &format!(
                    "UPDATE message SET outcome = 0, new_uid = NULL
                     WHERE outcome = 1 AND folder IN ({folders})"
                ),
                accounts,
            )?;
            change.execute(
                &format!(
                    "UPDATE folder SET new_validity = NULL, settled_uid_next = NULL,
                     first_next = NULL, floor = NULL WHERE id IN ({folders})"
                ),
                accounts,
            )
        })?;
        Ok(())
    }

    /// Compares the UIDs that the old side has (sorted) with what is known of them. Those that had
    /// begun and are not there any more have vanished.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn compare(&self, FolderId(folder): FolderId, uids: &[u32]) -> Result<Compared> {
        let mut compared = Compared::default();
        let mut vanished: Vec<u32> = Vec::new();
        {
            let connection = self.connection();
            let mut query = connection
                .prepare_cached("SELECT uid, outcome FROM message WHERE folder = ? ORDER BY uid")?;
            let mut rows = query.query([folder])?;
            let mut left = uids.iter().copied().peekable();
            while let Some(row) = rows.next()? {
                let (uid, outcome): (u32, i64) = (row.get(0)?, row.get(1)?);
                while let Some(new) = left.next_if(|left| *left < uid) {
                    compared.open.push(new);
                }
                let is_there = left.next_if_eq(&uid).is_some();
                match (is_there, outcome == schema::code(Outcome::Copied)) {
                    (true, true) => compared.copied += 1,
                    (true, false) if outcome == schema::code(Outcome::Unconfirmed) => {
                        compared.unconfirmed.push(uid);
                    }
                    (true, false) => compared.open.push(uid),
                    (false, true) => compared.gone += 1,
                    (false, false) if outcome == schema::code(Outcome::Vanished) => {}
                    (false, false) => vanished.push(uid),
                }
            }
            compared.open.extend(left);
        }
        compared.vanished = vanished.len() as u64;
        if !vanished.is_empty() {
            self.write(|change| {
                let mut update = change.prepare_cached(
                    "UPDATE message SET outcome = 2 WHERE folder = ? AND uid = ?",
                )?;
                for uid in &vanished {
                    update.execute(params![folder, uid])?;
                }
                Ok(())
            })?;
        }
        Ok(compared)
    }

    /// States which UIDs the new folder has (sorted). Those that are not known have to be read;
    /// what is known and not there any more was deleted or moved by its user.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn unknown_targets(&self, FolderId(folder): FolderId, uids: &[u32]) -> Result<Vec<u32>> {
        let mut unknown = Vec::new();
        let mut gone = Vec::new();
        {
            let connection = self.connection();
            let mut query = connection
                .prepare_cached("SELECT uid FROM target WHERE folder = ? ORDER BY uid")?;
            let mut rows = query.query([folder])?;
            let mut left = uids.iter().copied().peekable();
            while let Some(row) = rows.next()? {
                let uid: u32 = row.get(0)?;
                while let Some(new) = left.next_if(|left| *left < uid) {
                    unknown.push(new);
                }
                if left.next_if_eq(&uid).is_none() {
                    gone.push(uid);
                }
            }
            unknown.extend(left);
        }
        if !gone.is_empty() {
            self.write(|change| {
                let mut delete =
                    change.prepare_cached("DELETE FROM target WHERE folder = ? AND uid = ?")?;
                for uid in &gone {
                    delete.execute(params![folder, uid])?;
                }
                Ok(())
            })?;
        }
        Ok(unknown)
    }

    /// Notes what became of messages. A message that was never begun gets its row.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn settle(&self, FolderId(folder): FolderId, settled: &[Settled]) -> Result<()> {
        self.write(|change| {
            let mut update = change.prepare_cached(
                "INSERT INTO message (folder, uid, outcome, new_uid, note)
                 VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (folder, uid) DO UPDATE
                 SET outcome = ?3, new_uid = ?4, note = ?5",
            )?;
            let mut insert = change.prepare_cached(
                "INSERT OR REPLACE INTO target (folder, uid, canonical, copy_of)
                 VALUES (?, ?, ?, ?)",
            )?;
            for Settled { uid, outcome, copy, note } in settled {
                let code = schema::code(*outcome);
                update.execute(params![folder, uid, code, copy.map(|(uid, _)| uid), note])?;
                if let Some((copy, canonical)) = copy {
                    insert.execute(params![folder, copy, canonical.octets(), uid])?;
                }
            }
            Ok(())
        })
    }

    /// The flags that a message had at the old side when they were last copied, and the UID of its
    /// copy; only of messages whose copy is known and at the new side.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn flags(&self, FolderId(folder): FolderId, uid: u32) -> Result<Option<(String, u32)>> {
        let connection = self.connection();
        let mut query = connection.prepare_cached(
            "SELECT flags, new_uid FROM message WHERE folder = ?1 AND uid = ?2 AND outcome = 1
             AND EXISTS (SELECT 1 FROM target WHERE target.folder = ?1 AND target.uid = new_uid)",
        )?;
        let row = query.query_row(params![folder, uid], |row| Ok((row.get(0)?, row.get(1)?)));
        Ok(row.optional()?)
    }

    /// Notes the flags of messages at the old side, by their UIDs.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn set_flags(&self, FolderId(folder): FolderId, flags: &[(u32, String)]) -> Result<()> {
        self.write(|change| {
            let mut update = change
                .prepare_cached("UPDATE message SET flags = ? WHERE folder = ? AND uid = ?")?;
            for (uid, flags) in flags {
                update.execute(params![flags, folder, uid])?;
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests;
