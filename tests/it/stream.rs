//! Moves under a stream of mail: a real Postfix sends ten messages a second by way of a real
//! resolver, and the hosts that the MX records lead to are real too. Whatever happens, no message is
//! lost, bounced or doubled, and none is left in the mailbox that nobody reads in the end.
//!
//! Four moves run at the same time, each with two hosts of its own: a plain one; one whose new host
//! dies after the switch, with a gate that turns it back and an undo that takes long; one that a
//! person takes back, whereupon a timer applies the plan again; and one that a timer drives, with a
//! last copy before the release, after which the old host is switched off.
//!
//! `CUTOVER_STREAM=600` makes a run take about ten minutes, with TTLs to match.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use tempfile::TempDir;

use crate::bind_fixture::said;
use crate::lab::{Bind, Postfix, Server, Session, Unbound, loopback, now, sleep};
use crate::run::kind;

/// Between two messages of a stream.
const EVERY: Duration = Duration::from_millis(100);
/// How long a run may take, for each second of TTL.
const RUN_MAX_PER_TTL: u32 = 40;
/// How soon mail has to be led back after a gate has failed.
const BACK_WITHIN: Duration = Duration::from_secs(5);
/// How long the queue may take to become empty when the stream has ended.
const DRAINED_WITHIN: Duration = Duration::from_secs(30);

const SENDER: Ipv4Addr = Ipv4Addr::new(127, 0, 60, 100);
// Other tests have servers on port 53 of 4 to 9 for as long as the process lives.
const RESOLVER: u8 = 3;

/// The TTL of the MX records, in seconds. A run waits for some ten TTLs.
#[expect(clippy::disallowed_methods, reason = "a test's own setting")]
fn ttl() -> u32 {
    let secs = std::env::var("CUTOVER_STREAM").ok();
    let secs: Option<u32> = secs.map(|secs| secs.parse().expect("a number of seconds"));
    secs.map_or(2, |secs| (secs / 15).max(2))
}

/// The moves, by the first label of their domain.
const PLAIN: &str = "plain";
const GATE: &str = "gate";
const BACK: &str = "back";
const LATE: &str = "late";
const MOVES: [&str; 4] = [PLAIN, GATE, BACK, LATE];

fn domain(name: &str) -> String {
    format!("{name}.test")
}

/// The addresses of a move's old and new host.
fn addresses(name: &str) -> [Ipv4Addr; 2] {
    let at = MOVES.iter().position(|other| *other == name).expect("a move");
    let at = u8::try_from(at).expect("a few");
    [1, 2].map(|host| Ipv4Addr::new(127, 0, 60, 10 * at + host))
}

/// What becomes true or false, as every move states it.
const STATED: &str = "assume:
  - { fact: accepts, host: new, reason: the address was created }
  - { fact: serves, host: new, reason: the mailbox was copied }
  - { fact: routes_local, host: old, reason: it hosts nobody else }
  - { fact: sends, host: old, from: contract, confirm: false, reason: people were told }
  - { fact: clients, host: old, from: contract, confirm: false, reason: devices are set up anew }
  - { fact: synced, host: old, by: task/copy, reason: a last copy is made }
  - { fact: synced, host: new, by: task/copy-back, reason: it is copied back }
  - { fact: clients, host: new, reason: devices would be set back }
  - { fact: routes_local, host: new, reason: the domain would be taken out }
";

/// Moves the files of one mailbox into another, under the names that they have.
const COPY: &str = "from=$1 to=$2
for file in \"$from\"/*; do
  [ -e \"$file\" ] && mv -n \"$file\" \"$to\"/
done
exit 0
";

/// Whether a host answers on port 25.
const PROBE: &str = "exec 3<>\"/dev/tcp/$1/25\" || exit 1
read -r -t 3 banner <&3
case $banner in 220*) exit 0 ;; esac
exit 1
";

/// The servers of all moves.
struct Bed {
    primary: Server,
    secondary: Server,
    sender: Postfix,
    // Asked by the sender for as long as it runs.
    _resolver: Unbound,
}

