//! SVCB and HTTPS: the vectors of RFC 9460, and the limits of each key.

use super::*;

fn read(text: &str) -> Result<Rdata, RdataError> {
    Rdata::parse(RrType::SVCB, text, None)
}

/// Reads `text`, expects the octets `wire`, which are shown as `shown`, and reads that again.
fn check(text: &str, wire: &[u8], shown: &str) {
    let rdata = read(text).expect(text);
    assert_eq!(rdata.wire().escape_ascii().to_string(), wire.escape_ascii().to_string(), "{text}");
    assert_eq!(rdata.to_string(), shown, "{text}");
    assert_eq!(read(shown).expect(shown).wire(), wire, "{text}");
    let https = Rdata::parse(RrType::HTTPS, text, None).expect(text);
    assert_eq!(https.wire(), wire, "HTTPS is read in the same way: {text}");
}

fn check_refused(params: &str, problem: &str) {
    let error = read(&format!("1 foo.example.com. {params}")).expect_err(params);
    assert_eq!(error.problem, format!("the parameter list {problem}"), "{params}");
}

fn check_refused_wire(params: &[u8], problem: &str) {
    let wire = [b"\0\x01\0", params].concat();
    let error = Rdata::from_wire(RrType::SVCB, &wire).expect_err(problem);
    assert_eq!(error.problem, format!("the parameter list {problem}"), "{params:02x?}");
}

#[test]
fn rfc9460_appendix_d1_alias_mode() {
    check("0 foo.example.com.", b"\0\0\x03foo\x07example\x03com\0", "0 foo.example.com.");
    check("0 .", b"\0\0\0", "0 .");
}

#[test]
fn rfc9460_appendix_d2_service_mode() {
    let foo = b"\x03foo\x07example\x03com\0";
    let org = b"\x03foo\x07example\x03org\0";
    let v6 = b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01";
    let v6b = b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\x53\0\x01";
    let hints = [b"\0\x01", &foo[..], b"\0\x06\0\x20", v6, v6b].concat();
    let map = b"\x20\x01\x0d\xb8\x01\x22\x03\x44\0\0\0\0\xc0\0\x02\x21";
    let mandatory = b"\0\0\0\x04\0\x01\0\x04\0\x01\0\x09\x02h2\x05h3-19\0\x04\0\x04\xc0\0\x02\x01";
    let escaped = b"\0\x01\0\x0c\x08f\\oo,bar\x02h2";
    for (text, wire, shown) in [
        ("1 .", b"\0\x01\0".to_vec(), "1 ."),
        (
            "16 foo.example.com. port=53",
            [b"\0\x10", &foo[..], b"\0\x03\0\x02\0\x35"].concat(),
            "16 foo.example.com. port=53",
        ),
        (
            "1 foo.example.com. key667=hello",
            [b"\0\x01", &foo[..], b"\x02\x9b\0\x05hello"].concat(),
            "1 foo.example.com. key667=\"hello\"",
        ),
        (
            "1 foo.example.com. key667=\"hello\\210qoo\"",
            [b"\0\x01", &foo[..], b"\x02\x9b\0\x09hello\xd2qoo"].concat(),
            "1 foo.example.com. key667=\"hello\\210qoo\"",
        ),
        (
            "1 foo.example.com. (ipv6hint=\"2001:db8::1,2001:db8::53:1\")",
            hints,
            "1 foo.example.com. ipv6hint=2001:db8::1,2001:db8::53:1",
        ),
        (
            "1 foo.example.com. ipv6hint=\"2001:db8:122:344::192.0.2.33\"",
            [b"\0\x01", &foo[..], b"\0\x06\0\x10", map].concat(),
            "1 foo.example.com. ipv6hint=2001:db8:122:344::c000:221",
        ),
        (
            "16 foo.example.org. (alpn=h2,h3-19 mandatory=ipv4hint,alpn ipv4hint=192.0.2.1)",
            [b"\0\x10", &org[..], mandatory].concat(),
            "16 foo.example.org. mandatory=alpn,ipv4hint alpn=\"h2,h3-19\" ipv4hint=192.0.2.1",
        ),
        (
            r#"16 foo.example.org. alpn="f\\\\oo\\,bar,h2""#,
            [b"\0\x10", &org[..], escaped].concat(),
            r#"16 foo.example.org. alpn="f\\\\oo\\,bar,h2""#,
        ),
        (
            r"16 foo.example.org. alpn=f\\\092oo\092,bar,h2",
            [b"\0\x10", &org[..], escaped].concat(),
            r#"16 foo.example.org. alpn="f\\\\oo\\,bar,h2""#,
        ),
    ] {
        check(text, &wire, shown);
    }
}

