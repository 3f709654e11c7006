//! What an attacker found about mail clients: plans that were proved although somebody's client
//! ends at a server without the mailbox. Each has a twin that has to stay proved.

use std::fs;

use serde_json::Value;

use super::{Case, PROVED, REFUTED};

const MAIL: &str = "\
$TTL 1h
@ SOA ns1.acme.test. h 1 4h 1h 2w 10m
@ NS ns1.acme.test.
@ MX 10 mail.acme.test.
@ TXT \"v=spf1 ip4:192.0.2.10 -all\"
";
const HOST: &str = "\
$TTL 1h
@ SOA ns1 h 1 4h 1h 2w 10m
@ NS ns1
ns1 A 203.0.113.53
mx1 A 203.0.113.25
imap A 203.0.113.27
auto A 203.0.113.29
_spf TXT \"v=spf1 ip4:203.0.113.0/24 -all\"
";
const OLD: &str = "exchanges: [ { preference: 10, name: mail.acme.test. } ], senders: [ { name: people, spf: \"ip4:192.0.2.10\" } ]";
const NEW: &str = "exchanges: [ { preference: 10, name: mx1.host.test. } ], senders: [ { name: people, spf: \"include:_spf.host.test\" } ]";
const FACTS: &str = "
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
const OLD_IMAP: &str = ", discovery: { imap: \"imap.acme.test:993\" }";
const NEW_IMAP: &str = ", discovery: { imap: \"imap.host.test:993\" }";
const REDIRECTS: &str = "  - { fact: redirects, host: old, from: switch, reason: r }\n";

/// A plan for these zones, below `acme.test` and `other.test`, without hosts.
fn records(records: &str, (acme, other): (&str, &str)) -> Case {
    plan("", records, (acme, other))
}

/// The same while acme.test moves from one host to another.
fn moving(more: &str, records: &str, zones: (&str, &str)) -> Case {
    let hosts = format!("hosts:\n  old: {{ {OLD} }}\n  new: {{ {NEW} }}\n");
    plan(&with_facts(&hosts, more), records, zones)
}

/// The same with discovery of IMAP at both hosts.
fn moving_imap(more: &str, records: &str, zones: (&str, &str)) -> Case {
    let hosts = format!("hosts:\n  old: {{ {OLD}{OLD_IMAP} }}\n  new: {{ {NEW}{NEW_IMAP} }}\n");
    plan(&with_facts(&hosts, &format!("{REDIRECTS}{more}")), records, zones)
}

fn with_facts(hosts: &str, more: &str) -> String {
    format!(
        "{hosts}migrate: {{ domains: [ acme.test ], from: old, to: new }}\nassume:{FACTS}{more}"
    )
}

fn plan(moves: &str, records: &str, (acme, other): (&str, &str)) -> Case {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let write = |name: &str, text: String| fs::write(dir.path().join(name), text).expect("a file");
    write("acme.test.zone", format!("{MAIL}ns1 A 192.0.2.53\nmail A 192.0.2.10\n{acme}"));
    write("other.test.zone", format!("{MAIL}{other}"));
    write("host.test.zone", HOST.to_owned());
    let records = match records.is_empty() {
        true => String::new(),
        false => format!("records:\n{records}"),
    };
    write(
        "plan.yaml",
        format!(
            "version: 1\nname: t\nresolver: none\nproviders: {{ files: {{ type: zonefile, directory: ., served: {{ assume_within: 5m }} }} }}\nzones: {{ acme.test: {{ provider: files }}, host.test: {{ provider: files }}, other.test: {{ provider: files }} }}\n{moves}{records}"
        ),
    );
    Case { dir, plan: "plan.yaml" }
}

/// A name that clients of a domain are set up with, which stays at the old host, is led along with
/// an alias, a DNAME or a wildcard, or by a record of its own (attack 454, 106, 107b, 360, 361).
#[test]
fn typed_names_of_a_domain_that_stays() {
    let switched =
        "  - { zone: acme.test, name: imap, type: A, to: [ 203.0.113.27 ], with: switch }\n";
    let imap = "imap A 192.0.2.10\n_imaps._tcp SRV 0 1 993 imap\n";
    let told = "a mail client of other.test. that is set up with imap.other.test. no longer finds `old` there";
    for other in ["imap CNAME imap.acme.test.\n", "* CNAME imap.acme.test.\n"] {
        let said = moving_imap("", switched, (imap, other)).planned().breaks("clients");
        said.says(told).says("{ fact: clients, name: \"imap.other.test.\", reason: WHY }");
    }
    let own = "  - { zone: other.test, name: imap, type: A, to: [ 203.0.113.25 ] }\n";
    let said = moving("", own, ("", "imap A 192.0.2.10\n")).planned().breaks("clients");
    said.says(told).pasted("assume").proves();
    let alias = "  - { zone: other.test, name: imap, type: CNAME, to: [ mx1.host.test. ] }\n";
    let said = moving("", alias, ("", "imap CNAME mail.acme.test.\n")).planned();
    said.breaks("clients").says(told);
    // Where it is left alone, or gets another name of the same server.
    let other = "imap CNAME mail.acme.test.\n";
    moving_imap("", switched, (imap, other)).planned().proves().never_says("no mail client");
    let same = "  - { zone: other.test, name: imap, type: A, to: [ 192.0.2.10 ] }\n";
    let said = moving("", same, ("", "imap CNAME mail.acme.test.\n")).planned().proves();
    said.never_says("no mail client");
}

