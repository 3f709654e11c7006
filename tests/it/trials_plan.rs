//! What trials found in the plan language, and in what reviewers see: one test for each line.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::desk::Desk;

/// A desk with zones of its own: each with an SOA, an NS record, and these lines.
pub(crate) fn desk(zones: &[(&str, &str)], plan: &str) -> Desk {
    let desk = Desk::new();
    for (zone, records) in zones {
        let head = "$TTL 300\n@ SOA ns1.name.example. hostmaster.name.example. 1 3600 600 86400 300\n\
                    @ NS ns1.name.example.\n";
        desk.write(&format!("zones/{zone}.zone"), format!("{head}{records}"));
    }
    let head = "version: 1\nname: trial\nresolver: none\nproviders:\n  \
                files: { type: zonefile, directory: zones, served: { assume_within: 1s } }\n";
    desk.write("plan.yaml", format!("{head}{plan}"));
    desk
}

/// The sealed artifact of the plan, and what was said.
pub(crate) fn planned(desk: &Desk) -> (Value, String) {
    let (code, text) = desk.cutover(&["plan", "plan.yaml", "-o", "plan.json"]);
    assert_eq!(code, 0, "{text}");
    (serde_json::from_str(&desk.read("plan.json")).expect("JSON"), text)
}

/// What each step writes, by step, name and type: `None` for what it takes away.
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

fn three() -> Desk {
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
    desk(&zones, THREE)
}

/// Line 26: a sender and an exchange may be of some domains alone, and `{domain-dashed}` is a domain
/// as Microsoft 365 has it in the names of exchanges.
#[test]
fn domains_have_senders_and_exchanges_of_their_own() {
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

/// Line 26: what a part of a host is for has to move, and each domain has an exchange.
#[test]
fn domains_of_a_part_are_looked_up() {
    let desk = three();
    let refused = |from: &str, to: &str, said: &[&str]| {
        desk.write("other.yaml", desk.read("plan.yaml").replacen(from, to, 1));
        let (code, text) = desk.cutover(&["check", "other.yaml"]);
        assert!(code == 2 && said.iter().all(|one| text.contains(one)), "{said:?}: {text}");
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
    refused("ip4:192.0.2.20", "include:{domain-dashed}.x", &["nothing fills in `{domain-dashed}`"]);
}

const ONE: &str = "\
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

const ONE_ZONE: &str = "$TTL 1\n@ MX 10 mail\n@ TXT \"v=spf1 ip4:192.0.2.10 -all\"\n\
    mail A 192.0.2.10\nmx A 192.0.2.40\nwww A 192.0.2.80\n";

/// One domain that moves within seconds, with more lines behind its plan.
fn one(more: &str) -> Desk {
    desk(&[("acme.test", ONE_ZONE)], &format!("{ONE}{more}"))
}

fn step<'a>(artifact: &'a Value, id: &str) -> &'a Value {
    let steps = artifact["steps"].as_array().expect("steps");
    steps.iter().find(|step| step["id"] == id).unwrap_or_else(|| panic!("no step {id}"))
}

fn begins(artifact: &Value, id: &str) -> u64 {
    let all = artifact["forecast"].as_array().expect("a forecast");
    let one = all.iter().find(|one| one["step"] == id).unwrap_or_else(|| panic!("no step {id}"));
    one["begin_secs"].as_u64().expect("seconds")
}

