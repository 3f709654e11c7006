//! Records on which a proof relies and which no step changes. An edit of them stops the run, and a
//! new plan knows the earlier records.

use std::sync::Arc;
use std::time::Duration;

use cutover::artifact::Artifact;
use cutover::calendar::{Timestamp, later};
use cutover::digest::Digest;
use cutover::world::real::history::add_history;
use cutover::world::real::now;
use cutover::world::real::store::{Directory, Store};
use cutover_zone::{Name, RrKey, RrType};

use crate::lab::sleep;
use crate::proof::Case;
use crate::storm::at_once;
use crate::zonefile_fixture::ZonefileFixture;

const PROVED: i32 = 0;
const USAGE: i32 = 2;
const REFUTED: i32 = 3;
const WAITING: i32 = 4;
const HALTED: i32 = 5;

/// Both hosts have their names in the zone.
const ZONE: &str = "\
$TTL 2
@ SOA ns1 h 1 3600 600 86400 2
@ NS ns1
ns1 A 192.0.2.53
@ MX 10 mail
mail A 192.0.2.10
mail AAAA 2001:db8::10
mx A 203.0.113.25
mx AAAA 2001:db8::25
@ TXT \"v=spf1 ip4:192.0.2.10 -all\"
www A 192.0.2.80
";

