//! Facts that gates establish: with the gate before the step that relies on it, nobody has to state
//! the fact; otherwise the plan is refuted. A gate that fails keeps the step from happening, and a
//! gate that has passed counts for a while only.

use std::fs;
use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use cutover::artifact::Artifact;
use cutover::calendar::later;
use cutover::engine::next::Next;
use cutover::engine::poll::poll;
use cutover::engine::{IllegalEvent, Memory};
use cutover::graph::gate::Evidence;
use cutover::graph::{Primitive, StepId};
use cutover::journal::{Entry, Event};
use cutover::probe::Finding;
use cutover::world::{Patience, drive};
use futures_util::FutureExt;
use tempfile::TempDir;

use crate::bind_fixture::{BindFixture, said};
use crate::engine::{Ended, live, resumed, served_by};
use crate::lab::mailbox_host::{PASSWORD, Setup};
use crate::lab::{MailboxHost, Postfix, now, sleep};
use crate::storm::{Faults, Storm};
use crate::windows;

/// Runs of the storm. Our choice: a few seconds in a slow build.
const SEEDS: u64 = 60;
/// The line of the quick start that the gate replaces.
const STATED: &str = "fact: accepts, host: host";
const LIST: &str = "address,kind,target\n\
    anna@acme.test,,\n\
    info@acme.test,alias,anna@acme.test\n\
    partner@elsewhere.test,contact,\n";

/// A copy of the quick start without that line, with a list of recipients and these gates.
fn quickstart(gates: &str, list: &str) -> TempDir {
    let dir = windows::quickstart(&|plan| {
        let lines = plan.lines().filter(|line| !line.contains(STATED));
        let plan: String = lines.map(|line| format!("{line}\n")).collect();
        let keys = "  to: host\n  recipients: { file: list.csv }\n";
        plan.replacen("  to: host\n", &format!("{keys}\n{gates}"), 1)
    });
    fs::write(dir.path().join("list.csv"), list).expect("a list");
    dir
}

fn before(gate: &str) -> String {
    format!("gates: {{ before_switch: [ {gate} ] }}\n")
}

fn cutover(dir: &TempDir, args: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
    said(&command.args(args).current_dir(dir.path()).output().expect("it can be run"))
}

fn planned(gates: &str, list: &str) -> (i32, String) {
    cutover(&quickstart(gates, list), &["plan", "plan.yaml"])
}

#[test]
fn a_gate_before_the_step_takes_the_place_of_a_statement() {
    let (code, said) = planned(&before("recipients"), LIST);
    assert_eq!(code, 0, "{said}");
    let listed = "(`accepts`): established at run time by `gate/before-switch/recipients`, for the 2 addresses of list.csv (sha256:";
    assert!(said.contains(listed), "{said}");
    let (code, said) = planned("", LIST);
    assert_eq!(code, 3, "without a gate: {said}");
    let help = "or let a gate establish it: `gates: { before_switch: [ recipients ] }`";
    assert!(said.contains(help), "{said}");
}

#[test]
fn a_gate_that_shows_less_than_the_fact_is_no_evidence() {
    let of = |keys: &str| before(&format!("{{ probe: recipients, {keys} }}"));
    let after = "gates: { after_switch: [ { probe: recipients, on_fail: rollback } ] }\n";
    for (gates, list, why) in [
        (of("on_fail: ask"), LIST, "a person may let it pass"),
        (of("count: 3, fail_limit: 1"), LIST, "it tolerates answers that are no pass"),
        (of("count: 3, inconclusive_limit: 1"), LIST, "it tolerates answers that are no pass"),
        (of("host: own"), LIST, "it asks the host `own`"),
        (of("exchanges: [ mx1.host.test ]"), LIST, "with `exchanges` it may look elsewhere"),
        (of("resolver: [ 192.0.2.53 ]"), LIST, "with `resolver` it may look elsewhere"),
        (of("catch_all: allowed"), LIST, "a host that takes everything passes"),
        (of("silent: allowed"), LIST, "it does not hear every address"),
        (of("addresses: [ anna@acme.test ]"), LIST, "it has a list of its own (`addresses`)"),
        (of("file: list.csv"), LIST, "it has a list of its own (`file`)"),
        (after.to_owned(), LIST, "it is asked after the switch"),
    ] {
        let (code, said) = planned(&gates, list);
        assert_eq!(code, 3, "{gates}: {said}");
        assert!(said.contains("(the gate `recipients` does not establish it: "), "{gates}: {said}");
        assert!(said.contains(why), "{gates}: {said}");
    }
}

