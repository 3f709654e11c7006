//! `reach`: from the switch on, what is cached of the switched RRsets expires within the cutover
//! TTL, so that the switch, and a way back, take minutes.

use std::time::Duration;

use crate::graph::{Primitive, StepId};
use crate::model::hold::hold;
use crate::proof::{Event, Interval, Judgement, Proof, Start, story, together};
use crate::recipe::{BEFORE_CONTRACT, BEFORE_SWITCH};

pub(super) fn check(proof: &Proof<'_>) -> Judgement {
    let until = proof.place(BEFORE_CONTRACT).map(Event::End);
    for (place, step) in proof.graph.steps().iter().enumerate() {
        let Primitive::Change(changes) = &step.primitive else { continue };
        // Records with an order of their own do not take part in the switch.
        if !step.after.contains(&StepId::new(BEFORE_SWITCH)) {
            continue;
        }
        let zone = &proof.snapshot.zones[changes.zone()];
        let shortest = proof.intent.terms.cutover_ttl.max(zone.capabilities.ttl_min).duration();
        for change in changes.changes() {
            let switched = Interval {
                start: Start::At(Event::Begin(place)),
                ends: until.into_iter().collect(),
            };
            for version in proof.timelines.get(&change.key).into_iter().flatten() {
                let lives = match &version.rrset {
                    Some(_) => hold(version.rrset.as_ref(), zone),
                    // A name that was not there takes nobody anywhere.
                    None => Duration::ZERO,
                };
                let both = [&switched, &version.interval];
                if lives > shortest && together(&proof.order, &both) {
                    let story = story::long_lived(proof, step, &change.key, version);
                    return Judgement::Refuted(story);
                }
            }
        }
    }
    Judgement::Holds
}
