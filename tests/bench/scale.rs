//! Large zones: `cutover` compared with octoDNS, and with programs that only read the zone.
//!
//! * `plan`: one address changes in a zone of 1,000, 10,000 and 100,000 records, at BIND and at
//!   PowerDNS. octoDNS plans the same change from its YAML. `dig AXFR` to a file, or `curl` of the
//!   zone, shows what reading alone takes.
//! * `create`: 10,000 records are added to a small zone, from the plan to the end of the run.
//!   `nsupdate` and `curl`, with the same records in as few requests, show what the server alone
//!   needs.
//! * `changes`: 1,200 records of a zone of 10,000 are created, changed and removed, at BIND, at
//!   PowerDNS and in a zone file.
//! * `million`: one address changes among 1,000,000 records at BIND.
//! * `fakes`: one address changes in a zone of 10,000 records at the lab's fakes of Cloudflare and
//!   Route 53, and 1,000 records are added. Requests are counted.
//!
//! All programs run on the same servers, in turn, and medians are compared. The limits are those of
//! the issues that asked for them. Words on the command line select what is run.

#[path = "../lab/cloudflare/mod.rs"]
mod cloudflare;
#[path = "scale/fixture.rs"]
mod fixture;
#[path = "../lab/mod.rs"]
mod lab;
#[path = "../lab/route53/mod.rs"]
mod route53;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use fixture::ProviderFixture;
use lab::fault_proxy::FaultProxy;
use tempfile::TempDir;

const ZONE: &str = "large.test";
/// The owner name of the record that changes.
const CHANGED: &str = "h000007";

/// The first lines of every zone.
const HEAD: &str = "$TTL 3600\n@ SOA ns1 hostmaster 1 3600 600 86400 300\n@ NS ns1\nns1 A 192.0.2.53\n\
    @ MX 10 mail\n@ TXT \"v=spf1 ip4:192.0.2.10 -all\"\nmail A 192.0.2.10\n";

/// The same in octoDNS's YAML, without the NS records, which are the server's own.
const HEAD_YAML: &str = "'':\n- { type: MX, ttl: 3600, value: { preference: 10, exchange: mail.large.test. } }\n\
    - { type: NS, ttl: 3600, value: ns1.large.test. }\n\
    - { type: TXT, ttl: 3600, value: v=spf1 ip4:192.0.2.10 -all }\n\
    mail: { type: A, ttl: 3600, value: 192.0.2.10 }\nns1: { type: A, ttl: 3600, value: 192.0.2.53 }\n";

fn address(number: usize) -> String {
    format!("10.{}.{}.{}", number >> 16 & 255, number >> 8 & 255, number & 255)
}

fn zone(records: usize) -> String {
    let mut text = HEAD.to_owned();
    for number in 0..records {
        writeln!(text, "h{number:06} A {}", address(number)).expect("a string takes everything");
    }
    text
}

/// The zone as octoDNS has to make it, with or without one changed address.
fn zone_yaml(records: usize, changed: bool) -> String {
    let mut text = HEAD_YAML.to_owned();
    for number in 0..records {
        let name = format!("h{number:06}");
        let address = match changed && name == CHANGED {
            true => "203.0.113.80".to_owned(),
            false => address(number),
        };
        writeln!(text, "{name}: {{ type: A, ttl: 3600, value: {address} }}")
            .expect("a string takes everything");
    }
    text
}

/// A directory with a plan and octoDNS's configuration for a server.
struct Workspace {
    dir: TempDir,
    secret: String,
    /// The address of the fake of Amazon, for boto.
    amazon: Option<String>,
}

