//! Many zones at one provider, and a provider that does not answer at once.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::bind_fixture::said;
use crate::lab::relay::{self, Fate, Protocol};
use crate::lab::{Pdns, PdnsZone, now};

const ZONE: &str =
    "$TTL 60\n@ SOA ns1 hostmaster 1 3600 600 86400 60\n@ NS ns1\nns1 A 192.0.2.53\n";

/// PowerDNS with this many zones.
fn pdns(zones: usize) -> (Pdns, Vec<String>) {
    let names: Vec<String> = (0..zones).map(|number| format!("c{number:03}.test")).collect();
    let zones: Vec<PdnsZone<'_>> = names
        .iter()
        .map(|name| PdnsZone { origin: name, kind: "Native", master_file: ZONE })
        .collect();
    (Pdns::start(&zones, ""), names)
}

/// A plan that publishes a name in each zone, through this address, and another plan of one zone.
fn plan(pdns: &Pdns, api: SocketAddr, names: &[String]) -> TempDir {
    plan_with(pdns, api, names, &|_| String::new())
}

fn plan_with(
    pdns: &Pdns,
    api: SocketAddr,
    names: &[String],
    more: &dyn Fn(&str) -> String,
) -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut plan = format!(
        "version: 1\nname: flood\nresolver: none\nproviders: {{ dns: {{ type: powerdns, url: \"http://{api}\", api_key: {{ env: SECRET }} }} }}\nzones:\n"
    );
    let addr = pdns.addr();
    let mut records = String::new();
    for name in names {
        writeln!(plan, "  {name}: {{ provider: dns, authorities: [ \"{addr}\" ] }}")
            .expect("a string takes everything");
        writeln!(
            records,
            "  - {{ id: {}, zone: {name}, name: www, type: A, to: [ 192.0.2.1 ] }}{}",
            &name[..4],
            more(name)
        )
        .expect("a string takes everything");
    }
    fs::write(dir.path().join("plan.yaml"), format!("{plan}records:\n{records}")).expect("a plan");
    dir
}

fn cutover(pdns: &Pdns, dir: &TempDir, args: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
    command.args(args).current_dir(dir.path()).env("SECRET", pdns.api_key());
    said(&command.output().expect("the program can be run"))
}

/// Line 5: queries to a provider are bounded, however many zones it has.
#[test]
fn a_provider_of_many_zones_is_not_flooded() {
    const LASTS: Duration = Duration::from_millis(60);
    const AT_ONCE: usize = 8;
    let (pdns, names) = pdns(60);
    let begun: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let seen = Arc::clone(&begun);
    let api = relay::before(pdns.api(), Protocol::Http, move |_| {
        seen.lock().expect("no panic").push(now());
        Fate::LateAnswer(LASTS)
    });
    let dir = plan(&pdns, api, &names);
    let (code, text) = cutover(&pdns, &dir, &["plan", "plan.yaml"]);
    assert_eq!(code, 0, "{text}");
    let mut begun = begun.lock().expect("no panic").clone();
    begun.sort();
    assert!(begun.len() >= 2 * names.len(), "{} requests", begun.len());
    // Each query takes at least this long, so queries that begin within it overlap.
    let crowds = begun.windows(AT_ONCE + 1).filter(|few| few[AT_ONCE] - few[0] < LASTS);
    assert_eq!(crowds.count(), 0, "more than {AT_ONCE} at once");
}

/// Reads are retried before a run is open, because nothing waits for them and nothing was changed.
#[test]
fn a_read_without_an_answer_is_tried_again() {
    let (pdns, names) = pdns(2);
    let lost = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&lost);
    let api = relay::before(pdns.api(), Protocol::Http, move |_| {
        match count.fetch_add(1, Ordering::SeqCst) {
            0..3 => Fate::Lose,
            _ => Fate::Pass,
        }
    });
    let dir = plan(&pdns, api, &names);
    let (code, text) = cutover(&pdns, &dir, &["plan", "plan.yaml"]);
    assert_eq!(code, 0, "{text}");
    // A provider that never answers is named in the end.
    let api = relay::before(pdns.api(), Protocol::Http, |_| Fate::Lose);
    let dir = plan(&pdns, api, &names);
    let (code, text) = cutover(&pdns, &dir, &["plan", "plan.yaml"]);
    assert!(code != 0 && text.contains("cannot be read"), "{code}: {text}");
}

/// Acceptance of the trials: two hundred zones are planned, and when somebody else edits one of
/// them during the run, that is reported, and all the others are done.
#[test]
fn of_two_hundred_zones_one_is_edited_by_somebody_else() {
    let (pdns, names) = pdns(200);
    let second = |name: &str| {
        format!(
            "\n  - {{ zone: {name}, name: two, type: A, to: [ 192.0.2.2 ], after: \"record:{}\", wait: 10s }}",
            &name[..4]
        )
    };
    let dir = plan_with(&pdns, pdns.api(), &names, &second);
    for round in 0..20 {
        let (code, text) = cutover(&pdns, &dir, &["plan", "plan.yaml", "-o", "plan.json"]);
        assert_eq!(code, 0, "{round}: {text}");
    }
    let (code, text) = cutover(&pdns, &dir, &["apply", "plan.json", "--auto-approve"]);
    assert_eq!(code, 4, "the second records wait: {text}");
    let edited = "c100.test";
    pdns.patch(
        edited,
        r#"{"name": "two.c100.test.", "type": "A", "ttl": 60, "changetype": "REPLACE", "records": [{"content": "192.0.2.99", "disabled": false}]}"#,
    );
    let (code, text) = cutover(&pdns, &dir, &["apply", "plan.json", "--auto-approve", "--wait"]);
    assert!(code == 5 && text.contains(edited) && text.contains("192.0.2.99"), "{code}: {text}");
    for name in &names {
        let there = pdns.transfer(name);
        let second = if name == edited { "192.0.2.99" } else { "192.0.2.2" };
        let has = |label: &str, address: &str| {
            there.lines().any(|line| {
                line.starts_with(&format!("{label}.{name}.")) && line.ends_with(address)
            })
        };
        assert!(has("www", "192.0.2.1") && has("two", second), "{name}: {there}");
    }
    let (_, status) = cutover(&pdns, &dir, &["status", "plan.json"]);
    assert!(status.contains("halted at") && status.contains(edited), "{status}");
}
