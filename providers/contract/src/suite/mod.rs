//! The suite that every adapter passes.
//!
//! Hello, author of an adapter. A run of `cutover` moves somebody's mail through your code, over
//! days. It relies on what you report: that the zone holds what you wrote, that a refusal changed
//! nothing, that what you replace at once is never absent, and that you say so when you do not
//! know. Mail is lost if any of this is wrong, and providers rarely document it. This suite
//! tests it on the real thing.
//!
//! You write a [`Bench`]. It creates a fresh zone and connects your adapter to it. Where it can, it
//! also reads the zone without your code, edits it as a colleague would, and breaks the path to the
//! provider. The suite has the [`Case`]s: each is a short story with steps, and names RRsets as a
//! person would write them. [`run`] runs all of them in order and returns a [`Report`]. Your test
//! prints it, checks that it passed, and compares your README with it ([`readme`]):
//!
//! ```ignore
//! let report = suite::run(&mut MyBench::new()).await;
//! suite::readme::check(Path::new(env!("CARGO_MANIFEST_DIR")), env!("CARGO_PKG_NAME"), &[report]);
//! ```
//!
//! Your provider cannot do everything. You declare a limit in your `capabilities`, or else as a
//! [`Limit`] of the bench with its reason. The suite checks each limit: the change must be refused
//! as unsupported or by the provider, and nothing may be different afterwards. A limit that the
//! provider does not have is a failure, so that no excuse outlives its cause. A case that the bench
//! has no means for is skipped, with that as the reason. Skips are counted and shown.
//!
//! After every step the whole zone is read, by the adapter and independently, and compared with
//! what it must hold, including the records that the step does not name. So no case has to say that
//! other records are untouched.
//!
//! The suite needs no runtime and no clock, never sleeps, and looks at one zone only. It does not
//! check that the servers serve what the provider holds.

mod bench;
mod case;
mod chapter;
mod fault;
pub mod readme;
mod report;
mod run;
mod step;
mod text;
mod watch;

#[cfg(test)]
mod tests;

pub use bench::{Bench, Edit, Fault, Limit, Missing, Rrsets};
pub use case::{Case, Opening, Step};
pub use report::{Outcome, Report, Verdict};
pub use text::{edits, key, master_lines, rrsets, zone_from_lines};

/// Every case, in the order in which they run.
#[must_use]
pub fn cases() -> Vec<Case> {
    chapter::ALL.iter().flat_map(|chapter| chapter()).collect()
}

/// Runs every case against this bench.
///
/// # Panics
/// If a case of the suite itself is not well-formed.
pub async fn run(bench: &mut dyn Bench) -> Report {
    run_cases(bench, cases()).await
}

/// Runs only these cases, such as the case you are working on.
///
/// # Panics
/// If a case is not well-formed.
pub async fn run_cases(bench: &mut dyn Bench, cases: Vec<Case>) -> Report {
    run::all(bench, cases).await
}
