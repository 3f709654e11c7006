//! Problems that trials found at the command line and that zone files can reproduce: one test for
//! each reported line.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use cutover::digest::Digest;

use crate::bind_fixture::said;
use crate::lab::{SetClock, sleep};
use crate::zonefile_fixture::ZonefileFixture;

/// A fixture with a plan that is refuted: an address is removed together with the switch.
fn refuted() -> ZonefileFixture {
    let fixture = ZonefileFixture::new();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/refuted");
    let read = |name: &str| fs::read(fixtures.join(name)).expect("a fixture");
    fixture.write("plan.yaml", read("address-goes-first.yaml"));
    fixture.write("zones/acme.test.zone", read("zones/acme.test.zone"));
    fixture
}

/// The same plan, repaired, with additional lines at its end.
fn moving(more: &str) -> ZonefileFixture {
    let fixture = refuted();
    let plan = fixture.read("plan.yaml").replace("with: switch", "after: contract");
    fixture.write("plan.yaml", plan.replace("assume_within: 5m", "assume_within: 1s") + more);
    fixture
}

/// Line 17: everything about a refuted plan is said once, and also that nothing was written.
#[test]
fn a_refuted_plan_is_reported_once() {
    let fixture = refuted();
    let output = |args: &str| {
        let (code, _) = fixture.shell(&format!("cutover {args} >out 2>err"));
        assert_eq!(code, 3, "{args}");
        (fixture.read("out"), fixture.read("err"))
    };
    let sentences = [
        "then a sender finds no address for any exchange",
        "then a mail client that is set up with mail.acme.test.",
        "publish the addresses, and let their non-existence expire",
        "no order of the steps keeps `deliverable`",
    ];
    for (args, undone) in [
        ("plan plan.yaml -o plan.json", "nothing was written to plan.json"),
        ("plan plan.yaml", "it cannot be applied as it is"),
        ("plan plan.yaml --format json", "it cannot be applied as it is"),
        ("apply plan.yaml --auto-approve", "nothing was changed"),
        ("apply plan.yaml", "nothing was changed"),
    ] {
        let (out, err) = output(args);
        let text = match args.contains("json") && !args.contains("-o") {
            // Machine-readable output contains no text for people.
            true => err.clone(),
            false => format!("{out}{err}"),
        };
        for sentence in sentences {
            assert_eq!(text.matches(sentence).count(), 1, "{args}: {sentence}\n{text}");
        }
        assert!(!text.contains("therefore "), "{args}: the harm was already shown: {text}");
        let head = "error: this plan would do harm: deliverable, clients\n";
        assert!(err.starts_with(&format!("{head}  {undone}\n")), "{args}: {err}");
        assert!(!fixture.path("plan.json").exists(), "{args}");
    }
    let (out, err) = output("plan plan.yaml");
    assert!(out.contains("REFUTED: deliverable is broken") && err.lines().count() == 3, "{err}");
}

