//! The PowerDNS of the powerdns adapter's tests.

#[path = "../../../powerdns/tests/it/bench.rs"]
pub(crate) mod bench;
#[path = "../../../powerdns/tests/it/proxy.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod proxy;
