//! Every type of the contract is read as it was written.

use super::super::case::Case;
use super::round_trips;

pub(super) fn cases() -> Vec<Case> {
    round_trips("type", TABLE)
}

/// The name, the story, and the RRsets.
const TABLE: &[(&str, &str, &[&str])] = &[
    (
        "a",
        "Three addresses at one name are one RRset, in whatever order they are returned.",
        &["host A 300 192.0.2.9 | 192.0.2.10 | 0.0.0.0"],
    ),
    (
        "aaaa",
        "An IPv6 address has many spellings but one value.",
        &["host AAAA 300 2001:DB8:0:0:0:0:0:1 | ::ffff:192.0.2.1 | fe80::1"],
    ),
    (
        "a-and-aaaa",
        "Two RRsets at one name are independent.",
        &["host A 300 192.0.2.9", "host AAAA 60 2001:db8::9"],
    ),
    (
        "ns",
        "A delegation is part of the zone, although no server answers with it authoritatively.",
        &["sub NS 300 ns1.elsewhere.example. | ns2.elsewhere.example."],
    ),
    (
        "ns-and-glue",
        "The zone also holds the glue below a delegation.",
        &["sub NS 300 ns1.sub", "ns1.sub A 300 192.0.2.54", "ns1.sub AAAA 300 2001:db8::54"],
    ),
    (
        "ns-and-ds",
        "DS is at the delegation, in the parent zone.",
        &[
            "sub NS 300 ns1.elsewhere.example.",
            "sub DS 300 12345 13 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        ],
    ),
    ("cname", "An alias into another zone.", &["alias CNAME 300 Target.Elsewhere.example."]),
    (
        "cname-to-underscore",
        "A DKIM key at a host is an alias of a name with underscores.",
        &["s1._domainkey CNAME 300 s1._domainkey.newhost.example."],
    ),
    (
        "dname",
        "A redirected subtree: the names below it are not in the zone.",
        &["tree DNAME 300 tree.elsewhere.example."],
    ),
    (
        "ptr",
        "PTR records also occur in forward zones (DNS-SD, RFC 6763).",
        &["_services._dns-sd._udp PTR 300 _http._tcp.elsewhere.example."],
    ),
    (
        "mx",
        "Equal preferences, and the same host twice with different preferences.",
        &[
            "in MX 300 10 a.newhost.example. | 10 b.newhost.example. | 65535 a.newhost.example. | 0 c.newhost.example.",
        ],
    ),
    (
        "mx-null",
        "RFC 7505: `0 .` says that the name accepts no mail. The dot is a name, not an empty text.",
        &["no-mail MX 300 0 ."],
    ),
    (
        "srv",
        "RFC 2782, with a target in upper case.",
        &["_sip._tcp SRV 300 0 5 5060 SIP.elsewhere.example. | 10 0 65535 sip2.elsewhere.example."],
    ),
    (
        "srv-none",
        "RFC 2782: the target `.` says that there is no such service. Mail autodiscovery uses it.",
        &["_imap._tcp SRV 300 0 0 0 ."],
    ),
    (
        "caa",
        "RFC 8659: a flag, several properties in one RRset, and a value with a semicolon.",
        &[
            "ca CAA 300 0 issue \"ca.example\" | 128 issuewild \";\" | 0 iodef \"mailto:security@elsewhere.example\"",
        ],
    ),
    (
        "caa-parameters",
        "Values with blanks, quotes and a backslash.",
        &[
            r#"ca CAA 300 0 issue "ca.example; account=\"230123\"; path=a\\b" | 0 contactemail "a b@c""#,
        ],
    ),
    ("caa-empty", "An empty value is a value.", &["ca CAA 300 0 issue \"\""]),
    (
        "svcb-alias",
        "RFC 9460 §2.4.2: priority 0 is an alias, with a target and nothing else.",
        &["_8443._foo SVCB 300 0 svc.elsewhere.example."],
    ),
    (
        "https-service",
        "RFC 9460 §7: parameters of every kind, and an unknown one.",
        &["svc HTTPS 300 1 . mandatory=alpn,port alpn=h2,h3 no-default-alpn port=8443 \
         ipv4hint=192.0.2.1,192.0.2.2 ech=AEP+DQA/ ipv6hint=2001:db8::1 key65400=\"x y\""],
    ),
    (
        "https-alias-and-address",
        "An HTTPS alias may be beside addresses.",
        &["svc HTTPS 300 0 cdn.elsewhere.example.", "svc A 300 192.0.2.80"],
    ),
    (
        "svcb-several",
        "Several services, distinguished by priority.",
        &[
            "_dns.svc SVCB 300 1 a.elsewhere.example. alpn=dot | 2 b.elsewhere.example. alpn=h2 dohpath=/q{?dns}",
        ],
    ),
    (
        "loc",
        "RFC 1876: centimetres below and above sea level, in all four directions.",
        &[
            "pole LOC 300 51 30 12.748 N 0 7 39.612 W 0.00m 1m 10000m 10m | 33 51 0.000 S 151 12 30.001 E -99.99m 30m 1m 2m",
        ],
    ),
    (
        "naptr",
        "RFC 3403: a regular expression is full of backslashes and exclamation marks.",
        &[
            r#"enum NAPTR 300 100 10 "u" "E2U+sip" "!^\\+44(.*)$!sip:\\1@Example.com!" . | 100 20 "s" "SIP+D2T" "" _sip._tcp.elsewhere.example."#,
        ],
    ),
    (
        "sshfp",
        "Hexadecimal in upper and lower case.",
        &["host SSHFP 300 4 2 123456789ABCDEF67890123456789abcdef67890123456789abcdef67890abcd"],
    ),
    (
        "tlsa",
        "RFC 6698, for SMTP (RFC 7672): the next key beside the current key.",
        &[
            "_25._tcp.mx TLSA 300 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef \
         | 2 1 1 fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210",
        ],
    ),
    (
        "uri",
        "RFC 7553: a quoted target with arbitrary octets.",
        &[
            r#"_http._tcp.web URI 300 10 1 "https://www.elsewhere.example/a?b=c;d" | 20 0 "mailto:one@elsewhere.example""#,
        ],
    ),
    (
        "smimea",
        "RFC 8162: the owner is the hash of a mailbox.",
        &[
            "c93f1e400f26708f98cb19d936620da35eec8f72e57f9eec01c1afd6._smimecert SMIMEA 300 3 0 0 308201",
        ],
    ),
    (
        "openpgpkey",
        "RFC 7929: base64 of any length.",
        &[
            "c93f1e400f26708f98cb19d936620da35eec8f72e57f9eec01c1afd6._openpgpkey OPENPGPKEY 300 mQINBFHg5jwBEADD+A==",
        ],
    ),
    (
        "spf",
        "The old type 99 (RFC 7208 §3.1) still occurs, and is not TXT.",
        &["spf SPF 300 \"v=spf1 mx -all\"", "spf TXT 300 \"v=spf1 a -all\""],
    ),
    (
        "dnskey",
        "RFC 4034 §2, at a name that is not an apex: it has no effect there, but is part of the \
         zone.",
        &[
            "keys DNSKEY 300 257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ==",
        ],
    ),
    (
        "cds",
        "RFC 7344: what a child publishes for its parent.",
        &[
            "keys CDS 300 12345 13 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        ],
    ),
    (
        "cdnskey",
        "RFC 7344, the same as a key.",
        &[
            "keys CDNSKEY 300 257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ==",
        ],
    ),
    (
        "zonemd",
        "RFC 8976, at a name that is not an apex.",
        &["sum ZONEMD 300 2026112301 1 241 0123456789abcdef01234567"],
    ),
    (
        "unknown",
        "RFC 3597: an unknown type consists of octets.",
        &[r"odd TYPE65280 300 \# 4 0A000001 | \# 4 0a000002"],
    ),
    ("unknown-empty", "Empty rdata of an unknown type are valid.", &[r"odd TYPE65281 300 \# 0"]),
];
