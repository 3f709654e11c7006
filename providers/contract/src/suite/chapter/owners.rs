//! Owner names that are not `www`.

use super::super::case::{Case, Step, case, colleague, lines, make, read};
use super::{SMALL, round_trip, round_trips};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = round_trips("owner", TABLE);
    cases.push(round_trip(
        "owner/long",
        "A label of 63 octets, and a name with more labels than almost any other.",
        vec![
            format!("{} TXT 300 \"label\"", "l".repeat(63)),
            format!("{}deep TXT 300 \"deep\"", "a.".repeat(40)),
        ],
    ));
    cases.push(case(
        "owner/case",
        "Names are case-insensitive (RFC 4343): a name that a colleague wrote in capitals is \
         found, compared and replaced like any other.",
        SMALL,
        vec![
            colleague(&["camelcase A 300 192.0.2.7"]),
            read(&["camelcase A"]),
            make(&["camelcase A 300 192.0.2.8"]),
            make(&["CAMELCASE A -"]),
        ],
    ));
    cases.push(case(
        "owner/case-in-data",
        "Names in the data are case-insensitive too.",
        SMALL,
        vec![
            colleague(&["in MX 300 10 mail.oldhost.example."]),
            make(&["in MX 300 10 mail.newhost.example."]),
            make(&["in MX -"]),
        ],
    ));
    cases.push(case(
        "owner/empty-non-terminal",
        "A record at `a.b.c` makes `b.c` exist without records. When the record is removed, \
         nothing is left.",
        SMALL,
        vec![
            make(&["a.b.c A 300 192.0.2.7"]),
            read(&["b.c A", "c A", "a.b.c A", "x.b.c A"]),
            make(&["a.b.c A -"]),
            Step::Read(lines(&["a.b.c A"])),
        ],
    ));
    cases
}

const TABLE: &[(&str, &str, &[&str])] = &[
    (
        "wildcard",
        "A wildcard is a record like any other (RFC 4592), and is written as `*`.",
        &["* A 300 192.0.2.99", "*.sub MX 300 10 mail.newhost.example."],
    ),
    (
        "star-inside",
        "A star that is not the whole leftmost label is not a wildcard.",
        &["a.*.sub TXT 300 inside", "a* TXT 300 together"],
    ),
    (
        "underscore",
        "Mail uses names with underscores.",
        &[
            "_mta-sts TXT 300 \"v=STSv1; id=20261123\"",
            "_smtp._tls TXT 300 \"v=TLSRPTv1; rua=mailto:a@elsewhere.example\"",
            "_25._tcp._tls TXT 300 \"x\"",
        ],
    ),
    ("digits", "Labels that consist of digits.", &["1 A 300 192.0.2.1", "1.2 A 300 192.0.2.2"]),
    (
        "not-a-host",
        "Addresses at names that are not host names (RFC 952). Some servers check this.",
        &["- A 300 192.0.2.1", "a* A 300 192.0.2.2", "under_score A 300 192.0.2.3"],
    ),
    (
        "escaped-dot",
        "A dot inside a label, as the mailbox of an SOA can have it, and owner names too.",
        &[r"first\.last TXT 300 dot", "first.last TXT 300 \"two labels\""],
    ),
    (
        "escapes",
        "A blank, a quote, a semicolon, an at sign, a dollar, a bracket and a backslash.",
        &[
            r"a\032b TXT 300 blank",
            r#"a\"b TXT 300 quote"#,
            r"a\;b TXT 300 semicolon",
            r"a\@b TXT 300 at",
            r"\@ TXT 300 at",
            r"\$ TXT 300 dollar",
            r"a\(b TXT 300 bracket",
            r"a\\b TXT 300 backslash",
        ],
    ),
    (
        "octets",
        "Octets that are not text.",
        &[r"\000 TXT 300 zero", r"\255 TXT 300 last", r"gr\195\188n TXT 300 green"],
    ),
    (
        "punycode",
        "An internationalised name reaches you in ASCII.",
        &["xn--bcher-kva A 300 192.0.2.1"],
    ),
    (
        "named-like-a-type",
        "Owner names that a parser may take for something else.",
        &[
            "a A 300 192.0.2.1",
            "mx A 300 192.0.2.2",
            "in A 300 192.0.2.3",
            "txt TXT 300 \"txt\"",
            "3600 A 300 192.0.2.4",
        ],
    ),
    (
        "at-the-origins-own-name",
        "The origin's own labels, repeated below the origin.",
        &["suite A 300 192.0.2.1", "suite.test A 300 192.0.2.2"],
    ),
];
