//! The registry that the tests give to the plan language: the same as the command line's.

use cutover::language::Registry;

/// Every adapter and probe, with its keys.
pub(crate) fn language() -> Registry<'static> {
    cutover::cli::language()
}