#[test]
fn rfc9460_appendix_d3_failures() {
    for (params, problem) in [
        ("key123=abc key123=def", "has `key123` twice"),
        ("mandatory", "has `mandatory`, which has no value"),
        ("alpn", "has `alpn`, which has no value"),
        ("port", "has `port`, which has no value"),
        ("ipv4hint", "has `ipv4hint`, which has no value"),
        ("ipv6hint", "has `ipv6hint`, which has no value"),
        ("no-default-alpn=abc alpn=h2", "has `no-default-alpn`, which has a value"),
        ("mandatory=key123", "lacks `key123`, which it names as mandatory"),
        ("mandatory=mandatory", "has `mandatory`, which is not a list of other keys, each once"),
        (
            "mandatory=key123,key123 key123=abc",
            "has `mandatory`, which is not a list of other keys, each once",
        ),
    ] {
        check_refused(params, problem);
    }
}

#[test]
fn other_keys() {
    for (params, wire, shown) in [
        ("alpn=h2 no-default-alpn", &b"\0\x01\0\x03\x02h2\0\x02\0\0"[..], ""),
        ("alpn=\"\\228\\001\"", b"\0\x01\0\x03\x02\xe4\x01", ""),
        ("ech=AQID", b"\0\x05\0\x03\x01\x02\x03", ""),
        (
            "dohpath=/dns-query{?dns}",
            b"\0\x07\0\x10/dns-query{?dns}",
            "dohpath=\"/dns-query{?dns}\"",
        ),
        ("key7=\"x\"", b"\0\x07\0\x01x", "dohpath=\"x\""),
        ("key3=\\000\\053", b"\0\x03\0\x02\0\x35", "port=53"),
        ("key8 key65535=\"\"", b"\0\x08\0\0\xff\xff\0\0", "key8 key65535"),
        ("key9=\"a;b c=\\\"\"", b"\0\x09\0\x07a;b c=\"", ""),
    ] {
        let shown = if shown.is_empty() { params } else { shown };
        let alpn = shown.replace("alpn=h2", "alpn=\"h2\"");
        check(&format!("1 . {params}"), &[b"\0\x01\0", wire].concat(), &format!("1 . {alpn}"));
    }
    // RFC 9460 §2.4.2: clients ignore parameters in AliasMode, so they are kept.
    check("0 . port=1", b"\0\0\0\0\x03\0\x02\0\x01", "0 . port=1");
}

#[test]
fn texts_that_are_refused() {
    let unknown = "which is not a known key; unknown keys are written key12345";
    for (params, problem) in [
        ("port=65536", "has `port`, which is not a number from 0 to 65535".to_owned()),
        ("port=\" 1\"", "has `port`, which is not a number from 0 to 65535".to_owned()),
        ("port= 1", "has `port=` without a value after it".to_owned()),
        ("port= \"1\"", "has `port=` without a value after it".to_owned()),
        ("\"port=1\"", "has quotes around a whole parameter instead of its value".to_owned()),
        ("key9=\"1\"x", "is not set off by a blank: quotes enclose a whole word".to_owned()),
        ("ALPN=h2", format!("has `ALPN`, {unknown}")),
        ("key01=x", format!("has `key01`, {unknown}")),
        ("key65536=x", format!("has `key65536`, {unknown}")),
        ("=x", format!("has ``, {unknown}")),
        ("alpn=h2,", "has `alpn`, which is not a list of non-empty strings".to_owned()),
        (
            "alpn=h2\\\\x",
            "has `alpn`, which has a `\\` in its list not escaping `,` or `\\`".to_owned(),
        ),
        ("ipv4hint=192.0.2.1,", "has `ipv4hint`, which is no IPv4 address".to_owned()),
        ("ech=x", "has `ech`, which is not base64".to_owned()),
        ("no-default-alpn", "has `no-default-alpn` without `alpn`".to_owned()),
        (
            &format!("alpn={}", "x".repeat(256)),
            "has `alpn`, which has a string of 256 octets; split it after at most 255".to_owned(),
        ),
    ] {
        check_refused(params, &problem);
    }
}

#[test]
fn octets_that_are_refused() {
    for (params, problem) in [
        (&b"\0\x03\0"[..], "ends early"),
        (b"\0\x03\0\x03\0\x35", "ends early"),
        (b"\0\x03\0\x01\0", "has `port`, which does not have two octets"),
        (b"\0\x09\0\0\0\x08\0\0", "is not in ascending order of its keys"),
        (b"\0\x09\0\0\0\x09\0\0", "is not in ascending order of its keys"),
        (b"\0\x01\0\x02\x02h", "has `alpn`, which is not a list of non-empty strings"),
        (b"\0\x01\0\x01\0", "has `alpn`, which is not a list of non-empty strings"),
        (b"\0\x04\0\x03abc", "has `ipv4hint`, which holds no whole IPv4 addresses"),
        (b"\0\x06\0\x04abcd", "has `ipv6hint`, which holds no whole IPv6 addresses"),
        (b"\0\0\0\x01\0", "has `mandatory`, which is not a list of other keys, each once"),
        (
            b"\0\0\0\x04\0\x09\0\x08\0\x08\0\0\0\x09\0\0",
            "has `mandatory`, which is not a list of other keys, each once",
        ),
        (b"\0\0\0\x02\0\x08\0\x09\0\0", "lacks `key8`, which it names as mandatory"),
    ] {
        check_refused_wire(params, problem);
    }
}
