//! Restoring a backup into a mailbox: the same way as a copy, with the bag as the old side.
//!
//! Each message arrives once, also if the connection breaks or the process dies. What is in the mailbox
//! already is recognized by its digest, and what a restore has brought before and somebody has deleted
//! since is brought again. Nothing is taken from a bag that its manifests do not cover: a file that is
//! not what they say is not restored, and is named. Messages that were gone at the server at the last
//! backup are restored if [`Kept::Ever`] is asked for.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use cutover_imap::{Fetched, Mode, Octets, Session};

use super::bag;
use super::index::Entry;
use super::sealed::Sealed;
use super::{BackupError, Kept, bag_of};
use crate::account::Account;
use crate::copy::Pass;
use crate::copy::confirm::confirm;
use crate::copy::mailbox::{Made, Retry, create};
use crate::copy::source::{Mail, mail};
use crate::copy::target::{Target, settle_lost};
use crate::copy::window::{Window, alike};
use crate::copy::work::Folder;
use crate::error::{MailboxError, Side};
use crate::folders::{Tree, mapped, shown};
use crate::report::MailboxReport;

/// The largest message that is kept in memory, as in a copy.
const MEMORY_OCTETS_MAX: u64 = 256 * 1024;

/// What is restored, and where to.
pub struct Restoring<'a> {
    /// The directory of all bags.
    pub dir: &'a Path,
    /// Whose bag.
    pub address: &'a str,
    /// The mailbox.
    pub account: &'a Account,
    /// Only this folder, by its name for people.
    pub folder: Option<&'a str>,
    /// Which messages.
    pub kept: Kept,
    /// What all mailboxes share.
    pub pass: &'a Pass<'a>,
}

/// Restores a mailbox.
///
/// # Errors
/// The bag cannot be used. What happens at the server is in the report.
pub async fn restore(restoring: &Restoring<'_>) -> Result<MailboxReport, BackupError> {
    let Restoring { dir, address, kept, pass, .. } = restoring;
    let bag = bag_of(dir, address);
    let sealed = Sealed::read(&bag, address, *kept)?;
    if let Some(wanted) = restoring.folder
        && !sealed.folders.folders.values().any(|folder| folder.shown == wanted)
    {
        return Err(BackupError::damaged(&bag, format!("there is no folder {wanted:?}")));
    }
    if sealed.entries.is_empty() && sealed.left_out > 0 {
        let count = sealed.left_out;
        let problem = format!(
            "the mailbox was empty when the backup was last made: {count} messages that were there \
             before are in the backup, and are restored if messages that were gone are asked for too"
        );
        return Err(BackupError::damaged(&bag, problem));
    }
    let mut work =
        Work { restoring, bag: &bag, sealed: &sealed, folders: BTreeMap::new(), current: None };
    let mut report = MailboxReport { address: (*address).to_owned(), ..MailboxReport::default() };
    report.left_out = sealed.left_out;
    let mut retry = Retry::default();
    loop {
        let before = work.progress();
        let error = match work.try_all().await {
            Ok(()) => break,
            Err(BackupError::Mailbox(error)) => error,
            Err(error) => return Err(error),
        };
        let has_progress = work.progress() > before;
        let place = work.current.take().and_then(|key| work.folders.get_mut(&key));
        let place = place.map(|folder| (folder, !has_progress));
        match retry.after(&error, place, has_progress, pass.limits) {
            Ok(wait) => pass.clock.sleep(wait).await,
            Err(error) => {
                report.error = Some(error);
                break;
            }
        }
    }
    retry.tell(&mut report);
    report.folders = work.folders.into_values().map(|folder| folder.report).collect();
    Ok(report)
}

/// A folder of the bag, and the UIDVALIDITY of its messages. Only after a server has given new UIDs
/// are there several for one folder.
type Group = (u32, u32);

struct Work<'a> {
    restoring: &'a Restoring<'a>,
    bag: &'a Path,
    sealed: &'a Sealed,
    folders: BTreeMap<Group, Folder>,
    current: Option<Group>,
}

