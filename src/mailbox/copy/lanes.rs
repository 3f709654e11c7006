//! The folders of a mailbox, several at a time: each *lane* has a connection to each side, and takes
//! the next folder when it is through with one.
//!
//! What costs time is most often the way to the servers and back: a folder needs five round trips, however
//! few messages it has. A host that refuses more connections gets fewer: only the first lane has to be
//! there.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use cutover_imap::Session;

use super::work::Folder;
use super::{Pass, folder};
use crate::account::Pair;
use crate::error::MailboxError;

/// A folder to copy.
pub(super) struct Job {
    pub(super) old: Vec<u8>,
    pub(super) new: Vec<u8>,
    pub(super) work: Folder,
}

/// How the folders ended.
#[derive(Default)]
pub(super) struct Ended {
    /// All of them, by their names at the old side.
    pub(super) folders: BTreeMap<Vec<u8>, Folder>,
    /// Those in which something happened that stops the mailbox.
    pub(super) failed: Vec<(Vec<u8>, MailboxError)>,
}

struct Lanes<'a> {
    pair: &'a Pair,
    pass: &'a Pass<'a>,
    queue: Mutex<VecDeque<Job>>,
    ended: Mutex<Ended>,
    /// Whether no more folders are begun.
    stops: AtomicBool,
}

/// Copies folders. The sessions are those of the first lane; they come back if they are still good.
pub(super) async fn copy(
    pair: &Pair,
    pass: &Pass<'_>,
    first: (Session, Session),
    jobs: Vec<Job>,
) -> Ended {
    let count = pass.limits.connections.clamp(1, jobs.len().max(1));
    let lanes = Lanes {
        pair,
        pass,
        queue: Mutex::new(jobs.into()),
        ended: Mutex::default(),
        stops: AtomicBool::new(false),
    };
    let others = (1..count).map(|_| lanes.another());
    tokio::join!(lanes.run(first), futures_util::future::join_all(others));
    let mut ended = lanes.ended.into_inner().unwrap_or_else(PoisonError::into_inner);
    let left = lanes.queue.into_inner().unwrap_or_else(PoisonError::into_inner);
    ended.folders.extend(left.into_iter().map(|Job { old, work, .. }| (old, work)));
    ended
}

impl Lanes<'_> {
    /// A lane beside the first. If there is no connection for it, the others do its work.
    async fn another(&self) {
        if let Ok(sessions) = self.sessions().await {
            self.run(sessions).await;
        }
    }

    async fn sessions(&self) -> Result<(Session, Session), MailboxError> {
        let (old, new) = tokio::join!(self.pair.old.session(), self.pair.new.session());
        Ok((old.map_err(MailboxError::old)?, new.map_err(MailboxError::new)?))
    }

    fn next(&self) -> Option<Job> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if self.stops.load(Ordering::Relaxed) { None } else { queue.pop_front() }
    }

    async fn run(&self, (mut old, mut new): (Session, Session)) {
        let accounts = (self.pair.old.name.as_str(), self.pair.new.name.as_str());
        while let Some(Job { old: old_name, new: new_name, mut work }) = self.next() {
            let sides = ((&mut old, &*old_name), (&mut new, &*new_name));
            let copied = folder::copy(&mut work, accounts, self.pass, sides.0, sides.1).await;
            let failed = match copied {
                Ok(()) => None,
                // Other folders are not concerned, but a command of this one may not have ended.
                Err(error) if error.is_of_folder() => {
                    work.report.error = Some(error.to_string());
                    work.is_done = true;
                    match self.sessions().await {
                        Ok(again) => {
                            (old, new) = again;
                            None
                        }
                        Err(error) => Some(error),
                    }
                }
                Err(error) => Some(error),
            };
            work.is_done |= failed.is_none();
            let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
            ended.folders.insert(old_name.clone(), work);
            if let Some(error) = failed {
                self.stops.store(true, Ordering::Relaxed);
                ended.failed.push((old_name, error));
                return;
            }
        }
        tokio::join!(old.close(), new.close());
    }
}
