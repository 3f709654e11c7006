//! Changes that need no order become one step.
//!
//! A plan that creates, replaces or removes thousands of records has nothing to say about each.
//! Tracks that no pattern touches, that the plan does not place, and that go through the same steps
//! are put together, as many in a step as the provider makes visible at once. Any schedule of the
//! joined steps is also a schedule of the separate steps: whatever was proved for the separate
//! steps holds for the joined ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cutover_contract::{Atomicity, Change, Gathered};
use cutover_zone::Name;

use crate::intent::Intent;
use crate::model::hold::hold_of_replaced;
use crate::model::{Stage, Track, Transition};
use crate::observe::Snapshot;
use crate::proof::draft::Draft;
use crate::proof::model::{Model, ModelOptions, model};
use crate::proof::pattern::Pattern;
use cutover_steps::graph::Verb;

/// The maximum number of steps of a zone that stay separate. Our choice: this many can be read one
/// by one.
const APART_MAX: usize = 16;

/// The shape of a track: what each of its steps does, and how long what it replaces may be cached.
/// Steps of tracks with the same shape wait as long together as they would alone.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Shape<'t> {
    zone: &'t Name,
    steps: Vec<(Verb, Duration)>,
}

/// Puts tracks together; other tracks stay as they are.
pub(super) fn gather(
    intent: &Intent,
    snapshot: &Snapshot,
    end: &Arc<Snapshot>,
    tracks: Vec<Track>,
    options: &ModelOptions,
) -> Vec<Track> {
    let mut plain: BTreeMap<Shape<'_>, BTreeSet<usize>> = BTreeMap::new();
    for (place, track) in tracks.iter().enumerate() {
        if is_plain(track) && !matches!(gathered(snapshot, &track.zone), Gathered::One) {
            plain.entry(shape(snapshot, track)).or_default().insert(place);
        }
    }
    plain.retain(|_, places| places.len() > APART_MAX);
    if plain.is_empty() {
        return tracks;
    }
    let draft = Draft::of(intent, snapshot, Arc::clone(end), &tracks);
    let model = model(&draft, options);
    let touched: BTreeSet<usize> =
        model.patterns.iter().flat_map(|pattern| touches(&model, pattern)).collect();
    for places in plain.values_mut() {
        places.retain(|place| !draft.steps_of(*place).iter().any(|step| touched.contains(step)));
    }
    plain.retain(|_, places| places.len() > APART_MAX);
    let moved: BTreeSet<usize> = plain.values().flatten().copied().collect();
    let mut together = Vec::new();
    for (shape, places) in &plain {
        let most = gathered(snapshot, shape.zone);
        let mut same_shape: Vec<&Track> = places.iter().map(|place| &tracks[*place]).collect();
        same_shape.sort_by(|left, right| left.key.cmp(&right.key));
        together.extend(parts(most, shape.zone, &same_shape).map(track));
    }
    drop(draft);
    drop(plain);
    let apart = tracks.into_iter().enumerate().filter(|(place, _)| !moved.contains(place));
    apart.map(|(_, track)| track).chain(together).collect()
}

/// The steps that a pattern is about.
pub(super) fn touches(model: &Model, pattern: &Pattern) -> Vec<usize> {
    let ends = pattern.atoms.iter().flat_map(|held| &model.atoms[held.atom].ends);
    pattern.starts(&model.atoms).chain(ends.map(|end| end.step)).collect()
}

/// Whether a track may be made at any place in the order.
fn is_plain(track: &Track) -> bool {
    let mut stages = track.transitions.iter().map(|transition| &transition.stage);
    matches!(stages.next(), Some(Stage::Start))
        && stages.all(|stage| matches!(stage, Stage::Next))
        && track.records.is_empty()
        && !track.placed
        && !track.routes
}

fn shape<'t>(snapshot: &Snapshot, track: &'t Track) -> Shape<'t> {
    let zone = &snapshot.zones[&track.zone];
    let hold_of = |transition: &Transition| {
        let changes = transition.changes.iter();
        let holds =
            changes.map(|change| hold_of_replaced(change.before.as_ref(), zone, &change.key));
        holds.max().unwrap_or_default()
    };
    let last = track.transitions.len() - 1;
    let steps = track.transitions.iter().enumerate().map(|(number, transition)| {
        // Nothing waits for the last step.
        let hold = if number == last { Duration::ZERO } else { hold_of(transition) };
        (transition.verb, hold)
    });
    Shape { zone: &track.zone, steps: steps.collect() }
}

/// How much fits into one step. It is one RRset if the provider would apply several in several
/// pieces.
fn gathered(snapshot: &Snapshot, zone: &Name) -> Gathered {
    let capabilities = &snapshot.zones[zone].capabilities;
    match capabilities.atomicity {
        // Even if each record becomes visible by itself, there is one request, applied as a whole
        // or not at all.
        Atomicity::ChangeSet | Atomicity::Record => capabilities.gathered,
        Atomicity::RrSet | Atomicity::None => Gathered::One,
    }
}

/// Cuts tracks into parts, so that each step of a part fits, and each step of its way back.
fn parts<'p, 't>(
    gathered: Gathered,
    zone: &Name,
    tracks: &'p [&'t Track],
) -> impl Iterator<Item = &'p [&'t Track]> {
    let mut sizes: Vec<usize> = Vec::new();
    let mut fits = move |track: &Track| {
        let (size_max, size_of) = match gathered {
            Gathered::One => return false,
            Gathered::All => return true,
            Gathered::Request { size_max, size_of, unit: _ } => (size_max, size_of),
        };
        let size = |transition: &Transition| {
            let both = |change: &Change| size_of(zone, change).max(size_of(zone, &change.turned()));
            transition.changes.iter().map(both).sum::<usize>()
        };
        let own: Vec<usize> = track.transitions.iter().map(size).collect();
        // Tracks of the same shape have the same steps.
        let all = sizes.iter().zip(&own).map(|(sum, own)| sum + own).collect::<Vec<_>>();
        let fits = !all.is_empty() && all.iter().all(|sum| *sum <= size_max);
        sizes = if fits { all } else { own };
        fits
    };
    tracks.first().map(|track| fits(track));
    tracks.chunk_by(move |_, next| fits(next))
}

/// One track for several of the same shape.
fn track(together: &[&Track]) -> Track {
    let first = together[0];
    if together.len() == 1 {
        return first.clone();
    }
    let transitions = first.transitions.iter().enumerate().map(|(number, transition)| {
        let changes = together.iter().flat_map(|track| &track.transitions[number].changes);
        let mut changes: Vec<Change> = changes.cloned().collect();
        changes.sort_by(|left, right| left.key.cmp(&right.key));
        Transition {
            verb: transition.verb,
            stage: transition.stage.clone(),
            title: title(transition.verb, &first.zone, &changes),
            reason: match number {
                0 => "the plan asks for them, in no order".to_owned(),
                _ => transition.reason.clone(),
            },
            changes,
        }
    });
    Track::new(first.zone.clone(), first.key.clone(), transitions.collect())
}

fn title(verb: Verb, zone: &Name, changes: &[Change]) -> String {
    let (first, last) = (&changes[0].key, &changes[changes.len() - 1].key);
    let what = format!("{} RRsets of {zone}, from {first} to {last}", changes.len());
    match verb {
        Verb::Lower | Verb::Restore => format!("{verb} the TTLs of {what}"),
        Verb::Publish
        | Verb::Widen
        | Verb::Join
        | Verb::Prefer
        | Verb::Switch
        | Verb::Narrow
        | Verb::Remove => format!("{verb} {what}"),
    }
}
