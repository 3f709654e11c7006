//! What a pass remembers of a folder from try to try.

use crate::care::Care;
use crate::report::FolderReport;

/// A folder that is being copied.
#[derive(Default)]
pub(crate) struct Folder {
    pub(crate) report: FolderReport,
    /// Whether this pass has looked into it before.
    pub(crate) was_begun: bool,
    /// How many messages were expected before it was opened.
    pub(crate) expected: u64,
    /// Whether this pass is through with it.
    pub(crate) is_done: bool,
    /// How often in a row a connection broke here before anything was settled.
    pub(crate) fruitless: u32,
    /// UIDVALIDITY and the next UID of the new folder when this pass first sent something there.
    pub(crate) since: Option<(u32, u32)>,
    pub(crate) care: Care,
}

impl Folder {
    /// A connection broke here.
    pub(crate) fn broke(&mut self, is_fruitless: bool) {
        self.fruitless = if is_fruitless { self.fruitless + 1 } else { 1 };
    }
}
