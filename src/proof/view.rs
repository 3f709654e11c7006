//! Views: one served version of every answer that an evaluation visits.
//!
//! Answers expire independently, so an evaluation that visits several may meet any combination of
//! their versions. Invariants are written as plain evaluations over a [`View`]: whenever one asks a
//! question that has several answers, the view chooses one. [`cases`] runs the evaluation until
//! every choice has been made, and gives the smallest sets of answers that lead to what is looked
//! for, whatever the answers to all other questions. When those can be served together is not asked
//! here: patterns say what must not be, and the order sees to it that it cannot.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use cutover_contract::{RrKey, RrType};

use super::answers::{Answers, Content};
use super::draft::Draft;
use super::pattern::Atom;
use crate::observe::Outside;

/// Aliases that are followed at the most; resolvers do about as many. Our choice.
const ALIASES_MAX: usize = 8;
/// Views of one evaluation at the most. Our choice: a mail domain has some dozens.
const VIEWS_MAX: usize = 20_000;

/// The answers to all questions that evaluations have asked so far.
#[derive(Debug)]
pub struct Library<'d> {
    /// What is being done.
    pub draft: &'d Draft<'d>,
    /// Every atom.
    pub atoms: RefCell<Vec<Atom>>,
    answers: RefCell<HashMap<RrKey, Option<Rc<Answers>>>>,
}

impl<'d> Library<'d> {
    /// Nothing has been asked yet.
    #[must_use]
    pub fn of(draft: &'d Draft<'d>) -> Self {
        Self { draft, atoms: RefCell::default(), answers: RefCell::default() }
    }

    /// The answers to a question; `None`: it never changes.
    #[must_use]
    pub fn answers(&self, key: &RrKey) -> Option<Rc<Answers>> {
        if let Some(known) = self.answers.borrow().get(key) {
            return known.clone();
        }
        let found = Answers::of(self.draft, key, &mut self.atoms.borrow_mut()).map(Rc::new);
        self.answers.borrow_mut().insert(key.clone(), found.clone());
        found
    }

    /// Adds an atom.
    pub fn add(&self, atom: Atom) -> usize {
        let mut atoms = self.atoms.borrow_mut();
        atoms.push(atom);
        atoms.len() - 1
    }
}

/// Which class of answers is taken for each question.
pub type Choice = BTreeMap<RrKey, usize>;

/// One combination of answers.
pub struct View<'v> {
    library: &'v Library<'v>,
    state: RefCell<State>,
}

/// A choice while it is made: few questions, each known by its answers.
type Picked = Vec<(Rc<Answers>, usize)>;

fn picked(picked: &Picked, answers: &Rc<Answers>) -> Option<usize> {
    picked.iter().find(|(one, _)| Rc::ptr_eq(one, answers)).map(|(_, class)| *class)
}

#[derive(Default)]
struct State {
    fixed: Picked,
    /// What to choose at the first questions that are not fixed; beyond it, the first.
    script: Vec<usize>,
    /// What was chosen, and how many there are, in the order of the questions.
    asked: Vec<(usize, usize)>,
    chosen: Picked,
}

impl View<'_> {
    /// What a resolver is told in this view: aliases followed, wildcards applied.
    #[must_use]
    pub fn look_up(&self, key: &RrKey) -> Outside {
        let snapshot = self.library.draft.snapshot;
        let mut key = key.clone();
        for _ in 0..ALIASES_MAX {
            let content = match self.choose(&key) {
                Some(content) => content,
                None => {
                    let Some(zone) = snapshot.zone_of(&key.name) else {
                        return snapshot.told(&key);
                    };
                    let alias = RrKey::new(key.name.clone(), RrType::CNAME);
                    match (zone.get(&key), zone.get(&alias)) {
                        (None, Some(alias)) if zone.delegation_of(&key.name).is_none() => {
                            let target = alias.rdata().first().and_then(|alias| alias.target());
                            target.map_or(Content::Absent, Content::Alias)
                        }
                        (None, None) => match zone.wildcard_of(&key) {
                            Some(alias) if alias.rtype() == RrType::CNAME => {
                                let target = alias.rdata().first().and_then(|alias| alias.target());
                                target.map_or(Content::Absent, Content::Alias)
                            }
                            Some(_) | None => return snapshot.told(&key),
                        },
                        (_, _) => return snapshot.told(&key),
                    }
                }
            };
            match content {
                Content::Records(records) => return Outside::Records(records),
                Content::Absent => return Outside::Absent,
                Content::Alias(target) => key.name = target,
            }
        }
        Outside::Unknown("more than eight aliases in a row".into())
    }

    /// What was published for a question before the first step, aliases not followed.
    #[must_use]
    pub fn published(&self, key: &RrKey) -> Outside {
        match self.library.draft.snapshot.zone_of(&key.name).and_then(|zone| zone.get(key)) {
            Some(rrset) => Outside::Records(rrset.shared_rdata()),
            None => Outside::Absent,
        }
    }

    /// What a resolver would have been told before the first step.
    #[must_use]
    pub fn live(&self, key: &RrKey) -> Outside {
        self.library.draft.snapshot.told(key)
    }

    /// Whether what is answered to a question never changes.
    #[must_use]
    pub fn is_constant(&self, key: &RrKey) -> bool {
        self.library.answers(key).is_none()
    }

    /// What is published for a question in this view, aliases not followed.
    #[must_use]
    pub fn answer(&self, key: &RrKey) -> Outside {
        match self.choose(key) {
            Some(Content::Records(records)) => Outside::Records(records),
            Some(Content::Alias(_) | Content::Absent) => Outside::Absent,
            None => match self.library.draft.snapshot.zone_of(&key.name) {
                Some(zone) => match zone.get(key) {
                    Some(rrset) => Outside::Records(rrset.shared_rdata()),
                    None => Outside::Absent,
                },
                None => self.library.draft.snapshot.told(key),
            },
        }
    }

    /// The answer to a question in this view, aliases not followed; `None`: it never changes.
    fn choose(&self, key: &RrKey) -> Option<Content> {
        let answers = self.library.answers(key)?;
        let mut state = self.state.borrow_mut();
        let class = match picked(&state.chosen, &answers) {
            Some(class) => class,
            None => {
                let class = match picked(&state.fixed, &answers) {
                    Some(class) => class,
                    None => {
                        let number = state.asked.len();
                        let class = state.script.get(number).copied().unwrap_or(0);
                        state.asked.push((class, answers.classes.len()));
                        class
                    }
                };
                state.chosen.push((Rc::clone(&answers), class));
                class
            }
        };
        Some(answers.classes[class].content.clone())
    }
}

