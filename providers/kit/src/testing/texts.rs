//! Zones as lines of text, `name ttl type rdata`, with names relative to [`ZONE`].

use std::collections::BTreeMap;

use cutover_contract::suite::{self, Edit, Rrsets};
use cutover_contract::{Change, ChangeSet};
use cutover_zone::{Name, Rdata, RrKey, RrSet, RrType, Ttl};

/// The zone of all these tests.
pub const ZONE: &str = "acme.test";

/// The name of [`ZONE`].
#[must_use]
pub fn zone() -> Name {
    Name::from_user(ZONE).expect("a name")
}

/// The key of a text such as `www A` or `@ MX`.
#[must_use]
pub fn key(text: &str) -> RrKey {
    suite::key(&zone(), text)
}

/// The RRsets in these lines.
#[must_use]
pub fn rrsets(lines: &[&str]) -> Rrsets {
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

/// The RRsets in these lines, without the SOA.
#[must_use]
pub fn without_soa(lines: &[&str]) -> Rrsets {
    let mut rrsets = rrsets(lines);
    rrsets.retain(|key, _| key.rtype != RrType::SOA);
    rrsets
}

/// The change set that turns the RRsets of `before` into those of `after` wherever they differ.
#[must_use]
pub fn changes(before: &[&str], after: &[&str]) -> ChangeSet {
    let (before, after) = (rrsets(before), rrsets(after));
    let change = |key: &RrKey| Change {
        key: key.clone(),
        before: before.get(key).cloned(),
        after: after.get(key).cloned(),
    };
    let new = after.keys().filter(|key| !before.contains_key(key));
    let changes = before.keys().chain(new).map(change).filter(|c| c.before != c.after);
    ChangeSet::new(zone(), changes.collect()).expect("a change set")
}

/// The change set of these edits (`www A 300 192.0.2.9`, `www A -`), which expects the zone to hold
/// the RRsets `believed`.
#[must_use]
pub fn edited(believed: &Rrsets, edits: &[&str]) -> ChangeSet {
    let edits = suite::edits(&zone(), &lines(edits));
    let change =
        |Edit { key, after }: Edit| Change { before: believed.get(&key).cloned(), key, after };
    ChangeSet::new(zone(), edits.into_iter().map(change).collect()).expect("a change set")
}

/// The lines as owned strings.
#[must_use]
pub fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

/// The records of the types that a fake has, as lines of a master file in capitals.
#[must_use]
pub fn records(rrsets: &Rrsets, has_type: impl Fn(&str) -> bool) -> Vec<String> {
    let of_type = rrsets.iter().filter(|(key, _)| has_type(&key.rtype.to_string()));
    let lines = |(key, rrset): (&RrKey, &RrSet)| {
        Edit { key: key.clone(), after: Some(rrset.clone()) }.records_in_capitals()
    };
    of_type.flat_map(lines).collect()
}
