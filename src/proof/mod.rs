//! The safety model: which states a run can pass through, and whether something can be true in one.
//!
//! Each step is two events, `begin` and `end`; if one step comes after another, the other's `end`
//! precedes its `begin`. A *state* is a set of events that holds, with each event, all that precede
//! it. Every execution passes through such sets only, and each of them is reached by some.
//!
//! An *interval* is a start and a set of ends: it holds in a state that contains its start and none
//! of its ends. That a version of an RRset may be in a cache, or that a host may reject, are
//! intervals.
//!
//! **Theorem.** Intervals hold together in some reachable state if and only if no end of any of them
//! is equal to or precedes the start of any of them.
//!
//! *Why:* let D be all the starts and all that precedes them. Every state that contains the starts
//! contains D. D contains an end only if that end is, or precedes, a start. So if any state works, D
//! works; and D, run in the order of the graph, is the counterexample.
//!
//! So "can these be true together?" is a look-up in one transitive closure: no enumeration of
//! orders, no solver. The tests enumerate all states of small graphs, and all executions in time,
//! and compare.
//!
//! What this module does not do yet: say which intervals a mail move has, and which of them must
//! not hold together. Nothing calls it before that is there.

mod interval;
mod order;

pub use interval::{Interval, Start, expiry, together};
pub use order::{Event, Order};
