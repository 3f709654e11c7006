//! The way back: from every state after a rollback point to what was there at that point.
//!
//! Steps that only add stay, as residue, so that a way back is quick: a wider SPF record, a new
//! DKIM key. Everything else is undone. The order and the waits of a way back are derived from the
//! same patterns as those of the forward steps: caches hold the *new* version for its TTL, and mail
//! that came in at the new host must not be lost by going back.
//!
//! Where no order makes a way back safe, the step that leads there is a *point of no return*, and
//! the way back is proved for all states before it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::compiled::CompiledWayBack;
use super::derive::{Constraint, Derived, Prevention, Rules, Target, derive};
use super::emit::{self, UnlinkedStep};
use super::forward::why;
use super::tasks::{self, undo_title};
use crate::intent::Intent;
use crate::language::AssumeSpec;
use crate::model::end::in_the_end;
use crate::model::{Stage, Track};
use crate::observe::Snapshot;
use crate::proof::back::WayBack;
use crate::proof::draft::{Back, BackStep, Draft, Kind};
use crate::proof::model::{Model, ModelOptions, Models, model};
use crate::proof::pattern::{Atom, Ending, Pattern, Separation, Start};
use crate::proof::{Placed, present};
use cutover_steps::fact::{Fact, Subject, Value};
use cutover_steps::graph::paths::Paths;
use cutover_steps::graph::{MovePoint, Origin, StepGraph, StepId, Verb};

/// The points that a run can go back to; `None`: the beginning.
const POINTS: &[Option<MovePoint>] =
    &[None, Some(MovePoint::BeforeSwitch), Some(MovePoint::BeforeContract)];

/// The maximum number of steps for which ways back are derived one after the other: a thread with
/// its own memory would take longer to start. Our choice, measured by `tests/bench/prove.rs`.
const ALONE_MAX: usize = 512;

/// The draft with every step that some way back may have.
pub(super) fn with_ways_back<'d>(draft: &Draft<'d>) -> Draft<'d> {
    draft.with_way_back(&|step| !only_adds(draft, step))
}

/// Every way back of a draft whose order has been derived; none if more is possible on them than
/// was checked.
pub(super) fn ways_back(
    draft: &Draft<'_>,
    forward_paths: &Paths,
    models: &Models<'_>,
) -> Vec<CompiledWayBack> {
    if models.undecided_back {
        return Vec::new();
    }
    let points = POINTS.iter().filter_map(|to| match to {
        None => Some((None, None)),
        Some(point) => draft.point(*point).map(|step| (*to, Some(step))),
    });
    if draft.nodes.len() <= ALONE_MAX {
        return points
            .filter_map(|(to, at)| way_back(draft, (forward_paths, models), to, at))
            .collect();
    }
    // The ways back do not depend on one another.
    std::thread::scope(|scope| {
        let threads = points
            .map(|(to, at)| scope.spawn(move || way_back(draft, (forward_paths, models), to, at)));
        let threads: Vec<_> = threads.collect();
        threads
            .into_iter()
            .filter_map(|thread| thread.join().expect("compiling does not panic"))
            .collect()
    })
}

/// The steps of one way back.
struct Steps<'s> {
    /// The draft, with the steps of all ways back.
    draft: &'s Draft<'s>,
    /// The steps of this way back, in order.
    own: Vec<usize>,
}

impl<'s> Steps<'s> {
    /// The steps that undo these forward steps.
    fn of(draft: &'s Draft<'s>, is_undone: &dyn Fn(usize) -> bool) -> Self {
        let all = draft.forward..draft.nodes.len();
        let own = all.filter(|step| draft.serves(*step).is_none_or(is_undone)).collect();
        Self { draft, own }
    }

    /// The place of a step among those of this way back.
    fn place(&self, step: usize) -> Option<usize> {
        self.own.binary_search(&step).ok()
    }

    /// Whether a step is made on this way back, or is a forward step.
    fn has(&self, step: usize) -> bool {
        step < self.draft.forward || self.place(step).is_some()
    }
}

