//! Names whose answers depend on several records have an order, at every kind of provider. Each plan
//! here was once found harmless, and the oracle showed the harm.

use std::collections::BTreeSet;

use cutover::graph::StepId;
use cutover_contract::{Atomicity, Capabilities};

use crate::proof::{CAPABILITIES, Case};

const HEAD: &str = "\
version: 1
name: names
providers: { files: { type: zonefile, directory: . } }
resolver: none
zones: { acme.test: { provider: files } }
records:
";
const ZONE: &str = "\
$TTL 1h
@ SOA ns1 hostmaster 1 4h 1h 2w 10m
@ NS ns1
ns1 A 192.0.2.53
";

/// Whether a plan makes a step only after another step.
fn comes_after(
    atomicity: Atomicity,
    zone: &str,
    records: &[&str],
    (first, then): (&str, &str),
) -> bool {
    let plan: String =
        records.iter().map(|line| format!("  - {{ zone: acme.test, {line} }}\n")).collect();
    let capabilities = Capabilities { atomicity, ..CAPABILITIES };
    let zone = format!("{ZONE}{zone}");
    let case = Case::try_at(&capabilities, &format!("{HEAD}{plan}"), &|_| zone.clone());
    let case = case.expect("a plan that can be compiled");
    assert_eq!(case.why_refuted.concat(), Vec::<String>::new());
    let step =
        |id: &str| case.graph.get(&StepId::new(id)).unwrap_or_else(|| panic!("no step {id}"));
    let (mut open, mut before) = (vec![step(then)], BTreeSet::new());
    while let Some(at) = open.pop() {
        let new = at.after.keys().filter(|id| before.insert((*id).clone()));
        open.extend(new.filter_map(|id| case.graph.get(id)));
    }
    before.contains(&step(first).id)
}

#[test]
fn a_record_goes_when_the_wildcard_that_answers_after_it_is_there() {
    let zone = "x.s 1d A 192.0.2.72\n";
    let records = [
        "name: x.s, type: A, absent: true",
        "name: '*.s', type: A, to: [ 192.0.2.71 ], lower_ttl: 5m",
    ];
    let order = ("publish/acme.test/*.s/A", "remove/acme.test/x.s/A");
    for atomicity in [Atomicity::ChangeSet, Atomicity::RrSet, Atomicity::Record, Atomicity::None] {
        assert!(comes_after(atomicity, zone, &records, order), "{atomicity:?}");
    }
}

#[test]
fn a_name_below_a_wildcard_comes_when_no_name_below_it_hides_the_wildcard() {
    // `y.x.s` makes `x.s` an empty non-terminal, for which no wildcard answers (RFC 4592 §2.2.2).
    let zone = "*.s 20m A 192.0.2.71\n";
    let records =
        ["name: y.x.s, type: TXT, to: [ '\"new\"' ]", "name: x.s, type: A, to: [ 192.0.2.72 ]"];
    let order = ("publish/acme.test/x.s/A", "publish/acme.test/y.x.s/TXT");
    for atomicity in [Atomicity::ChangeSet, Atomicity::Record] {
        assert!(comes_after(atomicity, zone, &records, order), "{atomicity:?}");
    }
}

#[test]
fn a_name_that_leads_to_unknown_names_may_have_any_type() {
    // `store` has no AAAA records while it has addresses of its own; what it leads to later may.
    let zone = "shop 20m CNAME www.elsewhere.example.\nstore 5m A 192.0.2.71\n";
    let records = [
        "name: store, type: CNAME, to: [ www.elsewhere.example. ]",
        "name: shop, type: CNAME, to: [ store ]",
    ];
    let order = ("switch/acme.test/store/CNAME", "switch/acme.test/shop/CNAME");
    assert!(comes_after(Atomicity::ChangeSet, zone, &records, order));
    // If `shop` has no AAAA records today, nothing is lost.
    let known = zone.replace("CNAME www.elsewhere.example.", "CNAME ns1");
    assert!(!comes_after(Atomicity::ChangeSet, &known, &records, order));
}

#[test]
fn every_name_below_a_dname_that_changes_keeps_its_answer() {
    let zone = "d 5m DNAME e\n*.e 20m A 192.0.2.71\nx.s A 192.0.2.71\n";
    let records = ["name: d, type: DNAME, to: [ s ]", "name: '*.e', type: A, absent: true"];
    let order = ("switch/acme.test/d/DNAME", "remove/acme.test/*.e/A");
    assert!(comes_after(Atomicity::ChangeSet, zone, &records, order));
}

#[test]
fn a_wildcard_answers_while_a_record_is_written_anew() {
    // A provider that removes and adds records shows `x.s` absent for a moment: then `*.s` answers for it.
    let zone = "*.s CNAME fresh\nx.s 20m A 192.0.2.71\n";
    let records =
        ["name: fresh, type: A, to: [ 192.0.2.72 ]", "name: x.s, type: A, to: [ 192.0.2.73 ]"];
    let order = ("publish/acme.test/fresh/A", "switch/acme.test/x.s/A");
    for (atomicity, is_ordered) in [(Atomicity::None, true), (Atomicity::ChangeSet, false)] {
        assert_eq!(comes_after(atomicity, zone, &records, order), is_ordered, "{atomicity:?}");
    }
}
