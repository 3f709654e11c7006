//! What `after:` in a plan means: the steps that an anchor stands for, and how long what they replaced
//! may be cached.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::language::Anchor;
use crate::model::Transition;
use crate::model::hold::hold_of_replaced;
use crate::proof::draft::{Draft, Kind, prepares};
use cutover_base::calendar::show_span;
use cutover_steps::graph::{MovePoint, Point};

/// How long what a step replaced may be cached, and why.
pub(super) fn expiry(draft: &Draft<'_>, step: usize) -> (Duration, String) {
    let Kind::Change { track, transition, .. } = &draft.nodes[step].kind else {
        return (Duration::ZERO, String::new());
    };
    let zone = &draft.snapshot.zones[&draft.tracks[*track].zone];
    let margin = draft.intent.terms.clocks.margin;
    let holds = transition
        .changes
        .iter()
        .map(|change| (hold_of_replaced(change.before.as_ref(), zone, &change.key), change));
    let Some((longest, change)) = holds.max_by_key(|(hold, _)| *hold) else {
        return (Duration::ZERO, String::new());
    };
    let what = match &change.before {
        Some(before) => format!("{} (TTL {})", change.key, show_span(before.ttl().duration())),
        None => match zone.wildcard_of(&change.key) {
            Some(_) => format!("what a wildcard says of {}, or its non-existence,", change.key),
            None => format!("the non-existence of {}", change.key),
        },
    };
    let because = format!(
        "resolvers may cache {what} for {}; {} margin",
        show_span(longest),
        show_span(margin)
    );
    (longest + margin, because)
}

/// The steps that an anchor means, and its word.
pub(super) fn anchored<'d>(draft: &'d Draft<'_>, anchor: &'d Anchor) -> Vec<(usize, String)> {
    let stages = |wanted: &dyn Fn(&Transition) -> bool| -> Vec<usize> {
        let tracks = draft.tracks.iter().enumerate();
        tracks
            .flat_map(|(place, track)| track.transitions.iter().zip(draft.steps_of(place)))
            .filter(|(transition, _)| wanted(transition))
            .map(|(_, step)| *step)
            .collect()
    };
    // Facts that are stated for a part of the move belong to it.
    let stated = |from: Point| {
        let of_part = draft.intent.assume.iter().filter(move |fact| fact.from == Some(from));
        of_part.filter_map(|fact| draft.step_of(fact))
    };
    let (steps, word): (BTreeSet<usize>, String) = match anchor {
        Anchor::Expand => {
            let steps = stages(&|t| t.is_expansion()).into_iter().chain(stated(Point::Expand));
            (steps.collect(), "expand".to_owned())
        }
        Anchor::Switch => {
            let steps = stages(&|t| t.is_switch()).into_iter().chain(stated(Point::Switch));
            (steps.collect(), "switch".to_owned())
        }
        Anchor::Contract => {
            // The point itself too: if nothing is removed, it stands for the contraction.
            let left = draft.point(MovePoint::BeforeContract);
            let steps = stages(&|t| t.is_contraction()).into_iter().chain(left);
            let steps = steps.chain(stated(Point::Contract));
            (steps.collect(), "contract".to_owned())
        }
        // A record that already is as wanted has no step, so nothing waits for it.
        Anchor::Record(id) => {
            let track = draft.tracks.iter().position(|track| track.records.contains(id));
            let steps = track.and_then(|place| {
                let track = &draft.tracks[place];
                let mut made = track.transitions.iter().zip(draft.steps_of(place));
                made.find(|(transition, _)| !prepares(track, transition)).map(|(_, step)| *step)
            });
            (steps.into_iter().collect(), format!("record:{id}"))
        }
    };
    steps.into_iter().map(|step| (step, word.clone())).collect()
}
