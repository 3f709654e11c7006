//! The servers of the rfc2136 adapter's tests.

#[path = "../../../rfc2136/tests/it/bench.rs"]
pub(crate) mod bench;
#[path = "../../../rfc2136/tests/it/proxy.rs"]
mod proxy;
