//! A directory with a folder for each plan and a folder for each run.
//!
//! ```text
//! .cutover/NAME/lock                     one writer at a time: who it is
//! .cutover/NAME/writing                  locked while something is written
//! .cutover/NAME/0001/artifact.json       the artifact that is run
//! .cutover/NAME/0001/journal.jsonl       what has happened
//! .cutover/NAME/0001/next-DIGEST.json    the artifact that supersedes it when it is settled
//! .cutover/NAME/0001/confirmed/          notes from people to the process that drives it
//! ```
//!
//! The operating system holds the lock of `lock` as long as the process lives, even if it is
//! stopped, so a lease has no end of its own. `unlock` puts another file in its place. Every write
//! compares the two while it holds the lock of `writing`, so a holder whose lease was taken away
//! cannot write.
//!
//! Everything that is written is on the disk before it counts. An incomplete last line, which a
//! crash can leave, is cut off and reported; damage anywhere else is refused.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use cutover_base::digest::Digest;

use super::files::{io, read_text};
use super::{
    ARTIFACT_OCTETS_MAX, Claim, Holder, Lease, Line, Note, Part, RunId, Store, StoreError,
    StoreResult, TakeLine,
};

/// Maximum octets of a journal. Our choice: a million entries.
const JOURNAL_OCTETS_MAX: u64 = 1024 * 1024 * 1024;

/// Maximum octets of a note. Our choice: more than anybody types on a command line.
const NOTE_OCTETS_MAX: u64 = 1024 * 1024;

/// Maximum octets of the file that names the holder. Our choice.
const HOLDER_OCTETS_MAX: u64 = 64 * 1024;

/// How often to try a lock that others hold only for a moment, and how long to pause between. Our
/// choice: five seconds, much longer than a disk needs for a write.
const TRIES: u32 = 250;
const PAUSE: Duration = Duration::from_millis(20);

const ARTIFACT: &str = "artifact.json";
const JOURNAL: &str = "journal.jsonl";

/// Runs as folders below a state directory.
#[derive(Clone, Debug)]
pub struct Directory {
    state: PathBuf,
}

/// The lease of one plan. The operating system releases it when the process ends.
#[derive(Debug)]
struct Lock {
    runs: Directory,
    plan: String,
    holder: Holder,
    /// The file `lock`, with the operating system's lock.
    file: File,
    /// The journal that was last written to.
    open: Option<Journal>,
}

/// A journal that is open for writing.
#[derive(Debug)]
struct Journal {
    run: RunId,
    file: File,
    path: PathBuf,
    head: Digest,
}

impl Directory {
    /// The runs below this directory. Nothing is created yet.
    #[must_use]
    pub fn new(state: &Path) -> Self {
        Self { state: state.to_owned() }
    }

    fn of_plan(&self, plan: &str) -> PathBuf {
        self.state.join(plan)
    }

    fn of_run(&self, run: &RunId) -> PathBuf {
        self.of_plan(&run.plan).join(&run.name)
    }

    fn runs_now(&self, plan: &str) -> StoreResult<Vec<RunId>> {
        let folders = folders(&self.of_plan(plan))?;
        // A folder without a journal was left by a crash before its run was opened.
        let is_run = |path: &&PathBuf| path.join(JOURNAL).exists();
        let names = folders.iter().filter(is_run).filter_map(|path| name(path));
        Ok(names.map(|name| RunId { plan: plan.to_owned(), name: name.to_owned() }).collect())
    }

    /// The file of a note. It is named by a digest, because a step's id may contain characters that
    /// a file name may not. No digest equals `turn-back`.
    fn note_path(&self, run: &RunId, note: Note<'_>) -> PathBuf {
        let file = match note {
            Note::Done(step) => {
                let digest = Digest::of(step.as_bytes()).to_string();
                digest.trim_start_matches("sha256:").to_owned()
            }
            Note::TurnBack => "turn-back".to_owned(),
        };
        self.of_run(run).join("confirmed").join(file)
    }

    fn lock_path(&self, plan: &str) -> PathBuf {
        self.of_plan(plan).join("lock")
    }

