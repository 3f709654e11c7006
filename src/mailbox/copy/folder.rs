//! A pass over one folder.

use std::collections::{BTreeMap, BTreeSet};

use cutover_imap::{ImapError, Mode, Selected, Session, StatusOf, Untagged, quoted};
use tokio::sync::mpsc;

use super::Pass;
use super::flags;
use super::source::{self, Mail};
use super::target::{self, Target};
use super::window::Window;
use super::work::Folder;
use crate::error::{MailboxError, Side};
use crate::folders::shown;
use crate::ledger::{FolderId, Mark, Settled};
use crate::report::Outcome;

/// Makes a pass over one folder, with a session at each side.
pub(super) async fn copy(
    work: &mut Folder,
    accounts: (&str, &str),
    pass: &Pass<'_>,
    (old, old_name): (&mut Session, &[u8]),
    (new, new_name): (&mut Session, &[u8]),
) -> Result<(), MailboxError> {
    let ledger = pass.ledger;
    let folder = ledger.folder(accounts, (old_name, new_name))?;
    let mark = ledger.mark(folder)?;
    let (there, target) = tokio::join!(old.select(old_name, Mode::Read), select_new(new, new_name));
    let (there, target) = (there.map_err(MailboxError::old)?, target?);
    let no_validity = |side, name| MailboxError::NoUidValidity { side, folder: shown(name) };
    let old_validity = there.uid_validity.ok_or_else(|| no_validity(Side::Old, old_name))?;
    ledger.old_validity(folder, old_validity)?;
    let new_validity = target.uid_validity.ok_or_else(|| no_validity(Side::New, new_name))?;
    if ledger.new_validity(folder, new_validity)? {
        work.report.note(0, "the folder was made anew at the new side: its messages are compared");
    }
    let uids = old.uids(there.exists).await.map_err(MailboxError::old)?;
    let compared = ledger.compare(folder, &uids)?;
    begin(work, pass, uids.len() as u64, &compared);
    let mark = mark.filter(|mark| mark.uid_validity == old_validity);
    if let (Some(mark), Some(next)) = (&mark, there.uid_next)
        && next < mark.uid_next
    {
        return Err(MailboxError::UidsReused { folder: shown(old_name) });
    }
    if compared.copied > 0 {
        let since = mark.and_then(|mark| mark.modseq);
        flags::follow(work, pass, folder, (old, &there, since), (new, &target)).await?;
    }
    let mut open = compared.open;
    if !open.is_empty() {
        let mut target =
            Target { folder, name: new_name, validity: new_validity, selected: target };
        target.look_first(new, ledger).await?;
        let found = target::settle_lost(&mut target, new, pass).await?;
        work.report.already += found;
        if found > 0 {
            open = ledger.compare(folder, &uids)?.open;
        }
        messages(work, pass, &target, &open, old, new).await?;
        if ledger.has_begun(folder)? {
            // Where the server does not say which UID a copy has, the copies are looked for.
            target.look(new, ledger).await?;
            let (_, unknown) = ledger.claim_begun(folder)?;
            settle_unrecognized(work, pass, folder, &unknown)?;
        }
    }
    if work.report.is_complete() {
        let mark = Mark {
            uid_validity: old_validity,
            uid_next: there.uid_next.unwrap_or(0),
            exists: there.exists,
            modseq: there.highest_modseq,
        };
        ledger.set_mark(folder, &mark)?;
    }
    Ok(())
}

/// Notes what a pass begins with. Each try of it finds the same again, so some counts are set anew.
fn begin(work: &mut Folder, pass: &Pass<'_>, messages: u64, compared: &crate::ledger::Compared) {
    let Folder { report, was_begun, .. } = work;
    report.messages = messages;
    report.gone_at_old = compared.gone;
    report.vanished += compared.vanished;
    report.refused = 0;
    report.unreadable = 0;
    report.notes.clear();
    report.notes_left_out = 0;
    if !*was_begun {
        *was_begun = true;
        report.already = compared.copied;
        pass.progress.expect(compared.open.len() as u64);
    }
}

