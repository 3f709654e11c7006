//! Cases of senders whose mail would fail SPF, DKIM or DMARC. Zones and plan are built here: each
//! case differs from the others in few lines.

use std::fs;

use super::{Case, REFUSED, REFUTED};

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

/// A plan of single records, without a move.
pub(super) fn records(acme: &str, host: &str, records: &str) -> Case {
    of(acme, host, "", &format!("records:\n{records}"))
}

/// A move in which the new host's sender has these keys besides SPF.
pub(super) fn moves(acme: &str, host: &str, other: &str, new: &str) -> Case {
    let hosts = format!(
        "hosts:
  old: {{ exchanges: [ {{ preference: 10, name: mail.acme.test. }} ], senders: [ {{ name: people, spf: \"ip4:192.0.2.10\" }} ] }}
  new: {{ exchanges: [ {{ preference: 10, name: mx1.host.test. }} ], senders: [ {{ name: people, {new} }} ] }}
{MOVE}"
    );
    of(acme, host, other, &hosts)
}

/// The new host's SPF terms.
pub(super) const NEW_SPF: &str = "spf: \"include:_spf.host.test\"";

/// A record outside that nobody could ask.
pub(super) const ISP_STATED: &str = "  - { fact: published, name: _spf.isp.example., reason: r }\n";

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

/// RFC 7208 §4.4: the SPF record of an alias is that of its target. Nothing shows whether anybody
/// sends as an alias whose target changes, so it is listed.
#[test]
fn record_behind_an_alias_changes() {
    let (alias, host) = ("lists CNAME q.host.test.\n", "q MX 10 mail.acme.test.\n");
    let host = format!("{host}q TXT \"v=spf1 ip4:192.0.2.10 -all\"\n");
    let change = "  - { zone: host.test, name: q, type: TXT, to: [ \"\\\"v=spf1 -all\\\"\" ] }
assume:
  - { fact: sends, name: q.host.test., value: false, reason: r }
";
    let said = records(&format!("{SPF}{alias}"), &host, change).planned().proves();
    said.says("nobody sends mail as lists.acme.test.: they are aliases");
    records(SPF, &host, change).planned().proves().never_says("nobody sends mail as");
}

/// The same if the record changes by what it leads to.
#[test]
fn record_behind_an_alias_means_something_else() {
    let acme = format!("{SPF}lists CNAME q.host.test.\n");
    let host = "q TXT \"v=spf1 a:out.host.test -all\"\nout A 198.51.100.5\n";
    let change = "  - { zone: host.test, name: out, type: A, to: [ 198.51.100.6 ] }
assume:
  - { fact: sends, name: q.host.test., value: false, reason: r }
";
    let said = records(&acme, host, change).planned().proves();
    said.says("nobody sends mail as lists.acme.test.: they are aliases");
}

/// A move narrows the record of a domain, and with it that of the domain's aliases.
#[test]
fn aliases_of_a_moving_domain_send() {
    let acme = format!("{SPF}bounces CNAME acme.test.\n");
    let said = moves(&acme, "", "shop CNAME acme.test.\n", NEW_SPF).planned().proves();
    said.says("nobody sends mail as bounces.acme.test., shop.other.test.: they are aliases");
    let said = moves(SPF, "", "sub DNAME acme.test.\n", NEW_SPF).planned().proves();
    said.never_says("nobody sends mail as b");
    // Below a DNAME, and by way of an include.
    let acme = format!("{SPF}lists TXT \"v=spf1 include:acme.test -all\"\n");
    let said = moves(&acme, "", "sub DNAME acme.test.\n", NEW_SPF).planned();
    let said = said.pasted("assume").proves();
    said.says("nobody sends mail as lists.sub.other.test.: they are aliases");
}

/// A mail domain that becomes an alias gets the record of its target, as if it were published there.
#[test]
fn alias_brings_an_spf_record() {
    let target = "p MX 10 mail.acme.test.\np TXT \"v=spf1 -all\"\nq MX 10 mail.acme.test.\n";
    let alias = "  - { zone: acme.test, name: lists, type: CNAME, to: [ p.host.test. ] }\n";
    let mx = "  - { zone: acme.test, name: lists, type: MX, absent: true }\n";
    for (lists, host, change) in [
        ("lists CNAME q.host.test.\n", target, alias.to_owned()),
        ("lists MX 10 mail\n", target, format!("{alias}{mx}")),
    ] {
        let acme = format!("{SPF}{lists}");
        let said = records(&acme, host, &change).planned().breaks("authenticated");
        let said = said.says("{ fact: sends, name: \"lists.acme.test.\"");
        said.pasted("assume").proves();
        // A target without a record changes nothing.
        let host = host.replace("p TXT \"v=spf1 -all\"\n", "");
        records(&acme, &host, &change).planned().proves();
    }
}

/// The same for the record that an alias takes away, and for a name in the middle of a chain. A
/// name without mail is listed: servers have records of their own, and clients reach them by aliases.
#[test]
fn alias_takes_an_spf_record() {
    let mx = "p MX 10 mail.acme.test.\nq MX 10 mail.acme.test.\n";
    let p = "p TXT \"v=spf1 ip4:192.0.2.10 -all\"\n";
    let host = format!("{mx}{p}q TXT \"v=spf1 ip4:198.51.100.1 -all\"\n");
    let acme = format!("{SPF}lists CNAME p.host.test.\n");
    let change = "  - { zone: acme.test, name: lists, type: CNAME, to: [ q.host.test. ] }\n";
    let said = records(&acme, &host, change).planned().breaks("authenticated");
    said.says("mail as lists.acme.test. from 192.0.2.10, which its SPF record lets pass today");
    let said = records(&acme, &host.replace(mx, ""), change).planned().proves();
    said.says("nobody sends mail as lists.acme.test.: they are aliases");
    let host = "p TXT \"v=spf1 -all\"\np MX 10 mail.acme.test.\n";
    let change = "  - { zone: other.test, name: z, type: CNAME, to: [ p.host.test. ] }
  - { zone: other.test, name: z, type: MX, absent: true }
";
    let acme = format!("{SPF}lists CNAME z.other.test.\n");
    let plan = format!("records:\n{change}");
    let said = of(&acme, host, "z MX 10 mail.acme.test.\n", &plan).planned();
    said.breaks("authenticated").says("{ fact: sends, name: \"z.other.test.\"");
}

/// RFC 7208 §4.6.2: a term that refuses some clients makes neutral mail fail.
#[test]
fn negative_term_is_added() {
    for end in ["?all", "~all", "-all"] {
        for term in [
            "-ip4:198.51.100.0/24",
            "-ip6:2001:db8::/32",
            "-a:mx1.host.test",
            "-include:_spf.host.test",
        ] {
            let acme = format!("{SPF}lists TXT \"v=spf1 ip4:192.0.2.10 {end}\"\n");
            let text = format!("v=spf1 {term} ip4:192.0.2.10 {end}");
            let change = format!(
                "  - {{ zone: acme.test, name: lists, type: TXT, to: [ \"\\\"{text}\\\"\" ] }}\n"
            );
            let said = records(&acme, "", &change).planned();
            // Where everything else is refused anyway, nothing changes.
            if end == "-all" {
                said.proves();
                continue;
            }
            let said = said.breaks("authenticated").says("matches a term that refuses it");
            said.says("{ fact: sends, name: \"lists.acme.test.\"").pasted("assume").proves();
        }
    }
}

/// The same if such a term is there and leads to something else.
#[test]
fn negative_term_leads_elsewhere() {
    for (names, change) in [
        (
            "lists TXT \"v=spf1 -a:bad.acme.test ip4:192.0.2.10 ?all\"\nbad A 198.51.100.5\n",
            "{ zone: acme.test, name: bad, type: A, to: [ 198.51.100.6 ] }",
        ),
        (
            "lists TXT \"v=spf1 -include:_b.acme.test ip4:192.0.2.10 ?all\"\n_b TXT \"v=spf1 ip4:198.51.100.5 -all\"\n",
            "{ zone: acme.test, name: _b, type: TXT, to: [ \"\\\"v=spf1 ip4:198.51.100.0/24 -all\\\"\" ] }",
        ),
    ] {
        let change = format!("  - {change}\n");
        let said = records(&format!("{SPF}{names}"), "", &change).planned();
        said.breaks("authenticated").says("{ fact: sends, name: \"lists.acme.test.\"");
        let names = names.replace("?all", "-all");
        records(&format!("{SPF}{names}"), "", &change).planned().proves();
    }
}

/// The plan's own switch changes what `-mx` of another zone refuses.
#[test]
fn negative_term_of_another_zone_meets_the_new_host() {
    let other = "lists TXT \"v=spf1 ip4:198.51.100.1 -mx:acme.test ?all\"\n";
    let said = moves(SPF, "", other, NEW_SPF).planned().breaks("authenticated");
    let said = said.says("mail as lists.other.test. from 203.0.113.25 matches a term");
    said.pasted("assume").proves();
    let other = other.replace("?all", "-all");
    moves(SPF, "", &other, NEW_SPF).planned().proves();
    // And its record, which names the new host from the expansion on.
    let other = "lists TXT \"v=spf1 ip4:198.51.100.1 -include:acme.test ?all\"\n";
    let said = moves(SPF, "", other, NEW_SPF).planned().breaks("authenticated");
    said.says("mail as lists.other.test. from 203.0.113.0 matches a term");
}

/// The proof lets the new host send from the switch on. That is listed, unless it is stated.
#[test]
fn new_host_sends_from_the_switch_on() {
    let line = "nobody sends mail as the domains through `new` before the switch";
    moves(SPF, "", "", NEW_SPF).planned().proves().says(line);
    let states = "  - { fact: sends, host: new, value: true, reason: r }\n";
    let said = moves(SPF, "", "", NEW_SPF).listing("assume", states).exits(REFUTED);
    said.says("PROVED EXCEPT `authenticated`").never_says(line);
}

/// RFC 7489 §3.1.2: under a DMARC policy SPF counts only for an aligned envelope sender.
#[test]
fn spf_alone_under_a_dmarc_policy() {
    for (policy, line) in [
        ("p=reject; aspf=s", "with an envelope sender in acme.test. itself (`aspf=s`)"),
        ("p=quarantine", "with an envelope sender in acme.test. or its organisation"),
    ] {
        let acme = format!("{SPF}_dmarc TXT \"v=DMARC1; {policy}\"\n");
        moves(&acme, "", "", NEW_SPF).planned().proves().says(line);
        let key = format!("s1.dkim TXT \"v=DKIM1; k=ed25519; p={KEY}\"\n");
        let new = format!("{NEW_SPF}, dkim: [ {{ selector: s1, cname: \"s1.dkim.host.test.\" }} ]");
        moves(&acme, &key, "", &new).planned().proves().never_says("with an envelope sender");
    }
    let acme = format!("{SPF}_dmarc TXT \"v=DMARC1; p=none; aspf=s\"\n");
    moves(&acme, "", "", NEW_SPF).planned().proves().never_says("with an envelope sender");
}

/// RFC 6376 §3.6.1: a key with `t=y` says that mail is to be judged as if it were not signed.
#[test]
fn key_that_is_only_tested() {
    let new = format!("{NEW_SPF}, dkim: [ {{ selector: s1, cname: \"s1.dkim.host.test.\" }} ]");
    let line = "although its key says that the domain only tests DKIM (`t=y`";
    for (flags, is_listed) in [("t=y; ", true), ("t=y:s; ", true), ("", false)] {
        let host = format!("s1.dkim TXT \"v=DKIM1; k=ed25519; {flags}p={KEY}\"\n");
        let said = moves(SPF, &host, "", &new).planned().proves();
        match is_listed {
            true => said.says(line),
            false => said.never_says(line),
        };
    }
}

/// A mail domain becomes an alias of a name that nobody could ask: what is there may refuse its
/// mail.
#[test]
fn alias_leads_to_a_record_that_nobody_saw() {
    let acme = format!("{SPF}lists MX 10 mail\n");
    let change = "  - { zone: acme.test, name: lists, type: CNAME, to: [ lists.out.example. ] }
  - { zone: acme.test, name: lists, type: MX, absent: true }
";
    let said = records(&acme, "", change).planned().breaks("deliverable, authenticated");
    let said = said.says("judged by the SPF record of lists.out.example.");
    said.says("{ fact: published, name: \"lists.out.example.\"").pasted("assume").proves();
    // Nothing shows that there is mail at a name that only has an address.
    let acme = format!("{SPF}www A 192.0.2.80\n");
    let change = change.replace("lists", "www").replace("type: MX", "type: A");
    records(&acme, "", &change).planned().proves();
}

/// Two names that nobody could ask are not the same: senders who pass by the record at one of them
/// do not pass by the other's. That a term before it refuses others makes no difference.
#[test]
fn alias_leads_senders_to_another_unseen_record() {
    let facts = "  - { fact: published, name: _spf.isp.example., reason: r }
  - { fact: published, name: _spf.isp2.example., reason: r }
";
    for first in ["", "-ip4:198.51.100.9 "] {
        let acme = format!(
            "@ TXT \"v=spf1 {first}include:_s.acme.test -all\"\n_s CNAME _spf.isp.example.\n"
        );
        let plan = |place: &str| {
            let alias = format!(
                "  - {{ zone: acme.test, name: _s, type: CNAME, to: [ _spf.isp2.example. ]{place} }}\n"
            );
            let case = moves(&acme, "", "", NEW_SPF).listing("assume", facts);
            let old = "spf: \"include:_s.acme.test\"";
            case.with("spf: \"ip4:192.0.2.10\"", old).listing("records", &alias)
        };
        let said = plan(", with: expand").planned().breaks("authenticated");
        said.says(
            "mail that `old` sent as acme.test. (`people`) from where `include:_s.acme.test`",
        );
        // In its own place the alias changes when no such mail is in flight any more.
        let steps = ["wait/assume/contract/sends/old", "switch/acme.test/_s/CNAME"];
        plan("").planned().proves().in_order(&steps);
    }
}

/// The same for senders who pass by a record only when an alias leads to it.
#[test]
fn alias_leads_new_senders_to_an_unseen_record_too_late() {
    let acme = format!("{SPF}_n CNAME _m\n_m TXT \"v=spf1 -all\"\n");
    let fact = "  - { fact: published, name: _spf.isp.example., reason: r }\n";
    let plan = |place: &str| {
        let alias = format!(
            "  - {{ zone: acme.test, name: _n, type: CNAME, to: [ _spf.isp.example. ]{place} }}\n"
        );
        let case = moves(&acme, "", "", "spf: \"include:_n.acme.test\"");
        case.listing("assume", fact).listing("records", &alias)
    };
    let said = plan(", after: contract").planned().breaks("authenticated");
    said.says("mail that `new` sent as acme.test. (`people`) from where `include:_n.acme.test`");
    let steps = ["switch/acme.test/_n/CNAME", "everything is ready for the switch"];
    plan("").planned().proves().in_order(&steps);
}

/// The same for a key. Another name has another key, as far as anybody knows, whatever is stated of
/// it: it comes when no mail is in flight that was signed with the first one.
#[test]
fn alias_leads_to_another_unseen_key() {
    let acme = format!("{SPF}o1._domainkey CNAME o1.keys\no1.keys CNAME o1.isp.example.\n");
    let alias = |when: &str| {
        format!(
            "  - {{ zone: acme.test, name: o1.keys, type: CNAME, to: [ o1.isp2.example. ]{when} }}\n"
        )
    };
    let old = "spf: \"ip4:192.0.2.10\", dkim: [ o1 ]";
    let case = |when: &str| {
        let case = moves(&acme, "", "", NEW_SPF).with("spf: \"ip4:192.0.2.10\"", old);
        case.listing("records", &alias(when)).planned()
    };
    let steps = ["wait/assume/contract/sends/old ", "switch/acme.test/o1.keys/CNAME "];
    case("").proves().in_order(&steps);
    for when in [", with: expand", ", with: switch"] {
        case(when).breaks("authenticated").says("signed with o1._domainkey.acme.test. fails DKIM");
    }
}

/// The same for an alias that a host declares, behind which another alias is changed.
#[test]
fn a_declared_alias_leads_to_another_unseen_key() {
    let acme = format!("{SPF}o1._domainkey CNAME k.other.test.\n");
    let other = "k CNAME k1.isp.example.\n";
    let old = "spf: \"ip4:192.0.2.10\", dkim: [ { selector: o1, cname: k.other.test. } ]";
    let change =
        "  - { zone: other.test, name: k, type: CNAME, to: [ k2.isp.example. ], with: expand }\n";
    let stated = "  - { fact: published, name: k2.isp.example., reason: r }\n";
    let case = moves(&acme, "", other, NEW_SPF).with("spf: \"ip4:192.0.2.10\"", old);
    let case = case.listing("records", change);
    let said = case.planned().breaks("authenticated");
    said.says("signed with o1._domainkey.acme.test. fails DKIM");
    let case = moves(&acme, "", other, NEW_SPF).with("spf: \"ip4:192.0.2.10\"", old);
    case.listing("records", change).listing("assume", stated).planned().breaks("authenticated");
}

/// An exchange outside that is stated to exist only later does not exist before, whatever it accepts.
#[test]
fn an_exchange_outside_that_exists_only_later() {
    let other = "@ MX 10 m\n@ MX 20 bx.isp.example.\nm A 192.0.2.30\n";
    let change = "  - { zone: other.test, name: m, type: A, absent: true, with: expand }\n";
    let accepts = "  - { fact: accepts, name: bx.isp.example., reason: r }\n";
    let later = "  - { fact: published, name: bx.isp.example., from: contract, reason: r }\n";
    let case =
        || moves(SPF, "", other, NEW_SPF).listing("records", change).listing("assume", accepts);
    case().planned().proves();
    let broken = "deliverable, deliverable/other.test/unseen/bx.isp.example";
    case().listing("assume", later).planned().breaks(broken);
}

/// The same for a term that may refuse mail: that one record does not is no reason why the other
/// does not.
#[test]
fn alias_leads_a_negative_term_to_another_unseen_record() {
    let lists = "lists TXT \"v=spf1 -include:_b.acme.test ip4:192.0.2.10 -all\"\n";
    let acme = format!("{SPF}{lists}_b CNAME _x.isp.example.\n");
    let change = "  - { zone: acme.test, name: _b, type: CNAME, to: [ _y.isp.example. ] }\n";
    let said = records(&acme, "", change).planned().breaks("authenticated, spf-sound");
    let said = said.says("is refused by `-include:_b.acme.test` in the SPF record of lists");
    said.pasted("assume").proves();
}
