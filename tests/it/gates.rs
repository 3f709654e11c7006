//! Gates on real servers: BIND holds the zones, unbound resolves, and a run continues, halts, or
//! goes back by itself.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::bind_fixture::{BindFixture, end_state, is_nowhere, said};
use crate::lab::fault_proxy::{Answer, FaultProxy, Request, Service};
use crate::lab::{Unbound, certificate, free_port, loopback, sleep};
use crate::provider_matrix::python;

const APPLY: &[&str] = &["apply", "plan.yaml", "--wait", "--auto-approve"];
const SEEN: &str = "gate/after-switch/seen";

/// A fixture whose plan has gates.
struct Gated {
    fixture: BindFixture,
    /// The authority that is trusted; `None` for the system's.
    trusted: Option<PathBuf>,
}

impl Gated {
    fn new(fixture: BindFixture) -> Self {
        Self { fixture, trusted: None }
    }

    /// Adds these gates to the plan, as flow mappings.
    fn with(self, before_switch: &[&str], after_switch: &[&str]) -> Self {
        let list = |key: &str, gates: &[&str]| {
            let lines: String = gates.iter().map(|gate| format!("    - {gate}\n")).collect();
            if lines.is_empty() { lines } else { format!("  {key}:\n{lines}") }
        };
        let gates = list("before_switch", before_switch) + &list("after_switch", after_switch);
        let plan = fs::read_to_string(self.fixture.plan()).expect("the plan");
        fs::write(self.fixture.plan(), format!("{plan}\ngates:\n{gates}")).expect("it is written");
        self
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.fixture.command(args);
        if let Some(authority) = &self.trusted {
            command.env("SSL_CERT_FILE", authority);
        }
        command
    }

    fn cutover(&self, args: &[&str]) -> (i32, String) {
        said(&self.command(args).output().expect("the program can be run"))
    }

    fn served(&self) -> BTreeSet<String> {
        self.fixture.served().concat().into_iter().collect()
    }

    /// Whether mail goes to the new host.
    fn is_switched(&self) -> bool {
        self.served().contains("acme.test. 2 IN MX 10 mx.acme.test.")
    }

    /// The findings of a gate, in order, from the journal of the first run.
    fn found(&self, gate: &str) -> Vec<String> {
        let events = self.fixture.journal().into_iter();
        let probed = events.filter_map(|entry| Some(entry["event"].get("probed")?.clone()));
        let mine = probed.filter(|probed| probed["step"] == gate);
        mine.map(|probed| probed["finding"].as_str().expect("a word").to_owned()).collect()
    }
}

fn seen(resolvers: &[String], more: &str) -> String {
    let resolvers: Vec<String> = resolvers.iter().map(|address| format!("\"{address}\"")).collect();
    format!("{{ probe: seen, resolvers: [ {} ], every: 1s, {more} }}", resolvers.join(", "))
}

#[test]
fn resolvers_are_queried_over_every_transport() {
    let fixture = BindFixture::bind();
    let unbound = Unbound::before(&fixture.primary, "");
    let (gate, count) =
        (seen(&unbound.addresses(), "success_limit: 2"), "gate/after-switch/served");
    let served = "{ probe: served, every: 1s, for: 2s }";
    let mut gated = Gated::new(fixture).with(&["served"], &[&gate, served]);
    gated.trusted = Some(unbound.authority());
    let (code, said) = gated.cutover(APPLY);
    assert_eq!(code, 0, "{said}");
    assert_eq!(gated.fixture.served(), end_state());
    assert_eq!(gated.found(SEEN), ["pass", "pass"]);
    assert_eq!(gated.found(count), ["pass", "pass", "pass"]);
    assert_eq!(gated.found("gate/before-switch/served"), ["pass"]);
}

#[test]
fn an_untrusted_certificate_is_no_answer() {
    let fixture = BindFixture::bind();
    let unbound = Unbound::before(&fixture.primary, "");
    let gate = seen(&unbound.addresses()[2..], "unanswered_limit: 0");
    let gated = Gated::new(fixture).with(&[], &[&gate]);
    let (code, said) = gated.cutover(APPLY);
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("got no clear result") && said.contains("does not answer"), "{said}");
    assert_eq!(gated.found(SEEN), ["unanswered"]);
    assert!(gated.is_switched(), "nothing is taken back since nobody has said no");
}

