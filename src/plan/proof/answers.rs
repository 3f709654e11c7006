//! The answers to a question over the course of a plan: what resolvers may hold, version by
//! version.
//!
//! What is cached is an answer: the records of a type, an alias in their place, or that neither
//! exists. So versions are kept per question, not per RRset: if an alias replaces records in one
//! change, no resolver ever holds that neither exists.
//!
//! Every answer comes from [`cutover_mail::resolution::reply`], the one function that asks a zone. While
//! it reads, each RRset that the plan changes is in one of its states ([`super::states`]), and each
//! combination of the states that it really reads makes one version. What it does not read cannot
//! change the answer, so a record that is published elsewhere costs nothing, even in a zone with
//! wildcards.
//!
//! A version is an occurrence, data *and* TTL. Equal data with another TTL is another version of
//! the same *class*. Evaluations look at classes, and patterns are made of versions.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use cutover_zone::{Name, Rdata, RrKey, RrSet, RrType};

use super::draft::Draft;
use super::pattern::{Atom, Ending, Start, What};
use super::states::{Directions, Occurrence, Overlay, States};
use crate::model::hold::hold;
use crate::observe::ZoneSeen;
use cutover_mail::resolution::{Contents, Reply, reply};

/// The content of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// These records.
    Records(Arc<[Rdata]>),
    /// An alias to this name.
    Alias(Name),
    /// Neither records nor an alias.
    Absent,
    /// A referral to other servers.
    Delegated,
}

impl Content {
    /// The content of a reply.
    #[must_use]
    pub fn of(reply: &Reply<'_>) -> Self {
        match reply {
            Reply::Records(rrset) => Self::Records(rrset.shared_rdata()),
            Reply::Alias { target, by: _ } => Self::Alias(target.clone()),
            Reply::Absent => Self::Absent,
            Reply::Delegated(_) => Self::Delegated,
        }
    }
}

/// All versions with the same data.
#[derive(Clone, Debug)]
pub struct Class {
    /// The data.
    pub content: Content,
    /// The versions, each as the atoms that make it: usually one, or several if the answer depends
    /// on several RRsets that change, as below a wildcard.
    pub versions: Vec<Vec<usize>>,
    /// Versions that expired before the plan. They count only for those who use or keep an answer
    /// longer.
    pub late: Vec<usize>,
}

/// The answers to a question, in the order in which they appear.
#[derive(Clone, Debug)]
pub struct Answers {
    /// The question.
    pub key: RrKey,
    /// At least one.
    pub classes: Vec<Class>,
    /// There are more versions than were checked: nothing can be said.
    pub undecided: bool,
}

/// The maximum number of versions of an answer. Our choice: if more changes decide an answer
/// together, it is reported as undecided, and nothing is proved.
const VERSIONS_MAX: usize = 4_096;
/// The maximum number of tracks for which every combination of absences is checked, if a name's
/// existence depends on several absences of each. For further tracks it is left open which absence
/// it is, which can only show more harm. Our choice.
const AMBIGUOUS_MAX: usize = 3;

/// A version, while versions are collected.
struct Version {
    content: Content,
    records: Option<RrSet>,
    lives: Duration,
    taken: Vec<(usize, usize)>,
    /// The choices that led to it.
    choices: Vec<Choice>,
}

impl Version {
    fn is_same_as(&self, other: &Self) -> bool {
        self.content == other.content && self.lives == other.lives
    }
}

/// A choice among the states that a track may be in, or among the tracks that make a name exist.
#[derive(Clone, Copy)]
struct Choice {
    chosen: usize,
    possible: usize,
    /// The number of states that had been read before.
    read: usize,
    /// It only says why a name does not exist, which an earlier choice decided. If it were left out,
    /// the answer would seem not to depend on that earlier choice.
    is_absence: bool,
}

