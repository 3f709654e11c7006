//! Derives an order: adds one edge or wait for each bad pattern that could come true without it,
//! and nothing else.
//!
//! A [`Constraint`] says that one step comes after another, and how much waiting lies in between.
//! The plan's own constraints come first: changes of one RRset follow each other, the plan's keys
//! place steps, and the points of the move have an order. Then each pattern that can still come
//! true is prevented by one more constraint. Candidates must not close a cycle or move a step that
//! the plan itself places. Among the rest, the best one holds back the step that can wait most
//! easily, and waits least.
//!
//! In the end each constraint that came from a pattern is removed on trial, and shortened as far as
//! possible: what is left is *irredundant*.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use foldhash::HashMap;
use petgraph::unionfind::UnionFind;

use super::order::{Edge, Order};
use crate::proof::pattern::{MinGap, Pattern, PatternAtom, Separation};
use cutover_steps::graph::paths::{Cycle, Paths};
use cutover_steps::graph::{Cause, Origin};

/// One step comes after another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Constraint {
    /// The step that comes first.
    pub(super) from: usize,
    /// The step that comes after it.
    pub(super) to: usize,
    /// How much waiting lies between the end of `from` and the begin of `to`.
    pub(super) wait: Duration,
    /// Why the step comes after.
    pub(super) cause: Cause,
    /// Why the wait lasts so long, if there is a wait.
    pub(super) because: String,
    /// The last part of the wait's id, if it has a name of its own.
    pub(super) name: Option<&'static str>,
}

/// What may be done to the steps whose order is derived.
pub(super) trait Rules {
    /// The step that a separation has to hold back.
    fn target(&self, separation: &Separation) -> Target;
    /// What prevents a pattern; `None`: it cannot come true in any order.
    fn prevention(&self, pattern: &Pattern, among: &[usize]) -> Option<Prevention>;
    /// Why a wait lasts as long as a separation demands, for people.
    fn reason(&self, pattern: &Pattern, separation: &Separation) -> String;
    /// How reluctantly a step is held back if another step of the pattern could be held back
    /// instead: a copy can wait better than a change, and a change better than people. A change of
    /// a TTL alone ends nothing but that TTL, since the data stay the same.
    fn reluctance(&self, separation: &Separation) -> u8;
    /// Whether a pattern relies on a fact that nobody states.
    fn relies_on_unknown(&self, pattern: &Pattern) -> bool;
    /// The steps that a pattern is about.
    fn touches(&self, pattern: &Pattern) -> Vec<usize>;
}

/// What prevents a pattern.
pub(super) struct Prevention {
    /// The gaps between steps, of which one is enough.
    pub(super) min_gaps: Vec<MinGap>,
    /// The places of the steps that are left out in a state where the pattern is true.
    pub(super) left_out: Vec<usize>,
    /// The separations to choose from.
    pub(super) separations: Vec<Separation>,
}

/// The step that an edge leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Target {
    /// The point at which steps begin together, so that they are held back together. Not used if
    /// the edge begins at that point or after it.
    pub(super) together: Option<usize>,
    /// Otherwise this step; `None`: the plan itself places the step, so it does not move.
    pub(super) alone: Option<usize>,
}

impl Target {
    /// This step, whatever comes before it.
    pub(super) fn alone(step: Option<usize>) -> Self {
        Self { together: None, alone: step }
    }

    /// The same, as places within a part that has all of these steps.
    fn in_part(self, nodes: &[usize]) -> Self {
        let place = |step| place_of(nodes, step);
        Self { together: self.together.and_then(place), alone: self.alone.and_then(place) }
    }
}

/// The place of a step within a part, whose steps are sorted by number.
fn place_of(nodes: &[usize], step: usize) -> Option<usize> {
    nodes.binary_search(&step).ok()
}

/// The result of a derivation.
pub(super) struct Derived {
    /// All constraints.
    pub(super) constraints: Vec<Constraint>,
    /// The patterns that no constraint prevents.
    pub(super) not_prevented: Vec<usize>,
}

