//! A small zone at every kind of provider, and plans of `records:` that change it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use crate::bind_fixture::{records, said};
use crate::cloudflare::Cloudflare;
use crate::lab::fault_proxy::FaultProxy;
use crate::lab::published_dns::PublishedDns;
use crate::lab::{Bind, FastClock, Knot, Pdns, PdnsZone, Server};
use crate::provider_matrix::{ACCESS_KEY, SECRET_KEY, TOKEN};
use crate::route53::Route53;

/// The zone's name.
pub(crate) const ZONE: &str = "acme.test";

/// The first lines of every zone. Cloudflare allows no shorter TTL.
const HEAD: &str =
    "$TTL 30\n@ SOA ns1 hostmaster 1 3600 600 86400 30\n@ NS ns1\nns1 A 192.0.2.53\n";

/// A kind of provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bind,
    Knot,
    PowerDns,
    Files,
    /// A fake, whose zone a BIND serves.
    Cloudflare,
    /// A fake of Route 53, served in the same way.
    Route53,
}

/// Every kind.
pub(crate) const KINDS: [Kind; 6] =
    [Kind::Bind, Kind::Knot, Kind::PowerDns, Kind::Files, Kind::Cloudflare, Kind::Route53];

enum Backend {
    Server(Server),
    Pdns(Pdns),
    Files,
    Cloudflare(Arc<Cloudflare>, FaultProxy),
    Route53(Arc<Route53>, FaultProxy),
}

/// A provider with the zone, and a directory for plans.
pub(crate) struct Ground {
    backend: Backend,
    provider: String,
    /// Waits for caches pass ten times as fast.
    clock: FastClock,
    dir: TempDir,
}

impl Ground {
    /// A provider whose zone has these lines after its head.
    pub(crate) fn new(kind: Kind, lines: &str) -> Self {
        let zone = format!("{HEAD}{lines}");
        let zones = [(ZONE, &*zone)];
        let published = || PublishedDns::start(&zones, Duration::ZERO);
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (backend, provider) = match kind {
            Kind::Bind => of_server(Bind::primary(&zones)),
            Kind::Knot => of_server(Knot::primary(&zones)),
            Kind::PowerDns => {
                let zone = PdnsZone { origin: ZONE, kind: "Native", master_file: &zone };
                let pdns = Pdns::start(&[zone], "");
                let url = pdns.url();
                let provider =
                    format!("{{ type: powerdns, url: \"{url}\", api_key: {{ env: SECRET }} }}");
                (Backend::Pdns(pdns), provider)
            }
            Kind::Files => {
                fs::create_dir(dir.path().join("zones")).expect("a directory");
                let path = dir.path().join(format!("zones/{ZONE}.zone"));
                fs::write(path, &zone).expect("a zone file");
                let provider =
                    "{ type: zonefile, directory: zones, served: { assume_within: 1s } }";
                (Backend::Files, provider.to_owned())
            }
            Kind::Cloudflare => {
                let fake = Cloudflare::with_published_dns(TOKEN, published());
                let transfer = fake.published().expect("a server").server().transfer(ZONE);
                let mut lines = records(&transfer);
                // Cloudflare makes SOA and NS itself.
                lines.retain(|line| !line.starts_with(&format!("{ZONE}. 30 IN NS ")));
                fake.zone(ZONE, "enterprise", &lines);
                let proxy = FaultProxy::open(fake.clone());
                let provider = format!(
                    "{{ type: cloudflare, url: \"{}/client/v4\", api_token: {{ env: SECRET }}, \
                     plan: enterprise, anycast_margin: 0s }}",
                    proxy.url()
                );
                (Backend::Cloudflare(fake, proxy), provider)
            }
            Kind::Route53 => {
                let fake = Route53::with_published_dns(ACCESS_KEY, published());
                let server = fake.published().expect("a server").server();
                let soa = server.dig(&[ZONE, "SOA", "+noall", "+answer"]);
                let soa = soa.split_whitespace().collect::<Vec<_>>().join(" ");
                fake.zone(ZONE, &[records(&server.transfer(ZONE)), vec![soa]].concat());
                let proxy = FaultProxy::open(fake.clone());
                let provider = format!(
                    "{{ type: route53, endpoint_url: \"{}\", access_key_id: {ACCESS_KEY}, \
                     secret_access_key: {{ env: SECRET }}, anycast_margin: 0s }}",
                    proxy.url()
                );
                (Backend::Route53(fake, proxy), provider)
            }
        };
        Self { backend, provider, clock: FastClock::start(), dir }
    }

