//! Random small plans, and the zone that they start from.

use std::fmt::Write;

use super::Random;

const ZONE: &str = "\
$TTL 1h
@ SOA ns1 hostmaster 1 4h 1h 2w 10m
@ NS ns1
ns1 A 192.0.2.53
@ MX 10 mail
@ TXT \"v=spf1 include:_spf.acme.test -all\"
_spf 20m TXT \"v=spf1 ip4:192.0.2.10 -all\"
_spf2 TXT \"v=spf1 ip4:192.0.2.11 -all\"
mail 30m A 192.0.2.10
mx A 203.0.113.25
";

const HEAD: &str = "version: 1\nname: random\n\
    providers: { files: { type: zonefile, directory: . } }\n\
    resolver: none\nzones: { acme.test: { provider: files } }\n";

/// Records of the plan's own, each after some of those before it, with waits of its own or none.
fn records(random: &mut Random, count: u64, names: &mut Vec<&str>, with: &[&str]) -> String {
    let mut records = String::new();
    for number in 0..count {
        let owner = names.swap_remove(random.place(names.len()));
        let (name, rtype) = owner.split_once(' ').expect("name and type");
        let to = match rtype {
            "A" => random.of(&["to: [ 192.0.2.99 ]", "absent: true"]),
            "MX" => random.of(&[
                "to: [ 10 mx.acme.test. ]",
                "to: [ 10 new.acme.test. ]",
                "to: [ 10 mx.acme.test., 20 mail.acme.test. ]",
                "absent: true",
            ]),
            _ if name == "@" => random.of(&[
                "to: [ '\"v=spf1 include:_spf2.acme.test -all\"' ]",
                "to: [ '\"v=spf1 ip4:192.0.2.9 -all\"' ]",
            ]),
            _ => random.of(&["to: [ '\"v=spf1 ip4:192.0.2.98 -all\"' ]", "absent: true"]),
        };
        let lower = random.of(&["", "", ", lower_ttl: 5m"]);
        let after: Vec<String> = (0..number)
            .filter(|_| random.below(2) == 0)
            .map(|other| format!("\"record:r{other}\""))
            .collect();
        let wait = random.of(&["", "", ", wait: 0s", ", wait: 11m", ", wait: 59m", ", wait: 1h"]);
        let place = match after.is_empty() {
            true => random.of(with).to_owned(),
            false => format!(", after: [ {} ]{wait}", after.join(", ")),
        };
        let _ = writeln!(
            records,
            "  - {{ id: r{number}, zone: acme.test, name: \"{name}\", type: {rtype}, {to}{lower}{place} }}"
        );
    }
    records
}

/// One to four records, and nothing that moves.
pub(super) fn of_records(random: &mut Random) -> (String, String) {
    let mut names = vec!["mail A", "mx A", "_spf TXT", "_spf2 TXT", "@ MX", "@ TXT", "new A"];
    let count = 1 + random.below(4);
    let records = records(random, count, &mut names, &[""]);
    (format!("{HEAD}clocks: {{ margin: 0s }}\nrecords:\n{records}"), ZONE.to_owned())
}

