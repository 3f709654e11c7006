//! The timed oracle: a second judge of plans, which shares no atom, hold or closure with the prover.
//!
//! It runs a plan on an integer clock. Caches hold whatever some server served within the TTL; facts
//! have the value before until the step that changes them has ended, and the value after from its
//! begin. At one instant it follows the fate of messages and users ([`world`]): is there a host to go
//! to, and does it take the message; does SPF pass; is what is stored found; can people log in.
//!
//! Where the prover refutes, the execution that its story tells of must show the harm that its
//! invariant names. Where it does not, no execution may: all steps alone and many together are made
//! the last to begin, with everything before them as late as it can be. Plans are random ([`plan`]).

mod plan;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use cutover::compile::rebuilt;
use cutover::graph::{Primitive, StepGraph};

use crate::proof::Case;
use world::{Times, World};

/// A small generator: tests print its seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        let number = self.below(words.len() as u64);
        words[usize::try_from(number).expect("a small number")]
    }

    fn place(&mut self, count: usize) -> usize {
        usize::try_from(self.below(count as u64)).expect("a small number")
    }
}

/// The instant at which the world is looked at.
const NOW: i64 = 1_000_000_000;

/// The execution in which these steps begin at [`NOW`], everything before them is as late as it can
/// be, and nothing else has begun.
fn as_late_as_possible(graph: &StepGraph, last: &[usize]) -> Times {
    let steps = graph.steps();
    let mut begins: BTreeMap<usize, i64> = BTreeMap::new();
    let mut ends: BTreeMap<usize, i64> = BTreeMap::new();
    for (place, step) in steps.iter().enumerate().rev() {
        // What comes after it and is made says when it has to have ended.
        let until = graph.followers(place).iter().filter_map(|next| begins.get(next)).min();
        let begin = match (until, last.contains(&place)) {
            (None, false) => continue,
            (None, true) => {
                ends.insert(place, NOW + 1);
                NOW
            }
            (Some(until), is_last) => {
                let span = match &step.primitive {
                    Primitive::Wait(wait) => i64::try_from(wait.span.as_secs()).expect("small"),
                    Primitive::Change(_)
                    | Primitive::Gate(_)
                    | Primitive::Task(_)
                    | Primitive::Checkpoint => 0,
                };
                ends.insert(place, *until);
                if is_last { (until - span).min(NOW) } else { until - span }
            }
        };
        begins.insert(place, begin);
    }
    let all =
        begins.into_iter().map(|(place, begin)| (steps[place].id.clone(), (begin, ends[&place])));
    all.collect()
}

/// The invariants whose harm this execution shows.
fn harm(case: &Case, last: &[usize]) -> BTreeSet<&'static str> {
    World::of(case, &as_late_as_possible(&case.graph, last)).harm()
}

/// Plans that are judged. `tests/run` takes the default; more with `CUTOVER_ORACLE_PLANS`.
pub(crate) fn plans() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "how thorough a test is")]
    let asked = std::env::var("CUTOVER_ORACLE_PLANS").ok().and_then(|n| n.parse().ok());
    asked.unwrap_or(3_000)
}

/// Steps that begin last, together, in the executions that are tried: each alone, and some at random.
fn tried(steps: usize, random: &mut Random) -> Vec<Vec<usize>> {
    let alone = (0..steps).map(|step| vec![step]);
    let together = (0..steps * 2)
        .map(|_| (0..2 + random.below(2)).map(|_| random.place(steps)).collect::<Vec<_>>());
    alone.chain(together.collect::<Vec<_>>()).collect()
}

fn judge(make: &dyn Fn(&mut Random) -> (String, String), salt: u64, count: u64) -> [u64; 2] {
    let [mut held, mut refuted] = [0, 0];
    let mut broken: BTreeMap<&str, u64> = BTreeMap::new();
    let mut seed = 0_u64;
    while held + refuted < count {
        seed += 1;
        let mut random = Random(seed ^ salt);
        let (plan, zone) = make(&mut random);
        let Some(case) = Case::try_of(&plan, &|_| zone.clone()) else { continue };
        if case.graph.steps().is_empty() {
            continue;
        }
        let findings = case.findings(&case.graph);
        let (draft, model) = rebuilt(&case.intent, &case.snapshot, &case.tracks);
        let present: BTreeSet<&str> = findings.present.iter().map(|(name, _)| *name).collect();
        for one in findings.refuted.iter().filter(|one| !present.contains(one.invariant)) {
            let starts = model.patterns[one.pattern].starts(&model.atoms);
            let places = starts.iter().filter_map(|node| case.graph.place(&draft.nodes[*node].id));
            let shown = harm(&case, &places.collect::<Vec<_>>());
            assert!(
                shown.contains(one.invariant),
                "seed {seed}: {} is refuted, and {shown:?} is shown\n{:#?}\n{:#?}\n{plan}\n{zone}",
                one.invariant,
                one.story,
                case.closed
            );
            *broken.entry(one.invariant).or_default() += 1;
        }
        let names: BTreeSet<&str> = findings.refuted.iter().map(|one| one.invariant).collect();
        for last in tried(case.graph.steps().len(), &mut random) {
            let shown = harm(&case, &last);
            let missed: Vec<&&str> = shown
                .iter()
                .filter(|name| !names.contains(**name) && !present.contains(**name))
                .collect();
            let ids: Vec<&str> =
                last.iter().map(|place| case.graph.steps()[*place].id.as_str()).collect();
            assert!(
                missed.is_empty(),
                "seed {seed}: {missed:?} is harmed when {ids:?} begin, and not refuted\n{plan}\n{zone}"
            );
        }
        if names.is_empty() { held += 1 } else { refuted += 1 }
    }
    println!("{held} held, {refuted} refuted: {broken:?}");
    [held, refuted]
}

#[test]
fn prover_and_oracle_agree_on_random_changes_of_records() {
    let [held, refuted] = judge(&plan::of_records, 0x9e37_79b9_7f4a_7c15, plans() / 2);
    assert!(refuted * 5 >= held + refuted, "a fifth of the plans at least are refuted");
}

#[test]
fn prover_and_oracle_agree_on_random_moves() {
    let [held, refuted] = judge(&plan::of_a_move, 0x51_7cc1_b727_220a, plans() / 2);
    assert!(refuted * 5 >= held + refuted, "a fifth of the plans at least are refuted");
    assert!(held * 10 >= held + refuted, "a tenth of the plans at least are proved");
}
