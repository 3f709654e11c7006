//! The conformance suite on a real PowerDNS.

#[path = "it/bench.rs"]
mod bench;
#[path = "it/connect.rs"]
mod connect;
#[path = "../../../tests/lab/mod.rs"]
mod lab;
#[path = "it/proxy.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod proxy;

use std::path::Path;

use cutover_contract::suite::{self, Limit};

use bench::RealPdns;
use connect::adapter;
use lab::Pdns;

/// What PowerDNS 4.7.3 refuses.
const LIMITS: &[Limit] = &[
    Limit { case: "type/dnskey", why: "PowerDNS accepts a DNSKEY at the apex only (4.7.3)" },
    Limit { case: "owner/star-inside", why: NAMES },
    Limit { case: "owner/not-a-host", why: NAMES },
    Limit { case: "owner/escaped-dot", why: NAMES },
    Limit { case: "owner/escapes", why: NAMES },
    Limit { case: "owner/octets", why: NAMES },
];

const NAMES: &str =
    "the API accepts only letters, digits, `-`, `_`, `/` and whole `*` labels in names (4.7.3)";

#[tokio::test]
async fn the_suite() {
    let mut bench = RealPdns {
        server: Pdns::start(&[], "webserver-max-bodysize=64"),
        title: "powerdns on PowerDNS",
        limits: LIMITS,
        connect: adapter,
    };
    let report = suite::run(&mut bench).await;
    suite::readme::check(Path::new(env!("CARGO_MANIFEST_DIR")), env!("CARGO_PKG_NAME"), &[report]);
}
