//! What a plan and its run have in common.
//!
//! The plan is compiled to a [`graph`] of steps, and the run executes that graph. Everything that a
//! step is made of is here: what a gate [`ask`]s and what a [`probe`] makes of the answers, whom a
//! step [`notify`]s, which [`fact`]s and [`invariant`]s it is about. The run knows nothing of a plan
//! but this.
//!
//! Values and pure functions: nothing here asks, writes or waits.

pub mod approvals;
pub mod ask;
pub mod authority;
pub mod config;
pub mod fact;
pub mod graph;
pub mod invariant;
pub mod mailboxes;
pub mod notify;
pub mod probe;
pub mod resolver;
