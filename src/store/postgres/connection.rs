//! The connection to the database: made when it is needed, and made again when it is lost.
//!
//! Every call is one statement, so it takes effect as a whole or not at all. A call whose answer
//! was lost is made again; [`Answer::again`] says so, because the first one may have taken effect.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cutover_store::{StoreError, StoreResult};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::Address;
use super::tls::connector;

/// Maximum time to connect to one of the hosts, unless the URL has a `connect_timeout`. Our choice:
/// a lost packet or two, and a TLS handshake.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// How long to wait for a database that has been there before. Our choice: a server that is
/// restarted, or another one that takes its place.
const RETURN_TIME_MAX: Duration = Duration::from_secs(15);
/// How often a call is made whose answers are lost. Our choice.
const TRIES: u32 = 4;

/// How long a connection may be silent before it is given up. Our choice: routers forget silent
/// connections, and a run may wait for hours.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// What every session says first. Only what is written here decides what a statement means: not
/// what the role or the database has as its own settings. `synchronous_commit` may be stricter, but
/// not weaker: an entry is durable when the call returns.
const SESSION: &str = "\
SET search_path = pg_catalog;
SET default_transaction_isolation = 'read committed';
SET client_min_messages = warning;
SET lock_timeout = '20s';
SET statement_timeout = '120s';
SET idle_in_transaction_session_timeout = '60s';
SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') = 'off'";

/// A parameter of a statement.
pub(super) type Parameter<'p> = (&'p (dyn ToSql + Sync), Type);

/// How long a call may take.
#[derive(Clone, Copy, Debug)]
pub(super) enum Limit {
    /// Half a minute. Our choice: twenty seconds of it may be spent in waiting for another writer.
    Small,
    /// Two minutes. Our choice: an artifact of the largest size over a fast line.
    Large,
}

impl Limit {
    fn time_max(self) -> Duration {
        match self {
            Self::Small => Duration::from_secs(30),
            Self::Large => Duration::from_secs(120),
        }
    }
}

/// What a statement returns.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) rows: Vec<Row>,
    /// Whether an earlier answer was lost, so that this may be the second time.
    pub(super) again: bool,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum CallError {
    /// The tables refuse it: the lease has ended.
    NotHolder,
    /// The tables refuse it: another entry is the last.
    NotLast {
        /// As in [`Answer::again`].
        again: bool,
    },
    /// Anything else.
    Store(StoreError),
}

impl From<StoreError> for CallError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The error of a statement that writes nothing under a lease.
pub(super) fn unruled(error: CallError) -> StoreError {
    match error {
        CallError::Store(error) => error,
        CallError::NotHolder | CallError::NotLast { .. } => {
            unreachable!("only what a lease writes is refused so: {error:?}")
        }
    }
}

/// The connection of a store.
pub(super) struct Connection {
    address: Address,
    client: Mutex<Option<Arc<Client>>>,
    /// Whether the database was reached before.
    was_there: AtomicBool,
}

impl Connection {
    /// A connection that is not made yet.
    pub(super) fn new(address: Address) -> Self {
        Self { address, client: Mutex::new(None), was_there: AtomicBool::new(false) }
    }

