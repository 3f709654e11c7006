//! `approvals.signers`: the plan asks for approvals of some of those who may approve, and never allows
//! anybody.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use super::signers::Signers;
use super::{a_move_with, approve, listed, planned, shown};
use crate::lab::sleep;
use crate::zonefile_fixture::{ZONE_DONE, ZonefileFixture};

const ALICE_AND_BOB: &str =
    "approvals: { need: 2, signers: [ alice@example.com, bob@example.com ] }\n";
const ONE_OF_TWO: &str =
    "approvals: { need: 1, signers: [ alice@example.com, bob@example.com ] }\n";

/// What follows `cutover apply plan.json` or `cutover approvals plan.json`.
fn with<'a>(command: &'a str, allowed: &'a str) -> [&'a str; 4] {
    [command, "plan.json", "--allowed-signers", allowed]
}

#[test]
fn only_the_approvals_of_those_count_whom_the_plan_names() {
    let fixture = planned(ALICE_AND_BOB);
    let signers = Signers::new(&["alice", "bob", "carol"]);
    let allowed = signers.allow(&["alice", "bob", "carol"]);
    let allowed = shown(&allowed);
    for name in ["alice", "carol"] {
        approve(&fixture, &signers, name);
    }
    // Carol may approve, but is not asked.
    let said = fixture.ends(6, &with("approvals", allowed));
    assert!(said.contains("approved by 1 person, 2 needed: 1 missing"), "{said}");
    assert!(said.contains("still to approve: bob@example.com\n"), "{said}");
    let other = "its key belongs to carol@example.com, and the plan asks for approvals of others";
    assert!(said.contains(other), "{said}");
    let json = listed(&fixture, 6, &["--allowed-signers", allowed]);
    assert_eq!(json["open"], json!(["bob@example.com"]));
    assert_eq!(json["signers"], json!(["alice@example.com", "bob@example.com"]));
    let said = fixture.refuses(6, &with("apply", allowed));
    assert!(said.contains("has to be approved by 2 people, and is by 1"), "{said}");
    assert!(said.contains("still to approve: bob@example.com"), "{said}");
    // More people than the plan names can never be.
    let more = [&with("apply", allowed)[..], &["--need", "3"]].concat();
    let said = fixture.refuses(2, &more);
    let places = "3 people have to approve, but `approvals.signers` of the plan names 2: alice";
    assert!(said.contains(places), "{said}");

    approve(&fixture, &signers, "bob");
    let said = fixture.ends(0, &with("approvals", allowed));
    assert!(said.contains("approved by 2 people, 2 needed") && !said.contains("still"), "{said}");
    fixture.ends(0, &[&with("apply", allowed)[..], &["--wait"]].concat());
    assert_eq!(fixture.zone(), ZONE_DONE);
}

#[test]
fn without_names_in_the_plan_everybody_who_may_approve_is_listed() {
    let fixture = planned("approvals: { need: 2 }\n");
    let signers = Signers::new(&["alice", "bob", "carol"]);
    let allowed = signers.allow(&["alice", "bob", "carol"]);
    approve(&fixture, &signers, "bob");
    let said = fixture.ends(6, &with("approvals", shown(&allowed)));
    assert!(said.contains("still to approve: alice@example.com, carol@example.com\n"), "{said}");
}

