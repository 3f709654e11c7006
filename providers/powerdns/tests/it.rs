//! The adapter against a real PowerDNS; a listener of our own only where transport has to fail.

#[path = "it/common.rs"]
mod common;
#[path = "it/connect.rs"]
mod connect;
#[path = "it/failures.rs"]
mod failures;
#[path = "../../../tests/lab/mod.rs"]
mod lab;
#[path = "it/proxy.rs"]
mod proxy;
#[path = "it/reads.rs"]
mod reads;
#[path = "it/writes.rs"]
mod writes;
#[path = "it/zones.rs"]
mod zones;
