//! What the plan language knows of in the tests: all that the command line does.

use cutover::spec::Registry;

/// Every adapter and probe, with its keys.
pub(crate) fn language() -> Registry<'static> {
    cutover::cli::language()
}
