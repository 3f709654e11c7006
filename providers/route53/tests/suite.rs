//! The conformance suite on the lab's fake of Route 53.

#[path = "it/bench.rs"]
mod bench;
#[path = "it/common.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod common;
#[path = "../../../tests/lab/fault_injector.rs"]
mod fault_injector;
#[path = "../../../tests/lab/mod.rs"]
mod lab;
#[path = "../../../tests/lab/route53/mod.rs"]
mod route53;

use std::path::Path;

use cutover_contract::suite::{self, Limit};

use bench::Fake;

/// What Route 53 refuses beyond the declared capabilities.
const LIMITS: &[Limit] = &[
    Limit {
        case: "txt/4000-octets",
        why: "a value has at most 4000 characters with its quotes (API reference, ResourceRecord)",
    },
    Limit { case: "bounds/1500-made", why: "a batch has at most 1000 records (Quotas)" },
];

#[tokio::test]
async fn the_suite() {
    let report = suite::run(&mut Fake::new(LIMITS)).await;
    suite::readme::check(Path::new(env!("CARGO_MANIFEST_DIR")), env!("CARGO_PKG_NAME"), &[report]);
}
