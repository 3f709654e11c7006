//! The adapter against real servers: each case at BIND and at Knot, unless it is one server's own.

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
