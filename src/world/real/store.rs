//! Where runs are kept: a directory with a folder a plan and a folder a run.
//!
//! ```text
//! .cutover/NAME/lock                     one writer at a time
//! .cutover/NAME/0001/artifact.json       what is run
//! .cutover/NAME/0001/journal.jsonl       what has happened
//! .cutover/NAME/0001/next-DIGEST.json    what takes its place when it has settled what it began
//! ```
//!
//! Everything that is written is on the disk before it counts. An incomplete last line, which a
//! crash can leave, is cut off and said; damage anywhere else is refused.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{BufRead as _, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::artifact::{self, Artifact};
use crate::digest::Digest;
use crate::engine::IllegalEvent;
use crate::journal::{Entry, EntryError};
use crate::world::Run;

/// Octets of a journal at the most. Our choice: a million entries.
const JOURNAL_OCTETS_MAX: u64 = 1024 * 1024 * 1024;

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file cannot be read or written.
    #[error("{} cannot be used: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// Another process holds the lock.
    #[error("the plan is locked by {owner}")]
    Locked {
        /// Who, and since when.
        owner: String,
    },
    /// A file that is larger than any that we write.
    #[error("{} is larger than {octets_max} octets", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The bound.
        octets_max: u64,
    },
    /// The sealed artifact of a run cannot be used.
    #[error("{} cannot be used: {source}", path.display())]
    Artifact {
        /// The file.
        path: PathBuf,
        /// Why.
        source: artifact::ReadError,
    },
    /// A line of a journal cannot be used.
    #[error("{}:{line}: {source}", path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// The line, from one.
        line: u64,
        /// Why.
        source: EntryError,
    },
    /// An entry of a journal cannot follow from those before it.
    #[error("{}:{line}: {source}", path.display())]
    Illegal {
        /// The file.
        path: PathBuf,
        /// The line, from one.
        line: u64,
        /// Why.
        source: IllegalEvent,
    },
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { path, source }
}

/// The runs of one plan.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
}

/// Held while somebody writes; the system drops it with the process.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// A run as it was found.
#[derive(Debug)]
pub struct Found {
    /// The run.
    pub run: Run,
    /// Its journal's file.
    pub journal: PathBuf,
    /// How many octets of an incomplete last line stand at the end.
    pub torn: u64,
}

impl Store {
    /// The store of a plan of this name, below the state directory. Nothing is created yet.
    #[must_use]
    pub fn new(state: &Path, name: &str) -> Self {
        Self { dir: state.join(name) }
    }

    /// Takes the lock; `owner` is what others are told.
    ///
    /// # Errors
    /// [`StoreError::Locked`] with the other's owner text.
    pub fn lock(&self, owner: &str) -> Result<Lock, StoreError> {
        fs::create_dir_all(&self.dir).map_err(io(&self.dir))?;
        let path = self.dir.join("lock");
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = file.map_err(io(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                file.read_to_string(&mut owner).map_err(io(&path))?;
                let owner = match owner.trim() {
                    // It has the lock, and has not written its name yet.
                    "" => "another process".to_owned(),
                    owner => owner.to_owned(),
                };
                return Err(StoreError::Locked { owner });
            }
            Err(TryLockError::Error(source)) => return Err(StoreError::Io { path, source }),
        }
        file.set_len(0).map_err(io(&path))?;
        file.seek(SeekFrom::Start(0)).map_err(io(&path))?;
        file.write_all(owner.as_bytes()).map_err(io(&path))?;
        Ok(Lock { _file: file })
    }

    /// The same, as soon as nobody else has it.
    ///
    /// # Errors
    /// [`StoreError`], but never that it is locked.
    pub async fn lock_when_free(&self, owner: &str) -> Result<Lock, StoreError> {
        /// How often it is looked for. Our choice.
        const EVERY: Duration = Duration::from_secs(1);
        loop {
            match self.lock(owner) {
                Err(StoreError::Locked { .. }) => {
                    #[expect(clippy::disallowed_methods, reason = "nobody tells when it is free")]
                    tokio::time::sleep(EVERY).await;
                }
                taken => return taken,
            }
        }
    }