/// A move with facts that are stated well, badly, or not at all; and up to two records besides.
pub(super) fn of_a_move(random: &mut Random) -> (String, String) {
    let mut plan = HEAD.to_owned();
    let spf = |random: &mut Random, own: &'static str| {
        let term = random.of(&["", own, own, "include:_spf.acme.test"]);
        if term.is_empty() { String::new() } else { format!(", spf: \"{term}\"") }
    };
    let old_dkim = random.of(&["", "", ", dkim: [ old ]"]);
    let new_dkim = random.of(&["", ", dkim: [ { selector: new, txt: \"v=DKIM1; p=new\" } ]"]);
    let addresses =
        random.of(&["", ", addresses: [ 203.0.113.25 ]", ", addresses: [ 203.0.113.26 ]"]);
    let exchange = random.of(&["mx", "mx", "new"]);
    let addresses = if exchange == "new" { ", addresses: [ 203.0.113.27 ]" } else { addresses };
    let (old_spf, new_spf) = (spf(random, "ip4:192.0.2.10"), spf(random, "ip4:203.0.113.25"));
    let _ = write!(
        plan,
        "hosts:\n  old: {{ exchanges: [ {{ preference: 10, name: mail.acme.test. }} ], \
         senders: [ {{ name: people{old_spf}{old_dkim} }} ] }}\n  \
         new: {{ exchanges: [ {{ preference: 10, name: {exchange}.acme.test.{addresses} }} ], \
         senders: [ {{ name: people{new_spf}{new_dkim} }} ] }}\n"
    );
    let keep = random.of(&["0s", "1h", "2d", "7d"]);
    let overrun = random.of(&["0s", "1h", "24h"]);
    let more =
        random.of(&["", "", ", restore_ttls: false", ", switch: standby", ", cutover_ttl: 40m"]);
    let queue = random.of(&["1h", "5d"]);
    let late = random.of(&["0s", "30m"]);
    let _ = writeln!(
        plan,
        "migrate: {{ domains: [ acme.test ], from: old, to: new, keep_old: {keep}, overrun: {overrun}{more} }}\n\
         clocks: {{ margin: 0s, use: {late}, queue_life: {queue} }}"
    );
    let mut stated = String::new();
    let usual = [
        ("accepts", "new", ["", "", "", ", from: expand", ", from: switch", ", from: contract"]),
        ("serves", "new", ["", "", "", ", from: expand", ", from: switch", ", from: contract"]),
        ("routes_local", "old", ["", "", "", "", ", from: switch", ", from: contract"]),
        (
            "sends",
            "old",
            [
                "",
                ", from: switch",
                ", from: contract",
                ", from: contract",
                ", from: contract",
                ", from: contract",
            ],
        ),
        (
            "clients",
            "old",
            [
                "",
                ", from: switch",
                ", from: contract",
                ", from: contract",
                ", from: contract",
                ", from: contract",
            ],
        ),
        (
            "synced",
            "old",
            [
                ", from: switch",
                ", from: contract",
                ", from: contract",
                ", from: contract",
                ", from: contract",
                ", from: contract",
            ],
        ),
    ];
    // Mostly everything is stated, so that something else decides.
    let forgetful = random.below(3) == 0;
    for (fact, host, froms) in usual {
        if forgetful && random.below(5) == 0 {
            continue;
        }
        let settle = random.of(&["", "", "", ", settle: 2h"]);
        let from = random.of(&froms);
        let settle = if from.is_empty() { "" } else { settle };
        let _ =
            writeln!(stated, "  - {{ fact: {fact}, host: {host}{from}{settle}, reason: random }}");
    }
    let mail = random.of(&[
        "",
        "",
        "value: relay, from: switch",
        "value: relay, from: contract",
        "value: relay_by_mx, from: switch",
        "value: relay_by_mx, from: contract",
        "value: reject, from: switch",
        "value: reject, from: contract",
    ]);
    if !mail.is_empty() {
        let _ = writeln!(stated, "  - {{ fact: mail, host: old, {mail}, reason: random }}");
    }
    if random.below(12) == 0 {
        stated += "  - { fact: mail, host: new, value: relay, reason: random }\n";
    }
    if !stated.is_empty() {
        plan += "assume:\n";
        plan += &stated;
    }
    let count = random.below(3);
    if count > 0 {
        let mut names = vec!["mail A", "_spf TXT", "_spf2 TXT"];
        let with = [
            "",
            ", with: expand",
            ", with: switch",
            ", with: contract",
            ", after: switch",
            ", after: contract",
        ];
        plan += "records:\n";
        plan += &records(random, count, &mut names, &with);
    }
    let zone = format!("{ZONE}old._domainkey 2h TXT \"v=DKIM1; p=old\"\n");
    (plan, zone)
}
