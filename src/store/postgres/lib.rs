//! Runs in a PostgreSQL database, so that any number of machines share any number of them.
//!
//! ```text
//! cutover.plan       the newest lease: who has it, until when, its fencing number; when it is due, and
//!                    what its last driver said of its newest run
//! cutover.run        the artifact that is run, how many entries its journal has, and the last one
//! cutover.entry      what has happened, a row for each line
//! cutover.kept       the artifact that supersedes a run
//! cutover.note       notes from people
//! cutover.version    which of the migrations in `migrations/` were made
//! ```
//!
//! The tables check the rules themselves. An entry is refused unless it names the digest of the
//! last one and the lease that its plan has now; nothing that was written is changed or deleted. So
//! whatever writes by other means is bound by the same rules, unless it may change the tables.
//!
//! Every write is one statement and names its fencing number. It holds the plan's row until it is
//! committed, so nobody takes the lease in the middle. The database's clock decides when a lease is
//! over, and nothing else: this machine's clock is only used to renew it in time.
//!
//! Connect directly, or through a pooler that gives each client a session of its own.

pub mod address;
mod connection;
mod lease;
mod schema;
mod tls;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use cutover_base::digest::Digest;
use cutover_store::{
    Claim, Holder, Lease, Line, Listed, Note, Part, RunId, Store, StoreError, StoreResult, Summary,
    TakeLine,
};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

pub use address::{Address, AddressError};
use connection::{Connection, Limit, Parameter};
use lease::Held;
use schema::Schema;

/// Maximum lines that are read at once, and about as many octets. Our choice: a page has to be in
/// memory as a whole, and each costs a round trip.
const PAGE_LINES: i64 = 2_000;
const PAGE_OCTETS: i64 = 8 * 1024 * 1024;

/// Runs in a database.
#[derive(Clone)]
pub struct PostgresStore(Arc<Shared>);

struct Shared {
    connection: Connection,
    schema: Schema,
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresStore").field(&self.0.connection.address().place()).finish()
    }
}

/// A text as a parameter.
fn text<T: ToSql + Sync>(value: &T) -> Parameter<'_> {
    (value, Type::TEXT)
}

/// The holder in columns `owner`, `host`, `since`, `until` and `fence`, which begin at this one;
/// `None` if there is none.
fn holder_in(row: &Row, from: usize) -> Option<Holder> {
    let owner: Option<String> = row.get(from);
    let since: Option<SystemTime> = row.get(from + 2);
    let fence: i64 = row.get(from + 4);
    Some(Holder {
        owner: owner?,
        host: row.get::<_, Option<String>>(from + 1)?,
        since: since?,
        until: row.get(from + 3),
        fence: u64::try_from(fence).expect("the table refuses others"),
    })
}

/// A fencing number as the database has it. No lease has a number that does not fit.
fn number(fence: u64) -> i64 {
    i64::try_from(fence).unwrap_or(i64::MAX)
}

/// The name of a note. It is a digest, because a step's id may be longer than an index allows. No
/// digest equals `turn-back`.
fn note_name(note: Note<'_>) -> String {
    match note {
        Note::Done(step) => Digest::of(step.as_bytes()).to_string(),
        Note::TurnBack => "turn-back".to_owned(),
    }
}

impl PostgresStore {
    /// The store at this address. Nothing is created or asked yet.
    #[must_use]
    pub fn new(address: Address) -> Self {
        let (connection, schema) = (Connection::new(address), Schema::default());
        Self(Arc::new(Shared { connection, schema }))
    }

    fn connection(&self) -> &Connection {
        &self.0.connection
    }

    fn place_of(&self, what: &str) -> String {
        format!("{}: {what}", self.connection().address().place())
    }

    fn foreign(&self, run: &RunId, detail: &str) -> StoreError {
        StoreError::Foreign { place: self.place_of(&run.to_string()), detail: detail.to_owned() }
    }

