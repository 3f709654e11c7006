//! Approvals that bind: who has signed, what is applied, and what is refused.

mod forged;
mod named;
pub(crate) mod signers;

use std::fs;
use std::path::Path;

use serde_json::Value;
use signers::{NAMESPACE, Signers};

use crate::zonefile_fixture::{ZONE, ZONE_DONE, ZonefileFixture};

const DEMAND: &str = "approvals: { need: 2 }\n";

/// A plan and its artifact.
fn planned(more: &str) -> ZonefileFixture {
    let fixture = ZonefileFixture::new();
    fixture.write("plan.yaml", fixture.read("plan.yaml") + more);
    fixture.ends(0, &["plan", "plan.yaml", "-o", "plan.json"]);
    fixture
}

fn approve(fixture: &ZonefileFixture, signers: &Signers, name: &str) -> String {
    let key = signers.key(name);
    fixture.ends(0, &["approve", "plan.json", "--key", shown(&key)])
}

fn shown(path: &Path) -> &str {
    path.to_str().expect("a path of the tests")
}

#[test]
fn what_people_have_approved_is_applied() {
    let fixture = planned(DEMAND);
    let signers = Signers::new(&["alice", "bob.rsa-2048", "mallory"]);
    let allowed = signers.allow(&["alice", "bob.rsa-2048"]);
    let by = ["--allowed-signers", shown(&allowed)];
    let apply = [&["apply", "plan.json", "--wait"], &by[..]].concat();

    // The plan asks for two people, whatever the command line says.
    let said = fixture.refuses(2, &["apply", "plan.json", "--auto-approve"]);
    assert!(said.contains("`--allowed-signers FILE`"), "{said}");
    let said = fixture.refuses(6, &[&apply[..], &["--need", "1", "--auto-approve"]].concat());
    assert!(said.contains("has to be approved by 2 people, and is by 0"), "{said}");

    let said = approve(&fixture, &signers, "alice");
    assert!(said.contains("as alice (SHA256:"), "{said}");
    let said = fixture.ends(6, &[&["approvals", "plan.json"], &by[..]].concat());
    assert!(said.contains("approved by 1 person, 2 needed: 1 missing"), "{said}");
    // Nobody knows whose keys they are.
    let said = fixture.ends(6, &["approvals", "plan.json"]);
    assert!(said.contains("nobody knows whose key it is"), "{said}");

    // An RSA key signs with `ssh-keygen`, by the command that is printed.
    let bob = signers.key("bob.rsa-2048");
    let said = fixture.ends(6, &["approve", "plan.json", "--key", shown(&bob), "--name", "Bob"]);
    let line = said.lines().find(|line| line.starts_with("  ssh-keygen -Y sign")).expect("a line");
    let (code, signed) = fixture.shell(line);
    assert_eq!(code, 0, "{signed}");

    // Somebody who may not approve does not matter.
    approve(&fixture, &signers, "mallory");
    let said = fixture.ends(0, &[&["approvals", "plan.json"], &by[..]].concat());
    assert!(said.contains("approved by 2 people, 2 needed"), "{said}");
    assert!(said.contains("does not count: its key is not among the allowed signers"), "{said}");

    let said = fixture.ends(0, &apply);
    assert!(said.contains("done: everything matches the plan `move`"), "{said}");
    assert_eq!(fixture.zone(), ZONE_DONE);
    let said = fixture.ends(0, &["status", "plan.json"]);
    let people = "Approved by alice@example.com and bob.rsa-2048@example.com (2 needed)";
    assert!(said.contains(people) && said.contains("before its next checkpoint"), "{said}");
    let said = fixture.ends(0, &["status", "plan.json", "--format", "json"]);
    assert!(
        said.contains("\"bob.rsa-2048@example.com\"") && said.contains("\"need\": 2"),
        "{said}"
    );
    let said = fixture.ends(0, &["log", "plan.json"]);
    assert!(said.contains("approved by alice@example.com (SHA256:"), "{said}");
}

#[test]
fn a_run_goes_on_with_the_approvals_that_it_began_with() {
    let fixture = planned("");
    let signers = Signers::new(&["alice", "bob"]);
    let allowed = signers.allow(&["alice"]);
    let by = ["--approved-only", "--allowed-signers", shown(&allowed)];
    let apply = [&["apply", "plan.json"], &by[..]].concat();
    fixture.refuses(6, &apply);
    approve(&fixture, &signers, "alice");
    fixture.ends(4, &apply);
    // Whoever continues it needs neither the signatures nor the list.
    fs::remove_dir_all(fixture.path("plan.json.sig.d")).expect("the signatures");
    fixture.refuses(4, &["apply", "plan.yaml"]);
    // Unless more people are asked for than have approved.
    let said = fixture.refuses(6, &[&apply[..], &["--need", "2"]].concat());
    assert!(said.contains("has to be approved by 2 people, and is by 1"), "{said}");
    fixture.ends(0, &["apply", "plan.yaml", "--wait"]);
    assert_eq!(fixture.zone(), ZONE_DONE);
}

