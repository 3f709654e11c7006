//! The adapters that the tests know: those of the command line.

use cutover_contract::Adapter;

/// Every adapter, with its keys.
pub(crate) fn adapters() -> &'static [Adapter] {
    cutover::cli::registry()
}
