//! What the tests share: servers, RRsets from text, and change sets.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use cutover_contract::suite::Rrsets;
pub(crate) use cutover_kit::testing::{MX, SMALL, ZONE, changes, key, rrsets, without_soa, zone};
use cutover_zone::RrType;

pub(crate) use crate::connect::{adapter, adapter_of, connect};
use crate::lab::{Bind, Knot, Server};

/// A server of each kind with this zone.
pub(crate) fn both(lines: &[&str]) -> [Server; 2] {
    let text = lines.join("\n");
    [Bind::primary(&[(ZONE, &text)]), Knot::primary(&[(ZONE, &text)])]
}

/// A BIND with this zone.
pub(crate) fn bind(lines: &[&str]) -> Server {
    Bind::primary(&[(ZONE, &lines.join("\n"))])
}

/// What the zone holds, apart from its serial.
pub(crate) async fn contents(server: &Server) -> Rrsets {
    let zone = adapter_of(server).read_zone(&zone()).await;
    let mut rrsets = zone.unwrap_or_else(|error| panic!("{}: {error}", server.program())).rrsets;
    rrsets.retain(|key, _| key.rtype != RrType::SOA);
    rrsets
}

/// A colleague's edit, from a thread that has no [`Server`].
pub(crate) fn nsupdate(address: SocketAddr, key_file: &Path, script: &str) {
    let mut child = std::process::Command::new("nsupdate")
        .arg("-k")
        .arg(key_file)
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("nsupdate can be started");
    let text = format!("server {} {}\nzone {ZONE}\n{script}\nsend\n", address.ip(), address.port());
    let mut stdin = child.stdin.take().expect("the input is a pipe");
    stdin.write_all(text.as_bytes()).expect("nsupdate reads it");
    drop(stdin);
    assert!(child.wait().is_ok_and(|status| status.success()), "nsupdate is refused");
}
