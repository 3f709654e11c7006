//! The way back: whether harm can be done on it, from every state in which it can begin.
//!
//! When a rollback begins, the way there stops, each step that has begun is settled, and then the
//! steps of the way back are made, in its own order, as far as they *serve* a step that has begun. A
//! step that is left out takes no time, and nothing is waited behind it; the order of the others
//! stays as it is.
//!
//! The theorem carries over. Let D be the starts on the way there, the begins of the steps that the
//! starts on the way back serve, and all that precedes them; let U be the starts on the way back and
//! what precedes them among the steps of the way back that serve something in D. Every state that
//! contains the starts contains D and U. An end on the way there is in it if enough waiting lies
//! before a start on the way there; or if its step has begun, so that it is settled before the way
//! back begins, and enough waiting lies before a start on the way back: that between the step and
//! anything in D, which is over by then, and that on the way back. An end on the way back is in it if
//! its step is made, and enough waiting lies before a start on the way back.

use std::collections::BTreeSet;

use super::pattern::{Atom, MinGap, Pattern};
use crate::graph::paths::Paths;

/// How much waiting lies between two steps of the way back where only some of its steps are made.
pub type Among<'a> = &'a dyn Fn(usize, usize, &dyn Fn(usize) -> bool) -> Option<u64>;

/// Where a rollback can begin, and where it leads.
pub struct WayBack<'b> {
    /// How many steps lead there; those of the way back are numbered from here on.
    pub forward: usize,
    /// The step of the way there that each step of the way back serves; `None`: it is always made.
    pub serves: Vec<Option<usize>>,
    /// Every atom.
    pub atoms: &'b [Atom],
    /// The steps of the way there.
    pub there: &'b Paths,
    /// The step of the way there that the way back leads to; `None`: before the first.
    pub to: Option<usize>,
    /// From these steps on there is no way back.
    pub no_return: BTreeSet<usize>,
}

/// The steps of the way there that have begun.
pub struct Begun<'b> {
    /// The last of them, in order, each once.
    pub last: Vec<usize>,
    there: &'b Paths,
}

impl Begun<'_> {
    /// Whether a step has begun.
    #[must_use]
    pub fn has(&self, step: usize) -> bool {
        self.last.iter().any(|last| *last == step || self.there.precedes(step, *last))
    }
}

impl WayBack<'_> {
    /// The first step of the way back.
    #[must_use]
    pub fn begin(&self) -> usize {
        self.forward
    }

    /// The step of the way there that a step of the way back serves.
    #[must_use]
    pub fn served_by(&self, step: usize) -> Option<usize> {
        self.serves.get(step - self.forward).copied().flatten()
    }

    /// Whether a step is one of the way back.
    #[must_use]
    pub fn is_back(&self, step: usize) -> bool {
        step >= self.forward
    }

    /// The last steps of the way there that have begun in the least state in which a pattern is true;
    /// whatever comes before them has begun too.
    #[must_use]
    pub fn begun(&self, pattern: &Pattern) -> Begun<'_> {
        let starts = pattern.starts(self.atoms);
        let last = starts.iter().filter_map(|step| match self.is_back(*step) {
            true => self.served_by(*step),
            false => Some(*step),
        });
        let mut last: Vec<usize> = last.chain(self.to).collect();
        last.sort_unstable();
        last.dedup();
        Begun { last, there: self.there }
    }

    /// Whether a pattern is about the way back at all.
    #[must_use]
    pub fn concerns(&self, pattern: &Pattern) -> bool {
        pattern.starts(self.atoms).iter().any(|step| self.is_back(*step))
    }

    /// What keeps a pattern from coming true on the way back, among its steps; `None`: it cannot come
    /// true there, whatever the order of that way is.
    #[must_use]
    pub fn min_gaps(&self, pattern: &Pattern) -> Option<Vec<MinGap>> {
        let begun = self.begun(pattern);
        if self.no_return.iter().any(|step| begun.has(*step)) {
            return None;
        }
        let mut min_gaps = Vec::new();
        for one in pattern.separations(self.atoms) {
            let MinGap { from, to, secs } = one.min_gap();
            match (self.is_back(from), self.is_back(to)) {
                // It is known already how the steps of the way there lie.
                (false, false) => {
                    if self.there.between(from, to).is_some_and(|waited| waited >= secs) {
                        return None;
                    }
                }
                (false, true) if begun.has(from) => {
                    let last = begun.last.iter();
                    let since = last.filter_map(|step| self.there.between(from, *step)).max();
                    let secs = secs.saturating_sub(since.unwrap_or(0));
                    if to == self.begin() && secs == 0 {
                        return None;
                    }
                    min_gaps.push(MinGap { from: self.begin(), to, secs });
                }
                (true, true) if self.is_made(from, &begun) => {
                    min_gaps.push(MinGap { from, to, secs })
                }
                (true, _) | (false, true) => {}
            }
        }
        Some(min_gaps)
    }

    /// Whether a step of the way back is made where so much has begun.
    #[must_use]
    pub fn is_made(&self, step: usize, begun: &Begun<'_>) -> bool {
        self.served_by(step).is_none_or(|served| begun.has(served))
    }

    /// Whether a pattern can come true on the way back.
    #[must_use]
    pub fn can_come_true(&self, pattern: &Pattern, among: Among<'_>) -> bool {
        let begun = self.begun(pattern);
        let made = |step: usize| self.is_made(step, &begun);
        self.min_gaps(pattern).is_some_and(|min_gaps| {
            !min_gaps
                .iter()
                .any(|one| among(one.from, one.to, &made).is_some_and(|waited| waited >= one.secs))
        })
    }
}