    /// Keeps all others from writing the runs of a plan, for as long as the file is open.
    fn writing(&self, plan: &str) -> StoreResult<File> {
        let path = self.of_plan(plan).join("writing");
        let file = open_lock(&path)?;
        for _ in 0..TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => pause(),
                Err(TryLockError::Error(source)) => return Err(io(&path)(source)),
            }
        }
        let detail = "a process has been writing for seconds; end it if it was stopped".to_owned();
        Err(StoreError::Away { place: path.display().to_string(), detail })
    }

    /// Takes the lock of a plan's file `lock`; the file, and who holds it if that is somebody else.
    fn try_lock(&self, plan: &str) -> StoreResult<Result<File, Holder>> {
        /// Others hold it for a moment when they ask for the holder.
        const MOMENTS: u32 = 3;
        let path = self.lock_path(plan);
        let mut tries = 0;
        loop {
            let mut file = open_lock(&path)?;
            match file.try_lock() {
                Ok(()) if is_at(&file, &path)? => return Ok(Ok(file)),
                // Somebody has replaced the file in the meantime.
                Ok(()) => {}
                Err(TryLockError::WouldBlock) if tries < MOMENTS => pause(),
                Err(TryLockError::WouldBlock) => return Ok(Err(holder_in(&mut file, &path)?)),
                Err(TryLockError::Error(source)) => return Err(io(&path)(source)),
            }
            tries += 1;
            if tries > TRIES {
                let detail = "other processes replace it all the time".to_owned();
                return Err(StoreError::Away { place: path.display().to_string(), detail });
            }
        }
    }

    fn kept_path(&self, run: &RunId, digest: Digest) -> PathBuf {
        self.of_run(run).join(format!("next-{}.json", digest.short().replace(':', "-")))
    }
}

#[async_trait]
impl Store for Directory {
    async fn plans(&self) -> StoreResult<Vec<String>> {
        let folders = folders(&self.state)?;
        Ok(folders.iter().filter_map(|path| name(path)).map(str::to_owned).collect())
    }

    async fn runs(&self, plan: &str) -> StoreResult<Vec<RunId>> {
        self.runs_now(plan)
    }

    async fn artifact(&self, run: &RunId) -> StoreResult<String> {
        read_text(&self.of_run(run).join(ARTIFACT), ARTIFACT_OCTETS_MAX)
    }

    async fn lines(&self, run: &RunId, take: &mut TakeLine<'_>) -> StoreResult<u64> {
        let path = self.of_run(run).join(JOURNAL);
        let file = File::open(&path).map_err(io(&path))?;
        if file.metadata().map_err(io(&path))?.len() > JOURNAL_OCTETS_MAX {
            let (place, octets_max) = (path.display().to_string(), JOURNAL_OCTETS_MAX);
            return Err(StoreError::TooLarge { place, octets_max });
        }
        let mut lines = BufReader::with_capacity(1 << 16, file);
        let mut line = Vec::new();
        loop {
            line.clear();
            lines.read_until(b'\n', &mut line).map_err(io(&path))?;
            // Octets after the last line end belong to an incomplete line.
            if line.pop_if(|last| *last == b'\n').is_none() {
                return Ok(line.len() as u64);
            }
            if take(&line).is_break() {
                return Ok(0);
            }
        }
    }

    async fn kept(&self, run: &RunId, digest: Digest) -> StoreResult<Option<String>> {
        let path = self.kept_path(run, digest);
        match path.exists() {
            true => read_text(&path, ARTIFACT_OCTETS_MAX).map(Some),
            false => Ok(None),
        }
    }

    async fn leave(&self, run: &RunId, note: Note<'_>, text: &str) -> StoreResult<()> {
        let path = self.note_path(run, note);
        let folder = path.parent().expect("a note lies in a folder");
        let write = || {
            fs::create_dir_all(folder)?;
            // Rename a complete file into place, so that a reader finds all of it or nothing.
            let written = tempfile::NamedTempFile::new_in(folder)?;
            fs::write(written.path(), text)?;
            written.persist(&path).map(drop).map_err(|error| error.error)
        };
        write().map_err(io(&path))
    }

    async fn note(&self, run: &RunId, note: Note<'_>) -> StoreResult<Option<String>> {
        let path = self.note_path(run, note);
        match path.exists() {
            true => read_text(&path, NOTE_OCTETS_MAX).map(Some),
            false => Ok(None),
        }
    }

    async fn holder(&self, plan: &str) -> StoreResult<Option<Holder>> {
        if !self.lock_path(plan).exists() {
            return Ok(None);
        }
        Ok(self.try_lock(plan)?.err())
    }

