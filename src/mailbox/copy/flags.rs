//! Flags that have changed at the old side since they were copied.

use std::collections::{BTreeMap, BTreeSet};

use cutover_imap::{ImapError, Response, Selected, Session, Status, Untagged};

use super::Pass;
use super::work::Folder;
use crate::error::MailboxError;
use crate::flags::{joined, kept, sendable, split};
use crate::ledger::FolderId;
use crate::read;
use crate::throttle::{meaning, must_wait};

/// How many messages get the same change of flags in one command.
const STORED_AT_ONCE: usize = 500;

/// A change of flags, and the messages that it concerns: UIDs at the old and at the new side, and
/// the flags that they have now at the old side.
type Changes = BTreeMap<(BTreeSet<String>, BTreeSet<String>), Vec<(u32, u32, String)>>;

/// Makes the changes of flags at the old side, since the last pass, at the new side too. Flags that
/// somebody has changed at the new side only stay as they are. Whether all changes were made: those that
/// the new side refuses are tried again by the next pass.
pub(super) async fn follow(
    work: &mut Folder,
    pass: &Pass<'_>,
    folder: FolderId,
    (old, there, since): (&mut Session, &Selected, Option<u64>),
    (new, target): (&mut Session, &Selected),
) -> Result<bool, MailboxError> {
    if since.is_some() && since == there.highest_modseq {
        return Ok(true);
    }
    let mut is_whole = true;
    let mut command = "UID FETCH 1:* (UID FLAGS)".to_owned();
    if let (Some(since), Some(_)) = (since, there.highest_modseq) {
        command += &format!(" (CHANGEDSINCE {since})");
    }
    let mut changes = Changes::new();
    let tag = old.start(command.as_bytes()).await.map_err(MailboxError::old)?;
    let mut reply = None;
    while reply.is_none() {
        let response = old.next().await.map_err(MailboxError::old)?;
        if let Response::Untagged(Untagged::Fetch(fetched)) = response {
            let (Some(uid), Some(flags)) = (fetched.uid, fetched.flags) else { continue };
            let Some((before, copy)) = pass.ledger.flags(folder, uid)? else { continue };
            let (now, _) = sendable(&flags);
            let before = split(&before);
            if now != before {
                let added = kept(&(&now - &before), target.permanent_flags.as_ref());
                let removed = kept(&(&before - &now), target.permanent_flags.as_ref());
                changes.entry((added, removed)).or_default().push((uid, copy, joined(&now)));
            }
        } else {
            reply = response.ends(&tag);
        }
    }
    if let Some(reply) = reply.filter(|reply| reply.status != Status::Ok) {
        let command = "UID FETCH".to_owned();
        return Err(MailboxError::old(ImapError::Refused { command, reply }));
    }
    for ((added, removed), messages) in changes {
        for messages in messages.chunks(STORED_AT_ONCE) {
            let mut copies: Vec<u32> = messages.iter().map(|(_, copy, _)| *copy).collect();
            copies.sort_unstable();
            let set = read::shown(&copies);
            let mut refused = None;
            for (sign, flags) in [('+', &added), ('-', &removed)] {
                if flags.is_empty() {
                    continue;
                }
                let command = format!("UID STORE {set} {sign}FLAGS.SILENT ({})", joined(flags));
                match new.run(command.as_bytes()).await {
                    Ok(_) => {}
                    Err(ImapError::Refused { reply, .. }) if !must_wait(meaning(&reply)) => {
                        refused = Some(reply);
                    }
                    Err(error) => return Err(MailboxError::new(error)),
                }
            }
            if let Some(reply) = refused {
                is_whole = false;
                let text = format!("the new side refuses a change of flags: {reply}");
                messages.iter().for_each(|(uid, ..)| work.report.note(*uid, &*text));
                continue;
            }
            work.report.flags_changed += messages.len() as u64;
            let flags = messages.iter().map(|(uid, _, flags)| (*uid, flags.clone()));
            pass.ledger.set_flags(folder, &flags.collect::<Vec<_>>())?;
        }
    }
    Ok(is_whole)
}