/// Line 27: a task begins when what it comes after has taken effect everywhere.
#[test]
fn a_task_comes_after_what_the_plan_says() {
    let site = "records:\n  - { id: site, zone: acme.test, name: www, type: A, to: [ 192.0.2.81 ], ttl: 300s, lower_ttl: 1s }\n";
    let tasks = |part: &str, after: &str| {
        format!(
            "{site}tasks: {{ {part}: [ {{ name: told, manual: tell people, after: {after} }} ] }}\n"
        )
    };
    let desk = one(&tasks("before_switch", "record:site"));
    let zone = desk.read("zones/acme.test.zone").replace("www A", "www 600 A");
    desk.write("zones/acme.test.zone", zone);
    let (artifact, text) = planned(&desk);
    // The old address is lowered, that is waited for, and so is what is cached of the short one.
    let site = begins(&artifact, "switch/acme.test/www/A");
    assert!(site > 600 && begins(&artifact, "task/told") > site, "{text}");
    let task = step(&artifact, "task/told");
    let wait = task["after"][0].as_str().expect("it comes after something");
    assert_eq!(step(&artifact, wait)["over"], "switch/acme.test/www/A", "{text}");
    let (_, explained) = desk.cutover(&["explain", "plan.json", "task/told"]);
    assert!(explained.contains("after: record:site"), "{explained}");
    for (part, after, said) in [
        ("before_switch", "switch", "is done before `switch` comes"),
        ("after_switch", "[ expand, contract ]", "is done before `contract` comes"),
        ("before_switch", "record:sites", "did you mean `record:site`?"),
        ("before_switch", "[ expand, 1 ]", "wanted text"),
    ] {
        let (code, text) = {
            let desk = one(&tasks(part, after));
            desk.cutover(&["check", "plan.yaml"])
        };
        assert!(code == 2 && text.contains(said), "{part} {after}: {text}");
    }
    // What the record waits for is known when the order stands.
    let late = tasks("before_switch", "record:site").replace("lower_ttl: 1s", "after: switch");
    let (code, text) = one(&late).cutover(&["plan", "plan.yaml"]);
    assert!(code == 2 && text.contains("`told` comes before what it shall come after"), "{text}");
}

