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
    /// What it is for.
    pub purpose: Purpose,
}

/// What a task is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Work that the plan asks for (`tasks`), or its undo. Once done it stays done, so a run that
    /// supersedes another one does not do it again.
    Work,
    /// To hear from a person that a fact is true now. A new plan asks again.
    Fact,
}

/// What a task does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// A command: the program and its arguments; no shell.
    Command(Vec<String>),
    /// A person's work, in words.
    Manual(String),
}
