//! Trouble after each entry of a run's journal, at real providers: the process is killed or
//! terminated, somebody edits what the plan changes, others write other records, or a new plan is
//! made.
//!
//! Whatever happens, no edit of others is lost, no wait is shorter than planned, each process ends
//! within a stated time, and in the end the zone is the same as without trouble.
//!
//! The normal test run takes a sample of the entries. `CUTOVER_SWEEP=all` takes all of them, and
//! `CUTOVER_SWEEP=20` takes twenty of each kind.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use cutover::artifact::Artifact;
use cutover::digest::Digest;
use cutover::journal::Entry;
use serde_json::Value;
use tempfile::TempDir;

use crate::bind_fixture::{records, said};
use crate::lab::{Bind, Pdns, Server, now, sleep};
use crate::recipes::STATED;
use crate::replans::{Made, waits_hold};

/// Time limit of a process. The waits of the longest plan take a quarter of it, and a wait that
/// starts again as much once more.
const PROCESS_MAX: Duration = Duration::from_secs(90);
/// How much longer it may take at PowerDNS: a change that was begun by a process that died is sent
/// again when it can no longer appear by itself (`Capabilities::settle_max`, 60 s there).
const SETTLE_MAX: Duration = Duration::from_secs(60);
/// Entries of each plan and kind of trouble in the normal test run.
const SAMPLE: usize = 1;

/// A domain whose TTLs are already low.
const ZONE: &str = "\
$TTL 2
@ SOA ns1.acme.test. hostmaster.acme.test. 1 3600 600 86400 1
@ NS ns1.acme.test.
@ MX 10 mail.old.test.
@ TXT \"v=spf1 ip4:192.0.2.11 -all\"
www A 192.0.2.80
x A 192.0.2.90
note TXT \"here today\"
";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// SIGKILL.
    Killed,
    /// SIGTERM.
    Ended,
    /// Somebody edits what the plan changes.
    Drift,
    /// Somebody adds another record, and a second process tries to run the same plan.
    Beside,
    /// SIGKILL, and then a new plan is made from what is live.
    Replanned,
}

const TROUBLES: [Trouble; 5] =
    [Trouble::Killed, Trouble::Ended, Trouble::Drift, Trouble::Beside, Trouble::Replanned];