/// A gate asks the exchanges at the addresses that the plan leaves there. If senders use others
/// meanwhile, or reach them in a way that nobody has followed, nobody has asked those.
#[test]
fn a_gate_that_looks_where_nobody_sends_yet_is_no_evidence() {
    let record = "\nrecords:\n  - { zone: host.test, name: \"NAME\", type: A, to: [ 203.0.113.77 ], after: contract }\n";
    let own = "mx1.host.test. has no addresses of its own in the plan's zones";
    for (zone, name, why) in [
        ("mx1 IN A 203.0.113.25", "mx1", "the plan changes the addresses of mx1.host.test."),
        ("* IN A 203.0.113.25", "*", own),
        ("* IN CNAME real\nreal IN A 203.0.113.25", "real", own),
    ] {
        let dir = quickstart(&before("recipients"), LIST);
        let file = dir.path().join("quickstart/host.test.zone");
        let text = fs::read_to_string(&file).expect("a zone");
        let mut lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("mx1 ")).collect();
        assert!(lines.len() < text.lines().count(), "{text}");
        lines.push(zone);
        fs::write(&file, lines.join("\n") + "\n").expect("a zone");
        let plan = dir.path().join("plan.yaml");
        let text = fs::read_to_string(&plan).expect("a plan");
        fs::write(&plan, text + &record.replace("NAME", name)).expect("a plan");
        let (code, said) = cutover(&dir, &["plan", "plan.yaml"]);
        assert!(code == 3 && said.contains(why), "{zone}: {code} {said}");
    }
    // An exchange outside of the zones, where nobody can be asked.
    let dir = quickstart(&before("recipients"), LIST);
    let plan = dir.path().join("plan.yaml");
    let text =
        fs::read_to_string(&plan).expect("a plan").replace("mx2.host.test.", "mx2.far.test.");
    fs::write(&plan, text).expect("a plan");
    let (code, said) = cutover(&dir, &["plan", "plan.yaml"]);
    let why = "nobody can be asked where mx2.far.test. is (`resolver: none`)";
    assert!(code == 3 && said.contains(why), "{code} {said}");
}

#[test]
fn a_list_that_cannot_be_used_is_an_error_at_its_line() {
    for (gate, list, place, words) in [
        ("recipients", "address,kid\nanna@acme.test,x\n", "list.csv:1:1", "no column `kid`"),
        ("recipients", "address\nanna@acme.test\nanna\n", "list.csv:3:1", "is not an address"),
        ("recipients", "address\n\u{fc}@acme.test\n", "plan.yaml:", "cannot ask for"),
        ("recipients", "address\na@sub.acme.test\n", "line 2", "is at no domain that moves"),
        ("recipients", "address,kind\na@acme.test,contact\n", "line 2", "its domain moves"),
        ("{ probe: recipients, age_max: 2d }", LIST, "plan.yaml:", "write 5m to 1d"),
        ("{ probe: smtp, age_max: 1h }", LIST, "plan.yaml:", "establishes no fact"),
    ] {
        let dir = quickstart(&before(gate), list);
        let (code, said) = cutover(&dir, &["check", "plan.yaml"]);
        assert_eq!(code, 2, "{gate}, {list}: {said}");
        assert!(said.contains(place) && said.contains(words), "{gate}, {list}: {said}");
    }
}

/// The quick start with the gate.
fn artifact() -> Artifact {
    let dir = quickstart(&before("recipients"), LIST);
    let (code, text) = cutover(&dir, &["plan", "plan.yaml", "--format", "json"]);
    assert_eq!(code, 0, "{text}");
    Artifact::decode(&text).expect("an artifact")
}

