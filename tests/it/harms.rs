//! Harms that `records:` can do without a move, and to a move: what changes has to be stated, or
//! stands among what is taken for granted. Somebody who wanted to lose mail found each of them
//! proved once.

use cutover::graph::{Primitive, StepId};

use crate::proof::Case;

const HEAD: &str = "\
version: 1
name: t
resolver: none
providers: { files: { type: zonefile, directory: . } }
";
pub(crate) const ACME: &str = "\
$TTL 1h
@ SOA ns1 hostmaster 1 4h 1h 2w 10m
@ NS ns1
ns1 A 192.0.2.53
@ MX 10 mail
mail A 192.0.2.10
@ TXT \"v=spf1 ip4:192.0.2.10 -all\"
";
pub(crate) const HOST: &str = "\
$TTL 1h
@ SOA ns1 hostmaster 1 4h 1h 2w 10m
@ NS ns1
ns1 A 203.0.113.53
mx1 A 203.0.113.25
_spf TXT \"v=spf1 ip4:203.0.113.0/24 -all\"
";
pub(crate) const MOVE: &str = "\
hosts:
  old: { exchanges: [ { preference: 10, name: mail.acme.test. } ], senders: [ { name: people, spf: \"ip4:192.0.2.10\" } ] }
  new: { exchanges: [ { preference: 10, name: mx1.host.test. } ], senders: [ { name: people, spf: \"include:_spf.host.test\" } ] }
migrate: { domains: [ acme.test ], from: old, to: new }
";
pub(crate) const FACTS: &str = "\
assume:
  - { fact: accepts, host: new, reason: r }
  - { fact: serves, host: new, reason: r }
  - { fact: routes_local, host: old, value: false, reason: r }
  - { fact: sends, host: old, value: false, from: contract, reason: r }
  - { fact: clients, host: old, value: false, from: contract, reason: r }
  - { fact: synced, host: old, from: contract, reason: r }
  - { fact: synced, host: new, reason: r }
  - { fact: clients, host: new, reason: r }
  - { fact: routes_local, host: new, reason: r }
";

/// A plan over these zones; `None` if it cannot be compiled.
pub(crate) fn case(zones: &[(&str, &str)], body: &str) -> Option<Case> {
    let names: Vec<String> =
        zones.iter().map(|(name, _)| format!("{name}: {{ provider: files }}")).collect();
    let plan = format!("{HEAD}zones: {{ {} }}\n{body}", names.join(", "));
    Case::try_of(&plan, &|zone| {
        let own = zones.iter().find(|(name, _)| zone == *name);
        own.expect("a zone of the plan").1.to_owned()
    })
}

/// Why a plan is refuted, in as many texts as there are reasons.
#[track_caller]
pub(crate) fn broken(zones: &[(&str, &str)], body: &str) -> Vec<String> {
    let case = case(zones, body).expect("a plan that can be compiled");
    let stories = case.why_refuted.iter().map(|story| story.join(" "));
    stories.filter(|story| !story.is_empty()).collect()
}

/// The seconds of the wait before a step.
fn waited(case: &Case, step: &str) -> u64 {
    let graph = &case.graph;
    let before = graph.get(&StepId::new(step)).expect("the step").after.keys();
    let waits = before.filter_map(|id| match &graph.get(id)?.primitive {
        Primitive::Wait(wait) => Some(wait.span.as_secs()),
        Primitive::Change(_)
        | Primitive::Gate(_)
        | Primitive::Task(_)
        | Primitive::Checkpoint(_) => None,
    });
    waits.max().unwrap_or(0)
}

/// An exchange that a domain leaves by `records:` keeps its address for as long as resolvers may
/// keep the MX records too long and senders use them, as that of a domain that moves does.
#[test]
fn an_exchange_that_records_leave_keeps_its_address_as_long_as_one_of_a_move() {
    const OTHER: &str = "\
$TTL 1h
@ SOA ns1.acme.test. h 1 4h 1h 2w 10m
@ NS ns1.acme.test.
@ MX 10 mx
mx A 192.0.2.77
";
    let zones = [("acme.test", ACME), ("host.test", HOST), ("other.test", OTHER)];
    let plan = |after: &str| {
        format!(
            "\
records:
  - {{ id: m, zone: other.test, name: '@', type: MX, to: [ '10 mx1.host.test.' ] }}
  - {{ zone: other.test, name: mx, type: A, absent: true{after} }}
assume: [ {{ fact: accepts, name: mx1.host.test., reason: r }} ]
"
        )
    };
    let stories = broken(&zones, &plan(", after: record:m"));
    assert!(stories[0].contains("1d 1h 31m after switch/other.test/@/MX"), "{stories:?}");
    let case = case(&zones, &plan("")).expect("a plan that can be compiled");
    assert_eq!(case.why_refuted.concat(), [""; 0]);
    // TTL, overrun, use, and the margin.
    let least = 3_600 + 86_400 + 1_800;
    let waited = waited(&case, "remove/other.test/mx/A");
    assert!(waited >= least, "{waited}");
    let told = "somebody reads or copies what still comes to the former exchanges of other.test.";
    assert!(case.assumptions.iter().any(|line| line.starts_with(told)), "{:?}", case.assumptions);
}

/// TLSA records of an exchange bind senders that came by another way until now (RFC 7672 §2.2):
/// somebody says that its certificate matches. Where mail goes there today, it evidently does.
#[test]
fn records_that_lead_to_an_exchange_with_tlsa_need_its_certificate() {
    const TLSA: &str = "_25._tcp.mx1 TLSA 3 1 1 \
        e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n";
    let with_tlsa = format!("{HOST}{TLSA}");
    let plan = "\
records: [ { zone: acme.test, name: '@', type: MX, to: [ '10 mx1.host.test.' ] } ]
assume:
  - { fact: accepts, name: mx1.host.test., reason: r }
";
    let stated = format!("{plan}  - {{ fact: tlsa_matches, name: mx1.host.test., reason: r }}\n");
    let zones = [("acme.test", ACME), ("host.test", &with_tlsa)];
    let stories = broken(&zones, plan);
    assert!(stories.iter().any(|story| story.contains("tlsa_matches")), "{stories:?}");
    assert_eq!(broken(&zones, &stated), [""; 0]);
    let used = format!("{with_tlsa}@ MX 10 mx1\n");
    assert_eq!(broken(&[("acme.test", ACME), ("host.test", &used)], plan), [""; 0]);
    assert_eq!(broken(&[("acme.test", ACME), ("host.test", HOST)], plan), [""; 0]);
}

/// A policy asks for a certificate (RFC 8461 §4.1), and nobody knows that of the server at another
/// address.
#[test]
fn an_exchange_under_a_policy_is_not_readdressed_without_a_word() {
    let with_policy = format!("{ACME}_mta-sts TXT \"v=STSv1; id=1\"\n");
    let plan = "\
records: [ { zone: acme.test, name: mail, type: A, to: [ 192.0.2.20 ] } ]
assume:
  - { fact: accepts, name: mail.acme.test., reason: r }
  - { fact: clients, name: mail.acme.test., value: false, reason: r }
";
    let stated = format!("{plan}  - {{ fact: sts_allows, name: acme.test., reason: r }}\n");
    let stories = broken(&[("acme.test", &with_policy)], plan);
    assert!(stories.iter().any(|story| story.contains("sts_allows")), "{stories:?}");
    assert_eq!(broken(&[("acme.test", &with_policy)], &stated), [""; 0]);
    assert_eq!(broken(&[("acme.test", ACME)], plan), [""; 0]);
}

/// A sender keeps a policy for up to a year, whatever became of its record (RFC 8461 §3.2): where
/// the policy's host still exists, there may be one.
#[test]
fn a_policy_whose_record_is_gone_may_still_be_kept() {
    let zones = |acme| [("acme.test", acme), ("host.test", HOST)];
    let with_host = format!("{ACME}mta-sts A 192.0.2.90\n");
    let plan = format!("{MOVE}{FACTS}");
    let stories = broken(&zones(&with_host), &plan);
    assert!(stories.iter().any(|story| story.contains("MTA-STS policy")), "{stories:?}");
    let stated = format!("{plan}  - {{ fact: sts_allows, host: new, reason: r }}\n");
    assert_eq!(broken(&zones(&with_host), &stated), [""; 0]);
    // A wildcard for a web server is no policy host.
    let with_wildcard = format!("{ACME}* A 192.0.2.90\n");
    assert_eq!(broken(&zones(&with_wildcard), &plan), [""; 0]);
}

/// The parent's servers are asked (RFC 1034 §4.2.1), not those that the zone itself names.
#[test]
fn a_zone_that_its_parent_delegates_elsewhere_is_not_believed() {
    const SUB: &str = "\
$TTL 1h
@ SOA ns1.acme.test. h 1 4h 1h 2w 10m
@ NS ns1.acme.test.
www A 192.0.2.80
";
    let plan = "records: [ { zone: sub.acme.test, name: www, type: A, to: [ 192.0.2.81 ] } ]\n";
    for (ns, is_accepted) in [
        ("ns1.acme.test.", true),
        ("ns.elsewhere.example.", false),
        ("ns1.acme.test.\nsub NS ns.elsewhere.example.", true),
    ] {
        let acme = format!("{ACME}sub NS {ns}\n");
        let found = case(&[("acme.test", &acme), ("sub.acme.test", SUB)], plan);
        assert_eq!(found.is_some(), is_accepted, "{ns}");
    }
}
