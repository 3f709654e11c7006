//! A run is planned again after each entry of its journal. The new plan waits at least as long as
//! the run would have, and ends where the run would have ended.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cutover::artifact::Artifact;
use cutover::calendar::{Moment, Timestamp, later};
use cutover::compile::compile;
use cutover::engine::RunState;
use cutover::graph::{Primitive, StepGraph, StepId};
use cutover::history::History;
use cutover::intent::Intent;
use cutover::journal::{Entry, Event};
use cutover::observe::Snapshot;
use cutover::world::{DriveError, DriveOutcome, Patience, Progress, World as _, drive};
use cutover_zone::{Name, RrKey, RrSet};
use futures_util::FutureExt;

use crate::engine::{compiled, resumed};
use crate::proof::{CAPABILITIES, inputs};
use crate::storm::{Faults, Storm, at_once};

/// Processes that a run may take: one for each confirmation of a person, and one for each window.
const PROCESSES_MAX: usize = 200;
/// Number of entries after which the longest run is planned again. Longer runs use this many,
/// evenly spread. Our choice: some seconds.
const REPLANS_MAX: usize = 60;

/// When the making of a version began, and when it was served everywhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct Made {
    begun: BTreeMap<Version, Timestamp>,
    served: BTreeMap<Version, Timestamp>,
}

/// What is served at a key, as text.
type Version = (RrKey, String);

fn versions<'g>(graph: &'g StepGraph, id: &StepId) -> impl Iterator<Item = Version> + use<'g> {
    let set = match graph.get(id).map(|step| &step.primitive) {
        Some(Primitive::Change(set)) => Some(set),
        Some(_) | None => None,
    };
    let changes = set.into_iter().flat_map(|set| set.changes());
    changes.map(|change| (change.key.clone(), format!("{:?}", change.after)))
}

impl Made {
    pub(crate) fn read(&mut self, graph: &StepGraph, journal: &[Entry]) {
        for entry in journal {
            if let Event::Begun { step } = &entry.event {
                for version in versions(graph, step) {
                    self.begun.entry(version).or_insert(entry.at);
                }
            } else if let Event::Propagated { step, .. } = &entry.event {
                self.served.extend(versions(graph, step).map(|version| (version, entry.at)));
            }
        }
    }
}

/// Continues a run in a world without faults. Returns whether it finished, instead of filling the
/// journal.
fn goes_on(world: &mut Storm, artifact: &Arc<Artifact>) -> bool {
    for _ in 0..PROCESSES_MAX {
        let mut run = resumed(artifact, &world.journal);
        let ended = drive(world, &mut run, Patience::Stay, &mut |_, _| {}).now_or_never();
        match ended.expect("nobody crashes") {
            Err(DriveError::Append(_)) => return false,
            Err(error) => panic!("{error}"),
            Ok(DriveOutcome::Finished) => return true,
            Ok(DriveOutcome::Waiting { until }) => world.revive(until),
            Ok(DriveOutcome::NeedsPerson) => {
                let artifact = Arc::clone(&run.artifact);
                let is_task = |place: &usize| {
                    matches!(artifact.graph.steps()[*place].primitive, Primitive::Task(_))
                };
                let place = run.state.ready().find(is_task).expect("a task");
                let step = artifact.graph.steps()[place].id.clone();
                let watch = &mut |_: &RunState, _: Progress<'_>| {};
                if at_once(run.pass_gate(world, step, "done".to_owned(), watch)).is_err() {
                    return false;
                }
                world.revive(later(world.now(), Duration::from_secs(60)));
            }
            Ok(halted @ DriveOutcome::Halted(_)) => panic!("{halted:?}"),
        }
    }
    panic!("no end");
}

fn finish(world: &mut Storm, artifact: &Arc<Artifact>) {
    assert!(goes_on(world, artifact), "a journal that can be written");
}

struct Plan {
    name: String,
    intent: Intent,
    snapshot: Snapshot,
    first: Arc<Artifact>,
}

impl Plan {
    fn shipped(name: &str) -> Self {
        let plans = Path::new(env!("CARGO_MANIFEST_DIR")).join("plans");
        let text = fs::read_to_string(plans.join(format!("{name}.yaml"))).expect("the plan");
        Self::of(name, &text, compiled(name), &|zone| {
            fs::read_to_string(plans.join(name).join(format!("{zone}.zone"))).expect("the zone")
        })
    }

    fn of(name: &str, text: &str, sealed: Artifact, zone: &dyn Fn(&str) -> String) -> Self {
        let (intent, snapshot) = inputs(&CAPABILITIES, text, zone).expect("a plan");
        let graph = compile(&intent, &snapshot).expect("a plan").graph;
        let first = of_graph(&sealed, graph);
        Self { name: name.to_owned(), intent, snapshot, first }
    }

