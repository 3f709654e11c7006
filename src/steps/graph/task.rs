//! Tasks: steps whose effect is outside of DNS.

use std::time::Duration;

/// A task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// What is done.
    pub work: Work,
    /// A command that tells whether it is done.
    pub check: Option<Vec<String>>,
    /// How long a command may take.
    pub within: Duration,
}

/// What a task does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// A command: the program and its arguments; no shell.
    Command(Vec<String>),
    /// A person's work, in words.
    Manual(String),
}