/// Line 21: under `--no-commands` no command runs a program of a plan.
#[test]
fn without_commands_no_program_of_a_plan_is_run() {
    let fixture = ZonefileFixture::new();
    let api_key = "api_key: { command: [ sh, -c, 'touch ran; echo key' ] }";
    let provider = format!("{{ type: powerdns, url: \"http://127.0.53.9:1\", {api_key} }}");
    let zone = "authorities: [ 127.0.53.9 ]";
    let plan = |providers: &str, zone: &str| {
        format!(
            "version: 1\nname: move\nproviders: {{ p: {providers} }}\nresolver: none\n\
             zones: {{ acme.test: {{ provider: p, {zone} }} }}\n\
             records: [ {{ zone: acme.test, name: new, type: A, to: [ 192.0.2.1 ] }} ]\n"
        )
    };
    fixture.write("secret.yaml", plan(&provider, zone));
    fixture.write(
        "python.yaml",
        plan(
            "{ type: octodns, class: octodns.provider.yaml.YamlProvider, python: ./python }",
            zone,
        ),
    );
    fixture.write("python", "#!/bin/sh\ntouch ran\n");
    assert_eq!(fixture.shell("chmod +x python").0, 0);
    for args in [
        &["plan"][..],
        &["plan", "--format", "json"],
        &["explain"],
        &["apply", "--auto-approve"],
        &["zone", "dump"],
        &["zone", "diff"],
    ] {
        for (file, word) in [
            ("secret.yaml", "refuses to run `sh -c touch ran; echo key`"),
            ("python.yaml", "refuses to run the program that `type: octodns` needs"),
        ] {
            let mut whole = [args, &[file]].concat();
            match args {
                ["zone", "dump"] => whole.push("acme.test"),
                ["zone", "diff"] => whole.extend(["acme.test", "provider", "live:127.0.53.9:53"]),
                _ => {}
            }
            let said = fixture.refuses(2, &[&whole[..], &["--no-commands"]].concat());
            assert!(said.contains(word), "{whole:?}: {said}");
            let (_, said) = fixture.cutover(&whole);
            assert!(fixture.path("ran").exists(), "it is run otherwise: {whole:?}: {said}");
            fs::remove_file(fixture.path("ran")).expect("it is there");
        }
    }
    // Programs that only a run starts are refused only by a run, and all of them are named.
    let fixture = moving(
        "tasks:\n  before_switch: [ { name: copy, run: [ touch, ran ], check: [ test, -e, ran ], undo: [ touch, undone ] } ]\n\
         gates: { before_switch: [ { probe: command, run: [ touch, asked ], count: 1 } ] }\n\
         notify: [ { at: [ done ], webhook: { command: [ touch, told ] } } ]\n",
    );
    let plan = fixture
        .read("plan.yaml")
        .replace("directory: zones,", "directory: zones, reload: [ touch, reloaded ],");
    fixture.write("plan.yaml", plan);
    fixture.ends(0, &["plan", "plan.yaml", "--no-commands", "-o", "plan.json"]);
    for input in ["plan.yaml", "plan.json"] {
        let said = fixture.refuses(2, &["apply", input, "--auto-approve", "--no-commands"]);
        for program in [
            "touch ran",
            "test -e ran",
            "touch undone",
            "touch asked",
            "touch told",
            "touch reloaded",
        ] {
            assert!(said.contains(&format!("`{program}`")), "{program}: {said}");
        }
    }
}

/// Line 11: a secret of 100 MB is not read, and the error names the limit.
#[test]
fn a_secret_has_a_maximum_size() {
    let fixture = ZonefileFixture::new();
    let file = fs::File::create(fixture.path("large")).expect("a file");
    file.set_len(100 << 20).expect("a sparse file");
    for secret in ["file: large", "command: [ cat, large ]"] {
        fixture.write(
            "plan.yaml",
            format!(
                "version: 1\nname: move\nproviders: {{ p: {{ type: powerdns, url: \"http://127.0.53.9:1\", api_key: {{ {secret} }} }} }}\n\
                 resolver: none\nzones: {{ acme.test: {{ provider: p, authorities: [ 127.0.53.9 ] }} }}\n\
                 records: [ {{ zone: acme.test, name: new, type: A, to: [ 192.0.2.1 ] }} ]\n"
            ),
        );
        let said = fixture.ends(1, &["plan", "plan.yaml"]);
        assert!(said.contains("cannot be read: it has more than 64 KiB"), "{said}");
    }
}

