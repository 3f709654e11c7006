//! The effect of an edit on records, rule by rule.

use crate::support::{check, check_body, check_refused};

#[test]
fn a_ttl_change_touches_ttls_alone() {
    check_body(
        "www\t7200\tIN  A 192.0.2.1 ; web\n",
        &["www A 60 192.0.2.1"],
        "www\t60\tIN  A 192.0.2.1 ; web\n",
    );
    check_body("www IN 2h A 192.0.2.1\n", &["www A 60 192.0.2.1"], "www IN 60 A 192.0.2.1\n");
    check_body("www IN A 192.0.2.1\n", &["www A 60 192.0.2.1"], "www 60 IN A 192.0.2.1\n");
    check_body("www\tA\t192.0.2.1", &["www A 60 192.0.2.1"], "www\t60\tA\t192.0.2.1");
    check_body("www 60 A 192.0.2.1\n", &["www A 3600 192.0.2.1"], "www 3600 A 192.0.2.1\n");
    check_body(
        "www A 192.0.2.1\n  1h A 192.0.2.2 ; two\n\tA 192.0.2.3\n",
        &["www A 60 192.0.2.1 | 192.0.2.2 | 192.0.2.3"],
        "www 60 A 192.0.2.1\n  60 A 192.0.2.2 ; two\n\t60\tA 192.0.2.3\n",
    );
    check_body(
        "www ( ; why\n  A ; type\n 192.0.2.1 ) ; end\n",
        &["www A 60 192.0.2.1"],
        "www ( ; why\n  60 A ; type\n 192.0.2.1 ) ; end\n",
    );
}

#[test]
fn different_ttls_of_one_rrset_become_one() {
    check_body(
        "www 60 A 192.0.2.1\nwww 90 A 192.0.2.2\nx A 192.0.2.3\n",
        &["www A 30 192.0.2.1 | 192.0.2.2"],
        "www 30 A 192.0.2.1\nwww 30 A 192.0.2.2\nx A 192.0.2.3\n",
    );
}

#[test]
fn new_records_take_the_place_of_the_first_that_goes() {
    check_body(
        "; mail\n\
            @   IN MX 10 old-a ; first\n\
            ; between\n\
            \x20   IN MX 20 old-b ; second\n\n\
            ; web\n\
            www A 192.0.2.1\n",
        &["@ MX 3600 10 new-a | 20 new-b"],
        "; mail\n\
            @   IN MX 10 new-a.example.test. ; first\n\
            \x20   IN MX 20 new-b.example.test.\n\
            ; between\n\n\
            ; web\n\
            www A 192.0.2.1\n",
    );
    check_body(
        "@ MX 10 old\n",
        &["@ MX 300 10 a.other. | 20 b.other."],
        "@ 300 MX 10 a.other.\n@ 300 MX 20 b.other.\n",
    );
    check_body(
        "@ MX 10 a ; a\n@ MX 20 b ; b\n@ MX 30 c ; c\n",
        &["@ MX 3600 10 x.other."],
        "@ MX 10 x.other. ; a\n",
    );
}

#[test]
fn records_that_stay_keep_their_lines() {
    check_body(
        "@ TXT \"v=spf1 -all\" ; spf\n@ TXT \"verify=1\" ; theirs\n  TXT third\n",
        &["@ TXT 3600 \"v=spf1 mx -all\" | \"verify=1\" | \"third\""],
        "@ TXT \"v=spf1 mx -all\" ; spf\n@ TXT \"verify=1\" ; theirs\n  TXT third\n",
    );
    check_body(
        "@ TXT \"a\" ; a\n; end\n",
        &["@ TXT 3600 \"a\" | \"b\""],
        "@ TXT \"a\" ; a\n@ TXT \"b\"\n; end\n",
    );
    check_body("@ 60 TXT \"a\"\n@ 60 TXT \"b\" ; b\n", &["@ TXT 90 \"a\""], "@ 90 TXT \"a\"\n");
}

#[test]
fn a_record_over_several_lines_becomes_one_line() {
    check_body(
        "k._domainkey IN TXT ( \"v=DKIM1; \" ; one\n\n   \"p=AAAA\" ) ; key\nx A 192.0.2.1\n",
        &["k._domainkey TXT 3600 \"v=DKIM1; p=BBBB\""],
        "k._domainkey IN TXT \"v=DKIM1; p=BBBB\" ; key\nx A 192.0.2.1\n",
    );
    check_body(
        "a ( IN A\n192.0.2.1 ; one\n)\nb A 192.0.2.1\n",
        &["a A 3600 192.0.2.2"],
        "a IN A 192.0.2.2\nb A 192.0.2.1\n",
    );
    check_body("a ( IN A\n192.0.2.1 ; one\n)\nb A 192.0.2.1\n", &["a A"], "b A 192.0.2.1\n");
}

#[test]
fn a_key_of_2048_bits_stays_in_its_strings() {
    let [front, back] = ["A".repeat(255), "B".repeat(137)];
    let rdata = format!("\"v=DKIM1; p=\" \"{front}\" \"{back}\"");
    let line = format!("k._domainkey IN TXT {rdata}\n");
    let over_lines = line.replace("\" \"", "\"\n\t\"").replace("TXT ", "TXT ( ");
    let over_lines = over_lines.replace("B\"\n", "B\" ) ; key\n");
    check_body("", &[&format!("k._domainkey TXT 3600 {rdata}")], &line);
    check_body(
        &over_lines,
        &[&format!("k._domainkey TXT 60 {rdata}")],
        &over_lines.replace("IN", "60 IN"),
    );
    let old = over_lines.replace(&front, "old");
    let new = line.replace("B\"\n", "B\" ; key\n");
    check_body(&old, &[&format!("k._domainkey TXT 3600 {rdata}")], &new);
    check_body(&over_lines, &["k._domainkey TXT"], "");
}