#[test]
fn a_plan_allows_nobody() {
    let fixture = planned(ONE_OF_TWO);
    let signers = Signers::new(&["alice", "bob", "mallory"]);
    let allowed = signers.allow(&["alice", "bob"]);
    let allowed = shown(&allowed);
    approve(&fixture, &signers, "alice");
    fixture.ends(0, &with("approvals", allowed));

    // The list is widened in the reviewed branch: that is another artifact, ...
    let widened = ONE_OF_TWO.replace("bob@", "mallory@");
    let plan = fixture.read("plan.yaml").replace(ONE_OF_TWO, &widened);
    fixture.write("plan.yaml", plan);
    fixture.ends(0, &["plan", "plan.yaml", "-o", "plan.json"]);
    approve(&fixture, &signers, "mallory");
    // ... and one that nothing can begin with, whoever has signed it.
    let unknown = format!("`mallory@example.com`, whom {allowed} does not have");
    for sign in ["", "alice"] {
        if !sign.is_empty() {
            approve(&fixture, &signers, sign);
        }
        for command in ["apply", "approvals"] {
            let said = fixture.refuses(2, &with(command, allowed));
            let what = "`approvals.signers` of plan move names a signer who may not approve";
            assert!(said.contains(what) && !said.contains("did you mean"), "{said}");
            assert!(said.contains(&unknown) && said.contains("a plan cannot allow"), "{said}");
        }
    }
    let said = fixture.cutover(&with("approvals", allowed)).1;
    assert!(said.contains("its key is not among the allowed signers"), "{said}");
    assert!(said.contains("cannot approve: mallory@example.com"), "{said}");

    // With the plan at hand, the place is shown.
    let place = format!("{allowed} has no `mallory@example.com`");
    for args in [
        &["check", "plan.yaml", "--allowed-signers", allowed][..],
        &["apply", "plan.yaml", "--allowed-signers", allowed, "--auto-approve"],
    ] {
        let said = fixture.refuses(2, args);
        assert!(said.contains("error[signer-not-allowed]") && said.contains(&place), "{said}");
        assert!(said.contains("plan.yaml:14:53") && said.contains("^^^^^^^"), "{said}");
    }
    fixture.ends(0, &["check", "plan.yaml"]);

    // An approval of the narrower artifact is none of this one, and the other way round.
    let more = "approvals: { need: 1, signers: [ alice@example.com ] }\n";
    fixture.write("plan.yaml", fixture.read("plan.yaml").replace(&widened, more));
    fixture.ends(0, &["plan", "plan.yaml", "-o", "plan.json"]);
    let said = fixture.refuses(6, &with("apply", allowed));
    assert!(said.contains("it approves another artifact"), "{said}");
}

#[test]
fn an_artifact_with_other_signers_has_another_digest() {
    let fixture = planned(ONE_OF_TWO);
    let signers = Signers::new(&["alice", "mallory"]);
    let allowed = signers.allow(&["alice", "mallory"]);
    let text = fixture.read("plan.json");
    for (from, to, expected) in [
        ("\"bob@example.com\"", "\"mallory@example.com\"", "it was changed after it was sealed"),
        ("\"bob@example.com\"", "\"ALICE@example.com\"", "are not different people"),
        ("\"bob@example.com\"", "\"*\"", "are not different people"),
        ("\"need\": 1,\n    \"signers\"", "\"need\": 3,\n    \"signers\"", "more people have to"),
    ] {
        let forged = text.replacen(from, to, 1);
        assert_ne!(forged, text, "{from}");
        fixture.write("plan.json", forged);
        let said = fixture.refuses(2, &with("apply", shown(&allowed)));
        assert!(said.contains(expected), "{to}: {said}");
    }
}

#[test]
fn names_count_word_for_word() {
    let fixture = planned(ONE_OF_TWO);
    let signers = Signers::new(&["alice", "bob"]);
    let allow = |lines: [(&str, &str); 2]| {
        let lines = lines.map(|(who, key)| format!("{who} {}\n", signers.public(key)));
        signers.write("allowed", lines.concat())
    };
    approve(&fixture, &signers, "alice");
    // OpenSSH tells these apart, and so does the plan.
    let allowed = allow([("Alice@example.com", "alice"), ("bob@example.com", "bob")]);
    let said = fixture.refuses(2, &with("apply", shown(&allowed)));
    assert!(said.contains("(did you mean `Alice@example.com`?)"), "{said}");
    // Whoever has the key of a pattern may be anybody.
    let lines =
        [("*@example.com", "alice"), ("alice@example.com", "bob"), ("bob@example.com", "bob")];
    let lines = lines.map(|(who, key)| format!("{who} {}\n", signers.public(key)));
    let allowed = signers.write("allowed", lines.concat());
    let said = fixture.refuses(6, &with("apply", shown(&allowed)));
    assert!(said.contains("its key belongs to *@example.com, and the plan asks"), "{said}");
    // A name with several keys is one of a person, whoever else the line names.
    let allowed = allow([("al,alice@example.com", "alice"), ("bob@example.com", "bob")]);
    fixture.ends(0, &[&with("apply", shown(&allowed))[..], &["--wait"]].concat());
}

