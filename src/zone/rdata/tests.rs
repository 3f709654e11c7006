//! What is read, shown, refused and compared: one table for each feature.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::*;

fn name(text: &str) -> Name {
    Name::absolute(text).expect("a valid name")
}

fn read(rtype: RrType, text: &str) -> Rdata {
    Rdata::parse(rtype, text, Some(&name("acme.test."))).expect(text)
}

/// Reads `text`, expects it to be shown as `shown`, and expects that to read back to the same
/// octets.
fn check_shown(rtype: RrType, text: &str, shown: &str) {
    let rdata = read(rtype, text);
    assert_eq!(rdata.to_string(), shown, "{rtype} {text}");
    let again = Rdata::parse(rtype, shown, None).expect("what is shown can be read");
    assert_eq!(again.wire(), rdata.wire(), "{rtype} {text}");
    let from_wire = Rdata::from_wire(rtype, rdata.wire()).expect("what was read is well-formed");
    assert_eq!(from_wire.wire(), rdata.wire(), "{rtype} {text}");
}

fn check_wire(rtype: RrType, text: &str, wire: &[u8]) {
    assert_eq!(read(rtype, text).wire(), wire, "{rtype} {text}");
    let shown = Rdata::from_wire(rtype, wire).expect(text).to_string();
    check_shown(rtype, text, &shown);
}

fn check_refused(rtype: RrType, text: &str, problem: &str) {
    let error = Rdata::parse(rtype, text, None).expect_err(text);
    assert_eq!(error.problem, problem, "{rtype} {text}");
}

fn check_refused_wire(rtype: RrType, wire: &[u8], problem: &str) {
    let error = Rdata::from_wire(rtype, wire).expect_err(problem);
    assert_eq!(error.problem, problem, "{rtype} {wire:02x?}");
}

#[test]
fn every_type_reads_and_shows() {
    for (rtype, text, shown) in [
        (RrType::A, "192.0.2.1", "192.0.2.1"),
        (RrType::AAAA, "2001:DB8:0:0::1", "2001:db8::1"),
        (RrType::AAAA, "::ffff:192.0.2.1", "::ffff:192.0.2.1"),
        (RrType::NS, "ns1", "ns1.acme.test."),
        (RrType::CNAME, "Mail.Other.", "mail.other."),
        (RrType::CNAME, "@", "acme.test."),
        (RrType::PTR, "a\\.b.test.", "a\\.b.test."),
        (RrType::DNAME, ".", "."),
        (RrType::MX, "10 mail", "10 mail.acme.test."),
        (RrType::MX, "0 .", "0 ."),
        (RrType::SRV, "0 1 993 imap.acme.test.", "0 1 993 imap.acme.test."),
        (RrType::DS, "60485 RSASHA1 1 2BB183AF 5F22", "60485 5 1 2bb183af5f22"),
        (RrType::CDS, "0 0 0 00", "0 0 0 00"),
        (RrType::DNSKEY, "257 3 13 AQ ID", "257 3 13 AQID"),
        (RrType::CDNSKEY, "0 3 0 AA==", "0 3 0 AA=="),
        (RrType::SSHFP, "4 2 ABCD", "4 2 abcd"),
        (RrType::TLSA, "3 1 1 (ab\n cd)", "3 1 1 abcd"),
        (RrType::SMIMEA, "3 0 0 ff", "3 0 0 ff"),
        (RrType::OPENPGPKEY, "AQID", "AQID"),
        (
            RrType::NAPTR,
            "100 10 u E2U+sip \"!^.*$!sip:a@b!\" .",
            "100 10 \"u\" \"E2U+sip\" \"!^.*$!sip:a@b!\" .",
        ),
        (
            RrType::ZONEMD,
            "2018031900 1 1 00112233445566778899aabb",
            "2018031900 1 1 00112233445566778899aabb",
        ),
        (RrType::SPF, "\"v=spf1 -all\"", "\"v=spf1 -all\""),
        (RrType::new(65280), "\\# 4 0A00 0001", "\\# 4 0a000001"),
        (RrType::new(65280), "\\# 0", "\\# 0"),
        (RrType::A, "\\# 4 0A000001", "10.0.0.1"),
        (RrType::RRSIG, "\\# 1 ff", "\\# 1 ff"),
    ] {
        check_shown(rtype, text, shown);
    }
}

