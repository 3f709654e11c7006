//! The adapter with the lab's fake of Route 53, where the suite has no case.

mod common;
mod failures;
#[path = "../../../../tests/lab/mod.rs"]
mod lab;
mod reads;
#[path = "../../../../tests/lab/route53/mod.rs"]
mod route53;
mod writes;
