//! Changes that need no order become one step.
//!
//! A plan that creates thousands of records has nothing to say of each. Tracks that do nothing but
//! publish, that no pattern touches and that the plan does not place come together, so many in a step
//! as the provider makes visible at once. The schedules of the steps together are schedules of the
//! steps apart: whatever was proved of these holds of those.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cutover_contract::{Atomicity, Change, Gathered, Name};

use crate::intent::Intent;
use crate::model::{Stage, Track, Transition, Verb};
use crate::observe::Snapshot;
use crate::proof::draft::Draft;
use crate::proof::known::Known;
use crate::proof::model::{Model, model};
use crate::proof::pattern::Pattern;

/// Steps of a zone that are left apart. Our choice: so many can be read one by one.
const APART_MAX: usize = 16;
/// Puts tracks together; the others stay as they are.
pub(super) fn gather(
    intent: &Intent,
    snapshot: &Snapshot,
    end: &Arc<Snapshot>,
    tracks: Vec<Track>,
    known: &Known,
) -> Vec<Track> {
    let mut plain: BTreeMap<&Name, BTreeSet<usize>> = BTreeMap::new();
    for (place, track) in tracks.iter().enumerate() {
        if is_plain(track) && !matches!(gathered(snapshot, &track.zone), Gathered::One) {
            plain.entry(&track.zone).or_default().insert(place);
        }
    }
    plain.retain(|_, places| places.len() > APART_MAX);
    if plain.is_empty() {
        return tracks;
    }
    let draft = Draft::of(intent, snapshot, Arc::clone(end), &tracks);
    let model = model(&draft, &known.anew());
    let touched: BTreeSet<usize> =
        model.patterns.iter().flat_map(|one| touches(&model, one)).collect();
    for places in plain.values_mut() {
        places.retain(|place| !draft.steps_of(*place).iter().any(|step| touched.contains(step)));
    }
    plain.retain(|_, places| places.len() > APART_MAX);
    let moved: BTreeSet<usize> = plain.values().flatten().copied().collect();
    let mut together = Vec::new();
    for (zone, places) in &plain {
        let most = gathered(snapshot, zone);
        let mut changes: Vec<Change> = places
            .iter()
            .flat_map(|place| &tracks[*place].transitions[0].changes)
            .cloned()
            .collect();
        changes.sort_by(|one, other| one.key.cmp(&other.key));
        together.extend(parts(most, zone, &changes).map(|part| track(zone, part)));
    }
    drop(draft);
    let apart = tracks.into_iter().enumerate().filter(|(place, _)| !moved.contains(place));
    apart.map(|(_, track)| track).chain(together).collect()
}

/// The steps that a pattern is about.
pub(super) fn touches(model: &Model, pattern: &Pattern) -> Vec<usize> {
    let ends = pattern.atoms.iter().flat_map(|held| &model.atoms[held.atom].ends);
    pattern.starts(&model.atoms).into_iter().chain(ends.map(|end| end.step)).collect()
}

/// Whether a track does nothing but publish one RRset, wherever it comes in the order.
fn is_plain(track: &Track) -> bool {
    let [Transition { verb: Verb::Publish, stage: Stage::Start, changes, .. }] =
        &track.transitions[..]
    else {
        return false;
    };
    changes.len() == 1 && track.record.is_none() && !track.placed && !track.routes
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

/// Cuts changes into parts of which each fits.
fn parts<'c>(
    gathered: Gathered,
    zone: &Name,
    changes: &'c [Change],
) -> impl Iterator<Item = &'c [Change]> {
    let mut size = 0;
    let mut fits = move |change: &Change| {
        let (size_max, more) = match gathered {
            Gathered::One => return false,
            Gathered::All => return true,
            Gathered::Request { size_max, size_of, unit: _ } => (size_max, size_of(zone, change)),
        };
        let fits = size + more <= size_max;
        size = if fits { size + more } else { more };
        fits
    };
    changes.first().map(&mut fits);
    changes.chunk_by(move |_, next| fits(next))
}

fn track(zone: &Name, changes: &[Change]) -> Track {
    let (first, last) = (&changes[0].key, &changes[changes.len() - 1].key);
    let title = match changes.len() {
        1 => format!("publish the {} records of {}", first.rtype, first.name),
        number => format!("publish {number} RRsets of {zone}, from {first} to {last}"),
    };
    let transition = Transition {
        verb: Verb::Publish,
        stage: Stage::Start,
        changes: changes.to_vec(),
        title,
        reason: "the plan asks for them, in no order".to_owned(),
    };
    Track::new(zone.clone(), first.clone(), vec![transition])
}
