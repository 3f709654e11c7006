//! The safety model: which states a run can pass through, and whether harm can be done in one.
//!
//! Each step is two events, `begin` and `end`; if one step comes after another, the other's `end`
//! precedes its `begin`. A *state* is a set of events that holds, with each event, all that precede
//! it. Every execution passes through such sets only, and each of them is reached by some.
//!
//! An *atom* ([`pattern::Atom`]) is an interval, a start and a set of ends: it holds in a state that
//! contains its start and none of its ends. That a version of an answer may be in a cache is one; so
//! is that a fact may have a value, or that mail of a sender may be in flight. A *bad pattern* is a
//! set of atoms that must not hold together; invariants ([`invariant::ALL`]) make them.
//!
//! **Theorem.** Atoms hold together in some reachable state if and only if no end of any of them is
//! equal to or precedes the start of any of them.
//!
//! *Why:* let D be all the starts and all that precedes them. Every state that contains the starts
//! contains D. D contains an end only if that end is, or precedes, a start. So if any state works, D
//! works; and D, run in the order of the graph, is the counterexample.
//!
//! So "can these be true together?" is a look-up in one closure ([`crate::graph::paths::Paths`]): no enumeration
//! of orders, no solver. The same look-up says what would keep a pattern from coming true, so the
//! order of a plan is *derived* from the patterns (`compile`), and then proved by them again.
//!
//! Where this differs from the design's text: answers, not RRsets, are what is cached
//! ([`answers`]); SPF and DKIM each have to hold where a sender declares them
//! ([`invariant`], `authenticated`); and an end that several paths could bring about counts when one
//! path alone waits long enough, as the design says, but only paths of this plan count: that an
//! earlier run waited is not known here.

pub mod answers;
pub mod back;
pub mod draft;
pub mod facts;
pub mod invariant;
pub mod known;
pub mod model;
pub mod parties;
pub mod pattern;
pub mod spf_view;
mod states;
mod story;
pub mod view;

use std::collections::{BTreeMap, BTreeSet};

use crate::fact::{Fact, Subject};
use crate::graph::{Primitive, StepGraph};

use crate::graph::paths::Paths;
use draft::Draft;
use model::Model;
use pattern::Pattern;

pub use story::{Told, says, tell};

/// What came of a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings {
    /// The invariants that hold in every order, at every delay, and for every cached answer.
    pub holding: Vec<&'static str>,
    /// What is broken before the first step.
    pub present: Vec<Defect>,
    /// What is so before the first step, and would be harm if nobody meant it to be: one sentence each.
    pub steady: Vec<String>,
    /// The first counterexample of each harm, by invariant.
    pub refuted: Vec<Counterexample>,
    /// What nobody states, and would have to be so; each with the invariants that rely on it.
    pub unstated: BTreeMap<(Fact, Subject), BTreeSet<&'static str>>,
    /// How many patterns were looked at.
    pub patterns: usize,
    /// How many atoms they consist of.
    pub atoms: usize,
}

/// Something that is broken before the first step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defect {
    /// The invariant.
    pub invariant: &'static str,
    /// What exactly is broken.
    pub id: String,
    /// What happens.
    pub what: String,
    /// What would help.
    pub fix: String,
}

/// A counterexample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counterexample {
    /// The invariant.
    pub invariant: &'static str,
    /// The pattern's place in the model.
    pub pattern: usize,
    /// What happens, line by line.
    pub story: Vec<String>,
}

/// The steps of a graph as nodes of a draft see them: waits are edges.
#[derive(Debug)]
pub struct Placed {
    /// The paths between the graph's steps.
    pub paths: Paths,
    /// The place in the graph of each node of the draft.
    pub places: Vec<usize>,
}

/// The paths between the steps of a graph: waits pass on the edges behind them.
///
/// # Panics
/// Never: a graph has no circle.
#[must_use]
pub fn paths_of(graph: &StepGraph) -> Paths {
    let span = |place: usize| match &graph.steps()[place].primitive {
        Primitive::Wait(wait) => wait.span.as_secs(),
        Primitive::Change(_)
        | Primitive::Gate(_)
        | Primitive::Task(_)
        | Primitive::Checkpoint(_) => 0,
    };
    let befores = graph.steps().iter().map(|step| {
        let places = step.after.keys().filter_map(|id| graph.place(id));
        places.map(|place| (place, span(place))).collect()
    });
    Paths::of(befores.collect()).expect("a graph has no circle")
}

