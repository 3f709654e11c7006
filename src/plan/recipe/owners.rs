//! Every RRset has one owner: two parts of the plan that set the same RRset differently are
//! refused. Equal tracks, such as the address of an exchange that two domains share, become one.
//!
//! If records of several types replace an alias, each of their tracks removes the alias. These are
//! joined into one change.

use std::collections::BTreeMap;

use cutover_zone::RrKey;

use super::{Found, OWNED_TWICE};
use crate::model::{Track, Transition};
use cutover_base::diag::{Diagnostic, Span};
use cutover_steps::graph::Verb;

/// Makes each RRset belong to one track.
pub(super) fn owned_once(found: &mut Found) {
    let mut kept: Vec<(Track, Span)> = Vec::new();
    let mut owners: BTreeMap<RrKey, usize> = BTreeMap::new();
    for (track, span) in std::mem::take(&mut found.tracks) {
        let keys = track.keys();
        let Some(other) = keys.iter().find_map(|key| owners.get(*key).copied()) else {
            owners.extend(keys.into_iter().map(|key| (key.clone(), kept.len())));
            kept.push((track, span));
            continue;
        };
        if kept[other].0 == track {
            continue;
        }
        match joined(&kept[other].0, &track) {
            Ok(joined) => {
                owners.extend(joined.keys().into_iter().map(|key| (key.clone(), other)));
                kept[other].0 = joined;
            }
            Err(help) => {
                let title = format!("two parts of the plan set {}", track.key);
                let first = kept[other].1;
                found.diagnostics.push(
                    Diagnostic::error(OWNED_TWICE, span, title, help).also(first, "also here"),
                );
            }
        }
    }
    found.tracks = kept;
}

/// Joins two tracks at the same name, if they belong to the same change; otherwise, how to fix it.
fn joined(one: &Track, other: &Track) -> Result<Track, &'static str> {
    if one.key.name != other.key.name || one.key == other.key {
        return Err("set the record in only one part of the plan");
    }
    const TOGETHER: &str = "records that replace an alias come together: give them the same `with:` or `after:`, `wait:` and `lower_ttl:`";
    if one.placed != other.placed || one.transitions.is_empty() || other.transitions.is_empty() {
        return Err(TOGETHER);
    }
    let mut transitions = one.transitions.clone();
    for more in &other.transitions {
        let place = transitions.partition_point(|known| known.verb < more.verb);
        match transitions.get_mut(place).filter(|known| known.verb == more.verb) {
            None => transitions.insert(place, more.clone()),
            Some(known) => {
                if known.stage != more.stage {
                    return Err(TOGETHER);
                }
                for change in &more.changes {
                    match known.changes.iter().find(|known| known.key == change.key) {
                        None => known.changes.push(change.clone()),
                        Some(same) if same == change => {}
                        Some(_) => return Err(TOGETHER),
                    }
                }
                known.changes.sort_by(|one, other| one.key.cmp(&other.key));
                known.title = title(known);
            }
        }
    }
    Ok(Track {
        zone: one.zone.clone(),
        key: one.key.clone(),
        records: one.records.union(&other.records).cloned().collect(),
        placed: one.placed,
        routes: one.routes || other.routes,
        transitions,
    })
}

/// The title of a change of several types at a name.
fn title(transition: &Transition) -> String {
    let Transition { verb, changes, .. } = transition;
    let come = changes.iter().filter(|change| change.after.is_some());
    let mut come: Vec<String> = come.map(|change| change.key.rtype.to_string()).collect();
    let last = come.pop().unwrap_or_default();
    let types = if come.is_empty() { last } else { format!("{} and {last}", come.join(", ")) };
    let records = format!("{types} records of {}", changes[0].key.name);
    match verb {
        Verb::Lower | Verb::Restore => format!("{verb} the TTLs of the {records}"),
        Verb::Publish
        | Verb::Widen
        | Verb::Join
        | Verb::Prefer
        | Verb::Switch
        | Verb::Narrow
        | Verb::Remove => format!("{verb} the {records}"),
    }
}
