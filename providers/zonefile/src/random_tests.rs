//! Random edits of random messy files, with the reader compared with BIND on the way.
//!
//! A seed reproduces a file and all of its edits; each failure prints its seed.

#[path = "../tests/it/checkzone.rs"]
mod checkzone;
mod messy;

use std::fs;
use std::path::Path;

use cutover_contract::{Change, ChangeSet};
use cutover_zone::{Name, Rdata, RrKey, RrSet, RrType, Ttl, Zone, next_serial};

use crate::edit::edit;
use crate::layout::Layout;
use crate::plan::Refusal;
use crate::read::read;
use crate::reading::{Entry, Reading, Source};
use messy::{Messy, Rng};

/// The number of files, and of edits for each: over 10,000 in all, some of which are refused.
const FILES: u64 = 280;
const EDITS_PER_FILE: usize = 40;
/// BIND also reads the last state of each file whose seed is a multiple of this.
const ASK_BIND_EVERY: u64 = 5;

fn name(text: &str) -> Name {
    Name::absolute(text).expect(text)
}

fn reading(messy: &Messy) -> Reading {
    let load = |path: &Path| Ok(messy.included(path));
    read(&name("example.test."), Path::new("example.test.zone"), messy.text.clone(), &load)
        .unwrap_or_else(|error| panic!("{error}\n{}", String::from_utf8_lossy(&messy.text)))
}

/// Some changes that leave a zone that servers accept; `None` if the random choices make no
/// sense.
fn random_changes(rng: &mut Rng, zone: &Zone) -> Option<ChangeSet> {
    let mut changes: Vec<Change> = Vec::new();
    let keys: Vec<&RrKey> = zone.rrsets.keys().collect();
    for _ in 0..=rng.below(3) {
        let key = match rng.below(3) {
            0 => RrKey::new(name(&messy::random_owner(rng)), messy::random_type(rng)),
            _ => keys[rng.below(keys.len())].clone(),
        };
        let before = zone.get(&key).cloned();
        let after = random_rrset(rng, &key, before.as_ref());
        let soa_or_ns = matches!(key.rtype, RrType::SOA | RrType::NS);
        if (soa_or_ns && after.is_none()) || changes.iter().any(|change| change.key == key) {
            return None;
        }
        changes.push(Change { key, before, after });
    }
    if rng.below(10) == 0 {
        changes = becomes_a_cname(rng, zone)?;
    }
    ChangeSet::new(zone.origin.clone(), changes).ok()
}

fn random_rrset(rng: &mut Rng, key: &RrKey, before: Option<&RrSet>) -> Option<RrSet> {
    let ttl = Ttl::from_secs(messy::random_ttl(rng)).expect("a TTL");
    let soa = before.and_then(|set| set.rdata()[0].as_soa()).filter(|_| key.rtype == RrType::SOA);
    if let Some(mut soa) = soa {
        soa.serial = soa.serial.wrapping_add([0, 1, 1000][rng.below(3)]);
        soa.minimum = messy::random_ttl(rng);
        return RrSet::new(ttl, [Rdata::soa(&soa)]).ok();
    }
    let mut rdata: Vec<Rdata> = Vec::new();
    match (rng.below(4), before) {
        (0, _) => return None,
        (1, Some(before)) => return Some(before.with_ttl(ttl)),
        (2, Some(before)) => rdata.extend(before.rdata().iter().skip(rng.below(2)).cloned()),
        _ => {}
    }
    for _ in 0..=rng.below(3) {
        let text = messy::random_rdata(rng, key.rtype);
        rdata.push(Rdata::parse(key.rtype, &text, Some(&name("example.test."))).expect("valid"));
    }
    if key.rtype == RrType::CNAME {
        rdata.truncate(1);
    }
    let ttl = if rng.below(2) == 0 { ttl } else { before.map_or(ttl, RrSet::ttl) };
    RrSet::new(ttl, rdata).ok()
}

