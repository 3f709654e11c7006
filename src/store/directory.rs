//! A directory with a folder for each plan and a folder for each run.
//!
//! ```text
//! .cutover/NAME/lock                     one writer at a time
//! .cutover/NAME/0001/artifact.json       the artifact that is run
//! .cutover/NAME/0001/journal.jsonl       what has happened
//! .cutover/NAME/0001/next-DIGEST.json    the artifact that supersedes it when it is settled
//! .cutover/NAME/0001/confirmed/          notes from people to the process that drives it
//! ```
//!
//! Everything that is written is on the disk before it counts. An incomplete last line, which a
//! crash can leave, is cut off and reported; damage anywhere else is refused.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use cutover_digest::Digest;

use super::files::{io, read_text};
use super::{
    ARTIFACT_OCTETS_MAX, Lease, Line, Note, Part, RunId, Store, StoreError, StoreResult, TakeLine,
};

/// Maximum octets of a journal. Our choice: a million entries.
const JOURNAL_OCTETS_MAX: u64 = 1024 * 1024 * 1024;

/// Maximum octets of a note. Our choice: more than anybody types on a command line.
const NOTE_OCTETS_MAX: u64 = 1024 * 1024;

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
    _file: File,
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

    async fn lease(&self, plan: &str, owner: &str) -> StoreResult<Box<dyn Lease>> {
        let dir = self.of_plan(plan);
        fs::create_dir_all(&dir).map_err(io(&dir))?;
        let path = dir.join("lock");
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = file.map_err(io(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                file.read_to_string(&mut owner).map_err(io(&path))?;
                let owner = match owner.trim() {
                    // The owner has the lock but has not written its name yet.
                    "" => "another process".to_owned(),
                    owner => owner.to_owned(),
                };
                return Err(StoreError::Locked { owner });
            }
            Err(TryLockError::Error(source)) => return Err(io(&path)(source)),
        }
        file.set_len(0).map_err(io(&path))?;
        file.seek(SeekFrom::Start(0)).map_err(io(&path))?;
        file.write_all(owner.as_bytes()).map_err(io(&path))?;
        let (runs, plan) = (self.clone(), plan.to_owned());
        Ok(Box::new(Lock { runs, plan, _file: file, open: None }))
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

#[async_trait]
impl Lease for Lock {
    async fn create(&mut self, artifact: &str) -> StoreResult<RunId> {
        let runs = self.runs.runs_now(&self.plan)?;
        let newest = runs.iter().filter_map(RunId::number).max().unwrap_or(0);
        let number = newest.checked_add(1).expect("nobody makes four billion runs");
        let run = RunId::new(&self.plan, number);
        let dir = self.runs.of_run(&run);
        fs::create_dir_all(&dir).map_err(io(&dir))?;
        write_new(&dir.join(ARTIFACT), artifact.as_bytes())?;
        write_new(&dir.join(JOURNAL), b"")?;
        sync_dir(&dir)?;
        sync_dir(&self.runs.of_plan(&self.plan))?;
        Ok(run)
    }

    async fn append(&mut self, run: &RunId, after: Digest, lines: &[Line]) -> StoreResult<()> {
        let mut journal = match self.open.take().filter(|open| open.run == *run) {
            Some(open) => open,
            None => Journal::open(run, self.runs.of_run(run).join(JOURNAL))?,
        };
        let written = journal.append(after, lines);
        self.open = Some(journal);
        written
    }

    async fn keep(&mut self, run: &RunId, digest: Digest, artifact: &str) -> StoreResult<()> {
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
