//! Entries that are lost at the end of a journal, which nothing in it can show. The run compares
//! what is live, makes no change twice, and shortens no wait.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cutover::artifact::Artifact;
use cutover::calendar::{Timestamp, later};
use cutover::graph::Primitive;
use cutover::journal::{Entry, Event, Halt, HaltReason};
use cutover::world::DriveOutcome;

use crate::engine::{compiled, resumed, served_by};
use crate::rollback::{died, driven};
use crate::storm::truly;

/// The true instants at which the waits of a journal begin and end.
fn waits(artifact: &Artifact, journal: &[Entry]) -> BTreeMap<String, (Timestamp, Timestamp)> {
    let mut done: BTreeMap<String, Timestamp> = BTreeMap::new();
    let mut waits = BTreeMap::new();
    for entry in journal {
        let Some(step) = entry.event.step().and_then(|id| artifact.graph.get(id)) else { continue };
        let is_over = matches!(entry.event, Event::WaitEnded { .. });
        if is_over {
            let begin = step.after.keys().filter_map(|id| done.get(id.as_str())).max();
            waits.insert(step.id.to_string(), (*begin.expect("what it waits for"), truly(entry)));
        }
        // A gate has ended with its last answer.
        let is_done = matches!(
            entry.event,
            Event::Propagated { .. }
                | Event::Reached { .. }
                | Event::Did { .. }
                | Event::Kept { .. }
                | Event::Probed { .. }
                | Event::Allowed { .. }
        );
        if is_over || is_done {
            done.insert(step.id.to_string(), truly(entry));
        }
    }
    waits
}

#[test]
fn lost_entries_at_the_end_are_noticed() {
    let artifact = Arc::new(served_by(&compiled("quickstart"), 2));
    let all = died(&artifact, usize::MAX).journal.len();
    let (mut finished, mut drifted) = (0, 0);
    for entries in 2..=all {
        for lost in [1, 2, 3, 7, entries - 1] {
            let mut world = died(&artifact, entries);
            if lost >= entries {
                continue;
            }
            world.journal.truncate(entries - lost);
            let made = world.effects.len();
            let mut run = resumed(&artifact, &world.journal);
            let context = format!("{lost} of {entries} entries lost");
            let ended = driven(&mut world, &mut run).expect("a legal run");
            if ended == DriveOutcome::Finished {
                finished += 1;
            } else {
                // The zone is further than the journal knows, at the provider or at servers that
                // never serve what the run waits for. Nothing is changed.
                let is_seen = |reason: &HaltReason| {
                    matches!(reason, HaltReason::Drift | HaltReason::Unanswered)
                };
                let is_drift =
                    matches!(&ended, DriveOutcome::Halted(Halt { reason, .. }) if is_seen(reason));
                assert!(is_drift, "{context}: {ended:?}");
                assert_eq!(world.effects.len(), made, "{context}");
                drifted += 1;
            }
            assert!(world.violations.is_empty(), "{context}: {:?}", world.violations);
            for (number, effect) in world.effects.iter().enumerate() {
                assert!(!world.effects[..number].contains(effect), "{context}: made twice");
            }
            for (id, (begin, end)) in waits(&artifact, &world.journal) {
                let step = artifact.graph.steps().iter().find(|step| step.id.as_str() == id);
                let Some(Primitive::Wait(wait)) = step.map(|step| &step.primitive) else {
                    continue;
                };
                let tolerance = Duration::from_secs(1);
                assert!(later(begin, wait.span) <= later(end, tolerance), "{context}: {id}");
            }
        }
    }
    println!("{finished} finished, {drifted} halted with nothing touched");
    assert!(finished > 50 && drifted > 20, "{finished} finished, {drifted} halted");
}
