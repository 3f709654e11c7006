//! What cannot be written is reported before anything is written, and records that are not
//! understood stay.

use super::super::case::{Case, Step, case, lines, make, refuse};
use super::SMALL;

/// A zone with records that are kept as they are, besides the usual ones.
const KEPT: &[&str] = &[
    "@ MX 300 10 mail.oldhost.example.",
    "r RP 300 el.suite.test. txt.suite.test.",
    "h HINFO 300 \"PC\" \"Linux\"",
    "db AFSDB 300 1 db.suite.test.",
    "c CERT 300 3 0 0 AAAA",
    "kx KX 300 10 kx.suite.test.",
    "d DHCID 300 AAIBY2/AuCccgoJbsaxcQc9TUapptP69",
];

pub(super) fn cases() -> Vec<Case> {
    vec![
        case(
            "checking/all-at-once",
            "A plan is checked as a whole, and the check reports everything that cannot be \
             written, not only the first problem.",
            SMALL,
            vec![Step::Check {
                sets: vec![
                    lines(&["www CNAME 300 web.newhost.example."]),
                    lines(&["@ MX 300 10 mx.newhost.example."]),
                    lines(&["mail TXT 300 \"beside an alias\"", "fine A 300 192.0.2.7"]),
                ],
                refused: lines(&["www", "mail"]),
            }],
        ),
        case(
            "checking/one-after-another",
            "What one change set removes does not block a later one.",
            SMALL,
            vec![Step::Check {
                sets: vec![
                    lines(&["www A -"]),
                    lines(&["www CNAME 300 web.newhost.example."]),
                    lines(&["www CNAME -", "www A 300 192.0.2.9"]),
                ],
                refused: Vec::new(),
            }],
        ),
        case(
            "checking/kept",
            "Records that are kept as they are do not make the zone unreadable: everything around \
             them can be changed, but they cannot.",
            KEPT,
            vec![
                make(&["@ MX 300 10 mx.newhost.example.", "c TXT 300 \"beside it\""]),
                make(&["@ MX 300 10 mail.oldhost.example.", "c TXT -"]),
                refuse(&["r RP 300 me.suite.test. ."]),
                refuse(&["h HINFO -"]),
                refuse(&["new CERT 300 3 0 0 AAAA"]),
                Step::Check {
                    sets: vec![lines(&["r RP -", "c CERT -"]), lines(&["x A 300 192.0.2.7"])],
                    refused: lines(&["r", "c"]),
                },
            ],
        ),
    ]
}