/// The folders in which nothing has changed since everything in them was settled, and how many
/// messages they have. Only the modification sequence tells about flags. A folder that was made anew
/// at the new side has changed.
pub(super) async fn unchanged(
    (old, new): (&mut Session, &mut Session),
    pass: &Pass<'_>,
    accounts: (&str, &str),
    folders: &[(&Vec<u8>, &Vec<u8>)],
) -> Result<BTreeMap<Vec<u8>, u32>, MailboxError> {
    if !old.capabilities().has("CONDSTORE") {
        return Ok(BTreeMap::new());
    }
    let mut marks = BTreeMap::new();
    let mut copies = BTreeMap::new();
    let (mut commands, mut asked) = (Vec::new(), Vec::new());
    for (old_name, new_name) in folders {
        let folder = pass.ledger.folder(accounts, (old_name, new_name))?;
        if let Some(mark) = pass.ledger.mark(folder)?.filter(|mark| mark.modseq.is_some()) {
            marks.insert((*old_name).clone(), mark);
            let argument = quoted(old_name).unwrap_or_default();
            let items = b" (MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)";
            commands.push([b"STATUS ", &*argument, items].concat());
            let argument = quoted(new_name).unwrap_or_default();
            asked.push([b"STATUS ", &*argument, b" (UIDVALIDITY)"].concat());
            copies.insert((*new_name).clone(), pass.ledger.known_new_validity(folder)?);
        }
    }
    let (_, untagged) = new.run_all(&asked).await.map_err(MailboxError::new)?;
    let mut there = BTreeSet::new();
    for one in untagged {
        let Untagged::Counts(StatusOf { name, uid_validity, .. }) = one else { continue };
        if uid_validity.is_some() && copies.get(&name) == Some(&uid_validity) {
            there.insert(name);
        }
    }
    let is_there = |old_name: &Vec<u8>| {
        folders.iter().any(|(name, new_name)| *name == old_name && there.contains(*new_name))
    };
    let (_, untagged) = old.run_all(&commands).await.map_err(MailboxError::old)?;
    let mut unchanged = BTreeMap::new();
    for one in untagged {
        let Untagged::Counts(counts) = one else { continue };
        let StatusOf { name, messages, uid_next, uid_validity, highest_modseq, size: _ } = counts;
        let Some(mark) = marks.get(&name) else { continue };
        let is_same = uid_validity == Some(mark.uid_validity)
            && uid_next == Some(mark.uid_next)
            && messages == Some(mark.exists)
            && highest_modseq == mark.modseq
            && is_there(&name);
        if is_same {
            unchanged.insert(name, mark.exists);
        }
    }
    Ok(unchanged)
}

/// Opens the folder of the new side.
async fn select_new(new: &mut Session, name: &[u8]) -> Result<Selected, MailboxError> {
    new.select(name, Mode::Write).await.map_err(|error| {
        if let ImapError::Refused { reply, .. } = error {
            return MailboxError::NoFolder { folder: shown(name), reply };
        }
        MailboxError::new(error)
    })
}

/// Copies messages: one side reads while the other stores.
async fn messages(
    work: &mut Folder,
    pass: &Pass<'_>,
    target: &Target<'_>,
    uids: &[u32],
    old: &mut Session,
    new: &mut Session,
) -> Result<(), MailboxError> {
    let (sender, mut receiver) = mpsc::channel::<Vec<Mail>>(1);
    let reading = source::read(old, uids, sender, pass.limits);
    let mut window = Window { pass, target, report: &mut work.report };
    let storing = async {
        while let Some(mails) = receiver.recv().await {
            window.store(new, mails).await?;
        }
        Ok::<(), MailboxError>(())
    };
    let (unread, ()) = tokio::try_join!(reading, storing)?;
    let vanished = unread.vanished.iter().map(|uid| (*uid, Outcome::Vanished, None));
    let refused = unread.refused.iter();
    let refused = refused.map(|(uid, why)| (*uid, Outcome::Unreadable, Some(why.clone())));
    let settled: Vec<Settled> = vanished
        .chain(refused)
        .map(|(uid, outcome, note)| Settled { uid, outcome, copy: None, note })
        .collect();
    pass.ledger.settle(target.folder, &settled)?;
    pass.progress.unexpect(settled.len() as u64);
    work.report.vanished += unread.vanished.len() as u64;
    work.report.unreadable += unread.refused.len() as u64;
    for (uid, why) in unread.refused {
        work.report.note(uid, format!("the old side does not hand it out: {why}"));
    }
    Ok(())
}

/// Settles messages that the new side has taken, and that cannot be recognized there: its answer
/// names no UID, and it has changed them.
fn settle_unrecognized(
    work: &mut Folder,
    pass: &Pass<'_>,
    folder: FolderId,
    uids: &BTreeSet<u32>,
) -> Result<(), MailboxError> {
    let note = "the new side has taken it, and has changed it: it cannot be recognized there";
    let settled = uids.iter().map(|uid| Settled {
        uid: *uid,
        outcome: Outcome::Copied,
        copy: None,
        note: Some(note.to_owned()),
    });
    pass.ledger.settle(folder, &settled.collect::<Vec<_>>())?;
    uids.iter().for_each(|uid| work.report.note(*uid, note));
    Ok(())
}