#[test]
fn a_removed_owner_is_written_in_the_next_line() {
    check_body(
        "WWW     A    192.0.2.1\n        AAAA 2001:db8::1\n\n\tTXT \"x\"\n",
        &["www A"],
        "WWW     AAAA 2001:db8::1\n\n\tTXT \"x\"\n",
    );
    check_body("www A 192.0.2.1\n\tAAAA 2001:db8::1\n", &["www A"], "www\tAAAA 2001:db8::1\n");
    check_body("www A 192.0.2.1\n AAAA 2001:db8::1\n", &["www A"], "www AAAA 2001:db8::1\n");
    check_body(
        "www A 192.0.2.1\n  AAAA 2001:db8::1 ; six\n  TXT x\n",
        &["www A", "www AAAA 3600 2001:db8::2"],
        "www AAAA 2001:db8::2 ; six\n  TXT x\n",
    );
    check_body(
        "a A 192.0.2.1\n$ORIGIN sub.example.test.\n  TXT x\n",
        &["a A"],
        "$ORIGIN sub.example.test.\na.example.test. TXT x\n",
    );
    check_body(
        "a.b A 192.0.2.1\n$ORIGIN b.example.test.\n\t\tTXT x\n",
        &["a.b A"],
        "$ORIGIN b.example.test.\na\t\tTXT x\n",
    );
}

#[test]
fn new_rrsets_go_to_related_names() {
    check_body(
        "; web\nwww     IN A 192.0.2.1 ; a\n\n; end\nzz      IN A 192.0.2.9\n",
        &["www AAAA 3600 2001:db8::1", "www MX 60 10 m | 20 n"],
        "; web\n\
            www     IN A 192.0.2.1 ; a\n\
            www     60 IN MX 10 m.example.test.\n\
            www     60 IN MX 20 n.example.test.\n\
            www     IN AAAA 2001:db8::1\n\n\
            ; end\n\
            zz      IN A 192.0.2.9\n",
    );
    check_body(
        "s1._domainkey TXT a\nwww A 192.0.2.1\n",
        &["s2._domainkey TXT 60 b", "_dmarc TXT 3600 d"],
        "s1._domainkey TXT a\ns2._domainkey 60 TXT \"b\"\nwww A 192.0.2.1\n_dmarc TXT \"d\"\n",
    );
    // Columns stay in place as long as there is room.
    check_body(
        "mail         A      192.0.2.1\n",
        &["_dmarc TXT 3600 x", "autodiscover-longer CNAME 3600 y."],
        "mail         A      192.0.2.1\n_dmarc       TXT    \"x\"\nautodiscover-longer CNAME  y.\n",
    );
    check_body(
        "@ MX 10 a\n  TXT x\n  TXT y\n",
        &["@ CAA 3600 0 issue \"x\""],
        "@ MX 10 a\n  TXT x\n  TXT y\n  CAA 0 issue \"x\"\n",
    );
}

#[test]
fn new_names_are_written_by_the_origin_in_effect() {
    check_body(
        "a A 192.0.2.1\n\
            $ORIGIN sub.example.test.\n\
            b A 192.0.2.2\n\
            $ORIGIN other.example.test.\n\
            c A 192.0.2.3\n",
        &["d.sub A 3600 192.0.2.4", "new A 3600 192.0.2.5", "deep.other A 3600 192.0.2.6"],
        "a A 192.0.2.1\n\
            new A 192.0.2.5\n\
            $ORIGIN sub.example.test.\n\
            b A 192.0.2.2\n\
            d A 192.0.2.4\n\
            $ORIGIN other.example.test.\n\
            c A 192.0.2.3\n\
            deep A 192.0.2.6\n",
    );
    check(
        "$TTL 60\n\
            $ORIGIN test.\n\
            example SOA ns.example root 1 2 3 4 5\n\
            example NS ns.example\n\
            www.example.test. A 192.0.2.1\n",
        &["a A 60 192.0.2.1"],
        "$TTL 60\n\
            $ORIGIN test.\n\
            example SOA ns.example root 2 2 3 4 5\n\
            example NS ns.example\n\
            www.example.test. A 192.0.2.1\n\
            a.example A 192.0.2.1\n",
    );
    check(
        "$TTL 60\n\
            example.test. SOA ns root 1 2 3 4 5\n\
            example.test. NS ns\n\
            $ORIGIN x.example.test.\n\
            www A 192.0.2.1\n",
        &["y.x A 60 192.0.2.1", "@ MX 60 10 m"],
        "$TTL 60\n\
            example.test. SOA ns root 2 2 3 4 5\n\
            example.test. NS ns\n\
            example.test. MX 10 m.example.test.\n\
            $ORIGIN x.example.test.\n\
            www A 192.0.2.1\n\
            y A 192.0.2.1\n",
    );
}

#[test]
fn a_type_changes_at_one_name() {
    check_body(
        "www   IN A     192.0.2.1 ; old\n      IN AAAA  2001:db8::1\nx A 192.0.2.2\n",
        &["www A", "www AAAA", "www CNAME 3600 web.other."],
        "www   IN CNAME web.other.\nx A 192.0.2.2\n",
    );
    check_body("www A 192.0.2.1\n", &["www A", "www CNAME 60 x.other."], "www 60 CNAME x.other.\n");
    check_refused(
        "$TTL 60\n@ SOA ns root 1 2 3 4 5\nwww A 192.0.2.1\n",
        &[],
        &["www CNAME 60 x.other."],
        "www.example.test. CNAME: a CNAME would be beside the A of the same name, which servers \
         refuse",
    );
}
