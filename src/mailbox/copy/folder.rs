//! A pass over one folder.

use std::collections::BTreeMap;

use cutover_imap::{ImapError, Mode, Selected, Session, StatusOf, Untagged, quoted};
use tokio::sync::mpsc;

use super::Pass;
use super::confirm;
use super::flags;
use super::source::{self, Mail};
use super::target::{self, Target};
use super::window::{self, Window};
use super::work::Folder;
use crate::error::{MailboxError, Side};
use crate::folders::shown;
use crate::ledger::{Anew, Compared, FolderId, Mark, Settled};
use crate::read::{Reading, Unread};
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
    // Without a status the folder may have any number of messages.
    let expected = if work.expected == 0 { u64::MAX } else { work.expected };
    let opening = old.select_with_uids(old_name, Mode::Read, expected);
    let (opened, target) = tokio::join!(opening, select_new(new, new_name));
    let ((there, uids), target) = (opened.map_err(MailboxError::old)?, target?);
    let no_validity = |side, name| MailboxError::NoUidValidity { side, folder: shown(name) };
    let old_validity = there.uid_validity.ok_or_else(|| no_validity(Side::Old, old_name))?;
    let new_validity = target.uid_validity.ok_or_else(|| no_validity(Side::New, new_name))?;
    let anew = ledger.new_validity(folder, new_validity)?;
    let mut target =
        Target { folder, name: new_name, validity: new_validity, selected: target, floor: 1 };
    let is_renumbered = ledger.known_old_validity(folder)?.is_some_and(|was| was != old_validity);
    if is_renumbered {
        // What people have deleted has to be known before the messages get new UIDs.
        target.look_first(new, ledger).await?;
    }
    ledger.old_validity(folder, old_validity)?;
    let compared = ledger.compare(folder, &uids)?;
    begin(work, pass, uids.len() as u64, &compared);
    let mark = mark.filter(|mark| mark.uid_validity == old_validity);
    if let (Some(mark), Some(next)) = (&mark, there.uid_next)
        && next < mark.uid_next
    {
        return Err(MailboxError::UidsReused { folder: shown(old_name) });
    }
    let mut has_flags = true;
    if compared.copied > 0 {
        let since = mark.and_then(|mark| mark.modseq);
        let sides = ((&mut *old, &there, since), (&mut *new, &target.selected));
        match flags::follow(work, pass, folder, sides.0, sides.1).await {
            Ok(is_whole) => has_flags = is_whole,
            // Messages matter more than flags.
            Err(error) if error.is_of_folder() => {
                has_flags = false;
                work.report.note(0, format!("flags that have changed are not followed: {error}"));
            }
            Err(error) => return Err(error),
        }
    }
    let mut open = compared.open;
    if !open.is_empty() || anew != Anew::No {
        target.look_first(new, ledger).await?;
        if anew != Anew::No {
            ledger.set_floor(folder, target.floor)?;
            let gone = ledger.claim_copied(folder)?;
            work.report.note(0, made_anew(gone));
        }
        let claimed = target::settle_lost(&mut target, new, pass).await?;
        work.report.already += claimed.found;
        work.care.settled += claimed.found;
        for (uid, copy) in &claimed.alike {
            work.report.note(*uid, window::alike(*copy));
        }
        if work.fruitless > 1 {
            // Nothing was settled since the connection broke before: one of those is the reason.
            work.care.suspects.extend(&claimed.open);
        }
        if claimed.found > 0 {
            open = ledger.compare(folder, &uids)?.open;
        }
        open.retain(|uid| !work.care.ended.contains(uid));
        if work.since.is_none_or(|(validity, _)| validity != new_validity) {
            work.since = Some((new_validity, target.floor));
        }
        messages(work, pass, &target, &open, old, new).await?;
        confirm::confirm(work, pass, &target, new).await?;
    }
    if work.report.is_complete() && has_flags {
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
fn begin(work: &mut Folder, pass: &Pass<'_>, messages: u64, compared: &Compared) {
    let report = &mut work.report;
    report.messages = messages;
    report.gone_at_old = compared.gone;
    report.vanished += compared.vanished;
    if !work.was_begun {
        work.was_begun = true;
        report.already = compared.copied;
        pass.progress.unexpect(work.expected);
        pass.progress.expect(compared.open.len() as u64);
        report.unconfirmed = compared.unconfirmed.len() as u64;
        for uid in &compared.unconfirmed {
            report.note(*uid, confirm::UNCONFIRMED);
        }
    }
}

/// What is said about a folder that was made anew at the new side.
fn made_anew(gone: u64) -> String {
    let text = "the folder was made anew at the new side: its messages are compared";
    match gone {
        0 => text.to_owned(),
        gone => format!("{text}. {gone} that were copied are not there, and are not copied again"),
    }
}

/// What the old side says about folders without opening them, by their names. A folder about which it
/// says nothing is not among them.
pub(super) async fn statuses(
    old: &mut Session,
    names: &[&Vec<u8>],
) -> Result<BTreeMap<Vec<u8>, StatusOf>, MailboxError> {
    // Only with modification sequences is it known that nothing has changed.
    let items: &[u8] = match old.capabilities().has("CONDSTORE") {
        true => b" (MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)",
        false => b" (MESSAGES)",
    };
    let command = |name: &&Vec<u8>| {
        let argument = quoted(name).unwrap_or_default();
        [b"STATUS ", &*argument, items].concat()
    };
    let commands: Vec<Vec<u8>> = names.iter().map(command).collect();
    let (_, untagged) = old.run_all(&commands).await.map_err(MailboxError::old)?;
    let mut statuses = BTreeMap::new();
    for one in untagged {
        if let Untagged::Counts(status) = one {
            statuses.insert(status.name.clone(), status);
        }
    }
    Ok(statuses)
}

/// The folders in which nothing has changed since everything in them was settled, and how many
/// messages they have. Only the modification sequence tells about flags. A folder that was made anew
/// at the new side has changed.
pub(super) async fn unchanged(
    new: &mut Session,
    pass: &Pass<'_>,
    accounts: (&str, &str),
    folders: &[(&Vec<u8>, &Vec<u8>)],
    statuses: &BTreeMap<Vec<u8>, StatusOf>,
) -> Result<BTreeMap<Vec<u8>, u32>, MailboxError> {
    let mut candidates = BTreeMap::new();
    let mut commands = Vec::new();
    for (old_name, new_name) in folders {
        let folder = pass.ledger.folder(accounts, (old_name, new_name))?;
        let Some(status) = statuses.get(*old_name) else { continue };
        let StatusOf { name: _, messages, uid_next, uid_validity, highest_modseq, size: _ } =
            status;
        let mark = pass.ledger.mark(folder)?.filter(|mark| {
            *uid_validity == Some(mark.uid_validity)
                && *uid_next == Some(mark.uid_next)
                && *messages == Some(mark.exists)
                && mark.modseq.is_some()
                && *highest_modseq == mark.modseq
        });
        if let Some(mark) = mark {
            let argument = quoted(new_name).unwrap_or_default();
            commands.push([b"STATUS ", &*argument, b" (UIDVALIDITY)"].concat());
            let validity = pass.ledger.known_new_validity(folder)?;
            candidates.insert((*new_name).clone(), ((*old_name).clone(), mark.exists, validity));
        }
    }
    let (_, untagged) = new.run_all(&commands).await.map_err(MailboxError::new)?;
    let mut unchanged = BTreeMap::new();
    for one in untagged {
        let Untagged::Counts(StatusOf { name, uid_validity, .. }) = one else { continue };
        if let Some((old_name, exists, validity)) = candidates.remove(&name)
            && uid_validity.is_some()
            && uid_validity == validity
        {
            unchanged.insert(old_name, exists);
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

/// Copies messages: one side reads while the other stores. Suspects come last, one at a time.
async fn messages(
    work: &mut Folder,
    pass: &Pass<'_>,
    target: &Target<'_>,
    uids: &[u32],
    old: &mut Session,
    new: &mut Session,
) -> Result<(), MailboxError> {
    let is_suspect = |uid: &u32| work.care.suspects.contains(uid);
    let (suspects, others): (Vec<u32>, Vec<u32>) = uids.iter().partition(|uid| is_suspect(uid));
    let mut last = 0;
    if !others.is_empty() {
        last = together(work, pass, target, &others, old, new).await?;
    }
    for uid in suspects {
        if work.care.culprit(uid) == Some(Side::Old) {
            let why = "the connection breaks each time".to_owned();
            unread(
                work,
                pass,
                target.folder,
                Unread { refused: vec![(uid, why)], vanished: vec![] },
            )?;
            continue;
        }
        match alone(work, pass, target, (uid, last), old, new).await {
            Ok(stored) => last = stored,
            Err(error) => {
                if let Some((side, _)) = error.imap().filter(|(_, error)| error.ends_session()) {
                    work.care.blame(uid, side);
                }
                return Err(error);
            }
        }
    }
    Ok(())
}

/// Copies messages, many at once. The last UID that the new side has named.
async fn together(
    work: &mut Folder,
    pass: &Pass<'_>,
    target: &Target<'_>,
    uids: &[u32],
    old: &mut Session,
    new: &mut Session,
) -> Result<u32, MailboxError> {
    let (sender, mut receiver) = mpsc::channel::<Vec<Mail>>(1);
    let mut under_way = Vec::new();
    let before = work.care.settled;
    let reading = source::read(old, uids, sender, pass.limits, &mut under_way);
    let Folder { report, care, .. } = &mut *work;
    let mut window = Window { pass, target, report, care, last: 0 };
    let storing = async {
        while let Some(mails) = receiver.recv().await {
            window.store(new, mails).await?;
        }
        Ok::<(), MailboxError>(())
    };
    // What was read is stored also if the reader fails; if nobody stores any more, nothing is read.
    let (read, ()) = tokio::try_join!(async { Ok(reading.await) }, storing)?;
    let last = window.last;
    match read {
        Ok(read) => unread(work, pass, target.folder, read)?,
        Err(error) => {
            let is_fruitless = work.fruitless > 0 && work.care.settled == before;
            work.care.suspect(&under_way, is_fruitless);
            return Err(error);
        }
    }
    Ok(last)
}

/// Copies a message at which a connection may break.
async fn alone(
    work: &mut Folder,
    pass: &Pass<'_>,
    target: &Target<'_>,
    (uid, last): (u32, u32),
    old: &mut Session,
    new: &mut Session,
) -> Result<u32, MailboxError> {
    let mut reading = Reading::whole(old, &[uid], source::ATTRIBUTES);
    let read = reading.next().await.map_err(MailboxError::old)?;
    let Some((uid, fetched)) = read else {
        let read = reading.unread();
        unread(work, pass, target.folder, read)?;
        return Ok(last);
    };
    // The command has to end before the next one begins.
    reading.next().await.map_err(MailboxError::old)?;
    let mail = source::mail(uid, fetched)?;
    let is_culprit = work.care.culprit(uid).is_some();
    let Folder { report, care, .. } = work;
    let mut window = Window { pass, target, report, care, last };
    if is_culprit {
        let settled = window.put_aside(&mail, "the connection breaks each time it is sent")?;
        pass.ledger.settle(target.folder, &[settled])?;
    } else {
        window.store(new, vec![mail]).await?;
    }
    Ok(window.last)
}

/// Settles what could not be read.
fn unread(
    work: &mut Folder,
    pass: &Pass<'_>,
    folder: FolderId,
    Unread { vanished, refused }: Unread,
) -> Result<(), MailboxError> {
    let gone = vanished.iter().map(|uid| (*uid, Outcome::Vanished, None));
    let left = refused.iter().map(|(uid, why)| (*uid, Outcome::Unreadable, Some(why.clone())));
    let settled: Vec<Settled> = gone
        .chain(left)
        .map(|(uid, outcome, note)| Settled { uid, outcome, copy: None, note })
        .collect();
    pass.ledger.settle(folder, &settled)?;
    pass.progress.unexpect(settled.len() as u64);
    work.report.vanished += vanished.len() as u64;
    work.report.unreadable += refused.len() as u64;
    vanished.iter().for_each(|uid| work.care.end(*uid));
    for (uid, why) in refused {
        work.care.end(uid);
        work.report.note(uid, format!("the old side does not hand it out: {why}"));
    }
    Ok(())
}
