//! The tables, and the two statements that decide whether a message is sent.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Transaction, params};

use super::LedgerError;
use crate::report::Outcome;

/// The format of the tables (`PRAGMA user_version`).
const FORMAT: i64 = 1;

/// `outcome`: 0 begun, and see [`code`].
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
  UNIQUE (mailbox, old_name),
  UNIQUE (mailbox, new_name)
) STRICT;
CREATE TABLE message (
  folder INTEGER NOT NULL REFERENCES folder,
  uid INTEGER NOT NULL,
  outcome INTEGER NOT NULL CHECK (outcome BETWEEN 0 AND 4),
  raw BLOB,
  canonical BLOB,
  octets INTEGER,
  flags TEXT,
  new_uid INTEGER,
  note TEXT,
  PRIMARY KEY (folder, uid)
) STRICT, WITHOUT ROWID;
CREATE INDEX message_begun ON message (folder) WHERE outcome = 0;
CREATE TABLE target (
  folder INTEGER NOT NULL REFERENCES folder,
  uid INTEGER NOT NULL,
  canonical BLOB NOT NULL,
  copy_of INTEGER,
  PRIMARY KEY (folder, uid)
) STRICT, WITHOUT ROWID;
CREATE INDEX target_free ON target (folder, canonical) WHERE copy_of IS NULL;
CREATE INDEX target_copies ON target (folder, copy_of);
CREATE TABLE former (
  folder INTEGER NOT NULL REFERENCES folder,
  canonical BLOB NOT NULL
) STRICT;
CREATE INDEX former_of ON former (folder, canonical);
";

/// The number of an outcome in the table.
pub(super) fn code(outcome: Outcome) -> i64 {
    match outcome {
        Outcome::Copied => 1,
        Outcome::Vanished => 2,
        Outcome::Refused => 3,
        Outcome::Unreadable => 4,
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
    connection.pragma_update(None, "synchronous", "FULL")?;
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
    let mut take =
        change.prepare_cached("UPDATE target SET copy_of = ? WHERE folder = ? AND uid = ?")?;
    take.execute(params![uid, folder, copy])?;
    let mut settle = change.prepare_cached(
        "UPDATE message SET outcome = 1, new_uid = ? WHERE folder = ? AND uid = ?",
    )?;
    settle.execute(params![copy, folder, uid])?;
    Ok(Some(copy))
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
