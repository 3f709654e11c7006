//! Making a backup.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use cutover_base::digest::Digest;
use cutover_imap::{Fetched, ImapError, Mode, Response, Session, Status, Untagged};
use serde::Serialize;

use super::bag::{self, Unfinished};
use super::index::{self, Entry, Folders, Key};
use super::{BackupError, Counts};
use crate::account::Account;
use crate::clock::Clock;
use crate::content::Digests;
use crate::copy::Limits;
use crate::copy::mailbox::Retry;
use crate::copy::work::Folder;
use crate::error::{MailboxError, Side};
use crate::folders::{Tree, shown};
use crate::read::Reading;
use crate::report::Progress;

/// How often a lock that is taken is looked at again, and after how long. Our choice.
const LOCK_TRIES: u32 = 10;
const LOCK_AGAIN: Duration = Duration::from_millis(20);

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
/// A connection that breaks is opened again. A message or a folder at which it breaks again and again is
/// named, and the others are kept.
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
    let unfinished = begin(bag, clock).await?;
    let entries = index::read(bag, unfinished.was_cut_off)?;
    let mut work = Work {
        side,
        address,
        bag,
        entries,
        progress,
        folders: BTreeMap::new(),
        current: None,
        unreadable: Vec::new(),
    };
    work.is_of_address()?;
    let damaged = work.drop_damaged(unfinished.was_cut_off)?;
    let mut retry = Retry::default();
    while let Err(error) = work.try_all(account).await {
        let BackupError::Mailbox(error) = error else { return Err(error) };
        let settled = work.settled();
        let has_progress = work.folders.values().map(|folder| folder.before).sum::<u64>() < settled;
        let place = work.current.take().and_then(|name| work.folders.get_mut(&name));
        let place = place.map(|folder| (&mut folder.work, !has_progress));
        match retry.after(&error, place, has_progress, Limits::default()) {
            Ok(wait) => clock.sleep(wait).await,
            Err(_) => return Err(error.into()),
        }
        work.folders.values_mut().for_each(|folder| folder.before = folder.settled());
    }
    for (key, path) in damaged {
        if !work.entries.contains_key(&key) {
            work.unreadable.push(format!("{path} is damaged, and the server has it no more"));
        }
    }
    work.seal(clock)?;
    unfinished.end()?;
    Ok(work.made())
}

/// Takes the lock of a bag. A process that was just started by this one holds its files, and so its
/// locks, until it has become another program; so a lock that is taken is looked at again.
async fn begin(bag: &Path, clock: &dyn Clock) -> Result<Unfinished, BackupError> {
    for _ in 0..LOCK_TRIES {
        match Unfinished::begin(bag) {
            Err(BackupError::Locked(_)) => clock.sleep(LOCK_AGAIN).await,
            other => return other,
        }
    }
    Unfinished::begin(bag)
}

fn write_folders(bag: &Path, folders: &Folders) -> Result<(), BackupError> {
    let list = serde_json::to_string_pretty(folders).expect("folders can be written") + "\n";
    bag::write(&bag.join("data/folders.json"), &list)
}

/// A line of the index.
fn line(entry: &Entry) -> String {
    serde_json::to_string(entry).expect("an entry can be written") + "\n"
}

/// A folder that is being read.
#[derive(Default)]
struct Reads {
    work: Folder,
    counts: Counts,
    unreadable: Vec<String>,
    /// What was settled when the last try ended.
    before: u64,
}

impl Reads {
    fn settled(&self) -> u64 {
        self.work.care.settled + u64::from(self.work.is_done)
    }
}

struct Work<'a> {
    side: Side,
    address: &'a str,
    bag: &'a Path,
    entries: BTreeMap<Key, Entry>,
    progress: &'a Progress,
    /// The folders by their names.
    folders: BTreeMap<Vec<u8>, Reads>,
    current: Option<Vec<u8>>,
    unreadable: Vec<String>,
}

