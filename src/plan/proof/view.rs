//! Views: one served version of every answer that an evaluation visits.
//!
//! Answers expire independently, so an evaluation that visits several may meet any combination of
//! their versions. Invariants are written as plain evaluations over a [`View`]: whenever an
//! evaluation asks a question that has several answers, the view chooses one of them. A [`Tree`]
//! runs the evaluation until every choice has been made, and gives the smallest sets of answers
//! that lead to a result, whatever the answers to all other questions are. Whether those answers
//! can be served together is not checked here: patterns say what must not be, and the order of the
//! steps ensures that it cannot.

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use cutover_zone::{Name, Rdata, RrKey, RrType};
use foldhash::HashMap;

use super::answers::{Answers, Class, Content, next_script};
use super::draft::Draft;
use super::nobody::unnamed;
use super::parties::{Parties, Routes, routes_in};
use super::pattern::{Atom, Start};
use super::states::{Directions, States};
use crate::observe::{ALIASES_MAX, MANY_ALIASES, NOBODY_ASKED, unknown_at};
use cutover_mail::resolution::reply;
use cutover_steps::ask::Outside;

/// The maximum number of views of an evaluation. Our choice: a mail domain has some dozens.
const VIEWS_MAX: usize = 20_000;

/// The answers to all questions that evaluations have asked so far.
pub struct Library<'d> {
    /// The steps of the plan.
    pub draft: &'d Draft<'d>,
    /// Every atom.
    pub atoms: RefCell<Vec<Atom>>,
    /// The atoms that count only for some of the steps.
    counts: RefCell<BTreeMap<usize, Counts>>,
    /// What evaluations have found.
    found: RefCell<HashMap<Label, Found>>,
    looked_up: RefCell<HashMap<RrKey, LookedUp>>,
    live: RefCell<HashMap<RrKey, Outside>>,
    /// The fixed answers that the current evaluation has met, without duplicates.
    met: RefCell<Vec<Rc<Fixed>>>,
    /// The number of the current evaluation; the first is 1.
    evaluation: Cell<u64>,
    /// What evaluations have met so far, by the name that they are about.
    relied: RefCell<HashMap<Name, Relied>>,
    /// Some answer has more versions on ways back than were checked.
    pub(super) undecided_back: Cell<bool>,
    /// The states of every track.
    states: States<'d>,
    /// See [`Self::nobody`].
    nobody: OnceCell<[IpAddr; 2]>,
}

/// Names an evaluation: what it asks, about which name, and a number.
pub(super) type Label = (&'static str, Name, usize);

type Found = Arc<dyn Any + Send + Sync>;

/// For which steps an atom counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// For any steps.
    Always,
    /// For steps that include this step.
    With(usize),
    /// For steps that do not include it.
    Without(usize),
}

/// The answer, or answers, to a question.
#[derive(Clone)]
enum LookedUp {
    /// A single answer, which never changes.
    Fixed(Rc<Fixed>),
    /// Several answers.
    Several(Rc<Answers>),
}

/// An answer that the plan does not change.
struct Fixed {
    key: RrKey,
    /// `None`: the name is outside the plan's zones.
    content: Option<Content>,
    /// The last evaluation that has met it.
    met_by: Cell<u64>,
}

/// What the evaluations of a name have met.
#[derive(Default)]
struct Relied {
    /// They have met something that the plan changes.
    has_changes: bool,
    /// What they have met that the plan does not change; may have duplicates.
    met: Vec<Rc<Fixed>>,
}

impl<'d> Library<'d> {
    /// A library before anything is asked.
    #[must_use]
    pub fn of(draft: &'d Draft<'d>) -> Self {
        Self {
            draft,
            atoms: RefCell::default(),
            counts: RefCell::default(),
            found: RefCell::default(),
            looked_up: RefCell::default(),
            live: RefCell::default(),
            met: RefCell::default(),
            evaluation: Cell::new(1),
            relied: RefCell::default(),
            undecided_back: Cell::new(false),
            states: States::of(draft),
            nobody: OnceCell::new(),
        }
    }

    /// An IPv4 and an IPv6 address that stand for those that no SPF record names.
    pub(super) fn nobody(&self) -> [IpAddr; 2] {
        *self.nobody.get_or_init(|| unnamed(self.draft))
    }

