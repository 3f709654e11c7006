//! Adapters configured from texts, and the errors of their calls.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use async_trait::async_trait;
use cutover_contract::{
    Adapter, Capabilities, ChangeSet, Config, ConfigError, ConfigField, ConfigValue, FieldKind,
    Provider, ProviderError, ProviderResult, Receipt, Secret, Unwritable,
};
use cutover_zone::{Name, RrKey, RrSet, Zone};

use super::{MX, changes, key, zone};

/// A configuration from texts. `tsig.key` is a field of a mapping, and the words of a command are
/// separated by blanks.
///
/// # Errors
/// [`ConfigError`], for a text that does not fit its field.
///
/// # Panics
/// If there is no such field.
pub fn config(fields: &[ConfigField], texts: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let mut config = BTreeMap::new();
    let mut inner: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for (name, text) in texts {
        if let Some((outer, name)) = name.split_once('.') {
            inner.entry(outer).or_default().push((name, text));
            continue;
        }
        let field = fields.iter().find(|field| field.name == *name).expect("a field");
        let value = match field.kind {
            FieldKind::Secret => ConfigValue::Secret(Secret::new(*text)),
            FieldKind::Argv | FieldKind::Texts => {
                ConfigValue::Argv(text.split(' ').map(str::to_owned).collect())
            }
            FieldKind::Text
            | FieldKind::SocketAddr
            | FieldKind::Path
            | FieldKind::Name
            | FieldKind::Duration
            | FieldKind::Choice(_)
            | FieldKind::Object(_)
            | FieldKind::Settings
            | FieldKind::Either(..)
            | FieldKind::Codes => field.read(text)?,
        };
        config.insert((*name).to_owned(), value);
    }
    for (outer, texts) in inner {
        let field = fields.iter().find(|field| field.name == outer).expect("a field");
        let FieldKind::Object(fields) = field.kind else { panic!("{outer} has no fields") };
        let object = self::config(fields, &texts).map_err(|error| error.within(outer))?;
        config.insert(outer.to_owned(), ConfigValue::Object(object));
    }
    Ok(Config(config))
}

/// Makes an adapter with this configuration.
///
/// # Errors
/// [`ConfigError`].
pub fn connect(
    adapter: &Adapter,
    texts: &[(&str, &str)],
) -> Result<Box<dyn Provider>, ConfigError> {
    (adapter.connect)(&config(adapter.fields, texts)?, Path::new("/"))
}

/// Makes an adapter with this configuration.
///
/// # Panics
/// If the configuration cannot be used.
#[must_use]
pub fn connected(adapter: &Adapter, texts: &[(&str, &str)]) -> Box<dyn Provider> {
    connect(adapter, texts).unwrap_or_else(|error| panic!("{error}"))
}

/// A server that accepts connections but never reads from them.
#[must_use]
pub fn nobody() -> (SocketAddr, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    (listener.local_addr().expect("an address"), listener)
}

/// An address where nothing listens.
#[must_use]
pub fn closed() -> SocketAddr {
    nobody().0
}

/// The errors of the three calls that talk to a server, checked not to contain the secret. The
/// change is to the MX of [`super::SMALL`].
pub async fn failures(provider: &dyn Provider, secret: &str) -> [Option<ProviderError>; 3] {
    let change = changes(&[MX], &["@ 60 MX 0 ."]);
    let failures = [
        provider.read_zone(&zone()).await.err(),
        provider.read_rrsets(&zone(), &[key("@ MX")]).await.err(),
        provider.apply(&change).await.err(),
    ];
    for error in failures.iter().flatten() {
        let texts = format!("{error} {error:?}");
        assert!(!texts.contains(secret), "{texts} contains the secret");
    }
    failures
}

/// The name of the variant.
#[must_use]
pub fn kind(error: &ProviderError) -> &'static str {
    match error {
        ProviderError::Conflict { .. } => "conflict",
        ProviderError::Unsupported { .. } => "unsupported",
        ProviderError::Refused { .. } => "refused",
        ProviderError::Unauthorized { .. } => "unauthorized",
        ProviderError::NoSuchZone { .. } => "no zone",
        ProviderError::Unreachable { .. } => "unreachable",
        ProviderError::Throttled { .. } => "throttled",
        ProviderError::InDoubt { .. } => "in doubt",
        ProviderError::Malformed { .. } => "malformed",
    }
}

/// The kinds of these [`failures`]; `done` for a call that succeeded.
#[must_use]
pub fn kinds(failures: &[Option<ProviderError>; 3]) -> [&'static str; 3] {
    failures.each_ref().map(|error| error.as_ref().map_or("done", kind))
}

/// A provider whose waiting takes no time. Tokio's clock is paused while it works, and jumps ahead
/// whenever nothing else is left to do, so its time-outs need no waiting.
pub struct Hurried {
    provider: Box<dyn Provider>,
    /// The server it waits for, kept alive as long as the provider.
    _nobody: Box<dyn Send + Sync>,
}

impl Hurried {
    /// Wraps a provider, and keeps alive the server that it waits for.
    #[must_use]
    pub fn new(provider: Box<dyn Provider>, nobody: impl Send + Sync + 'static) -> Self {
        Self { provider, _nobody: Box::new(nobody) }
    }
}

async fn hurried<T>(future: impl Future<Output = T>) -> T {
    tokio::time::pause();
    let output = future.await;
    tokio::time::resume();
    output
}

#[async_trait]
impl Provider for Hurried {
    fn capabilities(&self, zone: &Name) -> Capabilities {
        self.provider.capabilities(zone)
    }

    async fn read_zone(&self, zone: &Name) -> Result<Zone, ProviderError> {
        hurried(self.provider.read_zone(zone)).await
    }

    async fn read_rrsets(&self, zone: &Name, keys: &[RrKey]) -> ProviderResult<Vec<Option<RrSet>>> {
        hurried(self.provider.read_rrsets(zone, keys)).await
    }

    async fn check(&self, zone: &Name, sets: &[ChangeSet]) -> ProviderResult<Vec<Unwritable>> {
        hurried(self.provider.check(zone, sets)).await
    }

    async fn apply(&self, changes: &ChangeSet) -> Result<Receipt, ProviderError> {
        hurried(self.provider.apply(changes)).await
    }
}
