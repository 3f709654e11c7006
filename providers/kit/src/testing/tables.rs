//! Zones and stories that the tests of several adapters use.

/// The zone that most tests start from.
pub const SMALL: &[&str] = &[
    "@ 300 SOA ns1 Hostmaster 7 3600 600 86400 300",
    "@ 300 NS ns1",
    "ns1 300 A 127.0.0.1",
    "@ 300 MX 10 Mail.OldHost.example.",
    "@ 300 TXT \"v=spf1 include:oldhost.example -all\"",
    "www 300 A 192.0.2.1",
    "www 300 A 192.0.2.2",
    "mail 300 CNAME mail.oldhost.example.",
];

/// The MX of [`SMALL`].
pub const MX: &str = "@ 300 MX 10 mail.oldhost.example.";

/// The same without SOA and NS, which some providers create themselves, as lines of a master file.
pub const HOSTED: &[&str] = &[
    "acme.test. 300 IN MX 10 mail.oldhost.example.",
    "acme.test. 300 IN TXT \"v=spf1 include:oldhost.example -all\"",
    "www.acme.test. 300 IN A 192.0.2.1",
    "www.acme.test. 300 IN A 192.0.2.2",
    "mail.acme.test. 300 IN CNAME mail.oldhost.example.",
];

/// Every type of the contract that a person writes, with values that are easily damaged.
pub const EVERY_TYPE: &[&str] = &[
    "@ 300 SOA ns1 Host\\.Master 7 3600 600 86400 300",
    "@ 3600 NS ns1",
    "@ 3600 NS ns.Other.example.",
    "ns1 0 A 127.0.0.1",
    "ns1 2147483647 AAAA 2001:db8::1",
    "@ 300 MX 10 Mail.OldHost.example.",
    "@ 300 MX 20 ns1",
    "@ 300 TXT \"v=spf1 -all\"",
    "tricky 300 TXT \"a\\\"b\\\\c;d\" \"e  f\" \"\"",
    "tricky 300 TXT \"\\000\\127\\255@$()\"",
    "sel._domainkey 60 TXT \"v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A\" \"MIIBCgKCAQEA\"",
    "old 300 SPF \"v=spf1 -all\"",
    "alias 300 CNAME Target.Example.",
    "_submission._tcp 300 SRV 0 1 587 Mail.Example.",
    "ptr 300 PTR some.Name.example.",
    "branch 300 DNAME elsewhere.example.",
    "here 300 LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m",
    "naptr 300 NAPTR 100 10 \"u\" \"E2U+sip\" \"!^.*$!sip:info@example.com!\" .",
    "naptr 300 NAPTR 100 50 \"s\" \"z3950+I2L+I2C\" \"\" _z3950._tcp.Gatech.edu.",
    "host 300 SSHFP 4 2 123456789abcdef67890123456789abcdef67890123456789abcdef123456789",
    "_25._tcp.mail 300 TLSA 3 1 1 8cb0fc6c527506a053f4f14c8464bebbd6dede2738d11468dd953d7d6a3021f1",
    "c93f1e400f26708f98cb19d936620da35eec8f72e57f9eec01c1afd6._smimecert 300 SMIMEA 3 0 0 30820122",
    "c93f1e400f26708f98cb19d936620da35eec8f72e57f9eec01c1afd6._openpgpkey 300 OPENPGPKEY mQINBFit",
    "@ 300 CAA 0 issue \"ca.example.net; account=230123\"",
    "@ 300 CAA 128 iodef \"mailto:security@example.com\"",
    "svc 300 SVCB 1 Svc4.example.net. alpn=\"bar\" port=8004",
    "web 300 HTTPS 0 Pool.svc.example.",
    "www 300 HTTPS 1 . alpn=\"h2,h3\" ipv4hint=192.0.2.1 key65333=ex1",
    "sub 86400 NS ns.sub",
    "ns.sub 86400 A 192.0.2.53",
    "sub 86400 DS 60485 8 2 d4b7d520e7bb5f0f67674a0cceb1e3e0614b93c4f9e99b8383f6a1e4469da50a",
    "private 300 TYPE65280 \\# 4 0a000001",
    "*.wild 300 MX 10 ns1",
];

/// The records of one name, step by step.
pub const STORY: &[&[&str]] = &[
    &[],
    &["n 60 A 192.0.2.1"],
    &["n 60 A 192.0.2.2"],
    &["n 60 A 192.0.2.2", "n 60 A 192.0.2.3"],
    // Only the TTL, longer and shorter, and its limits.
    &["n 3600 A 192.0.2.2", "n 3600 A 192.0.2.3"],
    &["n 0 A 192.0.2.2", "n 0 A 192.0.2.3"],
    &["n 2147483647 A 192.0.2.2", "n 2147483647 A 192.0.2.3"],
    // A record that stays gets the new TTL too.
    &["n 60 A 192.0.2.3", "n 60 A 192.0.2.4"],
    // From other data to a CNAME, to another CNAME, and back.
    &["n 60 CNAME a.example."],
    &["n 60 CNAME b.example."],
    &["n 60 MX 10 mx.example.", "n 60 TXT \"x\""],
    // The null MX is alone (RFC 7505 §3).
    &["n 60 MX 0 .", "n 60 TXT \"x\""],
    &[],
];

/// What is expected, what is wanted, the refused key, and whether the zone has that RRset.
pub type Swap = (&'static [&'static str], &'static [&'static str], &'static str, bool);

/// Change sets that conflict with [`SMALL`].
pub const CONFLICTS: &[Swap] = &[
    // Another value, another TTL, a record fewer, something where nothing was expected, and nothing
    // instead of something.
    (&["@ 300 MX 20 mx.example."], &["@ 300 MX 0 ."], "@ MX", true),
    (&["@ 301 MX 10 mail.oldhost.example."], &["@ 300 MX 0 ."], "@ MX", true),
    (&["www 300 A 192.0.2.1"], &[], "www A", true),
    (&[], &["@ 60 MX 0 ."], "@ MX", true),
    (&["gone 300 A 192.0.2.1"], &[], "gone A", false),
    // The first of two RRsets is as expected, and is left alone all the same.
    (&[MX, "www 300 A 192.0.2.1"], &["@ 60 MX 0 ."], "www A", true),
    (&[MX, "www 60 A 192.0.2.1", "www 60 A 192.0.2.2"], &["@ 60 MX 0 ."], "www A", true),
];

/// Changes that no server with an SOA accepts, on top of [`SMALL`]. Whether a change to the SOA
/// itself is accepted depends on its serial.
pub const REFUSED: &[(&[&str], &[&str], &str)] = &[
    (&["@ 300 NS ns1"], &[], "@ NS"),
    (&[], &["@ 300 SOA ns1 hostmaster 8 3600 600 86400 300"], "@ SOA"),
    (&[], &["sub 300 SOA ns1 hostmaster 8 3600 600 86400 300"], "sub SOA"),
    (&[], &["mail 60 MX 10 mx.example."], "mail MX"),
    (&[], &["www 60 CNAME a.example."], "www CNAME"),
    (&[], &["@ 60 CNAME a.example."], "@ CNAME"),
    (&[], &["n 60 CNAME a.example.", "n 60 A 192.0.2.1"], "n CNAME"),
    (&[], &["n 60 RRSIG \\# 4 0a000001"], "n RRSIG"),
    (&[], &["n 60 TYPE255 \\# 4 0a000001"], "n TYPE255"),
];
