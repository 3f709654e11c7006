//! The models of a plan: every atom, and every bad pattern that the invariants make of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use cutover_zone::RrKey;

use super::builder::PatternBuilder;
use super::draft::Draft;
use super::facts::Read;
use super::invariant;
use super::pattern::{Atom, Pattern, PatternAtom, Start};
use super::view::{Counts, Library};

/// Everything that must not come true, and the atoms that it consists of.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Every atom.
    pub atoms: Vec<Atom>,
    /// Every bad pattern.
    pub patterns: Vec<Pattern>,
}

/// How the models of a plan are made.
#[derive(Default)]
pub struct ModelOptions {
    weakening: Option<Arc<Weakening>>,
}

impl ModelOptions {
    /// Weakens every model.
    #[doc(hidden)]
    #[must_use]
    pub fn weakened(by: Arc<Weakening>) -> Self {
        Self { weakening: Some(by) }
    }
}

/// Removes something from a model. Only tests do this: the checks have to notice whatever is
/// removed.
#[doc(hidden)]
pub type Weakening = dyn Fn(&Draft<'_>, &mut Model) + Send + Sync;

/// The models of a plan: of the forward steps, and of the ways back.
///
/// All are made together, from a draft that has every step that some way back may have: a way back
/// brings no answers that the forward steps do not have, and all are asked the same questions. A
/// model for some of the steps has the atoms that begin at these steps, and the ends at these
/// steps.
pub struct Models<'m> {
    draft: &'m Draft<'m>,
    options: &'m ModelOptions,
    /// Every atom, and for which steps it counts.
    atoms: Vec<(Atom, Counts)>,
    patterns: Vec<Pattern>,
    /// The facts that patterns rely on.
    pub read: Read,
    /// More is possible on the ways back than was checked: nothing is proved about them.
    pub undecided_back: bool,
    /// The questions whose answers are taken as they are, since no step changes them.
    pub relied: BTreeSet<RrKey>,
}

impl<'m> Models<'m> {
    /// The models of a draft.
    #[must_use]
    pub fn of(draft: &'m Draft<'m>, options: &'m ModelOptions) -> Self {
        let library = Library::of(draft);
        let mut builder = PatternBuilder::of(&library);
        if draft.forward > 0 {
            for rule in invariant::ALL {
                (rule.patterns)(&mut builder);
            }
        }
        let (patterns, read) = builder.finish();
        let undecided_back = library.undecided_back.get();
        let relied = library.relied();
        Self { draft, options, atoms: library.into_atoms(), patterns, read, undecided_back, relied }
    }

    /// The model of the forward steps.
    #[must_use]
    pub fn forward(&self) -> Model {
        self.on(&|step| step < self.draft.forward)
    }

    /// The model of some of the steps.
    #[must_use]
    pub fn on(&self, has: &dyn Fn(usize) -> bool) -> Model {
        let mut atoms: Vec<Atom> = Vec::new();
        // The place of each atom that counts.
        let places: Vec<Option<usize>> = self
            .atoms
            .iter()
            .map(|(atom, counts)| {
                let begins = match atom.start {
                    Start::Always => true,
                    Start::Begin(step) => has(step),
                };
                let counts = match counts {
                    Counts::Always => true,
                    Counts::With(step) => has(*step),
                    Counts::Without(step) => !has(*step),
                };
                (begins && counts).then(|| {
                    let ends = atom.ends.iter().copied().filter(|end| has(end.step)).collect();
                    atoms.push(Atom { what: atom.what.clone(), start: atom.start, ends });
                    atoms.len() - 1
                })
            })
            .collect();
        let patterns = self.patterns.iter().filter_map(|pattern| {
            let atoms = pattern.atoms.iter();
            let atoms = atoms.map(|held| Some(PatternAtom { atom: places[held.atom]?, ..*held }));
            Some(Pattern {
                invariant: pattern.invariant,
                atoms: atoms.collect::<Option<_>>()?,
                harm: pattern.harm.clone(),
                undecided: pattern.undecided,
            })
        });
        let mut model = Model { patterns: patterns.collect(), atoms };
        if let Some(weaken) = &self.options.weakening {
            weaken(self.draft, &mut model);
        }
        model
    }
}

/// The model of a draft, with all its steps.
#[must_use]
pub fn model(draft: &Draft<'_>, options: &ModelOptions) -> Model {
    Models::of(draft, options).on(&|_| true)
}
