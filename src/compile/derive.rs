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
use crate::proof::pattern::{Break, Keep, Pattern};

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
    /// What keeps a pattern from coming true; `None`: it cannot, whatever the order is.
    fn keeps(&self, pattern: &Pattern) -> Option<Vec<Keep>>;
    /// The places of those steps that are left out where a pattern comes true.
    fn left_out(&self, pattern: &Pattern, among: &[usize]) -> Vec<usize>;
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
    nodes: &'l [usize],
}

impl Lay<'_> {
    /// Whether one step comes after another.
    pub(super) fn leads(&self, from: usize, to: usize) -> bool {
        let (from, to) = (place_of(self.nodes, from), place_of(self.nodes, to));
        from.zip(to).is_some_and(|(from, to)| self.paths.leads(from, to))
    }

    fn can_come_true(&self, asked: &Asked<'_>) -> bool {
        let is_made = |place: usize| asked.left_out.binary_search(&place).is_err();
        !asked.keeps.iter().any(|one| {
            let waited = match asked.left_out.is_empty() {
                true => self.paths.between(one.from, one.to),
                false => self.paths.among(one.from, one.to, &is_made),
            };
            waited.is_some_and(|waited| waited >= one.secs)
        })
    }
}

/// The place of a step among those of a part, which stand in the order of their numbers.
fn place_of(nodes: &[usize], step: usize) -> Option<usize> {
    nodes.binary_search(&step).ok()
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
        let constraints = own.derive(&[], rules, &mut unbroken);
        return Derived { constraints, unbroken };
    }
    let first = own.derive(&[], rules, &mut unbroken);
    let mut constraints = Vec::new();
    for (_, mut part) in by_group {
        part.nodes.extend(shared);
        constraints.extend(part.derive(&first, rules, &mut unbroken));
    }
    Derived { constraints: first.into_iter().chain(constraints).collect(), unbroken }
}

/// Steps that hang together.
#[derive(Default)]
struct Part<'p> {
    nodes: BTreeSet<usize>,
    given: Vec<Constraint>,
    patterns: Vec<(usize, &'p Pattern)>,
}

/// A pattern of a part: what keeps it from coming true, by places in the part.
struct Asked<'p> {
    number: usize,
    pattern: &'p Pattern,
    keeps: Vec<Keep>,
    left_out: Vec<usize>,
}

impl<'p> Part<'p> {
    /// The constraints of this part, the given ones first. Those in `before` stand already.
    ///
    /// Breaking one pattern can leave no way to break another. Then those that were left are broken
    /// first, and all is derived anew; after some rounds the best stands.
    fn derive(
        mut self,
        before: &[Constraint],
        rules: &dyn Rules,
        unbroken: &mut Vec<usize>,
    ) -> Vec<Constraint> {
        self.nodes.extend(self.given.iter().chain(before).flat_map(|one| [one.from, one.to]));
        let nodes: Vec<usize> = self.nodes.iter().copied().collect();
        let asked: Vec<Asked<'p>> =
            self.patterns.iter().filter_map(|pattern| ask(*pattern, &nodes, rules)).collect();
        // What relies on a fact that nobody states comes last: nothing may be held back for it, and
        // what cannot be broken then is told of that fact.
        let mut order: Vec<&Asked<'_>> = asked.iter().collect();
        order.sort_by_key(|one| rules.relies_on_unknown(one.pattern));
        let standing = Standing { nodes: &nodes, before, given: &self.given };
        let mut best: Option<Round<'_>> = None;
        for _ in 0..ROUNDS_MAX {
            let round = Round::of(standing, &order, rules);
            let left: BTreeSet<usize> = round.unbroken.iter().copied().collect();
            let is_better =
                best.as_ref().is_none_or(|best| round.unbroken.len() < best.unbroken.len());
            if is_better {
                best = Some(round);
            }
            let is_first = order.iter().take(left.len()).all(|one| left.contains(&one.number));
            if left.is_empty() || is_first {
                break;
            }
            // Stable: those that were left come first, in their order.
            order.sort_by_key(|one| !left.contains(&one.number));
        }
        let mut round = best.expect("one round at least");
        round.reduce(standing);
        unbroken.extend(round.unbroken);
        self.given.into_iter().chain(round.added.into_iter().map(|(one, _)| one)).collect()
    }
}

fn ask<'p>(
    (number, pattern): (usize, &'p Pattern),
    nodes: &[usize],
    rules: &dyn Rules,
) -> Option<Asked<'p>> {
    let keeps = rules.keeps(pattern)?.into_iter().filter_map(|one| {
        let (from, to) = (place_of(nodes, one.from)?, place_of(nodes, one.to)?);
        Some(Keep { from, to, ..one })
    });
    let left_out = rules.left_out(pattern, nodes);
    Some(Asked { number, pattern, keeps: keeps.collect(), left_out })
}

/// Rounds of a derivation at the most. Our choice: two are enough where an order exists and a break
/// has closed it.
const ROUNDS_MAX: usize = 8;

/// What a part begins with.
#[derive(Clone, Copy)]
struct Standing<'s> {
    nodes: &'s [usize],
    before: &'s [Constraint],
    given: &'s [Constraint],
}

