//! The plan's other records.

use cutover::compile::compile;
use cutover::diag::Source;
use cutover::graph::Primitive;
use cutover::intent::resolve;
use cutover::language::parse;
use cutover::observe::{Snapshot, ZoneSeen};
use cutover_contract::Provider as _;
use cutover_memory::Memory;
use cutover_zone::Ttl;
use insta::assert_snapshot;

use super::{HOST, acme, moves, plan, read, shown};
use crate::registry::language;

/// Only records, without a move. `live` is in the zone.
fn records(live: &str, records: &str) -> String {
    plan(&[("acme.test", &acme(live))], &format!("records:\n{records}"))
}

#[test]
fn records_without_an_order_change_at_once() {
    let wanted = "  - { zone: acme.test, name: www, type: A, to: [ 203.0.113.80 ] }
  - { zone: acme.test, name: new, type: A, to: [ 203.0.113.81 ], ttl: 10m }
  - { zone: acme.test, name: stage, type: A, absent: true }
  - { zone: acme.test, name: mail, type: A, to: [ 192.0.2.10 ] }
";
    assert_snapshot!(records("www A 192.0.2.80\nstage A 192.0.2.81\n", wanted), @"
    T+0s switch/acme.test/www/A
      86400 192.0.2.80 -> 86400 203.0.113.80
    T+0s publish/acme.test/new/A
      absent -> 600 203.0.113.81
    T+0s remove/acme.test/stage/A
      86400 192.0.2.81 -> absent
    ");
}

#[test]
fn a_ttl_is_lowered_before_and_restored_after() {
    let wanted = "  - { zone: acme.test, name: www, type: A, to: [ 203.0.113.80 ], lower_ttl: 5m }
  - { zone: acme.test, name: old, type: A, absent: true, lower_ttl: 5m }
  - { zone: acme.test, name: short, type: A, to: [ 203.0.113.80 ], lower_ttl: 5m }
";
    assert_snapshot!(records("www A 192.0.2.80\nold A 192.0.2.81\nshort 60 A 192.0.2.82\n", wanted), @"
    T+0s lower/acme.test/www/A
      86400 192.0.2.80 -> 300 192.0.2.80
    T+0s lower/acme.test/old/A
      86400 192.0.2.81 -> 300 192.0.2.81
    T+0s switch/acme.test/short/A
      60 192.0.2.82 -> 60 203.0.113.80
    T+1d 6m switch/acme.test/www/A
      300 192.0.2.80 -> 300 203.0.113.80
    T+1d 17m restore/acme.test/www/A
      300 203.0.113.80 -> 86400 203.0.113.80
    T+1d 6m remove/acme.test/old/A
      300 192.0.2.81 -> absent
    ");
}

#[test]
fn a_ttl_alone_is_a_change_that_others_wait_for() {
    let wanted = "  - { id: ttl, zone: acme.test, name: www, type: A, to: [ 192.0.2.80 ], ttl: 5m }
  - { zone: acme.test, name: web, type: CNAME, to: [ www.acme.test. ], after: \"record:ttl\" }
  - { zone: acme.test, name: mail, type: A, to: [ 192.0.2.10 ], ttl: 1d }
";
    assert_snapshot!(records("www A 192.0.2.80\n", wanted), @"
    T+0s lower/acme.test/www/A
      86400 192.0.2.80 -> 300 192.0.2.80
    T+0s restore/acme.test/mail/A
      3600 192.0.2.10 -> 86400 192.0.2.10
    T+1d 6m publish/acme.test/web/CNAME
      absent -> 3600 www.acme.test.
    ");
}

#[test]
fn records_come_after_others() {
    let wanted = "  - { id: one, zone: acme.test, name: www, type: A, to: [ 203.0.113.80 ], lower_ttl: 5m }
  - { id: done, zone: acme.test, name: mail, type: A, to: [ 192.0.2.10 ] }
  - { zone: acme.test, name: two, type: A, to: [ 203.0.113.81 ], after: [ \"record:one\", \"record:done\" ] }
";
    assert_snapshot!(records("www 1h A 192.0.2.80\n", wanted), @"
    T+0s lower/acme.test/www/A
      3600 192.0.2.80 -> 300 192.0.2.80
    T+1h 6m switch/acme.test/www/A
      300 192.0.2.80 -> 300 203.0.113.80
    T+1h 17m restore/acme.test/www/A
      300 203.0.113.80 -> 3600 203.0.113.80
    T+1h 17m publish/acme.test/two/A
      absent -> 3600 203.0.113.81
    ");
}

#[test]
fn an_alias_replaces_addresses_and_back() {
    let wanted =
        "  - { zone: acme.test, name: www, type: CNAME, to: [ web.host.test. ], lower_ttl: 5m }
  - { zone: acme.test, name: shop, type: A, to: [ 203.0.113.80 ], lower_ttl: 5m }
";
    assert_snapshot!(records("www A 192.0.2.80\nwww 1h AAAA 2001:db8::80\nshop 2h CNAME shop.old.test.\n", wanted), @"
    T+0s lower/acme.test/www/CNAME
      A 86400 192.0.2.80 -> 300 192.0.2.80
      AAAA 3600 2001:db8::80 -> 300 2001:db8::80
    T+0s lower/acme.test/shop/A
      CNAME 7200 shop.old.test. -> 300 shop.old.test.
    T+1d 6m switch/acme.test/www/CNAME
      A 300 192.0.2.80 -> absent
      absent -> 300 web.host.test.
      AAAA 300 2001:db8::80 -> absent
    T+1d 1h 12m restore/acme.test/www/CNAME
      300 web.host.test. -> 3600 web.host.test.
    T+2h 6m switch/acme.test/shop/A
      absent -> 300 203.0.113.80
      CNAME 300 shop.old.test. -> absent
    T+3h 12m restore/acme.test/shop/A
      300 203.0.113.80 -> 3600 203.0.113.80
    ");
    assert_snapshot!(
        records("", "  - { zone: acme.test, name: \"@\", type: CNAME, to: [ web.host.test. ] }\n"),
        @"
    error[cname-clash]: acme.test. is the apex of its zone and cannot be an alias
    = help: use A and AAAA records, or set up your provider's own kind of alias by hand
    "
    );
}

#[test]
fn records_are_ordered_within_a_move() {
    let zone = acme("@ 5m MX 10 mail\nwww A 192.0.2.80\n");
    let wanted = [
        "with: expand",
        "with: switch",
        "with: contract",
        "after: expand",
        "after: switch",
        "after: contract",
    ];
    let records: String = wanted
        .iter()
        .enumerate()
        .map(|(number, when)| {
            format!("  - {{ zone: acme.test, name: r{number}, type: A, to: [ 203.0.113.{number} ], {when} }}\n")
        })
        .collect();
    let body = moves("", "") + "records:\n" + &records;
    assert_snapshot!(plan(&[("acme.test", &zone), ("host.test", HOST)], &body), @"
    T+0s publish/acme.test/r0/A
      absent -> 3600 203.0.113.0
    T+5m switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx1.host.test.
    T+5m publish/acme.test/r1/A
      absent -> 300 203.0.113.1
    T+7d 10m restore/acme.test/r1/A
      300 203.0.113.1 -> 3600 203.0.113.1
    T+7d 10m publish/acme.test/r2/A
      absent -> 3600 203.0.113.2
    T+1h 6m publish/acme.test/r3/A
      absent -> 3600 203.0.113.3
    T+1h 11m publish/acme.test/r4/A
      absent -> 3600 203.0.113.4
    T+7d 1h 16m publish/acme.test/r5/A
      absent -> 3600 203.0.113.5
    ");
}

#[test]
fn a_record_of_the_switch_is_lowered_and_restored_with_it() {
    let zone = acme("@ 5m MX 10 mail\nwebmail 2d CNAME mail\nftp 2d A 192.0.2.21\n");
    let body = moves("", "")
        + "records:
  - { zone: acme.test, name: webmail, type: CNAME, to: [ mx1.host.test. ], with: switch }
  - { zone: acme.test, name: ftp, type: A, to: [ 203.0.113.21 ], with: switch, lower_ttl: 2m, ttl: 4h }
";
    assert_snapshot!(plan(&[("acme.test", &zone), ("host.test", HOST)], &body), @"
    T+0s lower/acme.test/webmail/CNAME
      172800 mail.acme.test. -> 300 mail.acme.test.
    T+0s lower/acme.test/ftp/A
      172800 192.0.2.21 -> 120 192.0.2.21
    T+2d 6m switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx1.host.test.
    T+2d 6m switch/acme.test/webmail/CNAME
      300 mail.acme.test. -> 300 mx1.host.test.
    T+2d 6m switch/acme.test/ftp/A
      120 192.0.2.21 -> 120 203.0.113.21
    T+9d 11m restore/acme.test/webmail/CNAME
      300 mx1.host.test. -> 172800 mx1.host.test.
    T+9d 11m restore/acme.test/ftp/A
      120 203.0.113.21 -> 14400 203.0.113.21
    ");
}

#[test]
fn nothing_is_written_below_a_delegation() {
    let wanted = "  - { zone: acme.test, name: a.shop, type: A, to: [ 203.0.113.80 ] }\n";
    assert_snapshot!(records("shop NS ns.elsewhere.test.\n", wanted), @"
    error[delegated]: a.shop.acme.test. is not in the zone acme.test.: shop.acme.test. is delegated
    = help: add the zone `shop.acme.test.` to `zones:`, if it can be changed
    ");
}

/// The changes of `records` at a provider with a minimum TTL of ten minutes.
fn with_floor(live: &str, records: &str) -> String {
    let text = format!(
        "version: 1\nname: floor\nproviders: {{ p: {{ type: zonefile, directory: . }} }}\nzones: {{ acme.test: {{ provider: p }} }}\nrecords:\n{records}"
    );
    let source = Source::new("plan.yaml", text);
    let intent = parse(&source, language()).and_then(resolve).expect("a plan");
    let (name, zone) = read("acme.test", &acme(live));
    let mut capabilities = Memory::new([zone.clone()]).capabilities(&name);
    capabilities.ttl_min = Ttl::from_wire(600);
    let seen = ZoneSeen { zone, capabilities, authorities: Vec::new() };
    let snapshot = Snapshot { zones: [(name, seen)].into(), ..Snapshot::default() };
    let compiled = match compile(&intent, &snapshot) {
        Ok(compiled) => compiled,
        Err(found) => return found.iter().map(|d| format!("{}\n", d.title)).collect(),
    };
    let steps = compiled.graph.steps().iter().filter_map(|step| match &step.primitive {
        Primitive::Change(changes) => Some((&step.id, &changes.changes()[0])),
        Primitive::Wait(_) | Primitive::Gate(_) | Primitive::Task(_) | Primitive::Checkpoint(_) => {
            None
        }
    });
    steps
        .map(|(id, c)| {
            format!("{id}: {} -> {}\n", shown(c.before.as_ref()), shown(c.after.as_ref()))
        })
        .collect()
}

#[test]
fn the_shortest_ttl_of_the_provider_is_kept() {
    let wanted =
        "  - { zone: acme.test, name: www, type: A, to: [ 203.0.113.80 ], lower_ttl: 1m }\n";
    assert_snapshot!(with_floor("www A 192.0.2.80\n", wanted), @"
    lower/acme.test/www/A: 86400 192.0.2.80 -> 600 192.0.2.80
    switch/acme.test/www/A: 600 192.0.2.80 -> 600 203.0.113.80
    restore/acme.test/www/A: 600 203.0.113.80 -> 86400 203.0.113.80
    ");
    let wanted = "  - { zone: acme.test, name: www, type: A, to: [ 203.0.113.80 ], ttl: 1m }\n";
    assert_snapshot!(with_floor("www A 192.0.2.80\n", wanted), @"the provider of acme.test. supports no TTL below 600 s, but `ttl:` is 60 s");
}
