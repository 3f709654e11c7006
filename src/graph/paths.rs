//! The order of steps, closed transitively, with the time that passes at least on the way.
//!
//! [`Paths::between`] says how much waiting lies between the end of one step and the begin of
//! another: the greatest sum of waits along one path, or nothing where no path leads there. Both
//! questions of the theorem are this one: a plain end has to precede a start by any path, the end of
//! a cached version by a path that waits long enough.
//!
//! A plan of a thousand domains has tens of thousands of steps, of which a few, its checkpoints, lie
//! between all others. Steps are split into parts that touch only there, and paths are looked for
//! within a part, so that the work grows with the number of domains and not with its square.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

/// Neighbours from which on a step of a large graph is a crossing: our choice, above what one domain
/// has.
const CROSSING_NEIGHBOURS_MIN: usize = 40;
/// Steps up to which a graph is not split. Our choice.
const WHOLE_MAX: usize = 128;

/// A graph of steps with waits on its edges.
#[derive(Debug)]
pub struct Paths {
    /// For each step, what comes right before it, and the wait in between, in seconds.
    befores: Vec<Vec<(usize, u64)>>,
    /// The place of each step in a topological order.
    rank: Vec<usize>,
    /// The part of each step; `None`: it is a crossing.
    part: Vec<Option<usize>>,
    /// The steps of each part, and all crossings, by rank.
    members: Vec<Vec<usize>>,
    /// The steps that lie between all others.
    all_crossings: Vec<usize>,
    /// Between crossings.
    crossings: BTreeMap<(usize, usize), u64>,
    /// What comes right before a crossing, by the part that it is of; `None`: other crossings. All
    /// parts may end there, and each is looked at for itself.
    before_crossing: BTreeMap<(usize, Option<usize>), Before>,
    /// The row of each step in its part, and behind them those of each crossing in each part.
    rows: Vec<OnceLock<Row>>,
}

/// Steps that come right before one, and the wait in between, in seconds.
type Before = Vec<(usize, u64)>;

/// The waits from one step to each member of a part, in the order of the members.
type Row = Vec<Option<u64>>;

/// A step that comes after itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cycle;

impl Paths {
    /// The paths of a graph.
    ///
    /// # Errors
    /// [`Cycle`].
    pub fn of(befores: Vec<Vec<(usize, u64)>>) -> Result<Self, Cycle> {
        let rank = ranks(&befores).ok_or(Cycle)?;
        let steps = befores.len();
        if steps <= WHOLE_MAX {
            return Ok(Self::whole(befores, rank));
        }
        let mut neighbours = vec![0_usize; steps];
        for (step, before) in befores.iter().enumerate() {
            neighbours[step] += before.len();
            before.iter().for_each(|(other, _)| neighbours[*other] += 1);
        }
        let is_crossing = |step: usize| neighbours[step] >= CROSSING_NEIGHBOURS_MIN;
        let mut parts = DisjointSets::of(steps);
        for (step, before) in befores.iter().enumerate().filter(|(step, _)| !is_crossing(*step)) {
            for (other, _) in before.iter().filter(|(other, _)| !is_crossing(*other)) {
                parts.join(step, *other);
            }
        }
        let mut numbers: BTreeMap<usize, usize> = BTreeMap::new();
        let mut part = vec![None; steps];
        for step in (0..steps).filter(|step| !is_crossing(*step)) {
            let number = numbers.len();
            part[step] = Some(*numbers.entry(parts.root(step)).or_insert(number));
        }
        let mut by_rank: Vec<usize> = (0..steps).collect();
        by_rank.sort_by_key(|step| rank[*step]);
        let all_crossings: Vec<usize> =
            by_rank.iter().copied().filter(|step| part[*step].is_none()).collect();
        let mut members: Vec<Vec<usize>> = vec![all_crossings.clone(); numbers.len().max(1)];
        for step in &by_rank {
            if let Some(part) = part[*step] {
                members[part].push(*step);
            }
        }
        members.iter_mut().for_each(|members| members.sort_by_key(|step| rank[*step]));
        let mut crossings = BTreeMap::new();
        for from in &all_crossings {
            let mut waited: Vec<Option<u64>> = vec![None; steps];
            waited[*from] = Some(0);
            for step in by_rank.iter().filter(|step| rank[**step] > rank[*from]) {
                let ways = befores[*step].iter();
                waited[*step] =
                    ways.filter_map(|(before, wait)| Some(waited[*before]? + wait)).max();
            }
            let found = all_crossings.iter().filter_map(|to| Some(((*from, *to), waited[*to]?)));
            crossings.extend(found.filter(|((from, to), _)| from != to));
        }
        let mut before_crossing: BTreeMap<(usize, Option<usize>), Before> = BTreeMap::new();
        for crossing in &all_crossings {
            for (before, wait) in &befores[*crossing] {
                let of_part = before_crossing.entry((*crossing, part[*before])).or_default();
                of_part.push((*before, *wait));
            }
        }
        let crossings_in_parts = all_crossings.len() * members.len();
        let rows = vec![OnceLock::new(); steps + crossings_in_parts];
        Ok(Self { befores, rank, part, members, all_crossings, crossings, before_crossing, rows })
    }

