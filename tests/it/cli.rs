//! The command line: each exit code, files of other kinds, agreement, an open run whose plan has
//! changed, terminals and pipes, secrets, and servers that are down.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use crate::bind_fixture::{BindFixture, said};
use crate::zonefile_fixture::{ZONE, ZONE_DONE, ZonefileFixture};

#[test]
fn exit_codes_of_the_readme() {
    let fixture = ZonefileFixture::planned();
    fixture.write("broken.yaml", "version: 1\nnmae: x\n");
    fixture.write(
        "away.yaml",
        fixture.read("plan.yaml").replace("directory: zones", "directory: nowhere"),
    );
    fixture.write("done.yaml", fixture.read("plan.yaml").replace("203.0.113.80", "192.0.2.80"));
    for (code, args) in [
        (0, &["--help"][..]),
        (0, &["--version"]),
        (0, &["check", "plan.yaml"]),
        (0, &["plan", "plan.yaml"]),
        (0, &["show", "plan.json"]),
        (0, &["status", "plan.yaml"]),
        (0, &["log", "plan.yaml"]),
        (0, &["schema"]),
        (0, &["apply", "done.yaml"]),
        (2, &[]),
        (2, &["aply"]),
        (2, &["plan"]),
        (2, &["plan", "plan.yaml", "--formt", "json"]),
        (2, &["plan", "plan.yaml", "--format", "xml"]),
        (2, &["plan", "plan.yaml", "done.yaml", "-o", "both.json"]),
        (2, &["check", "broken.yaml"]),
        (2, &["check", "plan.yaml", "broken.yaml"]),
        (2, &["plan", "broken.yaml"]),
        (2, &["apply", "broken.yaml"]),
        (2, &["status", "broken.yaml"]),
        // The world does not answer, but the plan is correct.
        (1, &["plan", "away.yaml"]),
        (1, &["apply", "away.yaml", "--auto-approve"]),
        (1, &["plan", "plan.yaml", "-o", "nowhere/plan.json"]),
        (1, &["plan", "plan.yaml", "-o", "none/plan.json"]),
        (6, &["apply", "plan.yaml"]),
        (6, &["apply", "plan.json"]),
        // A script that takes 2 for changes must not take an error for changes.
        (0, &["plan", "done.yaml", "--detailed-exitcode"]),
        (2, &["plan", "plan.yaml", "--detailed-exitcode"]),
        (1, &["plan", "done.yaml", "plan.yaml", "--detailed-exitcode"]),
        (1, &["plan", "broken.yaml", "--detailed-exitcode"]),
        (1, &["plan", "away.yaml", "--detailed-exitcode"]),
        (1, &["plan", "plan.yaml", "--detailed-exitcode", "--formt"]),
        (1, &["plan", "--detailed-exitcode"]),
        (1, &["plan", "missing.yaml", "--detailed-exitcode"]),
        (0, &["plan", "--detailed-exitcode", "--help"]),
    ] {
        fixture.refuses(code, args);
    }
    // 4 and 5, and 0 at the end.
    let said = fixture.ends(4, &["apply", "plan.json", "--auto-approve"]);
    assert!(said.contains("waiting: apply again at 20"), "{said}");
    let zone = fixture.zone();
    fixture.write("zones/acme.test.zone", zone.replace("192.0.2.80", "192.0.2.81"));
    let said = fixture.ends(5, &["apply", "plan.json", "--wait"]);
    for line in [
        "planned   www.acme.test. 1 A 203.0.113.80",
        "expected  www.acme.test. 1 A 192.0.2.80",
        "live      www.acme.test. 1 A 192.0.2.81",
    ] {
        assert!(said.contains(line), "{line:?} is missing:\n{said}");
    }
    assert_eq!(fixture.zone(), zone.replace("192.0.2.80", "192.0.2.81"));
    fixture.write("zones/acme.test.zone", zone);
    fixture.ends(0, &["apply", "plan.json", "--wait"]);
    assert_eq!(fixture.zone(), ZONE_DONE);
    for input in ["plan.json", "plan.yaml"] {
        let said = fixture.refuses(0, &["apply", input]);
        assert!(said.contains("nothing to change"), "{said}");
    }
}

