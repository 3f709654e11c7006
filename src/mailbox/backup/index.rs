//! The index of a bag: a line of JSON for each message, and the list of folders. Version 1.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::Path;

use cutover_base::digest::Digest;
use serde::{Deserialize, Serialize};

use super::{BackupError, bag};
use crate::folders::{Folder, Tree};

/// The format of a bag's index.
pub(super) const FORMAT: &str = "cutover/mailbox-backup/1";

/// A message of a bag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    /// The number of its folder.
    pub(super) folder: u32,
    /// UIDVALIDITY of the folder when it was read.
    pub(super) uid_validity: u32,
    /// Its UID.
    pub(super) uid: u32,
    /// Its flags.
    pub(super) flags: Vec<String>,
    /// Its internal date, as the server wrote it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) internal_date: Option<String>,
    /// Its octets.
    pub(super) octets: u64,
    /// The digest of its octets.
    pub(super) raw: Digest,
    /// The digest of its canonical form.
    pub(super) canonical: Digest,
    /// Whether it was at the server when the backup was last made.
    pub(super) present: bool,
}

/// What a message is known by: folder, UIDVALIDITY and UID.
pub(super) type Key = (u32, u32, u32);

impl Entry {
    pub(super) fn key(&self) -> Key {
        (self.folder, self.uid_validity, self.uid)
    }

    /// Its file, below the bag.
    pub(super) fn path(&self) -> String {
        let Self { folder, uid_validity, uid, .. } = self;
        format!("data/{folder}/{uid_validity}-{uid}.eml")
    }
}

/// The folders of a bag.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Folders {
    /// The format of the index.
    pub(super) format: String,
    /// What the names begin with, INBOX aside; each octet is a character.
    pub(super) prefix: String,
    /// The separator of names.
    pub(super) separator: Option<char>,
    /// The folders, by number.
    pub(super) folders: BTreeMap<u32, FolderEntry>,
}

/// A folder of a bag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FolderEntry {
    /// Its name as the server writes it; each octet is a character.
    pub(super) name: String,
    /// Its name for people.
    pub(super) shown: String,
    /// Its special use.
    pub(super) role: Option<String>,
    /// Whether its user is subscribed to it.
    pub(super) subscribed: bool,
    /// Whether it was at the server when the backup was last made.
    pub(super) present: bool,
}

/// Octets as characters, one each, so that names in Latin-1 keep their octets.
fn as_characters(octets: &[u8]) -> String {
    octets.iter().map(|octet| char::from(*octet)).collect()
}

/// The octets of such a text.
fn as_octets(text: &str) -> Vec<u8> {
    text.chars().filter_map(|c| u8::try_from(c).ok()).collect()
}

impl Folders {
    /// Reads the list of a bag; an empty one if there is no bag yet.
    pub(super) fn read(bag: &Path) -> Result<Self, BackupError> {
        let path = bag.join("data/folders.json");
        if fs::symlink_metadata(&path).is_err() {
            return Ok(Self { format: FORMAT.to_owned(), ..Self::default() });
        }
        let text = bag::text(bag, "data/folders.json")?;
        let read: Self = serde_json::from_str(&text)
            .map_err(|error| BackupError::damaged(&path, error.to_string()))?;
        match read.format == FORMAT {
            true => Ok(read),
            false => Err(BackupError::damaged(&path, format!("format {:?}", read.format))),
        }
    }

    /// The folders with these numbers, as a server would list them.
    pub(super) fn tree(&self, numbers: impl Fn(u32) -> bool) -> Tree {
        let folders =
            self.folders.iter().filter(|(number, folder)| folder.present || numbers(**number));
        let folders = folders.map(|(_, folder)| {
            let FolderEntry { name, role, subscribed, .. } = folder;
            (as_octets(name), Folder { role: role.clone(), is_subscribed: *subscribed })
        });
        Tree {
            prefix: as_octets(&self.prefix),
            separator: self.separator.and_then(|c| u8::try_from(c).ok()),
            folders: folders.collect(),
        }
    }

    /// Takes over what a server lists; the numbers of folders stay.
    pub(super) fn take(&mut self, tree: &Tree, shown: impl Fn(&[u8]) -> String) {
        self.prefix = as_characters(&tree.prefix);
        self.separator = tree.separator.map(char::from);
        self.folders.values_mut().for_each(|folder| folder.present = false);
        for (name, folder) in &tree.folders {
            let next = self.folders.keys().next_back().map_or(1, |last| last + 1);
            let number = self.number(name).unwrap_or(next);
            let entry = FolderEntry {
                name: as_characters(name),
                shown: shown(name),
                role: folder.role.clone(),
                subscribed: folder.is_subscribed,
                present: true,
            };
            self.folders.insert(number, entry);
        }
    }

    /// The number of a folder.
    pub(super) fn number(&self, name: &[u8]) -> Option<u32> {
        let name = as_characters(name);
        self.folders.iter().find(|(_, folder)| folder.name == name).map(|(number, _)| *number)
    }
}

/// Reads the messages of a bag; none if there is no bag yet. In an unfinished bag, lines that were
/// cut off are left out.
pub(super) fn read(bag: &Path, is_unfinished: bool) -> Result<BTreeMap<Key, Entry>, BackupError> {
    let path = bag.join("data/index.jsonl");
    let mut entries = BTreeMap::new();
    if fs::symlink_metadata(&path).is_err() {
        return Ok(entries);
    }
    let mut octets = Vec::new();
    let mut file = bag::open(bag, "data/index.jsonl")?;
    file.read_to_end(&mut octets).map_err(BackupError::file(&path))?;
    let text = String::from_utf8_lossy(&octets);
    for (at, line) in text.lines().enumerate() {
        match serde_json::from_str::<Entry>(line) {
            Ok(entry) => _ = entries.insert(entry.key(), entry),
            Err(_) if is_unfinished => {}
            Err(error) => {
                let problem = format!("line {}: {error}", at + 1);
                return Err(BackupError::damaged(&path, problem));
            }
        }
    }
    Ok(entries)
}