    /// A graph that is one part.
    fn whole(befores: Vec<Vec<(usize, u64)>>, rank: Vec<usize>) -> Self {
        let steps = befores.len();
        let mut members = vec![0; steps];
        rank.iter().enumerate().for_each(|(step, rank)| members[*rank] = step);
        Self {
            befores,
            rank,
            part: vec![Some(0); steps],
            members: vec![members],
            all_crossings: Vec::new(),
            crossings: BTreeMap::new(),
            before_crossing: BTreeMap::new(),
            rows: vec![OnceLock::new(); steps],
        }
    }

    /// How many seconds of waiting lie between the end of `from` and the begin of `to` at least;
    /// `None`: `to` does not come after `from`.
    #[must_use]
    pub fn between(&self, from: usize, to: usize) -> Option<u64> {
        if self.rank[from] >= self.rank[to] {
            return None;
        }
        match (self.part[from], self.part[to]) {
            (None, None) => self.crossings.get(&(from, to)).copied(),
            (Some(part), None) | (None, Some(part)) => self.within(part, from, to),
            (Some(one), Some(other)) if one == other => self.within(one, from, to),
            (Some(one), Some(other)) => {
                let ways = self.all_crossings.iter().filter_map(|at| {
                    Some(self.within(one, from, *at)? + self.within(other, *at, to)?)
                });
                ways.max()
            }
        }
    }

    /// Whether `to` comes after `from`.
    #[must_use]
    pub fn precedes(&self, from: usize, to: usize) -> bool {
        self.between(from, to).is_some()
    }

    /// As [`Paths::between`] where only some of the steps are made. One that is not made takes no
    /// time, and nothing is waited behind it, but what comes after it still comes after what is before
    /// it.
    #[must_use]
    pub fn between_if(
        &self,
        from: usize,
        to: usize,
        is_made: &dyn Fn(usize) -> bool,
    ) -> Option<u64> {
        // Where no path leads at all, the way need not be looked for.
        self.between(from, to)?;
        let mut way: Vec<usize> = match self.members.as_slice() {
            // All steps stand in order already.
            [all] if self.all_crossings.is_empty() => all[self.rank[from]..=self.rank[to]].to_vec(),
            _ => self.with_predecessors([to]).into_iter().collect(),
        };
        way.retain(|step| self.rank[*step] >= self.rank[from]);
        way.sort_by_key(|step| self.rank[*step]);
        let mut waited: Vec<Option<u64>> = vec![None; self.rank[to] + 1 - self.rank[from]];
        waited[0] = Some(0);
        for step in way.into_iter().filter(|step| *step != from) {
            let ways = self.befores[step].iter();
            let longest = ways.filter_map(|(before, wait)| {
                let so_far = waited[self.rank[*before].checked_sub(self.rank[from])?]?;
                Some(so_far + if is_made(*before) { *wait } else { 0 })
            });
            waited[self.rank[step] - self.rank[from]] = longest.max();
        }
        waited.last().copied().flatten()
    }