#[test]
fn a_run_that_began_without_approvals_is_not_continued_where_they_are_demanded() {
    let fixture = ZonefileFixture::waiting();
    let signers = Signers::new(&["alice"]);
    let allowed = signers.allow(&["alice"]);
    let by = ["--approved-only", "--allowed-signers", shown(&allowed)];
    let said = fixture.refuses(6, &[&["apply", "plan.json"], &by[..]].concat());
    assert!(said.contains("has to be approved by 1 person, and is by 0"), "{said}");
    approve(&fixture, &signers, "alice");
    fixture.ends(0, &[&["apply", "plan.json", "--wait"], &by[..]].concat());
    let log = fixture.ends(0, &["log", "plan.json"]);
    assert!(log.contains("approved by alice@example.com"), "{log}");
}

#[test]
fn an_approval_is_for_one_artifact_and_one_run() {
    let fixture = planned("");
    let signers = Signers::new(&["alice"]);
    let allowed = signers.allow(&["alice"]);
    let apply = ["apply", "plan.json", "--wait", "--allowed-signers", shown(&allowed)];
    approve(&fixture, &signers, "alice");

    // The artifact is changed by one octet.
    let artifact = fixture.read("plan.json");
    fixture.write("plan.json", artifact.replacen("203.0.113.80", "203.0.113.81", 1));
    let said = fixture.refuses(2, &apply);
    assert!(said.contains("it was changed after it was sealed"), "{said}");

    // Another artifact is put in its place.
    let plan = fixture.read("plan.yaml");
    fixture.write("plan.yaml", plan.replace("203.0.113.80", "203.0.113.81"));
    fixture.ends(0, &["plan", "plan.yaml", "-o", "plan.json"]);
    let said = fixture.refuses(6, &apply);
    assert!(said.contains("it approves another artifact, sha256:"), "{said}");

    // What is live has changed since.
    fixture.write("plan.yaml", &plan);
    fixture.write("plan.json", &artifact);
    let edited = ZONE.replace("192.0.2.80", "192.0.2.81");
    fixture.write("zones/acme.test.zone", &edited);
    let said = fixture.ends(5, &apply);
    assert!(said.contains("the live records are not what the plan expects"), "{said}");
    assert_eq!(fixture.zone(), edited);

    // It is applied once; whoever wants it again signs again.
    fixture.write("zones/acme.test.zone", ZONE);
    fixture.ends(0, &apply);
    fixture.write("zones/acme.test.zone", ZONE);
    fixture.write("plan.yaml", plan.replace("name: move", "name: move\n"));
    fixture.ends(0, &["plan", "plan.yaml", "-o", "other.json"]);
    fs::rename(fixture.path("plan.json.sig.d"), fixture.path("other.json.sig.d")).expect("a move");
    fixture.ends(0, &["approve", "other.json", "--key", shown(&signers.key("alice"))]);
    fixture.ends(0, &["apply", "other.json", "--wait", "--allowed-signers", shown(&allowed)]);
    fixture.write("zones/acme.test.zone", ZONE);
    fs::rename(fixture.path("other.json.sig.d"), fixture.path("plan.json.sig.d")).expect("a move");
    let said = fixture.refuses(6, &apply);
    assert!(said.contains("it approves another artifact"), "{said}");
}

#[test]
fn an_approval_that_an_earlier_run_has_used_is_refused() {
    let fixture = planned("");
    let signers = Signers::new(&["alice"]);
    let allowed = signers.allow(&["alice"]);
    let by = ["--wait", "--allowed-signers", shown(&allowed)];
    approve(&fixture, &signers, "alice");
    let old = fs::read_dir(fixture.path("plan.json.sig.d")).expect("signatures");
    let old: Vec<_> = old.map(|entry| entry.expect("a file").path()).collect();
    let old: Vec<_> = old.iter().map(|path| (path, fs::read(path).expect("a file"))).collect();
    fixture.ends(0, &[&["apply", "plan.json"], &by[..]].concat());
    // The records are put back, by a plan of its own, and the old artifact is tried again.
    let plan = fixture.read("plan.yaml");
    fixture.write("plan.yaml", plan.replace("203.0.113.80", "192.0.2.80"));
    fixture.ends(0, &["apply", "plan.yaml", "--wait", "--auto-approve"]);
    let said = fixture.refuses(6, &[&["apply", "plan.json"], &by[..]].concat());
    assert!(said.contains("before the newest run of the plan began at"), "{said}");
    for (path, octets) in old {
        assert_eq!(fs::read(path).expect("a file"), octets);
    }
    // Signed again, it counts again.
    approve(&fixture, &signers, "alice");
    fixture.ends(0, &[&["apply", "plan.json"], &by[..]].concat());
}