#[test]
fn every_type_of_the_table_has_a_mnemonic_and_is_listed_once() {
    let known: BTreeSet<RrType> = RrType::KNOWN.iter().map(|(rtype, _)| *rtype).collect();
    let opaque: Vec<RrType> =
        known.iter().copied().filter(|rtype| table::fields_of(*rtype).is_none()).collect();
    assert_eq!(opaque.len() + table::TABLE.len(), known.len());
    assert!(opaque.iter().all(|rtype| rtype.is_made_by_signer()), "{opaque:?}");
    assert!(table::TABLE.is_sorted_by(|(a, _), (b, _)| a < b));
    assert!(table::KEPT.is_sorted_by(|(a, _), (b, _)| a < b));
    assert!(table::KEPT.iter().all(|(rtype, _)| rtype.is_kept()));
}

#[test]
fn soa_takes_times_with_units_and_shows_seconds() {
    for (text, shown) in [
        ("ns1 hostmaster 1 2 3 4 5", "ns1.acme.test. hostmaster.acme.test. 1 2 3 4 5"),
        (
            "ns1 a\\.b (4294967295 1H 15m 1w2d3h4m5s 1d)",
            "ns1.acme.test. a\\.b.acme.test. 4294967295 3600 900 788645 86400",
        ),
    ] {
        check_shown(RrType::SOA, text, shown);
    }
    let unit = "is not a time from 0 to 4294967295 seconds (units: w, d, h, m, s)";
    for (times, problem) in [
        ("1h 2 3 4 5", "the serial is not a number from 0 to 4294967295".to_owned()),
        ("1 h 3 4 5", format!("the refresh {unit}")),
        ("1 1h30 3 4 5", format!("the refresh {unit}")),
        ("1 2 7102w 4 5", format!("the retry {unit}")),
        ("1 2 3 -1 5", format!("the expire {unit}")),
        ("1 2 3 4294967296 5", "the expire is not a number from 0 to 4294967295".to_owned()),
        ("1 2 3 4", "the minimum is missing".to_owned()),
    ] {
        check_refused(RrType::SOA, &format!(". . {times}"), &problem);
    }
}

