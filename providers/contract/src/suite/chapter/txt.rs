//! TXT: where half of mail's configuration is, and where most providers differ.

use super::super::case::{Case, case, make, stale};
use super::{round_trip, round_trips};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = round_trips("txt", TABLE);
    cases.extend(LENGTHS.iter().map(|(name, story, strings)| {
        let strings: Vec<String> = strings.iter().map(|length| filled(*length)).collect();
        round_trip(&format!("txt/{name}"), story, vec![format!("t TXT 300 {}", strings.join(" "))])
    }));
    cases.push(dkim());
    cases.push(case(
        "txt/division-counts",
        "SPF and DKIM join the strings of a TXT, DNS-SD reads each for itself (RFC 6763 §6): a TXT that \
         is divided in another place is another one, unless the provider divides it by itself.",
        &["t TXT 300 \"v=spf1 \" \"-all\""],
        vec![
            make(&["t TXT 300 \"v=spf1 ~all\""]),
            make(&["t TXT 300 \"v=spf\" \"1 -all\""]),
            stale(&["t TXT 300 \"v=spf1 ?all\""], &["t TXT 300 \"v=spf1 ~all\""]),
            make(&["t TXT 300 \"v=spf1 ~all\""]),
        ],
    ));
    cases
}

const TABLE: &[(&str, &str, &[&str])] = &[
    ("empty", "One string without octets is a TXT.", &["t TXT 300 \"\""]),
    (
        "empty-among-others",
        "An empty string between others joins to the same value.",
        &["t TXT 300 \"a\" \"\" \"b\""],
    ),
    ("quotes", "Quotes inside.", &[r#"t TXT 300 "say \"hello\"" | "\"""#]),
    (
        "backslash",
        "Backslashes inside, one at the end, and what looks like an escape.",
        &[r#"t TXT 300 "a\\b" | "\\" | "\\010" | "c\\\\""#],
    ),
    (
        "semicolon",
        "A semicolon begins a comment in master files, and every DMARC record has one.",
        &[r#"t TXT 300 "v=DMARC1; p=none; rua=mailto:a@elsewhere.example" | ";" | "\;escaped""#],
    ),
    (
        "non-ascii",
        "Octets above 127: UTF-8, Latin 1, and neither.",
        &[r#"t TXT 300 "gr\195\188n" | "gr\252n" | "\255\254""#],
    ),
    (
        "control",
        "Octets below 32: zero, tab, ends of lines, and delete.",
        &[r#"t TXT 300 "\000" | "a\009b" | "a\010b" | "a\013\010b" | "\127""#],
    ),
    (
        "blanks",
        "Blanks at both ends, and nothing but blanks.",
        &["t TXT 300 \" a \" | \"  \" | \"a  b\""],
    ),
    (
        "split",
        "Several strings in one record are one value, in this order.",
        &["t TXT 300 \"v=spf1 \" \"include:a.example \" \"-all\" | \"second \" \"record\""],
    ),
    (
        "looks-like-something-else",
        "Text that a master file has a meaning for, outside of quotes.",
        &[
            r##"t TXT 300 "@" | "$ORIGIN x." | "( a" | "\# 4 0a000001" | "3600 IN TXT x" | "." | "a.b." | "null" | "'" | "`x`" | "%s" | "#""##,
        ],
    ),
    (
        "json",
        "Braces, colons and commas, as some verifications have them.",
        &[r#"t TXT 300 "{\"a\": [1, \"\\u00e9\"]}""#],
    ),
    (
        "case",
        "Upper and lower case of a value are two values.",
        &["t TXT 300 \"Token=AbC\" | \"token=abc\""],
    ),
    (
        "many",
        "Twelve values at one name, as an apex of a large organisation has them.",
        &[
            "t TXT 300 \"1\" | \"2\" | \"3\" | \"4\" | \"5\" | \"6\" | \"7\" | \"8\" | \"9\" | \"10\" | \"11\" | \"12\"",
        ],
    ),
];

/// Name, story, and octets of each string.
const LENGTHS: &[(&str, &str, &[usize])] = &[
    ("255-octets", "The longest string (RFC 1035 §3.3).", &[255]),
    ("256-octets", "One octet more takes two strings.", &[255, 1]),
    (
        "4000-octets",
        "Sixteen strings: long, and still below what a message without TCP can hold.",
        &[255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 175],
    ),
    ("short-strings", "Strings that somebody divided at 100, not at 255.", &[100, 100, 100, 7]),
];

fn filled(length: usize) -> String {
    const OCTETS: &str = "abcdefghijklmnopqrstuvwxyz0123456789+/";
    format!("\"{}\"", OCTETS.chars().cycle().take(length).collect::<String>())
}

/// A DKIM key of 4096 bits has 736 octets of base64 (RFC 6376 §3.6.1).
fn dkim() -> Case {
    let key: String = filled(736).trim_matches('"').to_owned();
    let value = format!("v=DKIM1; k=rsa; p={key}");
    let (first, rest) = value.split_at(255);
    let (second, rest) = rest.split_at(255);
    let (third, last) = rest.split_at_checked(255).unwrap_or((rest, ""));
    round_trip(
        "txt/dkim-4096",
        "The public key of a DKIM selector takes several strings. A provider that cuts it short \
         leaves a record that looks right and verifies nothing.",
        vec![format!("new._domainkey TXT 300 \"{first}\" \"{second}\" \"{third}\" \"{last}\"")],
    )
}
