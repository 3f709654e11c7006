//! What every layer of `cutover` uses and no layer owns.
//!
//! [`calendar`] has spans, instants and windows by the wall clock of a time zone; [`diag`] has
//! diagnostics with their places; [`digest`] is SHA-256; [`slug`] is the form of the names that a
//! plan gives.
//!
//! Nothing here reads a clock, a file or the environment, or knows what DNS is.

pub mod calendar;
pub mod diag;
pub mod digest;
pub mod slug;