    /// What a statement finds; nothing if there are no tables.
    async fn read(
        &self,
        limit: Limit,
        statement: &str,
        parameters: &[Parameter<'_>],
    ) -> StoreResult<Vec<Row>> {
        match self.0.schema.is_there(self.connection()).await? {
            true => self.connection().ask(limit, statement, parameters).await,
            false => Ok(Vec::new()),
        }
    }

    /// The text in the only column of the only row, if there is one.
    async fn read_text(
        &self,
        limit: Limit,
        statement: &str,
        parameters: &[Parameter<'_>],
    ) -> StoreResult<Option<String>> {
        let rows = self.read(limit, statement, parameters).await?;
        Ok(rows.first().map(|row| row.get(0)))
    }

    /// The last lease of a plan; `None` if it was given back or taken away. The second value says
    /// whether it lasts, by the database's clock.
    async fn last_holder(&self, plan: &str) -> StoreResult<Option<(Holder, bool)>> {
        let rows = self
            .read(
                Limit::Small,
                "SELECT owner, host, since, until, fence, until > clock_timestamp()
                    FROM cutover.plan WHERE name = $1 AND owner IS NOT NULL",
                &[text(&plan)],
            )
            .await?;
        Ok(rows.first().and_then(|row| Some((holder_in(row, 0)?, row.get(5)))))
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn plans(&self) -> StoreResult<Vec<String>> {
        let statement = "SELECT name FROM cutover.plan
            WHERE EXISTS (SELECT FROM cutover.run WHERE run.plan = plan.name) ORDER BY name";
        let rows = self.read(Limit::Small, statement, &[]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    async fn runs(&self, plan: &str) -> StoreResult<Vec<RunId>> {
        let statement = "SELECT name FROM cutover.run WHERE plan = $1 ORDER BY name";
        let rows = self.read(Limit::Small, statement, &[text(&plan)]).await?;
        let names = rows.iter().map(|row| row.get(0));
        Ok(names.map(|name| RunId { plan: plan.to_owned(), name }).collect())
    }

    async fn artifact(&self, run: &RunId) -> StoreResult<String> {
        let statement = "SELECT artifact FROM cutover.run WHERE plan = $1 AND name = $2";
        let of_run = [text(&run.plan), text(&run.name)];
        let found = self.read_text(Limit::Large, statement, &of_run).await?;
        found.ok_or_else(|| self.foreign(run, "there is no such run"))
    }

    async fn lines(&self, run: &RunId, take: &mut TakeLine<'_>) -> StoreResult<u64> {
        let RunId { plan, name } = run;
        let statement = "SELECT entries, head FROM cutover.run WHERE plan = $1 AND name = $2";
        let found = self.read(Limit::Small, statement, &[text(plan), text(name)]).await?;
        let found = found.first().ok_or_else(|| self.foreign(run, "there is no such run"))?;
        let (entries, head): (i64, String) = (found.get(0), found.get(1));
        let mut last = Digest::of(b"");
        let mut seen = 0;
        while seen < entries {
            // What is written in the meantime is not part of it.
            let page = self
                .read(
                    Limit::Large,
                    "SELECT number, text FROM (
                        SELECT number, text, sum(octet_length(text)) OVER (ORDER BY number) AS octets
                        FROM (SELECT number, text FROM cutover.entry
                            WHERE plan = $1 AND run = $2 AND number > $3 AND number <= $4
                            ORDER BY number LIMIT $5) AS page) AS page
                        WHERE octets <= $6 OR number = $3 + 1 ORDER BY number",
                    &[
                        text(plan),
                        text(name),
                        (&seen, Type::INT8),
                        (&entries, Type::INT8),
                        (&PAGE_LINES, Type::INT8),
                        (&PAGE_OCTETS, Type::INT8),
                    ],
                )
                .await?;
            if page.is_empty() {
                return Err(self.missing(run, seen + 1, entries));
            }
            for row in page {
                let (number, line): (i64, &str) = (row.get(0), row.get(1));
                if number != seen + 1 {
                    return Err(self.missing(run, seen + 1, entries));
                }
                seen = number;
                if seen == entries {
                    last = Digest::of(line.as_bytes());
                }
                if take(line.as_bytes()).is_break() {
                    return Ok(0);
                }
            }
        }
        match last.to_string() == head {
            // A row is there or not, so no line can be incomplete.
            true => Ok(0),
            false => Err(self.foreign(run, &format!("its entry {entries} is not its last one"))),
        }
    }

    async fn kept(&self, run: &RunId, digest: Digest) -> StoreResult<Option<String>> {
        let statement = "SELECT artifact FROM cutover.kept
            WHERE plan = $1 AND run = $2 AND digest = $3";
        let digest = digest.to_string();
        let of_run = [text(&run.plan), text(&run.name), text(&digest)];
        self.read_text(Limit::Large, statement, &of_run).await
    }

    async fn leave(&self, run: &RunId, note: Note<'_>, said: &str) -> StoreResult<()> {
        let step = match note {
            Note::Done(step) => Some(step),
            Note::TurnBack => None,
        };
        let name = note_name(note);
        let rows = self
            .read(
                Limit::Small,
                "INSERT INTO cutover.note AS n (plan, run, name, step, text)
                    SELECT plan, name, $3, $4, $5 FROM cutover.run WHERE plan = $1 AND name = $2
                    ON CONFLICT (plan, run, name)
                    DO UPDATE SET text = excluded.text, left_at = clock_timestamp()
                    RETURNING true",
                &[text(&run.plan), text(&run.name), text(&name), text(&step), text(&said)],
            )
            .await?;
        match rows.is_empty() {
            true => Err(self.foreign(run, "there is no such run")),
            false => Ok(()),
        }
    }

    async fn note(&self, run: &RunId, note: Note<'_>) -> StoreResult<Option<String>> {
        let statement = "SELECT text FROM cutover.note
            WHERE plan = $1 AND run = $2 AND name = $3";
        let name = note_name(note);
        let of_run = [text(&run.plan), text(&run.name), text(&name)];
        self.read_text(Limit::Small, statement, &of_run).await
    }

    async fn holder(&self, plan: &str) -> StoreResult<Option<Holder>> {
        let last = self.last_holder(plan).await?;
        Ok(last.and_then(|(holder, lasts)| lasts.then_some(holder)))
    }

    async fn lease(&self, plan: &str, claim: &Claim) -> StoreResult<Box<dyn Lease>> {
        self.0.schema.make(self.connection()).await?;
        let held = Held::take(self, plan, claim).await?;
        Ok(Box::new(held))
    }

    async fn unlock(&self, plan: &str, fence: u64) -> StoreResult<bool> {
        match self.0.schema.is_there(self.connection()).await? {
            true => lease::take_away(self, plan, fence).await,
            false => Ok(false),
        }
    }

    async fn summaries(&self) -> StoreResult<Vec<Summary>> {
        let statement = "SELECT owner, host, since, until, plan.fence,
                until > clock_timestamp(), plan.name, run.name, text
            FROM cutover.run JOIN cutover.plan ON plan.name = run.plan
            LEFT JOIN cutover.entry ON entry.plan = run.plan AND entry.run = run.name
                AND entry.number = run.entries
            ORDER BY run.plan, run.name";
        let rows = self.read(Limit::Large, statement, &[]).await?;
        let summaries = rows.iter().map(|row| {
            let lasts: Option<bool> = row.get(5);
            let holder = holder_in(row, 0).filter(|_| lasts == Some(true));
            let run = RunId { plan: row.get(6), name: row.get(7) };
            let last: Option<&str> = row.get(8);
            Summary { run, last: last.map(Line::new), holder }
        });
        Ok(summaries.collect())
    }

    fn shares_out(&self) -> bool {
        true
    }

    async fn listed(&self) -> StoreResult<Vec<Listed>> {
        // The newest run that was opened. Other names than of numbers are those of abandoned runs.
        let statement = "SELECT plan.name, CASE WHEN newest.name = plan.standing_run
                    AND newest.head = plan.standing_head THEN plan.standing END
            FROM cutover.plan LEFT JOIN LATERAL (
                SELECT run.name, run.head FROM cutover.run
                WHERE run.plan = plan.name AND run.entries > 0
                    AND run.name ~ '^([0-9]{4}|[1-9][0-9]{4,9})$'
                ORDER BY length(run.name) DESC, run.name DESC LIMIT 1) AS newest ON true
            WHERE EXISTS (SELECT FROM cutover.run WHERE run.plan = plan.name)
            ORDER BY plan.name";
        let rows = self.read(Limit::Large, statement, &[]).await?;
        Ok(rows.iter().map(|row| Listed { plan: row.get(0), standing: row.get(1) }).collect())
    }

    async fn lease_due(
        &self,
        but: &BTreeSet<String>,
        claim: &Claim,
    ) -> StoreResult<Option<(String, Box<dyn Lease>)>> {
        if !self.0.schema.is_there(self.connection()).await? {
            return Ok(None);
        }
        let held = Held::take_due(self, but, claim).await?;
        Ok(held.map(|held| (held.plan().to_owned(), Box::new(held) as Box<dyn Lease>)))
    }

    fn place(&self, run: &RunId, part: Part) -> String {
        let part = match part {
            Part::Artifact => "artifact",
            Part::Journal => "journal",
        };
        self.place_of(&format!("{run}, {part}"))
    }

    fn folder(&self, _run: &RunId) -> Option<PathBuf> {
        None
    }
}

impl PostgresStore {
    fn missing(&self, run: &RunId, number: i64, entries: i64) -> StoreError {
        self.foreign(run, &format!("entry {number} of {entries} is missing"))
    }
}
