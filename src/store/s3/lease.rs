//! A lease in the log, and what its holder writes.

use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use cutover_base::digest::Digest;
use cutover_store::{Claim, Holder, Lease, Line, Part, RunId, Store as _, StoreError, StoreResult};
use tokio::time::timeout;

use super::log::{Plan, Record, What};
use super::{Next, S3Store, now, steady, token};

/// Maximum time to give a lease back when it ends. Our choice: otherwise it ends by itself.
const RELEASE_TIME_MAX: Duration = Duration::from_secs(20);

/// The right to write the runs of a plan.
#[derive(Debug)]
pub(super) struct Held {
    store: S3Store,
    plan: String,
    holder: Holder,
    /// When the lease was last prolonged, by a clock that nobody can set and by the wall clock: the
    /// first one stands still while the machine is suspended.
    prolonged: (Instant, SystemTime),
    /// Whether it was given back.
    is_over: bool,
}

/// Why a holder cannot write a record.
enum Refusal {
    /// There is another last line, or such a run.
    Conflict,
    /// The record is not one for this plan.
    Foreign(&'static str),
}

impl Held {
    /// Takes the lease if it is free or over.
    pub(super) async fn take(store: &S3Store, plan: &str, claim: &Claim) -> StoreResult<Self> {
        let lasts = store.objects().address().lease;
        let (token, mut taken) = (token(), None);
        let prolonged = (steady(), now());
        let write = store.write::<()>(plan, |found| {
            if let Some(holder) = found.holder_at(now()) {
                return Err(StoreError::Locked { holder: Box::new(holder.clone()) });
            }
            let fence = found.fence + 1;
            let holder = Holder::new(claim, now(), Some(lasts), fence);
            // As it is written.
            let text = holder.text();
            taken = Holder::read(&text);
            let (what, contents) = (What::Lease { holder: text }, String::new());
            Ok(Next::Write(Record { token: token.clone(), fence, what, contents }))
        });
        write.await?;
        let holder = taken.expect("a record was written, and it can be read");
        let (store, plan) = (store.clone(), plan.to_owned());
        Ok(Self { store, plan, holder, prolonged, is_over: false })
    }

    /// Whether a third of the lease is over, by either clock.
    fn is_due(&self) -> bool {
        let third = self.store.objects().address().lease / 3;
        let (steady, wall) = self.prolonged;
        steady.elapsed() > third || now().duration_since(wall).is_ok_and(|past| past > third)
    }

    /// Writes a record that only the holder may write, if `check` allows it.
    async fn write(
        &self,
        what: What,
        contents: String,
        place: impl Fn() -> String + Send + Sync,
        check: impl Fn(&Plan) -> Result<(), Refusal> + Send + Sync,
    ) -> StoreResult<()> {
        let (store, fence) = (&self.store, self.holder.fence);
        let record = Record { token: token(), fence, what, contents };
        let write = store.write::<()>(&self.plan, |plan| {
            if plan.fence != fence || plan.holder.is_none() {
                let holder = plan.holder_at(now()).cloned().map(Box::new);
                return Err(StoreError::Lost { place: store.place_of(&self.plan), holder });
            }
            match check(plan) {
                Ok(()) => Ok(Next::Write(record.clone())),
                Err(Refusal::Conflict) => Err(StoreError::Conflict { place: place() }),
                Err(Refusal::Foreign(detail)) => {
                    Err(StoreError::Foreign { place: place(), detail: detail.to_owned() })
                }
            }
        });
        write.await.map(drop)
    }

    async fn insert(&mut self, run: &RunId, artifact: &str) -> StoreResult<()> {
        self.renew().await?;
        let key = self.store.put_artifact(&self.plan, artifact).await?;
        let what = What::Run { run: run.name.clone(), artifact: key };
        let place = || self.store.place_of(&run.to_string());
        let check = |plan: &Plan| match plan.runs.contains_key(&run.name) {
            true => Err(Refusal::Conflict),
            false => Ok(()),
        };
        self.write(what, String::new(), place, check).await
    }
}

fn has_run(plan: &Plan, run: &RunId) -> Result<(), Refusal> {
    match plan.runs.contains_key(&run.name) {
        true => Ok(()),
        false => Err(Refusal::Foreign("there is no such run")),
    }
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
        let prolonged = (steady(), now());
        let until = Some(now() + self.store.objects().address().lease);
        let text = Holder { until, ..self.holder.clone() }.text();
        let holder = Holder::read(&text).expect("it was just written");
        let place = || self.store.place_of(&self.plan);
        self.write(What::Lease { holder: text }, String::new(), place, |_| Ok(())).await?;
        (self.holder, self.prolonged) = (holder, prolonged);
        Ok(())
    }

    async fn give_back(mut self: Box<Self>) -> StoreResult<()> {
        let place = || self.store.place_of(&self.plan);
        self.write(What::Over, String::new(), place, |_| Ok(())).await?;
        self.is_over = true;
        Ok(())
    }

    async fn create(&mut self, artifact: &str) -> StoreResult<RunId> {
        let runs = self.store.runs(&self.plan).await?;
        let newest = runs.iter().filter_map(RunId::number).max().unwrap_or(0);
        let number = newest.checked_add(1).expect("nobody makes four billion runs");
        let run = RunId::new(&self.plan, number);
        self.insert(&run, artifact).await.map(|()| run)
    }

    async fn create_named(&mut self, run: &RunId, artifact: &str) -> StoreResult<()> {
        if run.plan != self.plan || !run.is_portable() {
            let detail = "it cannot be the name of a run";
            return Err(self.store.foreign(&run.to_string(), detail));
        }
        self.insert(run, artifact).await
    }

    async fn append(&mut self, run: &RunId, after: Digest, lines: &[Line]) -> StoreResult<()> {
        self.renew().await?;
        let contents = lines.iter().map(|line| format!("{}\n", line.text())).collect();
        let place = || self.store.place(run, Part::Journal);
        let check = |plan: &Plan| {
            has_run(plan, run)?;
            match plan.runs[&run.name].head() == after {
                true => Ok(()),
                false => Err(Refusal::Conflict),
            }
        };
        let what = What::Lines { run: run.name.clone(), after };
        self.write(what, contents, place, check).await
    }

    async fn keep(&mut self, run: &RunId, digest: Digest, artifact: &str) -> StoreResult<()> {
        self.renew().await?;
        let key = self.store.put_artifact(&self.plan, artifact).await?;
        let what = What::Kept { run: run.name.clone(), digest, artifact: key };
        let place = || self.store.place_of(&run.to_string());
        self.write(what, String::new(), place, |plan| has_run(plan, run)).await
    }
}

impl Drop for Held {
    /// Gives the lease back, unless that was done. A thread of its own does it with a client of its
    /// own, because a future cannot be awaited here; if it fails, the lease ends by itself.
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let (plan, fence) = (&*self.plan, self.holder.fence);
        let address = self.store.objects().address().clone();
        let known = self.store.clone();
        let release = async {
            let own = S3Store::new(address)?;
            // What was read already need not be read again, unless a task is reading more, which
            // would have to wait for this thread.
            if let Ok(plans) = known.0.plans.try_lock() {
                *own.0.plans.lock().await = plans.clone();
            }
            let (what, contents) = (What::Over, String::new());
            let record = Record { token: token(), fence, what, contents };
            let over = own.write(plan, |found| {
                Ok(match found.fence == fence && found.holder.is_some() {
                    true => Next::Write(record.clone()),
                    false => Next::Nothing(()),
                })
            });
            over.await.map(drop)
        };
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
