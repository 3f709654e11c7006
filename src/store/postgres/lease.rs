//! A lease in the database, and what its holder writes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use cutover_base::digest::Digest;
use cutover_store::{Claim, Holder, Lease, Line, RunId, Standing, StoreError, StoreResult};
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::time::timeout;
use tokio_postgres::types::Type;

use super::connection::{Answer, CallError, Connection, Limit, Parameter, steady, unruled};
use super::{PostgresStore, holder_in, number, text};

/// How often to try for a lease that is free each time it is looked at. Our choice.
const TRIES: u32 = 20;
/// Maximum time to give a lease back when it ends. Our choice: otherwise it ends by itself.
const RELEASE_TIME_MAX: Duration = Duration::from_secs(20);

/// Takes a lease that is free or over. Times are to the millisecond, as they are shown.
const TAKE: &str = "\
INSERT INTO cutover.plan AS plan (name, fence, owner, host, since, until, token)
    SELECT $1, 1, $2, $3, since, since + $4 * interval '1 millisecond', $5
        FROM date_trunc('milliseconds', clock_timestamp()) AS since
    ON CONFLICT (name) DO UPDATE
    SET fence = plan.fence + 1, owner = $2, host = $3, token = $5,
        since = date_trunc('milliseconds', clock_timestamp()),
        until = date_trunc('milliseconds', clock_timestamp()) + $4 * interval '1 millisecond'
    WHERE plan.owner IS NULL OR plan.until <= clock_timestamp()
    RETURNING owner, host, since, until, fence, due";

/// Takes the lease of the plan that has been due for the longest time. Plans that others are taking
/// are skipped, so nobody waits and nobody gets a plan twice.
const TAKE_DUE: &str = "\
WITH chosen AS (
    SELECT name FROM cutover.plan
    WHERE due <= statement_timestamp() AND name <> ALL ($5)
        AND (owner IS NULL OR until <= clock_timestamp())
    ORDER BY due LIMIT 1 FOR UPDATE SKIP LOCKED)
UPDATE cutover.plan AS plan
    SET fence = plan.fence + 1, owner = $1, host = $2, token = $4,
        since = date_trunc('milliseconds', clock_timestamp()),
        until = date_trunc('milliseconds', clock_timestamp()) + $3 * interval '1 millisecond'
    FROM chosen WHERE plan.name = chosen.name
    RETURNING owner, host, since, until, fence, due, plan.name";

/// The right to write the runs of a plan.
#[derive(Debug)]
pub(super) struct Held {
    store: PostgresStore,
    plan: String,
    holder: Holder,
    /// When the lease was last prolonged, by the two clocks of this machine: the steady one stands
    /// still while the machine is suspended, and the other one may be set.
    prolonged: (Instant, SystemTime),
    /// When the plan was due when this was last looked at.
    due: Option<SystemTime>,
    /// Whether it was given back.
    is_over: bool,
}

/// Both clocks of this machine.
fn clocks() -> (Instant, SystemTime) {
    #[expect(clippy::disallowed_methods, reason = "a machine that was suspended has to notice it")]
    let wall = SystemTime::now();
    (steady(), wall)
}

/// Milliseconds, as an interval of the database has them.
fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// A value that nobody else makes up.
fn token() -> [u8; 16] {
    let mut token = [0; 16];
    SystemRandom::new().fill(&mut token).expect("the operating system has random numbers");
    token
}

impl Held {
    /// Takes the lease if it is free or over.
    pub(super) async fn take(
        store: &PostgresStore,
        plan: &str,
        claim: &Claim,
    ) -> StoreResult<Self> {
        let token = token();
        let lasts = millis(store.connection().address().lease);
        let Claim { owner, host } = claim;
        let parameters: [Parameter<'_>; 5] = [
            text(&plan),
            text(owner),
            text(host),
            (&lasts, Type::INT8),
            (&&token[..], Type::BYTEA),
        ];
        for _ in 0..TRIES {
            let prolonged = clocks();
            let taken = store.connection().ask(Limit::Small, TAKE, &parameters).await?;
            let taken = taken.first().and_then(|row| Some((holder_in(row, 0)?, row.get(5))));
            let (holder, due) = match taken {
                Some(taken) => taken,
                None => match in_the_way(store, plan, &token).await? {
                    // The answer to the statement was lost.
                    InTheWay::Myself(holder, due) => (holder, due),
                    InTheWay::Other(holder) => {
                        return Err(StoreError::Locked { holder: Box::new(holder) });
                    }
                    InTheWay::Nobody => continue,
                },
            };
            let (store, plan) = (store.clone(), plan.to_owned());
            return Ok(Self { store, plan, holder, prolonged, due, is_over: false });
        }
        let detail = "other processes take the lease all the time".to_owned();
        Err(StoreError::Away { place: store.place_of(plan), detail })
    }

