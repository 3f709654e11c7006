//! Problems that trials found in the plan language: one test for each reported line.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::zonefile_fixture::ZonefileFixture;

/// A fixture with its own zones: each with an SOA, an NS record, and these lines.
pub(crate) fn fixture(zones: &[(&str, &str)], plan: &str) -> ZonefileFixture {
    let fixture = ZonefileFixture::new();
    for (zone, records) in zones {
        let head = "$TTL 300\n@ SOA ns1.name.example. hostmaster.name.example. 1 3600 600 86400 300\n\
                    @ NS ns1.name.example.\n";
        fixture.write(&format!("zones/{zone}.zone"), format!("{head}{records}"));
    }
    let head = "version: 1\nname: trial\nresolver: none\nproviders:\n  \
                files: { type: zonefile, directory: zones, served: { assume_within: 1s } }\n";
    fixture.write("plan.yaml", format!("{head}{plan}"));
    fixture
}

/// The sealed artifact of the plan, and the output.
pub(crate) fn planned(fixture: &ZonefileFixture) -> (Value, String) {
    let (code, text) = fixture.cutover(&["plan", "plan.yaml", "-o", "plan.json"]);
    assert_eq!(code, 0, "{text}");
    (serde_json::from_str(&fixture.read("plan.json")).expect("JSON"), text)
}

/// What each step writes, by step, name and type: `None` for what it removes.
fn written(artifact: &Value) -> BTreeMap<(String, String), Option<Vec<String>>> {
    let steps = artifact["steps"].as_array().expect("steps");
    let changes = steps.iter().flat_map(|step| {
        let changes = step["changes"].as_array().expect("changes");
        changes.iter().map(|change| (step["id"].as_str().expect("an id").to_owned(), change))
    });
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let after = |change: &Value| {
        let rdata = change["after"]["rdata"].as_array()?;
        Some(rdata.iter().map(text).collect())
    };
    changes.map(|(id, change)| ((id, text(&change["name"])), after(change))).collect()
}

const THREE: &str = "\
zones:
  acme.test: { provider: files }
  acme-shop.test: { provider: files }
  acme.example: { provider: files }
