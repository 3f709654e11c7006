//! Making a backup.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use cutover_base::digest::Digest;
use cutover_imap::{Fetched, ImapError, Mode, Response, Session, Status, Untagged};
use serde::Serialize;

use super::bag::{self, Unfinished};
use super::index::{self, Entry, Folders, Key};
use super::{BackupError, Counts};
use crate::account::Account;
use crate::clock::Clock;
use crate::content::Digests;
use crate::error::{MailboxError, Side};
use crate::folders::{Tree, shown};
use crate::read::Reading;
use crate::report::Progress;

/// How a backup of a mailbox went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Made {
    /// Its address.
    pub address: String,
    /// The messages of all folders.
    pub counts: Counts,
    /// Messages in the bag that are not at the server any more.
    pub gone: u64,
    /// Messages that the server does not hand out, with the reason.
    pub unreadable: Vec<String>,
}

/// Makes the backup of a mailbox, or brings it up to date.
///
/// # Errors
/// [`BackupError`]. What has been read until then is in the unfinished bag, and is not read again.
pub async fn make(
    (side, account): (Side, &Account),
    address: &str,
    bag: &Path,
    clock: &dyn Clock,
    progress: &Progress,
) -> Result<Made, BackupError> {
    let of_side = |error| MailboxError::Imap { side, error };
    let mut session = account.session().await.map_err(of_side)?;
    if session.capabilities().has("X-GM-EXT-1") {
        return Err(MailboxError::Labels.into());
    }
    let tree = Tree::of(&mut session).await.map_err(of_side)?;
    let unfinished = Unfinished::begin(bag)?;
    let mut folders = Folders::read(bag)?;
    folders.take(&tree, shown);
    // The numbers of new folders are known before the first message has one of them.
    write_folders(bag, &folders)?;
    let entries = index::read(bag, unfinished.was_cut_off)?;
    let made = Made { address: address.to_owned(), ..Made::default() };
    let mut work = Work { side, bag, entries, progress, made };
    if unfinished.was_cut_off {
        work.drop_damaged()?;
    }
    work.entries.values_mut().for_each(|entry| entry.present = false);
    for name in tree.folders.keys() {
        let number = folders.number(name).expect("it was just taken");
        work.folder(&mut session, name, number).await?;
    }
    session.close().await;
    work.made.gone = work.entries.values().filter(|entry| !entry.present).count() as u64;
    work.seal(address, clock)?;
    unfinished.end()?;
    Ok(work.made)
}

fn write_folders(bag: &Path, folders: &Folders) -> Result<(), BackupError> {
    let list = serde_json::to_string_pretty(folders).expect("folders can be written") + "\n";
    bag::write(&bag.join("data/folders.json"), &list)
}

/// A line of the index.
fn line(entry: &Entry) -> String {
    serde_json::to_string(entry).expect("an entry can be written") + "\n"
}

struct Work<'a> {
    side: Side,
    bag: &'a Path,
    entries: BTreeMap<Key, Entry>,
    progress: &'a Progress,
    made: Made,
}

