//! The adapter for the HTTP API of PowerDNS Authoritative.
//!
//! A change set is one PATCH, which the server carries out in the order that it has and in one
//! transaction. The API cannot compare, so the adapter does, right before. What it writes carries a
//! comment of the account `cutover`; other people's comments stay.
//!
//! What this does not do: it splits no change set, sends no PATCH twice unless the server said that
//! it changed nothing, writes no RRset that has disabled records, changes no zone that is a copy or
//! was signed elsewhere, and takes no settings of proxies from the environment. The comments of an
//! RRset that is deleted go with it: that is how the server deletes.

mod api;
mod apply;
mod convert;
mod failure;
mod limits;
mod read;

use std::path::Path;

use async_trait::async_trait;
use cutover_contract::{
    Adapter, Atomicity, Capabilities, ChangeSet, CompareAndSet, Config, ConfigError, ConfigField,
    FieldKind, Gathered, Granularity, Name, Provider, ProviderError, ProviderResult, Receipt,
    RrKey, RrSet, Ttl, Unwritable, Zone,
};
use cutover_kit::names_of;

use api::{EndpointError, Server};
use read::Disabled;

/// The adapter, as the registry of the command line knows it.
pub const ADAPTER: Adapter = Adapter {
    kind: "powerdns",
    doc: "PowerDNS Authoritative, over its HTTP API.",
    asks_delegation: true,
    is_program: false,
    fields: &[
        ConfigField::required(
            "url",
            FieldKind::Text,
            "Where the API listens, such as http://127.0.0.1:8081; without /api/v1.",
        ),
        ConfigField::required("api_key", FieldKind::Secret, "The server's api-key."),
        ConfigField::optional(
            "server",
            FieldKind::Text,
            "The server's identifier in the API; default localhost.",
        ),
    ],
    findings: include_str!("../findings.json"),
    connect,
};

/// The identifier that every PowerDNS gives itself.
const LOCALHOST: &str = "localhost";

struct PowerDns {
    server: Server,
}

fn connect(config: &Config, _: &Path) -> Result<Box<dyn Provider>, ConfigError> {
    let url = config.need("url", Config::text)?;
    let key = config.need("api_key", Config::secret)?;
    let id = config.text("server").unwrap_or(LOCALHOST);
    let server = Server::new(url, id, key).map_err(|error| {
        let field = match error {
            EndpointError::Url(_) | EndpointError::Path | EndpointError::Client(_) => "url",
            EndpointError::Server => "server",
            EndpointError::Key => "api_key",
        };
        ConfigError::new(field, error.to_string())
    })?;
    Ok(Box::new(PowerDns { server }))
}

#[async_trait]
impl Provider for PowerDns {
    fn capabilities(&self, _: &Name) -> Capabilities {
        Capabilities {
            granularity: Granularity::RrSet,
            atomicity: Atomicity::ChangeSet,
            compare_and_set: CompareAndSet::ReadCompareWrite,
            ttl_min: Ttl::ZERO,
            ttl_max: Ttl::MAX,
            // What the types are depends on the server's version, and it says so when it is sent one.
            types: None,
            gathered: Gathered::Request {
                size_max: limits::GATHERED_OCTETS,
                unit: "octets of JSON",
                size_of: convert::octets_of,
            },
            settle_max: limits::SETTLE_MAX,
            unseen_nodes: std::time::Duration::ZERO,
            served_within: None,
        }
    }

    async fn read_zone(&self, zone: &Name) -> Result<Zone, ProviderError> {
        read::zone(&self.server, zone).await
    }

    async fn read_rrsets(&self, zone: &Name, keys: &[RrKey]) -> ProviderResult<Vec<Option<RrSet>>> {
        let live = read::live(&self.server, zone, &names_of(keys), Disabled::AsItComes).await?;
        Ok(keys.iter().map(|key| live.rrset(key).cloned()).collect())
    }

    async fn check(&self, zone: &Name, sets: &[ChangeSet]) -> ProviderResult<Vec<Unwritable>> {
        apply::check(&self.server, zone, sets).await
    }

    async fn apply(&self, changes: &ChangeSet) -> Result<Receipt, ProviderError> {
        apply::apply(&self.server, changes).await
    }

    async fn publish(&self, zone: &Name) -> Result<(), ProviderError> {
        apply::rectify(&self.server, zone).await
    }
}