/// Other names that clients may be set up with are listed, each by its name, with those that are
/// aliases of them (attack 400, 754 to 757, 760, 765 to 770).
#[test]
fn typed_names_that_nobody_knows() {
    let line = |names: &str| {
        format!(
            "no mail client is set up with {names}: the plan changes the addresses that a client finds there"
        )
    };
    let gone = "  - { zone: acme.test, name: x, type: A, absent: true }\n";
    let said = records(gone, ("imap CNAME x\nx A 192.0.2.20\n", "post CNAME imap.acme.test.\n"));
    said.planned().proves().says(&line("imap.acme.test., x.acme.test., post.other.test."));
    let led = "  - { zone: other.test, name: owa, type: A, to: [ 198.51.100.5 ] }\n";
    let zones = ("", "owa A 192.0.2.77\n@ MX 5 mx\nmx A 192.0.2.77\nd DNAME @\n");
    records(led, zones).planned().proves().says("owa.d.other.test.");
    // In a move too, of which these names are no part.
    moving("", led, ("", "owa A 192.0.2.77\n")).planned().proves().says(&line("owa.other.test."));
    // A record that nothing depends on changes no client's answer.
    let text = "  - { zone: acme.test, name: imap, type: TXT, to: [ '\"x\"' ] }\n";
    records(text, ("imap A 192.0.2.10\n", "")).exits(PROVED).never_says("no mail client");
}

/// A client takes an address of either family (attack 148, 197, 199, 578, 579).
#[test]
fn an_address_added_to_a_name_of_clients() {
    let ip = "2001:db8::1";
    let line = |name: &str| {
        format!("  - {{ zone: acme.test, name: {name}, type: AAAA, to: [ '{ip}' ] }}\n")
    };
    let imap = "imap A 192.0.2.10\n_imaps._tcp SRV 0 1 993 imap\n";
    let alias = "imap CNAME x\nx A 192.0.2.10\n_imaps._tcp SRV 0 1 993 imap\n";
    let auto = "autodiscover A 192.0.2.10\n";
    for (name, acme) in [("imap", imap), ("x", alias), ("autodiscover", auto)] {
        let said = records(&line(name), (acme, "")).planned().breaks("clients");
        let said =
            said.says(&format!("connects to {ip}: nobody says that this server has its mailbox"));
        said.says(&format!("{{ fact: serves, address: \"{ip}\", reason: WHY }}"));
        let stated = format!("assume: [ {{ fact: serves, address: '{ip}', reason: r }} ]\n");
        plan(&stated, &line(name), (acme, "")).planned().proves();
    }
    // A second address of the same family is the same.
    let more = "  - { zone: acme.test, name: imap, type: A, to: [ 192.0.2.10, 192.0.2.11 ] }\n";
    records(more, (imap, "")).planned().breaks("clients").says("connects to 192.0.2.11");
    // Nobody finds a mail server by these.
    let www = "www A 192.0.2.80\n";
    records(&line("www"), (www, "")).planned().proves();
    records(&line("new"), (imap, "")).planned().proves().never_says("no mail client");
}