    /// Takes the lease of a plan that is due.
    pub(super) async fn take_due(
        store: &PostgresStore,
        but: &BTreeSet<String>,
        claim: &Claim,
    ) -> StoreResult<Option<Self>> {
        let token = token();
        let lasts = millis(store.connection().address().lease);
        let but: Vec<&str> = but.iter().map(String::as_str).collect();
        let Claim { owner, host } = claim;
        let parameters: [Parameter<'_>; 5] = [
            text(owner),
            text(host),
            (&lasts, Type::INT8),
            (&&token[..], Type::BYTEA),
            (&but, Type::TEXT_ARRAY),
        ];
        let prolonged = clocks();
        let connection = store.connection();
        let Answer { mut rows, again } =
            connection.call(Limit::Small, TAKE_DUE, &parameters).await.map_err(unruled)?;
        if again && rows.is_empty() {
            // The only plan that was due was taken when the answer was lost.
            let statement = "SELECT owner, host, since, until, fence, due, name FROM cutover.plan
                WHERE token = $1 AND owner IS NOT NULL";
            let ours: [Parameter<'_>; 1] = [(&&token[..], Type::BYTEA)];
            rows = connection.ask(Limit::Small, statement, &ours).await?;
        }
        let taken = rows.first().and_then(|row| {
            let (holder, plan) = (holder_in(row, 0)?, row.get(6));
            let (store, due) = (store.clone(), row.get(5));
            Some(Self { store, plan, holder, prolonged, due, is_over: false })
        });
        if again {
            // What was taken when the answer was lost is given back.
            let plan = taken.as_ref().map(|taken| &*taken.plan);
            let statement = "UPDATE cutover.plan
                SET owner = NULL, host = NULL, since = NULL, until = NULL
                WHERE token = $1 AND name IS DISTINCT FROM $2";
            let lost: [Parameter<'_>; 2] = [(&&token[..], Type::BYTEA), text(&plan)];
            connection.ask(Limit::Small, statement, &lost).await?;
        }
        Ok(taken)
    }

    /// The plan.
    pub(super) fn plan(&self) -> &str {
        &self.plan
    }

    /// Whether a third of the lease is over, by either clock.
    fn is_due(&self) -> bool {
        let third = self.connection().address().lease / 3;
        let (steady, wall) = self.prolonged;
        let (_, now) = clocks();
        steady.elapsed() > third || now.duration_since(wall).is_ok_and(|past| past > third)
    }

    fn connection(&self) -> &Connection {
        self.store.connection()
    }

    /// The error of a holder that is not the holder any more.
    async fn lost(&self) -> StoreError {
        // Who has it now is only for people, so an error here changes nothing.
        let last = self.store.last_holder(&self.plan).await.ok().flatten();
        let holder = last.and_then(|(holder, lasts)| lasts.then(|| Box::new(holder)));
        StoreError::Lost { place: self.store.place_of(&self.plan), holder }
    }

    /// What a statement says that only the holder may execute. `NotLast` is the caller's to judge.
    async fn write(
        &mut self,
        limit: Limit,
        statement: &str,
        parameters: &[Parameter<'_>],
    ) -> StoreResult<Result<Answer, NotLast>> {
        self.renew().await?;
        match self.connection().call(limit, statement, parameters).await {
            Ok(answer) => Ok(Ok(answer)),
            Err(CallError::NotLast { again }) => Ok(Err(NotLast { again })),
            Err(CallError::NotHolder) => Err(self.lost().await),
            Err(CallError::Store(error)) => Err(error),
        }
    }
}

impl Held {
    /// Inserts a run; `false` if it is there already.
    async fn insert(&mut self, run: &RunId, artifact: &str) -> StoreResult<bool> {
        let (fence, token) = (number(self.holder.fence), token());
        let statement = "INSERT INTO cutover.run (plan, name, fence, artifact, token)
            VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING true";
        let values: [Parameter<'_>; 5] = [
            text(&run.plan),
            text(&run.name),
            (&fence, Type::INT8),
            text(&artifact),
            (&&token[..], Type::BYTEA),
        ];
        let made = match self.write(Limit::Large, statement, &values).await? {
            Ok(Answer { rows, again }) if again && rows.is_empty() => {
                // The first one may have made it.
                let statement = "SELECT FROM cutover.run
                    WHERE plan = $1 AND name = $2 AND token = $3";
                let ours = [text(&run.plan), text(&run.name), (&&token[..], Type::BYTEA)];
                self.connection().ask(Limit::Small, statement, &ours).await?
            }
            Ok(Answer { rows, again: _ }) => rows,
            Err(NotLast { .. }) => unreachable!("only entries follow others"),
        };
        // A plan that was not due when the lease was taken is due now.
        if self.due.is_none_or(|due| due > self.holder.since) {
            let statement = "SELECT due FROM cutover.plan WHERE name = $1";
            let rows = self.connection().ask(Limit::Small, statement, &[text(&self.plan)]).await?;
            self.due = rows.first().and_then(|row| row.get(0));
        }
        Ok(!made.is_empty())
    }
}

/// Another entry is the last.
struct NotLast {
    /// An earlier answer to the same statement was lost.
    again: bool,
}

/// Who has a lease that could not be taken.
enum InTheWay {
    Nobody,
    Myself(Holder, Option<SystemTime>),
    Other(Holder),
}

async fn in_the_way(store: &PostgresStore, plan: &str, token: &[u8]) -> StoreResult<InTheWay> {
    let rows = store
        .connection()
        .ask(
            Limit::Small,
            "SELECT owner, host, since, until, fence, token = $2, until > clock_timestamp(), due
                FROM cutover.plan WHERE name = $1 AND owner IS NOT NULL",
            &[text(&plan), (&token, Type::BYTEA)],
        )
        .await?;
    let Some(row) = rows.first() else { return Ok(InTheWay::Nobody) };
    let found = holder_in(row, 0).map(|holder| (holder, row.get(5), row.get(6)));
    Ok(match found {
        Some((holder, true, _)) => InTheWay::Myself(holder, row.get(7)),
        Some((holder, false, true)) => InTheWay::Other(holder),
        Some((_, false, false)) | None => InTheWay::Nobody,
    })
}

/// Takes the lease away from the holder with this number.
pub(super) async fn take_away(store: &PostgresStore, plan: &str, fence: u64) -> StoreResult<bool> {
    let (fence, token) = (number(fence), token());
    let of_lease: [Parameter<'_>; 3] =
        [text(&plan), (&fence, Type::INT8), (&&token[..], Type::BYTEA)];
    let statement = "UPDATE cutover.plan
        SET owner = NULL, host = NULL, since = NULL, until = NULL, token = $3
        WHERE name = $1 AND fence = $2 AND until > clock_timestamp() RETURNING true";
    let Answer { rows, again } =
        store.connection().call(Limit::Small, statement, &of_lease).await.map_err(unruled)?;
    if !rows.is_empty() || !again {
        return Ok(!rows.is_empty());
    }
    let statement = "SELECT FROM cutover.plan
        WHERE name = $1 AND fence = $2 AND owner IS NULL AND token = $3";
    let first = store.connection().ask(Limit::Small, statement, &of_lease).await?;
    Ok(!first.is_empty())
}

#[async_trait]
impl Lease for Held {
    fn holder(&self) -> &Holder {
        &self.holder
    }

    async fn renew(&mut self) -> StoreResult<()> {
        if !self.is_due() {
            return Ok(());
        }
        let asked = clocks();
        let lasts = millis(self.connection().address().lease);
        let fence = number(self.holder.fence);
        let rows = self
            .connection()
            .ask(
                Limit::Small,
                "UPDATE cutover.plan SET until =
                        date_trunc('milliseconds', clock_timestamp()) + $3 * interval '1 millisecond'
                    WHERE name = $1 AND fence = $2 AND owner IS NOT NULL RETURNING until",
                &[text(&self.plan), (&fence, Type::INT8), (&lasts, Type::INT8)],
            )
            .await?;
        let Some(row) = rows.first() else { return Err(self.lost().await) };
        self.holder.until = row.get(0);
        self.prolonged = asked;
        Ok(())
    }

    async fn rest(
        &mut self,
        span: Option<Duration>,
        standing: Option<&Standing>,
    ) -> StoreResult<()> {
        let fence = number(self.holder.fence);
        let span = span.map(millis);
        let (said, run) = (standing.map(|of| &*of.text), standing.map(|of| &*of.run.name));
        let head = standing.map(|of| of.head.to_string());
        let statement = "UPDATE cutover.plan
            SET due = CASE WHEN due IS DISTINCT FROM $3 THEN due
                    ELSE clock_timestamp() + $4 * interval '1 millisecond' END,
                standing = $5, standing_run = $6, standing_head = $7
            WHERE name = $1 AND fence = $2 AND owner IS NOT NULL RETURNING due";
        let values: [Parameter<'_>; 7] = [
            text(&self.plan),
            (&fence, Type::INT8),
            (&self.due, Type::TIMESTAMPTZ),
            (&span, Type::INT8),
            text(&said),
            text(&run),
            text(&head),
        ];
        let rows = self.connection().ask(Limit::Small, statement, &values).await?;
        let Some(row) = rows.first() else { return Err(self.lost().await) };
        self.due = row.get(0);
        Ok(())
    }

    async fn give_back(mut self: Box<Self>) -> StoreResult<()> {
        release(self.connection(), &self.plan, self.holder.fence).await?;
        self.is_over = true;
        Ok(())
    }

    async fn create(&mut self, artifact: &str) -> StoreResult<RunId> {
        use cutover_store::Store as _;
        let runs = self.store.runs(&self.plan).await?;
        let newest = runs.iter().filter_map(RunId::number).max().unwrap_or(0);
        let number_next = newest.checked_add(1).expect("nobody makes four billion runs");
        let run = RunId::new(&self.plan, number_next);
        match self.insert(&run, artifact).await? {
            true => Ok(run),
            false => Err(self.store.foreign(&run, "somebody has created it without the lease")),
        }
    }

    async fn create_named(&mut self, run: &RunId, artifact: &str) -> StoreResult<()> {
        if run.plan != self.plan || !run.is_portable() {
            return Err(self.store.foreign(run, "it cannot be the name of a run"));
        }
        match self.insert(run, artifact).await? {
            true => Ok(()),
            false => Err(StoreError::Conflict { place: self.store.place_of(&run.to_string()) }),
        }
    }

    async fn append(&mut self, run: &RunId, after: Digest, lines: &[Line]) -> StoreResult<()> {
        let Some(last) = lines.last() else { return Ok(()) };
        let befores = std::iter::once(after).chain(lines.iter().map(Line::digest));
        let befores: Vec<String> = befores.take(lines.len()).map(|d| d.to_string()).collect();
        let texts: Vec<&str> = lines.iter().map(Line::text).collect();
        let fence = number(self.holder.fence);
        let statement = "INSERT INTO cutover.entry (plan, run, fence, after, text)
            SELECT $1, $2, $3, before, line
            FROM unnest($4, $5) WITH ORDINALITY AS new (before, line, place) ORDER BY place";
        let values = [
            text(&run.plan),
            text(&run.name),
            (&fence, Type::INT8),
            (&befores, Type::TEXT_ARRAY),
            (&texts, Type::TEXT_ARRAY),
        ];
        let Err(NotLast { again }) = self.write(Limit::Large, statement, &values).await? else {
            return Ok(());
        };
        // If the last line is ours, the first answer was lost.
        let statement = "SELECT FROM cutover.run JOIN cutover.entry
                ON entry.plan = run.plan AND entry.run = run.name AND entry.number = run.entries
            WHERE run.plan = $1 AND run.name = $2 AND entry.fence = $3 AND entry.digest = $4";
        let digest = last.digest().to_string();
        let of_entry = [text(&run.plan), text(&run.name), (&fence, Type::INT8), text(&digest)];
        if again && !self.connection().ask(Limit::Small, statement, &of_entry).await?.is_empty() {
            return Ok(());
        }
        let place = cutover_store::Store::place(&self.store, run, cutover_store::Part::Journal);
        Err(StoreError::Conflict { place })
    }

    async fn keep(&mut self, run: &RunId, digest: Digest, artifact: &str) -> StoreResult<()> {
        let (fence, digest) = (number(self.holder.fence), digest.to_string());
        let statement = "INSERT INTO cutover.kept (plan, run, digest, fence, artifact)
            VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
        let values = [
            text(&run.plan),
            text(&run.name),
            text(&digest),
            (&fence, Type::INT8),
            text(&artifact),
        ];
        self.write(Limit::Large, statement, &values).await.map(drop)
    }
}

/// Gives the lease with this number back, unless somebody else has taken it.
async fn release(connection: &Connection, plan: &str, fence: u64) -> StoreResult<()> {
    let fence = number(fence);
    let statement = "UPDATE cutover.plan
        SET owner = NULL, host = NULL, since = NULL, until = NULL
        WHERE name = $1 AND fence = $2";
    let of_lease: [Parameter<'_>; 2] = [text(&plan), (&fence, Type::INT8)];
    connection.ask(Limit::Small, statement, &of_lease).await.map(drop)
}

impl Drop for Held {
    /// Gives the lease back, unless that was done. A thread of its own does it over a connection of
    /// its own, because a future cannot be awaited here; if it fails, the lease ends by itself.
    fn drop(&mut self) {
        let Self { store, plan, holder, prolonged: _, due: _, is_over } = self;
        if *is_over {
            return;
        }
        let connection = store.connection().another();
        let release = release(&connection, plan, holder.fence);
        std::thread::scope(|scope| {
            let _ = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let _ = runtime.map(|runtime| {
                    runtime.block_on(async { timeout(RELEASE_TIME_MAX, release).await })
                });
            });
        });
    }
}
