//! An adversary's choices, each of which is tried.

/// The choices of one trial, in the order in which they are asked for.
#[derive(Default)]
pub(super) struct Choices {
    /// Those made, each with the number of alternatives.
    made: Vec<(usize, usize)>,
    at: usize,
}

impl Choices {
    pub(super) fn choose(&mut self, count: usize) -> usize {
        if self.at == self.made.len() {
            self.made.push((0, count));
        }
        self.at += 1;
        self.made[self.at - 1].0
    }

    /// Begins the next trial; `false` if all were made.
    pub(super) fn advance(&mut self) -> bool {
        self.at = 0;
        while let Some((choice, count)) = self.made.pop() {
            if choice + 1 < count {
                self.made.push((choice + 1, count));
                return true;
            }
        }
        false
    }
}
