//! Compares rdata with an independent reader: dnspython, from Debian's package python3-dnspython.
//!
//! Both read each text, and the octets must agree once names are in lower case. What we show of
//! dnspython's octets must read back with both. Texts for which we are stricter or laxer on purpose
//! are not in these tables; a unit test has them. Also left out are escapes above `\127` in NAPTR
//! and CAA, which dnspython 2.3 writes as UTF-8, two octets where RFC 1035 §5.1 has one, and
//! unprintable ALPN ids, which it shows escaped twice and then misreads.

use std::io::Write as _;
use std::process::{Command, Stdio};

use cutover_zone::{Rdata, RrType};

/// Debian's interpreter, because Debian's package is only installed for that.
const PYTHON: &str = "/usr/bin/python3";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dnspython.py");

/// Types, and texts that both read.
const READ: &[(&str, &[&str])] = &[
    ("A", &["192.0.2.1", "0.0.0.0", "255.255.255.255", "(192.0.2.1)", r"\# 4 0A000001"]),
    (
        "AAAA",
        &[
            "::",
            "::1",
            "2001:DB8::1",
            "2001:db8:0:0:1:0:0:1",
            "2001:0db8:0000:0000:0000:ff00:0042:8329",
            "::ffff:192.0.2.1",
            "fe80::1:2:3:4",
            r"\# 16 20010db8 00000000 00000000 00000001",
        ],
    ),
    ("NS", &["ns1.acme.test.", "NS1.ACME.Test.", ".", r"a\.b.test.", r"\000\255.test."]),
    ("CNAME", &["mail.other.", "*.acme.test.", r"a\032b.test.", "_x._y.test.", r"\@.test."]),
    ("PTR", &["1.2.0.192.in-addr.arpa.", "xn--bcher-kva.example."]),
    ("DNAME", &["other.test.", "."]),
    (
        "SOA",
        &[
            "ns1.acme.test. hostmaster.acme.test. 2026112301 7200 3600 1209600 300",
            "ns1.acme.test. a\\.b.acme.test. 0 0 0 0 0",
            ". . 4294967295 1h 15m 2w 1d",
            ". . 1 (1w2d3h4m5s 1H 1D 1W)",
        ],
    ),
    ("MX", &["10 mail.acme.test.", "0 .", "65535 MX.Acme.Test.", "00010 a.", "10 (a.test. )"]),
    (
        "TXT",
        &[
            r#""""#,
            r#""" """#,
            r#""v=spf1 include:_spf.acme.test -all""#,
            r#""v=DKIM1; k=rsa; p=MIIB""#,
            r#""a" "b" c"#,
            "v=spf1 -all",
            r#""a \"quoted\" word""#,
            r#""back\\slash""#,
            r#""a\;b""#,
            r"a\;b",
            r"a\ b",
            r#""\000\001\010\127\128\255""#,
            r#""grün €""#,
            r#""(not a parenthesis)""#,
            r#"("a" "b")"#,
            r#""a""b""#,
            r#""tab	in it""#,
            r#""@ $ ; ' , .""#,
            r"\034x\034",
            r"\# 3 026869",
        ],
    ),
    ("SPF", &[r#""v=spf1 mx -all""#, r#""v=spf1" " mx -all""#]),
    (
        "LOC",
        &[
            "52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m",
            "42 21 54 N 71 06 18 W -24m 30m",
            "32 7 19 S 116 2 25 E 10m",
            "42 21 43.952 N 71 5 6.344 W -24m 1m 200m",
            "1 N 2 E 3",
            "1 2 N 3 4 E 5m 6m 7m 8m",
            "0 0 0.001 S 0 0 0.999 W 0",
            "90 S 180 W -100000m",
            "90 0 0.000 N 180 0 0.000 E 42849672.00m 90000000m 90000000m 90000000m",
            "12 34 56.7 N 65 43 21.09 W 12.50m 0.50m 20m 3000m",
        ],
    ),
    ("SRV", &["0 1 993 imap.acme.test.", "0 0 0 .", "65535 65535 65535 IMAP.test.", "1 2 3 (a.)"]),
    (
        "NAPTR",
        &[
            r#"100 10 "u" "E2U+sip" "!^.*$!sip:info@acme.test!" ."#,
            r#"0 0 "" "" "" a.test."#,
            r#"65535 1 S SIP+D2U "" _sip._udp.Acme.Test."#,
            r#"100 50 "s" "z3950+I2L" "!\\1\\;\"x\"!" _x.test."#,
            r#"1 2 "\000" "\127" "a b" ."#,
        ],
    ),
    (
        "DS",
        &[
            "60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118",
            "60485 RSASHA1 1 2BB183AF 5F225881 79A53B0A 98631FAD 1A292118",
            "1 13 2 (00112233445566778899aabbccddeeff\t00112233445566778899aabbccddeeff)",
            "1 ED25519 2 00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF",
        ],
    ),
    (
        "CDS",
        &[
            "0 0 0 00",
            "60485 8 1 2bb183af5f22588179a53b0a98631fad1a292118",
            "1 13 2 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
        ],
    ),
    ("DNSKEY", &["257 3 13 AQID BAUG", "256 3 RSASHA256 AwEAAQ==", "0 3 255 /+8="]),
    ("CDNSKEY", &["0 3 0 AA==", "257 3 ECDSAP256SHA256 (AQID\tBAUG)"]),
    (
        "SSHFP",
        &[
            "1 1 00112233445566778899aabbccddeeff00112233",
            "4 2 00112233445566778899AABBCCDDEEFF 00112233445566778899aabbccddeeff",
        ],
    ),
    ("TLSA", &["3 1 1 ABCDEF0123", "0 0 0 00", "255 255 255 ff ee dd"]),
    ("SMIMEA", &["3 0 0 ABCDEF0123", "3 1 2 00ff"]),
    ("OPENPGPKEY", &["AQID", "AQ ID BA==", "AA=="]),
    (
        "ZONEMD",
        &[
            "2018031900 1 1 c68090d90a7aed716bc459f9340e3d7c1370d4d24b7e2fc3a1ddc0b9a87153b9a9713b3c9ae5cc27777f98b8e730044c",
            "1 240 241 e2d523f654b9422a96c5a8f44607bbee00112233",
        ],
    ),
    (
        "SVCB",
        &[
            "0 foo.example.com.",
            "0 .",
            "1 .",
            "16 foo.example.com. port=53",
            r#"16 Foo.Example.com. port="53""#,
            "1 foo.example.com. key667=hello",
            r#"1 foo.example.com. key667="hello\210qoo""#,
            r#"1 foo.example.com. ipv6hint="2001:db8::1,2001:db8::53:1""#,
            "1 foo.example.com. ipv6hint=2001:db8:ffff:ffff:ffff:ffff:198.51.100.100",
            "16 foo.example.org. (alpn=h2,h3-19 mandatory=ipv4hint,alpn ipv4hint=192.0.2.1)",
            r#"16 foo.example.org. alpn="f\\\\oo\\,bar,h2""#,
            r"16 foo.example.org. alpn=f\\\092oo\092,bar,h2",
            "1 . key7=\"/dns-query{?dns}\" alpn=doq",
            "1 . key8",
            r#"1 . key9="""#,
            "65535 . key65534=x key65000=y",
        ],
    ),
    (
        "HTTPS",
        &[
            "1 . alpn=h2",
            r#"1 . alpn="h3,h2" no-default-alpn"#,
            "0 svc.acme.test.",
            "1 . ech=AQIDBA==",
            r#"1 . ech="AQIDBA==""#,
            "1 . ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8::1 port=8443 alpn=h2",
            "1 . mandatory=key123,port port=1 key123=x",
            r#"1 . key3="\000\053""#,
            r#"1 . key1="\002h2""#,
            r#"1 . key123="a b;c,d=e\"f\\g""#,
        ],
    ),
    (
        "CAA",
        &[
            r#"0 issue "letsencrypt.org""#,
            "0 issue letsencrypt.org",
            r#"128 issuewild ";""#,
            r#"0 iodef "mailto:a@acme.test""#,
            r#"0 issue """#,
            r#"255 TBS "Unknown value with \"quotes\" and \\""#,
            r#"0 issue "ca.test; account=1 2""#,
            r"0 issue a\;b",
        ],
    ),
    ("TYPE65280", &[r"\# 0", r"\# 4 0A000001", r"\# 3 0a 00 00", r"\# 2 (ab cd)"]),
    ("TYPE731", &[r"\# 6 abcdef012345"]),
];

/// Types, and texts that both refuse.
const REFUSED: &[(&str, &[&str])] = &[
    ("A", &["", "192.0.2", "192.0.2.256", "192.0.2.1 x", r"\# 3 0a0000", r"\# 5 0a000001"]),
    ("AAAA", &["192.0.2.1", "::1::", "1:2:3:4:5:6:7:8:9", "fe80::1%eth0", "12345::"]),
    ("CNAME", &["", "a..b.", ".a.", "a. b."]),
    ("MX", &["10", "65536 a.", "-1 a.", "x a.", "10 a. b."]),
    ("SOA", &[". . 1 2 3 4", ". . 4294967296 1 1 1 1", ". . 1 1h30 1 1 1", ". . 1 x 1 1 1"]),
    ("TXT", &["", "\"a", "\"\\256\"", "(a", "a)"]),
    ("LOC", &["1 N", "1 X 2 E 3", "1 60 N 2 E 3", "91 0 0 N 0 0 0 E 0", "1 N 2 E 3 1e12"]),
    ("NAPTR", &["1 2 a b c", "1 2 a b", "1 2 a b c d. e"]),
    ("DS", &["1 13 2", "1 NONE 2 00", "x 13 2 00", "65536 13 2 00"]),
    ("TLSA", &["3 1 1 abc", "3 1 1 xx", "256 1 1 ab"]),
    ("CAA", &["0 is-sue x", "256 issue x", "0 issue", "0 issue a b"]),
    (
        "SVCB",
        &[
            "1",
            "1 . key123=abc key123=def",
            "1 . mandatory",
            "1 . alpn",
            "1 . port",
            "1 . port=65536",
            "1 . ipv4hint",
            "1 . ipv6hint",
            "1 . no-default-alpn",
            "1 . no-default-alpn=abc alpn=h2",
            "1 . mandatory=key123",
            "1 . mandatory=mandatory",
            "1 . mandatory=key123,key123 key123=abc",
            "1 . key01=x",
            "1 . unknown=x",
            "1 . port= \"1\"",
            "1 . alpn=h2,,h3",
        ],
    ),
    ("TYPE65280", &["abc", r"\# 2 ab", r"\# 1 abcd", r"\# x ab", r"\# 2 abc"]),
];

/// A type and a text.
type Case = (RrType, String);

fn cases(table: &[(&str, &[&str])]) -> Vec<Case> {
    let of_type = |(mnemonic, texts): &(&str, &[&str])| {
        let rtype: RrType = mnemonic.parse().expect("a type");
        texts.iter().map(|text| (rtype, (*text).to_owned())).collect::<Vec<_>>()
    };
    table.iter().flat_map(of_type).collect()
}

/// dnspython's answer to each case: octets and text, or why it refused.
fn ask(cases: &[Case]) -> Vec<Result<(Vec<u8>, String), String>> {
    let lines: String = cases.iter().map(|(rtype, text)| format!("{rtype}\t{text}\n")).collect();
    let mut python = Command::new(PYTHON)
        .arg(SCRIPT)
        .env("PYTHONIOENCODING", "utf-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("this test needs the Debian packages python3 and python3-dnspython");
    let mut stdin = python.stdin.take().expect("stdin is piped");
    // Without dnspython the script ends before it reads. Its own message below is more helpful than
    // a broken pipe.
    let sent = stdin.write_all(lines.as_bytes());
    drop(stdin);
    let output = python.wait_with_output().expect("python ends");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "this test needs the Debian package python3-dnspython: {complaint}"
    );
    sent.expect("python read all lines");
    let answers = String::from_utf8(output.stdout).expect("the script answers in UTF-8");
    let answers: Vec<_> = answers.lines().map(answer).collect();
    assert_eq!(answers.len(), cases.len(), "one answer to each line");
    answers
}

fn answer(line: &str) -> Result<(Vec<u8>, String), String> {
    if let Some(refusal) = line.strip_prefix('!') {
        return Err(refusal.to_owned());
    }
    let (hex, text) = line.split_once('\t').expect("hex and text");
    let octet = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
    Ok(((0..hex.len()).step_by(2).map(octet).collect(), text.to_owned()))
}

fn read(rtype: RrType, text: &str) -> Rdata {
    match Rdata::parse(rtype, text, None) {
        Ok(rdata) => rdata,
        Err(error) => panic!("{rtype} {text}: {error}"),
    }
}

/// How we read dnspython's octets, and its text.
fn theirs(case: &Case, answer: &Result<(Vec<u8>, String), String>) -> (Rdata, String) {
    let (rtype, text) = case;
    let (wire, shown) = answer.as_ref().unwrap_or_else(|why| panic!("{rtype} {text}: {why}"));
    let rdata =
        Rdata::from_wire(*rtype, wire).unwrap_or_else(|why| panic!("{rtype} {text}: {why}"));
    (rdata, shown.clone())
}

#[test]
fn both_read_the_same_octets_from_each_others_texts() {
    let cases = cases(READ);
    assert!(cases.len() >= 120, "{} cases", cases.len());
    let mut ours = Vec::new();
    for (case, answer) in cases.iter().zip(ask(&cases)) {
        let (rtype, text) = case;
        let (theirs, their_text) = theirs(case, &answer);
        assert_eq!(read(*rtype, text).wire(), theirs.wire(), "{rtype} {text}");
        assert_eq!(read(*rtype, &their_text).wire(), theirs.wire(), "{rtype} {their_text}");
        let shown = theirs.to_string();
        assert_eq!(read(*rtype, &shown).wire(), theirs.wire(), "{rtype} {shown}");
        // dnspython 2.3 is older than RFC 9461, and knows key 7 only by its number.
        ours.push((*rtype, shown.replace("dohpath=", "key7=")));
    }
    for ((case, ours), answer) in cases.iter().zip(&ours).zip(ask(&ours)) {
        let (theirs, _) = theirs(ours, &answer);
        let (rtype, text) = case;
        assert_eq!(theirs.wire(), read(*rtype, text).wire(), "{rtype} {text} shown as {}", ours.1);
    }
}

#[test]
fn both_refuse_the_same_texts() {
    let cases = cases(REFUSED);
    for ((rtype, text), answer) in cases.iter().zip(ask(&cases)) {
        assert!(answer.is_err(), "dnspython reads {rtype} {text}");
        assert!(Rdata::parse(*rtype, text, None).is_err(), "we read {rtype} {text}");
    }
}
