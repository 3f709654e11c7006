//! PowerDNS Authoritative, with its own database, and zones that are made through its HTTP API.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use super::loopback::{free_port, loopback};
use super::server::{Plan, Program, Server, TsigKey, output, tool};

const PDNS: Program = Program {
    name: "pdns_server",
    package: "pdns-server",
    port_taken: &["Address already in use"],
    zone_broken: "Fatal error",
    // It logs this only after it has answered: see `Pdns::updates_made`.
    updates_made: |_| 0,
};

/// Where Debian keeps the schema of an empty database.
const SCHEMA: &str = "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql";

/// Time limit of a request. Our choice: a large zone takes seconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A zone with which a server starts.
#[derive(Clone, Copy)]
pub(crate) struct PdnsZone<'a> {
    /// The zone's name, without a trailing dot.
    pub(crate) origin: &'a str,
    /// `Native`, `Master` and so on.
    pub(crate) kind: &'a str,
    /// Its records, as a master file.
    pub(crate) master_file: &'a str,
}

/// A PowerDNS of the lab, with its API. It is killed when this is dropped.
pub(crate) struct Pdns {
    server: Server,
    api: SocketAddr,
    api_key: String,
    /// The serials of the zones at the start.
    first_serials: BTreeMap<String, Option<u32>>,
}

impl Pdns {
    /// A server with these zones, given as origin and master file.
    pub(crate) fn primary(zones: &[(&str, &str)]) -> Self {
        let zones: Vec<PdnsZone<'_>> = zones
            .iter()
            .map(|(origin, master_file)| PdnsZone { origin, kind: "Native", master_file })
            .collect();
        Self::start(&zones, "")
    }

    /// A server with these zones and additional lines of configuration.
    pub(crate) fn start(zones: &[PdnsZone<'_>], more: &str) -> Self {
        // The secret of a TSIG key serves as API key.
        let api_key = TsigKey::generate("hmac-sha256").secret;
        let address = loopback(1);
        let api = Cell::new(SocketAddr::new(address, 0));
        let made = Cell::new(0);
        let configure = |dir: &Path, addr: SocketAddr, _: &TsigKey| {
            api.set(SocketAddr::new(address, free_port(address, None)));
            made.set(0);
            configured(dir, addr, api.get(), &api_key, more)
        };
        // Called until the API listens, then makes all zones.
        let prepare = || {
            while let Some(zone) = zones.get(made.get()) {
                let Some((status, said)) =
                    exchange(api.get(), &api_key, "POST", "/zones", &creation(zone))
                else {
                    return false;
                };
                assert_eq!(status, 201, "the zone {} was not made: {said}", zone.origin);
                made.set(made.get() + 1);
            }
            exchange(api.get(), &api_key, "GET", "", "").is_some()
        };
        // Secondary zones serve nothing until they have transferred.
        let is_own = |zone: &&PdnsZone<'_>| zone.kind != "Slave";
        let server = Server::start(&Plan {
            program: &PDNS,
            address,
            port_wish: None,
            key: TsigKey::generate("hmac-sha256"),
            zones: zones.iter().filter(is_own).map(|zone| zone.origin.to_owned()).collect(),
            configure: &configure,
            prepare: &prepare,
        });
        let api = api.get();
        let serial = |zone: &String| (zone.clone(), server.serial(zone));
        let first_serials = server.zones().iter().map(serial).collect();
        Self { server, api, api_key, first_serials }
    }

    /// Its address for queries, by UDP and TCP.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// The URL of its API, as in a plan.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.api)
    }

    /// The address of its API.
    pub(crate) fn api(&self) -> SocketAddr {
        self.api
    }