/// One resolver keeps records longer than it may, and another is down. The run goes back because of
/// the first, and says so.
#[test]
fn a_gate_that_fails_takes_the_run_back() {
    let fixture = BindFixture::bind();
    let unbound = Unbound::before(&fixture.primary, "cache-min-ttl: 3600");
    assert!(unbound.look_up("acme.test", "MX").contains("mail.acme.test."));
    let ready = r#"{ probe: command, run: [ test, -e, ready ], every: 1s }"#;
    let gate = seen(&unbound.addresses()[..1], "count: 3, fail_limit: 1, on_fail: rollback");
    let gated = Gated::new(fixture).with(&[ready], &[&gate]);

    let (code, said) = gated.cutover(APPLY);
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("halted at gate/before-switch/command: the gate has failed"), "{said}");
    assert!(!gated.is_switched());
    let before_switch = gated.served();

    fs::write(gated.fixture.dir().join("ready"), "").expect("a file");
    let (code, said) = gated.cutover(APPLY);
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("rolled back: gate/after-switch/seen failed"), "{said}");
    assert!(
        said.contains("still has the old records, ") && said.contains(": acme.test. MX"),
        "{said}"
    );
    // Within the second of `overrun` it may be queried once.
    let found = gated.found(SEEN);
    assert!(found.ends_with(&["fail", "fail"].map(str::to_owned)), "{found:?}");
    let turned =
        gated.fixture.journal().into_iter().find_map(|e| e["event"].get("turned_back").cloned());
    let turned = turned.expect("the run has turned");
    assert_eq!((&turned["to"], &turned["because"]), (&"before-switch".into(), &SEEN.into()));
    assert_eq!(gated.served(), before_switch, "as it was at the rollback point");

    // A pipeline that applies the plan again and again must not go back and forth for ever.
    let (code, said) = gated.cutover(APPLY);
    assert!(code == 5 && said.contains("--again"), "{code}: {said}");
    assert_eq!(gated.served(), before_switch);
    // From there a person rolls it back to the start, and the TTLs are as they were.
    let (code, said) = gated.cutover(&["rollback", "plan.yaml", "--wait", "--auto-approve"]);
    assert!(code == 0 && said.contains("nothing to do"), "{code}: {said}");
    let to_start = ["rollback", "plan.yaml", "--to", "start", "--wait", "--auto-approve"];
    let (code, said) = gated.cutover(&to_start);
    assert!(code == 0 && said.contains("is rolled back"), "{code}: {said}");
    assert!(
        gated.served().contains("acme.test. 6 IN MX 10 mail.acme.test."),
        "{:?}",
        gated.served()
    );
    let (code, said) = gated.cutover(&to_start);
    assert!(code == 0 && said.contains("nothing to do"), "{code}: {said}");

    // It runs again because a person says so, and comes back again.
    let (code, said) =
        gated.cutover(&["apply", "plan.yaml", "--wait", "--auto-approve", "--again"]);
    assert!(code == 5 && said.contains("rolled back"), "{code}: {said}");
    assert_eq!(gated.served(), before_switch);
}

/// The entries of all runs, oldest first.
pub(crate) fn journals(fixture: &BindFixture) -> Vec<Vec<Value>> {
    let folder = fixture.dir().join(".cutover/two-domains");
    let texts = (1..)
        .map_while(|run| fs::read_to_string(folder.join(format!("{run:04}/journal.jsonl"))).ok());
    let read = |text: String| {
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        text[..whole].lines().map(|line| serde_json::from_str(line).expect("an entry")).collect()
    };
    texts.map(read).collect()
}

/// The process is killed in the middle of the way back, and somebody else edits the zone. `apply`
/// continues the run, which halts, and goes back when the zone is as it was.
#[test]
fn an_automatic_way_back_is_taken_up_and_stops_at_drift() {
    let gate = "{ probe: command, run: [ \"false\" ], every: 1s, on_fail: rollback }";
    let gated = Gated::new(BindFixture::bind()).with(&[], &[gate]);
    let mut child = gated
        .command(APPLY)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    while journals(&gated.fixture).len() < 2 || journals(&gated.fixture)[1].is_empty() {
        assert_eq!(child.try_wait().expect("a child"), None);
        sleep(Duration::from_millis(2));
    }
    child.kill().expect("SIGKILL can be sent");
    child.wait().expect("a child");
    assert!(gated.is_switched(), "the way back has only begun");

    gated
        .fixture
        .primary
        .nsupdate("update delete acme.test MX\nupdate add acme.test 2 MX 20 mx.acme.test.");
    let (code, said) = gated.cutover(APPLY);
    assert!(code == 5 && said.contains("MX 20 mx.acme.test."), "{code}: {said}");
    gated
        .fixture
        .primary
        .nsupdate("update delete acme.test MX\nupdate add acme.test 2 MX 10 mx.acme.test.");
    let (code, said) = gated.cutover(APPLY);
    assert!(
        code == 5 && said.contains("rolled back: gate/after-switch/command failed"),
        "{code}: {said}"
    );
    assert!(gated.served().contains("acme.test. 2 IN MX 10 mail.acme.test."));
    assert_eq!(journals(&gated.fixture).len(), 2, "the way back is one run");
}

