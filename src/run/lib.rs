//! The run of a sealed plan.
//!
//! ```text
//! (Artifact, Journal, now) -engine-> Next =perform, ask, sleep=> Event -journal-> state -> RunView
//! ```
//!
//! The [`artifact`] holds everything that a run does; the [`journal`] is what has happened; the
//! [`engine`] says what comes next; the loop in [`world`] drives it across the one boundary to the
//! world, which [`sim`] implements without one.
//!
//! This crate does not depend on the plan language or the compiler: a run is described by its
//! artifact alone.

pub mod artifact;
pub mod engine;
pub mod journal;
pub mod sim;
pub mod world;
