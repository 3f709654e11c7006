//! What the tests share: a fake, adapters for it, and change sets.

use std::sync::Arc;

use cutover_contract::suite::{self, Rrsets};
use cutover_contract::{ChangeSet, Provider};
pub(crate) use cutover_kit::testing::{ZONE, zone};
use cutover_kit::testing::{connected, edited, lines};

use crate::cloudflare::Cloudflare;

/// The token that the fake knows.
pub(crate) const TOKEN: &str = "kT9-not-for-anybodys-eyes_0123456789abcde";

/// A fake with this zone on this plan.
pub(crate) fn fake(plan: &'static str, held: &[&str]) -> Arc<Cloudflare> {
    let fake = Cloudflare::new(TOKEN);
    fake.zone(ZONE, plan, &lines(held));
    fake
}

/// An adapter for a proxy, with additional configuration.
pub(crate) fn adapter_with(url: &str, token: &str, more: &[(&str, &str)]) -> Box<dyn Provider> {
    let url = format!("{url}/client/v4");
    let texts = [&[("url", &*url), ("api_token", token)], more].concat();
    connected(&cutover_cloudflare::ADAPTER, &texts)
}

/// An adapter for a proxy.
pub(crate) fn adapter(url: &str) -> Box<dyn Provider> {
    adapter_with(url, TOKEN, &[])
}

/// What a zone holds, read without the adapter's code.
pub(crate) fn held(fake: &Cloudflare) -> Rrsets {
    suite::zone_from_lines(&zone(), &fake.lines(ZONE).join("\n")).rrsets
}

/// The change set of these edits (`www A 300 192.0.2.9`, `www A -`), for what the fake has now.
pub(crate) fn changes(fake: &Cloudflare, edits: &[&str]) -> ChangeSet {
    edited(&held(fake), edits)
}
