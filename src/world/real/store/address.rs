//! Where runs are kept: the schemes of addresses, each with its store.
//!
//! The stores in PostgreSQL and S3 are Cargo features, because they bring large libraries with them.
//! A program without one knows its scheme, and says what is missing.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;

use cutover_store::{Directory, Store, StoreError};
use cutover_store_git::{Address as GitAddress, AddressError as GitAddressError, GitStore};
#[cfg(feature = "postgres")]
use cutover_store_postgres::{
    Address as PostgresAddress, AddressError as PostgresAddressError, PostgresStore,
};
#[cfg(feature = "s3")]
use cutover_store_s3::{Address as S3Address, AddressError as S3AddressError, S3Store};

/// The address of a store.
#[derive(Clone, PartialEq, Eq)]
pub enum Address {
    /// A directory.
    Directory(PathBuf),
    /// A branch of a git repository.
    Git(GitAddress),
    /// A PostgreSQL database.
    #[cfg(feature = "postgres")]
    Postgres(Box<PostgresAddress>),
    /// A bucket of S3, or of a server that speaks its protocol.
    #[cfg(feature = "s3")]
    S3(S3Address),
}

/// Why a text is not the address of a store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No store has this scheme.
    #[error("no store has the scheme `{0}://`")]
    Scheme(String),
    /// The program was built without the store of this scheme.
    #[error("this program was built without the feature `{0}`, which has its store")]
    NotBuilt(&'static str),
    /// Not the address of a git store.
    #[error(transparent)]
    Git(#[from] GitAddressError),
    /// Not the address of a PostgreSQL store.
    #[cfg(feature = "postgres")]
    #[error(transparent)]
    Postgres(#[from] PostgresAddressError),
    /// Not the address of an S3 store.
    #[cfg(feature = "s3")]
    #[error(transparent)]
    S3(#[from] S3AddressError),
    /// An address that is not a directory has to be text.
    #[error("it is not text")]
    NotText,
}

/// What stores use of this machine.
#[derive(Clone)]
pub struct Machine {
    /// The directory for caches of stores.
    pub caches: PathBuf,
    /// Whether the environment says how `git` runs `ssh`.
    pub has_ssh_command: bool,
    /// The password for PostgreSQL, unless the address has one.
    pub postgres_password: Option<String>,
}

/// The forms of an address, for messages.
pub const FORMS: &[&str] = &[
    "a directory",
    "git+file:///PATH",
    "git+ssh://HOST/PATH",
    "git+https://HOST/PATH",
    #[cfg(feature = "postgres")]
    "postgres://USER@HOST/DATABASE",
    #[cfg(feature = "s3")]
    "s3://BUCKET/PREFIX",
];

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
            #[cfg(not(feature = "postgres"))]
            "postgres" | "postgresql" => Err(AddressError::NotBuilt("postgres")),
            #[cfg(feature = "postgres")]
            "postgres" | "postgresql" => {
                Ok(Self::Postgres(Box::new(PostgresAddress::parse(text)?)))
            }
            #[cfg(not(feature = "s3"))]
            "s3" => Err(AddressError::NotBuilt("s3")),
            #[cfg(feature = "s3")]
            "s3" => Ok(Self::S3(S3Address::parse(text)?)),
            scheme => Err(AddressError::Scheme(scheme.to_owned())),
        }
    }

    /// The store at this address. Nothing is created or asked yet.
    ///
    /// # Errors
    /// [`StoreError::Away`] if the environment's settings cannot be used.
    pub fn open(&self, machine: &Machine) -> Result<Arc<dyn Store>, StoreError> {
        let Machine { caches, has_ssh_command, .. } = machine;
        Ok(match self {
            Self::Directory(path) => Arc::new(Directory::new(path)),
            Self::Git(address) => {
                Arc::new(GitStore::new(address.clone(), caches, *has_ssh_command))
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(address) => {
                let address = PostgresAddress::clone(address);
                Arc::new(PostgresStore::new(match &machine.postgres_password {
                    Some(password) => address.or_password(password),
                    None => address,
                }))
            }
            #[cfg(feature = "s3")]
            Self::S3(address) => Arc::new(S3Store::new(address.clone())?),
        })
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
            let found = read(path).expect("a directory");
            assert!(found == Address::Directory(PathBuf::from(path)), "{path}");
        }
        assert!(matches!(read("git+file:///srv/state.git?branch=x"), Ok(Address::Git(_))));
        #[cfg(feature = "postgres")]
        assert!(matches!(read("postgresql://ada@db.test/state"), Ok(Address::Postgres(_))));
        #[cfg(not(feature = "postgres"))]
        assert_eq!(
            read("postgresql://ada@db.test/state").err(),
            Some(AddressError::NotBuilt("postgres"))
        );
        #[cfg(feature = "s3")]
        assert!(matches!(read("s3://state/cutover"), Ok(Address::S3(_))));
        #[cfg(not(feature = "s3"))]
        assert_eq!(read("s3://state/cutover").err(), Some(AddressError::NotBuilt("s3")));
        for (text, error) in [
            ("file:///srv/state", AddressError::Scheme("file".to_owned())),
            ("git+svn://x/y", GitAddressError::Scheme.into()),
            ("git+ssh://forge.test", GitAddressError::Repository.into()),
            #[cfg(feature = "s3")]
            ("s3://key:secret@state/cutover", S3AddressError::Credentials.into()),
        ] {
            assert_eq!(read(text).err(), Some(error), "{text}");
        }
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
