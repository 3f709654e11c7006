//! Checks the facts that a plan states: their hosts exist, each fact is stated once, and their
//! tasks can bring them about.

use super::{Resolver, SAID_TWICE, UNKNOWN_REFERENCE};
use crate::language::AssumeSpec;
use crate::language::task::{Place, TasksSpec};
use cutover_base::diag::{Code, Diagnostic, Span, Spanned, did_you_mean, listed, quoted};
use cutover_steps::fact::{Fact, Subject};
use cutover_steps::graph::Point;

/// A fact that a task of the way back cannot bring about.
pub(super) const NOT_ON_THE_WAY_BACK: Code = Code::semantic("not-on-the-way-back");

/// The statements, each with its part of the move. If a task brings it about, that is the part of
/// the task.
pub(super) fn placed(tasks: &TasksSpec, assume: Vec<AssumeSpec>) -> Vec<AssumeSpec> {
    let placed = assume.into_iter().map(|one| AssumeSpec { from: part(tasks, &one), ..one });
    placed.collect()
}

fn part(tasks: &TasksSpec, one: &AssumeSpec) -> Option<Point> {
    let task = one.by.as_ref().and_then(|by| tasks.named(&by.value));
    task.map_or(one.from, |(place, _)| place.part())
}

impl Resolver<'_> {
    fn part(&self, one: &AssumeSpec) -> Option<Point> {
        part(&self.spec.tasks, one)
    }

    /// Assumptions are about known hosts, and no two state the same.
    pub(super) fn assumptions(&mut self) {
        let spec = self.spec;
        let mut seen: Vec<(&AssumeSpec, Span)> = Vec::new();
        for one in &spec.assume {
            let AssumeSpec { fact, subject, from, by, .. } = one;
            if let Subject::Host(host) = &subject.value
                && !spec.hosts.contains_key(host)
            {
                let host = Spanned { value: host.clone(), span: subject.span };
                self.unknown("host", &host, spec.hosts.keys());
                continue;
            }
            let moves = subject.value.host().is_some() || from.is_some() || by.is_some();
            if spec.migrate.is_none() && moves {
                let title = "this plan moves no mail, so nothing relies on this".to_owned();
                let help = "add `migrate:`, or remove the assumption";
                self.report(Diagnostic::error(UNKNOWN_REFERENCE, fact.span, title, help));
                continue;
            }
            if let Some(by) = by
                && !self.can_bring_about(one, by)
            {
                continue;
            }
            let from = self.part(one);
            let same = |(other, _): &&(&AssumeSpec, Span)| {
                let of_other = self.part(other);
                other.fact.value == fact.value
                    && other.subject.value == subject.value
                    && (of_other == from || of_other.is_none() != from.is_none())
            };
            if let Some((_, first)) = seen.iter().find(same) {
                let title = format!("`{}` of {} is stated twice", fact.value, subject.value);
                let help =
                    "keep one of them: a fact that changes is stated once per part of the move";
                self.report(
                    Diagnostic::error(SAID_TWICE, fact.span, title, help)
                        .also(*first, "first here"),
                );
                continue;
            }
            seen.push((one, fact.span));
        }
    }

    /// Whether the task that should bring about a fact exists, and can do so.
    fn can_bring_about(&mut self, one: &AssumeSpec, by: &Spanned<String>) -> bool {
        let tasks = &self.spec.tasks;
        let Some((place, _)) = tasks.named(&by.value) else {
            let known = || tasks.all().map(|(_, task)| task.name.value.as_str());
            let help = match did_you_mean(&by.value, known()) {
                Some(guess) => format!("did you mean `task/{guess}`?"),
                None if known().next().is_none() => {
                    "add the task to `tasks:`, which has none".to_owned()
                }
                None => format!("add it to `tasks:`, which has {}", listed(known())),
            };
            let title = format!("the plan has no task {}", quoted(&by.value));
            self.report(Diagnostic::error(UNKNOWN_REFERENCE, by.span, title, help));
            return false;
        };
        let to = self.spec.migrate.as_ref().map(|migrate| migrate.to.value.as_str());
        let is_of_back = matches!(one.fact.value, Fact::Synced | Fact::Clients)
            && one.subject.value.host() == to
            && one.value == one.fact.value.row().stated;
        if place == Place::WayBack && !is_of_back {
            let title = format!("`{}` cannot be brought about on the way back", one.fact.value);
            let help = "a `way_back` task can only bring about that the new host's mailboxes are copied back (`synced`) or that no client uses the new host any more (`clients`)";
            self.report(Diagnostic::error(NOT_ON_THE_WAY_BACK, by.span, title, help));
            return false;
        }
        true
    }
}
