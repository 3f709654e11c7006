//! Zones that are alike are compiled once. The result has to equal, step by step and word by word,
//! that of compiling each zone separately. And zones that only look alike must not be treated so.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use cutover::ask::Outside;
use cutover::compile::{Compiled, compile, compile_apart};
use cutover::config::ConfigSpec;
use cutover::graph::{Primitive, StepGraph};
use cutover::intent::Intent;
use cutover::observe::{Earlier, Snapshot};
use cutover_zone::{Name, Rdata, RrKey, RrSet, RrType, Ttl};

use crate::proof::{CAPABILITIES, inputs};
use crate::recipes::STATED;

/// A plan of many domains, its zones, and the records outside them.
struct Fleet {
    plan: String,
    zones: BTreeMap<String, String>,
    outside: Vec<(String, RrType, String)>,
    /// What earlier runs have replaced and resolvers may still have.
    earlier: Vec<(String, RrType, String)>,
}

const KEY: &str = "\"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"";

const APEX: &str =
    "$TTL 1d\n@ SOA ns1 hostmaster 1 3600 600 86400 3600\n@ NS ns1\nns1 A 192.0.2.53\n";
const REDIRECTS: &str =
    "  - { fact: redirects, host: old, from: switch, reason: it passes log-ins on }\n";

impl Fleet {
    /// A fleet of this many domains, each with its own zone. The text is the rest of the plan.
    fn of(domains: usize, zone: &str, shared: &[(&str, String)], plan: &str) -> Self {
        let names: Vec<String> = (0..domains).map(|number| format!("d{number:02}.test")).collect();
        let mut zones: BTreeMap<String, String> = names
            .iter()
            .map(|name| (name.clone(), zone.replace("ZONE", name).replace("DASHED", &dashed(name))))
            .collect();
        zones.extend(shared.iter().map(|(name, text)| ((*name).to_owned(), text.clone())));
        for zone in zones.values_mut() {
            zone.insert_str(0, APEX);
        }
        let listed: Vec<String> =
            zones.keys().map(|name| format!("  {name}: {{ provider: files }}\n")).collect();
        let plan = plan.replace("DOMAINS", &names.join(", "));
        let plan = format!(
            "version: 1\nname: fleet\nproviders: {{ files: {{ type: zonefile, directory: . }} }}\n\
             resolver: none\nzones:\n{}{plan}",
            listed.concat()
        );
        Self { plan, zones, outside: Vec::new(), earlier: Vec::new() }
    }

    fn names(&self) -> Vec<String> {
        self.zones.keys().filter(|name| name.starts_with('d')).cloned().collect()
    }

    fn read(&self) -> (Intent, Snapshot) {
        let read = inputs(&CAPABILITIES, &self.plan, &|zone| self.zones[zone].clone());
        let (intent, mut snapshot) = read.unwrap_or_else(|| panic!("no plan: {}", self.plan));
        for (name, rtype, text) in &self.outside {
            let name = Name::absolute(&format!("{name}.")).expect("a name");
            let answer = match text.as_str() {
                "" => Outside::Absent,
                text => {
                    let all = text.split('\n').map(|text| Rdata::parse(*rtype, text, None));
                    Outside::Records(all.collect::<Result<Arc<[Rdata]>, _>>().expect("records"))
                }
            };
            snapshot.outside.insert(RrKey::new(name, *rtype), answer);
        }
        for (name, rtype, text) in &self.earlier {
            let name = Name::absolute(&format!("{name}.")).expect("a name");
            let rdata = Rdata::parse(*rtype, text, None).expect("a record");
            let records = RrSet::new(Ttl::from_wire(86_400), [rdata]).expect("an RRset");
            let earlier = Earlier { records: Some(records), is_late: true };
            snapshot.earlier.entry(RrKey::new(name, *rtype)).or_default().push(earlier);
        }
        (intent, snapshot)
    }

