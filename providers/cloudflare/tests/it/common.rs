//! What the tests share: a fake, adapters for it, and change sets.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use cutover_contract::suite::{self, Edit, Rrsets};
use cutover_contract::{Change, ChangeSet, Config, ConfigValue, Name, Provider, Secret};

use crate::cloudflare::Cloudflare;

/// The zone of all tests.
pub(crate) const ZONE: &str = "acme.test";
/// The token that the fake knows.
pub(crate) const TOKEN: &str = "kT9-not-for-anybodys-eyes_0123456789abcde";

/// The zone that most tests begin with.
pub(crate) const SMALL: &[&str] = &[
    "acme.test. 300 IN MX 10 mail.oldhost.example.",
    "acme.test. 300 IN TXT \"v=spf1 include:oldhost.example -all\"",
    "www.acme.test. 300 IN A 192.0.2.1",
    "www.acme.test. 300 IN A 192.0.2.2",
    "mail.acme.test. 300 IN CNAME mail.oldhost.example.",
];

pub(crate) fn zone() -> Name {
    Name::from_user(ZONE).expect("a name")
}

/// A fake with this zone, of this plan.
pub(crate) fn fake(plan: &'static str, lines: &[&str]) -> Arc<Cloudflare> {
    let fake = Cloudflare::new(TOKEN);
    fake.zone(ZONE, plan, &lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>());
    fake
}

/// An adapter for a door, with more of its configuration.
pub(crate) fn adapter_with(url: &str, token: &str, more: &[(&str, &str)]) -> Box<dyn Provider> {
    let mut config = BTreeMap::from([
        ("url".to_owned(), ConfigValue::Text(format!("{url}/client/v4"))),
        ("api_token".to_owned(), ConfigValue::Secret(Secret::new(token))),
    ]);
    for (field, value) in more {
        config.insert((*field).to_owned(), ConfigValue::Text((*value).to_owned()));
    }
    let connected = (cutover_cloudflare::ADAPTER.connect)(&Config(config), Path::new("/"));
    connected.unwrap_or_else(|error| panic!("{error}"))
}

/// An adapter for a door.
pub(crate) fn adapter(url: &str) -> Box<dyn Provider> {
    adapter_with(url, TOKEN, &[])
}

/// What a zone has, read with none of the adapter's code.
pub(crate) fn held(fake: &Cloudflare) -> Rrsets {
    suite::zone_from_lines(&zone(), &fake.lines(ZONE).join("\n")).rrsets
}

/// The change set of these edits (`www A 300 192.0.2.9`, `www A -`), for what the fake has now.
pub(crate) fn changes(fake: &Cloudflare, edits: &[&str]) -> ChangeSet {
    changes_from(&held(fake), edits)
}

/// The same, in the belief that the zone has these RRsets.
pub(crate) fn changes_from(believed: &Rrsets, edits: &[&str]) -> ChangeSet {
    let edits: Vec<Edit> =
        suite::edits(&zone(), &edits.iter().map(|edit| (*edit).to_owned()).collect::<Vec<_>>());
    let change =
        |Edit { key, after }: Edit| Change { before: believed.get(&key).cloned(), key, after };
    ChangeSet::new(zone(), edits.into_iter().map(change).collect()).expect("a change set")
}
