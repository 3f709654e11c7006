//! The answers to a question in the course of a plan: what resolvers may hold, version by version.
//!
//! What is cached is an answer: the records of a type, an alias in their place, or that there is
//! neither. So versions are kept by question, not by RRset: where an alias takes the place of records
//! in one change, no resolver ever holds the absence of both.
//!
//! Every answer comes out of [`crate::resolution::reply`], the one function that asks a zone. While it
//! reads, each RRset that the plan changes is in one of its states ([`super::states`]), and each
//! combination of the states that were really read makes one version. What the function does not read
//! cannot change the answer: a record that is published elsewhere costs nothing, in a zone with
//! wildcards too.
//!
//! A version is an occurrence, data *and* TTL. Equal data at another TTL is another version of the
//! same *class*; evaluations look at classes, and patterns are made of versions.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use cutover_contract::{Name, Rdata, RrKey, RrSet, RrType};

use super::pattern::{Atom, Ending, Start, What};
use super::states::{Occurrence, Overlay};
use super::view::Library;
use crate::model::hold::hold;
use crate::observe::ZoneSeen;
use crate::resolution::{Contents, Reply, reply};

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// These records.
    Records(Arc<[Rdata]>),
    /// An alias to this name.
    Alias(Name),
    /// None, and no alias.
    Absent,
    /// Others are to be asked.
    Delegated,
}

impl Content {
    /// What a reply says.
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
    /// The versions, each as the atoms that make it: one, but where an answer depends on several
    /// RRsets that change, as below a wildcard.
    pub versions: Vec<Vec<usize>>,
    /// Versions that have expired before the plan, and count only with those who use an answer, or keep
    /// it, for longer.
    pub late: Vec<usize>,
}

/// The answers to one question, in the order in which they come about.
#[derive(Clone, Debug)]
pub struct Answers {
    /// The question.
    pub key: RrKey,
    /// At least one.
    pub classes: Vec<Class>,
    /// There are more versions than are looked at: nothing can be said.
    pub undecided: bool,
}

/// Versions of one answer at the most. Our choice: an answer that more changes decide together than
/// that is told as undecided, and nothing is proved.
const VERSIONS_MAX: usize = 4_096;
/// Tracks of which one name's existence hangs on several absences each: the most of which every
/// combination is looked at. Of more, it is left open which absence it is, which can only show more
/// harm. Our choice.
const RETURNING_MAX: usize = 3;

/// One version while they are gathered.
struct Version {
    content: Content,
    records: Option<RrSet>,
    lives: Duration,
    taken: Vec<(usize, usize)>,
    /// Which choices led to it, each with how many states had been read before.
    choices: Vec<(usize, usize)>,
}

impl Version {
    fn is_like(&self, other: &Self) -> bool {
        self.content == other.content && self.lives == other.lives
    }
}

/// Leaves out of versions whatever was read and made no difference: where every choice from some
/// point on leads to the same answer, that answer hangs on nothing that was read from there on.
fn collapse(mut all: Vec<Version>, depth: usize, found: &mut Vec<Version>) {
    let Some(first) = all.first() else { return };
    if all.iter().all(|version| version.is_like(first)) {
        let read = first.choices.get(depth).map_or(first.taken.len(), |(_, read)| *read);
        let mut version = all.swap_remove(0);
        version.taken.truncate(read);
        found.push(version);
        return;
    }
    let choice = |version: &Version| version.choices.get(depth).map(|(choice, _)| *choice);
    while !all.is_empty() {
        let wanted = choice(&all[0]);
        let end = all.iter().position(|version| choice(version) != wanted).unwrap_or(all.len());
        let rest = all.split_off(end);
        collapse(std::mem::replace(&mut all, rest), depth + 1, found);
    }
}

/// Which directions a question is looked at on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Directions {
    /// There, and back.
    Both,
    /// The way there alone.
    Forward,
}

/// The occurrences of a track for one question.
type OfTrack<'l> = Rc<Vec<Occurrence<'l>>>;

/// The contents of a zone while each track is in a chosen state.
struct Chosen<'c, 'l> {
    library: &'l Library<'l>,
    zone: &'l ZoneSeen,
    key: &'c RrKey,
    directions: Directions,
    /// The occurrences of each track that was read for this question.
    tracks: &'c RefCell<BTreeMap<usize, OfTrack<'l>>>,
    /// What to choose at the first choices; beyond them, the first.
    script: &'c [usize],
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    /// What was chosen, and how many there are; and how many states had been read by then.
    asked: Vec<(usize, usize, usize)>,
    /// The state that each track is in, as far as it was read.
    taken: Vec<(usize, usize)>,
}