/// A cached answer that may still be there is neither a pass nor a failure.
#[test]
fn an_old_answer_within_its_time_is_inconclusive() {
    let fixture = BindFixture::bind();
    let unbound = Unbound::before(&fixture.primary, "cache-min-ttl: 3600");
    assert!(unbound.look_up("acme.test", "MX").contains("mail.acme.test."));
    let gate = seen(&unbound.addresses()[..1], "delay: 0s, inconclusive_limit: 1, count: 9");
    let gated = Gated::new(fixture).with(&[], &[&gate]);
    let (code, said) = gated.cutover(APPLY);
    assert_eq!(code, 5, "{said}");
    assert_eq!(gated.found(SEEN), ["inconclusive", "inconclusive"], "{said}");
    assert!(said.contains("got no clear result"), "{said}");
    let (code, said) = gated.cutover(&["status", "plan.yaml"]);
    assert!(code == 0 && said.contains("[?] gate/after-switch/seen"), "{said}");
    // The gate starts again, and by now the answer is too old to be excused.
    sleep(Duration::from_secs(3));
    let (code, said) = gated.cutover(APPLY);
    assert!(code == 5 && said.contains("the gate has failed"), "{code}: {said}");
    assert_eq!(gated.found(SEEN).last().map(String::as_str), Some("fail"));
}

#[test]
fn a_resolver_that_is_down_is_not_a_failure() {
    let down = std::net::SocketAddr::new(loopback(1), free_port(loopback(1), None)).to_string();
    let gate = seen(&[down], "unanswered_limit: 1, on_fail: rollback");
    let gated = Gated::new(BindFixture::bind()).with(&[], &[&gate]);
    let (code, said) = gated.cutover(APPLY);
    assert_eq!(code, 5, "{said}");
    assert_eq!(gated.found(SEEN), ["unanswered", "unanswered"], "{said}");
    assert!(gated.is_switched() && said.contains("got no clear result"), "{said}");
}

/// A failure that is left to a person waits for one.
#[test]
fn a_person_lets_a_gate_pass() {
    let fixture = BindFixture::bind();
    let unbound = Unbound::before(&fixture.primary, "cache-min-ttl: 3600");
    assert!(unbound.look_up("acme.test", "MX").contains("mail.acme.test."));
    let gate = seen(&unbound.addresses()[..1], "on_fail: ask");
    let gated = Gated::new(fixture).with(&[], &[&gate]);
    let (code, said) = gated.cutover(APPLY);
    assert!(
        code == 6 && said.contains("cutover confirm plan.yaml gate/after-switch/seen"),
        "{code}: {said}"
    );
    let confirm =
        |step| gated.cutover(&["confirm", "plan.yaml", step, "--reason", "seen with my own eyes"]);
    for other in ["gate/after-switch/nothing", "checkpoint/before-contract"] {
        let (code, said) = confirm(other);
        assert!(code == 2 && said.contains("cannot be confirmed now"), "{code}: {said}");
    }
    let (code, said) = confirm(SEEN);
    assert_eq!(code, 0, "{said}");
    let (code, said) = confirm(SEEN);
    assert!(code == 2, "it is passed already: {said}");
    let (code, said) = gated.cutover(APPLY);
    assert_eq!(code, 0, "{said}");
    assert_eq!(gated.fixture.served(), end_state());
    let (_, log) = gated.cutover(&["log", "plan.yaml"]);
    assert!(log.contains("allowed to pass by a person: seen with my own eyes"), "{log}");
}

