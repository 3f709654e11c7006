//! The theorem against an independent decision procedure: whether some execution in time has an
//! instant at which all atoms of a pattern are true.
//!
//! Times of begins and ends are unknowns, and every constraint is a difference of two of them: a
//! step ends after its begin, begins a wait after the end of another step, has begun by the
//! instant, was over less than its hold ago. Such a system has a solution if and only if its graph
//! has no negative cycle (Bellman and Ford). The procedure knows nothing else: no closure, no
//! state, no order.
//!
//! On the way back, every set of steps that can have begun is tried, each as its own system.

use std::collections::BTreeSet;
use std::time::Duration;

use cutover::graph::paths::Paths;
use cutover::proof::back::WayBack;
use cutover::proof::pattern::{Atom, Ending, Harm, Pattern, PatternAtom, Start, What};

use crate::oracle::{Random, plans};

/// Differences of unknowns: `later - earlier >= least`.
#[derive(Default)]
struct System {
    unknowns: usize,
    bounds: Vec<(usize, usize, i64)>,
}

impl System {
    fn unknown(&mut self) -> usize {
        self.unknowns += 1;
        self.unknowns - 1
    }

    fn at_least(&mut self, later: usize, earlier: usize, least: i64) {
        self.bounds.push((later, earlier, least));
    }

    /// Whether the system has a solution.
    fn has_solution(&self) -> bool {
        let mut times = vec![0_i64; self.unknowns];
        for _ in 0..=self.unknowns {
            let mut moved = false;
            for (later, earlier, least) in &self.bounds {
                if times[*later] < times[*earlier] + least {
                    times[*later] = times[*earlier] + least;
                    moved = true;
                }
            }
            if !moved {
                return true;
            }
        }
        false
    }
}

/// A graph, with the waits on its edges.
type Befores = Vec<Vec<(usize, u64)>>;

fn graph_of(random: &mut Random, steps: usize) -> Befores {
    (0..steps)
        .map(|step| {
            let mut before = Vec::new();
            for other in 0..step {
                if random.below(2) == 0 {
                    before.push((other, random.below(4)));
                }
            }
            before
        })
        .collect()
}

fn number(random: &mut Random, bound: usize) -> usize {
    usize::try_from(random.below(bound as u64)).expect("a small number")
}

/// Steps begin and end, with the waits in between. After a step that is not made there is no wait,
/// but it still orders the others.
fn steps(
    system: &mut System,
    befores: &Befores,
    is_made: &dyn Fn(usize) -> bool,
) -> Vec<[usize; 2]> {
    let events: Vec<[usize; 2]> =
        befores.iter().map(|_| [system.unknown(), system.unknown()]).collect();
    for (step, before) in befores.iter().enumerate() {
        system.at_least(events[step][1], events[step][0], 0);
        for (other, wait) in before {
            let wait = if is_made(*other) { *wait } else { 0 };
            let wait = i64::try_from(wait).expect("a small number");
            system.at_least(events[step][0], events[*other][1], wait);
        }
    }
    events
}

fn secs(hold: Duration) -> i64 {
    i64::try_from(hold.as_secs()).expect("a small number")
}

/// The atoms of a pattern are true at an instant.
fn are_true(
    system: &mut System,
    atoms: &[Atom],
    events: &[[usize; 2]],
    instant: usize,
    is_made: &dyn Fn(usize) -> bool,
) -> bool {
    for atom in atoms {
        if let Start::Begin(step) = atom.start {
            if !is_made(step) {
                return false;
            }
            system.at_least(instant, events[step][0], 0);
        }
        for Ending { step, hold } in atom.ends.iter().filter(|end| is_made(end.step)) {
            // The instant is before the end and its hold: instant <= end + hold - 1.
            system.at_least(events[*step][1], instant, 1 - secs(*hold));
        }
    }
    true
}

fn pattern_of(atoms: &[Atom]) -> Pattern {
    let held = PatternAtom::plain;
    Pattern {
        invariant: "deliverable",
        atoms: (0..atoms.len()).map(held).collect(),
        harm: Harm::new("", "", ""),
        undecided: false,
    }
}

/// Two or three atoms, with starts and ends at random steps.
fn atoms_of(random: &mut Random, steps: usize) -> Vec<Atom> {
    (0..2 + random.below(2))
        .map(|_| Atom {
            what: What::Begun,
            start: match random.below(4) {
                0 => Start::Always,
                _ => Start::Begin(number(random, steps)),
            },
            ends: (0..random.below(3))
                .map(|_| Ending {
                    step: number(random, steps),
                    hold: Duration::from_secs(random.below(6)),
                })
                .collect(),
        })
        .collect()
}

