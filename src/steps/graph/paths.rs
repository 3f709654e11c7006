//! Paths through a graph of steps: which steps precede which, with the least time in between.
//!
//! [`Paths::between`] says how much waiting lies between the end of one step and the begin of
//! another: the greatest sum of waits along a path, or nothing if there is no path. Both questions
//! of the theorem are of this kind: a plain end has to precede a start by any path, and the end of
//! a cached version by a path that waits long enough.
//!
//! A plan of a thousand domains has tens of thousands of steps. A few of them, its checkpoints, lie
//! between all others: they are the *hubs*. The other steps are split into parts that touch only at
//! hubs, and paths are looked for within a part, so that the work grows with the number of domains
//! and not with its square.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use petgraph::unionfind::UnionFind;

/// The minimum number of neighbours that makes a step of a large graph a hub. Our choice: more than
/// one domain has.
const HUB_NEIGHBOURS_MIN: usize = 40;
/// The maximum number of steps of a graph that is not split. Our choice.
const WHOLE_MAX: usize = 128;

/// A graph of steps with waits on its edges.
#[derive(Debug)]
pub struct Paths {
    /// For each step, its direct predecessors, and the wait in between, in seconds.
    predecessors: Vec<Vec<(usize, u64)>>,
    /// The place of each step in a topological order.
    rank: Vec<usize>,
    /// The part of each step; `None`: it is a hub.
    part: Vec<Option<usize>>,
    /// The steps of each part together with all hubs, by rank.
    members: Vec<Vec<usize>>,
    /// The hubs, by rank.
    hubs: Vec<usize>,
    /// The longest waits between hubs.
    hub_waits: BTreeMap<(usize, usize), u64>,
    /// The direct predecessors of a hub by their part; `None`: other hubs. Any part may end at a
    /// hub, and each is looked at by itself.
    before_hub: BTreeMap<(usize, Option<usize>), Before>,
    /// The row of each step in its part, followed by the rows of each hub in each part.
    rows: Vec<OnceLock<Row>>,
}

