//! Names of a zone that lead to one another, names for which wildcards answer, and types that
//! replace others: at every kind of provider, there and back.

use crate::ground::{Ground, KINDS, Kind, ZONE};

const REFUSED: i32 = 2;

/// Lines of `records:`, without their common start.
fn lines(records: &[&str]) -> String {
    records.iter().map(|line| format!("  - {{ zone: {ZONE}, ttl: 30s, {line} }}\n")).collect()
}

/// Lines that remove records, which have no TTL.
fn gone(records: &[&str]) -> String {
    records.iter().map(|line| format!("  - {{ zone: {ZONE}, {line}, absent: true }}\n")).collect()
}

/// Makes `before` into `after` by a plan, there and back, at these kinds of providers.
fn check(kinds: &[Kind], before: &[&str], plan: &str, after: &[&str]) {
    let held = |lines: &[&str]| {
        let mut lines: Vec<String> = lines
            .iter()
            .map(|line| {
                let (name, data) = line.split_once(' ').expect("a name and data");
                format!("{name} 30 IN {data}")
            })
            .collect();
        lines.sort();
        lines
    };
    for kind in kinds {
        let zone: String = before.iter().map(|line| format!("{line}\n")).collect();
        let ground = Ground::new(*kind, &zone);
        ground.plan(plan);
        assert_eq!(ground.held(), held(before), "{kind:?}");
        let there = ground.applies();
        assert_eq!(ground.held(), held(after), "{kind:?}: {there}");
        let (code, text) = ground.cutover(&["plan", "plan.yaml"]);
        assert!(code == 0 && text.contains("nothing to change"), "{kind:?}, {code}: {text}");
        let back = ground.goes_back();
        assert_eq!(ground.held(), held(before), "{kind:?}: {back}");
    }
}

/// Line 34: an alias is reversed.
#[test]
fn an_alias_is_reversed() {
    let plan =
        lines(&["name: www, type: CNAME, to: [ web ]", "name: web, type: A, to: [ 192.0.2.1 ]"]);
    let before = ["www A 192.0.2.1", "web CNAME www.acme.test."];
    check(&KINDS, &before, &plan, &["www CNAME web.acme.test.", "web A 192.0.2.1"]);
}

/// Cached copies of the old alias have expired when the new alias comes.
#[test]
fn cached_aliases_form_no_loop() {
    let ground = Ground::new(Kind::Files, "www A 192.0.2.1\nweb CNAME www\n");
    ground.plan(&lines(&[
        "name: www, type: CNAME, to: [ web ]",
        "name: web, type: A, to: [ 192.0.2.1 ]",
    ]));
    let (code, text) = ground.cutover(&["plan", "--full", "plan.yaml"]);
    assert_eq!(code, 0, "{text}");
    let at = |word: &str| text.find(word).unwrap_or_else(|| panic!("no {word}: {text}"));
    let (web, www) = (at("switch/acme.test/web/A"), at("switch/acme.test/www/CNAME"));
    let wait = at("wait/switch/acme.test/web/A");
    assert!(web < www && wait < text.len(), "{text}");
    assert!(text.contains("follows aliases in a cycle"), "{text}");
}

/// A chain of six aliases is reversed, one name after the other.
#[test]
fn a_chain_of_aliases_is_reversed() {
    let before = [
        "c0 CNAME c1.acme.test.",
        "c1 CNAME c2.acme.test.",
        "c2 CNAME c3.acme.test.",
        "c3 CNAME c4.acme.test.",
        "c4 CNAME c5.acme.test.",
        "c5 A 192.0.2.1",
    ];
    let after = [
        "c0 A 192.0.2.1",
        "c1 CNAME c0.acme.test.",
        "c2 CNAME c1.acme.test.",
        "c3 CNAME c2.acme.test.",
        "c4 CNAME c3.acme.test.",
        "c5 CNAME c4.acme.test.",
    ];
    let plan = lines(&[
        "name: c1, type: CNAME, to: [ c0 ]",
        "name: c2, type: CNAME, to: [ c1 ]",
        "name: c3, type: CNAME, to: [ c2 ]",
        "name: c4, type: CNAME, to: [ c3 ]",
        "name: c5, type: CNAME, to: [ c4 ]",
        "name: c0, type: A, to: [ 192.0.2.1 ]",
    ]);
    check(&[Kind::Bind], &before, &plan, &after);
}

/// An alias gets a new name as its target, and the former target of an alias is removed.
#[test]
fn the_target_of_an_alias_always_exists() {
    let plan =
        lines(&["name: www, type: CNAME, to: [ new ]", "name: new, type: A, to: [ 192.0.2.2 ]"])
            + &gone(&["name: old, type: A"]);
    let before = ["old A 192.0.2.1", "www CNAME old.acme.test."];
    let after = ["new A 192.0.2.2", "www CNAME new.acme.test."];
    check(&[Kind::Bind, Kind::PowerDns, Kind::Cloudflare], &before, &plan, &after);
}

/// Lines 36 and 37: a name below a wildcard is published, and another is removed.
#[test]
fn a_wildcard_answers_before_and_afterwards() {
    let plan = lines(&["name: new, type: A, to: [ 192.0.2.1 ]"])
        + &gone(&["name: gone, type: A", "name: gone, type: TXT"]);
    let before = ["* A 192.0.2.9", "gone A 192.0.2.7", "gone TXT \"text\""];
    check(&KINDS, &before, &plan, &["* A 192.0.2.9", "new A 192.0.2.1"]);
}

