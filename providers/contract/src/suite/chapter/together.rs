//! What is visible at once: somebody reads without a break while the adapter writes.

use super::super::case::{Case, Step, case, lines};
use super::SMALL;
use crate::Atomicity;

/// Changes of one watch. Our choice: enough for a gap to be met, few enough to be quick.
const ROUNDS: usize = 24;

pub(super) fn cases() -> Vec<Case> {
    vec![
        watch(
            "together/mx-swap",
            "One MX is swapped for another again and again. Whoever asks sees one or the other: at a \
             moment without MX, mail goes to the A record of the domain, and is refused or lost.",
            Atomicity::RrSet,
            |round| vec![format!("@ MX 300 {round} mx{round}.newhost.example.")],
            &["@ MX 300 10 mail.oldhost.example."],
        ),
        watch(
            "together/null-mx",
            "The same between mail and no mail.",
            Atomicity::RrSet,
            |round| match round % 2 {
                0 => vec!["@ MX 300 0 .".to_owned()],
                _ => vec![format!("@ MX 300 10 mx{round}.newhost.example.")],
            },
            &["@ MX 300 10 mail.oldhost.example."],
        ),
        watch(
            "together/ttl",
            "The TTL goes down and up: the records are never absent, and never halfway.",
            Atomicity::RrSet,
            |round| vec![format!("www A {} 192.0.2.1 | 192.0.2.2", 60 + round)],
            &["www A 300 192.0.2.1 | 192.0.2.2"],
        ),
        watch(
            "together/type-change",
            "Addresses become an alias and addresses again, with one change set each: the name is \
             never without both.",
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
            "MX, SPF and DMARC of one host change together: whoever has seen one of them new sees the \
             others new as well.",
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

/// Rounds of changes, and back to the beginning. Their number is even.
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
