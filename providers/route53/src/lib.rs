//! The adapter for Amazon Route 53, over Amazon's SDK.
//!
//! A change set is one batch, made whole or not at all, in which what goes is deleted by its exact TTL
//! and values, and what comes is created where nothing is: Route 53 itself compares. Afterwards the
//! adapter waits until all of Route 53's servers have the change, and reads back.
//!
//! What this does not do: it splits no change set; touches no alias and no RRset with an identifier
//! (weighted, by latency and so on), neither to read nor to write; and writes neither SOA nor NS of
//! the apex, which can only be replaced blindly.

mod api;
mod apply;
mod convert;
mod failure;
mod limits;
mod read;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use cutover_contract::{
    Adapter, Atomicity, Capabilities, ChangeSet, CompareAndSet, Config, ConfigError, ConfigField,
    FieldKind, Gathered, Granularity, Name, Provider, ProviderError, Receipt, RrKey, RrSet, Ttl,
    Unwritable, Zone,
};
use tokio::sync::Mutex;

use api::{Keys, Server};
use convert::Held;

/// The adapter, as the registry of the command line knows it.
pub const ADAPTER: Adapter = Adapter {
    kind: "route53",
    doc: "Amazon Route 53, over Amazon's SDK.",
    asks_delegation: true,
    is_program: false,
    fields: &[
        ConfigField {
            name: "access_key_id",
            kind: FieldKind::Text,
            required: false,
            doc: "An access key. Without one, credentials come as Amazon's other tools have them: from \
                  the environment, the profile, single sign-on, or the machine's own role.",
        },
        ConfigField {
            name: "secret_access_key",
            kind: FieldKind::Secret,
            required: false,
            doc: "What belongs to the access key.",
        },
        ConfigField {
            name: "session_token",
            kind: FieldKind::Secret,
            required: false,
            doc: "What belongs to the access key, where that is a temporary one.",
        },
        ConfigField {
            name: "profile",
            kind: FieldKind::Text,
            required: false,
            doc: "The profile of Amazon's configuration files.",
        },
        ConfigField {
            name: "region",
            kind: FieldKind::Text,
            required: false,
            doc: "The region whose endpoint is asked; us-east-1 if nothing is said, where all public \
                  zones are.",
        },
        ConfigField {
            name: "hosted_zone_id",
            kind: FieldKind::Text,
            required: false,
            doc: "The hosted zone, where several have one name. The provider has one zone then.",
        },
        ConfigField {
            name: "unseen_nodes",
            kind: FieldKind::Duration,
            required: false,
            doc: "What is added after every server that can be asked has a change, for those of the \
                  anycast network that cannot; 1m if nothing is said.",
        },
        ConfigField {
            name: "endpoint_url",
            kind: FieldKind::Text,
            required: false,
            doc: "Where the API is, if elsewhere; what AWS_ENDPOINT_URL says is heeded too.",
        },
    ],
    readme: include_str!("../README.md"),
    connect,
};

struct Route53 {
    server: Server,
    hosted_zone_id: Option<String>,
    unseen_nodes: Duration,
    /// What was found of zones so far: their identifiers stay.
    ids: Mutex<BTreeMap<Name, String>>,
}

fn connect(config: &Config, _: &Path) -> Result<Box<dyn Provider>, ConfigError> {
    let wrong = |field: &str, problem: &str| ConfigError {
        field: field.to_owned(),
        problem: problem.to_owned(),
    };
    let text = |field: &str| config.text(field).map(str::to_owned);
    let keys = match (text("access_key_id"), config.secret("secret_access_key")) {
        (Some(id), Some(secret)) => Some(Keys {
            id,
            secret: secret.clone(),
            session_token: config.secret("session_token").cloned(),
        }),
        (None, None) if config.secret("session_token").is_some() => {
            return Err(wrong("session_token", "it belongs to an access key, and there is none"));
        }
        (None, None) => None,
        (Some(_), None) => return Err(wrong("secret_access_key", "it is missing")),
        (None, Some(_)) => return Err(wrong("access_key_id", "it is missing")),
    };
    if keys.is_some() && config.text("profile").is_some() {
        return Err(wrong("profile", "with an access key there is no profile to be used"));
    }
    let endpoint_url = text("endpoint_url");
    let is_web = |url: &String| url.starts_with("http://") || url.starts_with("https://");
    if endpoint_url.as_ref().is_some_and(|url| !is_web(url) || url.contains('@')) {
        return Err(wrong(
            "endpoint_url",
            "this is no address such as https://route53.amazonaws.com",
        ));
    }
    let unseen_nodes = match config.text("unseen_nodes") {
        None => limits::UNSEEN_NODES,
        Some(text) => humantime::parse_duration(text)
            .map_err(|error| wrong("unseen_nodes", &error.to_string()))?,
    };
    let hosted_zone_id = text("hosted_zone_id");
    let is_plain = |id: &String| !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric());
    if hosted_zone_id.as_ref().is_some_and(|id| !is_plain(id)) {
        return Err(wrong(
            "hosted_zone_id",
            "an identifier has letters and digits, such as Z0123ABC",
        ));
    }
    let server = Server::new(endpoint_url, text("profile"), text("region"), keys);
    Ok(Box::new(Route53 { server, hosted_zone_id, unseen_nodes, ids: Mutex::default() }))
}

impl Route53 {
    async fn id(&self, zone: &Name) -> Result<String, ProviderError> {
        let mut ids = self.ids.lock().await;
        if let Some(id) = ids.get(zone) {
            return Ok(id.clone());
        }
        let id = read::zone_id(&self.server, zone, self.hosted_zone_id.as_deref()).await?;
        ids.insert(zone.clone(), id.clone());
        Ok(id)
    }

    /// Forgets a zone that is no longer there: it may have been made anew.
    async fn forgetting<T>(
        &self,
        zone: &Name,
        outcome: Result<T, ProviderError>,
    ) -> Result<T, ProviderError> {
        if let Err(ProviderError::NoSuchZone { .. }) = outcome {
            self.ids.lock().await.remove(zone);
        }
        outcome
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
            unseen_nodes: self.unseen_nodes,
            served_within: None,
        }
    }

    async fn read_zone(&self, zone: &Name) -> Result<Zone, ProviderError> {
        let id = self.id(zone).await?;
        let read = read::zone(&self.server, zone, &id).await;
        self.forgetting(zone, read).await
    }

    async fn read_rrsets(
        &self,
        zone: &Name,
        keys: &[RrKey],
    ) -> Result<Vec<Option<RrSet>>, ProviderError> {
        let id = self.id(zone).await?;
        let names = convert::names_of(keys.iter());
        let live = read::live(&self.server, zone, &id, &names).await;
        let live = self.forgetting(zone, live).await?;
        Ok(keys.iter().map(|key| live.get(key).and_then(Held::rrset).cloned()).collect())
    }

    async fn check(
        &self,
        zone: &Name,
        sets: &[ChangeSet],
    ) -> Result<Vec<Unwritable>, ProviderError> {
        let id = self.id(zone).await?;
        let checked = apply::check(&self.server, &id, zone, sets).await;
        self.forgetting(zone, checked).await
    }

    async fn apply(&self, changes: &ChangeSet) -> Result<Receipt, ProviderError> {
        let id = self.id(changes.zone()).await?;
        let applied = apply::apply(&self.server, &id, changes).await;
        self.forgetting(changes.zone(), applied).await
    }
}
