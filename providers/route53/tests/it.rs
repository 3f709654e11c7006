//! The adapter against the lab's fake of Route 53, where the suite has no case.

#[path = "it/common.rs"]
mod common;
#[path = "it/failures.rs"]
mod failures;
#[path = "../../../tests/lab/mod.rs"]
mod lab;
#[path = "it/reads.rs"]
mod reads;
#[path = "../../../tests/lab/route53/mod.rs"]
mod route53;
#[path = "it/writes.rs"]
mod writes;
