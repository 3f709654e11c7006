//! The engine in a storm: thousands of seeded runs, each crashed, disturbed and resumed, and the
//! properties that hold for each of them. A failure prints the seed and the kind of artifact.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use cutover::artifact::Artifact;
use cutover::authority::{Authority, Exception};
use cutover::calendar::{Timestamp, later};
use cutover::digest::Digest;
use cutover::engine::{ChangeState, RunState, StepState, replay};
use cutover::graph::Primitive;
use cutover::journal::{Entry, Event, Halt, HaltReason};
use cutover::world::{DriveError, DriveOutcome, Patience, Run, World as _, drive};
use cutover_contract::Change;
use cutover_zone::{RrKey, RrSet};
use futures_util::FutureExt;

use crate::agreement::Dice;
use crate::storm::{Fate, Faults, Storm, truly};

/// The plans, and the number of runs of each. Our choice: half a minute in a slow build.
const PLANS: &[(&str, u64)] = &[("quickstart", 150), ("web-move", 500), ("gates", 100)];
/// Processes that a run may take before the faults stop. Our choice.
const STORMY_PROCESSES: usize = 60;
/// Processes that a run may take in total. Without faults one is enough, except for a repair or
/// two.
const PROCESSES_MAX: usize = STORMY_PROCESSES + 12;

/// The plans that are compiled, and how their zones are served in the storm.
static ARTIFACTS: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let mut all = Vec::new();
    for (plan, seeds) in PLANS {
        let artifact = compiled(plan);
        for servers in 0..4 {
            let name = format!("{plan} with {servers} servers");
            all.push(Case { name, seeds: *seeds, artifact: served_by(&artifact, servers).into() });
        }
    }
    all
});

struct Case {
    name: String,
    seeds: u64,
    artifact: Arc<Artifact>,
}

pub(crate) fn compiled(plan: &str) -> Artifact {
    let output = Command::new(env!("CARGO_BIN_EXE_cutover"))
        .args(["plan", "--format", "json", &format!("plans/{plan}.yaml")])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("the program can be run");
    let text = String::from_utf8(output.stdout).expect("an artifact is text");
    Artifact::decode(&text).expect("an artifact")
}

/// The same steps with this many servers that can be queried, and one more that is excepted.
pub(crate) fn served_by(artifact: &Artifact, servers: u8) -> Artifact {
    let mut artifact = artifact.clone();
    let address = |n: u8| std::net::SocketAddr::from(([192, 0, 2, n], 53));
    for zone in artifact.zones.values_mut().filter(|_| servers > 0) {
        zone.served_within = None;
        let all = (0..=servers).map(|n| Authority { name: None, address: address(n) });
        zone.authorities = all.collect();
        zone.except = vec![Exception { address: address(0), reason: "it is away".into() }];
        zone.settle_max = Duration::from_secs(u64::from(servers) * 2);
    }
    artifact
}

/// The faults of a seed. Some seeds have only one kind of fault, so that a run gets far.
fn weather(seed: u64) -> Faults {
    let mut dice = Dice(seed ^ 0x5eed);
    let strength = *dice.one(&[0, 1, 1, 3, 10]);
    let mut chance = |most: usize| if dice.below(3) == 0 { 0 } else { most * strength / 10 };
    Faults {
        crash: chance(60),
        append: chance(20),
        read: chance(300),
        perform: chance(700),
        fate: None,
        lapses: false,
        publish: chance(400),
        silence: chance(300),
        fall_back: chance(120),
        lag: chance(400),
        edit: chance(8),
        set_clock: chance(20),
        gate: chance(600),
    }
}

/// The run as another process finds it.
pub(crate) fn resumed(artifact: &Arc<Artifact>, journal: &[Entry]) -> Run {
    Run {
        artifact: Arc::clone(artifact),
        state: replay(artifact, artifact.digest(), journal).expect("a legal journal"),
        seq: u64::try_from(journal.len()).expect("64 bits"),
        head: journal.last().map_or(Digest::of(b""), |last| last.clone().line().digest()),
        resumed: None,
        halted_again: None,
        announces_rollback: false,
        approvals: None,
    }
}

/// What is read equals what was written, and the chain is complete.
fn check_chain(journal: &[Entry]) {
    let mut head = Digest::of(b"");
    for (seq, entry) in journal.iter().enumerate() {
        let line = entry.clone().line();
        let seq = u64::try_from(seq).expect("64 bits");
        let read = Entry::read(line.text().as_bytes(), seq, head);
        let (read, digest) = read.expect("an entry that follows");
        assert_eq!(read, *entry);
        head = Digest::of(line.text().as_bytes());
        assert_eq!((digest, line.digest()), (head, head));
    }
}

