//! The lab: real name servers for tests, started and stopped by the test that wants them.
//!
//! Each [`Server`] has a temporary directory, ports and a TSIG key of its own, so any number run at
//! once and nothing global is touched. It is killed when it is dropped, and by the kernel when the
//! test process dies before that. Nothing here asks more than the loopback interface.
//!
//! Needs Debian's `bind9`, `bind9-dnsutils`, `knot`, `knot-dnsutils`, `pdns-server`,
//! `pdns-backend-sqlite3`, `sqlite3`, `unbound`, `openssl` and, for clocks, `libfaketime`; a missing program is
//! a panic that names its package. Uses
//! the standard library and `tempfile` only.
//!
//! A secondary made by [`Bind::secondary_of`] is never told of a change before its lag has passed:
//! the primary sends no NOTIFY, and a thread of the lab sends it instead, when it is time.

#![allow(dead_code, reason = "each test binary that includes the lab uses a part of it")]

mod bind;
pub(crate) mod door;
pub(crate) mod face;
mod hasty;
mod knot;
mod lag;
mod loopback;
mod pdns;
pub(crate) mod relay;
mod server;
mod soa;
mod tls;
mod unbound;

#[allow(unused_imports, reason = "each test binary that includes the lab uses a part of it")]
pub(crate) use {
    bind::Bind,
    hasty::{Hasty, SetClock},
    knot::Knot,
    loopback::{free_port, loopback},
    pdns::{Pdns, PdnsZone},
    server::{Server, TsigKey, now, sleep},
    tls::certificate,
    unbound::Unbound,
};
