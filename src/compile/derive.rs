//! Deriving an order: one edge or wait for each bad pattern that would come true without it, and
//! none that does without.
//!
//! A [`Constraint`] says that one step comes after another, and how much waiting lies in between.
//! The plan's own ones come first: one change of an RRset after the other, what the plan says, the
//! points of the move. Then each pattern that can still come true is broken in one way: of those
//! that make no circle and do not move what the plan has placed itself, the one that waits least.
//! In the end every constraint that came from a pattern is taken away on trial, and made as short as
//! it can be: what is left is *irredundant*.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::graph::{Cause, Origin};
use crate::proof::paths::Paths;
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
    fn target(&self, one: &Break, paths: &Paths) -> Option<usize>;
    /// Whether a pattern can come true.
    fn can_come_true(&self, pattern: &Pattern, paths: &Paths) -> bool;
    /// The ways to break a pattern.
    fn breaks(&self, pattern: &Pattern) -> Vec<Break>;
    /// Why a break is needed, for people: cause and reason of the wait.
    fn reason(&self, pattern: &Pattern, one: &Break) -> (Cause, String);
}

/// What came of it.
pub(super) struct Derived {
    /// All constraints, the given ones first.
    pub(super) constraints: Vec<Constraint>,
    /// The patterns that nothing breaks.
    pub(super) unbroken: Vec<usize>,
}

/// The paths of these constraints among so many steps.
///
/// # Errors
/// Where they make a circle.
pub(super) fn paths(steps: usize, constraints: &[Constraint]) -> Result<Paths, crate::proof::paths::Circle> {
    let mut befores: Vec<Vec<(usize, u64)>> = vec![Vec::new(); steps];
    for one in constraints {
        befores[one.to].push((one.from, one.wait.as_secs()));
    }
    Paths::of(befores)
}

/// Derives what is missing.
pub(super) fn derive(
    steps: usize,
    given: Vec<Constraint>,
    patterns: &[(usize, &Pattern)],
    rules: &dyn Rules,
) -> Derived {
    let mut constraints = given;
    let fixed = constraints.len();
    let mut paths_now = paths(steps, &constraints).expect("the plan's own order has no circle");
    let mut unbroken = Vec::new();
    let mut kept: Vec<&Pattern> = Vec::new();
    for (number, pattern) in patterns {
        if !rules.can_come_true(pattern, &paths_now) {
            kept.push(pattern);
            continue;
        }
        let mut ways = rules.breaks(pattern);
        ways.sort_by_key(|one| (one.hold, one.from, one.to));
        let mut found = false;
        for one in ways {
            let Some(to) = rules.target(&one, &paths_now) else { continue };
            if to == one.from || paths_now.leads(to, one.from) {
                continue;
            }
            let (cause, because) = rules.reason(pattern, &one);
            constraints.push(Constraint {
                from: one.from,
                to,
                wait: one.hold,
                cause,
                because,
                name: None,
            });
            match paths(steps, &constraints) {
                Ok(paths) if !rules.can_come_true(pattern, &paths) => {
                    paths_now = paths;
                    found = true;
                    break;
                }
                Ok(_) | Err(_) => {
                    constraints.pop();
                }
            }
        }
        match found {
            true => kept.push(pattern),
            false => unbroken.push(*number),
        }
    }
    reduce(steps, &mut constraints, fixed, &kept, rules);
    Derived { constraints, unbroken }
}

/// Takes away what is not needed, and shortens what is too long.
fn reduce(
    steps: usize,
    constraints: &mut Vec<Constraint>,
    fixed: usize,
    patterns: &[&Pattern],
    rules: &dyn Rules,
) {
    let holds = |constraints: &[Constraint]| {
        let paths = paths(steps, constraints).expect("fewer constraints make no circle");
        !patterns.iter().any(|pattern| rules.can_come_true(pattern, &paths))
    };
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
        shorten(constraints, place, &holds);
    }
}

/// Makes a wait as short as it can be, to the second.
fn shorten(
    constraints: &mut [Constraint],
    place: usize,
    holds: &dyn Fn(&[Constraint]) -> bool,
) {
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