/// More combinations than are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

/// The smallest choices of answers for which an evaluation finds something, with what it finds.
///
/// # Errors
/// [`TooMany`].
pub fn cases<T: Clone>(
    library: &Library<'_>,
    evaluate: &dyn Fn(&View<'_>) -> Option<T>,
) -> Result<Vec<(Choice, T)>, TooMany> {
    let mut found: Vec<(Choice, T)> = Vec::new();
    let mut seen: Vec<Picked> = Vec::new();
    let mut views = 0;
    each(
        library,
        &Picked::new(),
        &mut views,
        &mut |choice, result| {
            let Some(value) = result else { return Ok(true) };
            // Found already, whatever is chosen for the rest.
            let known = |least: &Picked| {
                least.iter().all(|(answers, class)| picked(choice, answers) == Some(*class))
            };
            if seen.iter().any(known) {
                return Ok(true);
            }
            // What is left of it lies in it, so no other view has led there yet.
            let least = least(library, choice.clone(), evaluate)?;
            let named = least.iter().map(|(answers, class)| (answers.key.clone(), *class));
            found.push((named.collect(), value));
            seen.push(least);
            Ok(true)
        },
        evaluate,
    )?;
    Ok(found)
}

/// Leaves out of a choice whatever does not matter.
fn least<T: Clone>(
    library: &Library<'_>,
    mut choice: Picked,
    evaluate: &dyn Fn(&View<'_>) -> Option<T>,
) -> Result<Picked, TooMany> {
    // In an order that does not hang on the evaluation.
    choice.sort_by(|(one, _), (other, _)| one.key.cmp(&other.key));
    for place in (0..choice.len()).rev() {
        let mut without = choice.clone();
        without.remove(place);
        let mut always = true;
        let mut views = 0;
        each(
            library,
            &without,
            &mut views,
            &mut |_, result| {
                always &= result.is_some();
                Ok(always)
            },
            evaluate,
        )?;
        if always {
            choice = without;
        }
    }
    Ok(choice)
}

/// Is shown each choice, and what the evaluation finds; says whether to go on.
type Visit<'v, T> = &'v mut dyn FnMut(&Picked, Option<T>) -> Result<bool, TooMany>;

/// Evaluates in every view that has this choice, until `visit` says no.
fn each<T>(
    library: &Library<'_>,
    fixed: &Picked,
    views: &mut usize,
    visit: Visit<'_, T>,
    evaluate: &dyn Fn(&View<'_>) -> Option<T>,
) -> Result<(), TooMany> {
    let mut script = Vec::new();
    loop {
        *views += 1;
        if *views > VIEWS_MAX {
            return Err(TooMany);
        }
        let state = State { fixed: fixed.clone(), script, ..State::default() };
        let view = View { library, state: RefCell::new(state) };
        let result = evaluate(&view);
        let state = view.state.into_inner();
        if !visit(&state.chosen, result)? {
            return Ok(());
        }
        match next_script(state.asked) {
            Some(next) => script = next,
            None => return Ok(()),
        }
    }
}

/// The next choices: the last that has one left is moved on, and what came after it begins anew.
fn next_script(mut asked: Vec<(usize, usize)>) -> Option<Vec<usize>> {
    while let Some((choice, possible)) = asked.pop() {
        if choice + 1 < possible {
            let mut script: Vec<usize> = asked.iter().map(|(choice, _)| *choice).collect();
            script.push(choice + 1);
            return Some(script);
        }
    }
    None
}