/// The gate of an artifact, and what it establishes.
fn evidence(artifact: &Artifact) -> (StepId, Evidence) {
    let mut gates = artifact.graph.steps().iter().filter_map(|step| {
        let Primitive::Gate(gate) = &step.primitive else { return None };
        Some((step.id.clone(), gate.evidence.clone()?))
    });
    gates.next().expect("a gate that establishes something")
}

fn switches(artifact: &Artifact) -> Vec<StepId> {
    let steps = artifact.graph.steps().iter().filter(|step| step.routes_mail());
    steps.map(|step| step.id.clone()).collect()
}

#[test]
fn the_artifact_names_what_relies_on_the_gate() {
    let artifact = artifact();
    let (gate, evidence) = evidence(&artifact);
    assert_eq!(evidence.facts, ["`accepts` of `host`"]);
    for switch in switches(&artifact) {
        assert!(evidence.before.contains(&switch), "{switch}: {:?}", evidence.before);
    }
    let paths = artifact.graph.paths();
    let place = |id: &StepId| artifact.graph.place(id).expect("a step");
    for step in &evidence.before {
        assert!(paths.precedes(place(&gate), place(step)), "{step}");
    }
    let text = artifact.encode();
    assert_eq!(Artifact::decode(&text).expect("an artifact"), artifact);
}

/// A run that has come to the switch: its gate has passed just now.
fn before_the_switch(artifact: &Arc<Artifact>) -> Storm {
    let mut world = Storm::of(artifact, 0, Faults::default());
    let mut run = resumed(artifact, &[]);
    let ended = drive(&mut world, &mut run, Patience::Stay, &mut |_, _| {}).now_or_never();
    ended.expect("nobody crashes").expect("it runs");
    let switches = switches(artifact);
    let is_switch =
        |entry: &Entry| matches!(&entry.event, Event::Begun { step } if switches.contains(step));
    let place = world.journal.iter().position(is_switch).expect("it switches");
    world.journal.truncate(place);
    world
}

#[test]
fn evidence_that_is_too_old_is_asked_for_again() {
    let artifact = Arc::new(artifact());
    let (gate, evidence) = evidence(&artifact);
    let world = before_the_switch(&artifact);
    let mut run = resumed(&artifact, &world.journal);
    let passed = run.state.of(&artifact, &gate).done().expect("the gate has passed");
    let old = later(passed, evidence.age_max);
    let young = old - Duration::from_secs(1);
    let next = |state: &_, now: cutover::calendar::Timestamp| {
        poll(&artifact, state, &Memory::default(), now.into())
    };
    assert!(!matches!(next(&run.state, young), Next::Record(Event::Lapsed { .. })));
    let Next::Record(lapsed @ Event::Lapsed { .. }) = next(&run.state, old) else {
        panic!("{:?}", next(&run.state, old))
    };
    assert_eq!(lapsed.step(), Some(&gate));
    // Nothing that relies on the gate can begin, whoever writes the journal.
    let switch = switches(&artifact)[0].clone();
    let begun = Event::Begun { step: switch.clone() };
    let refused = Err(IllegalEvent::Evidence { step: switch.clone(), gate: gate.clone() });
    let mut early = run.state.clone();
    assert_eq!(early.apply(&artifact, young.into(), &begun), Ok(()));
    assert_eq!(run.state.clone().apply(&artifact, old.into(), &begun), refused);
    // A clock that was set back says nothing about age.
    let back = passed - Duration::from_secs(3_600);
    assert_eq!(run.state.clone().apply(&artifact, back.into(), &begun), refused);
    // The gate lapses only when it is too old, and then it is asked.
    assert!(run.state.clone().apply(&artifact, young.into(), &lapsed).is_err());
    run.state.apply(&artifact, old.into(), &lapsed).expect("it lapses");
    assert_eq!(run.state.clone().apply(&artifact, old.into(), &begun), refused);
    assert!(matches!(next(&run.state, old), Next::Probe { step, .. } if step.id == gate));
    let probed =
        |finding| Event::Probed { step: gate.clone(), finding, detail: "it was asked".to_owned() };
    let mut failed = run.state.clone();
    failed.apply(&artifact, old.into(), &probed(Finding::Fail)).expect("it is recorded");
    assert!(matches!(next(&failed, old), Next::Record(Event::Halted(_))));
    run.state.apply(&artifact, old.into(), &probed(Finding::Pass)).expect("it is recorded");
    run.state.apply(&artifact, old.into(), &begun).expect("the switch begins");
}

