//! The new folder: which messages are in it, by digest.

use std::time::Duration;

use cutover_imap::{Mode, Selected, Session};

use super::Pass;
use crate::content::Digests;
use crate::error::MailboxError;
use crate::ledger::{FolderId, Ledger};
use crate::read::Reading;

/// How many messages are added to the ledger at once.
const ADDED_AT_ONCE: usize = 500;
/// How often a folder is looked at while a lost answer may still have an effect.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// A folder of the new side.
pub(crate) struct Target<'a> {
    pub(crate) folder: FolderId,
    pub(crate) name: &'a [u8],
    pub(crate) validity: u32,
    pub(crate) selected: Selected,
}

impl Target<'_> {
    /// Reads every message of the folder that the ledger does not know.
    pub(crate) async fn look(
        &mut self,
        new: &mut Session,
        ledger: &Ledger,
    ) -> Result<(), MailboxError> {
        self.selected = new.select(self.name, Mode::Write).await.map_err(MailboxError::new)?;
        self.look_first(new, ledger).await
    }

    /// The same, of a folder that was just opened.
    pub(crate) async fn look_first(
        &mut self,
        new: &mut Session,
        ledger: &Ledger,
    ) -> Result<(), MailboxError> {
        let uids = new.uids(self.selected.exists).await.map_err(MailboxError::new)?;
        let unknown = ledger.unknown_targets(self.folder, &uids)?;
        let mut reading = Reading::whole(new, &unknown, "");
        let mut found = Vec::new();
        while let Some((uid, fetched)) = reading.next().await.map_err(MailboxError::new)? {
            let body = fetched.body.expect("only messages with a body are read");
            let digests = Digests::of(&body).map_err(|error| MailboxError::new(error.into()))?;
            found.push((uid, digests.canonical));
            if found.len() == ADDED_AT_ONCE {
                ledger.add_targets(self.folder, &std::mem::take(&mut found))?;
            }
        }
        ledger.add_targets(self.folder, &found)?;
        Ok(())
    }
}

/// Finds the copies of messages whose answer was lost in an earlier try. One that is not there may
/// still be on its way, so it is looked for until it would have arrived. How many were found.
pub(crate) async fn settle_lost(
    target: &mut Target<'_>,
    new: &mut Session,
    pass: &Pass<'_>,
) -> Result<u64, MailboxError> {
    let (mut found, mut open) = pass.ledger.claim_begun(target.folder)?;
    let mut waited = Duration::ZERO;
    while !open.is_empty() && waited < pass.limits.settle_max {
        pass.clock.sleep(LOOK_AGAIN).await;
        waited += LOOK_AGAIN;
        target.look(new, pass.ledger).await?;
        let (more, left) = pass.ledger.claim_begun(target.folder)?;
        found += more;
        open = left;
    }
    Ok(found)
}
