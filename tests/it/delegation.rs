//! Which servers serve a zone, according to its parent: a small hierarchy on port 53, and plans
//! without `authorities:`.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tempfile::TempDir;

use crate::bind_fixture::said;
use crate::lab::{Bind, Server};

/// The address of the parent servers, which is also the resolver.
const ABOVE: u8 = 4;
/// The addresses of the zone's own server, and of a second server.
const CHILD: u8 = 5;
const SECOND: u8 = 6;

/// Held by a test while it uses port 53 of these addresses.
static PORT_53: Mutex<()> = Mutex::new(());

const ROOT: &str = "\
$TTL 60
@ SOA ns.root. hostmaster.root. 1 3600 600 86400 2
@ NS ns.root.
ns.root. A 127.0.53.4
test. NS ns.test.
ns.test. A 127.0.53.4
";

const TEST: &str = "\
$TTL 60
@ SOA ns hostmaster 1 3600 600 86400 2
@ NS ns
ns A 127.0.53.4
acme NS ns1.acme
ns1.acme A 127.0.53.5
";

const ACME: &str = "\
$TTL 60
@ SOA ns1 hostmaster 1 3600 600 86400 2
@ NS ns1
ns1 A 127.0.53.5
www A 192.0.2.80
";

const SIGNED: &str = "dnssec-policy default; inline-signing yes;";

/// A parent, a zone below it, and a plan that changes an address in the zone.
struct Hierarchy {
    above: Server,
    child: Server,
    dir: TempDir,
    _ports: MutexGuard<'static, ()>,
}

