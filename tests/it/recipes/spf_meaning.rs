//! SPF terms whose meaning would change with exchanges and addresses.

use insta::assert_snapshot;

use super::{HOST, acme, moves, plan, planned_only};

/// A move from `mail` to `mx`, an exchange in the same zone. `more` is added to the zone.
fn within(more: &str, old: &str, new: &str) -> String {
    let zone = acme(&format!("@ 5m MX 10 mail\n{more}"));
    plan(&[("acme.test", &zone)], &within_body(old, new))
}

fn within_body(old: &str, new: &str) -> String {
    moves(old, new)
        .replace("name: mx1.host.test.", "name: mx.acme.test., addresses: [ 203.0.113.25 ]")
}

/// A move in which `mail` itself gets another address.
fn repointed(more: &str, old: &str, new: &str) -> String {
    let zone = acme(&format!("@ 5m MX 10 mail\n{more}"));
    let body = within_body(old, new)
        .replace("name: mail.acme.test. }", "name: mail.acme.test., addresses: [ 192.0.2.10 ] }")
        .replace("name: mx.acme.test.", "name: mail.acme.test.");
    plan(&[("acme.test", &zone)], &body)
}

#[test]
fn mx_is_frozen_when_exchanges_change() {
    assert_snapshot!(within("@ TXT \"v=spf1 mx -all\"\n", "mx", "mx"), @r#"
    T+0s publish/acme.test/mx/A
      absent -> 3600 203.0.113.25
    T+0s widen/acme.test/@/TXT
      86400 "v=spf1 mx -all" -> 86400 "v=spf1 ip4:192.0.2.10 ip4:203.0.113.25 -all"
    T+1d 6m switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx.acme.test.
    T+13d 12m narrow/acme.test/@/TXT
      86400 "v=spf1 ip4:192.0.2.10 ip4:203.0.113.25 -all" -> 86400 "v=spf1 mx -all"
    "#);
    assert_snapshot!(within("@ TXT \"v=spf1 mx -all\"\n", "mx", "ip4:203.0.113.25"), @r#"
    T+0s publish/acme.test/mx/A
      absent -> 3600 203.0.113.25
    T+0s widen/acme.test/@/TXT
      86400 "v=spf1 mx -all" -> 86400 "v=spf1 ip4:192.0.2.10 ip4:203.0.113.25 -all"
    T+1d 6m switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx.acme.test.
    T+13d 12m narrow/acme.test/@/TXT
      86400 "v=spf1 ip4:192.0.2.10 ip4:203.0.113.25 -all" -> 86400 "v=spf1 ip4:203.0.113.25 -all"
    "#);
    assert_snapshot!(within("@ TXT \"v=spf1 mx -all\"\n", "", "ip4:203.0.113.25"), @r#"
    T+0s publish/acme.test/mx/A
      absent -> 3600 203.0.113.25
    T+0s widen/acme.test/@/TXT
      86400 "v=spf1 mx -all" -> 86400 "v=spf1 ip4:192.0.2.10 ip4:203.0.113.25 -all"
    T+1d 6m switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx.acme.test.
    "#);
}

#[test]
fn mx_is_frozen_when_only_the_address_of_the_exchange_changes() {
    assert_snapshot!(repointed("@ TXT \"v=spf1 mx -all\"\n", "mx", "mx"), @r#"
    T+0s lower/acme.test/mail/A
      3600 192.0.2.10 -> 300 192.0.2.10
    T+0s widen/acme.test/@/TXT
      86400 "v=spf1 mx -all" -> 86400 "v=spf1 ip4:192.0.2.10 ip4:203.0.113.25 -all"
    T+1d 6m switch/acme.test/mail/A
      300 192.0.2.10 -> 300 203.0.113.25
    T+8d 11m restore/acme.test/mail/A
      300 203.0.113.25 -> 3600 203.0.113.25
    T+13d 12m narrow/acme.test/@/TXT
      86400 "v=spf1 ip4:192.0.2.10 ip4:203.0.113.25 -all" -> 86400 "v=spf1 mx -all"
    "#);
}

#[test]
fn a_is_frozen_through_aliases() {
    let zone = acme("@ 5m MX 10 mail\n@ TXT \"v=spf1 a:smtp.acme.test -all\"\nsmtp CNAME mail\n");
    let body = within_body("a:smtp.acme.test", "a:smtp.acme.test")
        .replace("name: mx.acme.test.", "name: mail.acme.test.");
    assert_snapshot!(planned_only(&[("acme.test", &zone)], &body), @r#"
    T+0s lower/acme.test/mail/A
      3600 192.0.2.10 -> 300 192.0.2.10
    T+0s widen/acme.test/@/TXT
      86400 "v=spf1 a:smtp.acme.test -all" -> 86400 "v=spf1 ip4:192.0.2.10 ip4:203.0.113.25 -all"
    T+1d 6m switch/acme.test/mail/A
      300 192.0.2.10 -> 300 203.0.113.25
    T+8d 11m restore/acme.test/mail/A
      300 203.0.113.25 -> 3600 203.0.113.25
    T+13d 12m narrow/acme.test/@/TXT
      86400 "v=spf1 ip4:192.0.2.10 ip4:203.0.113.25 -all" -> 86400 "v=spf1 a:smtp.acme.test -all"
    "#);
}

#[test]
fn a_forgotten_address_stays_when_planned_again_after_the_switch() {
    let half = "@ TXT \"v=spf1 ip4:192.0.2.10 ip4:203.0.113.25 -all\"\n";
    let zone = acme(&format!("@ 5m MX 10 mail\n{half}"))
        .replace("mail 1h A 192.0.2.10", "mail 5m A 203.0.113.25");
    let body = within_body("mx", "mx").replace("name: mx.acme.test.", "name: mail.acme.test.");
    assert_snapshot!(plan(&[("acme.test", &zone)], &body), @r#"
    T+7d narrow/acme.test/@/TXT
      86400 "v=spf1 ip4:192.0.2.10 ip4:203.0.113.25 -all" -> 86400 "v=spf1 ip4:192.0.2.10 mx -all"
    "#);
    // Unless the plan states it.
    let body = body.replacen(
        "name: mail.acme.test. }",
        "name: mail.acme.test., addresses: [ 192.0.2.10 ] }",
        1,
    );
    assert_snapshot!(plan(&[("acme.test", &zone)], &body), @r#"
    T+12d 1m narrow/acme.test/@/TXT
      86400 "v=spf1 ip4:192.0.2.10 ip4:203.0.113.25 -all" -> 86400 "v=spf1 mx -all"
    "#);
}

#[test]
fn a_term_that_keeps_its_meaning_is_left_alone() {
    assert_snapshot!(within("@ TXT \"v=spf1 a a:www.acme.test/24 ptr -all\"\n@ A 192.0.2.80\nwww A 192.0.2.81\n", "", ""), @"
    T+0s publish/acme.test/mx/A
      absent -> 3600 203.0.113.25
    T+1h 6m switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx.acme.test.
    ");
    // A server with two names does not move.
    let more = "@ TXT \"v=spf1 mx -all\"\nmx A 203.0.113.25\nmail 1h A 203.0.113.25\n";
    let zone = acme(&format!("@ 5m MX 10 mail\n{more}")).replace("mail 1h A 192.0.2.10\n", "");
    assert_snapshot!(plan(&[("acme.test", &zone)], &within_body("mx", "mx")), @"
    error[same-server]: mx.acme.test. of `new` and mail.acme.test. of `old` are the same server: both have the address 203.0.113.25
    = help: give the new host's exchange only addresses of the new host. If the old server just gets a new name, use `records:` instead of a move
    ");
}

#[test]
fn the_bare_domain_moves_with_the_web_site() {
    let zone =
        acme("@ 5m MX 10 mail\n@ A 192.0.2.80\n@ AAAA 2001:db8::80\n@ TXT \"v=spf1 a mx -all\"\n");
    let web = "  web: { senders: [ { name: forms, spf: a } ] }\nmigrate:";
    let body = moves("mx", "include:_spf.host.test").replace("migrate:", web)
        + "records: [ { zone: acme.test, name: \"@\", type: A, to: [ 203.0.113.80 ], with: switch } ]\n";
    assert_snapshot!(planned_only(&[("acme.test", &zone), ("host.test", HOST)], &body), @r#"
    T+0s widen/acme.test/@/TXT
      86400 "v=spf1 a mx -all" -> 86400 "v=spf1 ip4:192.0.2.80 ip6:2001:db8::80 ip4:192.0.2.10 include:_spf.host.test ip4:203.0.113.80 -all"
    T+0s lower/acme.test/@/A
      86400 192.0.2.80 -> 300 192.0.2.80
    T+1d 6m switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx1.host.test.
    T+1d 6m switch/acme.test/@/A
      300 192.0.2.80 -> 300 203.0.113.80
    T+8d 11m restore/acme.test/@/A
      300 203.0.113.80 -> 86400 203.0.113.80
    T+13d 12m narrow/acme.test/@/TXT
      86400 "v=spf1 ip4:192.0.2.80 ip6:2001:db8::80 ip4:192.0.2.10 include:_spf.host.test ip4:203.0.113.80 -all" -> 86400 "v=spf1 a include:_spf.host.test -all"
    "#);
}

#[test]
fn a_new_alias_is_followed() {
    let zone = acme("@ 5m MX 10 mail\nout A 192.0.2.12\n@ TXT \"v=spf1 a:out.acme.test -all\"\n");
    let body = moves("", "a:out.acme.test")
        + "records: [ { zone: acme.test, name: out, type: CNAME, to: [ mx1.host.test. ], with: switch } ]\n";
    assert_snapshot!(planned_only(&[("acme.test", &zone), ("host.test", HOST)], &body), @r#"
    T+0s widen/acme.test/@/TXT
      86400 "v=spf1 a:out.acme.test -all" -> 86400 "v=spf1 ip4:192.0.2.12 ip4:198.51.100.1 -all"
    T+0s lower/acme.test/out/CNAME
      A 86400 192.0.2.12 -> 300 192.0.2.12
    T+1d 6m switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx1.host.test.
    T+1d 6m switch/acme.test/out/CNAME
      A 300 192.0.2.12 -> absent
      absent -> 300 mx1.host.test.
    T+8d 11m restore/acme.test/out/CNAME
      300 mx1.host.test. -> 3600 mx1.host.test.
    T+13d 12m narrow/acme.test/@/TXT
      86400 "v=spf1 ip4:192.0.2.12 ip4:198.51.100.1 -all" -> 86400 "v=spf1 a:out.acme.test -all"
    "#);
}

#[test]
fn what_cannot_be_frozen_is_refused() {
    assert_snapshot!(within("@ TXT \"v=spf1 mx/24 -all\"\n", "", ""), @"
    error[spf-freeze]: the SPF term `mx/24` of acme.test. changes its meaning with the move, but a prefix length or a qualifier cannot be carried over
    = help: replace it in the live record by equivalent `ip4:` and `ip6:` terms, then plan again
    ");
    assert_snapshot!(within("@ TXT \"v=spf1 ?mx -all\"\n", "", ""), @"
    error[spf-freeze]: the SPF term `?mx` of acme.test. changes its meaning with the move, but a prefix length or a qualifier cannot be carried over
    = help: replace it in the live record by equivalent `ip4:` and `ip6:` terms, then plan again
    ");
    let zone = acme("@ MX 10 mail.elsewhere.test.\n@ TXT \"v=spf1 mx -all\"\n");
    let body = within_body("mx", "mx").replace("mail.acme.test.", "mail.elsewhere.test.");
    assert_snapshot!(plan(&[("acme.test", &zone)], &body), @"
    error[spf-freeze]: the SPF term `mx` of acme.test. changes its meaning with the move, but the A records of mail.elsewhere.test. are unknown (the plan says `resolver: none`)
    = help: replace it in the live record by equivalent `ip4:` and `ip6:` terms, then plan again
    ");
}

#[test]
fn the_meaning_of_another_record_is_checked() {
    let more =
        "@ TXT \"v=spf1 include:_spf.acme.test -all\"\n_spf TXT \"v=spf1 mx:acme.test -all\"\n";
    assert_snapshot!(within(more, "", "ip4:203.0.113.25"), @"
    error[spf-freeze]: the SPF term `mx:acme.test` of _spf.acme.test., which the record of acme.test. leads to, changes its meaning with the move
    = help: replace it at _spf.acme.test. by equivalent `ip4:` and `ip6:` terms, then plan again
    ");
    // A name without records may later lead to the new server.
    let more = "@ TXT \"v=spf1 mx -all\"\n_spf TXT \"v=spf1 a:mx.acme.test -all\"\n";
    assert_snapshot!(within(more, "mx", "include:_spf.acme.test"), @r#"
    T+0s publish/acme.test/mx/A
      absent -> 3600 203.0.113.25
    T+0s widen/acme.test/@/TXT
      86400 "v=spf1 mx -all" -> 86400 "v=spf1 ip4:192.0.2.10 include:_spf.acme.test -all"
    T+1d 6m switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx.acme.test.
    T+13d 12m narrow/acme.test/@/TXT
      86400 "v=spf1 ip4:192.0.2.10 include:_spf.acme.test -all" -> 86400 "v=spf1 include:_spf.acme.test -all"
    "#);
}

#[test]
fn the_exchanges_of_another_domain_that_moves_are_frozen_too() {
    let zone = acme("@ 5m MX 10 mail\n@ TXT \"v=spf1 mx -all\"\n");
    let other = "$TTL 1h\n@ SOA ns1.acme.test. hostmaster.acme.test. 1 3600 600 86400 3600\n@ NS ns1.acme.test.\n@ MX 10 mail.acme.test.\n@ TXT \"v=spf1 mx:acme.test -all\"\n";
    let body = within_body("mx:acme.test mx", "mx:acme.test mx")
        .replace("[ acme.test ]", "[ acme.test, acme.example ]");
    assert_snapshot!(plan(&[("acme.test", &zone), ("acme.example", other)], &body), @r#"
    T+0s lower/acme.example/@/MX
      3600 10 mail.acme.test. -> 300 10 mail.acme.test.
    T+0s publish/acme.test/mx/A
      absent -> 3600 203.0.113.25
    T+0s widen/acme.test/@/TXT
      86400 "v=spf1 mx -all" -> 86400 "v=spf1 ip4:192.0.2.10 ip4:203.0.113.25 -all"
    T+0s widen/acme.example/@/TXT
      3600 "v=spf1 mx:acme.test -all" -> 3600 "v=spf1 ip4:192.0.2.10 ip4:203.0.113.25 -all"
    T+1d 6m switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx.acme.test.
    T+1d 6m switch/acme.example/@/MX
      300 10 mail.acme.test. -> 300 10 mx.acme.test.
    T+8d 11m restore/acme.example/@/MX
      300 10 mx.acme.test. -> 3600 10 mx.acme.test.
    T+13d 12m narrow/acme.test/@/TXT
      86400 "v=spf1 ip4:192.0.2.10 ip4:203.0.113.25 -all" -> 86400 "v=spf1 mx -all"
    T+13d 12m narrow/acme.example/@/TXT
      3600 "v=spf1 ip4:192.0.2.10 ip4:203.0.113.25 -all" -> 3600 "v=spf1 mx:acme.test mx -all"
    "#);
}
