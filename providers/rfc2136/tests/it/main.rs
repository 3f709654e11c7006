//! The adapter with real servers: each case on BIND and on Knot, unless it is specific to one of
//! them.

mod common;
mod connect;
mod failures;
#[path = "../../../../tests/lab/mod.rs"]
mod lab;
mod proxy;
mod reads;
mod writes;