    /// The result as lines, and whether any zones were treated as alike.
    fn both(&self) -> (Vec<String>, bool) {
        let (intent, snapshot) = self.read();
        let ours = compile(&intent, &snapshot);
        let apart = compile_apart(&intent, &snapshot);
        match (ours, apart) {
            (Ok(ours), Ok(apart)) => {
                same(&all(&ours), &all(&apart));
                let is_less = ours.findings.patterns < apart.findings.patterns;
                let refuted =
                    ours.findings.refuted.iter().flat_map(|refuted| refuted.story.clone());
                let present = ours.findings.present.iter().map(|harm| harm.id.clone());
                (refuted.chain(present).collect(), is_less)
            }
            (Err(ours), Err(apart)) => {
                assert_eq!(format!("{ours:?}"), format!("{apart:?}"));
                (ours.into_iter().map(|diagnostic| diagnostic.title).collect(), false)
            }
            (ours, apart) => panic!("{ours:?}\n{apart:?}"),
        }
    }
}

/// Panics with the lines that differ.
fn same(ours: &[String], apart: &[String]) {
    let not_in = |lines: &[String], other: &[String]| -> Vec<String> {
        let other: BTreeSet<&String> = other.iter().collect();
        lines.iter().filter(|line| !other.contains(line)).cloned().collect()
    };
    let (more, less) = (not_in(ours, apart), not_in(apart, ours));
    assert!(more.is_empty() && less.is_empty(), "only here: {more:#?}\nonly apart: {less:#?}");
    assert_eq!(ours.len(), apart.len());
}

fn dashed(name: &str) -> String {
    name.replace('.', "-")
}

fn lines(all: impl IntoIterator<Item = impl Debug>) -> Vec<String> {
    all.into_iter().map(|value| format!("{value:?}")).collect()
}

/// What was compiled, as lines in any order. Each step of a graph has to follow the steps that it
/// depends on.
fn all(compiled: &Compiled) -> Vec<String> {
    let Compiled {
        tracks,
        graph,
        findings,
        ways_back,
        why_refuted,
        assumptions,
        shortened,
        at_old,
        reads,
        relied,
        warnings,
    } = compiled;
    let steps = |graph: &StepGraph| {
        let edges = graph.steps().iter().enumerate();
        for (place, step) in edges {
            let before = step.after.keys().map(|id| graph.place(id).expect("a step"));
            assert!(before.into_iter().all(|before| before < place), "{step:?} comes too early");
            let followers = graph.followers(place).iter();
            assert!(followers.into_iter().all(|f| graph.steps()[*f].after.contains_key(&step.id)));
        }
        lines(graph.steps())
    };
    let mut all = lines(tracks);
    all.extend(steps(graph));
    for way in ways_back {
        all.push(format!("{} {:?} {:?} {:?}", way.name(), way.at, way.takes_back, way.no_return));
        all.extend(lines(&way.kept));
        all.extend(steps(&way.graph));
    }
    all.extend(lines(&findings.holding));
    all.extend(lines(&findings.present));
    all.extend(findings.refuted.iter().flat_map(|refuted| refuted.story.clone()));
    all.extend(findings.steady.clone());
    all.extend(why_refuted.concat());
    all.extend(assumptions.iter().map(ToString::to_string));
    all.extend(shortened.iter().cloned());
    all.extend(at_old.clone());
    all.extend(lines(reads));
    all.extend(lines(relied));
    all.extend(lines(warnings));
    all
}

/// Each domain has its own exchanges.
fn own() -> Fleet {
    let zone = format!(
        "@ MX 10 mail\n@ TXT \"v=spf1 mx ip4:192.0.2.10 -all\"\nmail A 192.0.2.10\nwww A 192.0.2.80\n\
         _dmarc TXT \"v=DMARC1; p=none; rua=mailto:post@ZONE\"\nftp CNAME mail\n\
         s1._domainkey TXT {KEY}\n_imaps._tcp SRV 0 1 993 mail\nautodiscover CNAME mail\n"
    );
    let plan = format!(
        "hosts:\n  old:\n    exchanges: [ {{ preference: 10, name: 'mail.{{domain}}' }} ]\n    \
         senders: [ {{ name: people, spf: \"mx ip4:192.0.2.10\", dkim: [ s1 ] }} ]\n    \
         discovery: {{ imap: \"mail.{{domain}}:993\", autodiscover: 'mail.{{domain}}' }}\n  new:\n    \
         exchanges: [ {{ preference: 10, name: 'mx.{{domain}}', addresses: [ 203.0.113.25 ] }} ]\n    \
         senders: [ {{ name: people, spf: ip4:203.0.113.25, dkim: [ {{ selector: s2, txt: {KEY} }} ] }} ]\n    \
         discovery: {{ imap: \"mx.{{domain}}:993\", autodiscover: 'mx.{{domain}}' }}\n\
         migrate: {{ domains: [ DOMAINS ], from: old, to: new }}\n{STATED}{REDIRECTS}"
    );
    Fleet::of(12, &zone, &[("other.test", "www A 192.0.2.80\n".to_owned())], &plan)
}

