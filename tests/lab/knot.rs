//! Knot DNS: a primary with dynamic zones.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use super::loopback::loopback;
use super::server::{Plan, Program, Server, TsigKey};

const KNOTD: Program = Program {
    name: "knotd",
    package: "knot",
    port_taken: &["cannot bind address"],
    zone_broken: "failed to load",
    updates_made,
};

/// Constructors of Knot servers.
pub(crate) struct Knot;

impl Knot {
    /// A primary for these zones, given as origin and master file. Transfers and updates need the
    /// key.
    pub(crate) fn primary(zones: &[(&str, &str)]) -> Server {
        Self::primary_with_key(zones, "", TsigKey::generate("hmac-sha256"))
    }

    /// A primary with additional lines for each zone, and an existing key.
    pub(crate) fn primary_with_key(
        zones: &[(&str, &str)],
        zone_lines: &str,
        key: TsigKey,
    ) -> Server {
        let configure = |dir: &Path, addr: SocketAddr, key: &TsigKey| {
            let text = config(dir, addr, key, zones, zone_lines);
            let file = dir.join("knot.conf");
            std::fs::write(&file, text).expect("the configuration can be written");
            vec!["-c".to_owned(), file.to_str().expect("a temporary path is text").to_owned()]
        };
        Server::start(&Plan {
            program: &KNOTD,
            address: loopback(1),
            port_wish: None,
            key,
            zones: zones.iter().map(|(origin, _)| (*origin).to_owned()).collect(),
            configure: &configure,
            prepare: &|| true,
        })
    }
}

fn config(
    dir: &Path,
    addr: SocketAddr,
    key: &TsigKey,
    zones: &[(&str, &str)],
    zone_lines: &str,
) -> String {
    let shown = dir.display();
    std::fs::create_dir(dir.join("db")).expect("a directory can be made");
    let TsigKey { name, algorithm, secret } = key;
    let mut text = format!(
        "server:
    rundir: {shown}
    pidfile: {shown}/knot.pid
    listen: {ip}@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: {shown}/server.log
    any: debug
database:
    storage: {shown}/db
key:
  - id: {name}
    algorithm: {algorithm}
    secret: {secret}
acl:
  - id: lab
    key: {name}
    action: [ update, transfer ]
zone:
",
        ip = addr.ip(),
        port = addr.port(),
    );
    for (index, (origin, master_file)) in zones.iter().enumerate() {
        std::fs::write(dir.join(format!("{index}.zone")), master_file)
            .expect("a zone can be written");
        let _ = write!(
            text,
            "  - domain: {origin}
    storage: {shown}
    file: {index}.zone
    acl: lab
    zonefile-sync: -1
    zonefile-load: difference
    journal-content: all
{zone_lines}"
        );
    }
    text
}

/// Knot handles all waiting messages together, and logs their number before it logs that it has
/// finished. The lab's tests send one at a time, so each line counts one.
fn updates_made(line: &str) -> usize {
    usize::from(line.contains("DDNS, finished, serial"))
}
