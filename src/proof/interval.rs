//! Intervals, and whether they can hold together.

use std::collections::BTreeMap;
use std::time::Duration;

use super::order::{Event, Order};
use crate::graph::{Primitive, StepGraph};

/// When an interval begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Before the first step.
    Always,
    /// At an event.
    At(Event),
}

/// Something that may be true from its start until any of its ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interval {
    /// When it begins.
    pub start: Start,
    /// Each of them ends it; none: it never ends.
    pub ends: Vec<Event>,
}

/// Whether some reachable state has all of these intervals.
#[must_use]
pub fn together(order: &Order, intervals: &[&Interval]) -> bool {
    let ends = intervals.iter().flat_map(|interval| &interval.ends);
    let mut ends = ends.copied();
    !ends.any(|end| starts(intervals).any(|start| order.is_or_precedes(end, start)))
}

/// The least state that has all of these intervals, where there is one: every event in it precedes,
/// or is, one of the starts, so running it in the order of the graph is the counterexample.
#[must_use]
pub fn least_state(order: &Order, steps: usize, intervals: &[&Interval]) -> Option<Vec<Event>> {
    let events = (0..steps).flat_map(|place| [Event::Begin(place), Event::End(place)]);
    let needed = |event: &Event| starts(intervals).any(|start| order.is_or_precedes(*event, start));
    together(order, intervals).then(|| events.filter(needed).collect())
}

fn starts<'i>(intervals: &'i [&Interval]) -> impl Iterator<Item = Event> + 'i {
    intervals.iter().filter_map(|interval| match interval.start {
        Start::Always => None,
        Start::At(event) => Some(event),
    })
}