impl Work<'_> {
    fn progress(&self) -> u64 {
        let of = |folder: &Folder| folder.care.settled + u64::from(folder.is_done);
        self.folders.values().map(of).sum()
    }

    async fn try_all(&mut self) -> Result<(), BackupError> {
        let Restoring { address, account, folder: wanted, pass, .. } = self.restoring;
        let Sealed { folders, entries, .. } = self.sealed;
        let mut new = account.session().await.map_err(MailboxError::new)?;
        let has_entries = |number| entries.keys().any(|(folder, _)| *folder == number);
        let old_tree = folders.tree(has_entries);
        let new_tree = Tree::of(&mut new).await.map_err(MailboxError::new)?;
        let source = format!("backup {address}");
        let settled = pass.ledger.names(&source, &account.name).map_err(MailboxError::from)?;
        for (old_name, new_name) in mapped(&old_tree, &new_tree, &settled) {
            let is_wanted = wanted.is_none_or(|wanted| wanted == shown(&old_name));
            let number = folders.number(&old_name).filter(|_| is_wanted);
            let Some(number) = number else { continue };
            let names = (&*old_name, &*new_name);
            pass.ledger.folder((&source, &account.name), names).map_err(MailboxError::from)?;
            let mut groups: Vec<Group> =
                entries.keys().copied().filter(|(folder, _)| *folder == number).collect();
            if groups.is_empty() {
                groups.push((number, 0));
            }
            for group in &groups {
                let report = &mut self.folders.entry(*group).or_default().report;
                (report.old, report.new) = (shown(&old_name), shown(&new_name));
            }
            let there = new_tree.folders.get(&new_name);
            let absent = if there.is_none() { &[names][..] } else { &[] };
            let wants = old_tree.folders[&old_name].is_subscribed;
            let has = there.is_some_and(|there| there.is_subscribed);
            let wanted = if wants && !has { &[names][..] } else { &[] };
            let Made { failed, notes } = create(&mut new, absent, wanted).await?;
            let report = &mut self.folders.entry(groups[0]).or_default().report;
            notes.into_iter().for_each(|(_, note)| report.note(0, note));
            if let Some((_, error)) = failed.into_iter().next() {
                for group in &groups {
                    let folder = self.folders.entry(*group).or_default();
                    folder.report.error = Some(error.to_string());
                    folder.is_done = true;
                }
                continue;
            }
            for group in &groups {
                self.current = Some(*group);
                self.group(&mut new, *group, names).await?;
                self.current = None;
            }
        }
        new.close().await;
        Ok(())
    }

    /// Restores messages of a folder that had one UIDVALIDITY.
    async fn group(
        &mut self,
        new: &mut Session,
        group: Group,
        names: (&[u8], &[u8]),
    ) -> Result<(), BackupError> {
        let mut work = self.folders.remove(&group).unwrap_or_default();
        let entries = self.sealed.entries.get(&group).map_or(&[][..], Vec::as_slice);
        let ended = match work.is_done || entries.is_empty() {
            true => Ok(()),
            false => self.messages(&mut work, new, group.1, names, entries).await,
        };
        let ended = match ended {
            // Other folders are not concerned.
            Err(BackupError::Mailbox(error)) if error.is_of_folder() => {
                work.report.error = Some(error.to_string());
                Ok(())
            }
            other => other,
        };
        work.is_done |= ended.is_ok();
        self.folders.insert(group, work);
        ended
    }

    async fn messages(
        &self,
        work: &mut Folder,
        new: &mut Session,
        uid_validity: u32,
        names: (&[u8], &[u8]),
        entries: &[Entry],
    ) -> Result<(), BackupError> {
        let Restoring { address, account, pass, .. } = self.restoring;
        let ledger = pass.ledger;
        let of_ledger = MailboxError::from;
        let source = format!("backup {address} {uid_validity}");
        let folder = ledger.folder((&source, &account.name), names).map_err(of_ledger)?;
        ledger.old_validity(folder, uid_validity).map_err(of_ledger)?;
        let selected = new.select(names.1, Mode::Write).await.map_err(MailboxError::new)?;
        let no_validity =
            || MailboxError::NoUidValidity { side: Side::New, folder: shown(names.1) };
        let validity = selected.uid_validity.ok_or_else(no_validity)?;
        ledger.new_validity(folder, validity).map_err(of_ledger)?;
        let mut target = Target { folder, name: names.1, validity, selected, floor: 1 };
        target.look_first(new, ledger).await?;
        // What counts is what is there now.
        ledger.set_floor(folder, target.floor).map_err(of_ledger)?;
        ledger.claim_copied(folder).map_err(of_ledger)?;
        ledger.forget_deleted(folder).map_err(of_ledger)?;
        let claimed = settle_lost(&mut target, new, pass).await?;
        for (uid, copy) in &claimed.alike {
            work.report.note(*uid, alike(*copy));
        }
        if work.fruitless > 1 {
            work.care.suspects.extend(&claimed.open);
        }
        let uids: Vec<u32> = entries.iter().map(|entry| entry.uid).collect();
        let compared = ledger.compare(folder, &uids).map_err(of_ledger)?;
        if !work.was_begun {
            work.was_begun = true;
            work.report.messages = entries.len() as u64;
            work.report.already = compared.copied;
            work.report.unconfirmed = compared.unconfirmed.len() as u64;
            pass.progress.expect(compared.open.len() as u64);
        } else {
            work.report.already += claimed.found;
        }
        if work.since.is_none_or(|(known, _)| known != validity) {
            work.since = Some((validity, target.floor));
        }
        let is_open = |entry: &&Entry| compared.open.binary_search(&entry.uid).is_ok();
        let is_open = |entry: &&Entry| is_open(entry) && !work.care.ended.contains(&entry.uid);
        let open: Vec<&Entry> = entries.iter().filter(is_open).collect();
        self.store(work, new, &target, &open).await?;
        confirm(work, pass, &target, new).await?;
        Ok(())
    }

    /// Stores messages in windows; those at which the connection may break come last and alone.
    async fn store(
        &self,
        work: &mut Folder,
        new: &mut Session,
        target: &Target<'_>,
        open: &[&Entry],
    ) -> Result<(), BackupError> {
        let pass = self.restoring.pass;
        let suspects = work.care.suspects.clone();
        let (alone, together): (Vec<&Entry>, Vec<&Entry>) =
            open.iter().copied().partition(|entry| suspects.contains(&entry.uid));
        let Folder { report, care, .. } = work;
        let mut store = Window { pass, target, report, care, last: 0 };
        let mut window: Vec<Mail> = Vec::new();
        let mut octets = 0;
        for entry in together {
            let Some(mail) = self.mail(&mut store, entry)? else { continue };
            octets += mail.body.in_memory();
            window.push(mail);
            if window.len() >= pass.limits.window_messages || octets > pass.limits.window_octets {
                octets = 0;
                store.store(new, std::mem::take(&mut window)).await?;
            }
        }
        store.store(new, window).await?;
        for entry in alone {
            let Some(mail) = self.mail(&mut store, entry)? else { continue };
            if store.care.culprit(entry.uid).is_some() {
                let why = "the connection breaks each time it is sent";
                let settled = store.put_aside(&mail, why)?;
                pass.ledger.settle(target.folder, &[settled]).map_err(MailboxError::from)?;
            } else if let Err(error) = store.store(new, vec![mail]).await {
                if error.imap().is_some_and(|(_, error)| error.ends_session()) {
                    store.care.blame(entry.uid, Side::New);
                }
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// A message of the bag; nothing, and a note, if its file is not what the manifest says.
    fn mail(&self, store: &mut Window<'_>, entry: &Entry) -> Result<Option<Mail>, BackupError> {
        let path = entry.path();
        let why = match self.body(entry) {
            Ok(body) => {
                let flags = entry.flags.iter().map(|flag| flag.clone().into_bytes()).collect();
                let fetched = Fetched {
                    uid: Some(entry.uid),
                    flags: Some(flags),
                    internal_date: entry.internal_date.clone(),
                    body: Some(body),
                    ..Fetched::default()
                };
                let mail = mail(entry.uid, fetched)?;
                if mail.digests.raw == entry.raw {
                    return Ok(Some(mail));
                }
                format!("{path} has changed since the backup was made")
            }
            Err(error) => error.to_string(),
        };
        store.report.unreadable += 1;
        store.report.note(entry.uid, why);
        store.care.end(entry.uid);
        Ok(None)
    }

    fn body(&self, entry: &Entry) -> Result<Octets, BackupError> {
        let name = entry.path();
        let path = self.bag.join(&name);
        let failed = BackupError::file(&path);
        let mut file = bag::open(self.bag, &name)?;
        let len = file.metadata().map_err(&failed)?.len();
        if len != entry.octets {
            return Err(BackupError::damaged(&path, "its size has changed"));
        }
        if len > MEMORY_OCTETS_MAX {
            return Ok(Octets::Spooled { file, len });
        }
        let mut octets = Vec::new();
        file.read_to_end(&mut octets).map_err(&failed)?;
        Ok(Octets::Memory(octets))
    }
}
