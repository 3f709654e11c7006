//! Checks: each finds its defect in one zone, and nothing in another; plans show what they find.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use cutover::check::{ALL, Finding, Look, Subject, look};
use cutover::dkim::is_dkim;
use cutover::resolution::{Reply, reply};
use cutover_zone::{Name, Rdata, RrKey, RrSet, RrType, Ttl, Zone};

use crate::zonefile_fixture::ZonefileFixture;

/// Each check with a world in which it finds something, and one in which it does not.
///
/// A world is records of any zone, one a line, as `OWNER TTL TYPE RDATA`. Lines with a sign are not
/// records: `!policy` is a line of the MTA-STS policy, `!no-policy` says why there is none,
/// `!unsigned` and `!signed` are about the DS record, and `!after` is a record that the plan leaves.
const CASES: &[(&str, &str, &str)] = &[
    (
        "caa-limits-issuers",
        "acme.test. 60 CAA 0 issue \"ca.example\"",
        "other.test. 60 CAA 0 issue \"ca.example\"",
    ),
    ("zone-not-signed", "!unsigned", "!signed"),
    (
        "zone-one-server",
        "acme.test. 60 NS ns1.acme.test.",
        "acme.test. 60 NS ns1.acme.test.\nacme.test. 60 NS ns2.acme.test.",
    ),
    (
        "dkim-key-unusable",
        "s1._domainkey.acme.test. 60 TXT \"v=DKIM1; k=rsa; p=!\"",
        "s1._domainkey.acme.test. 60 TXT \"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"",
    ),
    (
        "dkim-not-found",
        "acme.test. 60 MX 10 mail.acme.test.",
        "acme.test. 60 MX 10 mail.acme.test.\ns1._domainkey.acme.test. 60 TXT \"p=AA\"",
    ),
    (
        "dkim-key-revoked",
        "s1._domainkey.acme.test. 60 TXT \"v=DKIM1; p=\"",
        "s1._domainkey.acme.test. 60 TXT \"v=DKIM1; p=AA\"",
    ),
    (
        "dkim-key-short",
        // 1,024 bits.
        "s1._domainkey.acme.test. 60 TXT \"v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB\"",
        // 2,048 bits, as an example of a profile.
        "s1._domainkey.acme.test. 60 TXT \"v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAhIzSfJl4sultzT1cmMznE8QerUaDB5yaGjFWT2cGe5w7YIheHNEtPAJnV8Fk6Jd6BrPWvt9vIiO40h0W+L46ecxWwmcRallJ6bSylvXkto0QqAYp4llfF85gQTUYvU/1nUmV056HJWH9L/HpyVjczp8PPp6KQsPo\" \"NpKmhwhFjsz/h93YFsakjs4jg+JrQV7fhExHGAqUkAmuTrn8B4uDlHfjk/O1UHOIQQGmzzNBP7OlO4pD3NnWEUKZNUiaEnhoYgvbwU1eG0TmSOT9M4T/OUlWt7NltiG+nM7LGkBzsvbmvN/sizfv26CltDsII690v2Fpql+8uw4up447d6lK2wIDAQAB\"",
    ),
    (
        "dkim-key-testing",
        "s1._domainkey.acme.test. 60 TXT \"v=DKIM1; t=y; p=AA\"",
        "s1._domainkey.acme.test. 60 TXT \"v=DKIM1; t=s; p=AA\"",
    ),
    (
        "dmarc-invalid",
        "_dmarc.acme.test. 60 TXT \"v=DMARC1; p=refuse\"",
        "_dmarc.acme.test. 60 TXT \"v=DMARC1; p=Reject\"",
    ),
    (
        "dmarc-missing",
        "acme.test. 60 MX 10 mail.acme.test.",
        "acme.test. 60 MX 10 mail.acme.test.\n_dmarc.acme.test. 60 TXT \"v=DMARC1; p=none\"",
    ),
    (
        "dmarc-reports-inside",
        "_dmarc.acme.test. 60 TXT \"v=DMARC1; p=none; rua=mailto:a@other.test,mailto:b@sub.acme.test!10m\"",
        "_dmarc.acme.test. 60 TXT \"v=DMARC1; p=none; rua=mailto:a@other.test\"",
    ),
    (
        "dmarc-reports-not-accepted",
        "_dmarc.acme.test. 60 TXT \"v=DMARC1; p=none; rua=mailto:a@other.test\"",
        "_dmarc.acme.test. 60 TXT \"v=DMARC1; p=none; rua=mailto:a@other.test\"\nacme.test._report._dmarc.other.test. 60 TXT \"v=DMARC1\"",
    ),
    (
        "dmarc-strict",
        "_dmarc.acme.test. 60 TXT \"v=DMARC1; p=quarantine\"",
        "_dmarc.acme.test. 60 TXT \"v=DMARC1; p=none; sp=reject\"",
    ),
    (
        "dmarc-several",
        "_dmarc.acme.test. 60 TXT \"v=DMARC1; p=none\"\n_dmarc.acme.test. 60 TXT \"v=DMARC1; p=reject\"",
        "_dmarc.acme.test. 60 TXT \"v=DMARC1; p=none\"\n_dmarc.acme.test. 60 TXT \"something else\"",
    ),
    (
        "dmarc-no-policy",
        "_dmarc.acme.test. 60 TXT \"v=DMARC1; rua=mailto:a@other.test\"",
        "_dmarc.acme.test. 60 TXT \"v=DMARC1; p=quarantine\"",
    ),
    (
        "mx-alias",
        "acme.test. 60 MX 10 mail.acme.test.\nmail.acme.test. 60 CNAME a.acme.test.\na.acme.test. 60 A 192.0.2.1",
        "acme.test. 60 MX 10 mail.acme.test.\nmail.acme.test. 60 A 192.0.2.1",
    ),
    (
        "mx-of-several-hosts",
        "acme.test. 60 MX 1 smtp.google.com.\nacme.test. 60 MX 20 mx.old.test.",
        "acme.test. 60 MX 10 in1-smtp.messagingengine.com.\nacme.test. 60 MX 20 in2-smtp.messagingengine.com.",
    ),
    (
        "mx-implicit",
        "acme.test. 60 A 192.0.2.80",
        "acme.test. 60 A 192.0.2.80\nacme.test. 60 MX 0 .",
    ),
    (
        "mx-without-address",
        "acme.test. 60 MX 10 mail.acme.test.",
        "acme.test. 60 MX 10 mail.acme.test.\nmail.acme.test. 60 AAAA 2001:db8::1",
    ),
    (
        "mx-without-ipv6",
        "acme.test. 60 MX 10 mail.acme.test.\nmail.acme.test. 60 A 192.0.2.1",
        "acme.test. 60 MX 10 mail.acme.test.\nmail.acme.test. 60 AAAA 2001:db8::1",
    ),
    (
        "mx-address-as-name",
        "acme.test. 60 MX 10 192.0.2.1.",
        "acme.test. 60 MX 10 192-0-2-1.acme.test.",
    ),
    (
        "mx-null-and-others",
        "acme.test. 60 MX 0 .\nacme.test. 60 MX 10 mail.acme.test.",
        "acme.test. 60 MX 0 .",
    ),
    (
        "same-host",
        "acme.test. 60 MX 1 smtp.google.com.\n!after acme.test. 60 MX 1 smtp.google.com.",
        "acme.test. 60 MX 1 smtp.google.com.\n!after acme.test. 60 MX 10 mx.zoho.eu.",
    ),
    (
        "mx-wildcard",
        "*.acme.test. 60 MX 10 mail.acme.test.",
        "a.acme.test. 60 MX 10 mail.acme.test.",
    ),
    (
        "parked-not-closed",
        "acme.test. 60 MX 0 .",
        "acme.test. 60 MX 0 .\nacme.test. 60 TXT \"v=spf1 -all\"\n_dmarc.acme.test. 60 TXT \"v=DMARC1; p=reject\"",
    ),
    ("txt-too-large", LARGE, "acme.test. 60 TXT \"v=spf1 -all\""),
    (
        "spf-include-broken",
        "acme.test. 60 TXT \"v=spf1 include:a.test -all\"\na.test. 60 TXT \"nothing\"",
        "acme.test. 60 TXT \"v=spf1 include:a.test -all\"\na.test. 60 TXT \"v=spf1 -all\"",
    ),
    (
        "spf-too-many-lookups",
        "acme.test. 60 TXT \"v=spf1 include:a.test include:a.test include:a.test include:a.test include:a.test include:a.test -all\"\na.test. 60 TXT \"v=spf1 a:b.test -all\"\nb.test. 60 A 192.0.2.1",
        "acme.test. 60 TXT \"v=spf1 include:a.test include:a.test include:a.test include:a.test include:a.test -all\"\na.test. 60 TXT \"v=spf1 a:b.test -all\"\nb.test. 60 A 192.0.2.1",
    ),
    (
        "spf-invalid",
        "acme.test. 60 TXT \"v=spf1 ip4:192.0.2.300 -all\"",
        "acme.test. 60 TXT \"v=spf1 ip4:192.0.2.30 -all\"",
    ),
    (
        "spf-moves-with-mx",
        "acme.test. 60 TXT \"v=spf1 mx -all\"",
        "acme.test. 60 TXT \"v=spf1 mx:other.test -all\"",
    ),
    ("spf-missing", "acme.test. 60 TXT \"nothing\"", "acme.test. 60 TXT \"v=spf1 -all\""),
    (
        "spf-open",
        "acme.test. 60 TXT \"v=spf1 mx ?all\"",
        "acme.test. 60 TXT \"v=spf1 mx redirect=a.test\"",
    ),
    ("spf-ptr", "acme.test. 60 TXT \"v=spf1 ptr -all\"", "acme.test. 60 TXT \"v=spf1 a -all\""),
    (
        "spf-several",
        "acme.test. 60 TXT \"v=spf1 a -all\"\nacme.test. 60 TXT \"v=spf1 mx -all\"",
        "acme.test. 60 TXT \"v=spf1 a -all\"\nacme.test. 60 TXT \"v=spf10\"",
    ),
    (
        "spf-void-lookups",
        "acme.test. 60 TXT \"v=spf1 a:a.test a:b.test a:c.test -all\"",
        "acme.test. 60 TXT \"v=spf1 a:a.test a:b.test a:c.test -all\"\nc.test. 60 A 192.0.2.1",
    ),
    (
        "negative-ttl-long",
        "acme.test. 86400 SOA ns1 host 1 1 1 1 10801",
        "acme.test. 86400 SOA ns1 host 1 1 1 1 10800",
    ),
    (
        "mx-ttl-long",
        "acme.test. 86401 MX 10 mail.acme.test.",
        "acme.test. 86400 MX 10 mail.acme.test.",
    ),
    (
        "tls-reports-missing",
        "_mta-sts.acme.test. 60 TXT \"v=STSv1; id=1\"",
        "_mta-sts.acme.test. 60 TXT \"v=STSv1; id=1\"\n_smtp._tls.acme.test. 60 TXT \"v=TLSRPTv1; rua=mailto:a@other.test\"",
    ),
    (
        "tls-reports-inside",
        "_smtp._tls.acme.test. 60 TXT \"v=TLSRPTv1; rua=mailto:a@acme.test\"",
        "_smtp._tls.acme.test. 60 TXT \"v=TLSRPTv1; rua=https://acme.test/tls\"",
    ),
    (
        "sts-policy-leaves-out",
        "acme.test. 60 MX 10 a.b.mx.test.\n!policy mx: *.mx.test",
        "acme.test. 60 MX 10 b.mx.test.\n!policy mx: *.mx.test",
    ),
    ("sts-policy-unreadable", "!no-policy status 301", "!policy mode: testing"),
    (
        "sts-record-invalid",
        "_mta-sts.acme.test. 60 TXT \"v=STSv1; id=2026-11-30\"",
        "_mta-sts.acme.test. 60 TXT \"v=STSv1; id=20261130\"",
    ),
    (
        "tlsa-at-exchange",
        "acme.test. 60 MX 10 mail.acme.test.\n_25._tcp.mail.acme.test. 60 TLSA 3 1 1 00",
        "acme.test. 60 MX 10 mx.other.test.\n_25._tcp.mx.other.test. 60 TLSA 3 1 1 00",
    ),
    (
        "verification-removed",
        "acme.test. 60 TXT \"google-site-verification=abc\"\n!after acme.test. 60 TXT \"other\"",
        "acme.test. 60 TXT \"google-site-verification=abc\"\nacme.test. 60 TXT \"x\"\n!after acme.test. 60 TXT \"google-site-verification=abc\"",
    ),
];

