//! The tables, and how they are made.
//!
//! Reading creates nothing: a database without tables is an empty store. The first lease makes
//! them, or brings those of an earlier version up to date. Each migration is a transaction of its
//! own together with its row in `cutover.version`, and nobody runs one at the same time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cutover_store::{StoreError, StoreResult};
use tokio::time::timeout;

use super::connection::{Connection, Limit};

/// What brings the tables from one version to the next. The first one starts from nothing.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_runs.sql"),
    include_str!("migrations/0002_due.sql"),
    include_str!("migrations/0003_standing.sql"),
];

/// The lock that keeps others from migrating (PostgreSQL 15 §13.3.5): `cutover` in ASCII.
const LOCK: i64 = 0x0063_7574_6f76_6572;

/// The oldest PostgreSQL that has all that the tables use: `sha256` and `EXECUTE FUNCTION` are new in
/// 11 (its release notes, read 2026-11-30). The tests run on 15.
const SERVER_MIN: i32 = 110_000;

/// Maximum time of a migration. Our choice: it may wait for one that another process runs.
const MIGRATION_TIME_MAX: Duration = Duration::from_secs(120);

/// How often to look again after the connection was lost in a migration. Our choice.
const TRIES: usize = 3;

/// The tables that a database has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tables {
    /// None.
    None,
    /// Those of this version.
    Version(i32),
}

/// The newest version that this program knows.
fn newest() -> i32 {
    i32::try_from(MIGRATIONS.len()).expect("a handful of migrations")
}

/// What is known about the tables.
#[derive(Debug, Default)]
pub(super) struct Schema {
    is_current: AtomicBool,
}

impl Schema {
    /// Whether there are tables to read. Those of an earlier version are migrated.
    pub(super) async fn is_there(&self, connection: &Connection) -> StoreResult<bool> {
        if self.is_current.load(Ordering::Relaxed) {
            return Ok(true);
        }
        match tables(connection).await? {
            Tables::None => Ok(false),
            Tables::Version(_) => self.make(connection).await.map(|()| true),
        }
    }

    /// Makes the tables, or migrates them.
    pub(super) async fn make(&self, connection: &Connection) -> StoreResult<()> {
        if self.is_current.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut lost = None;
        // Each turn makes one version, or finds that it was made: by somebody else, or by the turn
        // before it, whose answer was lost.
        for _ in 0..=MIGRATIONS.len() + TRIES {
            let have = match tables(connection).await? {
                Tables::Version(version) if version == newest() => {
                    self.is_current.store(true, Ordering::Relaxed);
                    return Ok(());
                }
                Tables::Version(version) => version,
                Tables::None => 0,
            };
            match migrate(connection, have).await {
                Ok(()) => {}
                Err(error @ StoreError::Away { .. }) => lost = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(lost.expect("each turn makes a version unless its answer is lost"))
    }
}

/// Looks at the tables.
async fn tables(connection: &Connection) -> StoreResult<Tables> {
    let ask = |statement| connection.ask(Limit::Small, statement, &[]);
    let foreign = |detail: String| {
        let place = connection.address().place();
        Err(StoreError::Foreign { place, detail })
    };
    // Both from the same snapshot: `to_regclass` may not see yet what another process has just made.
    let found = ask("SELECT coalesce(bool_or(relname = 'version'), false), count(*) > 0
        FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE nspname = 'cutover'")
    .await?;
    let (has_version, has_any): (bool, bool) = (found[0].get(0), found[0].get(1));
    if !has_version {
        return match has_any {
            false => Ok(Tables::None),
            true => {
                foreign("its schema `cutover` has other tables; choose another database".to_owned())
            }
        };
    }
    let found = ask("SELECT max(version)::integer FROM cutover.version").await?;
    let version: Option<i32> = found[0].get(0);
    match version {
        Some(version) if (1..=newest()).contains(&version) => Ok(Tables::Version(version)),
        Some(version) if version > newest() => foreign(format!(
            "its tables have version {version}, and this program knows {}: use a newer one",
            newest()
        )),
        Some(_) | None => foreign("its table `cutover.version` is not ours".to_owned()),
    }
}

/// Makes the version after this one, unless somebody else has made it since.
async fn migrate(connection: &Connection, have: i32) -> StoreResult<()> {
    let step = usize::try_from(have).expect("a version is not negative");
    let mut client = connection.connect().await?;
    let done = async {
        let transaction = client.transaction().await?;
        let lock = format!("SELECT pg_advisory_xact_lock({LOCK})");
        transaction.batch_execute(&lock).await?;
        let rows = transaction
            .query_typed(
                "SELECT current_setting('server_version_num')::integer,
                    current_setting('server_encoding'),
                    EXISTS (SELECT FROM pg_class
                        JOIN pg_namespace ON pg_namespace.oid = relnamespace
                        WHERE nspname = 'cutover' AND relname = 'version')",
                &[],
            )
            .await?;
        let (server, encoding): (i32, String) = (rows[0].get(0), rows[0].get(1));
        if server < SERVER_MIN {
            return Ok(Err(format!("PostgreSQL 11 or newer is needed, and this is {server}")));
        }
        if encoding != "UTF8" {
            return Ok(Err(format!("its encoding is {encoding}; create it with `ENCODING UTF8`")));
        }
        let now: i32 = match rows[0].get(2) {
            false => 0,
            true => {
                let newest = "SELECT max(version)::integer FROM cutover.version";
                transaction.query_typed(newest, &[]).await?[0].get(0)
            }
        };
        if now != have {
            return Ok(Ok(()));
        }
        if have == 0 {
            transaction.batch_execute(CREATE_SCHEMA).await?;
        }
        transaction.batch_execute(MIGRATIONS[step]).await?;
        let program = env!("CARGO_PKG_VERSION");
        let row = format!(
            "INSERT INTO cutover.version (version, program) VALUES ({}, 'cutover {program}')",
            have + 1
        );
        transaction.batch_execute(&row).await?;
        transaction.commit().await?;
        Ok(Ok(()))
    };
    let Ok(done) = timeout(MIGRATION_TIME_MAX, done).await else {
        let detail = format!("no new tables within {} s", MIGRATION_TIME_MAX.as_secs());
        return Err(connection.away(detail));
    };
    match done {
        Ok(Ok(())) => Ok(()),
        Ok(Err(detail)) => {
            let source = std::io::Error::other(detail);
            Err(StoreError::Io { place: connection.address().place(), source })
        }
        Err(error) => Err(connection.error(&error)),
    }
}

/// A role that may not create schemas can use one that was made for it.
const CREATE_SCHEMA: &str = "DO $$ BEGIN
    IF to_regnamespace('cutover') IS NULL THEN CREATE SCHEMA cutover; END IF;
END $$";
