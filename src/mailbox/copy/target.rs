//! The new folder: which messages are in it, by digest.

use std::time::Duration;

use cutover_imap::{Mode, Selected, Session, internal_date};

use super::Pass;
use crate::content::Digests;
use crate::error::MailboxError;
use crate::ledger::{Claimed, FolderId, FoundTarget, Ledger};
use crate::likeness::Likeness;
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
    /// The UID that the next message had when nothing was begun: what this try sends has this one
    /// or a higher one.
    pub(crate) floor: u32,
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
        let after_last = uids.last().map_or(1, |last| last.saturating_add(1));
        self.floor = self.selected.uid_next.unwrap_or(after_last).max(after_last);
        let unknown = ledger.unknown_targets(self.folder, &uids)?;
        self.read(new, ledger, &unknown).await
    }

    /// Reads these messages, and adds them to the ledger.
    pub(crate) async fn read(
        &self,
        new: &mut Session,
        ledger: &Ledger,
        uids: &[u32],
    ) -> Result<(), MailboxError> {
        let mut reading = Reading::whole(new, uids, "INTERNALDATE");
        let mut found = Vec::new();
        while let Some((uid, fetched)) = reading.next().await.map_err(MailboxError::new)? {
            let body = fetched.body.expect("only messages with a body are read");
            let failed = |error: std::io::Error| MailboxError::new(error.into());
            let Digests { canonical, octets, .. } = Digests::of(&body).map_err(failed)?;
            let likeness = Likeness::of(&body).map_err(failed)?;
            let date = fetched.internal_date.as_deref().and_then(internal_date);
            let date = date.map(|date| date.timestamp());
            found.push(FoundTarget { uid, canonical, octets, likeness, date });
            if found.len() == ADDED_AT_ONCE {
                ledger.add_targets(self.folder, &std::mem::take(&mut found))?;
            }
        }
        ledger.add_targets(self.folder, &found)?;
        Ok(())
    }
}

/// Finds the copies of messages whose answer was lost in an earlier try. One that is not there may
/// still be on its way, so it is looked for until it would have arrived.
pub(crate) async fn settle_lost(
    target: &mut Target<'_>,
    new: &mut Session,
    pass: &Pass<'_>,
) -> Result<Claimed, MailboxError> {
    let mut claimed = pass.ledger.claim_begun(target.folder)?;
    let mut waited = Duration::ZERO;
    while !claimed.open.is_empty() && waited < pass.limits.settle_max {
        pass.clock.sleep(LOOK_AGAIN).await;
        waited += LOOK_AGAIN;
        target.look(new, pass.ledger).await?;
        let more = pass.ledger.claim_begun(target.folder)?;
        claimed.found += more.found;
        claimed.alike.extend(more.alike);
        claimed.open = more.open;
    }
    pass.ledger.set_floor(target.folder, target.floor)?;
    Ok(claimed)
}