fn becomes_a_cname(rng: &mut Rng, zone: &Zone) -> Option<Vec<Change>> {
    let keys: Vec<&RrKey> = zone.rrsets.keys().collect();
    let owner = keys[rng.below(keys.len())].name.clone();
    let mut changes: Vec<Change> = zone
        .at(&owner)
        .filter(|(rtype, _)| *rtype != RrType::CNAME)
        .map(|(rtype, set)| Change {
            key: RrKey::new(owner.clone(), rtype),
            before: Some(set.clone()),
            after: None,
        })
        .collect();
    let key = RrKey::new(owner.clone(), RrType::CNAME);
    let before = zone.get(&key).cloned();
    let after = RrSet::new(Ttl::ZERO, [Rdata::cname(&name("target.other."))]).ok();
    changes.push(Change { key, before, after });
    (owner != zone.origin).then_some(changes)
}

/// The zone with the changes; `None` if a CNAME would not be alone.
fn applied(zone: &Zone, changes: &ChangeSet) -> Option<Zone> {
    let mut after = zone.clone();
    for change in changes.changes() {
        match &change.after {
            Some(set) => after.rrsets.insert(change.key.clone(), set.clone()),
            None => after.rrsets.remove(&change.key),
        };
    }
    let soa_key = RrKey::new(zone.origin.clone(), RrType::SOA);
    let serial = |zone: &Zone| zone.get(&soa_key).and_then(|s| s.rdata()[0].as_soa());
    let (old, mut new) = (serial(zone)?, serial(&after)?);
    if new.serial == old.serial {
        new.serial = next_serial(new.serial);
    }
    let ttl = after.get(&soa_key)?.ttl();
    after.rrsets.insert(soa_key, RrSet::new(ttl, [Rdata::soa(&new)]).ok()?);
    let alone = |key: &RrKey| {
        let types: Vec<RrType> = after.at(&key.name).map(|(rtype, _)| rtype).collect();
        types.len() < 2 || !types.contains(&RrType::CNAME)
    };
    changes.changes().iter().all(|change| alone(&change.key)).then_some(after)
}

/// A physical line that must still be there after the edit.
enum Kept<'t> {
    /// Exactly as it is.
    Exactly(&'t [u8]),
    /// With this end; owner and TTL may be written out in front of it.
    Ending(&'t [u8]),
}

/// The physical lines that hold no changed record and no SOA.
fn lines_to_keep<'t>(reading: &'t Reading, changes: &ChangeSet) -> Vec<Kept<'t>> {
    let is_several = |key: &RrKey| {
        let mut ttls = reading.entries().filter(|(_, e)| e.key == *key).map(|(_, e)| e.ttl);
        let first = ttls.next();
        ttls.any(|ttl| Some(ttl) != first)
    };
    let text = reading.text();
    let changed = |key: &RrKey| {
        key.rtype == RrType::SOA || changes.changes().iter().any(|change| change.key == *key)
    };
    let mut gone = Vec::new();
    let mut loose = Vec::new();
    let has_default = text.windows(5).any(|octets| octets == b"\n$TTL");
    let mut before: Option<&Entry> = None;
    for (_, entry) in reading.entries().filter(|(_, entry)| entry.source == Source::Main) {
        // New records come between lines of one owner only if the origin changes.
        let owner_may_go =
            before.is_some_and(|last| changed(&last.key) || last.origin != entry.origin);
        let loose_owner = entry.inherits && owner_may_go;
        let loose_ttl = !entry.explicit_ttl && !has_default;
        // Which of several TTLs counts depends on the lines in between.
        let has_several = is_several(&entry.key);
        if changed(&entry.key) {
            gone.push(entry.line);
        } else if loose_owner || loose_ttl || has_several {
            let (at, _) = Layout::of(text, entry).with_ttl(entry.ttl);
            loose.push((entry.line.start(), at));
        }
        before = Some(entry);
    }
    let mut lines = Vec::new();
    let mut at = crate::lex::first_line(text);
    for line in text[at..].split_inclusive(|octet| *octet == b'\n') {
        if !gone.iter().any(|span| span.start() <= at && at < span.end()) {
            let bare = without_end(line);
            lines.push(match loose.iter().find(|(start, _)| *start == at) {
                // A head that spans several lines may get its TTL in another line.
                Some((_, ttl)) if ttl.end() <= at + line.len() => {
                    Kept::Ending(&text[ttl.end()..at + bare.len()])
                }
                _ => Kept::Exactly(bare),
            });
        }
        at += line.len();
    }
    lines
}