    fn secret(&self) -> &str {
        match &self.backend {
            Backend::Server(server) => &server.key().secret,
            Backend::Pdns(pdns) => pdns.api_key(),
            Backend::Files => "none",
            Backend::Cloudflare(..) => TOKEN,
            Backend::Route53(..) => SECRET_KEY,
        }
    }

    /// The server that serves the zone, if there is one.
    fn authorities(&self) -> String {
        let addr = match &self.backend {
            Backend::Server(server) => server.addr(),
            Backend::Pdns(pdns) => pdns.addr(),
            Backend::Files => return String::new(),
            Backend::Cloudflare(fake, _) => fake.published().expect("a server").server().addr(),
            Backend::Route53(fake, _) => fake.published().expect("a server").server().addr(),
        };
        format!(", authorities: [ \"{addr}\" ]")
    }

    /// The number of requests to a fake: all, and those that change something.
    pub(crate) fn requests(&self) -> Option<(usize, usize)> {
        match &self.backend {
            Backend::Server(_) | Backend::Pdns(_) | Backend::Files => None,
            Backend::Cloudflare(_, proxy) | Backend::Route53(_, proxy) => {
                let writes = proxy.count(|request| request.method != "GET");
                Some((proxy.count(|request| request.method == "GET"), writes))
            }
        }
    }

    /// The plan's file.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("plan.yaml")
    }

    /// Writes a plan with these records.
    pub(crate) fn plan(&self, records: &str) {
        let plan = format!(
            "version: 1\nname: ground\nproviders: {{ dns: {} }}\nresolver: none\n\
             zones: {{ {ZONE}: {{ provider: dns{} }} }}\nclocks: {{ margin: 0s, use: 0s }}\n\
             records:\n{records}",
            self.provider,
            self.authorities()
        );
        fs::write(self.path(), plan).expect("the plan can be written");
    }

    pub(crate) fn cutover(&self, args: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
        command.args(args).current_dir(self.dir.path()).stdin(Stdio::null());
        command.env("SECRET", self.secret());
        self.clock.give_to(&mut command);
        said(&command.output().expect("the program can be run"))
    }

    /// Applies the plan to its end.
    pub(crate) fn applies(&self) -> String {
        let (code, text) = self.cutover(&["apply", "plan.yaml", "--wait", "--auto-approve"]);
        assert_eq!(code, 0, "{text}");
        text
    }

    /// Rolls the plan back.
    pub(crate) fn goes_back(&self) -> String {
        let (code, text) = self.cutover(&["rollback", "plan.yaml", "--wait", "--auto-approve"]);
        assert_eq!(code, 0, "{text}");
        text
    }

    /// The zone's lines without its head.
    pub(crate) fn held(&self) -> Vec<String> {
        let (code, text) = self.cutover(&["zone", "dump", "plan.yaml", ZONE]);
        assert_eq!(code, 0, "{text}");
        let own = ["@ ", "ns1 "];
        let mut lines: Vec<String> = text
            .lines()
            .filter(|line| !line.trim().is_empty() && !line.starts_with(['$', ';']))
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .filter(|line| !own.iter().any(|own| line.starts_with(own)))
            .collect();
        lines.sort();
        lines
    }
}

fn of_server(server: Server) -> (Backend, String) {
    let (addr, key) = (server.addr(), server.key());
    let provider = format!(
        "{{ type: rfc2136, server: \"{addr}\", tsig: {{ key: {}, algorithm: {}, secret: {{ env: SECRET }} }} }}",
        key.name, key.algorithm
    );
    (Backend::Server(server), provider)
}
