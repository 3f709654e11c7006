//! The runs that one process drives at once.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::{Pin, pin};

use futures_util::stream::{FuturesUnordered, StreamExt as _};

use super::super::apply::Applied;
use super::super::failure::Failure;

/// What a run did, and under which name.
pub(super) type Ended = (String, Result<Applied, Failure>);

/// The turn of a run.
pub(super) type Turn<'a> = Pin<Box<dyn Future<Output = Ended> + 'a>>;

/// Turns that are under way. They get on only while somebody waits for [`Driven::next`] or something
/// [`Driven::beside`] them.
#[derive(Default)]
pub(super) struct Driven<'a> {
    turns: FuturesUnordered<Turn<'a>>,
    /// Those that are over, and that nobody has asked for yet.
    ended: VecDeque<Ended>,
}

impl<'a> Driven<'a> {
    /// How many turns are under way.
    pub(super) fn len(&self) -> usize {
        self.turns.len()
    }

    /// Whether [`Driven::next`] has nothing to wait for.
    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty() && self.ended.is_empty()
    }

    pub(super) fn push(&mut self, turn: Turn<'a>) {
        self.turns.push(turn);
    }

    /// Waits until a turn is over; `None` if there is none.
    pub(super) async fn next(&mut self) -> Option<Ended> {
        match self.ended.pop_front() {
            Some(ended) => Some(ended),
            None => self.turns.next().await,
        }
    }

    /// Waits for something while the turns get on. All of them use the same store: a turn that is the
    /// next one to use its connection, and does not get on, would block this for ever.
    pub(super) async fn beside<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                Some(ended) = self.turns.next() => self.ended.push_back(ended),
            }
        }
    }
}
