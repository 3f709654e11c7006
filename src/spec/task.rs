//! Tasks as a plan has them: work outside of DNS.

use std::time::Duration;

use super::Anchor;
use crate::diag::Spanned;

/// The tasks of a plan.
#[derive(Clone, Debug, Default)]
pub struct TasksSpec {
    /// What has to be done before the switch, one after the other, from the beginning on.
    pub before_switch: Vec<TaskSpec>,
    /// What has to be done behind the switch, one after the other, before the old side is left.
    pub after_switch: Vec<TaskSpec>,
}

impl TasksSpec {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &TaskSpec> {
        self.before_switch.iter().chain(&self.after_switch)
    }
}

/// A task.
#[derive(Clone, Debug)]
pub struct TaskSpec {
    /// Its name.
    pub name: Spanned<String>,
    /// What is done.
    pub work: Work,
    /// What has to have taken effect everywhere before it begins.
    pub after: Vec<Spanned<Anchor>>,
    /// A command that says whether it is done: exit code 0, and 1 for no.
    pub check: Option<Vec<String>>,
    /// How long a command may take.
    pub within: Duration,
    /// A command that takes it back.
    pub undo: Option<Vec<String>>,
    /// It is taken back before mail is led back, and mail waits for that.
    pub undo_first: bool,
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// A command: the program and its arguments; no shell.
    Command(Vec<String>),
    /// A person's work, in words.
    Manual(String),
}

/// 1 h: our choice; a copy of mailboxes has to say its own.
pub const WITHIN: Duration = Duration::from_secs(3_600);