/// The paths between this many steps under these constraints.
///
/// # Errors
/// [`Cycle`], if the constraints make one.
pub(super) fn paths(steps: usize, constraints: &[Constraint]) -> Result<Paths, Cycle> {
    let mut predecessors: Vec<Vec<(usize, u64)>> = vec![Vec::new(); steps];
    for constraint in constraints {
        predecessors[constraint.to].push((constraint.from, constraint.wait.as_secs()));
    }
    Paths::of(predecessors)
}

/// Derives the missing constraints, group by group.
///
/// Domains have only the *shared* steps in common: the points of the move, and stated facts. Those
/// are ordered first. Then each group of connected steps is ordered by itself, so that the work
/// grows with the number of domains and not with its square.
pub(super) fn derive(
    steps: usize,
    given: Vec<Constraint>,
    patterns: &[(usize, &Pattern)],
    shared: &BTreeSet<usize>,
    rules: &dyn Rules,
) -> Derived {
    let touched: Vec<Vec<usize>> =
        patterns.iter().map(|(_, pattern)| rules.touches(pattern)).collect();
    let mut groups = UnionFind::new(steps);
    let mut join = |nodes: &[usize]| {
        let mut own = nodes.iter().filter(|node| !shared.contains(node));
        if let Some(first) = own.next() {
            for other in own {
                groups.union(*first, *other);
            }
        }
    };
    given.iter().for_each(|constraint| join(&[constraint.from, constraint.to]));
    touched.iter().for_each(|nodes| join(nodes));
    let mut group_of = |nodes: &[usize]| {
        nodes.iter().find(|node| !shared.contains(node)).map(|node| groups.find_mut(*node))
    };
    let mut by_group: BTreeMap<Option<usize>, Part<'_>> = BTreeMap::new();
    for constraint in given {
        let group = group_of(&[constraint.from, constraint.to]);
        by_group.entry(group).or_default().given.push(constraint);
    }
    for (pattern, nodes) in patterns.iter().zip(touched) {
        let part = by_group.entry(group_of(&nodes)).or_default();
        part.patterns.push(*pattern);
        part.nodes.extend(nodes);
    }
    let mut own = by_group.remove(&None).unwrap_or_default();
    own.nodes.extend(shared);
    let mut not_prevented = Vec::new();
    if by_group.len() <= 1 {
        // There is one group: derive everything at once.
        if let Some((_, Part { nodes, given, patterns })) = by_group.pop_first() {
            own.nodes.extend(nodes);
            own.given.extend(given);
            own.patterns.extend(patterns);
        }
        let constraints = own.derive(&[], rules, &mut HashMap::default(), &mut not_prevented);
        return Derived { constraints, not_prevented };
    }
    let mut solved = HashMap::default();
    let first = own.derive(&[], rules, &mut solved, &mut not_prevented);
    let mut constraints = Vec::new();
    for (_, mut part) in by_group {
        part.nodes.extend(shared);
        constraints.extend(part.derive(&first, rules, &mut solved, &mut not_prevented));
    }
    Derived { constraints: first.into_iter().chain(constraints).collect(), not_prevented }
}

/// Steps that constraints or patterns connect.
#[derive(Default)]
struct Part<'p> {
    /// In any order; a step may be there more than once.
    nodes: Vec<usize>,
    given: Vec<Constraint>,
    patterns: Vec<(usize, &'p Pattern)>,
}

