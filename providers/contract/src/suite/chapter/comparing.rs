//! Compare-and-set: a plan applies only to the zone that its reviewers saw.

use super::super::case::{Case, Step, case, colleague, lines, make, stale};
use super::SMALL;

const NEW_MX: &str = "@ MX 300 10 mail.newhost.example.";

pub(super) fn cases() -> Vec<Case> {
    vec![
        case(
            "compare/value",
            "The MX differs from what the plan expects.",
            SMALL,
            vec![stale(&["@ MX 300 10 mail.thirdhost.example."], &[NEW_MX])],
        ),
        case(
            "compare/ttl",
            "Only the TTL differs. It decides how long the plan waits, so it counts, although RFC \
             2136 leaves it out of its prerequisites.",
            SMALL,
            vec![stale(&["@ MX 3600 10 mail.oldhost.example."], &[NEW_MX])],
        ),
        case(
            "compare/absence",
            "The RRset to be replaced is gone.",
            SMALL,
            vec![stale(
                &["new MX 300 10 mail.oldhost.example."],
                &["new MX 300 10 mail.newhost.example."],
            )],
        ),
        case(
            "compare/absence-of-what-goes",
            "The RRset to be removed is gone already: it looks done, but the plan did not expect \
             it.",
            SMALL,
            vec![stale(&["new A 300 192.0.2.1"], &["new A -"])],
        ),
        case(
            "compare/presence",
            "There are records where the plan expects none.",
            SMALL,
            vec![stale(&["www A -"], &["www A 300 192.0.2.9"])],
        ),
        case(
            "compare/one-record-more",
            "The RRset has one record more than the plan expects. Holding the expected records is \
             not enough.",
            SMALL,
            vec![stale(&["www A 300 192.0.2.1"], &["www A 300 192.0.2.9"])],
        ),
        case(
            "compare/one-record-less",
            "The RRset has one record fewer than the plan expects.",
            SMALL,
            vec![stale(&["www A 300 192.0.2.1 | 192.0.2.2 | 192.0.2.3"], &["www A 300 192.0.2.9"])],
        ),
        case(
            "compare/case-of-a-text",
            "A token that differs only in upper and lower case is another token.",
            SMALL,
            vec![stale(&["_dmarc TXT 300 \"v=dmarc1; p=none\""], &["_dmarc TXT -"])],
        ),
        case(
            "compare/under-a-wildcard",
            "A wildcard answers with exactly what the plan expects, but the name has no records, \
             so there is nothing to replace.",
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
            "Between planning and applying, a colleague edits the same RRset. The plan is stale, \
             and the colleague's records stay.",
            SMALL,
            vec![
                colleague(&["@ MX 300 10 mail.thirdhost.example."]),
                stale(&["@ MX 300 10 mail.oldhost.example."], &[NEW_MX]),
            ],
        ),
        case(
            "compare/colleague-elsewhere",
            "A colleague edits another RRset, at another name and at the same name. That is not \
             a conflict, and the colleague's records stay.",
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
            "The same change set again, as after a crash: it is not made twice, and the conflict \
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
            "Two people apply two plans for the same zone at the same time. One of them wins, and \
             the other gets a conflict.",
            SMALL,
            vec![
                Step::Race(lines(&[NEW_MX]), lines(&["@ MX 300 10 mail.thirdhost.example."])),
                Step::Race(lines(&["new A 300 192.0.2.1"]), lines(&["new A 300 192.0.2.2"])),
                Step::Race(lines(&["www A -"]), lines(&["www A 60 192.0.2.1 | 192.0.2.2"])),
            ],
        ),
    ]
}