/// Line 14: invisible characters are escaped, wherever they come from.
#[test]
fn invisible_characters_are_escaped() {
    let evil = "\u{202e}\u{1b}[31m\u{200b}\u{2066}\u{9b}2J\r";
    let fixture = ZonefileFixture::new();
    let plan = fixture.read("plan.yaml");
    // Characters that a plan may have in its texts.
    let reason = "it is \u{202e}enif\u{2066} so";
    fixture.write(
        "reason.yaml",
        plan.clone()
            + &format!("override: [ {{ invariant: deliverable, reason: \"{reason}\" }} ]\n"),
    );
    fixture.write("reload.sh", format!("printf '%s\\n' '{evil}' >&2; exit 1\n"));
    let name = |end: &str| format!("{}{end}", evil.replace('\r', ""));
    fixture.write(&name(".yaml"), &plan);
    fixture.write(&name("bad.yaml"), "version: 1\n\u{202e}nmae: x\n");
    let yaml = name(".yaml");
    let (bad, json) = (name("bad.yaml"), name(".json"));
    // Machine-readable output is unchanged.
    fixture.ends(0, &["plan", "reason.yaml", "-o", "reason.json"]);
    let whole = fixture.ends(0, &["plan", "reason.yaml", "--format", "json"]);
    assert!(whole == fixture.read("reason.json") && whole.contains(reason), "{whole}");
    for (code, args) in [
        (0, &["plan", "reason.yaml"][..]),
        (0, &["plan", "reason.yaml", "-o", "reason.json"]),
        (0, &["show", "reason.json"]),
        (0, &["check", &yaml]),
        (2, &["check", &bad]),
        (2, &["plan", &bad]),
        (0, &["plan", &yaml, "-o", &json]),
        (0, &["show", &json]),
        (2, &["show", &yaml]),
        (2, &["explain", evil]),
        (2, &["explain", &json, evil]),
        (2, &["apply", evil]),
        (2, &[evil]),
        (2, &["plan", "--format", evil]),
        (2, &["providers", evil]),
        (2, &["zone", "dump", &yaml, evil]),
        (5, &["apply", &yaml, "--auto-approve", "--wait"]),
        (0, &["status", &yaml]),
        (0, &["log", &yaml]),
        (2, &["rollback", &yaml, "--to", evil]),
        (2, &["confirm", &yaml, evil, "--reason", evil]),
    ] {
        let output = fixture.command(args).output().expect("the program can be run");
        let (ended, text) = said(&output);
        assert_eq!(ended, code, "{args:?}: {text}");
        let unseen = |c: &char| {
            (c.is_control() && !matches!(c, '\n' | '\t'))
                || matches!(c, '\u{202e}' | '\u{2066}' | '\u{200b}')
        };
        let found = text.chars().find(unseen);
        assert_eq!(found, None, "{args:?}: {text:?}");
        if args.contains(&"reason.json") && args[0] == "show" {
            assert!(text.contains("it is \\u{202e}enif\\u{2066} so"), "{text}");
        }
        if args[0] == "apply" && code == 5 {
            assert!(text.contains("\\u{202e}\\u{1b}[31m"), "what the command says: {text}");
        }
    }
}

/// Line 15: a clock before 1970 does not cause a panic.
#[test]
fn a_clock_before_1970_is_accepted() {
    let fixture = ZonefileFixture::waiting();
    let clock = SetClock::right();
    clock.set("-70y");
    for (code, args) in [
        (0, &["status", "plan.yaml"][..]),
        (0, &["log", "plan.yaml"]),
        (0, &["show", "plan.json"]),
        (0, &["plan", "plan.yaml"]),
        (4, &["apply", "plan.yaml"]),
    ] {
        let mut command = fixture.command(args);
        clock.give_to(&mut command);
        let (ended, text) = said(&command.output().expect("the program can be run"));
        assert_eq!(ended, code, "{args:?}: {text}");
        assert!(!text.contains("panicked"), "{args:?}: {text}");
        if args[0] == "apply" {
            assert!(text.contains(" (in 25"), "the clock is set: {text}");
        }
    }
}

