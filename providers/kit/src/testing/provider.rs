//! Adapters from texts, and what their calls say.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use async_trait::async_trait;
use cutover_contract::{
    Adapter, Capabilities, ChangeSet, Config, ConfigError, ConfigField, ConfigValue, FieldKind,
    Name, Provider, ProviderError, ProviderResult, Receipt, RrKey, RrSet, Secret, Unwritable, Zone,
};

use super::{MX, changes, key, zone};

/// A configuration from texts, in which a field of a mapping is written `tsig.key`, and a command with
/// blanks between its words.
///
/// # Errors
/// [`ConfigError`], for a text that is not of its field's kind.
///
/// # Panics
/// Where there is no such field.
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
            FieldKind::Argv => ConfigValue::Argv(text.split(' ').map(str::to_owned).collect()),
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

/// An adapter with this configuration.
///
/// # Errors
/// [`ConfigError`].
pub fn connect(
    adapter: &Adapter,
    texts: &[(&str, &str)],
) -> Result<Box<dyn Provider>, ConfigError> {
    (adapter.connect)(&config(adapter.fields, texts)?, Path::new("/"))
}

/// An adapter with this configuration.
///
/// # Panics
/// Where it cannot be used.
#[must_use]
pub fn connected(adapter: &Adapter, texts: &[(&str, &str)]) -> Box<dyn Provider> {
    connect(adapter, texts).unwrap_or_else(|error| panic!("{error}"))
}

/// A server whose connections the system takes, and that nobody ever reads from.
#[must_use]
pub fn nobody() -> (SocketAddr, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    (listener.local_addr().expect("an address"), listener)
}

/// An address where nobody listens.
#[must_use]
pub fn closed() -> SocketAddr {
    nobody().0
}

/// How each of the three calls fails that talk to a server, with texts that do not hold the secret. The
/// change is of the MX of [`super::SMALL`].
pub async fn failures(provider: &dyn Provider, secret: &str) -> [Option<ProviderError>; 3] {
    let change = changes(&[MX], &["@ 60 MX 0 ."]);
    let failures = [
        provider.read_zone(&zone()).await.err(),
        provider.read_rrsets(&zone(), &[key("@ MX")]).await.err(),
        provider.apply(&change).await.err(),
    ];
    for error in failures.iter().flatten() {
        let texts = format!("{error} {error:?}");
        assert!(!texts.contains(secret), "the secret is in {texts}");
    }
    failures
}

/// The variant's name.
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

/// What [`failures`] has found, `done` for what has not failed.
#[must_use]
pub fn kinds(failures: &[Option<ProviderError>; 3]) -> [&'static str; 3] {
    failures.each_ref().map(|error| error.as_ref().map_or("done", kind))
}

/// A provider for which time flies while it waits: the clock of tokio is stopped while it works, and
/// goes on by itself where nothing else is to be done. So its time-outs need not be waited for.
pub struct Hurried {
    provider: Box<dyn Provider>,
    /// What it waits for: it lives as long.
    _nobody: Box<dyn Send + Sync>,
}

impl Hurried {
    /// Hurries a provider, and keeps what it waits for.
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
