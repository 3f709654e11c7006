//! MX records: one switch of the whole set, with the old TTL lowered and waited out.

use insta::assert_snapshot;

use super::{HOST, acme, moves, plan};

#[test]
fn the_set_is_swapped_at_once_after_the_old_ttl() {
    let zone = acme("@ MX 10 mail\n@ MX 20 backup\nbackup A 192.0.2.11\n");
    let body = moves("", "").replace(
        "name: mail.acme.test. }",
        "name: mail.acme.test. }, { preference: 20, name: backup.acme.test. }",
    );
    assert_snapshot!(plan(&[("acme.test", &zone), ("host.test", HOST)], &body), @"
    T+0s lower/acme.test/@/MX
      86400 10 mail.acme.test., 20 backup.acme.test. -> 300 10 mail.acme.test., 20 backup.acme.test.
    T+1d 6m switch/acme.test/@/MX
      300 10 mail.acme.test., 20 backup.acme.test. -> 300 10 mx1.host.test.
    T+8d 11m restore/acme.test/@/MX
      300 10 mx1.host.test. -> 86400 10 mx1.host.test.
    ");
}

#[test]
fn a_ttl_that_is_low_already_is_not_lowered() {
    let zone = acme("@ 120 MX 10 mail\n");
    assert_snapshot!(plan(&[("acme.test", &zone), ("host.test", HOST)], &moves("", "")), @"
    T+0s switch/acme.test/@/MX
      120 10 mail.acme.test. -> 120 10 mx1.host.test.
    ");
}

#[test]
fn ttls_that_are_not_restored_stay_low() {
    let zone = acme("@ MX 10 mail\n");
    let body = moves("", "").replace("to: new }", "to: new, restore_ttls: false }")
        + "records: [ { zone: acme.test, name: www, type: A, to: [ 203.0.113.80 ], with: switch } ]\n";
    assert_snapshot!(plan(&[("acme.test", &zone), ("host.test", HOST)], &body), @"
    T+0s lower/acme.test/@/MX
      86400 10 mail.acme.test. -> 300 10 mail.acme.test.
    T+1d 6m switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx1.host.test.
    T+1d 6m publish/acme.test/www/A
      absent -> 300 203.0.113.80
    ");
}

#[test]
fn unchanged_records_keep_their_ttl_even_if_ttls_are_not_restored() {
    let zone = acme("@ MX 10 mx1.host.test.\n");
    let body = moves("", "").replace("to: new }", "to: new, restore_ttls: false }");
    assert_snapshot!(plan(&[("acme.test", &zone), ("host.test", HOST)], &body), @"nothing to change");
}

#[test]
fn an_unknown_exchange_is_not_removed() {
    let zone = acme("@ MX 10 mail\n@ MX 50 filter.vendor.test.\n");
    assert_snapshot!(plan(&[("acme.test", &zone), ("host.test", HOST)], &moves("", "")), @"
    error[unknown-exchange]: the live MX records of acme.test. name `50 filter.vendor.test.`, which neither host of the move has
    = help: add it to the exchanges of `old`, or remove it from the zone first
    ");
}

#[test]
fn of_old_and_new_exchanges_only_the_new_ones_remain() {
    let zone = acme("@ 5m MX 10 mail\n@ 5m MX 20 mx1.host.test.\n");
    assert_snapshot!(plan(&[("acme.test", &zone), ("host.test", HOST)], &moves("", "")), @"
    T+0s switch/acme.test/@/MX
      300 10 mail.acme.test., 20 mx1.host.test. -> 300 10 mx1.host.test.
    ");
}

#[test]
fn a_domain_without_mx_records_gets_them_and_their_absence_is_waited_out() {
    let zone = acme("@ A 192.0.2.10\n");
    assert_snapshot!(plan(&[("acme.test", &zone), ("host.test", HOST)], &moves("", "")), @"
    T+0s publish/acme.test/@/MX
      absent -> 300 10 mx1.host.test.
    T+7d 5m restore/acme.test/@/MX
      300 10 mx1.host.test. -> 3600 10 mx1.host.test.
    ");
}

#[test]
fn rfc7505_a_domain_without_mail_is_not_moved() {
    let zone = acme("@ MX 0 .\n");
    assert_snapshot!(plan(&[("acme.test", &zone), ("host.test", HOST)], &moves("", "")), @"
    error[null-mx]: acme.test. accepts no mail: it has a null MX record
    = help: remove the domain from `domains:`, or remove the null MX from the zone first
    ");
}

#[test]
fn rfc2181_section_10_3_an_exchange_is_not_an_alias() {
    let zone = acme("@ MX 10 mail\n");
    let host = HOST.replace("mx1 A 198.51.100.1", "mx1 CNAME ns1");
    assert_snapshot!(plan(&[("acme.test", &zone), ("host.test", &host)], &moves("", "")), @"
    error[unusable-exchange]: the exchange mx1.host.test. is an alias (CNAME)
    = help: use another name, or replace the alias by addresses first
    ");
}

#[test]
fn an_exchange_has_an_address_before_it_is_named() {
    let zone = acme("@ MX 10 mail\n");
    let host = HOST.replace("mx1 A", "mx2 A");
    let zones = [("acme.test", zone.as_str()), ("host.test", &host)];
    assert_snapshot!(plan(&zones, &moves("", "")), @"
    error[unusable-exchange]: the exchange mx1.host.test. has no address
    = help: publish its addresses: add `addresses: [ ... ]` to the exchange
    ");
    let record = |when: &str| {
        moves("", "")
            + &format!(
                "records: [ {{ zone: host.test, name: mx1, type: A, to: [ 198.51.100.1 ]{when} }} ]\n"
            )
    };
    assert_snapshot!(plan(&zones, &record("")), @"
    error[unusable-exchange]: the exchange mx1.host.test. has no address yet when the MX records start to name it
    = help: add `with: expand` to the record with its address
    ");
    assert_snapshot!(plan(&zones, &record(", with: switch")), @"
    error[unusable-exchange]: the exchange mx1.host.test. has no address yet when the MX records start to name it
    = help: add `with: expand` to the record with its address
    ");
    assert_snapshot!(plan(&zones, &record(", with: expand")), @"
    T+0s lower/acme.test/@/MX
      86400 10 mail.acme.test. -> 300 10 mail.acme.test.
    T+0s publish/host.test/mx1/A
      absent -> 3600 198.51.100.1
    T+1d 6m switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx1.host.test.
    T+8d 11m restore/acme.test/@/MX
      300 10 mx1.host.test. -> 86400 10 mx1.host.test.
    ");
}

#[test]
fn an_exchange_keeps_its_address() {
    let zone = acme("@ MX 10 mail\n");
    let body = moves("", "")
        + "records: [ { zone: host.test, name: mx1, type: A, absent: true, with: contract } ]\n";
    assert_snapshot!(plan(&[("acme.test", &zone), ("host.test", HOST)], &body), @"
    error[unusable-exchange]: the exchange mx1.host.test. has no address when the plan is done
    = help: keep its address
    ");
}

#[test]
fn two_domains_of_one_zone_move_together() {
    let zone = acme("@ MX 10 mail\nlists 1h MX 10 mail\n");
    let body = moves("", "").replace("[ acme.test ]", "[ acme.test, lists.acme.test ]");
    assert_snapshot!(plan(&[("acme.test", &zone), ("host.test", HOST)], &body), @"
    T+0s lower/acme.test/@/MX
      86400 10 mail.acme.test. -> 300 10 mail.acme.test.
    T+0s lower/acme.test/lists/MX
      3600 10 mail.acme.test. -> 300 10 mail.acme.test.
    T+1d 6m switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx1.host.test.
    T+1d 6m switch/acme.test/lists/MX
      300 10 mail.acme.test. -> 300 10 mx1.host.test.
    T+8d 11m restore/acme.test/@/MX
      300 10 mx1.host.test. -> 86400 10 mx1.host.test.
    T+8d 11m restore/acme.test/lists/MX
      300 10 mx1.host.test. -> 3600 10 mx1.host.test.
    ");
}

#[test]
fn the_name_of_an_exchange_follows_the_domain() {
    let zone = acme("@ MX 10 mail\n");
    let other = acme("@ MX 10 mail.acme.test.\n");
    let body = moves("", "")
        .replace("[ acme.test ]", "[ acme.test, acme.example ]")
        .replace("name: mx1.host.test.", "name: \"{domain}.host.test.\"");
    let host = HOST.to_owned() + "acme.test A 198.51.100.2\nacme.example A 198.51.100.3\n";
    let zones = [("acme.test", zone.as_str()), ("acme.example", &other), ("host.test", &host)];
    assert_snapshot!(plan(&zones, &body), @"
    T+0s lower/acme.test/@/MX
      86400 10 mail.acme.test. -> 300 10 mail.acme.test.
    T+0s lower/acme.example/@/MX
      86400 10 mail.acme.test. -> 300 10 mail.acme.test.
    T+1d 6m switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 acme.test.host.test.
    T+1d 6m switch/acme.example/@/MX
      300 10 mail.acme.test. -> 300 10 acme.example.host.test.
    T+8d 11m restore/acme.test/@/MX
      300 10 acme.test.host.test. -> 86400 10 acme.test.host.test.
    T+8d 11m restore/acme.example/@/MX
      300 10 acme.example.host.test. -> 86400 10 acme.example.host.test.
    ");
}

#[test]
fn rfc4592_section_3_3_1_a_domain_of_a_wildcard_is_written_out_first() {
    let zone = acme("* MX 10 mail\n");
    let body = moves("", "").replace("[ acme.test ]", "[ sales.acme.test ]");
    assert_snapshot!(plan(&[("acme.test", &zone), ("host.test", HOST)], &body), @"
    error[wildcard-domain]: the records of sales.acme.test. come from a wildcard
    = help: publish the records at the domain's own name first, then plan again
    ");
}

#[test]
fn rfc1034_section_3_6_2_a_domain_that_is_an_alias_is_written_out_first() {
    let zone = acme("sales CNAME mail\n");
    let body = moves("ip4:192.0.2.10", "include:_spf.host.test")
        .replace("[ acme.test ]", "[ sales.acme.test ]");
    assert_snapshot!(plan(&[("acme.test", &zone), ("host.test", HOST)], &body), @"
    error[cname-clash]: sales.acme.test. is an alias (CNAME), so its mail is that of another name
    = help: replace the alias by the records of the domain first, or move the name that it leads to
    ");
}

#[test]
fn the_mx_records_have_one_owner() {
    let zone = acme("@ MX 10 mail\n");
    let body = moves("", "")
        + "records: [ { zone: acme.test, name: \"@\", type: MX, to: [ \"10 mail.acme.test.\" ] } ]\n";
    assert_snapshot!(plan(&[("acme.test", &zone), ("host.test", HOST)], &body), @"
    error[owned-twice]: two parts of the plan set acme.test. MX
    = help: set the record in only one part of the plan
    ");
}

#[test]
fn rfc8767_section_4_no_cache_is_waited_for_longer_than_seven_days() {
    let zone = acme("@ 30d MX 10 mail\n");
    assert_snapshot!(plan(&[("acme.test", &zone), ("host.test", HOST)], &moves("", "")), @"
    T+0s lower/acme.test/@/MX
      2592000 10 mail.acme.test. -> 300 10 mail.acme.test.
    T+7d 6m switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx1.host.test.
    T+14d 11m restore/acme.test/@/MX
      300 10 mx1.host.test. -> 2592000 10 mx1.host.test.
    ");
}
