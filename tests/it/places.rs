//! The same two-domain cutover, there and back, at every kind of provider; octoDNS reads behind us.

mod zones;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use crate::bed::{is_nowhere, records, said};
use crate::cloudflare::Cloudflare;
use crate::lab::door::Door;
use crate::lab::face::Face;
use crate::lab::{Bind, Hasty, Knot, Pdns, Server};
use crate::route53::Route53;
use crate::route53::moto::Moto;

pub(crate) use self::zones::ZONES;
use self::zones::{BACK, THERE};

/// Python with octoDNS in it, as `tests/run` installs it.
pub(crate) fn python() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/octodns/python")
}

/// A move between the two hosts, from the one to the other.
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

/// What serves the zones.
enum Behind {
    Server(Server),
    Pdns(Pdns),
    /// A fake, whose zones a BIND serves a second later.
    Cloudflare(Arc<Cloudflare>, Door),
    /// Another one.
    Route53(Arc<Route53>, Door),
    /// And somebody else's of the same.
    Moto(Arc<Moto>, Door),
    Files,
}

/// A token as long as Cloudflare's.
pub(crate) const TOKEN: &str = "kT9-not-for-anybodys-eyes_0123456789abcde";

/// An access key of Amazon's form, and what belongs to it.
pub(crate) const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
/// See above.
pub(crate) const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// How much longer everything lives where TTLs have to be half a minute at the least.
const SLOWER: u32 = 10;

/// Text with the TTLs of [`ZONES`], as they are at a slower place.
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

/// One kind of provider, with the zones in it.
pub(crate) struct Place {
    behind: Behind,
    /// The provider, as a plan has it.
    provider: String,
    /// The provider, as octoDNS's configuration has it, where octoDNS can read there.
    octodns: Option<String>,
    /// What is said of the plan beside.
    more: &'static str,
    /// The clock of `cutover`, where it is not the real one.
    clock: Option<Hasty>,
    dir: TempDir,
}

impl Behind {
    fn addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Server(server) => Some(server.addr()),
            Self::Pdns(pdns) => Some(pdns.addr()),
            Self::Cloudflare(fake, _) => fake.face().map(|face| face.server().addr()),
            Self::Route53(fake, _) => fake.face().map(|face| face.server().addr()),
            Self::Moto(moto, _) => Some(moto.face().server().addr()),
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

    /// The settings of octoDNS's class, the secret left to `{}`.
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
            Self::Cloudflare(_, door) => {
                format!("api_url: \"{}/client/v4\", token: {secret}", door.url())
            }
            // The address comes by the environment, as boto has it.
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
            // octoDNS asks moto for what it has not (ListHealthChecks has no IsTruncated).
            Self::Server(_) | Self::Moto(..) | Self::Files => None,
            Self::Pdns(_) => Some("octodns_powerdns.PowerDnsProvider"),
            Self::Cloudflare(..) => Some("octodns_cloudflare.CloudflareProvider"),
            Self::Route53(..) => Some("octodns_route53.Route53Provider"),
        }
    }
}

impl Place {
    fn new(behind: Behind, provider: String) -> Self {
        let settings = behind.settings("env/PLACE_SECRET");
        let octodns = behind.class().map(|class| format!("{{ class: {class}, {settings} }}"));
        let dir = tempfile::tempdir().expect("a temporary directory");
        Self { behind, provider, octodns, more: "", clock: None, dir }
    }

    pub(crate) fn rfc2136(server: Server) -> Self {
        let (key, addr) = (server.key(), server.addr());
        let (name, algorithm) = (&key.name, key.algorithm);
        let provider = format!(
            "{{ type: rfc2136, server: \"{addr}\", \
             tsig: {{ key: {name}, algorithm: {algorithm}, secret: {{ env: PLACE_SECRET }} }} }}"
        );
        Self::new(Behind::Server(server), provider)
    }

    /// The same, with a clock that runs faster for `cutover`.
    pub(crate) fn hasty(self) -> Self {
        Self { clock: Some(Hasty::start()), ..self }
    }

    pub(crate) fn powerdns() -> Self {
        let pdns = Pdns::primary(ZONES);
        let provider = format!(
            "{{ type: powerdns, url: \"{}\", api_key: {{ env: PLACE_SECRET }} }}",
            pdns.url()
        );
        Self::new(Behind::Pdns(pdns), provider)
    }

    fn cloudflare() -> Self {
        Self::cloudflare_behind(|door| format!("{}/client/v4", door.url()))
    }

