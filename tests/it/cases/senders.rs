//! Cases of senders whose mail would fail SPF, DKIM or DMARC. Zones and plan are built here: each
//! case differs from the others in few lines.

use std::fs;

use super::{Case, REFUSED};

/// The beginning of each zone.
const HEAD: &str =
    "$TTL 1h\n@ SOA ns1.acme.test. hostmaster.acme.test. 1 4h 1h 2w 10m\n@ NS ns1.acme.test.\n";
const ACME: &str = "ns1 A 192.0.2.53\n@ MX 10 mail\nmail A 192.0.2.10\n";
const SPF: &str = "@ TXT \"v=spf1 ip4:192.0.2.10 -all\"\n";
const HOST: &str = "mx1 A 203.0.113.25\n_spf TXT \"v=spf1 ip4:203.0.113.0/24 -all\"\n";
const KEY: &str = "O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik=";
const PLAN: &str = "version: 1
name: t
resolver: none
providers: { files: { type: zonefile, directory: ., served: { assume_within: 5m } } }
zones:
  acme.test: { provider: files }
  host.test: { provider: files }
  other.test: { provider: files }
";
/// What a move from `old` to `new` states.
const MOVE: &str = "migrate: { domains: [ acme.test ], from: old, to: new }
assume:
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

/// A plan for these zones; each text is what follows the common beginning.
fn of(acme: &str, host: &str, other: &str, plan: &str) -> Case {
    let case = Case { dir: tempfile::tempdir().expect("a temporary directory"), plan: "plan.yaml" };
    for (file, text) in [
        ("acme.test.zone", format!("{HEAD}{ACME}{acme}")),
        ("host.test.zone", format!("{HEAD}{HOST}{host}")),
        ("other.test.zone", format!("{HEAD}{other}")),
        ("plan.yaml", format!("{PLAN}{plan}")),
    ] {
        fs::write(case.dir.path().join(file), text).expect("a written file");
    }
    case
}

/// A move in which the new host's sender has these keys besides SPF.
fn moves(acme: &str, host: &str, other: &str, new: &str) -> Case {
    let hosts = format!(
        "hosts:
  old: {{ exchanges: [ {{ preference: 10, name: mail.acme.test. }} ], senders: [ {{ name: people, spf: \"ip4:192.0.2.10\" }} ] }}
  new: {{ exchanges: [ {{ preference: 10, name: mx1.host.test. }} ], senders: [ {{ name: people, {new} }} ] }}
{MOVE}"
    );
    of(acme, host, other, &hosts)
}

/// The new host's SPF terms.
const NEW_SPF: &str = "spf: \"include:_spf.host.test\"";

/// RFC 6376 §3.6.1: without `k=` a key is RSA, and RSA keys are DER. An Ed25519 key is 32 octets.
#[test]
fn ed25519_key_declared_without_its_kind() {
    for kind in ["", "k=rsa; "] {
        let new =
            format!("{NEW_SPF}, dkim: [ {{ selector: s1, txt: \"v=DKIM1; {kind}p={KEY}\" }} ]");
        let said = moves(SPF, "", "", &new).exits(REFUSED);
        said.says(&format!("write `k=ed25519; p={KEY}`"));
    }
    let new =
        format!("{NEW_SPF}, dkim: [ {{ selector: s1, txt: \"v=DKIM1; k=ed25519; p={KEY}\" }} ]");
    moves(SPF, "", "", &new).planned().proves();
}

/// The same if the key is in another zone, behind the alias that the plan publishes.
#[test]
fn ed25519_key_behind_an_alias_without_its_kind() {
    let new = format!("{NEW_SPF}, dkim: [ {{ selector: s1, cname: \"s1.dkim.host.test.\" }} ]");
    for kind in ["", "k=rsa; "] {
        let host = format!("s1.dkim TXT \"v=DKIM1; {kind}p={KEY}\"\n");
        let said = moves(SPF, &host, "", &new).planned().breaks("authenticated");
        said.says("signed with s1._domainkey.acme.test. fails DKIM");
    }
    let host = format!("s1.dkim TXT \"v=DKIM1; k=ed25519; p={KEY}\"\n");
    moves(SPF, &host, "", &new).planned().proves();
}
