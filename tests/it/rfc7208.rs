//! The published test suite of RFC 7208 against the evaluator: `rfc7208-tests.yml`, release 2014.04
//! of openspf.org, as in PyPI's pyspf 2.0.14.
//!
//! The suite is not ours and is not copied here: `tests/run` installs it below `target`. Without it
//! the test fails. The zone data are interpreted as by the suite's authors (pyspf,
//! `test/testspf.py`):
//! * a name's records of type SPF count as TXT if it has no TXT itself (RFC 7208 §3.1 has no type
//!   SPF); `TXT: NONE` means that it has a TXT entry without records;
//! * a name with a TIMEOUT gives no answer for the types that it does not list;
//! * `DEFAULT` as an explanation means that the domain has none;
//! * if a case allows several results, any of them is accepted.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use cutover::spf::{Answer, Client, Evaluation, Outcome, VOIDS_MAX, check_mail};
use cutover_zone::{Name, Rdata, RrKey, RrType};
use serde::Deserialize;
use serde_json::Value;

/// Where `tests/run` puts the suite.
const SUITE: &str = "target/rfc7208/rfc7208-tests.yml";
/// The number of scenarios and cases in the release that `tests/run` installs and whose digest it
/// checks.
const SCENARIOS_AND_CASES: (usize, usize) = (16, 203);
/// Maximum aliases that are followed. A longer chain gives no answer.
const ALIASES_MAX: usize = 8;

#[derive(Deserialize)]
struct Scenario {
    description: String,
    tests: BTreeMap<String, Case>,
    zonedata: BTreeMap<String, Vec<Value>>,
}

#[derive(Deserialize)]
struct Case {
    spec: Value,
    helo: String,
    host: IpAddr,
    mailfrom: String,
    result: Value,
    explanation: Option<String>,
}

