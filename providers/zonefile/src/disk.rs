//! Zone files on disk, which are read whole and replaced in one step.
//!
//! A file is replaced by exchanging its name with that of another file, so a reader sees the old
//! text or the new text, never a mixture, and what somebody else saved at the last moment is put
//! back. A symbolic link is followed and stays; a second hard link keeps the old
//! text. The mode, the group and (where the system permits) the owner are kept. Other attributes,
//! such as ACLs, are those of a new file in the directory.

use std::fs::{self, File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use tempfile::NamedTempFile;

use crate::read::FILE_OCTETS_MAX;

/// The prefix of our temporary files, which may be removed.
pub(crate) const TEMPORARY_PREFIX: &str = ".cutover-";

/// The mode bit that lets everybody read.
const READABLE_BY_ALL: u32 = 0o004;

/// Reads a file of at most `FILE_OCTETS_MAX` octets.
pub(crate) fn load(path: &Path) -> io::Result<Vec<u8>> {
    // Checked before opening: opening a pipe would wait for its other end.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mut text = Vec::new();
    let max = FILE_OCTETS_MAX as u64;
    File::open(path)?.take(max + 1).read_to_end(&mut text)?;
    match text.len() <= FILE_OCTETS_MAX {
        true => Ok(text),
        false => Err(io::Error::new(io::ErrorKind::FileTooLarge, "it has more than 256 MiB")),
    }
}

/// Reads an included file, which must be in the directory `root` or below it after all links are
/// followed. A stranger may have written the zone's text, and errors quote what cannot be read of
/// an included file.
///
/// # Errors
/// The error of the system, and `PermissionDenied` for a file elsewhere, whether it exists or not.
pub fn load_below(root: &Path, path: &Path) -> io::Result<Vec<u8>> {
    let outside = || {
        io::Error::new(
            io::ErrorKind::PermissionDenied,
            "it is outside the provider's directory, and files from there are not included",
        )
    };
    let root = if root.as_os_str().is_empty() { Path::new(".") } else { root };
    let (plain_root, plain_path) = (plain(root)?, plain(path)?);
    if !plain_path.starts_with(&plain_root) {
        return Err(outside());
    }
    let root = fs::canonicalize(root)?;
    match fs::canonicalize(path)? {
        found if found.starts_with(&root) => load(&found),
        _ => Err(outside()),
    }
}

/// The absolute path without `.` and `..`, from its text alone: nothing is looked up.
fn plain(path: &Path) -> io::Result<PathBuf> {
    let mut plain = PathBuf::new();
    for part in std::path::absolute(path)?.components() {
        if part == Component::ParentDir {
            plain.pop();
        } else {
            plain.push(part);
        }
    }
    Ok(plain)
}

/// A file that was not replaced, or whose replacement may not last.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplaceError {
    /// Somebody else wrote it; nothing was changed.
    #[error("somebody else wrote the file in the meantime")]
    Changed,
    /// Its group cannot be kept, and others may not read it: the name server could lose access.
    #[error("the group of {} cannot be kept, and others may not read it", .0.display())]
    Group(PathBuf),
    /// An operation failed before anything was changed.
    #[error("{doing}: {error}")]
    Before {
        /// What failed.
        doing: &'static str,
        /// The system's error.
        error: io::Error,
    },
    /// The new text is in place, but a system crash could undo it.
    #[error("the directory cannot be written to disk: {0}")]
    After(io::Error),
}

/// Replaces the text of the file, if it is still `old`.
pub(crate) fn replace(path: &Path, old: &[u8], new: &[u8]) -> Result<(), ReplaceError> {
    let before = |doing| move |error| ReplaceError::Before { doing, error };
    let path = fs::canonicalize(path).map_err(before("the file cannot be found"))?;
    let directory = path.parent().unwrap_or(Path::new("/"));
    let was = fs::metadata(&path).map_err(before("the file's attributes cannot be read"))?;
    let mut temporary = tempfile::Builder::new()
        .prefix(TEMPORARY_PREFIX)
        .tempfile_in(directory)
        .map_err(before("no temporary file can be made beside it"))?;
    let writing = before("the temporary file cannot be written");
    temporary.write_all(new).map_err(&writing)?;
    let is = temporary.as_file().metadata().map_err(&writing)?;
    if is.gid() != was.gid() {
        let kept = fchown(temporary.as_file(), None, Some(was.gid())).is_ok();
        if !kept && was.mode() & READABLE_BY_ALL == 0 {
            return Err(ReplaceError::Group(path));
        }
    }
    if is.uid() != was.uid() {
        // Only root may give files away. For others the file becomes theirs, as with any editor
        // that writes in this way.
        let _ = fchown(temporary.as_file(), Some(was.uid()), None);
    }
    // After the owner, because changing the owner clears bits of the mode.
    let mode = Permissions::from_mode(was.mode() & 0o7777);
    temporary.as_file().set_permissions(mode).map_err(&writing)?;
    temporary.as_file().sync_all().map_err(&writing)?;
    if load(&path).map_err(before("the file cannot be read again"))? != old {
        return Err(ReplaceError::Changed);
    }
    put_in_place(temporary, &path, old)?;
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(ReplaceError::After)
}

