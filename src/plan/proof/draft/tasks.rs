//! Where stated facts begin and end: at steps of their own, or with the tasks that bring them
//! about.
//!
//! A task that facts depend on is a step of the draft: it may not begin while something must not be
//! true yet, and what relies on its facts, or on the end of the earlier values, waits until it is
//! done.

use super::{Back, BackStep, Draft, Kind, MovePoint};
use crate::language::task::{Place, TaskSpec};
use crate::language::{AssumeSpec, Confirm};
use cutover_steps::fact::{Fact, Subject};
use cutover_steps::graph::Point;

impl<'d> Draft<'d> {
    /// Whether the plan has a place for tasks. It has none for what is over already.
    #[must_use]
    pub fn has_place(&self, place: Place) -> bool {
        match place {
            Place::BeforeSwitch => self.point(MovePoint::BeforeSwitch).is_some(),
            Place::AfterSwitch => true,
            Place::BeforeContract => self.point(MovePoint::BeforeContract).is_some(),
            Place::BeforeRelease => self.point(MovePoint::Release).is_some(),
            Place::WayBack => false,
        }
    }

    /// The steps of the tasks at a place that bring facts about, in the plan's order.
    pub fn tasks_at(&self, place: Place) -> impl Iterator<Item = usize> {
        self.intent.tasks.at(place).iter().filter_map(|spec| {
            self.nodes[..self.forward].iter().position(|node| match node.kind {
                Kind::Task(other) => std::ptr::eq(other, spec),
                Kind::Change { .. }
                | Kind::Point(_)
                | Kind::Stated(_)
                | Kind::Beginning
                | Kind::Back(_) => false,
            })
        })
    }

    /// The steps that switch, so that senders and people go to the other side.
    pub fn switch(&self) -> impl Iterator<Item = usize> {
        let steps = self.nodes[..self.forward].iter().enumerate();
        steps
            .filter(|(_, node)| match &node.kind {
                Kind::Change { transition, .. } => transition.is_switch(),
                Kind::Point(_)
                | Kind::Stated(_)
                | Kind::Task(_)
                | Kind::Beginning
                | Kind::Back(_) => false,
            })
            .map(|(step, _)| step)
    }

    /// The facts that a task brings about.
    pub fn facts_by(&self, spec: &TaskSpec) -> impl Iterator<Item = &'d AssumeSpec> + use<'d> {
        let name = spec.name.value.clone();
        let all = self.intent.assume.iter();
        all.filter(move |stated| stated.by.as_ref().is_some_and(|by| by.value == name))
    }

    /// Whether a fact begins to be true during this plan. If it begins with a part that this plan
    /// no longer has, it is true already.
    pub(super) fn is_a_step(&self, stated: &AssumeSpec) -> bool {
        if let Some(by) = &stated.by {
            let task = self.intent.tasks.named(&by.value);
            return task.is_some_and(|(place, _)| self.has_place(place));
        }
        match stated.from {
            None => false,
            Some(Point::Expand | Point::Switch) => {
                self.point(MovePoint::BeforeSwitch).is_some() || self.is_unconfirmed(stated)
            }
            Some(Point::Contract) => self.point(MovePoint::BeforeContract).is_some(),
        }
    }

    /// Whether a statement counts that is no step of this plan, since its part of the move is over. A
    /// gate that has no place any more establishes nothing, unless an earlier run of the plan has seen
    /// it pass.
    #[must_use]
    pub fn counts_already(&self, stated: &AssumeSpec) -> bool {
        match stated.confirm {
            Confirm::Gates { .. } => self.is_established(stated),
            Confirm::Nobody | Confirm::Person { .. } => true,
        }
    }

    /// Whether an earlier run of the plan has seen the fact begin.
    fn is_established(&self, stated: &AssumeSpec) -> bool {
        let of = (stated.fact.value, stated.subject.value.clone());
        self.snapshot.established.contains(&of)
    }

    /// Whether a fact begins with a switch that an earlier run made, but was never confirmed.
    fn is_unconfirmed(&self, stated: &AssumeSpec) -> bool {
        self.snapshot.is_switching && !self.is_established(stated)
    }

    /// The step at which a stated fact begins to be true.
    #[must_use]
    pub fn step_of(&self, stated: &AssumeSpec) -> Option<usize> {
        if !self.is_a_step(stated) {
            return None;
        }
        self.nodes[..self.forward].iter().rposition(|node| match node.kind {
            Kind::Stated(other) => std::ptr::eq(other, stated),
            Kind::Task(spec) => is_by(stated, spec),
            Kind::Change { .. } | Kind::Point(_) | Kind::Beginning | Kind::Back(_) => false,
        })
    }

    /// The step of the way back at which a fact that had begun to be true ends.
    #[must_use]
    pub fn end_of(&self, stated: &AssumeSpec) -> Option<usize> {
        self.back_step(&|back| match back {
            Back::Unstated(other) => std::ptr::eq(*other, stated),
            Back::Undone(spec) => is_by(stated, spec) && self.needs_a_person(stated),
            Back::Begin
            | Back::Change { .. }
            | Back::Point(_)
            | Back::Stated(_)
            | Back::Task(_) => false,
        })
    }

    /// The step of the way back at which a fact that is stated for the way back begins.
    #[must_use]
    pub fn begins_again(&self, fact: Fact, subject: &Subject) -> Option<usize> {
        let is_it =
            |stated: &AssumeSpec| stated.fact.value == fact && stated.subject.value == *subject;
        self.back_step(&|back| match back {
            Back::Stated(stated) => is_it(stated),
            Back::Task(spec) => self.facts_by(spec).any(is_it),
            Back::Begin
            | Back::Change { .. }
            | Back::Point(_)
            | Back::Unstated(_)
            | Back::Undone(_) => false,
        })
    }

    /// The facts that end at a step of the way back.
    #[must_use]
    pub fn ended_at(&self, step: usize) -> Vec<&'d AssumeSpec> {
        match &self.nodes[step].kind {
            Kind::Back(BackStep { what: Back::Unstated(stated), .. }) => vec![*stated],
            Kind::Back(BackStep { what: Back::Undone(spec), .. }) => {
                self.facts_by(spec).filter(|stated| self.needs_a_person(stated)).collect()
            }
            Kind::Back(BackStep {
                what:
                    Back::Begin | Back::Change { .. } | Back::Point(_) | Back::Stated(_) | Back::Task(_),
                ..
            })
            | Kind::Change { .. }
            | Kind::Point(_)
            | Kind::Stated(_)
            | Kind::Task(_)
            | Kind::Beginning => Vec::new(),
        }
    }
}

fn is_by(stated: &AssumeSpec, spec: &TaskSpec) -> bool {
    stated.by.as_ref().is_some_and(|by| by.value == spec.name.value)
}