const PLAN: &str = "\
version: 1
name: move
providers: { z: { type: zonefile, directory: zones, served: { assume_within: 0s } } }
resolver: none
zones: { acme.test: { provider: z } }
hosts:
  old: { exchanges: [ { preference: 10, name: mail.acme.test. } ], senders: [ { name: p, spf: \"ip4:192.0.2.10\" } ] }
  new: { exchanges: [ { preference: 10, name: mx.acme.test. } ], senders: [ { name: p, spf: \"ip4:203.0.113.25\" } ] }
migrate: { domains: [ acme.test ], from: old, to: new, cutover_ttl: 1s, keep_old: 1h, overrun: 1s }
clocks: { margin: 0s, queue_life: 2s, use: 1s }
assume:
  - { fact: accepts, host: new, reason: x }
  - { fact: serves, host: new, reason: x }
  - { fact: routes_local, host: old, reason: x }
  - { fact: sends, host: old, from: contract, confirm: false, reason: x }
  - { fact: clients, host: old, from: contract, confirm: false, reason: x }
  - { fact: synced, host: old, from: contract, confirm: false, reason: x }
  - { fact: mail, host: old, value: relay, from: switch, confirm: false, reason: x }
  - { fact: synced, host: new, reason: x }
  - { fact: clients, host: new, reason: x }
  - { fact: routes_local, host: new, reason: x }
";

fn fixture() -> ZonefileFixture {
    let fixture = ZonefileFixture::new();
    fixture.write("plan.yaml", PLAN);
    fixture.write("zones/acme.test.zone", ZONE);
    fixture.ends(PROVED, &["plan", "plan.yaml", "-o", "plan.json"]);
    fixture
}

fn edit(fixture: &ZonefileFixture, from: &str, to: &str) {
    let zone = fixture.zone();
    assert!(zone.contains(from), "{from} in {zone}");
    fixture.write("zones/acme.test.zone", zone.replace(from, to));
}

const APPLY: &[&str] = &["apply", "plan.json", "--auto-approve"];

fn key(name: &str, rtype: RrType) -> RrKey {
    RrKey::new(Name::from_user(name).expect("a name"), rtype)
}

#[test]
fn an_artifact_names_what_its_proof_relies_on() {
    let fixture = fixture();
    let artifact = Artifact::decode(&fixture.read("plan.json")).expect("an artifact");
    let zone = Name::from_user("acme.test").expect("a name");
    let rrsets = &artifact.relies_on[&zone].rrsets;
    let is_there = |name: &str, rtype| rrsets.get(&key(name, rtype)).map(Option::is_some);
    for name in ["mail.acme.test", "mx.acme.test"] {
        assert_eq!(is_there(name, RrType::A), Some(true), "{name}");
        assert_eq!(is_there(name, RrType::AAAA), Some(true), "{name}");
    }
    assert_eq!(is_there("_mta-sts.acme.test", RrType::TXT), Some(false), "a policy may come");
    assert_eq!(is_there("acme.test", RrType::MX), None, "a step changes it");
    assert_eq!(is_there("www.acme.test", RrType::A), None, "no mail depends on it");
}

/// The address of the future exchange is edited between the review and the run.
#[test]
fn an_edit_after_the_review_stops_the_run_before_it_begins() {
    for (from, to) in [
        ("mx A 203.0.113.25\n", "mx A 198.51.100.9\n"),
        ("mx A 203.0.113.25\n", ""),
        ("mx AAAA 2001:db8::25\n", ""),
        ("www A", "_mta-sts TXT \"v=STSv1; id=1\"\nwww A"),
    ] {
        let fixture = fixture();
        edit(&fixture, from, to);
        let edited = fixture.zone();
        let said = fixture.ends(HALTED, APPLY);
        assert!(said.contains("the proof relies on"), "{said}");
        assert_eq!(fixture.zone(), edited, "nothing is written");
    }
    let fixture = fixture();
    edit(&fixture, "www A 192.0.2.80", "www A 192.0.2.81");
    fixture.ends(WAITING, APPLY);
}

/// The same in the middle of a run, before mail goes to the new host. After the edit is reverted,
/// the run waits as long as it may be cached, and continues.
#[test]
fn an_edit_in_the_middle_stops_the_run_before_the_switch() {
    let fixture = fixture();
    fixture.ends(WAITING, APPLY);
    edit(&fixture, "mx A 203.0.113.25", "mx 3 A 198.51.100.9");
    let said = (0..300).find_map(|_| {
        sleep(Duration::from_millis(100));
        let (code, said) = fixture.cutover(APPLY);
        assert!([WAITING, HALTED].contains(&code), "{code}: {said}");
        (code == HALTED).then_some(said)
    });
    let said = said.expect("it halts");
    assert!(said.contains("+ mx.acme.test. 3 A 198.51.100.9"), "{said}");
    assert!(
        fixture.zone().contains("MX 10 mail"),
        "mail still goes to the old host: {}",
        fixture.zone()
    );
    edit(&fixture, "mx 3 A 198.51.100.9", "mx A 203.0.113.25");
    let said = fixture.ends(WAITING, APPLY);
    assert!(said.contains("apply again at"), "{said}");
    sleep(Duration::from_secs(4));
    fixture.cutover(APPLY);
    assert!(!fixture.zone().contains("MX 10 mail"), "it has gone on: {}", fixture.zone());
}

/// Only the run knows these: the MX record that somebody switched manually, and the address that
/// somebody removed.
#[test]
fn a_new_plan_knows_what_was_edited_manually() {
    let fixture = fixture();
    fixture.ends(WAITING, APPLY);
    let begun = now();
    let zone =
        fixture.zone().replace("MX 10 mail", "MX 10 mx").replace("mail AAAA 2001:db8::10\n", "");
    let earlier = |secs: u64, key: &RrKey| {
        let at: Timestamp = later(begun, Duration::from_millis(500 + 1_000 * secs));
        let mut case = Case::of(PLAN, &|_| zone.clone());
        let plan = Digest::of(PLAN.as_bytes());
        let store: Arc<dyn Store> = Arc::new(Directory::new(&fixture.path(".cutover")));
        let remembered =
            add_history(&store, (&case.intent, plan), &mut case.snapshot, at.into(), |_, _| false);
        at_once(remembered).expect("journals that can be read");
        let known = case.snapshot.earlier.get(key).cloned().unwrap_or_default();
        known
            .into_iter()
            .filter(|earlier| !earlier.is_late)
            .map(|earlier| earlier.records.map(|r| r.ttl().secs()))
            .collect::<Vec<_>>()
    };
    let (mx, old) = (key("acme.test", RrType::MX), key("mail.acme.test", RrType::AAAA));
    assert_eq!(earlier(0, &mx), [Some(2), Some(1)], "lowered by the run, and switched by hand");
    assert_eq!(earlier(0, &old), [Some(2)]);
    assert_eq!(earlier(0, &key("mx.acme.test", RrType::AAAA)), [], "nobody has edited it");
    // By then each would have expired if it had been edited just after the run last saw it.
    assert_eq!(earlier(3, &mx), []);
    assert_eq!(earlier(3, &old), []);
}

/// Mail from senders with only IPv6 still goes to the old host, because of cached records.
#[test]
fn an_address_that_is_removed_while_the_old_records_are_cached_is_seen() {
    let fixture = ZonefileFixture::new();
    fixture.write("plan.yaml", PLAN.replace("cutover_ttl: 1s", "cutover_ttl: 60s"));
    fixture.write(
        "zones/acme.test.zone",
        ZONE.replace("$TTL 2", "$TTL 60").replace("@ TXT", "@ 1 TXT"),
    );
    fixture.ends(PROVED, &["plan", "plan.yaml", "-o", "plan.json"]);
    let is_led = (0..300).any(|_| {
        sleep(Duration::from_millis(100));
        fixture.ends(WAITING, APPLY);
        !fixture.zone().contains("MX 10 mail")
    });
    assert!(is_led, "{}", fixture.zone());
    let (code, said) = fixture.cutover(&["plan", "plan.yaml"]);
    assert_eq!(code, PROVED, "{said}");
    edit(&fixture, "mail AAAA 2001:db8::10\n", "");
    let said = fixture.ends(REFUTED, &["plan", "plan.yaml"]);
    assert!(said.contains("IPv6"), "{said}");
}

/// Another plan must not change an address on which the proof of an open run relies.
#[test]
fn a_plan_that_changes_what_an_open_run_relies_on_is_not_applied() {
    let fixture = fixture();
    fixture.ends(WAITING, APPLY);
    let (head, _) = PLAN.split_once("hosts:").expect("a plan with hosts");
    let records = "records: [ { zone: acme.test, name: mx, type: A, to: [ 203.0.113.26 ] } ]\n";
    fixture.write("other.yaml", head.replace("name: move", "name: other") + records);
    let zone = fixture.zone();
    let said = fixture.ends(USAGE, &["apply", "other.yaml", "--auto-approve"]);
    assert!(said.contains("`move`") && said.contains("relies on: mx.acme.test. A"), "{said}");
    assert_eq!(fixture.zone(), zone, "nothing is written");
}
