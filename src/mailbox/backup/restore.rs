//! Restoring a backup into a mailbox: the same way as a copy, with the bag as the old side.
//!
//! Each message arrives once, also if the connection breaks or the process dies, and what is in the mailbox
//! already is recognized by its digest. A file that is not what the index says is not restored, and
//! is named. Messages that had been deleted at the server when the backup was last made stay in the
//! bag only.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use cutover_imap::{Fetched, Mode, Octets, Session};

use super::bag::mark_of;
use super::index::{self, Entry, Folders};
use super::{BackupError, bag_of};
use crate::account::Account;
use crate::copy::Pass;
use crate::copy::mailbox::{can_begin_anew, create, subscribe};
use crate::copy::source::{Mail, mail};
use crate::copy::target::{Target, settle_lost};
use crate::copy::window::Window;
use crate::error::{MailboxError, Side};
use crate::folders::{Tree, mapped, shown};
use crate::report::{FolderReport, MailboxReport};
use crate::throttle::Waits;

/// The first pause before the work is begun anew; each is twice as long. Our choice.
const PAUSE: Duration = Duration::from_millis(200);
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
    /// What all mailboxes share.
    pub pass: &'a Pass<'a>,
}

/// Restores a mailbox.
///
/// # Errors
/// The bag cannot be used. What happens at the server is in the report.
pub async fn restore(restoring: &Restoring<'_>) -> Result<MailboxReport, BackupError> {
    let Restoring { dir, address, pass, .. } = restoring;
    let bag = bag_of(dir, address);
    if mark_of(&bag).exists() {
        return Err(BackupError::damaged(&bag, "the backup was not finished: make it again"));
    }
    let folders = Folders::read(&bag)?;
    let mut entries: BTreeMap<u32, Vec<Entry>> = BTreeMap::new();
    for entry in index::read(&bag, false)?.into_values().filter(|entry| entry.present) {
        entries.entry(entry.folder).or_default().push(entry);
    }
    if folders.folders.is_empty() {
        return Err(BackupError::damaged(&bag, "there is no backup"));
    }
    if let Some(wanted) = restoring.folder
        && !folders.folders.values().any(|folder| folder.shown == wanted)
    {
        return Err(BackupError::damaged(&bag, format!("there is no folder {wanted:?}")));
    }
    let mut report = MailboxReport { address: (*address).to_owned(), ..MailboxReport::default() };
    let mut waits = Waits::default();
    let mut waited = Duration::ZERO;
    loop {
        report.folders.clear();
        let work = Work { restoring, bag: &bag, folders: &folders, entries: &entries };
        let Err(error) = work.try_all(&mut report.folders).await else { break };
        let asked = match &error {
            BackupError::Mailbox(MailboxError::Imap { error, .. }) => waits.after(error),
            BackupError::Mailbox(_)
            | BackupError::File { .. }
            | BackupError::Damaged { .. }
            | BackupError::Locked(_) => None,
        };
        let can = matches!(&error, BackupError::Mailbox(error) if can_begin_anew(error));
        let wait = match asked {
            Some(wait) if waited + wait <= pass.limits.waited_max => {
                waited += wait;
                wait
            }
            None if can && report.restarts < pass.limits.restarts_max => {
                report.restarts += 1;
                PAUSE * 2_u32.saturating_pow(report.restarts)
            }
            Some(_) | None => {
                report.error = Some(error.to_string());
                break;
            }
        };
        pass.clock.sleep(wait).await;
    }
    report.waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
    Ok(report)
}

struct Work<'a> {
    restoring: &'a Restoring<'a>,
    bag: &'a Path,
    folders: &'a Folders,
    entries: &'a BTreeMap<u32, Vec<Entry>>,
}

