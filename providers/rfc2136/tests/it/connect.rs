//! Adapters for servers of the lab.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use cutover_contract::{Config, ConfigValue, Provider, Secret};

use crate::lab::{Server, TsigKey};

/// The configuration for a server, with the key or without.
pub(crate) fn config(address: SocketAddr, key: Option<&TsigKey>) -> Config {
    let text = |text: &str| ConfigValue::Text(text.to_owned());
    let mut fields = BTreeMap::from([("server".to_owned(), text(&address.to_string()))]);
    if let Some(TsigKey { name, algorithm, secret }) = key {
        let tsig = BTreeMap::from([
            ("key".to_owned(), text(name)),
            ("algorithm".to_owned(), text(algorithm)),
            ("secret".to_owned(), ConfigValue::Secret(Secret::new(secret.as_str()))),
        ]);
        fields.insert("tsig".to_owned(), ConfigValue::Object(Config(tsig)));
    }
    Config(fields)
}

/// The adapter for an address and a key.
pub(crate) fn adapter(address: SocketAddr, key: Option<&TsigKey>) -> Box<dyn Provider> {
    let connected = (cutover_rfc2136::ADAPTER.connect)(&config(address, key), Path::new("/"));
    connected.unwrap_or_else(|error| panic!("{error}"))
}

/// The adapter for a server, with its key.
pub(crate) fn adapter_of(server: &Server) -> Box<dyn Provider> {
    adapter(server.addr(), Some(server.key()))
}
