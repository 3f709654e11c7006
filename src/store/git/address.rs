//! The URL of a store: `git+ssh://git@forge.example/team/dns.git?branch=state&lease=10m`.

use std::time::Duration;

/// The branch, unless the URL names one.
pub const BRANCH: &str = "cutover-state";

/// How long a lease lasts, unless the URL says so. Our choice: much longer than any step, and short
/// enough to wait for after a crash. A process that ends gives its lease back.
pub const LEASE: Duration = Duration::from_secs(15 * 60);

/// The shortest lease. Our choice: a push to a busy forge takes seconds.
const LEASE_MIN: Duration = Duration::from_secs(1);

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// What `git` is given.
    pub url: String,
    /// The password in it, which is never shown.
    pub password: Option<String>,
    /// The branch.
    pub branch: String,
    /// How long a lease lasts that is not renewed.
    pub lease: Duration,
}

/// Why a URL is not that of a git store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Another scheme.
    #[error("expected `git+file://`, `git+ssh://` or `git+https://`")]
    Scheme,
    /// It names no repository.
    #[error("it names no repository: expected `git+ssh://HOST/PATH` or `git+file:///PATH`")]
    Repository,
    /// An option that does not exist.
    #[error("there is no option `{0}`; there are `branch` and `lease`")]
    Option(String),
    /// The branch's name cannot be used.
    #[error("`{0}` is not the name of a branch")]
    Branch(String),
    /// The lease's time cannot be used.
    #[error("`lease={0}` is not a time of at least a second, such as `lease=10m`")]
    Lease(String),
}

impl Address {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (url, options) = text.split_once('?').unwrap_or((text, ""));
        let url = url.strip_prefix("git+").ok_or(AddressError::Scheme)?;
        let (scheme, rest) = url.split_once("://").ok_or(AddressError::Scheme)?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        match scheme {
            "file" if authority.is_empty() && !path.is_empty() => {}
            "ssh" | "https" if !authority.is_empty() && !path.is_empty() => {}
            "file" | "ssh" | "https" => return Err(AddressError::Repository),
            _ => return Err(AddressError::Scheme),
        }
        let user = authority.rsplit_once('@').map(|(user, _)| user);
        let password = user.and_then(|user| user.split_once(':')).map(|(_, word)| word.to_owned());
        let mut address =
            Self { url: url.to_owned(), password, branch: BRANCH.to_owned(), lease: LEASE };
        for option in options.split('&').filter(|option| !option.is_empty()) {
            match option.split_once('=') {
                Some(("branch", name)) if is_branch(name) => address.branch = name.to_owned(),
                Some(("branch", name)) => return Err(AddressError::Branch(name.to_owned())),
                Some(("lease", span)) => {
                    let parsed = humantime::parse_duration(span).ok();
                    let parsed = parsed.filter(|span| *span >= LEASE_MIN);
                    address.lease = parsed.ok_or_else(|| AddressError::Lease(span.to_owned()))?;
                }
                Some((other, _)) => return Err(AddressError::Option(other.to_owned())),
                None => return Err(AddressError::Option(option.to_owned())),
            }
        }
        Ok(address)
    }

    /// What names the cache of the repository: the URL, with another password too.
    #[must_use]
    pub(crate) fn identity(&self) -> String {
        self.without_password(&self.url)
    }

    /// The URL and the branch, without the password.
    #[must_use]
    pub fn place(&self) -> String {
        self.without_password(&format!("git+{} ({})", self.url, self.branch))
    }

    /// A text without the password.
    #[must_use]
    pub fn without_password(&self, text: &str) -> String {
        match self.password.as_deref().filter(|password| !password.is_empty()) {
            Some(password) => text.replace(password, "[redacted]"),
            None => text.to_owned(),
        }
    }
}

/// Stricter than git-check-ref-format(1), which knows what else a name may not be.
fn is_branch(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let part = |part: &str| !part.is_empty() && !part.starts_with(['.', '-']);
    name.chars().all(plain)
        && name.split('/').all(part)
        && !name.contains("..")
        && !name.ends_with(".lock")
        && !name.ends_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_others_refused() {
        let plain = Address::parse("git+file:///srv/state.git").expect("an address");
        assert_eq!((plain.url.as_str(), plain.branch.as_str()), ("file:///srv/state.git", BRANCH));
        let full = Address::parse("git+https://me:s3cret@forge.test/x?branch=a/b&lease=90s");
        let full = full.expect("an address");
        assert_eq!((full.branch.as_str(), full.lease.as_secs()), ("a/b", 90));
        assert_eq!(full.place(), "git+https://me:[redacted]@forge.test/x (a/b)");
        for (url, error) in [
            ("file:///x", AddressError::Scheme),
            ("git+ext::sh -c x", AddressError::Scheme),
            ("git+http://forge.test/x", AddressError::Scheme),
            ("git+ssh://", AddressError::Repository),
            ("git+ssh://forge.test", AddressError::Repository),
            ("git+https:///x", AddressError::Repository),
            ("git+file://srv/x", AddressError::Repository),
            ("git+file:///x?depth=1", AddressError::Option("depth".to_owned())),
            ("git+file:///x?branch=-x", AddressError::Branch("-x".to_owned())),
            ("git+file:///x?branch=a..b", AddressError::Branch("a..b".to_owned())),
            ("git+file:///x?branch=", AddressError::Branch(String::new())),
            ("git+file:///x?lease=10", AddressError::Lease("10".to_owned())),
            ("git+file:///x?lease=999ms", AddressError::Lease("999ms".to_owned())),
        ] {
            assert_eq!(Address::parse(url), Err(error), "{url}");
        }
    }
}
