//! Tests of `cutover` at its boundaries: one binary, one file per feature.

#[path = "../lab/mod.rs"]
mod lab;

mod agreement;
mod bed;
mod garbage;
mod language;
mod plans;
mod readme;
mod registry;
mod run;
mod schema;