/// Line 28: what only a person can know is asked when its time has come, and nothing that relies on it
/// is done before.
#[test]
fn facts_of_people_are_asked_for() {
    let desk = one("");
    let (artifact, text) = planned(&desk);
    let kind = |id: &str| step(&artifact, id)["kind"].clone();
    assert_eq!(kind("assume/contract/sends/own"), "task", "{text}");
    assert_eq!(kind("assume/contract/synced/own"), "task");
    assert_eq!(kind("assume/contract/clients/own"), "checkpoint");
    let asked = "assume/contract/sends/own waits for a person: see that `own` is not, or no longer, what people and programs send mail through";
    let apply = ["apply", "plan.json", "--auto-approve"];
    let mut said = String::new();
    // Each wait is of a second or two.
    for _ in 0..100 {
        let (code, text) = desk.cutover(&apply);
        said = text;
        if code == 6 {
            break;
        }
        assert_eq!(code, 4, "{said}");
        crate::lab::sleep(std::time::Duration::from_millis(300));
    }
    assert!(said.contains(asked), "{said}");
    let spf = || desk.read("zones/acme.test.zone");
    assert!(spf().contains("ip4:192.0.2.10 ip4:192.0.2.40"), "{}", spf());
    // The check of the other one is asked as long as it takes.
    let confirm = ["confirm", "plan.json", "assume/contract/sends/own", "--reason", "asked around"];
    desk.ends(0, &confirm);
    let (_, text) = desk.cutover(&["status", "plan.json"]);
    assert!(text.contains("assume/contract/synced/own"), "{text}");
    desk.write("copied", "");
    desk.ends(0, &["apply", "plan.json", "--auto-approve", "--wait"]);
    assert!(spf().contains("\"v=spf1 ip4:192.0.2.40 -all\""), "{}", spf());
    for (from, to, said) in [
        ("from: contract, confirm: false", "confirm: false", "what is so already is not asked for"),
        ("from: contract, check:", "from: contract, confirm: false, check:", "keep one of"),
    ] {
        desk.write("other.yaml", desk.read("plan.yaml").replacen(from, to, 1));
        let (code, text) = desk.cutover(&["check", "other.yaml"]);
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

fn hoster() -> Desk {
    let zone = "@ MX 10 mail.acme.test.\n@ TXT \"v=spf1 ip4:192.0.2.10 -all\"\nmail A 192.0.2.10\nmx A 192.0.2.40\n";
    let zones = ["acme.test", "shop.test", "extra.test"].map(|name| (name, zone));
    let desk = desk(&zones, HOSTER);
    std::fs::create_dir(desk.path("shared")).expect("a directory");
    let part = |from: &str, to: &str| {
        let from = ONE.find(from).expect("a part");
        ONE[from..].split(to).next().expect("a part").to_owned()
    };
    let hosts = part("hosts:", "migrate:").replace("mx.acme.test.", "\"mx.{domain}\"");
    desk.write("shared/hosts.yaml", hosts);
    desk.write("shared/facts.yaml", part("assume:", "\u{0}"));
    desk.write("shared/domains.txt", "# customers\nacme.test\nshop.test   # the shop\n");
    desk
}

/// Line 32: hosts and facts in files, a list of domains, and what all zones have in common.
#[test]
fn a_plan_of_several_files() {
    let desk = hoster();
    let (artifact, text) = planned(&desk);
    let written = written(&artifact);
    for domain in ["acme.test", "shop.test"] {
        let key = (format!("switch/{domain}/@/MX"), format!("{domain}."));
        assert_eq!(written[&key], Some(vec![format!("10 mx.{domain}.")]), "{text}");
    }
    let ttl = |id: &str| step(&artifact, id)["changes"][0]["after"]["ttl"].clone();
    assert_eq!(ttl("publish/acme.test/www/A"), 600);
    assert_eq!(ttl("publish/extra.test/www/A"), 1200);
    // The artifact is of all files: a fact, a host or a domain that is changed makes it another one.
    for file in ["shared/hosts.yaml", "shared/facts.yaml", "shared/domains.txt"] {
        let before = desk.read(file);
        desk.write(file, format!("{before}\n# one more line\n"));
        let (changed, _) = planned(&desk);
        assert_ne!(changed["plan"], artifact["plan"], "{file}");
        desk.write(file, before);
    }
    assert_eq!(planned(&desk).0["digest"], artifact["digest"]);
    // An open run is not gone on with when a file that it was made of has changed.
    desk.ends(4, &["apply", "plan.yaml", "--auto-approve"]);
    desk.write("shared/domains.txt", "acme.test\n");
    let (code, text) = desk.cutover(&["apply", "plan.yaml", "--auto-approve"]);
    assert!(code == 2 && text.contains("the plan has changed since its run began"), "{text}");
}

/// Line 32: a mistake is shown in the file, and in the line, that it was made in.
#[test]
fn mistakes_stand_in_their_file() {
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
            "`migrate` stands in two files",
        ),
        (
            "shared/facts.yaml",
            "assume:",
            "name: other\nassume:",
            "`name` stands in the plan itself",
        ),
        (
            "shared/facts.yaml",
            "assume:",
            "hosts: { own: {} }\nassume:",
            "`own` stands in two files",
        ),
        ("plan.yaml", "provider: files }", "provider: fils }", "did you mean `files`?"),
        ("plan.yaml", "zone: { provider: files }", "zone: {}", "the key `provider` is missing"),
        (
            "plan.yaml",
            "record: { zone: acme.test, ttl",
            "record: { ttl",
            "the key `zone` is missing",
        ),
        (
            "plan.yaml",
            "shared/domains.txt }, from",
            "shared/none.txt }, from",
            "`shared/none.txt` cannot be used",
        ),
    ] {
        let desk = hoster();
        desk.write(file, desk.read(file).replacen(from, to, 1));
        let (code, text) = desk.cutover(&["check", "plan.yaml"]);
        assert!(code == 2 && text.contains(said), "{file} {to}: {text}");
    }
    // What stands in a default is said once, however many zones have it.
    let desk = hoster();
    desk.write(
        "plan.yaml",
        desk.read("plan.yaml").replacen("provider: files }", "provider: fils }", 1),
    );
    let (_, text) = desk.cutover(&["check", "plan.yaml"]);
    assert!(text.contains(": 1 problem"), "{text}");
}

