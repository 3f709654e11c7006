//! The inventory: what is in mailboxes before anything moves, and what the new side will refuse.
//!
//! It reads counts, sizes and dates, and no message. Nothing changes at either side. It says what
//! IMAP shows: calendars, contacts, rules and delegates are not in it.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use cutover_base::calendar::Timestamp;
use cutover_imap::{ImapError, Mode, Response, Session, Status, Untagged, internal_date};
use futures_util::StreamExt as _;
use serde::Serialize;

use crate::account::Pair;
use crate::clock::Clock;
use crate::error::MailboxError;
use crate::folders::{Tree, mapped, shown};
use crate::report::Progress;

/// The most messages of a folder that are listed because they are too large. Our choice.
const LISTED_MAX: usize = 1000;
/// From how many days the rate of new messages is taken.
const RATE_DAYS: i64 = 30;

/// What is in a mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MailboxInventory {
    /// Its address.
    pub address: String,
    /// Its folders.
    pub folders: Vec<FolderInventory>,
    /// The quota at the old side.
    pub quota_at_old: Option<Quota>,
    /// The quota at the new side.
    pub quota_at_new: Option<Quota>,
    /// The largest message that the new side says that it takes, in octets.
    pub limit_at_new: Option<u64>,
    /// Why the inventory ended early, if it did.
    pub error: Option<String>,
}

/// How much a mailbox may hold (RFC 9208, resource STORAGE).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Quota {
    /// Octets that are used.
    pub used: u64,
    /// Octets that may be used.
    pub limit: u64,
}

/// What is in a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FolderInventory {
    /// The folder's name at the old side, for people.
    pub old: String,
    /// Its name at the new side.
    pub new: String,
    /// Its special use.
    pub role: Option<String>,
    /// Whether the user is subscribed to it.
    pub is_subscribed: bool,
    /// Messages.
    pub messages: u64,
    /// Octets of all messages, as the server states them.
    pub octets: u64,
    /// Octets of the largest message.
    pub largest: u64,
    /// The internal date of the oldest message, in seconds since 1970.
    pub oldest: Option<i64>,
    /// That of the newest.
    pub newest: Option<i64>,
    /// Messages of the last 30 days.
    pub recent_messages: u64,
    /// Their octets.
    pub recent_octets: u64,
    /// Messages whose size, date or UID the server does not tell.
    pub unknown: u64,
    /// Messages that are larger than the new side takes.
    pub too_large: u64,
    /// The UIDs of the first of them.
    pub too_large_uids: Vec<u32>,
}

impl MailboxInventory {
    /// Messages of all folders.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.folders.iter().map(|folder| folder.messages).sum()
    }

    /// Octets of all folders.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.folders.iter().map(|folder| folder.octets).sum()
    }

    /// Octets by which the mailbox exceeds what is free at the new side.
    #[must_use]
    pub fn excess(&self) -> u64 {
        self.quota_at_new.map_or(0, |Quota { used, limit }| {
            self.octets().saturating_sub(limit.saturating_sub(used))
        })
    }
}

/// What all mailboxes of an inventory share.
pub struct Survey<'a> {
    /// The clock.
    pub clock: &'a dyn Clock,
    /// The counters.
    pub progress: &'a Progress,
    /// Mailboxes at once.
    pub mailboxes: usize,
}

/// Looks into mailboxes. The results are in their order.
pub async fn inventory(pairs: &[Pair], survey: &Survey<'_>) -> Vec<MailboxInventory> {
    let each = pairs.iter().map(|pair| async {
        let mut found =
            MailboxInventory { address: pair.address.clone(), ..MailboxInventory::default() };
        if let Err(error) = look(pair, survey, &mut found).await {
            found.error = Some(error.to_string());
        }
        found
    });
    futures_util::stream::iter(each).buffered(survey.mailboxes.max(1)).collect().await
}