impl Workspace {
    fn new(fixture: &ProviderFixture, records: &str, yaml: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let plan = format!(
            "version: 1\nname: large\nresolver: none\nproviders: {{ dns: {} }}\n\
             zones: {{ {ZONE}: {{ provider: dns{} }} }}\nrecords:\n{records}",
            fixture.provider(),
            fixture.addr().map_or(String::new(), |addr| format!(", authorities: [ \"{addr}\" ]")),
        );
        let config = format!(
            "providers:\n  dns: {}\n  files: {{ class: octodns.provider.yaml.YamlProvider, directory: yaml, \
             enforce_order: false }}\nzones:\n  {ZONE}.: {{ sources: [ files ], targets: [ dns ] }}\n",
            fixture.octodns()
        );
        let write = |name: &str, text: &str| {
            fs::write(dir.path().join(name), text).expect("a file can be written");
        };
        write("plan.yaml", &plan);
        write("octodns.yaml", &config);
        fs::create_dir(dir.path().join("yaml")).expect("a directory can be made");
        write(&format!("yaml/{ZONE}.yaml"), yaml);
        let amazon = match fixture {
            ProviderFixture::Route53(_, proxy) => Some(proxy.url()),
            ProviderFixture::Bind(_)
            | ProviderFixture::Pdns(_)
            | ProviderFixture::File(_)
            | ProviderFixture::Cloudflare(..) => None,
        };
        Self { dir, secret: fixture.secret().to_owned(), amazon }
    }

    /// Runs a program to its end, with its standard output in a file.
    fn timed(&self, mut command: Command) -> Taken {
        let out = File::create(self.dir.path().join("out")).expect("a file can be made");
        let log = File::create(self.dir.path().join("log")).expect("a file can be made");
        command.current_dir(self.dir.path()).env("SECRET", &self.secret);
        if let Some(url) = &self.amazon {
            command.env("AWS_ENDPOINT_URL", url).env("AWS_DEFAULT_REGION", "us-east-1");
        }
        timed(command.stdin(Stdio::null()).stdout(out).stderr(log), self.dir.path())
    }

    fn cutover(&self, args: &[&str]) -> Taken {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
        command.args(args);
        self.timed(command)
    }

    fn octodns(&self, args: &[&str]) -> Taken {
        let mut command = Command::new(python());
        command.args(["-m", "octodns.cmds.sync", "--config-file", "octodns.yaml"]).args(args);
        self.timed(command)
    }

    /// The output of the last command.
    fn said(&self) -> String {
        let read = |name| fs::read_to_string(self.dir.path().join(name)).expect("text");
        read("out") + &read("log")
    }
}

/// Python with octoDNS, as `tests/run` installs it.
fn python() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/octodns/python")
}

