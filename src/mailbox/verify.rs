//! The comparison: both sides are read, and compared message by message.
//!
//! Messages are compared as multisets for each folder: two messages of the same content need two at
//! the new side. A message of the old side is *equal* if a message at the new side has the same
//! octets, *canonically equal* if only their canonical forms are the same ([`crate::content`]),
//! *altered* if there is one with the same Message-ID (or, without one, the same Date, From and
//! Subject) and another content, and *missing* otherwise. Whatever is left over at the new side is
//! *extra*.
//!
//! What a comparison can say: each of these messages was at the old side at T1 and was found at the
//! new side at T2. It says nothing about UIDs, threads, rights or rules, so nothing is ever called
//! identical.
//!
//! The ledger of the copy is asked for the names of folders, and which missing messages the new side has
//! refused. For each message
//! of the old side 56 octets are kept, and four for each that is left over.

mod headers;
mod side;

use std::collections::{BTreeMap, BTreeSet};

use cutover_base::calendar::Timestamp;
use cutover_imap::{Mode, Session};
use futures_util::StreamExt as _;
use serde::Serialize;

use crate::account::Pair;
use crate::care::Care;
use crate::clock::Clock;
use crate::copy::Limits;
use crate::copy::mailbox::Retry;
use crate::copy::work::Folder;
use crate::error::MailboxError;
use crate::folders::{Tree, mapped, shown};
use crate::ledger::Ledger;
use crate::report::Progress;

use side::{Met, Side};

/// The most messages of each list of a folder that a report holds; the others are counted. Our
/// choice.
pub const LISTED_MAX: usize = 1000;

/// How often a folder is read again from its beginning because a connection broke. Our choice.
const RESTARTS_MAX: u32 = 3;

/// What all mailboxes of a comparison share.
pub struct Comparison<'a> {
    /// The ledger of the copy, if there is one: it knows the names of folders.
    pub ledger: Option<&'a Ledger>,
    /// The clock.
    pub clock: &'a dyn Clock,
    /// The counters.
    pub progress: &'a Progress,
    /// Mailboxes at once.
    pub mailboxes: usize,
}

/// A message of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its UID at its side.
    pub uid: u32,
    /// Its Message-ID, if it has one.
    pub message_id: Option<String>,
    /// Its subject, as it stands in the header.
    pub subject: Option<String>,
    /// What is different, or why it could not be compared.
    pub text: Option<String>,
}

/// Messages, of which at most [`LISTED_MAX`] are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct List {
    /// How many there are.
    pub count: u64,
    /// The first of them.
    pub listed: Vec<Listed>,
}

impl List {
    fn add(&mut self, listed: Listed) {
        self.count += 1;
        if self.listed.len() < LISTED_MAX {
            self.listed.push(listed);
        }
    }
}

/// How the two sides of a folder compare.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FolderComparison {
    /// The folder's name at the old side, for people.
    pub old: String,
    /// Its name at the new side.
    pub new: String,
    /// Messages at the old side.
    pub messages: u64,
    /// Their octets.
    pub octets: u64,
    /// Messages at the new side.
    pub messages_at_new: u64,
    /// Messages of the old side that the new side has, octet by octet.
    pub equal: u64,
    /// Messages that the new side has in their canonical form only.
    pub canonically_equal: u64,
    /// Messages that the new side has with another content.
    pub altered: List,
    /// Messages that the new side does not have.
    pub missing: List,
    /// Messages that the new side does not have because it has refused them, as the ledger says.
    pub refused: List,
    /// Messages that only the new side has.
    pub extra: List,
    /// Messages that both sides have, with other flags.
    pub other_flags: List,
    /// Messages that both sides have, with another internal date.
    pub other_date: List,
    /// Messages that a side does not hand out.
    pub unreadable: List,
    /// Why the folder could not be compared.
    pub error: Option<String>,
}

impl FolderComparison {
    /// Whether each message of the old side was found at the new side.
    #[must_use]
    pub fn has_all(&self) -> bool {
        let lists = [&self.altered, &self.missing, &self.refused, &self.unreadable];
        self.error.is_none() && lists.iter().all(|list| list.count == 0)
    }
}

