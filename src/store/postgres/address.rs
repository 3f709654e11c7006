//! The URL of a store: `postgres://cutover@db.example/dns?sslrootcert=/etc/ssl/db.pem&lease=5m`.
//!
//! It is a connection URI of libpq (PostgreSQL 15 §34.1.1.2, read 2026-11-30). `sslmode` means what
//! it means there (§34.19.1). Only its default differs: a server on another machine has to prove
//! its name, because whoever answers in its place could show runs that never were.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode as Negotiation};

/// How long a lease lasts, unless the URL says so. Our choice: much longer than any step, and short
/// enough to wait for after a crash. A process that ends gives its lease back.
pub const LEASE: Duration = Duration::from_secs(15 * 60);

/// The shortest lease. Our choice: a connection over a slow line takes a good part of it.
const LEASE_MIN: Duration = Duration::from_secs(1);

/// Where a store is. It may hold a password, which nothing here shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    pub(crate) config: Config,
    pub(crate) ssl: SslMode,
    /// The root certificates; `None` stands for the system's.
    pub(crate) roots: Option<PathBuf>,
    pub(crate) lease: Duration,
}

/// How far a connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SslMode {
    /// No TLS.
    Disable,
    /// TLS if the server offers it, with any certificate.
    Prefer,
    /// TLS with any certificate.
    Require,
    /// TLS with a certificate from a known authority, for any name.
    VerifyCa,
    /// TLS with a certificate from a known authority, for the host's name.
    VerifyFull,
}

/// Why a text is not the URL of a store.
///
/// No variant repeats a part of the text that could belong to a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Another scheme.
    #[error("expected `postgres://` or `postgresql://`")]
    Scheme,
    /// It cannot be read.
    #[error(
        "expected `postgres://USER@HOST/DATABASE`; in a user name or a password, write `@` as \
         `%40`, `/` as `%2F`, `?` as `%3F` and `%` as `%25`"
    )]
    Form,
    /// An option that does not exist, or a value that it cannot have.
    #[error(
        "`{0}` is not an option, or cannot have this value; there are `sslmode`, `sslrootcert`, \
         `lease`, and of libpq's others `host`, `port`, `connect_timeout` and \
         `target_session_attrs`"
    )]
    Option(String),
    /// The value of `sslmode` is unknown.
    #[error("`sslmode` is `disable`, `prefer`, `require`, `verify-ca` or `verify-full`")]
    SslMode,
    /// Root certificates would not be used.
    #[error("`sslrootcert` needs `sslmode=require`, `verify-ca` or `verify-full`")]
    UnusedRoots,
    /// The lease's time cannot be used.
    #[error("`lease` is a time of at least a second, such as `lease=10m`")]
    Lease,
}

impl Address {
    /// Reads a URL. Nothing is asked of the environment: neither `PGHOST` and the like, nor a
    /// password file.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let schemes = ["postgres://", "postgresql://"];
        let rest = schemes.iter().find_map(|scheme| text.strip_prefix(scheme));
        let rest = rest.ok_or(AddressError::Scheme)?;
        // A password may contain a question mark.
        let user = rest.find('@').map_or(0, |at| at + 1);
        let (base, options) = match rest[user..].find('?') {
            Some(at) => (&rest[..user + at], &rest[user + at + 1..]),
            None => (rest, ""),
        };
        let (mut ssl, mut roots, mut lease) = (None, None, LEASE);
        let mut others = Vec::new();
        for option in options.split('&').filter(|option| !option.is_empty()) {
            let (key, value) = option.split_once('=').ok_or(AddressError::Form)?;
            let value = percent_decode_str(value).decode_utf8().map_err(|_| AddressError::Form)?;
            match key {
                "sslmode" => ssl = Some(SslMode::read(&value).ok_or(AddressError::SslMode)?),
                "sslrootcert" => roots = Some(value.into_owned()),
                "lease" => {
                    let span = humantime::parse_duration(&value).ok();
                    lease = span.filter(|span| *span >= LEASE_MIN).ok_or(AddressError::Lease)?;
                }
                _ => others.push(option),
            }
        }
        let mut config = driver(base, &others.join("&")).ok_or_else(|| unusable(base, &others))?;
        let named = |host: &Host| match host {
            Host::Tcp(name) => !name.is_empty() && !name.contains(['@', '/', '?', '%']),
            Host::Unix(_) => true,
        };
        if config.get_hosts().is_empty() || !config.get_hosts().iter().all(named) {
            return Err(AddressError::Form);
        }
        let is_near = config.get_hosts().iter().all(is_this_machine);
        let ssl = match (ssl, &roots) {
            (Some(SslMode::Disable | SslMode::Prefer), Some(_)) => {
                return Err(AddressError::UnusedRoots);
            }
            // As libpq does: who names an authority wants it to be asked.
            (Some(SslMode::Require), Some(_)) => SslMode::VerifyCa,
            (Some(mode), _) => mode,
            (None, None) if is_near => SslMode::Prefer,
            (None, _) => SslMode::VerifyFull,
        };
        config.ssl_mode(match ssl {
            SslMode::Disable => Negotiation::Disable,
            SslMode::Prefer => Negotiation::Prefer,
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => Negotiation::Require,
        });
        config.application_name("cutover");
        let roots = roots.filter(|file| file != "system").map(PathBuf::from);
        Ok(Self { config, ssl, roots, lease })
    }

    /// The same with this password, unless the URL has one.
    #[must_use]
    pub fn or_password(mut self, password: &str) -> Self {
        if self.config.get_password().is_none() {
            self.config.password(password);
        }
        self
    }

    /// The URL in messages: user, hosts, ports and database, and nothing else.
    #[must_use]
    pub fn place(&self) -> String {
        let ports = self.config.get_ports();
        let hosts = self.config.get_hosts().iter().enumerate().map(|(at, host)| {
            let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
            match host {
                Host::Tcp(name) if name.contains(':') => format!("[{name}]:{port}"),
                Host::Tcp(name) => format!("{name}:{port}"),
                Host::Unix(dir) => format!("{}:{port}", dir.display()),
            }
        });
        let hosts = hosts.collect::<Vec<_>>().join(",");
        let user = self.config.get_user().map_or(String::new(), |user| format!("{user}@"));
        let database = self.config.get_dbname().or(self.config.get_user()).unwrap_or_default();
        format!("postgres://{user}{hosts}/{database}")
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { config: _, ssl, roots, lease } = self;
        let mut shown = f.debug_struct("Address");
        shown.field("place", &self.place()).field("ssl", ssl).field("roots", roots);
        shown.field("lease", lease).finish()
    }
}