/// Whatever happens, no step that relies on the gate begins while the gate has not passed, or too
/// long ago; and runs still come to their end.
#[test]
fn in_every_storm_the_switch_relies_on_young_evidence() {
    let artifact = artifact();
    let artifacts: Vec<Arc<Artifact>> =
        [0, 2].map(|servers| Arc::new(served_by(&artifact, servers))).into();
    let (gate, evidence) = evidence(&artifact);
    let (mut begun, mut finishes, mut lapses) = (0, 0, 0);
    for seed in 0..SEEDS {
        for artifact in &artifacts {
            let Ended { finished, journal } = live(artifact, seed);
            finishes += usize::from(finished);
            let mut state = resumed(artifact, &[]).state;
            for entry in &journal {
                lapses += usize::from(
                    matches!(&entry.event, Event::Lapsed { step, .. } if *step == gate),
                );
                if let Event::Begun { step } = &entry.event
                    && evidence.before.contains(step)
                {
                    let passed = state.of(artifact, &gate).done();
                    assert!(passed.is_some(), "seed {seed}: {step} began without the gate");
                    begun += 1;
                }
                state.apply(artifact, entry.moment(), &entry.event).expect("a legal journal");
            }
        }
    }
    assert!(begun > SEEDS, "{begun} steps of the switch have begun");
    assert!(finishes > 10, "{finishes} runs came to their end");
    assert!(lapses > 0, "no storm lasts so long that evidence gets old");
}

/// A run at real servers: with a recipient missing at the new host it halts before the switch.
#[test]
fn a_gate_that_fails_keeps_the_switch_from_happening() {
    let fixture = BindFixture::bind();
    let users = ["a@acme.test", "b@acme.test", "a@acme.example"].map(str::to_owned);
    let address = Ipv4Addr::new(127, 0, 69, 2);
    let _postfix = Postfix::with_listeners(address, &users, "", &[]);
    let text = fs::read_to_string(fixture.plan()).expect("the plan");
    let lines = text.lines().filter(|line| !line.contains("fact: accepts, host: new"));
    let text: String = lines.map(|line| format!("{line}\n")).collect();
    let text = text.replace("203.0.113.25", "127.0.69.2");
    let text = text.replace("  to: new\n", "  to: new\n  recipients: { file: list.csv }\n");
    let gates = before("{ probe: recipients, pause: 0s, within: 5s }");
    fs::write(fixture.plan(), text + "\n" + &gates).expect("it is written");
    let list = |names: &str| {
        fs::write(fixture.dir().join("list.csv"), format!("address\n{names}")).expect("a file");
    };
    let apply = |more: &[&str]| {
        let args = [&["apply", "plan.yaml", "--wait", "--auto-approve"], more].concat();
        let mut command = fixture.command(&args);
        said(&command.output().expect("it can be run"))
    };
    list("a@acme.test\nb@acme.test\n");
    let (code, said) = fixture.cutover(&["plan", "plan.yaml"]);
    assert!(code == 3 && said.contains("its list has nobody at acme.example."), "{said}");
    list("a@acme.test\nmissing@acme.test\na@acme.example\n");
    let before = fixture.served();
    let (code, said) = apply(&[]);
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("halted at gate/before-switch/recipients"), "{said}");
    assert!(said.contains("mx.acme.test refuses 1 of 3 addresses: missing@acme.test"), "{said}");
    let is_mx = |record: &&String| record.contains(" IN MX ");
    let mx = |served: &[Vec<String>]| -> Vec<String> {
        let all = served.iter().flatten().filter(is_mx);
        all.filter_map(|record| Some(record.split(" MX ").nth(1)?.to_owned())).collect()
    };
    assert_eq!(mx(&fixture.served()), mx(&before), "mail still goes to the old host");
    // The list was wrong: with another one, the plan is another.
    list("a@acme.test\nb@acme.test\na@acme.example\n");
    let (code, said) = apply(&["--replan"]);
    assert_eq!(code, 0, "{said}");
    assert_ne!(mx(&fixture.served()), mx(&before));
}

