//! Views: pure functions from values to documents for people.
//!
//! A view decides what is said and in which order; the writers of [`crate::document`] give it a form
//! and escape it. JSON output is the artifact's own encoding, so it needs nothing here.

pub mod approvals;
pub mod approvals_json;
pub mod calendar;
mod chain;
pub mod diff;
pub mod discover;
pub mod explain;
mod fold;
mod gate;
pub mod overview;
pub mod overview_json;
pub mod plan;
pub mod probe;
pub mod profile;
pub mod status;
pub mod status_json;
mod timeline;
mod verdict;
pub mod zone;

use cutover_zone::{RrKey, RrSet};

use crate::document::count;
pub use crate::document::text::Styling;
pub use cutover_base::diag::escape_control;
use cutover_steps::graph::task::{Task, Work};
use cutover_steps::graph::{Primitive, Step};

/// Whether a step is a person's work.
fn is_by_hand(step: &Step) -> bool {
    matches!(&step.primitive, Primitive::Task(Task { work: Work::Manual(_), .. }))
}

/// The records of an RRset, one per line, in master file format.
fn lines(key: &RrKey, rrset: Option<&RrSet>) -> Vec<String> {
    let Some(rrset) = rrset else { return Vec::new() };
    let RrKey { name, rtype } = key;
    rrset.rdata().iter().map(|rdata| format!("{name} {} {rtype} {rdata}", rrset.ttl())).collect()
}
