//! `reach`: from the switch on until the old side is left, whatever caches hold of the switched
//! records expires within the cutover TTL, so that the switch and a way back take minutes.

use std::time::Duration;

use super::super::draft::Kind;
use crate::model::Stage;
use crate::model::hold::hold;
use crate::proof::builder::{PatternBuilder, shown};
use crate::proof::pattern::{Ending, Harm, Start, What};
use cutover_base::calendar::show_span;
use cutover_steps::graph::{CACHE_CAP, MovePoint};

pub(super) const ID: &str = "reach";

pub(super) fn patterns(builder: &mut PatternBuilder<'_>) {
    let draft = builder.draft();
    let until = draft.point(MovePoint::BeforeContract);
    let ends: Vec<Ending> =
        until.into_iter().map(|step| Ending { step, hold: Duration::ZERO }).collect();
    for (step, node) in draft.nodes.iter().enumerate() {
        let Kind::Change { track, transition, .. } = &node.kind else { continue };
        if transition.stage != Stage::Switch {
            continue;
        }
        let zone = &draft.snapshot.zones[&draft.tracks[*track].zone];
        let cutover_ttl = draft.intent.terms.cutover_ttl;
        let longest = cutover_ttl.max(zone.capabilities.ttl_min).duration().min(CACHE_CAP);
        let switching = builder.atom(What::Begun, Start::Begin(step), ends.clone());
        for change in &transition.changes {
            let Some(answers) = builder.library.answers(&change.key) else { continue };
            for class in &answers.classes {
                for version in &class.versions {
                    let Some(first) = version.first() else { continue };
                    // The way back ends the switch: nothing has to be quick after it.
                    let start = builder.library.atoms.borrow()[*first].start;
                    if matches!(start, Start::Begin(step) if step >= draft.forward) {
                        continue;
                    }
                    let records = match &builder.library.atoms.borrow()[*first].what {
                        What::Answer { records, .. } => records.clone(),
                        What::Fact { .. }
                        | What::InFlight { .. }
                        | What::MailboxesAt { .. }
                        | What::Begun => None,
                    };
                    // A name that did not exist leads nobody anywhere.
                    let Some(records) = records else { continue };
                    let lives = hold(Some(&records), zone);
                    if lives <= longest + zone.capabilities.anycast_margin {
                        continue;
                    }
                    let harm = Harm::new(
                        format!("{ID}/{} {}", shown(&change.key.name), change.key.rtype),
                        format!(
                            "the switch, or a way back, takes up to {} and not {}",
                            show_span(lives),
                            show_span(longest)
                        ),
                        "lower the TTL, and let the old one expire, before the switch; raise it only after the old side is left",
                    );
                    builder.forbid_version(ID, version, &[switching], &harm);
                }
            }
        }
    }
}
