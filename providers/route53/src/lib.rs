//! The adapter for Amazon Route 53, over Amazon's SDK.
//! A change set is a single batch, made completely or not at all. Old RRsets are deleted by their
//! exact TTL and values, and new ones are created only where there is nothing, so Route 53 itself
//! compares. Then the adapter waits until all servers of Route 53 have the change, and reads back.
//!
//! This adapter does not split a change set. It neither reads nor writes aliases and RRsets with an
//! identifier (weighted, by latency and so on). It does not write the SOA and the NS of the apex,
//! which Route 53 would replace without comparing.

mod api;
mod apply;
mod convert;
mod failure;
mod limits;
mod read;

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use cutover_contract::{
    Adapter, Atomicity, Capabilities, ChangeSet, CompareAndSet, Config, ConfigError, ConfigField,
    FieldKind, Gathered, Granularity, Provider, ProviderError, ProviderResult, Receipt, Unwritable,
};
use cutover_kit::{KnownZones, names_of};
use cutover_zone::{Name, RrKey, RrSet, Ttl, Zone};

use api::{Keys, Server};
use convert::Held;

/// The adapter, as the registry of the command line knows it.
pub const ADAPTER: Adapter = Adapter {
    kind: "route53",
    doc: "Amazon Route 53, over Amazon's SDK.",
    asks_delegation: true,
    is_program: false,
    fields: &[
        ConfigField::optional(
            "access_key_id",
            FieldKind::Text,
            "The id of an access key. Without it, credentials are found as by Amazon's other \
                  tools: in the environment, the profile, single sign-on, or the machine's own role.",
        ),
        ConfigField::optional(
            "secret_access_key",
            FieldKind::Secret,
            "The secret of the access key.",
        ),
        ConfigField::optional(
            "session_token",
            FieldKind::Secret,
            "The session token of a temporary access key.",
        ),
        ConfigField::optional(
            "profile",
            FieldKind::Text,
            "The profile of Amazon's configuration files.",
        ),
        ConfigField::optional(
            "region",
            FieldKind::Text,
            "The region of the endpoint; default us-east-1, where all public zones are.",
        ),
        ConfigField::optional(
            "hosted_zone_id",
            FieldKind::Text,
            "The id of the hosted zone. Needed if several have the same name. The provider then has only \
                  this zone.",
        ),
        ConfigField::optional(
            "anycast_margin",
            FieldKind::Duration,
            "The time to add after every server that can be queried serves a change, for the nodes \
                  of the anycast network that cannot be queried; default 1m.",
        )
        .renamed_from("unseen_nodes"),
        ConfigField::optional(
            "endpoint_url",
            FieldKind::Text,
            "The address of the API, if it is not Amazon's; AWS_ENDPOINT_URL works too.",
        ),
    ],
    findings: include_str!("../findings.json"),
    connect,
};

struct Route53 {
    server: Server,
    hosted_zone_id: Option<String>,
    anycast_margin: Duration,
    /// What was found about zones so far; their identifiers stay the same.
    ids: KnownZones<String>,
}

fn connect(config: &Config, _: &Path) -> Result<Box<dyn Provider>, ConfigError> {
    let wrong = |field: &str, problem: &str| Err(ConfigError::new(field, problem));
    let text = |field: &str| config.text(field).map(str::to_owned);
    let keys = match (text("access_key_id"), config.secret("secret_access_key")) {
        (Some(id), Some(secret)) => Some(Keys {
            id,
            secret: secret.clone(),
            session_token: config.secret("session_token").cloned(),
        }),
        (None, None) if config.secret("session_token").is_some() => {
            return wrong("session_token", "it belongs to an access key, but there is none");
        }
        (None, None) => None,
        (Some(_), None) => return wrong("secret_access_key", "it is missing"),
        (None, Some(_)) => return wrong("access_key_id", "it is missing"),
    };
    if keys.is_some() && config.text("profile").is_some() {
        return wrong("profile", "a profile cannot be used together with an access key");
    }
    let endpoint_url = text("endpoint_url");
    let is_web = |url: &String| url.starts_with("http://") || url.starts_with("https://");
    if endpoint_url.as_ref().is_some_and(|url| !is_web(url) || url.contains('@')) {
        return wrong("endpoint_url", "this is not a URL such as https://route53.amazonaws.com");
    }
    let anycast_margin = *config.duration("anycast_margin").unwrap_or(&limits::ANYCAST_MARGIN);
    let hosted_zone_id = text("hosted_zone_id");
    let is_plain = |id: &String| !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric());
    if hosted_zone_id.as_ref().is_some_and(|id| !is_plain(id)) {
        return wrong("hosted_zone_id", "it must have only letters and digits, such as Z0123ABC");
    }
    let server = Server::new(endpoint_url, text("profile"), text("region"), keys);
    Ok(Box::new(Route53 { server, hosted_zone_id, anycast_margin, ids: KnownZones::default() }))
}

impl Route53 {
    async fn id(&self, zone: &Name) -> Result<String, ProviderError> {
        let found = read::zone_id(&self.server, zone, self.hosted_zone_id.as_deref());
        self.ids.get(zone, found).await
    }
}

#[async_trait]
impl Provider for Route53 {
    fn capabilities(&self, _: &Name) -> Capabilities {
        Capabilities {
            granularity: Granularity::RrSet,
            atomicity: Atomicity::ChangeSet,
            compare_and_set: CompareAndSet::Native,
            ttl_min: Ttl::ZERO,
            ttl_max: Ttl::MAX,
            types: Some(limits::TYPES),
            gathered: Gathered::Request {
                size_max: limits::BATCH_CHARS,
                unit: "characters of values",
                size_of: convert::chars_of,
            },
            settle_max: limits::SETTLE_MAX,
            anycast_margin: self.anycast_margin,
            served_within: None,
        }
    }

    async fn read_zone(&self, zone: &Name) -> Result<Zone, ProviderError> {
        let id = self.id(zone).await?;
        let read = read::zone(&self.server, zone, &id).await;
        self.ids.forgetting(zone, read).await
    }

    async fn read_rrsets(&self, zone: &Name, keys: &[RrKey]) -> ProviderResult<Vec<Option<RrSet>>> {
        let id = self.id(zone).await?;
        let names = names_of(keys);
        let live = read::live(&self.server, zone, &id, &names).await;
        let live = self.ids.forgetting(zone, live).await?;
        Ok(keys.iter().map(|key| live.get(key).and_then(Held::rrset).cloned()).collect())
    }

    async fn check(&self, zone: &Name, sets: &[ChangeSet]) -> ProviderResult<Vec<Unwritable>> {
        let id = self.id(zone).await?;
        let checked = apply::check(&self.server, &id, zone, sets).await;
        self.ids.forgetting(zone, checked).await
    }

    async fn apply(&self, changes: &ChangeSet) -> Result<Receipt, ProviderError> {
        let id = self.id(changes.zone()).await?;
        let applied = apply::apply(&self.server, &id, changes).await;
        self.ids.forgetting(changes.zone(), applied).await
    }
}