/// A plan, and an edit of what it changes.
struct Plan {
    name: &'static str,
    /// The text after the zones; `ZONE` stands for the zone.
    body: &'static str,
    /// The edit: name relative to the zone, type, and data.
    edit: [&'static str; 3],
}

const MOVE: &str = "hosts:
  old:
    exchanges: [ { preference: 10, name: mail.old.test. } ]
    senders: [ { name: people, spf: \"ip4:192.0.2.11\" } ]
  new:
    exchanges: [ { preference: 10, name: mx.new.test. } ]
    senders: [ { name: people, spf: \"ip4:203.0.113.25\" } ]
migrate: { domains: [ ZONE ], from: old, to: new, cutover_ttl: 1s, keep_old: 1s, overrun: 1s MORE }
clocks: { margin: 1s, use: 0s, queue_life: 1s }
";

const PLANS: [Plan; 3] = [
    Plan { name: "direct", body: "", edit: ["@", "MX", "77 elsewhere.test."] },
    Plan {
        name: "standby",
        body: ", switch: standby",
        edit: ["@", "TXT", "\"v=spf1 ip4:198.51.100.7 -all\""],
    },
    Plan {
        name: "records",
        body: "clocks: { margin: 1s, use: 0s }
records:
  - { id: w, zone: ZONE, name: www, type: A, to: [ 192.0.2.81 ], lower_ttl: 1s }
  - { id: x, zone: ZONE, name: x, type: A, to: [ 192.0.2.91 ], after: \"record:w\", wait: 2s }
  - { zone: ZONE, name: note, type: TXT, absent: true, after: \"record:x\" }
",
        edit: ["x", "A", "198.51.100.9"],
    },
];

impl Plan {
    fn text(&self, zone: &str, provider: &str, authorities: &str) -> String {
        let body = match self.name {
            "records" => self.body.to_owned(),
            _ => {
                let published =
                    "  - { fact: published, name: mx.new.test., reason: the host runs it }\n";
                MOVE.replace(" MORE", self.body) + STATED + published
            }
        };
        format!(
            "version: 1
name: sweep
providers: {{ dns: {provider} }}
resolver: none
zones: {{ {zone}: {{ provider: dns{authorities} }} }}
{}",
            body.replace("ZONE", zone)
        )
    }
}

/// The provider that holds the zones.
enum ProviderFixture {
    Bind(Server),
    Pdns(Pdns),
    /// Zone files, with a directory for each case.
    Files,
}

impl ProviderFixture {
    fn start(&self, zones: &[(&str, &str)]) -> Self {
        match self {
            Self::Bind(_) => Self::Bind(Bind::primary(zones)),
            Self::Pdns(_) => Self::Pdns(Pdns::primary(zones)),
            Self::Files => Self::Files,
        }
    }

    /// How many cases run at a time. They mostly wait. PowerDNS's SQLite accepts one write at a
    /// time.
    fn at_once(&self) -> usize {
        match self {
            Self::Bind(_) | Self::Files => 10,
            Self::Pdns(_) => 4,
        }
    }

    /// How long a process may take.
    fn process_max(&self) -> Duration {
        match self {
            Self::Bind(_) | Self::Files => PROCESS_MAX,
            Self::Pdns(_) => PROCESS_MAX + SETTLE_MAX,
        }
    }

    fn addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Bind(server) => Some(server.addr()),
            Self::Pdns(pdns) => Some(pdns.addr()),
            Self::Files => None,
        }
    }

    fn secret(&self) -> &str {
        match self {
            Self::Bind(server) => &server.key().secret,
            Self::Pdns(pdns) => pdns.api_key(),
            Self::Files => "none",
        }
    }

    fn provider(&self) -> String {
        match self {
            Self::Bind(server) => format!(
                "{{ type: rfc2136, server: \"{}\", tsig: {{ key: {}, algorithm: {}, secret: {{ env: SWEEP }} }} }}",
                server.addr(),
                server.key().name,
                server.key().algorithm
            ),
            Self::Pdns(pdns) => {
                format!("{{ type: powerdns, url: \"{}\", api_key: {{ env: SWEEP }} }}", pdns.url())
            }
            Self::Files => {
                "{ type: zonefile, directory: zones, served: { assume_within: 1s } }".to_owned()
            }
        }
    }
}

/// A run in its own directory.
struct Case<'c> {
    fixture: &'c ProviderFixture,
    plan: &'c Plan,
    zone: String,
    dir: TempDir,
}

impl fmt::Display for Case<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.plan.name, self.zone)
    }
}

const APPLY: &[&str] = &["apply", "plan.yaml", "--wait", "--auto-approve"];

impl<'c> Case<'c> {
    fn new(fixture: &'c ProviderFixture, plan: &'c Plan, zone: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let authorities = fixture.addr().map(|addr| format!(", authorities: [ \"{addr}\" ]"));
        let text = plan.text(zone, &fixture.provider(), &authorities.unwrap_or_default());
        fs::write(dir.path().join("plan.yaml"), text).expect("the plan");
        let case = Self { fixture, plan, zone: zone.to_owned(), dir };
        if let ProviderFixture::Files = fixture {
            fs::create_dir(dir_of(&case.file())).expect("a directory");
            fs::write(case.file(), ZONE).expect("the zone");
        }
        case
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("zones").join(format!("{}.zone", self.zone))
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
        command.args(args).current_dir(self.dir.path()).env("SWEEP", self.fixture.secret());
        command.stdin(Stdio::null());
        command
    }

    fn spawn(&self, args: &[&str]) -> Child {
        let mut command = self.command(args);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it can be started")
    }

    /// The exit code of a process, which has to end within its time limit.
    fn ends(&self, child: &mut Child) -> Option<i32> {
        let begun = now();
        loop {
            if let Some(status) = child.try_wait().expect("a child") {
                return status.code();
            }
            assert!(begun.elapsed() < self.fixture.process_max(), "{self}: a process hangs");
            sleep(Duration::from_millis(20));
        }
    }

    fn run(&self, args: &[&str]) -> (i32, String) {
        let begun = now();
        let ended = said(&self.command(args).output().expect("it can be run"));
        assert!(begun.elapsed() < self.fixture.process_max(), "{self}: a process hangs");
        ended
    }

