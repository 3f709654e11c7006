//! The safety model: which states a run can pass through, and whether harm can be done in one.
//!
//! Each step is two events, `begin` and `end`; if one step comes after another, the other's `end`
//! precedes its `begin`. A *state* is a set of events that holds, with each event, all that precede
//! it. Every execution passes through such sets only, and each of them is reached by some.
//!
//! An *interval* is a start and a set of ends: it holds in a state that contains its start and none
//! of its ends. That a version of an RRset may be in a cache is an interval; so is that mail of a
//! sender may be in flight.
//!
//! **Theorem.** Intervals hold together in some reachable state if and only if no end of any of them
//! is equal to or precedes the start of any of them.
//!
//! *Why:* let D be all the starts and all that precedes them. Every state that contains the starts
//! contains D. D contains an end only if that end is, or precedes, a start. So if any state works, D
//! works; and D, run in the order of the graph, is the counterexample.
//!
//! So "can these be true together?" is a look-up in one transitive closure: no enumeration of
//! orders, no solver. The tests enumerate all states of small graphs, and all executions in time,
//! and compare.
//!
//! Invariants ([`invariant::ALL`]) are evaluations over views: one version of every RRset that is
//! visited, in every combination that can be served together. What no invariant here says is not
//! checked, and the verdict names what is missing.

mod interval;
pub mod invariant;
mod order;
mod story;
mod view;

use std::collections::BTreeMap;

use cutover_contract::{Name, RrKey, RrSet, RrType};

use crate::graph::{Primitive, StepGraph, StepId};
use crate::intent::{DomainMove, Intent};
use crate::model::end::in_the_end;
use crate::model::hold::hold_of_replaced;
use crate::observe::Snapshot;

use invariant::Invariant;

pub use interval::{Interval, Start, expiry, least_state, together};
pub use order::{Event, Order};
pub use view::{Judgement, View};

/// One version of an RRset, or of its absence.
#[derive(Clone, Debug)]
pub struct Version {
    /// What is served.
    pub rrset: Option<RrSet>,
    /// When it can be.
    pub interval: Interval,
    /// The place of the step that publishes it; `None`: it is there before the first.
    pub published_by: Option<usize>,
}

/// Everything that a proof works with.
pub struct Proof<'p> {
    /// What is wanted.
    pub intent: &'p Intent,
    /// What was seen.
    pub snapshot: &'p Snapshot,
    /// The steps.
    pub graph: &'p StepGraph,
    /// The zones when all is done.
    end: Snapshot,
    order: Order,
    timelines: BTreeMap<RrKey, Vec<Version>>,
}

/// A mail domain.
struct Domain<'p> {
    name: &'p Name,
    /// How it moves, if it does.
    moves: Option<&'p DomainMove>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings {
    /// The invariants that hold in every order, at every delay, and for every cached answer.
    pub holding: Vec<&'static str>,
    /// Those that are broken before the first step, and not more than that later.
    pub present: Vec<Counterexample>,
    /// The first counterexample of each other invariant that does not.
    pub refuted: Vec<Counterexample>,
}

/// A counterexample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counterexample {
    /// The invariant.
    pub invariant: &'static str,
    /// What happens, line by line.
    pub story: Vec<String>,
}

impl<'p> Proof<'p> {
    /// Works out which versions there are, and when each can be served.
    #[must_use]
    pub fn new(intent: &'p Intent, snapshot: &'p Snapshot, graph: &'p StepGraph) -> Self {
        let order = Order::of(graph);
        let mut timelines: BTreeMap<RrKey, Vec<Version>> = BTreeMap::new();
        for (place, step) in graph.steps().iter().enumerate() {
            let Primitive::Change(changes) = &step.primitive else { continue };
            let zone = &snapshot.zones[changes.zone()];
            for change in changes.changes() {
                let versions = timelines.entry(change.key.clone()).or_insert_with(|| {
                    let interval = Interval { start: Start::Always, ends: Vec::new() };
                    vec![Version { rrset: change.before.clone(), interval, published_by: None }]
                });
                // Changes of one RRset come one after the other, so this one replaces the last.
                if let Some(last) = versions.last_mut() {
                    let lives = hold_of_replaced(change, zone) + intent.terms.clocks.margin;
                    last.interval.ends = expiry(graph, place, lives);
                }
                let start = Start::At(Event::Begin(place));
                versions.push(Version {
                    rrset: change.after.clone(),
                    interval: Interval { start, ends: Vec::new() },
                    published_by: Some(place),
                });
            }
        }
        Self { intent, snapshot, graph, end: in_the_end(intent, snapshot), order, timelines }
    }

    /// Checks every invariant.
    #[must_use]
    pub fn findings(&self) -> Findings {
        let mut findings =
            Findings { holding: Vec::new(), present: Vec::new(), refuted: Vec::new() };
        for Invariant { name: invariant, check } in invariant::ALL {
            match check(self) {
                Judgement::Holds => findings.holding.push(invariant),
                Judgement::Present(story) => {
                    findings.present.push(Counterexample { invariant, story });
                }
                Judgement::Refuted(story) => {
                    findings.refuted.push(Counterexample { invariant, story });
                }
            }
        }
        findings
    }

    /// The mail domains that a change of these zones can harm: those that move, and every zone that
    /// has MX records of its own.
    fn domains(&self) -> Vec<Domain<'_>> {
        let moving = self.intent.moves.iter();
        let mut domains: Vec<Domain<'_>> =
            moving.map(|one| Domain { name: &one.domain.value, moves: Some(one) }).collect();
        for (name, zone) in &self.snapshot.zones {
            let takes_mail = zone.get(&RrKey::new(name.clone(), RrType::MX)).is_some();
            if takes_mail && !domains.iter().any(|domain| domain.name == name) {
                domains.push(Domain { name, moves: None });
            }
        }
        domains
    }

    fn place(&self, id: &str) -> Option<usize> {
        self.graph.place(&StepId::new(id))
    }
}