    /// Enterprise zones, since their TTLs are the shortest, behind this address.
    pub(crate) fn cloudflare_behind(address: impl FnOnce(&Door) -> String) -> Self {
        let zones = ZONES.iter().map(|(zone, text)| (*zone, slower(text))).collect::<Vec<_>>();
        let zones: Vec<(&str, &str)> = zones.iter().map(|(zone, text)| (*zone, &**text)).collect();
        let fake = Cloudflare::with_face(TOKEN, Face::start(&zones, Duration::from_secs(1)));
        let face = fake.face().expect("it has one");
        for (zone, _) in ZONES {
            // SOA and NS of the apex are Cloudflare's own.
            let own = [" IN SOA ", " IN NS "].map(|rtype| (format!("{zone}. "), rtype));
            let is_own = |line: &String| {
                own.iter().any(|(owner, rtype)| line.starts_with(owner) && line.contains(rtype))
            };
            let mut lines = records(&face.server().transfer(zone));
            lines.retain(|line| !is_own(line));
            fake.zone(zone, "enterprise", &lines);
        }
        let door = Door::open(fake.clone());
        let provider = format!(
            "{{ type: cloudflare, url: \"{}\", api_token: {{ env: PLACE_SECRET }}, \
             plan: enterprise, unseen_nodes: 0s }}",
            address(&door)
        );
        let clock = Some(Hasty::start());
        Self { clock, ..Self::new(Behind::Cloudflare(fake, door), provider) }
    }

    pub(crate) fn route53() -> Self {
        let fake = Route53::with_face(ACCESS_KEY, Face::start(ZONES, Duration::from_secs(1)));
        let face = fake.face().expect("it has one");
        for (zone, _) in ZONES {
            // With the zone's own SOA: how long absence is cached comes from it.
            let soa = face.server().dig(&[zone, "SOA", "+noall", "+answer"]);
            let soa = soa.split_whitespace().collect::<Vec<_>>().join(" ");
            fake.zone(zone, &[records(&face.server().transfer(zone)), vec![soa]].concat());
        }
        let door = Door::open(fake.clone());
        let provider = format!(
            "{{ type: route53, endpoint_url: \"{}\", access_key_id: {ACCESS_KEY}, \
             secret_access_key: {{ env: PLACE_SECRET }}, unseen_nodes: 0s }}",
            door.url()
        );
        Self { clock: Some(Hasty::start()), ..Self::new(Behind::Route53(fake, door), provider) }
    }

    /// Credentials and address come as Amazon's own tools have them.
    fn moto() -> Self {
        let face = Face::start(ZONES, Duration::from_secs(1));
        let lines = |zone: &str| {
            let mut lines = records(&face.server().transfer(zone));
            lines.retain(|line| !line.contains(" IN NS "));
            lines
        };
        let zones: Vec<(&str, Vec<String>)> =
            ZONES.iter().map(|(zone, _)| (*zone, lines(zone))).collect();
        let moto = Moto::start(&python(), ACCESS_KEY, &zones, face);
        let door = Door::open(moto.clone());
        let provider = "{ type: route53, unseen_nodes: 0s }".to_owned();
        Self { clock: Some(Hasty::start()), ..Self::new(Behind::Moto(moto, door), provider) }
    }

    /// Lines with the TTLs of [`ZONES`], as they are here.
    fn lines(&self, zones: [&[&str]; 2]) -> Vec<Vec<String>> {
        let line = |line: &&str| match self.behind {
            Behind::Cloudflare(..) => slower(line),
            Behind::Server(_)
            | Behind::Pdns(_)
            | Behind::Route53(..)
            | Behind::Moto(..)
            | Behind::Files => (*line).to_owned(),
        };
        zones.iter().map(|lines| lines.iter().map(line).collect()).collect()
    }

    fn zonefile() -> Self {
        let provider = "{ type: zonefile, directory: zones, served: { assume_within: 1s } }";
        let place = Self::new(Behind::Files, provider.to_owned());
        fs::create_dir(place.path("zones")).expect("a directory");
        for (zone, text) in ZONES {
            fs::write(place.path(&format!("zones/{zone}.zone")), text).expect("a zone file");
        }
        place
    }