#[test]
fn a_pattern_can_come_true_if_some_execution_in_time_shows_it() {
    let (mut possible, mut impossible) = (0, 0);
    for seed in 1..=plans() * 10 {
        let mut random = Random(seed ^ 0x9e37_79b9_7f4a_7c15);
        let count = 1 + number(&mut random, 6);
        let befores = graph_of(&mut random, count);
        let atoms = atoms_of(&mut random, count);
        let pattern = pattern_of(&atoms);
        let paths = Paths::of(befores.clone()).expect("no cycle");
        let kept = pattern.separations(&atoms).any(|gap| {
            paths.between(gap.from, gap.to).is_some_and(|waited| waited >= gap.hold.as_secs())
        });
        let mut system = System::default();
        let all = |_| true;
        let events = steps(&mut system, &befores, &all);
        let instant = system.unknown();
        assert!(are_true(&mut system, &atoms, &events, instant, &all));
        let shown = system.has_solution();
        assert_eq!(!kept, shown, "seed {seed}: {befores:?} {atoms:?}");
        if shown { possible += 1 } else { impossible += 1 }
    }
    println!("{possible} possible, {impossible} impossible");
    assert!(impossible * 5 >= possible + impossible, "{possible} and {impossible}");
}

#[test]
fn on_the_way_back_a_pattern_can_come_true_if_some_execution_in_time_shows_it() {
    let (mut possible, mut impossible) = (0, 0);
    for seed in 1..=plans() * 10 {
        let mut random = Random(seed ^ 0x51_7cc1_b727_220a);
        let forward = 1 + number(&mut random, 4);
        let there = graph_of(&mut random, forward);
        // The first step of the way back is always made, and all others come after it.
        let back = 1 + number(&mut random, 4);
        let mut home = graph_of(&mut random, back);
        for (step, before) in home.iter_mut().enumerate().skip(1) {
            if !before.iter().any(|(other, _)| *other == 0) {
                before.push((0, random.below(3)));
            }
            assert!(step > 0);
        }
        let serves: Vec<Option<usize>> =
            (0..back).map(|step| (step > 0).then(|| number(&mut random, forward))).collect();
        let no_return: BTreeSet<usize> = (0..forward).filter(|_| random.below(8) == 0).collect();
        let to = (random.below(3) == 0).then(|| number(&mut random, forward));
        let atoms = atoms_of(&mut random, forward + back);
        let pattern = pattern_of(&atoms);
        let paths = Paths::of(there.clone()).expect("no cycle");
        let way = WayBack {
            forward,
            serves: serves.clone(),
            atoms: &atoms,
            forward_paths: &paths,
            to,
            no_return: no_return.clone(),
        };
        if !way.concerns(&pattern) {
            continue;
        }
        let home_paths = Paths::of(home.clone()).expect("no cycle");
        let found = way.can_come_true(&pattern, &|from, to, made| {
            home_paths.between_if(from - forward, to - forward, &|step| made(step + forward))
        });
        let shown = (0..1_usize << forward).any(|set| {
            let has_begun = |step: usize| set >> step & 1 == 1;
            let closed = (0..forward).all(|step| {
                !has_begun(step) || there[step].iter().all(|(other, _)| has_begun(*other))
            });
            let allowed =
                to.is_none_or(has_begun) && !no_return.iter().any(|step| has_begun(*step));
            closed && allowed && shows(&there, &home, &serves, &atoms, &has_begun)
        });
        assert_eq!(
            found, shown,
            "seed {seed}: {there:?} {home:?} {serves:?} {to:?} {no_return:?} {atoms:?}"
        );
        if shown { possible += 1 } else { impossible += 1 }
    }
    println!("{possible} possible, {impossible} impossible");
    assert!(impossible * 5 >= possible + impossible, "{possible} and {impossible}");
}

/// Whether a rollback that begins after these steps have begun has an instant at which all atoms
/// are true.
fn shows(
    there: &Befores,
    home: &Befores,
    serves: &[Option<usize>],
    atoms: &[Atom],
    has_begun: &dyn Fn(usize) -> bool,
) -> bool {
    let forward = there.len();
    let is_made = |step: usize| match step < forward {
        true => has_begun(step),
        false => serves[step - forward].is_none_or(has_begun),
    };
    let mut system = System::default();
    let mut events = steps(&mut system, there, has_begun);
    let back = steps(&mut system, home, &|step| is_made(step + forward));
    let rollback = system.unknown();
    for step in (0..forward).filter(|step| has_begun(*step)) {
        system.at_least(rollback, events[step][1], 0);
    }
    for (step, of) in back.iter().enumerate().filter(|(step, _)| is_made(step + forward)) {
        assert!(step < home.len());
        system.at_least(of[0], rollback, 0);
    }
    events.extend(back);
    let instant = system.unknown();
    are_true(&mut system, atoms, &events, instant, &is_made) && system.has_solution()
}