/// Failures that are tolerated, a command that hangs together with its child processes, and a
/// secret that it prints.
#[test]
fn commands_are_bounded_and_print_no_secrets() {
    let script = r#"#!/bin/sh
echo "$$ $FIXTURE_TSIG" >>"$0.log"
runs=$(wc -l <"$0.log")
case $runs in
1) echo "the secret is $FIXTURE_TSIG"; exit 1 ;;
2) sleep 600 & echo $! >"$0.child"; wait ;;
3) exit 2 ;;
4) kill -9 $$ ;;
*) head -c 5000000 /dev/zero | tr '\0' x ;;
esac
"#;
    let gate = "{ probe: command, run: [ sh, check ], within: 2s, every: 1s, count: 4, fail_limit: 1, inconclusive_limit: 1, unanswered_limit: 1 }";
    let gated = Gated::new(BindFixture::bind()).with(&[], &[gate]);
    let check = gated.fixture.dir().join("check");
    fs::write(&check, script).expect("a script");
    let (code, said) = gated.cutover(APPLY);
    assert_eq!(code, 0, "{said}");
    let found = gated.found("gate/after-switch/command");
    assert_eq!(found, ["fail", "unanswered", "inconclusive", "unanswered", "pass", "pass"]);
    let child = fs::read_to_string(gated.fixture.dir().join("check.child")).expect("a number");
    let state = fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap_or_default();
    assert!(state.is_empty() || state.contains(") Z "), "{state}");
    let secret = &gated.fixture.primary.key().secret;
    is_nowhere(secret, &gated.fixture.dir().join(".cutover"));
    let (_, log) = gated.cutover(&["log", "plan.yaml"]);
    assert!(log.contains("the secret is [secret]") && !log.contains(secret.as_str()), "{log}");
}

/// A web server is judged by the status and the text of its answer.
#[test]
fn web_servers_are_queried() {
    let served = gated_page(200, "all is well");
    assert_eq!(served.0, 0, "{}", served.1);
    let long = format!("all is well{}", "x".repeat(1 << 20)).leak();
    let long = gated_page(200, long);
    assert_eq!(long.0, 0, "{}", long.1);
    let other = gated_page(200, "all is lost");
    assert!(other.0 == 5 && other.1.contains("answers without `is well`"), "{}", other.1);
    let late = gated_page(503, "");
    assert!(late.0 == 5 && late.1.contains("got no clear result"), "{}", late.1);
    let gone = gated_page(404, "");
    assert!(gone.0 == 5 && gone.1.contains("status 404"), "{}", gone.1);
}

fn gated_page(status: u16, body: &'static str) -> (i32, String) {
    let page = FaultProxy::open(Arc::new(Page { status, body }));
    let gate = format!("{{ probe: http, url: \"{}/health\", contains: is well }}", page.url());
    Gated::new(BindFixture::bind()).with(&[&gate], &[]).cutover(APPLY)
}

