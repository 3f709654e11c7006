//! The adapter against real servers: each case at BIND and at Knot, unless it is one server's own.

mod common;
mod connect;
mod failures;
#[path = "../../../../tests/lab/mod.rs"]
mod lab;
mod proxy;
mod reads;
mod writes;
