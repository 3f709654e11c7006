//! RRsets from text, as cases and tools write them.

use std::collections::BTreeMap;

use super::bench::{Edit, Rrsets};
use cutover_zone::{Name, Rdata, RrKey, RrSet, RrType, Ttl, Zone};

/// The key that a text `OWNER TYPE` names.
///
/// # Panics
/// If the text is not a key.
#[must_use]
pub fn key(origin: &Name, text: &str) -> RrKey {
    let (owner, rtype) = text.split_once(' ').expect(text);
    let owner = Name::relative_to(owner, origin).expect(text);
    RrKey::new(owner, rtype.parse().expect(text))
}

/// The edits that lines `OWNER TYPE TTL RDATA | RDATA` and `OWNER TYPE -` describe.
///
/// # Panics
/// If a line has neither form.
#[must_use]
pub fn edits(origin: &Name, lines: &[String]) -> Vec<Edit> {
    lines.iter().map(|line| edit(origin, line)).collect()
}

fn edit(origin: &Name, line: &str) -> Edit {
    let mut words = line.splitn(4, ' ');
    let (owner, rtype) = (words.next().expect(line), words.next().expect(line));
    let key = key(origin, &format!("{owner} {rtype}"));
    let after = match words.next().expect(line) {
        "-" => None,
        ttl => {
            let ttl = Ttl::from_secs(ttl.parse().expect(line)).expect(line);
            let texts = words.next().expect(line).split(" | ");
            let rdata = texts.map(|text| {
                let read = Rdata::parse(key.rtype, text, Some(origin));
                read.unwrap_or_else(|error| panic!("{line}: {error}"))
            });
            Some(RrSet::new(ttl, rdata).expect(line))
        }
    };
    Edit { key, after }
}

/// The RRsets of such lines, without the absent ones.
///
/// # Panics
/// If a line has neither form.
#[must_use]
pub fn rrsets(origin: &Name, lines: &[String]) -> Rrsets {
    let edits = edits(origin, lines).into_iter();
    edits.filter_map(|Edit { key, after }| Some((key, after?))).collect()
}

/// These RRsets as lines of a master file, `OWNER TTL IN TYPE RDATA`.
#[must_use]
pub fn master_lines(rrsets: &Rrsets) -> String {
    let line = |key: &RrKey, rrset: &RrSet, rdata: &Rdata| {
        format!("{} {} IN {} {rdata}\n", key.name, rrset.ttl(), key.rtype)
    };
    let lines = rrsets
        .iter()
        .flat_map(|(key, rrset)| rrset.rdata().iter().map(move |rdata| line(key, rrset, rdata)));
    lines.collect()
}

/// The zone from lines `OWNER TTL CLASS TYPE RDATA`, with absolute names and no blank owners, as
/// `dig AXFR +noall +answer +onesoa` and `named-checkzone -s full` print it. Records of a signer
/// are left out.
///
/// # Panics
/// If a line has another form.
#[must_use]
pub fn zone_from_lines(origin: &Name, text: &str) -> Zone {
    let mut records: BTreeMap<RrKey, (Ttl, Vec<Rdata>)> = BTreeMap::new();
    let is_record = |line: &&str| !line.trim().is_empty() && !line.starts_with(';');
    for line in text.lines().filter(is_record) {
        let mut rest = line;
        let [owner, ttl, _class, rtype] = [(); 4].map(|()| {
            let (word, after) = rest.split_once([' ', '\t']).expect(line);
            rest = after.trim_start();
            word
        });
        let rtype: RrType = rtype.parse().expect(line);
        if rtype.is_made_by_signer() {
            continue;
        }
        let key = RrKey::new(Name::absolute(owner).expect(line), rtype);
        let ttl = Ttl::from_secs(ttl.parse().expect(line)).expect(line);
        let rdata = Rdata::parse(rtype, rest, None).expect(line);
        records.entry(key).or_insert((ttl, Vec::new())).1.push(rdata);
    }
    let rrset = |(ttl, rdata)| RrSet::new(ttl, rdata).expect("an RRset");
    let rrsets = records.into_iter().map(|(key, records)| (key, rrset(records))).collect();
    Zone { origin: origin.clone(), rrsets }
}
