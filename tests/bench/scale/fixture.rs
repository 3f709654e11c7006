//! The provider of the zone that is planned for: a server, a file, or one of the lab's fakes.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::cloudflare::Cloudflare;
use super::lab::fault_proxy::FaultProxy;
use super::lab::published_dns::PublishedDns;
use super::lab::{Bind, Pdns, PdnsZone, Server};
use super::route53::Route53;
use super::{ZONE, address, zone};

/// A provider with the zone.
pub(super) enum ProviderFixture {
    Bind(Server),
    Pdns(Pdns),
    /// A file that no server serves.
    File(TempDir),
    /// A fake, whose zone a BIND serves.
    Cloudflare(Arc<Cloudflare>, FaultProxy),
    /// A fake of Route 53, served in the same way.
    Route53(Arc<Route53>, FaultProxy),
}

/// A token as long as Cloudflare's.
const TOKEN: &str = "kT9-not-for-anybodys-eyes_0123456789abcde";
/// An access key in Amazon's form, and its secret.
const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// The records that a server serves, as lines. Without `with_own`, SOA and NS are left out, because
/// the provider makes them itself.
fn lines_of(published: &PublishedDns, with_own: bool) -> Vec<String> {
    let transfer = published.server().transfer(ZONE);
    let lines = transfer.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "));
    let is_own = |line: &String| line.contains(" IN SOA ") || line.contains(" IN NS ");
    lines.filter(|line| !line.is_empty() && (with_own || !is_own(line))).collect()
}

impl ProviderFixture {
    pub(super) fn new(kind: &str, records: usize) -> Self {
        let zone = zone(records);
        match kind {
            "BIND" => Self::Bind(Bind::primary(&[(ZONE, &zone)])),
            "zone file" => {
                let dir = tempfile::tempdir().expect("a temporary directory");
                fs::write(dir.path().join(format!("{ZONE}.zone")), zone).expect("the zone");
                Self::File(dir)
            }
            "Cloudflare" => {
                let published = PublishedDns::start(&[(ZONE, &zone)], Duration::ZERO);
                let lines = lines_of(&published, false);
                let fake = Cloudflare::with_published_dns(TOKEN, published);
                fake.zone(ZONE, "enterprise", &lines);
                let proxy = FaultProxy::open(fake.clone());
                Self::Cloudflare(fake, proxy)
            }
            "Route 53" => {
                let published = PublishedDns::start(&[(ZONE, &zone)], Duration::ZERO);
                let lines = lines_of(&published, true);
                let fake = Route53::with_published_dns(ACCESS_KEY, published);
                fake.zone(ZONE, &lines);
                let proxy = FaultProxy::open(fake.clone());
                Self::Route53(fake, proxy)
            }
            _ => {
                let zone = PdnsZone { origin: ZONE, kind: "Native", master_file: &zone };
                // Allow for the request that makes the whole zone.
                Self::Pdns(Pdns::start(&[zone], "webserver-max-bodysize=64"))
            }
        }
    }

    /// The address at which the zone is served; a file has none.
    pub(super) fn addr(&self) -> Option<std::net::SocketAddr> {
        match self {
            Self::Bind(server) => Some(server.addr()),
            Self::Pdns(pdns) => Some(pdns.addr()),
            Self::File(_) => None,
            Self::Cloudflare(fake, _) => Some(fake.published()?.server().addr()),
            Self::Route53(fake, _) => Some(fake.published()?.server().addr()),
        }
    }

    pub(super) fn secret(&self) -> &str {
        match self {
            Self::Bind(server) => &server.key().secret,
            Self::Pdns(pdns) => pdns.api_key(),
            Self::File(_) => "",
            Self::Cloudflare(..) => TOKEN,
            Self::Route53(..) => SECRET_KEY,
        }
    }

    pub(super) fn provider(&self) -> String {
        match self {
            Self::Bind(server) => format!(
                "{{ type: rfc2136, server: \"{}\", tsig: {{ key: {}, algorithm: {}, secret: {{ env: SECRET }} }} }}",
                server.addr(),
                server.key().name,
                server.key().algorithm
            ),
            Self::Pdns(pdns) => {
                format!("{{ type: powerdns, url: \"{}\", api_key: {{ env: SECRET }} }}", pdns.url())
            }
            Self::File(dir) => format!(
                "{{ type: zonefile, directory: \"{}\", served: {{ assume_within: 0s }} }}",
                dir.path().display()
            ),
            Self::Cloudflare(_, proxy) => format!(
                "{{ type: cloudflare, url: \"{}/client/v4\", api_token: {{ env: SECRET }}, \
                 plan: enterprise, anycast_margin: 0s }}",
                proxy.url()
            ),
            Self::Route53(_, proxy) => format!(
                "{{ type: route53, endpoint_url: \"{}\", access_key_id: {ACCESS_KEY}, \
                 secret_access_key: {{ env: SECRET }}, anycast_margin: 0s }}",
                proxy.url()
            ),
        }
    }

