//! Addresses and ports of this machine on which a server can listen.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Mutex;

/// Ports that were given to a server of this process, so that no port is given out twice.
static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// Attempts to find a port that is free for both protocols. Our choice.
const ATTEMPTS_MAX: usize = 100;

/// The `n`th loopback address, from 1: `127.0.53.n` if the interface has it (`tests/run` adds nine
/// to `lo`). Otherwise `127.0.0.1` for the first, and for the second `::1` if there is one.
///
/// BIND listens only on addresses that an interface has, although any address of 127.0.0.0/8 can be
/// bound. Several `n` may have the same address; then the ports differ.
pub(crate) fn loopback(n: u8) -> IpAddr {
    let own = Ipv4Addr::new(127, 0, 53, n);
    if is_on_an_interface(own) {
        return own.into();
    }
    match n == 2 && has_ipv6_loopback() {
        true => Ipv6Addr::LOCALHOST.into(),
        false => Ipv4Addr::LOCALHOST.into(),
    }
}

/// Whether the kernel's table of local addresses lists this one as a host's.
fn is_on_an_interface(address: Ipv4Addr) -> bool {
    let table = std::fs::read_to_string("/proc/net/fib_trie").unwrap_or_default();
    let wanted = format!("|-- {address}");
    let mut lines = table.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if line == wanted && lines.next().is_some_and(|next| next == "/32 host LOCAL") {
            return true;
        }
    }
    false
}

fn has_ipv6_loopback() -> bool {
    let table = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    table.starts_with("00000000000000000000000000000001 ")
        || table.contains("\n00000000000000000000000000000001 ")
}

/// A port that is free at this address, for UDP and TCP; `wish` if that one is free.
///
/// Another process may take it before the server does. The caller checks the server's log, and asks
/// for another port.
pub(crate) fn free_port(address: IpAddr, wish: Option<u16>) -> u16 {
    let mut taken = TAKEN.lock().expect("no holder of the lock panics");
    if let Some(port) = wish.filter(|port| is_free(SocketAddr::new(address, *port))) {
        return port;
    }
    for _ in 0..ATTEMPTS_MAX {
        let listener = TcpListener::bind((address, 0)).expect("the loopback address can be bound");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        drop(listener);
        if !taken.contains(&port) && is_free(SocketAddr::new(address, port)) {
            taken.insert(port);
            return port;
        }
    }
    panic!("no free port at {address} in {ATTEMPTS_MAX} attempts")
}

fn is_free(address: SocketAddr) -> bool {
    TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok()
}
