//! The real world, beside the boundary and the loop that every world shares.

pub mod real;

pub use cutover_run::world::*;
