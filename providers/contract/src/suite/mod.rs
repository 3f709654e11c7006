//! The suite that every adapter passes.
//!
//! Hello, author of an adapter. A run of `cutover` moves somebody's mail, over days, through your
//! code. It believes what you say: that what it wrote is what is there, that a refusal changed
//! nothing, that what you swap at once was never absent, that you do not know when you do not know.
//! Mail is lost where one of these is not so, and the providers' own documents rarely tell. This
//! suite asks the real thing.
//!
//! You build a [`Bench`]: it makes a fresh zone, connects your adapter to it, and, where it can,
//! reads the zone without your code, edits it as a colleague would, and breaks the way there. The
//! suite has the [`Case`]s: each is a short story with steps, and names the RRsets as a person would
//! write them. [`run`] goes through all of them in their order, one after another, and gives a
//! [`Report`]; your test prints it, has it passed, and compares your README with it ([`readme`]):
//!
//! ```ignore
//! let report = suite::run(&mut MyBench::new()).await;
//! suite::readme::check(Path::new(env!("CARGO_MANIFEST_DIR")), env!("CARGO_PKG_NAME"), &[report]);
//! ```
//!
//! Your provider cannot do everything. A limit that your `capabilities` declare is found there; any
//! other one is a [`Limit`] of the bench, with its reason. Neither is believed: the change has to be
//! refused as unsupported or by the provider, and nothing may be different afterwards. A limit that
//! is not met is a failure, so that no excuse outlives its cause. What the bench has no means for
//! is skipped with that as its reason. Skips are counted and shown.
//!
//! After every step the whole zone is read, by the adapter and independently, and compared with
//! what it must hold by then, records that nobody spoke of included; so no case says that other
//! records are untouched.
//!
//! What this does not do: it knows no runtime and no clock, sleeps for nothing, and looks at nothing
//! but one zone. Whether what the provider holds is also served is not asked here.

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

/// Every case, in the order in which they are run.
#[must_use]
pub fn cases() -> Vec<Case> {
    chapter::ALL.iter().flat_map(|chapter| chapter()).collect()
}

/// Runs every case against this bench.
///
/// # Panics
/// Where a case of the suite itself makes no sense.
pub async fn run(bench: &mut dyn Bench) -> Report {
    run_cases(bench, cases()).await
}

/// Runs some cases only, such as the one that you work on.
///
/// # Panics
/// Where one of them makes no sense.
pub async fn run_cases(bench: &mut dyn Bench, cases: Vec<Case>) -> Report {
    run::all(bench, cases).await
}