/// How the two sides of a mailbox compare.
#[derive(Clone, Debug, Serialize)]
pub struct MailboxComparison {
    /// Its address.
    pub address: String,
    /// When reading the old side began: messages that came later may not be among those compared.
    #[serde(serialize_with = "instant")]
    pub began: Timestamp,
    /// When reading the new side ended.
    #[serde(serialize_with = "instant")]
    pub ended: Timestamp,
    /// Its folders.
    pub folders: Vec<FolderComparison>,
    /// Why the comparison ended early, if it did.
    pub error: Option<String>,
}

impl MailboxComparison {
    /// Whether each message of the old side was found at the new side.
    #[must_use]
    pub fn has_all(&self) -> bool {
        self.error.is_none() && self.folders.iter().all(FolderComparison::has_all)
    }
}

/// What became of the messages of a mailbox, in numbers: for whoever decides by them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Found at the new side, with equal octets or an equal canonical form.
    pub present: u64,
    /// Not found at the new side.
    pub missing: u64,
    /// Found with another content.
    pub altered: u64,
    /// Refused by the new side when they were copied.
    pub refused: u64,
    /// Not handed out by one of the sides, so not compared.
    pub unread: u64,
}

impl MailboxComparison {
    /// The sums of all folders. They say something about the whole mailbox only if
    /// [`MailboxComparison::is_whole`].
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let mut sum = Verdict::default();
        for folder in &self.folders {
            sum.present += folder.equal + folder.canonically_equal;
            sum.missing += folder.missing.count;
            sum.altered += folder.altered.count;
            sum.refused += folder.refused.count;
            sum.unread += folder.unreadable.count;
        }
        sum
    }

    /// Whether every folder could be compared.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.error.is_none() && self.folders.iter().all(|folder| folder.error.is_none())
    }
}

/// Writes an instant as RFC 3339 has it, in UTC.
fn instant<S: serde::Serializer>(instant: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&instant.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
}

/// Compares mailboxes. The results are in their order.
pub async fn verify(pairs: &[Pair], comparison: &Comparison<'_>) -> Vec<MailboxComparison> {
    let each = pairs.iter().map(|pair| mailbox(pair, comparison));
    futures_util::stream::iter(each).buffered(comparison.mailboxes.max(1)).collect().await
}

async fn mailbox(pair: &Pair, comparison: &Comparison<'_>) -> MailboxComparison {
    let now = comparison.clock.now();
    let mut result = MailboxComparison {
        address: pair.address.clone(),
        began: now,
        ended: now,
        folders: Vec::new(),
        error: None,
    };
    let mut work = Work { pair, comparison, folders: BTreeMap::new(), current: None };
    let mut retry = Retry::default();
    let limits = Limits { restarts_max: RESTARTS_MAX, ..Limits::default() };
    loop {
        let before = work.progress();
        let Err(error) = work.try_all().await else { break };
        let has_progress = work.progress() > before;
        let place = work.current.take().and_then(|name| work.folders.get_mut(&name));
        let place = place.map(|folder| (&mut folder.work, !has_progress));
        match retry.after(&error, place, has_progress, limits) {
            Ok(wait) => comparison.clock.sleep(wait).await,
            Err(error) => {
                result.error = Some(error);
                break;
            }
        }
    }
    result.folders = work.folders.into_values().map(Compared::result).collect();
    result.ended = comparison.clock.now();
    result
}

/// A folder that is being compared.
#[derive(Default)]
struct Compared {
    /// The old side, and what is common to both.
    work: Folder,
    at_new: Care,
    result: FolderComparison,
}

impl Compared {
    fn result(self) -> FolderComparison {
        let error = self.result.error.or(self.work.report.error);
        FolderComparison { error, ..self.result }
    }
}

struct Work<'a> {
    pair: &'a Pair,
    comparison: &'a Comparison<'a>,
    /// The folders by their names at the old side.
    folders: BTreeMap<Vec<u8>, Compared>,
    current: Option<Vec<u8>>,
}