/// Removes from versions what was read but made no difference: if all choices from some point on
/// lead to the same answer, that answer does not depend on what was read from there on.
fn collapse(mut all: Vec<Version>, depth: usize, found: &mut Vec<Version>) {
    let Some(first) = all.first() else { return };
    let next = first.choices.get(depth);
    let is_absence = next.is_some_and(|choice| choice.is_absence);
    if !is_absence && all.iter().all(|version| version.is_same_as(first)) {
        let read = next.map_or(first.taken.len(), |choice| choice.read);
        let mut version = all.swap_remove(0);
        version.taken.truncate(read);
        found.push(version);
        return;
    }
    let choice = |version: &Version| version.choices.get(depth).map(|choice| choice.chosen);
    while !all.is_empty() {
        let wanted = choice(&all[0]);
        let end = all.iter().position(|version| choice(version) != wanted).unwrap_or(all.len());
        let rest = all.split_off(end);
        collapse(std::mem::replace(&mut all, rest), depth + 1, found);
    }
}

/// The occurrences of a track for a question.
type OfTrack<'l> = Rc<Vec<Occurrence<'l>>>;

/// The contents of a zone while each track is in a chosen state.
struct Chosen<'c, 'l> {
    states: &'l States<'l>,
    zone: &'l ZoneSeen,
    key: &'c RrKey,
    directions: Directions,
    /// The occurrences of each track that was read for this question.
    tracks: &'c RefCell<BTreeMap<usize, OfTrack<'l>>>,
    /// The choices to make first; every choice after them is the first possible.
    script: &'c [usize],
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    asked: Vec<Choice>,
    /// The state that each track is in, if it was read.
    taken: Vec<(usize, usize)>,
}

impl<'l> Chosen<'_, 'l> {
    fn choose(&self, possible: usize, is_absence: bool) -> usize {
        let State { asked, taken } = &mut *self.state.borrow_mut();
        let chosen = self.script.get(asked.len()).copied().unwrap_or(0);
        asked.push(Choice { chosen, possible, read: taken.len(), is_absence });
        chosen
    }

    fn taken(&self, track: usize) -> Option<usize> {
        let state = self.state.borrow();
        state.taken.iter().find(|(other, _)| *other == track).map(|(_, occurrence)| *occurrence)
    }

    fn take(&self, track: usize, occurrence: usize) {
        self.state.borrow_mut().taken.push((track, occurrence));
    }

    /// The states of a track that differ for this question.
    fn occurrences(&self, track: usize) -> OfTrack<'l> {
        if let Some(known) = self.tracks.borrow().get(&track) {
            return Rc::clone(known);
        }
        // Whether a name exists decides only whether a wildcard answers for it.
        let has_wildcards = self.has_wildcards();
        let row = self.states.row(track);
        let origin = &self.zone.zone.origin;
        let path: Vec<Name> = std::iter::successors(Some(self.key.name.clone()), Name::parent)
            .take_while(|name| name.is_at_or_below(origin))
            .collect();
        let wildcards = path.iter().skip(1).filter(|_| has_wildcards);
        let wildcards: Vec<Name> = wildcards.filter_map(|name| name.child("*").ok()).collect();
        let types = [self.key.rtype, RrType::CNAME, RrType::NS, RrType::DNAME];
        let met: Vec<&RrKey> = row
            .keys()
            .filter(|key| types.contains(&key.rtype))
            .filter(|key| path.contains(&key.name) || wildcards.contains(&key.name))
            .collect();
        let near: Vec<&Name> = path
            .iter()
            .filter(|name| has_wildcards && *name != origin)
            .filter(|name| row.keys().any(|key| key.name.is_at_or_below(name)))
            .collect();
        let looks = |overlay: &Overlay| {
            let values: Vec<Option<RrSet>> =
                met.iter().map(|key| put_at(overlay, key, self.zone).cloned()).collect();
            let there: Vec<bool> = near
                .iter()
                .map(|name| is_there(self.states, self.zone, track, overlay, name))
                .collect();
            (values, there)
        };
        let mut found = row.occurrences(self.directions, looks);
        found.extend(row.in_between(self.directions, looks));
        let found = Rc::new(found);
        self.tracks.borrow_mut().insert(track, Rc::clone(&found));
        found
    }

    /// The records at a key in the state of its track.
    fn of_track(&self, track: usize, key: &RrKey) -> Option<&'l RrSet> {
        let all = self.occurrences(track);
        let taken = self.taken(track).unwrap_or_else(|| {
            let choice = if all.len() == 1 { 0 } else { self.choose(all.len(), false) };
            self.take(track, choice);
            choice
        });
        put_at(all[taken].overlay, key, self.zone)
    }
}

