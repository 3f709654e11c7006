//! What is refused, where, and with which message; and what garbage does.

use crate::support::{key, reading};

const SOA: &str = "$TTL 60\n@ SOA ns root 1 2 3 4 5\n";

#[track_caller]
fn check_error(text: &str, included: &[(&str, &str)], message: &str) {
    let error = reading(text.as_bytes(), included).expect_err("an error");
    assert_eq!(error, message.replace("MAIN", "zones/example.test.zone"));
}

/// Checks the error for a line after the SOA.
#[track_caller]
fn check_line(line: &str, message: &str) {
    check_error(&format!("{SOA}{line}\nb A 192.0.2.2\n"), &[], message);
}

#[test]
fn errors_have_their_place() {
    check_line("a A 192.0.2.", "MAIN:3:5: A: the address is no IPv4 address");
    check_line("é A 192.0.2.1\na MX", "MAIN:4:5: MX: the preference is missing");
    check_line("a TXT (", "MAIN:3:7: this `(` has no `)`");
    check_line("a TXT )", "MAIN:3:7: this `)` has no `(`");
    check_line("a TXT \"x", "MAIN:3:7: this quoted string does not end in this line");
    check_line("a TXT x\\", "MAIN:3:8: this `\\` has no character to escape");
    check_line(
        "a\rTXT x",
        "MAIN:3:2: a carriage return without a line feed; lines end in LF or CR LF",
    );
    check_line("a TXT \0", "MAIN:3:7: an octet with the value 0; this is not a text file");
    check_line("a 60 IN", "MAIN:3:8: the type is missing");
    check_line("a CH TXT x", "MAIN:3:3: the class `CH` is not IN");
    check_line("a CLASS3 TXT x", "MAIN:3:3: the class `CLASS3` is not IN");
    check_line(
        "a 2147483648 TXT x",
        "MAIN:3:3: `2147483648` is not a TTL from 0 to 2147483647 seconds (units: w, d, h, m, s)",
    );
    check_line(
        "a 60 60 A 192.0.2.1",
        "MAIN:3:6: `60` is not a known record type; unknown types are written TYPE12345",
    );
    check_line("a..b A 192.0.2.1", "MAIN:3:1: `a..b` is not a name: a label is empty");
    check_line(
        "\"a b\" A 192.0.2.1",
        "MAIN:3:1: `\"a b\"` is not a name: the character '\"' must be escaped in a name",
    );
    check_line("a.other. A 192.0.2.1", "MAIN:3:1: a.other. lies outside the zone example.test.");
    check_line("$TTL", "MAIN:3:5: the TTL is missing");
    check_line("$TTL 1 2", "MAIN:3:8: the line goes on after the TTL");
    check_line("$ORIGIN", "MAIN:3:8: the origin is missing");
    check_line("$DATE", "MAIN:3:1: `$DATE` is not one of $ORIGIN, $TTL, $INCLUDE and $GENERATE");
    check_line(
        " $TTL 60",
        "MAIN:3:2: `$TTL` is not a known record type; unknown types are written TYPE12345",
    );
    check_line("a CNAME b\na CNAME c", "MAIN:4:1: a name has at most one CNAME record");
    check_line("@ SOA ns root 2 2 3 4 5", "MAIN:3:1: a name has at most one SOA record");
    check_line("a SOA ns root 2 2 3 4 5", "MAIN:3:1: there is an SOA record below the zone's apex");
    check_error(
        " A 192.0.2.1\n",
        &[],
        "MAIN:1:1: the line begins with a blank, but there is no earlier owner to inherit",
    );
    check_error(
        "a A 192.0.2.1\n",
        &[],
        "MAIN:1:3: the record has no TTL, and there is no $TTL or earlier TTL; write a $TTL before \
         it",
    );
    check_error("$TTL 60\n", &[], "MAIN:2:1: there is no SOA record for example.test.");
}

