//! The lab: real name servers, which tests start and stop.
//!
//! Each [`Server`] has its own temporary directory, ports and TSIG key, so any number can run at once
//! and nothing global is touched. It is killed when it is dropped, or by the kernel if the test process
//! dies first. The lab needs no network but the loopback interface.
//!
//! Needs Debian's `bind9`, `bind9-dnsutils`, `knot`, `knot-dnsutils`, `pdns-server`,
//! `pdns-backend-sqlite3`, `sqlite3`, `unbound`, `postfix`, `dovecot-imapd`, `openssl` and, for clocks,
//! `libfaketime`. If a program is missing, the panic names its package. Uses only the standard library and `tempfile`.
//!
//! A secondary made by [`Bind::secondary_of`] gets no change before its lag has passed: the primary sends
//! no NOTIFY, and a thread of the lab sends it later instead.

#![allow(dead_code, reason = "each test binary that includes the lab uses a part of it")]

mod bind;
mod dovecot;
mod fast_clock;
pub(crate) mod fault_proxy;
mod knot;
mod lag;
mod loopback;
pub(crate) mod mailbox_host;
mod odd;
mod pdns;
mod postfix;
pub(crate) mod published_dns;
pub(crate) mod relay;
mod server;
mod soa;
mod tls;
mod unbound;

#[allow(unused_imports, reason = "each test binary that includes the lab uses a part of it")]
pub(crate) use {
    bind::Bind,
    dovecot::Dovecot,
    fast_clock::{FastClock, SetClock},
    knot::Knot,
    loopback::{free_port, loopback},
    mailbox_host::MailboxHost,
    odd::{Odd, odd},
    pdns::{Pdns, PdnsZone},
    postfix::{Postfix, Session},
    server::{Server, TsigKey, now, sleep},
    tls::{Authority, certificate},
    unbound::Unbound,
};
