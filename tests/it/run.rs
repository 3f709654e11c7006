//! Whole cutovers on real name servers: to the end, again, with drift, and with kills on the way.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::bind_fixture::{BindFixture, LAG, ZONES, end_state, instants, plan_text, records, said};
use crate::lab::Pdns;
use crate::zonefile_fixture::{ZONE_DONE, ZonefileFixture};

/// Waits a little. The tests that use this watch a process from outside; none waits for a result by
/// time alone.
#[expect(clippy::disallowed_methods, reason = "watching a process from outside")]
fn nap(span: Duration) {
    std::thread::sleep(span);
}

#[expect(clippy::disallowed_methods, reason = "compared with the program's own clock")]
fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Notes when a server last served the old version.
struct Sampler {
    stop: Arc<AtomicBool>,
    last_old: Arc<Mutex<Option<String>>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Sampler {
    fn start(
        server: std::net::SocketAddr,
        question: &'static [&'static str],
        old: &'static str,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let last_old = Arc::new(Mutex::new(None));
        let (stopped, noted) = (Arc::clone(&stop), Arc::clone(&last_old));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let queried_at = now();
                let (ip, port) = (server.ip().to_string(), server.port().to_string());
                let dig = std::process::Command::new("dig")
                    .args([&format!("@{ip}"), "-p", &port, "+norec", "+noall", "+answer"])
                    .args(question)
                    .output()
                    .expect("dig can be run");
                if String::from_utf8_lossy(&dig.stdout).contains(old) {
                    *noted.lock().expect("no panic") = Some(queried_at);
                }
                nap(Duration::from_millis(20));
            }
        });
        Self { stop, last_old, thread: Some(thread) }
    }

    fn finish(mut self) -> String {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().expect("a thread").join().expect("no panic");
        let last = self.last_old.lock().expect("no panic").clone();
        last.expect("the old version was seen at least once")
    }
}

#[test]
fn two_domains_on_bind_with_a_lagging_secondary() {
    let fixture = BindFixture::bind_pair();
    let (code, said) =
        fixture.cutover(&["plan", "plan.yaml", "-o", "plan.json", "--detailed-exitcode"]);
    assert_eq!(code, 2, "{said}");
    let secondary = fixture.secondary.as_ref().expect("a secondary").addr();
    // The TTL identifies the versions of the MX RRset.
    let lowered = Sampler::start(secondary, &["acme.test", "MX"], "6\tIN\tMX\t10 mail");
    let switched = Sampler::start(secondary, &["acme.test", "MX"], "10 mail.acme.test");
    let (code, said) = fixture.cutover(&["apply", "plan.json", "--wait", "--auto-approve"]);
    assert_eq!(code, 0, "{said}");

    let [test, example] = end_state();
    assert_eq!(fixture.served(), [test.clone(), example.clone(), test, example]);
    assert_eq!(fixture.primary.updates_made(), fixture.changes_planned());

    let journal = fixture.journal();
    let instants = instants(&journal);
    let at = |kind: &str, step: &str| instants[&(kind.to_owned(), step.to_owned())].clone();
    for (sampler, change) in
        [(lowered, "lower/acme.test/@/MX"), (switched, "switch/acme.test/@/MX")]
    {
        let last_old = sampler.finish();
        let wait = format!("wait/{change}");
        let since = at("wait_begun", &wait);
        assert!(
            last_old < since,
            "the secondary served the old version at {last_old}, and {wait} counts from {since}"
        );
        assert!(at("written", change) < last_old, "the secondary lagged, or this shows nothing");
    }
    // The events with their times, in order.
    let story: Vec<String> = journal.iter().map(|entry| entry["at"].to_string()).collect();
    assert!(story.is_sorted());
    let parse = |text: String| DateTime::parse_from_rfc3339(&text).expect("an instant");
    let propagating = parse(at("propagated", "switch/acme.test/@/MX"))
        - parse(at("written", "switch/acme.test/@/MX"));
    assert!(propagating.num_milliseconds() >= i64::try_from(LAG.as_millis()).expect("small") - 100);

    nothing_to_do_again(&fixture);
}

