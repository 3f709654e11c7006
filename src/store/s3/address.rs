//! The URL of a store: `s3://team-state/cutover?region=eu-central-1&lease=10m`.

use std::fmt;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use percent_encoding::percent_decode_str;

/// How long a lease lasts, unless the URL says so. Our choice: much longer than any step, and short
/// enough to wait for after a crash. A process that ends gives its lease back.
pub const LEASE: Duration = Duration::from_secs(15 * 60);

/// The shortest lease. Our choice: a busy object store takes seconds for an answer.
const LEASE_MIN: Duration = Duration::from_secs(1);

/// Where a store is.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// The bucket.
    bucket: String,
    /// What all keys begin with, without a slash at its ends.
    pub(crate) prefix: String,
    /// The server, if it is not that of AWS.
    endpoint: Option<String>,
    region: Option<String>,
    /// How long a lease lasts that is not renewed.
    pub(crate) lease: Duration,
    /// An access key's id and secret, if they are not those of the environment.
    keys: Option<(String, String)>,
}

/// Why a text is not the URL of a store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Another scheme, or no bucket.
    #[error("expected `s3://BUCKET` or `s3://BUCKET/PREFIX`")]
    Form,
    /// It has a user or a password, which would be shown wherever the URL is.
    #[error("access keys do not belong in the URL; they are read from the environment")]
    Credentials,
    /// An option that does not exist.
    #[error("there is no option `{0}`; there are `endpoint`, `region` and `lease`")]
    Option(String),
    /// The endpoint cannot be used.
    #[error("`endpoint` is a URL such as `endpoint=https://s3.example`")]
    Endpoint,
    /// The lease's time cannot be used.
    #[error("`lease` is a time of at least a second, such as `lease=10m`")]
    Lease,
}

impl Address {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let rest = text.strip_prefix("s3://").ok_or(AddressError::Form)?;
        let (path, options) = rest.split_once('?').unwrap_or((rest, ""));
        if path.contains('@') {
            return Err(AddressError::Credentials);
        }
        let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
        let prefix = prefix.trim_matches('/');
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        if bucket.is_empty() || !path.chars().all(plain) || prefix.contains("//") {
            return Err(AddressError::Form);
        }
        let (bucket, prefix) = (bucket.to_owned(), prefix.to_owned());
        let (mut endpoint, mut region, mut lease) = (None, None, LEASE);
        for option in options.split('&').filter(|option| !option.is_empty()) {
            let (key, value) = option.split_once('=').unwrap_or((option, ""));
            let value = percent_decode_str(value).decode_utf8_lossy().into_owned();
            match key {
                "endpoint" => {
                    cutover_web::address(&value, "https://s3.example")
                        .map_err(|_| AddressError::Endpoint)?;
                    endpoint = Some(value);
                }
                "region" => region = Some(value),
                "lease" => {
                    let span = humantime::parse_duration(&value).ok();
                    lease = span.filter(|span| *span >= LEASE_MIN).ok_or(AddressError::Lease)?;
                }
                other => return Err(AddressError::Option(other.to_owned())),
            }
        }
        Ok(Self { bucket, prefix, endpoint, region, lease, keys: None })
    }

    /// The same with this access key, instead of what the environment has.
    #[must_use]
    pub fn with_keys(self, id: &str, secret: &str) -> Self {
        Self { keys: Some((id.to_owned(), secret.to_owned())), ..self }
    }

    /// The URL in messages.
    #[must_use]
    pub fn place(&self) -> String {
        let Self { bucket, prefix, endpoint, .. } = self;
        let slash = if prefix.is_empty() { "" } else { "/" };
        let at = endpoint.as_ref().map_or(String::new(), |endpoint| format!(" at {endpoint}"));
        format!("s3://{bucket}{slash}{prefix}{at}")
    }

    /// Whether TLS is used.
    pub(crate) fn is_https(&self) -> bool {
        self.endpoint.as_ref().is_none_or(|endpoint| endpoint.starts_with("https://"))
    }

    /// The client's settings. Credentials come from the environment in the way that AWS's own tools
    /// read it, unless the address has some.
    pub(crate) fn builder(&self) -> AmazonS3Builder {
        let mut builder = AmazonS3Builder::from_env().with_bucket_name(&self.bucket);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint).with_allow_http(!self.is_https());
        }
        if let Some(region) = &self.region {
            builder = builder.with_region(region);
        }
        if let Some((id, secret)) = &self.keys {
            builder = builder.with_access_key_id(id).with_secret_access_key(secret);
        }
        builder
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Address");
        shown.field("place", &self.place()).field("lease", &self.lease).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_others_refused() {
        let plain = Address::parse("s3://team-state").expect("an address");
        assert_eq!((plain.place().as_str(), plain.lease), ("s3://team-state", LEASE));
        let full = "s3://b/a/c/?region=x&lease=90s&endpoint=http%3A%2F%2F127.0.0.1:9";
        let full = Address::parse(full).expect("an address").with_keys("id", "s3cret");
        assert_eq!(full.place(), "s3://b/a/c at http://127.0.0.1:9");
        assert!(!format!("{full:?}").contains("s3cret"));
        for (url, error) in [
            ("https://b", AddressError::Form),
            ("s3://", AddressError::Form),
            ("s3:///x", AddressError::Form),
            ("s3://b/a//c", AddressError::Form),
            ("s3://id:secret@b", AddressError::Credentials),
            ("s3://b?branch=x", AddressError::Option("branch".to_owned())),
            ("s3://b?endpoint=x", AddressError::Endpoint),
            ("s3://b?endpoint=https://id:secret@x", AddressError::Endpoint),
            ("s3://b?lease=10", AddressError::Lease),
        ] {
            assert_eq!(Address::parse(url).expect_err(url), error, "{url}");
        }
    }
}
