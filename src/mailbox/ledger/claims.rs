//! Which message of the new side is the copy of which: the decisions that keep a message from being
//! sent twice.

use std::collections::{BTreeMap, BTreeSet};

use cutover_base::digest::Digest;
use rusqlite::{OptionalExtension as _, Transaction, params};

use super::schema::{self, Among};
use super::{Begun, FolderId, Ledger, Result};
use crate::likeness::Likeness;
use crate::report::Outcome;

/// How often a message is sent that the new side says to have stored, and that is not there. Our
/// choice: a rule of the new host may move each message away as it arrives.
const LOSSES_MAX: u32 = 3;

/// A message of the new side that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundTarget {
    /// Its UID there.
    pub uid: u32,
    /// The digest of its canonical form.
    pub canonical: Digest,
    /// Its octets.
    pub octets: u64,
    /// What it is recognized by.
    pub likeness: Likeness,
    /// Its internal date there, in seconds since 1970.
    pub date: Option<i64>,
}

/// What is known of a message that is about to be sent: it is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum There {
    /// Its copy has this UID.
    Copy(u32),
    /// A message with this UID is like it.
    Alike(u32),
    /// Its copy was deleted at the new side.
    Deleted,
}

/// What was found of messages whose answer was lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claimed {
    /// How many copies were found.
    pub found: u64,
    /// Those of them that are only like the message: UIDs at the old and at the new side.
    pub alike: Vec<(u32, u32)>,
    /// The UIDs of messages that were not found.
    pub open: BTreeSet<u32>,
}

/// What is expected in a folder of the new side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// How many copies were named.
    pub copies: u32,
    /// How many messages have begun and are not settled.
    pub begun: u32,
}

/// What has happened in a folder of the new side since a UID.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrivals {
    /// Copies that the new side has named, and that are not there: UIDs at the old side.
    pub gone: Vec<u32>,
    /// UIDs of messages that are there, and that the ledger does not know.
    pub unknown: Vec<u32>,
}

impl Ledger {
    /// Adds messages of the new side that were read.
    ///
    /// # Errors
    /// [`LedgerError`](super::LedgerError).
    pub fn add_targets(&self, FolderId(folder): FolderId, found: &[FoundTarget]) -> Result<()> {
        self.write(|change| {
            let mut insert = change.prepare_cached(
                "INSERT OR IGNORE INTO target (folder, uid, canonical, octets, id, head, date)
                 VALUES (?, ?, ?, ?, ?, ?, ?)",
            )?;
            for FoundTarget { uid, canonical, octets, likeness, date } in found {
                let (octets, Likeness { id, head }) = (octets.cast_signed(), likeness);
                insert.execute(params![folder, uid, canonical.octets(), octets, id, head, date])?;
            }
            Ok(())
        })
    }

    /// States the UID that the next message of the new folder will have. Nothing may have begun: a
    /// message whose answer is lost from now on has this UID or a higher one.
    ///
    /// # Errors
    /// [`LedgerError`](super::LedgerError).
    pub fn set_floor(&self, FolderId(folder): FolderId, uid_next: u32) -> Result<()> {
        self.write(|change| {
            change.execute(
                "UPDATE folder SET floor = ?1, first_next = coalesce(first_next, ?1) WHERE id = ?2",
                params![uid_next, folder],
            )
        })?;
        Ok(())
    }