/// A run at real servers: in the middle of the switch it is planned again. The gate of the new artifact
/// is asked before what is left of the switch, and what it had shown earlier does not replace that.
#[test]
fn a_replan_in_the_middle_of_the_switch_asks_again() {
    let fixture = BindFixture::bind();
    let address = Ipv4Addr::new(127, 0, 69, 3);
    let users = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
    let all = users(&["a@acme.test", "b@acme.test", "a@acme.example"]);
    let postfix = Postfix::with_listeners(address, &all, "", &[]);
    let text = fs::read_to_string(fixture.plan()).expect("the plan");
    let lines = text.lines().filter(|line| !line.contains("fact: accepts, host: new"));
    let text: String = lines.map(|line| format!("{line}\n")).collect();
    let text = text.replace("203.0.113.25", "127.0.69.3");
    let keys = "  to: new\n  switch: standby\n  recipients: { file: list.csv }\n";
    let text = text.replace("  to: new\n", keys);
    let gates = before("{ probe: recipients, pause: 0s, within: 5s }");
    fs::write(fixture.plan(), text + "\n" + &gates).expect("it is written");
    let list = "address\na@acme.test\nb@acme.test\na@acme.example\n";
    fs::write(fixture.dir().join("list.csv"), list).expect("a list");
    let mut run = fixture.spawn(&["apply", "plan.yaml", "--wait", "--auto-approve"]);
    let has_joined =
        || fixture.journal().iter().any(|entry| entry.to_string().contains("\"wait/join/"));
    let begun = now();
    while !has_joined() {
        assert!(begun.elapsed() < Duration::from_secs(120), "{:?}", fixture.journal());
        sleep(Duration::from_millis(20));
    }
    run.kill().expect("it runs");
    run.wait().expect("it has ended");
    drop(postfix);
    let _postfix = Postfix::with_listeners(address, &users(&["a@acme.test"]), "", &[]);
    let served = fixture.served();
    let (code, said) =
        fixture.cutover(&["apply", "plan.yaml", "--replan", "--wait", "--auto-approve"]);
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("halted at gate/before-switch/recipients"), "{said}");
    let mx = |served: &[Vec<String>]| -> Vec<String> {
        served.iter().flatten().filter(|record| record.contains(" IN MX ")).cloned().collect()
    };
    assert_eq!(mx(&fixture.served()), mx(&served), "nothing of the switch goes on");
    // It has failed now, so a further plan has nothing to rely on.
    let (code, said) = fixture.cutover(&["plan", "plan.yaml", "--replan"]);
    assert!(code == 3 && said.contains("has not passed since"), "{code} {said}");
}

/// 2020-09-13.
const TIME: i64 = 1_600_000_000;