    /// The answers to a question; `None` if there is one that never changes.
    #[must_use]
    pub fn answers(&self, key: &RrKey) -> Option<Rc<Answers>> {
        match self.look_up(key) {
            LookedUp::Several(answers) => Some(answers),
            LookedUp::Fixed(_) => None,
        }
    }

    fn look_up(&self, key: &RrKey) -> LookedUp {
        if let Some(known) = self.looked_up.borrow().get(key) {
            return known.clone();
        }
        let found = match self.made_of(key) {
            Some(answers) => LookedUp::Several(Rc::new(answers)),
            None => {
                let zone = self.draft.snapshot.zone_of(&key.name);
                let content = zone.map(|zone| Content::of(&reply(&&zone.zone, key)));
                LookedUp::Fixed(Rc::new(Fixed { key: key.clone(), content, met_by: Cell::new(0) }))
            }
        };
        self.looked_up.borrow_mut().insert(key.clone(), found.clone());
        found
    }

    /// Records that the current evaluation has met an answer that the plan does not change.
    fn note(&self, fixed: &Rc<Fixed>) {
        let evaluation = self.evaluation.get();
        if fixed.content.is_some() && fixed.met_by.replace(evaluation) != evaluation {
            self.met.borrow_mut().push(Rc::clone(fixed));
        }
    }

    /// Ends an evaluation about a name. `has_changes`: it has met something that the plan changes.
    fn end_evaluation(&self, of: &Name, has_changes: bool) {
        self.evaluation.set(self.evaluation.get() + 1);
        let mut met = self.met.borrow_mut();
        if !has_changes && met.is_empty() {
            return;
        }
        let mut relied = self.relied.borrow_mut();
        let of_name = match relied.get_mut(of) {
            Some(known) => known,
            None => relied.entry(of.clone()).or_default(),
        };
        of_name.has_changes |= has_changes;
        of_name.met.append(&mut met);
    }

    /// The questions in the plan's zones whose answers the plan does not change, but which
    /// contribute to the effect of its changes: all questions about a name for which the plan
    /// changes some answer. An answer that prevents another question from being asked counts too.
    pub(super) fn relied(&self) -> BTreeSet<RrKey> {
        let relied = self.relied.borrow();
        let changed = relied.values().filter(|relied| relied.has_changes);
        changed.flat_map(|relied| &relied.met).map(|fixed| fixed.key.clone()).collect()
    }

    /// The answers to a question. If there are too many on ways back, those of the forward steps
    /// can still be checked.
    fn made_of(&self, key: &RrKey) -> Option<Answers> {
        let atoms = &mut *self.atoms.borrow_mut();
        let first = atoms.len();
        match Answers::of(&self.states, key, Directions::Both, atoms) {
            Some(answers) if answers.undecided && self.draft.has_way_back() => {
                self.undecided_back.set(true);
                atoms.truncate(first);
                Answers::of(&self.states, key, Directions::Forward, atoms)
            }
            answers => answers,
        }
    }

    /// The answer of a resolver before the first step.
    pub(super) fn live(&self, key: &RrKey) -> Outside {
        if let Some(known) = self.live.borrow().get(key) {
            return known.clone();
        }
        let found = self.draft.snapshot.told(key);
        self.live.borrow_mut().insert(key.clone(), found.clone());
        found
    }

    /// Where a name leads before the first step by an alias of its own.
    pub(super) fn live_alias(&self, name: &Name) -> Option<Name> {
        let zone = self.draft.snapshot.zone_of(name)?;
        let alias = zone.get(&RrKey::new(name.clone(), RrType::CNAME))?;
        alias.rdata().first().and_then(Rdata::target)
    }

    /// The known addresses of a name before the first step, in both families.
    pub(super) fn live_addresses(&self, name: &Name) -> Vec<IpAddr> {
        let mut found = Vec::new();
        for rtype in [RrType::A, RrType::AAAA] {
            if let Outside::Records(records) = self.live(&RrKey::new(name.clone(), rtype)) {
                found.extend(records.iter().filter_map(Rdata::ip));
            }
        }
        found
    }

