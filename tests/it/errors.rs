//! Errors and warnings for machines: every command's as JSON, and the findings of `check` as JSON,
//! as SARIF and as annotations of GitHub Actions.

use std::fs;

use insta::assert_snapshot;
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::language::path;
use crate::zonefile_fixture::{ZONE, ZonefileFixture};

/// The schema in this file.
fn schema(file: &str) -> Validator {
    let text = fs::read_to_string(path(file)).expect("a schema");
    let schema = serde_json::from_str(&text).expect("JSON");
    jsonschema::validator_for(&schema).expect("a schema")
}

#[track_caller]
fn valid(schema: &Validator, value: &Value) {
    let errors: Vec<String> =
        schema.iter_errors(value).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:?}\n{value:#}");
}

/// Standard output and standard error of a command.
fn streams(fixture: &ZonefileFixture, args: &[&str]) -> (i32, String, String) {
    let output = fixture.command(args).output().expect("the program can be run");
    let [out, err] =
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).expect("text"));
    (output.status.code().unwrap_or(-1), out, err)
}

/// The lines of JSON among what was written to standard error, each valid.
#[track_caller]
fn objects(err: &str) -> Vec<Value> {
    let schema = schema("schemas/errors.v1.json");
    let lines = err.lines().filter(|line| line.starts_with('{'));
    let objects: Vec<Value> =
        lines.map(|line| serde_json::from_str(line).expect("a line is an object")).collect();
    objects.iter().for_each(|object| valid(&schema, object));
    objects
}

fn codes(object: &Value) -> Vec<&str> {
    let list = object["errors"].as_array().or(object["warnings"].as_array()).expect("a list");
    list.iter().map(|problem| problem["code"].as_str().expect("a code")).collect()
}

/// Files with a plan for each way to fail.
fn fixture() -> ZonefileFixture {
    let fixture = ZonefileFixture::planned();
    let plan = fixture.read("plan.yaml");
    fixture.write("broken.yaml", "version: 1\nnmae: x\n");
    fixture.write("away.yaml", plan.replace("directory: zones", "directory: nowhere"));
    fixture.write("other.yaml", plan.replace("name: move", "name: other"));
    fixture.write("nothing.json", "{\n  \"format\": 1\n}\n");
    fixture
}

#[test]
fn every_command_fails_in_json() {
    let fixture = fixture();
    for (exit, code, args) in [
        (2, "usage", &[][..]),
        (2, "usage", &["aply"]),
        (2, "usage", &["schema", "--formt"]),
        (2, "usage", &["providers", "a", "b"]),
        (2, "usage", &["confirm", "plan.yaml", "gate", "--reason", ""]),
        (2, "usage", &["apply", "plan.yaml", "other.yaml", "--digest", &"0".repeat(64)]),
        (1, "usage", &["plan", "--detailed-exitcode"]),
        (2, "input-unreadable", &["check", "missing.yaml"]),
        (2, "not-a-plan", &["check", "plan.json"]),
        (2, "artifact-unusable", &["plan", "nothing.json"]),
        (1, "output-failed", &["plan", "plan.yaml", "-o", "nowhere/plan.json"]),
        (2, "no-run", &["plan", "plan.yaml", "--replan"]),
        (2, "shared-by-plans", &["plan", "plan.yaml", "other.yaml"]),
        (2, "artifact-unusable", &["show", "plan.yaml"]),
        (2, "usage", &["show", "plan.json", "--max-chars", "9"]),
        (1, "too-long", &["plan", "plan.yaml", "--format", "markdown", "--max-chars", "9"]),
        (2, "input-unreadable", &["show", "missing.json"]),
        (2, "unknown-step", &["explain", "plan.json", "lowr"]),
        (2, "unknown-subject", &["explain", "nobody-knows-this"]),
        (6, "not-confirmed", &["apply", "plan.yaml"]),
        (2, "input-unreadable", &["apply", "missing.yaml"]),
        (2, "programs-forbidden", &["apply", "plan.yaml", "--auto-approve", "--no-commands"]),
        (2, "no-run", &["rollback", "plan.yaml"]),
        (2, "no-run", &["confirm", "plan.yaml", "gate", "--reason", "because"]),
        (2, "input-unreadable", &["status", "missing.yaml"]),
        (2, "no-run", &["log", "plan.yaml", "--run", "7"]),
        (2, "unknown-zone", &["zone", "dump", "plan.yaml", "acme.example"]),
        (2, "unknown-provider", &["zone", "dump", "plan.yaml", "acme.test", "--provider", "x"]),
        (2, "usage", &["zone", "diff", "plan.yaml", "acme.test", "live", "live"]),
        (2, "unknown-provider-type", &["providers", "bnid"]),
    ] {
        let args = [&["--error-format", "json"], args].concat();
        let (ended, out, err) = streams(&fixture, &args);
        assert_eq!(ended, exit, "{args:?}: {out}{err}");
        assert_eq!(err.lines().count(), 1, "{args:?}: {err}");
        let objects = objects(&err);
        assert_eq!(objects[0]["exit"], json!(exit), "{args:?}");
        assert_eq!(codes(&objects[0]), [code], "{args:?}: {err}");
    }
}