async fn look(
    pair: &Pair,
    survey: &Survey<'_>,
    found: &mut MailboxInventory,
) -> Result<(), MailboxError> {
    let mut old = pair.old.session().await.map_err(MailboxError::old)?;
    let mut new = pair.new.session().await.map_err(MailboxError::new)?;
    found.quota_at_old = quota(&mut old).await.map_err(MailboxError::old)?;
    found.quota_at_new = quota(&mut new).await.map_err(MailboxError::new)?;
    found.limit_at_new = new.capabilities().number("APPENDLIMIT");
    let old_tree = Tree::of(&mut old).await.map_err(MailboxError::old)?;
    let new_tree = Tree::of(&mut new).await.map_err(MailboxError::new)?;
    new.close().await;
    let recent = survey.clock.now() - TimeDelta::days(RATE_DAYS);
    for (old_name, new_name) in mapped(&old_tree, &new_tree, &BTreeMap::new()) {
        let listed = &old_tree.folders[&old_name];
        let mut folder = FolderInventory {
            old: shown(&old_name),
            new: shown(&new_name),
            role: listed.role.clone(),
            is_subscribed: listed.is_subscribed,
            ..FolderInventory::default()
        };
        let measured = measure(&mut old, &old_name, found.limit_at_new, recent, &mut folder).await;
        survey.progress.expect(folder.messages);
        survey.progress.done(folder.messages, folder.octets);
        found.folders.push(folder);
        measured.map_err(MailboxError::old)?;
    }
    old.close().await;
    Ok(())
}

/// Measures a folder: a line for each message, and no body.
async fn measure(
    old: &mut Session,
    name: &[u8],
    limit: Option<u64>,
    recent: Timestamp,
    folder: &mut FolderInventory,
) -> Result<(), ImapError> {
    let selected = old.select(name, Mode::Read).await?;
    folder.messages = selected.exists.into();
    if selected.exists == 0 {
        return Ok(());
    }
    let tag = old.start(b"UID FETCH 1:* (UID INTERNALDATE RFC822.SIZE)").await?;
    let mut told = 0;
    let reply = loop {
        let response = old.next().await?;
        if let Response::Untagged(Untagged::Fetch(fetched)) = response {
            let date = fetched.internal_date.as_deref().and_then(internal_date);
            let (Some(uid), Some(size), Some(date)) = (fetched.uid, fetched.size, date) else {
                continue;
            };
            told += 1;
            folder.octets += size;
            folder.largest = folder.largest.max(size);
            let seconds = date.timestamp();
            folder.oldest = Some(folder.oldest.map_or(seconds, |oldest| oldest.min(seconds)));
            folder.newest = Some(folder.newest.map_or(seconds, |newest| newest.max(seconds)));
            if date >= recent {
                folder.recent_messages += 1;
                folder.recent_octets += size;
            }
            if limit.is_some_and(|limit| size > limit) {
                folder.too_large += 1;
                if folder.too_large_uids.len() < LISTED_MAX {
                    folder.too_large_uids.push(uid);
                }
            }
        } else if let Some(reply) = response.ends(&tag) {
            break reply;
        }
    };
    folder.unknown = folder.messages.saturating_sub(told);
    match reply.status == Status::Ok {
        true => Ok(()),
        false => Err(ImapError::Refused { command: "UID FETCH".to_owned(), reply }),
    }
}

/// The quota of INBOX, if the server tells. A server that refuses to tell is not an error.
async fn quota(session: &mut Session) -> Result<Option<Quota>, ImapError> {
    let has_quota = |name: &String| name == "QUOTA" || name.starts_with("QUOTA=");
    if !session.capabilities().0.iter().any(has_quota) {
        return Ok(None);
    }
    let told = match session.run(b"GETQUOTAROOT INBOX").await {
        Ok(ended) => ended.untagged,
        Err(error) if !error.ends_session() => return Ok(None),
        Err(error) => return Err(error),
    };
    let quota = told.iter().find_map(|untagged| {
        let Untagged::Other(line) = untagged else { return None };
        storage(&String::from_utf8_lossy(line))
    });
    Ok(quota)
}

/// `* QUOTA "" (STORAGE 10 512)`: units of 1,024 octets (RFC 9208 §5.1).
fn storage(line: &str) -> Option<Quota> {
    let (_, rest) = line.strip_prefix("* QUOTA ")?.split_once("STORAGE ")?;
    let mut numbers = rest.split([' ', ')']).map(|word| word.parse::<u64>().ok());
    let (used, limit) = (numbers.next()??, numbers.next()??);
    Some(Quota { used: used.saturating_mul(1024), limit: limit.saturating_mul(1024) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_read() {
        let quota = Quota { used: 10 * 1024, limit: 512 * 1024 };
        assert_eq!(storage("* QUOTA \"User quota\" (STORAGE 10 512)"), Some(quota));
        assert_eq!(storage("* QUOTA \"\" (MESSAGE 1 2 STORAGE 10 512)"), Some(quota));
        assert_eq!(storage("* QUOTA \"\" ()"), None);
        assert_eq!(storage("* QUOTAROOT INBOX \"STORAGE 1 2\""), None);
    }
}
