//! Compare-and-set: a plan is for the zone that its reviewers saw, and for no other.

use super::super::case::{Case, Step, case, colleague, lines, make, stale};
use super::SMALL;

const NEW_MX: &str = "@ MX 300 10 mail.newhost.example.";

pub(super) fn cases() -> Vec<Case> {
    vec![
        case(
            "compare/value",
            "The MX is another one than was planned for.",
            SMALL,
            vec![stale(&["@ MX 300 10 mail.thirdhost.example."], &[NEW_MX])],
        ),
        case(
            "compare/ttl",
            "The TTL alone is another one. It decides how long the plan waits, so it counts; RFC 2136 \
             leaves it out of its prerequisites.",
            SMALL,
            vec![stale(&["@ MX 3600 10 mail.oldhost.example."], &[NEW_MX])],
        ),
        case(
            "compare/absence",
            "What was to be replaced is not there any more.",
            SMALL,
            vec![stale(
                &["new MX 300 10 mail.oldhost.example."],
                &["new MX 300 10 mail.newhost.example."],
            )],
        ),
        case(
            "compare/absence-of-what-goes",
            "What was to be removed is not there any more: not what was planned, though it looks done.",
            SMALL,
            vec![stale(&["new A 300 192.0.2.1"], &["new A -"])],
        ),
        case(
            "compare/presence",
            "Somebody has put records where the plan saw none.",
            SMALL,
            vec![stale(&["www A -"], &["www A 300 192.0.2.9"])],
        ),
        case(
            "compare/one-record-more",
            "The RRset has a record more than was planned for; that it has those, too, is not enough.",
            SMALL,
            vec![stale(&["www A 300 192.0.2.1"], &["www A 300 192.0.2.9"])],
        ),
        case(
            "compare/one-record-less",
            "And a record less.",
            SMALL,
            vec![stale(&["www A 300 192.0.2.1 | 192.0.2.2 | 192.0.2.3"], &["www A 300 192.0.2.9"])],
        ),
        case(
            "compare/case-of-a-text",
            "A token that differs in its case only is another token.",
            SMALL,
            vec![stale(&["_dmarc TXT 300 \"v=dmarc1; p=none\""], &["_dmarc TXT -"])],
        ),
        case(
            "compare/under-a-wildcard",
            "The wildcard answers with just what was expected, and the name has no records: nothing is \
             there that could be replaced.",
            SMALL,
            vec![stale(
                &["nobody TXT 300 \"made from the wildcard\""],
                &["nobody TXT 300 \"own\""],
            )],
        ),
        case(
            "compare/order-does-not-count",
            "The same records in another order are the same RRset.",
            SMALL,
            vec![
                colleague(&["www A -"]),
                colleague(&["www A 300 192.0.2.2 | 192.0.2.1"]),
                make(&["www A 300 192.0.2.9"]),
            ],
        ),
        case(
            "compare/colleague",
            "Between the plan and its step a colleague edits the same RRset. The plan is stale, and \
             the colleague's records stay.",
            SMALL,
            vec![
                colleague(&["@ MX 300 10 mail.thirdhost.example."]),
                stale(&["@ MX 300 10 mail.oldhost.example."], &[NEW_MX]),
            ],
        ),
        case(
            "compare/colleague-elsewhere",
            "A colleague edits another RRset, at another name and at the same one. That concerns \
             nobody, and the colleague's records stay.",
            SMALL,
            vec![
                colleague(&["intranet A 60 192.0.2.7", "@ CAA 60 0 issue \"ca.example\""]),
                make(&[NEW_MX]),
                colleague(&["intranet A -"]),
                make(&["@ MX 300 10 mail.oldhost.example."]),
            ],
        ),
        case(
            "compare/one-stale-member",
            "One of five RRsets of a change set is stale. The other four stay as they are.",
            SMALL,
            vec![stale(
                &["www A 300 192.0.2.77"],
                &[
                    NEW_MX,
                    "_dmarc TXT 60 \"v=DMARC1; p=none\"",
                    "mail CNAME -",
                    "new A 300 192.0.2.1",
                    "www A 300 192.0.2.9",
                ],
            )],
        ),
        case(
            "compare/repeat",
            "The same change set once more, as after a crash: it is not made twice, and what it says \
             shows what is there.",
            SMALL,
            vec![
                Step::Repeat(lines(&[NEW_MX])),
                Step::Repeat(lines(&["new A 300 192.0.2.1"])),
                Step::Repeat(lines(&["new A -"])),
            ],
        ),
        case(
            "compare/race",
            "Two people apply two plans that were made for the same zone. One of them wins, and the \
             other one is told.",
            SMALL,
            vec![
                Step::Race(lines(&[NEW_MX]), lines(&["@ MX 300 10 mail.thirdhost.example."])),
                Step::Race(lines(&["new A 300 192.0.2.1"]), lines(&["new A 300 192.0.2.2"])),
                Step::Race(lines(&["www A -"]), lines(&["www A 60 192.0.2.1 | 192.0.2.2"])),
            ],
        ),
    ]
}
