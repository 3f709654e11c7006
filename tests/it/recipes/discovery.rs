//! Discovery records: switched with the MX records.

use insta::assert_snapshot;

use super::{HOST, acme, moves, plan};

fn discovery(more: &str, old: &str, new: &str) -> String {
    let zone = acme(&format!("@ 5m MX 10 mail\n{more}"));
    plan(&[("acme.test", &zone), ("host.test", HOST)], &body(old, new))
}

fn body(old: &str, new: &str) -> String {
    moves("", "")
        .replacen("senders: [ { name: people } ]", &format!("discovery: {{ {old} }}"), 1)
        .replacen("senders: [ { name: people } ]", &format!("discovery: {{ {new} }}"), 1)
}

#[test]
fn srv_records_are_switched_published_and_removed() {
    let live = "_imaps._tcp SRV 0 1 993 mail\n_pop3s._tcp SRV 0 1 995 mail\n";
    let old = "imap: \"mail.acme.test:993\", pop3: \"mail.acme.test:995\"";
    let new = "imap: \"imap.host.test:993\", submission: \"smtp.host.test:587\"";
    assert_snapshot!(discovery(live, old, new), @"
    T+0s lower/acme.test/_imaps._tcp/SRV
      86400 0 1 993 mail.acme.test. -> 300 0 1 993 mail.acme.test.
    T+1d 6m switch/acme.test/_imaps._tcp/SRV
      300 0 1 993 mail.acme.test. -> 300 0 1 993 imap.host.test.
    T+1d 6m publish/acme.test/_submission._tcp/SRV
      absent -> 300 0 1 587 smtp.host.test.
    T+1d 6m switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx1.host.test.
    T+8d 11m restore/acme.test/_imaps._tcp/SRV
      300 0 1 993 imap.host.test. -> 86400 0 1 993 imap.host.test.
    T+8d 11m restore/acme.test/_submission._tcp/SRV
      300 0 1 587 smtp.host.test. -> 3600 0 1 587 smtp.host.test.
    T+8d 11m remove/acme.test/_pop3s._tcp/SRV
      86400 0 1 995 mail.acme.test. -> absent
    ");
}

#[test]
fn what_the_old_host_does_not_declare_is_not_removed() {
    let live = "_pop3s._tcp SRV 0 1 995 pop.elsewhere.test.\n";
    assert_snapshot!(discovery(live, "pop3: \"mail.acme.test:995\"", "imap: \"imap.host.test:993\""), @"
    T+0s publish/acme.test/_imaps._tcp/SRV
      absent -> 300 0 1 993 imap.host.test.
    T+0s switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx1.host.test.
    T+7d 5m restore/acme.test/_imaps._tcp/SRV
      300 0 1 993 imap.host.test. -> 3600 0 1 993 imap.host.test.
    ");
}

#[test]
fn an_address_becomes_an_alias_in_one_change() {
    let live = "autodiscover 2h A 192.0.2.10\nautodiscover 1h AAAA 2001:db8::10\n";
    assert_snapshot!(discovery(live, "autoconfig: mail.acme.test.", "autodiscover: auto.host.test."), @"
    T+0s lower/acme.test/autodiscover/CNAME
      A 7200 192.0.2.10 -> 300 192.0.2.10
      AAAA 3600 2001:db8::10 -> 300 2001:db8::10
    T+2h 6m switch/acme.test/autodiscover/CNAME
      A 300 192.0.2.10 -> absent
      absent -> 300 auto.host.test.
      AAAA 300 2001:db8::10 -> absent
    T+2h 6m switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx1.host.test.
    T+7d 2h 11m restore/acme.test/autodiscover/CNAME
      300 auto.host.test. -> 3600 auto.host.test.
    ");
}

#[test]
fn an_alias_and_the_plans_own_record_do_not_share_a_name() {
    let zone = acme("@ 5m MX 10 mail\n");
    let body = body("autoconfig: mail.acme.test.", "autodiscover: auto.host.test.")
        + "records: [ { zone: acme.test, name: autodiscover, type: TXT, to: [ '\"x\"' ] } ]\n";
    assert_snapshot!(plan(&[("acme.test", &zone), ("host.test", HOST)], &body), @"
    error[cname-clash]: the TXT records of autodiscover.acme.test. cannot exist beside an alias (CNAME)
    = help: remove the alias or these records, or use another name for one of them
    ");
}
