//! A pass over one mailbox: sessions, folders, and beginning anew when a connection breaks.

use std::collections::BTreeMap;
use std::time::Duration;

use cutover_imap::{ImapError, Session, quoted};

use super::work::Folder;
use super::{Pass, folder};
use crate::account::Pair;
use crate::error::{MailboxError, Side};
use crate::folders::{Tree, mapped, shown};
use crate::report::{FolderReport, MailboxReport};
use crate::throttle::Waits;

/// The first pause before a mailbox is begun anew; each is twice as long. Our choice.
const PAUSE: Duration = Duration::from_millis(200);

/// A mailbox that is being copied.
pub(super) struct Work<'a> {
    pub(super) pair: &'a Pair,
    pub(super) pass: &'a Pass<'a>,
    /// The folders by their names at the old side.
    folders: BTreeMap<Vec<u8>, Folder>,
}

/// Makes a pass over one mailbox.
pub(super) async fn copy(pair: &Pair, pass: &Pass<'_>) -> MailboxReport {
    let mut report = MailboxReport { address: pair.address.clone(), ..MailboxReport::default() };
    let mut work = Work { pair, pass, folders: BTreeMap::new() };
    let mut waits = Waits::default();
    let mut waited = Duration::ZERO;
    let mut fruitless = 0;
    loop {
        let before = work.progress();
        let Err(error) = work.try_all().await else { break };
        if work.progress() > before {
            fruitless = 0;
            waits.reset();
        }
        let asked = match &error {
            MailboxError::Imap { side, error } => waits.after(error).map(|wait| (*side, wait)),
            MailboxError::Full(_)
            | MailboxError::Throttled { .. }
            | MailboxError::NoUidValidity { .. }
            | MailboxError::NoFolder { .. }
            | MailboxError::Labels
            | MailboxError::Ledger(_)
            | MailboxError::File { .. } => None,
        };
        let wait = match asked {
            Some((side, wait)) if waited + wait > pass.limits.waited_max => {
                let waited_secs = waited.as_secs();
                report.error = Some(MailboxError::Throttled { side, waited_secs }.to_string());
                break;
            }
            Some((_, wait)) => {
                waited += wait;
                wait
            }
            None if can_begin_anew(&error) && fruitless < pass.limits.restarts_max => {
                fruitless += 1;
                report.restarts += 1;
                PAUSE * 2_u32.saturating_pow(fruitless - 1)
            }
            None => {
                report.error = Some(error.to_string());
                break;
            }
        };
        pass.progress.waits();
        pass.clock.sleep(wait).await;
        pass.progress.goes_on();
    }
    report.waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
    report.folders = work.folders.into_values().map(|folder| folder.report).collect();
    report
}

/// Whether another try may succeed: only after what a network does.
pub(crate) fn can_begin_anew(error: &MailboxError) -> bool {
    match error {
        MailboxError::Imap { side: _, error } => match error {
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
        },
        MailboxError::Full(_)
        | MailboxError::Throttled { .. }
        | MailboxError::NoUidValidity { .. }
        | MailboxError::NoFolder { .. }
        | MailboxError::Labels
        | MailboxError::Ledger(_)
        | MailboxError::File { .. } => false,
    }
}

impl Work<'_> {
    /// How much is done; it never shrinks.
    fn progress(&self) -> u64 {
        let of = |folder: &Folder| folder.report.copied + u64::from(folder.is_done);
        self.folders.values().map(of).sum()
    }

    async fn try_all(&mut self) -> Result<(), MailboxError> {
        let Self { pair, pass, .. } = *self;
        let mut old = pair.old.session().await.map_err(MailboxError::old)?;
        if old.capabilities().has("X-GM-EXT-1") {
            return Err(MailboxError::Labels);
        }
        let mut new = pair.new.session().await.map_err(MailboxError::new)?;
        let old_tree = Tree::of(&mut old).await.map_err(MailboxError::old)?;
        let new_tree = Tree::of(&mut new).await.map_err(MailboxError::new)?;
        let settled = pass.ledger.names(&pair.old.name, &pair.new.name)?;
        let names = mapped(&old_tree, &new_tree, &settled);
        let subscribes_all = !old_tree.folders.values().any(|folder| folder.is_subscribed);
        for (old_name, new_name) in &names {
            let folder = self.folders.entry(old_name.clone()).or_default();
            if folder.is_done {
                continue;
            }
            folder.report.old = shown(old_name);
            folder.report.new = shown(new_name);
            let there = new_tree.folders.get(new_name);
            let ended = match there {
                Some(_) => Ok(()),
                None => create(&mut new, new_name).await,
            };
            let ended = match ended {
                Ok(()) => {
                    folder::copy(folder, pair, pass, (&mut old, old_name), (&mut new, new_name))
                        .await
                }
                Err(error) => Err(error),
            };
            match ended {
                Ok(()) => {}
                // Other folders are not concerned.
                Err(
                    error @ (MailboxError::NoFolder { .. } | MailboxError::NoUidValidity { .. }),
                ) => {
                    folder.report.error = Some(error.to_string());
                }
                Err(error) => return Err(error),
            }
            folder.is_done = true;
            let wants = subscribes_all || old_tree.folders[old_name].is_subscribed;
            let has = there.is_some_and(|folder| folder.is_subscribed);
            if wants && !has && folder.report.error.is_none() {
                subscribe(&mut new, new_name, &mut folder.report).await?;
            }
        }
        old.close().await;
        new.close().await;
        Ok(())
    }
}

/// Makes a folder. One that is there already is fine: another session may have made it.
pub(crate) async fn create(new: &mut Session, name: &[u8]) -> Result<(), MailboxError> {
    let refused = |reply| MailboxError::NoFolder { folder: shown(name), reply };
    let argument = quoted(name).unwrap_or_default();
    match new.run(&[b"CREATE ", &*argument].concat()).await {
        Ok(_) => Ok(()),
        Err(ImapError::Refused { reply, .. }) => {
            let says = reply.text.to_ascii_lowercase();
            match reply.has("ALREADYEXISTS") || says.contains("exist") {
                true => Ok(()),
                false => Err(refused(reply)),
            }
        }
        Err(error) => Err(MailboxError::Imap { side: Side::New, error }),
    }
}

/// Subscribes to a folder, unless the server refuses.
pub(crate) async fn subscribe(
    new: &mut Session,
    name: &[u8],
    report: &mut FolderReport,
) -> Result<(), MailboxError> {
    let argument = quoted(name).unwrap_or_default();
    match new.run(&[b"SUBSCRIBE ", &*argument].concat()).await {
        Ok(_) => Ok(()),
        // A folder without a subscription has all its messages.
        Err(ImapError::Refused { reply, .. }) => {
            report.note(0, format!("the new side refuses the subscription: {reply}"));
            Ok(())
        }
        Err(error) => Err(MailboxError::new(error)),
    }
}