impl Bed {
    fn start() -> Self {
        let ttl = ttl();
        let head = format!("$TTL {ttl}\n@ SOA ns1 hostmaster 1 3600 600 86400 1\n@ NS ns1\n");
        let mut hosts = format!("{head}ns1 A 127.0.53.1\n");
        let mut zones = Vec::new();
        for name in MOVES {
            let [old, new] = addresses(name);
            hosts += &format!("{name}-old A {old}\n{name}-new A {new}\n");
            zones.push((
                domain(name),
                format!(
                    "{head}ns1 A 127.0.53.1\n@ MX 10 {name}-old.hosts.test.\n\
                     @ TXT \"v=spf1 ip4:{old} -all\"\n"
                ),
            ));
        }
        zones.push(("hosts.test".to_owned(), hosts));
        let zones: Vec<(&str, &str)> =
            zones.iter().map(|(origin, text)| (origin.as_str(), text.as_str())).collect();
        let primary = Bind::primary(&zones);
        let lag = Duration::from_millis(300);
        let secondary = Bind::secondary_of(&primary, loopback(2), lag);
        let resolver = Unbound::on_port_53(RESOLVER, &[&primary, &secondary]);
        let sender = Postfix::sending(SENDER, loopback(RESOLVER));
        Self { primary, secondary, sender, _resolver: resolver }
    }
}

/// A move: its hosts, and the directory of its plan.
struct Move<'b> {
    bed: &'b Bed,
    name: &'static str,
    old: Postfix,
    new: Postfix,
    dir: TempDir,
}

/// What became of the messages of a stream.
#[derive(Debug, Default)]
struct Counts {
    sent: usize,
    lost: usize,
    bounced: usize,
    /// In the mailbox that nobody reads in the end.
    unread: usize,
    doubled: usize,
    /// How many were first stored at the old and at the new host.
    stored: [usize; 2],
}

const APPLY: &[&str] = &["apply", "plan.yaml", "--auto-approve"];