/// Every recipient is notified once of the switch, of the rollback and its reason, and of its end.
/// The secret of the address is in no file.
#[test]
fn notices_are_sent_once_with_the_reason() {
    let chat = FaultProxy::open(Arc::new(Page { status: 204, body: "" }));
    let deaf = FaultProxy::open(Arc::new(Page { status: 500, body: "" }));
    let gate = "{ probe: command, run: [ sh, -c, \"echo '<!channel> @all'; exit 1\" ], on_fail: rollback }";
    let gated = Gated::new(BindFixture::bind()).with(&[], &[gate]);
    let plan = fs::read_to_string(gated.fixture.plan()).expect("the plan");
    let notify = "notify:
  - { at: [ switch, rollback, done, halted ], webhook: { file: chat } }
  - { at: [ rollback ], webhook: { env: DEAF }, text: \"{plan} {occasion} {step}\" }
";
    fs::write(gated.fixture.plan(), plan + notify).expect("it is written");
    let (code, said) = gated.cutover(APPLY);
    assert!(code == 1 && said.contains("the file chat"), "nothing was begun: {code}: {said}");
    assert!(gated.fixture.journal().is_empty());
    fs::write(gated.fixture.dir().join("chat"), "a word\n").expect("a file");
    let (code, said) = gated.cutover(APPLY);
    assert!(code == 1 && said.contains("not an http:// or https:// address"), "{code}: {said}");
    let token = "T0/B0/a-token-of-the-chat";
    fs::write(gated.fixture.dir().join("chat"), format!("{}/{token}\n", chat.url()))
        .expect("a file");
    let mut command = gated.command(APPLY);
    command.env("DEAF", format!("{}/{token}", deaf.url()));
    let (code, said) = crate::bind_fixture::said(&command.output().expect("it can be run"));
    assert_eq!(code, 5, "{said}");
    let notices: Vec<Value> = chat
        .exchanges()
        .iter()
        .map(|exchange| serde_json::from_slice(&exchange.request.body).expect("JSON"))
        .collect();
    let whys: Vec<&str> =
        notices.iter().map(|notice| notice["why"].as_str().expect("why")).collect();
    assert_eq!(notices.len(), 3, "{whys:?}");
    assert_eq!(whys[0], "the switch begins");
    assert!(
        whys[1].contains("goes back to before-switch, since the gate has failed: "),
        "{whys:?}"
    );
    assert_eq!(whys[2], "the run has come back");
    let text = notices[1]["text"].as_str().expect("a text");
    assert!(text.contains("&lt;!channel&gt;") && !text.contains("@all"), "{text}");
    assert!(chat.exchanges().iter().all(|exchange| exchange.request.target.ends_with(token)));
    // A recipient that does not answer is tried twice, and does not hold up the run.
    assert_eq!(deaf.exchanges().len(), 4);
    let (_, log) = gated.cutover(&["log", "plan.yaml"]);
    assert!(log.contains("could not notify of `rollback`") && log.contains("status 500"), "{log}");
    is_nowhere(token, &gated.fixture.dir().join(".cutover"));
    assert!(!said.contains(token) && !log.contains(token));
}

/// Mail, sent by a submission server that requires TLS and a password.
#[test]
fn notices_are_sent_by_mail() {
    let gated = Gated::new(BindFixture::bind());
    let dir = gated.fixture.dir().to_path_buf();
    certificate(&dir, "localhost");
    let (host, password) = ("127.0.0.1", "a password of the mail server");
    let port = free_port(host.parse().expect("an address"), None);
    let mut server = Command::new(python());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/smtp.py");
    server.arg(script).args([host, &port.to_string()]).arg(&dir).args(["robot", password]);
    let mut server = server.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python");
    let mut line = String::new();
    let stdout = server.stdout.take().expect("a pipe");
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    assert_eq!(line, "ready\n");
    let plan = fs::read_to_string(gated.fixture.plan()).expect("the plan");
    let notify = format!(
        "notify:
  - at: [ switch, done ]
    mail: {{ server: \"localhost:{port}\", from: cutover@acme.test, to: [ ops@acme.test, it@acme.test ],
            user: robot, password: {{ env: MAIL_PASSWORD }} }}
    text: \"{{plan}}: {{why}} — über {{step}}\"
  - {{ at: [ done ], mail: {{ server: \"localhost:{port}\", from: cutover@acme.test, to: [ ops@acme.test ] }} }}
"
    );
    fs::write(gated.fixture.plan(), plan + &notify).expect("it is written");
    let mut command = gated.command(APPLY);
    command.env("MAIL_PASSWORD", password).env("SSL_CERT_FILE", dir.join("ca.pem"));
    let (code, said) = said(&command.output().expect("it can be run"));
    drop(server.stdin.take());
    server.wait().expect("it ends with its input");
    assert_eq!(code, 0, "{said}");
    let messages = fs::read_to_string(dir.join("messages")).expect("messages");
    let messages: Vec<Value> =
        messages.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(messages.len(), 2, "{messages:?}");
    let words = ["switch at checkpoint/before-switch", "done"];
    for (message, word) in messages.iter().zip(words) {
        assert_eq!((&message["user"], &message["tls"]), (&"robot".into(), &true.into()));
        let to = message["to"].as_array().expect("recipients").iter();
        let to: BTreeSet<&str> = to.filter_map(Value::as_str).collect();
        assert_eq!(to, BTreeSet::from(["it@acme.test", "ops@acme.test"]));
        let text = message["text"].as_str().expect("a message");
        assert!(text.contains(&format!("Subject: cutover two-domains: {word}\r\n")), "{text}");
        assert!(text.contains("Auto-Submitted: auto-generated\r\n"), "{text}");
    }
    // The server refuses clients without a password, and the run continues nevertheless.
    let (_, log) = gated.cutover(&["log", "plan.yaml"]);
    assert!(log.contains("could not notify of `done`") && !log.contains(password), "{log}");
    is_nowhere(password, &gated.fixture.dir().join(".cutover"));
}

/// A web server with a single page.
struct Page {
    status: u16,
    body: &'static str,
}

impl Service for Page {
    fn answer(&self, _: &Request) -> Answer {
        Answer::new(self.status, "text/plain", self.body)
    }
}