    /// Whether an edge follows from others: something that comes after its beginning, and right before
    /// its end, leads there too.
    #[must_use]
    pub fn is_redundant(&self, from: usize, to: usize) -> bool {
        // By way of another part it can only come through a crossing; between two crossings lie all.
        let (part, whole) = match self.part[from].or(self.part[to]) {
            Some(part) => (part, [].as_slice()),
            None => (0, self.befores[to].as_slice()),
        };
        let beside = self.before(to, part).chain(whole).map(|(other, _)| *other);
        let mut beside = beside.filter(|other| *other != from);
        beside.any(|other| self.precedes(from, other))
            || self.all_crossings.iter().any(|at| {
                *at != from && *at != to && self.precedes(from, *at) && self.precedes(*at, to)
            })
    }

    /// The step and all that it comes after.
    #[must_use]
    pub fn with_predecessors(&self, steps: impl IntoIterator<Item = usize>) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut open: Vec<usize> = steps.into_iter().collect();
        while let Some(step) = open.pop() {
            if found.insert(step) {
                open.extend(self.befores[step].iter().map(|(before, _)| *before));
            }
        }
        found
    }

    fn within(&self, part: usize, from: usize, to: usize) -> Option<u64> {
        let place = self.place_in(part, to)?;
        let number = match self.part[from] {
            Some(_) => from,
            None => {
                let crossing =
                    self.all_crossings.binary_search_by_key(&self.rank[from], |at| self.rank[*at]);
                self.befores.len() + part * self.all_crossings.len() + crossing.ok()?
            }
        };
        self.rows[number].get_or_init(|| self.row(part, from))[place]
    }

    /// The place of a step among the members of a part.
    fn place_in(&self, part: usize, step: usize) -> Option<usize> {
        let members = &self.members[part];
        // Where they are all steps there are, they stand in the order of their ranks.
        if members.len() == self.rank.len() {
            return Some(self.rank[step]);
        }
        members.binary_search_by_key(&self.rank[step], |one| self.rank[*one]).ok()
    }

    /// What comes right before a step, as far as it is of a part or a crossing.
    fn before(&self, step: usize, part: usize) -> impl Iterator<Item = &(usize, u64)> {
        let of_crossing = |part| self.before_crossing.get(&(step, part)).into_iter().flatten();
        let is_crossing = self.part[step].is_none();
        let own = self.befores[step].iter().take(if is_crossing { 0 } else { usize::MAX });
        own.chain(of_crossing(Some(part))).chain(of_crossing(None))
    }

    fn row(&self, part: usize, from: usize) -> Vec<Option<u64>> {
        let members = &self.members[part];
        let mut row: Vec<Option<u64>> = vec![None; members.len()];
        if members.len() == self.rank.len() && self.all_crossings.is_empty() {
            // All steps are of this part, and stand in the order of their ranks.
            let first = self.rank[from];
            row[first] = Some(0);
            for (place, step) in members.iter().enumerate().skip(first + 1) {
                let ways = self.befores[*step].iter();
                row[place] = ways.filter_map(|(b, wait)| Some(row[self.rank[*b]]? + wait)).max();
            }
            return row;
        }
        for (place, step) in members.iter().enumerate() {
            if *step == from {
                row[place] = Some(0);
                continue;
            }
            if self.rank[*step] < self.rank[from] {
                continue;
            }
            let direct = self
                .before(*step, part)
                .filter_map(|(before, wait)| Some(row[self.place_in(part, *before)?]? + wait))
                .max();
            // Other parts may lie between two crossings.
            let around = match self.part[*step] {
                Some(_) => None,
                None => members[..place]
                    .iter()
                    .zip(&row)
                    .filter_map(|(other, so_far)| {
                        Some(self.crossings.get(&(*other, *step))? + (*so_far)?)
                    })
                    .max(),
            };
            row[place] = direct.max(around);
        }
        row
    }
}

