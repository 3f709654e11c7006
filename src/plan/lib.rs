//! From a plan to a proved graph of steps.
//!
//! ```text
//! YAML -language-> PlanSpec -intent-> Intent -observe-> questions, and the Snapshot that their answers make
//!   -recipe (model)-> tracks of versions -proof-> atoms and bad patterns -compile-> order, ways back, findings
//! ```
//!
//! Each arrow is a pure function of one module. Nothing here asks anybody, reads a clock, or knows
//! what becomes of the graph afterwards.

pub mod compile;
pub mod intent;
pub mod language;
pub mod model;
pub mod observe;
pub mod proof;
pub mod recipe;
