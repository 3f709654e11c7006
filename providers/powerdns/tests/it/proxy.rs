//! The lab's relay as the tests of this adapter use it: with URLs as in a plan, and with requests
//! counted.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::lab::relay::{self, Protocol};
pub(crate) use crate::lab::relay::{Fate, http};

/// `fate` sees each PATCH before the server does, counted from 0.
pub(crate) fn before(
    server: SocketAddr,
    fate: impl Fn(usize) -> Fate + Send + Sync + 'static,
) -> String {
    between(server, |request| request.starts_with(b"PATCH "), fate)
}

/// Calls `meddle` before each request for the zone without its RRsets, counted from 0.
pub(crate) fn before_looks(
    server: SocketAddr,
    meddle: impl Fn(usize) + Send + Sync + 'static,
) -> String {
    let is_look = |request: &[u8]| {
        let line = request.split(|octet| *octet == b'\r').next().unwrap_or_default();
        String::from_utf8_lossy(line).contains("?rrsets=false")
    };
    between(server, is_look, move |seen| {
        meddle(seen);
        Fate::Pass
    })
}

fn between(
    server: SocketAddr,
    is_meant: impl Fn(&[u8]) -> bool + Send + Sync + 'static,
    fate: impl Fn(usize) -> Fate + Send + Sync + 'static,
) -> String {
    let seen = AtomicUsize::new(0);
    url(relay::before(server, Protocol::Http, move |request| match is_meant(request) {
        true => fate(seen.fetch_add(1, Ordering::SeqCst)),
        false => Fate::Pass,
    }))
}

/// Answers every request with this.
pub(crate) fn babbler(answer: Vec<u8>) -> String {
    url(relay::babbler(Protocol::Http, vec![answer]))
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}
