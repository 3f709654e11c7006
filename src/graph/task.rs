//! Tasks: steps whose effect is outside of DNS.

use std::time::Duration;

use crate::spec::task::Work;

/// A task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// What is done.
    pub work: Work,
    /// A command that says whether it is done.
    pub check: Option<Vec<String>>,
    /// How long a command may take.
    pub within: Duration,
}
