//! Deriving an order: one edge or wait for each bad pattern that would come true without it, and
//! none that does without.
//!
//! A [`Constraint`] says that one step comes after another, and how much waiting lies in between.
//! The plan's own ones come first: one change of an RRset after the other, what the plan says, the
//! points of the move. Then each pattern that can still come true is broken in one way: of those
//! that make no circle and do not move what the plan has placed itself, the one that holds back
//! what can wait best, and waits least.
//! In the end every constraint that came from a pattern is taken away on trial, and made as short as
//! it can be: what is left is *irredundant*.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::graph::paths::{Circle, Paths, Union};
use crate::graph::{Cause, Origin};
use crate::proof::pattern::{Break, Pattern};

/// That one step comes after another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Constraint {
    /// The step that comes first.
    pub(super) from: usize,
    /// The step that comes after it.
    pub(super) to: usize,
    /// How much waiting lies between the end of one and the begin of the other.
    pub(super) wait: Duration,
    /// Why.
    pub(super) cause: Cause,
    /// Why it lasts so long, where there is a wait.
    pub(super) because: String,
    /// The last part of the wait's id, where it has a name of its own.
    pub(super) name: Option<&'static str>,
}

/// Whose order is derived: what the steps allow.
pub(super) trait Rules {
    /// Where a break has to put its edge: what begins together is held back together. `None`: the
    /// plan has placed the step itself, and it is not moved.
    fn target(&self, one: &Break, lay: &Lay<'_>) -> Option<usize>;
    /// Whether a pattern can come true.
    fn can_come_true(&self, pattern: &Pattern, lay: &Lay<'_>) -> bool;
    /// The ways to break a pattern.
    fn breaks(&self, pattern: &Pattern) -> Vec<Break>;
    /// Why a break is needed, for people: cause and reason of the wait.
    fn reason(&self, pattern: &Pattern, one: &Break) -> (Cause, String);
    /// How little a step should be held back, where another one of the pattern could be: a copy can
    /// wait better than a change, and a change better than people. A change of a TTL alone ends
    /// nothing but that TTL: the same data go on.
    fn reluctance(&self, one: &Break) -> u8;
    /// Whether a pattern takes a fact that nobody states.
    fn relies_on_unknown(&self, pattern: &Pattern) -> bool;
    /// The steps that a pattern is about.
    fn touches(&self, pattern: &Pattern) -> Vec<usize>;
}

/// How the steps of a part lie, by the numbers that they have in the whole.
pub(super) struct Lay<'l> {
    paths: Paths,
    /// The place of each step in the part.
    places: &'l BTreeMap<usize, usize>,
}

impl Lay<'_> {
    /// How many seconds of waiting lie between two steps; `None`: one does not come after the other.
    pub(super) fn between(&self, from: usize, to: usize) -> Option<u64> {
        self.paths.between(*self.places.get(&from)?, *self.places.get(&to)?)
    }

    /// The same where only some of the steps are made.
    pub(super) fn among(
        &self,
        from: usize,
        to: usize,
        is_made: &dyn Fn(usize) -> bool,
    ) -> Option<u64> {
        let whole: Vec<usize> = self.places.keys().copied().collect();
        let (from, to) = (*self.places.get(&from)?, *self.places.get(&to)?);
        self.paths.among(from, to, &|place| is_made(whole[place]))
    }

    /// Whether one step comes after another.
    pub(super) fn leads(&self, from: usize, to: usize) -> bool {
        self.between(from, to).is_some()
    }
}

/// What came of it.
pub(super) struct Derived {
    /// All constraints.
    pub(super) constraints: Vec<Constraint>,
    /// The patterns that nothing breaks.
    pub(super) unbroken: Vec<usize>,
}

/// The paths of these constraints among so many steps.
///
/// # Errors
/// Where they make a circle.
pub(super) fn paths(steps: usize, constraints: &[Constraint]) -> Result<Paths, Circle> {
    let mut befores: Vec<Vec<(usize, u64)>> = vec![Vec::new(); steps];
    for one in constraints {
        befores[one.to].push((one.from, one.wait.as_secs()));
    }
    Paths::of(befores)
}