    /// Whether these answers are what an earlier run has left in caches and existed together before
    /// the first step: at least one of them no longer exists in the zones, none is made by this
    /// plan, and none has replaced another of them since.
    pub(super) fn is_left_over(&self, choice: &Choice) -> bool {
        let atoms = self.atoms.borrow();
        let beginning = self.draft.beginning();
        let is_there =
            |version: &Vec<usize>| version.iter().all(|atom| atoms[*atom].start == Start::Always);
        let is_gone = |version: &Vec<usize>| {
            let ends = version.iter().flat_map(|atom| &atoms[*atom].ends);
            is_there(version) && ends.map(|end| Some(end.step)).eq([beginning])
        };
        let late = |class: &Class| class.late.iter().map(|late| vec![*late]).collect::<Vec<_>>();
        let may_be_there =
            |class: &Class| class.versions.iter().any(is_there) || late(class).iter().any(is_there);
        let has_gone =
            |class: &Class| class.versions.iter().all(is_gone) && late(class).iter().all(is_gone);
        let mut some_have_gone = false;
        for (key, class) in choice {
            let Some(answers) = self.answers(key) else { continue };
            let class = &answers.classes[*class];
            let gone = has_gone(class);
            let is_new = || !gone && answers.classes.iter().any(has_gone);
            if !may_be_there(class) || is_new() {
                return false;
            }
            some_have_gone |= gone;
        }
        some_have_gone
    }

    /// The result under a label, made now if it does not exist.
    pub(super) fn once<T: Send + Sync + 'static>(
        &self,
        label: Label,
        make: impl FnOnce() -> T,
    ) -> Arc<T> {
        let known = self.found.borrow().get(&label).cloned();
        if let Some(known) = known.and_then(|known| known.downcast::<T>().ok()) {
            return known;
        }
        // The map must not be borrowed here: making a result may ask for another.
        let found = Arc::new(make());
        self.found.borrow_mut().insert(label, Arc::<T>::clone(&found));
        found
    }

    /// Adds an atom.
    pub fn add(&self, atom: Atom) -> usize {
        let mut atoms = self.atoms.borrow_mut();
        atoms.push(atom);
        atoms.len() - 1
    }

    /// Adds an atom that counts only for some of the steps.
    pub(super) fn add_where(&self, counts: Counts, atom: Atom) -> usize {
        let atom = self.add(atom);
        if counts != Counts::Always {
            self.counts.borrow_mut().insert(atom, counts);
        }
        atom
    }

    /// Every atom, and for which steps it counts.
    pub(super) fn into_atoms(self) -> Vec<(Atom, Counts)> {
        let counts = self.counts.into_inner();
        let of = |atom| counts.get(&atom).copied().unwrap_or(Counts::Always);
        let atoms = self.atoms.into_inner().into_iter().enumerate();
        atoms.map(|(number, atom)| (atom, of(number))).collect()
    }

    /// For which steps an atom counts.
    pub(super) fn counts(&self, atom: usize) -> Counts {
        self.counts.borrow().get(&atom).copied().unwrap_or(Counts::Always)
    }
}

/// The class of answers that is chosen for each question.
pub type Choice = BTreeMap<RrKey, usize>;

/// A combination of answers.
pub struct View<'v> {
    library: &'v Library<'v>,
    state: RefCell<State>,
}

/// A choice in progress: there are few questions, each identified by its answers.
type Picked = Vec<(Rc<Answers>, usize)>;

fn picked(picked: &Picked, answers: &Rc<Answers>) -> Option<usize> {
    picked.iter().find(|(known, _)| Rc::ptr_eq(known, answers)).map(|(_, class)| *class)
}

#[derive(Default)]
struct State {
    /// The choices to make first; every choice after them is the first possible.
    script: Vec<usize>,
    /// What was chosen, out of how many, in the order of the questions.
    asked: Vec<(usize, usize)>,
    chosen: Picked,
    /// An answer was met whose versions are not all known.
    undecided: bool,
}

