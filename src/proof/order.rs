//! The strict order of the events of a graph, closed transitively.

use crate::graph::StepGraph;

/// Begin or end of a step, by the step's place in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// The step may have had an effect from here on.
    Begin(usize),
    /// The step is done.
    End(usize),
}

impl Event {
    /// The step's place.
    #[must_use]
    pub fn place(self) -> usize {
        match self {
            Self::Begin(place) | Self::End(place) => place,
        }
    }
}

/// Which events precede which.
///
/// One row of bits for each step: the steps that it comes after, at any distance. 64 steps cost a
/// word, so a thousand domains with twenty steps each fit into 50 MB.
#[derive(Clone, Debug)]
pub struct Order {
    rows: Vec<u64>,
    words: usize,
}

/// Bits of a word.
const WORD: usize = 64;

impl Order {
    /// The order of a graph's events.
    #[must_use]
    pub fn of(graph: &StepGraph) -> Self {
        let steps = graph.steps();
        let befores = steps.iter().map(|step| {
            let places = step.after.iter().filter_map(|id| graph.place(id));
            places.collect::<Vec<usize>>()
        });
        Self::of_places(&befores.collect::<Vec<_>>())
    }

    /// The order of steps that stand behind all that they come after.
    ///
    /// # Panics
    /// Where a step comes after one that does not stand before it.
    #[must_use]
    pub fn of_places(befores: &[Vec<usize>]) -> Self {
        let words = befores.len().div_ceil(WORD);
        let mut rows = vec![0_u64; words * befores.len()];
        for (place, before) in befores.iter().enumerate() {
            for &other in before {
                assert!(other < place, "steps stand in an order of the graph");
                let (above, row) = rows.split_at_mut(place * words);
                for (mine, theirs) in row.iter_mut().zip(&above[other * words..][..words]) {
                    *mine |= theirs;
                }
                row[other / WORD] |= 1 << (other % WORD);
            }
        }
        Self { rows, words }
    }

    /// Whether the step at `place` comes after the one at `other`, at any distance.
    #[must_use]
    pub fn comes_after(&self, place: usize, other: usize) -> bool {
        self.rows[place * self.words + other / WORD] >> (other % WORD) & 1 == 1
    }

    /// Whether `first` is `second`, or precedes it.
    #[must_use]
    pub fn is_or_precedes(&self, first: Event, second: Event) -> bool {
        match (first, second) {
            _ if first == second => true,
            (Event::Begin(a), Event::End(b)) if a == b => true,
            (_, _) => self.comes_after(second.place(), first.place()),
        }
    }
}
