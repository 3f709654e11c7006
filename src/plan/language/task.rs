//! Tasks of a plan: work outside of DNS.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Anchor;
use cutover_base::diag::Spanned;
use cutover_steps::graph::task::{Purpose, Task, Work};
use cutover_steps::graph::{Point, StepId};

/// The key under which a task is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Before the switch, from the start of the run on.
    BeforeSwitch,
    /// After the switch, before the old side is left.
    AfterSwitch,
    /// After everything that leaving the old side waits for, before it is left.
    BeforeContract,
    /// After everything that releasing the old host waits for, before it is released.
    BeforeRelease,
    /// On the way back from after the switch, after mail is routed back.
    WayBack,
}

impl Place {
    /// Every place, in the order of a run.
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
                "Tasks to do before the switch, one after another, from the start of the run on."
            }
            Self::AfterSwitch => {
                "Tasks to do after the switch, one after another, before the old side is left."
            }
            Self::BeforeContract => {
                "Tasks to do when everything else is ready for leaving the old side, including `keep_old`: one after another, before it is left."
            }
            Self::BeforeRelease => {
                "Tasks to do when nothing else needs the old host any more, such as a last copy: one after another, before it is released."
            }
            Self::WayBack => {
                "Tasks to do when a run rolls back from after the switch, such as a copy back: one after another, after mail is routed back."
            }
        }
    }

    /// The part of the move in which a task here can bring about a fact; `None` for the way back.
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

/// The tasks of a plan, by place: the tasks of a place run one after another.
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

    /// The tasks of a place.
    #[must_use]
    pub fn at(&self, place: Place) -> &[TaskSpec] {
        self.by_place.get(&place).map_or(&[], Vec::as_slice)
    }

    /// The task with this name, and its place.
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
    /// What to do.
    pub work: Work,
    /// The changes that have to have taken effect everywhere before it begins.
    pub after: Vec<Spanned<Anchor>>,
    /// A command that checks whether it is done: exit code 0 means yes, 1 means no.
    pub check: Option<Vec<String>>,
    /// How long a command may take.
    pub within: Duration,
    /// A command that undoes it.
    pub undo: Option<Vec<String>>,
    /// It is undone before mail is routed back, and mail waits for that.
    pub undo_first: bool,
}

impl TaskSpec {
    /// What a run does.
    #[must_use]
    pub fn task(&self) -> Task {
        let Self { name: _, work, after: _, check, within, undo: _, undo_first: _ } = self;
        let (work, check) = (work.clone(), check.clone());
        Task { work, check, within: *within, purpose: Purpose::Work }
    }

    /// The task that undoes it. Only a person knows what to do about work that has no `undo`.
    #[must_use]
    pub fn undo_task(&self) -> Task {
        let work = match &self.undo {
            Some(argv) => Work::Command(argv.clone()),
            None => Work::Manual(format!(
                "`{}` was done and has no `undo`: undo it by hand, or make sure that it may stay",
                self.name.value
            )),
        };
        Task { work, check: None, within: self.within, purpose: Purpose::Work }
    }

    /// The id of its step.
    #[must_use]
    pub fn step_id(&self) -> StepId {
        StepId::of_task(&self.name.value)
    }

    /// The id of the step that undoes it.
    #[must_use]
    pub fn undo_step_id(&self) -> StepId {
        self.step_id().undo_id()
    }
}

/// 1 h. Our choice; a copy of mailboxes has to set its own limit.
pub const WITHIN: Duration = Duration::from_secs(3_600);