impl SslMode {
    fn read(text: &str) -> Option<Self> {
        Some(match text {
            "disable" => Self::Disable,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => return None,
        })
    }
}

/// What the driver reads in a URL without a scheme, and in the options that are its own.
fn driver(base: &str, options: &str) -> Option<Config> {
    format!("postgres://{base}?{options}").parse().ok()
}

/// Why the driver cannot read a URL.
fn unusable(base: &str, options: &[&str]) -> AddressError {
    let wrong = options.iter().find(|option| driver(base, option).is_none());
    let key = wrong.and_then(|option| option.split('=').next()).filter(|key| {
        driver(base, "").is_some() && key.bytes().all(|c| c.is_ascii_lowercase() || c == b'_')
    });
    key.map_or(AddressError::Form, |key| AddressError::Option(key.to_owned()))
}

fn is_this_machine(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        let seconds = |address: &Address| address.lease.as_secs();
        for (url, place, ssl, lease) in [
            ("postgres://db.test/dns", "postgres://db.test:5432/dns", SslMode::VerifyFull, 900),
            (
                "postgresql://ada@localhost",
                "postgres://ada@localhost:5432/ada",
                SslMode::Prefer,
                900,
            ),
            ("postgres://ada:s3cret@[::1]:77/x", "postgres://ada@[::1]:77/x", SslMode::Prefer, 900),
            (
                "postgres://a:s%40@h/x?sslmode=require",
                "postgres://a@h:5432/x",
                SslMode::Require,
                900,
            ),
            ("postgres://a:p?w@h/x?lease=90s", "postgres://a@h:5432/x", SslMode::VerifyFull, 90),
            ("postgres:///x?host=/run/pg", "postgres:///run/pg:5432/x", SslMode::Prefer, 900),
            (
                "postgres://a,b:2/x?target_session_attrs=read-write&sslmode=verify-ca",
                "postgres://a:5432,b:2/x",
                SslMode::VerifyCa,
                900,
            ),
            (
                "postgres://localhost/x?sslrootcert=/ca.pem",
                "postgres://localhost:5432/x",
                SslMode::VerifyFull,
                900,
            ),
            (
                "postgres://h/x?sslmode=require&sslrootcert=/ca.pem",
                "postgres://h:5432/x",
                SslMode::VerifyCa,
                900,
            ),
        ] {
            let address = Address::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
            let found = (address.place(), address.ssl, seconds(&address));
            assert_eq!(found, (place.to_owned(), ssl, lease), "{url}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let given = Address::parse("postgres://ada:s3cret@h/x").expect("an address");
        let added = Address::parse("postgres://ada@h/x").expect("an address").or_password("s3cret");
        for address in [given.or_password("other"), added] {
            assert_eq!(address.config.get_password(), Some(&b"s3cret"[..]));
            assert!(!format!("{address:?}{}", address.place()).contains("s3cret"));
        }
        // Passwords whose characters were not escaped.
        for url in [
            "postgres://ada:s3cret@s3cret@h/x",
            "postgres://ada:s3cret/s3cret",
            "postgres://h/x?s3cret",
            "postgres://h/x?S3cret=s3cret",
            "postgres://h/x?sslmode=s3cret",
            "postgres://h:s3cret/x",
        ] {
            let error = Address::parse(url).expect_err(url);
            assert!(!format!("{error} {error:?}").to_lowercase().contains("s3cret"), "{error:?}");
        }
    }

    #[test]
    fn other_urls_are_refused() {
        for (url, error) in [
            ("mysql://h/x", AddressError::Scheme),
            ("host=h", AddressError::Scheme),
            ("postgres:///x", AddressError::Form),
            ("postgres://h:port/x", AddressError::Form),
            ("postgres://h/x?sslmode=full", AddressError::SslMode),
            ("postgres://h/x?sslmode=allow", AddressError::SslMode),
            ("postgres://h/x?sslmode=prefer&sslrootcert=system", AddressError::UnusedRoots),
            ("postgres://h/x?lease=10", AddressError::Lease),
            ("postgres://h/x?lease=999ms", AddressError::Lease),
        ] {
            assert_eq!(Address::parse(url).expect_err(url), error, "{url}");
        }
        let error = Address::parse("postgres://h/x?branch=main").expect_err("an option of git");
        assert!(matches!(&error, AddressError::Option(key) if key == "branch"));
    }
}