impl Work<'_> {
    /// Forgets messages whose files are not what the index says. They are read again.
    fn drop_damaged(&mut self) -> Result<(), BackupError> {
        let bag = self.bag;
        self.entries.retain(|_, entry| {
            let found = bag::digest_of(&bag.join(entry.path()));
            found.is_ok_and(|found| found == (entry.raw, entry.octets))
        });
        self.write_index()
    }

    fn write_index(&self) -> Result<(), BackupError> {
        let lines: String = self.entries.values().map(line).collect();
        bag::write(&self.bag.join("data/index.jsonl"), &lines)
    }

    /// Reads a folder: new messages, and the flags of those that are in the bag.
    async fn folder(
        &mut self,
        session: &mut Session,
        name: &[u8],
        folder: u32,
    ) -> Result<(), BackupError> {
        let side = self.side;
        let of_side = |error| MailboxError::Imap { side, error };
        let selected = session.select(name, Mode::Read).await.map_err(of_side)?;
        let no_validity = || MailboxError::NoUidValidity { side, folder: shown(name) };
        let uid_validity = selected.uid_validity.ok_or_else(no_validity)?;
        let uids = session.uids(selected.exists).await.map_err(of_side)?;
        self.made.counts.messages += uids.len() as u64;
        let is_known = |uid: &u32| self.entries.contains_key(&(folder, uid_validity, *uid));
        let (known, new): (Vec<u32>, Vec<u32>) = uids.into_iter().partition(is_known);
        self.made.counts.already += known.len() as u64;
        for uid in &known {
            if let Some(entry) = self.entries.get_mut(&(folder, uid_validity, *uid)) {
                entry.present = true;
            }
        }
        if !known.is_empty() {
            self.flags(session, folder, uid_validity).await.map_err(of_side)?;
        }
        self.progress.expect(new.len() as u64);
        let dir = self.bag.join(format!("data/{folder}"));
        fs::create_dir_all(&dir).map_err(BackupError::file(&dir))?;
        let path = self.bag.join("data/index.jsonl");
        let index = File::options().create(true).append(true).open(&path);
        let mut index = index.map_err(BackupError::file(&path))?;
        let mut reading = Reading::whole(session, &new, "FLAGS INTERNALDATE");
        while let Some((uid, fetched)) = reading.next().await.map_err(of_side)? {
            let entry = self.keep((folder, uid_validity, uid), fetched)?;
            index.write_all(line(&entry).as_bytes()).map_err(BackupError::file(&path))?;
            self.progress.done(1, entry.octets);
            self.made.counts.done += 1;
            self.made.counts.octets += entry.octets;
            self.entries.insert(entry.key(), entry);
        }
        let unread = reading.unread();
        self.progress.unexpect((unread.vanished.len() + unread.refused.len()) as u64);
        let of_folder = |(uid, why)| format!("{} UID {uid}: {why}", shown(name));
        self.made.unreadable.extend(unread.refused.into_iter().map(of_folder));
        Ok(())
    }

    /// Writes a message to its file.
    fn keep(&self, key: Key, fetched: Fetched) -> Result<Entry, BackupError> {
        let (folder, uid_validity, uid) = key;
        let body = fetched.body.expect("only messages with a body are read");
        let nothing = Digest::of(b"");
        let mut entry = Entry {
            folder,
            uid_validity,
            uid,
            flags: shown_flags(&fetched.flags.unwrap_or_default()),
            internal_date: fetched.internal_date,
            octets: body.len(),
            raw: nothing,
            canonical: nothing,
            present: true,
        };
        let path = self.bag.join(entry.path());
        let failed = BackupError::file(&path);
        let digests = Digests::of(&body).map_err(&failed)?;
        entry.raw = digests.raw;
        entry.canonical = digests.canonical;
        let mut file = File::create(&path).map_err(&failed)?;
        let mut written = Ok(());
        let read = body.pieces(|piece| {
            if written.is_ok() {
                written = file.write_all(piece);
            }
        });
        read.and(written).map_err(&failed)?;
        Ok(entry)
    }

    /// Brings the flags of messages up to date.
    async fn flags(
        &mut self,
        session: &mut Session,
        folder: u32,
        uid_validity: u32,
    ) -> Result<(), ImapError> {
        let tag = session.start(b"UID FETCH 1:* (UID FLAGS)").await?;
        let reply = loop {
            let response = session.next().await?;
            if let Response::Untagged(Untagged::Fetch(fetched)) = response {
                let (Some(uid), Some(flags)) = (fetched.uid, fetched.flags) else { continue };
                if let Some(entry) = self.entries.get_mut(&(folder, uid_validity, uid)) {
                    entry.flags = shown_flags(&flags);
                }
            } else if let Some(reply) = response.ends(&tag) {
                break reply;
            }
        };
        match reply.status == Status::Ok {
            true => Ok(()),
            false => Err(ImapError::Refused { command: "UID FETCH".to_owned(), reply }),
        }
    }

    /// Writes what stands around the messages.
    fn seal(&self, address: &str, clock: &dyn Clock) -> Result<(), BackupError> {
        self.write_index()?;
        let of = |entry: &Entry| (entry.path(), (entry.raw, entry.octets));
        let mut payload: BTreeMap<_, _> = self.entries.values().map(of).collect();
        for name in ["data/index.jsonl", "data/folders.json"] {
            payload.insert(name.to_owned(), bag::digest_of(&self.bag.join(name))?);
        }
        // What an earlier try has written and not noted.
        for path in super::check::files_of(self.bag)? {
            if !payload.contains_key(&path) {
                let path = self.bag.join(path);
                fs::remove_file(&path).map_err(BackupError::file(&path))?;
            }
        }
        // The messages are on the disk before the manifest says that they are.
        for path in payload.keys() {
            let path = self.bag.join(path);
            let synced = File::open(&path).and_then(|file| file.sync_all());
            synced.map_err(BackupError::file(&path))?;
        }
        let information = [
            ("Bagging-Date", clock.now().format("%Y-%m-%d").to_string()),
            ("External-Identifier", address.to_owned()),
            ("Bag-Software-Agent", format!("cutover {}", env!("CARGO_PKG_VERSION"))),
        ];
        bag::seal(self.bag, &payload, &information)
    }
}

fn shown_flags(flags: &[Vec<u8>]) -> Vec<String> {
    let text = |flag: &Vec<u8>| String::from_utf8_lossy(flag).into_owned();
    let flags = flags.iter().map(text).filter(|flag| !flag.eq_ignore_ascii_case("\\Recent"));
    flags.collect()
}
