//! Zones, change sets and files as short texts.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use cutover_contract::{Change, ChangeSet};
use cutover_zone::{Name, Rdata, RrKey, RrSet, RrType, Ttl, Zone};
use cutover_zonefile::{Edited, Reading, edit, read};

/// The name of the main file in tests without a disk.
pub(crate) const MAIN: &str = "zones/example.test.zone";

pub(crate) fn name(text: &str) -> Name {
    Name::absolute(text).expect(text)
}

pub(crate) fn zone_name() -> Name {
    name("example.test.")
}

/// The key of a text such as `www A` or `@ MX`, relative to `example.test.`.
pub(crate) fn key(text: &str) -> RrKey {
    let (owner, rtype) = text.split_once(' ').expect("an owner and a type");
    let owner = Name::relative_to(owner, &zone_name()).expect(owner);
    RrKey::new(owner, rtype.parse().expect(rtype))
}

pub(crate) fn rrset(rtype: RrType, ttl_secs: u32, texts: &[&str]) -> RrSet {
    let origin = zone_name();
    let rdata = texts.iter().map(|text| Rdata::parse(rtype, text, Some(&origin)).expect(text));
    RrSet::new(Ttl::from_secs(ttl_secs).expect("a TTL"), rdata).expect("an RRset")
}

/// The change set of texts such as `www A 300 192.0.2.1 | 192.0.2.2`, or `www A` to remove, against
/// this zone.
pub(crate) fn changes(zone: &Zone, texts: &[&str]) -> ChangeSet {
    let change = |text: &&str| {
        let mut words = text.splitn(4, ' ');
        let (owner, rtype) = (words.next().expect(text), words.next().expect(text));
        let key = key(&format!("{owner} {rtype}"));
        let after = words.next().map(|ttl| {
            let rdata: Vec<&str> = words.next().expect(text).split(" | ").collect();
            rrset(key.rtype, ttl.parse().expect(ttl), &rdata)
        });
        Change { before: zone.get(&key).cloned(), after, key }
    };
    ChangeSet::new(zone.origin.clone(), texts.iter().map(change).collect()).expect("a change set")
}

/// Loads files from a map of paths.
pub(crate) fn loader<'f>(
    files: &'f BTreeMap<String, Vec<u8>>,
) -> impl Fn(&Path) -> io::Result<Vec<u8>> + 'f {
    |path| files.get(&path.display().to_string()).cloned().ok_or(io::ErrorKind::NotFound.into())
}

pub(crate) fn reading(text: &[u8], included: &[(&str, &str)]) -> Result<Reading, String> {
    let files = included_files(included);
    read(&zone_name(), Path::new(MAIN), text.to_vec(), &loader(&files)).map_err(|e| e.to_string())
}

fn included_files(included: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
    included
        .iter()
        .map(|(file, text)| (format!("zones/{file}"), text.as_bytes().to_vec()))
        .collect()
}

/// Makes the changes in a text; an error is returned as people see it.
pub(crate) fn edited(
    text: &[u8],
    included: &[(&str, &str)],
    texts: &[&str],
) -> Result<Edited, String> {
    let reading = reading(text, included)?;
    let files = included_files(included);
    let set = changes(&reading.zone, texts);
    edit(&reading, &set, &loader(&files)).map_err(|error| format!("{}: {error}", error.key))
}

/// Checks that the changes turn the text into exactly this.
#[track_caller]
pub(crate) fn check(before: &str, changes: &[&str], after: &str) {
    check_with(before.as_bytes(), &[], changes, after.as_bytes());
}

/// The same with octets, and with included files.
#[track_caller]
pub(crate) fn check_with(before: &[u8], included: &[(&str, &str)], changes: &[&str], after: &[u8]) {
    let text = edited(before, included, changes).expect("an edit").text;
    assert!(
        text == after,
        "\n--- wanted\n{}\n--- edited\n{}",
        String::from_utf8_lossy(after).replace('\t', "→"),
        String::from_utf8_lossy(&text).replace('\t', "→")
    );
}

/// Checks a text after a `$TTL 3600`, an SOA whose serial is increased, and an NS.
#[track_caller]
pub(crate) fn check_body(before: &str, changes: &[&str], after: &str) {
    let whole =
        |serial, body| format!("$TTL 3600\n@ IN SOA ns root {serial} 2 3 4 5\n@ IN NS ns\n{body}");
    check(&whole(7, before), changes, &whole(8, after));
}

/// Checks that the changes are refused, and with which message.
#[track_caller]
pub(crate) fn check_refused(
    before: &str,
    included: &[(&str, &str)],
    changes: &[&str],
    message: &str,
) {
    let error = edited(before.as_bytes(), included, changes).expect_err("a refusal");
    assert_eq!(error, message);
}
