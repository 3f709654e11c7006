//! The states that a track puts its RRsets into, forward and back, and what is visible in between.
//!
//! A *row* has all of them, once for each track. For a given question most of them look the same.
//! Its *occurrences* are the states that differ for the question, each with its begin and what
//! replaces it.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use cutover_contract::{Atomicity, Change, InPlace};
use cutover_zone::{Name, Rdata, RrKey, RrSet, RrSetError, RrType};

use super::draft::Draft;
use super::pattern::Start;

/// Records that replace those of the zone; `None`: they do not exist.
pub(super) type Overlay = BTreeMap<RrKey, Option<RrSet>>;

/// The states of every track of a draft, each made when it is first asked for.
pub(super) struct States<'d> {
    /// The steps of the plan.
    pub(super) draft: &'d Draft<'d>,
    rows: Vec<OnceCell<Row>>,
}

impl<'d> States<'d> {
    pub(super) fn of(draft: &'d Draft<'d>) -> Self {
        Self { draft, rows: draft.tracks.iter().map(|_| OnceCell::new()).collect() }
    }

    /// The states of a track.
    pub(super) fn row(&self, track: usize) -> &Row {
        self.rows[track].get_or_init(|| Row::of(self.draft, track))
    }
}

/// For which steps the answers to a question are collected.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Directions {
    /// Forward steps and the way back.
    Both,
    /// Forward steps only.
    Forward,
}

/// All states of a track.
#[derive(Debug)]
pub(super) struct Row {
    /// Before the first transition, and after each.
    overlays: Vec<Overlay>,
    /// What may be visible while each transition is made or undone.
    exposed: Vec<Vec<Overlay>>,
    /// The steps that make the transitions.
    steps: Vec<usize>,
    /// The steps that undo the transitions, in the order in which they are made, each with the
    /// place of its transition.
    back: Vec<(usize, usize)>,
}

/// A state as a question sees it.
#[derive(Debug)]
pub(super) struct Occurrence<'r> {
    pub(super) overlay: &'r Overlay,
    pub(super) start: Start,
    /// Each of these steps replaces it.
    pub(super) ends: Vec<usize>,
    /// It is visible only while a change is being made.
    pub(super) exposed: bool,
}

impl Row {
    pub(super) fn of(draft: &Draft<'_>, track: usize) -> Self {
        let of = &draft.tracks[track];
        let atomicity = draft.snapshot.zones[&of.zone].capabilities.atomicity;
        let mut overlay = Overlay::new();
        let mut overlays = vec![overlay.clone()];
        let mut exposed = Vec::new();
        for transition in &of.transitions {
            let seen = seen_between(&transition.changes, atomicity);
            let with = |seen| [overlay.clone(), seen].into_iter().flatten().collect();
            exposed.push(seen.into_iter().map(with).collect());
            for change in &transition.changes {
                overlay.insert(change.key.clone(), change.after.clone());
            }
            overlays.push(overlay.clone());
        }
        let (steps, back) = (draft.steps_of(track).to_vec(), draft.back_of(track).to_vec());
        Self { overlays, exposed, steps, back }
    }

    fn back(&self, directions: Directions) -> &[(usize, usize)] {
        match directions {
            Directions::Both => &self.back,
            Directions::Forward => &[],
        }
    }

    /// The states that `looks` distinguishes, in the order in which they appear: forward, and back.
    pub(super) fn occurrences<T: PartialEq>(
        &self,
        directions: Directions,
        looks: impl Fn(&Overlay) -> T,
    ) -> Vec<Occurrence<'_>> {
        let states: Vec<(T, &Overlay)> =
            self.overlays.iter().map(|overlay| (looks(overlay), overlay)).collect();
        let first = states[0].1;
        let mut found = vec![Occurrence {
            overlay: first,
            start: Start::Always,
            ends: Vec::new(),
            exposed: false,
        }];
        // The occurrence that each state belongs to.
        let mut of_state = vec![0];
        for (number, step) in self.steps.iter().enumerate() {
            let ((before, _), (after, overlay)) = (&states[number], &states[number + 1]);
            let current = of_state[number];
            if before == after {
                of_state.push(current);
                continue;
            }
            found[current].ends.push(*step);
            found.push(Occurrence {
                overlay,
                start: Start::Begin(*step),
                ends: Vec::new(),
                exposed: false,
            });
            of_state.push(found.len() - 1);
        }
        let mut current: Option<usize> = None;
        for (step, number) in self.back(directions).iter().copied() {
            let (after, before) = (of_state[number + 1], of_state[number]);
            if after == before {
                continue;
            }
            // The way back may begin here, or pass by here.
            for replaced in [after].into_iter().chain(current) {
                found[replaced].ends.push(step);
            }
            let overlay = found[before].overlay;
            found.push(Occurrence {
                overlay,
                start: Start::Begin(step),
                ends: Vec::new(),
                exposed: false,
            });
            current = Some(found.len() - 1);
        }
        found
    }

    /// What is visible only while changes are being made, if `looks` distinguishes it from what is
    /// visible before and after.
    pub(super) fn in_between<T: PartialEq>(
        &self,
        directions: Directions,
        looks: impl Fn(&Overlay) -> T,
    ) -> Vec<Occurrence<'_>> {
        let mut found = Vec::new();
        let forward = self.steps.iter().enumerate().map(|(number, step)| (number, *step));
        let back = self.back(directions).iter().map(|(step, number)| (*number, *step));
        for (number, step) in forward.chain(back) {
            let seen = &self.exposed[number];
            if seen.is_empty() {
                continue;
            }
            let known = [&self.overlays[number], &self.overlays[number + 1]].map(&looks);
            for overlay in seen.iter().filter(|overlay| !known.contains(&looks(overlay))) {
                found.push(Occurrence {
                    overlay,
                    start: Start::Begin(step),
                    ends: vec![step],
                    exposed: true,
                });
            }
        }
        found
    }

    /// The RRsets that the track changes.
    pub(super) fn keys(&self) -> impl Iterator<Item = &RrKey> {
        self.overlays.last().into_iter().flat_map(BTreeMap::keys)
    }
}

