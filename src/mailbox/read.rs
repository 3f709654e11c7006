//! Reading messages by UID, so that each UID that was asked for ends with an answer: it came, it has
//! disappeared, or the server does not hand it out.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write as _;

use cutover_imap::{Fetched, ImapError, Response, Session, Status, Untagged};

use crate::care::Care;
use crate::throttle::{meaning, must_wait};

/// How many messages are asked for in one command. Our choice: far fewer than any line bound, and
/// enough to hide the round trip.
const AT_ONCE: usize = 500;

/// Messages that are read one after another.
pub(crate) struct Reading<'s> {
    session: &'s mut Session,
    attributes: &'static str,
    /// Sets that have not been asked for.
    queue: VecDeque<Vec<u32>>,
    asked: Option<Asked>,
    unread: Unread,
}

/// A command that has not ended.
struct Asked {
    tag: String,
    set: Vec<u32>,
    left: BTreeSet<u32>,
    /// Whether an answer was not whole.
    is_broken: bool,
}

/// What could not be read.
#[derive(Debug, Default)]
pub(crate) struct Unread {
    /// Messages that have disappeared.
    pub(crate) vanished: Vec<u32>,
    /// Messages that are there and are not handed out, with the reason.
    pub(crate) refused: Vec<(u32, String)>,
}

impl<'s> Reading<'s> {
    /// Reads whole messages, with these other attributes, of the selected folder. The UIDs are
    /// sorted.
    pub(crate) fn whole(session: &'s mut Session, uids: &[u32], attributes: &'static str) -> Self {
        let queue = uids.chunks(AT_ONCE).map(<[u32]>::to_vec).collect();
        Self { session, attributes, queue, asked: None, unread: Unread::default() }
    }

    /// The next message, with its UID and its body. Each UID comes once.
    ///
    /// # Errors
    /// The session is over, or the server asks to wait.
    pub(crate) async fn next(&mut self) -> Result<Option<(u32, Fetched)>, ImapError> {
        loop {
            let Some(asked) = &mut self.asked else {
                let Some(set) = self.queue.pop_front() else { return Ok(None) };
                let Self { attributes, .. } = self;
                let command = format!("UID FETCH {} (UID {attributes} BODY.PEEK[])", shown(&set));
                let tag = self.session.start(command.as_bytes()).await?;
                let left = set.iter().copied().collect();
                self.asked = Some(Asked { tag, set, left, is_broken: false });
                continue;
            };
            match self.session.next().await? {
                Response::Untagged(Untagged::Fetch(fetched)) => {
                    asked.is_broken |= fetched.is_broken;
                    // An answer without a body is somebody's change of flags.
                    let uid = fetched.uid.filter(|_| fetched.body.is_some());
                    if let Some(uid) = uid.filter(|uid| asked.left.remove(uid)) {
                        return Ok(Some((uid, fetched)));
                    }
                }
                Response::Tagged { tag, status, code, text } if tag == asked.tag => {
                    let reply = cutover_imap::Reply { status, code, text };
                    let asked = self.asked.take().expect("it was matched");
                    let Asked { tag: _, set, left, is_broken } = asked;
                    if status != Status::Ok && must_wait(meaning(&reply)) {
                        let command = "UID FETCH".to_owned();
                        return Err(ImapError::Refused { command, reply });
                    }
                    if !left.is_empty() {
                        let why = match (status, is_broken) {
                            (Status::Ok, false) => "the server sends no body".to_owned(),
                            (Status::Ok, true) => {
                                "the answer has another length than the server says".to_owned()
                            }
                            (_, _) => reply.to_string(),
                        };
                        self.ask_about(set.len(), left, why).await?;
                    }
                }
                Response::Tagged { .. } | Response::Continue(_) => {
                    let words = "the end of another command than UID FETCH".to_owned();
                    return Err(ImapError::Protocol(words));
                }
                Response::Untagged(_) => {}
            }
        }
    }

    /// Decides about messages that did not come: those that are gone have vanished, and the others
    /// are asked for in smaller sets, and in the end alone.
    async fn ask_about(
        &mut self,
        of: usize,
        left: BTreeSet<u32>,
        why: String,
    ) -> Result<(), ImapError> {
        let left: Vec<u32> = left.into_iter().collect();
        let command = format!("UID SEARCH UID {}", shown(&left));
        let mut there = BTreeSet::new();
        for untagged in self.session.run(command.as_bytes()).await?.untagged {
            if let Untagged::Search(found) = untagged {
                there.extend(found);
            }
        }
        let (there, gone): (Vec<u32>, Vec<u32>) =
            left.into_iter().partition(|uid| there.contains(uid));
        self.unread.vanished.extend(gone);
        match there.as_slice() {
            [] => {}
            [uid] if of == 1 => self.unread.refused.push((*uid, why)),
            several => {
                let half = several.len().div_ceil(2);
                several.chunks(half).rev().for_each(|half| self.queue.push_front(half.to_vec()));
            }
        }
        Ok(())
    }

    /// The messages that were asked for and have not come: the connection broke at one of them.
    pub(crate) fn under_way(&self) -> Vec<u32> {
        self.asked.iter().flat_map(|asked| asked.left.iter().copied()).collect()
    }

    /// What could not be read, once everything was asked for.
    pub(crate) fn unread(self) -> Unread {
        self.unread
    }
}

/// Reads whole messages of the selected folder, each at which the connection may break alone and last. What
/// could not be read is the result.
///
/// # Errors
/// The session is over, or the server asks to wait. `care` knows then what to read alone next time.
pub(crate) async fn each(
    session: &mut Session,
    uids: &[u32],
    care: &mut Care,
    is_fruitless: bool,
    mut take: impl FnMut(u32, Fetched) -> Result<(), ImapError>,
) -> Result<Unread, ImapError> {
    let is_suspect = |uid: &&u32| care.suspects.contains(*uid);
    let (suspects, others): (Vec<u32>, Vec<u32>) = uids.iter().partition(is_suspect);
    let sets = std::iter::once(&*others).chain(suspects.chunks(1));
    let mut unread = Unread::default();
    for set in sets {
        if let [uid] = set
            && care.culprit(*uid).is_some()
        {
            unread.refused.push((*uid, "the connection breaks each time".to_owned()));
            continue;
        }
        let mut reading = Reading::whole(session, set, "FLAGS INTERNALDATE");
        loop {
            match reading.next().await {
                Ok(Some((uid, fetched))) => take(uid, fetched)?,
                Ok(None) => break,
                Err(error) => {
                    care.suspect(&reading.under_way(), is_fruitless);
                    return Err(error);
                }
            }
        }
        let Unread { vanished, refused } = reading.unread();
        unread.vanished.extend(vanished);
        unread.refused.extend(refused);
    }
    Ok(unread)
}

/// UIDs as a set: `1:3,7`. They are sorted.
pub(crate) fn shown(uids: &[u32]) -> String {
    let mut text = String::new();
    for run in uids.chunk_by(|one, next| one.checked_add(1) == Some(*next)) {
        let separator = if text.is_empty() { "" } else { "," };
        let _ = match run {
            [one] => write!(text, "{separator}{one}"),
            run => write!(text, "{separator}{}:{}", run[0], run[run.len() - 1]),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn sets_are_short() {
        assert_eq!(shown(&[1]), "1");
        assert_eq!(shown(&[1, 2, 3, 7, 9, 10]), "1:3,7,9:10");
        assert_eq!(shown(&[u32::MAX - 1, u32::MAX]), "4294967294:4294967295");
        assert_eq!(shown(&[]), "");
    }
}
