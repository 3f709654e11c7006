//! The name servers of a fake provider: a real BIND, which gets each change a lag after the fake has made
//! it. So what the fake's API shows and what is served can differ, as with real providers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant};

use super::bind::Bind;
use super::server::{Server, now, sleep};

/// Maximum lines of one message of `nsupdate`: a message has at most 64 KiB.
const LINES_MAX: usize = 300;

/// A change as lines of `nsupdate`, such as `update delete www.acme.test. A`.
struct Push {
    zone: String,
    lines: Vec<String>,
    due: Instant,
    ticket: u64,
}

/// The server that publishes a fake's zones.
pub(crate) struct PublishedDns {
    server: Arc<Server>,
    lag: Duration,
    /// Set to `None` on drop, which ends the thread.
    pushes: Option<mpsc::Sender<Push>>,
    pushing: Option<JoinHandle<()>>,
    /// The last ticket that was given out.
    given: AtomicU64,
    /// The last ticket whose change is served.
    served: Arc<AtomicU64>,
}

impl PublishedDns {
    /// Serves these zones, given as origin and master file. Each change is served after the lag.
    pub(crate) fn start(zones: &[(&str, &str)], lag: Duration) -> Self {
        let server = Arc::new(Bind::primary(zones));
        let (pushes, due) = mpsc::channel::<Push>();
        let served = Arc::new(AtomicU64::new(0));
        let (bind, last) = (Arc::clone(&server), Arc::clone(&served));
        let pushing = spawn(move || {
            for push in due {
                sleep(push.due.saturating_duration_since(now()));
                for lines in push.lines.chunks(LINES_MAX) {
                    bind.nsupdate(&format!("zone {}\n{}", push.zone, lines.join("\n")));
                }
                last.store(push.ticket, Ordering::SeqCst);
            }
        });
        let (pushes, pushing) = (Some(pushes), Some(pushing));
        Self { server, lag, pushes, pushing, given: AtomicU64::new(0), served }
    }

    /// The server.
    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// Publishes new RRsets after the lag. They are given by owner and type, as the lines
    /// `OWNER TTL IN TYPE RDATA` that replace the present ones. Returns a ticket for
    /// [`PublishedDns::is_served`].
    pub(crate) fn publish(
        &self,
        zone: &str,
        rrsets: &BTreeMap<(String, String), Vec<String>>,
    ) -> u64 {
        // Delete first, because BIND refuses to add a CNAME beside other records.
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
    pub(crate) fn is_served(&self, ticket: u64) -> bool {
        self.served.load(Ordering::SeqCst) >= ticket
    }
}

impl Drop for PublishedDns {
    fn drop(&mut self) {
        self.pushes = None;
        if let Some(pushing) = self.pushing.take() {
            let _ = pushing.join();
        }
    }
}