    /// Another connection to the same database.
    pub(super) fn another(&self) -> Self {
        let was_there = AtomicBool::new(self.was_there.load(Ordering::Relaxed));
        Self { address: self.address.clone(), client: Mutex::new(None), was_there }
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Executes a statement.
    pub(super) async fn call(
        &self,
        limit: Limit,
        statement: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Answer, CallError> {
        let begun = steady();
        let mut again = false;
        for last in (0..TRIES).map(|count| count + 1 == TRIES) {
            let client = self.client().await?;
            let left = limit.time_max().saturating_sub(begun.elapsed());
            let error = match timeout(left, client.query_typed(statement, parameters)).await {
                Ok(Ok(rows)) => return Ok(Answer { rows, again }),
                Ok(Err(error)) => error,
                Err(_) => {
                    self.forget(&client).await;
                    let detail = format!("no answer within {} s", limit.time_max().as_secs());
                    return Err(self.away(detail).into());
                }
            };
            match error.code().map(SqlState::code) {
                Some("UC001") => return Err(CallError::NotHolder),
                Some("UC002") => return Err(CallError::NotLast { again }),
                _ if !passes(&error) || last => return Err(self.error(&error).into()),
                // It was undone by the database.
                Some("40001" | "40P01") => {}
                _ => {
                    self.forget(&client).await;
                    again = true;
                }
            }
        }
        unreachable!("the last try returns")
    }

    /// Executes a statement that no rule of the tables refuses.
    pub(super) async fn ask(
        &self,
        limit: Limit,
        statement: &str,
        parameters: &[Parameter<'_>],
    ) -> StoreResult<Vec<Row>> {
        let Answer { rows, again: _ } =
            self.call(limit, statement, parameters).await.map_err(unruled)?;
        Ok(rows)
    }

    /// The present connection, or a new one.
    async fn client(&self) -> StoreResult<Arc<Client>> {
        let mut known = self.client.lock().await;
        if let Some(client) = known.as_ref().filter(|client| !client.is_closed()) {
            return Ok(Arc::clone(client));
        }
        let client = Arc::new(self.connect().await?);
        *known = Some(Arc::clone(&client));
        Ok(client)
    }

    /// Does not use a connection again.
    async fn forget(&self, client: &Arc<Client>) {
        let mut known = self.client.lock().await;
        if known.as_ref().is_some_and(|known| Arc::ptr_eq(known, client)) {
            *known = None;
        }
    }

    /// A new connection. If the database was there before, it may be about to return.
    pub(super) async fn connect(&self) -> StoreResult<Client> {
        let connector = connector(&self.address).map_err(|detail| self.away(detail))?;
        let begun = steady();
        // The driver's own limit ends when there is a connection, before anybody has said anything.
        let of_one = self.address.config.get_connect_timeout().copied();
        let hosts = u32::try_from(self.address.config.get_hosts().len()).unwrap_or(u32::MAX);
        let time_max = of_one.unwrap_or(CONNECT_TIME_MAX).saturating_mul(hosts);
        let mut again = 0;
        loop {
            let error = match timeout(time_max, self.connect_once(&connector)).await {
                Ok(Ok(client)) => {
                    self.was_there.store(true, Ordering::Relaxed);
                    return Ok(client);
                }
                Ok(Err(error)) => error,
                Err(_) => {
                    let detail = format!("no connection within {} s", time_max.as_secs());
                    return Err(self.away(format!("{detail}; {UNREACHED}")));
                }
            };
            let is_coming = error.code() == Some(&SqlState::CANNOT_CONNECT_NOW);
            let may_return = is_coming || self.was_there.load(Ordering::Relaxed);
            if !may_return || !passes(&error) || begun.elapsed() > RETURN_TIME_MAX {
                return Err(self.error(&error));
            }
            pause(again).await;
            again += 1;
        }
    }

    async fn connect_once(&self, connector: &MakeRustlsConnect) -> Result<Client, Error> {
        let mut config = self.address.config.clone();
        config.keepalives_idle(SILENCE_MAX).tcp_user_timeout(SILENCE_MAX);
        let (client, connection) = config.connect(connector.clone()).await?;
        // It ends when the client is dropped, and its error is the client's.
        tokio::spawn(connection);
        client.batch_execute(SESSION).await?;
        Ok(client)
    }

    /// The error of a database that does not answer.
    pub(super) fn away(&self, detail: String) -> StoreError {
        StoreError::Away { place: self.address.place(), detail }
    }

    /// What an error means for whoever uses the store.
    pub(super) fn error(&self, error: &Error) -> StoreError {
        let place = self.address.place();
        let Some(said) = error.as_db_error() else {
            return self.away(format!("{}; {UNREACHED}", innermost(error)));
        };
        let (code, message) = (said.code().code(), said.message());
        let help = match code {
            "28000" | "28P01" => "check the user, the password and the server's pg_hba.conf",
            "3D000" => "create the database first; the tables in it are made by themselves",
            "42501" => "the role needs the right to use the tables, or to create them",
            "53300" => "run the same command again when it has connections left",
            "25006" => {
                "this server is a standby: name all of them as hosts, and add \
                        `target_session_attrs=read-write`"
            }
            _ => "",
        };
        let mut detail = format!("{message} (SQLSTATE {code})");
        if !help.is_empty() {
            detail = format!("{detail}; {help}");
        }
        match &code[..2] {
            // What it could not do at this time.
            "08" | "28" | "3D" | "53" | "57" => self.away(detail),
            // A table, a column or a function is missing, or of another kind.
            "42" if code != "42501" => StoreError::Foreign { place, detail },
            // A rule of the tables. Our statements keep them all.
            "UC" | "23" => StoreError::Foreign { place, detail },
            _ => StoreError::Io { place, source: std::io::Error::other(detail) },
        }
    }
}

/// What to do if there is no connection.
const UNREACHED: &str = "run the same command again when it answers";

/// Whether an error passes by itself, and says nothing about the statement.
fn passes(error: &Error) -> bool {
    match error.code().map(SqlState::code) {
        // PostgreSQL 15 appendix A: connection exceptions, serialization failures and deadlocks, too
        // many connections, and a server that shuts down, has crashed, or is starting.
        Some(code) => {
            code.starts_with("08")
                || matches!(code, "40001" | "40P01" | "53300" | "57P01" | "57P02" | "57P03")
        }
        None => {
            error.is_closed()
                || std::error::Error::source(error).is_some_and(|source| {
                    source.downcast_ref::<std::io::Error>().is_some_and(|io| {
                        // Errors of TLS have this kind, and stay.
                        io.kind() != std::io::ErrorKind::InvalidData
                            && io.kind() != std::io::ErrorKind::InvalidInput
                    })
                })
        }
    }
}

/// The most exact message of an error.
fn innermost(error: &Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

#[expect(clippy::disallowed_methods, reason = "a call has a time limit")]
pub(super) fn steady() -> Instant {
    Instant::now()
}

/// Pauses before another attempt: longer each time, up to half a second.
#[expect(clippy::disallowed_methods, reason = "the database is not there yet")]
async fn pause(again: u32) {
    tokio::time::sleep(Duration::from_millis((10_u64 << again.min(6)).min(500))).await;
}
