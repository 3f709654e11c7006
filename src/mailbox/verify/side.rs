//! What is kept of the messages of a folder, and how those of the other side are matched with it.

use std::collections::BTreeMap;

use cutover_imap::{Fetched, ImapError, Session, internal_date};

use crate::care::Care;
use crate::content::Digests;
use crate::flags::{joined, sendable};
use crate::read::{Unread, each};

/// A message.
#[derive(Clone, Copy)]
struct Entry {
    canonical: [u8; 32],
    /// The beginning of the raw digest. It is compared only if the canonical digests are equal.
    raw: [u8; 8],
    uid: u32,
    /// The number of its set of flags.
    flags: u32,
    /// Its internal date in seconds since 1970; the least number if it has none.
    date: i64,
    octets: u32,
    is_met: bool,
}

/// The messages of a folder at the old side.
#[derive(Default)]
pub(super) struct Side {
    /// Sorted by digest once everything is read.
    entries: Vec<Entry>,
    /// Sets of flags, by their texts: there are few.
    numbers: BTreeMap<String, u32>,
    octets: u64,
}

/// A message of the new side that the old side has too.
pub(super) struct Met {
    pub(super) old_uid: u32,
    pub(super) octets: u64,
    /// Whether the octets are the same, and not only the canonical form.
    pub(super) is_raw: bool,
    /// How the flags differ, if they do.
    pub(super) flags: Option<String>,
    /// How the internal dates differ, if they do.
    pub(super) date: Option<String>,
}

impl Side {
    /// Reads messages of the selected folder.
    pub(super) async fn read(
        &mut self,
        session: &mut Session,
        uids: &[u32],
        (care, is_fruitless): (&mut Care, bool),
    ) -> Result<Unread, ImapError> {
        let unread = each(session, uids, care, is_fruitless, |uid, fetched| {
            let entry = self.entry(uid, &fetched)?;
            self.entries.push(entry);
            Ok(())
        });
        let unread = unread.await?;
        self.entries.sort_unstable_by_key(|entry| (entry.canonical, entry.uid));
        Ok(unread)
    }

    fn entry(&mut self, uid: u32, fetched: &Fetched) -> Result<Entry, ImapError> {
        let body = fetched.body.as_ref().expect("only messages with a body are read");
        let Digests { raw, canonical, octets } = Digests::of(body)?;
        let (flags, _) = sendable(fetched.flags.as_deref().unwrap_or_default());
        let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        let flags = *self.numbers.entry(joined(&flags)).or_insert(next);
        let date = fetched.internal_date.as_deref().and_then(internal_date);
        let mut beginning = [0; 8];
        beginning.copy_from_slice(&raw.octets()[..8]);
        self.octets += octets;
        Ok(Entry {
            canonical: canonical.octets(),
            raw: beginning,
            uid,
            flags,
            date: date.map_or(i64::MIN, |date| date.timestamp()),
            octets: u32::try_from(octets).unwrap_or(u32::MAX),
            is_met: false,
        })
    }

    /// How many messages there are.
    pub(super) fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Octets of all messages.
    pub(super) fn octets(&self) -> u64 {
        self.octets
    }

    /// Reads messages of the other side, and tells of each which message it is, if any.
    pub(super) async fn compare(
        &mut self,
        session: &mut Session,
        uids: &[u32],
        (care, is_fruitless): (&mut Care, bool),
        tell: &mut (dyn FnMut(u32, Option<Met>) + Send),
    ) -> Result<Unread, ImapError> {
        let octets = self.octets;
        let unread = each(session, uids, care, is_fruitless, |uid, fetched| {
            let other = self.entry(uid, &fetched)?;
            tell(uid, self.meet(&other));
            Ok(())
        });
        let unread = unread.await?;
        self.octets = octets;
        Ok(unread)
    }

    /// Takes the message that is most like this one, of those with the same canonical digest.
    fn meet(&mut self, other: &Entry) -> Option<Met> {
        let from = self.entries.partition_point(|entry| entry.canonical < other.canonical);
        let twins = self.entries[from..].iter_mut();
        let twins = twins.take_while(|entry| entry.canonical == other.canonical);
        let alike = |entry: &Entry| {
            let same =
                [entry.raw == other.raw, entry.date == other.date, entry.flags == other.flags];
            same.into_iter().filter(|same| *same).count()
        };
        let found = twins.filter(|entry| !entry.is_met).max_by_key(|entry| alike(entry))?;
        found.is_met = true;
        let found = *found;
        let flags = (found.flags != other.flags).then(|| {
            let text = |number: u32| {
                let row = self.numbers.iter().find(|(_, known)| **known == number);
                row.map_or("", |(text, _)| text.as_str())
            };
            format!("({}) at the old side, ({}) at the new", text(found.flags), text(other.flags))
        });
        let date = (found.date != other.date).then(|| {
            let (old, new) = (shown(found.date), shown(other.date));
            format!("{old} at the old side, {new} at the new")
        });
        let is_raw = found.raw == other.raw;
        Some(Met { old_uid: found.uid, octets: found.octets.into(), is_raw, flags, date })
    }

    /// The messages that the other side does not have, by UID.
    pub(super) fn left(&self) -> Vec<u32> {
        let left = self.entries.iter().filter(|entry| !entry.is_met);
        let mut uids: Vec<u32> = left.map(|entry| entry.uid).collect();
        uids.sort_unstable();
        uids
    }
}

fn shown(seconds: i64) -> String {
    let date = chrono::DateTime::from_timestamp(seconds, 0).filter(|_| seconds != i64::MIN);
    let shown = |date: chrono::DateTime<_>| date.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    date.map_or_else(|| "no date".to_owned(), shown)
}
