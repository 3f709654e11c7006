//! Changes that need no order become one step.
//!
//! A plan that creates thousands of records has nothing to say of each. Tracks that do nothing but
//! publish, that no pattern touches and that the plan does not place come together, so many in a step
//! as the provider makes visible at once. The schedules of the steps together are schedules of the
//! steps apart: whatever was proved of these holds of those.

use std::collections::{BTreeMap, BTreeSet};

use cutover_contract::{Atomicity, Change, Name, RrSet};

use crate::intent::Intent;
use crate::model::{Stage, Track, Transition, Verb};
use crate::observe::Snapshot;
use crate::proof::draft::Draft;
use crate::proof::model::{Known, Model, model};
use crate::proof::pattern::Pattern;

/// Steps of a zone that are left apart. Our choice: so many can be read one by one.
const APART_MAX: usize = 16;
/// What a record takes beside its owner name and rdata: type, class, TTL and length (RFC 1035 §3.2.1).
const FIXED_OCTETS: usize = 10;
/// What stands for the zone's own name at the end of an owner name (RFC 1035 §4.1.4).
const POINTER_OCTETS: usize = 2;

/// Puts tracks together; the others stay as they are.
pub(super) fn gather(intent: &Intent, snapshot: &Snapshot, tracks: Vec<Track>) -> Vec<Track> {
    let mut plain: BTreeMap<&Name, BTreeSet<usize>> = BTreeMap::new();
    for (place, track) in tracks.iter().enumerate() {
        if is_plain(track) && limit(snapshot, &track.zone).is_some() {
            plain.entry(&track.zone).or_default().insert(place);
        }
    }
    plain.retain(|_, places| places.len() > APART_MAX);
    if plain.is_empty() {
        return tracks;
    }
    let draft = Draft::of(intent, snapshot, &tracks);
    let model = model(&draft, &Known::default());
    let touched: BTreeSet<usize> =
        model.patterns.iter().flat_map(|one| touches(&model, one)).collect();
    for places in plain.values_mut() {
        places.retain(|place| !draft.steps_of(*place).iter().any(|step| touched.contains(step)));
    }
    plain.retain(|_, places| places.len() > APART_MAX);
    let gathered: BTreeSet<usize> = plain.values().flatten().copied().collect();
    let mut together = Vec::new();
    for (zone, places) in &plain {
        let octets_max = limit(snapshot, zone).unwrap_or_default();
        let mut changes: Vec<Change> = places
            .iter()
            .flat_map(|place| &tracks[*place].transitions[0].changes)
            .cloned()
            .collect();
        changes.sort_by(|one, other| one.key.cmp(&other.key));
        let mut octets = changes.first().map_or(0, |first| octets_of(zone, first));
        let parts = changes.chunk_by(|_, next| {
            let more = octets_of(zone, next);
            let fits = octets + more <= octets_max;
            octets = if fits { octets + more } else { more };
            fits
        });
        together.extend(parts.map(|part| track(zone, part)));
    }
    drop(draft);
    let apart = tracks.into_iter().enumerate().filter(|(place, _)| !gathered.contains(place));
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

/// How much comes into one step, where the provider makes it visible at once.
fn limit(snapshot: &Snapshot, zone: &Name) -> Option<usize> {
    let capabilities = &snapshot.zones[zone].capabilities;
    (capabilities.atomicity == Atomicity::ChangeSet).then_some(capabilities.gathered_octets)
}

/// What a DNS UPDATE takes for it: a prerequisite and the records. Names are compressed against the
/// zone's only, since pointers reach no further than the first 16 KiB of a message.
fn octets_of(zone: &Name, change: &Change) -> usize {
    let owner = change.key.name.wire().len() - zone.wire().len() + POINTER_OCTETS + FIXED_OCTETS;
    let records = change.after.as_ref().map_or(&[][..], RrSet::rdata);
    owner + records.iter().map(|rdata| owner + rdata.wire().len()).sum::<usize>()
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
