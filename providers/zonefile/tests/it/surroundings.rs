//! The effect of an edit on everything around the records: the SOA, inherited TTLs, line ends,
//! comments, included files.

use crate::support::{check, check_body, check_refused, check_with, edited};

#[test]
fn only_the_serial_of_the_soa_is_edited() {
    let soa = "$TTL 60\n\
        @\tIN SOA ns.example.test. host.example.test. (\n\
        \t\t\t2026112399 ; serial, YYYYMMDDnn\n\
        \t\t\t1h ; refresh\n\
        \t\t\t900 ; retry\n\
        \t\t\t1w 5m ) ; done\n\n\
        \tNS ns\n";
    let after = |serial: &str| soa.replace("2026112399", serial) + "new 60 A 192.0.2.1\n";
    let text = after("2026112400").replace("new 60", "new");
    check(soa, &["new A 60 192.0.2.1"], &text.replace("\nnew A", "\nnew\tA"));
    for (serial, raised) in [("4294967295", "1"), ("0", "1"), ("2147483647", "2147483648")] {
        let soa = |serial| format!("$TTL 60\n@ SOA ns root {serial} 2 3 4 5\n@ TXT x\n");
        check(&soa(serial), &["@ TXT"], &soa(raised).replace("@ TXT x\n", ""));
    }
}

#[test]
fn a_change_of_the_soa_keeps_its_comments() {
    let text = "$TTL 60\n@ SOA ns root ( 7 ; serial\n 2 3 4 5 ) ; end\n@ NS ns\n";
    check(
        text,
        &["@ SOA 60 ns2 root 9 2 3 4 50"],
        "$TTL 60\n@ SOA ns2.example.test. root ( 9 ; serial\n 2 3 4 50 ) ; end\n@ NS ns\n",
    );
    check(
        text,
        &["@ SOA 30 ns root 7 2 3 4 5"],
        "$TTL 60\n@ 30 SOA ns root ( 8 ; serial\n 2 3 4 5 ) ; end\n@ NS ns\n",
    );
    check_refused(
        text,
        &[],
        &["@ SOA 60 ns root 6 2 3 4 5"],
        "example.test. SOA: the serial 6 is not later than 7 (RFC 1982)",
    );
    check_refused(
        text,
        &[],
        &["@ SOA"],
        "example.test. SOA: no server loads a zone without an SOA",
    );
    check_refused(
        text,
        &[],
        &["@ NS"],
        "example.test. NS: no server loads a zone without NS records at its apex",
    );
    check_refused(
        "$TTL 60\n@ SOA \\# 22 00 00 00000001 00000002 00000003 00000004 00000005\n",
        &[],
        &["x A 60 192.0.2.1"],
        "example.test. SOA: the SOA at zones/example.test.zone:2:1 is not written as seven \
            fields; write it as `mname rname serial refresh retry expire minimum`",
    );
}

#[test]
fn rfc1035_section_5_1_the_last_ttl_is_kept_for_records_that_inherit_it() {
    let soa = |serial| format!("@ 600 SOA ns root {serial} 2 3 4 5\n@ NS ns\n");
    check(
        &(soa(1) + "a 60 A 192.0.2.1\nb A 192.0.2.2\nc A 192.0.2.3\n"),
        &["a A"],
        &(soa(2) + "b 60 A 192.0.2.2\nc A 192.0.2.3\n"),
    );
    check(
        &(soa(1) + "a 60 A 192.0.2.1\nb A 192.0.2.2\nc A 192.0.2.3\n"),
        &["a A 30 192.0.2.1"],
        &(soa(2) + "a 30 A 192.0.2.1\nb 60 A 192.0.2.2\nc A 192.0.2.3\n"),
    );
    check(
        &(soa(1) + "a A 192.0.2.1\nb A 192.0.2.2\n"),
        &["a A 30 192.0.2.1", "a MX 600 10 m"],
        &(soa(2) + "a 30 A 192.0.2.1\na 600 MX 10 m.example.test.\nb A 192.0.2.2\n"),
    );
    // Without any TTL, all records have the minimum of the SOA.
    check(
        "@ SOA ns root 1 2 3 4 300\n@ NS ns\na A 192.0.2.1\n",
        &["@ SOA 300 ns root 1 2 3 4 900", "a MX 300 10 m", "a TXT 900 x"],
        "@ 300 SOA ns root 2 2 3 4 900\n\
            @ NS ns\n\
            a A 192.0.2.1\n\
            a 300 MX 10 m.example.test.\n\
            a 900 TXT \"x\"\n",
    );
    check(
        "@ SOA ns root 1 2 3 4 300\n@ NS ns\na A 192.0.2.1\n",
        &["a MX 300 10 m"],
        "@ SOA ns root 2 2 3 4 300\n@ NS ns\na A 192.0.2.1\na MX 10 m.example.test.\n",
    );
}

