//! What the tests of the adapters share besides the conformance suite: zones as text, change sets
//! between two such texts, the errors of a provider's calls, and adapters configured from texts.
//!
//! An invalid text in a test is a panic.

mod provider;
mod tables;
mod texts;

pub use provider::{Hurried, closed, config, connect, connected, failures, kind, kinds, nobody};
pub use tables::{CONFLICTS, EVERY_TYPE, HOSTED, MX, REFUSED, SMALL, STORY, Swap};
pub use texts::{ZONE, changes, edited, key, lines, records, rrsets, without_soa, zone};
