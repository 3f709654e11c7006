//! The same two-domain cutover, there and back, at every kind of provider. octoDNS reads the
//! result.

mod zones;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use crate::bind_fixture::{is_nowhere, records, said};
use crate::cloudflare::Cloudflare;
use crate::lab::fault_proxy::FaultProxy;
use crate::lab::published_dns::PublishedDns;
use crate::lab::{Bind, FastClock, Knot, Pdns, Server};
use crate::route53::Route53;
use crate::route53::moto::Moto;

pub(crate) use self::zones::ZONES;
use self::zones::{BACK, THERE};

/// Python with octoDNS, as `tests/run` installs it.
pub(crate) fn python() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/octodns/python")
}

/// The plan of a move between the two hosts.
fn plan_text(provider: &str, authorities: &str, [from, to]: [&str; 2]) -> String {
    format!(
        "version: 1
name: {from}-to-{to}
providers: {{ dns: {provider} }}
resolver: none
zones:
  acme.test: {{ provider: dns{authorities} }}
  acme.example: {{ provider: dns{authorities} }}
hosts:
  old:
    exchanges: [ {{ preference: 10, name: mail.acme.test. }} ]
    senders:
      - name: people
        spf: \"mx ip4:192.0.2.11\"
        dkim: [ {{ selector: old1, txt: \"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\" }} ]
  new:
    exchanges: [ {{ preference: 10, name: mx.acme.test. }} ]
    senders:
      - name: people
        spf: ip4:203.0.113.25
        dkim: [ {{ selector: new1, txt: \"v=DKIM1; k=ed25519; p=O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik=\" }} ]
migrate:
  domains: [ acme.test, acme.example ]
  from: {from}
  to: {to}
  cutover_ttl: 2s
  keep_old: 3s
  overrun: 1s
clocks: {{ margin: 1s, use: 0s, queue_life: 2s }}
{}",
        crate::recipes::STATED
            .replace("host: new", "host: it")
            .replace("host: old", &format!("host: {from}"))
            .replace("host: it", &format!("host: {to}"))
    )
}

/// What holds and serves the zones.
enum Backend {
    Server(Server),
    Pdns(Pdns),
    /// A fake, whose zones a BIND serves a second later.
    Cloudflare(Arc<Cloudflare>, FaultProxy),
    /// A fake of Route 53, served in the same way.
    Route53(Arc<Route53>, FaultProxy),
    /// moto, an independent fake of Route 53.
    Moto(Arc<Moto>, FaultProxy),
    Files,
}

/// A token as long as Cloudflare's.
pub(crate) const TOKEN: &str = "kT9-not-for-anybodys-eyes_0123456789abcde";

/// An access key in Amazon's form.
pub(crate) const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
/// The secret that belongs to [`ACCESS_KEY`].
pub(crate) const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// How much longer TTLs are where the minimum is half a minute.
const SLOWER: u32 = 10;

/// Replaces the TTLs of [`ZONES`] by the longer ones.
fn slower(text: &str) -> String {
    let mut text = text.to_owned();
    for secs in [5, 6] {
        let longer = secs * SLOWER;
        for (short, long) in [("$TTL {}\n", "$TTL {}\n"), (". {} IN ", ". {} IN ")] {
            let at = |form: &str, secs: u32| form.replace("{}", &secs.to_string());
            text = text.replace(&at(short, secs), &at(long, longer));
        }
    }
    text
}

/// A kind of provider, with the zones in it.
pub(crate) struct ProviderFixture {
    backend: Backend,
    /// The provider's entry in a plan.
    provider: String,
    /// The provider's entry in octoDNS's configuration, if octoDNS can read there.
    octodns: Option<String>,
    /// Additional text of the plan.
    more: &'static str,
    /// The clock of `cutover`, if it is not the real one.
    clock: Option<FastClock>,
    dir: TempDir,
}

impl Backend {
    fn addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Server(server) => Some(server.addr()),
            Self::Pdns(pdns) => Some(pdns.addr()),
            Self::Cloudflare(fake, _) => {
                fake.published().map(|published| published.server().addr())
            }
            Self::Route53(fake, _) => fake.published().map(|published| published.server().addr()),
            Self::Moto(moto, _) => Some(moto.published().server().addr()),
            Self::Files => None,
        }
    }

    fn secret(&self) -> &str {
        match self {
            Self::Server(server) => &server.key().secret,
            Self::Pdns(pdns) => pdns.api_key(),
            Self::Cloudflare(..) => TOKEN,
            Self::Route53(..) | Self::Moto(..) => SECRET_KEY,
            Self::Files => "no secret at all",
        }
    }

    /// The settings of octoDNS's class, with `secret` in place of the secret.
    fn settings(&self, secret: &str) -> String {
        match self {
            Self::Server(server) => {
                let (addr, key) = (server.addr(), server.key());
                let (host, port) = (addr.ip(), addr.port());
                let (name, algorithm) = (&key.name, key.algorithm);
                format!(
                    "host: \"{host}\", port: {port}, key_name: {name}, \
                     key_algorithm: {algorithm}, key_secret: {secret}"
                )
            }
            Self::Pdns(pdns) => {
                let (host, port) = (pdns.api().ip(), pdns.api().port());
                format!("host: \"{host}\", port: {port}, api_key: {secret}")
            }
            Self::Cloudflare(_, proxy) => {
                format!("api_url: \"{}/client/v4\", token: {secret}", proxy.url())
            }
            // boto takes the address from the environment.
            Self::Route53(..) => {
                format!("access_key_id: {ACCESS_KEY}, secret_access_key: {secret}")
            }
            Self::Moto(..) | Self::Files => String::new(),
        }
    }

    fn class(&self) -> Option<&'static str> {
        match self {
            Self::Server(server) if server.program() == "named" => {
                Some("octodns_bind.Rfc2136Provider")
            }
            // octoDNS needs calls that moto lacks (ListHealthChecks has no IsTruncated).
            Self::Server(_) | Self::Moto(..) | Self::Files => None,
            Self::Pdns(_) => Some("octodns_powerdns.PowerDnsProvider"),
            Self::Cloudflare(..) => Some("octodns_cloudflare.CloudflareProvider"),
            Self::Route53(..) => Some("octodns_route53.Route53Provider"),
        }
    }
}

impl ProviderFixture {
    fn new(backend: Backend, provider: String) -> Self {
        let settings = backend.settings("env/FIXTURE_SECRET");
        let octodns = backend.class().map(|class| format!("{{ class: {class}, {settings} }}"));
        let dir = tempfile::tempdir().expect("a temporary directory");
        Self { backend, provider, octodns, more: "", clock: None, dir }
    }

    pub(crate) fn rfc2136(server: Server) -> Self {
        let (key, addr) = (server.key(), server.addr());
        let (name, algorithm) = (&key.name, key.algorithm);
        let provider = format!(
            "{{ type: rfc2136, server: \"{addr}\", \
             tsig: {{ key: {name}, algorithm: {algorithm}, secret: {{ env: FIXTURE_SECRET }} }} }}"
        );
        Self::new(Backend::Server(server), provider)
    }

    /// The same provider, with a fast clock for `cutover`.
    pub(crate) fn with_fast_clock(self) -> Self {
        Self { clock: Some(FastClock::start()), ..self }
    }

    pub(crate) fn powerdns() -> Self {
        let pdns = Pdns::primary(ZONES);
        let provider = format!(
            "{{ type: powerdns, url: \"{}\", api_key: {{ env: FIXTURE_SECRET }} }}",
            pdns.url()
        );
        Self::new(Backend::Pdns(pdns), provider)
    }

    fn cloudflare() -> Self {
        Self::cloudflare_at(|proxy| format!("{}/client/v4", proxy.url()))
    }

    /// Cloudflare at this URL, with enterprise zones, because they allow the shortest TTLs.
    pub(crate) fn cloudflare_at(address: impl FnOnce(&FaultProxy) -> String) -> Self {
        let zones = ZONES.iter().map(|(zone, text)| (*zone, slower(text))).collect::<Vec<_>>();
        let zones: Vec<(&str, &str)> = zones.iter().map(|(zone, text)| (*zone, &**text)).collect();
        let fake = Cloudflare::with_published_dns(
            TOKEN,
            PublishedDns::start(&zones, Duration::from_secs(1)),
        );
        let published = fake.published().expect("a server");
        for (zone, _) in ZONES {
            // Cloudflare itself makes SOA and NS of the apex.
            let own = [" IN SOA ", " IN NS "].map(|rtype| (format!("{zone}. "), rtype));
            let is_own = |line: &String| {
                own.iter().any(|(owner, rtype)| line.starts_with(owner) && line.contains(rtype))
            };
            let mut lines = records(&published.server().transfer(zone));
            lines.retain(|line| !is_own(line));
            fake.zone(zone, "enterprise", &lines);
        }
        let proxy = FaultProxy::open(fake.clone());
        let provider = format!(
            "{{ type: cloudflare, url: \"{}\", api_token: {{ env: FIXTURE_SECRET }}, \
             plan: enterprise, anycast_margin: 0s }}",
            address(&proxy)
        );
        let clock = Some(FastClock::start());
        Self { clock, ..Self::new(Backend::Cloudflare(fake, proxy), provider) }
    }

    pub(crate) fn route53() -> Self {
        let fake = Route53::with_published_dns(
            ACCESS_KEY,
            PublishedDns::start(ZONES, Duration::from_secs(1)),
        );
        let published = fake.published().expect("a server");
        for (zone, _) in ZONES {
            // Include the zone's own SOA, because the negative TTL depends on it.
            let soa = published.server().dig(&[zone, "SOA", "+noall", "+answer"]);
            let soa = soa.split_whitespace().collect::<Vec<_>>().join(" ");
            fake.zone(zone, &[records(&published.server().transfer(zone)), vec![soa]].concat());
        }
        let proxy = FaultProxy::open(fake.clone());
        let provider = format!(
            "{{ type: route53, endpoint_url: \"{}\", access_key_id: {ACCESS_KEY}, \
             secret_access_key: {{ env: FIXTURE_SECRET }}, anycast_margin: 0s }}",
            proxy.url()
        );
        Self {
            clock: Some(FastClock::start()),
            ..Self::new(Backend::Route53(fake, proxy), provider)
        }
    }

    /// Route 53 on moto. Credentials and address come from the environment, as for Amazon's own
    /// tools.
    fn moto() -> Self {
        let published = PublishedDns::start(ZONES, Duration::from_secs(1));
        let lines = |zone: &str| {
            let mut lines = records(&published.server().transfer(zone));
            lines.retain(|line| !line.contains(" IN NS "));
            lines
        };
        let zones: Vec<(&str, Vec<String>)> =
            ZONES.iter().map(|(zone, _)| (*zone, lines(zone))).collect();
        let moto = Moto::start(&python(), ACCESS_KEY, &zones, published);
        let proxy = FaultProxy::open(moto.clone());
        let provider = "{ type: route53, anycast_margin: 0s }".to_owned();
        Self { clock: Some(FastClock::start()), ..Self::new(Backend::Moto(moto, proxy), provider) }
    }

    /// Replaces the TTLs of [`ZONES`] in these lines by those of this provider.
    fn lines(&self, zones: [&[&str]; 2]) -> Vec<Vec<String>> {
        let line = |line: &&str| match self.backend {
            Backend::Cloudflare(..) => slower(line),
            Backend::Server(_)
            | Backend::Pdns(_)
            | Backend::Route53(..)
            | Backend::Moto(..)
            | Backend::Files => (*line).to_owned(),
        };
        zones.iter().map(|lines| lines.iter().map(line).collect()).collect()
    }

    fn zonefile() -> Self {
        let provider = "{ type: zonefile, directory: zones, served: { assume_within: 1s } }";
        let fixture = Self::new(Backend::Files, provider.to_owned());
        fs::create_dir(fixture.path("zones")).expect("a directory");
        for (zone, text) in ZONES {
            fs::write(fixture.path(&format!("zones/{zone}.zone")), text).expect("a zone file");
        }
        fixture
    }

    /// A provider that is used through octoDNS, with this class.
    fn octodns(backend: Backend, class: &str) -> Self {
        let settings = backend.settings("{ env: FIXTURE_SECRET }");
        let provider = format!(
            "{{ type: octodns, class: {class}, python: \"{}\", settings: {{ {settings} }} }}",
            python().display()
        );
        Self::new(backend, provider)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(self.dir.path()).stdin(Stdio::null());
        command.env("FIXTURE_SECRET", self.backend.secret());
        // Set Amazon's own variables, for octoDNS and for a plan that names no credentials.
        if let Backend::Route53(_, proxy) | Backend::Moto(_, proxy) = &self.backend {
            command.env("AWS_ENDPOINT_URL", proxy.url()).env("AWS_DEFAULT_REGION", "us-east-1");
            command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        }
        command
    }

    fn run(&self, program: &Path, args: &[&str]) -> (i32, String) {
        said(&self.command(program, args).output().expect("a program can be run"))
    }

    fn ours(&self, args: &[&str]) -> Command {
        let mut command = self.command(Path::new(env!("CARGO_BIN_EXE_cutover")), args);
        if let Some(clock) = &self.clock {
            clock.give_to(&mut command);
        }
        command
    }

    /// Starts `cutover`.
    pub(crate) fn spawn(&self, args: &[&str]) -> Child {
        let mut command = self.ours(args);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("the program can be started")
    }

    fn cutover(&self, args: &[&str]) -> (i32, String) {
        let (code, said) = said(&self.ours(args).output().expect("a program can be run"));
        assert!(!said.contains(self.backend.secret()), "{said}");
        (code, said)
    }

    pub(crate) fn write(&self, name: &str, hosts: [&str; 2]) {
        let addr = self.backend.addr();
        let authorities = addr.map(|addr| format!(", authorities: [ \"{addr}\" ]"));
        let mut plan = plan_text(&self.provider, &authorities.unwrap_or_default(), hosts);
        if let Backend::Cloudflare(..) = self.backend {
            plan = plan.replace("cutover_ttl: 2s", "cutover_ttl: 30s");
        }
        fs::write(self.path(name), plan + self.more).expect("a plan's file");
    }

    /// What is served, read by other programs, as lines without the SOA, whose serial changes.
    pub(crate) fn served(&self) -> Vec<Vec<String>> {
        let lines = |zone: &str| match &self.backend {
            Backend::Server(server) => records(&server.transfer(zone)),
            Backend::Pdns(pdns) => records(&pdns.transfer(zone)),
            Backend::Cloudflare(fake, _) => {
                records(&fake.published().expect("a server").server().transfer(zone))
            }
            Backend::Route53(fake, _) => {
                records(&fake.published().expect("a server").server().transfer(zone))
            }
            Backend::Moto(moto, _) => records(&moto.published().server().transfer(zone)),
            Backend::Files => {
                let file = format!("zones/{zone}.zone");
                let tool = Path::new("named-checkzone");
                let args = ["-q", "-i", "none", "-s", "full", "-D", "-o", "-", zone, &file];
                let (code, said) = self.run(tool, &args);
                assert_eq!(code, 0, "{said}");
                records(&said)
            }
        };
        ZONES.iter().map(|(zone, _)| lines(zone)).collect()
    }

    /// Checks that octoDNS's dump equals `cutover zone dump`, when octoDNS reads both.
    fn octodns_agrees(&self) {
        let Some(octodns) = &self.octodns else { return };
        let (ours, theirs) = (self.path("ours"), self.path("theirs"));
        for dir in [&ours, &theirs] {
            fs::create_dir_all(dir).expect("a directory");
        }
        let zones: String = ZONES
            .iter()
            .map(|(zone, _)| format!("  {zone}.: {{ sources: [ dns ], targets: [ files ] }}\n"))
            .collect();
        let config = format!(
            "providers:\n  dns: {octodns}\n  files: {{ class: octodns.provider.yaml.YamlProvider, \
             directory: theirs, escaped_semicolons: true }}\nzones:\n{zones}"
        );
        fs::write(self.path("octodns.yaml"), config).expect("a configuration");
        for (zone, _) in ZONES {
            let origin = format!("{zone}.");
            let dump = ["-m", "octodns.cmds.dump", "--config-file", "octodns.yaml", "--lenient"];
            let dump = [&dump[..], &["--output-dir", "theirs", &origin, "dns"]].concat();
            let (code, said) = self.run(&python(), &dump);
            assert_eq!(code, 0, "{said}");
            let (code, said) =
                self.cutover(&["zone", "dump", "plan.yaml", zone, "--format", "octodns"]);
            assert_eq!(code, 0, "{said}");
            fs::write(ours.join(format!("{origin}yaml")), said).expect("a file");
            let same = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/octodns/same.py");
            let same = same.display().to_string();
            let (code, said) = self.run(&python(), &[&same, "ours", "theirs", &origin]);
            assert_eq!(code, 0, "{zone}: {said}");
        }
    }

    /// Moves to the new host.
    pub(crate) fn there(&self) {
        self.write("plan.yaml", ["old", "new"]);
        let (code, said) = self.cutover(&["apply", "plan.yaml", "--wait", "--auto-approve"]);
        assert_eq!(code, 0, "{said}");
        assert_eq!(self.served(), self.lines(THERE), "there");
    }

    /// Moves to the new host, checks that nothing is left to do, and moves back.
    fn there_and_back(&self) {
        self.there();
        self.octodns_agrees();
        let (code, said) = self.cutover(&["plan", "plan.yaml", "--detailed-exitcode"]);
        assert_eq!(code, 0, "{said}");
        assert!(said.contains("nothing to change"), "{said}");

        self.write("back.yaml", ["new", "old"]);
        let (code, said) = self.cutover(&["apply", "back.yaml", "--wait", "--auto-approve"]);
        assert_eq!(code, 0, "{said}");
        assert_eq!(self.served(), self.lines(BACK), "back");
        self.octodns_agrees();
        for (zone, _) in ZONES.iter().filter(|_| self.backend.addr().is_some()) {
            let diff = ["zone", "diff", "plan.yaml", zone, "provider", "live"];
            let (code, said) = self.cutover(&[&diff[..], &["--detailed-exitcode"]].concat());
            assert_eq!(code, 0, "{said}");
        }
        is_nowhere(self.backend.secret(), self.dir.path());
    }
}

#[test]
fn zone_files() {
    ProviderFixture::zonefile().there_and_back();
}

#[test]
fn bind() {
    ProviderFixture::rfc2136(Bind::primary(ZONES)).there_and_back();
}

#[test]
fn knot() {
    ProviderFixture::rfc2136(Knot::primary(ZONES)).there_and_back();
}

#[test]
fn powerdns() {
    ProviderFixture::powerdns().there_and_back();
}

#[test]
fn cloudflare() {
    ProviderFixture::cloudflare().there_and_back();
}

#[test]
fn route53() {
    ProviderFixture::route53().there_and_back();
}

/// Only there: on the way back, moto compares a `DELETE` with everything that the zone has ever
/// held instead of what it holds.
#[test]
fn route53_on_moto() {
    ProviderFixture::moto().there();
}

#[test]
fn octodns_to_powerdns() {
    let backend = Backend::Pdns(Pdns::primary(ZONES));
    ProviderFixture::octodns(backend, "octodns_powerdns.PowerDnsProvider").there_and_back();
}

#[test]
fn octodns_to_bind() {
    let backend = Backend::Server(Bind::primary(ZONES));
    ProviderFixture::octodns(backend, "octodns_bind.Rfc2136Provider").there_and_back();
}

/// A class that no table knows, and that deletes before it creates. It is refused, and runs only if
/// the plan accepts that.
#[test]
fn octodns_with_a_class_that_deletes_before_it_creates() {
    let backend = Backend::Pdns(Pdns::primary(ZONES));
    let mut fixture = ProviderFixture::octodns(backend, "lab_octodns.DeleteThenCreate");
    // There is a single server, which can be queried.
    fixture.provider = fixture.provider.replace("class:", "anycast_margin: 0s, class:");
    fixture.write("plan.yaml", ["old", "new"]);
    let (code, said) = fixture.cutover(&["apply", "plan.yaml", "--wait", "--auto-approve"]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("deliverable is broken"), "{said}");
    let start = fixture.served();
    fixture.more = "override:
  - { invariant: deliverable, reason: the provider replaces within a second }
  - { invariant: authenticated, reason: the provider replaces within a second }
  - { invariant: spf-sound, reason: the provider replaces within a second }
";
    fixture.there_and_back();
    assert_ne!(fixture.served(), start);
    let (code, said) = fixture.cutover(&["plan", "plan.yaml"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("the provider replaces within a second"), "{said}");
}
