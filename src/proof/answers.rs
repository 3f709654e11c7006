//! The answers to a question in the course of a plan: what resolvers may hold, version by version.
//!
//! What is cached is an answer: the records of a type, the alias that stands in their place, or that
//! there are none. So versions are kept by question, not by RRset: where an alias takes the place of
//! records in one change, no resolver ever holds the absence of both.
//!
//! A version is an occurrence, data *and* TTL. Equal data at another TTL is another version of the
//! same *class*; evaluations look at classes, and patterns are made of versions.

use std::time::Duration;

use cutover_contract::{Atomicity, Name, Rdata, RrKey, RrSet, RrType};

use super::draft::Draft;
use super::pattern::{Atom, Ending, Start, What};
use crate::model::Track;
use crate::model::hold::{hold, hold_of_absence};
use crate::observe::ZoneSeen;

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// These records.
    Records(Vec<Rdata>),
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
    /// The numbers of the atoms.
    pub versions: Vec<usize>,
}

/// The answers to one question, in the order in which they come about.
#[derive(Clone, Debug)]
pub struct Answers {
    /// At least two.
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

impl Answers {
    /// The answers to a question; `None` where there is one answer and it never changes. New atoms
    /// are put behind those that are there.
    pub(super) fn of(draft: &Draft<'_>, key: &RrKey, atoms: &mut Vec<Atom>) -> Option<Self> {
        let zone = draft.snapshot.zone_of(&key.name)?;
        let margin = draft.intent.terms.clocks.margin;
        let track = draft.tracks.iter().position(|track| touches(track, key));
        let mut versions = match track {
            Some(track) => versions_of(draft, track, key, zone),
            None => Vec::new(),
        };
        for earlier in draft.snapshot.earlier.get(key).into_iter().flatten() {
            let Some(beginning) = draft.beginning() else { break };
            if versions.is_empty() {
                versions.push(Version {
                    content: live(zone, key),
                    records: zone.get(key).cloned(),
                    start: Start::Always,
                    ends: Vec::new(),
                    exposed: false,
                });
            }
            let content = match earlier {
                Some(rrset) => Content::Records(rrset.rdata().to_vec()),
                None => Content::Absent,
            };
            let ends =
                vec![Ending { step: beginning, hold: hold(earlier.as_ref(), zone) + margin }];
            let records = earlier.clone();
            versions.push(Version { content, records, start: Start::Always, ends, exposed: false });
        }
        let mut classes: Vec<Class> = Vec::new();
        for version in versions {
            let Version { content, records, start, ends, exposed } = version;
            let what = What::Answer { key: key.clone(), records, exposed };
            atoms.push(Atom { what, start, ends });
            let number = atoms.len() - 1;
            match classes.iter_mut().find(|class| class.content == content) {
                Some(class) => class.versions.push(number),
                None => classes.push(Class { content, versions: vec![number] }),
            }
        }
        (!classes.is_empty()).then_some(Self { classes })
    }
}

fn touches(track: &Track, key: &RrKey) -> bool {
    let mut changes = track.transitions.iter().flat_map(|transition| &transition.changes);
    changes.any(|change| {
        change.key.name == key.name
            && (change.key.rtype == key.rtype || change.key.rtype == RrType::CNAME)
    })
}

/// What is answered before the first step.
fn live(zone: &ZoneSeen, key: &RrKey) -> Content {
    let alias = RrKey::new(key.name.clone(), RrType::CNAME);
    content(zone.get(key), zone.get(&alias), || zone.wildcard_of(key))
}

fn content<'z>(
    records: Option<&'z RrSet>,
    alias: Option<&'z RrSet>,
    wildcard: impl FnOnce() -> Option<&'z RrSet>,
) -> Content {
    let found = records.or(alias).or_else(wildcard);
    match found {
        None => Content::Absent,
        Some(rrset) => match rrset.rdata().first().filter(|_| rrset.rtype() == RrType::CNAME) {
            Some(alias) if records.is_none() => {
                alias.target().map_or(Content::Absent, Content::Alias)
            }
            Some(_) | None => Content::Records(rrset.rdata().to_vec()),
        },
    }
}