/// Derives what is missing, group by group.
///
/// Domains touch one another only at the points of the move and in stated facts: the *shared* steps.
/// Those are put into an order first; then each group of steps that hang together is, by itself, so
/// that the work grows with the number of domains and not with its square.
pub(super) fn derive(
    steps: usize,
    given: Vec<Constraint>,
    patterns: &[(usize, &Pattern)],
    shared: &BTreeSet<usize>,
    rules: &dyn Rules,
) -> Derived {
    let touched: Vec<Vec<usize>> = patterns.iter().map(|(_, one)| rules.touches(one)).collect();
    let mut groups = Union::of(steps);
    let mut join = |nodes: &[usize]| {
        let mut own = nodes.iter().filter(|node| !shared.contains(node));
        if let Some(first) = own.next() {
            own.for_each(|other| groups.join(*first, *other));
        }
    };
    given.iter().for_each(|one| join(&[one.from, one.to]));
    touched.iter().for_each(|nodes| join(nodes));
    let mut group_of = |nodes: &[usize]| {
        nodes.iter().find(|node| !shared.contains(node)).map(|node| groups.root(*node))
    };
    let mut by_group: BTreeMap<Option<usize>, Part<'_>> = BTreeMap::new();
    for one in given {
        let group = group_of(&[one.from, one.to]);
        by_group.entry(group).or_default().given.push(one);
    }
    for (pattern, nodes) in patterns.iter().zip(touched) {
        let part = by_group.entry(group_of(&nodes)).or_default();
        part.patterns.push(*pattern);
        part.nodes.extend(nodes);
    }
    let mut own = by_group.remove(&None).unwrap_or_default();
    own.nodes.extend(shared);
    let mut unbroken = Vec::new();
    if by_group.len() <= 1 {
        // One group: everything is looked at at once.
        if let Some((_, Part { nodes, given, patterns })) = by_group.pop_first() {
            own.nodes.extend(nodes);
            own.given.extend(given);
            own.patterns.extend(patterns);
        }
        let constraints = own.derive(rules, &mut unbroken);
        return Derived { constraints, unbroken };
    }
    let first = own.derive(rules, &mut unbroken);
    let mut constraints = first.clone();
    for (_, mut part) in by_group {
        part.nodes.extend(shared);
        part.given.splice(0..0, first.iter().cloned());
        constraints.extend(part.derive(rules, &mut unbroken).into_iter().skip(first.len()));
    }
    Derived { constraints, unbroken }
}

/// Steps that hang together.
#[derive(Default)]
struct Part<'p> {
    nodes: BTreeSet<usize>,
    given: Vec<Constraint>,
    patterns: Vec<(usize, &'p Pattern)>,
}

impl Part<'_> {
    /// All constraints, the given ones first.
    ///
    /// Breaking one pattern can leave no way to break another. Then those that were left are broken
    /// first, and all is derived anew; after some rounds the best stands.
    fn derive(mut self, rules: &dyn Rules, unbroken: &mut Vec<usize>) -> Vec<Constraint> {
        self.nodes.extend(self.given.iter().flat_map(|one| [one.from, one.to]));
        let places: BTreeMap<usize, usize> =
            self.nodes.iter().enumerate().map(|(place, node)| (*node, place)).collect();
        // What relies on a fact that nobody states comes last: nothing may be held back for it, and
        // what cannot be broken then is told of that fact.
        self.patterns.sort_by_key(|(_, pattern)| rules.relies_on_unknown(pattern));
        let mut best: Option<Round<'_>> = None;
        for _ in 0..ROUNDS_MAX {
            let round = Round::of(&self.given, &self.patterns, &places, rules);
            let left: BTreeSet<usize> = round.unbroken.iter().copied().collect();
            let is_better =
                best.as_ref().is_none_or(|best| round.unbroken.len() < best.unbroken.len());
            if is_better {
                best = Some(round);
            }
            let is_first = self.patterns.iter().take(left.len()).all(|(n, _)| left.contains(n));
            if left.is_empty() || is_first {
                break;
            }
            // Stable: those that were left come first, in their order.
            self.patterns.sort_by_key(|(number, _)| !left.contains(number));
        }
        let Round { mut constraints, unbroken: left, kept } = best.expect("one round at least");
        unbroken.extend(left);
        let holds = |constraints: &[Constraint]| {
            let lay = lay(&places, constraints).expect("fewer constraints make no circle");
            !kept.iter().any(|pattern| rules.can_come_true(pattern, &lay))
        };
        reduce(&mut constraints, self.given.len(), &holds);
        constraints
    }
}

