//! Adapters for servers of the lab.

use std::net::SocketAddr;

use cutover_contract::{ConfigError, Provider};
use cutover_kit::testing;

use crate::lab::{Server, TsigKey};

/// The adapter for an address and a key, or why they cannot be used.
pub(crate) fn connect(
    address: &str,
    key: Option<&TsigKey>,
) -> Result<Box<dyn Provider>, ConfigError> {
    let mut texts = vec![("server", address)];
    if let Some(TsigKey { name, algorithm, secret }) = key {
        texts.extend([
            ("tsig.key", &**name),
            ("tsig.algorithm", algorithm),
            ("tsig.secret", secret),
        ]);
    }
    testing::connect(&cutover_rfc2136::ADAPTER, &texts)
}

/// The adapter for an address and a key.
pub(crate) fn adapter(address: SocketAddr, key: Option<&TsigKey>) -> Box<dyn Provider> {
    connect(&address.to_string(), key).unwrap_or_else(|error| panic!("{error}"))
}

/// The adapter for a server, with its key.
pub(crate) fn adapter_of(server: &Server) -> Box<dyn Provider> {
    adapter(server.addr(), Some(server.key()))
}