#[test]
fn what_is_neither_plan_nor_artifact_is_refused() {
    let fixture = ZonefileFixture::planned();
    let artifact = fixture.read("plan.json");
    let cut = &artifact[..artifact.len() / 2];
    let other = artifact.replacen("cutover/artifact/1", "cutover/artifact/9", 1);
    let touched = artifact.replacen("203.0.113.80", "203.0.113.81", 1);
    let garbage: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    for (file, octets) in [
        ("empty", &b""[..]),
        ("latin1", b"version: 1\nname: caf\xe9\n"),
        ("garbage", &garbage),
        ("zeros", &[0; 4_096]),
        ("zone", ZONE.as_bytes()),
        ("null.json", b"null"),
        ("object.json", b"{}"),
        ("cut.json", cut.as_bytes()),
        ("other.json", other.as_bytes()),
        ("touched.json", touched.as_bytes()),
        ("small.json", artifact.split_whitespace().collect::<String>().as_bytes()),
        ("twice.json", artifact.repeat(2).as_bytes()),
        ("escape.json", artifact.replacen("\"name\"", "\"\\u001b[31m\"", 1).as_bytes()),
    ] {
        fixture.write(file, octets);
    }
    // Larger than anything that we write. The file is sparse.
    let huge = fs::File::create(fixture.path("huge")).expect("a file");
    huge.set_len(300 << 20).expect("a sparse file");
    let files = fs::read_dir(fixture.path("")).expect("a directory");
    let names = files.map(|file| file.expect("an entry").file_name().into_string().expect("text"));
    let ours = ["plan.yaml", "plan.json", "reload.sh"];
    let mut names: Vec<String> = names.filter(|name| !ours.contains(&name.as_str())).collect();
    names.extend(["missing.yaml".to_owned(), "missing/plan.yaml".to_owned()]);
    assert!(names.contains(&"zones".to_owned()), "a directory too");
    for name in &names {
        // Reading the largest takes a while.
        let commands: &[&str] = match name.as_str() {
            "huge" => &["apply"],
            _ => &["apply", "plan", "check", "show", "status", "log"],
        };
        for command in commands {
            let (code, said) = fixture.cutover(&[*command, name]);
            assert_eq!(code, 2, "{command} {name}: {said}");
            assert!(!said.contains('\u{1b}') && said.len() < 20_000, "{command} {name}: {said}");
            assert!(said.contains(name.as_str()), "{command} {name}: {said}");
        }
    }
    assert!(!fixture.path(".cutover").exists());
    // One for the other.
    for (command, input, word) in [
        ("plan", "plan.json", "is an artifact, but this command needs a plan"),
        ("check", "plan.json", "is an artifact, but this command needs a plan"),
        ("show", "plan.yaml", "it is not an artifact"),
    ] {
        let said = fixture.refuses(2, &[command, input]);
        assert!(said.contains(word), "{said}");
    }
}

#[test]
fn an_artifact_does_what_its_text_says_and_nothing_else() {
    let fixture = ZonefileFixture::planned();
    let artifact = fixture.read("plan.json");
    // An attacker seals it anew, so that the digest is correct.
    let resealed = |text: String| {
        let digest = text.split('"').find(|word| word.starts_with("sha256:")).expect("a digest");
        let blank = text.replacen(digest, "", 1);
        text.replacen(digest, &cutover::digest::Digest::of(blank.as_bytes()).to_string(), 1)
    };
    fixture.write("same.json", resealed(artifact.clone()));
    fixture.refuses(0, &["show", "same.json"]);
    for (from, to, word) in [
        ("\"move\"", "\"../../elsewhere\"", "not a valid name of a plan"),
        ("\"move\"", "\"/tmp\"", "not a valid name of a plan"),
        ("\"wait_secs\": 2", "\"wait_secs\": 18446744073709551615", "longer than anything"),
        ("\"served_within_secs\": 1", "\"served_within_secs\": null", "no server is asked"),
    ] {
        assert!(artifact.contains(from), "{from}");
        fixture.write("evil.json", resealed(artifact.replace(from, to)));
        for command in ["show", "apply", "status"] {
            let said = fixture.refuses(2, &[command, "evil.json"]);
            assert!(said.contains(word), "{said}");
        }
    }
}