/// What may be visible while changes are being made or undone, according to the calls that the
/// adapter declares.
fn seen_between(changes: &[Change], atomicity: Atomicity) -> Vec<Overlay> {
    if atomicity == Atomicity::ChangeSet {
        return Vec::new();
    }
    let mut seen: Vec<Overlay> = Vec::new();
    for change in changes {
        let (Some(before), Some(after)) = (&change.before, &change.after) else { continue };
        let both = (before, after);
        let rrsets: Vec<Option<RrSet>> = match atomicity {
            Atomicity::Record if change.key.rtype != RrType::CNAME => by_record(both),
            Atomicity::None if change.key.rtype == RrType::CNAME || before.same_rdata(after) => {
                vec![None]
            }
            Atomicity::None => [None].into_iter().chain(union(both).map(Some)).collect(),
            Atomicity::ChangeSet | Atomicity::RrSet | Atomicity::Record => Vec::new(),
        };
        for rrset in rrsets {
            let overlay = Overlay::from([(change.key.clone(), rrset)]);
            if !seen.contains(&overlay) {
                seen.push(overlay);
            }
        }
    }
    // Two RRsets at a name, one of which replaces the other, take two calls.
    let mut at_names: BTreeMap<&Name, Vec<&Change>> = BTreeMap::new();
    changes.iter().for_each(|change| at_names.entry(&change.key.name).or_default().push(change));
    let replaces_type = |at_name: &&Vec<&Change>| {
        at_name.iter().any(|change| change.key.rtype == RrType::CNAME)
            && at_name.iter().any(|change| change.before.is_none())
            && at_name.iter().any(|change| change.after.is_none())
    };
    for at in at_names.values().filter(|at| at.len() > 1) {
        let state = |of: &dyn Fn(usize, &Change) -> Option<RrSet>| -> Overlay {
            let all = at.iter().enumerate();
            all.map(|(number, change)| (change.key.clone(), of(number, change))).collect()
        };
        let replaces = replaces_type(&at);
        // What is removed is gone, and what is added does not exist yet.
        seen.push(state(&|_, change| match (&change.before, &change.after) {
            (Some(before), Some(_)) if !replaces => Some(before.clone()),
            (_, _) => None,
        }));
        if at.len() > AT_A_NAME_MAX {
            continue;
        }
        // One change is made before the others, or after them. While any type exists at the name,
        // no wildcard answers for the types that do not.
        for single in 0..at.len() {
            let alone = |is: fn(&Change) -> &Option<RrSet>,
                         others: fn(&Change) -> &Option<RrSet>| {
                state(&|number, change| match (number == single, replaces) {
                    (true, _) => is(change).clone(),
                    (false, true) => None,
                    (false, false) => others(change).clone(),
                })
            };
            seen.push(alone(|change| &change.after, |change| &change.before));
            seen.push(alone(|change| &change.before, |change| &change.after));
        }
    }
    seen
}

/// The maximum number of RRsets of a change set at one name for which every order is checked. Our
/// choice: a name has a few types, and nothing depends on larger sets (`compile::gather`).
const AT_A_NAME_MAX: usize = 16;

/// Records change into each other one by one, in either direction; nobody knows how many have
/// changed.
fn by_record((left, right): (&RrSet, &RrSet)) -> Vec<Option<RrSet>> {
    let ttl = left.ttl().max(right.ttl());
    let forward = InPlace::between(left, right).mixtures(ttl);
    let back = InPlace::between(right, left).mixtures(ttl);
    match forward.zip(back) {
        Some((forward, back)) => forward.into_iter().chain(back).map(Some).collect(),
        None => union((left, right)).map(Some).into_iter().chain([None]).collect(),
    }
}

/// All records of both; `None` for types of which a name has at most one record.
fn union((left, right): (&RrSet, &RrSet)) -> Option<RrSet> {
    let all: Vec<Rdata> = left.rdata().iter().chain(right.rdata()).cloned().collect();
    match RrSet::new(left.ttl().max(right.ttl()), all) {
        Ok(union) => Some(union),
        Err(RrSetError::Singleton(_)) => None,
        Err(RrSetError::Empty | RrSetError::MixedTypes) => {
            unreachable!("two RRsets of one key have records, all of its type")
        }
    }
}