/// Line 18: a person who says that a task was not done can say how that is known, and the usage
/// shows what is required.
#[test]
fn a_task_that_was_not_done_needs_a_reason() {
    let fixture =
        moving("tasks: { before_switch: [ { name: slow, run: [ sleep, '600' ], within: 1s } ] }\n");
    let said = fixture.ends(6, &["apply", "plan.yaml", "--auto-approve"]);
    let confirm = "cutover confirm plan.yaml task/slow --not-done --reason WHY";
    assert!(said.contains(confirm), "{said}");
    let confirm = ["confirm", "plan.yaml", "task/slow"];
    let usage = fixture.refuses(2, &confirm);
    assert!(usage.contains("--reason <WHY>") && usage.contains("STEP> --not-done"), "{usage}");
    for nothing in ["", "...", " - "] {
        let said = fixture.refuses(2, &[&confirm[..], &["--reason", nothing]].concat());
        assert!(said.contains("give a reason in words"), "{said}");
    }
    let with = ["--not-done", "--reason", "the disk is empty"];
    fixture.ends(0, &[&confirm[..], &with].concat());
    let said = fixture.ends(0, &["log", "plan.yaml"]);
    let line = "task/slow: not done, according to a person: the disk is empty";
    assert!(said.contains(line), "{said}");
    // It is run again.
    let said = fixture.ends(6, &["apply", "plan.yaml"]);
    assert!(said.contains("task/slow: begun"), "{said}");
}

/// Line 52: if there is no point to go back to, the message says why, and what is possible.
#[test]
fn a_rollback_that_leads_nowhere_says_why() {
    let fixture = refuted();
    let lets = ["deliverable", "clients"]
        .map(|invariant| format!("{{ invariant: {invariant}, reason: the old host is empty }}"));
    let plan = fixture.read("plan.yaml").replace("assume_within: 5m", "assume_within: 1s");
    fixture.write("plan.yaml", format!("{plan}override: [ {} ]\n", lets.join(", ")));
    fixture.ends(4, &["apply", "plan.yaml", "--auto-approve"]);
    for args in [&["rollback", "plan.yaml"][..], &["rollback", "plan.yaml", "--to", "start"]] {
        let said = fixture.refuses(2, args);
        assert!(said.contains("the plan is refuted and accepted by `override:`"), "{said}");
        assert!(said.contains("help: "), "{said}");
    }
    let fixture = moving("");
    fixture.ends(4, &["apply", "plan.yaml", "--auto-approve"]);
    let said = fixture.refuses(2, &["rollback", "plan.yaml", "--to", "strat"]);
    assert!(said.contains("there are `start`") || said.contains("there is `start`"), "{said}");
    assert!(said.contains("there is no way back from"), "{said}");
}

/// Line 66: a way back is a run of its own, and the runs before it can be read too.
#[test]
fn the_log_of_every_run_can_be_read() {
    let fixture = ZonefileFixture::waiting();
    fixture.refuses(2, &["log", "plan.yaml", "--run", "2"]);
    fixture.ends(0, &["rollback", "plan.yaml", "--auto-approve", "--wait"]);
    let newest = fixture.ends(0, &["log", "plan.yaml"]);
    assert!(newest.contains("back/lower/acme.test/www/A: begun"), "{newest}");
    assert!(newest.contains("cutover log plan.yaml --all"), "{newest}");
    let first = fixture.ends(0, &["log", "plan.yaml", "--run", "1"]);
    assert!(first.contains("lower/acme.test/www/A: begun") && !first.contains("back/"), "{first}");
    let all = fixture.ends(0, &["log", "plan.yaml", "--all"]);
    let at = |text: &str| all.find(text).unwrap_or_else(|| panic!("{text}: {all}"));
    assert!(at("run 1: move  sha256:") < at("Z  lower/acme.test/www/A: begun"));
    assert!(at("Z  lower/acme.test/www/A: begun") < at("run 2: way back of move  sha256:"));
    let said = fixture.refuses(2, &["log", "plan.yaml", "--run", "7"]);
    assert!(said.contains("there is no run 7\nhelp: known runs: 1, 2"), "{said}");
}