/// Line 32: a plan reads nothing that lies outside of its directory.
#[test]
fn a_plan_reads_nothing_outside_of_its_directory() {
    let desk = hoster();
    std::fs::create_dir(desk.path("plans")).expect("a directory");
    desk.write("secret.txt", "acme.test\n");
    assert_eq!(desk.shell("ln -s ../secret.txt plans/link.txt; mkfifo plans/pipe.txt; ln -s .. plans/up; echo acme.test > plans/inside.txt; ln -s inside.txt plans/alias.txt").0, 0);
    let plan = |file: &str| {
        let plan = desk
            .read("plan.yaml")
            .replace("include: [ shared/hosts.yaml, shared/facts.yaml ]\n", "");
        desk.write("plans/plan.yaml", plan.replace("shared/domains.txt", file));
        desk.cutover(&["check", "plans/plan.yaml"]).1
    };
    for (file, said) in [
        ("../secret.txt", "without `..`"),
        ("/etc/hostname", "without `..`"),
        ("link.txt", "out of the plan's directory"),
        ("up/secret.txt", "out of the plan's directory"),
        ("pipe.txt", "it is no file"),
        ("plan.txt", "No such file"),
    ] {
        let text = plan(file);
        assert!(
            text.contains(&format!("`{file}` cannot be used")) && text.contains(said),
            "{text}"
        );
    }
    for file in ["inside.txt", "alias.txt"] {
        assert!(!plan(file).contains("cannot be used"), "{file}");
    }
}

/// A desk with a plan for each zone, which changes `www` there.
fn many() -> Desk {
    let zone = "$TTL 1\nwww A 192.0.2.80\n";
    let desk = desk(&[("a.test", zone), ("b.test", zone)], "");
    for name in ["a", "b"] {
        let plan = desk.read("plan.yaml").replace("name: trial", &format!("name: {name}"));
        let more = format!(
            "zones: {{ {name}.test: {{ provider: files }} }}\nclocks: {{ margin: 1s }}\nrecords:\n  \
             - {{ id: x, zone: {name}.test, name: www, type: A, to: [ 192.0.2.81 ] }}\n  \
             - {{ zone: {name}.test, name: new, type: A, to: [ 192.0.2.82 ], after: \"record:x\" }}\n"
        );
        desk.write(&format!("{name}.yaml"), plan + &more);
    }
    desk
}

/// Line 31: several plans are planned, reviewed and run by one command.
#[test]
fn several_plans_at_once() {
    let desk = many();
    let said = desk.ends(0, &["check", "a.yaml", "b.yaml"]);
    assert!(said.contains("a.yaml: ok") && said.contains("b.yaml: ok"), "{said}");
    desk.ends(0, &["plan", "a.yaml", "b.yaml", "-o", "review"]);
    for name in ["a", "b"] {
        assert!(desk.path(&format!("review/{name}.json")).exists(), "{name}");
    }
    // One that cannot be planned keeps no other back.
    desk.write(
        "bad.yaml",
        desk.read("a.yaml").replace("a.test", "none.test").replace("name: a", "name: bad"),
    );
    let (code, text) = desk.cutover(&["plan", "bad.yaml", "b.yaml", "-o", "other"]);
    assert!(code == 1 && desk.path("other/b.json").exists(), "{code}: {text}");
    // Each goes as far as it can.
    desk.ends(4, &["apply", "a.yaml", "b.yaml", "--auto-approve"]);
    for name in ["a", "b"] {
        let zone = desk.read(&format!("zones/{name}.test.zone"));
        assert!(zone.contains("192.0.2.81") && !zone.contains("192.0.2.82"), "{zone}");
    }
    let text = desk.ends(0, &["apply", "a.yaml", "b.yaml", "--auto-approve", "--wait"]);
    assert!(text.contains("done: a is as") && text.contains("done: b is as"), "{text}");
}