/// More than fits into a datagram.
const LARGE: &str = "\
acme.test. 60 TXT \"a000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\"
acme.test. 60 TXT \"b000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\"
acme.test. 60 TXT \"c000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\"
acme.test. 60 TXT \"d000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\"
acme.test. 60 TXT \"e000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\"";

fn name(text: &str) -> Name {
    Name::from_user(text).expect("a name")
}

/// Everything in one zone, that of the root.
fn zone<'t>(lines: impl Iterator<Item = &'t str>) -> Zone {
    let mut all: BTreeMap<RrKey, (Ttl, Vec<Rdata>)> = BTreeMap::new();
    for line in lines {
        let parts: Vec<&str> = line.splitn(4, ' ').collect();
        let [owner, ttl, rtype, rdata] = parts[..] else { panic!("no record: {line}") };
        let rtype: RrType = rtype.parse().expect("a type");
        let origin = name("acme.test.");
        let rdata = Rdata::parse(rtype, rdata, Some(&origin)).expect(line);
        let ttl = Ttl::from_wire(ttl.parse().expect("a TTL"));
        let entry = all.entry(RrKey::new(name(owner), rtype)).or_insert((ttl, Vec::new()));
        entry.1.push(rdata);
    }
    let rrsets = all
        .into_iter()
        .map(|(key, (ttl, rdata))| (key, RrSet::new(ttl, rdata).expect("records of one type")));
    Zone { origin: Name::root(), rrsets: rrsets.collect() }
}