impl<'s> Standing<'s> {
    /// How the steps of a part lie with these constraints besides: from, to, seconds.
    fn lay(self, added: impl Iterator<Item = (usize, usize, u64)>) -> Result<Lay<'s>, Circle> {
        let mut befores: Vec<Vec<(usize, u64)>> = vec![Vec::new(); self.nodes.len()];
        let standing = self.before.iter().chain(self.given).map(Constraint::edge);
        for (from, to, secs) in standing.chain(added) {
            let places = place_of(self.nodes, from).zip(place_of(self.nodes, to));
            let (from, to) = places.expect("a part has the steps of its constraints");
            befores[to].push((from, secs));
        }
        Ok(Lay { paths: Paths::of(befores)?, nodes: self.nodes })
    }
}

/// One derivation.
struct Round<'a> {
    /// What was added, each with the pattern that it was added for.
    added: Vec<(Constraint, &'a Asked<'a>)>,
    unbroken: Vec<usize>,
    kept: Vec<&'a Asked<'a>>,
}

impl<'a> Round<'a> {
    fn of(standing: Standing<'_>, order: &[&'a Asked<'a>], rules: &dyn Rules) -> Self {
        let mut added: Vec<(Constraint, &Asked<'_>)> = Vec::new();
        let none = std::iter::empty();
        let mut now = standing.lay(none).expect("the plan's own order has no circle");
        let (mut kept, mut unbroken): (Vec<&Asked<'_>>, Vec<usize>) = (Vec::new(), Vec::new());
        let mut lost: Vec<&Pattern> = Vec::new();
        for asked in order.iter().copied() {
            // Where one cannot be broken, nothing is moved for others that hold only where it does.
            if lost.iter().any(|one| asked.pattern.contains(one)) {
                unbroken.push(asked.number);
                continue;
            }
            if !now.can_come_true(asked) {
                kept.push(asked);
                continue;
            }
            let mut ways = rules.breaks(asked.pattern);
            ways.sort_by_key(|one| (rules.reluctance(one), one.hold, one.from, one.to));
            let broken = ways.iter().find_map(|one| {
                let to = rules.target(one, &now)?;
                if to == one.from || now.leads(to, one.from) {
                    return None;
                }
                let edges = added.iter().map(|(one, _)| one.edge());
                let edges = edges.chain([(one.from, to, one.hold.as_secs())]);
                let lay = standing.lay(edges).ok().filter(|lay| !lay.can_come_true(asked))?;
                Some((lay, to, one))
            });
            match broken {
                Some((lay, to, one)) => {
                    let (cause, because) = rules.reason(asked.pattern, one);
                    let (from, wait) = (one.from, one.hold);
                    let one = Constraint { from, to, wait, cause, because, name: None };
                    added.push((one, asked));
                    now = lay;
                    kept.push(asked);
                }
                None => {
                    unbroken.push(asked.number);
                    lost.push(asked.pattern);
                }
            }
        }
        Self { added, unbroken, kept }
    }

    /// Takes away what is not needed, and shortens what is too long.
    fn reduce(&mut self, standing: Standing<'_>) {
        // The longest first: what is spared then is worth most.
        let mut order: Vec<usize> = (0..self.added.len()).collect();
        order.sort_by_key(|place| (std::cmp::Reverse(self.added[*place].0.wait), *place));
        let mut is_needed = vec![true; self.added.len()];
        for place in order {
            is_needed[place] = false;
            let left = self.added.iter().zip(&is_needed).filter(|(_, is_needed)| **is_needed);
            let left = left.map(|((one, _), _)| one.edge());
            is_needed[place] = !self.holds(standing, left, self.added[place].1);
        }
        let mut is_needed = is_needed.into_iter();
        self.added.retain(|_| is_needed.next().unwrap_or(true));
        for place in 0..self.added.len() {
            let full = self.added[place].0.wait.as_secs();
            let least = least(full, &mut |secs| {
                let all = self.added.iter().enumerate().map(|(other, (one, _))| {
                    let (from, to, full) = one.edge();
                    (from, to, if other == place { secs } else { full })
                });
                self.holds(standing, all, self.added[place].1)
            });
            self.added[place].0.wait = Duration::from_secs(least);
        }
    }

    /// Whether these constraints keep every pattern that is kept. The one that most likely is not is
    /// looked at first.
    fn holds(
        &self,
        standing: Standing<'_>,
        added: impl Iterator<Item = (usize, usize, u64)>,
        first: &Asked<'_>,
    ) -> bool {
        let lay = standing.lay(added).expect("fewer constraints make no circle");
        let mut all = [first].into_iter().chain(self.kept.iter().copied());
        !all.any(|asked| lay.can_come_true(asked))
    }
}

/// The least number of seconds that does; `full` does, and whatever is more than one that does.
fn least(full: u64, does: &mut dyn FnMut(u64) -> bool) -> u64 {
    // Mostly nothing can be spared.
    if full == 0 || !does(full - 1) {
        return full;
    }
    let (mut short, mut enough) = (0, full - 1);
    while short < enough {
        let middle = short.midpoint(enough);
        match does(middle) {
            true => enough = middle,
            false => short = middle + 1,
        }
    }
    enough
}

impl Constraint {
    /// From, to, and the seconds in between.
    fn edge(&self) -> (usize, usize, u64) {
        (self.from, self.to, self.wait.as_secs())
    }

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
