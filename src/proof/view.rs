//! Views: one served version of every answer that an evaluation visits.
//!
//! Answers expire independently, so an evaluation that visits several may meet any combination of
//! their versions. Invariants are written as plain evaluations over a [`View`]: whenever one asks a
//! question that has several answers, the view chooses one. [`cases`] runs the evaluation until
//! every choice has been made, and gives the smallest sets of answers that lead to what is looked
//! for, whatever the answers to all other questions. When those can be served together is not asked
//! here: patterns say what must not be, and the order sees to it that it cannot.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use cutover_contract::{Name, RrKey};

use super::answers::{Answers, Content, next_script};
use super::draft::Draft;
use super::parties::Parties;
use super::pattern::Atom;
use super::states::Row;
use crate::observe::{ALIASES_MAX, MANY_ALIASES, Outside};
use crate::resolution::reply;

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
    rows: Vec<OnceCell<Row>>,
}

impl<'d> Library<'d> {
    /// Nothing has been asked yet.
    #[must_use]
    pub fn of(draft: &'d Draft<'d>) -> Self {
        let rows = draft.tracks.iter().map(|_| OnceCell::new()).collect();
        Self { draft, atoms: RefCell::default(), answers: RefCell::default(), rows }
    }

    /// The states of a track.
    pub(super) fn row(&self, track: usize) -> &Row {
        self.rows[track].get_or_init(|| Row::of(self.draft, track))
    }

    /// The answers to a question; `None`: it never changes.
    #[must_use]
    pub fn answers(&self, key: &RrKey) -> Option<Rc<Answers>> {
        if let Some(known) = self.answers.borrow().get(key) {
            return known.clone();
        }
        let found = Answers::of(self, key, &mut self.atoms.borrow_mut()).map(Rc::new);
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
    /// An answer was met of which not every version is known.
    undecided: bool,
}

impl View<'_> {
    /// What a resolver is told in this view: aliases followed, wildcards applied.
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

    /// The name outside of the plan's zones that a question leads to in this view.
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

    /// What is answered in this view, aliases not followed; `None` outside of the plan's zones.
    fn content(&self, key: &RrKey) -> Option<Content> {
        self.choose(key).or_else(|| {
            let zone = self.library.draft.snapshot.zone_of(&key.name)?;
            Some(Content::of(&reply(&&zone.zone, key)))
        })
    }

    fn outside(&self, key: &RrKey) -> Outside {
        let known = self.library.draft.snapshot.outside.get(key).cloned();
        known.unwrap_or_else(|| Outside::Unknown("nobody was asked".into()))
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

    /// Whose servers take mail.
    #[must_use]
    pub fn parties(&self) -> &Parties {
        &self.library.draft.parties
    }

    /// Whether what is answered to a question never changes.
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

    /// The answer to a question in this view, aliases not followed; `None`: it never changes.
    fn choose(&self, key: &RrKey) -> Option<Content> {
        let answers = self.library.answers(key)?;
        let mut state = self.state.borrow_mut();
        state.undecided |= answers.undecided;
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

/// Looks at every view that an evaluation tells apart.
///
/// # Errors
/// [`TooMany`].
pub fn visit(library: &Library<'_>, look: &dyn Fn(&View<'_>)) -> Result<(), TooMany> {
    let mut views = 0;
    let look = |view: &View<'_>| {
        look(view);
        None::<()>
    };
    each(library, &Picked::new(), &mut views, &mut |_, _| Ok(true), &look)
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
        if state.undecided {
            return Err(TooMany);
        }
        if !visit(&state.chosen, result)? {
            return Ok(());
        }
        match next_script(state.asked) {
            Some(next) => script = next,
            None => return Ok(()),
        }
    }
}
