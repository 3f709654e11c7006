//! BIND: a primary with dynamic zones, and a secondary that lags.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use super::lag::Lag;
use super::loopback::loopback;
use super::server::{Plan, Program, Server, TsigKey};

const NAMED: Program = Program {
    name: "named",
    package: "bind9",
    port_taken: &["address in use", "addr in use"],
    zone_broken: "not loaded due to errors",
    // At debug level 8, the category `update` logs this once for each message that changed the
    // zone.
    updates_made: |line| usize::from(line.contains("committing update transaction")),
};

/// Whether a primary takes updates.
#[derive(Clone, Copy)]
enum Updates {
    /// With its key; the zones are dynamic.
    WithKey,
    /// None; the zones are static.
    Refused,
}

/// Constructors of BIND servers.
pub(crate) struct Bind;

impl Bind {
    /// A primary for these zones, given as origin and master file. Transfers and updates need the
    /// key.
    pub(crate) fn primary(zones: &[(&str, &str)]) -> Server {
        Self::primary_with(zones, "")
    }

    /// As [`Bind::primary`], with additional lines in each zone's clause.
    pub(crate) fn primary_with(zones: &[(&str, &str)], zone_clause: &str) -> Server {
        Self::primary_with_key(zones, zone_clause, TsigKey::generate("hmac-sha256"))
    }

    /// As [`Bind::primary_with`], with an existing key.
    pub(crate) fn primary_with_key(
        zones: &[(&str, &str)],
        zone_clause: &str,
        key: TsigKey,
    ) -> Server {
        Self::start(zones, zone_clause, key, None, "recursion no;")
    }

    /// A primary on port 53 of the `n`th loopback address.
    pub(crate) fn on_port_53(n: u8, zones: &[(&str, &str)], zone_clause: &str) -> Server {
        let key = TsigKey::generate("hmac-sha256");
        Self::start(zones, zone_clause, key, Some(n), "recursion no;")
    }

    /// As [`Bind::on_port_53`], for zones above others, such as the root. It also resolves,
    /// following the delegations in its own zones.
    pub(crate) fn above(n: u8, zones: &[(&str, &str)]) -> Server {
        let key = TsigKey::generate("hmac-sha256");
        // Delegations that a test changes have to take effect at once.
        let recursion =
            "recursion yes; allow-recursion { any; }; max-cache-ttl 0; max-ncache-ttl 0;
  servfail-ttl 0; qname-minimization off;";
        Self::start(zones, "", key, Some(n), recursion)
    }

    /// A primary that reads its zones from files that are edited beside it, `0.zone` and so on in
    /// its directory. It reads them again when it gets SIGHUP, which is `rndc reload` without a
    /// control channel. A file that it refuses leaves the old version in service.
    pub(crate) fn of_files(zones: &[(&str, &str)]) -> Server {
        let key = TsigKey::generate("hmac-sha256");
        let recursion = "recursion no;";
        Self::start_as(Updates::Refused, zones, "", key, None, recursion)
    }

    fn start(
        zones: &[(&str, &str)],
        zone_clause: &str,
        key: TsigKey,
        port_53_at: Option<u8>,
        recursion: &str,
    ) -> Server {
        Self::start_as(Updates::WithKey, zones, zone_clause, key, port_53_at, recursion)
    }

