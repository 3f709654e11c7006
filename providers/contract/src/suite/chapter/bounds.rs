//! How much, how long, how many.

use super::super::case::{Case, Step, case, lines, make};
use super::SMALL;

/// RRsets of the large cases: more than any page or batch that we know of (Route 53: 300 in a page
/// and 1000 in a batch; checked 2026-11-23), and more than the smallest batch of Cloudflare (200).
const MANY: usize = 1500;
/// RRsets of the largest change set that every provider must make at once, unless it declares a
/// limit. Our choice: more than the mail records of any domain.
const SOME: usize = 150;

pub(super) fn cases() -> Vec<Case> {
    let many = numbered(0..MANY, 1);
    vec![
        case(
            "bounds/ttl",
            "The smallest and the largest declared TTL are kept as written.",
            SMALL,
            vec![Step::TtlEdges("edge A 300 192.0.2.1".to_owned())],
        ),
        case(
            "bounds/ttl-beyond",
            "A TTL one second beyond is refused, not corrected: a plan waits for the TTL that it \
             wrote.",
            SMALL,
            vec![Step::TtlBeyond("edge A 300 192.0.2.1".to_owned())],
        ),
        case(
            "bounds/150-at-once",
            "150 RRsets are created, changed and removed, each time in one change set.",
            SMALL,
            vec![
                Step::Make(numbered(0..SOME, 1)),
                Step::Make(numbered(0..SOME, 2)),
                Step::Make(absent(0..SOME)),
            ],
        ),
        Case {
            start: many.clone(),
            ..case(
                "bounds/1500-read",
                "A zone of 1,500 RRsets, more than one page, is read completely, as a whole and by \
                 key. An adapter that stops at the first page deletes the rest or creates it \
                 twice.",
                &[],
                vec![
                    Step::Read((0..MANY).map(|n| format!("host-{n} A")).collect()),
                    make(&["host-1499 A 60 192.0.2.1", "host-1500 A 60 192.0.2.1"]),
                    make(&["host-1499 A 300 192.0.2.1", "host-1500 A -"]),
                ],
            )
        },
        case(
            "bounds/1500-made",
            "1,500 RRsets are created in one change set, more than one batch. Either all of them \
             are made, or you declare that so many do not fit, and none is.",
            &[],
            vec![Step::Make(many.clone())],
        ),
        Case {
            start: many,
            ..case(
                "bounds/1500-stale",
                "One of 1,500 RRsets is not what the plan expects: none of them changes.",
                &[],
                vec![Step::Stale {
                    believed: lines(&["host-777 A 300 192.0.2.77"]),
                    edits: absent(0..MANY),
                }],
            )
        },
    ]
}

fn numbered(numbers: std::ops::Range<usize>, last: u8) -> Vec<String> {
    numbers.map(|n| format!("host-{n} A 300 192.0.2.{last}")).collect()
}

fn absent(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|n| format!("host-{n} A -")).collect()
}
