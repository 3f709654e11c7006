//! The copy: each message of the old side arrives at the new side once, as long as one ledger is used at
//! a time. `verify` looks whether it did.
//!
//! [`copy`] makes one pass over mailboxes; the first pass copies everything, each later one what has
//! changed since. A pass that ends early is continued by the next, and so is one whose process was
//! killed. A mailbox whose pass fails does not stop the others.
//!
//! In a folder, one connection reads messages while another stores those that came before, a
//! *window* at a time: the ledger notes what is about to be sent, the messages are sent without
//! waiting for each answer, and the ledger notes the answers. When a connection breaks, or a process
//! dies, the next try looks at the new folder first: what it does not know there is read, and a
//! message whose answer was lost is recognized by its digest. A message that a server may still be
//! storing is waited for ([`Limits::settle_max`]).
//!
//! A message or folder at which connections break each time is named and left for the next pass
//! (`care`), and what the new side says to have stored is compared with what is there
//! (`confirm`).
//!
//! What this does not do: it deletes nothing at the new side, and it changes nothing at the old one
//! (folders are opened with `EXAMINE`, bodies are read with `BODY.PEEK`).

pub(crate) mod confirm;
mod flags;
mod folder;
mod gone;
mod lanes;
pub(crate) mod mailbox;
pub(crate) mod source;
pub(crate) mod target;
pub(crate) mod window;
pub(crate) mod work;

use std::path::PathBuf;
use std::time::Duration;

use futures_util::StreamExt as _;

use crate::account::Pair;
use crate::clock::Clock;
use crate::ledger::Ledger;
use crate::report::{MailboxReport, Progress};

/// What a copy may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Mailboxes at once.
    pub mailboxes: usize,
    /// Connections to each side for a mailbox: folders that are copied at once.
    pub connections: usize,
    /// Messages of a window.
    pub window_messages: usize,
    /// Octets of a window that are kept in memory.
    pub window_octets: u64,
    /// How often a mailbox is begun anew without any progress.
    pub restarts_max: u32,
    /// How long a mailbox waits altogether because servers ask for it.
    pub waited_max: Duration,
    /// How long a message whose answer was lost may take to appear at the new side. A server goes
    /// on with what it has received when a connection breaks.
    pub settle_max: Duration,
}

impl Default for Limits {
    /// Our choice. Gmail allows 15 connections to an account, Dovecot 10 from one address, other hosts
    /// fewer; people's own programs need some, too.
    fn default() -> Self {
        Self {
            mailboxes: 4,
            connections: 3,
            window_messages: 256,
            window_octets: 1 << 20,
            restarts_max: 6,
            waited_max: Duration::from_secs(24 * 3600),
            settle_max: Duration::from_secs(5),
        }
    }
}

/// What all mailboxes of a pass share.
pub struct Pass<'a> {
    /// The ledger.
    pub ledger: &'a Ledger,
    /// Where messages are put that the new side refuses.
    pub aside: PathBuf,
    /// The clock.
    pub clock: &'a dyn Clock,
    /// The counters.
    pub progress: &'a Progress,
    /// The limits.
    pub limits: Limits,
}

/// Makes a pass over mailboxes. The reports are in their order.
pub async fn copy(pairs: &[Pair], pass: &Pass<'_>) -> Vec<MailboxReport> {
    let passes = pairs.iter().map(|pair| mailbox::copy(pair, pass));
    futures_util::stream::iter(passes).buffered(pass.limits.mailboxes.max(1)).collect().await
}