/// Puts the new text in the place of the file, if that still has the old text.
///
/// The two files are exchanged, so that what was there is still at hand and can be put back. Where
/// the system or the file system cannot exchange files, the new file is renamed over the old one:
/// then what somebody writes between the last check and the rename is lost.
fn put_in_place(temporary: NamedTempFile, path: &Path, old: &[u8]) -> Result<(), ReplaceError> {
    let failed = |error| ReplaceError::Before { doing: "the file cannot be replaced", error };
    let exchange = || renameat_with(CWD, temporary.path(), CWD, path, RenameFlags::EXCHANGE);
    match exchange() {
        Ok(()) => {}
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            return temporary.persist(path).map(drop).map_err(|refused| failed(refused.error));
        }
        Err(error) => return Err(failed(error.into())),
    }
    match load(temporary.path()) {
        Ok(replaced) if replaced == old => Ok(()),
        Ok(_) => {
            exchange().map_err(|error| failed(error.into()))?;
            Err(ReplaceError::Changed)
        }
        Err(error) => {
            exchange().map_err(|error| failed(error.into()))?;
            Err(failed(error))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(directory)
            .expect("a directory")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_with_its_mode_and_through_its_link() {
        let directory = tempfile::tempdir().expect("a directory");
        let (file, link) = (directory.path().join("file"), directory.path().join("link"));
        fs::write(&file, "old").expect("written");
        fs::set_permissions(&file, Permissions::from_mode(0o640)).expect("set");
        symlink("file", &link).expect("linked");
        replace(&link, b"old", b"new").expect("replaced");
        assert_eq!(load(&file).expect("read"), b"new");
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        assert_eq!(fs::metadata(&file).expect("there").mode() & 0o7777, 0o640);
        assert_eq!(names(directory.path()), ["file", "link"]);
    }

    #[test]
    fn a_file_that_changed_meanwhile_is_left_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("file");
        fs::write(&file, "theirs").expect("written");
        assert!(matches!(replace(&file, b"old", b"new"), Err(ReplaceError::Changed)));
        assert_eq!(load(&file).expect("read"), b"theirs");
        assert_eq!(names(directory.path()), ["file"]);
    }

    /// Somebody saves the file after the last check: the last writer is not the only one that counts.
    #[test]
    fn what_somebody_saves_at_the_last_moment_is_not_lost() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("file");
        fs::write(&file, "theirs").expect("written");
        let mut temporary = tempfile::Builder::new()
            .prefix(TEMPORARY_PREFIX)
            .tempfile_in(directory.path())
            .expect("a file");
        temporary.write_all(b"new").expect("written");
        let refused = put_in_place(temporary, &file, b"old");
        assert!(matches!(refused, Err(ReplaceError::Changed)), "{refused:?}");
        assert_eq!(load(&file).expect("read"), b"theirs");
        assert_eq!(names(directory.path()), ["file"]);
    }

    #[test]
    fn included_files_lie_below_the_root() {
        let directory = tempfile::tempdir().expect("a directory");
        let (root, secret) = (directory.path().join("root"), directory.path().join("secret"));
        fs::create_dir_all(root.join("below")).expect("made");
        fs::write(&secret, "secret").expect("written");
        fs::write(root.join("below/file"), "text").expect("written");
        symlink(&secret, root.join("link")).expect("linked");
        symlink("below/file", root.join("inner")).expect("linked");
        for inside in ["below/file", "./below/../below/file", "inner"] {
            assert_eq!(load_below(&root, &root.join(inside)).expect(inside), b"text");
        }
        let kind = |path: &Path| load_below(&root, path).map_err(|error| error.kind());
        for outside in ["../secret", "../absent", "link", "/etc/hostname", "below/../../secret"] {
            let found = kind(&root.join(outside));
            assert_eq!(found, Err(io::ErrorKind::PermissionDenied), "{outside}");
        }
        assert_eq!(kind(&root.join("absent")), Err(io::ErrorKind::NotFound));
    }

    #[test]
    fn only_regular_files_are_read() {
        let directory = tempfile::tempdir().expect("a directory");
        for path in [directory.path(), Path::new("/dev/zero")] {
            assert_eq!(load(path).map_err(|error| error.kind()), Err(io::ErrorKind::InvalidInput));
        }
    }
}