/// The events by which a version that the step at `replaced_by` replaced has expired everywhere: the
/// end of each step that the waits along one path from there sum up to at least `hold`.
///
/// Only the first such steps of each path are given; those behind them add nothing.
#[must_use]
pub fn expiry(graph: &StepGraph, replaced_by: usize, hold: Duration) -> Vec<Event> {
    if hold.is_zero() {
        return vec![Event::End(replaced_by)];
    }
    let mut waited: BTreeMap<usize, Duration> = BTreeMap::from([(replaced_by, Duration::ZERO)]);
    let mut ends = Vec::new();
    // Steps stand behind all that they come after, so each is final when it is reached.
    for place in replaced_by..graph.steps().len() {
        let Some(so_far) = waited.get(&place).copied() else { continue };
        if so_far >= hold {
            ends.push(Event::End(place));
            continue;
        }
        for &follower in graph.followers(place) {
            let span = match &graph.steps()[follower].primitive {
                Primitive::Wait(wait) => wait.span,
                Primitive::Change(_) | Primitive::Checkpoint => Duration::ZERO,
            };
            let known = waited.entry(follower).or_insert(Duration::ZERO);
            *known = (*known).max(so_far + span);
        }
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Origin, Step, StepId, Wait};

    /// A small generator: the tests print its seed.
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: u64) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 % bound).expect("a small number")
        }
    }

    fn graph_of(random: &mut Random) -> Vec<Vec<usize>> {
        let steps = 1 + random.below(6);
        (0..steps).map(|place| (0..place).filter(|_| random.below(3) == 0).collect()).collect()
    }

    fn interval_of(random: &mut Random, steps: usize) -> Interval {
        let event = |random: &mut Random| {
            let place = random.below(steps as u64);
            if random.below(2) == 0 { Event::Begin(place) } else { Event::End(place) }
        };
        let start = match random.below(4) {
            0 => Start::Always,
            _ => Start::At(event(random)),
        };
        let ends = (0..random.below(3)).map(|_| event(random)).collect();
        Interval { start, ends }
    }

    /// Every reachable state, as a set of bits: two for each step.
    fn states(befores: &[Vec<usize>]) -> Vec<u32> {
        let events = befores.len() * 2;
        let closed = |state: &u32| {
            (0..befores.len()).all(|place| {
                let (begun, ended) = (state >> (2 * place) & 1, state >> (2 * place + 1) & 1);
                let ready = befores[place].iter().all(|other| state >> (2 * other + 1) & 1 == 1);
                (ended == 0 || begun == 1) && (begun == 0 || ready)
            })
        };
        (0..1_u32 << events).filter(closed).collect()
    }

    fn contains(state: u32, event: Event) -> bool {
        let bit = match event {
            Event::Begin(place) => 2 * place,
            Event::End(place) => 2 * place + 1,
        };
        state >> bit & 1 == 1
    }

    fn holds(state: u32, interval: &Interval) -> bool {
        let begun = match interval.start {
            Start::Always => true,
            Start::At(event) => contains(state, event),
        };
        begun && !interval.ends.iter().any(|end| contains(state, *end))
    }

    /// A graph of waits and of steps that take no time of their own.
    fn timed_graph_of(random: &mut Random) -> (StepGraph, Vec<u64>) {
        let befores = graph_of(random);
        let spans: Vec<u64> = befores.iter().map(|_| [0, 0, 1, 2, 3][random.below(5)]).collect();
        let id = |place: usize| StepId::new(format!("{place}"));
        let steps = befores.iter().enumerate().map(|(place, before)| Step {
            id: id(place),
            primitive: match spans[place] {
                0 => Primitive::Checkpoint,
                secs => Primitive::Wait(Wait {
                    span: Duration::from_secs(secs),
                    origin: Origin::User,
                    over: None,
                }),
            },
            after: before.iter().map(|other| id(*other)).collect(),
            title: String::new(),
            reason: String::new(),
        });
        let graph = StepGraph::new(steps.collect()).expect("a graph");
        let spans = graph.steps().iter().map(|step| match &step.primitive {
            Primitive::Wait(wait) => wait.span.as_secs(),
            Primitive::Change(_) | Primitive::Checkpoint => 0,
        });
        let spans = spans.collect();
        (graph, spans)
    }

    /// Executions on an integer clock: each step begins when all that it comes after is done, after
    /// a delay; a wait takes its time and a delay. Gives when each step ends.
    fn execution(
        graph: &StepGraph,
        spans: &[u64],
        delay: &mut dyn FnMut(usize) -> u64,
    ) -> Vec<u64> {
        let mut ends: Vec<u64> = Vec::with_capacity(spans.len());
        for (place, step) in graph.steps().iter().enumerate() {
            let places = step.after.iter().filter_map(|id| graph.place(id));
            let ready = places.map(|before| ends[before]).max().unwrap_or(0);
            ends.push(ready + delay(place) + spans[place]);
        }
        ends
    }

    #[test]
    fn what_expires_has_expired_in_every_execution_and_nothing_else_has_in_some() {
        for seed in 1..=20_000_u64 {
            let mut random = Random(seed ^ 0x9e37_79b9_7f4a_7c15);
            let (graph, spans) = timed_graph_of(&mut random);
            let order = Order::of(&graph);
            let replaced_by = random.below(spans.len() as u64);
            let hold = random.below(6) as u64;
            let ends = expiry(&graph, replaced_by, Duration::from_secs(hold));
            let expired =
                |place: usize| ends.iter().any(|end| order.is_or_precedes(*end, Event::End(place)));
            for _ in 0..4 {
                let mut delays = Random(random.0 | 1);
                random.below(2);
                let at = execution(&graph, &spans, &mut |_| delays.below(4) as u64);
                for place in (0..spans.len()).filter(|place| expired(*place)) {
                    assert!(at[place] >= at[replaced_by] + hold, "seed {seed}: {place} at {at:?}");
                }
            }
            // The worst execution: everything that need not wait for the change is done long before.
            let at = execution(&graph, &spans, &mut |place| {
                if place == replaced_by { 1_000 } else { 0 }
            });
            for place in (0..spans.len()).filter(|place| !expired(*place)) {
                assert!(at[place] < at[replaced_by] + hold, "seed {seed}: {place} at {at:?}");
            }
        }
    }

    #[test]
    fn the_theorem_agrees_with_an_enumeration_of_all_states() {
        let (mut possible, mut impossible) = (0, 0);
        for seed in 1..=20_000 {
            let mut random = Random(seed ^ 0x9e37_79b9_7f4a_7c15);
            let befores = graph_of(&mut random);
            let order = Order::of_places(&befores);
            let states = states(&befores);
            for _ in 0..5 {
                let count = 1 + random.below(4);
                let intervals: Vec<Interval> =
                    (0..count).map(|_| interval_of(&mut random, befores.len())).collect();
                let all: Vec<&Interval> = intervals.iter().collect();
                let found = least_state(&order, befores.len(), &all);
                assert_eq!(found.is_some(), together(&order, &all));
                let real = states.iter().any(|state| all.iter().all(|i| holds(*state, i)));
                assert_eq!(found.is_some(), real, "seed {seed}: {befores:?} {intervals:?}");
                if let Some(witness) = found {
                    let state = (0..befores.len() * 2).fold(0_u32, |state, bit| {
                        let event =
                            if bit % 2 == 0 { Event::Begin(bit / 2) } else { Event::End(bit / 2) };
                        state | u32::from(witness.contains(&event)) << bit
                    });
                    assert!(states.contains(&state), "seed {seed}: the witness is reachable");
                    assert!(
                        all.iter().all(|i| holds(state, i)),
                        "seed {seed}: the witness shows it"
                    );
                    possible += 1;
                } else {
                    impossible += 1;
                }
            }
        }
        assert!(possible > 10_000 && impossible > 10_000, "{possible} and {impossible}");
    }
}
