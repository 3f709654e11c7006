//! An order that is tried out: edges are added, removed and shortened, and after each change the
//! question is how much waiting lies between two steps.
//!
//! It answers like [`cutover_steps::graph::paths::Paths`], which is made for a graph that no longer
//! changes. Here the graph changes by one edge at a time, so whatever stays valid is reused: a
//! topological order stays one when edges are removed or shortened, and rows of answers are
//! overwritten instead of allocated again.

use std::cell::RefCell;

use cutover_steps::graph::paths::sorted;

/// From, to, and the seconds of waiting in between.
pub(super) type Edge = (usize, usize, u64);

/// The maximum number of answers that all rows hold together: 64 MB. Our choice; the steps of one
/// domain need a hundredth.
const ANSWERS_MAX: usize = 8_000_000;

/// A graph without a cycle.
pub(super) struct Order {
    edges: Vec<Edge>,
    /// Whether each edge is present.
    is_there: Vec<bool>,
    /// The edges that lead to each step.
    predecessors: Vec<Vec<usize>>,
    /// The place of each step in a topological order, and the step at each place.
    rank: Vec<usize>,
    at_rank: Vec<usize>,
    rows: RefCell<Rows>,
}

/// The longest waits from one step to the steps after it.
#[derive(Default)]
struct Rows {
    /// By step: the state of the graph that the row is valid for, and the answers by rank.
    of: Vec<(u64, Vec<Option<u64>>)>,
    /// The state of the graph: each change makes a new one.
    now: u64,
    answers: usize,
}

impl Order {
    /// The order that these edges give to this many steps; `None`: they make a cycle.
    pub(super) fn of(steps: usize, edges: &[Edge]) -> Option<Self> {
        let mut counts = vec![0_usize; steps];
        edges.iter().for_each(|(_, to, _)| counts[*to] += 1);
        let mut order = Self {
            edges: Vec::with_capacity(2 * edges.len()),
            is_there: Vec::with_capacity(2 * edges.len()),
            predecessors: counts.into_iter().map(|count| Vec::with_capacity(count + 1)).collect(),
            rank: Vec::new(),
            at_rank: Vec::new(),
            rows: RefCell::new(Rows { of: vec![(0, Vec::new()); steps], now: 1, answers: 0 }),
        };
        edges.iter().for_each(|edge| order.put(*edge));
        order.sort().then_some(order)
    }

    fn put(&mut self, edge: Edge) {
        self.predecessors[edge.1].push(self.edges.len());
        self.edges.push(edge);
        self.is_there.push(true);
    }

    fn changed(&mut self) {
        self.rows.get_mut().now += 1;
    }

    /// Adds an edge. Its end must not precede its beginning.
    pub(super) fn add(&mut self, edge: Edge) {
        self.put(edge);
        if self.rank[edge.0] >= self.rank[edge.1] {
            let is_sorted = self.sort();
            debug_assert!(is_sorted, "the edge makes no cycle");
        }
        self.changed();
    }

    /// Removes the edge that was added last.
    pub(super) fn remove_last(&mut self) {
        if let Some((_, to, _)) = self.edges.pop() {
            self.predecessors[to].pop();
            self.is_there.pop();
        }
        self.changed();
    }

    /// Sets whether an edge is present, by its number: the first has 0.
    pub(super) fn set_there(&mut self, edge: usize, is_there: bool) {
        self.is_there[edge] = is_there;
        self.changed();
    }

    /// Sets how long an edge waits.
    pub(super) fn set_wait(&mut self, edge: usize, secs: u64) {
        self.edges[edge].2 = secs;
        self.changed();
    }

    /// How many seconds of waiting lie at least between the end of `from` and the begin of `to`;
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

    /// As [`Order::between`] if only some of the steps are made. A step that is not made takes no
    /// time, and nothing waits after it, but what comes after it still comes after what is before
    /// it.
    pub(super) fn between_if(
        &self,
        from: usize,
        to: usize,
        is_made: &dyn Fn(usize) -> bool,
    ) -> Option<u64> {
        // Without any path between the steps, there is nothing to look for.
        self.between(from, to)?;
        let mut row = vec![None; self.rank[to] + 1];
        self.fill(&mut row, from, self.rank[to] + 1, is_made);
        row[self.rank[to]]
    }

    /// Fills a row with the waits from a step, up to a rank.
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
            let predecessors = self.predecessors[self.at_rank[place]].iter();
            let ways = predecessors.filter(|edge| self.is_there[**edge]).filter_map(|edge| {
                let (before, _, secs) = self.edges[*edge];
                let rank = self.rank[before];
                let so_far = if rank < first { None } else { row[rank] };
                Some(so_far? + if is_made(before) { secs } else { 0 })
            });
            row[place] = ways.max();
        }
    }

    /// Sorts the steps; `false`: there is a cycle.
    fn sort(&mut self) -> bool {
        let edges = self.edges.iter().map(|(from, to, _)| (*from, *to));
        let Some(at_rank) = sorted(self.predecessors.len(), edges) else { return false };
        self.rank.resize(at_rank.len(), 0);
        at_rank.iter().enumerate().for_each(|(rank, step)| self.rank[*step] = rank);
        self.at_rank = at_rank;
        self.changed();
        true
    }
}