/// Line 67: `status` begins with what has stopped a run, then says how long it takes. A script can
/// use the exit code.
#[test]
fn status_says_first_what_matters_and_has_exit_codes() {
    let fixture = ZonefileFixture::new();
    let status = ["status", "plan.yaml", "--exit-code"];
    let first = |code: i32| {
        let said = fixture.refuses(code, &status);
        said.lines().next().expect("a line").to_owned()
    };
    assert_eq!(first(0), "no run yet");
    fixture.ends(4, &["apply", "plan.yaml", "--auto-approve"]);
    let line = first(4);
    assert!(line.starts_with("run move: at least ") && line.ends_with("s left"), "{line}");
    // The last change has to be served, which takes the second that the plan assumes.
    assert!(!line.contains(" 0s"), "{line}");
    let zone = fixture.zone();
    fixture.write("zones/acme.test.zone", zone.replace("192.0.2.80", "192.0.2.81"));
    fixture.ends(5, &["apply", "plan.yaml", "--wait"]);
    let line = first(5);
    assert!(line.starts_with("run move: halted at ") && line.contains("www"), "{line}");
    assert_eq!(fixture.ends(0, &["status", "plan.yaml"]).lines().next(), Some(&*line));
    fixture.write("zones/acme.test.zone", zone);
    fixture.ends(0, &["apply", "plan.yaml", "--wait"]);
    assert!(first(0).starts_with("run move: finished 20"));
    let fixture = moving("tasks: { before_switch: [ { name: copy, manual: copy it } ] }\n");
    fixture.ends(4, &["apply", "plan.yaml", "--auto-approve"]);
    let said = fixture.refuses(6, &status);
    assert!(said.contains(": task/copy waits for a person\n"), "{said}");
}

/// An artifact with a valid digest, whatever was put into it.
fn resealed(text: &str) -> String {
    let digest = text.split('"').find(|word| word.starts_with("sha256:")).expect("a digest");
    let blank = text.replacen(digest, "", 1);
    text.replacen(digest, &Digest::of(blank.as_bytes()).to_string(), 1)
}

/// Line 9: the verdict in an artifact is checked again, and a reviewer can name its digest.
#[test]
fn the_verdict_of_an_edited_artifact_is_not_trusted() {
    let fixture = moving("");
    fixture.ends(0, &["plan", "plan.yaml", "-o", "plan.json"]);
    let artifact = fixture.read("plan.json");
    let wait = |id: &str, secs: &str| {
        let at = artifact.find(&format!("\"id\": \"{id}\"")).expect("the wait");
        let (front, rest) = artifact.split_at(at);
        let from = rest.find("\"wait_secs\": ").expect("its length");
        let length = rest[from..].find(',').expect("an end");
        format!("{front}{}\"wait_secs\": {secs}{}", &rest[..from], &rest[from + length..])
    };
    let lower = "wait/lower/acme.test/@/MX";
    let left = artifact.replacen("\"begin_secs\": 0", "\"begin_secs\": 1", 1);
    let (front, steps) = artifact.split_once("\"steps\":").expect("they come after the zones");
    let version = format!("{front}\"steps\":{}", steps.replacen("203.0.113.25", "203.0.113.26", 1));
    for (edited, word) in [
        (
            wait(lower, "0"),
            "wait/lower/acme.test/@/MX lasts 0s, but the replaced version may be cached for",
        ),
        (wait(lower, "3599"), "wait/lower/acme.test/@/MX lasts 59m 59s"),
        (wait("wait/keep-old/switch/acme.test/@/MX", "0"), "its forecast does not match its steps"),
        (left, "its forecast does not match its steps"),
        (version, "does not start from the"),
    ] {
        assert_ne!(edited, artifact);
        fixture.write("edited.json", resealed(&edited));
        for args in [
            &["show", "edited.json"][..],
            &["explain", "edited.json"],
            &["apply", "edited.json", "--auto-approve"],
        ] {
            let said = fixture.refuses(3, args);
            assert!(said.contains("error: this artifact is not proved"), "{said}");
            assert!(said.contains(word), "{word}: {said}");
        }
    }
    // Changing the verdict does not make a refuted plan proved.
    let other = refuted();
    let (code, _) = other.shell("cutover plan plan.yaml --format json >refuted.json 2>err");
    assert_eq!(code, 3);
    let lies = other.read("refuted.json");
    for lie in [
        lies.replace("\"outcome\": \"refuted\"", "\"outcome\": \"proved\""),
        lies.replace("\"outcome\": \"refuted\"", "\"outcome\": \"proved\"").replace(
            "\"broken\": [\n      \"deliverable\",\n      \"clients\"\n    ]",
            "\"broken\": []",
        ),
    ] {
        assert_ne!(lie, lies);
        other.write("lie.json", resealed(&lie));
        let said = other.refuses(3, &["apply", "lie.json", "--auto-approve"]);
        assert!(said.contains("its verdict says that it is proved"), "{said}");
    }
    // The digest that a reviewer has read.
    let digest = artifact.split('"').find(|word| word.starts_with("sha256:")).expect("a digest");
    let reason = artifact.replacen("every address was created", "nobody has looked", 1);
    fixture.write("edited.json", resealed(&reason));
    fixture.refuses(0, &["show", "edited.json"]);
    let apply = |input| ["apply", input, "--auto-approve", "--digest", digest];
    let said = fixture.refuses(3, &apply("edited.json"));
    assert!(said.contains(", not the") && said.contains(digest), "{said}");
    fixture.refuses(2, &["apply", "plan.json", "--digest", "sha256:12"]);
    fixture.ends(4, &apply("plan.json"));
    fixture.ends(4, &apply("plan.yaml"));
    let other = format!("sha256:{}", "0".repeat(64));
    fixture.refuses(3, &["apply", "plan.yaml", "--digest", &other]);
}