/// How a run ended, and its journal.
pub(crate) struct Ended {
    pub(crate) finished: bool,
    pub(crate) journal: Vec<Entry>,
}

fn is_gated(artifact: &Artifact) -> bool {
    artifact.graph.steps().iter().any(|step| matches!(step.primitive, Primitive::Gate(_)))
}

/// Runs a seed to its end: the run finishes, or halts for good.
pub(crate) fn live(artifact: &Arc<Artifact>, seed: u64) -> Ended {
    let mut weather = weather(seed);
    // A wait queries the servers only at its end. A server that falls back in between is for the
    // gate to find.
    if is_gated(artifact) {
        weather.fall_back = 0;
    }
    let mut world = Storm::of(artifact, seed, weather);
    let is_healed = seed.is_multiple_of(2);
    let mut run = resumed(artifact, &[]);
    for process in 0..PROCESSES_MAX {
        if process == STORMY_PROCESSES {
            heal(&mut world, artifact, &run.state);
        }
        let patience = *world.dice.one(&[Patience::Stay, Patience::Leave]);
        let ended = drive(&mut world, &mut run, patience, &mut |_, _| {}).now_or_never();
        let replayed = resumed(artifact, &world.journal);
        // Events that a dead process had kept back are not in its journal.
        if !matches!(ended, Some(Err(DriveError::Append(_)))) && run.resumed.is_none() {
            assert_eq!(replayed.state, run.state, "the fold is the state");
        }
        run = replayed;
        check_zone(&world, artifact, &run.state);
        match ended {
            None | Some(Err(DriveError::Append(_))) => {
                let hours = world.dice.one::<u64>(&[0, 0, 0, 1, 40]) * 3_600;
                world.revive(later(world.now(), Duration::from_secs(hours)));
            }
            Some(Err(DriveError::Illegal(error))) => panic!("our mistake: {error}"),
            Some(Ok(DriveOutcome::Waiting { until })) => world.revive(until),
            Some(Ok(DriveOutcome::NeedsPerson)) => {
                world.revive(later(world.now(), Duration::from_secs(60)))
            }
            Some(Ok(DriveOutcome::Halted(_))) if is_healed => {
                heal(&mut world, artifact, &run.state)
            }
            Some(Ok(outcome)) => {
                let finished = outcome == DriveOutcome::Finished && run.state.turned_back.is_none();
                check_end(&world, artifact, finished);
                return Ended { finished, journal: world.journal };
            }
        }
    }
    panic!("no end in {PROCESSES_MAX} processes: {:?}", world.journal.last());
}

/// The faults stop, and somebody restores every record to what the run has made.
fn heal(world: &mut Storm, artifact: &Artifact, state: &RunState) {
    world.calm();
    for (key, allowed) in allowed(world, artifact, state) {
        if !allowed.contains(&world.holds(&key)) {
            world.edit(&key, allowed[0].clone());
        }
    }
    world.revive(later(world.now(), Duration::from_secs(60)));
}

/// The possible values of each RRset: what the journal says was made, and what was begun and has an
/// unknown outcome.
fn allowed(
    world: &Storm,
    artifact: &Artifact,
    state: &RunState,
) -> BTreeMap<RrKey, Vec<Option<RrSet>>> {
    let mut allowed: BTreeMap<RrKey, Vec<Option<RrSet>>> = BTreeMap::new();
    for step in artifact.graph.steps() {
        let Primitive::Change(changes) = &step.primitive else { continue };
        for change in changes.changes() {
            let versions =
                allowed.entry(change.key.clone()).or_insert_with(|| vec![change.before.clone()]);
            let StepState::Change(is) = state.of(artifact, &step.id) else { panic!("a change") };
            match is {
                ChangeState::Written { .. } | ChangeState::Done { .. } => {
                    *versions = vec![change.after.clone()];
                }
                ChangeState::Begun | ChangeState::InDoubt { .. } => {
                    versions.push(change.after.clone());
                }
                ChangeState::Pending => {}
            }
        }
    }
    assert_eq!(allowed.len(), world.keys().len());
    allowed
}