/// A discovery record that comes into being by `records:`, for a domain that moves (attack 187,
/// 188, 189, 194, 195, 195b to f) and for others (169 to 171, 184, 185, 782).
#[test]
fn discovery_newly_published() {
    let srv = |name: &str, to: &str, when: &str| {
        format!(
            "  - {{ zone: acme.test, name: '{name}', type: SRV, to: [ '0 1 143 {to}' ]{when} }}\n"
        )
    };
    let imap = "imap A 192.0.2.10\n_imaps._tcp SRV 0 1 993 imap\n";
    let moved = |records: &str| moving_imap("", records, (imap, "")).planned();
    let early = moved(&srv("_imap._tcp", "imap.host.test.", ", with: expand"));
    early.breaks("clients").says("finds it for the first time and is set up for `new`");
    // The order is derived, and the record of the old host is no surprise.
    let said = moved(&srv("_imap._tcp", "imap.host.test.", ""));
    said.proves()
        .in_order(&["everything is ready for the switch", "publish/acme.test/_imap._tcp/SRV"]);
    moved(&srv("_imap._tcp", "imap.host.test.", ", with: switch")).proves();
    let nobody = "that is neither `old` nor `new`: nobody says that it has the mailbox";
    for name in ["_imap._tcp", "_jmap._tcp", "*._tcp"] {
        moved(&srv(name, "ns1.acme.test.", "")).breaks("clients").says(nobody);
        moved(&srv(name, "ns1.acme.test.", ", after: contract")).breaks("clients").says(nobody);
    }
    for line in [
        "name: autoconfig, type: CNAME, to: [ ns1 ]",
        "name: autoconfig, type: A, to: [ 198.51.100.200 ], after: contract",
        "name: _imap._tcp, type: CNAME, to: [ _imap._tcp.other.test. ]",
    ] {
        let zones = (imap, "_imap._tcp SRV 0 1 143 ns1.acme.test.\n");
        let records = format!("  - {{ zone: acme.test, {line} }}\n");
        let said = moving_imap("", &records, zones).planned().breaks("clients").says(nobody);
        said.pasted("assume").proves();
    }
    let dname = "  - { zone: acme.test, name: _tcp, type: DNAME, to: [ _tcp.other.test. ] }\n";
    let zones = ("", "_imap._tcp SRV 0 1 143 ns1.acme.test.\n");
    moving("", dname, zones).planned().breaks("clients").says(nobody);
    // Where no mail moves, the reader of the verdict is told.
    let line = "the servers that mail clients will find by _imap._tcp.acme.test. have the mailboxes of the domain";
    let imap = srv("_imap._tcp", "imap.host.test.", "");
    records(&imap, ("", "")).planned().proves().says(line);
    records(dname, zones).planned().proves().says(line);
    let other = "  - { zone: other.test, name: autodiscover, type: CNAME, to: [ auto.host.test. ], with: expand }\n";
    moving("", other, ("", ""))
        .planned()
        .proves()
        .says("will find by autodiscover.other.test. have");
}

/// Somebody has begun the move by hand: clients are led to the new host, mail is not (attack 498b,
/// c, e, f, g).
#[test]
fn discovery_already_at_the_new_host() {
    let begun = |name: &str, said: super::Said| {
        let id = format!("clients/acme.test/already-new/{name}.acme.test");
        let said = said.exits(REFUTED).says(&id).pasted("override").exits(PROVED);
        said.says("PROVED EXCEPT `clients` (acme.test).");
    };
    let imap = "imap A 192.0.2.10\n";
    let srv = "imap A 192.0.2.10\n_imaps._tcp 5m SRV 0 1 993 imap.host.test.\n";
    begun("_imaps._tcp", moving_imap("", "", (srv, "")).planned());
    let typed = "imap A 203.0.113.27\n_imaps._tcp SRV 0 1 993 imap\n";
    begun("imap", moving_imap("", "", (typed, "")).planned());
    let auto = "autoconfig CNAME imap.host.test.\n_imaps._tcp SRV 0 1 993 imap\n";
    begun("autoconfig", moving_imap("", "", (&format!("{imap}{auto}"), "")).planned());
    // At the old host, or at one that passes log-ins on, wherever the mailboxes are.
    let old = "imap A 192.0.2.10\n_imaps._tcp SRV 0 1 993 imap\nautoconfig CNAME imap\n";
    let said = moving_imap("", "", (old, "")).planned().breaks("clients");
    said.never_says("already-new").never_says("before the first step");
    let always =
        moving_imap("", "", (typed, "")).with(", from: switch, reason: r }\n", ", reason: r }\n");
    always.planned().never_says("already-new");
}

/// Whoever is set up for the old host again sends through it: not before receivers accept that
/// (attack 820).
#[test]
fn clients_are_set_up_again_when_the_old_host_may_send() {
    let case = moving("", "", ("", ""));
    let (code, text) = case.cutover(&["plan", "plan.yaml", "-o", "plan.json"]);
    assert_eq!(code, PROVED, "{text}");
    let sealed = fs::read_to_string(case.dir.path().join("plan.json")).expect("the artifact");
    let sealed: Value = serde_json::from_str(&sealed).expect("JSON");
    let text = sealed.to_string();
    assert!(text.contains("but do not send through it before it is said to send again"), "{text}");
    let steps = all_steps(&sealed);
    let clients: Vec<_> =
        steps.iter().filter(|(id, _)| id == "back/assume/contract/clients/old").collect();
    assert!(!clients.is_empty(), "{text}");
    for (_, after) in clients {
        assert!(after.contains("back/assume/contract/sends/old"), "{after}");
    }
}

/// The id of each step in an artifact, and what it comes after.
fn all_steps(at: &Value) -> Vec<(String, String)> {
    let own = at.get("id").and_then(|id| id.as_str()).map(|id| {
        let after = at.get("after").map(ToString::to_string).unwrap_or_default();
        (id.to_owned(), after)
    });
    let below: Vec<&Value> = match at {
        Value::Object(entries) => entries.values().collect(),
        Value::Array(entries) => entries.iter().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    own.into_iter().chain(below.into_iter().flat_map(all_steps)).collect()
}