fn answer(zone: &Zone, key: &RrKey) -> Look {
    let mut key = key.clone();
    for _ in 0..8 {
        match reply(&zone, &key) {
            Reply::Records(rrset) => {
                let (rdata, ttl) = (rrset.shared_rdata(), Some(rrset.ttl()));
                return Look::Records { rdata, ttl, is_wildcard: zone.get(&key).is_none() };
            }
            Reply::Alias { by, .. } if key.rtype == RrType::CNAME => {
                let (rdata, ttl) = (by.shared_rdata(), Some(by.ttl()));
                return Look::Records { rdata, ttl, is_wildcard: false };
            }
            Reply::Alias { target, .. } => key.name = target,
            Reply::Absent | Reply::Delegated(_) => return Look::Absent,
        }
    }
    Look::Unseen("a circle".to_owned())
}

fn found(world: &str) -> Vec<Finding> {
    let with = |sign: &str| -> Vec<String> {
        world.lines().filter_map(|line| Some(line.strip_prefix(sign)?.trim().to_owned())).collect()
    };
    // A delegation in the zone of the root is none.
    let live = zone(world.lines().filter(|line| !line.starts_with('!')));
    let after = with("!after ");
    let has_after = !after.is_empty();
    let after = zone(after.iter().map(String::as_str));
    let no_policy = with("!no-policy ");
    let policy = match (with("!policy "), no_policy.first()) {
        (_, Some(why)) => Some(Err(why.clone())),
        (lines, None) if lines.is_empty() => None,
        (lines, None) => Some(Ok(lines.join("\n"))),
    };
    let lines: BTreeSet<&str> = world.lines().collect();
    let keys: Vec<Name> = live.rrsets.keys().map(|key| key.name.clone()).filter(is_dkim).collect();
    let domain = name("acme.test.");
    // The zone's NS records would be a delegation in the zone of the root.
    let look_up = |key: &RrKey| match live.get(key) {
        Some(rrset) if key.rtype == RrType::NS => Look::Records {
            rdata: rrset.shared_rdata(),
            ttl: Some(rrset.ttl()),
            is_wildcard: false,
        },
        Some(_) | None => answer(&live, key),
    };
    let later = |key: &RrKey| answer(&after, key);
    look(&Subject {
        domain: &domain,
        zone: Some(&domain),
        look: &look_up,
        after: has_after.then_some(&later),
        keys: &keys,
        policy: policy.as_ref(),
        is_signed: match (lines.contains("!signed"), lines.contains("!unsigned")) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            (false, false) => None,
        },
    })
}