impl Work<'_> {
    fn progress(&self) -> u64 {
        let of = |folder: &Compared| {
            folder.work.care.settled + folder.at_new.settled + u64::from(folder.work.is_done)
        };
        self.folders.values().map(of).sum()
    }

    async fn try_all(&mut self) -> Result<(), MailboxError> {
        let Self { pair, comparison, .. } = *self;
        let mut old = pair.old.session().await.map_err(MailboxError::old)?;
        let mut new = pair.new.session().await.map_err(MailboxError::new)?;
        let old_tree = Tree::of(&mut old).await.map_err(MailboxError::old)?;
        let new_tree = Tree::of(&mut new).await.map_err(MailboxError::new)?;
        let accounts = (pair.old.name.as_str(), pair.new.name.as_str());
        let settled = match comparison.ledger {
            Some(ledger) => ledger.names(accounts.0, accounts.1)?,
            None => BTreeMap::new(),
        };
        for (old_name, new_name) in mapped(&old_tree, &new_tree, &settled) {
            let compared = self.folders.entry(old_name.clone()).or_default();
            if compared.work.is_done {
                continue;
            }
            compared.result = FolderComparison {
                old: shown(&old_name),
                new: shown(&new_name),
                ..FolderComparison::default()
            };
            self.current = Some(old_name.clone());
            let refused = match comparison.ledger {
                Some(ledger) => ledger.refused(accounts, &old_name)?,
                None => BTreeSet::new(),
            };
            let is_there = new_tree.folders.contains_key(&new_name);
            let sides = ((&mut old, &*old_name), (&mut new, is_there.then_some(&*new_name)));
            match folder(sides.0, sides.1, comparison.progress, &refused, compared).await {
                Ok(()) => {}
                // Other folders are not concerned.
                Err(error) if error.is_of_folder() => {
                    compared.result.error = Some(error.to_string());
                }
                Err(error) => return Err(error),
            }
            compared.work.is_done = true;
        }
        self.current = None;
        tokio::join!(old.close(), new.close());
        Ok(())
    }
}

/// Compares a folder. At the new side it may not exist: then each message is missing.
async fn folder(
    (old, old_name): (&mut Session, &[u8]),
    (new, new_name): (&mut Session, Option<&[u8]>),
    progress: &Progress,
    refused: &BTreeSet<u32>,
    Compared { work, at_new, result }: &mut Compared,
) -> Result<(), MailboxError> {
    let is_fruitless = work.fruitless > 0;
    let mut side = Side::default();
    let selected = old.select(old_name, Mode::Read).await.map_err(MailboxError::old)?;
    let uids = old.uids(selected.exists).await.map_err(MailboxError::old)?;
    if !work.was_begun {
        work.was_begun = true;
        progress.expect(uids.len() as u64);
    }
    let care = (&mut work.care, is_fruitless);
    let unread = side.read(old, &uids, care).await.map_err(MailboxError::old)?;
    for (uid, why) in unread.refused {
        let text = Some(format!("the old side does not hand it out: {why}"));
        result.unreadable.add(Listed { uid, text, ..Listed::default() });
    }
    progress.unexpect(unread.vanished.len() as u64);
    result.messages = side.len();
    result.octets = side.octets();
    let mut extra = Vec::new();
    if let Some(new_name) = new_name {
        let selected = new.select(new_name, Mode::Read).await.map_err(MailboxError::new)?;
        let uids = new.uids(selected.exists).await.map_err(MailboxError::new)?;
        let mut tell = |uid, met| match met {
            None => {
                result.messages_at_new += 1;
                extra.push(uid);
            }
            Some(Met { old_uid, octets, is_raw, flags, date }) => {
                result.messages_at_new += 1;
                progress.done(1, octets);
                *(if is_raw { &mut result.equal } else { &mut result.canonically_equal }) += 1;
                if let Some(text) = flags {
                    let text = Some(text);
                    result.other_flags.add(Listed { uid: old_uid, text, ..Listed::default() });
                }
                if let Some(text) = date {
                    let text = Some(text);
                    result.other_date.add(Listed { uid: old_uid, text, ..Listed::default() });
                }
            }
        };
        let compared = side.compare(new, &uids, (at_new, is_fruitless), &mut tell);
        let unread = compared.await.map_err(MailboxError::new)?;
        for (uid, why) in unread.refused {
            let text = Some(format!("the new side does not hand it out: {why}"));
            result.unreadable.add(Listed { uid, text, ..Listed::default() });
        }
    }
    let missing = side.left();
    let missing = headers::of(old, &missing).await.map_err(MailboxError::old)?;
    let extra = headers::of(new, &extra).await.map_err(MailboxError::new)?;
    headers::pair(missing, extra, refused, result);
    Ok(())
}
