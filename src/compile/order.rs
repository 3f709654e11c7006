//! An order that is tried out: edges come, go, and are made shorter, and each time it is asked how much
//! waiting lies between two steps.
//!
//! It answers as [`crate::graph::paths::Paths`] does, which knows one graph for good. Here the graph
//! changes all the time by one edge, so that what does not change is kept: the topological order holds
//! for fewer and shorter edges too, and rows of answers are written over and not made anew.

use std::cell::RefCell;

/// From, to, and the seconds in between.
pub(super) type Edge = (usize, usize, u64);

/// What rows may hold together, in answers: 64 MB. Our choice; one domain's steps need a hundredth.
const ANSWERS_MAX: usize = 8_000_000;

/// A graph without a circle.
pub(super) struct Order {
    edges: Vec<Edge>,
    /// Whether each edge is there.
    is_there: Vec<bool>,
    /// The edges that lead to each step.
    befores: Vec<Vec<usize>>,
    /// The place of each step in a topological order, and the step at each place.
    rank: Vec<usize>,
    at_rank: Vec<usize>,
    rows: RefCell<Rows>,
}

/// The longest waits from one step to those behind it.
#[derive(Default)]
struct Rows {
    /// By step; for which state of the graph, and the answers by rank.
    of: Vec<(u64, Vec<Option<u64>>)>,
    /// The state of the graph: each change makes another one.
    now: u64,
    answers: usize,
}

impl Order {
    /// The order that these edges make among so many steps; `None`: they make a circle.
    pub(super) fn of(steps: usize, edges: impl Iterator<Item = Edge>) -> Option<Self> {
        let mut order = Self {
            edges: Vec::new(),
            is_there: Vec::new(),
            befores: vec![Vec::new(); steps],
            rank: Vec::new(),
            at_rank: Vec::new(),
            rows: RefCell::new(Rows { of: vec![(0, Vec::new()); steps], now: 1, answers: 0 }),
        };
        for edge in edges {
            order.put(edge);
        }
        order.sort().then_some(order)
    }

    fn put(&mut self, edge: Edge) {
        self.befores[edge.1].push(self.edges.len());
        self.edges.push(edge);
        self.is_there.push(true);
    }

    fn changed(&mut self) {
        self.rows.get_mut().now += 1;
    }

    /// Adds an edge whose end does not lead to its beginning.
    pub(super) fn add(&mut self, edge: Edge) {
        self.put(edge);
        if self.rank[edge.0] >= self.rank[edge.1] {
            let is_sorted = self.sort();
            debug_assert!(is_sorted, "the edge makes no circle");
        }
        self.changed();
    }

    /// Takes the edge that came last away again.
    pub(super) fn remove_last(&mut self) {
        if let Some((_, to, _)) = self.edges.pop() {
            self.befores[to].pop();
            self.is_there.pop();
        }
        self.changed();
    }

    /// Whether an edge is there, by its number: the first has 0.
    pub(super) fn set_there(&mut self, edge: usize, is_there: bool) {
        self.is_there[edge] = is_there;
        self.changed();
    }

    /// How much an edge waits.
    pub(super) fn set_wait(&mut self, edge: usize, secs: u64) {
        self.edges[edge].2 = secs;
        self.changed();
    }

    /// How many seconds of waiting lie between the end of `from` and the begin of `to` at least;
    /// `None`: `to` does not come after `from`.
    pub(super) fn between(&self, from: usize, to: usize) -> Option<u64> {
        if self.rank[from] >= self.rank[to] {
            return None;
        }
        let rows = &mut *self.rows.borrow_mut();
        if rows.of[from].0 != rows.now {
            if rows.answers > ANSWERS_MAX {
                rows.answers = 0;
                rows.of.iter_mut().for_each(|row| *row = (0, Vec::new()));
            }
            let (known, row) = &mut rows.of[from];
            if row.is_empty() {
                rows.answers += self.rank.len();
                row.resize(self.rank.len(), None);
            }
            *known = rows.now;
            self.fill(row, from, self.rank.len(), &|_| true);
        }
        rows.of[from].1[self.rank[to]]
    }

    /// Whether `to` comes after `from`.
    pub(super) fn precedes(&self, from: usize, to: usize) -> bool {
        self.between(from, to).is_some()
    }

    /// As [`Order::between`] where only some of the steps are made. One that is not made takes no time, and
    /// nothing is waited behind it, but what comes after it still comes after what is before it.
    pub(super) fn between_if(
        &self,
        from: usize,
        to: usize,
        is_made: &dyn Fn(usize) -> bool,
    ) -> Option<u64> {
        // Where no path leads at all, the way need not be looked for.
        self.between(from, to)?;
        let mut row = vec![None; self.rank[to] + 1];
        self.fill(&mut row, from, self.rank[to] + 1, is_made);
        row[self.rank[to]]
    }

    /// Writes the waits from a step into a row, up to a rank.
    fn fill(
        &self,
        row: &mut [Option<u64>],
        from: usize,
        end: usize,
        is_made: &dyn Fn(usize) -> bool,
    ) {
        let first = self.rank[from];
        row[first] = Some(0);
        for place in first + 1..end {
            let befores = self.befores[self.at_rank[place]].iter();
            let ways = befores.filter(|edge| self.is_there[**edge]).filter_map(|edge| {
                let (before, _, secs) = self.edges[*edge];
                let rank = self.rank[before];
                let so_far = if rank < first { None } else { row[rank] };
                Some(so_far? + if is_made(before) { secs } else { 0 })
            });
            row[place] = ways.max();
        }
    }

    /// Puts the steps in order; `false`: there is a circle.
    fn sort(&mut self) -> bool {
        let steps = self.befores.len();
        let mut followers: Vec<Vec<usize>> = vec![Vec::new(); steps];
        let mut unmet = vec![0_usize; steps];
        for (from, to, _) in &self.edges {
            followers[*from].push(*to);
            unmet[*to] += 1;
        }
        let mut ready: Vec<usize> = (0..steps).filter(|step| unmet[*step] == 0).collect();
        self.at_rank.clear();
        self.rank.resize(steps, 0);
        while let Some(step) = ready.pop() {
            self.rank[step] = self.at_rank.len();
            self.at_rank.push(step);
            for follower in &followers[step] {
                unmet[*follower] -= 1;
                if unmet[*follower] == 0 {
                    ready.push(*follower);
                }
            }
        }
        self.changed();
        self.at_rank.len() == steps
    }
}
