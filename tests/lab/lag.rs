//! A secondary's lag: NOTIFY is sent by a thread of the lab, and not before it is time.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::soa;

/// How often the two serials are compared. Our choice.
const POLL: Duration = Duration::from_millis(50);
/// How long a secondary that was told gets before it is told again. Our choice.
const AGAIN: Duration = Duration::from_secs(1);

/// Keeps one secondary behind its primary; ends when it is dropped.
pub(crate) struct Lag {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Lag {
    /// Tells `secondary` of each change of `zones` at `primary`, `lag` after it was seen there.
    pub(crate) fn start(
        primary: SocketAddr,
        secondary: SocketAddr,
        zones: Vec<String>,
        lag: Duration,
    ) -> Self {
        let (stop, stopped) = channel();
        let thread = std::thread::spawn(move || {
            while !pause(&stopped, POLL) {
                let behind = |zone: &&String| {
                    let newest = soa::serial(primary, zone);
                    newest.is_some() && newest != soa::serial(secondary, zone)
                };
                let changed: Vec<&String> = zones.iter().filter(behind).collect();
                if changed.is_empty() {
                    continue;
                }
                if pause(&stopped, lag) {
                    return;
                }
                changed.iter().for_each(|zone| soa::notify(secondary, zone));
                // The transfer takes a moment; what is told meanwhile is not lost, only later.
                let told = AGAIN.as_millis() / POLL.as_millis();
                for _ in 0..told {
                    if pause(&stopped, POLL) {
                        return;
                    }
                    if !changed.iter().any(behind) {
                        break;
                    }
                }
            }
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

/// Waits; `true` when it is over.
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