    async fn lease(&self, plan: &str, claim: &Claim) -> StoreResult<Box<dyn Lease>> {
        let dir = self.of_plan(plan);
        fs::create_dir_all(&dir).map_err(io(&dir))?;
        let path = self.lock_path(plan);
        let mut file = match self.try_lock(plan)? {
            Ok(file) => file,
            Err(holder) => return Err(StoreError::Locked { holder: Box::new(holder) }),
        };
        let before = holder_in(&mut file, &path)?;
        let holder = Holder::new(claim, now(), None, before.fence + 1);
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(holder.text().as_bytes())
        };
        write(&mut file).map_err(io(&path))?;
        let (runs, plan) = (self.clone(), plan.to_owned());
        Ok(Box::new(Lock { runs, plan, holder, file, open: None }))
    }

    async fn unlock(&self, plan: &str, fence: u64) -> StoreResult<bool> {
        if !self.lock_path(plan).exists() {
            return Ok(false);
        }
        let _writing = self.writing(plan)?;
        let holder = match self.try_lock(plan)? {
            Err(holder) if holder.fence == fence => holder,
            Ok(_) | Err(_) => return Ok(false),
        };
        // The next lease counts on from the number in this file.
        let (dir, path) = (self.of_plan(plan), self.lock_path(plan));
        let replace = || {
            let written = tempfile::NamedTempFile::new_in(&dir)?;
            fs::write(written.path(), holder.text())?;
            written.persist(&path).map(drop).map_err(|error| error.error)
        };
        replace().map_err(io(&path))?;
        sync_dir(&dir)?;
        Ok(true)
    }

    fn place(&self, run: &RunId, part: Part) -> String {
        let file = match part {
            Part::Artifact => ARTIFACT,
            Part::Journal => JOURNAL,
        };
        self.of_run(run).join(file).display().to_string()
    }

    fn folder(&self, run: &RunId) -> Option<PathBuf> {
        Some(self.of_run(run))
    }
}

impl Lock {
    /// Writes the folder of a new run.
    fn create_folder(&self, run: &RunId, artifact: &str) -> StoreResult<()> {
        let dir = self.runs.of_run(run);
        fs::create_dir_all(&dir).map_err(io(&dir))?;
        write_new(&dir.join(ARTIFACT), artifact.as_bytes())?;
        // The journal comes last: without it the folder is no run.
        write_new(&dir.join(JOURNAL), b"")?;
        sync_dir(&dir)?;
        sync_dir(&self.runs.of_plan(&self.plan))
    }

    /// Keeps all others from writing, and checks that this process may.
    fn writing(&self) -> StoreResult<File> {
        let writing = self.runs.writing(&self.plan)?;
        let path = self.runs.lock_path(&self.plan);
        if is_at(&self.file, &path)? {
            return Ok(writing);
        }
        let holder = self.runs.try_lock(&self.plan)?.err().map(Box::new);
        Err(StoreError::Lost { place: path.display().to_string(), holder })
    }
}

#[async_trait]
impl Lease for Lock {
    fn holder(&self) -> &Holder {
        &self.holder
    }

    async fn renew(&mut self) -> StoreResult<()> {
        // It has no end, but it may have been taken away.
        self.writing().map(drop)
    }

    async fn create(&mut self, artifact: &str) -> StoreResult<RunId> {
        let _writing = self.writing()?;
        let runs = self.runs.runs_now(&self.plan)?;
        let newest = runs.iter().filter_map(RunId::number).max().unwrap_or(0);
        let number = newest.checked_add(1).expect("nobody makes four billion runs");
        let run = RunId::new(&self.plan, number);
        self.create_folder(&run, artifact)?;
        Ok(run)
    }

    async fn create_named(&mut self, run: &RunId, artifact: &str) -> StoreResult<()> {
        let _writing = self.writing()?;
        let place = || self.runs.of_run(run).display().to_string();
        if run.plan != self.plan || !run.is_portable() {
            let detail = "it cannot be the name of a run".to_owned();
            return Err(StoreError::Foreign { place: place(), detail });
        }
        if self.runs.runs_now(&self.plan)?.contains(run) {
            return Err(StoreError::Conflict { place: place() });
        }
        self.create_folder(run, artifact)
    }

    async fn append(&mut self, run: &RunId, after: Digest, lines: &[Line]) -> StoreResult<()> {
        let _writing = self.writing()?;
        let mut journal = match self.open.take().filter(|open| open.run == *run) {
            Some(open) => open,
            None => Journal::open(run, self.runs.of_run(run).join(JOURNAL))?,
        };
        let written = journal.append(after, lines);
        self.open = Some(journal);
        written
    }

    async fn keep(&mut self, run: &RunId, digest: Digest, artifact: &str) -> StoreResult<()> {
        let _writing = self.writing()?;
        write_new(&self.runs.kept_path(run, digest), artifact.as_bytes())?;
        sync_dir(&self.runs.of_run(run))
    }
}

