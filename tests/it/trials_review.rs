//! Problems that trials found in plans of many domains, and in what reviewers see: one test for
//! each reported line.

use cutover::artifact::Artifact;
use cutover::graph::{Step, StepId};
use serde_json::Value;

use crate::trials_plan::{ONE, fixture, moving_domain};
use crate::zonefile_fixture::ZonefileFixture;

/// A fixture with a plan for each zone, which changes `www` there.
fn many() -> ZonefileFixture {
    let zone = "$TTL 1\nwww A 192.0.2.80\n";
    let fixture = fixture(&[("a.test", zone), ("b.test", zone)], "");
    for name in ["a", "b"] {
        let plan = fixture.read("plan.yaml").replace("name: trial", &format!("name: {name}"));
        let more = format!(
            "zones: {{ {name}.test: {{ provider: files }} }}\nclocks: {{ margin: 1s }}\nrecords:\n  \
             - {{ id: x, zone: {name}.test, name: www, type: A, to: [ 192.0.2.81 ] }}\n  \
             - {{ zone: {name}.test, name: new, type: A, to: [ 192.0.2.82 ], after: \"record:x\" }}\n"
        );
        fixture.write(&format!("{name}.yaml"), plan + &more);
    }
    fixture
}

/// Line 31: one command plans, shows and runs several plans.
#[test]
fn several_plans_at_once() {
    let fixture = many();
    let said = fixture.ends(0, &["check", "a.yaml", "b.yaml"]);
    assert!(said.contains("a.yaml: ok") && said.contains("b.yaml: ok"), "{said}");
    fixture.ends(0, &["plan", "a.yaml", "b.yaml", "-o", "review"]);
    for name in ["a", "b"] {
        assert!(fixture.path(&format!("review/{name}.json")).exists(), "{name}");
    }
    // A plan that cannot be planned does not hold up the others.
    fixture.write(
        "bad.yaml",
        fixture.read("a.yaml").replace("a.test", "none.test").replace("name: a", "name: bad"),
    );
    let (code, text) = fixture.cutover(&["plan", "bad.yaml", "b.yaml", "-o", "other"]);
    assert!(code == 1 && fixture.path("other/b.json").exists(), "{code}: {text}");
    // Each goes as far as it can.
    fixture.ends(4, &["apply", "a.yaml", "b.yaml", "--auto-approve"]);
    for name in ["a", "b"] {
        let zone = fixture.read(&format!("zones/{name}.test.zone"));
        assert!(zone.contains("192.0.2.81") && !zone.contains("192.0.2.82"), "{zone}");
    }
    let text = fixture.ends(0, &["apply", "a.yaml", "b.yaml", "--auto-approve", "--wait"]);
    assert!(
        text.contains("matches the plan `a`") && text.contains("matches the plan `b`"),
        "{text}"
    );
}

/// Line 31: if two plans change the same record, they are refused, and both places are shown.
#[test]
fn two_plans_cannot_change_the_same_record() {
    let fixture = many();
    fixture.write("c.yaml", fixture.read("b.yaml").replace("name: b", "name: c"));
    fixture.write("d.yaml", fixture.read("b.yaml").replace("b.test", "a.test"));
    for (args, said) in [
        (&["check", "b.yaml", "c.yaml"][..], "two plans change the zone b.test."),
        (&["plan", "b.yaml", "c.yaml"], "two plans change the zone b.test."),
        (&["apply", "b.yaml", "c.yaml", "--auto-approve"], "two plans change the zone b.test."),
        (&["check", "b.yaml", "d.yaml"], "two plans have the name `b`"),
    ] {
        let (code, text) = fixture.cutover(args);
        assert!(code == 2 && text.contains(said), "{args:?}: {text}");
        let second = args[2];
        assert!(text.contains(&format!("--> {second}:")) && text.contains("b.yaml:"), "{text}");
    }
    let (code, _) = fixture.cutover(&["plan", "b.yaml", "-o", "b.json"]);
    assert_eq!(code, 0);
    fixture.ends(0, &["plan", "c.yaml", "-o", "c.json"]);
    let (code, text) = fixture.cutover(&["apply", "b.json", "c.json", "--auto-approve"]);
    assert!(code == 2 && text.contains("both change the zone b.test."), "{text}");
}