impl Hierarchy {
    fn new(child_clause: &str) -> Self {
        let ports = PORT_53.lock().unwrap_or_else(PoisonError::into_inner);
        let above = Bind::above(ABOVE, &[(".", ROOT), ("test", TEST)]);
        let child = Bind::on_port_53(CHILD, &[("acme.test", ACME)], child_clause);
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (name, algorithm) = (&child.key().name, child.key().algorithm);
        let plan = format!(
            "version: 1
name: web
resolver: [ \"{}\" ]
providers:
  dns: {{ type: rfc2136, server: \"{}\", tsig: {{ key: {name}, algorithm: {algorithm}, secret: {{ env: SECRET }} }} }}
zones: {{ acme.test: {{ provider: dns }} }}
records:
  - {{ zone: acme.test, name: www, type: A, to: [ 203.0.113.80 ] }}
",
            above.addr(),
            child.addr()
        );
        fs::write(dir.path().join("plan.yaml"), plan).expect("a plan's file");
        Self { above, child, dir, _ports: ports }
    }

    /// Changes the parent zone.
    fn parent(&self, script: &str) {
        self.above.nsupdate(script);
    }

    fn cutover(&self, args: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
        command.args(args).current_dir(self.dir.path()).stdin(Stdio::null());
        command.env("SECRET", &self.child.key().secret);
        said(&command.output().expect("the program can be run"))
    }

    fn plan(&self) -> (i32, String) {
        self.cutover(&["plan", "plan.yaml"])
    }

    /// The servers that a plan queries, from the artifact.
    fn authorities(&self) -> Vec<String> {
        let (code, artifact) = self.cutover(&["plan", "plan.yaml", "--format", "json"]);
        assert_eq!(code, 0, "{artifact}");
        let artifact = artifact.get(artifact.find('{').expect("JSON")..).expect("JSON");
        let mut values = serde_json::Deserializer::from_str(artifact).into_iter();
        let artifact: Value = values.next().expect("an artifact").expect("JSON");
        let servers =
            artifact["zones"][0]["authorities"].as_array().unwrap_or_else(|| panic!("{artifact}"));
        servers.iter().map(|server| server["address"].as_str().expect("text").to_owned()).collect()
    }

    /// Asserts that the plan is refused with this code and these texts.
    fn refused(&self, code: i32, words: &[&str]) {
        let (got, said) = self.plan();
        assert_eq!(got, code, "{said}");
        for word in words {
            assert!(said.contains(word), "{word}: {said}");
        }
    }
}

#[test]
fn the_parents_servers_are_queried_and_the_change_is_made() {
    let lab = Hierarchy::new("");
    assert_eq!(lab.authorities(), ["127.0.53.5:53"]);
    let (code, said) = lab.cutover(&["apply", "plan.yaml", "--wait", "--auto-approve"]);
    assert_eq!(code, 0, "{said}");
    lab.child.wait_shown(&["www.acme.test", "A", "+short"], "203.0.113.80");
}

#[test]
fn a_copy_of_a_zone_without_a_delegation_to_it_stops_the_plan() {
    let lab = Hierarchy::new("");
    lab.parent(
        "update delete acme.test. NS\nupdate add acme.test. 60 NS ns.elsewhere.test.\n\
         update add ns.elsewhere.test. 60 A 127.0.53.9",
    );
    lab.refused(
        2,
        &[
            "error[not-delegated]: acme.test. at `dns` is not the zone that test. delegates to",
            "test. names ns.elsewhere.test.; the zone names ns1.acme.test.",
            "plan.yaml:6:10",
        ],
    );
}

#[test]
fn a_zone_without_a_delegation_stops_the_plan() {
    let lab = Hierarchy::new("");
    lab.parent("update delete acme.test. NS\nupdate delete ns1.acme.test. A");
    lab.refused(
        2,
        &["error[not-delegated]: acme.test. is not delegated: 127.0.53.4, a server of test., \
             knows no such zone"],
    );
}

#[test]
fn servers_that_only_one_side_names_are_queried_as_well() {
    let lab = Hierarchy::new("");
    let second = Bind::on_port_53(SECOND, &[("acme.test", ACME)], "");
    lab.parent(
        "update add acme.test. 60 NS ns2.acme.test.\nupdate add ns2.acme.test. 60 A 127.0.53.6",
    );
    let (_, said) = lab.plan();
    assert!(said.contains("warning[delegation-differs]"), "{said}");
    assert!(
        said.contains("test. names ns1.acme.test., ns2.acme.test.; the zone names ns1.acme.test."),
        "{said}"
    );
    assert_eq!(lab.authorities(), ["127.0.53.5:53", "127.0.53.6:53"]);
    // A server that only the parent names serves other records, which is noticed.
    second.nsupdate(
        "zone acme.test\nupdate delete www.acme.test. A\nupdate add www.acme.test. 60 A 192.0.2.99",
    );
    lab.refused(1, &["error[authority-disagrees]: 127.0.53.6:53 does not serve"]);
    drop(second);
    lab.refused(1, &["error[authority-disagrees]: 127.0.53.6:53 does not answer"]);
}

#[test]
fn addresses_that_only_the_parent_has_are_queried_as_well() {
    let lab = Hierarchy::new("");
    let _second = Bind::on_port_53(SECOND, &[("acme.test", ACME)], "");
    lab.parent("update add ns1.acme.test. 60 A 127.0.53.6");
    assert_eq!(lab.authorities(), ["127.0.53.5:53", "127.0.53.6:53"]);
}

#[test]
fn parent_servers_that_are_silent_or_disagree_stop_the_plan() {
    let lab = Hierarchy::new("");
    // An answer from one of two servers is enough.
    lab.parent("update add test. 60 NS gone.test.\nupdate add gone.test. 60 A 127.0.53.9");
    assert_eq!(lab.authorities(), ["127.0.53.5:53"]);
    let other = TEST.replace("ns1.acme", "ns7.acme");
    let odd = Bind::on_port_53(9, &[("test", &other)], "");
    lab.refused(
        1,
        &[
            "error[delegation-unknown]",
            "127.0.53.4 and 127.0.53.9, two servers of test., disagree",
            "`authorities:`",
        ],
    );
    drop(odd);
    lab.parent("update add test. 60 NS gone.test.\nupdate delete test. NS ns.test.");
    lab.refused(1, &["error[delegation-unknown]", "no server of test. answers (127.0.53.9: "]);
    drop(lab.above);
}

#[test]
fn a_ds_record_that_matches_no_key_of_the_zone_stops_the_plan() {
    let lab = Hierarchy::new(SIGNED);
    lab.child.wait_shown(&["acme.test", "DNSKEY", "+dnssec", "+short"], "DNSKEY 13");
    let keys = lab.child.dig(&["acme.test", "DNSKEY", "+noall", "+answer"]);
    let ds = ds_of(&keys);
    lab.parent(&format!("update add acme.test. 60 DS {ds}"));
    assert_eq!(lab.authorities(), ["127.0.53.5:53"]);
    // A DS record with an unsupported digest type is ignored; one for another key is not.
    let (tag, rest) = ds.split_once(' ').expect("a DS record has fields");
    let wrong = (tag.parse::<u32>().expect("a tag") + 1) % 65536;
    lab.parent(&format!(
        "update delete acme.test. DS\nupdate add acme.test. 60 DS {tag} 13 250 ABCD"
    ));
    assert_eq!(lab.authorities(), ["127.0.53.5:53"]);
    lab.parent(&format!("update add acme.test. 60 DS {wrong} {rest}"));
    lab.refused(
        1,
        &["error[ds-mismatch]: test. has DS records for acme.test., and 127.0.53.5:53 serves no \
           DNSKEY that matches them"],
    );
}

#[test]
fn a_ds_record_for_an_unsigned_zone_stops_the_plan() {
    let lab = Hierarchy::new("");
    let digest = "0".repeat(64);
    lab.parent(&format!("update add acme.test. 60 DS 12345 13 2 {digest}"));
    lab.refused(1, &["error[ds-mismatch]", "127.0.53.5:53 serves no DNSKEY at all", "SERVFAIL"]);
}

/// The DS record of these keys, made by BIND's tool.
fn ds_of(keys: &str) -> String {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("keys");
    fs::write(&file, keys).expect("a file");
    let mut command = Command::new("dnssec-dsfromkey");
    command.args(["-2", "-f"]).arg(&file).arg("acme.test");
    let (code, said) = said(&command.output().expect("bind9-utils is installed"));
    assert_eq!(code, 0, "{said}");
    said.split_once(" DS ").expect("a DS record").1.trim().to_owned()
}
