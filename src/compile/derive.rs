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

use foldhash::HashMap;

use super::order::{Edge, Order};
use crate::graph::paths::{Cycle, DisjointSets, Paths};
use crate::graph::{Cause, Origin};
use crate::proof::pattern::{MinGap, Pattern, PatternAtom, Separation};

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
    /// Where a break has to put its edge.
    fn target(&self, one: &Separation) -> Target;
    /// What keeps a pattern from coming true; `None`: it cannot, whatever the order is.
    fn min_gaps(&self, pattern: &Pattern) -> Option<Vec<MinGap>>;
    /// The places of those steps that are left out where a pattern comes true.
    fn left_out(&self, pattern: &Pattern, among: &[usize]) -> Vec<usize>;
    /// The ways to break a pattern.
    fn separations(&self, pattern: &Pattern) -> Vec<Separation>;
    /// Why a break is needed, for people: cause and reason of the wait.
    fn reason(&self, pattern: &Pattern, one: &Separation) -> (Cause, String);
    /// How little a step should be held back, where another one of the pattern could be: a copy can
    /// wait better than a change, and a change better than people. A change of a TTL alone ends
    /// nothing but that TTL: the same data go on.
    fn reluctance(&self, one: &Separation) -> u8;
    /// Whether a pattern takes a fact that nobody states.
    fn relies_on_unknown(&self, pattern: &Pattern) -> bool;
    /// The steps that a pattern is about.
    fn touches(&self, pattern: &Pattern) -> Vec<usize>;
}

/// The step that an edge leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Target {
    /// This one, as what begins together is held back together; but not where the edge begins there, or
    /// behind it.
    pub(super) together: Option<usize>,
    /// Or else this one; `None`: the plan has placed the step itself, and it is not moved.
    pub(super) alone: Option<usize>,
}

impl Target {
    /// One step, whatever comes before it.
    pub(super) fn alone(step: Option<usize>) -> Self {
        Self { together: None, alone: step }
    }