/// A name of the zone data.
#[derive(Default)]
struct Node {
    records: Vec<Rdata>,
    times_out: bool,
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn texts(value: &Value) -> Vec<String> {
    match value.as_array() {
        Some(values) => values.iter().map(text).collect(),
        None => vec![text(value)],
    }
}

/// A name in which every dot separates labels, with any other characters; `""` is the root.
fn name(text: &str) -> Name {
    let text = text.strip_suffix('.').unwrap_or(text);
    let labels = text.split('.').filter(|_| !text.is_empty()).map(str::as_bytes);
    Name::from_labels(labels).expect("a name of the zone data")
}

fn rdata(rtype: &str, value: &Value) -> Rdata {
    let pointer =
        |rtype| Rdata::from_wire(rtype, name(&text(value)).wire()).expect("a record with one name");
    match rtype {
        "A" => Rdata::a(text(value).parse().expect("an IPv4 address")),
        "AAAA" => Rdata::aaaa(text(value).parse().expect("an IPv6 address")),
        "MX" => {
            let preference = value[0].as_u64().and_then(|number| number.try_into().ok());
            Rdata::mx(preference.expect("a preference"), &name(&text(&value[1])))
        }
        "PTR" => pointer(RrType::PTR),
        "CNAME" => pointer(RrType::CNAME),
        "TXT" | "SPF" => Rdata::txt(texts(value).concat().as_bytes()),
        other => panic!("the zone data have the type {other}, which is not known here"),
    }
}

fn node(entries: &[Value]) -> Node {
    let mut node = Node::default();
    let listed = entries.iter().filter_map(Value::as_object).flatten();
    let has_txt = listed.clone().any(|(rtype, _)| rtype == "TXT");
    for (rtype, value) in listed {
        let is_txt = if has_txt { rtype == "TXT" } else { rtype == "SPF" };
        match rtype.as_str() {
            "TXT" if value == "NONE" => {}
            "TXT" | "SPF" if !is_txt => {}
            _ => node.records.push(rdata(rtype, value)),
        }
    }
    for entry in entries.iter().filter(|entry| !entry.is_object()) {
        assert_eq!(entry, "TIMEOUT", "an entry of the zone data that is not known here");
        node.times_out = true;
    }
    node
}

fn answer(nodes: &BTreeMap<Name, Node>, key: &RrKey) -> Answer {
    let mut owner = key.name.clone();
    for _ in 0..ALIASES_MAX {
        let Some(node) = nodes.get(&owner) else { return Answer::Absent };
        let of = |rtype| node.records.iter().filter(move |rdata| rdata.rtype() == rtype).cloned();
        let records: Vec<Rdata> = of(key.rtype).collect();
        match of(RrType::CNAME).next().and_then(|alias| alias.target()) {
            _ if !records.is_empty() => return Answer::Records(records.into()),
            Some(target) => owner = target,
            None if node.times_out => return Answer::Unknown,
            None => return Answer::Absent,
        }
    }
    Answer::Unknown
}

fn run(case: &Case, nodes: &BTreeMap<Name, Node>) -> Evaluation {
    let client = Client {
        ip: case.host,
        mail_from: &case.mailfrom,
        helo: &case.helo,
        receiver: "unknown",
        now: chrono::DateTime::UNIX_EPOCH,
        voids_max: VOIDS_MAX,
    };
    check_mail(&client, &|key| answer(nodes, key))
}

/// What is wrong with an evaluation; `None` if it is as expected.
fn complaint(case: &Case, found: &Evaluation) -> Option<String> {
    let allowed = texts(&case.result);
    if !allowed.contains(&found.outcome.to_string()) {
        return Some(format!("{} instead of {}: {found:?}", found.outcome, allowed.join(" or ")));
    }
    let wanted = case.explanation.as_deref()?;
    let explanation = found.explanation.as_deref().unwrap_or("DEFAULT");
    (explanation != wanted).then(|| format!("explained as {explanation:?} instead of {wanted:?}"))
}

#[test]
fn rfc7208_the_published_suite() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(SUITE);
    let suite = fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!("{SUITE}: {error}; call tests/run, which installs the suite")
    });
    let scenarios: Vec<Scenario> = serde_saphyr::from_multiple(&suite).expect("the suite's form");
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut failures = Vec::new();
    for scenario in &scenarios {
        let zone = scenario.zonedata.iter();
        let nodes = zone.map(|(owner, entries)| (name(owner), node(entries))).collect();
        for (id, case) in &scenario.tests {
            let sections = text(&case.spec);
            let section = sections.split(['/', ',']).next().unwrap_or_default();
            let (passed, all) = counts.entry(format!("§{section}")).or_default();
            *all += 1;
            match complaint(case, &run(case, &nodes)) {
                None => *passed += 1,
                Some(wrong) => {
                    failures.push(format!("§{sections} {id} ({}): {wrong}", scenario.description));
                }
            }
        }
    }
    for (section, (passed, all)) in &counts {
        println!("RFC 7208 {section}: {passed} of {all}");
    }
    let cases = counts.values().map(|(_, all)| all).sum();
    assert!(failures.is_empty(), "{} of {cases} fail:\n{}", failures.len(), failures.join("\n"));
    assert_eq!((scenarios.len(), cases), SCENARIOS_AND_CASES, "scenarios and cases");
}

#[test]
fn the_comparison_finds_wrong_results() {
    let case = |result: &str, explanation: Option<&str>| Case {
        spec: Value::Null,
        helo: "a.test".to_owned(),
        host: IpAddr::from([192, 0, 2, 1]),
        mailfrom: "jo@a.test".to_owned(),
        result: result.into(),
        explanation: explanation.map(str::to_owned),
    };
    let nodes =
        BTreeMap::from([(name("a.test"), node(&[serde_json::json!({"SPF": "v=spf1 -all"})]))]);
    let found = run(&case("fail", None), &nodes);
    assert_eq!(found.outcome, Outcome::Fail);
    assert_eq!(complaint(&case("fail", Some("DEFAULT")), &found), None);
    assert!(complaint(&case("pass", None), &found).is_some());
    assert!(complaint(&case("fail", Some("because")), &found).is_some());
}
