//! What the adapters' own tests share, beside the conformance suite: a zone written as text, change
//! sets between two such texts, what each call of a provider says, and adapters from texts.
//!
//! What is wrong with a test is a panic here.

mod provider;
mod tables;
mod texts;

pub use provider::{Hurried, closed, config, connect, connected, failures, kind, kinds, nobody};
pub use tables::{CONFLICTS, EVERY_TYPE, HOSTED, MX, REFUSED, SMALL, STORY, Swap};
pub use texts::{ZONE, changes, edited, key, lines, records, rrsets, without_soa, zone};