/// The direct predecessors of a step, and the wait in between, in seconds.
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
    pub fn of(predecessors: Vec<Vec<(usize, u64)>>) -> Result<Self, Cycle> {
        let rank = ranks(&predecessors).ok_or(Cycle)?;
        let steps = predecessors.len();
        if steps <= WHOLE_MAX {
            return Ok(Self::whole(predecessors, rank));
        }
        let mut neighbours = vec![0_usize; steps];
        for (step, before) in predecessors.iter().enumerate() {
            neighbours[step] += before.len();
            before.iter().for_each(|(other, _)| neighbours[*other] += 1);
        }
        let is_hub = |step: usize| neighbours[step] >= HUB_NEIGHBOURS_MIN;
        let mut parts = UnionFind::new(steps);
        for (step, before) in predecessors.iter().enumerate().filter(|(step, _)| !is_hub(*step)) {
            for (other, _) in before.iter().filter(|(other, _)| !is_hub(*other)) {
                parts.union(step, *other);
            }
        }
        let mut numbers: BTreeMap<usize, usize> = BTreeMap::new();
        let mut part = vec![None; steps];
        for step in (0..steps).filter(|step| !is_hub(*step)) {
            let number = numbers.len();
            part[step] = Some(*numbers.entry(parts.find_mut(step)).or_insert(number));
        }
        let mut by_rank: Vec<usize> = (0..steps).collect();
        by_rank.sort_by_key(|step| rank[*step]);
        let hubs: Vec<usize> =
            by_rank.iter().copied().filter(|step| part[*step].is_none()).collect();
        let mut members: Vec<Vec<usize>> = vec![hubs.clone(); numbers.len().max(1)];
        for step in &by_rank {
            if let Some(part) = part[*step] {
                members[part].push(*step);
            }
        }
        members.iter_mut().for_each(|members| members.sort_by_key(|step| rank[*step]));
        let mut hub_waits = BTreeMap::new();
        for from in &hubs {
            let mut waited: Vec<Option<u64>> = vec![None; steps];
            waited[*from] = Some(0);
            for step in by_rank.iter().filter(|step| rank[**step] > rank[*from]) {
                let ways = predecessors[*step].iter();
                waited[*step] =
                    ways.filter_map(|(before, wait)| Some(waited[*before]? + wait)).max();
            }
            let found = hubs.iter().filter_map(|to| Some(((*from, *to), waited[*to]?)));
            hub_waits.extend(found.filter(|((from, to), _)| from != to));
        }
        let mut before_hub: BTreeMap<(usize, Option<usize>), Before> = BTreeMap::new();
        for hub in &hubs {
            for (before, wait) in &predecessors[*hub] {
                let of_part = before_hub.entry((*hub, part[*before])).or_default();
                of_part.push((*before, *wait));
            }
        }
        let hub_rows = hubs.len() * members.len();
        let rows = vec![OnceLock::new(); steps + hub_rows];
        Ok(Self { predecessors, rank, part, members, hubs, hub_waits, before_hub, rows })
    }

    /// A graph that consists of a single part.
    fn whole(predecessors: Vec<Vec<(usize, u64)>>, rank: Vec<usize>) -> Self {
        let steps = predecessors.len();
        let mut members = vec![0; steps];
        rank.iter().enumerate().for_each(|(step, rank)| members[*rank] = step);
        Self {
            predecessors,
            rank,
            part: vec![Some(0); steps],
            members: vec![members],
            hubs: Vec::new(),
            hub_waits: BTreeMap::new(),
            before_hub: BTreeMap::new(),
            rows: vec![OnceLock::new(); steps],
        }
    }

    /// How many seconds of waiting lie at least between the end of `from` and the begin of `to`;
    /// `None`: `to` does not come after `from`.
    #[must_use]
    pub fn between(&self, from: usize, to: usize) -> Option<u64> {
        if self.rank[from] >= self.rank[to] {
            return None;
        }
        match (self.part[from], self.part[to]) {
            (None, None) => self.hub_waits.get(&(from, to)).copied(),
            (Some(part), None) | (None, Some(part)) => self.within(part, from, to),
            (Some(first), Some(last)) if first == last => self.within(first, from, to),
            (Some(first), Some(last)) => {
                let paths = self.hubs.iter().filter_map(|hub| {
                    Some(self.within(first, from, *hub)? + self.within(last, *hub, to)?)
                });
                paths.max()
            }
        }
    }

    /// Whether `to` comes after `from`.
    #[must_use]
    pub fn precedes(&self, from: usize, to: usize) -> bool {
        self.between(from, to).is_some()
    }

    /// As [`Paths::between`] if only some of the steps are made. A step that is not made takes no
    /// time, and nothing waits after it, but what comes after it still comes after what is before
    /// it.
    #[must_use]
    pub fn between_if(
        &self,
        from: usize,
        to: usize,
        is_made: &dyn Fn(usize) -> bool,
    ) -> Option<u64> {
        // Without any path between the steps, there is nothing to look for.
        self.between(from, to)?;
        let mut way: Vec<usize> = match self.members.as_slice() {
            // All steps stand in order already.
            [all] if self.hubs.is_empty() => all[self.rank[from]..=self.rank[to]].to_vec(),
            _ => self.with_predecessors([to]).into_iter().collect(),
        };
        way.retain(|step| self.rank[*step] >= self.rank[from]);
        way.sort_by_key(|step| self.rank[*step]);
        let mut waited: Vec<Option<u64>> = vec![None; self.rank[to] + 1 - self.rank[from]];
        waited[0] = Some(0);
        for step in way.into_iter().filter(|step| *step != from) {
            let ways = self.predecessors[step].iter();
            let longest = ways.filter_map(|(before, wait)| {
                let so_far = waited[self.rank[*before].checked_sub(self.rank[from])?]?;
                Some(so_far + if is_made(*before) { *wait } else { 0 })
            });
            waited[self.rank[step] - self.rank[from]] = longest.max();
        }
        waited.last().copied().flatten()
    }

    /// Whether an edge follows from others: another step comes after its beginning, and directly
    /// before its end.
    #[must_use]
    pub fn is_redundant(&self, from: usize, to: usize) -> bool {
        // Another part can only be in between if a hub is. Between two hubs, any part may be.
        let (part, whole) = match self.part[from].or(self.part[to]) {
            Some(part) => (part, [].as_slice()),
            None => (0, self.predecessors[to].as_slice()),
        };
        let others = self.before(to, part).chain(whole).map(|(other, _)| *other);
        let mut others = others.filter(|other| *other != from);
        others.any(|other| self.precedes(from, other))
            || self.hubs.iter().any(|at| {
                *at != from && *at != to && self.precedes(from, *at) && self.precedes(*at, to)
            })
    }

    /// These steps, and all steps that they come after.
    #[must_use]
    pub fn with_predecessors(&self, steps: impl IntoIterator<Item = usize>) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut open: Vec<usize> = steps.into_iter().collect();
        while let Some(step) = open.pop() {
            if found.insert(step) {
                open.extend(self.predecessors[step].iter().map(|(before, _)| *before));
            }
        }
        found
    }

    fn within(&self, part: usize, from: usize, to: usize) -> Option<u64> {
        let place = self.place_in(part, to)?;
        let number = match self.part[from] {
            Some(_) => from,
            None => {
                let hub = self.hubs.binary_search_by_key(&self.rank[from], |at| self.rank[*at]);
                self.predecessors.len() + part * self.hubs.len() + hub.ok()?
            }
        };
        self.rows[number].get_or_init(|| self.row(part, from))[place]
    }

    /// The place of a step among the members of a part.
    fn place_in(&self, part: usize, step: usize) -> Option<usize> {
        let members = &self.members[part];
        // If a part has all steps there are, its members are sorted by rank.
        if members.len() == self.rank.len() {
            return Some(self.rank[step]);
        }
        members.binary_search_by_key(&self.rank[step], |member| self.rank[*member]).ok()
    }

    /// The direct predecessors of a step that belong to a part or are hubs.
    fn before(&self, step: usize, part: usize) -> impl Iterator<Item = &(usize, u64)> {
        let of_hub = |part| self.before_hub.get(&(step, part)).into_iter().flatten();
        let is_hub = self.part[step].is_none();
        let own = self.predecessors[step].iter().take(if is_hub { 0 } else { usize::MAX });
        own.chain(of_hub(Some(part))).chain(of_hub(None))
    }

    fn row(&self, part: usize, from: usize) -> Vec<Option<u64>> {
        let members = &self.members[part];
        let mut row: Vec<Option<u64>> = vec![None; members.len()];
        if members.len() == self.rank.len() && self.hubs.is_empty() {
            // All steps belong to this part, sorted by rank.
            let first = self.rank[from];
            row[first] = Some(0);
            for (place, step) in members.iter().enumerate().skip(first + 1) {
                let ways = self.predecessors[*step].iter();
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
            // Other parts may lie between two hubs.
            let around = match self.part[*step] {
                Some(_) => None,
                None => members[..place]
                    .iter()
                    .zip(&row)
                    .filter_map(|(other, so_far)| {
                        Some(self.hub_waits.get(&(*other, *step))? + (*so_far)?)
                    })
                    .max(),
            };
            row[place] = direct.max(around);
        }
        row
    }
}