/// A hundred domains that move in the same way, except for the `autodiscover` record of two of
/// them.
fn hundred() -> ZonefileFixture {
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
    let fixture = fixture(
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
    fixture.write("domains.txt", names.join("\n") + "\n");
    fixture
}

/// A verification code of each domain stays beside its SPF record, and the domains still count as
/// alike.
#[test]
fn unchanged_texts_do_not_make_a_difference() {
    let fixture = hundred();
    for number in 0..100 {
        let file = format!("zones/d{number:03}.test.zone");
        let zone = fixture.read(&file) + &format!("@ TXT \"site-verification={number:016x}\"\n");
        fixture.write(&file, zone);
    }
    let text = fixture.ends(0, &["plan", "plan.yaml"]);
    assert!(text.contains("98 zones are alike; d000.test. stands for"), "{text}");
    // The two screens, and the line that stays, for each of two zones.
    assert!(text.lines().count() <= 106, "{} lines: {text}", text.lines().count());
}

/// Lines 23 and 24: what matters most to a reviewer comes first. Of a hundred domains that move
/// alike, one is shown, and how others differ: two screens.
#[test]
fn a_hundred_alike_domains_are_read_on_two_screens() {
    let fixture = hundred();
    let text = fixture.ends(0, &["plan", "plan.yaml"]);
    let at = |words: &str| {
        let line = text.lines().position(|line| line.contains(words));
        line.unwrap_or_else(|| panic!("`{words}` is not said: {text}"))
    };
    // Two screens of 52 lines.
    assert!(text.lines().count() <= 104, "{} lines: {text}", text.lines().count());
    let order = [
        "PROVED: ",
        "no way back from checkpoint/release-old",
        "98 zones are alike; d000.test. stands for",
        "2 zones are alike; d003.test. stands for d050.test.",
        "Difference from start to end",
        "+ d000.test. 86400 MX 10 mx1.host.test.",
        "- autodiscover.d003.test. 86400 CNAME mail.own.test.",
        "Timeline",
    ];
    let places: Vec<usize> = order.iter().map(|words| at(words)).collect();
    assert!(places.is_sorted(), "{places:?}: {text}");
    // What the two that differ have in common is not repeated.
    assert!(!text.contains("d003.test. 86400 MX") && !text.contains("d050.test. 86400"), "{text}");
    let full = fixture.ends(0, &["plan", "plan.yaml", "--full"]);
    for number in 0..100 {
        assert!(full.contains(&format!("switch the MX records of d{number:03}.test.")), "{number}");
    }
    // Line 29: what goes away with the old host is listed.
    for line in ["mail.own.test. A 192.0.2.10", "ftp.own.test. CNAME mail.own.test."] {
        assert!(text.contains(line), "{line}: {text}");
    }
    // The same for the state of the run.
    fixture.ends(4, &["apply", "plan.yaml", "--auto-approve"]);
    let state = fixture.ends(0, &["status", "plan.yaml"]);
    assert!(state.lines().count() <= 52, "{} lines: {state}", state.lines().count());
    for said in ["switch/d000.test/@/MX", "and in 99 zones like it", "lower/d003.test/autodiscover"]
    {
        assert!(state.contains(said), "{said}: {state}");
    }
    let full = fixture.ends(0, &["status", "plan.yaml", "--full"]);
    assert!(full.contains("switch/d099.test/@/MX"), "{full}");
}

/// Line 24: what holds for a hundred domains that are alike is in the artifact once.
#[test]
fn a_hundred_alike_domains_are_sealed_in_a_megabyte() {
    let fixture = hundred();
    fixture.ends(0, &["plan", "plan.yaml", "-o", "plan.json"]);
    let text = fixture.read("plan.json");
    assert!(text.len() <= 1 << 20, "{} octets", text.len());
    let all = Artifact::decode(&text).expect("an artifact");
    for (number, graph) in all.rollback_points.iter().map(|point| &point.graph).enumerate() {
        for domain in ["d000", "d003", "d049", "d099"] {
            let of = |step: &&Step| step.id.to_string().contains(&format!("/{domain}.test/"));
            let (ours, theirs) =
                (graph.steps().iter().filter(of), all.graph.steps().iter().filter(of));
            assert!(ours.count() > 3 && theirs.count() > 10, "{number}, {domain}");
        }
    }
    let taken_back = all.rollback_points.iter().flat_map(|point| &point.takes_back);
    let known = |id: &StepId| all.graph.get(id).is_some();
    assert!(taken_back.into_iter().all(|(_, served)| known(served)), "each step serves one");
    assert_eq!(all.forecast.len(), all.graph.steps().len());
    let shown = fixture.ends(0, &["show", "plan.json", "--full"]);
    assert!(shown.contains("switch the MX records of d099.test."), "{shown}");
    // What is written once is sealed like everything else.
    let (first, at) = (text.find("\"at\": [").expect("places"), "\"at\": [");
    let begin = first + at.len();
    let end = begin + text[begin..].find(']').expect("a last place");
    let places: Vec<&str> = text[begin..end].split(',').map(str::trim).collect();
    let with = |places: &[&str]| format!("{}{}{}", &text[..begin], places.join(","), &text[end..]);
    let (swapped, twice) = (
        [&[places[1], places[0]], &places[2..]].concat(),
        [&[places[1], places[1]], &places[2..]].concat(),
    );
    let far = [&["1000000000"], &places[1..]].concat();
    for (touched, why) in [
        (with(&swapped), "it was changed after it was sealed"),
        (with(&twice), "two entries have the same position"),
        (with(&far), "a position is after the last entry"),
        (with(&places[1..]), "it does not have one position for each other zone of its group"),
        (
            text.replacen("\"like\": \"d000.test.\"", "\"like\": \"d001.test.\"", 1),
            "its zone is not the first of a group",
        ),
        (text.replacen("\"d099.test.\"\n", "\"d09\\\\.9.test.\"\n", 1), "cannot be in a group"),
    ] {
        let error = Artifact::decode(&touched).expect_err(why);
        assert!(error.to_string().contains(why), "{why} is missing: {error}");
    }
}

/// Lines 10 and 23: every clock that is shorter than usual is on the first screen.
#[test]
fn shorter_clocks_are_seen_first() {
    let text = moving_domain("").ends(0, &["plan", "plan.yaml"]);
    let head = text.split("Difference").next().expect("a head");
    for clock in ["margin", "use", "queue_life", "overrun", "keep_old"] {
        assert!(head.contains(&format!("! shorter than usual: `{clock}` is ")), "{clock}: {text}");
    }
    assert!(head.contains("needs a person 2 times"), "{head}");
}

/// Line 29: at the release too.
#[test]
fn what_goes_away_with_the_old_host_is_shown_at_its_release() {
    let fixture = moving_domain("");
    let zone = fixture.read("zones/acme.test.zone");
    fixture.write(
        "zones/acme.test.zone",
        zone + "ftp CNAME mail\ncpanel A 192.0.2.10\n_caldavs._tcp SRV 0 1 443 cpanel\n",
    );
    fixture.write(
        "plan.yaml",
        fixture
            .read("plan.yaml")
            .replace(
                "from: contract, check: [ test, -e, copied ]",
                "from: contract, confirm: false",
            )
            .replace(
                "from: contract, reason: people",
                "from: contract, confirm: false, reason: people",
            ),
    );
    let text = fixture.ends(0, &["apply", "plan.yaml", "--auto-approve", "--wait"]);
    let said = text.split("Before you switch off the old host").nth(1).expect("it is said");
    for line in [
        "mail.acme.test. A 192.0.2.10",
        "ftp.acme.test. CNAME mail.acme.test.",
        "cpanel.acme.test. A 192.0.2.10",
        "_caldavs._tcp.acme.test. SRV 0 1 443 cpanel.acme.test.",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
}

/// Two zones in a plan, each with a change and another change that waits for it.
fn two_zones(more: &str, of_b: &str) -> ZonefileFixture {
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
    let fixture = fixture(
        &[("a.test", zone), ("b.test", &format!("{zone}{of_b}"))],
        &format!("{zones}records:\n{both}{more}"),
    );
    fixture.ends(0, &["plan", "plan.yaml", "-o", "plan.json"]);
    // Somebody else edits one of them meanwhile.
    let drifted = fixture.read("zones/a.test.zone").replace("192.0.2.80", "192.0.2.99");
    fixture.write("zones/a.test.zone", drifted);
    fixture
}

/// Line 25: drift in a zone holds up what depends on it, and nothing else.
#[test]
fn drift_in_one_zone_leaves_the_others_alone() {
    let fixture = two_zones("", "");
    let apply = ["apply", "plan.json", "--auto-approve", "--wait"];
    let text = fixture.ends(5, &apply);
    assert!(text.contains("set aside") && text.contains("192.0.2.99"), "{text}");
    let b = fixture.read("zones/b.test.zone");
    assert!(b.contains("192.0.2.81") && b.contains("192.0.2.82"), "{b}");
    let a = fixture.read("zones/a.test.zone");
    assert!(a.contains("192.0.2.99") && !a.contains("192.0.2.82"), "{a}");
    let (_, status) = fixture.cutover(&["status", "plan.json"]);
    assert!(status.contains("halted at switch/a.test/www/A"), "{status}");
    // A run that waits exits with the worse of the two codes.
    let other = two_zones("", "");
    let text = other.ends(5, &["apply", "plan.json", "--auto-approve"]);
    assert!(text.contains("waiting: apply again at"), "{text}");
    // After the edit is reverted, the run continues.
    fixture.write("zones/a.test.zone", a.replace("192.0.2.99", "192.0.2.80"));
    fixture.ends(0, &apply);
    let a = fixture.read("zones/a.test.zone");
    assert!(a.contains("192.0.2.81") && a.contains("192.0.2.82"), "{a}");
}

/// Line 25: `halt` stops everything, and so does drift in a zone on which the others depend.
#[test]
fn what_depends_on_a_zone_waits_for_it() {
    let lead = "home CNAME www.a.test.\n";
    for (more, of_b) in [("on_drift: halt\n", ""), ("", lead)] {
        let fixture = two_zones(more, of_b);
        let text = fixture.ends(5, &["apply", "plan.json", "--auto-approve", "--wait"]);
        assert!(!text.contains("set aside"), "{text}");
        let b = fixture.read("zones/b.test.zone");
        assert!(!b.contains("192.0.2.82"), "{more}{of_b}: {b}");
    }
    // In the other direction, nothing depends on the zone that has drifted.
    let fixture = two_zones("", "");
    let a = fixture.read("zones/a.test.zone") + "home CNAME www.b.test.\n";
    fixture.write("zones/a.test.zone", a.replace("192.0.2.99", "192.0.2.80"));
    fixture.ends(0, &["plan", "plan.yaml", "-o", "plan.json"]);
    fixture.write("zones/a.test.zone", a);
    let text = fixture.ends(5, &["apply", "plan.json", "--auto-approve", "--wait"]);
    assert!(
        text.contains("set aside") && fixture.read("zones/b.test.zone").contains("192.0.2.82"),
        "{text}"
    );
    let zones =
        serde_json::from_str::<Value>(&fixture.read("plan.json")).expect("JSON")["zones"].clone();
    let reads = |zone: &str| {
        let all = zones.as_array().expect("zones");
        all.iter().find(|other| other["name"] == zone).expect("the zone")["reads"].clone()
    };
    assert_eq!(reads("a.test."), serde_json::json!(["b.test."]));
    assert_eq!(reads("b.test."), serde_json::json!([]));
}

/// Line 53: fifty thousand records in their own files are a plan, and there is a limit.
#[test]
fn fifty_thousand_records_are_a_plan() {
    let files: Vec<String> = (0..5).map(|number| format!("part{number}.yaml")).collect();
    let fixture = fixture(
        &[],
        &format!(
            "include: [ {} ]\ndefaults: {{ record: {{ zone: a.test }} }}\nzones: {{ a.test: {{ provider: files }} }}\n",
            files.join(", ")
        ),
    );
    for (number, file) in files.iter().enumerate() {
        let records = (0..10_000).map(|record| {
            format!("  - {{ name: r{number}-{record}, type: A, to: [ 192.0.2.1 ] }}\n")
        });
        fixture.write(file, format!("records:\n{}", records.collect::<String>()));
    }
    let bounded = "ulimit -v 2000000; cutover check plan.yaml";
    let (code, text) = fixture.shell(bounded);
    assert!(code == 0 && text.contains("plan.yaml: ok"), "{text}");
    let more: Vec<String> = (0..12).map(|number| format!("more{number}.yaml")).collect();
    for file in &more {
        fixture.write(file, format!("records:\n# {}\n", "x".repeat(4_000_000)));
    }
    fixture.write(
        "large.yaml",
        fixture.read("plan.yaml").replace(&files.join(", "), &more.join(", ")),
    );
    let (code, text) = fixture.shell(&bounded.replace("plan.yaml", "large.yaml"));
    assert!(code == 2 && text.contains("all files together have more than"), "{text}");
}