    /// Through octoDNS, with this class.
    fn octodns(behind: Behind, class: &str) -> Self {
        let settings = behind.settings("{ env: PLACE_SECRET }");
        let provider = format!(
            "{{ type: octodns, class: {class}, python: \"{}\", settings: {{ {settings} }} }}",
            python().display()
        );
        Self::new(behind, provider)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(self.dir.path()).stdin(Stdio::null());
        command.env("PLACE_SECRET", self.behind.secret());
        // Amazon's own variables: for octoDNS, and for a plan that has nothing of the kind.
        if let Behind::Route53(_, door) | Behind::Moto(_, door) = &self.behind {
            command.env("AWS_ENDPOINT_URL", door.url()).env("AWS_DEFAULT_REGION", "us-east-1");
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
        assert!(!said.contains(self.behind.secret()), "{said}");
        (code, said)
    }

    pub(crate) fn write(&self, name: &str, hosts: [&str; 2]) {
        let addr = self.behind.addr();
        let authorities = addr.map(|addr| format!(", authorities: [ \"{addr}\" ]"));
        let mut plan = plan_text(&self.provider, &authorities.unwrap_or_default(), hosts);
        if let Behind::Cloudflare(..) = self.behind {
            plan = plan.replace("cutover_ttl: 2s", "cutover_ttl: 30s");
        }
        fs::write(self.path(name), plan + self.more).expect("a plan's file");
    }

    /// What is served, by somebody else's reader: lines without the SOA, whose serial moves.
    pub(crate) fn served(&self) -> Vec<Vec<String>> {
        let lines = |zone: &str| match &self.behind {
            Behind::Server(server) => records(&server.transfer(zone)),
            Behind::Pdns(pdns) => records(&pdns.transfer(zone)),
            Behind::Cloudflare(fake, _) => {
                records(&fake.face().expect("it has one").server().transfer(zone))
            }
            Behind::Route53(fake, _) => {
                records(&fake.face().expect("it has one").server().transfer(zone))
            }
            Behind::Moto(moto, _) => records(&moto.face().server().transfer(zone)),
            Behind::Files => {
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

    /// What octoDNS dumps is what `cutover zone dump` prints, as octoDNS reads both.
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

    /// To the new host.
    pub(crate) fn there(&self) {
        self.write("plan.yaml", ["old", "new"]);
        let (code, said) = self.cutover(&["apply", "plan.yaml", "--wait", "--auto-approve"]);
        assert_eq!(code, 0, "{said}");
        assert_eq!(self.served(), self.lines(THERE), "there");
    }

    /// To the end, and nothing is left to do; back to the old host, the same.
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
        for (zone, _) in ZONES.iter().filter(|_| self.behind.addr().is_some()) {
            let diff = ["zone", "diff", "plan.yaml", zone, "provider", "live"];
            let (code, said) = self.cutover(&[&diff[..], &["--detailed-exitcode"]].concat());
            assert_eq!(code, 0, "{said}");
        }
        is_nowhere(self.behind.secret(), self.dir.path());
    }
}

#[test]
fn zone_files() {
    Place::zonefile().there_and_back();
}

#[test]
fn bind() {
    Place::rfc2136(Bind::primary(ZONES)).there_and_back();
}

#[test]
fn knot() {
    Place::rfc2136(Knot::primary(ZONES)).there_and_back();
}

#[test]
fn powerdns() {
    Place::powerdns().there_and_back();
}

#[test]
fn cloudflare() {
    Place::cloudflare().there_and_back();
}

#[test]
fn route53() {
    Place::route53().there_and_back();
}

/// There only: on the way back moto compares a `DELETE` with what the zone has ever held, and not with
/// what it holds.
#[test]
fn route53_on_moto() {
    Place::moto().there();
}

#[test]
fn octodns_to_powerdns() {
    let behind = Behind::Pdns(Pdns::primary(ZONES));
    Place::octodns(behind, "octodns_powerdns.PowerDnsProvider").there_and_back();
}

#[test]
fn octodns_to_bind() {
    let behind = Behind::Server(Bind::primary(ZONES));
    Place::octodns(behind, "octodns_bind.Rfc2136Provider").there_and_back();
}

/// A class that deletes and then creates, which no table knows: it is refused, and runs where the
/// plan says that this may be.
#[test]
fn octodns_with_a_class_that_takes_records_away_first() {
    let behind = Behind::Pdns(Pdns::primary(ZONES));
    let mut place = Place::octodns(behind, "lab_octodns.DeleteThenCreate");
    // The one server can be asked.
    place.provider = place.provider.replace("class:", "unseen_nodes: 0s, class:");
    place.write("plan.yaml", ["old", "new"]);
    let (code, said) = place.cutover(&["apply", "plan.yaml", "--wait", "--auto-approve"]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("deliverable is broken"), "{said}");
    let start = place.served();
    place.more = "override:
  - { invariant: deliverable, reason: the provider replaces within a second }
  - { invariant: authenticated, reason: the provider replaces within a second }
  - { invariant: spf-sound, reason: the provider replaces within a second }
";
    place.there_and_back();
    assert_ne!(place.served(), start);
    let (code, said) = place.cutover(&["plan", "plan.yaml"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("the provider replaces within a second"), "{said}");
}
