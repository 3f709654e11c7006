//! The answers to a question in the course of a plan: what resolvers may hold, version by version.
//!
//! What is cached is an answer: the records of a type, the alias that stands in their place, or that
//! there are none. So versions are kept by question, not by RRset: where an alias takes the place of
//! records in one change, no resolver ever holds the absence of both.
//!
//! A version is an occurrence, data *and* TTL. Equal data at another TTL is another version of the
//! same *class*; evaluations look at classes, and patterns are made of versions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cutover_contract::{Atomicity, InPlace, Name, Rdata, RrKey, RrSet, RrType};

use super::draft::Draft;
use super::pattern::{Atom, Ending, Start, What};
use crate::model::hold::{hold, hold_of_absence};
use crate::observe::ZoneSeen;

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// These records.
    Records(Arc<[Rdata]>),
    /// An alias to this name.
    Alias(Name),
    /// None, and no alias.
    Absent,
}

/// All versions with the same data.
#[derive(Clone, Debug)]
pub struct Class {
    /// The data.
    pub content: Content,
    /// The versions, each as the atoms that make it: one, but where an answer depends on several
    /// records, as below a wildcard.
    pub versions: Vec<Vec<usize>>,
}

/// The answers to one question, in the order in which they come about.
#[derive(Clone, Debug)]
pub struct Answers {
    /// The question.
    pub key: RrKey,
    /// At least one.
    pub classes: Vec<Class>,
}

/// One version while they are gathered.
struct Version {
    content: Content,
    records: Option<RrSet>,
    start: Start,
    ends: Vec<Ending>,
    exposed: bool,
}

/// What is asked, and where.
#[derive(Clone, Copy)]
struct Question<'q> {
    zone: &'q ZoneSeen,
    key: &'q RrKey,
    margin: Duration,
}

impl Answers {
    /// The answers to a question; `None` where there is one answer and it never changes. New atoms
    /// are put behind those that are there.
    pub(super) fn of(draft: &Draft<'_>, key: &RrKey, atoms: &mut Vec<Atom>) -> Option<Self> {
        let zone = draft.snapshot.zone_of(&key.name)?;
        let margin = draft.intent.terms.clocks.margin;
        let question = Question { zone, key, margin };
        let tracks = deciding(draft, zone, key);
        let mut versions: Vec<(Content, Vec<usize>)> = match tracks.as_slice() {
            [] => Vec::new(),
            [track] => versions_of(draft, *track, &tracks, question)
                .into_iter()
                .map(|version| (version.content.clone(), vec![atom(key, version, atoms)]))
                .collect(),
            _ => together(draft, &tracks, question, atoms),
        };
        for earlier in draft.snapshot.earlier.get(key).into_iter().flatten() {
            let Some(beginning) = draft.beginning() else { break };
            if versions.is_empty() {
                let version = Version {
                    content: content(zone, key, &BTreeMap::new()),
                    records: zone.get(key).cloned(),
                    start: Start::Always,
                    ends: Vec::new(),
                    exposed: false,
                };
                versions.push((version.content.clone(), vec![atom(key, version, atoms)]));
            }
            let content = match earlier {
                Some(rrset) => Content::Records(rrset.shared_rdata()),
                None => Content::Absent,
            };
            let ends =
                vec![Ending { step: beginning, hold: hold(earlier.as_ref(), zone) + margin }];
            let records = earlier.clone();
            let start = Start::Always;
            let version = Version { content, records, start, ends, exposed: false };
            versions.push((version.content.clone(), vec![atom(key, version, atoms)]));
        }
        let mut classes: Vec<Class> = Vec::new();
        for (content, version) in versions {
            match classes.iter_mut().find(|class| class.content == content) {
                Some(class) => class.versions.push(version),
                None => classes.push(Class { content, versions: vec![version] }),
            }
        }
        (!classes.is_empty()).then(|| Self { key: key.clone(), classes })
    }
}

fn atom(key: &RrKey, version: Version, atoms: &mut Vec<Atom>) -> usize {
    let Version { content: _, records, start, ends, exposed } = version;
    let what = What::Answer { key: key.clone(), records, exposed };
    atoms.push(Atom { what, start, ends });
    atoms.len() - 1
}

