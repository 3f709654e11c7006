//! What the tests share: a fake, adapters for it, and change sets.

use std::sync::Arc;

use cutover_contract::suite::{self, Rrsets};
use cutover_contract::{ChangeSet, Provider};
pub(crate) use cutover_kit::testing::{ZONE, zone};
use cutover_kit::testing::{connected, edited, lines};
use cutover_zone::RrType;

use crate::route53::Route53;

/// The access key that the fake knows.
pub(crate) const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
/// The secret of this key.
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// A fake with this zone.
pub(crate) fn fake(held: &[&str]) -> Arc<Route53> {
    let fake = Route53::new(KEY);
    fake.zone(ZONE, &lines(held));
    fake
}

/// An adapter for a proxy, with additional configuration.
pub(crate) fn adapter_with(url: &str, key: &str, more: &[(&str, &str)]) -> Box<dyn Provider> {
    let own = [("endpoint_url", url), ("access_key_id", key), ("secret_access_key", SECRET)];
    connected(&cutover_route53::ADAPTER, &[&own, more].concat())
}

/// An adapter for a proxy.
pub(crate) fn adapter(url: &str) -> Box<dyn Provider> {
    adapter_with(url, KEY, &[])
}

/// What a zone holds, read without the adapter's code; without the SOA and NS of the apex.
pub(crate) fn held(fake: &Route53) -> Rrsets {
    let mut rrsets = suite::zone_from_lines(&zone(), &fake.lines(ZONE).join("\n")).rrsets;
    rrsets.retain(|key, _| key.name != zone() || ![RrType::SOA, RrType::NS].contains(&key.rtype));
    rrsets
}

/// The change set of these edits (`www A 300 192.0.2.9`, `www A -`), for what the fake has now.
pub(crate) fn changes(fake: &Route53, edits: &[&str]) -> ChangeSet {
    edited(&held(fake), edits)
}
