//! The name servers of a fake provider: a real BIND, which is told of each change a lag after the
//! fake has made it. So what a fake says and what is served are two things, as at real providers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant};

use super::bind::Bind;
use super::server::{Server, now, sleep};

/// Lines of one message of `nsupdate` at the most: a message has 64 KiB.
const LINES_MAX: usize = 300;

/// A change as lines of `nsupdate`, such as `update delete www.acme.test. A`.
struct Push {
    zone: String,
    lines: Vec<String>,
    due: Instant,
    ticket: u64,
}

/// What is served of a fake's zones.
pub(crate) struct Face {
    server: Arc<Server>,
    lag: Duration,
    /// Taken when this is dropped, so that the thread ends.
    pushes: Option<mpsc::Sender<Push>>,
    pushing: Option<JoinHandle<()>>,
    given: AtomicU64,
    shown: Arc<AtomicU64>,
}

impl Face {
    /// Serves these zones, origin and master file text, and each change this much after it is told.
    pub(crate) fn start(zones: &[(&str, &str)], lag: Duration) -> Self {
        let server = Arc::new(Bind::primary(zones));
        let (pushes, due) = mpsc::channel::<Push>();
        let shown = Arc::new(AtomicU64::new(0));
        let (behind, last) = (Arc::clone(&server), Arc::clone(&shown));
        let pushing = spawn(move || {
            for push in due {
                sleep(push.due.saturating_duration_since(now()));
                for lines in push.lines.chunks(LINES_MAX) {
                    behind.nsupdate(&format!("zone {}\n{}", push.zone, lines.join("\n")));
                }
                last.store(push.ticket, Ordering::SeqCst);
            }
        });
        let (pushes, pushing) = (Some(pushes), Some(pushing));
        Self { server, lag, pushes, pushing, given: AtomicU64::new(0), shown }
    }

    /// The server.
    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// Tells of what RRsets have become: owner and type, and the lines `OWNER TTL IN TYPE RDATA` of
    /// what is there now. The answer is a ticket for [`Face::is_shown`].
    pub(crate) fn tell(&self, zone: &str, rrsets: &BTreeMap<(String, String), Vec<String>>) -> u64 {
        // All that goes, goes first: a CNAME does not come beside what is there.
        let gone = rrsets.keys().map(|(owner, rtype)| format!("update delete {owner} {rtype}"));
        let there = rrsets.values().flatten().map(|line| format!("update add {line}"));
        let push = Push {
            zone: zone.to_owned(),
            lines: gone.chain(there).collect(),
            due: now() + self.lag,
            ticket: self.given.fetch_add(1, Ordering::SeqCst) + 1,
        };
        let ticket = push.ticket;
        let sent = self.pushes.as_ref().map(|pushes| pushes.send(push).is_ok());
        assert_eq!(sent, Some(true), "the server of a fake takes its changes");
        ticket
    }

    /// Whether a change is served by now.
    pub(crate) fn is_shown(&self, ticket: u64) -> bool {
        self.shown.load(Ordering::SeqCst) >= ticket
    }
}

impl Drop for Face {
    fn drop(&mut self) {
        self.pushes = None;
        if let Some(pushing) = self.pushing.take() {
            let _ = pushing.join();
        }
    }
}
