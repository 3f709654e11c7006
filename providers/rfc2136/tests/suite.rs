//! The conformance suite on real servers: BIND and Knot.

#[path = "it/bench.rs"]
mod bench;
#[path = "it/connect.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod connect;
#[path = "../../../tests/lab/mod.rs"]
mod lab;
#[path = "it/proxy.rs"]
mod proxy;

use std::path::Path;

use cutover_contract::suite::{self, Limit};

use bench::{Kind, OneServer, ZONE};
use lab::{Bind, Knot};

const BIND: Kind = Kind {
    title: "rfc2136 on BIND",
    limits: &[Limit {
        case: "owner/not-a-host",
        why: "BIND's `check-names` refuses addresses at names that are not host names",
    }],
    connect: connect::adapter,
    plain: |text, key| Bind::primary_with_key(&[(ZONE, text)], "", key),
    signed: |text, key| {
        let clause = "dnssec-policy default; inline-signing no;";
        Bind::primary_with_key(&[(ZONE, text)], clause, key)
    },
};

const KNOT: Kind = Kind {
    title: "rfc2136 on Knot",
    limits: &[],
    connect: connect::adapter,
    plain: |text, key| Knot::primary_with_key(&[(ZONE, text)], "", key),
    signed: |text, key| Knot::primary_with_key(&[(ZONE, text)], "    dnssec-signing: on\n", key),
};

#[tokio::test]
async fn the_suite() {
    let mut reports = Vec::new();
    for kind in [BIND, KNOT] {
        let report = suite::run(&mut OneServer::new(kind)).await;
        reports.push(report);
    }
    suite::readme::check(Path::new(env!("CARGO_MANIFEST_DIR")), env!("CARGO_PKG_NAME"), &reports);
}