fn signalled(fixture: &ZonefileFixture, child: Child, name: &str) -> (i32, String) {
    assert_eq!(fixture.shell(&format!("kill -s {name} {}", child.id())).0, 0);
    said(&child.wait_with_output().expect("it ends"))
}

/// Line 16: a signal ends what was started, and the message says how to continue.
#[test]
fn a_signal_ends_what_was_started_and_says_how_to_continue() {
    for (name, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let fixture =
            moving("tasks: { before_switch: [ { name: copy, run: [ sh, copy.sh ] } ] }\n");
        fixture.write("copy.sh", "sleep 600 & echo $! >child.new; mv child.new child; wait\n");
        let mut command =
            fixture.command(&["apply", "plan.yaml", "--auto-approve", "--wait", "--no-commands"]);
        assert_eq!(command.status().expect("it can be run").code(), Some(2));
        let mut command = fixture.command(&["apply", "plan.yaml", "--auto-approve", "--wait"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let child = child.expect("it can be started");
        while !fixture.path("child").exists() {
            sleep(Duration::from_millis(5));
        }
        let (ended, text) = signalled(&fixture, child, name);
        assert_eq!(ended, code, "{text}");
        assert!(text.contains(&format!("stopped by SIG{name}")), "{text}");
        assert!(
            text.contains("task/copy: its command was killed, with all processes that it had"),
            "{text}"
        );
        assert!(text.contains("Continue with `cutover apply plan.yaml --wait`"), "{text}");
        let number = fixture.read("child");
        let state = fs::read_to_string(format!("/proc/{}/stat", number.trim())).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z "), "its child is ended with it: {state}");
        let status = fixture.ends(0, &["status", "plan.yaml"]);
        let row = status.lines().find(|line| line.contains("[?] task/copy"));
        assert!(row.is_some_and(|row| row.contains("outcome unknown")), "{status}");
    }
    // In the middle of a wait nothing runs, and the run continues from there.
    let fixture = ZonefileFixture::planned();
    fixture.write("zones/acme.test.zone", fixture.zone().replace("www   A", "www 3 A"));
    let mut command =
        fixture.command(&["apply", "plan.yaml", "--auto-approve", "--wait", "--state", "kept"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.expect("it can be started");
    let journal = "kept/move/0001/journal.jsonl";
    while !fixture.read(journal).contains("wait_begun") {
        sleep(Duration::from_millis(5));
    }
    let (ended, text) = signalled(&fixture, child, "TERM");
    assert_eq!(ended, 143, "{text}");
    assert!(text.contains("`cutover apply plan.yaml --state kept --wait`"), "{text}");
    assert!(!text.contains("was ended"), "{text}");
    fixture.ends(0, &["apply", "plan.yaml", "--state", "kept", "--wait"]);
}

/// Line 19: a server that is down is one error, however many queries it does not answer.
#[test]
fn a_server_that_is_down_is_one_error() {
    let fixture = ZonefileFixture::new();
    let records: String = (0..12)
        .map(|n| format!("  - {{ zone: acme.test, name: n{n}, type: A, to: [ 192.0.2.9 ] }}\n"))
        .collect();
    let plan = fixture.read("plan.yaml");
    let plan = plan.replace(
        "{ provider: files }",
        "{ provider: files, authorities: [ \"127.0.53.9:5399\" ] }",
    );
    fixture.write("plan.yaml", plan.replace("clocks:", &format!("{records}clocks:")));
    let said = fixture.ends(1, &["plan", "plan.yaml"]);
    assert_eq!(said.matches("error[").count(), 1, "{said}");
    assert!(said.contains("127.0.53.9:5399 does not answer for"), "{said}");
    assert!(said.contains("(and 12 more)") && said.contains("plan.yaml: 1 problem"), "{said}");
    let zones: String = (0..12)
        .map(|n| format!("  z{n}.test: {{ provider: p, authorities: [ 127.0.53.9 ] }}\n"))
        .collect();
    fixture.write(
        "zones.yaml",
        format!("version: 1\nname: many\nproviders: {{ p: {{ type: powerdns, url: \"http://127.0.53.9:5399\", api_key: {{ env: HOME }} }} }}\n\
            resolver: none\nzones:\n{zones}records: [ {{ zone: z0.test, name: new, type: A, to: [ 192.0.2.1 ] }} ]\n"),
    );
    let said = fixture.ends(1, &["plan", "zones.yaml"]);
    assert_eq!(said.matches("error[").count(), 1, "{said}");
    assert!(said.contains("the zones z0.test. and 11 more cannot be read"), "{said}");
}

/// Line 48: lowering a TTL together with the records has no effect on the records that are
/// replaced.
#[test]
fn a_ttl_that_is_lowered_too_late_gives_a_warning() {
    let fixture = ZonefileFixture::new();
    let zone = fixture.zone() + "@ 3600 MX 10 mail\nmail A 192.0.2.10\nmx2 A 192.0.2.11\n";
    fixture.write("zones/acme.test.zone", zone);
    let plan = fixture.read("plan.yaml");
    let records = plan.find("records:").expect("records");
    let clocks = plan.find("clocks:").expect("clocks");
    let of =
        |record: &str| format!("{}records: [ {record} ]\n{}", &plan[..records], &plan[clocks..]);
    let mx = |more: &str| of(&format!("{{ zone: acme.test, name: '@', type: MX, {more} }}"));
    for (plan, is_late) in [
        (mx("to: [ 10 mx2 ], ttl: 60s"), true),
        (mx("to: [ 10 mx2 ], ttl: 60s, lower_ttl: 60s"), false),
        (mx("to: [ 10 mx2 ]"), false),
        (mx("to: [ 10 mx2 ], ttl: 2h"), false),
        (mx("to: [ 10 mail ], ttl: 60s"), false),
        (of("{ zone: acme.test, name: www, type: A, to: [ 192.0.2.81 ], ttl: 1s }"), true),
        (of("{ zone: acme.test, name: new, type: A, to: [ 192.0.2.81 ], ttl: 1s }"), false),
    ] {
        fixture.write("plan.yaml", &plan);
        // Whether mail is safe is a different question.
        let (_, said) = fixture.cutover(&["plan", "plan.yaml"]);
        assert_eq!(said.contains("warning[ttl-too-late]"), is_late, "{plan}: {said}");
    }
    fixture.write("plan.yaml", mx("to: [ 10 mx2 ], ttl: 60s"));
    let (_, said) = fixture.cutover(&["plan", "plan.yaml"]);
    assert!(
        said.contains("the MX records of acme.test. change while their TTL is still 1h"),
        "{said}"
    );
    assert!(said.contains("add `lower_ttl: 1m`"), "{said}");
}