/// Line 31: what two plans both change is refused, with both places.
#[test]
fn two_plans_change_no_zone_together() {
    let desk = many();
    desk.write("c.yaml", desk.read("b.yaml").replace("name: b", "name: c"));
    desk.write("d.yaml", desk.read("b.yaml").replace("b.test", "a.test"));
    for (args, said) in [
        (&["check", "b.yaml", "c.yaml"][..], "two plans change the zone b.test."),
        (&["plan", "b.yaml", "c.yaml"], "two plans change the zone b.test."),
        (&["apply", "b.yaml", "c.yaml", "--auto-approve"], "two plans change the zone b.test."),
        (&["check", "b.yaml", "d.yaml"], "two plans have the name `b`"),
    ] {
        let (code, text) = desk.cutover(args);
        assert!(code == 2 && text.contains(said), "{args:?}: {text}");
        let second = args[2];
        assert!(text.contains(&format!("--> {second}:")) && text.contains("b.yaml:"), "{text}");
    }
    let (code, _) = desk.cutover(&["plan", "b.yaml", "-o", "b.json"]);
    assert_eq!(code, 0);
    desk.ends(0, &["plan", "c.yaml", "-o", "c.json"]);
    let (code, text) = desk.cutover(&["apply", "b.json", "c.json", "--auto-approve"]);
    assert!(code == 2 && text.contains("b.test. is changed by the artifact"), "{text}");
}