/// The place of each step in a topological order; `None` for a graph with a cycle.
fn ranks(predecessors: &[Vec<(usize, u64)>]) -> Option<Vec<usize>> {
    let edges = predecessors.iter().enumerate();
    let edges = edges.flat_map(|(step, all)| all.iter().map(move |(before, _)| (*before, step)));
    let sorted = sorted(predecessors.len(), edges)?;
    let mut rank = vec![0; sorted.len()];
    sorted.into_iter().enumerate().for_each(|(place, step)| rank[step] = place);
    Some(rank)
}

/// The steps of a graph in an order in which the end of each edge comes after its beginning;
/// `None`: there is a cycle. The same edges in the same order give the same order of steps.
#[must_use]
pub fn sorted(
    steps: usize,
    edges: impl Iterator<Item = (usize, usize)> + Clone,
) -> Option<Vec<usize>> {
    // The followers of a step, in the order of the edges, end where those of the next begin.
    let mut unmet = vec![0_usize; steps];
    let mut ends = vec![0_usize; steps + 1];
    let mut count = 0;
    for (from, to) in edges.clone() {
        unmet[to] += 1;
        ends[from + 1] += 1;
        count += 1;
    }
    (0..steps).for_each(|step| ends[step + 1] += ends[step]);
    let mut followers = vec![0_usize; count];
    for (from, to) in edges {
        followers[ends[from]] = to;
        ends[from] += 1;
    }
    let mut ready = Vec::with_capacity(steps);
    ready.extend((0..steps).filter(|step| unmet[*step] == 0));
    let mut sorted = Vec::with_capacity(steps);
    while let Some(step) = ready.pop() {
        sorted.push(step);
        // Each place now ends the followers of its own step, and those of the step before it too.
        let first = if step == 0 { 0 } else { ends[step - 1] };
        for follower in &followers[first..ends[step]] {
            unmet[*follower] -= 1;
            if unmet[*follower] == 0 {
                ready.push(*follower);
            }
        }
    }
    (sorted.len() == steps).then_some(sorted)
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
            // Two hub_waits, and many small parts that touch them and themselves alone.
            let mut predecessors: Vec<Vec<(usize, u64)>> = Vec::new();
            for part in 0..60 {
                let first = predecessors.len();
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
                    predecessors.push(before);
                }
                assert_eq!(predecessors.len(), (part + 1) * 6);
            }
            predecessors.push((0..60).map(|part| (part * 6 + 1, random.below(9))).collect());
            predecessors.push((0..60).map(|part| (part * 6 + 4, random.below(9))).collect());
            let plain = plain(&predecessors);
            let paths = Paths::of(predecessors).expect("no cycle");
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
    fn plain(predecessors: &[Vec<(usize, u64)>]) -> Vec<Vec<Option<u64>>> {
        let rank = ranks(predecessors).expect("no cycle");
        let mut order: Vec<usize> = (0..predecessors.len()).collect();
        order.sort_by_key(|step| rank[*step]);
        (0..predecessors.len())
            .map(|from| {
                let mut row = vec![None; predecessors.len()];
                row[from] = Some(0);
                for step in order.iter().filter(|step| rank[**step] > rank[from]) {
                    let ways = predecessors[*step].iter();
                    row[*step] = ways.filter_map(|(b, w)| Some(row[*b]? + w)).max();
                }
                row[from] = None;
                row
            })
            .collect()
    }

    #[test]
    fn a_cycle_is_refused() {
        assert!(Paths::of(vec![vec![(1, 0)], vec![(0, 0)]]).is_err());
    }
}