    pub(super) fn octodns(&self) -> String {
        match self {
            Self::Bind(server) => format!(
                "{{ class: octodns_bind.Rfc2136Provider, host: \"{}\", port: {}, key_name: {}, \
                 key_algorithm: {}, key_secret: env/SECRET, timeout: 60 }}",
                server.addr().ip(),
                server.addr().port(),
                server.key().name,
                server.key().algorithm
            ),
            Self::Pdns(pdns) => format!(
                "{{ class: octodns_powerdns.PowerDnsProvider, host: \"{}\", port: {}, \
                 api_key: env/SECRET, timeout: 60 }}",
                pdns.api().ip(),
                pdns.api().port()
            ),
            // octoDNS is not compared for a file.
            Self::File(_) => String::new(),
            Self::Cloudflare(_, proxy) => format!(
                "{{ class: octodns_cloudflare.CloudflareProvider, token: env/SECRET, \
                 api_url: \"{}/client/v4\", strict_supports: false }}",
                proxy.url()
            ),
            Self::Route53(..) => format!(
                "{{ class: octodns_route53.Route53Provider, access_key_id: {ACCESS_KEY}, \
                 secret_access_key: env/SECRET }}"
            ),
        }
    }

    /// Reads the whole zone into a file, and does nothing else.
    pub(super) fn reader(&self) -> Command {
        match self {
            Self::Bind(server) => {
                let key = server.key();
                let mut dig = Command::new("dig");
                dig.arg(format!("@{}", server.addr().ip()));
                dig.args(["-p", &server.addr().port().to_string()]);
                dig.args(["-y", &format!("{}:{}:{}", key.algorithm, key.name, key.secret)]);
                dig.args([ZONE, "AXFR"]);
                dig
            }
            Self::Pdns(pdns) => {
                let mut curl = Command::new("curl");
                curl.args(["-sSf", "-H", &format!("X-API-Key: {}", pdns.api_key())]);
                curl.arg(format!("{}/api/v1/servers/localhost/zones/{ZONE}.", pdns.url()));
                curl
            }
            Self::Cloudflare(fake, proxy) => {
                let mut curl = Command::new("curl");
                curl.args(["-sSf", "-H", &format!("Authorization: Bearer {TOKEN}")]);
                let zone = format!("{}/client/v4/zones/{}", proxy.url(), fake.id_of(ZONE));
                curl.arg(format!("{zone}/dns_records?per_page=5000&page=[1-3]"));
                curl
            }
            // No simple client reads Route 53, whose pages have to be requested one after the
            // other, with signatures.
            Self::Route53(..) | Self::File(_) => Command::new("true"),
        }
    }

    /// Adds this many records at a server in as few requests as it takes, and does nothing else: what
    /// the server itself needs. Its input is put into the directory.
    pub(super) fn writer(&self, dir: &Path, records: usize) -> Command {
        /// Records of an UPDATE, which has at most 65,535 octets.
        const RECORDS_OF_UPDATE: usize = 2_000;
        let input = dir.join("input");
        let each = (0..records).map(|number| (format!("h{number:06}.{ZONE}."), address(number)));
        match self {
            Self::Bind(server) => {
                let (at, key) = (server.addr(), server.key());
                let mut script = format!("server {} {}\nzone {ZONE}\n", at.ip(), at.port());
                for (number, (name, address)) in each.enumerate() {
                    script += &format!("update add {name} 3600 A {address}\n");
                    if (number + 1) % RECORDS_OF_UPDATE == 0 || number + 1 == records {
                        script += "send\n";
                    }
                }
                fs::write(&input, script).expect("a script");
                let mut nsupdate = Command::new("nsupdate");
                let key = format!("{}:{}:{}", key.algorithm, key.name, key.secret);
                nsupdate.args(["-v", "-y", &key]).arg(input);
                nsupdate
            }
            Self::Pdns(pdns) => {
                let rrset = |(name, address)| {
                    format!(
                        "{{\"name\":\"{name}\",\"type\":\"A\",\"ttl\":3600,\"changetype\":\"REPLACE\",\
                         \"records\":[{{\"content\":\"{address}\",\"disabled\":false}}]}}"
                    )
                };
                let rrsets: Vec<String> = each.map(rrset).collect();
                let body = format!("{{\"rrsets\":[{}]}}", rrsets.join(","));
                fs::write(&input, body).expect("a body");
                let mut curl = Command::new("curl");
                // It would wait a second for the leave to send a large body.
                curl.args(["-sSf", "-X", "PATCH", "-H", "Expect:", "-H"]);
                curl.args(["Content-Type: application/json", "-H"]);
                curl.arg(format!("X-API-Key: {}", pdns.api_key()));
                curl.args(["--data-binary", &format!("@{}", input.display())]);
                curl.arg(format!("{}/api/v1/servers/localhost/zones/{ZONE}.", pdns.url()));
                curl
            }
            Self::File(_) | Self::Cloudflare(..) | Self::Route53(..) => {
                panic!("nobody measures how a file or a fake writes")
            }
        }
    }

    pub(super) fn records(&self) -> usize {
        let text = match self {
            Self::Bind(server) => server.transfer(ZONE),
            Self::Pdns(pdns) => pdns.transfer(ZONE),
            Self::File(dir) => {
                let text = fs::read_to_string(dir.path().join(format!("{ZONE}.zone")));
                text.expect("the zone").replace(" A ", "\tA\t")
            }
            Self::Cloudflare(fake, _) => fake.lines(ZONE).join("\n").replace(" A ", "\tA\t"),
            Self::Route53(fake, _) => fake.lines(ZONE).join("\n").replace(" A ", "\tA\t"),
        };
        text.lines().filter(|line| line.contains("\tA\t")).count()
    }
}
