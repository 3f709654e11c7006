//! The files around the payload of a bag (RFC 8493 §2), and the lock of whoever makes it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use cutover_base::digest::{Digest, Hashing};

use super::BackupError;

/// Octets that are read at once.
const CHUNK: usize = 64 * 1024;
/// The declaration of a bag (RFC 8493 §2.1.1).
const DECLARATION: &str = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";

/// The digest of a file, and its octets.
pub(super) fn digest_of(path: &Path) -> Result<(Digest, u64), BackupError> {
    let mut file = File::open(path).map_err(BackupError::file(path))?;
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
        let mark = mark_of(bag);
        let was_cut_off = mark.exists();
        let lock = File::options().create(true).append(true).open(&mark);
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
