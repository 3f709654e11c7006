//! SPF: a single record, widened before the switch and narrowed in the end.

use insta::assert_snapshot;

use super::{HOST, acme, moves, plan};

/// The steps of a move from `old` to `new` (SPF terms) with these records at the domain.
fn spf(records: &str, old: &str, new: &str) -> String {
    let zone = acme(&format!("@ 5m MX 10 mail\n{records}"));
    plan(&[("acme.test", &zone), ("host.test", HOST)], &moves(old, new))
}

/// As [`spf`], with an SPF record of this text.
fn record(text: &str, old: &str, new: &str) -> String {
    spf(&format!("@ 1h TXT \"{text}\"\n"), old, new)
}

#[test]
fn other_txt_records_stay_to_the_octet() {
    let records = "@ 1h TXT \"v=spf1 ip4:192.0.2.10 -all\"\n@ 1h TXT \"a; \\\"b\\\" \\255\" \"c\" \"\"\n@ 1h TXT \"MS=ms123\"\n";
    assert_snapshot!(spf(records, "ip4:192.0.2.10", "include:_spf.host.test"), @r#"
    T+0s widen/acme.test/@/TXT
      3600 "MS=ms123", "a; \"b\" \255" "c" "", "v=spf1 ip4:192.0.2.10 -all" -> 3600 "MS=ms123", "a; \"b\" \255" "c" "", "v=spf1 ip4:192.0.2.10 include:_spf.host.test -all"
    T+1h 6m switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx1.host.test.
    T+12d 1h 12m narrow/acme.test/@/TXT
      3600 "MS=ms123", "a; \"b\" \255" "c" "", "v=spf1 ip4:192.0.2.10 include:_spf.host.test -all" -> 3600 "MS=ms123", "a; \"b\" \255" "c" "", "v=spf1 include:_spf.host.test -all"
    "#);
}

#[test]
fn undeclared_terms_stay() {
    assert_snapshot!(
        record("v=spf1 include:crm.test ip4:192.0.2.10 exp=why.acme.test ?all", "ip4:192.0.2.10", "include:_spf.host.test"),
        @r#"
    T+0s widen/acme.test/@/TXT
      3600 "v=spf1 include:crm.test ip4:192.0.2.10 exp=why.acme.test ?all" -> 3600 "v=spf1 include:crm.test ip4:192.0.2.10 exp=why.acme.test include:_spf.host.test ?all"
    T+1h 6m switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx1.host.test.
    T+12d 1h 12m narrow/acme.test/@/TXT
      3600 "v=spf1 include:crm.test ip4:192.0.2.10 exp=why.acme.test include:_spf.host.test ?all" -> 3600 "v=spf1 include:crm.test exp=why.acme.test include:_spf.host.test ?all"
    "#
    );
}

#[test]
fn what_both_hosts_declare_stays() {
    assert_snapshot!(
        record("v=spf1 ip4:192.0.2.10 include:_spf.host.test -all", "ip4:192.0.2.10 include:_spf.host.test", "include:_spf.host.test"),
        @r#"
    T+0s switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx1.host.test.
    T+12d 6m narrow/acme.test/@/TXT
      3600 "v=spf1 ip4:192.0.2.10 include:_spf.host.test -all" -> 3600 "v=spf1 include:_spf.host.test -all"
    "#
    );
}

#[test]
fn case_and_plus_do_not_count() {
    assert_snapshot!(
        record("V=SPF1 +IP4:192.0.2.10 Include:_SPF.Host.Test ~ALL", "ip4:192.0.2.10", "include:_spf.host.test"),
        @r#"
    T+0s switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx1.host.test.
    T+12d 6m narrow/acme.test/@/TXT
      3600 "V=SPF1 +IP4:192.0.2.10 Include:_SPF.Host.Test ~ALL" -> 3600 "v=spf1 Include:_SPF.Host.Test ~ALL"
    "#
    );
}

#[test]
fn a_domain_without_spf_gets_a_record_of_both_sides() {
    assert_snapshot!(spf("@ 1h TXT \"MS=ms123\"\n", "ip4:192.0.2.10", "include:_spf.host.test"), @r#"
    T+0s widen/acme.test/@/TXT
      3600 "MS=ms123" -> 3600 "MS=ms123", "v=spf1 ip4:192.0.2.10 include:_spf.host.test ~all"
    T+1h 6m switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx1.host.test.
    T+12d 1h 12m narrow/acme.test/@/TXT
      3600 "MS=ms123", "v=spf1 ip4:192.0.2.10 include:_spf.host.test ~all" -> 3600 "MS=ms123", "v=spf1 include:_spf.host.test ~all"
    "#);
    assert_snapshot!(spf("", "mx", "include:_spf.host.test"), @r#"
    T+0s publish/acme.test/@/TXT
      absent -> 3600 "v=spf1 ip4:192.0.2.10 include:_spf.host.test ~all"
    T+1h 6m switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx1.host.test.
    T+12d 1h 12m narrow/acme.test/@/TXT
      3600 "v=spf1 ip4:192.0.2.10 include:_spf.host.test ~all" -> 3600 "v=spf1 include:_spf.host.test ~all"
    "#);
    assert_snapshot!(spf("", "redirect=_spf.host.test", "ip4:198.51.100.7"), @r#"
    T+0s publish/acme.test/@/TXT
      absent -> 3600 "v=spf1 include:_spf.host.test ip4:198.51.100.7 ~all"
    T+1h 6m switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx1.host.test.
    T+12d 1h 12m narrow/acme.test/@/TXT
      3600 "v=spf1 include:_spf.host.test ip4:198.51.100.7 ~all" -> 3600 "v=spf1 ip4:198.51.100.7 ~all"
    "#);
}

#[test]
fn without_declared_spf_nothing_is_published() {
    assert_snapshot!(spf("", "", ""), @"
    T+0s switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx1.host.test.
    ");
    assert_snapshot!(record("v=spf1 include:a.test include:a.test -all", "", ""), @"
    T+0s switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx1.host.test.
    ");
}

#[test]
fn rfc7208_section_4_5_two_records_are_refused() {
    let records =
        "@ TXT \"v=spf1 ip4:192.0.2.10 -all\"\n@ TXT \"v=spf1 include:_spf.host.test -all\"\n";
    assert_snapshot!(spf(records, "ip4:192.0.2.10", "include:_spf.host.test"), @"
    error[spf-two-records]: acme.test. has 2 SPF records
    = help: merge them into one by hand, then plan again
    ");
}

#[test]
fn rfc7208_section_6_1_redirect() {
    let old = "redirect=_spf.host.test";
    assert_snapshot!(record("v=spf1 redirect=_spf.host.test", old, "ip4:198.51.100.7"), @r#"
    T+0s widen/acme.test/@/TXT
      3600 "v=spf1 redirect=_spf.host.test" -> 3600 "v=spf1 ip4:198.51.100.7 redirect=_spf.host.test"
    T+0s switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx1.host.test.
    T+12d 6m narrow/acme.test/@/TXT
      3600 "v=spf1 ip4:198.51.100.7 redirect=_spf.host.test" -> 3600 "v=spf1 ip4:198.51.100.7 -all"
    "#);
    assert_snapshot!(record("v=spf1 ip4:192.0.2.10 -all", "ip4:192.0.2.10", "Redirect=_spf.host.test"), @r#"
    T+0s widen/acme.test/@/TXT
      3600 "v=spf1 ip4:192.0.2.10 -all" -> 3600 "v=spf1 ip4:192.0.2.10 include:_spf.host.test -all"
    T+1h 6m switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx1.host.test.
    T+12d 1h 12m narrow/acme.test/@/TXT
      3600 "v=spf1 ip4:192.0.2.10 include:_spf.host.test -all" -> 3600 "v=spf1 include:_spf.host.test -all"
    "#);
    assert_snapshot!(record("v=spf1 redirect=_spf.host.test", "ip4:198.51.100.10", "redirect=_spf.host.test"), @"
    T+0s switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx1.host.test.
    ");
}

#[test]
fn rfc7208_section_4_6_4_ten_look_ups() {
    let live = |includes: usize| {
        let includes: Vec<String> =
            (0..includes).map(|n| format!("include:s{n}.host.test")).collect();
        format!("v=spf1 {} ip4:192.0.2.10 -all", includes.join(" "))
    };
    let spf = |includes: usize| {
        let zone = acme(&format!("@ 5m MX 10 mail\n@ 1h TXT \"{}\"\n", live(includes)));
        let host: String =
            (0..10).map(|n| format!("s{n} TXT \"v=spf1 ip4:198.51.100.{n} -all\"\n")).collect();
        let host = HOST.to_owned() + &host;
        plan(
            &[("acme.test", &zone), ("host.test", &host)],
            &moves("ip4:192.0.2.10", "include:_spf.host.test"),
        )
    };
    assert!(spf(9).starts_with("T+"));
    assert_snapshot!(spf(10), @"
    error[spf-lookups]: the SPF record of acme.test. costs 11 look-ups while both sides send
    = help: remove includes that nobody uses, or move a sender to its own subdomain; the live record costs 10
    ");
}

#[test]
fn rfc7208_section_5_2_an_include_leads_to_one_record() {
    let live = "v=spf1 ip4:192.0.2.10 -all";
    assert_snapshot!(record(live, "ip4:192.0.2.10", "include:spf.host.test"), @"
    error[spf-include]: `include:spf.host.test` leads to a name with 0 SPF records
    = help: check the name in the host's documentation; if the record is yours, publish it first
    ");
    let zone = acme(&format!("@ MX 10 mail\n@ TXT \"{live}\"\n"));
    let host = HOST.to_owned() + "_spf TXT \"v=spf1 -all\"\n";
    let zones = [("acme.test", zone.as_str()), ("host.test", &host)];
    assert_snapshot!(plan(&zones, &moves("ip4:192.0.2.10", "include:_spf.host.test")), @"
    error[spf-include]: `include:_spf.host.test` leads to a name with 2 SPF records
    = help: check the name in the host's documentation; if the record is yours, publish it first
    ");
}

#[test]
fn macros_stay_and_names_that_are_not_queried_are_assumed() {
    let live = "v=spf1 exists:%{i}._ip.acme.test exists:%{l}.users.acme.test ip4:192.0.2.10 -all";
    assert_snapshot!(record(live, "ip4:192.0.2.10", "include:_spf.elsewhere.test"), @r#"
    T+0s widen/acme.test/@/TXT
      3600 "v=spf1 exists:%{i}._ip.acme.test exists:%{l}.users.acme.test ip4:192.0.2.10 -all" -> 3600 "v=spf1 exists:%{i}._ip.acme.test exists:%{l}.users.acme.test ip4:192.0.2.10 include:_spf.elsewhere.test -all"
    T+1h 6m switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx1.host.test.
    T+12d 1h 12m narrow/acme.test/@/TXT
      3600 "v=spf1 exists:%{i}._ip.acme.test exists:%{l}.users.acme.test ip4:192.0.2.10 include:_spf.elsewhere.test -all" -> 3600 "v=spf1 exists:%{i}._ip.acme.test exists:%{l}.users.acme.test include:_spf.elsewhere.test -all"
    "#);
}

#[test]
fn an_ending_is_not_a_sender() {
    assert_snapshot!(record("v=spf1 mx -all", "v=spf1 mx -all", "include:_spf.host.test"), @"
    error[spf-terms]: `v=spf1` is not a sender
    = help: write only the terms that authorise this sender, such as `include:_spf.example.com`
    error[spf-terms]: `-all` is not a sender
    = help: write only the terms that authorise this sender, such as `include:_spf.example.com`
    ");
}

/// A verification code comes with the first change of the SPF record, and stays.
#[test]
fn texts_come_with_the_record() {
    let with = |texts: &str, record: &str, keys: &str| {
        let zone = acme(&format!("@ 5m MX 10 mail\n@ 1h TXT \"a\"\n{record}"));
        let line = format!(
            "records:\n  - {{ id: code, zone: acme.test, name: \"@\", type: TXT, to: [ {texts} ]{keys} }}\n"
        );
        let body = moves("ip4:192.0.2.10", "include:_spf.host.test") + &line;
        plan(&[("acme.test", &zone), ("host.test", HOST)], &body)
    };
    let texts = "'\"a\"', '\"MS=ms123\"'";
    let live = "@ 1h TXT \"v=spf1 ip4:192.0.2.10 -all\"\n";
    assert_snapshot!(with(texts, live, ""), @r#"
    T+0s widen/acme.test/@/TXT
      3600 "a", "v=spf1 ip4:192.0.2.10 -all" -> 3600 "MS=ms123", "a", "v=spf1 ip4:192.0.2.10 include:_spf.host.test -all"
    T+1h 6m switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx1.host.test.
    T+12d 1h 12m narrow/acme.test/@/TXT
      3600 "MS=ms123", "a", "v=spf1 ip4:192.0.2.10 include:_spf.host.test -all" -> 3600 "MS=ms123", "a", "v=spf1 include:_spf.host.test -all"
    "#);
    // The record itself does not change any more.
    let both = "@ 1h TXT \"v=spf1 ip4:192.0.2.10 include:_spf.host.test -all\"\n";
    assert_snapshot!(with(texts, both, ""), @r#"
    T+0s widen/acme.test/@/TXT
      3600 "a", "v=spf1 ip4:192.0.2.10 include:_spf.host.test -all" -> 3600 "MS=ms123", "a", "v=spf1 ip4:192.0.2.10 include:_spf.host.test -all"
    T+0s switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx1.host.test.
    T+12d 6m narrow/acme.test/@/TXT
      3600 "MS=ms123", "a", "v=spf1 ip4:192.0.2.10 include:_spf.host.test -all" -> 3600 "MS=ms123", "a", "v=spf1 include:_spf.host.test -all"
    "#);
    // It also comes if there was no record before.
    assert_snapshot!(with(texts, "", ""), @r#"
    T+0s widen/acme.test/@/TXT
      3600 "a" -> 3600 "MS=ms123", "a", "v=spf1 ip4:192.0.2.10 include:_spf.host.test ~all"
    T+1h 6m switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx1.host.test.
    T+12d 1h 12m narrow/acme.test/@/TXT
      3600 "MS=ms123", "a", "v=spf1 ip4:192.0.2.10 include:_spf.host.test ~all" -> 3600 "MS=ms123", "a", "v=spf1 include:_spf.host.test ~all"
    "#);
    assert_snapshot!(with("'\"MS=ms123\"'", live, ""), @r#"
    error[spf-beside]: the text "a" of acme.test. would be removed while its mail moves
    = help: list it too, and remove it in a separate plan
    "#);
    assert_snapshot!(with(texts, live, ", with: switch"), @"
    error[spf-beside]: the texts of acme.test. have to come with the first change of its SPF record
    = help: leave out `ttl`, `lower_ttl`, `with`, `after` and `wait`, or publish them in a separate plan
    ");
    assert_snapshot!(with(texts, live, ", ttl: 2h"), @"
    error[spf-beside]: the texts of acme.test. have to come with the first change of its SPF record
    = help: leave out `ttl`, `lower_ttl`, `with`, `after` and `wait`, or publish them in a separate plan
    ");
    assert_snapshot!(with("'\"a\"', '\"v=spf1 -all\"'", live, ""), @"
    error[owned-twice]: two parts of the plan set acme.test. TXT
    = help: set the record in only one part of the plan
    ");
}

#[test]
fn a_domain_that_is_not_a_zone_has_its_own_record() {
    let zone =
        acme("lists 1h MX 10 mail\nlists 2h TXT \"v=spf1 mx -all\"\n@ TXT \"v=spf1 -all\"\n");
    let body =
        moves("mx", "include:_spf.host.test").replace("[ acme.test ]", "[ lists.acme.test ]");
    assert_snapshot!(plan(&[("acme.test", &zone), ("host.test", HOST)], &body), @r#"
    T+0s lower/acme.test/lists/MX
      3600 10 mail.acme.test. -> 300 10 mail.acme.test.
    T+0s widen/acme.test/lists/TXT
      7200 "v=spf1 mx -all" -> 7200 "v=spf1 ip4:192.0.2.10 include:_spf.host.test -all"
    T+2h 6m switch/acme.test/lists/MX
      300 10 mail.acme.test. -> 300 10 mx1.host.test.
    T+7d 2h 11m restore/acme.test/lists/MX
      300 10 mx1.host.test. -> 3600 10 mx1.host.test.
    T+12d 2h 12m narrow/acme.test/lists/TXT
      7200 "v=spf1 ip4:192.0.2.10 include:_spf.host.test -all" -> 7200 "v=spf1 include:_spf.host.test -all"
    "#);
}

#[test]
fn repetitions_in_a_record_do_not_change_it() {
    assert_snapshot!(record("v=spf1 a:x.test a:x.test -all", "ip4:192.0.2.10", ""), @"
    T+0s switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx1.host.test.
    ");
}

#[test]
fn spf_same_term_other_words() {
    for (live, old) in [
        ("ip4:192.0.2.10/32", "ip4:192.0.2.10"),
        ("ip4:192.0.2.10", "+IP4:192.0.2.10/32"),
        ("ip4:192.0.2.77/24", "ip4:192.0.2.0/24"),
        ("ip6:2001:DB8::10", "ip6:2001:db8:0::10/128"),
        ("include:_Spf.Old.test.", "include:_spf.old.test"),
        ("a:smtp.acme.test./32", "a:smtp.acme.test//128"),
        ("mx:acme.test.", "mx"),
        ("mx/32//128", "mx:ACME.test"),
    ] {
        let steps = record(&format!("v=spf1 {live} -all"), old, "include:_spf.host.test");
        let narrowed = steps.lines().last().expect("a line");
        assert!(
            narrowed.ends_with("-> 3600 \"v=spf1 include:_spf.host.test -all\""),
            "{live}: {steps}"
        );
    }
    assert_snapshot!(
        record("v=spf1 mx ip4:192.0.2.10/32 -all", "mx ip4:192.0.2.10", "include:_spf.host.test"),
        @r#"
    T+0s widen/acme.test/@/TXT
      3600 "v=spf1 mx ip4:192.0.2.10/32 -all" -> 3600 "v=spf1 ip4:192.0.2.10/32 include:_spf.host.test -all"
    T+1h 6m switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx1.host.test.
    T+12d 1h 12m narrow/acme.test/@/TXT
      3600 "v=spf1 ip4:192.0.2.10/32 include:_spf.host.test -all" -> 3600 "v=spf1 include:_spf.host.test -all"
    "#
    );
    // What both sides declare stays, and is not repeated.
    assert_snapshot!(
        record("v=spf1 ip4:198.51.100.7/32 ip4:192.0.2.10 -all", "ip4:192.0.2.10 ip4:198.51.100.7", "ip4:198.51.100.7"),
        @r#"
    T+0s switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx1.host.test.
    T+12d 6m narrow/acme.test/@/TXT
      3600 "v=spf1 ip4:198.51.100.7/32 ip4:192.0.2.10 -all" -> 3600 "v=spf1 ip4:198.51.100.7/32 -all"
    "#
    );
    // A network is not the same as its first address.
    assert_snapshot!(record("v=spf1 ip4:192.0.2.0/24 -all", "ip4:192.0.2.0", ""), @"
    T+0s switch/acme.test/@/MX
      300 10 mail.acme.test. -> 300 10 mx1.host.test.
    ");
}

#[test]
fn spf_glued() {
    let glued = |live: &str| record(live, "mx ip4:192.0.2.10", "include:_spf.host.test");
    assert_snapshot!(glued("v=spf1 mx ip4:192.0.2.10~all"), @"
    error[spf-syntax]: `ip4:192.0.2.10~all` in the live SPF record of acme.test. is not a term
    = help: correct it in the zone, if you mean `ip4:192.0.2.10 ~all`, then plan again
    ");
    assert_snapshot!(glued("v=spf1 include:_spf.host.test inlcude:x.test -all"), @"
    error[spf-syntax]: `inlcude:x.test` in the live SPF record of acme.test. is not a term
    = help: correct it in the zone, if you mean `include:x.test`, then plan again
    ");
    assert_snapshot!(glued("v=spf1 ip4:192.0.2.256 -all"), @"
    error[spf-syntax]: `ip4:192.0.2.256` in the live SPF record of acme.test. is not a term
    = help: correct or remove it in the zone, then plan again
    ");
}
