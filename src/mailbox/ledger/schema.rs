//! The tables, and the two statements that decide whether a message is sent.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Transaction, params};

use super::LedgerError;
use crate::likeness::sizes;
use crate::report::Outcome;

/// The format of the tables (`PRAGMA user_version`).
const FORMAT: i64 = 2;

/// `outcome`: 0 begun, and see [`code`]. `first_next` is the UIDNEXT that the new folder had when the ledger
/// first saw it, and `floor` the one before the last window: whatever has a lower UID was there. `gone` says that
/// people have deleted the new folder, or renamed it.
const TABLES: &str = "
CREATE TABLE mailbox (
  id INTEGER PRIMARY KEY,
  old TEXT NOT NULL,
  new TEXT NOT NULL,
  UNIQUE (old, new)
) STRICT;
CREATE TABLE folder (
  id INTEGER PRIMARY KEY,
  mailbox INTEGER NOT NULL REFERENCES mailbox,
  old_name BLOB NOT NULL,
  new_name BLOB NOT NULL,
  old_validity INTEGER,
  new_validity INTEGER,
  settled_uid_next INTEGER,
  settled_exists INTEGER,
  settled_modseq INTEGER,
  first_next INTEGER,
  floor INTEGER,
  gone INTEGER NOT NULL DEFAULT 0,
  UNIQUE (mailbox, old_name),
  UNIQUE (mailbox, new_name)
) STRICT;
CREATE TABLE message (
  folder INTEGER NOT NULL REFERENCES folder,
  uid INTEGER NOT NULL,
  outcome INTEGER NOT NULL CHECK (outcome BETWEEN 0 AND 6),
  raw BLOB,
  canonical BLOB,
  octets INTEGER,
  flags TEXT,
  new_uid INTEGER,
  note TEXT,
  id BLOB,
  head BLOB,
  date INTEGER,
  lost INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (folder, uid)
) STRICT, WITHOUT ROWID;
CREATE INDEX message_begun ON message (folder) WHERE outcome = 0;
CREATE TABLE target (
  folder INTEGER NOT NULL REFERENCES folder,
  uid INTEGER NOT NULL,
  canonical BLOB NOT NULL,
  copy_of INTEGER,
  octets INTEGER,
  id BLOB,
  head BLOB,
  date INTEGER,
  PRIMARY KEY (folder, uid)
) STRICT, WITHOUT ROWID;
CREATE INDEX target_free ON target (folder, canonical) WHERE copy_of IS NULL;
CREATE INDEX target_ids ON target (folder, id) WHERE copy_of IS NULL AND id IS NOT NULL;
CREATE INDEX target_heads ON target (folder, head) WHERE copy_of IS NULL AND head IS NOT NULL;
CREATE INDEX target_copies ON target (folder, copy_of);
CREATE TABLE former (
  folder INTEGER NOT NULL REFERENCES folder,
  canonical BLOB NOT NULL
) STRICT;
CREATE INDEX former_of ON former (folder, canonical);
";

/// From format 1 to 2. A constraint cannot be changed, so the table of messages is written anew.
const FROM_1_TO_2: &str = "
ALTER TABLE folder ADD COLUMN first_next INTEGER;
ALTER TABLE folder ADD COLUMN floor INTEGER;
ALTER TABLE folder ADD COLUMN gone INTEGER NOT NULL DEFAULT 0;
ALTER TABLE target ADD COLUMN octets INTEGER;
ALTER TABLE target ADD COLUMN id BLOB;
ALTER TABLE target ADD COLUMN head BLOB;
ALTER TABLE target ADD COLUMN date INTEGER;
CREATE INDEX target_ids ON target (folder, id) WHERE copy_of IS NULL AND id IS NOT NULL;
CREATE INDEX target_heads ON target (folder, head) WHERE copy_of IS NULL AND head IS NOT NULL;
DROP INDEX message_begun;
ALTER TABLE message RENAME TO message_1;
CREATE TABLE message (
  folder INTEGER NOT NULL REFERENCES folder,
  uid INTEGER NOT NULL,
  outcome INTEGER NOT NULL CHECK (outcome BETWEEN 0 AND 6),
  raw BLOB,
  canonical BLOB,
  octets INTEGER,
  flags TEXT,
  new_uid INTEGER,
  note TEXT,
  id BLOB,
  head BLOB,
  date INTEGER,
  lost INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (folder, uid)
) STRICT, WITHOUT ROWID;
INSERT INTO message (folder, uid, outcome, raw, canonical, octets, flags, new_uid, note)
  SELECT folder, uid, outcome, raw, canonical, octets, flags, new_uid, note FROM message_1;
DROP TABLE message_1;
CREATE INDEX message_begun ON message (folder) WHERE outcome = 0;
";

/// The number of an outcome in the table.
pub(super) fn code(outcome: Outcome) -> i64 {
    match outcome {
        Outcome::Copied => 1,
        Outcome::Vanished => 2,
        Outcome::Refused => 3,
        Outcome::Unreadable => 4,
        Outcome::Unconfirmed => 5,
        Outcome::Lost => 6,
    }
}

