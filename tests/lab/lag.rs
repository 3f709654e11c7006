//! A secondary's lag: a thread of the lab sends each NOTIFY after a delay.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::soa;

/// How often the two serials are compared. Our choice.
const POLL: Duration = Duration::from_millis(50);
/// How long to wait for a transfer before NOTIFY is sent again. Our choice.
const AGAIN: Duration = Duration::from_secs(1);

/// Makes a secondary lag behind its primary until this is dropped.
pub(crate) struct Lag {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Lag {
    /// Notifies `secondary` of each change of `zones`, `lag` after it was seen at `primary`.
    pub(crate) fn start(
        primary: SocketAddr,
        secondary: SocketAddr,
        zones: Vec<String>,
        lag: Duration,
    ) -> Self {
        let (stop, stopped) = channel();
        let thread = std::thread::spawn(move || {
            while !pause(&stopped, POLL) {
                let is_old = |zone: &&String| {
                    let newest = soa::serial(primary, zone);
                    newest.is_some() && newest != soa::serial(secondary, zone)
                };
                let changed: Vec<&String> = zones.iter().filter(is_old).collect();
                if changed.is_empty() {
                    continue;
                }
                if pause(&stopped, lag) {
                    return;
                }
                changed.iter().for_each(|zone| soa::notify(secondary, zone));
                // Wait for the transfer. A change meanwhile is noticed afterwards.
                let polls = AGAIN.as_millis() / POLL.as_millis();
                for _ in 0..polls {
                    if pause(&stopped, POLL) {
                        return;
                    }
                    if !changed.iter().any(is_old) {
                        break;
                    }
                }
            }
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

/// Waits. Returns `true` if the lag was dropped.
fn pause(stopped: &Receiver<()>, span: Duration) -> bool {
    stopped.recv_timeout(span) != Err(RecvTimeoutError::Timeout)
}

impl Drop for Lag {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
