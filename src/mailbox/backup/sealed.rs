//! A bag that is read: nothing is believed that its manifests do not cover.

use std::collections::BTreeMap;
use std::path::Path;

use super::bag::{self, digest_of, digits, mark_of};
use super::check::manifest;
use super::index::{self, Entry, Folders};
use super::{BackupError, Kept};

/// What a bag says, after its manifests have said the same.
pub(super) struct Sealed {
    pub(super) folders: Folders,
    /// The messages of each folder and UIDVALIDITY.
    pub(super) entries: BTreeMap<(u32, u32), Vec<Entry>>,
    /// Messages that were not chosen, because they were gone at the server at the last backup.
    pub(super) left_out: u64,
}

impl Sealed {
    /// Reads the bag of an address. The files of messages are compared when they are read.
    pub(super) fn read(bag: &Path, address: &str, kept: Kept) -> Result<Self, BackupError> {
        if mark_of(bag).exists() {
            return Err(BackupError::damaged(bag, "the backup was not finished: make it again"));
        }
        if !bag.exists() {
            return Err(BackupError::damaged(bag, "there is no backup"));
        }
        let tags = manifest(bag, "tagmanifest-sha256.txt")?;
        let payload = manifest(bag, "manifest-sha256.txt")?;
        for (name, digests) in [
            ("manifest-sha256.txt", &tags),
            ("bag-info.txt", &tags),
            ("data/index.jsonl", &payload),
            ("data/folders.json", &payload),
        ] {
            let (digest, _) = digest_of(bag, name)?;
            if digests.get(name).is_none_or(|wanted| *wanted != digits(&digest)) {
                let problem = "it has changed since the backup was made: nothing is restored";
                return Err(BackupError::damaged(&bag.join(name), problem));
            }
        }
        let information = bag::text(bag, "bag-info.txt")?;
        let of = information.lines().find_map(|line| line.strip_prefix("External-Identifier: "));
        if of != Some(address) {
            let problem = format!("it is the backup of {:?}", of.unwrap_or_default());
            return Err(BackupError::damaged(bag, problem));
        }
        let folders = Folders::read(bag)?;
        let mut entries: BTreeMap<(u32, u32), Vec<Entry>> = BTreeMap::new();
        for entry in index::read(bag, false)?.into_values() {
            let path = entry.path();
            let is_known = payload.get(&path).is_some_and(|digest| *digest == digits(&entry.raw));
            if !is_known || !folders.folders.contains_key(&entry.folder) {
                let problem = format!("{path} has another digest in the manifest");
                return Err(BackupError::damaged(&bag.join("data/index.jsonl"), problem));
            }
            entries.entry((entry.folder, entry.uid_validity)).or_default().push(entry);
        }
        let left_out = choose(&mut entries, kept);
        Ok(Self { folders, entries, left_out })
    }
}

/// Leaves out what was gone at the last backup, unless everything is wanted; how many were left out.
///
/// When a server has given its messages new UIDs, the bag has them twice. Of messages with the same
/// content, as many are wanted as there were at once.
fn choose(entries: &mut BTreeMap<(u32, u32), Vec<Entry>>, kept: Kept) -> u64 {
    let mut wanted: BTreeMap<(u32, [u8; 32]), u64> = BTreeMap::new();
    let mut left_out = 0;
    // Those that are present come first.
    let mut groups: Vec<&mut Vec<Entry>> = entries.values_mut().collect();
    groups.sort_by_key(|group| !group.iter().any(|entry| entry.present));
    for group in groups {
        let mut seen: BTreeMap<(u32, [u8; 32]), u64> = BTreeMap::new();
        group.sort_by_key(|entry| (!entry.present, entry.uid));
        group.retain(|entry| {
            let key = (entry.folder, entry.canonical.octets());
            let seen = seen.entry(key).or_default();
            let wanted = wanted.entry(key).or_default();
            *seen += 1;
            let is_more = *seen > *wanted;
            let takes = entry.present || (kept == Kept::Ever && is_more);
            *wanted = (*wanted).max(*seen);
            left_out += u64::from(is_more && !takes);
            takes
        });
        group.sort_by_key(|entry| entry.uid);
    }
    entries.retain(|_, group| !group.is_empty());
    left_out
}

#[cfg(test)]
mod tests {
    use cutover_base::digest::Digest;

    use super::*;

    fn entry(uid_validity: u32, uid: u32, of: u8, present: bool) -> Entry {
        let digest = Digest::of(&[of]);
        let (flags, internal_date) = (Vec::new(), None);
        let (raw, canonical) = (digest, digest);
        Entry {
            folder: 1,
            uid_validity,
            uid,
            flags,
            internal_date,
            octets: 1,
            raw,
            canonical,
            present,
        }
    }

    #[track_caller]
    fn check(given: &[Entry], kept: Kept, expected: &[(u32, u32)], left_out: u64) {
        let mut entries: BTreeMap<(u32, u32), Vec<Entry>> = BTreeMap::new();
        for entry in given {
            entries.entry((entry.folder, entry.uid_validity)).or_default().push(entry.clone());
        }
        assert_eq!(choose(&mut entries, kept), left_out);
        let chosen = entries.values().flatten().map(|entry| (entry.uid_validity, entry.uid));
        assert_eq!(chosen.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_has_vanished_is_left_out_or_wanted_once() {
        let simple = [entry(1, 1, b'a', true), entry(1, 2, b'b', false), entry(1, 3, b'b', false)];
        check(&simple, Kept::AtLastBackup, &[(1, 1)], 2);
        check(&simple, Kept::Ever, &[(1, 1), (1, 2), (1, 3)], 0);
        // New UIDs: `a` is there under both, `b` was deleted, and `c` had a twin.
        let anew = [
            entry(1, 1, b'a', false),
            entry(1, 2, b'b', false),
            entry(1, 3, b'c', false),
            entry(1, 4, b'c', false),
            entry(2, 1, b'a', true),
            entry(2, 2, b'c', true),
        ];
        check(&anew, Kept::AtLastBackup, &[(2, 1), (2, 2)], 2);
        check(&anew, Kept::Ever, &[(1, 2), (1, 4), (2, 1), (2, 2)], 0);
    }
}
