//! `strict_sender`: MTA-STS policies as they are found, and TLSA records that a resolver validates.

use std::io::{BufRead as _, BufReader};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::check;
use crate::lab::{Authority, Bind, Postfix, Unbound};

const POLICY_HOST: &str = "127.0.68.100";

/// A web server with the policies; it ends with its input.
struct Policies {
    child: Child,
    _dir: TempDir,
}

impl Policies {
    fn serve(pem: &Path, answers: &Map<String, Value>) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("answers");
        std::fs::write(&file, Value::Object(answers.clone()).to_string()).expect("a file");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/https.py");
        let mut python = Command::new("python3");
        python.args([script, POLICY_HOST, "443"]).arg(pem).arg(&file);
        let mut child = python
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python can be started");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        assert_eq!(line, "listening\n");
        Self { child, _dir: dir }
    }
}

impl Drop for Policies {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Domains of `sts.test`: their TXT records, and what their policy hosts answer.
fn domains() -> Vec<(&'static str, Vec<&'static str>, Value)> {
    let one = || vec!["v=STSv1; id=1;"];
    let policy = |mode: &str, mx: &str| {
        let body = format!("version: STSv1\r\nmode: {mode}\r\nmx: {mx}\r\nmax_age: 86400\r\n");
        json!([200, { "Content-Type": "text/plain" }, body])
    };
    let elsewhere = json!([301, { "Location": "https://mta-sts.ok.sts.test/" }, ""]);
    vec![
        (
            "ok",
            one(),
            policy("enforce", "mx.hosts.test\r\nmx: plain.hosts.test\r\nmx: own.hosts.test"),
        ),
        ("wild", one(), policy("enforce", "*.hosts.test")),
        ("stale", one(), policy("enforce", "old.hosts.test")),
        ("testing", one(), policy("testing", "old.hosts.test")),
        ("off", one(), policy("none", "old.hosts.test")),
        ("redirect", one(), elsewhere),
        ("gone", one(), json!([404, {}, "no"])),
        ("garbage", one(), json!([200, {}, "<html>"])),
        ("huge", one(), json!([200, {}, "x".repeat(1 << 20)])),
        ("untrusted", one(), policy("enforce", "mx.hosts.test")),
        ("dead", one(), Value::Null),
        ("nohost", one(), Value::Null),
        ("twice", vec!["v=STSv1; id=1;", "v=STSv1; id=2;"], Value::Null),
        ("badid", vec!["v=STSv1; id=a-b;"], Value::Null),
        ("plain", vec!["unrelated"], Value::Null),
    ]
}

const HEAD: &str = "$TTL 60\n@ SOA ns1 hostmaster 1 3600 600 86400 1\n@ NS ns1\nns1 A 127.0.53.1\n";

#[test]
fn strict_senders_are_told_apart() {
    let authority = Authority::new();
    let domains = domains();
    let hosts = |name: &str| format!("mta-sts.{name}.sts.test");
    let trusted = domains.iter().map(|(name, ..)| *name).filter(|name| *name != "untrusted");
    let trusted: Vec<String> = trusted.map(hosts).collect();
    let names: Vec<&str> = trusted.iter().map(String::as_str).collect();
    let answers = domains.iter().filter(|(_, _, answer)| !answer.is_null());
    let answers = answers.map(|(name, _, answer)| (hosts(name), answer.clone())).collect();
    let _policies = Policies::serve(&authority.signs("policies", &names), &answers);

    let exchanges = ["mx.hosts.test", "unsigned.hosts.test", "ee.secure.test", "ta.secure.test"];
    let more = ["wrong.secure.test", "unusable.secure.test", "mx.bogus.test"];
    let good = authority.signs("good", &[&exchanges[..], &more[..]].concat());
    let own = authority.self_signed("own", &["own.hosts.test", "own.secure.test"]);
    let tls = |pem: &Path| {
        format!("-o smtpd_tls_security_level=may -o smtpd_tls_chain_files={}", pem.display())
    };
    let none = "-o smtpd_tls_security_level=none".to_owned();
    let listeners = [("2", tls(&good)), ("3", none), ("4", tls(&own))]
        .map(|(at, options)| (format!("127.0.68.{at}:25"), options));
    let users = ["user@acme.test".to_owned()];
    let address = Ipv4Addr::new(127, 0, 68, 1);
    let _postfix = Postfix::with_listeners(address, &users, "", &listeners);

    let mut sts = HEAD.to_owned();
    for (name, records, _) in &domains {
        records.iter().for_each(|text| sts += &format!("_mta-sts.{name} TXT \"{text}\"\n"));
        let at = if *name == "dead" { "127.0.68.101" } else { POLICY_HOST };
        if *name != "nohost" {
            sts += &format!("mta-sts.{name} A {at}\n");
        }
    }
    let [good, own, ca] = [&good, &own, &authority.file()].map(|pem| authority.key_digest(pem));
    let wrong = "0".repeat(64);
    let tlsa = |name: &str, data: &str| format!("_25._tcp.{name} TLSA {data}\n");
    let secure = [
        HEAD.to_owned(),
        tlsa("ee", &format!("3 1 1 {wrong}")),
        tlsa("ee", &format!("3 1 1 {good}")),
        tlsa("own", &format!("3 1 1 {own}")),
        tlsa("ta", &format!("2 1 1 {ca}")),
        tlsa("othername", &format!("2 1 1 {ca}")),
        tlsa("wrong", &format!("3 1 1 {wrong}")),
        tlsa("plain", &format!("3 1 1 {good}")),
        tlsa("unusable", &format!("1 1 1 {wrong}")),
    ]
    .concat();
    let bogus = HEAD.to_owned() + &tlsa("mx", &format!("3 1 1 {good}"));
    let unsigned = HEAD.to_owned() + &tlsa("unsigned", &format!("3 1 1 {wrong}"));
    let zones = [
        ("sts.test", &*sts),
        ("secure.test", &secure),
        ("bogus.test", &bogus),
        ("hosts.test", &unsigned),
    ];
    let bind = Bind::primary_with(&zones, "dnssec-policy default;");
    bind.wait_shown(&["secure.test", "DNSKEY", "+short"], "257 3 13");
    let key = bind.dig(&["secure.test", "DNSKEY", "+short"]);
    let key = key.lines().next().expect("a key");
    // The key of one zone is not that of the other.
    let validates = format!(
        "module-config: \"validator iterator\"
  trust-anchor: \"secure.test. DNSKEY {key}\"
  trust-anchor: \"bogus.test. DNSKEY {key}\""
    );
    let unbound = Unbound::before(&bind, &validates);
    let resolver = format!("[ \"{}\" ]", unbound.addr());

    let of = |domain: &str, exchange: &str, at: u8| {
        format!(
            "domain: {domain}.sts.test, exchanges: [ \"{exchange}@127.0.68.{at}\" ], within: 5s"
        )
    };
    let sts = |domain: &str| of(domain, "mx.hosts.test", 2);
    let dane = |exchange: &str, at: u8| of("plain", &format!("{exchange}.secure.test"), at);
    let gates = [
        (sts("plain"), "pass", "neither DANE nor MTA-STS asks for anything"),
        (sts("ok"), "pass", "it would deliver: MTA-STS is kept"),
        (sts("wild"), "pass", "it would deliver: MTA-STS is kept"),
        (of("ok", "plain.hosts.test", 3), "fail", "MTA-STS asks for TLS, and STARTTLS is not"),
        (of("ok", "own.hosts.test", 4), "fail", "MTA-STS is enforced, and the certificate is"),
        (of("plain", "plain.hosts.test", 3), "pass", "it would deliver"),
        (of("plain", "own.hosts.test", 4), "pass", "it would deliver"),
        (sts("stale"), "fail", "does not allow this exchange"),
        (sts("testing"), "pass", "is not enforced"),
        (sts("off"), "pass", "is not enforced"),
        (sts("redirect"), "fail", "redirects (status 301)"),
        (sts("gone"), "fail", "has no policy (status 404)"),
        (sts("garbage"), "fail", "senders cannot read the policy"),
        (sts("huge"), "fail", "more than 64 KiB"),
        (sts("untrusted"), "fail", "senders do not trust mta-sts.untrusted.sts.test"),
        (sts("dead"), "unanswered", "the policy at mta-sts.dead.sts.test"),
        (sts("nohost"), "fail", "mta-sts.nohost.sts.test has no address"),
        (sts("twice"), "fail", "which has 2 records"),
        (sts("badid"), "fail", "senders cannot read the record"),
        (dane("ee", 2), "pass", "it would deliver: DANE is kept"),
        (dane("own", 4), "pass", "it would deliver: DANE is kept"),
        (dane("ta", 2), "pass", "it would deliver: DANE is kept"),
        (dane("othername", 2), "fail", "no TLSA record matches"),
        (dane("wrong", 2), "fail", "no TLSA record matches the certificate"),
        (dane("plain", 3), "fail", "TLSA records ask for TLS, and STARTTLS is not offered"),
        (dane("unusable", 2), "pass", "it would deliver"),
        (of("plain", "unsigned.hosts.test", 2), "inconclusive", "does not say that they are"),
        (of("plain", "mx.bogus.test", 2), "fail", "it would wait, since _25._tcp.mx.bogus.test"),
        (of("plain", "mx.hosts.test", 99), "unanswered", "nobody answers"),
        (
            sts("ok") + ", resolver: [ \"127.0.68.9\" ]",
            "unanswered",
            "the record of MTA-STS: 127.0.68.9:53: ",
        ),
    ];
    let cases: Vec<_> =
        gates.iter().map(|(gate, finding, said)| (&**gate, *finding, *said)).collect();
    check(&authority.file(), &resolver, "strict_sender", &cases);
}
