//! The adapter for Cloudflare, over its API of DNS records.
//!
//! A change set is a single batch, which is one transaction at Cloudflare. Cloudflare stores
//! records instead of RRsets, and its name servers get each record separately. So old records are
//! changed into new ones in place, and the adapter declares what may be seen in between
//! ([`Atomicity::Record`]). The API cannot compare, so the adapter compares right before the batch.
//!
//! This adapter does not split a change set. At names that are proxied or flattened, it neither
//! reads nor writes addresses. It writes no record that Email Routing or another product holds, and
//! neither the SOA nor the NS of the apex, which belong to Cloudflare. It uses no proxy settings
//! from the environment.

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

use api::{EndpointError, Server};
use read::Head;

/// The adapter, as the registry of the command line knows it.
pub const ADAPTER: Adapter = Adapter {
    kind: "cloudflare",
    doc: "Cloudflare, over its API of DNS records.",
    asks_delegation: true,
    is_program: false,
    fields: &[
        ConfigField::required(
            "api_token",
            FieldKind::Secret,
            "A token with the permissions Zone Read and DNS Write for the zones.",
        ),
        ConfigField::optional(
            "account_id",
            FieldKind::Text,
            "The account. Needed if the token can see zones of the same name in several accounts.",
        ),
        ConfigField::optional(
            "plan",
            FieldKind::Choice(&["free", "pro", "business", "enterprise"]),
            "The zones' plan at Cloudflare; default free. It determines the maximum size of a \
                  batch (200 or 3,500 operations) and the smallest TTL (60 s, and 30 s with \
                  enterprise).",
        ),
        ConfigField::optional(
            "anycast_margin",
            FieldKind::Duration,
            "The time to add after every server that can be queried serves a change, for the nodes \
                  of the anycast network that cannot be queried; default 1m.",
        )
        .renamed_from("unseen_nodes"),
        ConfigField::optional(
            "url",
            FieldKind::Text,
            "The address of the API; default https://api.cloudflare.com/client/v4.",
        ),
    ],
    findings: include_str!("../findings.json"),
    connect,
};

struct Cloudflare {
    server: Server,
    account: Option<String>,
    /// The zones' plan, as the user states it.
    plan: String,
    batch_max: usize,
    ttl_min: Ttl,
    anycast_margin: Duration,
    /// What was found about zones so far; their identifiers stay the same.
    heads: KnownZones<Head>,
}

fn connect(config: &Config, _: &Path) -> Result<Box<dyn Provider>, ConfigError> {
    let token = config.need("api_token", Config::secret)?;
    let url = config.text("url").unwrap_or(limits::URL);
    let server = Server::new(url, token).map_err(|error| {
        let field = match error {
            EndpointError::Url(_) | EndpointError::Client(_) => "url",
            EndpointError::Token => "api_token",
        };
        ConfigError::new(field, error.to_string())
    })?;
    let plan = config.text("plan").unwrap_or("free").to_owned();
    let (batch_max, ttl_min) = match plan.as_str() {
        "free" => (limits::BATCH_FREE, limits::TTL_MIN),
        "enterprise" => (limits::BATCH_PAID, limits::TTL_MIN_ENTERPRISE),
        _ => (limits::BATCH_PAID, limits::TTL_MIN),
    };
    let anycast_margin = *config.duration("anycast_margin").unwrap_or(&limits::ANYCAST_MARGIN);
    let account = config.text("account_id").map(str::to_owned);
    let heads = KnownZones::default();
    Ok(Box::new(Cloudflare { server, account, plan, batch_max, ttl_min, anycast_margin, heads }))
}

impl Cloudflare {
    async fn head(&self, zone: &Name) -> Result<Head, ProviderError> {
        let found = read::head(&self.server, zone, self.account.as_deref(), &self.plan);
        self.heads.get(zone, found).await
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
            anycast_margin: self.anycast_margin,
            served_within: None,
        }
    }

    async fn read_zone(&self, zone: &Name) -> Result<Zone, ProviderError> {
        let head = self.head(zone).await?;
        let read = read::zone(&self.server, zone, &head.id).await;
        self.heads.forgetting(zone, read).await
    }

    async fn read_rrsets(&self, zone: &Name, keys: &[RrKey]) -> ProviderResult<Vec<Option<RrSet>>> {
        let head = self.head(zone).await?;
        let names = names_of(keys);
        let live = read::live(&self.server, zone, &head.id, &names).await;
        let live = self.heads.forgetting(zone, live).await?;
        Ok(keys.iter().map(|key| live.rrset(key).cloned()).collect())
    }

    async fn check(&self, zone: &Name, sets: &[ChangeSet]) -> ProviderResult<Vec<Unwritable>> {
        let head = self.head(zone).await?;
        let checked = apply::check(&self.server, &head, self.ttl_min, zone, sets).await;
        self.heads.forgetting(zone, checked).await
    }

    async fn apply(&self, changes: &ChangeSet) -> Result<Receipt, ProviderError> {
        let head = self.head(changes.zone()).await?;
        let applied = apply::apply(&self.server, &head, self.ttl_min, changes).await;
        self.heads.forgetting(changes.zone(), applied).await
    }
}
