//! DKIM keys: published before the switch, and removed when no mail signed by them is in flight.

use insta::assert_snapshot;

use super::{HOST, acme, moves, plan};

const KEY: &str = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

/// A move with these selectors at the old and at the new host.
fn body(old: &str, new: &str) -> String {
    moves("", "")
        .replacen("{ name: people }", &format!("{{ name: people, dkim: [ {old} ] }}"), 1)
        .replacen("{ name: people }", &format!("{{ name: people, dkim: [ {new} ] }}"), 1)
}

fn dkim(more: &str, old: &str, new: &str) -> String {
    let zone = acme(&format!("@ 5m MX 10 mail\n{more}"));
    plan(&[("acme.test", &zone), ("host.test", HOST)], &body(old, new))
}

#[test]
fn the_new_key_comes_first_and_the_old_one_goes_last() {
    let old = format!("old._domainkey TXT \"{KEY}\"\n");
    assert_snapshot!(dkim(&old, "old", "{ selector: new, cname: \"new.{domain}.dkim.host.test.\" }"), @r#"
    T+0s publish/acme.test/new._domainkey/CNAME
      absent -> 3600 new.acme.test.dkim.host.test.
    T+1h 6m switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx1.host.test.
    T+12d 1h 12m remove/acme.test/old._domainkey/TXT
      86400 "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=" -> absent
    "#);
}

#[test]
fn a_key_that_is_not_published_is_reported() {
    assert_snapshot!(dkim("", "old", "new"), @"
    error[dkim-missing]: there is no DKIM key at new._domainkey.acme.test.
    = help: write what to publish: `{ selector: NAME, cname: ... }` or `{ selector: NAME, txt: ... }`
    ");
}

#[test]
fn one_name_holds_one_key() {
    let live = "s1._domainkey CNAME s1.old.test.\n";
    assert_snapshot!(dkim(live, "s1", "{ selector: s1, cname: s1.host.test. }"), @"
    error[dkim-collision]: the name s1._domainkey.acme.test. is taken: another key is published there
    = help: choose another selector at the new host: old mail in flight still needs the old key
    ");
    assert_snapshot!(dkim(live, "s1", &format!("{{ selector: s1, txt: \"{KEY}\" }}")), @"
    error[dkim-collision]: the name s1._domainkey.acme.test. is taken: another key is published there
    = help: choose another selector at the new host: old mail in flight still needs the old key
    ");
}

#[test]
fn a_key_that_moves_with_the_server_stays() {
    let key = |strings: &str| format!("s1._domainkey TXT {strings}\n");
    let new = format!("{{ selector: s1, txt: \"{KEY}\" }}");
    assert_snapshot!(dkim(&key(&format!("\"{KEY}\"")), "s1", &new), @"
    T+0s switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx1.host.test.
    ");
    // Whatever its division into strings.
    let (front, back) = KEY.split_at(20);
    assert_snapshot!(dkim(&key(&format!("\"{front}\" \"{back}\"")), "s1", &new), @"
    T+0s switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx1.host.test.
    ");
}

#[test]
fn a_live_key_in_another_spelling_stays() {
    let live = KEY.replace("; ", ";").replace("p=", "p= ");
    let new = format!("{{ selector: s1, txt: \"{KEY}\" }}");
    let steps = dkim(&format!("s1._domainkey TXT \"{live}\"\n"), "s1", &new);
    assert!(!steps.contains("_domainkey"), "{steps}");
    let live = KEY.replace("11q", "12q");
    assert_snapshot!(dkim(&format!("s1._domainkey TXT \"{live}\"\n"), "s1", &new), @"
    error[dkim-collision]: the name s1._domainkey.acme.test. is taken: another key is published there
    = help: choose another selector at the new host: old mail in flight still needs the old key
    ");
}

#[test]
fn a_key_of_several_senders_is_published_once() {
    let new = "{ selector: new, cname: new.host.test. } ] }, { name: shop, dkim: [ { selector: new, cname: new.host.test. }";
    assert_snapshot!(dkim("", "old", new), @"
    T+0s publish/acme.test/new._domainkey/CNAME
      absent -> 3600 new.host.test.
    T+1h 6m switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx1.host.test.
    ");
    let other = new.replacen("new.host.test.", "other.host.test.", 1);
    assert_snapshot!(dkim("", "old", &other), @"
    error[dkim-missing]: new._domainkey.acme.test. would lead to other.host.test., where there is no key
    = help: check for typos, or have the host publish the key first
    error[dkim-collision]: the name new._domainkey.acme.test. is taken: two senders publish different keys there
    = help: choose another selector at the new host: old mail in flight still needs the old key
    ");
}

#[test]
fn keys_are_in_the_zone_that_serves_them() {
    let zone = acme("@ 5m MX 10 mail\n_domainkey NS ns1\n");
    let keys = "$TTL 1h\n@ SOA ns1.acme.test. hostmaster.acme.test. 1 3600 600 86400 600\n@ NS ns1.acme.test.\nold CNAME old.dkim.test.\n";
    let body = body("old", "{ selector: new, cname: new.host.test. }");
    let zones = [("acme.test", zone.as_str()), ("_domainkey.acme.test", keys), ("host.test", HOST)];
    assert_snapshot!(plan(&zones, &body), @"
    T+0s publish/_domainkey.acme.test/new/CNAME
      absent -> 3600 new.host.test.
    T+16m switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx1.host.test.
    T+12d 22m remove/_domainkey.acme.test/old/CNAME
      3600 old.dkim.test. -> absent
    ");
    // Delegated elsewhere, it cannot be written.
    assert_snapshot!(plan(&[zones[0], zones[2]], &body), @"
    error[delegated]: new._domainkey.acme.test. is not in the zone acme.test.: _domainkey.acme.test. is delegated
    = help: add the zone `_domainkey.acme.test.` to `zones:`, if it can be changed
    ");
}
