//! Executions of a plan on an integer clock, with the oracle's own simple steps.
//!
//! An execution is built backwards from the instant of interest: the chosen steps begin then, all
//! steps before them are as late as possible, and nothing else has begun. So whatever they replaced
//! is as fresh in caches as possible.
//!
//! On the way back the run is killed at an instant, what has begun is settled, and the steps that
//! undo something which has begun are made, again as late as possible.

use std::collections::{BTreeMap, BTreeSet};

use cutover_contract::Change;
use cutover_zone::Name;

/// The instant of interest.
pub(super) const NOW: i64 = 1_000_000_000;

/// A step, as far as the world sees it.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) id: String,
    /// The positions of the steps that it directly follows.
    pub(super) after: Vec<usize>,
    /// The positions of all steps that have to be done before it.
    pub(super) before: BTreeSet<usize>,
    /// How long it waits. A step without a wait takes no time.
    pub(super) wait_secs: i64,
    pub(super) is_wait: bool,
    /// A person does it and confirms it.
    pub(super) is_task: bool,
    /// Its change, and the zone.
    pub(super) changes: Option<(Name, Vec<Change>)>,
}

/// A way back.
pub(super) struct Back {
    pub(super) name: String,
    /// The step of the way there that has to be done.
    pub(super) at: Option<usize>,
    /// The steps that are done when that step is.
    pub(super) before_point: BTreeSet<usize>,
    pub(super) steps: Vec<Step>,
    /// The step of the way there that each step undoes.
    pub(super) takes_back: BTreeMap<usize, usize>,
    /// There is no way back once one of these has begun.
    pub(super) never: BTreeSet<usize>,
}

/// When each step begins and ends, by position; `None` if it has not begun.
pub(super) type Times = Vec<Option<(i64, i64)>>;

/// The execution in which these steps begin at an instant, and all steps before them are as late as
/// possible.
pub(super) fn as_late_as_possible(
    steps: &[Step],
    is_made: &dyn Fn(usize) -> bool,
    last: &[usize],
    instant: i64,
    ends_by: i64,
) -> Times {
    let mut times: Times = vec![None; steps.len()];
    // For each step, the time by which it has to have ended because of its successors.
    let mut until: Vec<Option<i64>> = vec![None; steps.len()];
    for place in (0..steps.len()).rev() {
        let is_last = last.contains(&place);
        let bound = until[place];
        let span = if is_made(place) { steps[place].wait_secs } else { 0 };
        let (begin, end) = match (bound, is_last) {
            (None, false) => continue,
            (None, true) => (instant, ends_by),
            (Some(until), true) => ((until - span).min(instant), until),
            (Some(until), false) => (until - span, until),
        };
        for before in &steps[place].after {
            until[*before] = Some(until[*before].map_or(begin, |limit| limit.min(begin)));
        }
        // A step that falls away passes its limit on to its predecessors.
        if is_made(place) {
            times[place] = Some((begin, end));
        }
    }
    times
}

/// A step and all its predecessors.
pub(super) fn closure(steps: &[Step], of: Option<usize>) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut open: Vec<usize> = of.into_iter().collect();
    while let Some(place) = open.pop() {
        if found.insert(place) {
            open.extend(&steps[place].after);
        }
    }
    found
}

/// What has begun on the way there, and on the way back.
#[derive(Clone, Debug)]
pub(super) struct Execution {
    pub(super) there: Times,
    pub(super) back: Option<Times>,
}

pub(super) fn there(steps: &[Step], last: &[usize]) -> Execution {
    Execution { there: as_late_as_possible(steps, &|_| true, last, NOW, NOW + 1), back: None }
}

/// The same execution, in which of each pair the first step begins before the second. `None` where the
/// plan has them the other way round.
pub(super) fn in_order(
    steps: &[Step],
    last: &[usize],
    pairs: &[(usize, usize)],
) -> Option<Execution> {
    let mut after: Vec<BTreeSet<usize>> =
        steps.iter().map(|step| step.after.iter().copied().collect()).collect();
    for (first, second) in pairs {
        after[*second].insert(*first);
    }
    let mut order: Vec<usize> = Vec::new();
    while order.len() < steps.len() {
        let is_next =
            |at: &usize| !order.contains(at) && after[*at].iter().all(|b| order.contains(b));
        let next = (0..steps.len()).find(is_next)?;
        order.push(next);
    }
    let place = |of: &usize| order.iter().position(|at| at == of).expect("every step is in order");
    let ordered: Vec<Step> = order
        .iter()
        .map(|at| Step { after: after[*at].iter().map(place).collect(), ..steps[*at].clone() })
        .collect();
    let last: Vec<usize> = last.iter().map(place).collect();
    let times = there(&ordered, &last).there;
    Some(Execution { there: (0..steps.len()).map(|at| times[place(&at)]).collect(), back: None })
}

/// The way back from the point where these steps had begun last, at the instant when those of the
/// way back begin. `None` if the run does not go back from there.
pub(super) fn back(
    steps: &[Step],
    back: &Back,
    last_there: &[usize],
    last_back: &[usize],
) -> Option<Execution> {
    let begun = as_late_as_possible(steps, &|_| true, last_there, NOW, NOW);
    if back.at.is_some_and(|at| begun[at].is_none()) {
        return None;
    }
    if back.never.iter().any(|step| begun[*step].is_some()) {
        return None;
    }
    let mut made = vec![false; back.steps.len()];
    for (place, step) in back.steps.iter().enumerate() {
        made[place] = match step.is_wait {
            false => back.takes_back.get(&place).is_none_or(|there| begun[*there].is_some()),
            true => step.after.iter().all(|before| made[*before]),
        };
    }
    let last: Vec<usize> = last_back.iter().copied().filter(|place| made[*place]).collect();
    let times = as_late_as_possible(&back.steps, &|place| made[place], &last, NOW, NOW + 1);
    let killed = times.iter().flatten().map(|(begin, _)| *begin).min().unwrap_or(NOW);
    let there = as_late_as_possible(steps, &|_| true, last_there, killed, killed);
    Some(Execution { there, back: Some(times) })
}
