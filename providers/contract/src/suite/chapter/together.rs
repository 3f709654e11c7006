//! What becomes visible at once: a reader reads without pause while the adapter writes.

use super::super::case::{Case, Step, case, lines};
use super::SMALL;
use crate::Atomicity;

/// Changes in a watch. Our choice: enough to hit a gap, few enough to be quick.
const ROUNDS: usize = 24;

pub(super) fn cases() -> Vec<Case> {
    vec![
        watch(
            "together/mx-swap",
            "An MX is replaced again and again. A reader always sees either the old or the new MX: \
             without any MX, mail would go to the A record of the domain, and be refused or lost.",
            Atomicity::RrSet,
            |round| vec![format!("@ MX 300 {round} mx{round}.newhost.example.")],
            &["@ MX 300 10 mail.oldhost.example."],
        ),
        watch(
            "together/null-mx",
            "The same, between mail and no mail.",
            Atomicity::RrSet,
            |round| match round % 2 {
                0 => vec!["@ MX 300 0 .".to_owned()],
                _ => vec![format!("@ MX 300 10 mx{round}.newhost.example.")],
            },
            &["@ MX 300 10 mail.oldhost.example."],
        ),
        watch(
            "together/ttl",
            "The TTL goes down and up. The records are never absent, and never half changed.",
            Atomicity::RrSet,
            |round| vec![format!("www A {} 192.0.2.1 | 192.0.2.2", 60 + round)],
            &["www A 300 192.0.2.1 | 192.0.2.2"],
        ),
        watch(
            "together/type-change",
            "Addresses become an alias, and then addresses again, each in one change set. The name \
             always has either of them.",
            Atomicity::ChangeSet,
            |round| match round % 2 {
                0 => {
                    vec!["www A -".to_owned(), format!("www CNAME 300 web{round}.newhost.example.")]
                }
                _ => vec!["www CNAME -".to_owned(), format!("www A 300 192.0.2.{round}")],
            },
            &["www A 300 192.0.2.1 | 192.0.2.2"],
        ),
        watch(
            "together/several",
            "MX, SPF and DMARC of a host change together: a reader that has seen one of them \
             changed sees the others changed too.",
            Atomicity::ChangeSet,
            |round| {
                vec![
                    format!("@ MX 300 10 mx{round}.newhost.example."),
                    format!("@ TXT 300 \"v=spf1 include:r{round}.newhost.example -all\""),
                    format!("_dmarc TXT 300 \"v=DMARC1; p=none; rua=mailto:r{round}@a.example\""),
                ]
            },
            &[
                "@ MX 300 10 mail.oldhost.example.",
                "@ TXT 300 \"v=spf1 include:oldhost.example -all\" | \"site-verification=4711\"",
                "_dmarc TXT 300 \"v=DMARC1; p=none\"",
            ],
        ),
    ]
}

/// Rounds of changes, and finally back to the start. The number of rounds is even.
fn watch(
    name: &str,
    story: &str,
    unit: Atomicity,
    round: fn(usize) -> Vec<String>,
    back: &[&str],
) -> Case {
    let states = (0..ROUNDS).map(round).chain([lines(back)]).collect();
    case(name, story, SMALL, vec![Step::Watch(unit, states)])
}