    /// Finds the copies of messages whose answer was lost: by their digests, and then those that
    /// the new side has changed among the messages that are new there.
    ///
    /// # Errors
    /// [`LedgerError`](super::LedgerError).
    pub fn claim_begun(&self, FolderId(folder): FolderId) -> Result<Claimed> {
        self.write(|change| {
            let mut query = change.prepare_cached(
                "SELECT uid, canonical FROM message WHERE folder = ? AND outcome = 0 ORDER BY uid",
            )?;
            let begun = query.query_map([folder], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let begun: Vec<(u32, [u8; 32])> = begun.collect::<rusqlite::Result<_>>()?;
            let mut claimed = Claimed::default();
            let mut left = Vec::new();
            for (uid, canonical) in begun {
                match schema::claim(change, folder, uid, &canonical)? {
                    Some(_) => claimed.found += 1,
                    None => left.push(uid),
                }
            }
            // Only when each copy that has kept its octets is taken.
            for uid in left {
                match schema::claim_alike(change, folder, uid, Among::New)? {
                    Some(copy) => {
                        claimed.found += 1;
                        claimed.alike.push((uid, copy));
                    }
                    None => _ = claimed.open.insert(uid),
                }
            }
            Ok(claimed)
        })
    }

    /// Notes that messages are about to be sent. Those that are already at the new side are settled
    /// at once instead.
    ///
    /// # Errors
    /// [`LedgerError`](super::LedgerError).
    pub fn begin(
        &self,
        FolderId(folder): FolderId,
        messages: &[Begun<'_>],
    ) -> Result<BTreeMap<u32, There>> {
        self.write_through(|change| {
            let mut insert = change.prepare_cached(
                "INSERT INTO message
                 (folder, uid, outcome, raw, canonical, octets, flags, id, head, date)
                 VALUES (?, ?, 0, ?, ?, ?, ?, ?, ?, ?)
                 ON CONFLICT (folder, uid) DO UPDATE SET outcome = 0, raw = excluded.raw,
                 canonical = excluded.canonical, octets = excluded.octets, flags = excluded.flags,
                 id = excluded.id, head = excluded.head, date = excluded.date, new_uid = NULL,
                 note = NULL",
            )?;
            let mut there = BTreeMap::new();
            for Begun { uid, digests, likeness: Likeness { id, head }, date, flags } in messages {
                let canonical = digests.canonical.octets();
                let octets = digests.octets.cast_signed();
                let raw = digests.raw.octets();
                insert
                    .execute(params![folder, uid, raw, canonical, octets, flags, id, head, date])?;
                if let Some(copy) = schema::claim(change, folder, *uid, &canonical)? {
                    there.insert(*uid, There::Copy(copy));
                } else if schema::take_former(change, folder, *uid, &canonical)? {
                    there.insert(*uid, There::Deleted);
                }
            }
            for Begun { uid, .. } in messages {
                if !there.contains_key(uid)
                    && let Some(copy) = schema::claim_alike(change, folder, *uid, Among::First)?
                {
                    there.insert(*uid, There::Alike(copy));
                }
            }
            Ok(there)
        })
    }

    /// Finds the copies of messages that were copied into a folder that was made anew since. How many of them
    /// are not there any more.
    ///
    /// # Errors
    /// [`LedgerError`](super::LedgerError).
    pub fn claim_copied(&self, FolderId(folder): FolderId) -> Result<u64> {
        self.write(|change| {
            let mut query = change.prepare_cached(
                "SELECT uid, canonical FROM message
                 WHERE folder = ? AND outcome = 1 AND new_uid IS NULL ORDER BY uid",
            )?;
            let copied = query.query_map([folder], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let copied: Vec<(u32, [u8; 32])> = copied.collect::<rusqlite::Result<_>>()?;
            let mut left = Vec::new();
            for (uid, canonical) in copied {
                if schema::claim(change, folder, uid, &canonical)?.is_none() {
                    left.push(uid);
                }
            }
            let mut gone = 0;
            for uid in left {
                gone +=
                    u64::from(schema::claim_alike(change, folder, uid, Among::First)?.is_none());
            }
            Ok(gone)
        })
    }

    /// Compares what the new folder has from this UID on (sorted) with what the ledger knows.
    ///
    /// # Errors
    /// [`LedgerError`](super::LedgerError).
    pub fn arrivals(
        &self,
        FolderId(folder): FolderId,
        since: u32,
        uids: &[u32],
    ) -> Result<Arrivals> {
        let connection = self.connection();
        let mut query = connection.prepare_cached(
            "SELECT uid, copy_of FROM target WHERE folder = ? AND uid >= ? ORDER BY uid",
        )?;
        let mut arrivals = Arrivals::default();
        let mut left = uids.iter().copied().peekable();
        let mut rows = query.query(params![folder, since])?;
        while let Some(row) = rows.next()? {
            let (uid, copy_of): (u32, Option<u32>) = (row.get(0)?, row.get(1)?);
            while let Some(unknown) = left.next_if(|left| *left < uid) {
                arrivals.unknown.push(unknown);
            }
            if left.next_if_eq(&uid).is_none() {
                arrivals.gone.extend(copy_of);
            }
        }
        arrivals.unknown.extend(left);
        Ok(arrivals)
    }

    /// Whether a message from this UID on, which is nobody's copy, has the digest of a message whose copy
    /// is said to be another one from this UID on: then the new side has named wrong UIDs.
    ///
    /// # Errors
    /// [`LedgerError`](super::LedgerError).
    pub fn is_contradicted(&self, FolderId(folder): FolderId, since: u32) -> Result<bool> {
        let connection = self.connection();
        let mut query = connection.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM target AS free JOIN target AS taken
             ON taken.folder = free.folder AND taken.canonical = free.canonical
             WHERE free.folder = ?1 AND free.uid >= ?2 AND free.copy_of IS NULL
             AND taken.uid >= ?2 AND taken.copy_of IS NOT NULL)",
        )?;
        Ok(query.query_row(params![folder, since], |row| row.get(0))?)
    }

    /// Forgets which copies the new side has named from this UID on: they are looked for by digest.
    ///
    /// # Errors
    /// [`LedgerError`](super::LedgerError).
    pub fn forget_copies(&self, FolderId(folder): FolderId, since: u32) -> Result<()> {
        self.write(|change| {
            change.execute(
                "UPDATE message SET outcome = 0, new_uid = NULL
                 WHERE folder = ?1 AND outcome = 1 AND new_uid >= ?2",
                params![folder, since],
            )?;
            let delete = "DELETE FROM target WHERE folder = ? AND uid >= ?";
            change.execute(delete, params![folder, since])?;
            change.execute("UPDATE folder SET floor = ? WHERE id = ?", params![since, folder])
        })?;
        Ok(())
    }

    /// What is expected in the new folder from this UID on.
    ///
    /// # Errors
    /// [`LedgerError`](super::LedgerError).
    pub fn expected(&self, FolderId(folder): FolderId, since: u32) -> Result<Expected> {
        let connection = self.connection();
        let mut copies = connection.prepare_cached(
            "SELECT count(*) FROM target WHERE folder = ? AND uid >= ? AND copy_of IS NOT NULL",
        )?;
        let mut begun = connection
            .prepare_cached("SELECT count(*) FROM message WHERE folder = ? AND outcome = 0")?;
        Ok(Expected {
            copies: copies.query_row(params![folder, since], |row| row.get(0))?,
            begun: begun.query_row([folder], |row| row.get(0))?,
        })
    }

    /// Settles messages that may be at the new side, or not: they are not sent again.
    ///
    /// # Errors
    /// [`LedgerError`](super::LedgerError).
    pub fn doubt(&self, FolderId(folder): FolderId, uids: &[u32]) -> Result<()> {
        self.write(|change| {
            let mut update = change
                .prepare_cached("UPDATE message SET outcome = ? WHERE folder = ? AND uid = ?")?;
            for uid in uids {
                update.execute(params![schema::code(Outcome::Unconfirmed), folder, uid])?;
            }
            Ok(())
        })
    }

    /// Whether there is a message from this UID on that is nobody's copy.
    ///
    /// # Errors
    /// [`LedgerError`](super::LedgerError).
    pub fn has_strangers(&self, FolderId(folder): FolderId, since: u32) -> Result<bool> {
        let connection = self.connection();
        let mut query = connection.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM target WHERE folder = ? AND uid >= ? AND copy_of IS NULL)",
        )?;
        Ok(query.query_row(params![folder, since], |row| row.get(0))?)
    }

    /// Settles messages that the new side has said to have stored, and that are not there. One that
    /// was lost too often is not sent again. How each ended.
    ///
    /// # Errors
    /// [`LedgerError`](super::LedgerError).
    pub fn lose(&self, FolderId(folder): FolderId, uids: &[u32]) -> Result<BTreeMap<u32, Outcome>> {
        self.write(|change| {
            let mut update = change.prepare_cached(
                "UPDATE message SET lost = lost + 1, new_uid = NULL,
                 outcome = CASE WHEN lost + 1 < ?3 THEN ?4 ELSE ?5 END
                 WHERE folder = ?1 AND uid = ?2 RETURNING lost",
            )?;
            let mut delete =
                change.prepare_cached("DELETE FROM target WHERE folder = ? AND copy_of = ?")?;
            let (lost, over) = (schema::code(Outcome::Lost), schema::code(Outcome::Unconfirmed));
            let mut ends = BTreeMap::new();
            for uid in uids {
                let values = params![folder, uid, LOSSES_MAX, lost, over];
                let losses: Option<u32> = update.query_row(values, |row| row.get(0)).optional()?;
                delete.execute(params![folder, uid])?;
                if let Some(losses) = losses {
                    let is_over = losses >= LOSSES_MAX;
                    ends.insert(*uid, if is_over { Outcome::Unconfirmed } else { Outcome::Lost });
                }
            }
            Ok(ends)
        })
    }

    /// Forgets messages whose copy is not in the new folder any more, so that they are brought again: for
    /// whoever restores. The ledger has to know what is in the folder.
    ///
    /// # Errors
    /// [`LedgerError`](super::LedgerError).
    pub fn forget_deleted(&self, FolderId(folder): FolderId) -> Result<()> {
        self.write(|change: &Transaction<'_>| {
            change.execute("DELETE FROM former WHERE folder = ?", [folder])?;
            change.execute(
                "DELETE FROM message WHERE folder = ?1 AND outcome = 1 AND NOT EXISTS
                 (SELECT 1 FROM target WHERE target.folder = ?1 AND target.copy_of = message.uid)",
                [folder],
            )
        })?;
        Ok(())
    }

    /// The messages of a folder that the new side refuses, by their UIDs at the old side.
    ///
    /// # Errors
    /// [`LedgerError`](super::LedgerError).
    pub fn refused(&self, accounts: (&str, &str), old_name: &[u8]) -> Result<BTreeSet<u32>> {
        let connection = self.connection();
        let mut query = connection.prepare_cached(
            "SELECT uid FROM message JOIN folder ON folder.id = message.folder
             JOIN mailbox ON mailbox.id = folder.mailbox
             WHERE old = ? AND new = ? AND old_name = ? AND outcome = ?",
        )?;
        let (old, new) = accounts;
        let code = schema::code(Outcome::Refused);
        let rows = query.query_map(params![old, new, old_name, code], |row| row.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}