/// The tracks that decide what is answered: those of the name itself, and in a zone with wildcards
/// also those of the wildcards above it, and those by which names between them come or go.
fn deciding(draft: &Draft<'_>, zone: &ZoneSeen, key: &RrKey) -> Vec<usize> {
    let of_type = |rtype: RrType| rtype == key.rtype || rtype == RrType::CNAME;
    let touches = |track: &usize, at: &Name| {
        let mut changes = draft.tracks[*track].transitions.iter().flat_map(|t| &t.changes);
        changes.any(|change| change.key.name == *at && of_type(change.key.rtype))
    };
    let own = draft.tracks_at(&key.name).iter().filter(|track| touches(track, &key.name));
    let mut found: Vec<usize> = own.copied().collect();
    if !draft.has_wildcards(&zone.zone.origin) {
        // A name has one owner: an alias and records beside it are refused.
        found.truncate(1);
        return found;
    }
    let below = |name: &Name| name.is_at_or_below(&zone.zone.origin);
    let above = std::iter::successors(key.name.parent(), Name::parent).take_while(below);
    for ancestor in above {
        let Ok(wildcard) = ancestor.child("*") else { continue };
        let at = draft.tracks_at(&wildcard).iter().filter(|track| touches(track, &wildcard));
        found.extend(at.copied());
    }
    // Whatever makes a name come or go that lies beside or below takes others out of the wildcard.
    for (place, track) in draft.tracks.iter().enumerate() {
        let mut changes = track.transitions.iter().flat_map(|transition| &transition.changes);
        let near = |name: &Name| {
            name.is_at_or_below(&key.name)
                || std::iter::successors(Some(name.clone()), Name::parent)
                    .take_while(below)
                    .any(|one| one != zone.zone.origin && key.name.is_at_or_below(&one))
        };
        if track.zone == zone.zone.origin
            && changes
                .any(|one| (one.before.is_none() || one.after.is_none()) && near(&one.key.name))
        {
            found.push(place);
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Records in the place of those of the zone; `None`: there are none.
type Overlay = BTreeMap<RrKey, Option<RrSet>>;

/// What is answered while the zone has these records in the place of its own.
fn content(zone: &ZoneSeen, key: &RrKey, overlay: &Overlay) -> Content {
    match answering(zone, key, overlay) {
        None => Content::Absent,
        Some(rrset) => match rrset.rdata().first().filter(|_| rrset.rtype() == RrType::CNAME) {
            Some(alias) if key.rtype != RrType::CNAME => {
                alias.target().map_or(Content::Absent, Content::Alias)
            }
            Some(_) | None => Content::Records(rrset.shared_rdata()),
        },
    }
}

/// The RRset that answers: that of the name, or of the wildcard at its closest encloser where the
/// name does not exist (RFC 4592 §3.3.1).
fn answering<'z>(zone: &'z ZoneSeen, key: &RrKey, overlay: &'z Overlay) -> Option<&'z RrSet> {
    let at = |name: &Name, rtype: RrType| -> Option<&'z RrSet> {
        let key = RrKey::new(name.clone(), rtype);
        match overlay.get(&key) {
            Some(there) => there.as_ref(),
            None => zone.get(&key),
        }
    };
    let exists = |name: &Name| {
        let from = RrKey::new(name.clone(), RrType::new(0));
        let own =
            zone.zone.rrsets.range(from..).take_while(|(key, _)| key.name.is_at_or_below(name));
        own.into_iter().any(|(key, _)| overlay.get(key).is_none_or(Option::is_some))
            || overlay.iter().any(|(key, there)| there.is_some() && key.name.is_at_or_below(name))
    };
    let answer = |name: &Name| at(name, key.rtype).or_else(|| at(name, RrType::CNAME));
    if let Some(found) = answer(&key.name) {
        return Some(found);
    }
    if exists(&key.name) {
        return None;
    }
    let mut encloser = key.name.parent()?;
    while !exists(&encloser) {
        if encloser == zone.zone.origin {
            return None;
        }
        encloser = encloser.parent()?;
    }
    answer(&encloser.child("*").ok()?)
}

/// The answers that several tracks decide together: each combination of their versions.
fn together(
    draft: &Draft<'_>,
    tracks: &[usize],
    question: Question<'_>,
    atoms: &mut Vec<Atom>,
) -> Vec<(Content, Vec<usize>)> {
    let Question { zone, key, .. } = question;
    let mut combinations: Vec<(Overlay, Vec<usize>)> = vec![(Overlay::new(), Vec::new())];
    for track in tracks {
        let states = states_of(draft, *track);
        let versions = versions_of(draft, *track, tracks, question);
        let numbers: Vec<(usize, usize)> = versions
            .into_iter()
            .zip(states.iter().map(|state| state.0))
            .map(|(version, state)| (state, atom(key, version, atoms)))
            .collect();
        combinations = combinations
            .iter()
            .flat_map(|(overlay, chosen)| {
                numbers.iter().map(|(state, atom)| {
                    let mut overlay = overlay.clone();
                    let at = states.iter().find(|(number, _)| number == state);
                    overlay.extend(at.map(|(_, records)| records.clone()).unwrap_or_default());
                    let mut chosen = chosen.clone();
                    chosen.push(*atom);
                    (overlay, chosen)
                })
            })
            .collect();
    }
    combinations.into_iter().map(|(o, chosen)| (content(zone, key, &o), chosen)).collect()
}

/// What a track has put in the place of the zone's records behind each of its transitions, in the
/// order in which the versions come about: there, and back.
fn states_of(draft: &Draft<'_>, track: usize) -> Vec<(usize, Overlay)> {
    let mut overlay = Overlay::new();
    let mut states: Vec<(usize, Overlay)> = vec![(0, overlay.clone())];
    for (number, transition) in draft.tracks[track].transitions.iter().enumerate() {
        for change in &transition.changes {
            overlay.insert(change.key.clone(), change.after.clone());
        }
        states.push((number + 1, overlay.clone()));
    }
    let back: Vec<(usize, Overlay)> =
        draft.back_of(track).iter().map(|(_, number)| states[*number].clone()).collect();
    states.into_iter().chain(back).collect()
}

/// The versions that one track makes of an answer. Where it alone decides, a transition that leaves
/// the answer as it is makes none.
fn versions_of(
    draft: &Draft<'_>,
    track: usize,
    deciding: &[usize],
    question: Question<'_>,
) -> Vec<Version> {
    let Question { zone, key, .. } = question;
    let alone = deciding.len() == 1;
    let overlays: Vec<Overlay> = states_of(draft, track).into_iter().map(|(_, o)| o).collect();
    let at =
        |overlay: &Overlay| (content(zone, key, overlay), answering(zone, key, overlay).cloned());
    let (first, records) = at(&overlays[0]);
    let mut versions = vec![Version {
        content: first,
        records,
        start: Start::Always,
        ends: Vec::new(),
        exposed: false,
    }];
    // The place of the version that is current behind each transition.
    let mut states = vec![0];
    for (number, step) in draft.steps_of(track).iter().enumerate() {
        let (content, records) = at(&overlays[number + 1]);
        let current = states.last().copied().unwrap_or_default();
        let last: &Version = &versions[current];
        if alone && (&last.content, &last.records) == (&content, &records) {
            states.push(current);
            continue;
        }
        let start = Start::Begin(*step);
        let next = Version { content, records, start, ends: Vec::new(), exposed: false };
        let changes = draft.tracks[track].transitions[number].changes.len();
        replace(question, &mut versions, &[current], next, (*step, changes), alone);
        states.push(versions.len() - 1);
    }
    way_back(draft, track, question, &states, &mut versions, alone);
    versions
}

/// The versions that come about on the way back: the old data again, each an occurrence of its own.
fn way_back(
    draft: &Draft<'_>,
    track: usize,
    question: Question<'_>,
    states: &[usize],
    versions: &mut Vec<Version>,
    alone: bool,
) {
    let mut current: Option<usize> = None;
    for (step, number) in draft.back_of(track).iter().copied() {
        let (after, before) = (states[number + 1], states[number]);
        if after == before {
            continue;
        }
        let again = &versions[before];
        let next = Version {
            content: again.content.clone(),
            records: again.records.clone(),
            start: Start::Begin(step),
            ends: Vec::new(),
            exposed: false,
        };
        // The way back may begin here, or have come by here.
        let replaced: Vec<usize> = [after].into_iter().chain(current).collect();
        replace(question, versions, &replaced, next, (step, 1), alone);
        current = Some(versions.len() - 1);
    }
}

/// Puts a version in the place of others.
fn replace(
    question: Question<'_>,
    versions: &mut Vec<Version>,
    replaced: &[usize],
    next: Version,
    (step, changes): (usize, usize),
    alone: bool,
) {
    let Question { zone, key, margin } = question;
    for place in replaced {
        let version = &mut versions[*place];
        let lives = match &version.records {
            Some(rrset) => hold(Some(rrset), zone),
            None => hold_of_absence(zone, key),
        };
        version.ends.push(Ending { step, hold: lives + margin });
    }
    let Some(before) = replaced.first().map(|place| &versions[*place]) else { return };
    if alone {
        let seen = exposed((zone, key, margin), before, &next, step, changes);
        versions.extend(seen);
    }
    versions.push(next);
}

/// What may be seen while a change is being made, as the adapter declares its calls.
fn exposed(
    (zone, key, margin): (&ZoneSeen, &RrKey, Duration),
    before: &Version,
    after: &Version,
    step: usize,
    changes: usize,
) -> Vec<Version> {
    let absent = || Version {
        content: Content::Absent,
        records: None,
        start: Start::Begin(step),
        ends: vec![Ending { step, hold: hold_of_absence(zone, key) + margin }],
        exposed: true,
    };
    let mixed = |mixture: RrSet| Version {
        content: Content::Records(mixture.shared_rdata()),
        ends: vec![Ending { step, hold: hold(Some(&mixture), zone) + margin }],
        records: Some(mixture),
        start: Start::Begin(step),
        exposed: true,
    };
    let both_there = before.content != Content::Absent && after.content != Content::Absent;
    let same_type = match (&before.records, &after.records) {
        (Some(one), Some(other)) if one.rtype() == other.rtype() => {
            Some((one, other)).filter(|_| one.rtype() != RrType::CNAME)
        }
        (Some(_) | None, Some(_) | None) => None,
    };
    match (zone.capabilities.atomicity, same_type) {
        (Atomicity::ChangeSet, _) => Vec::new(),
        // Records become one another; how many of them have, nobody knows.
        (Atomicity::Record, Some((one, other))) => {
            let ttl = one.ttl().max(other.ttl());
            match InPlace::between(one, other).mixtures(ttl) {
                Some(mixtures) => mixtures.into_iter().map(mixed).collect(),
                None => union(one, other).map(mixed).into_iter().chain([absent()]).collect(),
            }
        }
        // Two RRsets at one name are two calls; one is one.
        (Atomicity::RrSet | Atomicity::Record, _)
            if changes > 1 && both_there && before.content != after.content =>
        {
            match (&before.content, &after.content) {
                (Content::Records(_), Content::Records(_)) => Vec::new(),
                (Content::Alias(_) | Content::Records(_) | Content::Absent, _) => vec![absent()],
            }
        }
        (Atomicity::RrSet | Atomicity::Record, _) => Vec::new(),
        (Atomicity::None, _) if both_there => {
            let differ = same_type.filter(|(one, other)| !one.same_rdata(other));
            let union = differ.and_then(|(one, other)| union(one, other));
            [absent()].into_iter().chain(union.map(mixed)).collect()
        }
        (Atomicity::None, _) => Vec::new(),
    }
}

/// All records of both.
fn union(one: &RrSet, other: &RrSet) -> Option<RrSet> {
    let all: Vec<Rdata> = one.rdata().iter().chain(other.rdata()).cloned().collect();
    RrSet::new(one.ttl().max(other.ttl()), all).ok()
}
