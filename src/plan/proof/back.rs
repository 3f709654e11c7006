//! The way back: whether harm is possible on it, from every state in which it can begin.
//!
//! When a rollback begins, the forward steps stop, and each step that has begun is settled. Then
//! the steps of the way back are made, in their own order, if they *serve* a step that has begun. A
//! step that is left out takes no time, and nothing waits after it; the order of the others stays
//! the same.
//!
//! The theorem carries over. Let D be the starts among the forward steps, the begins of the steps
//! that the starts on the way back serve, and everything that precedes them. Let U be the starts on
//! the way back, and what precedes them among the steps of the way back that serve something in D.
//! Every state that contains the starts contains D and U. The end of a forward step is in that
//! state if enough waiting lies before a start among the forward steps. It is also in it if its
//! step has begun, so that it is settled before the way back begins, and enough waiting lies before
//! a start on the way back: the waiting between the step and anything in D, which is over by then,
//! and the waiting on the way back. The end of a step of the way back is in it if the step is made,
//! and enough waiting lies before a start on the way back.

use std::collections::BTreeSet;

use super::pattern::{Atom, MinGap, Pattern};
use cutover_steps::graph::paths::Paths;

/// How much waiting lies between two steps of the way back if only some of its steps are made.
pub type WaitBetween<'a> = &'a dyn Fn(usize, usize, &dyn Fn(usize) -> bool) -> Option<u64>;

/// Where a rollback can begin, and where it leads.
pub struct WayBack<'b> {
    /// The number of forward steps; the steps of the way back are numbered from here on.
    pub forward: usize,
    /// The forward step that each step of the way back serves; `None`: it is always made.
    pub serves: Vec<Option<usize>>,
    /// Every atom.
    pub atoms: &'b [Atom],
    /// The order of the forward steps.
    pub forward_paths: &'b Paths,
    /// The forward step that the way back leads to; `None`: before the first.
    pub to: Option<usize>,
    /// The points of no return.
    pub no_return: BTreeSet<usize>,
}

/// The forward steps that have begun.
pub struct Begun<'b> {
    /// The last of them, in order, each once.
    pub last: Vec<usize>,
    forward_paths: &'b Paths,
}

impl Begun<'_> {
    /// Whether a step has begun.
    #[must_use]
    pub fn has(&self, step: usize) -> bool {
        self.last.iter().any(|last| *last == step || self.forward_paths.precedes(step, *last))
    }
}

impl WayBack<'_> {
    /// The first step of the way back.
    #[must_use]
    pub fn begin(&self) -> usize {
        self.forward
    }

    /// The forward step that a step of the way back serves.
    #[must_use]
    pub fn served_by(&self, step: usize) -> Option<usize> {
        self.serves.get(step - self.forward).copied().flatten()
    }

    /// Whether a step belongs to the way back.
    #[must_use]
    pub fn is_back(&self, step: usize) -> bool {
        step >= self.forward
    }

    /// The last forward steps that have begun in the smallest state in which a pattern is true; all
    /// steps before them have begun too.
    #[must_use]
    pub fn begun(&self, pattern: &Pattern) -> Begun<'_> {
        let last = pattern.starts(self.atoms).filter_map(|step| match self.is_back(step) {
            true => self.served_by(step),
            false => Some(step),
        });
        let mut last: Vec<usize> = last.chain(self.to).collect();
        last.sort_unstable();
        last.dedup();
        Begun { last, forward_paths: self.forward_paths }
    }

    /// Whether a pattern is about the way back.
    #[must_use]
    pub fn concerns(&self, pattern: &Pattern) -> bool {
        pattern.starts(self.atoms).any(|step| self.is_back(step))
    }

    /// What prevents a pattern among the steps of the way back; `None`: it cannot come true there,
    /// in any order. `begun` are the steps that have begun in such a state ([`WayBack::begun`]).
    #[must_use]
    pub fn min_gaps(&self, pattern: &Pattern, begun: &Begun<'_>) -> Option<Vec<MinGap>> {
        if self.no_return.iter().any(|step| begun.has(*step)) {
            return None;
        }
        let mut min_gaps = Vec::new();
        for separation in pattern.separations(self.atoms) {
            let MinGap { from, to, secs } = separation.min_gap();
            match (self.is_back(from), self.is_back(to)) {
                // The order of the forward steps is fixed already.
                (false, false) => {
                    if self.forward_paths.between(from, to).is_some_and(|waited| waited >= secs) {
                        return None;
                    }
                }
                (false, true) if begun.has(from) => {
                    let last = begun.last.iter();
                    let since =
                        last.filter_map(|step| self.forward_paths.between(from, *step)).max();
                    let secs = secs.saturating_sub(since.unwrap_or(0));
                    if to == self.begin() && secs == 0 {
                        return None;
                    }
                    min_gaps.push(MinGap { from: self.begin(), to, secs });
                }
                (true, true) if self.is_made(from, begun) => {
                    min_gaps.push(MinGap { from, to, secs })
                }
                (true, _) | (false, true) => {}
            }
        }
        Some(min_gaps)
    }

    /// Whether a step of the way back is made in a state with these begun steps.
    #[must_use]
    pub fn is_made(&self, step: usize, begun: &Begun<'_>) -> bool {
        self.served_by(step).is_none_or(|served| begun.has(served))
    }

    /// Whether a pattern can come true on the way back.
    #[must_use]
    pub fn can_come_true(&self, pattern: &Pattern, wait_between: WaitBetween<'_>) -> bool {
        let begun = self.begun(pattern);
        let made = |step: usize| self.is_made(step, &begun);
        self.min_gaps(pattern, &begun).is_some_and(|min_gaps| {
            let is_kept = |gap: &MinGap| {
                wait_between(gap.from, gap.to, &made).is_some_and(|waited| waited >= gap.secs)
            };
            !min_gaps.iter().any(is_kept)
        })
    }
}
