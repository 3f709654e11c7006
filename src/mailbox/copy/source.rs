//! The old side: messages as they are read, in windows.

use cutover_imap::{Fetched, Octets, Session};
use tokio::sync::mpsc;

use super::Limits;
use crate::content::Digests;
use crate::error::{MailboxError, Side};
use crate::flags::sendable;
use crate::likeness::Likeness;
use crate::read::{Reading, Unread};

/// What is asked for beside the body.
pub(crate) const ATTRIBUTES: &str = "FLAGS INTERNALDATE";

/// A message of the old side.
pub(crate) struct Mail {
    pub(crate) uid: u32,
    /// The flags that can be sent.
    pub(crate) flags: std::collections::BTreeSet<String>,
    /// The internal date, as it was sent by the old side; only if it is a date.
    pub(crate) date: Option<String>,
    pub(crate) body: Octets,
    pub(crate) digests: Digests,
    pub(crate) likeness: Likeness,
    /// What could not be taken over.
    pub(crate) notes: Vec<String>,
}

impl Mail {
    /// Its internal date, in seconds since 1970.
    pub(crate) fn seconds(&self) -> Option<i64> {
        let date = cutover_imap::internal_date(self.date.as_deref()?)?;
        Some(date.timestamp())
    }
}

/// Reads messages and sends them in windows to where they are stored. What could not be read is
/// the result. If nobody stores any more, reading ends. When the connection breaks, what was read is
/// still sent, and `under_way` gets the messages that had been asked for.
pub(crate) async fn read(
    session: &mut Session,
    uids: &[u32],
    sender: mpsc::Sender<Vec<Mail>>,
    limits: Limits,
    under_way: &mut Vec<u32>,
) -> Result<Unread, MailboxError> {
    let mut reading = Reading::whole(session, uids, ATTRIBUTES);
    let mut window = Vec::new();
    let mut octets = 0;
    let ended = loop {
        let (uid, fetched) = match reading.next().await {
            Ok(Some(read)) => read,
            Ok(None) => break Ok(()),
            Err(error) => {
                under_way.extend(reading.under_way());
                break Err(MailboxError::old(error));
            }
        };
        let mail = mail(uid, fetched)?;
        let more = mail.body.in_memory();
        let is_full =
            window.len() >= limits.window_messages || octets + more > limits.window_octets;
        if is_full && !window.is_empty() {
            octets = 0;
            if sender.send(std::mem::take(&mut window)).await.is_err() {
                return Ok(Unread::default());
            }
        }
        octets += more;
        window.push(mail);
    };
    if !window.is_empty() {
        // If nobody stores any more, its error is the result of both.
        let _ = sender.send(window).await;
    }
    ended.map(|()| reading.unread())
}

/// A message as it is sent.
pub(crate) fn mail(uid: u32, fetched: Fetched) -> Result<Mail, MailboxError> {
    let Fetched { flags, internal_date, body, .. } = fetched;
    let body = body.expect("only messages with a body are read");
    let failed =
        |error: std::io::Error| MailboxError::Imap { side: Side::Old, error: error.into() };
    let digests = Digests::of(&body).map_err(failed)?;
    let likeness = Likeness::of(&body).map_err(failed)?;
    let mut notes = Vec::new();
    let (flags, bad) = sendable(&flags.unwrap_or_default());
    if !bad.is_empty() {
        notes.push(format!("flags that no server takes were left out: {}", bad.join(" ")));
    }
    let date = internal_date.as_deref().and_then(cutover_imap::internal_date);
    if date.is_none() {
        let words = internal_date.as_deref().map(|text| text.escape_debug().to_string());
        let words = words.unwrap_or_else(|| "none".to_owned());
        notes.push(format!("the old side has no internal date for it ({words})"));
    }
    let date = date.map(|date| date.format("%d-%b-%Y %H:%M:%S %z").to_string());
    Ok(Mail { uid, flags, date, body, digests, likeness, notes })
}