/// How long a program ran, and its peak memory.
#[derive(Clone, Copy)]
struct Taken {
    span: Duration,
    megabytes: u64,
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn timed(command: &mut Command, dir: &Path) -> Taken {
    let begun = Instant::now();
    let mut child = command.spawn().expect("the program can be started");
    let mut kilobytes = 0;
    loop {
        // The peak is gone with the process, so it is read until the process ends.
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let mark = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let mark = mark.and_then(|text| text.trim().trim_end_matches(" kB").parse().ok());
        kilobytes = kilobytes.max(mark.unwrap_or(0));
        if let Some(status) = child.try_wait().expect("the child can be waited for") {
            let log = fs::read_to_string(dir.join("log")).unwrap_or_default();
            assert!(status.success(), "{command:?} ended with {status}: {log}");
            return Taken { span: begun.elapsed(), megabytes: kilobytes / 1024 };
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The median time, and the largest memory.
fn median(mut taken: Vec<Taken>) -> Taken {
    taken.sort_by_key(|taken| taken.span);
    let megabytes = taken.iter().map(|taken| taken.megabytes).max().unwrap_or_default();
    Taken { span: taken[taken.len() / 2].span, megabytes }
}

/// A figure, and whether it is within its limit.
struct Verdict {
    holds: bool,
}

impl Verdict {
    /// An upper limit, if any.
    fn at_most(&mut self, what: &str, value: f64, bound: Option<f64>) {
        self.say(what, value, bound.map(|bound| ("at most", bound)), |value, bound| value <= bound);
    }

    fn at_least(&mut self, what: &str, value: f64, bound: Option<f64>) {
        let bound = bound.map(|bound| ("at least", bound));
        self.say(what, value, bound, |value, bound| value >= bound);
    }

    fn say(
        &mut self,
        what: &str,
        value: f64,
        bound: Option<(&str, f64)>,
        is: fn(f64, f64) -> bool,
    ) {
        let Some((word, bound)) = bound else { return println!("    {what}: {value:.2}") };
        let holds = is(value, bound);
        let mark = if holds { "" } else { "  MISSED" };
        println!("    {what}: {value:.2} ({word} {bound}){mark}");
        self.holds &= holds;
    }
}

fn one_change(fixture: &ProviderFixture, records: usize, peer: bool) -> (Workspace, String) {
    let change =
        format!("  - {{ zone: {ZONE}, name: {CHANGED}, type: A, to: [ 203.0.113.80 ] }}\n");
    let yaml = if peer { zone_yaml(records, true) } else { String::new() };
    (Workspace::new(fixture, &change, &yaml), format!("switch/{ZONE}/{CHANGED}/A"))
}

fn plan(verdict: &mut Verdict) {
    const ROUNDS: usize = 5;
    for kind in ["BIND", "PowerDNS"] {
        for (records, faster) in [(1_000, None), (10_000, Some(20.0)), (100_000, None)] {
            let fixture = ProviderFixture::new(kind, records);
            let (workspace, step) = one_change(&fixture, records, true);
            let (mut ours, mut readers, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
            // octoDNS takes long for the largest zone, so it runs only once.
            let rounds_of_peer = if records == 100_000 { 1 } else { 3 };
            for round in 0..ROUNDS {
                readers.push(workspace.timed(fixture.reader()));
                ours.push(workspace.cutover(&["plan", "plan.yaml"]));
                assert!(workspace.said().contains(&step), "{}", workspace.said());
                if round < rounds_of_peer {
                    theirs.push(workspace.octodns(&[]));
                    assert!(workspace.said().contains("Updates=1,"), "{}", workspace.said());
                }
            }
            let (ours, reader, theirs) = (median(ours), median(readers), median(theirs));
            println!(
                "plan, {kind}, {records} records: cutover {:?} ({} MB), reading alone {:?}, octoDNS {:?}",
                ours.span, ours.megabytes, reader.span, theirs.span
            );
            let large = records == 100_000;
            let (reads, megabytes) = match kind {
                "BIND" => (2.0, Some(200.0)),
                _ => (1.5, None),
            };
            let ratio = ours.span.as_secs_f64() / reader.span.as_secs_f64();
            verdict.at_most("times reading alone", ratio, large.then_some(reads));
            let ratio = theirs.span.as_secs_f64() / ours.span.as_secs_f64();
            verdict.at_least("times faster than octoDNS", ratio, faster);
            let megabytes = megabytes.filter(|_| large);
            verdict.at_most("MB", f64::from(u32::try_from(ours.megabytes).expect("MB")), megabytes);
        }
    }
}

fn create(verdict: &mut Verdict) {
    const RECORDS: usize = 10_000;
    const ROUNDS: usize = 3;
    let mut records = String::new();
    for number in 0..RECORDS {
        writeln!(
            records,
            "  - {{ zone: {ZONE}, name: h{number:06}, type: A, to: [ {} ], ttl: 1h }}",
            address(number)
        )
        .expect("a string takes everything");
    }
    let yaml = zone_yaml(RECORDS, false);
    for kind in ["BIND", "PowerDNS"] {
        let (mut ours, mut theirs, mut alone) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let made =
                |taken: &mut Vec<Taken>, make: &dyn Fn(&Workspace, &ProviderFixture) -> Taken| {
                    let fixture = ProviderFixture::new(kind, 0);
                    let workspace = Workspace::new(&fixture, &records, &yaml);
                    taken.push(make(&workspace, &fixture));
                    assert_eq!(fixture.records(), RECORDS + 2, "{}", workspace.said());
                };
            made(&mut ours, &|workspace, _| {
                workspace.cutover(&["apply", "plan.yaml", "--wait", "--auto-approve"])
            });
            made(&mut theirs, &|workspace, _| workspace.octodns(&["--doit", "--force"]));
            made(&mut alone, &|workspace, fixture| {
                workspace.timed(fixture.writer(workspace.dir.path(), RECORDS))
            });
        }
        let (ours, theirs, alone) = (median(ours), median(theirs), median(alone));
        println!(
            "create, {kind}, {RECORDS} records: cutover {:?} ({} MB), octoDNS {:?}, writing alone {:?}",
            ours.span, ours.megabytes, theirs.span, alone.span
        );
        // Nobody is faster than the server: the most that is possible.
        let ratio = theirs.span.as_secs_f64() / alone.span.as_secs_f64();
        verdict.at_least("times faster than octoDNS is writing alone", ratio, None);
        let ratio = theirs.span.as_secs_f64() / ours.span.as_secs_f64();
        verdict.at_least("times faster than octoDNS", ratio, Some(5.0));
    }
}

/// Changing or removing records costs about as much as creating them.
fn changes(verdict: &mut Verdict) {
    const RECORDS: usize = 1_200;
    const ROUNDS: usize = 3;
    let records = |what: &dyn Fn(usize) -> String| -> String {
        let line = |number| {
            let what = what(number);
            format!("  - {{ zone: {ZONE}, name: n{number:06}, type: A, {what} }}\n")
        };
        (0..RECORDS).map(line).collect()
    };
    let created = records(&|number| format!("to: [ {} ], ttl: 1h", address(number)));
    let changed = records(&|number| format!("to: [ {} ], ttl: 1h", address(number + 1)));
    let removed = records(&|_| "absent: true".to_owned());
    for kind in ["BIND", "PowerDNS", "zone file"] {
        let mut taken = [Vec::new(), Vec::new(), Vec::new()];
        let fixture = ProviderFixture::new(kind, 10_000);
        for _ in 0..ROUNDS {
            for (plan, (taken, are_there)) in [&created, &changed, &removed]
                .into_iter()
                .zip(taken.iter_mut().zip([RECORDS, RECORDS, 0]))
            {
                let workspace = Workspace::new(&fixture, plan, "");
                taken.push(workspace.cutover(&["apply", "plan.yaml", "--wait", "--auto-approve"]));
                assert_eq!(fixture.records(), 10_000 + 2 + are_there, "{}", workspace.said());
            }
        }
        let [created, changed, removed] = taken.map(median);
        println!(
            "changes, {kind}, {RECORDS} records of 11,200: created {:?}, changed {:?}, removed {:?}",
            created.span, changed.span, removed.span
        );
        let ratio = |taken: Taken| taken.span.as_secs_f64() / created.span.as_secs_f64();
        verdict.at_most("times creating them, to change", ratio(changed), Some(3.0));
        verdict.at_most("times creating them, to remove", ratio(removed), Some(3.0));
    }
}

fn million(verdict: &mut Verdict) {
    const RECORDS: usize = 1_000_000;
    const ROUNDS: usize = 3;
    let fixture = ProviderFixture::new("BIND", RECORDS);
    let (workspace, step) = one_change(&fixture, RECORDS, false);
    let (mut ours, mut readers) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        readers.push(workspace.timed(fixture.reader()));
        ours.push(workspace.cutover(&["plan", "plan.yaml"]));
        assert!(workspace.said().contains(&step), "{}", workspace.said());
    }
    let (ours, reader) = (median(ours), median(readers));
    println!(
        "million, BIND, {RECORDS} records: cutover {:?}, dig AXFR {:?}",
        ours.span, reader.span
    );
    let ratio = ours.span.as_secs_f64() / reader.span.as_secs_f64();
    verdict.at_most("times dig AXFR", ratio, Some(2.0));
    verdict.at_most("seconds", ours.span.as_secs_f64(), Some(10.0));
    verdict.at_most("MB", f64::from(u32::try_from(ours.megabytes).expect("MB")), Some(1_500.0));
}

/// At a distant provider, time is mostly spent on requests: a tenth of a second each, and hardly
/// anything here.
fn fakes(verdict: &mut Verdict) {
    for (kind, writes, requests) in
        [("Cloudflare", Some(1_000.0), Some(100.0)), ("Route 53", None, None)]
    {
        one_at_a_fake(verdict, kind);
        many_at_a_fake(verdict, kind, writes, requests);
    }
}

fn proxy_of(fixture: &ProviderFixture) -> &FaultProxy {
    match fixture {
        ProviderFixture::Cloudflare(_, proxy) | ProviderFixture::Route53(_, proxy) => proxy,
        ProviderFixture::Bind(_) | ProviderFixture::Pdns(_) | ProviderFixture::File(_) => {
            panic!("there is no proxy before a real server")
        }
    }
}

fn one_at_a_fake(verdict: &mut Verdict, kind: &str) {
    const RECORDS: usize = 10_000;
    const ROUNDS: usize = 3;
    let fixture = ProviderFixture::new(kind, RECORDS);
    let proxy = proxy_of(&fixture);
    let (workspace, step) = one_change(&fixture, RECORDS, true);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let (mut our_requests, mut their_requests) = (0, 0);
    for _ in 0..ROUNDS {
        proxy.forget();
        ours.push(workspace.cutover(&["plan", "plan.yaml"]));
        our_requests = proxy.count(|_| true);
        assert!(workspace.said().contains(&step), "{}", workspace.said());
        proxy.forget();
        theirs.push(workspace.octodns(&[]));
        their_requests = proxy.count(|_| true);
        assert!(workspace.said().contains("Updates=1,"), "{}", workspace.said());
    }
    let (ours, theirs) = (median(ours), median(theirs));
    println!(
        "fakes, {kind}, plan, {RECORDS} records: cutover {:?} in {our_requests} requests, \
         octoDNS {:?} in {their_requests}",
        ours.span, theirs.span
    );
    let ratio = theirs.span.as_secs_f64() / ours.span.as_secs_f64();
    verdict.at_least("times faster than octoDNS", ratio, Some(10.0));
}

fn many_at_a_fake(
    verdict: &mut Verdict,
    kind: &str,
    fewer_writes: Option<f64>,
    fewer_requests: Option<f64>,
) {
    const NEW: usize = 1_000;
    let mut records = String::new();
    for number in 0..NEW {
        writeln!(
            records,
            "  - {{ zone: {ZONE}, name: h{number:06}, type: A, to: [ {} ], ttl: 1h }}",
            address(number)
        )
        .expect("a string takes everything");
    }
    let yaml = zone_yaml(NEW, false);
    let made = |make: &dyn Fn(&Workspace) -> Taken| {
        let fixture = ProviderFixture::new(kind, 0);
        let workspace = Workspace::new(&fixture, &records, &yaml);
        let taken = make(&workspace);
        assert_eq!(fixture.records(), NEW + 2, "{}", workspace.said());
        let proxy = proxy_of(&fixture);
        (taken, proxy.count(|request| request.method != "GET"), proxy.count(|_| true))
    };
    let (ours, our_writes, our_requests) =
        made(&|workspace| workspace.cutover(&["apply", "plan.yaml", "--wait", "--auto-approve"]));
    let (theirs, their_writes, their_requests) =
        made(&|workspace| workspace.octodns(&["--doit", "--force"]));
    println!(
        "fakes, {kind}, {NEW} records come in: cutover {:?} in {our_writes} writes, {our_requests} \
         requests in all; octoDNS {:?} in {their_writes} writes, {their_requests} in all",
        ours.span, theirs.span
    );
    let number = |count: usize| f64::from(u32::try_from(count).expect("few requests"));
    let ratio = number(their_writes) / number(our_writes);
    verdict.at_least("times fewer writes than octoDNS", ratio, fewer_writes);
    let ratio = number(their_requests) / number(our_requests);
    verdict.at_least("times fewer requests than octoDNS", ratio, fewer_requests);
}

type Part = (&'static str, fn(&mut Verdict));

const PARTS: [Part; 5] = [
    ("plan", plan),
    ("create", create),
    ("changes", changes),
    ("million", million),
    ("fakes", fakes),
];

fn main() -> ExitCode {
    // `cargo bench` adds an argument of its own.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let mut verdict = Verdict { holds: true };
    for (name, part) in PARTS {
        if words.is_empty() || words.iter().any(|word| word == name) {
            part(&mut verdict);
        }
    }
    match verdict.holds {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