#[test]
fn an_artifact_is_written_whole_and_never_over_a_device() {
    let fixture = ZonefileFixture::planned();
    let artifact = fixture.read("plan.json");
    fixture.write("real.json", "old");
    for (link, to) in [("null", "/dev/null"), ("link.json", "real.json")] {
        std::os::unix::fs::symlink(to, fixture.path(link)).expect("linked");
        fixture.ends(0, &["plan", "plan.yaml", "-o", link]);
        assert!(fixture.path(link).is_symlink(), "{link} is still one");
    }
    assert_eq!(fixture.read("real.json"), artifact);
    let (code, said) = fixture.shell("cutover plan plan.yaml -o /dev/stdout 2>&1 >stdout");
    assert_eq!(code, 0, "{said}");
    assert!(fixture.read("stdout").ends_with(&artifact));
}

/// The commands in a message: the indented lines after the help.
fn commands(said: &str) -> Vec<String> {
    let help = said.split("help:").nth(1).expect("a help");
    help.lines().filter_map(|line| line.strip_prefix("  ")).map(str::to_owned).collect()
}

#[test]
fn a_plan_that_changed_while_its_run_is_open_has_ways_out_that_work() {
    for state in [&[][..], &["--state", "my state"]] {
        for give_up in [false, true] {
            let fixture = ZonefileFixture::planned();
            let with = |args: &[&'static str]| [args, state].concat();
            fixture.ends(4, &with(&["apply", "plan.json", "--auto-approve"]));
            let plan = fixture.read("plan.yaml");
            fixture.write("plan.yaml", plan.replace("203.0.113.80", "203.0.113.81"));
            fixture.ends(0, &["plan", "plan.yaml", "-o", "new.json"]);
            let mut said = String::new();
            for (input, word) in [("plan.yaml", "the plan has changed"), ("new.json", "another")] {
                said = fixture.refuses(2, &with(&["apply", input, "--auto-approve"]));
                assert!(said.contains(word), "{said}");
            }
            let mut commands = commands(&said);
            let mv =
                commands.pop().filter(|last| last.starts_with("mv ")).expect("a way to give up");
            if give_up {
                assert_eq!(fixture.shell(&mv), (0, String::new()));
                fixture.ends(4, &with(&["apply", "plan.yaml", "--auto-approve"]));
                let said = fixture.ends(0, &with(&["apply", "plan.yaml", "--wait"]));
                assert!(said.contains("done"), "{said}");
                assert!(fixture.zone().contains("203.0.113.81"));
                continue;
            }
            let last = commands.pop().expect("a command that goes on") + " --wait";
            for command in &commands {
                assert_eq!(fixture.shell(command), (0, String::new()), "{command}");
            }
            let (code, said) = fixture.shell(&last);
            assert_eq!(code, 0, "{last}: {said}");
            assert_eq!(fixture.zone(), ZONE_DONE);
            let journals =
                fixture.files().into_iter().filter(|(p, _)| p.ends_with("journal.jsonl"));
            assert_eq!(journals.count(), 1, "it is the same run");
        }
    }
}

#[test]
fn another_artifact_of_a_run_that_is_done_begins_a_new_run() {
    let fixture = ZonefileFixture::planned();
    fixture.write("plan.yaml", fixture.read("plan.yaml").replace("203.0.113.80", "203.0.113.81"));
    fixture.ends(0, &["plan", "plan.yaml", "-o", "other.json"]);
    fixture.ends(0, &["apply", "plan.json", "--wait", "--auto-approve"]);
    // It was made for earlier records. They are compared, and nothing is overwritten.
    let zone = fixture.zone();
    let said = fixture.ends(5, &["apply", "other.json", "--wait", "--auto-approve"]);
    assert!(said.contains("live      www.acme.test. 2 A 203.0.113.80"), "{said}");
    assert_eq!(fixture.zone(), zone);
    assert!(fixture.path(".cutover/move/0002/journal.jsonl").exists());
}

#[test]
fn at_a_terminal_only_yes_is_taken_for_it() {
    for (answer, code) in [
        ("no\n", 6),
        ("y\n", 6),
        ("YES\n", 6),
        ("yes please\n", 6),
        ("\n", 6),
        ("", 6),
        ("yes\n", 4),
    ] {
        let fixture = ZonefileFixture::planned();
        let (ended, said) = at_terminal(&fixture, "cutover apply plan.json", answer);
        assert_eq!(ended, code, "{answer:?}: {said}");
        assert!(said.contains("Apply this? Only `yes` is accepted:"), "{said}");
        assert_eq!(fixture.path(".cutover").exists(), code == 4, "{answer:?}");
    }
    let fixture = ZonefileFixture::planned();
    let (code, said) = at_terminal(&fixture, "cutover apply plan.json --wait", "yes\n");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("/5 steps") && said.contains("left"), "progress is shown: {said}");
    assert!(said.contains("wait/lower/acme.test/www/A: over"), "{said}");
}