/// Opens the file, takes its lock for as long as the connection lives, and makes the tables.
pub(super) fn open(path: &Path) -> Result<Connection, LedgerError> {
    let busy = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            LedgerError::Locked(path.to_owned())
        }
        Some(_) | None => error.into(),
    };
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::ZERO)?;
    // The exclusive mode comes first, so that the write-ahead log needs no shared memory, and the
    // first transaction takes a lock that stays.
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE").map_err(busy)?;
    let mode = "PRAGMA journal_mode = WAL";
    connection.query_row(mode, [], |row| row.get::<_, String>(0)).map_err(busy)?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    // 8 MB, whatever the size of the ledger.
    connection.pragma_update(None, "cache_size", -8192)?;
    let transaction = connection
        .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
        .map_err(busy)?;
    let format: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    match format {
        0 => {
            transaction.execute_batch(TABLES)?;
            transaction.pragma_update(None, "user_version", FORMAT)?;
        }
        1 => {
            transaction.execute_batch(FROM_1_TO_2)?;
            transaction.pragma_update(None, "user_version", FORMAT)?;
        }
        FORMAT => {}
        found => return Err(LedgerError::Foreign { path: path.to_owned(), found }),
    }
    transaction.commit()?;
    Ok(connection)
}

/// Takes a message of the new side that has this digest and is nobody's copy; its UID.
pub(super) fn claim(
    change: &Transaction<'_>,
    folder: i64,
    uid: u32,
    canonical: &[u8; 32],
) -> rusqlite::Result<Option<u32>> {
    let mut find = change.prepare_cached(
        "SELECT uid FROM target WHERE folder = ? AND canonical = ? AND copy_of IS NULL
         ORDER BY uid LIMIT 1",
    )?;
    let found = find.query_row(params![folder, canonical], |row| row.get(0)).optional()?;
    let Some(copy): Option<u32> = found else { return Ok(None) };
    take(change, folder, uid, copy)?;
    Ok(Some(copy))
}

/// Which messages of the new side may be taken for a message that they are only like.
#[derive(Clone, Copy)]
pub(super) enum Among {
    /// Those that came after the last window was begun: an answer was lost.
    New,
    /// Those that were there before the ledger knew the folder, if they have the same internal date.
    First,
}

/// Takes a message of the new side that is like this one, and is nobody's copy; its UID.
pub(super) fn claim_alike(
    change: &Transaction<'_>,
    folder: i64,
    uid: u32,
    among: Among,
) -> rusqlite::Result<Option<u32>> {
    let mut known = change.prepare_cached(
        "SELECT coalesce(octets, 0), message.id, head, date, coalesce(floor, 0),
         coalesce(first_next, 0) FROM message JOIN folder ON folder.id = message.folder
         WHERE message.folder = ? AND uid = ?",
    )?;
    type Known = (i64, Option<[u8; 16]>, Option<[u8; 16]>, Option<i64>, u32, u32);
    let known = known.query_row(params![folder, uid], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
    })?;
    let (octets, id, head, date, floor, first_next): Known = known;
    let (from, to, date) = match among {
        Among::New => (floor, u32::MAX, None),
        Among::First => (0, first_next, Some(date)),
    };
    if date == Some(None) {
        return Ok(None);
    }
    let (sql, key) = match (id, head) {
        (Some(id), _) => (
            "SELECT uid FROM target WHERE folder = ? AND id = ? AND id IS NOT NULL
             AND copy_of IS NULL AND uid >= ? AND uid < ? AND octets BETWEEN ? AND ?
             AND (?7 IS NULL OR date = ?7) ORDER BY uid LIMIT 1",
            id,
        ),
        (None, Some(head)) => (
            "SELECT uid FROM target WHERE folder = ? AND head = ? AND head IS NOT NULL
             AND copy_of IS NULL AND uid >= ? AND uid < ? AND octets BETWEEN ? AND ?
             AND (?7 IS NULL OR date = ?7) ORDER BY uid LIMIT 1",
            head,
        ),
        (None, None) => return Ok(None),
    };
    let (least, most) = sizes(octets.cast_unsigned());
    let [least, most] = [least, most].map(|size| i64::try_from(size).unwrap_or(i64::MAX));
    let mut find = change.prepare_cached(sql)?;
    let bounds = params![folder, key, from, to, least, most, date.flatten()];
    let found = find.query_row(bounds, |row| row.get(0)).optional()?;
    let Some(copy): Option<u32> = found else { return Ok(None) };
    take(change, folder, uid, copy)?;
    Ok(Some(copy))
}

/// Makes a message of the new side the copy of one of the old side.
fn take(change: &Transaction<'_>, folder: i64, uid: u32, copy: u32) -> rusqlite::Result<()> {
    let mut take =
        change.prepare_cached("UPDATE target SET copy_of = ? WHERE folder = ? AND uid = ?")?;
    take.execute(params![uid, folder, copy])?;
    let mut settle = change.prepare_cached(
        "UPDATE message SET outcome = 1, new_uid = ? WHERE folder = ? AND uid = ?",
    )?;
    settle.execute(params![copy, folder, uid])?;
    Ok(())
}

/// Recognizes a message that was copied under another UID, and whose copy was then deleted or moved
/// at the new side: it is not copied again.
pub(super) fn take_former(
    change: &Transaction<'_>,
    folder: i64,
    uid: u32,
    canonical: &[u8; 32],
) -> rusqlite::Result<bool> {
    let mut take = change.prepare_cached(
        "DELETE FROM former WHERE rowid =
         (SELECT rowid FROM former WHERE folder = ? AND canonical = ? LIMIT 1)",
    )?;
    let is_known = take.execute(params![folder, canonical])? > 0;
    if is_known {
        let mut settle =
            change.prepare_cached("UPDATE message SET outcome = 1 WHERE folder = ? AND uid = ?")?;
        settle.execute(params![folder, uid])?;
    }
    Ok(is_known)
}