/// The zone holds only what was there before, what the journal says was made, and what others
/// wrote.
fn check_zone(world: &Storm, artifact: &Artifact, state: &RunState) {
    assert_eq!(world.violations, Vec::<String>::new());
    for (key, allowed) in allowed(world, artifact, state) {
        if !world.edited.contains(&key) {
            let held = world.holds(&key);
            assert!(allowed.contains(&held), "{key} is {held:?}, and not one of {allowed:?}");
        }
    }
    let is_edited = |step: &&cutover_contract::ChangeSet| {
        step.changes().iter().any(|change| world.edited.contains(&change.key))
    };
    for (number, made) in world.effects.iter().enumerate().filter(|(_, made)| !is_edited(made)) {
        assert!(!world.effects[..number].contains(made), "made twice: {made:?}");
    }
}

fn check_end(world: &Storm, artifact: &Artifact, finished: bool) {
    check_chain(&world.journal);
    check_waits(world, artifact);
    if finished {
        for step in artifact.graph.steps() {
            let is_change = matches!(step.primitive, Primitive::Change(_));
            let began = |entry: &&Entry| matches!(&entry.event, Event::Begun { step: of } if *of == step.id);
            assert!(!is_change || world.journal.iter().any(|e| began(&e)), "{} was made", step.id);
        }
    }
}

/// No wait ended early, whatever happened to the wall clock, and every server served during all of
/// it what the wait waits for.
fn check_waits(world: &Storm, artifact: &Artifact) {
    let mut begun: BTreeMap<_, Timestamp> = BTreeMap::new();
    // By the wall clock, and in real time.
    let mut done: BTreeMap<_, (Timestamp, Timestamp)> = BTreeMap::new();
    for entry in &world.journal {
        let (at, now) = (&entry.at, truly(entry));
        match &entry.event {
            Event::WaitBegun { step, since, until: _ } => {
                let wait = artifact.graph.get(step).expect("a step");
                let ready = wait.after.keys().map(|id| done[id]).max();
                let (ready, truly) = ready.expect("it waits after a step");
                assert!(ready <= *since, "{step} counts from {since}, and was not ready");
                begun.insert(step, if since < at { truly } else { now });
            }
            Event::WaitEnded { step } => {
                let wait = artifact.graph.get(step).expect("a step");
                let Primitive::Wait(wait) = &wait.primitive else { panic!("{step} is no wait") };
                let since = begun[step];
                // Clocks are read one after the other.
                let tolerance = Duration::from_secs(1);
                let early = format!("{step} ended at {now} and began at {since}");
                assert!(later(since, wait.span) <= later(now, tolerance), "{early}");
                if let Some(over) = &wait.over {
                    check_served(world, artifact, over, since, now);
                }
                done.insert(step, (*at, now));
            }
            // A gate has ended with its last answer.
            Event::Propagated { step, .. }
            | Event::Reached { step }
            | Event::Did { step, .. }
            | Event::Kept { step, .. }
            | Event::Probed { step, .. }
            | Event::Allowed { step, .. } => {
                done.insert(step, (*at, now));
            }
            Event::Opened { .. }
            | Event::Resumed { .. }
            | Event::Begun { .. }
            | Event::Written { .. }
            | Event::Unsure { .. }
            | Event::NotMade { .. }
            | Event::NotDone { .. }
            | Event::Lapsed { .. }
            | Event::Behind { .. }
            | Event::SetAside(_)
            | Event::Told { .. }
            | Event::Replaced { .. }
            | Event::Approved(_)
            | Event::Halted(_)
            | Event::TurnedBack { .. }
            | Event::Finished => {}
        }
    }
}

fn check_served(
    world: &Storm,
    artifact: &Artifact,
    over: &cutover::graph::StepId,
    since: Timestamp,
    ended: Timestamp,
) {
    let step = artifact.graph.get(over).expect("a step");
    let Primitive::Change(changes) = &step.primitive else { panic!("{over} is no change") };
    let zone = &artifact.zones[changes.zone()];
    let excepted = |a: &&Authority| zone.except.iter().any(|e| e.address == a.address);
    for server in zone.authorities.iter().filter(|a| !excepted(a)) {
        // An edit by somebody else that is reverted in between cannot be noticed.
        for change in changes.changes().iter().filter(|c| !world.edited.contains(&c.key)) {
            let turns = world.turns(server.address, &change.key).into_iter();
            for at in turns.filter(|at| (since..ended).contains(at)).chain([since]) {
                let served = world.serves(server.address, &change.key, at);
                // A later version of this run counts too, because the version that is waited out is
                // gone.
                let place = artifact.graph.place(over).expect("a step");
                let later = artifact.graph.steps().iter().skip(place);
                let mut later = later.filter_map(|step| match &step.primitive {
                    Primitive::Change(changes) => Some(changes.changes()),
                    Primitive::Wait(_)
                    | Primitive::Gate(_)
                    | Primitive::Task(_)
                    | Primitive::Checkpoint(_) => None,
                });
                let of_key = |all: &[Change]| {
                    all.iter().any(|later| later.key == change.key && later.after == served)
                };
                assert!(later.any(of_key), "{} at {at}: {over}: {served:?}", server.address);
            }
        }
    }
}