    /// The key of its API.
    pub(crate) fn api_key(&self) -> &str {
        &self.api_key
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Its directory, which is removed with it.
    pub(crate) fn dir(&self) -> &Path {
        self.server.dir()
    }

    /// Everything that it has logged.
    pub(crate) fn log(&self) -> String {
        self.server.log()
    }

    /// The number of requests that changed a zone. The server increases the serial by one for each,
    /// unless the request sets it or the zone uses another scheme.
    pub(crate) fn updates_made(&self, zone: &str) -> u32 {
        let first = self.first_serials.get(zone).copied().flatten();
        match (first, self.serial(zone)) {
            (Some(first), Some(now)) => now.wrapping_sub(first),
            (None, _) | (_, None) => 0,
        }
    }

    /// The serial that it serves for a zone.
    pub(crate) fn serial(&self, zone: &str) -> Option<u32> {
        self.server.serial(zone)
    }

    /// The output of `dig` for this server.
    pub(crate) fn dig(&self, args: &[&str]) -> String {
        let mut command = tool("dig", "bind9-dnsutils");
        command.arg(format!("@{}", self.addr().ip()));
        command.args(["-p", &self.addr().port().to_string()]).args(args);
        output(command, "")
    }

    /// The zone's records, one per line, as `dig` shows a transfer.
    pub(crate) fn transfer(&self, zone: &str) -> String {
        let text = self.dig(&[zone, "AXFR", "+noall", "+answer", "+onesoa"]);
        assert!(text.contains("SOA"), "no transfer of {zone}: {text}\n{}", self.server.log_tail());
        text
    }

    /// Sends a request to the API, as another user. Returns status and body.
    pub(crate) fn request(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let answer = exchange(self.api, &self.api_key, method, path, body);
        answer
            .unwrap_or_else(|| panic!("no answer to {method} {path}:\n{}", self.server.log_tail()))
    }

    /// Makes another zone. Panics if the server refuses.
    pub(crate) fn make(&self, zone: &PdnsZone<'_>) {
        let (status, said) = self.request("POST", "/zones", &creation(zone));
        assert_eq!(status, 201, "the zone {} was not made: {said}", zone.origin);
    }

    /// Edits a zone as another user, with the RRsets of a PATCH, in JSON. Panics if the server
    /// refuses.
    pub(crate) fn patch(&self, zone: &str, rrsets: &str) {
        let body = format!("{{\"rrsets\":[{rrsets}]}}");
        let (status, said) = self.request("PATCH", &format!("/zones/{zone}."), &body);
        assert_eq!(status, 204, "{rrsets}: {said}\n{}", self.server.log_tail());
    }

    /// Inserts records into the database, bypassing the server, as `owner ttl type content`. The
    /// content is in PowerDNS's form and not checked.
    pub(crate) fn insert(&self, zone: &str, lines: &[&str]) {
        let text = |word: &str| word.replace('\'', "''");
        let mut sql = "PRAGMA busy_timeout=5000;\n".to_owned();
        for line in lines {
            let mut words = line.splitn(4, ' ');
            let mut word = || words.next().unwrap_or_else(|| panic!("{line}"));
            let (owner, ttl, rtype, content) = (word(), word(), word(), word());
            let name = if owner == "@" { zone.to_owned() } else { format!("{owner}.{zone}") };
            let _ = writeln!(
                sql,
                "INSERT INTO records (domain_id, name, type, content, ttl, prio, disabled, auth) \
                 SELECT id, '{}', '{rtype}', '{}', {ttl}, 0, 0, 1 FROM domains WHERE name='{zone}';",
                text(&name),
                text(content),
            );
        }
        let mut command = tool("sqlite3", "sqlite3");
        command.arg(self.server.dir().join("pdns.db"));
        let said = output(command, &sql);
        assert!(!said.contains("rror"), "sqlite3: {said}");
    }
}

/// Writes the configuration and an empty database. Returns the arguments.
fn configured(
    dir: &Path,
    addr: SocketAddr,
    api: SocketAddr,
    api_key: &str,
    more: &str,
) -> Vec<String> {
    let schema = std::fs::read_to_string(SCHEMA);
    let schema = schema
        .unwrap_or_else(|error| panic!("{SCHEMA}: {error}; apt install pdns-backend-sqlite3"));
    let database = dir.join("pdns.db");
    let mut command = tool("sqlite3", "sqlite3");
    command.arg(&database);
    let said = output(command, &schema);
    assert!(said.trim().is_empty(), "sqlite3: {said}");
    let range = match addr.ip() {
        IpAddr::V4(_) => "127.0.0.0/8",
        IpAddr::V6(_) => "::1",
    };
    // Caches would hide changes. The check for updates would query the internet.
    let text = format!(
        "launch=gsqlite3
gsqlite3-database={database}
gsqlite3-dnssec=yes
gsqlite3-pragma-synchronous=0
local-address={ip}
local-port={port}
socket-dir={dir}
api=yes
api-key={api_key}
webserver=yes
webserver-address={api_ip}
webserver-port={api_port}
webserver-allow-from={range}
webserver-loglevel=normal
disable-axfr=no
allow-axfr-ips={range}
cache-ttl=0
query-cache-ttl=0
negquery-cache-ttl=0
dnssec-key-cache-ttl=0
domain-metadata-cache-ttl=0
zone-cache-refresh-interval=0
distributor-threads=1
receiver-threads=1
guardian=no
daemon=no
write-pid=no
loglevel=6
log-timestamp=no
security-poll-suffix=
{more}
",
        database = database.display(),
        dir = dir.display(),
        ip = addr.ip(),
        port = addr.port(),
        api_ip = api.ip(),
        api_port = api.port(),
    );
    std::fs::write(dir.join("pdns.conf"), text).expect("the configuration can be written");
    vec![format!("--config-dir={}", dir.display())]
}

fn creation(zone: &PdnsZone<'_>) -> String {
    let PdnsZone { origin, kind, master_file } = zone;
    match *kind {
        // A primary that does not listen.
        "Slave" => {
            format!("{{\"name\":\"{origin}.\",\"kind\":\"{kind}\",\"masters\":[\"127.0.0.9\"]}}")
        }
        _ => format!(
            "{{\"name\":\"{origin}.\",\"kind\":\"{kind}\",\"zone\":{}}}",
            quoted(&format!("{master_file}\n"))
        ),
    }
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Sends a request and returns status and body; `None` while nothing listens. PowerDNS closes the
/// connection after each request.
fn exchange(
    api: SocketAddr,
    api_key: &str,
    method: &str,
    path: &str,
    body: &str,
) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(api).ok()?;
    stream.set_read_timeout(Some(ANSWER_WITHIN)).ok()?;
    let head = format!(
        "{method} /api/v1/servers/localhost{path} HTTP/1.1\r\nHost: {api}\r\nX-API-Key: {api_key}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    Some((status, body.unwrap_or_default()))
}
