//! A lease in the branch, and what its holder writes.

use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use cutover_base::digest::Digest;
use cutover_store::{Claim, Holder, Lease, Line, RunId, StoreError, StoreResult};

use super::program::{Commit, Written};
use super::{Change, GitStore, Write, kept_path, lease_path, now, steady};

/// Lines of a journal's file. Our choice: each append writes a file of this size again.
const SEGMENT_LINES: usize = 256;
/// Maximum time to give a lease back when it ends. Our choice: otherwise it ends by itself.
const RELEASE_TIME_MAX: Duration = Duration::from_secs(20);

/// The right to write the runs of a plan.
#[derive(Debug)]
pub(super) struct Held {
    store: GitStore,
    plan: String,
    holder: Holder,
    /// When the lease was last prolonged, by a clock that nobody can set.
    prolonged: Instant,
    /// The newest commit, in which everything was checked that the next write relies on.
    known: Commit,
    /// The journal that was last written to, in that commit.
    open: Option<Journal>,
}

/// The end of a journal.
#[derive(Clone, Debug)]
struct Journal {
    run: RunId,
    head: Digest,
    /// The number of its last file.
    segment: usize,
    /// The lines in it.
    lines: Vec<String>,
}

impl Journal {
    fn path(&self) -> String {
        format!("{}/journal/{:08}.jsonl", self.run, self.segment)
    }

    fn text(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }

    /// The same with these lines at its end, and the files that differ.
    fn with(&self, lines: &[Line]) -> (Self, Vec<Written>) {
        let mut longer = self.clone();
        let mut files = Vec::new();
        for line in lines {
            if longer.lines.len() >= SEGMENT_LINES {
                files.push(Written { path: longer.path(), octets: longer.text().into_bytes() });
                longer.segment += 1;
                longer.lines.clear();
            }
            longer.lines.push(line.text().to_owned());
            longer.head = line.digest();
        }
        files.push(Written { path: longer.path(), octets: longer.text().into_bytes() });
        (longer, files)
    }
}

/// A lease that is taken if it is free or over.
struct Take<'w> {
    plan: &'w str,
    /// The holder to be, still without a number.
    holder: Holder,
}

impl Write for Take<'_> {
    type Made = Holder;

    async fn on(&self, store: &GitStore, tip: Option<&Commit>) -> StoreResult<(Change, Holder)> {
        let Self { plan, holder } = self;
        let last = store.last_holder(tip, plan).await?;
        let fence = last.as_ref().map_or(1, |last| last.fence + 1);
        if let Some(last) = last.filter(|last| !last.is_over(now())) {
            // If the answer to a push was lost, this is the holder already.
            return match (Holder { fence: last.fence, ..holder.clone() }) == last {
                true => Ok((Change::Nothing, last)),
                false => Err(StoreError::Locked { holder: Box::new(last) }),
            };
        }
        let holder = Holder { fence, ..holder.clone() };
        let message = format!("{plan}: a lease for {}", holder.owner);
        Ok((Change::Write(message, vec![lease_file(plan, &holder)]), holder))
    }
}

/// A lease that is taken away from the holder with this number.
pub(super) struct Unlock<'w> {
    pub(super) plan: &'w str,
    pub(super) fence: u64,
}

impl Write for Unlock<'_> {
    type Made = bool;

    async fn on(&self, store: &GitStore, tip: Option<&Commit>) -> StoreResult<(Change, bool)> {
        let Self { plan, fence } = self;
        let last = store.last_holder(tip, plan).await?;
        let held = last.filter(|last| last.fence == *fence && !last.is_over(now()));
        let Some(held) = held else { return Ok((Change::Nothing, false)) };
        // The number is higher too: a lease that is over but not taken can still be used.
        let over = Holder { until: Some(now()), fence: fence + 1, ..held };
        let message = format!("{plan}: the lease of {} was taken away", over.owner);
        Ok((Change::Write(message, vec![lease_file(plan, &over)]), true))
    }
}

/// A lease that is given back.
struct GiveBack {
    plan: String,
    holder: Holder,
    known: Commit,
}

impl Write for GiveBack {
    type Made = ();

    async fn on(&self, store: &GitStore, tip: Option<&Commit>) -> StoreResult<(Change, ())> {
        let Self { plan, holder, known } = self;
        if tip != Some(known) {
            let last = store.last_holder(tip, plan).await?;
            if last.map(|last| last.fence) != Some(holder.fence) {
                return Ok((Change::Nothing, ()));
            }
        }
        let over = Holder { until: Some(now()), ..holder.clone() };
        let message = format!("{plan}: the lease is given back");
        Ok((Change::Write(message, vec![lease_file(plan, &over)]), ()))
    }
}

