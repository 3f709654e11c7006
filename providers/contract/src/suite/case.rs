//! A case: a story with steps. All of it is data.

use super::bench::Fault;
use crate::Atomicity;

/// A story that an adapter has to bear out.
///
/// RRsets are written as `OWNER TYPE TTL RDATA | RDATA`, and the absence of one as `OWNER TYPE -`.
/// Names without a trailing dot lie in the zone; `@` is its apex.
#[derive(Clone, Debug)]
pub struct Case {
    /// The name, with its chapter in front: `txt/empty`. No two cases share one.
    pub name: String,
    /// Why it matters, told to the author of an adapter.
    pub story: String,
    /// What the zone holds at the beginning, besides SOA and NS of the apex.
    pub start: Vec<String>,
    /// How the zone is made.
    pub opening: Opening,
    /// What happens.
    pub steps: Vec<Step>,
}

/// How a zone is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Unsigned.
    Plain,
    /// With records of a signer.
    Signed,
}

/// Something that happens, and what has to be so afterwards. After each of them the zone is read
/// and compared with what it must hold.
#[derive(Clone, Debug)]
pub enum Step {
    /// The adapter makes this change.
    Make(Vec<String>),
    /// A colleague makes this change.
    Colleague(Vec<String>),
    /// The adapter is asked for a change in the belief that some RRsets are other than they are. It
    /// reports a conflict at one of these with what is there, and nothing is changed.
    Stale {
        /// What the zone is believed to hold, where that is not so.
        believed: Vec<String>,
        /// The change.
        edits: Vec<String>,
    },
    /// The adapter refuses this change as unsupported, or the provider does; nothing is changed.
    Refuse(Vec<String>),
    /// The adapter is asked, all at once, which of these change sets it cannot write, each of them made
    /// in the belief that those before it were. It finds something at exactly these owners, and
    /// nothing is changed.
    Check {
        /// The sets.
        sets: Vec<Vec<String>>,
        /// The owners, as in cases.
        refused: Vec<String>,
    },
    /// The adapter makes this change, or refuses it and nothing is changed; it does not say the one
    /// and do the other.
    Either(Vec<String>),
    /// The adapter makes the same change twice over: the second time it is a conflict.
    Repeat(Vec<String>),
    /// Two adapters make these changes at once, and both saw the same zone: one of them wins.
    Race(Vec<String>, Vec<String>),
    /// The adapter makes these changes one after another, while somebody reads without a break.
    /// Everything that is read is explained by a zone that only moves forward from one to the next,
    /// each of these units at once.
    Watch(Atomicity, Vec<Vec<String>>),
    /// These RRsets, asked for in this order, are answered as the zone has them.
    Read(Vec<String>),
    /// These RRsets, which lie outside of the zone, are answered as absent or refused.
    ReadOutside(Vec<String>),
    /// No RRset of a signer is shown, whether it is asked for at this owner or not.
    NoSigner(String),
    /// Reads and changes of a zone that the provider does not have say so.
    OtherZone(String),
    /// The RRset at these owners can have the smallest and the largest TTL that are declared.
    TtlEdges(String),
    /// This RRset with a TTL beyond each declared edge is refused.
    TtlBeyond(String),
    /// The zone's servers are told of what the provider holds, twice over; nothing is changed.
    Publish,
    /// The way to the provider is broken; this change is asked for, and what is said of it is true.
    Break(Fault, Vec<String>),
    /// Another reader sees the same zone.
    OtherReader,
    /// No error of this run, so far, has shown a secret.
    Secrets,
}

/// A case on an unsigned zone.
pub(super) fn case(name: &str, story: &str, start: &[&str], steps: Vec<Step>) -> Case {
    Case {
        name: name.to_owned(),
        story: story.to_owned(),
        start: lines(start),
        opening: Opening::Plain,
        steps,
    }
}

pub(super) fn lines(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

pub(super) fn make(edits: &[&str]) -> Step {
    Step::Make(lines(edits))
}

pub(super) fn colleague(edits: &[&str]) -> Step {
    Step::Colleague(lines(edits))
}

pub(super) fn refuse(edits: &[&str]) -> Step {
    Step::Refuse(lines(edits))
}

pub(super) fn stale(believed: &[&str], edits: &[&str]) -> Step {
    Step::Stale { believed: lines(believed), edits: lines(edits) }
}

pub(super) fn read(keys: &[&str]) -> Step {
    Step::Read(lines(keys))
}