impl<'p> Part<'p> {
    /// The constraints of this part, beginning with the given ones. Those in `before` already hold.
    fn derive(
        mut self,
        before: &[Constraint],
        rules: &dyn Rules,
        solved: &mut HashMap<OrderProblem, OrderSolution>,
        not_prevented: &mut Vec<usize>,
    ) -> Vec<Constraint> {
        self.nodes.extend(
            self.given.iter().chain(before).flat_map(|constraint| [constraint.from, constraint.to]),
        );
        self.nodes.sort_unstable();
        self.nodes.dedup();
        let nodes = std::mem::take(&mut self.nodes);
        let (patterns, problem) = self.problem(&nodes, before, rules);
        let solution = solved.entry(problem).or_insert_with_key(OrderProblem::solve);
        let lost = solution.not_prevented.iter();
        not_prevented.extend(lost.map(|place| patterns[*place].number));
        let added = solution.added.iter().map(|added| {
            let Posed { pattern, separations, .. } = &patterns[added.pattern];
            let (from, to, wait) = (nodes[added.from], nodes[added.to], added.wait);
            let harm = format!("otherwise {}", pattern.harm.what);
            let cause = Cause::new(Origin::Pattern, pattern.invariant, harm);
            let because = match wait.is_zero() {
                true => String::new(),
                false => rules.reason(pattern, &separations[added.separation]),
            };
            Constraint { from, to, wait, cause, because, name: None }
        });
        self.given.into_iter().chain(added).collect()
    }

    /// The patterns of this part that can come true, and the problem that they pose.
    fn problem(
        &self,
        nodes: &[usize],
        before: &[Constraint],
        rules: &dyn Rules,
    ) -> (Vec<Posed<'p>>, OrderProblem) {
        let place = |step| place_of(nodes, step);
        let standing = before.iter().chain(&self.given).map(|constraint| {
            let places = place(constraint.from).zip(place(constraint.to));
            let (from, to) = places.expect("a part has the steps of its constraints");
            (from, to, constraint.wait.as_secs())
        });
        let standing = standing.collect();
        let count = self.patterns.len();
        let mut atoms: HashMap<usize, usize> = HashMap::default();
        atoms.reserve(2 * count);
        let (mut patterns, mut requirements) =
            (Vec::with_capacity(count), Vec::with_capacity(count));
        for (number, pattern) in self.patterns.iter().copied() {
            let Some(prevention) = rules.prevention(pattern, nodes) else { continue };
            let Prevention { min_gaps, left_out, separations } = prevention;
            let min_gaps = min_gaps.into_iter().filter_map(|gap| {
                Some(MinGap { from: place(gap.from)?, to: place(gap.to)?, secs: gap.secs })
            });
            let candidates = separations.iter().enumerate().filter_map(|(number, separation)| {
                let from = place(separation.from)?;
                let target = rules.target(separation).in_part(nodes);
                let (hold, reluctance) = (separation.hold, rules.reluctance(separation));
                Some((
                    reluctance,
                    hold,
                    separation.to,
                    Candidate { separation: number, from, target, hold },
                ))
            });
            let mut candidates: Vec<_> = candidates.collect();
            candidates.sort_by_key(|(reluctance, hold, to, candidate)| {
                (*reluctance, *hold, candidate.from, *to)
            });
            let atoms = pattern.atoms.iter().map(|held| {
                let next = atoms.len();
                PatternAtom { atom: *atoms.entry(held.atom).or_insert(next), ..*held }
            });
            requirements.push(Requirement {
                min_gaps: min_gaps.collect(),
                left_out,
                candidates: candidates.into_iter().map(|(.., candidate)| candidate).collect(),
                atoms: atoms.collect(),
                relies_on_unknown: rules.relies_on_unknown(pattern),
            });
            patterns.push(Posed { number, pattern, separations });
        }
        (patterns, OrderProblem { steps: nodes.len(), standing, requirements })
    }
}

/// A pattern that an order has to prevent.
struct Posed<'p> {
    number: usize,
    pattern: &'p Pattern,
    separations: Vec<Separation>,
}

/// All that the order of a part depends on, with places instead of steps: many domains pose the
/// same problem, which is then solved once.
#[derive(PartialEq, Eq, Hash)]
struct OrderProblem {
    steps: usize,
    /// The edges that already hold.
    standing: Vec<Edge>,
    requirements: Vec<Requirement>,
}

