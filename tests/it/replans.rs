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
use cutover::journal::{Entry, Event, HaltReason};
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
            // Nobody knows what became of the program of a process that died; a person says so.
            Ok(DriveOutcome::Halted(halt)) if halt.reason == HaltReason::Undecided => {
                let watch = &mut |_: &RunState, _: Progress<'_>| {};
                let word = "its log says so".to_owned();
                if at_once(run.pass_gate(world, halt.step, word, watch)).is_err() {
                    return false;
                }
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
        drop(self.replanned_as(&self.intent, entries, end));
    }

    /// The same with another intent for the new plan. Returns both journals.
    fn replanned_as(
        &self,
        intent: &Intent,
        entries: usize,
        end: &BTreeMap<RrKey, Option<RrSet>>,
    ) -> [Vec<Entry>; 2] {
        let name = format!("{} after {entries} entries", self.name);
        let mut world = Storm::of(&self.first, 1, Faults::default());
        world.entries_max = Some(entries);
        if goes_on(&mut world, &self.first) {
            return [world.journal, Vec::new()];
        }
        world.entries_max = None;
        world.revive(world.now());
        let mut run = resumed(&self.first, &world.journal);
        if run.state.opened.is_none() || run.state.finished.is_some() {
            return [world.journal, Vec::new()];
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
        let mut history = History::new(&mut snapshot, intent, self.first.plan, now);
        history.add(&run.artifact, &run.state);
        history.end();
        let anew = compile(intent, &snapshot);
        let anew = anew.unwrap_or_else(|found| panic!("{name}: {found:?}"));
        assert_eq!(anew.findings.refuted, [], "{name}");
        let mut made = Made::default();
        let mut first = Vec::new();
        if anew.graph.steps().is_empty() {
            // Nothing supersedes the run, so it continues.
            finish(&mut world, &self.first);
            made.read(&self.first.graph, &world.journal);
        } else {
            let mut second = Artifact::clone(&of_graph(&self.first, anew.graph));
            second.parent = Some(self.first.digest());
            let second = Arc::new(second);
            let watch = &mut |_: &RunState, _: Progress<'_>| {};
            let by = second.digest();
            at_once(run.supersede(&mut world, by, watch)).expect("it gives way");
            finish(&mut world, &self.first);
            made.read(&self.first.graph, &world.journal);
            let run = resumed(&self.first, &world.journal);
            world.earlier = Some((run.artifact, run.state));
            first = std::mem::take(&mut world.journal);
            finish(&mut world, &second);
            made.read(&second.graph, &world.journal);
        }
        for (key, wanted) in end {
            assert_eq!(world.holds(key), *wanted, "{name}: {key} in the end");
        }
        waits_hold(&self.first.graph, &name, &made);
        [first, world.journal]
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

/// Tasks of the quick start, at every place. `copy` is the second one's program.
fn with_tasks(copy: &str) -> String {
    let plans = Path::new(env!("CARGO_MANIFEST_DIR")).join("plans");
    let text = fs::read_to_string(plans.join("quickstart.yaml")).expect("the plan");
    format!(
        "{text}
tasks:
  before_switch:
    - {{ name: order, manual: \"order the new host\" }}
    - {{ name: copy, run: [ {copy} ] }}
  after_switch:
    - {{ name: tell, run: [ tell, everybody ] }}
  before_release:
    - {{ name: last-copy, run: [ copy, --late ] }}
"
    )
}

/// What a run has done of the plan's tasks is not done again by the run that supersedes it, whether
/// by a program or by a person; a task that was changed is done again.
#[test]
fn replanning_does_no_work_twice() {
    let plans = Path::new(env!("CARGO_MANIFEST_DIR")).join("plans");
    let zone = |zone: &str| {
        fs::read_to_string(plans.join(format!("quickstart/{zone}.zone"))).expect("the zone")
    };
    let plan = Plan::of("tasks", &with_tasks("copy"), compiled("quickstart"), &zone);
    let changed = inputs(&CAPABILITIES, &with_tasks("copy, --again"), &zone).expect("a plan").0;
    let mut world = Storm::of(&plan.first, 1, Faults::default());
    finish(&mut world, &plan.first);
    let entries = world.journal.len();
    let end = world.keys().into_iter().map(|key| (key.clone(), world.holds(&key))).collect();
    let tasks = ["order", "copy", "tell", "last-copy"].map(StepId::of_task);
    // How often work was begun, or confirmed by a person who had not begun it.
    let worked = |journal: &[Entry], task: &StepId| {
        let begun = |entry: &&Entry| matches!(&entry.event, Event::Begun { step } if step == task);
        let confirmed =
            |entry: &&Entry| matches!(&entry.event, Event::Allowed { step, .. } if step == task);
        match journal.iter().filter(begun).count() {
            0 => journal.iter().filter(confirmed).count(),
            begun => begun,
        }
    };
    let (mut kept, mut redone) = (0, 0);
    for entries in 1..entries {
        for (intent, is_changed) in [(&plan.intent, false), (&changed, true)] {
            let [first, second] = plan.replanned_as(intent, entries, &end);
            if second.is_empty() || first.is_empty() {
                continue;
            }
            for task in &tasks {
                let (there, here) = (worked(&first, task), worked(&second, task));
                let again = is_changed && *task == StepId::of_task("copy");
                let what = format!("{task} after {entries} entries, changed: {is_changed}");
                match (there, again) {
                    (0, _) => {}
                    (1, true) => redone += usize::from(here == 1),
                    (1, false) => {
                        assert_eq!(here, 0, "{what}");
                        kept += 1;
                    }
                    (more, _) => panic!("{what}: begun {more} times by one run"),
                }
                assert!(here <= 1, "{what}: {here} times");
            }
        }
    }
    println!("{entries} entries: {kept} tasks kept, {redone} done again because they were changed");
    assert!(kept > entries && redone > 0, "{kept} and {redone}");
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