#[test]
fn ends_of_lines_and_of_the_file_stay() {
    check(
        "$TTL 60\r\n@ SOA ns root ( 1\r\n 2 3 4 5 )\r\n; c\r\na A 192.0.2.1 ; a\r\n\r\n",
        &["a A 30 192.0.2.2 | 192.0.2.3", "b A 60 192.0.2.4"],
        "$TTL 60\r\n\
            @ SOA ns root ( 2\r\n\
            \x202 3 4 5 )\r\n\
            ; c\r\n\
            a 30 A 192.0.2.2 ; a\r\n\
            a 30 A 192.0.2.3\r\n\
            b A 192.0.2.4\r\n\
            \r\n",
    );
    check_body("a A 192.0.2.1", &["a A 3600 192.0.2.2"], "a A 192.0.2.2");
    check_body(
        "a A 192.0.2.1 ; c",
        &["a A 3600 192.0.2.2 | 192.0.2.3"],
        "a A 192.0.2.2 ; c\na A 192.0.2.3\n",
    );
    check_body(
        "a A 192.0.2.1",
        &["b A 3600 192.0.2.2", "c A 3600 192.0.2.3"],
        "a A 192.0.2.1\nb A 192.0.2.2\nc A 192.0.2.3\n",
    );
    check_body("a A 192.0.2.1", &["a A", "b A 3600 192.0.2.2"], "b A 192.0.2.2\n");
    check_body("b A 192.0.2.1\na A 192.0.2.1", &["a A"], "b A 192.0.2.1\n");
    check(
        "$TTL 60\n@ SOA ns root 1 2 3 4 5",
        &["@ SOA 60 ns root 1 2 3 4 6", "b A 60 192.0.2.2"],
        "$TTL 60\n@ SOA ns root 2 2 3 4 6\nb A 192.0.2.2\n",
    );
    check(
        "\u{feff}@ 60 SOA ns root 1 2 3 4 5\na 60 A 192.0.2.1\n",
        &["a A"],
        "\u{feff}@ 60 SOA ns root 2 2 3 4 5\n",
    );
}

#[test]
fn octets_of_any_encoding_survive() {
    check_with(
        b"; B\xfccher \xff\xfe\n\
            $TTL 60\n\
            @ SOA ns root 1 2 3 4 5 ; \xe9\n\
            x TXT \"gr\xfc\xdfe\"\n\
            a A 192.0.2.1 ; \xe4\n",
        &[],
        &["a A 30 192.0.2.2"],
        b"; B\xfccher \xff\xfe\n\
            $TTL 60\n\
            @ SOA ns root 2 2 3 4 5 ; \xe9\n\
            x TXT \"gr\xfc\xdfe\"\n\
            a 30 A 192.0.2.2 ; \xe4\n",
    );
}