impl View<'_> {
    /// The answer of a resolver in this view: aliases followed, wildcards applied.
    #[must_use]
    pub fn look_up(&self, key: &RrKey) -> Outside {
        let mut key = key.clone();
        for _ in 0..=ALIASES_MAX {
            match self.content(&key) {
                Some(Content::Records(records)) => return Outside::Records(records),
                Some(Content::Absent) => return Outside::Absent,
                Some(Content::Alias(target)) => key.name = target,
                Some(Content::Delegated) | None => return self.outside(&key),
            }
        }
        Outside::Unknown(MANY_ALIASES.into())
    }

    /// The name outside the plan's zones that a question leads to in this view.
    #[must_use]
    pub fn leaves_at(&self, key: &RrKey) -> Option<Name> {
        let mut key = key.clone();
        for _ in 0..=ALIASES_MAX {
            match self.content(&key) {
                Some(Content::Records(_) | Content::Absent) => return None,
                Some(Content::Alias(target)) => key.name = target,
                Some(Content::Delegated) | None => return Some(key.name),
            }
        }
        None
    }

    /// The name outside the plan's zones that a question led to before the first step.
    #[must_use]
    pub fn leaves_today_at(&self, key: &RrKey) -> Option<Name> {
        self.library.draft.snapshot.leaves_at(key).map(|key| key.name)
    }

    /// An IPv4 and an IPv6 address that stand for those that no SPF record names.
    #[must_use]
    pub fn nobody(&self) -> [IpAddr; 2] {
        self.library.nobody()
    }

    /// The plan.
    #[must_use]
    pub fn draft(&self) -> &Draft<'_> {
        self.library.draft
    }

    /// What is published for a question in this view, aliases not followed; `None` outside the
    /// plan's zones.
    fn content(&self, key: &RrKey) -> Option<Content> {
        match self.library.look_up(key) {
            LookedUp::Fixed(fixed) => {
                self.library.note(&fixed);
                fixed.content.clone()
            }
            LookedUp::Several(answers) => Some(self.choose(&answers)),
        }
    }

    fn outside(&self, key: &RrKey) -> Outside {
        match self.library.draft.snapshot.outside.get(key) {
            Some(Outside::Unknown(why)) => unknown_at(key, why),
            Some(known) => known.clone(),
            None => unknown_at(key, NOBODY_ASKED),
        }
    }

    /// What was published for a question before the first step, aliases not followed.
    #[must_use]
    pub fn published(&self, key: &RrKey) -> Outside {
        match self.library.draft.snapshot.zone_of(&key.name).and_then(|zone| zone.get(key)) {
            Some(rrset) => Outside::Records(rrset.shared_rdata()),
            None => Outside::Absent,
        }
    }

    /// The answer of a resolver before the first step.
    #[must_use]
    pub fn live(&self, key: &RrKey) -> Outside {
        self.library.live(key)
    }

    /// Where a sender of mail for a domain may go: every exchange, over either family (RFC 5321 §5.1).
    #[must_use]
    pub fn routes(&self, domain: &Name) -> Routes {
        routes_in(&|key| self.look_up(key), &|key| self.leaves_at(key), domain)
    }

    /// Whose servers accept mail.
    #[must_use]
    pub fn parties(&self) -> &Parties {
        &self.library.draft.parties
    }

    /// Whether the answer to a question never changes.
    #[must_use]
    pub fn is_constant(&self, key: &RrKey) -> bool {
        self.library.answers(key).is_none()
    }

    /// What is published for a question in this view, aliases not followed.
    #[must_use]
    pub fn answer(&self, key: &RrKey) -> Outside {
        match self.content(key) {
            Some(Content::Records(records)) => Outside::Records(records),
            Some(Content::Alias(_) | Content::Absent) => Outside::Absent,
            Some(Content::Delegated) | None => self.outside(key),
        }
    }

    /// Chooses an answer to a question that has several.
    fn choose(&self, answers: &Rc<Answers>) -> Content {
        let mut state = self.state.borrow_mut();
        state.undecided |= answers.undecided;
        let class = match picked(&state.chosen, answers) {
            Some(class) => class,
            None => {
                let class = state.script.get(state.asked.len()).copied().unwrap_or(0);
                state.asked.push((class, answers.classes.len()));
                state.chosen.push((Rc::clone(answers), class));
                class
            }
        };
        answers.classes[class].content.clone()
    }
}

/// There are more combinations than are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

/// Every view that an evaluation distinguishes, with its result there.
///
/// The questions that it asks in a view are a path in the tree of its choices, and the result is a
/// leaf. A question that is not on the path makes no difference.
#[derive(Clone, Debug)]
pub struct Tree<T> {
    /// The questions that have several answers.
    keys: Vec<RrKey>,
    leaves: Vec<Leaf<T>>,
}