#[test]
fn the_list_of_signers_must_not_be_part_of_what_is_reviewed() {
    let fixture = planned("");
    let signers = Signers::new(&["mallory"]);
    approve(&fixture, &signers, "mallory");
    let allowed = fs::read(signers.allow(&["mallory"])).expect("the list");
    fixture.write("allowed", &allowed);
    let reason = "is part of what is reviewed, which lies in";
    let apply = ["apply", "plan.json", "--allowed-signers", "allowed"];
    let said = fixture.refuses(2, &apply);
    assert!(said.contains(reason) && said.contains("git show main:"), "{said}");
    // In a work tree of git, that is the whole tree; a link into it is followed.
    fs::create_dir_all(fixture.path("plans")).expect("a directory");
    fs::create_dir_all(fixture.path(".git")).expect("a directory");
    fs::rename(fixture.path("plan.json"), fixture.path("plans/plan.json")).expect("a move");
    std::os::unix::fs::symlink(fixture.path("allowed"), signers.path("link")).expect("a link");
    let link = signers.path("link");
    let apply = ["apply", "plans/plan.json", "--allowed-signers", shown(&link)];
    assert!(fixture.refuses(2, &apply).contains(reason));
    // A line that is not understood makes the list unusable.
    let bad = signers.write("bad", "# people\nmallory cert-authority ssh-ed25519 AAAA\n");
    let said =
        fixture.refuses(2, &["approvals", "plans/plan.json", "--allowed-signers", shown(&bad)]);
    assert!(said.contains("bad: line 2: "), "{said}");
}