impl Work<'_> {
    async fn try_all(&self, reports: &mut Vec<FolderReport>) -> Result<(), BackupError> {
        let Restoring { address, account, folder, pass, .. } = self.restoring;
        let mut new = account.session().await.map_err(MailboxError::new)?;
        let old_tree = self.folders.tree();
        let new_tree = Tree::of(&mut new).await.map_err(MailboxError::new)?;
        let source = format!("backup {address}");
        let settled = pass.ledger.names(&source, &account.name).map_err(MailboxError::from)?;
        for (old_name, new_name) in mapped(&old_tree, &new_tree, &settled) {
            let mut report = FolderReport {
                old: shown(&old_name),
                new: shown(&new_name),
                ..FolderReport::default()
            };
            if folder.is_some_and(|wanted| wanted != report.old) {
                continue;
            }
            let there = new_tree.folders.get(&new_name);
            if there.is_none() {
                let failed = create(&mut new, &[(&*old_name, &*new_name)]).await?;
                if let Some((_, error)) = failed.into_iter().next() {
                    return Err(error.into());
                }
            }
            let names = (&*old_name, &*new_name);
            let number = self.folders.number(&old_name).expect("the tree is made of them");
            let entries = self.entries.get(&number).map_or(&[][..], Vec::as_slice);
            let ended = self.folder(&mut new, &source, names, entries, &mut report).await;
            let wants = old_tree.folders[&old_name].is_subscribed;
            if ended.is_ok() && wants && !there.is_some_and(|there| there.is_subscribed) {
                let notes = subscribe(&mut new, &[(&*old_name, &*new_name)]).await?;
                notes.into_iter().for_each(|(_, note)| report.note(0, note));
            }
            reports.push(report);
            ended?;
        }
        new.close().await;
        Ok(())
    }

    async fn folder(
        &self,
        new: &mut Session,
        source: &str,
        names: (&[u8], &[u8]),
        entries: &[Entry],
        report: &mut FolderReport,
    ) -> Result<(), BackupError> {
        let Restoring { account, pass, .. } = self.restoring;
        let ledger = pass.ledger;
        report.messages = entries.len() as u64;
        let Some(first) = entries.first() else { return Ok(()) };
        let of_ledger = MailboxError::from;
        let folder = ledger.folder((source, &account.name), names).map_err(of_ledger)?;
        ledger.old_validity(folder, first.uid_validity).map_err(of_ledger)?;
        let selected = new.select(names.1, Mode::Write).await.map_err(MailboxError::new)?;
        let no_validity =
            || MailboxError::NoUidValidity { side: Side::New, folder: report.new.clone() };
        let validity = selected.uid_validity.ok_or_else(no_validity)?;
        ledger.new_validity(folder, validity).map_err(of_ledger)?;
        let mut target = Target { folder, name: names.1, validity, selected };
        target.look(new, ledger).await?;
        let found = settle_lost(&mut target, new, pass).await?;
        let uids: Vec<u32> = entries.iter().map(|entry| entry.uid).collect();
        let compared = ledger.compare(folder, &uids).map_err(of_ledger)?;
        report.already = compared.copied + found;
        pass.progress.expect(compared.open.len() as u64);
        let open = |entry: &&Entry| compared.open.binary_search(&entry.uid).is_ok();
        let mut window: Vec<Mail> = Vec::new();
        let mut octets = 0;
        let mut store = Window { pass, target: &target, report };
        for entry in entries.iter().filter(open) {
            let mail = match self.mail(entry)? {
                Ok(mail) => mail,
                Err(why) => {
                    store.report.unreadable += 1;
                    store.report.note(entry.uid, why);
                    continue;
                }
            };
            octets += mail.body.in_memory();
            window.push(mail);
            if window.len() >= pass.limits.window_messages || octets > pass.limits.window_octets {
                octets = 0;
                store.store(new, std::mem::take(&mut window)).await?;
            }
        }
        store.store(new, window).await?;
        target.look(new, ledger).await?;
        ledger.claim_begun(folder).map_err(of_ledger)?;
        Ok(())
    }

    /// A message of the bag; why it is not restored, if its file is not what the index says.
    fn mail(&self, entry: &Entry) -> Result<Result<Mail, String>, BackupError> {
        let path = self.bag.join(entry.path());
        let damaged = || format!("{} has changed since the backup was made", entry.path());
        let body = match body(&path) {
            Ok(body) => body,
            Err(error) => return Ok(Err(format!("{}: {error}", entry.path()))),
        };
        let flags = entry.flags.iter().map(|flag| flag.clone().into_bytes()).collect();
        let fetched = Fetched {
            uid: Some(entry.uid),
            flags: Some(flags),
            internal_date: entry.internal_date.clone(),
            body: Some(body),
            ..Fetched::default()
        };
        let mail = mail(entry.uid, fetched)?;
        Ok(if mail.digests.raw == entry.raw { Ok(mail) } else { Err(damaged()) })
    }
}

fn body(path: &Path) -> std::io::Result<Octets> {
    let len = fs::metadata(path)?.len();
    match len <= MEMORY_OCTETS_MAX {
        true => Ok(Octets::Memory(fs::read(path)?)),
        false => Ok(Octets::Spooled { file: File::open(path)?, len }),
    }
}