/// All domains have the exchanges of a host whose zone is in the plan too, and keys in that zone.
fn hosted(host: &str, domains: usize) -> Fleet {
    let zone = format!(
        "@ MX 10 mail.own.test.\n@ TXT \"v=spf1 ip4:192.0.2.10 -all\"\n\
         s1._domainkey TXT {KEY}\n_imaps._tcp SRV 0 1 993 mail.own.test.\n"
    );
    let keys: String = (0..domains).map(|n| format!("s2.d{n:02}.test.dkim TXT {KEY}\n")).collect();
    let shared = [
        ("own.test", "mail A 192.0.2.10\nftp CNAME mail\n".to_owned()),
        (
            "host.test",
            format!(
                "mx1 A 203.0.113.25\nimap A 203.0.113.27\nsmtp A 203.0.113.28\nauto A 203.0.113.29\n\
                 _spf TXT \"v=spf1 ip4:203.0.113.0/24 -all\"\n{keys}"
            ),
        ),
    ];
    let plan = format!(
        "hosts:\n  old:\n    exchanges: [ {{ preference: 10, name: mail.own.test. }} ]\n    \
         senders: [ {{ name: people, spf: \"ip4:192.0.2.10\", dkim: [ s1 ] }} ]\n    \
         discovery: {{ imap: \"mail.own.test:993\" }}\n  new:\n    \
         exchanges: [ {{ preference: 10, name: mx1.host.test. }} ]\n    \
         senders: [ {{ name: people, spf: \"include:_spf.host.test\", dkim: [ {{ selector: s2, cname: \"s2.{{domain}}.dkim.host.test.\" }} ] }} ]\n    \
         discovery: {{ imap: \"imap.host.test:993\", submission: \"smtp.host.test:465\", autodiscover: auto.host.test. }}\n\
         migrate: {{ domains: [ DOMAINS ], from: old, to: new{host} }}\n{STATED}{REDIRECTS}"
    );
    Fleet::of(domains, &zone, &shared, &plan)
}

/// The new host is outside the zones, and has an exchange and a key for each domain.
fn outside() -> Fleet {
    let mut fleet = hosted("", 12);
    fleet.plan = fleet
        .plan
        .replace("  host.test: { provider: files }\n", "")
        .replace("name: mx1.host.test.", "name: '{domain-dashed}.mail.host.example.'")
        .replace("include:_spf.host.test", "include:_spf.host.example")
        .replace("s2.{domain}.dkim.host.test.", "s2-{domain-dashed}._domainkey.host.example.")
        .replace("host.test", "host.example");
    fleet.zones.remove("host.test");
    let mut put = |name: String, rtype, text: &str| {
        fleet.outside.push((name, rtype, text.to_owned()));
    };
    for number in 0..12 {
        put(format!("d{number:02}-test.mail.host.example"), RrType::A, "203.0.113.25");
        put(format!("d{number:02}-test.mail.host.example"), RrType::AAAA, "");
        put(format!("s2-d{number:02}-test._domainkey.host.example"), RrType::TXT, KEY);
    }
    for name in ["imap", "smtp", "auto"] {
        put(format!("{name}.host.example"), RrType::A, "203.0.113.27");
        put(format!("{name}.host.example"), RrType::AAAA, "");
    }
    put("_spf.host.example".to_owned(), RrType::TXT, "\"v=spf1 ip4:203.0.113.0/24 -all\"");
    fleet
}

