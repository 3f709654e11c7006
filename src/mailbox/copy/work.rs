//! What a pass remembers of a folder from try to try.

use crate::report::FolderReport;

/// A folder that is being copied.
#[derive(Default)]
pub(super) struct Folder {
    pub(super) report: FolderReport,
    /// Whether this pass has looked into it before.
    pub(super) was_begun: bool,
    /// Whether this pass is through with it.
    pub(super) is_done: bool,
}
