//! Which messages a connection may have broken at.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Side;

/// How often a connection breaks at one message before the message is left for the next pass. Our
/// choice: once may be the network.
const BREAKS_MAX: u32 = 2;

/// What is known of them.
///
/// A connection that breaks twice before a message was settled breaks, most likely, because of one of
/// the messages that were under way. These *suspects* are then read and sent alone, after all others,
/// and the one at which the connection breaks again and again is left for the next pass.
#[derive(Debug, Default)]
pub(crate) struct Care {
    /// How much has been settled. It never shrinks.
    pub(crate) settled: u64,
    /// Messages that this pass does not try again.
    pub(crate) ended: BTreeSet<u32>,
    pub(crate) suspects: BTreeSet<u32>,
    /// How often a connection broke at a message that was alone, and at which side the last time.
    breaks: BTreeMap<u32, (u32, Side)>,
}

impl Care {
    /// A message was settled.
    pub(crate) fn settle(&mut self, uid: u32) {
        self.settled += 1;
        self.suspects.remove(&uid);
    }

    /// A message is not tried again in this pass.
    pub(crate) fn end(&mut self, uid: u32) {
        self.ended.insert(uid);
        self.settle(uid);
    }

    /// A connection broke while these messages were asked for from the old side. Whether something had
    /// been settled since it broke before, decides about several; one is to blame.
    pub(crate) fn suspect(&mut self, under_way: &[u32], is_fruitless: bool) {
        match under_way {
            [uid] => self.blame(*uid, Side::Old),
            several if is_fruitless => self.suspects.extend(several),
            _ => {}
        }
    }

    /// A connection broke while this message was alone.
    pub(crate) fn blame(&mut self, uid: u32, side: Side) {
        let (breaks, last) = self.breaks.entry(uid).or_insert((0, side));
        *breaks += 1;
        *last = side;
        // That it is known now is progress, too.
        self.settled += 1;
        self.suspects.insert(uid);
    }

    /// The side at which the connection breaks again and again because of this message.
    pub(crate) fn culprit(&self, uid: u32) -> Option<Side> {
        let (breaks, side) = self.breaks.get(&uid)?;
        (*breaks >= BREAKS_MAX).then_some(*side)
    }
}