fn at_terminal(fixture: &ZonefileFixture, command: &str, answer: &str) -> (i32, String) {
    fixture.write("answer", answer);
    fixture.shell(&format!("script -qec '{command}' /dev/null < answer"))
}

#[test]
fn colour_is_for_terminals_and_no_color_is_obeyed() {
    let fixture = ZonefileFixture::planned();
    for (command, coloured) in [
        ("cutover plan plan.yaml", true),
        ("NO_COLOR= cutover plan plan.yaml", true),
        ("NO_COLOR=1 cutover plan plan.yaml", false),
        ("NO_COLOR=1 cutover status plan.yaml", false),
        ("cutover plan plan.yaml | cat", false),
        ("cutover check nmae.yaml", true),
        ("NO_COLOR=1 cutover check nmae.yaml", false),
    ] {
        fixture.write("nmae.yaml", "nmae: x\n");
        let (_, said) = at_terminal(&fixture, command, "");
        assert_eq!(said.contains('\u{1b}'), coloured, "{command}: {said:?}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let fixture = ZonefileFixture::waiting();
    for command in [
        "plan plan.yaml",
        "show plan.json",
        "log plan.yaml",
        "status plan.yaml",
        "schema",
        "--help",
    ] {
        let script = format!("{{ cutover {command}; echo \"code $?\" >&2; }} | true");
        let (_, said) = fixture.shell(&script);
        assert_eq!(said, "code 0\n", "{command}");
    }
    // The same for a run that is under way.
    let (_, said) = fixture.shell("cutover apply plan.json --wait 2>&1 | head -1");
    assert_eq!(said.lines().count(), 1, "{said}");
    fixture.ends(0, &["apply", "plan.json", "--wait"]);
    assert_eq!(fixture.zone(), ZONE_DONE);
}

#[test]
fn control_characters_of_others_do_not_reach_the_terminal() {
    let fixture = ZonefileFixture::new();
    let evil = "\u{1b}[31m\u{1b}]0;owned\u{7}\u{9b}2J\rx";
    fixture.write(
        "reload.sh",
        format!("printf '%s\\n' '{evil}' '2026-01-01T00:00:00.000Z  finished'; exit 1\n"),
    );
    let plan = fixture.read("plan.yaml");
    fixture.write(
        "note.yaml",
        plan.replace("name: move", "name: note")
            .replace("www, type: A, to: [ 203.0.113.80 ]", "note, type: TXT, to: [ '\"calm\"' ]"),
    );
    fixture.write("zones/bad.test.zone", format!("${evil} x\n"));
    fixture.write("bad.yaml", plan.replace("acme.test", "bad.test"));
    let clean = |context: &str, said: &str| {
        let bad = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
        assert!(!said.contains(bad), "{context}: {said:?}");
    };
    for (code, args) in [
        (0, &["plan", "note.yaml"][..]),
        (1, &["plan", "bad.yaml"]),
        (2, &["show", evil]),
        (2, &["check", evil]),
        (5, &["apply", "note.yaml", "--auto-approve", "--wait"]),
        (0, &["status", "note.yaml"]),
        (0, &["log", "note.yaml"]),
    ] {
        let said = fixture.ends(code, args);
        clean(&format!("{args:?}"), &said);
        if args[0] == "log" {
            assert!(!said.contains("\n2026-01-01"), "no line of others stands as ours: {said}");
        }
        if args == ["plan", "note.yaml"] {
            assert!(said.contains("\\027[31mred"), "{said}");
        }
    }
}

#[test]
fn a_secret_is_in_no_output_and_no_file() {
    let fixture = BindFixture::bind();
    let secret = fixture.primary.key().secret.clone();
    let wrong = "d3JvbmctYnV0LXdlbGwtZm9ybWVkLXNlY3JldC4uLi4=";
    let mut said_all = String::new();
    let mut run = |code: i32, env: Option<&str>, args: &[&str]| {
        let mut command = fixture.command(args);
        match env {
            Some(secret) => command.env("FIXTURE_TSIG", secret),
            None => command.env_remove("FIXTURE_TSIG"),
        };
        let (ended, said) = said(&command.output().expect("the program can be run"));
        assert_eq!(ended, code, "{args:?}: {said}");
        said_all += &said;
        said
    };
    let said = run(1, None, &["plan", "plan.yaml"]);
    assert!(said.contains("the environment variable FIXTURE_TSIG"), "{said}");
    let said = run(1, Some(wrong), &["plan", "plan.yaml"]);
    assert!(said.contains("credentials"), "{said}");
    // A value that is not base64 must not be shown either.
    run(2, Some("not base64: hunter2!"), &["plan", "plan.yaml"]);
    run(0, Some(&secret), &["plan", "plan.yaml", "-o", "plan.json"]);
    let apply = ["apply", "plan.json", "--auto-approve"];
    let said = run(1, None, &apply);
    assert!(said.contains("FIXTURE_TSIG"), "{said}");
    // Without its secret the run is not opened.
    assert_eq!(run(0, None, &["status", "plan.yaml"]), "no run yet\n");
    let said = run(5, Some(wrong), &apply);
    assert!(said.contains("credentials"), "{said}");
    assert_eq!(fixture.primary.updates_made(), 0);
    run(4, Some(&secret), &apply);
    run(0, None, &["log", "plan.yaml"]);
    run(0, None, &["status", "plan.yaml"]);
    let mut texts = vec![said_all.into_bytes()];
    let mut open = vec![fixture.dir().to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => open.push(path),
                false => texts.push(fs::read(path).expect("a file")),
            }
        }
    }
    assert!(texts.len() > 5, "output, plan, artifact, lock, sealed artifact and journal");
    for text in texts {
        for secret in [secret.as_str(), wrong, "hunter2"] {
            let found = text.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} is in {}", String::from_utf8_lossy(&text));
        }
    }
}

