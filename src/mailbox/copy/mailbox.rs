//! A pass over one mailbox: sessions, folders, and beginning anew when a connection breaks.

use std::collections::BTreeMap;
use std::time::Duration;

use cutover_imap::{ImapError, Reply, Session, Status, quoted};

use super::lanes::{self, Ended, Job};
use super::work::Folder;
use super::{Limits, Pass, folder, gone};
use crate::account::Pair;
use crate::error::MailboxError;
use crate::folders::{Tree, mapped, shown};
use crate::report::MailboxReport;
use crate::throttle::Waits;

/// The first pause before a mailbox is begun anew; each is twice as long. Our choice.
const PAUSE: Duration = Duration::from_millis(200);

/// A mailbox that is being copied.
pub(super) struct Work<'a> {
    pub(super) pair: &'a Pair,
    pub(super) pass: &'a Pass<'a>,
    /// The folders by their names at the old side.
    folders: BTreeMap<Vec<u8>, Folder>,
    /// The folders in which something has happened that ended a try, the worst first.
    failed: Vec<Vec<u8>>,
}

/// Makes a pass over one mailbox.
pub(super) async fn copy(pair: &Pair, pass: &Pass<'_>) -> MailboxReport {
    let mut report = MailboxReport { address: pair.address.clone(), ..MailboxReport::default() };
    let mut work = Work { pair, pass, folders: BTreeMap::new(), failed: vec![] };
    let mut retry = Retry::default();
    loop {
        let before: BTreeMap<Vec<u8>, u64> = work.progress();
        let Err(error) = work.try_all().await else { break };
        let after = work.progress();
        let has_progress = after.values().sum::<u64>() > before.values().sum::<u64>();
        let mut failed = std::mem::take(&mut work.failed).into_iter();
        let first = failed.next();
        for name in failed {
            let is_fruitless = after.get(&name) == before.get(&name);
            if let Some(folder) = work.folders.get_mut(&name) {
                folder.broke(is_fruitless);
            }
        }
        let is_fruitless = first.as_ref().is_none_or(|name| after.get(name) == before.get(name));
        let place = first.and_then(|name| work.folders.get_mut(&name));
        match retry.after(
            &error,
            place.map(|folder| (folder, is_fruitless)),
            has_progress,
            pass.limits,
        ) {
            Ok(wait) => {
                pass.progress.waits();
                pass.clock.sleep(wait).await;
                pass.progress.goes_on();
            }
            Err(error) => {
                report.error = Some(error);
                break;
            }
        }
    }
    retry.tell(&mut report);
    report.folders = work.folders.into_values().map(|folder| folder.report).collect();
    report
}

/// When a mailbox is tried again after an error, and when it is given up.
#[derive(Default)]
pub(crate) struct Retry {
    waits: Waits,
    waited: Duration,
    /// Tries in a row without any progress, and outside of folders.
    fruitless: u32,
    restarts: u32,
}

impl Retry {
    /// How long to wait before the next try; why there is none. `place` is the folder that was worked
    /// on, and whether nothing was settled there: one in which connections break again and again is left
    /// for the next pass, so that the others go on.
    pub(crate) fn after(
        &mut self,
        error: &MailboxError,
        place: Option<(&mut Folder, bool)>,
        has_progress: bool,
        limits: Limits,
    ) -> Result<Duration, String> {
        if has_progress {
            self.fruitless = 0;
            self.waits.reset();
        }
        let asked = error.imap().and_then(|(side, error)| Some((side, self.waits.after(error)?)));
        if let Some((side, wait)) = asked {
            if self.waited + wait > limits.waited_max {
                let waited_secs = self.waited.as_secs();
                return Err(MailboxError::Throttled { side, waited_secs }.to_string());
            }
            self.waited += wait;
            return Ok(wait);
        }
        let max = limits.restarts_max;
        let ends_session = error.imap().is_some_and(|(_, error)| error.ends_session());
        let tries = match place {
            Some((folder, is_fruitless)) if ends_session => {
                folder.broke(is_fruitless);
                if folder.fruitless > max {
                    folder.report.error = Some(error.to_string());
                    folder.is_done = true;
                    folder.fruitless = 1;
                }
                folder.fruitless
            }
            Some(_) | None => {
                self.fruitless += 1;
                if !can_begin_anew(error) || self.fruitless > max {
                    return Err(error.to_string());
                }
                self.fruitless
            }
        };
        self.restarts += 1;
        Ok(PAUSE * 2_u32.saturating_pow(tries - 1))
    }

