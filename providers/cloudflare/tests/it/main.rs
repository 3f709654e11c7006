//! The adapter with the lab's fake of Cloudflare, where the suite has no case.

#[path = "../../../../tests/lab/cloudflare/mod.rs"]
mod cloudflare;
mod common;
mod failures;
#[path = "../../../../tests/lab/mod.rs"]
mod lab;
mod reads;
mod writes;