#[test]
fn people_are_counted_and_not_keys_or_names() {
    let signers = Signers::new(&["alice", "laptop", "bob"]);
    for (lines, sign, expected) in [
        // One person with two keys.
        (
            [("alice@example.com", "alice"), ("alice@example.com", "laptop")],
            ["alice", "laptop"],
            "still to approve: bob@example.com",
        ),
        // Two names that share a key.
        (
            [("alice@example.com", "alice"), ("bob@example.com", "alice")],
            ["alice", "alice"],
            "approved by 1 person, 2 needed: 1 missing",
        ),
        // ... also if one of them has another one as well, since both names may be one person.
        (
            [("alice@example.com,bob@example.com", "alice"), ("bob@example.com", "laptop")],
            ["alice", "laptop"],
            "approved by 1 person, 2 needed: 1 missing",
        ),
    ] {
        let fixture = planned(ALICE_AND_BOB);
        let bob = ("bob@example.com", "bob");
        let all = lines.into_iter().chain([bob]);
        let lines: String =
            all.map(|(who, key)| format!("{who} {}\n", signers.public(key))).collect();
        let allowed = signers.write("allowed", lines);
        for name in sign {
            approve(&fixture, &signers, name);
        }
        let said = fixture.ends(6, &with("approvals", shown(&allowed)));
        assert!(said.contains(expected), "{said}");
        let said = fixture.refuses(6, &with("apply", shown(&allowed)));
        assert!(said.contains("has to be approved by 2 people, and is by 1"), "{said}");
    }
}

#[test]
fn a_signer_whose_key_does_not_count_now_is_shown() {
    let fixture = planned(ALICE_AND_BOB);
    let signers = Signers::new(&["alice", "bob"]);
    let lines = [("", "alice"), (" valid-before=\"20200101Z\"", "bob")];
    let lines =
        lines.map(|(option, who)| format!("{who}@example.com{option} {}\n", signers.public(who)));
    let allowed = signers.write("allowed", lines.concat());
    let said = fixture.ends(6, &with("approvals", shown(&allowed)));
    let why = "cannot approve: bob@example.com: its key counted only before 2020-01-01";
    assert!(said.contains(why), "{said}");
    assert!(said.contains("still to approve: alice@example.com\n"), "{said}");
    let json = listed(&fixture, 6, &["--allowed-signers", shown(&allowed)]);
    assert_eq!(json["barred"][0]["name"], "bob@example.com");
}

/// A move that Alice and Bob have approved, and that asks for two of three people.
fn approved(signers: &Signers) -> (ZonefileFixture, PathBuf) {
    let named = "[ alice@example.com, bob@example.com, carol@example.com ]";
    let fixture = a_move_with(&format!("approvals: {{ need: 2, signers: {named} }}\n"));
    let allowed = signers.allow(&["alice", "bob", "carol"]);
    for name in ["alice", "bob"] {
        approve(&fixture, signers, name);
    }
    (fixture, allowed)
}

