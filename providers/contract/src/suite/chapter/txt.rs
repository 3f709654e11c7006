//! TXT: half of a domain's mail configuration, and where most providers differ.

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
        "SPF and DKIM join the strings of a TXT, but DNS-SD reads each on its own (RFC 6763 §6). \
         So a TXT that is divided elsewhere is another TXT, unless the provider divides it by \
         itself.",
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
    ("empty", "A single empty string is a valid TXT.", &["t TXT 300 \"\""]),
    (
        "empty-among-others",
        "An empty string between others does not change the joined value.",
        &["t TXT 300 \"a\" \"\" \"b\""],
    ),
    ("quotes", "Quotes inside a value.", &[r#"t TXT 300 "say \"hello\"" | "\"""#]),
    (
        "backslash",
        "Backslashes inside and at the end, and text that looks like an escape.",
        &[r#"t TXT 300 "a\\b" | "\\" | "\\010" | "c\\\\""#],
    ),
    (
        "semicolon",
        "A semicolon starts a comment in master files, and every DMARC record has one.",
        &[r#"t TXT 300 "v=DMARC1; p=none; rua=mailto:a@elsewhere.example" | ";" | "\;escaped""#],
    ),
    (
        "non-ascii",
        "Octets above 127: UTF-8, Latin 1, and neither.",
        &[r#"t TXT 300 "gr\195\188n" | "gr\252n" | "\255\254""#],
    ),
    (
        "control",
        "Control characters: zero, tab, line ends, and delete.",
        &[r#"t TXT 300 "\000" | "a\009b" | "a\010b" | "a\013\010b" | "\127""#],
    ),
    (
        "blanks",
        "Blanks at both ends, and values of blanks only.",
        &["t TXT 300 \" a \" | \"  \" | \"a  b\""],
    ),
    (
        "split",
        "Several strings in a record form one value, in this order.",
        &["t TXT 300 \"v=spf1 \" \"include:a.example \" \"-all\" | \"second \" \"record\""],
    ),
    (
        "looks-like-something-else",
        "Text that means something in a master file when it is not quoted.",
        &[
            r##"t TXT 300 "@" | "$ORIGIN x." | "( a" | "\# 4 0a000001" | "3600 IN TXT x" | "." | "a.b." | "null" | "'" | "`x`" | "%s" | "#""##,
        ],
    ),
    (
        "json",
        "Braces, colons and commas, as some verification records have them.",
        &[r#"t TXT 300 "{\"a\": [1, \"\\u00e9\"]}""#],
    ),
    (
        "case",
        "Values that differ only in upper and lower case are different values.",
        &["t TXT 300 \"Token=AbC\" | \"token=abc\""],
    ),
    (
        "many",
        "Twelve values at one name, as at the apex of a large organisation.",
        &[
            "t TXT 300 \"1\" | \"2\" | \"3\" | \"4\" | \"5\" | \"6\" | \"7\" | \"8\" | \"9\" | \"10\" | \"11\" | \"12\"",
        ],
    ),
];

/// The name, the story, and the octets of each string.
const LENGTHS: &[(&str, &str, &[usize])] = &[
    ("255-octets", "The longest string (RFC 1035 §3.3).", &[255]),
    ("256-octets", "One octet more needs two strings.", &[255, 1]),
    (
        "4000-octets",
        "Sixteen strings: long, but still below the limit of a message without TCP.",
        &[255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 175],
    ),
    ("short-strings", "Strings divided at 100 octets instead of 255.", &[100, 100, 100, 7]),
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
        "The public key of a DKIM selector needs several strings. A provider that truncates it \
         leaves a record that looks right and verifies nothing.",
        vec![format!("new._domainkey TXT 300 \"{first}\" \"{second}\" \"{third}\" \"{last}\"")],
    )
}
