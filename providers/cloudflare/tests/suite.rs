//! The conformance suite on the lab's fake of Cloudflare.

#[path = "it/bench.rs"]
mod bench;
#[path = "../../../tests/lab/cloudflare/mod.rs"]
mod cloudflare;
#[path = "it/common.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod common;
#[path = "../../../tests/lab/fault_injector.rs"]
mod fault_injector;
#[path = "../../../tests/lab/mod.rs"]
mod lab;

use std::path::Path;

use cutover_contract::suite::{self, Limit};

use bench::Fake;

/// What Cloudflare refuses beyond the declared capabilities.
const LIMITS: &[Limit] = &[
    Limit { case: "txt/empty", why: "a TXT has at least one octet (DNSControl, auditrecords.go)" },
    Limit { case: "owner/star-inside", why: NAMES },
    Limit { case: "owner/not-a-host", why: NAMES },
    Limit { case: "owner/escaped-dot", why: NAMES },
    Limit { case: "owner/escapes", why: NAMES },
    Limit { case: "owner/octets", why: NAMES },
];

const NAMES: &str = "names may only have letters, digits, `-`, `_` and a leading `*` (code 9000)";

#[tokio::test]
async fn the_suite() {
    let report = suite::run(&mut Fake::new(LIMITS)).await;
    suite::readme::check(Path::new(env!("CARGO_MANIFEST_DIR")), env!("CARGO_PKG_NAME"), &[report]);
}