    /// By places in a part that has all of these steps.
    fn in_part(self, nodes: &[usize]) -> Self {
        let place = |step| place_of(nodes, step);
        Self { together: self.together.and_then(place), alone: self.alone.and_then(place) }
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
pub(super) fn paths(steps: usize, constraints: &[Constraint]) -> Result<Paths, Cycle> {
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
    let mut groups = DisjointSets::of(steps);
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
        let constraints = own.derive(&[], rules, &mut HashMap::default(), &mut unbroken);
        return Derived { constraints, unbroken };
    }
    let mut known = HashMap::default();
    let first = own.derive(&[], rules, &mut known, &mut unbroken);
    let mut constraints = Vec::new();
    for (_, mut part) in by_group {
        part.nodes.extend(shared);
        constraints.extend(part.derive(&first, rules, &mut known, &mut unbroken));
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

impl<'p> Part<'p> {
    /// The constraints of this part, the given ones first. Those in `before` stand already.
    fn derive(
        mut self,
        before: &[Constraint],
        rules: &dyn Rules,
        known: &mut HashMap<Question, Answer>,
        unbroken: &mut Vec<usize>,
    ) -> Vec<Constraint> {
        self.nodes.extend(self.given.iter().chain(before).flat_map(|one| [one.from, one.to]));
        let nodes: Vec<usize> = self.nodes.iter().copied().collect();
        let (patterns, question) = self.question(&nodes, before, rules);
        let answer = known.entry(question).or_insert_with_key(Question::answer);
        unbroken.extend(answer.unbroken.iter().map(|place| patterns[*place].0));
        let added = answer.added.iter().map(|one| {
            let pattern = patterns[one.asked].1;
            let way = rules.separations(pattern)[one.way];
            let (cause, because) = rules.reason(pattern, &way);
            let (from, to, wait) = (nodes[one.from], nodes[one.to], one.wait);
            Constraint { from, to, wait, cause, because, name: None }
        });
        self.given.into_iter().chain(added).collect()
    }

    /// What its order hangs on, and the patterns that are asked about.
    fn question(
        &self,
        nodes: &[usize],
        before: &[Constraint],
        rules: &dyn Rules,
    ) -> (Vec<(usize, &'p Pattern)>, Question) {
        let place = |step| place_of(nodes, step);
        let standing = before.iter().chain(&self.given).map(|one| {
            let places = place(one.from).zip(place(one.to));
            let (from, to) = places.expect("a part has the steps of its constraints");
            (from, to, one.wait.as_secs())
        });
        let standing = standing.collect();
        let mut atoms: HashMap<usize, usize> = HashMap::default();
        let (mut patterns, mut asked) = (Vec::new(), Vec::new());
        for (number, pattern) in self.patterns.iter().copied() {
            let Some(min_gaps) = rules.min_gaps(pattern) else { continue };
            let keeps = min_gaps.into_iter().filter_map(|one| {
                Some(MinGap { from: place(one.from)?, to: place(one.to)?, secs: one.secs })
            });
            let ways =
                rules.separations(pattern).into_iter().enumerate().filter_map(|(way, one)| {
                    let (from, target) = (place(one.from)?, rules.target(&one).in_part(nodes));
                    let reluctance = rules.reluctance(&one);
                    Some((reluctance, one.hold, one.to, Way { way, from, target, hold: one.hold }))
                });
            let mut ways: Vec<_> = ways.collect();
            ways.sort_by_key(|(reluctance, hold, to, one)| (*reluctance, *hold, one.from, *to));
            let held = pattern.atoms.iter().map(|held| {
                let next = atoms.len();
                PatternAtom { atom: *atoms.entry(held.atom).or_insert(next), ..*held }
            });
            asked.push(Asked {
                min_gaps: keeps.collect(),
                left_out: rules.left_out(pattern, nodes),
                ways: ways.into_iter().map(|(.., one)| one).collect(),
                held: held.collect(),
                relies_on_unknown: rules.relies_on_unknown(pattern),
            });
            patterns.push((number, pattern));
        }
        (patterns, Question { steps: nodes.len(), standing, asked })
    }
}

/// All that the order of a part hangs on, by the places of its steps: what is asked of one domain is
/// asked of many, and answered once.
#[derive(PartialEq, Eq, Hash)]
struct Question {
    steps: usize,
    /// The edges that stand already.
    standing: Vec<Edge>,
    asked: Vec<Asked>,
}

/// A pattern of a part: what keeps it from coming true.
#[derive(PartialEq, Eq, Hash)]
struct Asked {
    min_gaps: Vec<MinGap>,
    left_out: Vec<usize>,
    /// The ways to break it, the best first.
    ways: Vec<Way>,
    /// Its atoms, numbered within the part.
    held: Vec<PatternAtom>,
    relies_on_unknown: bool,
}

/// A way to break a pattern.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Way {
    /// Its place among the pattern's breaks.
    way: usize,
    from: usize,
    target: Target,
    hold: Duration,
}

/// What is derived.
struct Answer {
    added: Vec<Added>,
    /// The places of those that nothing breaks.
    unbroken: Vec<usize>,
}

/// A constraint that was added, for one of the patterns.
#[derive(Clone, Copy)]
struct Added {
    asked: usize,
    /// The place of the way to break it among its breaks.
    way: usize,
    from: usize,
    to: usize,
    wait: Duration,
}

impl Added {
    fn edge(&self) -> Edge {
        (self.from, self.to, self.wait.as_secs())
    }
}

impl Asked {
    fn can_come_true(&self, order: &Order) -> bool {
        let is_made = |place: usize| self.left_out.binary_search(&place).is_err();
        !self.min_gaps.iter().any(|one| {
            let waited = match self.left_out.is_empty() {
                true => order.between(one.from, one.to),
                false => order.between_if(one.from, one.to, &is_made),
            };
            waited.is_some_and(|waited| waited >= one.secs)
        })
    }

    /// Whether it is true only where another one is: it has all of that one's atoms.
    fn contains(&self, other: &Self) -> bool {
        other.held.iter().all(|held| self.held.contains(held))
    }
}

/// Rounds of a derivation at the most. Our choice: two are enough where an order exists and a break
/// has closed it.
const ROUNDS_MAX: usize = 8;

impl Question {
    /// Breaking one pattern can leave no way to break another. Then those that were left are broken
    /// first, and all is derived anew; after some rounds the best stands.
    fn answer(&self) -> Answer {
        // What relies on a fact that nobody states comes last: nothing may be held back for it, and
        // what cannot be broken then is told of that fact.
        let mut order: Vec<usize> = (0..self.asked.len()).collect();
        order.sort_by_key(|place| self.asked[*place].relies_on_unknown);
        let mut best: Option<Round<'_>> = None;
        for _ in 0..ROUNDS_MAX {
            let round = Round::of(self, &order);
            let left: BTreeSet<usize> = round.unbroken.iter().copied().collect();
            let is_better =
                best.as_ref().is_none_or(|best| round.unbroken.len() < best.unbroken.len());
            if is_better {
                best = Some(round);
            }
            let is_first = order.iter().take(left.len()).all(|place| left.contains(place));
            if left.is_empty() || is_first {
                break;
            }
            // Stable: those that were left come first, in their order.
            order.sort_by_key(|place| !left.contains(place));
        }
        let mut round = best.expect("one round at least");
        round.reduce();
        Answer { added: round.added, unbroken: round.unbroken }
    }
}

/// One derivation.
struct Round<'q> {
    question: &'q Question,
    /// The edges that stand already, and those that were added, in their order.
    now: Order,
    /// What was added, each with the pattern that it was added for.
    added: Vec<Added>,
    unbroken: Vec<usize>,
    kept: Vec<&'q Asked>,
}

impl<'q> Round<'q> {
    fn of(question: &'q Question, order: &[usize]) -> Self {
        let standing = question.standing.iter().copied();
        let now = Order::of(question.steps, standing).expect("the plan's own order has no circle");
        let mut round =
            Self { question, now, added: Vec::new(), unbroken: Vec::new(), kept: Vec::new() };
        let mut lost: Vec<&Asked> = Vec::new();
        for place in order.iter().copied() {
            let asked = &question.asked[place];
            // Where one cannot be broken, nothing is moved for others that hold only where it does.
            if lost.iter().any(|one| asked.contains(one)) {
                round.unbroken.push(place);
                continue;
            }
            if !asked.can_come_true(&round.now) {
                round.kept.push(asked);
                continue;
            }
            let now = &mut round.now;
            let broken = asked.ways.iter().find_map(|one| {
                let Target { together, alone } = one.target;
                let is_before = |to: &usize| *to != one.from && !now.precedes(*to, one.from);
                let to = together.filter(is_before).or(alone).filter(is_before)?;
                let Way { way, from, hold: wait, .. } = *one;
                let one = Added { asked: place, way, from, to, wait };
                now.add(one.edge());
                if asked.can_come_true(now) {
                    now.remove_last();
                    return None;
                }
                Some(one)
            });
            match broken {
                Some(one) => {
                    round.added.push(one);
                    round.kept.push(asked);
                }
                None => {
                    round.unbroken.push(place);
                    lost.push(asked);
                }
            }
        }
        round
    }

    /// Takes away what is not needed, and shortens what is too long.
    fn reduce(&mut self) {
        let first = self.question.standing.len();
        // The longest first: what is spared then is worth most.
        let mut order: Vec<usize> = (0..self.added.len()).collect();
        order.sort_by_key(|place| (std::cmp::Reverse(self.added[*place].wait), *place));
        let mut is_needed = vec![true; self.added.len()];
        for place in order {
            self.now.set_there(first + place, false);
            if !self.holds(self.added[place].asked) {
                self.now.set_there(first + place, true);
                continue;
            }
            is_needed[place] = false;
        }
        for place in (0..self.added.len()).filter(|place| is_needed[*place]) {
            let full = self.added[place].wait.as_secs();
            let least = least(full, &mut |secs| {
                self.now.set_wait(first + place, secs);
                self.holds(self.added[place].asked)
            });
            self.now.set_wait(first + place, least);
            self.added[place].wait = Duration::from_secs(least);
        }
        let mut is_needed = is_needed.into_iter();
        self.added.retain(|_| is_needed.next().unwrap_or(true));
    }

    /// Whether the order as it is keeps every pattern that is kept. The one that most likely is not is
    /// looked at first.
    fn holds(&self, first: usize) -> bool {
        let first = &self.question.asked[first];
        let mut all = [first].into_iter().chain(self.kept.iter().copied());
        !all.any(|asked| asked.can_come_true(&self.now))
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
