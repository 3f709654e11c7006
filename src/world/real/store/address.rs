//! Where runs are kept: the schemes of addresses, each with its store.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;

use cutover_store::{Directory, Store};
use cutover_store_git::{Address as GitAddress, AddressError as GitAddressError, GitStore};

/// The address of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A directory.
    Directory(PathBuf),
    /// A branch of a git repository.
    Git(GitAddress),
}

/// Why a text is not the address of a store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No store has this scheme.
    #[error("no store has the scheme `{0}://`")]
    Scheme(String),
    /// Not the address of a git store.
    #[error(transparent)]
    Git(#[from] GitAddressError),
    /// An address that is not a directory has to be text.
    #[error("it is not text")]
    NotText,
}

/// What stores use of this machine.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The directory for caches of stores.
    pub caches: PathBuf,
    /// Whether the environment says how `git` runs `ssh`.
    pub has_ssh_command: bool,
}

/// The forms of an address, for messages.
pub const FORMS: &[&str] =
    &["a directory", "git+file:///PATH", "git+ssh://HOST/PATH", "git+https://HOST/PATH"];

impl Address {
    /// Reads an address: a scheme with `://`, or the path of a directory.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn parse(text: &OsStr) -> Result<Self, AddressError> {
        let shown = text.to_string_lossy();
        let Some(scheme) = scheme(&shown) else {
            return Ok(Self::Directory(PathBuf::from(text)));
        };
        let text = text.to_str().ok_or(AddressError::NotText)?;
        match scheme {
            scheme if scheme.starts_with("git+") => Ok(Self::Git(GitAddress::parse(text)?)),
            scheme => Err(AddressError::Scheme(scheme.to_owned())),
        }
    }

    /// The store at this address. Nothing is created or asked yet.
    #[must_use]
    pub fn open(&self, machine: &Machine) -> Arc<dyn Store> {
        let Machine { caches, has_ssh_command } = machine;
        match self {
            Self::Directory(path) => Arc::new(Directory::new(path)),
            Self::Git(address) => {
                Arc::new(GitStore::new(address.clone(), caches, *has_ssh_command))
            }
        }
    }
}

/// The scheme that a text begins with (RFC 3986 §3.1), if it has one.
fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once("://")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    (scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(plain))
        .then_some(scheme)
}

/// An address as it may be shown: without the password that a URL may contain.
#[must_use]
pub fn without_password(text: &str) -> String {
    let hidden = || {
        let (scheme, rest) = text.split_once("://")?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (user, host) = rest[..end].rsplit_once('@')?;
        let (user, _) = user.split_once(':')?;
        Some(format!("{scheme}://{user}:[redacted]@{host}{}", &rest[end..]))
    };
    hidden().unwrap_or_else(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let read = |text: &str| Address::parse(OsStr::new(text));
        for path in ["state", "/srv/state", "./a:b", "git+ssh", "a b://x"] {
            assert_eq!(read(path), Ok(Address::Directory(PathBuf::from(path))), "{path}");
        }
        assert!(matches!(read("git+file:///srv/state.git?branch=x"), Ok(Address::Git(_))));
        assert_eq!(read("file:///srv/state"), Err(AddressError::Scheme("file".to_owned())));
        assert_eq!(read("git+svn://x/y"), Err(GitAddressError::Scheme.into()));
        assert_eq!(read("git+ssh://forge.test"), Err(GitAddressError::Repository.into()));
    }

    #[test]
    fn no_password_is_shown() {
        for (text, shown) in [
            (
                "git+https://me:s3cret@forge.test/x?branch=b",
                "git+https://me:[redacted]@forge.test/x?branch=b",
            ),
            ("git+https://me:a@b:c@forge.test", "git+https://me:[redacted]@forge.test"),
            ("git+ssh://git@forge.test:22/x@y:z", "git+ssh://git@forge.test:22/x@y:z"),
            ("state", "state"),
        ] {
            assert_eq!(without_password(text), shown);
        }
    }
}