/// A run at real servers: with a message that was not copied, the old side is not left.
#[test]
fn a_message_that_was_not_copied_keeps_the_old_side() {
    let fixture = BindFixture::bind();
    let old = MailboxHost::start(&Setup { prefix: "INBOX.", separator: ".", ..Setup::default() });
    let new = MailboxHost::start(&Setup::default());
    let opened = |host: &MailboxHost| {
        let (port, authority) = (host.tls_port(), host.authority());
        let authority = authority.display();
        format!("\n    mailboxes: {{ imap: \"localhost:{port}\", authority: \"{authority}\" }}\n")
    };
    let text = fs::read_to_string(fixture.plan()).expect("the plan");
    let lines = text.lines().filter(|line| !line.contains("fact: synced, host: old"));
    let text: String = lines.map(|line| format!("{line}\n")).collect();
    let text = text.replace("\n  old:\n", &format!("\n  old:{}", opened(&old)));
    let text = text.replace("\n  new:\n", &format!("\n  new:{}", opened(&new)));
    let text = text.replace("  to: new\n", "  to: new\n  recipients: { file: list.csv }\n");
    let write =
        |gates: &str| fs::write(fixture.plan(), format!("{text}\n{gates}")).expect("a plan");
    let list = "address,old_user,new_user,old_secret,new_secret\n\
        anna@acme.test,anna,anna,env:MAILBOX,env:MAILBOX\n\
        bert@acme.example,bert,bert,env:MAILBOX,env:MAILBOX\n";
    fs::write(fixture.dir().join("list.csv"), list).expect("a list");
    let cutover = |args: &[&str]| {
        let mut command = fixture.command(args);
        said(&command.env("MAILBOX", PASSWORD).output().expect("it can be run"))
    };
    for (gates, why) in [
        ("", "let a gate establish it: `gates: { after_switch: [ mailboxes ] }`"),
        ("gates: { before_switch: [ mailboxes ] }", "it is asked before the old side is left"),
        (
            "gates: { after_switch: [ { probe: mailboxes, on_fail: ask } ] }",
            "a person may let it pass (`on_fail: ask`)",
        ),
        (
            "gates: { after_switch: [ { probe: mailboxes, empty: allowed } ] }",
            "a mailbox that is the wrong one passes",
        ),
    ] {
        write(gates);
        let (code, said) = cutover(&["plan", "plan.yaml"]);
        assert!(code == 3 && said.contains(why), "{gates}: {code} {said}");
    }
    // One server for both sides, or one whose name the plan leads elsewhere.
    let gate = "gates: { after_switch: [ mailboxes ] }";
    let same = text.replace(&opened(&new), &opened(&old));
    let moved = text.replace(&opened(&old), "\n    mailboxes: { imap: \"mail.acme.test:993\" }\n");
    let moved = moved
        + "records:\n  - { zone: acme.test, name: mail, type: A, to: [ 203.0.113.77 ], after: switch }\n";
    for (text, why) in [
        (same, "both sides are opened at the same server"),
        (moved, "the plan changes the addresses of mail.acme.test. meanwhile"),
    ] {
        fs::write(fixture.plan(), format!("{text}\n{gate}")).expect("a plan");
        let (code, said) = cutover(&["plan", "plan.yaml"]);
        assert!(code == 3 && said.contains(why), "{code} {said}");
    }
    write(gate);
    // Nobody has any mail: that may be other mailboxes, which the host has made up.
    let (code, said) = cutover(&["probe", "plan.yaml", "--only", "mailboxes"]);
    assert!(code == 5 && said.contains("2 have no message at the old host"), "{code} {said}");
    let mail = |user: &str, number: u32| {
        let text = format!("Subject: {number}\r\nMessage-ID: <{number}@{user}>\r\n\r\nx\r\n");
        old.deliver(user, "", &format!("m{number}"), text.as_bytes(), TIME);
    };
    mail("anna", 1);
    mail("bert", 1);
    let (code, said) = cutover(&["mailboxes", "copy", "plan.yaml"]);
    assert_eq!(code, 0, "{said}");
    mail("bert", 2);
    let apply = || cutover(&["apply", "plan.yaml", "--wait", "--auto-approve"]);
    let (code, said) = apply();
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("halted at gate/after-switch/mailboxes"), "{said}");
    let lost = "bert@acme.example: 1, among them <2@bert> in INBOX";
    assert!(said.contains(lost), "{said}");
    let (_, status) = cutover(&["status", "plan.yaml", "--full"]);
    assert!(!status.contains("release-old: reached"), "{status}");
    let (code, said) = cutover(&["mailboxes", "copy", "plan.yaml"]);
    assert_eq!(code, 0, "{said}");
    let (code, said) = apply();
    assert_eq!(code, 0, "{said}");
}
