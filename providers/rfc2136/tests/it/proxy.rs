//! The lab's relay as the tests of this adapter use it, with updates counted.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) use crate::lab::relay::Fate;
use crate::lab::relay::{self, Protocol};

/// `fate` sees each UPDATE (opcode 5, RFC 2136 §2.2) before the server does, counted from 0.
pub(crate) fn before(
    server: SocketAddr,
    fate: impl Fn(usize) -> Fate + Send + Sync + 'static,
) -> SocketAddr {
    let seen = AtomicUsize::new(0);
    relay::before(server, Protocol::Dns, move |request| match (request[2] >> 3) & 0x0f {
        5 => fate(seen.fetch_add(1, Ordering::SeqCst)),
        _ => Fate::Pass,
    })
}

/// Answers the first message of each connection with these messages.
pub(crate) fn babbler(answers: Vec<Vec<u8>>) -> SocketAddr {
    relay::babbler(Protocol::Dns, answers)
}
