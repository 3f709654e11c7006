//! The files around the payload of a bag (RFC 8493 §2), and the lock of whoever makes it.
//!
//! A bag may have been in the hands of others. So nothing in it is opened through a symbolic link, and
//! only regular files are read.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use cutover_base::digest::{Digest, Hashing};
use nix::fcntl::OFlag;

use super::BackupError;

/// Octets that are read at once.
const CHUNK: usize = 64 * 1024;
/// The declaration of a bag (RFC 8493 §2.1.1).
const DECLARATION: &str = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";

/// Opens a file of a bag for reading.
pub(super) fn open(bag: &Path, name: &str) -> Result<File, BackupError> {
    is_within(bag, name)?;
    let path = bag.join(name);
    let failed = BackupError::file(&path);
    // A pipe must not be waited for.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = File::options().read(true).custom_flags(flags.bits()).open(&path);
    let file = file.map_err(&failed)?;
    match file.metadata().map_err(&failed)?.is_file() {
        true => Ok(file),
        false => Err(BackupError::damaged(&path, "it is not a file")),
    }
}

/// Makes a file of a bag that is not there, or was left by a backup that was cut off.
pub(super) fn create(bag: &Path, name: &str) -> Result<File, BackupError> {
    is_within(bag, name)?;
    let path = bag.join(name);
    let failed = BackupError::file(&path);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    File::options().write(true).create_new(true).open(&path).map_err(&failed)
}

/// Makes a directory of a bag, unless it is there.
pub(super) fn directory(bag: &Path, name: &str) -> Result<(), BackupError> {
    let path = bag.join(name);
    fs::create_dir_all(&path).map_err(BackupError::file(&path))?;
    is_within(bag, &format!("{name}/x"))
}

/// Opens a file of a bag to write at its end.
pub(super) fn append(bag: &Path, name: &str) -> Result<File, BackupError> {
    is_within(bag, name)?;
    let path = bag.join(name);
    let mut options = File::options();
    options.create(true).append(true).custom_flags(OFlag::O_NOFOLLOW.bits());
    options.open(&path).map_err(BackupError::file(&path))
}

/// The text of a file of a bag.
pub(super) fn text(bag: &Path, name: &str) -> Result<String, BackupError> {
    let mut octets = Vec::new();
    let path = bag.join(name);
    open(bag, name)?.read_to_end(&mut octets).map_err(BackupError::file(&path))?;
    String::from_utf8(octets).map_err(|_| BackupError::damaged(&path, "it is not UTF-8"))
}

/// Refuses a name whose directories are not directories of the bag itself.
fn is_within(bag: &Path, name: &str) -> Result<(), BackupError> {
    let mut path = bag.to_owned();
    let parents = Path::new(name).parent().into_iter().flat_map(Path::components);
    for part in parents {
        path.push(part);
        let kind = fs::symlink_metadata(&path).map_err(BackupError::file(&path))?;
        if !kind.is_dir() {
            return Err(BackupError::damaged(&path, "it is not a directory"));
        }
    }
    Ok(())
}

/// The digest of a file of a bag, and its octets.
pub(super) fn digest_of(bag: &Path, name: &str) -> Result<(Digest, u64), BackupError> {
    let path = &*bag.join(name);
    let mut file = open(bag, name)?;
    let mut hash = Hashing::default();
    let mut buffer = vec![0; CHUNK];
    let mut octets = 0;
    loop {
        let read = file.read(&mut buffer).map_err(BackupError::file(path))?;
        if read == 0 {
            return Ok((hash.digest(), octets));
        }
        octets += read as u64;
        hash.add(&buffer[..read]);
    }
}

/// The 64 digits of a digest, as manifests have them.
pub(super) fn digits(digest: &Digest) -> String {
    digest.to_string().trim_start_matches("sha256:").to_owned()
}

/// Writes a file as a whole: readers see the old one or the new one.
pub(super) fn write(path: &Path, text: &str) -> Result<(), BackupError> {
    let failed = BackupError::file(path);
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(dir).map_err(&failed)?;
    file.write_all(text.as_bytes()).map_err(&failed)?;
    file.as_file().sync_all().map_err(&failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    // The name is on the disk when its directory is.
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(&failed)
}

/// The file that stands beside a bag while it is being made.
pub(super) fn mark_of(bag: &Path) -> PathBuf {
    let mut name = bag.file_name().unwrap_or_default().to_owned();
    name.push(".unfinished");
    bag.with_file_name(name)
}

/// A bag that is being made. Its lock ends with the process.
pub(super) struct Unfinished {
    mark: PathBuf,
    _lock: File,
    /// Whether an earlier process has left it unfinished.
    pub(super) was_cut_off: bool,
}

impl Unfinished {
    /// Begins, or continues, to make a bag.
    pub(super) fn begin(bag: &Path) -> Result<Self, BackupError> {
        let data = bag.join("data");
        fs::create_dir_all(&data).map_err(BackupError::file(&data))?;
        is_within(bag, "data/index.jsonl")?;
        let mark = mark_of(bag);
        let was_cut_off = mark.exists();
        let mut options = File::options();
        options.create(true).append(true).custom_flags(OFlag::O_NOFOLLOW.bits());
        let lock = options.open(&mark);
        let lock = lock.map_err(BackupError::file(&mark))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { mark, _lock: lock, was_cut_off }),
            Err(fs::TryLockError::WouldBlock) => Err(BackupError::Locked(bag.to_owned())),
            Err(fs::TryLockError::Error(error)) => Err(BackupError::File { path: mark, error }),
        }
    }

    /// The bag is complete.
    pub(super) fn end(self) -> Result<(), BackupError> {
        fs::remove_file(&self.mark).map_err(BackupError::file(&self.mark))
    }
}

/// Writes manifest, information and declaration. `payload` has the digests and the octets of all
/// files below `data/`, by their paths.
pub(super) fn seal(
    bag: &Path,
    payload: &BTreeMap<String, (Digest, u64)>,
    information: &[(&str, String)],
) -> Result<(), BackupError> {
    let mut manifest = String::new();
    for (path, (digest, _)) in payload {
        let _ = writeln!(manifest, "{}  {path}", digits(digest));
    }
    let octets: u64 = payload.values().map(|(_, octets)| octets).sum();
    let mut info = String::new();
    for (label, value) in information {
        let _ = writeln!(info, "{label}: {value}");
    }
    let _ = writeln!(info, "Payload-Oxum: {octets}.{}", payload.len());
    let tags =
        [("bag-info.txt", &*info), ("bagit.txt", DECLARATION), ("manifest-sha256.txt", &manifest)];
    let mut tag_manifest = String::new();
    for (name, text) in tags {
        write(&bag.join(name), text)?;
        let _ = writeln!(tag_manifest, "{}  {name}", digits(&Digest::of(text.as_bytes())));
    }
    write(&bag.join("tagmanifest-sha256.txt"), &tag_manifest)
}
