//! Addresses of the new host's exchanges.

use insta::assert_snapshot;

use super::{acme, plan};

/// The move of a domain to an exchange of its own zone.
fn body(old: &str, new: &str, addresses: &str) -> String {
    format!(
        "hosts:
  old: {{ exchanges: [ {{ preference: 10, name: {old} }} ] }}
  new: {{ exchanges: [ {{ preference: 10, name: {new}, addresses: [ {addresses} ] }} ] }}
migrate: {{ domains: [ acme.test ], from: old, to: new }}
"
    )
}

#[test]
fn a_new_name_has_its_addresses_before_the_switch() {
    let zone = acme("@ MX 10 mail\n");
    let body = body("mail.acme.test.", "mx.acme.test.", "203.0.113.25, \"2001:db8::25\"");
    assert_snapshot!(plan(&[("acme.test", &zone)], &body), @"
    T+0s lower/acme.test/@/MX
      86400 10 mail.acme.test. -> 300 10 mail.acme.test.
    T+0s publish/acme.test/mx/A
      absent -> 3600 203.0.113.25
    T+0s publish/acme.test/mx/AAAA
      absent -> 3600 2001:db8::25
    T+1d 6m switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx.acme.test.
    T+8d 11m restore/acme.test/@/MX
      300 10 mx.acme.test. -> 86400 10 mx.acme.test.
    ");
}

#[test]
fn a_wildcard_that_answered_for_the_new_name_is_waited_out() {
    let zone = acme("@ 5m MX 10 mail\n* 2d A 192.0.2.80\n");
    let body = body("mail.acme.test.", "mx.acme.test.", "203.0.113.25");
    assert_snapshot!(plan(&[("acme.test", &zone)], &body), @"
    T+0s publish/acme.test/mx/A
      absent -> 3600 203.0.113.25
    T+2d 6m switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx.acme.test.
    ");
}

#[test]
fn a_name_without_mail_is_repointed_before_the_switch() {
    let zone = acme("@ 5m MX 10 mail\nmx 2h A 198.51.100.7\n");
    let body = body("mail.acme.test.", "mx.acme.test.", "203.0.113.25");
    assert_snapshot!(plan(&[("acme.test", &zone)], &body), @"
    T+0s switch/acme.test/mx/A
      7200 198.51.100.7 -> 7200 203.0.113.25
    T+2h 6m switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx.acme.test.
    ");
}

#[test]
fn a_name_that_takes_mail_is_repointed_at_the_switch() {
    let zone = acme("@ MX 10 mail\n");
    let body = body("mail.acme.test.", "mail.acme.test.", "203.0.113.25");
    assert_snapshot!(plan(&[("acme.test", &zone)], &body), @"
    T+0s lower/acme.test/mail/A
      3600 192.0.2.10 -> 300 192.0.2.10
    T+1h 6m switch/acme.test/mail/A
      300 192.0.2.10 -> 300 203.0.113.25
    T+7d 1h 11m restore/acme.test/mail/A
      300 203.0.113.25 -> 3600 203.0.113.25
    ");
}

#[test]
fn an_address_of_another_family_is_not_published_early() {
    let zone = acme("@ MX 10 mail\n");
    let body = body("mail.acme.test.", "mail.acme.test.", "203.0.113.25, \"2001:db8::25\"");
    assert_snapshot!(plan(&[("acme.test", &zone)], &body), @"
    T+0s lower/acme.test/mail/A
      3600 192.0.2.10 -> 300 192.0.2.10
    T+1h 6m switch/acme.test/mail/A
      300 192.0.2.10 -> 300 203.0.113.25
    T+1h 6m publish/acme.test/mail/AAAA
      absent -> 300 2001:db8::25
    T+7d 1h 11m restore/acme.test/mail/A
      300 203.0.113.25 -> 3600 203.0.113.25
    T+7d 1h 11m restore/acme.test/mail/AAAA
      300 2001:db8::25 -> 3600 2001:db8::25
    ");
}

#[test]
fn rfc5321_section_5_1_no_address_of_the_old_server_stays_behind() {
    let zone = acme("@ MX 10 mail\nmail AAAA 2001:db8:1::10\n");
    let body = body("mail.acme.test.", "mail.acme.test.", "203.0.113.25");
    assert_snapshot!(plan(&[("acme.test", &zone)], &body), @"
    T+0s lower/acme.test/mail/A
      3600 192.0.2.10 -> 300 192.0.2.10
    T+0s lower/acme.test/mail/AAAA
      86400 2001:db8:1::10 -> 300 2001:db8:1::10
    T+1d switch/acme.test/mail/A
      300 192.0.2.10 -> 300 203.0.113.25
    T+1d 11m remove/acme.test/mail/AAAA
      300 2001:db8:1::10 -> absent
    T+8d 16m restore/acme.test/mail/A
      300 203.0.113.25 -> 3600 203.0.113.25
    ");
}

#[test]
fn addresses_outside_the_zones_are_refused() {
    let zone = acme("@ MX 10 mail\n");
    let body = body("mail.acme.test.", "mx.elsewhere.test.", "203.0.113.25");
    assert_snapshot!(plan(&[("acme.test", &zone)], &body), @"
    error[address-outside-zones]: mx.elsewhere.test. is in none of the plan's zones, so its addresses cannot be published
    = help: remove `addresses:`, or add the zone to `zones:`
    ");
}

#[test]
fn two_domains_share_the_address_of_their_exchange() {
    let zone = acme("@ MX 10 mail\n");
    let other = acme("@ MX 10 mail.acme.test.\n");
    let body = body("mail.acme.test.", "mail.acme.test.", "203.0.113.25")
        .replace("[ acme.test ]", "[ acme.test, acme.example ]");
    assert_snapshot!(plan(&[("acme.test", &zone), ("acme.example", &other)], &body), @"
    T+0s lower/acme.test/mail/A
      3600 192.0.2.10 -> 300 192.0.2.10
    T+1h 6m switch/acme.test/mail/A
      300 192.0.2.10 -> 300 203.0.113.25
    T+7d 1h 11m restore/acme.test/mail/A
      300 203.0.113.25 -> 3600 203.0.113.25
    ");
}

#[test]
fn two_addresses_for_one_name_have_two_owners() {
    let zone = acme("@ MX 10 mail\n");
    let body = body("mail.acme.test.", "mx.acme.test.", "203.0.113.25")
        + "records: [ { zone: acme.test, name: mx, type: A, to: [ 203.0.113.26 ] } ]\n";
    assert_snapshot!(plan(&[("acme.test", &zone)], &body), @"
    error[owned-twice]: two parts of the plan set mx.acme.test. A
    = help: set the record in only one part of the plan
    ");
}

#[test]
fn rfc1034_section_4_2_1_nothing_is_published_below_a_delegation() {
    let zone = acme("@ MX 10 mail\nhosts NS ns.elsewhere.test.\n");
    let body = body("mail.acme.test.", "mx.hosts.acme.test.", "203.0.113.25");
    assert_snapshot!(plan(&[("acme.test", &zone)], &body), @"
    error[delegated]: mx.hosts.acme.test. is not in the zone acme.test.: hosts.acme.test. is delegated
    = help: add the zone `hosts.acme.test.` to `zones:`, if it can be changed
    ");
}