fn way_back(
    draft: &Draft<'_>,
    (forward_paths, models): (&Paths, &Models<'_>),
    to: Option<MovePoint>,
    at: Option<usize>,
) -> Option<CompiledWayBack> {
    let release = draft.point(MovePoint::Release);
    let why = "the old host may be switched off from there on";
    let mut no_return: BTreeMap<usize, String> =
        release.into_iter().map(|step| (step, why.to_owned())).collect();
    let (steps, kept, derived, patterns) = loop {
        // People notice it when a point is passed, so going back passes it again. Steps after a
        // point of no return are not undone.
        let is_undoable = |step: usize| {
            at.is_none_or(|at| step == at || forward_paths.precedes(at, step))
                && !no_return
                    .keys()
                    .any(|last| step == *last || forward_paths.precedes(*last, step))
        };
        let kept: BTreeSet<usize> = (0..draft.forward)
            .filter(|step| is_undoable(*step) && only_adds(draft, *step))
            .collect();
        let is_undone = |step: usize| is_undoable(step) && !kept.contains(&step);
        if !(0..draft.forward).any(|step| is_undone(step) && is_change(draft, step)) {
            return None;
        }
        let steps = Steps::of(draft, &is_undone);
        let model = models.on(&|step| steps.has(step));
        let way = WayBack {
            forward: draft.forward,
            serves: (draft.forward..draft.nodes.len()).map(|step| draft.serves(step)).collect(),
            atoms: &model.atoms,
            forward_paths,
            to: at,
            no_return: no_return.keys().copied().collect(),
        };
        let present = present(&model);
        let patterns: Vec<(usize, &Pattern)> = model
            .patterns
            .iter()
            .enumerate()
            .filter(|(_, pattern)| way.concerns(pattern))
            .filter(|(_, pattern)| !present.contains_key(&*pattern.harm.id))
            .collect();
        let rules = Backward { way: &way, draft, model: &model };
        let derived = derive(draft.nodes.len(), given(&steps), &patterns, &shared(&steps), &rules);
        match first_of_no_return(&way, &model, &derived) {
            Some((step, harm)) => no_return.insert(step, harm),
            None => break (steps, kept, derived, patterns.len()),
        };
    };
    // A point after a point of no return cannot be gone back to.
    if at.is_some_and(|at| {
        forward_paths.with_predecessors([at]).iter().any(|step| no_return.contains_key(step))
    }) {
        return None;
    }
    let place = |step| steps.place(step).expect("a way back is an order of its own steps");
    let constraints: Vec<Constraint> = derived
        .constraints
        .into_iter()
        .map(|constraint| Constraint {
            from: place(constraint.from),
            to: place(constraint.to),
            ..constraint
        })
        .collect();
    let id = |step: &usize| draft.nodes[*step].id.clone();
    let takes_back =
        steps.own.iter().filter_map(|step| Some((id(step), id(&draft.serves(*step)?))));
    let undone_by = steps.own.iter().filter_map(|step| Some((id(&draft.undoes(*step)?), id(step))));
    Some(CompiledWayBack {
        to,
        at: at.as_ref().map(id),
        graph: emit::graph(unlinked_steps(&steps), &constraints),
        takes_back: takes_back.collect(),
        undone_by: undone_by.collect(),
        kept: kept.iter().map(id).collect(),
        no_return: no_return.into_iter().map(|(step, why)| (id(&step), why)).collect(),
        patterns,
    })
}

fn is_change(draft: &Draft<'_>, step: usize) -> bool {
    matches!(draft.nodes[step].kind, Kind::Change { .. })
}

/// Whether a step only adds to what is there, and may stay. It does not stay if an earlier step of
/// its track is undone: versions of an RRset follow each other.
fn only_adds(draft: &Draft<'_>, step: usize) -> bool {
    let Kind::Change { track, number, .. } = &draft.nodes[step].kind else { return false };
    draft.tracks[*track].transitions[..=*number].iter().all(|transition| {
        matches!(transition.verb, Verb::Publish | Verb::Widen)
            && matches!(transition.stage, Stage::Expand)
    })
}

/// The step from which on a pattern that is not prevented leaves no way back: the earliest of all.
fn first_of_no_return(
    way: &WayBack<'_>,
    model: &Model,
    derived: &Derived,
) -> Option<(usize, String)> {
    let mut found: Option<(usize, String)> = None;
    for number in &derived.not_prevented {
        let pattern = &model.patterns[*number];
        let begun = way.begun(pattern).last;
        // Of the last steps to begin, the one that comes after most of the others.
        let last = begun.iter().copied().filter(|step| Some(*step) != way.to).max_by_key(|step| {
            (begun.iter().filter(|other| way.forward_paths.precedes(**other, *step)).count(), *step)
        });
        let Some(last) = last.or(way.to) else { continue };
        let is_earlier = found
            .as_ref()
            .is_none_or(|(step, _)| way.forward_paths.precedes(last, *step) && last != *step);
        if is_earlier {
            found = Some((last, format!("{} ({})", pattern.harm.what, pattern.harm.fix)));
        }
    }
    found
}

fn shared(steps: &Steps<'_>) -> BTreeSet<usize> {
    let is_change = |step: &usize| {
        matches!(
            &steps.draft.nodes[*step].kind,
            Kind::Back(BackStep { what: Back::Change { .. }, .. })
        )
    };
    steps.own.iter().copied().filter(|step| !is_change(step)).collect()
}

/// The order that a way back has by itself.
fn given(steps: &Steps<'_>) -> Vec<Constraint> {
    let Steps { draft, own } = steps;
    let begin = draft.forward;
    let why = "every step that has begun is settled first";
    let others = own.iter().copied().filter(|step| *step != begin);
    let mut given: Vec<Constraint> =
        others.map(|step| Constraint::plain(begin, step, Origin::Policy, "settle", why)).collect();
    for track in 0..draft.tracks.len() {
        let made = draft.back_of(track).iter().map(|(step, _)| *step);
        let made: Vec<usize> = made.filter(|step| steps.has(*step)).collect();
        for pair in made.windows(2) {
            let why = "versions of an RRset follow each other";
            given.push(Constraint::plain(pair[0], pair[1], Origin::Policy, "one-at-a-time", why));
        }
    }
    let mut facts: BTreeMap<(_, &Subject), usize> = BTreeMap::new();
    // The last to begin is the first to be undone.
    let ended = own.iter().flat_map(|step| {
        draft.ended_at(*step).into_iter().map(move |fact| (fact.from, *step, fact))
    });
    let mut ended: Vec<(_, usize, &AssumeSpec)> = ended.collect();
    ended.sort_by_key(|(from, step, _)| (Reverse(*from), *step));
    for (_, step, stated) in ended {
        if let Some(before) = facts.insert((stated.fact.value, &stated.subject.value), step) {
            let why = "values of a fact follow each other";
            given.push(Constraint::plain(before, step, Origin::Policy, "one-at-a-time", why));
        }
    }
    given
}

struct Backward<'b, 'w> {
    way: &'b WayBack<'w>,
    draft: &'b Draft<'w>,
    model: &'b Model,
}

impl Rules for Backward<'_, '_> {
    fn target(&self, separation: &Separation) -> Target {
        Target::alone(self.way.is_back(separation.to).then_some(separation.to))
    }

    fn prevention(&self, pattern: &Pattern, steps: &[usize]) -> Option<Prevention> {
        let way = self.way;
        let begun = way.begun(pattern);
        let min_gaps = way.min_gaps(pattern, &begun)?;
        let steps = steps.iter().enumerate();
        let left_out = steps.filter(|(_, step)| !way.is_made(**step, &begun));
        let all = pattern.separations(&self.model.atoms).filter(|one| way.is_back(one.to));
        let separations = all.filter_map(|separation| match way.is_back(separation.from) {
            true => Some(separation),
            // What a forward step replaced is waited out from the beginning of the way back.
            false => {
                begun.has(separation.from).then(|| Separation { from: way.begin(), ..separation })
            }
        });
        Some(Prevention {
            min_gaps,
            left_out: left_out.map(|(place, _)| place).collect(),
            separations: separations.collect(),
        })
    }

    fn reason(&self, pattern: &Pattern, separation: &Separation) -> String {
        why(self.draft, self.model, pattern, separation)
    }

    fn reluctance(&self, separation: &Separation) -> u8 {
        let only_ttl = [separation.from, separation.to].into_iter().filter(|step| {
            let served =
                if self.way.is_back(*step) { self.way.served_by(*step) } else { Some(*step) };
            served.is_some_and(|step| match &self.draft.nodes[step].kind {
                Kind::Change { transition, .. } => transition.is_only_ttl(),
                Kind::Point(_)
                | Kind::Stated(_)
                | Kind::Task(_)
                | Kind::Beginning
                | Kind::Back(_) => false,
            })
        });
        let kind = match &self.draft.nodes[separation.to].kind {
            Kind::Back(BackStep { what, .. }) => match what {
                Back::Begin | Back::Stated(_) | Back::Task(_) => 0,
                Back::Change { .. } => 1,
                Back::Unstated(_) | Back::Undone(_) => 2,
                Back::Point(_) => 3,
            },
            Kind::Change { .. }
            | Kind::Point(_)
            | Kind::Stated(_)
            | Kind::Task(_)
            | Kind::Beginning => 0,
        };
        kind + 4 * u8::from(only_ttl.count() > 0)
    }

    fn relies_on_unknown(&self, pattern: &Pattern) -> bool {
        pattern.unknown(&self.model.atoms).next().is_some()
    }

    fn touches(&self, pattern: &Pattern) -> Vec<usize> {
        let atoms = &self.model.atoms;
        let ends = pattern.atoms.iter().flat_map(|held| &atoms[held.atom].ends);
        let all = pattern.starts(atoms).chain(ends.map(|end| end.step));
        all.filter(|step| self.way.is_back(*step)).collect()
    }
}

fn unlinked_steps(steps: &Steps<'_>) -> Vec<UnlinkedStep> {
    let draft = steps.draft;
    let back = steps.own.iter().map(|step| (*step, &draft.nodes[*step]));
    back.map(|(step, node)| {
        let (title, reason) = match &node.kind {
            Kind::Back(BackStep { what, serves }) => {
                of_back(draft, what, serves.map(|served| &draft.nodes[served].id))
            }
            Kind::Change { .. }
            | Kind::Point(_)
            | Kind::Stated(_)
            | Kind::Task(_)
            | Kind::Beginning => {
                unreachable!("steps of a way back come after all forward steps")
            }
        };
        // Going back does not wait for a window.
        let primitive = draft.primitive(step);
        UnlinkedStep { id: node.id.clone(), primitive, title, reason, window: None }
    })
    .collect()
}

fn of_back(draft: &Draft<'_>, what: &Back<'_>, serves: Option<&StepId>) -> (String, String) {
    let served = serves.map(ToString::to_string).unwrap_or_default();
    let old = draft.intent.moves.first().map_or("the old host", |domain| &domain.from.name);
    match what {
        Back::Begin => (
            "go back".to_owned(),
            "the forward run has stopped, and each step that had begun is settled".to_owned(),
        ),
        Back::Change { track, number, .. } => {
            let title = &draft.tracks[*track].transitions[*number].title;
            (format!("take back: {title}"), format!("{served} had begun"))
        }
        Back::Point(_) => {
            let reads = format!("people read their mail at `{old}` again from here on");
            let stops = |stated: &AssumeSpec| {
                stated.fact.value == Fact::Sends
                    && stated.value == Value::False
                    && stated.from.is_some()
                    && stated.subject.value.host() == Some(old)
            };
            let title = match draft.intent.assume.iter().any(stops) {
                true => {
                    format!("{reads}, but do not send through it before it is said to send again")
                }
                false => reads,
            };
            (title, format!("{served} was passed"))
        }
        Back::Unstated(stated) if draft.needs_a_person(stated) => (
            format!(
                "by hand: make sure that {} {} again (`{}`)",
                stated.subject.value.shown(),
                stated.fact.value.says(draft.value_before(stated)),
                stated.fact.value
            ),
            format!("{served} had begun, and only a person knows that it was taken back"),
        ),
        Back::Unstated(stated) => (
            format!(
                "from here on {} {} again (`{}`)",
                stated.subject.value.shown(),
                stated.fact.value.says(draft.value_before(stated)),
                stated.fact.value
            ),
            format!("{served} had begun"),
        ),
        Back::Undone(spec) => (undo_title(spec), format!("{served} had begun")),
        Back::Task(spec) => (
            tasks::title(spec),
            format!("the plan asks for it on the way back; {}", tasks::brings_about(draft, spec)),
        ),
        Back::Stated(stated) => (
            format!(
                "from here on {} {} (`{}`)",
                stated.subject.value.shown(),
                stated.fact.value.says(stated.value),
                stated.fact.value
            ),
            format!("the plan states it: {}", stated.reason),
        ),
    }
}

/// Judges a way back by its graph alone: whether any pattern can come true on it, from any state in
/// which it can begin. `forward` is the forward graph.
///
/// # Panics
/// If the graphs were not made from these tracks.
#[must_use]
pub fn is_refuted(
    (intent, snapshot, tracks): (&Intent, &Snapshot, &[Track]),
    forward: &StepGraph,
    way_back: &CompiledWayBack,
    graph: &StepGraph,
) -> bool {
    let end = Arc::new(in_the_end(intent, snapshot));
    let draft = Draft::of(intent, snapshot, end, tracks);
    let placed = Placed::of(&draft, forward);
    let belongs_to: BTreeSet<&StepId> = way_back.takes_back.values().collect();
    let whole = draft.with_way_back(&|step| belongs_to.contains(&draft.nodes[step].id));
    let model = model(&whole, &ModelOptions::default());
    // The forward steps by their places in their graph, which has waits too.
    let place = |step: usize| match step < whole.forward {
        true => placed.places[step],
        false => forward.steps().len() + step - whole.forward,
    };
    let atoms: Vec<Atom> = model
        .atoms
        .iter()
        .map(|atom| Atom {
            start: match atom.start {
                Start::Begin(step) => Start::Begin(place(step)),
                Start::Always => Start::Always,
            },
            ends: atom.ends.iter().map(|end| Ending { step: place(end.step), ..*end }).collect(),
            what: atom.what.clone(),
        })
        .collect();
    let way = WayBack {
        forward: forward.steps().len(),
        serves: (whole.forward..whole.nodes.len())
            .map(|step| whole.serves(step).map(place))
            .collect(),
        atoms: &atoms,
        forward_paths: &placed.paths,
        to: way_back.at.as_ref().and_then(|at| forward.place(at)),
        no_return: way_back.no_return.keys().filter_map(|step| forward.place(step)).collect(),
    };
    let steps = graph.steps();
    let paths = graph.paths();
    let nodes: BTreeMap<usize, usize> = (whole.forward..whole.nodes.len())
        .filter_map(|node| Some((graph.place(&whole.nodes[node].id)?, place(node))))
        .collect();
    let places: BTreeMap<usize, usize> = nodes.iter().map(|(at, node)| (*node, *at)).collect();
    let wait_between = |from: usize, to: usize, made: &dyn Fn(usize) -> bool| {
        // A wait is made if the step before it is.
        let is_made = |at: usize| match nodes.get(&at) {
            Some(node) => made(*node),
            None => steps[at].after.keys().all(|id| {
                let node = graph.place(id).and_then(|at| nodes.get(&at));
                node.is_none_or(|node| made(*node))
            }),
        };
        paths.between_if(*places.get(&from)?, *places.get(&to)?, &is_made)
    };
    let present = present(&model);
    let mut patterns = model.patterns.iter().filter(|pattern| way.concerns(pattern));
    patterns.any(|pattern| {
        !present.contains_key(&*pattern.harm.id) && way.can_come_true(pattern, &wait_between)
    })
}