fn versions_of(draft: &Draft<'_>, track: usize, key: &RrKey, zone: &ZoneSeen) -> Vec<Version> {
    let margin = draft.intent.terms.clocks.margin;
    let alias_key = RrKey::new(key.name.clone(), RrType::CNAME);
    let (mut records, mut alias) = (zone.get(key).cloned(), zone.get(&alias_key).cloned());
    let was_there = zone.zone.at(&key.name).next().is_some();
    let mut versions = vec![Version {
        content: live(zone, key),
        records: records.clone().or(alias.clone()),
        start: Start::Always,
        ends: Vec::new(),
        exposed: false,
    }];
    // The place of the version that is current behind each transition.
    let mut states = vec![0];
    for step in draft.steps_of(track) {
        let super::draft::Kind::Change { transition, .. } = &draft.nodes[*step].kind else {
            continue;
        };
        let before = (records.clone(), alias.clone());
        for change in &transition.changes {
            if change.key == *key {
                records.clone_from(&change.after);
            } else if change.key == alias_key {
                alias.clone_from(&change.after);
            }
        }
        if before == (records.clone(), alias.clone()) {
            states.push(states.last().copied().unwrap_or_default());
            continue;
        }
        // Without a record of its own a name that was not there before is the wildcard's again.
        let wildcard = || zone.wildcard_of(key).filter(|_| !was_there);
        let next = Version {
            content: content(records.as_ref(), alias.as_ref(), wildcard),
            records: records.clone().or(alias.clone()),
            start: Start::Begin(*step),
            ends: Vec::new(),
            exposed: false,
        };
        let current = states.last().copied().unwrap_or_default();
        replace(
            (zone, key, margin),
            &mut versions,
            &[current],
            next,
            (*step, transition.changes.len()),
        );
        states.push(versions.len() - 1);
    }
    way_back(draft, track, (zone, key, margin), &states, &mut versions);
    versions
}

/// The versions that come about on the way back: the old data again, each an occurrence of its own.
fn way_back(
    draft: &Draft<'_>,
    track: usize,
    at: (&ZoneSeen, &RrKey, Duration),
    states: &[usize],
    versions: &mut Vec<Version>,
) {
    let mut current: Option<usize> = None;
    for (step, number) in draft.back_of(track) {
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
        replace(at, versions, &replaced, next, (step, 1));
        current = Some(versions.len() - 1);
    }
}

/// Puts a version in the place of others.
fn replace(
    (zone, key, margin): (&ZoneSeen, &RrKey, Duration),
    versions: &mut Vec<Version>,
    replaced: &[usize],
    next: Version,
    (step, changes): (usize, usize),
) {
    for place in replaced {
        let version = &mut versions[*place];
        let lives = match &version.records {
            Some(rrset) => hold(Some(rrset), zone),
            None => hold_of_absence(zone, key),
        };
        version.ends.push(Ending { step, hold: lives + margin });
    }
    let Some(before) = replaced.first().map(|place| &versions[*place]) else { return };
    let seen = exposed((zone, key, margin), before, &next, step, changes);
    versions.extend(seen);
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
    let both_there = before.content != Content::Absent && after.content != Content::Absent;
    match zone.capabilities.atomicity {
        Atomicity::ChangeSet => Vec::new(),
        // Two RRsets at one name are two calls; one is one.
        Atomicity::RrSet if changes > 1 && both_there && before.content != after.content => {
            match (&before.content, &after.content) {
                (Content::Records(_), Content::Records(_)) => Vec::new(),
                (Content::Alias(_) | Content::Records(_) | Content::Absent, _) => vec![absent()],
            }
        }
        Atomicity::RrSet => Vec::new(),
        Atomicity::None if both_there => {
            let mut seen = vec![absent()];
            if let (Some(one), Some(other)) = (&before.records, &after.records)
                && one.rtype() == other.rtype()
                && one.rtype() != RrType::CNAME
                && !one.same_rdata(other)
            {
                let all: Vec<Rdata> = one.rdata().iter().chain(other.rdata()).cloned().collect();
                if let Ok(mixed) = RrSet::new(one.ttl().max(other.ttl()), all) {
                    seen.push(Version {
                        content: Content::Records(mixed.rdata().to_vec()),
                        ends: vec![Ending { step, hold: hold(Some(&mixed), zone) + margin }],
                        records: Some(mixed),
                        start: Start::Begin(step),
                        exposed: true,
                    });
                }
            }
            seen
        }
        Atomicity::None => Vec::new(),
    }
}