#[test]
fn a_signer_who_is_removed_in_mid_run_does_not_count_at_the_next_checkpoint() {
    let signers = Signers::new(&["alice", "bob", "carol"]);
    for resume in [
        &["apply", "plan.json", "--wait", "--allowed-signers"][..],
        &["run", "plan.yaml", "--loop", "--allowed-signers"],
    ] {
        let (fixture, allowed) = approved(&signers);
        fixture.ends(4, &with("apply", shown(&allowed)));
        let list = fs::read_to_string(&allowed).expect("the list");
        signers.allow(&["alice", "carol"]);
        let args = [resume, &[shown(&allowed)]].concat();
        if resume[0] == "run" {
            // It stays, so what it has done is looked at from outside.
            let mut child = fixture.command(&args).spawn().expect("it starts");
            until("halted", || {
                fixture.read(".cutover/move/0001/journal.jsonl").contains("unapproved")
            });
            child.kill().and_then(|()| child.wait()).expect("it ends");
        } else {
            let said = fixture.ends(6, &args);
            let why = "halted at checkpoint/before-switch: too few of its approvals still count";
            assert!(said.contains(why), "{said}");
        }
        let zone = fixture.zone();
        assert!(zone.contains("mail.old.test.") && !zone.contains("mx.new.test."), "{zone}");
        // It stays halted, and nothing more is written about it.
        fixture.refuses(6, &with("apply", shown(&allowed)));
        fixture.refuses(6, &["apply", "plan.yaml"]);
        let said =
            fixture.ends(2, &["approvals", "plan.json", "--allowed-signers", shown(&allowed)]);
        assert!(said.contains("its key is not among the allowed signers"), "{said}");
        assert!(said.contains("still to approve: carol@example.com"), "{said}");
        if resume[0] == "run" {
            // Bob is back on the list.
            fs::write(&allowed, list).expect("the list");
        } else {
            // Or somebody else approves in Bob's place.
            approve(&fixture, &signers, "carol");
        }
        let said = fixture.ends(0, &[&with("apply", shown(&allowed))[..], &["--wait"]].concat());
        assert!(said.contains("done: everything matches the plan"), "{said}");
        let log = fixture.ends(0, &["log", "plan.yaml"]);
        assert_eq!(log.matches("approved by alice@example.com").count(), 3, "{log}");
    }
}

#[test]
fn a_process_that_waits_looks_at_the_list_again_before_a_checkpoint() {
    let signers = Signers::new(&["alice", "bob", "carol"]);
    for (then, expected) in [
        (Some(&["alice", "carol"][..]), "the approvals counted until 2"),
        // Nobody knows who may approve: a checkpoint is a place to rest.
        (None, "No such file"),
    ] {
        let (fixture, allowed) = approved(&signers);
        let args = [&with("apply", shown(&allowed))[..], &["--wait"]].concat();
        let journal = || fixture.read(".cutover/move/0001/journal.jsonl");
        let mut command = fixture.command(&args);
        let pipe = std::process::Stdio::piped;
        let child = command.stdout(pipe()).stderr(pipe()).spawn().expect("it starts");
        // It has read the list, and waits before the first checkpoint.
        until("approved", || journal().contains("bob@example.com"));
        assert!(!journal().contains("before-switch"), "{}", journal());
        match then {
            Some(names) => drop(signers.allow(names)),
            None => fs::remove_file(&allowed).expect("the list"),
        }
        let output = child.wait_with_output().expect("it ends");
        let (code, said) = crate::bind_fixture::said(&output);
        assert_eq!(code, 6, "{said}");
        assert!(said.contains("too few of its approvals still count"), "{said}");
        assert!(said.contains(expected), "{said}");
        assert!(!fixture.zone().contains("mx.new.test."), "{}", fixture.zone());
        // The way back waits for no approval.
        let back = ["rollback", "plan.yaml", "--to", "start", "--auto-approve", "--wait"];
        fixture.ends(0, &back);
    }
}

/// Waits until something is so, for at most half a minute.
fn until(what: &str, mut is: impl FnMut() -> bool) {
    for _ in 0..600 {
        if is() {
            return;
        }
        sleep(Duration::from_millis(50));
    }
    panic!("it is never {what}");
}
