//! The objects of a bucket: read, listed, and created if they are not there.

use std::time::Duration;

use cutover_store::{ARTIFACT_OCTETS_MAX, StoreError, StoreResult};
use cutover_web::{Bounds, Kind};
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::aws::AmazonS3;
use object_store::client::{ClientOptions, HttpClient, HttpConnector};
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt as _, PutMode, PutPayload, RetryConfig};
use tokio::time::timeout;

use super::address::Address;

/// Maximum time to connect. Our choice: a lost packet or two, and a TLS handshake.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// Maximum time of a call, with what is tried again. Our choice: an artifact of the largest size
/// over a fast line.
const CALL_TIME_MAX: Duration = Duration::from_secs(120);
/// How often a request is sent again that failed for a reason that passes, and for how long. Our
/// choice.
const RETRIES_MAX: usize = 6;
const RETRY_TIME_MAX: Duration = Duration::from_secs(30);
/// Objects that are read at the same time. Our choice.
const READ_AT_ONCE: usize = 16;

/// What became of an object that was to be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    Created,
    /// There is one with this key: another one, or this one, if an answer was lost.
    IsThere,
}

/// The objects of a store.
#[derive(Debug)]
pub(crate) struct Objects {
    address: Address,
    client: AmazonS3,
}

/// TLS as everywhere else in the program.
#[derive(Debug)]
struct Connector {
    is_https: bool,
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let user_agent = concat!("cutover/", env!("CARGO_PKG_VERSION"));
        let kind = Kind {
            is_https: self.is_https,
            headers: Default::default(),
            idle_max: READ_AT_ONCE,
            user_agent,
        };
        let bounds = Bounds {
            connect_max: CONNECT_TIME_MAX,
            progress_max: CALL_TIME_MAX,
            whole_max: CALL_TIME_MAX,
            octets_max: usize::MAX,
        };
        match cutover_web::client(kind, bounds) {
            Ok(client) => Ok(HttpClient::new(client)),
            Err(error) => Err(Error::Generic { store: "S3", source: Box::new(error) }),
        }
    }
}

impl Objects {
    /// The objects at an address. Nothing is asked yet.
    pub(crate) fn new(address: Address) -> StoreResult<Self> {
        let retries = RetryConfig {
            max_retries: RETRIES_MAX,
            retry_timeout: RETRY_TIME_MAX,
            ..RetryConfig::default()
        };
        let connector = Connector { is_https: address.is_https() };
        let built = address.builder().with_retry(retries).with_http_connector(connector).build();
        let client = built.map_err(|error| away(&address, &error))?;
        Ok(Self { address, client })
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// A key below the address.
    pub(crate) fn key(&self, below: &str) -> Path {
        match &*self.address.prefix {
            "" => Path::from(below),
            prefix => Path::from(format!("{prefix}/{below}")),
        }
    }

    /// The text of an object; `None` if there is none.
    pub(crate) async fn get(&self, key: &Path) -> StoreResult<Option<String>> {
        let read = async {
            let found = self.client.get(key).await?;
            if found.meta.size > ARTIFACT_OCTETS_MAX {
                return Ok(None);
            }
            Ok(Some(found.bytes().await?))
        };
        let place = || format!("{}: {key}", self.address.place());
        match self.bounded(read).await? {
            Ok(Some(octets)) => match String::from_utf8(octets.into()) {
                Ok(text) => Ok(Some(text)),
                Err(_) => {
                    let detail = "it is not text".to_owned();
                    Err(StoreError::Foreign { place: place(), detail })
                }
            },
            Ok(None) => {
                Err(StoreError::TooLarge { place: place(), octets_max: ARTIFACT_OCTETS_MAX })
            }
            // The bucket itself is another matter.
            Err(Error::NotFound { source, .. }) if !source.to_string().contains("NoSuchBucket") => {
                Ok(None)
            }
            Err(error) => Err(away(&self.address, &error)),
        }
    }

    /// The texts of objects, several at the same time; `None` for those that are not there.
    pub(crate) async fn get_all(&self, keys: Vec<Path>) -> StoreResult<Vec<Option<String>>> {
        let reads = keys.into_iter().map(|key| async move { self.get(&key).await });
        futures_util::stream::iter(reads).buffered(READ_AT_ONCE).try_collect().await
    }

    /// Creates an object, unless there is one with this key (`If-None-Match: *`, RFC 9110 §13.1.2).
    pub(crate) async fn create(&self, key: &Path, text: &str) -> StoreResult<Put> {
        let payload = PutPayload::from(text.as_bytes().to_vec());
        let put = self.client.put_opts(key, payload, PutMode::Create.into());
        match self.bounded(put).await? {
            Ok(_) => Ok(Put::Created),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(Put::IsThere),
            Err(error) => Err(away(&self.address, &error)),
        }
    }

    /// The keys below a key that come after another one, in order.
    pub(crate) async fn after(&self, below: &Path, after: &Path) -> StoreResult<Vec<Path>> {
        let listing = self.client.list_with_offset(Some(below), after);
        let listing = listing.map_ok(|found| found.location).try_collect::<Vec<Path>>();
        match self.bounded(listing).await? {
            Ok(mut keys) => {
                keys.sort();
                Ok(keys)
            }
            Err(error) => Err(away(&self.address, &error)),
        }
    }

    /// The names directly below the address.
    pub(crate) async fn names(&self) -> StoreResult<Vec<String>> {
        let prefix = Path::from(&*self.address.prefix);
        let listing = self.client.list_with_delimiter(Some(&prefix));
        match self.bounded(listing).await? {
            Ok(found) => {
                let names = found.common_prefixes.iter().filter_map(|path| path.filename());
                Ok(names.map(str::to_owned).collect())
            }
            Err(error) => Err(away(&self.address, &error)),
        }
    }

    async fn bounded<T>(&self, call: impl Future<Output = T>) -> StoreResult<T> {
        timeout(CALL_TIME_MAX, call).await.map_err(|_| {
            let detail = format!("no answer within {} s", CALL_TIME_MAX.as_secs());
            StoreError::Away { place: self.address.place(), detail }
        })
    }
}

/// The error of a bucket that cannot be used. A listing's error has no kind, so the server's own
/// words decide: its status, and the codes that all servers share.
fn away(address: &Address, error: &Error) -> StoreError {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let said = cutover_web::one_line(&cause.to_string(), 300);
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let help = match () {
        () if has(&["403 Forbidden", "401 Unauthorized"]) => {
            "check the access key in the environment, and its rights for the bucket"
        }
        () if has(&["NoSuchBucket"]) => "create the bucket first",
        () if has(&["NotImplemented", "501 "]) => {
            "the server has to support `If-None-Match` for PutObject"
        }
        () => "run the same command again when it answers",
    };
    StoreError::Away { place: address.place(), detail: format!("{said}; {help}") }
}
