//! The adapter with a real PowerDNS; a listener of our own is used only where transport must fail.

mod common;
mod connect;
mod failures;
#[path = "../../../../tests/lab/mod.rs"]
mod lab;
mod proxy;
mod reads;
mod writes;
mod zones;