#[test]
fn a_server_that_lags_is_seen_at_plan_time_unless_it_is_excepted() {
    let fixture = BindFixture::bind_pair();
    let secondary = fixture.secondary.as_ref().expect("a secondary").addr();
    fixture
        .primary
        .nsupdate("update delete acme.test. MX\nupdate add acme.test. 9 MX 10 mail.acme.test.");
    let (code, said) = fixture.cutover(&["plan", "plan.yaml"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains(&format!("{secondary} does not serve the acme.test. MX")), "{said}");
    let plan = fs::read_to_string(fixture.plan()).expect("a plan");
    let except = |servers: &[std::net::SocketAddr]| {
        let servers = servers.iter();
        let all: Vec<String> = servers
            .map(|server| format!("{{ address: \"{server}\", reason: it is being moved }}"))
            .collect();
        let text = format!(" ], authorities_except: [ {} ] }}", all.join(", "));
        fs::write(
            fixture.plan(),
            plan.replace(" ] }\n  acme.example", &format!("{text}\n  acme.example"))
                .replace(" ] }\nhosts", &format!("{text}\nhosts")),
        )
        .expect("written");
    };
    except(&[secondary, fixture.primary.addr()]);
    let (code, said) = fixture.cutover(&["plan", "plan.yaml"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("leaves no server of acme.test. to query"), "{said}");
    except(&[secondary]);
    let (code, said) = fixture.cutover(&["apply", "plan.yaml", "--auto-approve"]);
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("served by 1 server"), "{said}");
}

#[test]
fn a_server_that_is_away_halts_nothing_half_done() {
    let fixture = BindFixture::bind();
    let (code, said) = fixture.cutover(&["plan", "plan.yaml", "-o", "plan.json"]);
    assert_eq!(code, 0, "{said}");
    let pid = fixture.primary.pid().to_string();
    let killed = std::process::Command::new("kill").args(["-9", &pid]).status();
    assert!(killed.expect("kill can be run").success());
    let (code, said) = fixture.cutover(&["plan", "plan.yaml"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("cannot be reached"), "{said}");
    // Reads are retried some ten seconds apart.
    let (code, said) = fixture.cutover(&["apply", "plan.json", "--auto-approve", "--wait"]);
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("a provider or server does not respond as needed"), "{said}");
    assert!(said.contains("Bring the server back and apply again."), "{said}");
    let kinds: Vec<String> = fixture.journal().iter().map(|e| e["event"].to_string()).collect();
    assert!(kinds.iter().all(|kind| !kind.contains("begun")), "{kinds:?}");
}

/// Comments and unchanged lines survive, and the servers are notified once for each change.
#[test]
fn zone_files_end_to_end() {
    let fixture = ZonefileFixture::planned();
    let mut child = fixture.command(&["apply", "plan.yaml", "--wait", "--auto-approve"]);
    child.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = child.spawn().expect("the program can be started");
    // The command gets no input from whoever started `cutover`.
    let _ = child.stdin.take().expect("a pipe").write_all(b"no\n");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    assert_eq!(fixture.zone(), ZONE_DONE);
    assert_eq!(fixture.reloads(), 3);
    fixture.refuses(0, &["apply", "plan.yaml", "--auto-approve"]);
}

/// The file is written, but the servers do not have it. The run must not continue as if they had.
#[test]
fn a_reload_that_fails_halts_until_it_succeeds() {
    let fixture = ZonefileFixture::planned();
    let reload = fixture.read("reload.sh");
    for script in [
        format!("{reload}echo 'no such zone' >&2; exit 3\n"),
        // Killed in the middle, as in a crash of the whole machine.
        format!("{reload}kill -9 $PPID\n"),
    ] {
        fixture.write("reload.sh", &script);
        for _ in 0..2 {
            let before = fixture.reloads();
            let (code, said) = fixture.shell("cutover apply plan.json --auto-approve --wait");
            assert!(
                fixture.reloads() > before,
                "the servers are notified before the run continues: {said}"
            );
            assert!(
                fixture.zone().contains("www   1 A 192.0.2.80"),
                "the first change and no more"
            );
            if script.contains("exit 3") {
                assert_eq!(code, 5, "{said}");
                for word in ["the servers may not have it", "no such zone", "apply again"] {
                    assert!(said.contains(word), "{said}");
                }
            } else {
                assert_eq!(code, 128 + 9, "{said}");
            }
        }
    }
    fixture.write("reload.sh", &reload);
    let before = fixture.reloads();
    fixture.ends(0, &["apply", "plan.json", "--wait"]);
    assert_eq!(fixture.zone(), ZONE_DONE);
    assert_eq!(
        fixture.reloads(),
        before + 3,
        "once for the first change, and for each of the others"
    );
}
