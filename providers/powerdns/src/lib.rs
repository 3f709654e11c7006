//! The adapter for the HTTP API of PowerDNS Authoritative.
//!
//! A change set is a single PATCH, which the server carries out in order and in one transaction.
//! The API cannot compare, so the adapter compares right before the PATCH. What it writes is marked
//! with a comment of the account `cutover`; other people's comments stay.
//!
//! This adapter does not split a change set, and sends a PATCH again only after the server reported
//! that it changed nothing. It writes no RRset that has disabled records, changes no zone that is a
//! copy or was signed elsewhere, and uses no proxy settings from the environment. The server
//! deletes an RRset together with its comments.

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
    FieldKind, Gathered, Granularity, Provider, ProviderError, ProviderResult, Receipt, Unwritable,
};
use cutover_kit::names_of;
use cutover_zone::{Name, RrKey, RrSet, Ttl, Zone};

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
            "The address of the API without /api/v1, such as http://127.0.0.1:8081.",
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
            // The types depend on the server's version, and it refuses those that it does not
            // support.
            types: None,
            gathered: Gathered::Request {
                size_max: limits::GATHERED_OCTETS,
                unit: "octets of JSON",
                size_of: convert::octets_of,
            },
            settle_max: limits::SETTLE_MAX,
            anycast_margin: std::time::Duration::ZERO,
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