    /// The folders of the runs.
    fn runs(&self) -> Vec<PathBuf> {
        let folder = self.dir.path().join(".cutover/sweep");
        let runs = (1..).map(|run| folder.join(format!("{run:04}")));
        runs.take_while(|run| run.join("journal.jsonl").exists()).collect()
    }

    /// The complete lines of the journal of a run.
    fn lines(run: &Path) -> Vec<String> {
        let text = fs::read_to_string(run.join("journal.jsonl")).unwrap_or_default();
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        text[..whole].lines().map(str::to_owned).collect()
    }

    fn entries(&self) -> usize {
        self.runs().first().map_or(0, |run| Self::lines(run).len())
    }

    /// What the zone holds, without the case's own name.
    fn holds(&self) -> BTreeSet<String> {
        let lines = match self.fixture {
            ProviderFixture::Bind(server) => records(&server.transfer(&self.zone)),
            ProviderFixture::Pdns(pdns) => records(&pdns.transfer(&self.zone)),
            ProviderFixture::Files => {
                let (code, text) = self.run(&["zone", "dump", "plan.yaml", &self.zone]);
                assert_eq!(code, 0, "{text}");
                records(&text).into_iter().filter(|line| !line.starts_with('$')).collect()
            }
        };
        lines.into_iter().map(|line| line.replace(&self.zone, "ZONE")).collect()
    }

    /// Replaces the records of an RRset as another user, or removes them if there are no data.
    fn write(&self, name: &str, rtype: &str, ttl: u64, data: &[String]) {
        let zone = &self.zone;
        let owner = if name == "@" { format!("{zone}.") } else { format!("{name}.{zone}.") };
        match self.fixture {
            ProviderFixture::Bind(server) => {
                let adds =
                    data.iter().map(|rdata| format!("\nupdate add {owner} {ttl} {rtype} {rdata}"));
                let adds: String = adds.collect();
                server.nsupdate(&format!("zone {zone}\nupdate delete {owner} {rtype}{adds}"));
            }
            ProviderFixture::Pdns(pdns) => {
                let records = data
                    .iter()
                    .map(|rdata| serde_json::json!({ "content": rdata, "disabled": false }));
                let records: Vec<Value> = records.collect();
                let rrset = serde_json::json!({
                    "name": owner, "type": rtype, "ttl": ttl, "records": records,
                    "changetype": if data.is_empty() { "DELETE" } else { "REPLACE" },
                });
                let body = serde_json::json!({ "rrsets": [ rrset ] }).to_string();
                // SQLite reports "database is locked" while another of a hundred requests writes.
                let written = (0..100).any(|_| {
                    let (status, _) = pdns.request("PATCH", &format!("/zones/{zone}."), &body);
                    if status != 204 {
                        sleep(Duration::from_millis(50));
                    }
                    status == 204
                });
                assert!(written, "{self}: a colleague's edit is not taken: {body}");
            }
            ProviderFixture::Files => {
                let file = self.file();
                let text = fs::read_to_string(&file).expect("the zone");
                let is_same = |line: &&str| {
                    let words: Vec<&str> = line.split_whitespace().collect();
                    let is_name =
                        words.first().is_some_and(|first| *first == name || *first == owner);
                    is_name && words.iter().skip(1).take(3).any(|word| *word == rtype)
                };
                let kept =
                    text.lines().filter(|line| !is_same(line)).map(|line| format!("{line}\n"));
                let added = data.iter().map(|rdata| format!("{owner} {ttl} IN {rtype} {rdata}\n"));
                let text: String = kept.chain(added).collect();
                let beside = file.with_extension("new");
                fs::write(&beside, text).and_then(|()| fs::rename(beside, file)).expect("an edit");
            }
        }
    }

