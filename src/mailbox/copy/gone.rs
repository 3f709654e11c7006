//! Folders that were at the new side, and are not any more.
//!
//! People who work at the new side tidy up: they delete folders, and rename them. A folder of theirs
//! that came back with the next message would undo that, so it is named instead, and nothing is
//! copied into it. If the whole mailbox was made anew, nobody has tidied up, and everything is copied
//! again. The sign of it is the UIDVALIDITY of INBOX, which nobody can delete.

use std::collections::BTreeMap;

use cutover_imap::{Mode, Session, StatusOf, Untagged, quoted};

use super::Pass;
use super::work::Folder;
use crate::error::{MailboxError, Side};
use crate::folders::{Tree, shown};

/// A folder that is gone.
pub(super) struct Gone<'a> {
    pub(super) old: &'a [u8],
    new: &'a [u8],
    /// What it may be called now.
    renamed: Option<String>,
}

/// Notices that the mailbox was made anew at the new side, and says so to the ledger.
pub(super) async fn notice_anew(
    new: &mut Session,
    pass: &Pass<'_>,
    accounts: (&str, &str),
) -> Result<bool, MailboxError> {
    let known = pass.ledger.new_validities(accounts.0, accounts.1)?;
    let inbox = known.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(b"INBOX"));
    let Some((inbox, before)) = inbox else { return Ok(false) };
    // The status of a mailbox that is made when it is opened may be an old one.
    let now = new.select(&inbox, Mode::Read).await.map_err(MailboxError::new)?.uid_validity;
    let is_anew = now.is_some_and(|now| now != before);
    if is_anew {
        pass.ledger.made_anew(accounts.0, accounts.1)?;
    }
    Ok(is_anew)
}

/// The UIDVALIDITY of folders.
async fn validities(
    session: &mut Session,
    names: &[&Vec<u8>],
) -> Result<BTreeMap<Vec<u8>, u32>, MailboxError> {
    let command = |name: &&Vec<u8>| {
        let argument = quoted(name).unwrap_or_default();
        [b"STATUS ", &*argument, b" (UIDVALIDITY)"].concat()
    };
    let commands: Vec<Vec<u8>> = names.iter().map(command).collect();
    let (_, untagged) = session.run_all(&commands).await.map_err(MailboxError::new)?;
    let mut validities = BTreeMap::new();
    for one in untagged {
        if let Untagged::Counts(StatusOf { name, uid_validity: Some(validity), .. }) = one {
            validities.insert(name, validity);
        }
    }
    Ok(validities)
}

/// Those of the absent folders that the new side has had.
pub(super) async fn at_new<'a>(
    new: &mut Session,
    pass: &Pass<'_>,
    accounts: (&str, &str),
    names: &BTreeMap<Vec<u8>, Vec<u8>>,
    tree: &Tree,
    absent: &[(&'a [u8], &'a [u8])],
) -> Result<Vec<Gone<'a>>, MailboxError> {
    let known = pass.ledger.new_validities(accounts.0, accounts.1)?;
    let mut gone = Vec::new();
    for (old, name) in absent {
        if let Some(validity) = known.get(*name) {
            gone.push((*old, *name, *validity));
        }
    }
    if gone.is_empty() {
        return Ok(Vec::new());
    }
    // Where a folder may be now: one that is no copy of another.
    let others = tree.folders.keys().filter(|name| !names.values().any(|known| known == *name));
    let others = validities(new, &others.collect::<Vec<_>>()).await?;
    let gone = gone.into_iter().map(|(old, new, validity)| {
        let renamed = others.iter().find(|(_, now)| **now == validity);
        Gone { old, new, renamed: renamed.map(|(name, _)| shown(name)) }
    });
    Ok(gone.collect())
}

impl Gone<'_> {
    /// Says how many messages are not copied because of it.
    pub(super) async fn name(
        &self,
        work: &mut Folder,
        accounts: (&str, &str),
        pass: &Pass<'_>,
        session: &mut Session,
    ) -> Result<(), MailboxError> {
        let Self { old, new, renamed } = self;
        let there = session.select(old, Mode::Read).await.map_err(MailboxError::old)?;
        let uids = session.uids(there.exists).await.map_err(MailboxError::old)?;
        let folder = pass.ledger.folder(accounts, (old, new))?;
        let no_validity = MailboxError::NoUidValidity { side: Side::Old, folder: shown(old) };
        pass.ledger.old_validity(folder, there.uid_validity.ok_or(no_validity)?)?;
        let compared = pass.ledger.compare(folder, &uids)?;
        work.report.messages = uids.len() as u64;
        work.report.already = compared.copied;
        pass.ledger.set_gone(folder)?;
        let open = compared.open.len() as u64;
        let (folder, renamed) = (shown(new), renamed.clone());
        if open > 0 {
            work.report.error = Some(MailboxError::GoneAtNew { folder, renamed, open }.to_string());
        } else {
            let now = renamed.map_or_else(String::new, |name| format!(" (maybe to {name})"));
            let text = format!(
                "people have deleted or renamed the folder at the new side{now}: it is not made again"
            );
            work.report.note(0, text);
        }
        Ok(())
    }
}