hosts:
  own:
    exchanges: [ { preference: 10, name: mail.acme.test. } ]
    senders: [ { name: people, spf: \"ip4:192.0.2.10\" } ]
  crm:
    senders:
      - { name: letters, domains: [ acme.test, acme.example ], spf: \"ip4:192.0.2.20\" }
      - { name: shop, domains: [ acme-shop.test ], spf: \"ip4:192.0.2.30\" }
  host:
    exchanges:
      - { preference: 0, name: \"{domain-dashed}.mail.host.example.\", domains: [ acme.test, acme.example ] }
      - { preference: 0, name: acmeshop-test0b.mail.host.example., domains: [ acme-shop.test ] }
    senders: [ { name: people, spf: \"ip4:192.0.2.40\" } ]
migrate:
  domains: [ acme.test, acme-shop.test, acme.example ]
  from: own
  to: host
assume:
  - { fact: published, name: acme-test.mail.host.example., reason: the host shows it }
  - { fact: published, name: acme-example.mail.host.example., reason: the host shows it }
  - { fact: published, name: acmeshop-test0b.mail.host.example., reason: the host shows it }
  - { fact: accepts, host: host, reason: every address was created there }
  - { fact: routes_local, host: own, reason: nobody else is there }
  - { fact: serves, host: host, reason: mailboxes have been copied }
  - { fact: routes_local, host: host, reason: nobody else is there }
  - { fact: synced, host: host, reason: they would be copied back }
  - { fact: clients, host: host, reason: devices would be set back }
  - { fact: sends, host: own, from: contract, reason: people have been told }
  - { fact: clients, host: own, from: contract, reason: devices are set up anew }
  - { fact: synced, host: own, from: contract, reason: a last copy is made }
";

fn three() -> ZonefileFixture {
    let zones: Vec<(&str, String)> = [
        ("acme.test", "192.0.2.20"),
        ("acme-shop.test", "192.0.2.30"),
        ("acme.example", "192.0.2.20"),
    ]
    .into_iter()
    .map(|(zone, crm)| {
        let spf = format!("\"v=spf1 ip4:192.0.2.10 ip4:{crm} -all\"");
        (zone, format!("@ MX 10 mail.acme.test.\n@ TXT {spf}\nmail A 192.0.2.10\n"))
    })
    .collect();
    let zones: Vec<(&str, &str)> = zones.iter().map(|(zone, text)| (*zone, &**text)).collect();
    fixture(&zones, THREE)
}

/// Line 26: a sender and an exchange may belong to some domains only, and `{domain-dashed}` is a
/// domain as in the names of Microsoft 365's exchanges.
#[test]
fn domains_have_their_own_senders_and_exchanges() {
    let (artifact, text) = planned(&three());
    let written = written(&artifact);
    for (zone, crm, exchange) in [
        ("acme.test", "192.0.2.20", "acme-test.mail.host.example."),
        ("acme.example", "192.0.2.20", "acme-example.mail.host.example."),
        ("acme-shop.test", "192.0.2.30", "acmeshop-test0b.mail.host.example."),
    ] {
        let after = |verb: &str, rtype: &str| {
            written[&(format!("{verb}/{zone}/@/{rtype}"), format!("{zone}."))].clone()
        };
        assert_eq!(after("switch", "MX"), Some(vec![format!("0 {exchange}")]), "{text}");
        let both = format!("\"v=spf1 ip4:192.0.2.10 ip4:{crm} ip4:192.0.2.40 -all\"");
        assert_eq!(after("widen", "TXT"), Some(vec![both]), "{text}");
        let narrow = format!("\"v=spf1 ip4:{crm} ip4:192.0.2.40 -all\"");
        assert_eq!(after("narrow", "TXT"), Some(vec![narrow]), "{text}");
    }
}

/// Line 26: the domains of a part of a host have to move, and each domain has an exchange.
#[test]
fn domains_of_a_part_are_looked_up() {
    let fixture = three();
    let refused = |from: &str, to: &str, said: &[&str]| {
        fixture.write("other.yaml", fixture.read("plan.yaml").replacen(from, to, 1));
        let (code, text) = fixture.cutover(&["check", "other.yaml"]);
        assert!(code == 2 && said.iter().all(|words| text.contains(words)), "{said:?}: {text}");
    };
    let crm = "letters, domains: [ acme.test, acme.example ]";
    refused(
        crm,
        "letters, domains: [ acme.tset ]",
        &["`acme.tset.`", "did you mean `acme.test.`?"],
    );
    refused(crm, "letters, domains: []", &["this list is empty"]);
    let own = "name: \"{domain-dashed}.mail.host.example.\", domains: [ acme.test, acme.example ]";
    refused(
        own,
        "name: x.host.example., domains: [ acme.test ]",
        &["the host `host` has no exchange for `acme.example.`"],
    );
    refused("{domain-dashed}", "{domain_dashed}", &["`{domain}` and `{domain-dashed}`"]);
    refused("ip4:192.0.2.20", "include:{domain-dashed}.x", &["`{domain-dashed}` is not filled in"]);
}

pub(crate) const ONE: &str = "\
zones: { acme.test: { provider: files } }
hosts:
  own:
    exchanges: [ { preference: 10, name: mail.acme.test. } ]
    senders: [ { name: people, spf: \"ip4:192.0.2.10\" } ]
  host:
    exchanges: [ { preference: 10, name: mx.acme.test. } ]
    senders: [ { name: people, spf: \"ip4:192.0.2.40\" } ]
migrate: { domains: [ acme.test ], from: own, to: host, keep_old: 1s, overrun: 0s }
clocks: { margin: 0s, use: 0s, queue_life: 1s }
assume:
  - { fact: accepts, host: host, reason: every address was created there }
  - { fact: routes_local, host: own, reason: nobody else is there }
  - { fact: serves, host: host, reason: mailboxes have been copied }
  - { fact: routes_local, host: host, reason: nobody else is there }
  - { fact: synced, host: host, reason: they would be copied back }
  - { fact: clients, host: host, reason: devices would be set back }
  - { fact: clients, host: own, from: contract, confirm: false, reason: devices are set up anew }
  - { fact: synced, host: own, from: contract, check: [ test, -e, copied ], reason: a last copy is made }
  - { fact: sends, host: own, from: contract, reason: people have been told }
";

pub(crate) const ONE_ZONE: &str = "$TTL 1\n@ MX 10 mail\n@ TXT \"v=spf1 ip4:192.0.2.10 -all\"\n\
    mail A 192.0.2.10\nmx A 192.0.2.40\nwww A 192.0.2.80\n";

/// A domain that moves within seconds, with additional lines at the end of its plan.
pub(crate) fn moving_domain(more: &str) -> ZonefileFixture {
    fixture(&[("acme.test", ONE_ZONE)], &format!("{ONE}{more}"))
}

fn step<'a>(artifact: &'a Value, id: &str) -> &'a Value {
    let steps = artifact["steps"].as_array().expect("steps");
    steps.iter().find(|step| step["id"] == id).unwrap_or_else(|| panic!("no step {id}"))
}

fn begins(artifact: &Value, id: &str) -> u64 {
    let all = artifact["forecast"].as_array().expect("a forecast");
    let forecast = all
        .iter()
        .find(|forecast| forecast["step"] == id)
        .unwrap_or_else(|| panic!("no step {id}"));
    forecast["begin_secs"].as_u64().expect("seconds")
}

/// Line 27: a task begins when what precedes it has taken effect everywhere.
#[test]
fn a_task_comes_after_what_the_plan_says() {
    let site = "records:\n  - { id: site, zone: acme.test, name: www, type: A, to: [ 192.0.2.81 ], ttl: 300s, lower_ttl: 1s }\n";
    let tasks = |part: &str, after: &str| {
        format!(
            "{site}tasks: {{ {part}: [ {{ name: told, manual: tell people, after: {after} }} ] }}\n"
        )
    };
    let fixture = moving_domain(&tasks("before_switch", "record:site"));
    let zone = fixture.read("zones/acme.test.zone").replace("www A", "www 600 A");
    fixture.write("zones/acme.test.zone", zone);
    let (artifact, text) = planned(&fixture);
    // The TTL of the old address is lowered and waited for, and then the lowered TTL too.
    let site = begins(&artifact, "switch/acme.test/www/A");
    assert!(site > 600 && begins(&artifact, "task/told") > site, "{text}");
    let task = step(&artifact, "task/told");
    let wait = task["after"][0].as_str().expect("it comes after something");
    assert_eq!(step(&artifact, wait)["over"], "switch/acme.test/www/A", "{text}");
    let (_, explained) = fixture.cutover(&["explain", "plan.json", "task/told"]);
    assert!(explained.contains("after: record:site"), "{explained}");
    for (part, after, said) in [
        ("before_switch", "switch", "a task in `before_switch` cannot come after `switch`"),
        (
            "after_switch",
            "[ expand, contract ]",
            "a task in `after_switch` cannot come after `contract`",
        ),
        ("before_switch", "record:sites", "did you mean `record:site`?"),
        ("before_switch", "[ expand, 1 ]", "expected text"),
    ] {
        let (code, text) = {
            let fixture = moving_domain(&tasks(part, after));
            fixture.cutover(&["check", "plan.yaml"])
        };
        assert!(code == 2 && text.contains(said), "{part} {after}: {text}");
    }
    // What the record waits for is only known when the order is determined.
    let late = tasks("before_switch", "record:site").replace("lower_ttl: 1s", "after: switch");
    let (code, text) = moving_domain(&late).cutover(&["plan", "plan.yaml"]);
    assert!(code == 2 && text.contains("`told` comes before what it should come after"), "{text}");
}

/// Line 28: what only a person can know is asked when its time has come, and nothing that relies on
/// it is done before.
#[test]
fn people_are_asked_for_facts() {
    let fixture = moving_domain("");
    let (artifact, text) = planned(&fixture);
    let kind = |id: &str| step(&artifact, id)["kind"].clone();
    assert_eq!(kind("assume/contract/sends/own"), "task", "{text}");
    assert_eq!(kind("assume/contract/synced/own"), "task");
    assert_eq!(kind("assume/contract/clients/own"), "checkpoint");
    let question = "assume/contract/sends/own waits for a person: make sure that `own` is not (or no longer) used by people or programs to send mail";
    let apply = ["apply", "plan.json", "--auto-approve"];
    let mut said = String::new();
    // Each wait takes a second or two.
    for _ in 0..100 {
        let (code, text) = fixture.cutover(&apply);
        said = text;
        if code == 6 {
            break;
        }
        assert_eq!(code, 4, "{said}");
        crate::lab::sleep(std::time::Duration::from_millis(300));
    }
    assert!(said.contains(question), "{said}");
    let spf = || fixture.read("zones/acme.test.zone");
    assert!(spf().contains("ip4:192.0.2.10 ip4:192.0.2.40"), "{}", spf());
    // The check of the other fact is repeated as long as necessary.
    let confirm = ["confirm", "plan.json", "assume/contract/sends/own", "--reason", "asked around"];
    fixture.ends(0, &confirm);
    let (_, text) = fixture.cutover(&["status", "plan.json"]);
    assert!(text.contains("assume/contract/synced/own"), "{text}");
    fixture.write("copied", "");
    fixture.ends(0, &["apply", "plan.json", "--auto-approve", "--wait"]);
    assert!(spf().contains("\"v=spf1 ip4:192.0.2.40 -all\""), "{}", spf());
    for (from, to, said) in [
        (
            "from: contract, confirm: false",
            "confirm: false",
            "a fact that already holds needs no confirmation",
        ),
        ("from: contract, check:", "from: contract, confirm: false, check:", "keep one of"),
    ] {
        fixture.write("other.yaml", fixture.read("plan.yaml").replacen(from, to, 1));
        let (code, text) = fixture.cutover(&["check", "other.yaml"]);
        assert!(code == 2 && text.contains(said), "{text}");
    }
}

const HOSTER: &str = "\
include: [ shared/hosts.yaml, shared/facts.yaml ]
defaults:
  zone: { provider: files }
  record: { zone: acme.test, ttl: 10m }
zones: [ { file: shared/domains.txt }, extra.test ]
migrate: { domains: { file: shared/domains.txt }, from: own, to: host }
records:
  - { name: www, type: A, to: [ 192.0.2.81 ] }
  - { zone: extra.test, name: www, type: A, to: [ 192.0.2.82 ], ttl: 20m }
";

fn hoster() -> ZonefileFixture {
    let zone = "@ MX 10 mail.acme.test.\n@ TXT \"v=spf1 ip4:192.0.2.10 -all\"\nmail A 192.0.2.10\nmx A 192.0.2.40\n";
    let zones = ["acme.test", "shop.test", "extra.test"].map(|name| (name, zone));
    let fixture = fixture(&zones, HOSTER);
    std::fs::create_dir(fixture.path("shared")).expect("a directory");
    let part = |from: &str, to: &str| {
        let from = ONE.find(from).expect("a part");
        ONE[from..].split(to).next().expect("a part").to_owned()
    };
    let hosts = part("hosts:", "migrate:").replace("mx.acme.test.", "\"mx.{domain}\"");
    fixture.write("shared/hosts.yaml", hosts);
    fixture.write("shared/facts.yaml", part("assume:", "\u{0}"));
    fixture.write("shared/domains.txt", "# customers\nacme.test\nshop.test   # the shop\n");
    fixture
}

/// Line 32: hosts and facts in files, a list of domains, and defaults for all zones.
#[test]
fn a_plan_of_several_files() {
    let fixture = hoster();
    let (artifact, text) = planned(&fixture);
    let written = written(&artifact);
    for domain in ["acme.test", "shop.test"] {
        let key = (format!("switch/{domain}/@/MX"), format!("{domain}."));
        assert_eq!(written[&key], Some(vec![format!("10 mx.{domain}.")]), "{text}");
    }
    let ttl = |id: &str| step(&artifact, id)["changes"][0]["after"]["ttl"].clone();
    assert_eq!(ttl("publish/acme.test/www/A"), 600);
    assert_eq!(ttl("publish/extra.test/www/A"), 1200);
    // The artifact depends on all files: a changed fact, host or domain changes it.
    for file in ["shared/hosts.yaml", "shared/facts.yaml", "shared/domains.txt"] {
        let before = fixture.read(file);
        fixture.write(file, format!("{before}\n# one more line\n"));
        let (changed, _) = planned(&fixture);
        assert_ne!(changed["plan"], artifact["plan"], "{file}");
        fixture.write(file, before);
    }
    assert_eq!(planned(&fixture).0["digest"], artifact["digest"]);
    // An open run is not continued if one of its plan's files has changed.
    fixture.ends(4, &["apply", "plan.yaml", "--auto-approve"]);
    fixture.write("shared/domains.txt", "acme.test\n");
    let (code, text) = fixture.cutover(&["apply", "plan.yaml", "--auto-approve"]);
    assert!(code == 2 && text.contains("the plan has changed since its run began"), "{text}");
}

/// Line 32: a mistake is shown in its file and line.
#[test]
fn mistakes_are_shown_in_their_file() {
    for (file, from, to, said) in [
        ("shared/hosts.yaml", "preference: 10", "prefrence: 10", "shared/hosts.yaml:3:"),
        (
            "shared/facts.yaml",
            "fact: serves, host: host",
            "fact: serves, host: hoost",
            "shared/facts.yaml:4:",
        ),
        ("shared/facts.yaml", "assume:", "assume: [", "shared/facts.yaml:"),
        ("shared/domains.txt", "shop.test", "shop..test", "shared/domains.txt:3:1"),
        ("shared/domains.txt", "shop.test", "acme.test", "shared/domains.txt:3:1"),
        (
            "shared/facts.yaml",
            "assume:",
            "migrate: { domains: [ a.test ], from: own, to: host }\nassume:",
            "`migrate` appears in two files",
        ),
        (
            "shared/facts.yaml",
            "assume:",
            "name: other\nassume:",
            "`name` belongs in the plan itself",
        ),
        (
            "shared/facts.yaml",
            "assume:",
            "hosts: { own: {} }\nassume:",
            "`own` appears in two files",
        ),
        ("plan.yaml", "provider: files }", "provider: fils }", "did you mean `files`?"),
        ("plan.yaml", "zone: { provider: files }", "zone: {}", "missing key `provider`"),
        ("plan.yaml", "record: { zone: acme.test, ttl", "record: { ttl", "missing key `zone`"),
        (
            "plan.yaml",
            "shared/domains.txt }, from",
            "shared/none.txt }, from",
            "cannot use `shared/none.txt`",
        ),
    ] {
        let fixture = hoster();
        fixture.write(file, fixture.read(file).replacen(from, to, 1));
        let (code, text) = fixture.cutover(&["check", "plan.yaml"]);
        assert!(code == 2 && text.contains(said), "{file} {to}: {text}");
    }
    // A mistake in a default is reported once, however many zones use it.
    let fixture = hoster();
    fixture.write(
        "plan.yaml",
        fixture.read("plan.yaml").replacen("provider: files }", "provider: fils }", 1),
    );
    let (_, text) = fixture.cutover(&["check", "plan.yaml"]);
    assert!(text.contains(": 1 problem"), "{text}");
}

/// Line 32: a plan reads nothing outside its directory.
#[test]
fn a_plan_reads_nothing_outside_its_directory() {
    let fixture = hoster();
    std::fs::create_dir(fixture.path("plans")).expect("a directory");
    fixture.write("secret.txt", "acme.test\n");
    assert_eq!(fixture.shell("ln -s ../secret.txt plans/link.txt; mkfifo plans/pipe.txt; ln -s .. plans/up; echo acme.test > plans/inside.txt; ln -s inside.txt plans/alias.txt").0, 0);
    let plan = |file: &str| {
        let plan = fixture
            .read("plan.yaml")
            .replace("include: [ shared/hosts.yaml, shared/facts.yaml ]\n", "");
        fixture.write("plans/plan.yaml", plan.replace("shared/domains.txt", file));
        fixture.cutover(&["check", "plans/plan.yaml"]).1
    };
    for (file, said) in [
        ("../secret.txt", "without `..`"),
        ("/etc/hostname", "without `..`"),
        ("link.txt", "out of the plan's directory"),
        ("up/secret.txt", "out of the plan's directory"),
        ("pipe.txt", "it is not a regular file"),
        ("plan.txt", "No such file"),
    ] {
        let text = plan(file);
        assert!(text.contains(&format!("cannot use `{file}`")) && text.contains(said), "{text}");
    }
    for file in ["inside.txt", "alias.txt"] {
        assert!(!plan(file).contains("cannot be used"), "{file}");
    }
}

/// Line 22: a discovery name with an address instead of an alias leads to the old host too, and
/// becomes an alias of the new host in one step.
#[test]
fn a_discovery_name_with_an_address_is_understood() {
    let fixture = ZonefileFixture::quickstart();
    let zone = fixture.read("quickstart/acme.test.zone");
    let as_address = zone.replace("autodiscover IN CNAME mail", "autodiscover IN A 192.0.2.10");
    assert_ne!(zone, as_address);
    fixture.write("quickstart/acme.test.zone", &as_address);
    let text = fixture.ends(0, &["plan", "quickstart.yaml"]);
    for line in [
        "PROVED: no mail is lost",
        "- autodiscover.acme.test. 86400 A 192.0.2.10",
        "+ autodiscover.acme.test. 3600 CNAME auto.host.test.",
        "switch/acme.test/autodiscover/CNAME",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    // If the new host has no such name, the old record has to be removed, and the verdict says how.
    let plan = fixture.read("quickstart.yaml");
    let without = plan.replace("      autodiscover: auto.host.test.\n", "");
    assert_ne!(plan, without);
    fixture.write("quickstart.yaml", &without);
    let text = fixture.ends(3, &["plan", "quickstart.yaml"]);
    assert!(text.contains("or remove it there (`absent: true`)"), "{text}");
}