/// The records at a key in a state of a track.
fn put_at<'l>(at: &'l Overlay, key: &RrKey, zone: &'l ZoneSeen) -> Option<&'l RrSet> {
    match at.get(key) {
        Some(there) => there.as_ref(),
        None => zone.get(key),
    }
}

/// Whether any of a track's RRsets exists at or below a name, in a state of the track.
fn is_there(states: &States<'_>, zone: &ZoneSeen, track: usize, at: &Overlay, name: &Name) -> bool {
    let mut below = states.row(track).keys().filter(|key| key.name.is_at_or_below(name));
    below.any(|key| put_at(at, key, zone).is_some())
}

impl<'l> Contents<'l> for Chosen<'_, 'l> {
    fn origin(&self) -> &'l Name {
        &self.zone.zone.origin
    }

    fn at(&self, key: &RrKey) -> Option<&'l RrSet> {
        match self.states.draft.owner_of(key) {
            Some(track) => self.of_track(track, key),
            None => self.zone.get(key),
        }
    }

    fn exists(&self, name: &Name) -> bool {
        let draft = self.states.draft;
        if draft.always_exists(self.zone, name) {
            return true;
        }
        // Each of these tracks may make the name exist by itself.
        let mut trues: Vec<(usize, usize)> = Vec::new();
        let mut absences: Vec<(usize, Vec<usize>)> = Vec::new();
        for track in draft.owners_below(name) {
            let all = self.occurrences(track);
            let there =
                |place: usize| is_there(self.states, self.zone, track, all[place].overlay, name);
            if let Some(taken) = self.taken(track) {
                if there(taken) {
                    return true;
                }
                continue;
            }
            let (yes, no): (Vec<usize>, Vec<usize>) = (0..all.len()).partition(|at| there(*at));
            if no.is_empty() {
                return true;
            }
            trues.extend(yes.into_iter().map(|occurrence| (track, occurrence)));
            absences.push((track, no));
        }
        if trues.is_empty() {
            return false;
        }
        let choice = self.choose(trues.len() + 1, false);
        if let Some((track, occurrence)) = trues.get(choice) {
            self.take(*track, *occurrence);
            return true;
        }
        let mut ambiguous = 0;
        for (track, no) in absences {
            match no.as_slice() {
                [absence] => self.take(track, *absence),
                several => {
                    ambiguous += 1;
                    if ambiguous <= AMBIGUOUS_MAX {
                        let choice = self.choose(several.len(), true);
                        self.take(track, several[choice]);
                    }
                }
            }
        }
        false
    }

    fn has_cuts(&self) -> bool {
        self.states.draft.has_cuts(&self.zone.zone.origin)
    }

    fn has_wildcards(&self) -> bool {
        // Now or later. Without any, it makes no difference whether a name exists.
        self.states.draft.has_wildcards(&self.zone.zone.origin)
    }
}

/// Makes the next choices out of those that were made: what was chosen, out of how many. The last
/// choice that has an alternative moves on, and the choices after it start again. `false`: there
/// are no more.
pub(super) fn next_script(
    script: &mut Vec<usize>,
    made: impl ExactSizeIterator<Item = (usize, usize)> + DoubleEndedIterator + Clone,
) -> bool {
    let Some(last) = made.clone().rposition(|(chosen, possible)| chosen + 1 < possible) else {
        return false;
    };
    script.clear();
    script.extend(made.take(last + 1).map(|(chosen, _)| chosen));
    script[last] += 1;
    true
}

impl Answers {
    /// Whether some version depends on several RRsets that change.
    pub(super) fn depends_on_several(&self) -> bool {
        self.classes.iter().flat_map(|class| &class.versions).any(|version| version.len() > 1)
    }