#[derive(Clone, Debug)]
struct Leaf<T> {
    /// The class of answers that was met, for some of the questions.
    met: Met,
    found: T,
}

/// Classes of answers, each with the place of its question.
type Met = Vec<(usize, usize)>;

fn class_in(met: &Met, key: usize) -> Option<usize> {
    met.iter().find(|(other, _)| *other == key).map(|(_, class)| *class)
}

impl<T> Default for Tree<T> {
    fn default() -> Self {
        Self { keys: Vec::new(), leaves: Vec::new() }
    }
}

impl<T> Tree<T> {
    /// Evaluates something about a name in every view.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn of(
        library: &Library<'_>,
        of: &Name,
        evaluate: &dyn Fn(&View<'_>) -> T,
    ) -> Result<Self, TooMany> {
        let mut questions: Vec<Rc<Answers>> = Vec::new();
        let mut leaves = Vec::new();
        let view = View { library, state: RefCell::default() };
        loop {
            if leaves.len() >= VIEWS_MAX {
                library.end_evaluation(of, true);
                return Err(TooMany);
            }
            let found = evaluate(&view);
            let State { script, asked, chosen, undecided } = &mut *view.state.borrow_mut();
            if *undecided {
                library.end_evaluation(of, true);
                return Err(TooMany);
            }
            let met = chosen.drain(..).map(|(answers, class)| {
                let known = questions.iter().position(|other| Rc::ptr_eq(other, &answers));
                let place = known.unwrap_or_else(|| {
                    questions.push(answers);
                    questions.len() - 1
                });
                (place, class)
            });
            leaves.push(Leaf { met: met.collect(), found });
            if !next_script(script, asked.iter().copied()) {
                break;
            }
            asked.clear();
        }
        library.end_evaluation(of, !questions.is_empty());
        let keys = questions.iter().map(|answers| answers.key.clone()).collect();
        Ok(Self { keys, leaves })
    }

    /// The results, view by view.
    pub fn found(&self) -> impl Iterator<Item = &T> {
        self.leaves.iter().map(|leaf| &leaf.found)
    }

    /// The smallest choices of answers that lead to a wanted result, with that result.
    #[must_use]
    pub fn smallest<U>(&self, wanted: &dyn Fn(&T) -> Option<U>) -> Vec<(Choice, U)> {
        let values: Vec<Option<U>> = self.found().map(wanted).collect();
        let holds: Vec<bool> = values.iter().map(Option::is_some).collect();
        let mut found: Vec<(Choice, U)> = Vec::new();
        let mut seen: Vec<Met> = Vec::new();
        for (leaf, value) in self.leaves.iter().zip(values) {
            let Some(value) = value else { continue };
            // Found already, whatever is chosen for the other questions.
            let known = |least: &Met| {
                least.iter().all(|(key, class)| class_in(&leaf.met, *key) == Some(*class))
            };
            if seen.iter().any(known) {
                continue;
            }
            // The reduced choice contains this leaf, so no other view has led to it yet.
            let least = self.least(&leaf.met, &holds);
            let named = least.iter().map(|(key, class)| (self.keys[*key].clone(), *class));
            found.push((named.collect(), value));
            seen.push(least);
        }
        found
    }

    /// Removes from a choice everything that does not matter, as long as every leaf that it leads
    /// to holds.
    fn least(&self, met: &Met, holds: &[bool]) -> Met {
        let mut choice = met.clone();
        // In an order that does not depend on the evaluation.
        choice.sort_by(|(left, _), (right, _)| self.keys[*left].cmp(&self.keys[*right]));
        for place in (0..choice.len()).rev() {
            let (key, class) = choice.remove(place);
            let fits = |leaf: &Leaf<T>| {
                let same = |(key, class): &(usize, usize)| {
                    class_in(&leaf.met, *key).is_none_or(|other| other == *class)
                };
                choice.iter().all(same)
            };
            if !self.leaves.iter().zip(holds).all(|(leaf, holds)| *holds || !fits(leaf)) {
                choice.insert(place, (key, class));
            }
        }
        choice
    }
}
