//! The runs of one plan.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use cutover_store::StoreResult;

use super::{Claim, Lease, Part, ReadError, ReadResult, RunId, Store, StoreError};
use crate::artifact::Artifact;
use crate::digest::Digest;
use crate::journal::Entry;
use crate::world::Run;

/// The runs of one plan in a store.
#[derive(Clone, Debug)]
pub struct Runs {
    store: Arc<dyn Store>,
    plan: String,
}

/// A run as it was found.
#[derive(Debug)]
pub struct Found {
    /// The run.
    pub run: Run,
    /// Its name.
    pub id: RunId,
    /// The length in octets of an incomplete last line in its journal.
    pub incomplete_octets: u64,
}

impl Runs {
    /// The runs of the plan with this name. Nothing is created yet.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, plan: &str) -> Self {
        Self { store, plan: plan.to_owned() }
    }

    /// The store in which they are kept.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The name of the plan.
    #[must_use]
    pub fn plan(&self) -> &str {
        &self.plan
    }

    /// Takes the lease.
    ///
    /// # Errors
    /// [`StoreError::Locked`], with the present holder.
    pub async fn lease(&self, claim: &Claim) -> StoreResult<Box<dyn Lease>> {
        self.store.lease(&self.plan, claim).await
    }

    /// Waits until the lease is free, and takes it.
    ///
    /// # Errors
    /// [`StoreError`], but never [`StoreError::Locked`].
    pub async fn lease_when_free(&self, claim: &Claim) -> StoreResult<Box<dyn Lease>> {
        /// How often to try. Our choice.
        const EVERY: Duration = Duration::from_secs(1);
        loop {
            match self.lease(claim).await {
                Err(StoreError::Locked { .. }) => {
                    #[expect(
                        clippy::disallowed_methods,
                        reason = "a store does not report a free lease"
                    )]
                    tokio::time::sleep(EVERY).await;
                }
                taken => return taken,
            }
        }
    }

    /// The newest run that was opened. An empty journal is skipped: its process ended before it
    /// opened the run.
    ///
    /// # Errors
    /// [`ReadError`] for anything in it that cannot be trusted.
    pub async fn newest(&self) -> ReadResult<Option<Found>> {
        for id in self.numbered().await?.into_iter().rev() {
            let found = self.read(id).await?;
            if found.run.state.opened.is_some() {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The numbers of all runs that were not abandoned, whether they were opened or not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn numbers(&self) -> StoreResult<Vec<u32>> {
        Ok(self.numbered().await?.iter().filter_map(RunId::number).collect())
    }

    /// Their names, in order.
    async fn numbered(&self) -> StoreResult<Vec<RunId>> {
        let mut runs = self.store.runs(&self.plan).await?;
        runs.retain(|run| run.number().is_some());
        runs.sort_by_key(RunId::number);
        Ok(runs)
    }

    /// The run with this number; `None` if there is none, or it was never opened.
    ///
    /// # Errors
    /// [`ReadError`] for anything in it that cannot be trusted.
    pub async fn run(&self, number: u32) -> ReadResult<Option<Found>> {
        let id = RunId::new(&self.plan, number);
        if !self.numbered().await?.contains(&id) {
            return Ok(None);
        }
        Ok(Some(self.read(id).await?).filter(|found| found.run.state.opened.is_some()))
    }

    /// Reads every run in order, whether it was opened, abandoned, or neither. Reads one at a time,
    /// because they are large.
    ///
    /// # Errors
    /// [`ReadError`] for anything in them that cannot be trusted.
    pub async fn each(&self, take: &mut (dyn FnMut(Found) + Send)) -> ReadResult<()> {
        for id in self.store.runs(&self.plan).await? {
            take(self.read(id).await?);
        }
        Ok(())
    }

    /// The run that a way back rolls back.
    ///
    /// # Errors
    /// [`ReadError`] for anything in it that cannot be trusted.
    pub async fn rolled_back_by(&self, back: &Artifact) -> ReadResult<Option<Found>> {
        for id in self.numbered().await?.into_iter().rev() {
            let found = self.read(id).await?;
            let state = &found.run.state;
            if state.turned_back.is_some() && Some(state.artifact()) == back.parent {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The runs that roll back the run of an artifact.
    ///
    /// # Errors
    /// [`ReadError`] for anything in it that cannot be trusted.
    pub async fn ways_back(&self, of: Digest) -> ReadResult<Vec<Run>> {
        let mut ways_back = Vec::new();
        self.each(&mut |Found { run, id, .. }| {
            let is_way_back = run.artifact.is_way_back() && run.artifact.parent == Some(of);
            ways_back.extend(Some(run).filter(|_| is_way_back && id.number().is_some()));
        })
        .await?;
        Ok(ways_back)
    }

    /// The artifact that supersedes a run, if it was kept.
    ///
    /// # Errors
    /// [`ReadError`] for an artifact that cannot be trusted.
    pub async fn next(&self, open: &Found) -> ReadResult<Option<Artifact>> {
        let Some(by) = open.run.state.replaced else { return Ok(None) };
        let Some(text) = self.store.kept(&open.id, by).await? else { return Ok(None) };
        self.decoded(&open.id, &text).map(Some)
    }

    /// Keeps the artifact that supersedes a run, until the run has settled what it has begun.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keep_next(
        &self,
        lease: &mut dyn Lease,
        open: &Found,
        next: &Artifact,
    ) -> StoreResult<()> {
        let (text, digest) = next.seal();
        lease.keep(&open.id, digest, &text).await
    }

    /// Creates a run without entries.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn create(&self, lease: &mut dyn Lease, artifact: Artifact) -> StoreResult<Found> {
        let (text, digest) = artifact.seal();
        let id = lease.create(&text).await?;
        Ok(Found { run: Run::new(artifact, digest), id, incomplete_octets: 0 })
    }

    /// Passes each entry of a run to `take`. The run was read and checked before.
    ///
    /// # Errors
    /// [`ReadError`] for a line that cannot follow those before it.
    pub async fn entries(
        &self,
        of: &Found,
        take: &mut (dyn FnMut(&Entry) + Send),
    ) -> ReadResult<()> {
        let mut run = Run::new(of.run.artifact.as_ref().clone(), of.run.state.artifact());
        self.fold(&of.id, &mut run, take).await.map(drop)
    }

    /// Reads a run, whether it was opened or not.
    ///
    /// # Errors
    /// [`ReadError`] for anything in it that cannot be trusted.
    pub async fn read(&self, id: RunId) -> ReadResult<Found> {
        let artifact = self.decoded(&id, &self.store.artifact(&id).await?)?;
        let digest = artifact.digest();
        let mut run = Run::new(artifact, digest);
        let incomplete_octets = self.fold(&id, &mut run, &mut |_| {}).await?;
        Ok(Found { run, id, incomplete_octets })
    }

    fn decoded(&self, id: &RunId, text: &str) -> ReadResult<Artifact> {
        let place = || self.store.place(id, Part::Artifact);
        Artifact::decode(text).map_err(|source| ReadError::Artifact { place: place(), source })
    }

    /// Adds every line of a run's journal to it.
    async fn fold(
        &self,
        id: &RunId,
        run: &mut Run,
        take: &mut (dyn FnMut(&Entry) + Send),
    ) -> ReadResult<u64> {
        let place = self.store.place(id, Part::Journal);
        let mut refused = None;
        let mut read = |line: &[u8]| match run.read_line(line) {
            Ok(entry) => {
                take(&entry);
                ControlFlow::Continue(())
            }
            Err(source) => {
                refused = Some((run.seq + 1, source));
                ControlFlow::Break(())
            }
        };
        let incomplete_octets = self.store.lines(id, &mut read).await?;
        match refused {
            Some((line, source)) => Err(ReadError::Line { place, line, source }),
            None => Ok(incomplete_octets),
        }
    }
}
