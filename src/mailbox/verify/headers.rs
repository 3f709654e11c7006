//! Messages that have no equal at the other side: what they are called, and which of them are one
//! message with two contents.

use std::collections::{BTreeMap, BTreeSet};

use cutover_imap::{ImapError, Octets, Response, Session, Untagged};

use super::{FolderComparison, Listed};
use crate::read::shown;

/// How many are asked for at once.
const AT_ONCE: usize = 500;
/// How many messages of a folder get a name. The others are listed by their UIDs only, and are
/// never found to be altered: a folder in which more are missing was not copied. Our choice.
const NAMED_MAX: usize = 20_000;
/// The octets of a header field that are kept.
const FIELD_OCTETS_MAX: usize = 300;

/// A message and what it is recognized by.
pub(super) struct Named {
    listed: Listed,
    key: Option<String>,
}

/// Asks for the names of messages of the selected folder.
pub(super) async fn of(session: &mut Session, uids: &[u32]) -> Result<Vec<Named>, ImapError> {
    let mut fields: BTreeMap<u32, BTreeMap<String, String>> = BTreeMap::new();
    for set in uids[..uids.len().min(NAMED_MAX)].chunks(AT_ONCE) {
        let wanted = "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID DATE FROM SUBJECT)]";
        let command = format!("UID FETCH {} (UID {wanted})", shown(set));
        let tag = session.start(command.as_bytes()).await?;
        let mut reply = None;
        while reply.is_none() {
            let response = session.next().await?;
            if let Response::Untagged(Untagged::Fetch(fetched)) = response {
                if let (Some(uid), Some(header)) = (fetched.uid, &fetched.header) {
                    fields.insert(uid, header_fields(header)?);
                }
            } else {
                // Messages without names are listed by their UIDs.
                reply = response.ends(&tag);
            }
        }
    }
    let named = uids.iter().map(|uid| {
        let mut fields = fields.remove(uid).unwrap_or_default();
        let of_others = || {
            let parts = ["date", "from", "subject"].map(|name| fields.get(name));
            parts[0].map(|_| format!("{parts:?}"))
        };
        let key = fields.get("message-id").cloned().or_else(of_others);
        let listed = Listed {
            uid: *uid,
            message_id: fields.remove("message-id"),
            subject: fields.remove("subject"),
            text: None,
        };
        Named { listed, key }
    });
    Ok(named.collect())
}

/// Fields of a header by their names in lower case; of several with one name, the first.
fn header_fields(header: &Octets) -> std::io::Result<BTreeMap<String, String>> {
    let mut octets = Vec::new();
    header.pieces(|piece| octets.extend_from_slice(piece))?;
    let text = String::from_utf8_lossy(&octets).replace("\r\n ", " ").replace("\r\n\t", " ");
    let mut fields = BTreeMap::new();
    for line in text.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value: String = value.trim().chars().take(FIELD_OCTETS_MAX).collect();
        fields.entry(name.trim().to_ascii_lowercase()).or_insert(value);
    }
    Ok(fields)
}

/// Lists what is altered, refused, missing and extra. `refused` has the messages that the new side
/// has refused when they were copied.
pub(super) fn pair(
    missing: Vec<Named>,
    extra: Vec<Named>,
    refused: &BTreeSet<u32>,
    result: &mut FolderComparison,
) {
    let mut by_key: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for Named { listed, key } in extra.iter().rev() {
        if let Some(key) = key {
            by_key.entry(key.clone()).or_default().push(listed.uid);
        }
    }
    let mut paired = BTreeSet::new();
    for Named { mut listed, key } in missing {
        let other = key.and_then(|key| by_key.get_mut(&key)?.pop());
        match other {
            Some(uid) => {
                paired.insert(uid);
                listed.text = Some(format!("UID {uid} at the new side has another content"));
                result.altered.add(listed);
            }
            None if refused.contains(&listed.uid) => result.refused.add(listed),
            None => result.missing.add(listed),
        }
    }
    for Named { listed, .. } in extra {
        if !paired.contains(&listed.uid) {
            result.extra.add(listed);
        }
    }
}
