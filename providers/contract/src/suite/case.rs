//! A case: a short story and its steps, all of it data.

use super::bench::Fault;
use crate::Atomicity;

/// A story that must hold for every adapter.
///
/// RRsets are written as `OWNER TYPE TTL RDATA | RDATA`, and an absent RRset as `OWNER TYPE -`.
/// Names without a trailing dot are relative to the zone; `@` is its apex.
#[derive(Clone, Debug)]
pub struct Case {
    /// The name, with its chapter in front: `txt/empty`. Each name is unique.
    pub name: String,
    /// Why it matters, for the author of an adapter.
    pub story: String,
    /// What the zone holds at first, besides the SOA and NS of the apex.
    pub start: Vec<String>,
    /// How the zone is created.
    pub opening: Opening,
    /// What happens.
    pub steps: Vec<Step>,
}

/// How a zone is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Unsigned.
    Plain,
    /// With records of a signer.
    Signed,
}

/// Something that happens, and what must hold afterwards. After each step the zone is read and
/// compared with what it must hold.
#[derive(Clone, Debug)]
pub enum Step {
    /// The adapter makes this change.
    Make(Vec<String>),
    /// A colleague makes this change.
    Colleague(Vec<String>),
    /// The adapter gets a change that expects some RRsets to be other than they are. It reports a
    /// conflict at one of them with what is there, and nothing is changed.
    Stale {
        /// What the change wrongly expects the zone to hold.
        believed: Vec<String>,
        /// The change.
        edits: Vec<String>,
    },
    /// The adapter or the provider refuses this change; nothing is changed.
    Refuse(Vec<String>),
    /// The adapter is asked in one call which of these change sets it cannot write. Each set
    /// expects the sets before it to be made. The adapter reports exactly these owners, and nothing
    /// is changed.
    Check {
        /// The change sets.
        sets: Vec<Vec<String>>,
        /// The owner names, as cases write them.
        refused: Vec<String>,
    },
    /// The adapter either makes this change, or refuses it and changes nothing. It must not report
    /// one and do the other.
    Either(Vec<String>),
    /// The adapter is asked to make the same change twice: the second attempt is a conflict.
    Repeat(Vec<String>),
    /// Two adapters that saw the same zone make these changes at the same time: exactly one wins.
    Race(Vec<String>, Vec<String>),
    /// The adapter makes these changes in turn while a reader reads without pause. Everything read
    /// must be explained by a zone that only moves forward through the changes, each of these units
    /// at once.
    Watch(Atomicity, Vec<Vec<String>>),
    /// These RRsets, requested in this order, are returned as the zone has them.
    Read(Vec<String>),
    /// These RRsets, which lie outside the zone, are reported as absent or refused.
    ReadOutside(Vec<String>),
    /// No RRset of a signer is shown, even when it is requested at this owner.
    NoSigner(String),
    /// Reads and changes of a zone that the provider does not have report exactly that.
    OtherZone(String),
    /// This RRset can have the smallest and the largest declared TTL.
    TtlEdges(String),
    /// This RRset is refused with a TTL beyond either declared limit.
    TtlBeyond(String),
    /// The adapter publishes the zone twice; nothing is changed.
    Publish,
    /// The path to the provider is broken while this change is made, and what the adapter reports
    /// is true.
    Break(Fault, Vec<String>),
    /// An independent reader sees the same zone.
    OtherReader,
    /// No error of the run so far has shown a secret.
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