#[test]
fn each_check_finds_its_defect_and_nothing_without_it() {
    let listed: BTreeSet<&str> = CASES.iter().map(|(code, ..)| *code).collect();
    let all: BTreeSet<&str> = ALL.iter().map(|check| check.code).collect();
    assert_eq!(listed, all, "each check has a case");
    for (code, bad, good) in CASES {
        let has = |world: &str| found(world).iter().any(|finding| finding.code == *code);
        assert!(has(bad), "{code} finds nothing in\n{bad}\nbut {:#?}", found(bad));
        assert!(!has(good), "{code} finds something in\n{good}");
    }
}

/// What nobody could see is held against nobody.
#[test]
fn without_answers_there_are_no_findings() {
    let domain = name("acme.test.");
    let unseen = |_: &RrKey| Look::Unseen("nobody answers".to_owned());
    let found = look(&Subject {
        domain: &domain,
        zone: Some(&domain),
        look: &unseen,
        after: Some(&unseen),
        keys: std::slice::from_ref(&domain),
        policy: None,
        is_signed: None,
    });
    assert_eq!(found, []);
}

#[test]
fn every_check_says_what_it_means_and_what_to_do() {
    let fixture = ZonefileFixture::new();
    for check in ALL {
        for text in [check.means, check.fix] {
            assert!(text.len() > 12 && !text.ends_with('.'), "{}: {text}", check.code);
        }
        assert!(check.traps.iter().all(|trap| (1..=55).contains(trap)), "{}", check.code);
    }
    for code in ["spf-ptr", "mx-alias"] {
        let (exit, said) = fixture.cutover(&["explain", code]);
        assert_eq!(exit, 0, "{said}");
        assert!(said.contains("what it means") && said.contains("ignore: "), "{said}");
    }
    let (exit, said) = fixture.cutover(&["explain", "spf-pt"]);
    assert_eq!(exit, 2, "{said}");
    assert!(said.contains("did you mean `spf-ptr`?"), "{said}");
}

