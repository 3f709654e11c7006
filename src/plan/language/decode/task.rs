//! Tasks.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Decoder, ONE_OF, argv, bool_of, items, text};
use crate::language::task::{Place, TaskSpec, TasksSpec, WITHIN};
use crate::language::yaml::Node;
use cutover_base::diag::{Code, Spanned, quoted};
use cutover_steps::graph::task::Work;

/// Two tasks with the same name.
const TWO_TASKS: Code = Code::semantic("said-twice");
/// A span that is too short to do anything in.
const TOO_SHORT: Code = Code::semantic("too-short");

impl Decoder<'_> {
    pub(super) fn tasks(&mut self, node: Option<&Node>) -> TasksSpec {
        let Some(node) = node else { return TasksSpec::default() };
        let mut by_place: BTreeMap<Place, Vec<TaskSpec>> = BTreeMap::new();
        for place in Place::ALL {
            let tasks: Vec<TaskSpec> =
                items(node.get(place.word())).filter_map(|one| self.task(one, *place)).collect();
            if !tasks.is_empty() {
                by_place.insert(*place, tasks);
            }
        }
        let tasks = TasksSpec { by_place };
        let all: Vec<&TaskSpec> = tasks.all().map(|(_, task)| task).collect();
        for (place, task) in all.iter().enumerate() {
            if all[..place].iter().any(|other| other.name.value == task.name.value) {
                let title = format!("two tasks have the name {}", quoted(&task.name.value));
                self.error(TWO_TASKS, task.name.span, title, "give one of them another name");
            }
        }
        tasks
    }

    fn task(&mut self, node: &Node, place: Place) -> Option<TaskSpec> {
        let name = text(node.get("name")?)?;
        let run = node.get("run").map(argv);
        let manual = node.get("manual").and_then(text);
        let within = self.span(node.get("within")).unwrap_or(WITHIN);
        if within < Duration::from_secs(1)
            && let Some(place) = node.get("within")
        {
            let title = "a task needs at least a second".to_owned();
            self.error(TOO_SHORT, place.span, title, "write `1s` or longer");
        }
        let after = self.anchors(node.get("after"));
        let work = match (run, manual, node.get("manual")) {
            (Some(run), None, None) => Work::Command(run),
            (None, Some(words), _) => Work::Manual(words.value.to_owned()),
            (None, None, Some(_)) => return None,
            (Some(_), _, Some(place)) => {
                let title = "a task has either `run` or `manual`".to_owned();
                self.error(ONE_OF, place.span, title, "keep one of `run` and `manual`");
                return None;
            }
            (_, _, None) => {
                let title = "this task has nothing to do".to_owned();
                let help = "add `run: [PROGRAM, ARGUMENT]`, or `manual:` with words for a person";
                self.error(ONE_OF, name.span, title, help);
                return None;
            }
        };
        if place == Place::WayBack
            && let Some(undo) = node.get("undo")
        {
            let title = "a task on the way back has no undo".to_owned();
            self.error(ONE_OF, undo.span, title, "remove `undo:`");
        }
        let undo_first = node.get("undo_first").is_some_and(|first| {
            if node.get("undo").is_none() {
                let title = "`undo_first` needs an `undo`".to_owned();
                self.error(ONE_OF, first.span, title, "add `undo:`, or remove the key");
            }
            bool_of(Some(first)).unwrap_or(false)
        });
        Some(TaskSpec {
            name: Spanned { value: name.value.to_owned(), span: name.span },
            work,
            after: after?,
            check: node.get("check").map(argv),
            within,
            undo: node.get("undo").map(argv),
            undo_first,
        })
    }
}
