//! What the tests share: servers, adapters, RRsets from text, and change sets.

use cutover_contract::Provider;
use cutover_contract::suite::{self, Rrsets};
pub(crate) use cutover_kit::testing::{MX, SMALL, ZONE, changes, key, rrsets, without_soa, zone};
use cutover_zone::RrType;

pub(crate) use crate::connect::adapter;
use crate::lab::Pdns;

/// A server with this zone.
pub(crate) fn pdns(lines: &[&str]) -> Pdns {
    Pdns::primary(&[(ZONE, &lines.join("\n"))])
}

/// The adapter for a server, with its key.
pub(crate) fn adapter_of(server: &Pdns) -> Box<dyn Provider> {
    adapter(&server.url(), server.api_key())
}

/// What the zone holds, apart from the SOA.
pub(crate) async fn contents(server: &Pdns) -> Rrsets {
    let read = adapter_of(server).read_zone(&zone()).await;
    let mut rrsets = read.unwrap_or_else(|error| panic!("{error}\n{}", server.log())).rrsets;
    rrsets.retain(|key, _| key.rtype != RrType::SOA);
    rrsets
}

/// What a transfer shows, apart from the SOA: an independent view of the same zone, over DNS. All
/// rdata are shown as octets (RFC 3597 §5), so that `dig` and we cannot share a mistake in how
/// types are written.
pub(crate) fn served(server: &Pdns) -> Rrsets {
    let text = server.dig(&[ZONE, "AXFR", "+noall", "+answer", "+onesoa", "+unknownformat"]);
    assert!(text.contains("TYPE6"), "no transfer: {text}\n{}", server.log());
    let mut rrsets = suite::zone_from_lines(&zone(), &text).rrsets;
    rrsets.retain(|key, _| ![RrType::SOA, RrType::DNSKEY].contains(&key.rtype));
    rrsets
}