impl Placed {
    /// Where the nodes of a draft stand in a graph.
    ///
    /// # Panics
    /// Where the graph lacks a step of the draft: it was not made from it.
    #[must_use]
    pub fn of(draft: &Draft<'_>, graph: &StepGraph) -> Self {
        let paths = paths_of(graph);
        let places = draft
            .nodes
            .iter()
            .map(|node| graph.place(&node.id).expect("every step of the draft is in the graph"));
        Self { places: places.collect(), paths }
    }

    /// Whether a pattern can come true.
    #[must_use]
    pub fn can_come_true(&self, pattern: &Pattern, model: &Model) -> bool {
        !pattern.separations(&model.atoms).any(|one| {
            let waited = self.paths.between(self.places[one.from], self.places[one.to]);
            waited.is_some_and(|waited| waited >= one.hold.as_secs())
        })
    }
}

/// Whether any pattern can come true that was not true before the first step.
#[must_use]
pub fn is_refuted(placed: &Placed, model: &Model) -> bool {
    let present = present(model);
    model.patterns.iter().any(|pattern| {
        !present.contains_key(&*pattern.harm.id) && placed.can_come_true(pattern, model)
    })
}

/// The harm that is done before the first step, by its id. The same harm in a later state is no other
/// one; any other address, sender, selector or family is.
#[must_use]
pub fn present(model: &Model) -> BTreeMap<&str, &Pattern> {
    let there = model.patterns.iter().filter(|pattern| pattern.is_present(&model.atoms));
    there.map(|pattern| (&*pattern.harm.id, pattern)).collect()
}

/// Checks every pattern against a graph.
#[must_use]
pub fn findings(draft: &Draft<'_>, model: &Model, graph: &StepGraph) -> Findings {
    let placed = Placed::of(draft, graph);
    let present = present(model);
    let mut refuted: BTreeMap<&'static str, Vec<Counterexample>> = BTreeMap::new();
    let mut told: BTreeSet<&str> = BTreeSet::new();
    let mut always: BTreeSet<&str> = BTreeSet::new();
    let mut unstated: BTreeMap<(Fact, Subject), BTreeSet<&'static str>> = BTreeMap::new();
    let mut untold: BTreeSet<(&'static str, Fact, &Subject)> = BTreeSet::new();
    for (number, pattern) in model.patterns.iter().enumerate() {
        let harm = &*pattern.harm.id;
        // What is so whatever is cached is told once, however far mail comes.
        let whole = harm.rsplit_once('/').map_or(harm, |(whole, _)| whole);
        let is_told = [harm, whole].into_iter().any(|one| always.contains(one));
        if present.contains_key(harm) || told.contains(harm) || is_told {
            continue;
        }
        if placed.can_come_true(pattern, model) {
            told.insert(harm);
            // One story is enough for a fact that nobody states, however many domains it is told of.
            let facts: Vec<(Fact, &Subject)> = pattern.unknown(&model.atoms).collect();
            let is_known = !facts.is_empty()
                && facts.iter().all(|(fact, of)| untold.contains(&(pattern.invariant, *fact, *of)));
            untold.extend(facts.iter().map(|(fact, of)| (pattern.invariant, *fact, *of)));
            for (fact, of) in facts {
                unstated.entry((fact, of.clone())).or_default().insert(pattern.invariant);
            }
            if is_known {
                continue;
            }
            always.extend(harm.strip_suffix(invariant::ALWAYS));
            let story = tell(&Told { draft, model, graph, placed: &placed }, pattern);
            let one = Counterexample { invariant: pattern.invariant, pattern: number, story };
            refuted.entry(pattern.invariant).or_default().push(one);
        }
    }
    let (steady, defects): (Vec<&Pattern>, Vec<&Pattern>) =
        present.into_values().partition(|pattern| pattern.harm.steady.is_some());
    let defects: Vec<Defect> = defects
        .into_iter()
        .map(|pattern| Defect {
            invariant: pattern.invariant,
            id: pattern.harm.id.to_string(),
            what: pattern.harm.what.to_string(),
            fix: pattern.harm.fix.to_string(),
        })
        .collect();
    let steady = steady.into_iter().filter_map(|pattern| pattern.harm.steady.as_deref());
    let steady: BTreeSet<String> = steady.map(str::to_owned).collect();
    let broken = |name: &str| {
        refuted.contains_key(name) || defects.iter().any(|defect| defect.invariant == name)
    };
    let names = invariant::ALL.iter().map(|invariant| invariant.name);
    Findings {
        holding: names.clone().filter(|name| !broken(name)).collect(),
        steady: steady.into_iter().collect(),
        refuted: names.filter_map(|name| refuted.remove(name)).flatten().collect(),
        present: defects,
        unstated,
        patterns: model.patterns.len(),
        atoms: model.atoms.len(),
    }
}