fn lease_file(plan: &str, holder: &Holder) -> Written {
    Written { path: lease_path(plan), octets: holder.text().into_bytes() }
}

/// What only the holder of a lease writes.
struct Holding<'w> {
    held: &'w Held,
    /// The holder with a later end, if that is due.
    prolonged: Option<Holder>,
    what: What<'w>,
}

#[derive(Clone, Copy)]
enum What<'w> {
    /// Nothing but the lease itself.
    Nothing,
    /// The next run, with this artifact.
    Run(&'w str),
    /// A run that has a name already.
    Named(&'w RunId, &'w str),
    /// Lines of a run's journal, after the line with this digest.
    Lines(&'w RunId, Digest, &'w [Line]),
    /// The artifact with this digest, as a run's successor.
    Kept(&'w RunId, Digest, &'w str),
}

/// What a holder learns.
enum Made {
    Nothing,
    Run(RunId),
    Journal(Journal),
}

impl Write for Holding<'_> {
    type Made = Made;

    async fn on(&self, store: &GitStore, tip: Option<&Commit>) -> StoreResult<(Change, Made)> {
        let Self { held, prolonged, what } = self;
        let Held { plan, holder, known, open, .. } = held;
        let is_known = tip == Some(known);
        if !is_known {
            let last = store.last_holder(tip, plan).await?;
            if last.as_ref().map(|last| last.fence) != Some(holder.fence) {
                return Err(held.lost(last));
            }
        }
        let (message, mut files, made) = match what {
            What::Nothing => (format!("{plan}: the lease goes on"), Vec::new(), Made::Nothing),
            What::Run(artifact) => {
                let runs = store.runs_at(tip, plan).await?;
                let newest = runs.iter().filter_map(RunId::number).max().unwrap_or(0);
                let number = newest.checked_add(1).expect("nobody makes four billion runs");
                let run = RunId::new(plan, number);
                let path = format!("{run}/artifact.json");
                let written = Written { path, octets: artifact.as_bytes().to_vec() };
                (format!("{run}: the run is created"), vec![written], Made::Run(run))
            }
            What::Named(run, artifact) => {
                let place = || store.place_of(&run.to_string());
                if run.plan != *plan || !run.is_portable() {
                    let detail = "it cannot be the name of a run".to_owned();
                    return Err(StoreError::Foreign { place: place(), detail });
                }
                if store.runs_at(tip, plan).await?.contains(run) {
                    // The answer to a push may have been lost, and somebody may have written since.
                    let path = format!("{run}/artifact.json");
                    let is_ours = !is_known
                        && store.file(tip, path).await?.as_deref() == Some(*artifact)
                        && store.segments(tip, run).await?.is_empty();
                    return match is_ours {
                        true => Ok((Change::Nothing, Made::Nothing)),
                        false => Err(StoreError::Conflict { place: place() }),
                    };
                }
                let path = format!("{run}/artifact.json");
                let written = Written { path, octets: artifact.as_bytes().to_vec() };
                (format!("{run}: the run is imported"), vec![written], Made::Nothing)
            }
            What::Lines(run, after, lines) => {
                let journal = match open.clone().filter(|open| is_known && open.run == **run) {
                    Some(journal) => journal,
                    None => journal_at(store, tip, run).await?,
                };
                let last = lines.last().map(Line::digest);
                if !is_known && last == Some(journal.head) {
                    // The answer to a push was lost, and somebody has written something since.
                    return Ok((Change::Nothing, Made::Journal(journal)));
                }
                if journal.head != *after {
                    let place = store.place_of(&format!("{run}/journal"));
                    return Err(StoreError::Conflict { place });
                }
                let (longer, files) = journal.with(lines);
                let entries = if lines.len() == 1 { "entry" } else { "entries" };
                (format!("{run}: {} {entries}", lines.len()), files, Made::Journal(longer))
            }
            What::Kept(run, digest, artifact) => {
                let path = kept_path(run, *digest);
                let written = Written { path, octets: artifact.as_bytes().to_vec() };
                (format!("{run}: its successor is kept"), vec![written], Made::Nothing)
            }
        };
        files.extend(prolonged.iter().map(|holder| lease_file(plan, holder)));
        Ok((Change::Write(message, files), made))
    }
}

impl Held {
    /// Takes the lease if it is free or over.
    pub(super) async fn take(store: &GitStore, plan: &str, claim: &Claim) -> StoreResult<Self> {
        let tip = store.tip_now().await?;
        let prolonged = steady();
        let lasts = store.git().address().lease;
        let holder = Holder::new(claim, now(), Some(lasts), 0);
        let holder = Holder { until: holder.until.map(rounded), ..holder };
        let author = (&*claim.owner, &*claim.host);
        let holder = store.change(tip, author, &Take { plan, holder }).await?;
        let known = store.tip(Duration::MAX).await?.expect("it was just written");
        store.git().collect().await;
        let (store, plan) = (store.clone(), plan.to_owned());
        Ok(Self { store, plan, holder, prolonged, known, open: None })
    }

