//! Whether the new side has what it says to have stored.
//!
//! An `OK` is a claim. After the messages of a folder were sent, the UIDs that are new there are
//! compared with those that the answers have named:
//!
//! * A copy that was named and is not there was not stored, or is gone already.
//! * A message that is there and that no answer has named may be somebody else's, or the copy of a
//!   message whose answer named none, or a wrong one. It is read and compared by its digest.
//!
//! In the usual case both sets are equal, and this costs one round trip and no octet of a message.

use cutover_imap::Session;

use super::Pass;
use super::target::Target;
use super::window::alike;
use super::work::Folder;
use crate::error::MailboxError;
use crate::ledger::Expected;
use crate::report::Outcome;

/// What is said about a message of which it is not known whether the new side has it.
pub(crate) const UNCONFIRMED: &str = "the new side has said that it stored it, and no message there can be \
    recognized as it: look for it, because it is not sent again";
const LOST: &str =
    "the new side has said that it stored it, and it is not there: the next pass sends it again";

/// Compares what was sent in this pass with what is there.
pub(crate) async fn confirm(
    work: &mut Folder,
    pass: &Pass<'_>,
    target: &Target<'_>,
    new: &mut Session,
) -> Result<(), MailboxError> {
    let (ledger, folder) = (pass.ledger, target.folder);
    // What an earlier try of this pass has sent is compared too.
    let since = work.since.map_or(target.floor, |(_, since)| since);
    let Expected { copies, begun } = ledger.expected(folder, since)?;
    if begun == 0 && copies == 0 {
        return Ok(());
    }
    let likely = since.saturating_add(copies).saturating_add(begun);
    let uids = new.uids_since(since, likely).await.map_err(MailboxError::new)?;
    let arrivals = ledger.arrivals(folder, since, &uids)?;
    if arrivals.unknown.is_empty() && arrivals.gone.is_empty() && begun == 0 {
        return Ok(());
    }
    target.read(new, ledger, &arrivals.unknown).await?;
    let is_doubtful =
        !arrivals.gone.is_empty() && !arrivals.unknown.is_empty() || begun > 0 && copies > 0;
    let mut gone = arrivals.gone;
    if is_doubtful || ledger.is_contradicted(folder, since)? {
        // Wrong UIDs may have been named, so none is believed.
        gone.clear();
        ledger.forget_copies(folder, since)?;
        target.read(new, ledger, &uids).await?;
    }
    let claimed = ledger.claim_begun(folder)?;
    for (uid, copy) in &claimed.alike {
        work.report.note(*uid, alike(*copy));
    }
    // With a message there that nobody knows, it cannot be told whether the others were lost.
    let (mut unknown, mut lost): (Vec<u32>, Vec<u32>) = (Vec::new(), gone);
    match ledger.has_strangers(folder, since)? {
        true => unknown.extend(&claimed.open),
        false => lost.extend(&claimed.open),
    }
    ledger.doubt(folder, &unknown)?;
    let ends = ledger.lose(folder, &lost)?;
    let doubted = unknown.into_iter().map(|uid| (uid, Outcome::Unconfirmed));
    for (uid, outcome) in ends.into_iter().chain(doubted) {
        work.care.end(uid);
        work.report.copied = work.report.copied.saturating_sub(1);
        match outcome {
            Outcome::Lost => {
                work.report.lost += 1;
                work.report.note(uid, LOST);
            }
            Outcome::Unconfirmed
            | Outcome::Copied
            | Outcome::Vanished
            | Outcome::Refused
            | Outcome::Unreadable => {
                work.report.unconfirmed += 1;
                work.report.note(uid, UNCONFIRMED);
            }
        }
    }
    Ok(())
}