/// A pattern of a part that has to be prevented.
#[derive(PartialEq, Eq, Hash)]
struct Requirement {
    min_gaps: Vec<MinGap>,
    left_out: Vec<usize>,
    /// The separations to choose from, the best first.
    candidates: Vec<Candidate>,
    /// Its atoms, numbered within the part.
    atoms: Vec<PatternAtom>,
    relies_on_unknown: bool,
}

/// A separation that may prevent a pattern.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Candidate {
    /// Its place among the pattern's separations.
    separation: usize,
    from: usize,
    target: Target,
    hold: Duration,
}

/// The constraints that solve a problem.
struct OrderSolution {
    added: Vec<Added>,
    /// The places of the patterns that no constraint prevents.
    not_prevented: Vec<usize>,
}

/// A constraint that was added for a pattern.
#[derive(Clone, Copy)]
struct Added {
    /// The place of the pattern among the requirements.
    pattern: usize,
    /// The place of the chosen separation among the pattern's separations.
    separation: usize,
    from: usize,
    to: usize,
    wait: Duration,
}

impl Added {
    fn edge(&self) -> Edge {
        (self.from, self.to, self.wait.as_secs())
    }
}

impl Requirement {
    fn can_come_true(&self, order: &Order) -> bool {
        let is_made = |place: usize| self.left_out.binary_search(&place).is_err();
        !self.min_gaps.iter().any(|gap| {
            let waited = match self.left_out.is_empty() {
                true => order.between(gap.from, gap.to),
                false => order.between_if(gap.from, gap.to, &is_made),
            };
            waited.is_some_and(|waited| waited >= gap.secs)
        })
    }

    /// Whether it has all atoms of the other pattern, so that it is true only where that is.
    fn contains(&self, other: &Self) -> bool {
        other.atoms.iter().all(|atom| self.atoms.contains(atom))
    }
}

/// The maximum number of attempts. Our choice: two are enough where an order exists and preventing
/// one pattern has left no way to prevent another.
const ATTEMPTS_MAX: usize = 8;

impl OrderProblem {
    /// Preventing one pattern can leave no way to prevent another. The next attempt then begins
    /// with the patterns that were left over. After some attempts, the best counts.
    fn solve(&self) -> OrderSolution {
        // Patterns that rely on a fact that nobody states come last: no step may be held back for
        // them, and those that are not prevented are reported with the missing fact.
        let mut order: Vec<usize> = (0..self.requirements.len()).collect();
        order.sort_by_key(|place| self.requirements[*place].relies_on_unknown);
        let mut best: Option<Attempt<'_>> = None;
        for _ in 0..ATTEMPTS_MAX {
            let attempt = Attempt::of(self, &order);
            let left: BTreeSet<usize> = attempt.not_prevented.iter().copied().collect();
            let is_better = best
                .as_ref()
                .is_none_or(|best| attempt.not_prevented.len() < best.not_prevented.len());
            if is_better {
                best = Some(attempt);
            }
            let is_first = order.iter().take(left.len()).all(|place| left.contains(place));
            if left.is_empty() || is_first {
                break;
            }
            // The sort is stable: the patterns that were left over come first, in their order.
            order.sort_by_key(|place| !left.contains(place));
        }
        let mut attempt = best.expect("at least one attempt");
        attempt.reduce();
        OrderSolution { added: attempt.added, not_prevented: attempt.not_prevented }
    }
}

/// One derivation.
struct Attempt<'q> {
    problem: &'q OrderProblem,
    /// The edges that already held, and those that were added, in this order.
    now: Order,
    /// The added constraints, in order.
    added: Vec<Added>,
    not_prevented: Vec<usize>,
    prevented: Vec<&'q Requirement>,
}

