//! The adapter against the lab's fake of Cloudflare, where the suite has no case.

#[path = "../../../tests/lab/cloudflare/mod.rs"]
mod cloudflare;
#[path = "it/common.rs"]
mod common;
#[path = "it/failures.rs"]
mod failures;
#[path = "../../../tests/lab/mod.rs"]
mod lab;
#[path = "it/reads.rs"]
mod reads;
#[path = "it/writes.rs"]
mod writes;