/// The place of each step in a topological order; `None` for a graph with a circle.
fn ranks(befores: &[Vec<(usize, u64)>]) -> Option<Vec<usize>> {
    let mut followers: Vec<Vec<usize>> = vec![Vec::new(); befores.len()];
    let mut unmet: Vec<usize> = befores.iter().map(Vec::len).collect();
    for (step, before) in befores.iter().enumerate() {
        before.iter().for_each(|(other, _)| followers[*other].push(step));
    }
    let mut ready: Vec<usize> = (0..befores.len()).filter(|step| unmet[*step] == 0).collect();
    let mut rank = vec![0; befores.len()];
    let mut ranked = 0;
    while let Some(step) = ready.pop() {
        rank[step] = ranked;
        ranked += 1;
        for follower in &followers[step] {
            unmet[*follower] -= 1;
            if unmet[*follower] == 0 {
                ready.push(*follower);
            }
        }
    }
    (ranked == befores.len()).then_some(rank)
}

/// Which things belong together.
#[derive(Debug)]
pub struct DisjointSets(Vec<usize>);

impl DisjointSets {
    /// So many things, each alone.
    #[must_use]
    pub fn of(things: usize) -> Self {
        Self((0..things).collect())
    }

    /// The one that stands for all that a thing belongs with.
    pub fn root(&mut self, thing: usize) -> usize {
        let mut at = thing;
        while self.0[at] != at {
            self.0[at] = self.0[self.0[at]];
            at = self.0[at];
        }
        at
    }

    /// Puts two things together.
    pub fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        self.0[one.max(other)] = one.min(other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small generator: the tests print its seed.
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % bound
        }
    }

    #[test]
    fn a_large_graph_that_is_split_has_the_paths_of_the_whole() {
        for seed in 1..=40_u64 {
            let mut random = Random(seed ^ 0x9e37_79b9_7f4a_7c15);
            // Two crossings, and many small parts that touch them and themselves alone.
            let mut befores: Vec<Vec<(usize, u64)>> = Vec::new();
            for part in 0..60 {
                let first = befores.len();
                for step in 0..6_usize {
                    let mut before: Vec<(usize, u64)> = Vec::new();
                    for other in 0..step {
                        if random.below(3) == 0 {
                            before.push((first + other, random.below(9)));
                        }
                    }
                    if step >= 3 {
                        before.push((360, random.below(9)));
                    }
                    if step >= 5 {
                        before.push((361, random.below(9)));
                    }
                    befores.push(before);
                }
                assert_eq!(befores.len(), (part + 1) * 6);
            }
            befores.push((0..60).map(|part| (part * 6 + 1, random.below(9))).collect());
            befores.push((0..60).map(|part| (part * 6 + 4, random.below(9))).collect());
            let plain = plain(&befores);
            let paths = Paths::of(befores).expect("no circle");
            assert!(paths.part.iter().filter(|part| part.is_none()).count() == 2);
            for (from, row) in plain.iter().enumerate() {
                for (to, wanted) in row.iter().enumerate() {
                    let found = paths.between(from, to);
                    assert_eq!(found, *wanted, "seed {seed}: {from} to {to}");
                }
            }
        }
    }

    /// Every path of the whole, by the definition.
    fn plain(befores: &[Vec<(usize, u64)>]) -> Vec<Vec<Option<u64>>> {
        let rank = ranks(befores).expect("no circle");
        let mut order: Vec<usize> = (0..befores.len()).collect();
        order.sort_by_key(|step| rank[*step]);
        (0..befores.len())
            .map(|from| {
                let mut row = vec![None; befores.len()];
                row[from] = Some(0);
                for step in order.iter().filter(|step| rank[**step] > rank[from]) {
                    let ways = befores[*step].iter();
                    row[*step] = ways.filter_map(|(b, w)| Some(row[*b]? + w)).max();
                }
                row[from] = None;
                row
            })
            .collect()
    }

    #[test]
    fn a_circle_is_refused() {
        assert!(Paths::of(vec![vec![(1, 0)], vec![(0, 0)]]).is_err());
    }
}