impl<'q> Attempt<'q> {
    fn of(problem: &'q OrderProblem, order: &[usize]) -> Self {
        let now =
            Order::of(problem.steps, &problem.standing).expect("the plan's own order has no cycle");
        let mut attempt = Self {
            problem,
            now,
            added: Vec::new(),
            not_prevented: Vec::new(),
            prevented: Vec::new(),
        };
        let mut lost: Vec<&Requirement> = Vec::new();
        for place in order.iter().copied() {
            let pattern = &problem.requirements[place];
            // Where a pattern cannot be prevented, no step moves for patterns that contain it.
            if lost.iter().any(|lost| pattern.contains(lost)) {
                attempt.not_prevented.push(place);
                continue;
            }
            if !pattern.can_come_true(&attempt.now) {
                attempt.prevented.push(pattern);
                continue;
            }
            let now = &mut attempt.now;
            let added = pattern.candidates.iter().find_map(|candidate| {
                let Candidate { separation, from, target, hold: wait } = *candidate;
                let Target { together, alone } = target;
                let is_before = |to: &usize| *to != from && !now.precedes(*to, from);
                let to = together.filter(is_before).or(alone).filter(is_before)?;
                let added = Added { pattern: place, separation, from, to, wait };
                now.add(added.edge());
                if pattern.can_come_true(now) {
                    now.remove_last();
                    return None;
                }
                Some(added)
            });
            match added {
                Some(added) => {
                    attempt.added.push(added);
                    attempt.prevented.push(pattern);
                }
                None => {
                    attempt.not_prevented.push(place);
                    lost.push(pattern);
                }
            }
        }
        attempt
    }

    /// Removes the constraints that are not needed, and shortens the waits that are too long.
    fn reduce(&mut self) {
        let first = self.problem.standing.len();
        // The longest waits come first: removing them saves most.
        let mut order: Vec<usize> = (0..self.added.len()).collect();
        order.sort_by_key(|place| (std::cmp::Reverse(self.added[*place].wait), *place));
        let mut is_needed = vec![true; self.added.len()];
        for place in order {
            self.now.set_there(first + place, false);
            if !self.prevents_all(self.added[place].pattern) {
                self.now.set_there(first + place, true);
                continue;
            }
            is_needed[place] = false;
        }
        for place in (0..self.added.len()).filter(|place| is_needed[*place]) {
            let full = self.added[place].wait.as_secs();
            let least = least(full, &mut |secs| {
                self.now.set_wait(first + place, secs);
                self.prevents_all(self.added[place].pattern)
            });
            self.now.set_wait(first + place, least);
            self.added[place].wait = Duration::from_secs(least);
        }
        let mut is_needed = is_needed.into_iter();
        self.added.retain(|_| is_needed.next().unwrap_or(true));
    }

    /// Whether the current order prevents every pattern that it should. Looks at `first` first:
    /// that pattern is the most likely to come true.
    fn prevents_all(&self, first: usize) -> bool {
        let first = &self.problem.requirements[first];
        let mut all = [first].into_iter().chain(self.prevented.iter().copied());
        !all.any(|pattern| pattern.can_come_true(&self.now))
    }
}

/// The least number of seconds that is enough. `full` is enough, and so is anything longer than a
/// number that is.
fn least(full: u64, is_enough: &mut dyn FnMut(u64) -> bool) -> u64 {
    // Mostly nothing can be saved.
    if full == 0 || !is_enough(full - 1) {
        return full;
    }
    let (mut short, mut enough) = (0, full - 1);
    while short < enough {
        let middle = short.midpoint(enough);
        match is_enough(middle) {
            true => enough = middle,
            false => short = middle + 1,
        }
    }
    enough
}

impl Constraint {
    /// A constraint without a wait.
    pub(super) fn plain(from: usize, to: usize, origin: Origin, of: &str, why: &str) -> Self {
        Self {
            from,
            to,
            wait: Duration::ZERO,
            cause: Cause::new(origin, of, why),
            because: String::new(),
            name: None,
        }
    }
}
