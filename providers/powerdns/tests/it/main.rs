//! The adapter against a real PowerDNS; a listener of our own only where transport has to fail.

mod common;
mod connect;
mod failures;
#[path = "../../../../tests/lab/mod.rs"]
mod lab;
mod proxy;
mod reads;
mod writes;
mod zones;