#[test]
fn two_domains_on_knot() {
    let fixture = BindFixture::knot();
    let (code, said) = fixture.cutover(&["plan", "plan.yaml", "-o", "plan.json"]);
    assert_eq!(code, 0, "{said}");
    let (code, said) = fixture.cutover(&["apply", "plan.json", "--wait", "--auto-approve"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(fixture.served(), end_state());
    nothing_to_do_again(&fixture);
}

#[test]
fn two_domains_on_powerdns() {
    let server = Pdns::primary(ZONES);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let provider =
        format!("{{ type: powerdns, url: \"{}\", api_key: {{ env: BED_KEY }} }}", server.url());
    let plan = plan_text(&provider, &format!("\"{}\"", server.addr()));
    fs::write(dir.path().join("plan.yaml"), plan).expect("the plan can be written");
    let cutover = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
        command.args(args).current_dir(dir.path()).env("BED_KEY", server.api_key());
        said(&command.stdin(Stdio::null()).output().expect("the program can be run"))
    };
    let (code, said) = cutover(&["apply", "plan.yaml", "--wait", "--auto-approve"]);
    assert_eq!(code, 0, "{said}");
    let served = ZONES.iter().map(|(zone, _)| records(&server.transfer(zone)));
    assert_eq!(served.collect::<Vec<_>>(), end_state());
    let (code, said) = cutover(&["plan", "plan.yaml", "--detailed-exitcode"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("nothing to change"), "{said}");
}

/// The same plan again finds nothing to change, and writes nothing, not even a file.
fn nothing_to_do_again(fixture: &BindFixture) {
    let updates = fixture.primary.updates_made();
    let listing = || {
        let mut files = Vec::new();
        let mut open = vec![fixture.dir().to_owned()];
        while let Some(dir) = open.pop() {
            for entry in fs::read_dir(dir).expect("a directory") {
                let entry = entry.expect("an entry");
                let data = entry.metadata().expect("metadata");
                if data.is_dir() {
                    open.push(entry.path());
                }
                files.push((entry.path(), data.len(), data.modified().expect("a time")));
            }
        }
        files.sort();
        files
    };
    let before = listing();
    for args in [
        &["plan", "plan.yaml", "--detailed-exitcode"][..],
        &["apply", "plan.yaml", "--auto-approve"],
        &["apply", "plan.json", "--auto-approve"],
    ] {
        let (code, said) = fixture.cutover(args);
        assert_eq!(code, 0, "{args:?}: {said}");
        assert!(said.contains("nothing to change"), "{said}");
    }
    assert_eq!(listing(), before);
    assert_eq!(fixture.primary.updates_made(), updates);
}

#[test]
fn an_edit_between_plan_and_apply_halts_the_run() {
    let fixture = BindFixture::bind();
    fixture.cutover(&["plan", "plan.yaml", "-o", "plan.json"]);
    fixture
        .primary
        .nsupdate("update delete acme.test. MX\nupdate add acme.test. 6 MX 20 mail.acme.test.");
    let served = fixture.served();
    let updates = fixture.primary.updates_made();
    let (code, said) = fixture.cutover(&["apply", "plan.json", "--wait", "--auto-approve"]);
    assert_eq!(code, 5, "{said}");
    for line in [
        "planned   acme.test. 2 MX 10 mail.acme.test.",
        "expected  acme.test. 6 MX 10 mail.acme.test.",
        "live      acme.test. 6 MX 20 mail.acme.test.",
    ] {
        assert!(said.contains(line), "{line:?} is missing:\n{said}");
    }
    assert_eq!(fixture.served(), served);
    assert_eq!(fixture.primary.updates_made(), updates);
    // After the edit is reverted, the run continues.
    fixture
        .primary
        .nsupdate("update delete acme.test. MX\nupdate add acme.test. 6 MX 10 mail.acme.test.");
    let (code, said) = fixture.cutover(&["apply", "plan.json", "--wait", "--auto-approve"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(fixture.served(), end_state());
}

#[test]
fn an_edit_between_two_steps_halts_the_run() {
    let fixture = BindFixture::bind();
    let (code, said) = fixture.cutover(&["apply", "plan.yaml", "--auto-approve"]);
    assert_eq!(code, 4, "the run waits for caches: {said}");
    assert!(said.contains("waiting: apply again at 20"), "{said}");
    let lowered = fixture.primary.dig(&["acme.test", "MX", "+noall", "+answer"]);
    assert!(lowered.contains("acme.test.\t\t2\tIN\tMX\t10 mail.acme.test."), "{lowered}");
    fixture.primary.nsupdate("update add acme.test. 2 MX 90 www.acme.test.");
    let served = fixture.served();
    let (code, said) = fixture.cutover(&["apply", "plan.yaml", "--wait", "--auto-approve"]);
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("live      acme.test. 2 MX 90 www.acme.test."), "{said}");
    assert_eq!(fixture.served()[0], served[0], "nothing of this zone was overwritten");
    let (code, status) = fixture.cutover(&["status", "plan.yaml"]);
    assert_eq!(code, 0, "{status}");
    assert!(status.contains("halted at"), "{status}");
}

/// The kind and the step of an entry.
pub(crate) fn kind(entry: &serde_json::Value) -> String {
    let event = entry["event"].as_object().expect("an event");
    let (kind, body) = event.iter().next().expect("one kind");
    format!("{kind} {}", body["step"].as_str().unwrap_or_default())
}

/// After each kind of entry of each step the process is killed once. If a run were killed every
/// time between intent and effect, it could never finish.
#[test]
fn killed_after_every_journal_entry_in_turn() {
    let fixture = BindFixture::bind();
    let (code, said) = fixture.cutover(&["plan", "plan.yaml", "-o", "plan.json"]);
    assert_eq!(code, 0, "{said}");
    let mut killed_after = BTreeSet::new();
    for process in 0.. {
        assert!(process < 1_000, "the run comes to an end");
        let mut child = fixture.spawn(&["apply", "plan.json", "--wait", "--auto-approve"]);
        let ended = loop {
            let last = fixture.last_entry().as_ref().map(kind);
            if last.is_some_and(|last| killed_after.insert(last)) {
                child.kill().expect("SIGKILL can be sent");
                child.wait().expect("the child can be waited for");
                break None;
            }
            if let Some(status) = child.try_wait().expect("the child can be waited for") {
                break Some(status);
            }
        };
        if let Some(status) = ended {
            assert_eq!(status.code(), Some(0));
            break;
        }
    }
    assert_eq!(fixture.served(), end_state());
    assert_eq!(
        fixture.primary.updates_made(),
        fixture.changes_planned(),
        "each change is made once"
    );
    let journal = fixture.journal();
    let kinds: BTreeSet<String> = journal.iter().map(kind).collect();
    println!(
        "killed {} times; the journal has {} entries of {} kinds",
        killed_after.len(),
        journal.len(),
        kinds.len()
    );
    // Two entries without work in between may both be written before the signal arrives.
    assert!(killed_after.len() * 2 >= kinds.len(), "half of the entries were followed by a kill");
    let waits = journal.iter().map(kind).filter(|kind| kind.starts_with("wait_begun"));
    let mut seen = BTreeSet::new();
    for wait in waits {
        assert!(seen.insert(wait.clone()), "{wait}: once, and not started anew by a kill");
    }
}

/// Records that somebody added and removed again may be cached. The run waits for them, by their
/// TTL.
#[test]
fn a_reverted_edit_is_waited_out() {
    let fixture = BindFixture::bind();
    let args = ["apply", "plan.yaml", "--wait", "--auto-approve"];
    let mut child = fixture.spawn(&args);
    let is_lowered = |entry: &serde_json::Value| kind(entry) == "propagated lower/acme.test/@/MX";
    while !fixture.journal().iter().any(is_lowered) {
        assert_eq!(child.try_wait().expect("a child"), None);
    }
    // The TTL was raised during the wait, so a resolver that queries now keeps the record for
    // longer than the wait lasts.
    fixture
        .primary
        .nsupdate("update delete acme.test MX\nupdate add acme.test 20 MX 10 mail.acme.test.");
    assert_eq!(child.wait().expect("a child").code(), Some(5));
    // If it is not reverted, that is reported at once.
    let (code, said) = fixture.cutover(&["apply", "plan.yaml", "--auto-approve"]);
    assert!(code == 5 && said.contains("acme.test. 20 MX"), "{code}: {said}");
    fixture
        .primary
        .nsupdate("update delete acme.test MX\nupdate add acme.test 2 MX 10 mail.acme.test.");
    let (code, said) = fixture.cutover(&["apply", "plan.yaml", "--auto-approve"]);
    assert_eq!(code, 4, "{said}");
    let (code, said) = fixture.cutover(&args);
    assert_eq!(code, 0, "{said}");
    assert_eq!(fixture.served(), end_state());
    let journal = fixture.journal();
    let at = |wanted: &str| {
        let entry = journal.iter().find(|entry| kind(entry).starts_with(wanted));
        let text = entry.and_then(|entry| entry["steady"].as_str()).expect(wanted);
        text.parse::<cutover::calendar::Steady>().expect("a time of this machine")
    };
    let last = journal.iter().rfind(|entry| kind(entry).starts_with("resumed")).expect("a resume");
    let last = last["steady"].as_str().and_then(|text| text.parse().ok()).expect("a time");
    let waited = at("begun switch/acme.test/@/MX").since(last).expect("one boot");
    assert!(waited >= Duration::from_secs(19), "{waited:?}");
}

/// Somebody else's edit is accepted: a new plan is made from what is live, supersedes the run, and
/// continues.
#[test]
fn a_new_plan_supersedes_its_run() {
    let fixture = BindFixture::bind();
    let (code, said) = fixture.cutover(&["plan", "plan.yaml", "--replan"]);
    assert!(code == 2 && said.contains("there is no open run of two-domains"), "{code}: {said}");
    let mut child = fixture.spawn(&["apply", "plan.yaml", "--wait", "--auto-approve"]);
    let is_lowered = |entry: &serde_json::Value| kind(entry) == "propagated lower/acme.test/@/MX";
    while !fixture.journal().iter().any(is_lowered) {
        assert_eq!(child.try_wait().expect("a child"), None);
    }
    fixture
        .primary
        .nsupdate("update delete acme.test MX\nupdate add acme.test 3 MX 20 mail.acme.test.");
    assert_eq!(child.wait().expect("a child").code(), Some(5));
    let (code, said) = fixture.cutover(&["plan", "plan.yaml", "--replan", "-o", "new.json"]);
    assert_eq!(code, 0, "{said}");
    let read = |path: &str| fs::read_to_string(fixture.dir().join(path)).expect("a file");
    let new: serde_json::Value = serde_json::from_str(&read("new.json")).expect("JSON");
    let sealed = read(".cutover/two-domains/0001/artifact.json");
    let first: serde_json::Value = serde_json::from_str(&sealed).expect("JSON");
    assert_eq!(new["parent"], first["digest"]);
    let (code, said) = fixture.cutover(&["apply", "new.json", "--wait", "--auto-approve"]);
    assert_eq!(code, 0, "{said}");
    // What the first run had lowered is restored. The other user's own TTL is accepted.
    let mut end = end_state();
    for record in end.iter_mut().flatten() {
        if record.starts_with("acme.test. 6 IN MX") {
            *record = record.replacen(" 6 ", " 3 ", 1);
        }
    }
    assert_eq!(fixture.served(), end);
    let (_, log) = fixture.cutover(&["log", "plan.yaml"]);
    assert!(!log.contains("lower/acme.example/@/MX: begun"), "it is low already: {log}");
    let last = fixture.journal().iter().map(kind).collect::<Vec<_>>();
    assert!(last.ends_with(&["replaced ".to_owned(), "finished ".to_owned()]), "{last:?}");
}

/// A timer applies the plan while another process drives its run to the end. It is told that the run
/// is locked, or done; that the other process finished it in between is no error.
#[test]
fn a_timer_beside_a_running_process_sees_a_lock_or_the_end() {
    let mut seen = 0;
    // Four runs are enough, unless the machine is busy.
    for _ in 0..40 {
        if seen > 40 {
            break;
        }
        let fixture = ZonefileFixture::planned();
        let mut driving = fixture.command(&["apply", "plan.yaml", "--wait", "--auto-approve"]);
        let driving = driving.stdout(Stdio::null()).stderr(Stdio::null());
        let mut driving = driving.spawn().expect("it can be started");
        // It has opened the run, with its lock.
        while fixture.cutover(&["status", "plan.yaml"]).1.contains("no run yet") {
            nap(Duration::from_millis(5));
        }
        while driving.try_wait().expect("a child").is_none() {
            let (code, text) = fixture.cutover(&["apply", "plan.yaml", "--auto-approve"]);
            assert!(code == 0 || text.contains("locked by"), "{code}: {text}");
            seen += 1;
        }
        assert_eq!(driving.wait().expect("a child").code(), Some(0));
        assert_eq!(fixture.zone(), ZONE_DONE);
    }
    assert!(seen > 40, "{seen} times beside it");
}