#[test]
fn errors_of_includes_have_their_place_there() {
    let include = format!("{SOA}$INCLUDE x.inc\n");
    check_error(
        &include,
        &[("x.inc", "\na A 1\n")],
        "zones/x.inc:2:5: A: the address is no IPv4 address",
    );
    check_error(&include, &[], "MAIN:3:10: zones/x.inc cannot be read: entity not found");
    check_error(
        &include,
        &[("x.inc", "$INCLUDE x.inc\n")],
        "zones/x.inc:1:10: zones/x.inc includes itself",
    );
    check_error(&format!("{SOA}$INCLUDE"), &[], "MAIN:3:9: the file is missing");
    check_error(
        &format!("{SOA}$INCLUDE a b c"),
        &[],
        "MAIN:3:14: the line goes on after the origin",
    );
}

#[test]
fn includes_are_at_most_eight_deep() {
    let deep: Vec<(String, String)> = (1..=9)
        .map(|n| (format!("{n}"), format!("$INCLUDE {}\na{n} A 192.0.2.1\n", n + 1)))
        .collect();
    let mut files: Vec<(&str, &str)> =
        deep.iter().map(|(file, text)| (file.as_str(), text.as_str())).collect();
    files[7].1 = "a8 A 192.0.2.1\n";
    let text = format!("{SOA}$INCLUDE 1\n");
    let zone = reading(text.as_bytes(), &files).expect("eight are read").zone;
    assert!(zone.get(&key("a8 A")).is_some());
    files[7].1 = "$INCLUDE 9\n";
    check_error(&text, &files, "zones/8:1:10: files are included more than 8 deep");
    // Files that include each other twice would be read two to the power of their number times.
    let wide = "$INCLUDE b\n".repeat(2000);
    check_error(
        &format!("{SOA}{wide}"),
        &[("b", "")],
        "MAIN:1003:10: more than 1000 files are included",
    );
}

#[test]
fn generated_records_are_bounded() {
    let error = "MAIN:3:11: $GENERATE would make more than 65536 records";
    check_line("$GENERATE 0-65536 a$ A 192.0.2.1", error);
    check_line("$GENERATE 0-2147483647 a$ A 192.0.2.1", error);
    check_line(
        "$GENERATE 5-4 a$ A 192.0.2.1",
        "MAIN:3:11: `5-4` is not a range such as 1-254 or 0-30/2",
    );
    check_line("$GENERATE 1-2 a$", "MAIN:3:17: the type is missing");
    check_line("$GENERATE 1-2 a$ A", "MAIN:3:19: the rdata is missing");
    check_line("$GENERATE 1-2 a$ MX 1 a", "MAIN:3:23: the line goes on after the rdata");
    check_line(
        "$GENERATE 1-2 a${x} A 192.0.2.1",
        "MAIN:3:15: `a${x}`: a modifier must be ${offset}, ${offset,width} or ${offset,width,base} \
         with a base of d, o, x, X, n or N",
    );
    check_line("$GENERATE 1-2 a$ A 192.0.2.${254}", "MAIN:3:20: A: the address is no IPv4 address");
    let text = format!("{SOA}$GENERATE 0-65535 a$ A 192.0.2.1\n");
    assert_eq!(reading(text.as_bytes(), &[]).expect("the limit").zone.rrsets.len(), 65_537);
}

/// As BIND 9.18 loads these files.
#[test]
fn rrset_with_two_ttls() {
    for (text, ttl) in [
        ("a 600 MX 10 x\na 700 MX 20 y\n", 600),
        ("a 700 MX 10 x\n  600 MX 20 y\n", 700),
        ("a 100 MX 10 x\nc A 192.0.2.3\na 200 MX 10 y\n", 200),
        ("a 900 MX 10 x\nc A 192.0.2.3\na 300 MX 10 y\na 400 MX 10 z\n", 300),
        ("a 600 MX 10 x\na 700 A 192.0.2.1\na 800 MX 20 y\n", 600),
        ("a 600 MX 10 x\n$INCLUDE empty\n 700 MX 20 y\n", 700),
    ] {
        let text = format!("{SOA}{text}");
        let read = reading(text.as_bytes(), &[("empty", "")]).expect("a zone");
        assert_eq!(read.zone.get(&key("a MX")).map(|set| set.ttl().secs()), Some(ttl), "{text}");
    }
    // The glue of a delegation does not end its row.
    let text = format!("{SOA}a 600 NS b.a\nb.a A 192.0.2.3\na 700 NS c.a\n");
    let read = reading(text.as_bytes(), &[]).expect("a zone");
    assert_eq!(read.zone.get(&key("a NS")).map(|set| set.ttl().secs()), Some(600));
}

