//! The adapter for Cloudflare, over the API of DNS records.
//!
//! A change set is one batch, which is one transaction of Cloudflare's. Cloudflare stores records and
//! not RRsets, and its name servers have each of them for itself: so records become one another in
//! place, and the adapter declares what may be seen in between ([`Atomicity::Record`]). The API cannot
//! compare, so the adapter does, right before.
//!
//! What this does not do: it splits no change set; reads and writes no addresses of names that are
//! proxied or flattened; writes no record that Email Routing or another product holds, and neither SOA nor NS of the
//! apex, which are Cloudflare's; and it takes no settings of proxies from the environment.

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

use api::{EndpointError, Server};
use read::Head;

/// The adapter, as the registry of the command line knows it.
pub const ADAPTER: Adapter = Adapter {
    kind: "cloudflare",
    doc: "Cloudflare, over its API of DNS records.",
    asks_delegation: true,
    is_program: false,
    fields: &[
        ConfigField {
            name: "api_token",
            kind: FieldKind::Secret,
            required: true,
            doc: "A token with the permissions Zone Read and DNS Write for the zones.",
        },
        ConfigField {
            name: "account_id",
            kind: FieldKind::Text,
            required: false,
            doc: "The account, where the token sees zones of one name in several.",
        },
        ConfigField {
            name: "plan",
            kind: FieldKind::Choice(&["free", "pro", "business", "enterprise"]),
            required: false,
            doc: "What the zones' plan at Cloudflare is; free if nothing is said. It decides how much \
                  comes into one batch (200 or 3,500 operations), and what the smallest TTL is (60 s, \
                  and 30 s with enterprise).",
        },
        ConfigField {
            name: "unseen_nodes",
            kind: FieldKind::Duration,
            required: false,
            doc: "What is added after every server that can be asked has a change, for those of the \
                  anycast network that cannot; 1m if nothing is said.",
        },
        ConfigField {
            name: "url",
            kind: FieldKind::Text,
            required: false,
            doc: "Where the API is; https://api.cloudflare.com/client/v4 if nothing is said.",
        },
    ],
    readme: include_str!("../README.md"),
    connect,
};

struct Cloudflare {
    server: Server,
    account: Option<String>,
    /// What the zones' plan is, as far as the user says.
    plan: String,
    batch_max: usize,
    ttl_min: Ttl,
    unseen_nodes: Duration,
    /// What was found of zones so far: their identifiers stay.
    heads: Mutex<BTreeMap<Name, Head>>,
}

fn connect(config: &Config, _: &Path) -> Result<Box<dyn Provider>, ConfigError> {
    let wrong = |field: &str, problem: &str| ConfigError {
        field: field.to_owned(),
        problem: problem.to_owned(),
    };
    let token = config.secret("api_token").ok_or_else(|| wrong("api_token", "it is missing"))?;
    let url = config.text("url").unwrap_or(limits::URL);
    let server = Server::new(url, token).map_err(|error| match error {
        EndpointError::Url(_) | EndpointError::Client(_) => wrong("url", &error.to_string()),
        EndpointError::Token => wrong("api_token", &error.to_string()),
    })?;
    let plan = config.text("plan").unwrap_or("free").to_owned();
    let (batch_max, ttl_min) = match plan.as_str() {
        "free" => (limits::BATCH_FREE, limits::TTL_MIN),
        "enterprise" => (limits::BATCH_PAID, limits::TTL_MIN_ENTERPRISE),
        _ => (limits::BATCH_PAID, limits::TTL_MIN),
    };
    let unseen_nodes = match config.text("unseen_nodes") {
        None => limits::UNSEEN_NODES,
        Some(text) => humantime::parse_duration(text)
            .map_err(|error| wrong("unseen_nodes", &error.to_string()))?,
    };
    let account = config.text("account_id").map(str::to_owned);
    let heads = Mutex::default();
    Ok(Box::new(Cloudflare { server, account, plan, batch_max, ttl_min, unseen_nodes, heads }))
}

impl Cloudflare {
    async fn head(&self, zone: &Name) -> Result<Head, ProviderError> {
        let mut heads = self.heads.lock().await;
        if let Some(head) = heads.get(zone) {
            return Ok(head.clone());
        }
        let head = read::head(&self.server, zone, self.account.as_deref(), &self.plan).await?;
        heads.insert(zone.clone(), head.clone());
        Ok(head)
    }

    /// Forgets a zone that is no longer there: it may have been made anew.
    async fn forgetting<T>(
        &self,
        zone: &Name,
        outcome: Result<T, ProviderError>,
    ) -> Result<T, ProviderError> {
        if let Err(ProviderError::NoSuchZone { .. }) = outcome {
            self.heads.lock().await.remove(zone);
        }
        outcome
    }
}

#[async_trait]
impl Provider for Cloudflare {
    fn capabilities(&self, _: &Name) -> Capabilities {
        Capabilities {
            granularity: Granularity::Record,
            atomicity: Atomicity::Record,
            compare_and_set: CompareAndSet::ReadCompareWrite,
            ttl_min: self.ttl_min,
            ttl_max: limits::TTL_MAX,
            types: Some(limits::TYPES),
            gathered: Gathered::Request {
                size_max: self.batch_max,
                unit: "operations of a batch",
                size_of: convert::operations_of,
            },
            settle_max: limits::SETTLE_MAX,
            unseen_nodes: self.unseen_nodes,
            served_within: None,
        }
    }

    async fn read_zone(&self, zone: &Name) -> Result<Zone, ProviderError> {
        let head = self.head(zone).await?;
        let read = read::zone(&self.server, zone, &head.id).await;
        self.forgetting(zone, read).await
    }

    async fn read_rrsets(
        &self,
        zone: &Name,
        keys: &[RrKey],
    ) -> Result<Vec<Option<RrSet>>, ProviderError> {
        let head = self.head(zone).await?;
        let names = convert::names_of(keys.iter());
        let live = read::live(&self.server, zone, &head.id, &names).await;
        let live = self.forgetting(zone, live).await?;
        Ok(keys.iter().map(|key| live.held.get(key).map(|held| held.rrset.clone())).collect())
    }

    async fn check(
        &self,
        zone: &Name,
        sets: &[ChangeSet],
    ) -> Result<Vec<Unwritable>, ProviderError> {
        let head = self.head(zone).await?;
        let checked = apply::check(&self.server, &head, self.ttl_min, zone, sets).await;
        self.forgetting(zone, checked).await
    }

    async fn apply(&self, changes: &ChangeSet) -> Result<Receipt, ProviderError> {
        let head = self.head(changes.zone()).await?;
        let applied = apply::apply(&self.server, &head, self.ttl_min, changes).await;
        self.forgetting(changes.zone(), applied).await
    }
}