/// A hundred domains that move alike, but for the `autodiscover` record of two of them.
fn hundred() -> Desk {
    let names: Vec<String> = (0..100).map(|number| format!("d{number:03}.test")).collect();
    let key = "\"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"";
    let zone = |name: &String| {
        let other = match ["d003.test", "d050.test"].contains(&name.as_str()) {
            true => "autodiscover CNAME mail.own.test.\n",
            false => "",
        };
        format!(
            "$TTL 1d\n@ MX 10 mail.own.test.\n@ TXT \"v=spf1 ip4:192.0.2.10 -all\"\n\
             s1._domainkey TXT {key}\n_imaps._tcp SRV 0 1 993 mail.own.test.\n{other}"
        )
    };
    let mut zones: Vec<(&str, String)> =
        names.iter().map(|name| (name.as_str(), zone(name))).collect();
    zones.push(("own.test", "mail A 192.0.2.10\nftp CNAME mail\n".to_owned()));
    let keys: String = names.iter().map(|name| format!("s2.{name}.dkim TXT {key}\n")).collect();
    zones.push((
        "host.test",
        format!("mx1 A 203.0.113.25\nimap A 203.0.113.27\nsmtp A 203.0.113.28\nauto A 203.0.113.29\n_spf TXT \"v=spf1 ip4:203.0.113.0/24 -all\"\n{keys}"),
    ));
    let zones: Vec<(&str, &str)> =
        zones.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let facts = ONE.split("assume:").nth(1).expect("facts");
    let desk = desk(
        &zones,
        &format!(
            "defaults: {{ zone: {{ provider: files }} }}
zones: [ {{ file: domains.txt }}, own.test, host.test ]
hosts:
  own:
    exchanges: [ {{ preference: 10, name: mail.own.test. }} ]
    senders: [ {{ name: people, spf: \"ip4:192.0.2.10\", dkim: [ s1 ] }} ]
    discovery: {{ imap: \"mail.own.test:993\" }}
  host:
    exchanges: [ {{ preference: 10, name: mx1.host.test. }} ]
    senders: [ {{ name: people, spf: \"include:_spf.host.test\", dkim: [ {{ selector: s2, cname: \"s2.{{domain}}.dkim.host.test.\" }} ] }} ]
    discovery: {{ imap: \"imap.host.test:993\", submission: \"smtp.host.test:465\", autodiscover: auto.host.test. }}
migrate: {{ domains: {{ file: domains.txt }}, from: own, to: host }}
assume:
  - {{ fact: redirects, host: own, from: switch, reason: it passes log-ins on }}{facts}"
        ),
    );
    desk.write("domains.txt", names.join("\n") + "\n");
    desk
}

/// Lines 23 and 24: what a reviewer looks at first comes first, and of a hundred domains that move alike
/// one is shown, and how others differ: two screens.
#[test]
fn a_hundred_alike_domains_are_read_on_two_screens() {
    let desk = hundred();
    let text = desk.ends(0, &["plan", "plan.yaml"]);
    let at = |words: &str| {
        let line = text.lines().position(|line| line.contains(words));
        line.unwrap_or_else(|| panic!("`{words}` is not said: {text}"))
    };
    assert!(text.lines().count() <= 100, "{} lines: {text}", text.lines().count());
    let order = [
        "PROVED: ",
        "no way back from checkpoint/release-old",
        "98 zones are alike; d000.test. stands for",
        "2 zones are alike; d003.test. stands for d050.test.",
        "Difference from beginning to end",
        "+ d000.test. 86400 MX 10 mx1.host.test.",
        "- autodiscover.d003.test. 86400 CNAME mail.own.test.",
        "Timeline",
    ];
    let places: Vec<usize> = order.iter().map(|words| at(words)).collect();
    assert!(places.is_sorted(), "{places:?}: {text}");
    // What is the same in the two that differ is not said again.
    assert!(!text.contains("d003.test. 86400 MX") && !text.contains("d050.test. 86400"), "{text}");
    let full = desk.ends(0, &["plan", "plan.yaml", "--full"]);
    for number in 0..100 {
        assert!(full.contains(&format!("switch the MX records of d{number:03}.test.")), "{number}");
    }
    // Line 29: what goes with the old host is listed.
    for line in ["mail.own.test. A 192.0.2.10", "ftp.own.test. CNAME mail.own.test."] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

/// Line 10, 23: every clock that is shorter than usual stands on the first screen.
#[test]
fn shorter_clocks_are_seen_first() {
    let text = one("").ends(0, &["plan", "plan.yaml"]);
    let head = text.split("Difference").next().expect("a head");
    for clock in ["margin", "use", "queue_life", "overrun", "keep_old"] {
        assert!(head.contains(&format!("! shorter than usual: `{clock}` is ")), "{clock}: {text}");
    }
    assert!(head.contains("a person is asked 2 times"), "{head}");
}

/// Line 29: at the release too.
#[test]
fn what_goes_with_the_old_host_is_said_at_its_release() {
    let desk = one("");
    let zone = desk.read("zones/acme.test.zone");
    desk.write(
        "zones/acme.test.zone",
        zone + "ftp CNAME mail\ncpanel A 192.0.2.10\n_caldavs._tcp SRV 0 1 443 cpanel\n",
    );
    desk.write(
        "plan.yaml",
        desk.read("plan.yaml")
            .replace(
                "from: contract, check: [ test, -e, copied ]",
                "from: contract, confirm: false",
            )
            .replace(
                "from: contract, reason: people",
                "from: contract, confirm: false, reason: people",
            ),
    );
    let text = desk.ends(0, &["apply", "plan.yaml", "--auto-approve", "--wait"]);
    let said = text.split("Before you switch the old host off").nth(1).expect("it is said");
    for line in [
        "mail.acme.test. A 192.0.2.10",
        "ftp.acme.test. CNAME mail.acme.test.",
        "cpanel.acme.test. A 192.0.2.10",
        "_caldavs._tcp.acme.test. SRV 0 1 443 cpanel.acme.test.",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
}

/// Two zones in one plan, each with a change and another one that waits for it.
fn two_zones(more: &str, of_b: &str) -> Desk {
    let zone = "$TTL 1\nwww A 192.0.2.80\n";
    let both: String = ["a.test", "b.test"]
        .iter()
        .map(|zone| {
            format!(
                "  - {{ id: {}, zone: {zone}, name: www, type: A, to: [ 192.0.2.81 ] }}\n  \
                 - {{ zone: {zone}, name: new, type: A, to: [ 192.0.2.82 ], after: \"record:{}\" }}\n",
                &zone[..1],
                &zone[..1]
            )
        })
        .collect();
    let zones = "zones: { a.test: { provider: files }, b.test: { provider: files } }\nclocks: { margin: 1s }\n";
    let desk = desk(
        &[("a.test", zone), ("b.test", &format!("{zone}{of_b}"))],
        &format!("{zones}records:\n{both}{more}"),
    );
    desk.ends(0, &["plan", "plan.yaml", "-o", "plan.json"]);
    // Somebody edits one of them in the meantime.
    let drifted = desk.read("zones/a.test.zone").replace("192.0.2.80", "192.0.2.99");
    desk.write("zones/a.test.zone", drifted);
    desk
}

/// Line 25: drift in one zone holds up what hangs on it, and nothing else.
#[test]
fn drift_in_one_zone_leaves_the_others_alone() {
    let desk = two_zones("", "");
    let apply = ["apply", "plan.json", "--auto-approve", "--wait"];
    let text = desk.ends(5, &apply);
    assert!(text.contains("set aside") && text.contains("192.0.2.99"), "{text}");
    let b = desk.read("zones/b.test.zone");
    assert!(b.contains("192.0.2.81") && b.contains("192.0.2.82"), "{b}");
    let a = desk.read("zones/a.test.zone");
    assert!(a.contains("192.0.2.99") && !a.contains("192.0.2.82"), "{a}");
    let (_, status) = desk.cutover(&["status", "plan.json"]);
    assert!(status.contains("halted at switch/a.test/www/A"), "{status}");
    // A run that waits ends with the worse of the two.
    let other = two_zones("", "");
    let text = other.ends(5, &["apply", "plan.json", "--auto-approve"]);
    assert!(text.contains("waiting: apply again at"), "{text}");
    // Put back, it goes on.
    desk.write("zones/a.test.zone", a.replace("192.0.2.99", "192.0.2.80"));
    desk.ends(0, &apply);
    let a = desk.read("zones/a.test.zone");
    assert!(a.contains("192.0.2.81") && a.contains("192.0.2.82"), "{a}");
}

/// Line 25: `halt` stops everything, and so does drift in a zone that the others lead into.
#[test]
fn what_hangs_on_a_zone_waits_for_it() {
    let lead = "home CNAME www.a.test.\n";
    for (more, of_b) in [("on_drift: halt\n", ""), ("", lead)] {
        let desk = two_zones(more, of_b);
        let text = desk.ends(5, &["apply", "plan.json", "--auto-approve", "--wait"]);
        assert!(!text.contains("set aside"), "{text}");
        let b = desk.read("zones/b.test.zone");
        assert!(!b.contains("192.0.2.82"), "{more}{of_b}: {b}");
    }
    // The other way round nothing hangs on the zone that has drifted.
    let desk = two_zones("", "");
    let a = desk.read("zones/a.test.zone") + "home CNAME www.b.test.\n";
    desk.write("zones/a.test.zone", a.replace("192.0.2.99", "192.0.2.80"));
    desk.ends(0, &["plan", "plan.yaml", "-o", "plan.json"]);
    desk.write("zones/a.test.zone", a);
    let text = desk.ends(5, &["apply", "plan.json", "--auto-approve", "--wait"]);
    assert!(
        text.contains("set aside") && desk.read("zones/b.test.zone").contains("192.0.2.82"),
        "{text}"
    );
    let zones =
        serde_json::from_str::<Value>(&desk.read("plan.json")).expect("JSON")["zones"].clone();
    let reads = |zone: &str| {
        let all = zones.as_array().expect("zones");
        all.iter().find(|one| one["name"] == zone).expect("the zone")["reads"].clone()
    };
    assert_eq!(reads("a.test."), serde_json::json!(["b.test."]));
    assert_eq!(reads("b.test."), serde_json::json!([]));
}
