//! The ids of steps. They are made here, and parsed nowhere.
//!
//! An id is opaque. People read it, artifacts and journals contain it, and equal ids name the same
//! step across replans. What a step is and does stands in its fields ([`super::Step`]). Only the
//! reader of `cutover/artifact/1` looks into an id, since that format has some of it nowhere else.

use std::fmt;
use std::sync::Arc;

use cutover_zone::{Name, RrKey};
use serde::{Deserialize, Serialize};

use super::MovePoint;
use crate::fact::{Fact, Subject};
use crate::graph::{Point, Verb};

/// The id of a step: `verb/zone/name/type` for a change, `wait/…` followed by the id of the step
/// that the wait comes after. Stable across replans.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(Arc<str>);

impl StepId {
    /// The id with this text, from a person or a file.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// A change: `switch/acme.test/@/MX`. `number` counts the changes of a track with the same
    /// verb, from 1.
    #[must_use]
    pub fn of_change(verb: Verb, number: usize, zone: &Name, key: &RrKey) -> Self {
        let RrKey { name, rtype } = key;
        let nth = if number == 1 { String::new() } else { format!("-{number}") };
        let word = match zone.is_root() {
            true => ".".to_owned(),
            false => zone.to_string().trim_end_matches('.').to_owned(),
        };
        Self::new(format!("{verb}{nth}/{word}/{}/{rtype}", name.shown_in(zone)))
    }

    /// The step at which the run begins, if a wait counts from there.
    #[must_use]
    pub fn of_beginning() -> Self {
        Self::new("checkpoint/beginning")
    }

    /// The step at which a point of the move is reached.
    #[must_use]
    pub fn of_point(point: MovePoint) -> Self {
        Self::new(format!("checkpoint/{}", point.word()))
    }

    /// The step at which a fact begins to be true.
    #[must_use]
    pub fn of_fact(from: Option<Point>, fact: Fact, subject: &Subject) -> Self {
        Self::new(format!("assume/{}/{fact}/{subject}", from.map_or("", Point::word)))
    }

    /// The step of a way back at which a fact begins to be true.
    #[must_use]
    pub fn of_fact_on_way_back(fact: Fact, subject: &Subject) -> Self {
        Self::new(format!("back/assume/{fact}/{subject}"))
    }

    /// A task of this name.
    #[must_use]
    pub fn of_task(name: &str) -> Self {
        Self::new(format!("task/{name}"))
    }

    /// A gate. `place` says where it stands; `number` counts the gates at that place with the same
    /// probe, from 1.
    #[must_use]
    pub fn of_gate(place: &str, probe: &str, number: usize) -> Self {
        Self::new(format!("gate/{place}/{probe}{}", nth(number)))
    }

    /// A wait after a step, with a name if a key of the plan gives one. `number` counts the waits
    /// with the same name after the same step, from 1.
    #[must_use]
    pub fn of_wait(name: Option<&str>, after: &Self, number: usize) -> Self {
        let name = name.map_or(String::new(), |name| format!("/{name}"));
        Self::new(format!("wait{name}/{after}{}", nth(number)))
    }

    /// The wait after a step that a task asks for (`after:`).
    #[must_use]
    pub fn of_wait_for_task(task: &str, after: &Self) -> Self {
        Self::new(format!("wait/task/{task}/{after}"))
    }

    /// The first step of a way back.
    #[must_use]
    pub fn of_way_back() -> Self {
        Self::new("back/begin")
    }

    /// The step of a way back that undoes this step.
    #[must_use]
    pub fn undo_id(&self) -> Self {
        Self::new(format!("back/{self}"))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As shared text.
    #[must_use]
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

fn nth(number: usize) -> String {
    if number == 1 { String::new() } else { format!("/{number}") }
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
