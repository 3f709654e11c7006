//! Tasks as a plan has them: work outside of DNS.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Anchor, Point};
use crate::diag::Spanned;

/// Where a task stands in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Before the switch, from the beginning on.
    BeforeSwitch,
    /// After the switch, before the old side is left.
    AfterSwitch,
    /// After all that leaving the old side waits for, before it is left.
    BeforeContract,
    /// After all that releasing the old host waits for, before it is released.
    BeforeRelease,
    /// On the way back from after the switch, after mail is led back.
    WayBack,
}

impl Place {
    /// Every place, in the order in which a run comes by.
    pub const ALL: &'static [Self] = &[
        Self::BeforeSwitch,
        Self::AfterSwitch,
        Self::BeforeContract,
        Self::BeforeRelease,
        Self::WayBack,
    ];

    /// The key in a plan.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::BeforeSwitch => "before_switch",
            Self::AfterSwitch => "after_switch",
            Self::BeforeContract => "before_contract",
            Self::BeforeRelease => "before_release",
            Self::WayBack => "way_back",
        }
    }

    /// What the key means, for people.
    #[must_use]
    pub fn doc(self) -> &'static str {
        match self {
            Self::BeforeSwitch => {
                "What has to be done before the switch, one after another, from the beginning of the run on."
            }
            Self::AfterSwitch => {
                "What has to be done after the switch, one after another, before the old side is left."
            }
            Self::BeforeContract => {
                "What has to be done when everything else is ready for leaving the old side, `keep_old` included: one after another, before it is left."
            }
            Self::BeforeRelease => {
                "What has to be done when nothing else needs the old host any more, such as a last copy: one after another, before it is released."
            }
            Self::WayBack => {
                "What has to be done when a run goes back from after the switch, such as a copy back: one after another, after mail is led back."
            }
        }
    }

    /// The part of the move that what a task brings about belongs to; `None` for the way back.
    #[must_use]
    pub fn part(self) -> Option<Point> {
        match self {
            Self::BeforeSwitch => Some(Point::Expand),
            Self::AfterSwitch | Self::BeforeContract => Some(Point::Switch),
            Self::BeforeRelease => Some(Point::Contract),
            Self::WayBack => None,
        }
    }
}

/// The tasks of a plan, by where they stand: those of one place are done one after another.
#[derive(Clone, Debug, Default)]
pub struct TasksSpec {
    /// By place.
    pub by_place: BTreeMap<Place, Vec<TaskSpec>>,
}

impl TasksSpec {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = (Place, &TaskSpec)> {
        self.by_place.iter().flat_map(|(place, tasks)| tasks.iter().map(|task| (*place, task)))
    }

    /// Those of one place.
    #[must_use]
    pub fn at(&self, place: Place) -> &[TaskSpec] {
        self.by_place.get(&place).map_or(&[], Vec::as_slice)
    }

    /// The task of this name, and where it stands.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<(Place, &TaskSpec)> {
        self.all().find(|(_, task)| task.name.value == name)
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