#[test]
fn findings_have_places_and_the_option_stands_anywhere() {
    let fixture = fixture();
    for command in ["check", "plan", "apply", "status", "log", "explain", "rollback"] {
        for args in [
            ["--error-format", "json", command, "broken.yaml"],
            [command, "broken.yaml", "--error-format", "json"],
            [command, "--error-format", "json", "broken.yaml"],
        ] {
            let (code, _, err) = streams(&fixture, &args);
            assert_eq!((code, err.lines().count()), (2, 1), "{args:?}: {err}");
            let object = objects(&err).remove(0);
            let mut errors = object["errors"].as_array().expect("errors").iter();
            let error = errors.find(|error| error["code"] == "unknown-key").expect("the key");
            let place = json!({
                "file": "broken.yaml", "line": 2, "column": 1, "end_line": 2, "end_column": 5,
            });
            assert_eq!(error["place"], place, "{args:?}");
            assert_eq!(error["help"], json!(["did you mean `name`?"]), "{args:?}");
        }
    }
    // What cannot be parsed may still say how it wants its errors.
    let (_, _, err) = streams(&fixture, &["plan", "--error-format=json", "--formt"]);
    assert_snapshot!(err, @r#"{"version":1,"exit":2,"errors":[{"code":"usage","severity":"error","message":"unexpected argument '--formt' found","details":[],"why":null,"help":["a similar argument exists: '--format'","Usage: cutover plan --error-format <FORMAT> --format <FORMAT> <PLAN>...","For more information, try '--help'."],"place":null}]}"#);
    let (_, _, err) = streams(&fixture, &["plan", "--error-format=xml"]);
    assert!(objects(&err).is_empty() && err.starts_with("error: invalid value 'xml'"), "{err}");
}

#[test]
fn a_failure_shows_what_its_text_shows() {
    let fixture = fixture();
    let (_, _, err) = streams(&fixture, &["plan", "away.yaml", "--error-format", "json"]);
    let away = objects(&err).remove(0);
    assert_eq!((&away["exit"], codes(&away)), (&json!(1), vec!["zone-unreadable"]), "{err}");
    // The plan has changed while its run is open: the commands that go on are lines of their own.
    fixture.ends(4, &["apply", "plan.json", "--auto-approve"]);
    fixture.write("plan.yaml", fixture.read("plan.yaml").replace("203.0.113.80", "203.0.113.81"));
    let (_, _, text) = streams(&fixture, &["apply", "plan.yaml"]);
    let (_, _, err) = streams(&fixture, &["apply", "plan.yaml", "--error-format", "json"]);
    let error = &objects(&err)[0]["errors"][0];
    assert_eq!(error["code"], "plan-changed");
    let lines = |key: &str| -> Vec<String> {
        let lines = error[key].as_array().expect("lines").iter();
        lines.map(|line| line.as_str().expect("a line").to_owned()).collect()
    };
    let details: Vec<String> = lines("details").iter().map(|line| format!("  {line}\n")).collect();
    let message = error["message"].as_str().expect("a message");
    let whole =
        format!("error: {message}\n{}help: {}\n", details.concat(), lines("help").join("\n"));
    assert_eq!(whole, text);
    assert!(lines("help").iter().any(|line| line.starts_with("  cutover apply ")), "{err}");
}

#[test]
fn warnings_and_failures_of_several_inputs_are_lines_of_their_own() {
    let fixture = fixture();
    let second = fixture.read("plan.yaml").replace("acme.test", "acme.example");
    // The TTL goes down too late to be of use.
    let second = second.replace("lower_ttl", "ttl").replace("name: move", "name: second");
    fixture.write("second.yaml", second);
    fixture.write("zones/acme.example.zone", ZONE);
    fs::remove_file(fixture.path("zones/acme.test.zone")).expect("it is there");
    let args = ["plan", "plan.yaml", "second.yaml", "--error-format", "json"];
    let (code, out, err) = streams(&fixture, &args);
    assert_eq!(code, 1, "{out}{err}");
    let objects = objects(&err);
    assert!(objects.iter().any(|object| object["exit"] == json!(1)), "{err}");
    assert!(out.contains("acme.example"), "the other plan is shown: {out}");
    let warned = |object: &&Value| object["warnings"][0]["code"] == "ttl-too-late";
    let place = &objects.iter().find(warned).expect("a warning")["warnings"][0]["place"];
    assert_eq!(place["file"], "second.yaml");
    fixture.write("zones/acme.test.zone", format!("{ZONE}two TXT a b\ntwos TXT a b\n"));
    let dump = ["zone", "dump", "plan.yaml", "acme.test", "--format", "octodns"];
    let (code, _, text) = streams(&fixture, &dump);
    let (_, _, err) = streams(&fixture, &[&dump[..], &["--error-format", "json"]].concat());
    assert_eq!(code, 0);
    assert!(text.starts_with("warning: octoDNS joins the strings of "), "{text}");
    let warnings = self::objects(&err);
    assert_eq!(warnings.len(), text.lines().count(), "{err}");
    assert!(warnings.iter().all(|warning| codes(warning) == ["octodns-lossy"]), "{err}");
}

#[test]
fn what_others_wrote_cannot_leave_its_place() {
    let fixture = fixture();
    let evil = "a\u{1b}[31m\u{202e}%0A,b:c\"\n{\"version\":1}.yaml";
    fixture.write(evil, "version: 1\nname: x\nnm\u{fc}e: 1\n\"\u{202e}e::v\\n::error::il\": 2\n");
    let (code, _, err) = streams(&fixture, &["check", evil, "--error-format", "json"]);
    assert_eq!((code, err.lines().count()), (2, 1), "{err}");
    assert!(err.trim_end().chars().all(|c| !c.is_control() && c != '\u{202e}'), "{err:?}");
    let object = objects(&err).remove(0);
    assert_eq!(object["errors"][0]["place"]["file"], json!(evil), "as it is");
    let (code, out, err) = streams(&fixture, &["check", evil, "--format", "github"]);
    assert_eq!((code, err.as_str()), (2, ""));
    assert!(
        out.lines().all(|line| line.starts_with("::error file=a\\u{1b}[31m\\u{202e}%250A%2Cb%3Ac"))
    );
    let (_, out, _) = streams(&fixture, &["check", evil, "--format", "sarif"]);
    let log: Value = serde_json::from_str(&out).expect("JSON");
    valid(&schema("tests/fixtures/sarif/sarif-schema-2.1.0.json"), &log);
}

#[test]
fn check_annotates_plans() {
    let fixture = fixture();
    let all = ["check", "plan.yaml", "broken.yaml", "other.yaml", "missing.yaml", "--format"];
    let of = |format: &str| {
        let (code, out, err) = streams(&fixture, &[&all[..], &[format]].concat());
        assert_eq!((code, err.as_str()), (2, ""), "{format}");
        out
    };
    assert_snapshot!(of("github"), @"
    ::error file=broken.yaml,line=1,col=1,endColumn=1,title=missing-key::missing key `providers`%0Ahelp: add `providers:` here: the DNS providers that hold the zones, by names of your choice
    ::error file=broken.yaml,line=1,col=1,endColumn=1,title=missing-key::missing key `zones`%0Ahelp: add `zones:` here: the zones that the plan may change, by name. Or a list of names, and of files with one name per line (`{ file: PATH }`), if `defaults:` has the rest
    ::error file=broken.yaml,line=2,col=1,endColumn=5,title=unknown-key::unknown key `nmae`%0Ahelp: did you mean `name`?
    ::error file=missing.yaml,title=input-unreadable::missing.yaml cannot be used: No such file or directory (os error 2)
    ::error file=other.yaml,line=12,col=40,endColumn=43,title=shared-by-plans::two plans change the zone acme.test.%0Aeach proof assumes that nobody else changes the zone; also at plan.yaml:12:40%0Ahelp: move all changes of a zone into one plan, or apply the plans one after the other
    ");
    let object: Value = serde_json::from_str(&of("json")).expect("JSON");
    valid(&schema("schemas/errors.v1.json"), &object);
    let found = codes(&object);
    for code in ["unknown-key", "input-unreadable", "shared-by-plans"] {
        assert!(found.contains(&code), "{found:?}");
    }
    let sarif = schema("tests/fixtures/sarif/sarif-schema-2.1.0.json");
    let log: Value = serde_json::from_str(&of("sarif")).expect("JSON");
    valid(&sarif, &log);
    let results = log["runs"][0]["results"].as_array().expect("results");
    let rules: Vec<&str> = results.iter().filter_map(|result| result["ruleId"].as_str()).collect();
    assert_eq!(rules, found);
    for (result, error) in results.iter().zip(object["errors"].as_array().expect("errors")) {
        let at = &result["locations"][0]["physicalLocation"];
        let file = error["place"]["file"].as_str().unwrap_or("missing.yaml");
        assert_eq!(at["artifactLocation"]["uri"], file);
        let line = error["place"]["line"].as_u64().unwrap_or(1);
        assert_eq!(at["region"]["startLine"], line);
    }
    // The schema would find what is missing.
    let mut bad = log.clone();
    bad["runs"][0]["results"][0].as_object_mut().expect("a result").remove("message");
    assert!(!sarif.is_valid(&bad));
}

#[test]
fn check_finds_nothing_in_every_format() {
    let fixture = fixture();
    let of = |format: &str| {
        let (code, out, err) = streams(&fixture, &["check", "plan.yaml", "--format", format]);
        assert_eq!((code, err.as_str()), (0, ""), "{format}: {out}");
        out
    };
    assert_eq!(of("text"), "plan.yaml: ok (move, 1 zone)\n");
    assert_eq!(of("json"), "{\"version\":1,\"exit\":0,\"errors\":[]}\n");
    assert_eq!(of("github"), "");
    let log: Value = serde_json::from_str(&of("sarif")).expect("JSON");
    valid(&schema("tests/fixtures/sarif/sarif-schema-2.1.0.json"), &log);
    assert_eq!(log["runs"][0]["results"], json!([]));
}