    /// Whether a third of the lease is over, by either clock: the steady one stands still while the
    /// machine is suspended.
    fn is_due(&self) -> bool {
        let lasts = self.store.git().address().lease;
        let left = self.holder.until.and_then(|until| until.duration_since(now()).ok());
        self.prolonged.elapsed() * 3 > lasts || left.is_none_or(|left| left * 3 < lasts * 2)
    }

    /// The error of a holder that is not the holder any more.
    fn lost(&self, last: Option<Holder>) -> StoreError {
        let holder = last.filter(|last| !last.is_over(now())).map(Box::new);
        StoreError::Lost { place: self.store.place_of(&lease_path(&self.plan)), holder }
    }

    /// Writes what only the holder may, and prolongs the lease if that is due.
    async fn write(&mut self, what: What<'_>) -> StoreResult<Made> {
        let asked = steady();
        let lasts = self.store.git().address().lease;
        let prolonged = self
            .is_due()
            .then(|| Holder { until: Some(rounded(now() + lasts)), ..self.holder.clone() });
        let author = (&*self.holder.owner, &*self.holder.host);
        let holding = Holding { held: self, prolonged: prolonged.clone(), what };
        let made = self.store.change(Some(self.known.clone()), author, &holding).await?;
        self.known = self.store.tip(Duration::MAX).await?.expect("it was just written");
        // It belongs to the commit that was known before.
        self.open = None;
        if let Some(holder) = prolonged {
            (self.holder, self.prolonged) = (holder, asked);
        }
        Ok(made)
    }
}

/// Without what a lease's file does not hold.
fn rounded(at: SystemTime) -> SystemTime {
    let claim = Claim { owner: String::new(), host: String::new() };
    Holder::new(&claim, at, None, 0).since
}

#[async_trait]
impl Lease for Held {
    fn holder(&self) -> &Holder {
        &self.holder
    }

    async fn renew(&mut self) -> StoreResult<()> {
        match self.is_due() {
            true => self.write(What::Nothing).await.map(drop),
            false => Ok(()),
        }
    }

    async fn create(&mut self, artifact: &str) -> StoreResult<RunId> {
        match self.write(What::Run(artifact)).await? {
            Made::Run(run) => Ok(run),
            Made::Nothing | Made::Journal(_) => unreachable!("a run was created"),
        }
    }

    async fn create_named(&mut self, run: &RunId, artifact: &str) -> StoreResult<()> {
        self.write(What::Named(run, artifact)).await.map(drop)
    }

    async fn append(&mut self, run: &RunId, after: Digest, lines: &[Line]) -> StoreResult<()> {
        if let Made::Journal(longer) = self.write(What::Lines(run, after, lines)).await? {
            self.open = Some(longer);
        }
        Ok(())
    }

    async fn keep(&mut self, run: &RunId, digest: Digest, artifact: &str) -> StoreResult<()> {
        self.write(What::Kept(run, digest, artifact)).await.map(drop)
    }
}

/// The end of a journal in a commit.
async fn journal_at(store: &GitStore, tip: Option<&Commit>, run: &RunId) -> StoreResult<Journal> {
    let paths = store.segments(tip, run).await?;
    let Some(path) = paths.last() else {
        let (head, segment, lines) = (Digest::of(b""), 0, Vec::new());
        return Ok(Journal { run: run.clone(), head, segment, lines });
    };
    let text = store.file(tip, path.clone()).await?.unwrap_or_default();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let last = lines.last().filter(|_| text.ends_with('\n'));
    let last = last.ok_or_else(|| store.foreign(path, "its last line is incomplete"))?;
    let head = Digest::of(last.as_bytes());
    Ok(Journal { run: run.clone(), head, segment: paths.len() - 1, lines })
}

impl Drop for Held {
    /// Gives the lease back. A thread of its own does that, because a future cannot be awaited
    /// here; if it fails, the lease ends by itself.
    fn drop(&mut self) {
        let Self { store, plan, holder, known, .. } = self;
        let back = GiveBack { plan: plan.clone(), holder: holder.clone(), known: known.clone() };
        let store = store.clone();
        let release = async move {
            let author = (&*back.holder.owner, &*back.holder.host);
            store.change(Some(back.known.clone()), author, &back).await
        };
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let _ =
                runtime.block_on(async { tokio::time::timeout(RELEASE_TIME_MAX, release).await });
            Ok::<(), std::io::Error>(())
        });
        let _ = thread.join();
    }
}