/// How the runs of one artifact ended, and the number of entries of each kind.
#[derive(Default)]
struct Count {
    finished: usize,
    halted: usize,
    kinds: BTreeMap<String, usize>,
}

fn runs(Case { name, seeds, artifact }: &Case) -> Count {
    let mut count = Count::default();
    for seed in 0..*seeds {
        let ended = std::panic::catch_unwind(|| live(artifact, seed));
        let Ended { finished, journal } = ended.unwrap_or_else(|_| panic!("seed {seed} of {name}"));
        count.finished += usize::from(finished);
        count.halted += usize::from(!finished);
        for entry in &journal {
            let line = format!("{:?}", entry.event);
            let kind = line.split([' ', '{']).next().unwrap_or_default().to_owned();
            *count.kinds.entry(kind).or_default() += 1;
        }
        if seed.is_multiple_of(16) {
            assert_eq!(live(artifact, seed).journal, journal, "seed {seed} of {name}");
        }
    }
    count
}

#[test]
fn every_run_finishes_or_halts_with_nothing_overwritten() {
    let counts: Vec<Count> = std::thread::scope(|scope| {
        let threads: Vec<_> = ARTIFACTS.iter().map(|case| scope.spawn(|| runs(case))).collect();
        threads.into_iter().map(|thread| thread.join().expect("every seed holds")).collect()
    });
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for (kind, number) in counts.iter().flat_map(|count| &count.kinds) {
        *kinds.entry(kind).or_default() += number;
    }
    let finished: usize = counts.iter().map(|count| count.finished).sum();
    let halted: usize = counts.iter().map(|count| count.halted).sum();
    println!("{finished} finished, {halted} halted; {kinds:?}");
    assert!(finished > halted && halted > 100, "{finished} finished, {halted} halted");
    assert_eq!(kinds.len(), 19, "every kind of entry was seen: {kinds:?}");
}

/// How a run ends in which something fails every time; `None` if it finishes nevertheless.
#[test]
fn what_can_never_proceed_halts_in_bounded_steps() {
    let always = |fate| Faults { perform: 1_000, fate: Some(fate), ..Faults::default() };
    let cases = [
        (Faults { read: 1_000, ..Faults::default() }, Some(HaltReason::Unanswered)),
        (Faults { silence: 1_000, ..Faults::default() }, Some(HaltReason::Unanswered)),
        (Faults { fall_back: 1_000, ..Faults::default() }, Some(HaltReason::Unanswered)),
        (Faults { lapses: true, ..Faults::default() }, Some(HaltReason::Unanswered)),
        (Faults { publish: 1_000, ..always(Fate::LostAfter) }, Some(HaltReason::Unpublished)),
        (always(Fate::Unreachable), Some(HaltReason::Unanswered)),
        (always(Fate::Throttled), Some(HaltReason::Unanswered)),
        (always(Fate::Conflict), Some(HaltReason::Drift)),
        (always(Fate::LostBefore), Some(HaltReason::Unanswered)),
        (always(Fate::LostAndLate), None),
        (always(Fate::LostAfter), None),
        (always(Fate::Ignored), Some(HaltReason::Refused)),
    ];
    let case = ARTIFACTS.iter().find(|case| case.name == "web-move with 2 servers");
    let Case { artifact, .. } = case.expect("one of the cases");
    for (faults, expected) in cases {
        for seed in 0..8 {
            let mut world = Storm::of(artifact, seed, faults.clone());
            let mut run = resumed(artifact, &[]);
            let ended = drive(&mut world, &mut run, Patience::Stay, &mut |_, _| {}).now_or_never();
            let reason = match ended.expect("nobody crashes") {
                Ok(DriveOutcome::Finished) => None,
                Ok(DriveOutcome::Halted(Halt { reason, .. })) => Some(reason),
                other => panic!("seed {seed}, {faults:?}: {other:?}"),
            };
            assert_eq!(reason, expected, "seed {seed}, {faults:?}");
            check_zone(&world, artifact, &run.state);
            check_waits(&world, artifact);
        }
    }
}