#[test]
fn txt_is_quoted_and_escaped() {
    for (text, shown) in [
        (r#""""#, r#""""#),
        (r#""a b" c"#, r#""a b" "c""#),
        (r#""a""b""#, r#""a" "b""#),
        ("v=spf1 -all", r#""v=spf1" "-all""#),
        (r#""v=DKIM1; p=\"x\\y\"""#, r#""v=DKIM1; p=\"x\\y\"""#),
        (r"a\;b\ c\010\255", r#""a;b c\010\255""#),
        ("\"grün\t(x)\"", r#""gr\195\188n\009(x)""#),
        (r#""\# 1 00""#, r##""# 1 00""##),
        (r"\# 1 00", r#""""#),
        (&"x".repeat(255), &format!("\"{}\"", "x".repeat(255))),
    ] {
        check_shown(RrType::TXT, text, shown);
    }
    check_wire(RrType::TXT, r#""ab" """#, b"\x02ab\x00");
}

#[test]
fn txt_refusals() {
    let long = "x".repeat(256);
    for (text, problem) in [
        ("", "the text is missing"),
        (&long, "the text has a string of 256 octets; split it after at most 255"),
        ("v=DKIM1; p=x", "a `;` outside quotes starts a comment; quote the text, or write `\\;`"),
        ("\"a", "a quoted string has no closing quote"),
        ("\"a\\\"", "a quoted string has no closing quote"),
        ("\"a\nb\"", "a quoted string goes over a line end"),
        ("(a", "a `(` has no `)`"),
        ("a)", "a `)` has no `(`"),
        ("a\"b\"", "the text is not set off by a blank: quotes enclose a whole word"),
        ("\"a\"b", "the text is not set off by a blank: quotes enclose a whole word"),
        (
            "\\256",
            "the text has an escape that is neither `\\DDD` (000 to 255) nor `\\` and one character",
        ),
    ] {
        check_refused(RrType::TXT, text, problem);
    }
    check_refused_wire(RrType::TXT, b"", "the text ends early");
    check_refused_wire(RrType::TXT, b"\x02a", "the text ends early");
    check_refused_wire(RrType::TXT, b"\x01a\x01", "the text ends early");
}

#[test]
fn caa_values_are_quoted_and_unbounded_by_a_length_octet() {
    let long = "x".repeat(300);
    for (text, shown) in [
        ("0 issue ca.example", r#"0 issue "ca.example""#.to_owned()),
        (r#"128 issue "ca.example; a=\"b c\"""#, r#"128 issue "ca.example; a=\"b c\"""#.to_owned()),
        (r#"0 iodef """#, r#"0 iodef """#.to_owned()),
        (&format!("0 issuewild {long}"), format!("0 issuewild \"{long}\"")),
    ] {
        check_shown(RrType::CAA, text, &shown);
    }
    check_wire(RrType::CAA, "0 issue \";\"", b"\x00\x05issue;");
    for (text, problem) in [
        ("256 issue x", "the flags field is not a number from 0 to 255"),
        ("0 is-sue x", "the tag is not made of letters and digits"),
        ("0 issue", "the value is missing"),
        ("0 issue ca.example x", "there is text after the last field"),
    ] {
        check_refused(RrType::CAA, text, problem);
    }
    check_refused_wire(RrType::CAA, b"\x00\x00x", "the tag is not made of letters and digits");
    check_refused_wire(RrType::CAA, b"\x00\x05iss", "the tag ends early");
}

#[test]
fn loc_optional_fields_and_hemispheres() {
    for (text, shown) in [
        (
            "52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m",
            "52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000.00m 10.00m",
        ),
        (
            "42 21 54 N 71 06 18 W -24m 30m",
            "42 21 54.000 N 71 6 18.000 W -24.00m 30.00m 10000.00m 10.00m",
        ),
        ("32 7 19.5 S 116 2 25 E 10", "32 7 19.500 S 116 2 25.000 E 10.00m 1.00m 10000.00m 10.00m"),
        ("0 s 0 w 0", "0 0 0.000 N 0 0 0.000 E 0.00m 1.00m 10000.00m 10.00m"),
        (
            "90 S 180 W -100000 90000000m 0.09 0.1",
            "90 0 0.000 S 180 0 0.000 W -100000.00m 90000000.00m 0.09m 0.10m",
        ),
        (
            "90 N 180 0 0 E 42849672.95m",
            "90 0 0.000 N 180 0 0.000 E 42849672.95m 1.00m 10000.00m 10.00m",
        ),
    ] {
        check_shown(RrType::LOC, text, shown);
    }
    // RFC 1876, the example of cambridge-net.kei.com, as octets.
    check_wire(
        RrType::LOC,
        "42 21 54 N 71 06 18 W -24m 30m",
        b"\0\x33\x16\x13\x89\x17\x2d\xd0\x70\xbe\x15\xf0\0\x98\x8d\x20",
    );
}

#[test]
fn loc_refusals() {
    for (text, problem) in [
        ("91 N 0 E 0", "has a latitude whose degree is not a number from 0 to 90"),
        ("90 0 0.001 N 0 E 0", "has a latitude beyond 90 degrees"),
        ("0 60 N 0 E 0", "has a latitude whose minute is not a number from 0 to 59"),
        ("0 0 60 N 0 E 0", "has a latitude whose second is not a number from 0 to 59.999"),
        ("0 0 0.0001 N 0 E 0", "has a latitude whose second is not a number from 0 to 59.999"),
        ("0 N 181 E 0", "has a longitude whose degree is not a number from 0 to 180"),
        ("0 E 0 E 0", "has a latitude without `N` or `S`"),
        ("0 N 0 E", "is missing"),
        ("0 N 0 E 1.", "has an altitude that is not in metres from -100000.00 to 42849672.95"),
        (
            "0 N 0 E -100000.01",
            "has an altitude that is not in metres from -100000.00 to 42849672.95",
        ),
        (
            "0 N 0 E 42849672.96",
            "has an altitude that is not in metres from -100000.00 to 42849672.95",
        ),
        (
            "0 N 0 E 0 25m",
            "has a size that has more than one significant digit, which LOC cannot hold",
        ),
        ("0 N 0 E 0 1m 100000000m", "has a horizontal precision that is above 90000000 m"),
        ("0 N 0 E 0 1m 1m 1k", "has a vertical precision that is not in metres"),
    ] {
        check_refused(RrType::LOC, text, &format!("the location {problem}"));
    }
    let good = *b"\0\x12\x16\x13\x80\0\0\0\x80\0\0\0\0\x98\x96\x80";
    assert!(Rdata::from_wire(RrType::LOC, &good).is_ok());
    for (at, octet, problem) in [
        (0, 1, "is not of version 0"),
        (1, 0xa0, "has a size that is not a digit and a power of ten"),
        (2, 0x1a, "has a horizontal precision that is not a digit and a power of ten"),
        (3, 0x01, "has a vertical precision that is not a digit and a power of ten"),
        (4, 0xff, "has a latitude beyond 90 degrees"),
        (8, 0x00, "has a longitude beyond 180 degrees"),
    ] {
        let mut wire = good;
        wire[at] = octet;
        check_refused_wire(RrType::LOC, &wire, &format!("the location {problem}"));
    }
    check_refused_wire(RrType::LOC, &good[..15], "the location has 15 octets instead of 16");
}

#[test]
fn refusals_name_the_field() {
    for (rtype, text, problem) in [
        (RrType::A, "", "the address is missing"),
        (RrType::A, "192.0.2.256", "the address is no IPv4 address"),
        (RrType::A, "192.0.2.1 x", "there is text after the last field"),
        (RrType::A, "\"192.0.2.1\"", "the address is in quotes, which only strings may have"),
        (RrType::AAAA, "192.0.2.1", "the address is no IPv6 address"),
        (RrType::MX, "+1 a.", "the preference is not a number from 0 to 65535"),
        (RrType::MX, "65536 a.", "the preference is not a number from 0 to 65535"),
        (RrType::MX, "10", "the exchange is missing"),
        (
            RrType::MX,
            "10 mail",
            "the exchange cannot be read: the name has no trailing dot, so it is not absolute",
        ),
        (
            RrType::CNAME,
            "@",
            "the target cannot be read: the name has no trailing dot, so it is not absolute",
        ),
        (RrType::DS, "1 NONE 1 00", "the algorithm is not a number from 0 to 255"),
        (RrType::DS, "1 8 1 0", "the digest is not made of pairs of hexadecimal digits"),
        (RrType::DS, "1 8 1", "the digest is missing"),
        (RrType::DNSKEY, "257 3 13 A", "the key is not base64"),
        (RrType::ZONEMD, "1 1 1 0011", "the digest has fewer than 12 octets"),
        (RrType::new(65280), "10 mail.", "rdata of an unknown type are written `\\# length hex`"),
        (RrType::A, "\\# 3 0a0000", "the address ends early"),
        (RrType::A, "\\#", "the length is missing"),
        (RrType::A, "\\# 5 0a000001", "the length differs from the number of octets after it"),
        (RrType::new(1000), "\\# 0 00", "there is text after the last field"),
        (RrType::new(1000), "\\# 1", "the opaque rdata is missing"),
    ] {
        check_refused(rtype, text, problem);
    }
}

#[test]
fn octets_that_are_too_few_or_too_many_are_refused() {
    let name_problem = "is not a complete, uncompressed name of at most 255 octets";
    for (rtype, wire, problem) in [
        (RrType::A, &b"\x0a\0\0"[..], "the address ends early".to_owned()),
        (RrType::A, b"\x0a\0\0\x01\0", "the rdata go on after the last field".to_owned()),
        (RrType::AAAA, b"", "the address ends early".to_owned()),
        (RrType::MX, b"\0\x0a", format!("the exchange {name_problem}")),
        (RrType::MX, b"\0\x0a\xc0\x0c", format!("the exchange {name_problem}")),
        (RrType::MX, b"\0\x0a\x04mail", format!("the exchange {name_problem}")),
        (RrType::MX, b"\0\x0a\0\0", "the rdata go on after the last field".to_owned()),
        (RrType::SOA, b"\0\0\0\0\0\x01", "the refresh ends early".to_owned()),
        (RrType::TLSA, b"\x03\x01\x01", "the association data is empty".to_owned()),
        (RrType::NAPTR, b"\0\0\0\0\x01u\x09E2U", "the service ends early".to_owned()),
        (RrType::OPENPGPKEY, b"", "the key is empty".to_owned()),
    ] {
        check_refused_wire(rtype, wire, &problem);
    }
    let opaque = RrType::new(65280);
    assert!(Rdata::from_wire(opaque, &[7; 65_535]).is_ok(), "the limit");
    check_refused_wire(opaque, &[7; 65_536], "the rdata have more than 65535 octets");
}

#[test]
fn equality_ignores_quotes_and_the_case_of_names() {
    let same = [
        (RrType::TXT, "\"ab\"", "ab"),
        (RrType::MX, "10 MAIL", "10 mail.ACME.test."),
        (RrType::SVCB, "1 SVC", "1 svc"),
    ];
    for (rtype, a, b) in same {
        let set = std::collections::HashSet::from([read(rtype, a)]);
        assert_eq!(read(rtype, a), read(rtype, b));
        assert!(set.contains(&read(rtype, b)), "equal rdata have equal hashes: {a}");
    }
    assert_ne!(read(RrType::TXT, "\"a b\""), read(RrType::TXT, "a b"));
    assert_ne!(read(RrType::TXT, "a"), read(RrType::SPF, "a"));
    assert_ne!(read(RrType::CAA, "0 issue a"), read(RrType::CAA, "0 issue A"));
    assert!(read(RrType::MX, "9 b") < read(RrType::MX, "10 a"), "by octets, not by text");
    let split = read(RrType::TXT, "a b");
    assert_eq!(split.to_string(), "\"a\" \"b\"", "the division into strings is kept as read");
}

#[test]
fn typed_constructors_and_readers() {
    let host = name("mail.acme.test.");
    assert_eq!(Rdata::mx(10, &host).to_string(), "10 mail.acme.test.");
    assert_eq!(Rdata::mx(10, &host).as_mx(), Some((10, host.clone())));
    assert_eq!(Rdata::mx(0, &Name::root()).as_mx(), Some((0, Name::root())));
    assert_eq!(Rdata::cname(&host).target(), Some(host.clone()));
    assert_eq!(Rdata::cname(&host).as_mx(), None);
    assert_eq!(Rdata::mx(10, &host).target(), None);
    assert_eq!(Rdata::srv(1, 2, 993, &host).to_string(), "1 2 993 mail.acme.test.");
    let (v4, v6) = (Ipv4Addr::new(192, 0, 2, 1), Ipv6Addr::LOCALHOST);
    assert_eq!(Rdata::a(v4).ip(), Some(IpAddr::V4(v4)));
    assert_eq!(Rdata::aaaa(v6).ip(), Some(IpAddr::V6(v6)));
    assert_eq!(Rdata::cname(&host).ip(), None);
    let soa = Soa {
        mname: host.clone(),
        rname: Name::root(),
        serial: u32::MAX,
        refresh: 1,
        retry: 2,
        expire: 3,
        minimum: 4,
    };
    assert_eq!(Rdata::soa(&soa).to_string(), "mail.acme.test. . 4294967295 1 2 3 4");
    assert_eq!(Rdata::soa(&soa).as_soa(), Some(soa));
    assert_eq!(Rdata::cname(&host).as_soa(), None);
}

#[test]
fn txt_values_are_split_at_255_octets() {
    for (length, strings) in
        [(0, vec![0]), (1, vec![1]), (255, vec![255]), (256, vec![255, 1]), (510, vec![255, 255])]
    {
        let value = vec![b'x'; length];
        let rdata = Rdata::txt(&value);
        assert_eq!(show::strings(rdata.wire()).map(<[u8]>::len).collect::<Vec<_>>(), strings);
        assert_eq!(rdata.txt_joined().as_deref(), Some(&*value));
        assert!(Rdata::from_wire(RrType::TXT, rdata.wire()).is_ok());
    }
    let longest = Rdata::txt(&[0; 65_279]);
    assert_eq!(longest.wire().len(), 65_535);
    assert!(Rdata::from_wire(RrType::TXT, longest.wire()).is_ok());
    assert_eq!(Rdata::a(Ipv4Addr::LOCALHOST).txt_joined(), None);
}

/// The forms of `types-of-real-zones`, and others, each as it is shown.
#[test]
fn types_of_real_zones_are_read_and_kept() {
    for (rtype, text, shown) in [
        ("RP", "el.x.test. txt", "el.x.test. txt.acme.test."),
        ("HINFO", "\"PC\" Linux", "\"PC\" \"Linux\""),
        ("AFSDB", "1 db", "1 db.acme.test."),
        ("CERT", "3 0 0 AAAA", "3 0 0 AAAA"),
        ("CERT", "PKIX 1 RSASHA256 AA AA", "1 1 8 AAAA"),
        ("APL", "1:192.0.2.0/24 !2:2001:db8::/32", "1:192.0.2.0/24 !2:2001:db8::/32"),
        ("APL", "\\# 0", "\\# 0"),
        ("KX", "10 kx", "10 kx.acme.test."),
        ("DHCID", "AAIB Y2/AuCccgoJbsaxcQc9TUapptP69", "AAIBY2/AuCccgoJbsaxcQc9TUapptP69"),
        ("EUI48", "00-00-5E-00-53-2a", "00-00-5e-00-53-2a"),
        ("EUI64", "00-00-5e-ef-10-00-00-2a", "00-00-5e-ef-10-00-00-2a"),
        ("IPSECKEY", "10 1 2 192.0.2.38 AQNR", "10 1 2 192.0.2.38 AQNR"),
        ("IPSECKEY", "10 3 2 gw AQNR", "10 3 2 gw.acme.test. AQNR"),
        ("IPSECKEY", "10 0 0 .", "10 0 0 ."),
        ("CSYNC", "66 3 A NS AAAA TYPE65280", "66 3 A NS AAAA TYPE65280"),
        ("L32", "10 10.1.2.0", "10 10.1.2.0"),
        ("L64", "10 2001:0DB8:1140:1000", "10 2001:0db8:1140:1000"),
        ("NID", "10 14:4fff:ff20:ee64", "10 0014:4fff:ff20:ee64"),
        ("LP", "10 l64", "10 l64.acme.test."),
        ("NSAP", "0x47.0005.80.005a00", "0x47000580005a00"),
        ("ATMA", "+61.2.0000", "+6120000"),
        ("A6", "64 ::1 net", "64 ::1 net.acme.test."),
        ("WKS", "10.0.0.1 tcp telnet ftp 0 1", "10.0.0.1 6 0 1 21 23"),
        ("HIP", "2 2001 AwEA rvs", "2 2001 AwEA rvs.acme.test."),
        ("AMTRELAY", "10 1 3 amt", "10 1 3 amt.acme.test."),
        ("DOA", "1 2 3 \"text/plain\" -", "1 2 3 \"text/plain\" -"),
        ("DSYNC", "CDS NOTIFY 5359 scan", "CDS 1 5359 scan.acme.test."),
        ("HHIT", "AA AA", "AAAA"),
        ("KEY", "49152 255 3", "49152 255 3"),
        // Not understood, but kept all the same.
        ("KEY", "NOKEY 255 3", "NOKEY 255 3"),
        ("SIG", "NXT 1 3 (600 2003) AA==", "NXT 1 3 600 2003 AA=="),
        ("LOC", "49 17 60.000 N 8 30 60.000 E 1m", "49 17 60.000 N 8 30 60.000 E 1m"),
        ("HTTPS", "1 . ipv4hint=auto alpn=\"h2\"", "1 . ipv4hint=auto alpn=\"h2\""),
        ("HTTPS", "1 . ech=\"\"", "1 . ech=\"\""),
        ("SVCB", "1 . ohttp", "1 . ohttp"),
        ("TYPE65280", "words of its own", "words of its own"),
        ("LOC", "\\# 2 0aff", "\\# 2 0aff"),
    ] {
        let rtype: RrType = rtype.parse().expect(rtype);
        let kept = Rdata::kept(rtype, text, Some(&name("acme.test."))).expect(text);
        assert_eq!(kept.to_string(), shown, "{rtype} {text}");
        assert!(kept.is_opaque(), "{rtype} {text}");
        let again = Rdata::kept(rtype, shown, kept.origin_of_words()).expect(shown);
        assert_eq!(again, kept, "{rtype} {text}");
    }
    for (rtype, text) in [
        (RrType::MX, "\\# 2 000a"),
        (RrType::A, "\\# 0"),
        (RrType::TXT, ""),
        (RrType::CNAME, "a b"),
        (RrType::LOC, "\"not closed"),
        (RrType::LOC, ""),
    ] {
        assert!(Rdata::kept(rtype, text, None).is_err(), "{rtype} {text}");
    }
    assert!(!Rdata::parse(RrType::new(65_280), "\\# 1 00", None).expect("octets").is_opaque());
}

/// DNS-SD reads each string on its own (RFC 6763 §6); SPF and DKIM join them.
#[test]
fn rfc6763_section_6_strings_count_and_joined_they_read_the_same() {
    let [whole, divided, other] =
        [r#""a=1b=2""#, r#""a=1" "b=2""#, r#""a=1" "b=3""#].map(|text| read(RrType::TXT, text));
    assert_ne!(whole, divided);
    assert!(whole.reads_as(&divided) && !divided.reads_as(&other));
    let set = |all: &[&Rdata]| {
        crate::RrSet::new(crate::Ttl::ZERO, all.iter().map(|one| (*one).clone())).expect("a set")
    };
    assert!(set(&[&whole, &other]).reads_as(&set(&[&other, &divided])));
    assert!(!set(&[&whole, &other]).reads_as(&set(&[&whole, &divided])));
    assert!(!set(&[&whole]).reads_as(&set(&[&whole, &divided])));
}
