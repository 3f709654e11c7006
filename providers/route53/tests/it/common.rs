//! What the tests share: a fake, adapters for it, and change sets.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use cutover_contract::suite::{self, Edit, Rrsets};
use cutover_contract::{Change, ChangeSet, Config, ConfigValue, Name, Provider, RrType, Secret};

use crate::route53::Route53;

/// The zone of all tests.
pub(crate) const ZONE: &str = "acme.test";
/// The access key that the fake knows.
pub(crate) const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
/// What belongs to it.
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

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

/// A fake with this zone.
pub(crate) fn fake(lines: &[&str]) -> Arc<Route53> {
    let fake = Route53::new(KEY);
    fake.zone(ZONE, &lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>());
    fake
}

/// An adapter for a door, with more of its configuration.
pub(crate) fn adapter_with(url: &str, key: &str, more: &[(&str, &str)]) -> Box<dyn Provider> {
    let mut config = BTreeMap::from([
        ("endpoint_url".to_owned(), ConfigValue::Text(url.to_owned())),
        ("access_key_id".to_owned(), ConfigValue::Text(key.to_owned())),
        ("secret_access_key".to_owned(), ConfigValue::Secret(Secret::new(SECRET))),
    ]);
    for (field, value) in more {
        config.insert((*field).to_owned(), ConfigValue::Text((*value).to_owned()));
    }
    let connected = (cutover_route53::ADAPTER.connect)(&Config(config), Path::new("/"));
    connected.unwrap_or_else(|error| panic!("{error}"))
}

/// An adapter for a door.
pub(crate) fn adapter(url: &str) -> Box<dyn Provider> {
    adapter_with(url, KEY, &[])
}

/// What a zone has, read with none of the adapter's code; SOA and NS of the apex apart.
pub(crate) fn held(fake: &Route53) -> Rrsets {
    let mut rrsets = suite::zone_from_lines(&zone(), &fake.lines(ZONE).join("\n")).rrsets;
    rrsets.retain(|key, _| key.name != zone() || ![RrType::SOA, RrType::NS].contains(&key.rtype));
    rrsets
}

/// The change set of these edits (`www A 300 192.0.2.9`, `www A -`), for what the fake has now.
pub(crate) fn changes(fake: &Route53, edits: &[&str]) -> ChangeSet {
    let believed = held(fake);
    let edits: Vec<Edit> =
        suite::edits(&zone(), &edits.iter().map(|edit| (*edit).to_owned()).collect::<Vec<_>>());
    let change =
        |Edit { key, after }: Edit| Change { before: believed.get(&key).cloned(), key, after };
    ChangeSet::new(zone(), edits.into_iter().map(change).collect()).expect("a change set")
}