#[test]
fn types_of_real_zones() {
    let text = format!(
        "{SOA}r RP el.x.test. txt\nh HINFO \"PC\" \"Linux\"\ndb AFSDB 1 db\nc CERT 3 0 0 AAAA\n\
         l LOC 49 17 60.000 N 8 30 0 E 1m\ns HTTPS 1 . ipv4hint=auto ( ; x\n alpn=h2 )\n\
         e HTTPS 1 . ech=\"\"\no TYPE62 \\# 0\nu TYPE65280 \\# 0\nk KEY NOKEY 255 3\n"
    );
    let read = reading(text.as_bytes(), &[]).expect("a zone");
    for (at, shown) in [
        ("r RP", "el.x.test. txt.example.test."),
        ("h HINFO", "\"PC\" \"Linux\""),
        ("db AFSDB", "1 db.example.test."),
        ("c CERT", "3 0 0 AAAA"),
        ("l LOC", "49 17 60.000 N 8 30 0 E 1m"),
        ("s HTTPS", "1 . ipv4hint=auto alpn=h2"),
        ("e HTTPS", "1 . ech=\"\""),
        ("o CSYNC", "\\# 0"),
        ("u TYPE65280", "\\# 0"),
        ("k KEY", "NOKEY 255 3"),
    ] {
        let rrset = read.zone.get(&key(at)).expect(at);
        assert_eq!(rrset.rdata()[0].to_string(), shown);
        assert_eq!(rrset.is_opaque(), at != "u TYPE65280", "{at}");
    }
    check_error(&format!("{SOA}a CH TXT x\n"), &[], "MAIN:3:3: the class `CH` is not IN");
}

#[test]
fn what_a_signer_made_is_left_out() {
    let text = format!(
        "{SOA}@ RRSIG SOA 8 2 60 x y 1 . AAAA\n\
            @ NSEC a NS\n\
            x NSEC3 1 0 1 - q A\n\
            @ NSEC3PARAM 1 0 1 -\n"
    );
    assert_eq!(reading(text.as_bytes(), &[]).expect("a zone").zone.rrsets.len(), 1);
}

#[test]
fn garbage_is_refused_without_panic() {
    let mut state = 42_u64;
    let mut next = move || {
        // Knuth's MMIX generator; its high bits are good enough for garbage.
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).expect("31 bits")
    };
    let alphabet = b"()()\"\"\\\\;;$@.. \t\n\r\n0159aAIN\0\xff\xc3TXMGERLUC{},-/$";
    let any: Vec<u8> = (0..=255).collect();
    for round in 0..20_000 {
        let random: Vec<u8> =
            (0..next() % 60)
                .map(|_| {
                    if round % 2 == 0 {
                        alphabet[next() % alphabet.len()]
                    } else {
                        any[next() % 256]
                    }
                })
                .collect();
        let text = [SOA.as_bytes(), &random].concat();
        let _ = reading(&text, &[]);
        let _ = reading(&random, &[]);
    }
}

#[test]
fn long_lines_and_deep_parentheses_are_read() {
    let deep = format!("{SOA}a TXT {}x{} ; c\n", "(".repeat(500_000), ")".repeat(500_000));
    assert!(reading(deep.as_bytes(), &[]).is_ok());
    let open = format!("{SOA}a TXT {}", "(".repeat(1_000_000));
    check_error(&open, &[], "MAIN:3:7: this `(` has no `)`");
    for filler in ["x", "x ", "\\", "\"", "(\n", ";", "\u{e9}"] {
        let line = format!("{SOA}a TXT {}", filler.repeat(1_000_000));
        let _ = reading(line.as_bytes(), &[]);
    }
}