/// A wildcard is added, and removed, and a name gets the same records as the wildcard.
#[test]
fn a_wildcard_itself_changes() {
    let plan = lines(&["name: \"*\", type: A, to: [ 192.0.2.8 ]"])
        + &gone(&["name: \"*.sub\", type: A", "name: www, type: A"]);
    let before = ["*.sub A 192.0.2.9", "www A 192.0.2.1"];
    check(&KINDS, &before, &plan, &["* A 192.0.2.8"]);
    let plan = lines(&["name: same, type: A, to: [ 192.0.2.9 ]"]);
    check(&KINDS, &["* A 192.0.2.9"], &plan, &["* A 192.0.2.9", "same A 192.0.2.9"]);
}

/// Line 38: records that a wildcard no longer answers with are listed among the assumptions.
#[test]
fn what_a_wildcard_answers_no_longer_is_listed() {
    let ground = Ground::new(Kind::Files, "* A 192.0.2.9\n");
    ground.plan(&lines(&["name: new, type: TXT, to: [ '\"text\"' ]"]));
    let (code, text) = ground.cutover(&["plan", "plan.yaml"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("nobody relies on the A records of new.acme.test."), "{text}");
}

/// Line 39: an alias becomes addresses of both families, and the reverse, as one change.
#[test]
fn an_alias_becomes_addresses() {
    let (alias, addresses) =
        (["www CNAME other.example."], ["www A 192.0.2.1", "www AAAA 2001:db8::1"]);
    let there = lines(&[
        "name: www, type: A, to: [ 192.0.2.1 ]",
        "name: www, type: AAAA, to: [ \"2001:db8::1\" ]",
    ]);
    check(&KINDS, &alias, &there, &addresses);
    let back = lines(&["name: www, type: CNAME, to: [ other.example. ]"]);
    check(&KINDS, &addresses, &back, &alias);
    // The same with a line for the removal.
    let there = gone(&["name: www, type: CNAME"]) + &there;
    check(&[Kind::Bind, Kind::Cloudflare], &alias, &there, &addresses);
    let back = back + &gone(&["name: www, type: A", "name: www, type: AAAA"]);
    check(&[Kind::Bind, Kind::Cloudflare], &addresses, &back, &alias);
}

/// A text replaces an alias, and the reverse, if the plan removes it.
#[test]
fn an_alias_becomes_a_text_if_the_plan_says_so() {
    let (alias, text) = (["note CNAME other.example."], ["note TXT \"a text\""]);
    let there = lines(&["name: note, type: TXT, to: [ '\"a text\"' ]"]);
    let back = lines(&["name: note, type: CNAME, to: [ other.example. ]"]);
    for (before, plan) in [(alias, &there), (text, &back)] {
        let ground = Ground::new(Kind::Files, &before.join("\n"));
        ground.plan(plan);
        let (code, said) = ground.cutover(&["plan", "plan.yaml"]);
        assert!(code == REFUSED && said.contains("absent: true"), "{code}: {said}");
    }
    check(&KINDS, &alias, &(there + &gone(&["name: note, type: CNAME"])), &text);
    check(&KINDS, &text, &(back + &gone(&["name: note, type: TXT"])), &alias);
}

/// The records that replace an alias are published together; otherwise the plan is refused.
#[test]
fn records_that_replace_an_alias_come_together() {
    let refused = |plan: &str, word: &str| {
        let ground = Ground::new(Kind::Files, "www CNAME other.example.\nx A 192.0.2.5\n");
        ground.plan(plan);
        let (code, said) = ground.cutover(&["plan", "plan.yaml"]);
        assert!(code == REFUSED && said.contains(word), "{code}: {said}");
    };
    let x = lines(&["id: x, name: x, type: A, to: [ 192.0.2.6 ]"]);
    let apart = lines(&[
        "name: www, type: A, to: [ 192.0.2.1 ]",
        "name: www, type: AAAA, to: [ \"2001:db8::1\" ], after: \"record:x\"",
    ]);
    refused(&(x.clone() + &apart), "records that replace an alias come together");
    let apart = lines(&["name: www, type: A, to: [ 192.0.2.1 ]"])
        + &gone(&["name: www, type: CNAME, after: \"record:x\""]);
    refused(&(x + &apart), "replace its CNAME records in one change");
}

/// Line 42: nothing is published below a DNAME, and no DNAME above existing or new records.
#[test]
fn nothing_is_published_below_a_dname() {
    let refused = |zone: &str, plan: &str| {
        let ground = Ground::new(Kind::Files, zone);
        ground.plan(plan);
        let (code, said) = ground.cutover(&["plan", "plan.yaml"]);
        assert!(code == REFUSED && said.contains("dname-occludes"), "{code}: {said}");
    };
    let below = lines(&["name: a.d, type: A, to: [ 192.0.2.1 ]"]);
    let above = lines(&["name: d, type: DNAME, to: [ other.example. ]"]);
    refused("d DNAME x.example.\n", &below);
    refused("d DNAME x.example.\n", &lines(&["name: \"*.b.d\", type: TXT, to: [ '\"x\"' ]"]));
    refused("a.d A 192.0.2.1\n", &above);
    refused("", &(below.clone() + &above));
    refused("", &(above + &below));
}
