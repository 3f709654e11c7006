//! Changes that need no order become one step.
//!
//! A plan that creates, replaces or removes thousands of records has nothing to say of each. Tracks that
//! no pattern touches, that the plan does not place, and that go the same way come together, so many
//! in a step as the provider makes visible at once. The schedules of the steps together are schedules
//! of the steps apart: whatever was proved of these holds of those.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cutover_contract::{Atomicity, Change, Gathered, Name};

use crate::intent::Intent;
use crate::model::hold::hold_of_replaced;
use crate::model::{Stage, Track, Transition, Verb};
use crate::observe::Snapshot;
use crate::proof::draft::Draft;
use crate::proof::known::Known;
use crate::proof::model::{Model, model};
use crate::proof::pattern::Pattern;

/// Steps of a zone that are left apart. Our choice: so many can be read one by one.
const APART_MAX: usize = 16;

/// The way that a track goes: what each of its steps does, and how long what it replaces may be cached.
/// Steps of one way wait as long together as they would apart.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Way<'t> {
    zone: &'t Name,
    steps: Vec<(Verb, Duration)>,
}

/// Puts tracks together; the others stay as they are.
pub(super) fn gather(
    intent: &Intent,
    snapshot: &Snapshot,
    end: &Arc<Snapshot>,
    tracks: Vec<Track>,
    known: &Known,
) -> Vec<Track> {
    let mut plain: BTreeMap<Way<'_>, BTreeSet<usize>> = BTreeMap::new();
    for (place, track) in tracks.iter().enumerate() {
        if is_plain(track) && !matches!(gathered(snapshot, &track.zone), Gathered::One) {
            plain.entry(way(snapshot, track)).or_default().insert(place);
        }
    }
    plain.retain(|_, places| places.len() > APART_MAX);
    if plain.is_empty() {
        return tracks;
    }
    let draft = Draft::of(intent, snapshot, Arc::clone(end), &tracks);
    let model = model(&draft, known);
    let touched: BTreeSet<usize> =
        model.patterns.iter().flat_map(|one| touches(&model, one)).collect();
    for places in plain.values_mut() {
        places.retain(|place| !draft.steps_of(*place).iter().any(|step| touched.contains(step)));
    }
    plain.retain(|_, places| places.len() > APART_MAX);
    let moved: BTreeSet<usize> = plain.values().flatten().copied().collect();
    let mut together = Vec::new();
    for (way, places) in &plain {
        let most = gathered(snapshot, way.zone);
        let mut of_way: Vec<&Track> = places.iter().map(|place| &tracks[*place]).collect();
        of_way.sort_by(|one, other| one.key.cmp(&other.key));
        together.extend(parts(most, way.zone, &of_way).map(track));
    }
    drop(draft);
    drop(plain);
    let apart = tracks.into_iter().enumerate().filter(|(place, _)| !moved.contains(place));
    apart.map(|(_, track)| track).chain(together).collect()
}

/// The steps that a pattern is about.
pub(super) fn touches(model: &Model, pattern: &Pattern) -> Vec<usize> {
    let ends = pattern.atoms.iter().flat_map(|held| &model.atoms[held.atom].ends);
    pattern.starts(&model.atoms).into_iter().chain(ends.map(|end| end.step)).collect()
}

/// Whether a track may be made wherever it comes in the order.
fn is_plain(track: &Track) -> bool {
    let mut stages = track.transitions.iter().map(|transition| &transition.stage);
    matches!(stages.next(), Some(Stage::Start))
        && stages.all(|stage| matches!(stage, Stage::Next))
        && track.records.is_empty()
        && !track.placed
        && !track.routes
}

fn way<'t>(snapshot: &Snapshot, track: &'t Track) -> Way<'t> {
    let zone = &snapshot.zones[&track.zone];
    let held = |transition: &Transition| {
        let changes = transition.changes.iter();
        let holds = changes.map(|one| hold_of_replaced(one.before.as_ref(), zone, &one.key));
        holds.max().unwrap_or_default()
    };
    let last = track.transitions.len() - 1;
    let steps = track.transitions.iter().enumerate().map(|(number, transition)| {
        // Nothing waits for the last one.
        let hold = if number == last { Duration::ZERO } else { held(transition) };
        (transition.verb, hold)
    });
    Way { zone: &track.zone, steps: steps.collect() }
}

/// How much comes into one step: one RRset where the provider makes several in several pieces.
fn gathered(snapshot: &Snapshot, zone: &Name) -> Gathered {
    let capabilities = &snapshot.zones[zone].capabilities;
    match capabilities.atomicity {
        // Where each record is seen for itself, there is still one request, made whole or not at all.
        Atomicity::ChangeSet | Atomicity::Record => capabilities.gathered,
        Atomicity::RrSet | Atomicity::None => Gathered::One,
    }
}

/// Cuts tracks into parts of which each step fits, and each step of a way back.
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
        // One way has the same steps everywhere.
        let all = sizes.iter().zip(&own).map(|(sum, own)| sum + own).collect::<Vec<_>>();
        let fits = !all.is_empty() && all.iter().all(|sum| *sum <= size_max);
        sizes = if fits { all } else { own };
        fits
    };
    tracks.first().map(|track| fits(track));
    tracks.chunk_by(move |_, next| fits(next))
}

/// One track for several that go the same way.
fn track(together: &[&Track]) -> Track {
    let first = together[0];
    if together.len() == 1 {
        return first.clone();
    }
    let transitions = first.transitions.iter().enumerate().map(|(number, transition)| {
        let changes = together.iter().flat_map(|track| &track.transitions[number].changes);
        let mut changes: Vec<Change> = changes.cloned().collect();
        changes.sort_by(|one, other| one.key.cmp(&other.key));
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