    /// The folders of the runs by their numbers.
    fn runs(&self) -> Result<BTreeMap<u32, PathBuf>, StoreError> {
        let listing = match fs::read_dir(&self.dir) {
            Ok(listing) => listing,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(BTreeMap::new());
            }
            Err(source) => return Err(StoreError::Io { path: self.dir.clone(), source }),
        };
        let mut runs = BTreeMap::new();
        for entry in listing {
            let path = entry.map_err(io(&self.dir))?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            // A folder without a journal is a run that was never opened: a crash left it.
            if let Some(number) = name.and_then(|name| name.parse().ok())
                && path.join(JOURNAL).exists()
            {
                runs.insert(number, path);
            }
        }
        Ok(runs)
    }

    /// The newest run, if there is one. A journal without an entry is none: whoever made it did not
    /// come to open the run.
    ///
    /// # Errors
    /// [`StoreError`], for anything in it that cannot be trusted.
    pub fn newest(&self) -> Result<Option<Found>, StoreError> {
        for dir in self.runs()?.values().rev() {
            let found = read_run(dir)?;
            if found.run.state.opened.is_some() {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The numbers of all runs, and whether each was opened is not looked at.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn numbers(&self) -> Result<Vec<u32>, StoreError> {
        Ok(self.runs()?.into_keys().collect())
    }

    /// The run of a number; `None` where there is none, or it was never opened.
    ///
    /// # Errors
    /// [`StoreError`], for anything in it that cannot be trusted.
    pub fn run(&self, number: u32) -> Result<Option<Found>, StoreError> {
        let Some(dir) = self.runs()?.remove(&number) else { return Ok(None) };
        Ok(Some(read_run(&dir)?).filter(|found| found.run.state.opened.is_some()))
    }

    /// The run that this way back leads back.
    ///
    /// # Errors
    /// [`StoreError`], for anything in it that cannot be trusted.
    pub fn turned(&self, back: &Artifact) -> Result<Option<Found>, StoreError> {
        for dir in self.runs()?.values().rev() {
            let found = read_run(dir)?;
            let state = &found.run.state;
            if state.turned_back.is_some() && Some(state.artifact()) == back.parent {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The runs that lead the run of an artifact back.
    ///
    /// # Errors
    /// [`StoreError`], for anything in it that cannot be trusted.
    pub fn ways_back(&self, of: Digest) -> Result<Vec<Run>, StoreError> {
        let mut found = Vec::new();
        for dir in self.runs()?.values() {
            let Found { run, .. } = read_run(dir)?;
            if run.artifact.is_way_back() && run.artifact.parent == Some(of) {
                found.push(run);
            }
        }
        Ok(found)
    }

    /// Keeps the artifact that takes a run's place, until the run has settled what it has begun.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn keep_next(&self, open: &Found, next: &Artifact) -> Result<(), StoreError> {
        let (text, digest) = next.clone().seal();
        let path = next_of(open, digest);
        write_new(&path, text.as_bytes())?;
        sync_dir(path.parent().expect("a journal lies in a folder"))
    }

    /// The artifact that takes a run's place, if it was kept.
    ///
    /// # Errors
    /// [`StoreError`], for one that cannot be trusted.
    pub fn next(&self, open: &Found) -> Result<Option<Artifact>, StoreError> {
        let Some(by) = open.run.state.replaced else { return Ok(None) };
        let path = next_of(open, by);
        match path.exists() {
            true => read_artifact(&path).map(Some),
            false => Ok(None),
        }
    }

    /// Makes room for a new run, of which nothing is known yet: writes its artifact, and an empty
    /// journal.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn create(&self, artifact: Artifact) -> Result<Found, StoreError> {
        let newest = self.runs()?.last_key_value().map_or(0, |(number, _)| *number);
        let dir = self.dir.join(format!("{:04}", u64::from(newest) + 1));
        fs::create_dir_all(&dir).map_err(io(&dir))?;
        let (text, digest) = artifact.seal();
        write_new(&dir.join(ARTIFACT), text.as_bytes())?;
        let journal = dir.join(JOURNAL);
        write_new(&journal, b"")?;
        sync_dir(&dir)?;
        sync_dir(&self.dir)?;
        let run = Run::new(artifact, digest);
        Ok(Found { run, journal, torn: 0 })
    }
}

fn next_of(open: &Found, digest: Digest) -> PathBuf {
    open.journal.with_file_name(format!("next-{}.json", digest.short().replace(':', "-")))
}

const ARTIFACT: &str = "artifact.json";
const JOURNAL: &str = "journal.jsonl";

fn write_new(path: &Path, octets: &[u8]) -> Result<(), StoreError> {
    let mut file = File::create(path).map_err(io(path))?;
    file.write_all(octets).and_then(|()| file.sync_all()).map_err(io(path))
}

fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    File::open(dir).and_then(|file| file.sync_all()).map_err(io(dir))
}

/// Reads a file that is not larger than it may be.
///
/// # Errors
/// [`StoreError::Io`] and [`StoreError::TooLarge`].
pub fn read_text(path: &Path, octets_max: u64) -> Result<String, StoreError> {
    String::from_utf8(read_octets(path, octets_max)?).map_err(|error| {
        io(path)(std::io::Error::new(std::io::ErrorKind::InvalidData, error.utf8_error()))
    })
}

fn read_octets(path: &Path, octets_max: u64) -> Result<Vec<u8>, StoreError> {
    let mut octets = Vec::new();
    let file = File::open(path).map_err(io(path))?;
    file.take(octets_max + 1).read_to_end(&mut octets).map_err(io(path))?;
    if octets.len() as u64 > octets_max {
        return Err(StoreError::TooLarge { path: path.to_owned(), octets_max });
    }
    Ok(octets)
}

/// Reads an artifact.
///
/// # Errors
/// [`StoreError`].
pub fn read_artifact(path: &Path) -> Result<Artifact, StoreError> {
    let text = read_text(path, artifact::OCTETS_MAX)?;
    Artifact::decode(&text).map_err(|source| StoreError::Artifact { path: path.to_owned(), source })
}

/// Reads the run in a folder.
pub(super) fn read_run(dir: &Path) -> Result<Found, StoreError> {
    let artifact = read_artifact(&dir.join(ARTIFACT))?;
    let journal = dir.join(JOURNAL);
    let digest = artifact.digest();
    let mut run = Run::new(artifact, digest);
    let torn = read_journal(&journal, &mut |line, entry, head| {
        run.state
            .apply(&run.artifact, entry.moment(), &entry.event)
            .map_err(|source| StoreError::Illegal { path: journal.clone(), line, source })?;
        run.seq += 1;
        run.head = head;
        Ok(())
    })?;
    Ok(Found { run, journal, torn })
}

/// Takes the entries of a journal one by one, each with the number of its line, from one, and that
/// line's digest. How many octets of an incomplete last line stand behind them.
///
/// # Errors
/// [`StoreError`], for a line that is no entry or does not follow, and whatever `take` says.
pub fn read_journal(
    path: &Path,
    take: &mut dyn FnMut(u64, &Entry, Digest) -> Result<(), StoreError>,
) -> Result<u64, StoreError> {
    let file = File::open(path).map_err(io(path))?;
    let octets = file.metadata().map_err(io(path))?.len();
    if octets > JOURNAL_OCTETS_MAX {
        let octets_max = JOURNAL_OCTETS_MAX;
        return Err(StoreError::TooLarge { path: path.to_owned(), octets_max });
    }
    let mut lines = BufReader::with_capacity(1 << 16, file);
    let (mut line, mut head) = (Vec::new(), Digest::of(b""));
    for seq in 0.. {
        line.clear();
        lines.read_until(b'\n', &mut line).map_err(io(path))?;
        // What stands behind the last line end is a line that was not written to its end.
        if line.pop_if(|last| *last == b'\n').is_none() {
            break;
        }
        let number = seq + 1;
        let (entry, digest) = Entry::read(&line, seq, head)
            .map_err(|source| StoreError::Entry { path: path.to_owned(), line: number, source })?;
        head = digest;
        take(number, &entry, head)?;
    }
    Ok(line.len() as u64)
}

/// A journal that is written to.
#[derive(Debug)]
pub struct JournalFile {
    file: File,
}

impl JournalFile {
    /// Opens a journal for writing, and cuts off so many octets of an incomplete last line.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn open(path: &Path, torn: u64) -> Result<Self, StoreError> {
        let file = OpenOptions::new().append(true).open(path).map_err(io(path))?;
        let length = file.metadata().map_err(io(path))?.len();
        if torn > 0 {
            file.set_len(length - torn).and_then(|()| file.sync_all()).map_err(io(path))?;
        }
        Ok(Self { file })
    }

    /// Writes an entry; it is on the disk when this returns.
    ///
    /// # Errors
    /// The system's word. What was written of the line is taken back as far as that is possible.
    pub fn append(&mut self, entry: &Entry) -> std::io::Result<()> {
        let before = self.file.metadata()?.len();
        let line = entry.line() + "\n";
        let written = self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_data());
        if written.is_err() {
            // Should this fail too, the next reader finds an incomplete line and cuts it off.
            let _ = self.file.set_len(before);
        }
        written
    }
}