/// The fixture's plan with another SPF record in its zone.
fn with_ptr() -> ZonefileFixture {
    let fixture = ZonefileFixture::quickstart();
    let path = fixture.path("quickstart/acme.test.zone");
    let zone = fs::read_to_string(&path).expect("a zone");
    assert!(zone.contains("v=spf1 "), "{zone}");
    fs::write(&path, zone.replace("v=spf1 ", "v=spf1 ptr ")).expect("a zone");
    fixture
}

#[test]
fn a_plan_shows_what_checks_find_unless_it_ignores_them_with_a_reason() {
    let fixture = with_ptr();
    let plan = fixture.path("quickstart.yaml");
    let text = fs::read_to_string(&plan).expect("a plan");
    let (_, said) = fixture.cutover(&["plan", "quickstart.yaml"]);
    assert!(said.contains("warning[spf-ptr]: acme.test.: the SPF record has `ptr`"), "{said}");
    let ignoring = "checks: [ { ignore: spf-ptr, reason: \"all receivers know us\" } ]\n";
    fs::write(&plan, format!("{text}{ignoring}")).expect("a plan");
    let (_, said) = fixture.cutover(&["plan", "quickstart.yaml"]);
    assert!(!said.contains("warning[spf-ptr]"), "{said}");
    let shown = "what the check `spf-ptr` finds does not count: all receivers know us";
    assert!(said.contains(shown), "{said}");
    for (checks, wanted) in [
        ("checks: [ { ignore: spf-ptr, reason: \"...\" } ]", "error[no-reason]"),
        ("checks: [ { ignore: spf-prt, reason: because } ]", "spf-ptr"),
    ] {
        fs::write(&plan, format!("{text}{checks}\n")).expect("a plan");
        let (code, said) = fixture.cutover(&["check", "quickstart.yaml"]);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(wanted), "{wanted} in {said}");
    }
}

