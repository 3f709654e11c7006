//! What the tests share: servers, RRsets from text, and change sets.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use cutover_contract::{Change, ChangeSet, Name, Rdata, RrKey, RrSet, RrType, Ttl};

pub(crate) use crate::connect::{adapter, adapter_of, config};
use crate::lab::{Bind, Knot, Server};

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

/// One server of each kind with this zone.
pub(crate) fn both(lines: &[&str]) -> [Server; 2] {
    let text = lines.join("\n");
    [Bind::primary(&[(ZONE, &text)]), Knot::primary(&[(ZONE, &text)])]
}

/// A BIND with this zone.
pub(crate) fn bind(lines: &[&str]) -> Server {
    Bind::primary(&[(ZONE, &lines.join("\n"))])
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

/// What the zone holds, its serial apart.
pub(crate) async fn contents(server: &Server) -> BTreeMap<RrKey, RrSet> {
    let zone = adapter_of(server).read_zone(&zone()).await;
    let mut rrsets = zone.unwrap_or_else(|error| panic!("{}: {error}", server.program())).rrsets;
    rrsets.retain(|key, _| key.rtype != RrType::SOA);
    rrsets
}

/// The RRsets of some lines, an SOA apart.
pub(crate) fn without_soa(lines: &[&str]) -> BTreeMap<RrKey, RrSet> {
    let mut rrsets = rrsets(lines);
    rrsets.retain(|key, _| key.rtype != RrType::SOA);
    rrsets
}

/// A colleague's edit, from a thread that has no [`Server`].
pub(crate) fn nsupdate(address: SocketAddr, key_file: &Path, script: &str) {
    let mut child = std::process::Command::new("nsupdate")
        .arg("-k")
        .arg(key_file)
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("nsupdate can be started");
    let text = format!("server {} {}\nzone {ZONE}\n{script}\nsend\n", address.ip(), address.port());
    let mut stdin = child.stdin.take().expect("the input is a pipe");
    stdin.write_all(text.as_bytes()).expect("nsupdate reads it");
    drop(stdin);
    assert!(child.wait().is_ok_and(|status| status.success()), "nsupdate is refused");
}