impl<'l> Chosen<'_, 'l> {
    fn choose(&self, possible: usize) -> usize {
        let State { asked, taken } = &mut *self.state.borrow_mut();
        let choice = self.script.get(asked.len()).copied().unwrap_or(0);
        asked.push((choice, possible, taken.len()));
        choice
    }

    fn taken(&self, track: usize) -> Option<usize> {
        let state = self.state.borrow();
        state.taken.iter().find(|(other, _)| *other == track).map(|(_, occurrence)| *occurrence)
    }

    fn take(&self, track: usize, occurrence: usize) {
        self.state.borrow_mut().taken.push((track, occurrence));
    }

    /// The states of a track that differ in what this question can meet.
    fn occurrences(&self, track: usize) -> OfTrack<'l> {
        if let Some(known) = self.tracks.borrow().get(&track) {
            return Rc::clone(known);
        }
        let row = self.library.row(track);
        let origin = &self.zone.zone.origin;
        let way: Vec<Name> = std::iter::successors(Some(self.key.name.clone()), Name::parent)
            .take_while(|name| name.is_at_or_below(origin))
            .collect();
        let wildcards: Vec<Name> = way.iter().skip(1).filter_map(|n| n.child("*").ok()).collect();
        let types = [self.key.rtype, RrType::CNAME, RrType::NS, RrType::DNAME];
        let met: Vec<&RrKey> = row
            .keys()
            .filter(|key| types.contains(&key.rtype))
            .filter(|key| way.contains(&key.name) || wildcards.contains(&key.name))
            .collect();
        let near: Vec<&Name> = way
            .iter()
            .filter(|name| *name != origin && row.keys().any(|k| k.name.is_at_or_below(name)))
            .collect();
        let looks = |overlay: &Overlay| {
            let values: Vec<Option<RrSet>> =
                met.iter().map(|key| put_at(overlay, key, self.zone).cloned()).collect();
            let there: Vec<bool> = near
                .iter()
                .map(|name| is_there(self.library, self.zone, track, overlay, name))
                .collect();
            (values, there)
        };
        let mut found = row.occurrences(self.directions, looks);
        found.extend(row.in_between(self.directions, looks));
        let found = Rc::new(found);
        self.tracks.borrow_mut().insert(track, Rc::clone(&found));
        found
    }

    /// The records that a track has put at a key.
    fn of_track(&self, track: usize, key: &RrKey) -> Option<&'l RrSet> {
        let all = self.occurrences(track);
        let taken = self.taken(track).unwrap_or_else(|| {
            let choice = if all.len() == 1 { 0 } else { self.choose(all.len()) };
            self.take(track, choice);
            choice
        });
        put_at(all[taken].overlay, key, self.zone)
    }
}

/// The records at a key in one of a track's states.
fn put_at<'l>(at: &'l Overlay, key: &RrKey, zone: &'l ZoneSeen) -> Option<&'l RrSet> {
    match at.get(key) {
        Some(there) => there.as_ref(),
        None => zone.get(key),
    }
}

/// Whether a track's RRsets at or below a name are there in one of its states.
fn is_there(
    library: &Library<'_>,
    zone: &ZoneSeen,
    track: usize,
    at: &Overlay,
    name: &Name,
) -> bool {
    let mut below = library.row(track).keys().filter(|key| key.name.is_at_or_below(name));
    below.any(|key| put_at(at, key, zone).is_some())
}