/// What checks find stands in what a reviewer reads, in each format, and in the artifact.
#[test]
fn a_reviewer_sees_what_checks_find() {
    let fixture = with_ptr();
    let out = |args: &[&str]| {
        let output = fixture.command(args).output().expect("it can be run");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let plan = fixture.path("quickstart.yaml");
    let text = fs::read_to_string(&plan).expect("a plan");
    let at = |number: usize, line: &str| Some((number + 1, line.find("acme.test")? + 1));
    let mut places = text.lines().enumerate().filter(|(_, line)| line.contains("domains:"));
    let (line, column) = places.find_map(|(number, line)| at(number, line)).expect("the domain");
    let place = format!("({line}:{column} of the plan)");
    let said = out(&["plan", "quickstart.yaml"]);
    let one = said.lines().find(|line| line.contains("spf-ptr")).expect("a line");
    assert!(one.contains("! warning `spf-ptr` acme.test.: the SPF record has `ptr`"), "{one}");
    assert!(one.ends_with(&place), "{one} {place}");
    let (verdict, found) = (said.find("\nVerdict"), said.find("\nFound by checks"));
    assert!(verdict < found && verdict.is_some(), "{said}");
    let markdown = out(&["plan", "quickstart.yaml", "--format", "markdown"]);
    let one = markdown.lines().find(|line| line.contains("spf-ptr")).expect("a line");
    assert!(one.starts_with("- ⚠ warning `spf-ptr` acme"), "{one}");
    let before = &markdown[..markdown.find("`spf-ptr`").expect("it is there")];
    assert_eq!(before.matches("<details>").count(), before.matches("</details>").count());
    // It is left out last, and counted.
    let all = markdown.lines().filter(|line| line.starts_with("- ⚠ warning `")).count();
    let cut = ["plan", "quickstart.yaml", "--format", "markdown", "--max-chars"];
    let (_, refused) = fixture.cutover(&[&cut[..], &["1"]].concat());
    let chars = refused.split("has ").find_map(|rest| rest.split_once(" characters, more than"));
    let (chars, _) = chars.unwrap_or_else(|| panic!("{refused}"));
    let least = out(&[&cut[..], &[chars]].concat());
    let kept = least.lines().filter(|line| line.starts_with("- ⚠ warning `")).count();
    let left = match (all - kept, all) {
        (0, _) => String::new(),
        (1, 1) => "the only finding (“Found by checks”)".to_owned(),
        (left, all) if left == all => format!("all {all} findings (“Found by checks”)"),
        (left, all) => format!("{left} of {all} findings (“Found by checks”)"),
    };
    assert!(kept < all && least.contains(&left), "{kept} of {all}: {least}");
    let json = out(&["plan", "quickstart.yaml", "--format", "json"]);
    let read: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let findings = read["verdict"]["findings"].as_array().expect("a list");
    let one = findings.iter().find(|one| one["code"] == "spf-ptr").expect("it is there");
    assert_eq!((&one["severity"], &one["line"]), (&"warning".into(), &line.into()));
    assert_eq!(cutover::artifact::Artifact::decode(&json).expect("an artifact").encode(), json);
    // The same plan elsewhere is the same artifact.
    let whole = format!("{}", plan.display());
    assert_eq!(out(&["plan", &whole, "--format", "json"]), json);
    fixture.write("artifact.json", &json);
    assert!(out(&["show", "artifact.json"]).contains("warning `spf-ptr` acme.test."));
    // What the plan ignores is shown with the reason, and is no warning.
    let ignoring = "checks: [ { ignore: spf-ptr, reason: \"all <b>receivers</b> know @us\" } ]\n";
    fs::write(&plan, format!("{text}{ignoring}")).expect("a plan");
    let said = out(&["plan", "quickstart.yaml"]);
    let one = said.lines().find(|line| line.contains("ignored `spf-ptr`")).expect("a line");
    assert!(one.ends_with("; ignored, since: all <b>receivers</b> know @us"), "{one}");
    let markdown = out(&["plan", "quickstart.yaml", "--format", "markdown"]);
    let one = markdown.lines().find(|line| line.contains("ignored `spf-ptr`")).expect("a line");
    assert!(!one.contains("<b>") && !one.contains(" @us"), "{one}");
}

#[test]
fn a_plan_alone_shows_that_both_hosts_are_the_same() {
    let fixture = ZonefileFixture::new();
    let plan = fixture.path("plan.yaml");
    let text = "version: 1
name: accounts
providers: { files: { type: zonefile, directory: zones, served: { assume_within: 5m } } }
resolver: none
zones: { acme.test: { provider: files } }
hosts:
  old: { profile: fastmail }
  new: { profile: fastmail }
migrate: { domains: [ acme.test ], from: old, to: new }
";
    fs::write(&plan, text).expect("a plan");
    let (code, said) = fixture.cutover(&["check", "plan.yaml"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("warning[same-host]: acme.test.: old and new exchanges"), "{said}");
}