    /// Stops the run after this many entries, plans again from what is live, and continues with the
    /// new plan.
    fn replanned_after(&self, entries: usize, end: &BTreeMap<RrKey, Option<RrSet>>) {
        let name = format!("{} after {entries} entries", self.name);
        let mut world = Storm::of(&self.first, 1, Faults::default());
        world.entries_max = Some(entries);
        if goes_on(&mut world, &self.first) {
            return;
        }
        world.entries_max = None;
        world.revive(world.now());
        let mut run = resumed(&self.first, &world.journal);
        if run.state.opened.is_none() || run.state.finished.is_some() {
            return;
        }
        let mut snapshot = self.snapshot.clone();
        for key in world.keys() {
            let held = world.holds(&key);
            let origin = snapshot.zone_of(&key.name).expect("a zone").zone.origin.clone();
            let rrsets = &mut snapshot.zones.get_mut(&origin).expect("a zone").zone.rrsets;
            match held {
                Some(held) => drop(rrsets.insert(key, held)),
                None => drop(rrsets.remove(&key)),
            }
        }
        let now = Moment { at: world.now(), steady: world.steady() };
        let mut history = History::new(&mut snapshot, &self.intent, self.first.plan, now);
        history.add(&run.artifact, &run.state);
        history.end();
        let anew = compile(&self.intent, &snapshot);
        let anew = anew.unwrap_or_else(|found| panic!("{name}: {found:?}"));
        assert_eq!(anew.findings.refuted, [], "{name}");
        let mut made = Made::default();
        if anew.graph.steps().is_empty() {
            // Nothing supersedes the run, so it continues.
            finish(&mut world, &self.first);
            made.read(&self.first.graph, &world.journal);
        } else {
            let second = of_graph(&self.first, anew.graph);
            let watch = &mut |_: &RunState, _: Progress<'_>| {};
            let by = second.digest();
            at_once(run.supersede(&mut world, by, watch)).expect("it gives way");
            finish(&mut world, &self.first);
            made.read(&self.first.graph, &world.journal);
            world.journal.clear();
            finish(&mut world, &second);
            made.read(&second.graph, &world.journal);
        }
        for (key, wanted) in end {
            assert_eq!(world.holds(key), *wanted, "{name}: {key} in the end");
        }
        waits_hold(&self.first.graph, &name, &made);
    }

    fn sweep(&self) {
        let mut world = Storm::of(&self.first, 1, Faults::default());
        finish(&mut world, &self.first);
        let entries = world.journal.len();
        let mut made = Made::default();
        made.read(&self.first.graph, &world.journal);
        waits_hold(&self.first.graph, &self.name, &made);
        let end = world.keys().into_iter().map(|key| (key.clone(), world.holds(&key))).collect();
        let step = entries.div_ceil(REPLANS_MAX);
        for entries in (1..entries).step_by(step) {
            self.replanned_after(entries, &end);
        }
    }
}

/// Between any two changes there is at least as much time as in the first plan.
pub(crate) fn waits_hold(graph: &StepGraph, name: &str, made: &Made) {
    let paths = graph.paths();
    let changes: Vec<usize> = (0..graph.steps().len())
        .filter(|place| matches!(graph.steps()[*place].primitive, Primitive::Change(_)))
        .collect();
    for from in &changes {
        for to in &changes {
            let Some(wanted) = paths.between(*from, *to).filter(|_| from != to) else {
                continue;
            };
            let ids = [*from, *to].map(|place| &graph.steps()[place].id);
            let served = versions(graph, ids[0]).filter_map(|v| made.served.get(&v)).max();
            let begun = versions(graph, ids[1]).filter_map(|v| made.begun.get(&v)).min();
            let (Some(served), Some(begun)) = (served, begun) else { continue };
            let waited = (*begun - *served).num_seconds();
            assert!(
                u64::try_from(waited).is_ok_and(|waited| waited >= wanted),
                "{name}: {} came {waited} s after {}, and the plan wants {wanted} s",
                ids[1],
                ids[0]
            );
        }
    }
}

/// An artifact with these steps, and without ways back.
fn of_graph(sealed: &Artifact, graph: StepGraph) -> Arc<Artifact> {
    Arc::new(Artifact {
        graph,
        undos: BTreeMap::new(),
        rollback_points: Vec::new(),
        forecast: Vec::new(),
        ..sealed.clone()
    })
}

/// Line 33: replanning knows what the run has replaced, and waits for it.
#[test]
fn replanning_keeps_what_the_run_began() {
    for name in ["quickstart", "web-move", "gates", "spf-budget", "standby", "two-domains"] {
        Plan::shipped(name).sweep();
    }
}

/// The same for waits that a plan asks for: `lower_ttl`, `after`, `wait`.
#[test]
fn replanning_keeps_what_the_plan_asks_to_be_waited_for() {
    let text = "version: 1
name: own
providers: { p: { type: zonefile, directory: zones, served: { assume_within: 1s } } }
resolver: none
zones: { a.test: { provider: p } }
records:
  - { id: w, zone: a.test, name: www, type: A, to: [ 192.0.2.2 ], lower_ttl: 60s }
  - { id: x, zone: a.test, name: x, type: CNAME, to: [ new.example. ] }
  - { zone: a.test, name: old, type: A, absent: true, after: \"record:x\" }
  - { id: y, zone: a.test, name: y, type: A, to: [ 192.0.2.3 ], after: \"record:w\", wait: 3h }
  - { zone: a.test, name: y2, type: A, to: [ 192.0.2.3 ], ttl: 5m, after: [ \"record:x\", \"record:y\" ] }
";
    let zone = "$TTL 3600\n@ SOA ns1 h 1 30 10 3600 10\n@ NS ns1\nns1 A 192.0.2.53\n\
        www A 192.0.2.1\nold A 192.0.2.8\nx CNAME old\n";
    let mut sealed = compiled("web-move");
    let sealed_zone = sealed.zones.pop_first().expect("a zone").1;
    sealed.zones.insert(Name::from_user("a.test").expect("a name"), sealed_zone);
    Plan::of("own", text, sealed, &|_| zone.to_owned()).sweep();
}
