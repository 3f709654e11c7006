//! The safety model: which states a run can pass through, and whether any of them allows harm.
//!
//! Each step is two events, `begin` and `end`. If a step comes after another, the other's `end`
//! precedes its `begin`. A *state* is a set of events that contains, with each event, all events
//! that precede it. Every execution passes only through such states, and some execution reaches
//! each of them.
//!
//! An *atom* ([`pattern::Atom`]) is an interval: it has a start and a set of ends, and holds in a
//! state that contains its start and none of its ends. For example: a version of an answer may be
//! cached, a fact may have a value, or mail of a sender may be in flight. A *bad pattern* is a set
//! of atoms that must not hold together; the invariants ([`invariant::ALL`]) make them.
//!
//! **Theorem.** Atoms hold together in some reachable state if and only if no end of any of them
//! equals or precedes the start of any of them.
//!
//! *Why:* let D be all the starts and everything that precedes them. Every state that contains the
//! starts contains D. D contains an end only if that end is, or precedes, a start. So if any state
//! works, D works; and D, run in the order of the graph, is the counterexample.
//!
//! So "can these be true together?" is a look-up in one transitive closure
//! ([`cutover_steps::graph::paths::Paths`]): there is no enumeration of orders, and no solver. The same
//! look-up says what would prevent a pattern, so the order of a plan is *derived* from the patterns
//! (`compile`), and then proved against them.
//!
//! Where this differs from the design's text: what is cached is answers, not RRsets ([`answers`]);
//! SPF and DKIM each have to hold where a sender declares them ([`invariant`], `authenticated`).
//! And as in the design, if several paths lead to an end, it counts when one of them alone waits
//! long enough; but only paths of this plan count, since waits of earlier runs are not known here.

pub mod answers;
pub mod back;
pub mod builder;
pub mod draft;
pub mod facts;
pub mod invariant;
pub mod model;
mod nobody;
pub mod parties;
pub mod pattern;
pub mod spf_view;
mod states;
mod story;
pub mod view;

use std::collections::{BTreeMap, BTreeSet};

use cutover_steps::fact::{Fact, Subject};
use cutover_steps::graph::StepGraph;

use cutover_steps::graph::paths::Paths;
use draft::Draft;
use model::Model;
use pattern::Pattern;

pub use story::{StoryContext, says, story};

/// The result of a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings {
    /// The invariants that hold in every order, at every delay, and for every cached answer.
    pub holding: Vec<&'static str>,
    /// What is broken before the first step.
    pub present: Vec<Defect>,
    /// What is true before the first step and would be harm if it were not intended: one sentence
    /// each.
    pub steady: Vec<String>,
    /// The first counterexample of each harm, by invariant.
    pub refuted: Vec<Counterexample>,
    /// The facts that would have to be true and are not stated, each with the invariants that rely
    /// on it.
    pub unstated: BTreeMap<(Fact, Subject), BTreeSet<&'static str>>,
    /// How many patterns were checked.
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

/// The steps of a graph, by the nodes of a draft. Waits are edges between nodes.
#[derive(Debug)]
pub struct Placed {
    /// The paths between the graph's steps.
    pub paths: Paths,
    /// The place in the graph of each node of the draft.
    pub places: Vec<usize>,
}

impl Placed {
    /// Where the nodes of a draft are in a graph.
    ///
    /// # Panics
    /// If the graph lacks a step of the draft: it was not made from it.
    #[must_use]
    pub fn of(draft: &Draft<'_>, graph: &StepGraph) -> Self {
        let paths = graph.paths();
        let places = draft
            .nodes
            .iter()
            .map(|node| graph.place(&node.id).expect("every step of the draft is in the graph"));
        Self { places: places.collect(), paths }
    }

    /// Whether a pattern can come true.
    #[must_use]
    pub fn can_come_true(&self, pattern: &Pattern, model: &Model) -> bool {
        !pattern.separations(&model.atoms).any(|separation| {
            let waited =
                self.paths.between(self.places[separation.from], self.places[separation.to]);
            waited.is_some_and(|waited| waited >= separation.hold.as_secs())
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

/// The harm that is done before the first step, by its id. The same harm in a later state is not
/// new. Harm with another address, sender, selector or family is.
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
    let mut reported: BTreeSet<&str> = BTreeSet::new();
    let mut always: BTreeSet<&str> = BTreeSet::new();
    let mut unstated: BTreeMap<(Fact, Subject), BTreeSet<&'static str>> = BTreeMap::new();
    let mut unstated_before: BTreeSet<(&'static str, Fact, &Subject)> = BTreeSet::new();
    for (number, pattern) in model.patterns.iter().enumerate() {
        let harm = &*pattern.harm.id;
        // Harm that does not depend on caches is reported once, however far mail gets.
        let whole = harm.rsplit_once('/').map_or(harm, |(whole, _)| whole);
        let is_reported = [harm, whole].into_iter().any(|id| always.contains(id));
        if present.contains_key(harm) || reported.contains(harm) || is_reported {
            continue;
        }
        if placed.can_come_true(pattern, model) {
            reported.insert(harm);
            // One story is enough for a missing fact, however many domains need it.
            let facts: Vec<(Fact, &Subject)> = pattern.unknown(&model.atoms).collect();
            let is_known = !facts.is_empty()
                && facts
                    .iter()
                    .all(|(fact, of)| unstated_before.contains(&(pattern.invariant, *fact, *of)));
            unstated_before.extend(facts.iter().map(|(fact, of)| (pattern.invariant, *fact, *of)));
            for (fact, of) in facts {
                unstated.entry((fact, of.clone())).or_default().insert(pattern.invariant);
            }
            if is_known {
                continue;
            }
            always.extend(harm.strip_suffix(invariant::ALWAYS));
            let context = StoryContext { draft, model, graph, placed: &placed };
            let story = story(&context, pattern);
            let invariant = pattern.invariant;
            let example = Counterexample { invariant, pattern: number, story };
            refuted.entry(invariant).or_default().push(example);
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
    let names = invariant::ALL.iter().map(|rule| rule.invariant);
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