    fn start_as(
        updates: Updates,
        zones: &[(&str, &str)],
        zone_clause: &str,
        key: TsigKey,
        port_53_at: Option<u8>,
        recursion: &str,
    ) -> Server {
        let configure = |dir: &Path, addr: SocketAddr, key: &TsigKey| {
            let mut text = options(dir, addr, key, recursion);
            for (index, (origin, master_file)) in zones.iter().enumerate() {
                let file = format!("{index}.zone");
                std::fs::write(dir.join(&file), master_file).expect("a zone can be written");
                let policy = match updates {
                    Updates::WithKey => {
                        format!("update-policy {{ grant {} zonesub ANY; }};", key.name)
                    }
                    Updates::Refused => String::new(),
                };
                let _ = writeln!(
                    text,
                    "zone \"{origin}\" {{ type primary; file \"{file}\"; {zone_clause}\n\
                     {policy} }};"
                );
            }
            write_config(dir, &text)
        };
        let server = Server::start(&Plan {
            program: &NAMED,
            address: loopback(port_53_at.unwrap_or(1)),
            port_wish: port_53_at.map(|_| 53),
            key,
            zones: zones.iter().map(|(origin, _)| (*origin).to_owned()).collect(),
            configure: &configure,
            prepare: &|| true,
        });
        if port_53_at.is_some() {
            let help = "port 53 is free in a network namespace of one's own: run tests/run";
            assert_eq!(server.addr().port(), 53, "{help}");
        }
        server
    }

    /// A secondary for all zones of `primary`, with the same key and, if it is free, the same port.
    /// It has each change `lag` after the primary, never earlier and hardly later.
    pub(crate) fn secondary_of(primary: &Server, address: IpAddr, lag: Duration) -> Server {
        let zones = primary.zones().to_vec();
        let (ip, port) = (primary.addr().ip(), primary.addr().port());
        let configure = |dir: &Path, addr: SocketAddr, key: &TsigKey| {
            let mut text = options(dir, addr, key, "recursion no;");
            for (index, zone) in zones.iter().enumerate() {
                // The refresh timers of the zone's SOA would transfer changes too early.
                let _ = writeln!(
                    text,
                    "zone \"{zone}\" {{ type secondary; file \"{index}.zone\";\n\
                     primaries {{ {ip} port {port} key {}; }};\n\
                     allow-notify {{ {}; }};\n\
                     min-refresh-time 86400; max-refresh-time 86400; min-retry-time 1; }};",
                    key.name,
                    addr.ip()
                );
            }
            write_config(dir, &text)
        };
        let mut secondary = Server::start(&Plan {
            program: &NAMED,
            address,
            port_wish: Some(port),
            key: primary.key().clone(),
            zones: zones.clone(),
            configure: &configure,
            prepare: &|| true,
        });
        secondary.lag = Some(Lag::start(primary.addr(), secondary.addr(), zones, lag));
        secondary
    }
}

fn write_config(dir: &Path, text: &str) -> Vec<String> {
    let file = dir.join("named.conf");
    std::fs::write(&file, text).expect("the configuration can be written");
    let path = file.to_str().expect("a temporary directory's path is text").to_owned();
    ["-f", "-n", "1", "-c"].map(str::to_owned).into_iter().chain([path]).collect()
}

/// The options of primaries and secondaries. Nothing is written outside `dir`.
fn options(dir: &Path, addr: SocketAddr, key: &TsigKey, recursion: &str) -> String {
    let dir = dir.display();
    let (ip, port, name) = (addr.ip(), addr.port(), &key.name);
    let listen = match ip {
        IpAddr::V4(_) => format!("listen-on port {port} {{ {ip}; }}; listen-on-v6 {{ none; }};"),
        IpAddr::V6(_) => format!("listen-on {{ none; }}; listen-on-v6 port {port} {{ {ip}; }};"),
    };
    format!(
        "include \"{dir}/key.conf\";
controls {{ }};
options {{
  directory \"{dir}\"; managed-keys-directory \"{dir}\";
  pid-file none; session-keyfile none; lock-file none; dump-file \"{dir}/dump\";
  {listen}
  {recursion}
  empty-zones-enable no; dnssec-validation no; notify no; querylog no;
  allow-query {{ any; }}; allow-transfer {{ key \"{name}\"; }};
  max-cache-size 2m;
}};
logging {{
  channel server {{
    file \"{dir}/server.log\"; severity info; print-time yes; print-category yes;
  }};
  channel update {{ file \"{dir}/update.log\"; severity debug 8; print-time yes; }};
  category default {{ server; }};
  category update {{ update; }};
  category update-security {{ update; }};
}};
"
    )
}