    /// Adds to a report how often the work began anew, and how long servers asked to wait.
    pub(crate) fn tell(&self, report: &mut MailboxReport) {
        report.restarts = self.restarts;
        report.waited_ms = u64::try_from(self.waited.as_millis()).unwrap_or(u64::MAX);
    }
}

/// Whether another try may succeed: only after what a network does.
fn can_begin_anew(error: &MailboxError) -> bool {
    error.imap().is_some_and(|(_, error)| match error {
        ImapError::Connect { .. }
        | ImapError::Broken(_)
        | ImapError::Closed(_)
        | ImapError::Silent(_)
        | ImapError::Protocol(_) => true,
        ImapError::Tls { .. }
        | ImapError::TooLarge { .. }
        | ImapError::NotOffered(_)
        | ImapError::NoToken(_)
        | ImapError::SignIn(_)
        | ImapError::Refused { .. } => false,
    })
}

impl Work<'_> {
    /// How much is done in each folder; it never shrinks.
    fn progress(&self) -> BTreeMap<Vec<u8>, u64> {
        let of = |folder: &Folder| folder.care.settled + u64::from(folder.is_done);
        self.folders.iter().map(|(name, folder)| (name.clone(), of(folder))).collect()
    }

    async fn try_all(&mut self) -> Result<(), MailboxError> {
        let Self { pair, pass, .. } = *self;
        let (old, new) = (pair.old.session(), pair.new.session());
        let (old, new) = tokio::join!(old, new);
        let (mut old, mut new) = (old.map_err(MailboxError::old)?, new.map_err(MailboxError::new)?);
        if old.capabilities().has("X-GM-EXT-1") {
            return Err(MailboxError::Labels);
        }
        let trees = tokio::join!(Tree::of(&mut old), Tree::of(&mut new));
        let old_tree = trees.0.map_err(MailboxError::old)?;
        let new_tree = trees.1.map_err(MailboxError::new)?;
        let accounts = (pair.old.name.as_str(), pair.new.name.as_str());
        let settled = pass.ledger.names(accounts.0, accounts.1)?;
        let names = mapped(&old_tree, &new_tree, &settled);
        for (old_name, new_name) in settled {
            if !names.contains_key(&old_name) {
                let Folder { report, is_done, .. } =
                    self.folders.entry(old_name.clone()).or_default();
                (report.old, report.new) = (shown(&old_name), shown(&new_name));
                report.notes.clear();
                report.note(0, "the old side does not list this folder any more");
                *is_done = true;
            }
        }
        for (old_name, new_name) in &names {
            let folder = self.folders.entry(old_name.clone()).or_default();
            folder.report.old = shown(old_name);
            folder.report.new = shown(new_name);
        }
        if gone::notice_anew(&mut new, pass, accounts).await? {
            let text = "the mailbox was made anew at the new side: its messages are compared";
            for folder in self.folders.values_mut() {
                folder.report.note(0, text);
            }
        }
        let is_absent = |name: &Vec<u8>| !new_tree.folders.contains_key(name);
        let absent = names.iter().filter(|(_, name)| is_absent(name));
        let absent: Vec<(&[u8], &[u8])> = absent.map(|(old, new)| (&**old, &**new)).collect();
        let gone = gone::at_new(&mut new, pass, accounts, &names, &new_tree, &absent).await?;
        let is_gone = |name: &[u8]| gone.iter().any(|gone| gone.old == name);
        let (_, absent): (Vec<_>, Vec<_>) = absent.into_iter().partition(|(old, _)| is_gone(old));
        let old_names: Vec<&Vec<u8>> = names.keys().collect();
        let subscribes_all = !old_tree.folders.values().any(|folder| folder.is_subscribed);
        let wanted = names.iter().filter(|(old_name, new_name)| {
            let wants = subscribes_all || old_tree.folders[*old_name].is_subscribed;
            let has = new_tree.folders.get(*new_name).is_some_and(|folder| folder.is_subscribed);
            wants && !has && !is_gone(old_name)
        });
        let wanted: Vec<(&[u8], &[u8])> = wanted.map(|(old, new)| (&**old, &**new)).collect();
        let creating = create(&mut new, &absent, &wanted);
        let (made, statuses) = tokio::join!(creating, folder::statuses(&mut old, &old_names));
        let (Made { failed, notes }, statuses) = (made?, statuses?);
        for (at, error) in failed {
            let folder = self.folders.entry(absent[at].0.to_vec()).or_default();
            folder.report.error = Some(error.to_string());
            folder.is_done = true;
        }
        for (at, note) in notes {
            let folder = self.folders.entry(wanted[at].0.to_vec()).or_default();
            folder.report.note(0, note);
        }
        for gone in &gone {
            let folder = self.folders.entry(gone.old.to_vec()).or_default();
            if !folder.is_done {
                self.failed = vec![gone.old.to_vec()];
                gone.name(folder, accounts, pass, &mut old).await?;
                folder.is_done = true;
            }
        }
        let is_done = |name: &[u8]| self.folders.get(name).is_some_and(|folder| folder.is_done);
        let open: Vec<_> = names.iter().filter(|(name, _)| !is_done(name)).collect();
        let mut unchanged = folder::unchanged(&mut new, pass, accounts, &open, &statuses).await?;
        let mut jobs = Vec::new();
        for (old_name, new_name) in open {
            let mut work = self.folders.remove(old_name).unwrap_or_default();
            if let Some(messages) = unchanged.remove(old_name) {
                work.report.messages = messages.into();
                work.report.already = messages.into();
                work.is_done = true;
                self.folders.insert(old_name.clone(), work);
                continue;
            }
            if !work.was_begun && work.expected == 0 {
                let messages = statuses.get(old_name).and_then(|status| status.messages);
                work.expected = messages.unwrap_or(0).into();
                pass.progress.expect(work.expected);
            }
            jobs.push(Job { old: old_name.clone(), new: new_name.clone(), work });
        }
        let Ended { folders, mut failed } = lanes::copy(pair, pass, (old, new), jobs).await;
        self.folders.extend(folders);
        failed.sort_by_key(|(_, error)| can_begin_anew(error));
        self.failed = failed.iter().map(|(name, _)| name.clone()).collect();
        match failed.into_iter().next() {
            Some((_, error)) => Err(error),
            None => Ok(()),
        }
    }
}

