//! The authoritative servers of a zone: those that a run waits for, and those that it does not.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// An authoritative server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authority {
    /// Its name, if known.
    pub name: Option<String>,
    /// Its address.
    pub address: SocketAddr,
}

/// An authoritative server that the run does not wait for, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// Its address.
    pub address: SocketAddr,
    /// Why it is left out.
    pub reason: String,
}