impl Journal {
    /// Opens a journal for writing, and cuts off an incomplete last line.
    fn open(run: &RunId, path: PathBuf) -> StoreResult<Self> {
        let open = || {
            let mut file = OpenOptions::new().read(true).append(true).open(&path)?;
            let length = file.metadata()?.len();
            let (last, whole) = last_line(&mut file, length)?;
            if whole < length {
                file.set_len(whole)?;
                file.sync_all()?;
            }
            Ok((file, Digest::of(&last)))
        };
        let (file, head) = open().map_err(io(&path))?;
        Ok(Self { run: run.clone(), file, path, head })
    }

    fn append(&mut self, after: Digest, lines: &[Line]) -> StoreResult<()> {
        if after != self.head {
            return Err(StoreError::Conflict { place: self.path.display().to_string() });
        }
        let text: String = lines.iter().map(|line| format!("{}\n", line.text())).collect();
        let before = self.file.metadata().map_err(io(&self.path))?.len();
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // If this fails too, the next reader finds an incomplete line and cuts it off.
            let _ = self.file.set_len(before);
            return Err(io(&self.path)(error));
        }
        if let Some(last) = lines.last() {
            self.head = last.digest();
        }
        Ok(())
    }
}

/// The last complete line of a file, without its line end, and the length in octets of all complete
/// lines.
fn last_line(file: &mut File, length: u64) -> std::io::Result<(Vec<u8>, u64)> {
    let mut from = length;
    let mut tail = Vec::new();
    loop {
        let ends: Vec<usize> =
            tail.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at).collect();
        let whole = |end: usize| from + end as u64 + 1;
        match (ends.as_slice(), from) {
            ([.., before, end], _) => return Ok((tail[before + 1..*end].to_vec(), whole(*end))),
            ([end], 0) => return Ok((tail[..*end].to_vec(), whole(*end))),
            ([], 0) => return Ok((Vec::new(), 0)),
            ([_] | [], _) => {}
        }
        // Most lines fit into the first chunk, but a halt that lists many records does not.
        let more = from.min((tail.len() as u64).max(1 << 12));
        from -= more;
        let mut chunk = vec![0; usize::try_from(more).expect("a part of what is in memory")];
        file.seek(SeekFrom::Start(from))?;
        file.read_exact(&mut chunk)?;
        chunk.append(&mut tail);
        tail = chunk;
    }
}

/// Opens a file that is there to be locked.
fn open_lock(path: &Path) -> StoreResult<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).open(path).map_err(io(path))
}

/// Whether an open file is the one that has this path now.
fn is_at(file: &File, path: &Path) -> StoreResult<bool> {
    let (open, named) = (file.metadata().map_err(io(path))?, fs::metadata(path));
    match named {
        Ok(named) => Ok((open.dev(), open.ino()) == (named.dev(), named.ino())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(io(path)(source)),
    }
}

/// The holder that a lock's file names.
fn holder_in(file: &mut File, path: &Path) -> StoreResult<Holder> {
    let mut text = Vec::new();
    file.seek(SeekFrom::Start(0)).map_err(io(path))?;
    file.take(HOLDER_OCTETS_MAX).read_to_end(&mut text).map_err(io(path))?;
    let text = String::from_utf8_lossy(&text);
    Ok(Holder::read(&text).unwrap_or_else(|| Holder {
        // It has the lock but has not written its name yet, or it is of an earlier version.
        owner: match text.trim() {
            "" => "another process".to_owned(),
            text => text.to_owned(),
        },
        host: "this machine".to_owned(),
        since: file.metadata().and_then(|meta| meta.modified()).unwrap_or(SystemTime::UNIX_EPOCH),
        until: None,
        fence: 0,
    }))
}

#[expect(clippy::disallowed_methods, reason = "a lease says since when it is held")]
fn now() -> SystemTime {
    SystemTime::now()
}

#[expect(clippy::disallowed_methods, reason = "the operating system's locks are polled")]
fn pause() {
    std::thread::sleep(PAUSE);
}

/// The folders in a directory, in order; none if there is no such directory.
fn folders(dir: &Path) -> StoreResult<Vec<PathBuf>> {
    let listing = match fs::read_dir(dir) {
        Ok(listing) => listing,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(io(dir)(source)),
    };
    let mut found = Vec::new();
    for entry in listing {
        let path = entry.map_err(io(dir))?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn name(path: &Path) -> Option<&str> {
    path.file_name().and_then(|name| name.to_str())
}

fn write_new(path: &Path, octets: &[u8]) -> StoreResult<()> {
    let mut file = File::create(path).map_err(io(path))?;
    file.write_all(octets).and_then(|()| file.sync_all()).map_err(io(path))
}

fn sync_dir(dir: &Path) -> StoreResult<()> {
    File::open(dir).and_then(|file| file.sync_all()).map_err(io(dir))
}