/// A command for each of these folders of the new side.
fn for_each(word: &[u8], folders: &[(&[u8], &[u8])]) -> Vec<Vec<u8>> {
    let command = |(_, name): &(&[u8], &[u8])| {
        let argument = quoted(name).unwrap_or_default();
        [word, b" ", &argument].concat()
    };
    folders.iter().map(command).collect()
}

/// What the new side did not do.
#[derive(Default)]
pub(crate) struct Made {
    /// Folders that cannot be used, by their places among those that were to be made.
    pub(crate) failed: Vec<(usize, MailboxError)>,
    /// Notes about subscriptions that the server refuses, by their places among those that were wanted.
    /// A folder without a subscription has all its messages.
    pub(crate) notes: Vec<(usize, String)>,
}

/// Makes folders, and subscribes to folders. One that is there already is fine: another session may have
/// made it. Each has to be listed by its name afterwards: otherwise the name leads to another
/// folder, in which messages of two would be one.
pub(crate) async fn create(
    new: &mut Session,
    absent: &[(&[u8], &[u8])],
    wanted: &[(&[u8], &[u8])],
) -> Result<Made, MailboxError> {
    let mut made = Made::default();
    if absent.is_empty() && wanted.is_empty() {
        return Ok(made);
    }
    let commands = [for_each(b"CREATE", absent), for_each(b"SUBSCRIBE", wanted)].concat();
    let (mut replies, listed) = match absent.is_empty() {
        true => (new.run_all(&commands).await.map_err(MailboxError::new)?.0, Tree::default()),
        false => Tree::after(new, commands).await.map_err(MailboxError::new)?,
    };
    let is_refused = |(_, reply): &(usize, Reply)| reply.status != Status::Ok;
    let subscribed = replies.split_off(absent.len()).into_iter().enumerate().filter(is_refused);
    let note = |reply: Reply| format!("the new side refuses the subscription: {reply}");
    made.notes = subscribed.map(|(at, reply)| (at, note(reply))).collect();
    let is_there = |reply: &Reply| {
        reply.has("ALREADYEXISTS") || reply.text.to_ascii_lowercase().contains("exist")
    };
    for (at, ((_, name), reply)) in absent.iter().zip(replies).enumerate() {
        let folder = shown(name);
        let error = if reply.status != Status::Ok && !is_there(&reply) {
            MailboxError::NoFolder { folder, reply }
        } else if listed.folders.contains_key(*name) {
            continue;
        } else {
            MailboxError::OtherName { folder, instead: listed.like(name).map(shown) }
        };
        made.failed.push((at, error));
    }
    Ok(made)
}