/// A line without its line end. The last line may lack one, and get one.
fn without_end(line: &[u8]) -> &[u8] {
    let bare = line.strip_suffix(b"\n").unwrap_or(line);
    bare.strip_suffix(b"\r").unwrap_or(bare)
}

/// How many lines end in LF, and how many in CR LF.
fn line_ends(text: &[u8]) -> (usize, usize) {
    let all = text.iter().filter(|octet| **octet == b'\n').count();
    let long = text.windows(2).filter(|pair| pair == b"\r\n").count();
    (all - long, long)
}

/// Whether all these lines are in the text, in this order.
fn are_kept(lines: &[Kept<'_>], text: &[u8]) -> bool {
    let start = crate::lex::first_line(text);
    let mut now = text[start..].split_inclusive(|octet| *octet == b'\n').map(without_end);
    lines.iter().all(|kept| match kept {
        Kept::Exactly(line) => now.any(|other| other == *line),
        Kept::Ending(end) => now.any(|other| other.ends_with(end)),
    })
}

#[test]
fn ten_thousand_random_edits_change_what_they_should() {
    let (mut made, mut refused) = (0, 0);
    for seed in 0..FILES {
        let mut rng = Rng::new(seed);
        let mut messy = Messy::random(&mut rng);
        for _ in 0..EDITS_PER_FILE {
            let before = reading(&messy);
            let (changes, wanted) = loop {
                let changes = random_changes(&mut rng, &before.zone);
                let wanted = changes.as_ref().and_then(|set| applied(&before.zone, set));
                if let (Some(changes), Some(wanted)) = (changes, wanted) {
                    break (changes, wanted);
                }
            };
            let context = || {
                let text = String::from_utf8_lossy(&messy.text).into_owned();
                format!("seed {seed}\n{changes:#?}\n{text}")
            };
            let load = |path: &Path| Ok(messy.included(path));
            let edited = match edit(&before, &changes, &load) {
                Ok(edited) => edited,
                Err(error) => {
                    let elsewhere = matches!(
                        error.why,
                        Refusal::Included(_) | Refusal::Generated(_) | Refusal::Inherited(_)
                    );
                    assert!(elsewhere && messy.has_elsewhere(), "{error}\n{}", context());
                    refused += 1;
                    continue;
                }
            };
            let kept = lines_to_keep(&before, &changes);
            assert!(
                are_kept(&kept, &edited.text),
                "lines are lost\n{}\n---\n{}",
                context(),
                String::from_utf8_lossy(&edited.text)
            );
            let (mixed, long) = (line_ends(&edited.text), line_ends(&messy.text).1);
            assert!(if long > 0 { mixed.0 == 0 } else { mixed.1 == 0 }, "{}", context());
            messy.text = edited.text;
            assert_eq!(reading(&messy).zone, wanted, "seed {seed}");
            made += 1;
        }
        if seed % ASK_BIND_EVERY == 0 {
            compare_with_bind(&messy, seed);
        }
    }
    assert!(made >= 10_000 && refused > 100, "{made} made, {refused} refused");
}

fn compare_with_bind(messy: &Messy, seed: u64) {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join("zone"), messy.for_bind()).expect("written");
    for (file, text) in &messy.includes {
        fs::write(directory.path().join(file), text).expect("written");
    }
    let ours = reading(messy);
    let theirs = checkzone::read_by_bind(directory.path(), &ours.zone.origin, "zone");
    assert!(ours.zone.rrsets.keys().eq(theirs.rrsets.keys()), "seed {seed}");
    for (key, set) in &ours.zone.rrsets {
        let other = &theirs.rrsets[key];
        assert!(set.same_rdata(other), "seed {seed}: {key}: {set:?} {other:?}");
        assert_eq!(set.ttl(), other.ttl(), "seed {seed}: {key}");
    }
}