/// What `approvals --format json` prints, which has to exit with this code.
fn listed(fixture: &ZonefileFixture, code: i32, more: &[&str]) -> Value {
    let mut command = fixture.command(&["approvals", "plan.json", "--format", "json"]);
    let output = command.args(more).output().expect("the program can be run");
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn approvals_can_be_read_by_programs() {
    let fixture = planned(DEMAND);
    let signers = Signers::new(&["alice", "mallory"]);
    let allowed = signers.allow(&["alice"]);
    let by = ["--allowed-signers", shown(&allowed)];
    let none = listed(&fixture, 6, &by);
    assert_eq!(
        (&none["need"], &none["people"], &none["missing"]),
        (&2.into(), &0.into(), &2.into())
    );
    assert_eq!(none["signatures"].as_array().map(Vec::len), Some(0));
    approve(&fixture, &signers, "alice");
    approve(&fixture, &signers, "mallory");
    let both = listed(&fixture, 6, &by);
    assert_eq!((&both["people"], &both["missing"]), (&1.into(), &1.into()));
    let signatures = both["signatures"].as_array().expect("a list");
    let [good, bad] = [true, false].map(|counts| {
        let mut those = signatures.iter().filter(|one| one["counts"] == counts);
        those.next().expect("one of each")
    });
    assert_eq!(good["principals"], serde_json::json!(["alice@example.com"]));
    assert!(good["flaw"].is_null() && good["until"].is_string() && good["signed_at"].is_string());
    assert_eq!(bad["flaw"], "its key is not among the allowed signers");
    assert!(bad["fingerprint"].as_str().is_some_and(|key| key.starts_with("SHA256:")), "{bad}");
    // As long as nobody says who may approve, nothing counts.
    let nobody = listed(&fixture, 6, &[]);
    assert_eq!((&nobody["allowed_signers"], &nobody["people"]), (&false.into(), &0.into()));
    assert!(
        nobody["signatures"].as_array().expect("a list").iter().all(|one| one["counts"] == false)
    );
}

#[test]
fn a_person_with_two_keys_is_one_person() {
    let fixture = planned(DEMAND);
    let signers = Signers::new(&["alice", "laptop", "bob"]);
    for name in ["alice", "laptop"] {
        approve(&fixture, &signers, name);
    }
    let lines = [("alice@example.com", "alice"), ("alice@example.com", "laptop")];
    let lines = lines.map(|(who, key)| format!("{who} {}\n", signers.public(key)));
    let allowed = signers.write("allowed", lines.concat());
    let apply = ["apply", "plan.json", "--allowed-signers", shown(&allowed)];
    let said = fixture.refuses(6, &apply);
    assert!(said.contains("has to be approved by 2 people, and is by 1"), "{said}");
}

const BEFORE_THE_MOVE: &str = "\
$TTL 2
@ SOA ns1.acme.test. hostmaster.acme.test. 1 3600 600 86400 1
@ NS ns1.acme.test.
@ MX 10 mail.old.test.
@ TXT \"v=spf1 ip4:192.0.2.11 -all\"
ns1 A 192.0.2.53
www A 192.0.2.80
";

/// A move, which has checkpoints, whose waits take seconds.
fn a_move() -> ZonefileFixture {
    a_move_with("")
}

fn a_move_with(more: &str) -> ZonefileFixture {
    let fixture = ZonefileFixture::new();
    let plan = "tests/fixtures/runs/2026-11-30/plan.yaml";
    let plan = Path::new(env!("CARGO_MANIFEST_DIR")).join(plan);
    fixture.write("plan.yaml", fs::read_to_string(plan).expect("a plan") + more);
    fixture.write("zones/acme.test.zone", BEFORE_THE_MOVE);
    fixture.ends(0, &["plan", "plan.yaml", "-o", "plan.json"]);
    fixture
}

#[test]
fn an_approval_that_expires_halts_the_run_before_its_next_checkpoint() {
    let fixture = a_move();
    let signers = Signers::new(&["alice"]);
    let allowed = signers.allow(&["alice"]);
    let key = signers.key("alice");
    let by = ["--allowed-signers", shown(&allowed)];
    let apply = [&["apply", "plan.json", "--wait"], &by[..]].concat();
    fixture.ends(0, &["approve", "plan.json", "--key", shown(&key), "--expires", "3s"]);
    let signed = fixture.ends(0, &["approvals", "plan.json"]);
    assert!(signed.contains("says: alice"), "{signed}");
    let said = fixture.ends(6, &apply);
    assert!(
        said.contains("halted at checkpoint/before-switch: too few of its approvals still count"),
        "{said}"
    );
    assert!(said.contains("the approvals counted until 2"), "{said}");
    let zone = fixture.zone();
    assert!(zone.contains("mail.old.test.") && !zone.contains("mx.new.test."), "{zone}");
    let status = fixture.ends(6, &["status", "plan.yaml", "--exit-code"]);
    assert!(status.contains("Approvals that have expired, or whose signer"), "{status}");
    // Nothing is written when it halts again for the same reason.
    fixture.refuses(6, &["apply", "plan.yaml"]);
    // A new approval continues it.
    fixture.ends(0, &["approve", "plan.json", "--key", shown(&key)]);
    let said = fixture.ends(0, &apply);
    assert!(said.contains("done: everything matches the plan"), "{said}");
    let log = fixture.ends(0, &["log", "plan.yaml"]);
    assert_eq!(log.matches("approved by alice@example.com").count(), 2, "{log}");
}

#[test]
fn expired_approvals_do_not_hold_up_a_way_back() {
    let fixture = a_move();
    let signers = Signers::new(&["alice"]);
    let allowed = signers.allow(&["alice"]);
    let key = signers.key("alice");
    fixture.ends(0, &["approve", "plan.json", "--key", shown(&key), "--expires", "3s"]);
    fixture.ends(6, &["apply", "plan.json", "--wait", "--allowed-signers", shown(&allowed)]);
    let back = ["rollback", "plan.yaml", "--to", "start", "--auto-approve", "--wait"];
    fixture.ends(0, &back);
    assert!(fixture.zone().contains("MX 10 mail.old.test."), "{}", fixture.zone());
}

#[test]
fn keys_that_cannot_be_used_change_nothing() {
    let fixture = planned("");
    let signers = Signers::new(&[]);
    signers.write("text", "not a key\n");
    for (key, code, expected) in
        [("text", 2, "it is not a key in OpenSSH's format"), ("nothing", 2, "No such file")]
    {
        let path = signers.path(key);
        let said = fixture.refuses(code, &["approve", "plan.json", "--key", shown(&path)]);
        assert!(said.contains(expected), "{said}");
    }
    // A key with a passphrase: the text is there to be signed, and no signature is.
    signers.make("alice", "ed25519", "a secret");
    for key in ["alice", "alice.pub"] {
        let path = signers.path(key);
        let said = fixture.ends(6, &["approve", "plan.json", "--key", shown(&path)]);
        assert!(said.contains(&format!("-n {NAMESPACE} plan.json.sig.d/SHA256-")), "{said}");
    }
    let files = fs::read_dir(fixture.path("plan.json.sig.d")).expect("a directory");
    assert_eq!(files.count(), 1);
    let name = ["--name", "two\nlines"];
    let key = signers.path("alice");
    let said =
        fixture.refuses(2, &[&["approve", "plan.json", "--key", shown(&key)], &name[..]].concat());
    assert!(said.contains("`name` has to be"), "{said}");
}