/// A switch by steps, with gates and tasks, and a subdomain with its own mail.
fn busy() -> Fleet {
    let mut fleet = hosted(", switch: standby", 12);
    for (name, zone) in &mut fleet.zones {
        if name.starts_with('d') {
            *zone += "lists MX 10 mail.own.test.\nlists TXT \"v=spf1 ip4:192.0.2.10 -all\"\n";
        }
    }
    let names = fleet.names();
    let lists: String = names.iter().map(|name| format!(", lists.{name}")).collect();
    let last = names.last().expect("a domain");
    fleet.plan = fleet.plan.replace(&format!("{last} ], from"), &format!("{last}{lists} ], from"));
    let keys: String =
        names.iter().map(|name| format!("s2.lists.{name}.dkim TXT {KEY}\n")).collect();
    *fleet.zones.get_mut("host.test").expect("a zone") += &keys;
    fleet.plan = fleet.plan.replace(", dkim: [ s1 ]", "");
    fleet.plan += "gates:
  before_switch: [ { probe: command, run: [ \"true\" ] } ]
  after_switch: [ { probe: served, every: 1m, for: 10m }, { probe: seen, resolvers: [ 127.0.0.1 ], every: 1m } ]
tasks:
  before_switch: [ { name: copy, run: [ \"true\" ], undo: [ \"true\" ] } ]
  after_switch: [ { name: relay, run: [ \"true\" ], undo: [ \"true\" ] } ]
  before_release: [ { name: last, run: [ \"true\" ] } ]
";
    fleet
}

fn fleets() -> Vec<(&'static str, Fleet)> {
    vec![("own", own()), ("hosted", hosted("", 12)), ("outside", outside()), ("busy", busy())]
}

#[test]
fn alike_zones_give_the_same_results() {
    for (name, fleet) in fleets() {
        let (wrong, is_less) = fleet.both();
        assert_eq!(wrong, Vec::<String>::new(), "{name}");
        assert!(is_less, "{name}: every zone was looked at for itself");
    }
}

/// If one zone of many differs, it is compiled separately, and harm there is found.
/// A gate asks the servers of every domain, also of those that are compiled as others are.
#[test]
fn a_gate_asks_the_servers_of_every_domain() {
    let mut fleet = own();
    fleet.plan += "gates: { before_switch: [ smtp ] }\n";
    let (intent, snapshot) = fleet.read();
    for compiled in [compile(&intent, &snapshot), compile_apart(&intent, &snapshot)] {
        let graph = compiled.expect("a plan").graph;
        let asked = graph.steps().iter().find_map(|step| match &step.primitive {
            Primitive::Gate(gate) => gate.settings.get("exchanges").cloned(),
            Primitive::Change(_)
            | Primitive::Wait(_)
            | Primitive::Task(_)
            | Primitive::Checkpoint(_) => None,
        });
        let wanted = (0..12).map(|n| format!("mx.d{n:02}.test@203.0.113.25")).collect();
        assert_eq!(asked, Some(ConfigSpec::Argv(wanted)));
    }
}

#[test]
fn a_zone_that_differs_is_compiled_separately() {
    let mut harmed = 0;
    for fleet in [own(), busy()] {
        let zone = &fleet.zones["d05.test"];
        let records: Vec<&str> = zone.lines().collect();
        for (place, line) in records.iter().enumerate().skip(4) {
            for other in [
                String::new(),
                line.replace("192.0.2.10", "192.0.2.11"),
                line.replace("mail", "other"),
                line.replace(" MX 10", " 1w MX 10"),
                line.replace("v=DKIM1", "v=DKIM2"),
            ] {
                if other == *line {
                    continue;
                }
                let mut records: Vec<&str> = records.clone();
                records[place] = &other;
                let mut fleet = Fleet {
                    plan: fleet.plan.clone(),
                    zones: fleet.zones.clone(),
                    outside: fleet.outside.clone(),
                    earlier: Vec::new(),
                };
                fleet.zones.insert("d05.test".to_owned(), records.join("\n") + "\n");
                let (wrong, _) = fleet.both();
                harmed += usize::from(!wrong.is_empty());
            }
        }
    }
    assert!(harmed >= 10, "{harmed}");
}

fn with(fleet: Fleet, zone: &str, line: &str) -> (Vec<String>, bool) {
    let mut fleet = fleet;
    *fleet.zones.get_mut(zone).expect("a zone") += line;
    fleet.both()
}

/// Indirect references into a zone. The proof once missed each of them, because it did not look at
/// the zone.
#[test]
fn indirect_references_are_found() {
    for line in [
        // The strings of a TXT record are joined (RFC 7208 §3.3).
        "news TXT \"v=spf1 include:d0\" \"5.test -all\"\n",
        "news TXT \"v=spf1 include:d05.%\" \"{d1} -all\"\n",
        // A DNAME creates names that no record contains.
        "y DNAME test.\nzz TXT \"v=spf1 include:d05.y.own.test -all\"\n",
    ] {
        let (wrong, _) = with(busy(), "own.test", line);
        assert!(!wrong.is_empty(), "{line}");
    }
    // Labels may contain a zone's name.
    with(busy(), "own.test", "y DNAME test.\n");
    // A reference that may lead anywhere leads into all zones.
    for terms in ["ptr", "exists:x.example"] {
        with(hosted("", 12), "d05.test", &format!("zz TXT \"v=spf1 {terms} -all\"\n"));
    }
    for (name, rtype, text) in [
        ("d03.test", RrType::MX, "10 mail.d05.test."),
        ("s1._domainkey.d03.test", RrType::CNAME, "s1._domainkey.d05.test."),
    ] {
        let mut fleet = own();
        fleet.earlier.push((name.to_owned(), rtype, text.to_owned()));
        fleet.both();
    }
}

/// Some labels have a meaning, so two zones that differ in them are not alike.
#[test]
fn labels_with_a_meaning_are_compared() {
    let named = |fleet: Fleet, names: &[(&str, &str)]| {
        let mut fleet = fleet;
        for (from, to) in names {
            let rename = |text: &String| text.replace(from, to);
            fleet.plan = rename(&fleet.plan);
            fleet.zones = fleet.zones.iter().map(|(k, v)| (rename(k), rename(v))).collect();
        }
        fleet
    };
    let mut fleet = named(own(), &[("d00.test", "_aa.test"), ("d01.test", "_bb.test")]);
    for (name, zone) in &mut fleet.zones {
        *zone += &format!("zz TXT \"v=spf1 include:{name} -all\"\n");
    }
    fleet.both();
    let long: Vec<(String, String)> = (0..12)
        .map(|n| {
            (
                format!("d{n:02}.test"),
                format!("q{n:011}.test").replace("q00000000000", "autodiscover"),
            )
        })
        .collect();
    let long: Vec<(&str, &str)> = long.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let mut fleet = named(own(), &long);
    assert!(fleet.zones.contains_key("autodiscover.test"), "{:?}", fleet.zones.keys());
    for zone in fleet.zones.values_mut() {
        *zone += "@ A 192.0.2.10\n";
    }
    fleet.both();
}

/// A zone of many into which something else leads is compiled separately.
#[test]
fn a_zone_with_references_into_it_is_compiled_separately() {
    for (zone, line, is_less) in [
        ("own.test", "d03 CNAME mail.d03.test.\n", true),
        ("own.test", "x TXT \"v=spf1 include:_spf.d03.test -all\"\n", true),
        ("own.test", "d03-test.x TXT \"its own\"\n", true),
        ("own.test", "d03.test.x.d04.test TXT \"of both\"\n", true),
        ("d04.test", "x MX 10 mail.d03.test.\n", true),
        ("d04.test", "d03.test.x TXT \"of the other\"\n", true),
        // A reference that depends on the client may lead anywhere.
        ("d04.test", "x TXT \"v=spf1 exists:%{i}.x.test -all\"\n", false),
        ("own.test", "x TXT \"v=spf1 exists:%{o}.x.test -all\"\n", false),
    ] {
        let (wrong, some) = with(hosted("", 12), zone, line);
        assert_eq!((wrong, some), (Vec::new(), is_less), "{zone}: {line}");
        // If something leads into each zone, none is alike.
        let each: String = (0..12).map(|n| line.replace("d03", &format!("d{n:02}"))).collect();
        let (_, some) = with(hosted("", 12), zone, &each);
        assert!(!some || line.contains("its own"), "{zone}: {each}");
    }
    // Mail of other domains goes to the exchange of one zone, and each of them is reported.
    let mut fleet = own();
    let others: Vec<String> = (0..6).map(|number| format!("x{number}")).collect();
    for other in &others {
        *fleet.zones.get_mut("other.test").expect("a zone") +=
            &format!("{other} MX 10 mail.d03.test.\n");
    }
    fleet.both();
    let (intent, snapshot) = fleet.read();
    let compiled = compile(&intent, &snapshot).expect("a plan that can be compiled");
    let others: Vec<String> = others.iter().map(|other| format!("{other}.other.test.")).collect();
    let stays =
        format!("`old` keeps running for {}, whose mail still goes there", others.join(", "));
    assert!(
        compiled.assumptions.iter().any(|assumption| assumption.to_string() == stays),
        "{stays}"
    );
}