/// Rounds of a derivation at the most. Our choice: two are enough where an order exists and a break
/// has closed it.
const ROUNDS_MAX: usize = 8;

/// How the steps of a part lie.
fn lay<'l>(
    places: &'l BTreeMap<usize, usize>,
    constraints: &[Constraint],
) -> Result<Lay<'l>, Circle> {
    let mut befores: Vec<Vec<(usize, u64)>> = vec![Vec::new(); places.len()];
    for one in constraints {
        befores[places[&one.to]].push((places[&one.from], one.wait.as_secs()));
    }
    Ok(Lay { paths: Paths::of(befores)?, places })
}

/// One derivation.
struct Round<'p> {
    constraints: Vec<Constraint>,
    unbroken: Vec<usize>,
    kept: Vec<&'p Pattern>,
}

impl<'p> Round<'p> {
    fn of(
        given: &[Constraint],
        patterns: &[(usize, &'p Pattern)],
        places: &BTreeMap<usize, usize>,
        rules: &dyn Rules,
    ) -> Self {
        let mut constraints = given.to_vec();
        let mut now = lay(places, &constraints).expect("the plan's own order has no circle");
        let (mut kept, mut unbroken): (Vec<&Pattern>, Vec<usize>) = (Vec::new(), Vec::new());
        for (number, pattern) in patterns {
            if !rules.can_come_true(pattern, &now) {
                kept.push(pattern);
                continue;
            }
            let mut ways = rules.breaks(pattern);
            ways.sort_by_key(|one| (rules.reluctance(one), one.hold, one.from, one.to));
            let broken = ways.iter().find_map(|one| {
                let to = rules.target(one, &now)?;
                if to == one.from || now.leads(to, one.from) {
                    return None;
                }
                let (cause, because) = rules.reason(pattern, one);
                let (from, wait) = (one.from, one.hold);
                constraints.push(Constraint { from, to, wait, cause, because, name: None });
                match lay(places, &constraints) {
                    Ok(lay) if !rules.can_come_true(pattern, &lay) => Some(lay),
                    Ok(_) | Err(Circle) => {
                        constraints.pop();
                        None
                    }
                }
            });
            match broken {
                Some(lay) => {
                    now = lay;
                    kept.push(pattern);
                }
                None => unbroken.push(*number),
            }
        }
        Self { constraints, unbroken, kept }
    }
}

/// Takes away what is not needed, and shortens what is too long.
fn reduce(constraints: &mut Vec<Constraint>, fixed: usize, holds: &dyn Fn(&[Constraint]) -> bool) {
    let mut order: Vec<usize> = (fixed..constraints.len()).collect();
    // The longest first: what is spared then is worth most.
    order.sort_by_key(|place| (std::cmp::Reverse(constraints[*place].wait), *place));
    let mut gone: BTreeSet<usize> = BTreeSet::new();
    for place in order {
        let mut without: Vec<Constraint> = Vec::with_capacity(constraints.len());
        without.extend(
            constraints
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != place && !gone.contains(other))
                .map(|(_, one)| one.clone()),
        );
        if holds(&without) {
            gone.insert(place);
        }
    }
    let mut place = 0;
    constraints.retain(|_| {
        place += 1;
        !gone.contains(&(place - 1))
    });
    for place in fixed..constraints.len() {
        shorten(constraints, place, holds);
    }
}

/// Makes a wait as short as it can be, to the second.
fn shorten(constraints: &mut [Constraint], place: usize, holds: &dyn Fn(&[Constraint]) -> bool) {
    let full = constraints[place].wait.as_secs();
    if full == 0 {
        return;
    }
    let mut with = |secs: u64| {
        constraints[place].wait = Duration::from_secs(secs);
        holds(constraints)
    };
    // Mostly nothing can be spared.
    if !with(full - 1) {
        with(full);
        return;
    }
    let (mut enough, mut short) = (full - 1, None::<u64>);
    while enough > short.map_or(0, |short| short + 1) {
        let middle = short.map_or(0, |short| short + 1).midpoint(enough);
        match with(middle) {
            true => enough = middle,
            false => short = Some(middle),
        }
    }
    with(enough);
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