impl Work<'_> {
    /// Refuses the bag of another address.
    fn is_of_address(&self) -> Result<(), BackupError> {
        if std::fs::symlink_metadata(self.bag.join("bag-info.txt")).is_err() {
            return Ok(());
        }
        let information = bag::text(self.bag, "bag-info.txt")?;
        let of = information.lines().find_map(|line| line.strip_prefix("External-Identifier: "));
        match of == Some(self.address) {
            true => Ok(()),
            false => {
                let problem = format!("it is the backup of {:?}", of.unwrap_or_default());
                Err(BackupError::damaged(self.bag, problem))
            }
        }
    }

    /// Forgets messages whose files are not what the index says, so that they are read again. Only
    /// after a backup was cut off are all octets compared; `check` does it at any time.
    fn drop_damaged(&mut self, was_cut_off: bool) -> Result<Vec<(Key, String)>, BackupError> {
        let bag = self.bag;
        let mut damaged = Vec::new();
        self.entries.retain(|key, entry| {
            let path = entry.path();
            let is_whole = match was_cut_off {
                true => {
                    bag::digest_of(bag, &path).is_ok_and(|found| found == (entry.raw, entry.octets))
                }
                false => bag::open(bag, &path)
                    .and_then(|file| file.metadata().map_err(BackupError::file(&bag.join(&path))))
                    .is_ok_and(|found| found.len() == entry.octets),
            };
            if !is_whole {
                damaged.push((*key, path));
            }
            is_whole
        });
        if !damaged.is_empty() || was_cut_off {
            self.write_index()?;
        }
        Ok(damaged)
    }

    fn write_index(&self) -> Result<(), BackupError> {
        let lines: String = self.entries.values().map(line).collect();
        bag::write(&self.bag.join("data/index.jsonl"), &lines)
    }

    fn settled(&self) -> u64 {
        self.folders.values().map(Reads::settled).sum()
    }

    async fn try_all(&mut self, account: &Account) -> Result<(), BackupError> {
        let side = self.side;
        let of_side = |error| MailboxError::Imap { side, error };
        let mut session = account.session().await.map_err(of_side)?;
        if session.capabilities().has("X-GM-EXT-1") {
            return Err(MailboxError::Labels.into());
        }
        let tree = Tree::of(&mut session).await.map_err(of_side)?;
        let mut folders = Folders::read(self.bag)?;
        folders.take(&tree, shown);
        // The numbers of new folders are known before the first message has one of them.
        write_folders(self.bag, &folders)?;
        for entry in self.entries.values_mut() {
            let is_listed = folders.folders.get(&entry.folder).is_some_and(|folder| folder.present);
            entry.present &= is_listed;
        }
        for name in tree.folders.keys() {
            let mut reads = self.folders.remove(name).unwrap_or_default();
            let number = folders.number(name).expect("it was just taken");
            self.current = Some(name.clone());
            let ended = match reads.work.is_done {
                true => Ok(()),
                false => self.folder(&mut session, name, number, &mut reads).await,
            };
            let ended = match ended {
                // Other folders are not concerned.
                Err(BackupError::Mailbox(error)) if error.is_of_folder() => {
                    reads.work.report.error = Some(error.to_string());
                    Ok(())
                }
                other => other,
            };
            reads.work.is_done |= ended.is_ok();
            self.folders.insert(name.clone(), reads);
            ended?;
        }
        self.current = None;
        session.close().await;
        Ok(())
    }

    /// Reads a folder: new messages, and the flags of those that are in the bag.
    async fn folder(
        &mut self,
        session: &mut Session,
        name: &[u8],
        folder: u32,
        reads: &mut Reads,
    ) -> Result<(), BackupError> {
        let side = self.side;
        let of_side = |error| MailboxError::Imap { side, error };
        let selected = session.select(name, Mode::Read).await.map_err(of_side)?;
        let no_validity = || MailboxError::NoUidValidity { side, folder: shown(name) };
        let uid_validity = selected.uid_validity.ok_or_else(no_validity)?;
        let uids = session.uids(selected.exists).await.map_err(of_side)?;
        reads.counts.messages = uids.len() as u64;
        let is_known = |uid: &u32| self.entries.contains_key(&(folder, uid_validity, *uid));
        let (known, mut new): (Vec<u32>, Vec<u32>) = uids.into_iter().partition(is_known);
        reads.counts.already = known.len() as u64 - reads.counts.done.min(known.len() as u64);
        for entry in self.entries.values_mut().filter(|entry| entry.folder == folder) {
            let is_there = || known.binary_search(&entry.uid).is_ok();
            entry.present = entry.uid_validity == uid_validity && is_there();
        }
        if !known.is_empty() {
            self.flags(session, folder, uid_validity).await.map_err(of_side)?;
        }
        if !reads.work.was_begun {
            reads.work.was_begun = true;
            self.progress.expect(new.len() as u64);
        }
        bag::directory(self.bag, &format!("data/{folder}"))?;
        new.retain(|uid| !reads.work.care.ended.contains(uid));
        let is_suspect = |uid: &u32| reads.work.care.suspects.contains(uid);
        let (suspects, new): (Vec<u32>, Vec<u32>) = new.iter().partition(|uid| is_suspect(uid));
        self.messages(session, (name, folder, uid_validity), &new, reads).await?;
        for uid in suspects {
            if reads.work.care.culprit(uid).is_some() {
                let why = "the connection breaks each time";
                reads.unreadable.push(format!("{} UID {uid}: {why}", shown(name)));
                reads.work.care.end(uid);
                continue;
            }
            self.messages(session, (name, folder, uid_validity), &[uid], reads).await?;
        }
        Ok(())
    }

    /// Reads messages.
    async fn messages(
        &mut self,
        session: &mut Session,
        (name, folder, uid_validity): (&[u8], u32, u32),
        uids: &[u32],
        reads: &mut Reads,
    ) -> Result<(), BackupError> {
        let side = self.side;
        let path = self.bag.join("data/index.jsonl");
        let mut index = bag::append(self.bag, "data/index.jsonl")?;
        let before = reads.work.care.settled;
        let mut reading = Reading::whole(session, uids, "FLAGS INTERNALDATE");
        loop {
            let (uid, fetched) = match reading.next().await {
                Ok(Some(read)) => read,
                Ok(None) => break,
                Err(error) => {
                    let Folder { fruitless, care, .. } = &mut reads.work;
                    let is_fruitless = *fruitless > 0 && care.settled == before;
                    care.suspect(&reading.under_way(), is_fruitless);
                    return Err(MailboxError::Imap { side, error }.into());
                }
            };
            let entry = self.keep((folder, uid_validity, uid), fetched)?;
            index.write_all(line(&entry).as_bytes()).map_err(BackupError::file(&path))?;
            self.progress.done(1, entry.octets);
            reads.counts.done += 1;
            reads.counts.octets += entry.octets;
            reads.work.care.settle(uid);
            self.entries.insert(entry.key(), entry);
            // Files are written without waiting: others get their turn.
            tokio::task::consume_budget().await;
        }
        let unread = reading.unread();
        self.progress.unexpect((unread.vanished.len() + unread.refused.len()) as u64);
        unread.vanished.iter().for_each(|uid| reads.work.care.end(*uid));
        for (uid, why) in unread.refused {
            reads.unreadable.push(format!("{} UID {uid}: {why}", shown(name)));
            reads.work.care.end(uid);
        }
        Ok(())
    }

    /// What was done.
    fn made(self) -> Made {
        let mut made = Made { address: self.address.to_owned(), ..Made::default() };
        made.unreadable = self.unreadable;
        for (name, reads) in self.folders {
            let Counts { messages, done, octets, already } = reads.counts;
            made.counts.messages += messages;
            made.counts.done += done;
            made.counts.octets += octets;
            made.counts.already += already;
            made.unreadable.extend(reads.unreadable);
            if let Some(error) = reads.work.report.error {
                made.unreadable.push(format!("{}: {error}", shown(&name)));
            }
        }
        made.gone = self.entries.values().filter(|entry| !entry.present).count() as u64;
        made
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
        let mut file = bag::create(self.bag, &entry.path())?;
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
    fn seal(&self, clock: &dyn Clock) -> Result<(), BackupError> {
        self.write_index()?;
        let of = |entry: &Entry| (entry.path(), (entry.raw, entry.octets));
        let mut payload: BTreeMap<_, _> = self.entries.values().map(of).collect();
        for name in ["data/index.jsonl", "data/folders.json"] {
            payload.insert(name.to_owned(), bag::digest_of(self.bag, name)?);
        }
        // What an earlier try has written and not noted.
        for path in super::check::files_of(self.bag)? {
            if !payload.contains_key(&path) {
                let path = self.bag.join(path);
                fs::remove_file(&path).map_err(BackupError::file(&path))?;
            }
        }
        // The messages are on the disk before the manifest says that they are.
        for name in payload.keys() {
            let synced = bag::open(self.bag, name)?.sync_all();
            synced.map_err(BackupError::file(&self.bag.join(name)))?;
        }
        let information = [
            ("Bagging-Date", clock.now().format("%Y-%m-%d").to_string()),
            ("External-Identifier", self.address.to_owned()),
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