impl<'l> Contents<'l> for Chosen<'_, 'l> {
    fn origin(&self) -> &'l Name {
        &self.zone.zone.origin
    }

    fn at(&self, key: &RrKey) -> Option<&'l RrSet> {
        match self.library.draft.owner_of(key) {
            Some(track) => self.of_track(track, key),
            None => self.zone.get(key),
        }
    }

    fn exists(&self, name: &Name) -> bool {
        let draft = self.library.draft;
        if draft.always_exists(self.zone, name) {
            return true;
        }
        // Each of these tracks may make the name exist by itself.
        let mut trues: Vec<(usize, usize)> = Vec::new();
        let mut absences: Vec<(usize, Vec<usize>)> = Vec::new();
        for track in draft.owners_below(name) {
            let all = self.occurrences(track);
            let there =
                |place: usize| is_there(self.library, self.zone, track, all[place].overlay, name);
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
        let choice = self.choose(trues.len() + 1);
        if let Some((track, occurrence)) = trues.get(choice) {
            self.take(*track, *occurrence);
            return true;
        }
        let mut returning = 0;
        for (track, no) in absences {
            match no.as_slice() {
                [one] => self.take(track, *one),
                several => {
                    returning += 1;
                    if returning <= RETURNING_MAX {
                        let choice = self.choose(several.len());
                        self.take(track, several[choice]);
                    }
                }
            }
        }
        false
    }

    fn has_cuts(&self) -> bool {
        self.library.draft.has_cuts(&self.zone.zone.origin)
    }

    fn has_wildcards(&self) -> bool {
        // Whether a name exists is chosen where it is asked for: which tracks an answer hangs on.
        true
    }
}

/// The next choices: the last that has one left is moved on, and what came after it begins anew.
pub(super) fn next_script(mut asked: Vec<(usize, usize)>) -> Option<Vec<usize>> {
    while let Some((choice, possible)) = asked.pop() {
        if choice + 1 < possible {
            let mut script: Vec<usize> = asked.iter().map(|(choice, _)| *choice).collect();
            script.push(choice + 1);
            return Some(script);
        }
    }
    None
}

impl Answers {
    /// Whether some version of it hangs on several RRsets that change.
    pub(super) fn hangs_on_several(&self) -> bool {
        self.classes.iter().flat_map(|class| &class.versions).any(|version| version.len() > 1)
    }

    /// The answers to a question; `None` where there is one answer and it never changes. New atoms
    /// are put behind those that are there.
    pub(super) fn of(
        library: &Library<'_>,
        key: &RrKey,
        directions: Directions,
        atoms: &mut Vec<Atom>,
    ) -> Option<Self> {
        let draft = library.draft;
        let zone = draft.snapshot.zone_of(&key.name)?;
        let tracks = RefCell::new(BTreeMap::new());
        let mut versions: Vec<Version> = Vec::new();
        let mut script = Vec::new();
        let mut undecided = false;
        loop {
            let state = RefCell::default();
            let chosen =
                Chosen { library, zone, key, directions, tracks: &tracks, script: &script, state };
            let found = reply(&chosen, key);
            let records = match &found {
                Reply::Records(rrset) | Reply::Alias { by: rrset, .. } => Some((*rrset).clone()),
                Reply::Absent | Reply::Delegated(_) => None,
            };
            let lives = hold(records.as_ref(), zone);
            let State { asked, taken } = chosen.state.into_inner();
            let choices = asked.iter().map(|(choice, _, read)| (*choice, *read)).collect();
            versions.push(Version { content: Content::of(&found), records, lives, taken, choices });
            match next_script(asked.into_iter().map(|(choice, of, _)| (choice, of)).collect()) {
                Some(_) if versions.len() >= VERSIONS_MAX => {
                    undecided = true;
                    break;
                }
                Some(next) => script = next,
                None => break,
            }
        }
        let earlier = earlier(library, key);
        if !undecided && earlier.is_empty() && versions.iter().all(|one| one.is_like(&versions[0]))
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

/// What was answered before the snapshot, and may still be cached; and whether only by those who keep
/// answers too long.
fn earlier(library: &Library<'_>, key: &RrKey) -> Vec<(Content, Option<RrSet>, bool)> {
    let earlier = &library.draft.snapshot.earlier;
    let own = earlier.get(key).into_iter().flatten().map(|one| {
        let rrset = &one.records;
        let content =
            rrset.as_ref().map_or(Content::Absent, |r| Content::Records(r.shared_rdata()));
        (content, rrset.clone(), one.is_late)
    });
    let alias = RrKey::new(key.name.clone(), RrType::CNAME);
    let aliases = earlier.get(&alias).into_iter().flatten();
    let aliases = aliases.filter(|_| key.rtype != RrType::CNAME).filter_map(|one| {
        let rrset = one.records.as_ref()?;
        let target = rrset.rdata().first()?.target()?;
        Some((Content::Alias(target), Some(rrset.clone()), one.is_late))
    });
    own.chain(aliases).collect()
}
