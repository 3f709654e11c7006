//! The adapter for DNS UPDATE (RFC 2136) with TSIG (RFC 8945): BIND, Knot, and other servers that
//! support it. Zones are read by transfer (RFC 5936), and RRsets by queries. Everything goes over
//! TCP to the configured server, which must be the zone's primary.
//!
//! A change set is a single message, and thus a single transaction. The values that were read and
//! the SOA are its prerequisites, and the server itself compares them. So nobody can write between
//! the comparison and the change.
//!
//! This adapter talks to no other server than the configured one. It sends an update again only
//! after the server reported that it was not made. It writes no records of a signer, and signs with
//! no weaker MAC than HMAC-SHA-256. Zones with `inline-signing yes` on BIND cannot be changed: BIND
//! then compares with another SOA than it serves.

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
use cutover_zone::{Name, RrKey, RrSet, Ttl, Zone};

use api::tcp::Server;
use api::tsig::Key;

/// The adapter, as the registry of the command line knows it.
pub const ADAPTER: Adapter = Adapter {
    kind: "rfc2136",
    doc: "A primary server that takes DNS UPDATE, such as BIND or Knot.",
    asks_delegation: true,
    is_program: false,
    fields: &[
        ConfigField::required(
            "server",
            FieldKind::SocketAddr,
            "The address and port of the zone's primary server, for TCP.",
        ),
        ConfigField::optional(
            "tsig",
            FieldKind::Object(TSIG_FIELDS),
            "The TSIG key that signs queries, transfers and updates.",
        ),
    ],
    findings: include_str!("../findings.json"),
    connect,
};

const ALGORITHMS: &[&str] = &["hmac-sha256", "hmac-sha384", "hmac-sha512"];

const TSIG_FIELDS: &[ConfigField] = &[
    ConfigField::required("key", FieldKind::Name, "The key's name, as configured at the server."),
    ConfigField::optional(
        "algorithm",
        FieldKind::Choice(ALGORITHMS),
        "The key's algorithm; default hmac-sha256.",
    ),
    ConfigField::required("secret", FieldKind::Secret, "The key's secret, in base64."),
];

/// A primary server, and our key for it.
struct Rfc2136 {
    server: Server,
}

fn connect(config: &Config, _: &Path) -> Result<Box<dyn Provider>, ConfigError> {
    let address = *config.need("server", Config::socket_addr)?;
    let key = config.object("tsig").map(|tsig| {
        let name = tsig.need("key", Config::name)?.clone();
        let algorithm = tsig.text("algorithm").unwrap_or(ALGORITHMS[0]);
        Key::new(name, algorithm, tsig.need("secret", Config::secret)?)
    });
    let key = key.transpose().map_err(|error| error.within("tsig"))?;
    Ok(Box::new(Rfc2136 { server: Server { address, key } }))
}

#[async_trait]
impl Provider for Rfc2136 {
    fn capabilities(&self, _: &Name) -> Capabilities {
        Capabilities {
            granularity: Granularity::RrSet,
            atomicity: Atomicity::ChangeSet,
            compare_and_set: CompareAndSet::Native,
            ttl_min: Ttl::ZERO,
            ttl_max: Ttl::MAX,
            types: None,
            gathered: Gathered::Request {
                size_max: limits::GATHERED_OCTETS,
                unit: "octets of an UPDATE",
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
        let live = read::live(&self.server, zone, keys).await?;
        Ok(live.rrsets.into_iter().map(|found| found.map(|found| found.rrset)).collect())
    }

    async fn check(&self, zone: &Name, sets: &[ChangeSet]) -> ProviderResult<Vec<Unwritable>> {
        apply::check(&self.server, zone, sets).await
    }

    async fn apply(&self, changes: &ChangeSet) -> Result<Receipt, ProviderError> {
        apply::apply(&self.server, changes).await
    }
}