    /// Restores what a halted run expected. Returns whether it had halted for drift.
    fn put_back(&self) -> bool {
        let runs = self.runs();
        let lines = Self::lines(runs.last().expect("a run"));
        let halted = lines.iter().rev().find_map(|line| {
            let entry: Value = serde_json::from_str(line).expect("an entry");
            Some(entry["event"].get("halted")?.clone())
        });
        let Some(halted) = halted else { return false };
        let differences = halted["differences"].as_array().cloned().unwrap_or_default();
        for difference in &differences {
            let name = difference["name"].as_str().expect("a name").trim_end_matches('.');
            let name = name.strip_suffix(&self.zone).expect("a name of the zone");
            let name = if name.is_empty() { "@" } else { name.trim_end_matches('.') };
            let data = difference["expected"]["rdata"].as_array().cloned().unwrap_or_default();
            let data = data.iter().map(|text| text.as_str().expect("text").to_owned());
            let data: Vec<String> = data.collect();
            let ttl = difference["expected"]["ttl"].as_u64().unwrap_or(1);
            self.write(name, difference["type"].as_str().expect("a type"), ttl, &data);
        }
        !differences.is_empty()
    }

    /// Between any two changes there is at least as much time as in the first plan.
    fn waits_hold(&self, what: &str) {
        let mut made = Made::default();
        let mut graph = None;
        for run in self.runs() {
            let text = fs::read_to_string(run.join("artifact.json")).expect("an artifact");
            let artifact = Artifact::decode(&text).expect("an artifact");
            let mut prev = Digest::of(b"");
            let mut entries = Vec::new();
            for (seq, line) in (0..).zip(Self::lines(&run)) {
                let (entry, digest) = Entry::read(line.as_bytes(), seq, prev).expect("an entry");
                entries.push(entry);
                prev = digest;
            }
            made.read(&artifact.graph, &entries);
            graph = graph.or(Some(artifact.graph));
        }
        waits_hold(&graph.expect("a run"), &format!("{self}: {what}"), &made);
    }

    /// Runs the plan with trouble after this many entries. Returns whether there was any.
    fn goes_through(&self, trouble: Trouble, after: usize, end: &BTreeSet<String>) -> bool {
        let what = format!("{trouble:?} after {after} entries");
        let mut child = self.spawn(APPLY);
        let begun = now();
        while self.entries() < after {
            if child.try_wait().expect("a child").is_some() {
                break;
            }
            if begun.elapsed() > self.fixture.process_max() {
                let (_, status) = self.run(&["status", "plan.yaml"]);
                let last = self.runs().pop().map(|run| Self::lines(&run)).unwrap_or_default();
                panic!("{self}: {what}: it hangs before: {status}\n{:?}", last.last());
            }
            sleep(Duration::from_millis(2));
        }
        let comes_late = child.try_wait().expect("a child").is_some();
        let mut end = end.clone();
        match trouble {
            Trouble::Killed | Trouble::Replanned => {
                child.kill().expect("SIGKILL can be sent");
                child.wait().expect("a child");
            }
            Trouble::Ended => {
                let id = child.id().to_string();
                let _ = Command::new("kill").args(["-TERM", &id]).status();
                let code = self.ends(&mut child);
                assert!([Some(143), Some(0), None].contains(&code), "{self}: {what}: {code:?}");
            }
            Trouble::Drift => {
                let [name, rtype, data] = self.plan.edit;
                self.write(name, rtype, 2, &[data.to_owned()]);
                let edited = |holds: &BTreeSet<String>| {
                    let data = format!(" {rtype} {data}");
                    holds.iter().any(|line| line.ends_with(&data))
                };
                let code = self.ends(&mut child);
                assert!(
                    edited(&self.holds()),
                    "{self}: {what}: the edit was overwritten ({code:?})"
                );
                if code != Some(0) {
                    assert_eq!(code, Some(5), "{self}: {what}");
                    // It halts once for each thing that somebody has to restore.
                    for _ in 0..4 {
                        if self.run(APPLY).0 == 0 || !self.put_back() {
                            break;
                        }
                    }
                } else {
                    // The edit came after the run was done with that RRset.
                    return false;
                }
            }
            Trouble::Beside => {
                self.write("beside", "A", 2, &["198.51.100.1".to_owned()]);
                let (code, text) = self.run(APPLY);
                let is_told = code == 0 || text.contains("locked by");
                assert!(is_told, "{self}: {what}: {code}: {text}");
                assert_eq!(self.ends(&mut child), Some(0), "{self}: {what}");
                let owner = if let ProviderFixture::Files = self.fixture {
                    "beside"
                } else {
                    "beside.ZONE."
                };
                end.insert(format!("{owner} 2 IN A 198.51.100.1"));
            }
        }
        let args: &[&str] = match trouble {
            Trouble::Replanned => &["apply", "plan.yaml", "--replan", "--wait", "--auto-approve"],
            Trouble::Killed | Trouble::Ended | Trouble::Drift | Trouble::Beside => APPLY,
        };
        let (code, text) = self.run(args);
        assert_eq!(code, 0, "{self}: {what}: {text}");
        // If there was nothing left to plan, the run continues.
        let (code, text) = self.run(APPLY);
        assert_eq!(code, 0, "{self}: {what}: {text}");
        assert_eq!(self.holds(), end, "{self}: {what}");
        if !matches!(trouble, Trouble::Drift) {
            self.waits_hold(&what);
        }
        !comes_late
    }
}

fn dir_of(file: &Path) -> &Path {
    file.parent().expect("a file lies in a directory")
}

/// Does something with each of these, this many at a time, because they mostly wait.
pub(crate) fn side_by_side<T>(
    at_once: usize,
    all: impl Iterator<Item = T> + Send,
    each: impl Fn(T) + Sync,
) {
    let (open, each) = (&Mutex::new(all), &each);
    let next = || open.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(move || std::iter::from_fn(next).for_each(each));
        }
    });
}