impl<'b> Move<'b> {
    fn new(bed: &'b Bed, name: &'static str, tasks: &str) -> Self {
        let domain = domain(name);
        let [old, new] = addresses(name).map(|at| Postfix::storing(at, &[&domain]));
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join("copy"), COPY).expect("a script");
        fs::write(dir.path().join("probe"), PROBE).expect("a script");
        let boxes = [&old, &new].map(|host| host.mailbox(&domain).display().to_string());
        let key = bed.primary.key();
        let [from, to] = addresses(name);
        let ttl = ttl();
        let authorities = [&bed.primary, &bed.secondary]
            .map(|server| format!("\"{}\"", server.addr()))
            .join(", ");
        let copy = format!("run: [ sh, copy, \"{}\", \"{}\" ]", boxes[0], boxes[1]);
        let copy_back = format!("run: [ sh, copy, \"{}\", \"{}\" ]", boxes[1], boxes[0]);
        let tasks = tasks.replace("NEW", &to.to_string());
        let plan = format!(
            "version: 1
name: {name}
resolver: none
providers:
  dns:
    type: rfc2136
    server: \"{}\"
    tsig: {{ key: {}, algorithm: {}, secret: {{ env: STREAM }} }}
zones:
  {domain}: {{ provider: dns, authorities: [ {authorities} ] }}
  hosts.test: {{ provider: dns, authorities: [ {authorities} ] }}
hosts:
  old:
    exchanges: [ {{ preference: 10, name: {name}-old.hosts.test. }} ]
    senders: [ {{ name: people, spf: \"ip4:{from}\" }} ]
  new:
    exchanges: [ {{ preference: 10, name: {name}-new.hosts.test. }} ]
    senders: [ {{ name: people, spf: \"ip4:{to}\" }} ]
migrate:
  domains: [ {domain} ]
  from: old
  to: new
  cutover_ttl: {ttl}s
  keep_old: {}s
  overrun: 1s
clocks: {{ margin: 1s, use: 3s, queue_life: 3s }}
{tasks}
  before_release: [ {{ name: copy, {copy} }} ]
  way_back: [ {{ name: copy-back, {copy_back} }} ]
{STATED}",
            bed.primary.addr(),
            key.name,
            key.algorithm,
            ttl + 1,
        );
        fs::write(dir.path().join("plan.yaml"), plan).expect("the plan");
        let moved = Self { bed, name, old, new, dir };
        let (code, text) = moved.run(&["plan", "plan.yaml"]);
        assert_eq!(code, 0, "{text}");
        moved
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
        command.args(args).current_dir(self.dir.path()).stdin(Stdio::null());
        command.env("STREAM", &self.bed.primary.key().secret);
        command
    }

    fn run(&self, args: &[&str]) -> (i32, String) {
        said(&self.command(args).output().expect("it can be run"))
    }

    /// The journals of its runs.
    fn journals(&self) -> Vec<Vec<Value>> {
        let folder = self.dir.path().join(".cutover").join(self.name);
        let runs = (1..).map(|run| folder.join(format!("{run:04}/journal.jsonl")));
        let texts = runs.map_while(|path| fs::read_to_string(path).ok());
        let whole = |text: String| {
            let end = text.rfind('\n').map_or(0, |end| end + 1);
            text[..end].lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
        };
        texts.map(whole).collect()
    }

    /// When an entry of this kind and step came into any of its journals.
    fn entry(&self, wanted: &str) -> Option<DateTime<Utc>> {
        let journals = self.journals();
        let entry = journals.iter().flatten().find(|entry| kind(entry) == wanted)?;
        Some(entry["at"].as_str().expect("an instant").parse().expect("an instant"))
    }

    /// The entry for its MX records: `propagated switch`, or `propagated back/switch`.
    fn mx(&self, what: &str) -> Option<DateTime<Utc>> {
        self.entry(&format!("{what}/{}.test/@/MX", self.name))
    }

    /// Waits until something is so.
    fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let begun = now();
        while !is_so() {
            let (_, status) = self.run(&["status", "plan.yaml"]);
            let is_late = begun.elapsed() > Duration::from_secs((RUN_MAX_PER_TTL * ttl()).into());
            assert!(!is_late, "{}: {what}: {status}", self.name);
            sleep(Duration::from_millis(100));
        }
    }

    /// Plays a scene under a stream of mail that begins before it and ends a while after it, and
    /// counts. `read` is the host whose mailbox is read in the end.
    fn under_stream(mut self, read: Read, play: impl FnOnce(&mut Self)) -> Counts {
        let stops = AtomicBool::new(false);
        let lead = Duration::from_secs(2);
        let (sender, name) = (self.bed.sender.addr(), self.name);
        let sent = thread::scope(|scope| {
            let stream = scope.spawn(|| stream(sender, name, &stops));
            sleep(lead);
            // The stream ends whatever becomes of the scene.
            let played = catch_unwind(AssertUnwindSafe(|| play(&mut self)));
            sleep(lead);
            stops.store(true, Ordering::SeqCst);
            let sent = stream.join().expect("the stream goes on");
            played.unwrap_or_else(|panic| resume_unwind(panic));
            sent
        });
        self.count(sent, read)
    }

    /// Waits until the sender has nothing left for the domain, and counts what became of each
    /// message.
    fn count(&self, sent: usize, read: Read) -> Counts {
        let domain = domain(self.name);
        let hosts = [&self.old, &self.new];
        let subjects = |host: &Postfix| -> Vec<String> {
            let files = fs::read_dir(host.mailbox(&domain)).expect("a mailbox");
            let texts = files.map(|file| fs::read_to_string(file.expect("a file").path()));
            let texts = texts.map(|text| text.expect("a message"));
            let subject = |text: &String| {
                let line = text.lines().find_map(|line| line.strip_prefix("Subject: "));
                line.expect("a subject").to_owned()
            };
            texts.map(|text| subject(&text)).collect()
        };
        let begun = now();
        let found = loop {
            let found = hosts.map(subjects);
            let all: usize = found.iter().map(Vec::len).sum();
            if all >= sent || begun.elapsed() > DRAINED_WITHIN {
                break found;
            }
            sleep(Duration::from_millis(200));
        };
        let mut times: BTreeMap<&String, usize> = BTreeMap::new();
        found.iter().flatten().for_each(|subject| *times.entry(subject).or_default() += 1);
        let unread = match read {
            Read::Old => found[1].len(),
            Read::New => found[0].len(),
        };
        let log = self.bed.sender.log();
        let to = format!("to=<user@{domain}>");
        let bounced = log.lines().filter(|line| line.contains(&to));
        let delivered = |host: &Postfix| {
            let log = host.log();
            log.lines().filter(|line| line.contains(&to) && line.contains("status=sent")).count()
        };
        Counts {
            sent,
            lost: sent.saturating_sub(times.len()),
            bounced: bounced.filter(|line| line.contains("status=bounced")).count(),
            unread,
            doubled: times.values().filter(|times| **times > 1).count(),
            stored: hosts.map(delivered),
        }
    }
}

/// The mailbox that is read in the end.
#[derive(Clone, Copy)]
enum Read {
    /// That of the old host.
    Old,
    /// That of the new host.
    New,
}

/// Sends messages to a domain until told to stop. Returns how many were taken.
fn stream(sender: SocketAddr, name: &str, stops: &AtomicBool) -> usize {
    let (from, to) = (format!("stream@{name}.sender.test"), format!("user@{}", domain(name)));
    let mut session = None;
    let (mut sent, begun) = (0, now());
    for number in 1_u32.. {
        if stops.load(Ordering::SeqCst) {
            break;
        }
        let open = session.take().or_else(|| Session::open(sender));
        let mut open = open.expect("the sender answers");
        if open.send(&from, &to, &format!("{name}-{sent}")).is_some() {
            sent += 1;
            session = Some(open);
        }
        sleep((EVERY * number).saturating_sub(begun.elapsed()));
    }
    sent
}

/// Nothing happens but the move.
fn plain(bed: &Bed) -> Counts {
    let moved = Move::new(bed, PLAIN, "tasks:");
    moved.under_stream(Read::New, |moved| {
        let (code, text) = moved.run(&[APPLY, &["--wait"]].concat());
        assert_eq!(code, 0, "{text}");
    })
}

/// The new host dies when mail has been led there, an undo takes long, and a gate turns the run back.
fn gate(bed: &Bed) -> Counts {
    let tasks = "gates:
  after_switch:
    - { probe: command, run: [ bash, probe, NEW ], every: 1s, delay: 1s, fail_limit: 2, for: 1h, within: 5s, on_fail: rollback }
tasks:
  after_switch: [ { name: relay, run: [ \"true\" ], undo: [ sleep, \"8\" ] } ]";
    let moved = Move::new(bed, GATE, tasks);
    moved.under_stream(Read::Old, |moved| {
        let mut child = moved.command(&[APPLY, &["--wait"]].concat());
        let child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a child");
        moved.until("mail is led to the new host", || moved.mx("propagated switch").is_some());
        let stored = || moved.new.log().contains("status=sent");
        moved.until("mail has come to the new host", stored);
        moved.new.kill();
        let (code, text) = said(&child.wait_with_output().expect("it ends"));
        assert_eq!(code, 5, "{text}");
        let failed = moved.entry("turned_back ").expect("the gate turned it back");
        let back = moved.mx("written back/switch").expect("mail is led back");
        println!("{GATE}: MX back {} ms after the gate failed", (back - failed).num_milliseconds());
        let within = TimeDelta::from_std(BACK_WITHIN).expect("seconds");
        assert!(back - failed <= within, "{failed} {back}: {text}");
        let undone = moved.entry("did back/task/relay").expect("it was undone");
        assert!(undone - back >= TimeDelta::seconds(7), "the undo takes long, and comes after it");
    })
}

/// A person rolls the move back, and a timer applies the plan again and again.
fn back(bed: &Bed) -> Counts {
    let moved = Move::new(bed, BACK, "tasks:");
    moved.under_stream(Read::Old, |moved| {
        let mut child = moved.command(&[APPLY, &["--wait"]].concat());
        let child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut child = child.expect("a child");
        moved.until("mail is led to the new host", || moved.mx("propagated switch").is_some());
        moved.until("mail has come to the new host", || moved.new.log().contains("status=sent"));
        let (code, text) = moved.run(&["rollback", "plan.yaml", "--wait", "--auto-approve"]);
        assert_eq!(code, 0, "{text}");
        child.wait().expect("it ends");
        let runs = moved.journals().len();
        for _ in 0..3 {
            let (code, text) = moved.run(APPLY);
            assert!(code == 5 && text.contains("--again"), "{code}: {text}");
        }
        assert_eq!(moved.journals().len(), runs, "what a person has taken back stays so");
    })
}

/// A timer drives the move, and the old host is switched off as soon as the run says that it is done.
fn late(bed: &Bed) -> Counts {
    let moved = Move::new(bed, LATE, "tasks:");
    moved.under_stream(Read::New, |moved| {
        let mut codes = Vec::new();
        let is_done = |moved: &Move<'_>, codes: &mut Vec<i32>| {
            let (code, text) = moved.run(APPLY);
            assert!([0, 4].contains(&code), "{code}: {text}");
            codes.push(code);
            code == 0
        };
        while !is_done(moved, &mut codes) {
            assert!(codes.len() < 40 * usize::try_from(ttl()).expect("small"), "{codes:?}");
            sleep(Duration::from_millis(500));
        }
        moved.old.kill();
        assert!(codes.len() > 2, "it is driven by a timer: {codes:?}");
    })
}

/// Acceptance of the trials with a real mail stream: nothing is lost, bounced, unread or doubled.
#[test]
fn no_message_is_lost_whatever_happens_to_a_move() {
    let bed = &Bed::start();
    let counts: Vec<(&str, Counts)> = thread::scope(|scope| {
        let all = [plain, gate, back, late].map(|play| scope.spawn(move || play(bed)));
        MOVES.into_iter().zip(all.map(|one| one.join().expect("it is played"))).collect()
    });
    for (name, counts) in &counts {
        println!("{name}: {counts:?}");
        let Counts { sent, lost, bounced, unread, doubled, stored } = counts;
        assert_eq!([lost, bounced, unread, doubled], [&0; 4], "{name}: {}", bed.sender.log());
        assert!(*sent > 100, "{name}: a stream");
        assert!(stored.iter().all(|stored| *stored > 0), "{name}: both hosts got mail");
    }
    assert_eq!(bed.sender.queued(), 0, "{}", bed.sender.log());
}
