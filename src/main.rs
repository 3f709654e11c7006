//! The `cutover` program; everything is in the library.

use std::process::ExitCode;

// Plans, zones and proofs are many small things that live for a moment: the system's allocator takes
// a third of the time of a large plan.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cutover::cli::run(std::env::args_os()).into()
}
