//! What the tests share: servers, adapters, RRsets from text, and change sets.

use std::collections::BTreeMap;
use std::path::Path;

use cutover_contract::{
    Change, ChangeSet, Config, ConfigValue, Name, Provider, Rdata, RrKey, RrSet, RrType, Secret,
    Ttl,
};

use crate::lab::Pdns;

/// The zone of all tests.
pub(crate) const ZONE: &str = "acme.test";

/// The zone that most tests begin with: `name ttl type rdata`.
pub(crate) const SMALL: &[&str] = &[
    "@ 300 SOA ns1 Hostmaster 7 3600 600 86400 300",
    "@ 300 NS ns1",
    "ns1 300 A 127.0.0.1",
    "@ 300 MX 10 Mail.OldHost.example.",
    "@ 300 TXT \"v=spf1 include:oldhost.example -all\"",
    "www 300 A 192.0.2.1",
    "www 300 A 192.0.2.2",
    "mail 300 CNAME mail.oldhost.example.",
];

/// The MX of [`SMALL`].
pub(crate) const MX: &str = "@ 300 MX 10 mail.oldhost.example.";

/// A server with this zone.
pub(crate) fn pdns(lines: &[&str]) -> Pdns {
    Pdns::primary(&[(ZONE, &lines.join("\n"))])
}

/// A configuration.
pub(crate) fn config(url: &str, api_key: &str) -> Config {
    Config(BTreeMap::from([
        ("url".to_owned(), ConfigValue::Text(url.to_owned())),
        ("api_key".to_owned(), ConfigValue::Secret(Secret::new(api_key))),
    ]))
}

/// The adapter for an address and a key.
pub(crate) fn adapter(url: &str, api_key: &str) -> Box<dyn Provider> {
    let connected = (cutover_powerdns::ADAPTER.connect)(&config(url, api_key), Path::new("/"));
    connected.unwrap_or_else(|error| panic!("{error}"))
}

/// The adapter for a server, with its key.
pub(crate) fn adapter_of(server: &Pdns) -> Box<dyn Provider> {
    adapter(&server.url(), server.api_key())
}

pub(crate) fn zone() -> Name {
    Name::from_user(ZONE).expect("a name")
}

/// `www A`, `@ MX`.
pub(crate) fn key(text: &str) -> RrKey {
    let (name, rtype) = text.split_once(' ').expect("a name and a type");
    RrKey::new(Name::relative_to(name, &zone()).expect("a name"), rtype.parse().expect("a type"))
}

/// The RRsets of lines like those of [`SMALL`].
pub(crate) fn rrsets(lines: &[&str]) -> BTreeMap<RrKey, RrSet> {
    let mut records: BTreeMap<RrKey, (Ttl, Vec<Rdata>)> = BTreeMap::new();
    for line in lines {
        let mut words = line.splitn(4, ' ');
        let mut word = || words.next().expect("four words");
        let (name, ttl, rtype, rdata) = (word(), word(), word(), word());
        let rtype: RrType = rtype.parse().expect("a type");
        let key = RrKey::new(Name::relative_to(name, &zone()).expect("a name"), rtype);
        let ttl = Ttl::from_secs(ttl.parse().expect("a TTL")).expect("a TTL");
        let rdata = Rdata::parse(rtype, rdata, Some(&zone()));
        let rdata = rdata.unwrap_or_else(|error| panic!("{line}: {error}"));
        records.entry(key).or_insert((ttl, Vec::new())).1.push(rdata);
    }
    let rrset = |(ttl, rdata)| RrSet::new(ttl, rdata).expect("an RRset");
    records.into_iter().map(|(key, records)| (key, rrset(records))).collect()
}

/// The change set that turns the RRsets of `before` into those of `after`, where they differ.
pub(crate) fn changes(before: &[&str], after: &[&str]) -> ChangeSet {
    let (mut before, mut after) = (rrsets(before), rrsets(after));
    let keys: Vec<RrKey> = before.keys().chain(after.keys()).cloned().collect();
    let mut changes = BTreeMap::new();
    for key in keys {
        if changes.contains_key(&key) {
            continue;
        }
        let (before, after) = (before.remove(&key), after.remove(&key));
        changes.insert(key.clone(), Change { key, before, after });
    }
    ChangeSet::new(zone(), changes.into_values().filter(|c| c.before != c.after).collect())
        .expect("a change set")
}

/// What the zone holds, its SOA apart.
pub(crate) async fn contents(server: &Pdns) -> BTreeMap<RrKey, RrSet> {
    let read = adapter_of(server).read_zone(&zone()).await;
    let mut rrsets = read.unwrap_or_else(|error| panic!("{error}\n{}", server.log())).rrsets;
    rrsets.retain(|key, _| key.rtype != RrType::SOA);
    rrsets
}

/// What a transfer shows, the SOA apart: another reader of the same zone, over DNS.
pub(crate) fn served(server: &Pdns) -> BTreeMap<RrKey, RrSet> {
    let mut rrsets = rrsets(&transferred(server).iter().map(String::as_str).collect::<Vec<_>>());
    rrsets.retain(|key, _| key.rtype != RrType::SOA);
    rrsets
}

/// The lines of a transfer, as those of [`SMALL`], without those of a signer. All rdata are in
/// octets (RFC 3597 §5), so that `dig` and we cannot share a mistake in how types are written.
pub(crate) fn transferred(server: &Pdns) -> Vec<String> {
    let text = server.dig(&[ZONE, "AXFR", "+noall", "+answer", "+onesoa", "+unknownformat"]);
    assert!(text.contains("TYPE6"), "no transfer: {text}\n{}", server.log());
    let mut lines = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let mut words = line.split_whitespace();
        let mut word = || words.next().unwrap_or_else(|| panic!("a record: {line}"));
        let (owner, ttl, _, rtype) = (word(), word(), word(), word());
        let rdata = words.collect::<Vec<_>>().join(" ");
        let number: RrType = rtype.parse().expect("a type");
        if !number.is_made_by_signer() && number != RrType::DNSKEY {
            lines.push(format!("{owner} {ttl} {rtype} {rdata}"));
        }
    }
    lines
}

/// The RRsets of some lines, an SOA apart.
pub(crate) fn without_soa(lines: &[&str]) -> BTreeMap<RrKey, RrSet> {
    let mut rrsets = rrsets(lines);
    rrsets.retain(|key, _| key.rtype != RrType::SOA);
    rrsets
}