/// How much of what can be swept is tried.
#[expect(clippy::disallowed_methods, reason = "a test's own setting")]
pub(crate) fn wish() -> Option<String> {
    std::env::var("CUTOVER_SWEEP").ok()
}

/// Which entries get trouble: all, or an even sample that differs for each kind.
fn chosen(entries: usize, kind: usize) -> Vec<usize> {
    let count = match wish().as_deref() {
        None => SAMPLE,
        Some("all") => entries,
        Some(number) => number.parse().expect("`all`, or a number"),
    };
    let step = (entries / count.max(1)).max(1);
    (1..entries).skip((kind * 7) % step).step_by(step).collect()
}

fn sweep(fixture: &ProviderFixture) {
    let troubled = AtomicUsize::new(0);
    let mut cases: Vec<(&Plan, Trouble, usize)> = Vec::new();
    let mut ends = Vec::new();
    let names: Vec<String> = PLANS.iter().map(|plan| format!("{}.test", plan.name)).collect();
    let zones: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), ZONE)).collect();
    let trial = fixture.start(&zones);
    for (number, (plan, zone)) in PLANS.iter().zip(&names).enumerate() {
        let case = Case::new(&trial, plan, zone);
        let (code, text) = case.run(APPLY);
        assert_eq!(code, 0, "{case}: {text}");
        case.waits_hold("without trouble");
        ends.push(case.holds());
        let entries = case.entries();
        for (kind, trouble) in TROUBLES.into_iter().enumerate() {
            let chosen = chosen(entries, kind + number * TROUBLES.len());
            cases.extend(chosen.into_iter().map(|after| (plan, trouble, after)));
        }
    }
    let names: Vec<String> = (0..cases.len()).map(|n| format!("c{n}.test")).collect();
    let zones: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), ZONE)).collect();
    let fixture = &fixture.start(&zones);
    side_by_side(fixture.at_once(), cases.iter().zip(&names), |((plan, trouble, after), zone)| {
        let number = PLANS.iter().position(|other| other.name == plan.name);
        let case = Case::new(fixture, plan, zone);
        let end = &ends[number.expect("one of them")];
        if case.goes_through(*trouble, *after, end) {
            troubled.fetch_add(1, Ordering::SeqCst);
        }
    });
    let troubled = troubled.into_inner();
    println!("{} cases, in {troubled} of them there was trouble in time", cases.len());
    assert!(troubled * 10 >= cases.len() * 6, "{troubled} of {}", cases.len());
}

#[test]
fn bind_trouble_after_each_entry() {
    sweep(&ProviderFixture::Bind(Bind::primary(&[("nothing.test", ZONE)])));
}

#[test]
fn powerdns_trouble_after_each_entry() {
    sweep(&ProviderFixture::Pdns(Pdns::primary(&[("nothing.test", ZONE)])));
}

#[test]
fn zone_files_trouble_after_each_entry() {
    sweep(&ProviderFixture::Files);
}