#[test]
fn includes_and_generated_records_stay_and_are_not_edited() {
    let text = |serial, body: &str| {
        format!(
            "$TTL 60\n\
                @ SOA ns root {serial} 2 3 4 5\n\
                $INCLUDE hosts.inc sub.example.test. ; hosts\n\
                $GENERATE 1-3 h$ A 192.0.2.$\n\
                {body}"
        )
    };
    let included = [("hosts.inc", "; theirs\nw A 192.0.2.1\n\tA 192.0.2.2\n")];
    check_with(
        text(1, "a A 192.0.2.1\n").as_bytes(),
        &included,
        &["a A 60 192.0.2.2", "b.sub A 60 192.0.2.3"],
        text(2, "a A 192.0.2.2\nb.sub A 192.0.2.3\n").as_bytes(),
    );
    check_refused(
        &text(1, ""),
        &included,
        &["w.sub A"],
        "w.sub.example.test. A: it is in an included file, at zones/hosts.inc:2:1; move it \
         into the zone's own file, or change it there by hand",
    );
    check_refused(
        &text(1, "h2 A 192.0.2.9\n"),
        &included,
        &["h2 A 30 192.0.2.9"],
        "h2.example.test. A: it is made by the $GENERATE at zones/example.test.zone:4:1; write its \
         records out, or change that line by hand",
    );
    check_refused(
        "$INCLUDE soa.inc\n",
        &[("soa.inc", "$TTL 60\n@ SOA ns root 1 2 3 4 5\n")],
        &["h2 A 30 192.0.2.9"],
        "example.test. SOA: it is in an included file, at zones/soa.inc:2:1; move it into the \
         zone's own file, or change it there by hand",
    );
    // What a record in an included file inherits cannot be written out there.
    check_refused(
        "$TTL 60\n@ SOA ns root 1 2 3 4 5\nw A 192.0.2.1\n$INCLUDE x.inc\n",
        &[("x.inc", "  TXT x\n")],
        &["w A"],
        "w.example.test. TXT: zones/x.inc:1:1 takes its owner or TTL from earlier lines that would \
         change; write both out there",
    );
    check_refused(
        "@ 60 SOA ns root 1 2 3 4 5\nw 90 A 192.0.2.1\n$GENERATE 1-2 h$ A 192.0.2.$\n",
        &[],
        &["w A"],
        "h1.example.test. A: zones/example.test.zone:3:1 takes its owner or TTL from earlier lines \
         that would change; write both out there",
    );
}

#[test]
fn owners_are_restored_after_an_include() {
    let text = |serial, body: &str| format!("$TTL 60\n@ SOA ns root {serial} 2 3 4 5\n{body}");
    check_with(
        text(1, "a A 192.0.2.1\n$INCLUDE x.inc\n  TXT x\n").as_bytes(),
        &[("x.inc", "b A 192.0.2.2\n")],
        &["a A"],
        text(2, "$INCLUDE x.inc\na TXT x\n").as_bytes(),
    );
}

#[test]
fn signed_files_are_not_edited() {
    let text = "$TTL 60\n\
        @ SOA ns root 1 2 3 4 5\n\
        @ RRSIG SOA 8 2 60 20300101000000 20200101000000 1 example.test. AAAA\n";
    check_refused(
        text,
        &[],
        &["a A 60 192.0.2.1"],
        "a.example.test. A: the file is signed: the RRSIG at zones/example.test.zone:3:1 would no \
         longer be valid; edit the unsigned file and sign it again",
    );
    check_refused(
        "$TTL 60\n@ SOA ns root 1 2 3 4 5\n",
        &[],
        &["a NSEC 60 \\# 2 0000"],
        "a.example.test. NSEC: a signer makes records of this type; they cannot be written",
    );
}

#[test]
fn duplicates_are_changed_together() {
    check_body(
        "a A 192.0.2.1\nb A 192.0.2.2\nA.example.test. IN A 192.0.2.1\n",
        &["a A 3600 192.0.2.3"],
        "a A 192.0.2.3\nb A 192.0.2.2\n",
    );
    check_body(
        "a A 192.0.2.1\na A 192.0.2.1\n",
        &["a A 60 192.0.2.1"],
        "a 60 A 192.0.2.1\na 60 A 192.0.2.1\n",
    );
}

#[test]
fn the_serial_is_reported() {
    let edited = edited(b"$TTL 60\n@ SOA ns root 41 2 3 4 5\n", &[], &["a A 60 192.0.2.1"]);
    assert_eq!(edited.expect("an edit").serial, 42);
}