    /// The answers to a question; `None` if there is only one answer, which never changes. New
    /// atoms are appended.
    pub(super) fn of(
        states: &States<'_>,
        key: &RrKey,
        directions: Directions,
        atoms: &mut Vec<Atom>,
    ) -> Option<Self> {
        let draft = states.draft;
        let zone = draft.snapshot.zone_of(&key.name)?;
        let tracks = RefCell::new(BTreeMap::new());
        let mut versions: Vec<Version> = Vec::new();
        let mut script = Vec::new();
        let mut undecided = false;
        loop {
            let state = RefCell::default();
            let chosen =
                Chosen { states, zone, key, directions, tracks: &tracks, script: &script, state };
            let found = reply(&chosen, key);
            let records = match &found {
                Reply::Records(rrset) | Reply::Alias { by: rrset, .. } => Some((*rrset).clone()),
                Reply::Absent | Reply::Delegated(_) => None,
            };
            let lives = hold(records.as_ref(), zone);
            let State { asked: choices, taken } = chosen.state.into_inner();
            let made = choices.iter().map(|choice| (choice.chosen, choice.possible));
            let goes_on = next_script(&mut script, made);
            versions.push(Version { content: Content::of(&found), records, lives, taken, choices });
            if !goes_on {
                break;
            }
            if versions.len() >= VERSIONS_MAX {
                undecided = true;
                break;
            }
        }
        let earlier = earlier(states.draft, key);
        if !undecided
            && earlier.is_empty()
            && versions.iter().all(|version| version.is_same_as(&versions[0]))
        {
            return None;
        }
        let all = std::mem::take(&mut versions);
        collapse(all, 0, &mut versions);
        let tracks = tracks.into_inner();
        let margin = draft.intent.terms.clocks.margin;
        let mut known: BTreeMap<(usize, usize, Duration), usize> = BTreeMap::new();
        let mut classes: Vec<Class> = Vec::new();
        let put = |classes: &mut Vec<Class>, content: Content| match classes
            .iter()
            .position(|c| c.content == content)
        {
            Some(place) => place,
            None => {
                classes.push(Class { content, versions: Vec::new(), late: Vec::new() });
                classes.len() - 1
            }
        };
        for Version { content, records, lives, taken, choices: _ } in versions {
            let mut version: Vec<usize> = Vec::new();
            for (track, occurrence) in &taken {
                let of = &tracks[track][*occurrence];
                let atom = *known.entry((*track, *occurrence, lives)).or_insert_with(|| {
                    let ends =
                        of.ends.iter().map(|step| Ending { step: *step, hold: lives + margin });
                    let (key, records) = (key.clone(), records.clone());
                    let what = What::Answer { key, records, exposed: of.exposed };
                    atoms.push(Atom { what, start: of.start, ends: ends.collect() });
                    atoms.len() - 1
                });
                version.push(atom);
            }
            if taken.is_empty() {
                let what = What::Answer { key: key.clone(), records, exposed: false };
                atoms.push(Atom { what, start: Start::Always, ends: Vec::new() });
                version.push(atoms.len() - 1);
            }
            let place = put(&mut classes, content);
            classes[place].versions.push(version);
        }
        if let Some(beginning) = draft.beginning() {
            for (content, records, is_late) in earlier {
                let hold = match is_late {
                    true => Duration::ZERO,
                    false => hold(records.as_ref(), zone) + margin,
                };
                let ends = vec![Ending { step: beginning, hold }];
                let what = What::Answer { key: key.clone(), records, exposed: false };
                atoms.push(Atom { what, start: Start::Always, ends });
                let place = put(&mut classes, content);
                match is_late {
                    true => classes[place].late.push(atoms.len() - 1),
                    false => classes[place].versions.push(vec![atoms.len() - 1]),
                }
            }
        }
        Some(Self { key: key.clone(), classes, undecided })
    }
}

/// What was answered before the snapshot and may still be cached, and whether only those who keep
/// answers too long may still hold it.
fn earlier(draft: &Draft<'_>, key: &RrKey) -> Vec<(Content, Option<RrSet>, bool)> {
    let earlier = &draft.snapshot.earlier;
    let own = earlier.get(key).into_iter().flatten().map(|version| {
        let rrset = &version.records;
        let content =
            rrset.as_ref().map_or(Content::Absent, |r| Content::Records(r.shared_rdata()));
        (content, rrset.clone(), version.is_late)
    });
    let alias = RrKey::new(key.name.clone(), RrType::CNAME);
    let aliases = earlier.get(&alias).into_iter().flatten();
    let aliases = aliases.filter(|_| key.rtype != RrType::CNAME).filter_map(|version| {
        let rrset = version.records.as_ref()?;
        let target = rrset.rdata().first()?.target()?;
        Some((Content::Alias(target), Some(rrset.clone()), version.is_late))
    });
    own.chain(aliases).collect()
}
