//! Mutation tests: the proof is weakened in every possible way ([`weaken`]), and a test has to
//! notice each.
//!
//! A mutant is caught if a plan with a mistake (a trap, a case) is no longer refuted, if the
//! timeline of a move or of a shipped plan changes (their snapshots would show it), or if the
//! oracle finds harm in a plan that the weakened proof has proved.
//!
//! What none of those shows, the cases of `tests/fixtures/mutants` show: plans, many of them random
//! plans that were kept, with a snapshot of the verdict. No mutant may survive all of them.
//!
//! The judges run in that order, and the first that catches a mutant ends it. It is known
//! beforehand which mutants change the model of a case, so that none is compiled in vain. The
//! random plans for the oracle are [`SEEDS`]: if the language of random plans changes, others have
//! to be found. `CUTOVER_MUTANT_PLANS=700` tries that many more, and `CUTOVER_MUTANT_CASES=DIR`
//! writes those that catch what survives otherwise.

mod weaken;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use cutover::graph::{Primitive, StepGraph};
use cutover::intent::Intent;
use cutover::observe::Snapshot;
use cutover::proof::Findings;
use cutover::proof::model::ModelOptions;
use cutover_contract::{Atomicity, Capabilities};

use crate::oracle::{Weakened, setting};
use crate::proof::{CAPABILITIES, Case, inputs, shipped};
use weaken::{Answer, Hold, Mutant, that_weaken, weaken};

/// Minimum number of mutants.
const MUTANTS_MIN: usize = 300;

/// Random plans by which the oracle catches what no other case does.
const SEEDS: &[u64] = &[
    2, 9, 12, 16, 23, 26, 39, 45, 51, 52, 68, 79, 86, 98, 103, 118, 126, 128, 142, 144, 234, 241,
    245, 263, 297, 321, 324, 335, 340, 374, 381, 396, 414, 461, 482, 536, 563,
];

/// Random plans by which the oracle catches mutants that weaken `resolves`.
const NAMES: &[u64] = &[708, 740, 760, 796, 888, 3016];

/// The first line of a pinned case whose provider is not atomic.
const ATOMICITY: &str = "# atomicity: ";

/// What a case shows, as far as a test checks it.
#[derive(PartialEq, Eq)]
struct Shown {
    /// The stories of the refutations, by invariant.
    refuted: BTreeMap<&'static str, Vec<String>>,
    /// What is broken before the first step.
    present: Vec<String>,
    /// Each step, with the second of its earliest begin.
    timeline: Vec<(String, u64)>,
    assumptions: Vec<String>,
    /// Each way back, with the second of each step's earliest begin.
    ways_back: Vec<String>,
}

/// What is checked of a case.
enum Look {
    /// These invariants are broken.
    Refuted(Vec<String>),
    /// Its timeline and its assumptions.
    Timeline,
    /// The same, and the ways back.
    WaysBack,
    /// Everything in the snapshot.
    Pinned,
    /// The oracle, and the harm that it finds even with the whole proof.
    Executions(Box<Weakened>, BTreeSet<String>),
}

struct Judge {
    name: String,
    look: Look,
    intent: Intent,
    snapshot: Snapshot,
    shown: Shown,
    /// The mutants that change the model of this case.
    changed_by: BTreeSet<Mutant>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn timeline(graph: &StepGraph) -> Vec<(String, u64)> {
    let mut ends: Vec<u64> = Vec::new();
    let steps = graph.steps().iter().map(|step| {
        let before = step.after.keys().filter_map(|id| graph.place(id));
        let begin = before.map(|place| ends[place]).max().unwrap_or(0);
        let lasts = match &step.primitive {
            Primitive::Wait(wait) => wait.span.as_secs(),
            Primitive::Change(_)
            | Primitive::Gate(_)
            | Primitive::Task(_)
            | Primitive::Checkpoint(_) => 0,
        };
        ends.push(begin + lasts);
        (step.id.to_string(), begin)
    });
    steps.collect()
}

fn shown(case: &Case, findings: &Findings) -> Shown {
    let mut refuted: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for harm in &findings.refuted {
        refuted.entry(harm.invariant).or_default().push(harm.story.join("\n"));
    }
    let ways_back = case.ways_back.iter().map(|way| {
        let steps = way.graph.steps();
        let edges: usize = steps.iter().map(|step| step.after.len()).sum();
        let (steps, taken) = (steps.len(), way.takes_back.len());
        let mut text = format!(
            "{} {:?} {steps} {edges} {taken} {:?} {:?}",
            way.name(),
            way.at,
            way.kept,
            way.no_return
        );
        for (step, begin) in timeline(&way.graph) {
            let _ = write!(text, "\n    T+{begin} {step}");
        }
        text
    });
    Shown {
        refuted,
        present: findings.present.iter().map(|defect| defect.id.clone()).collect(),
        timeline: timeline(&case.graph),
        assumptions: case.assumptions.clone(),
        ways_back: ways_back.collect(),
    }
}

impl Judge {
    fn of(name: String, look: Look, intent: Intent, snapshot: Snapshot) -> Option<Self> {
        let met: Arc<Mutex<BTreeSet<Mutant>>> = Arc::default();
        let seen = Arc::clone(&met);
        let options = ModelOptions::weakened(Arc::new(move |draft, model| {
            seen.lock().expect("nobody panics").extend(that_weaken(draft, model));
        }));
        let (case, findings) = Case::weakened(intent.clone(), snapshot.clone(), &options)?;
        let shown = shown(&case, &findings);
        if let Look::Refuted(invariants) = &look {
            for invariant in invariants {
                assert!(
                    shown.refuted.contains_key(invariant.as_str()),
                    "{name} breaks {invariant}"
                );
            }
        }
        let changed_by = std::mem::take(&mut *met.lock().expect("nobody panics"));
        Some(Self { name, look, intent, snapshot, shown, changed_by })
    }

    fn of_files(name: String, look: Look, plan: &Path, zones: &Path) -> Self {
        let (intent, snapshot) = read(plan, zones).expect("a plan");
        Self::of(name, look, intent, snapshot).expect("a plan that can be compiled")
    }

    /// What a weakened proof shows; `None` if the plan is then refused.
    fn weakened(&self, mutant: &Mutant) -> Option<Shown> {
        let by = mutant.clone();
        let options =
            ModelOptions::weakened(Arc::new(move |draft, model| weaken(&by, draft, model)));
        let weak = Case::weakened(self.intent.clone(), self.snapshot.clone(), &options);
        weak.map(|(case, findings)| shown(&case, &findings))
    }

    /// How this case shows that the proof was weakened.
    fn catches(&self, mutant: &Mutant) -> Option<String> {
        let by = mutant.clone();
        let options =
            ModelOptions::weakened(Arc::new(move |draft, model| weaken(&by, draft, model)));
        let weak = Case::weakened(self.intent.clone(), self.snapshot.clone(), &options);
        let Some((case, findings)) = weak else {
            // The oracle does not judge facts on which nothing relies any more.
            let is_seen = !matches!(self.look, Look::Executions(..));
            return is_seen.then(|| "is refused".to_owned());
        };
        let shown = shown(&case, &findings);
        match &self.look {
            Look::Refuted(invariants) => {
                let mut of = invariants.iter().map(String::as_str);
                let is_lost = of.any(|invariant| !shown.refuted.contains_key(invariant));
                is_lost.then(|| "is not refuted".to_owned()).or_else(|| {
                    let mut of = invariants.iter().map(String::as_str);
                    let other = of.any(|invariant| {
                        shown.refuted.get(invariant) != self.shown.refuted.get(invariant)
                    });
                    other.then(|| "has another story".to_owned())
                })
            }
            Look::Timeline | Look::WaysBack => {
                let is_back = matches!(self.look, Look::WaysBack);
                if shown.timeline != self.shown.timeline {
                    Some("has another timeline".to_owned())
                } else if shown.assumptions != self.shown.assumptions {
                    Some("takes something else for granted".to_owned())
                } else {
                    let other = is_back && shown.ways_back != self.shown.ways_back;
                    other.then(|| "has other ways back".to_owned())
                }
            }
            Look::Pinned => shown.apart(&self.shown),
            Look::Executions(oracle, known) => {
                if shown == self.shown {
                    return None;
                }
                let names: BTreeSet<&str> = shown.refuted.keys().copied().collect();
                let harm = oracle.harm(&case, &names);
                harm.difference(known).next().map(|harm| format!("is harmed: {harm}"))
            }
        }
    }
}

impl Shown {
    /// How this differs from what the whole proof shows.
    fn apart(&self, whole: &Self) -> Option<String> {
        let counts = |of: &Self| -> Vec<(&'static str, usize)> {
            of.refuted.iter().map(|(name, stories)| (*name, stories.len())).collect()
        };
        if whole.refuted.keys().any(|invariant| !self.refuted.contains_key(invariant)) {
            Some("is not refuted".to_owned())
        } else if counts(self) != counts(whole) {
            Some("has other stories".to_owned())
        } else if self.present != whole.present {
            Some("has other defects".to_owned())
        } else if self.timeline != whole.timeline {
            Some("has another timeline".to_owned())
        } else if self.ways_back != whole.ways_back {
            Some("has other ways back".to_owned())
        } else {
            None
        }
    }

    /// The text in the snapshot.
    fn pinned(&self) -> String {
        let mut text = String::new();
        for (invariant, stories) in &self.refuted {
            let _ = writeln!(text, "  {invariant} is broken: {}", stories.len());
        }
        for defect in &self.present {
            let _ = writeln!(text, "  broken already: {defect}");
        }
        for (step, begin) in &self.timeline {
            let _ = writeln!(text, "  T+{begin} {step}");
        }
        self.ways_back.iter().for_each(|way| {
            let _ = writeln!(text, "  back to {way}");
        });
        text
    }
}

/// A plan and its zones; `None` if it has a mistake that is found before the proof.
fn read(plan: &Path, zones: &Path) -> Option<(Intent, Snapshot)> {
    let read = |path: &Path| {
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let zone = |zone: &str| read(&zones.join(format!("{zone}.zone")));
    let plan = read(plan);
    let by = |atomicity| plan.starts_with(&format!("{ATOMICITY}{atomicity:?}\n"));
    let all = [Atomicity::Record, Atomicity::None];
    let atomicity =
        all.into_iter().find(|atomicity| by(*atomicity)).unwrap_or(CAPABILITIES.atomicity);
    inputs(&Capabilities { atomicity, ..CAPABILITIES }, &plan, &zone)
}

/// The cases that are refuted, each of which has its own test.
fn cases() -> Vec<Judge> {
    let dir = root().join("tests/fixtures/cases");
    let case = |name: String| {
        let dir = dir.join(&name);
        let plan = dir.join("plan.yaml");
        // Other files are for servers, or for a part of a zone.
        let is_plain = fs::read_dir(&dir).expect("the case").all(|entry| {
            let path = entry.expect("an entry").path();
            path == plan || path.extension().is_some_and(|extension| extension == "zone")
        });
        if !is_plain {
            return None;
        }
        let (intent, snapshot) = read(&plan, &dir)?;
        let judge = Judge::of(name, Look::Refuted(Vec::new()), intent, snapshot)?;
        let refuted = judge.shown.refuted.keys().map(|name| (*name).to_owned()).collect();
        (!judge.shown.refuted.is_empty()).then_some(Judge { look: Look::Refuted(refuted), ..judge })
    };
    folders(&dir).into_iter().filter_map(case).collect()
}

/// The folders in a folder, in order.
fn folders(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry"));
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

fn traps() -> Vec<Judge> {
    let dir = root().join("tests/fixtures/traps");
    let index = fs::read_to_string(dir.join("INDEX")).expect("the index");
    let refuted = index.lines().filter_map(|line| {
        let columns: Vec<&str> = line.split(" | ").collect();
        match columns[..] {
            [_, "refuted", place, seen, _] => {
                let look = Look::Refuted(vec![seen.to_owned()]);
                let dir = dir.join(place);
                Some(Judge::of_files(place.to_owned(), look, &dir.join("refuted.yaml"), &dir))
            }
            _ => None,
        }
    });
    refuted.collect()
}

fn moves() -> Vec<Judge> {
    let dir = root().join("tests/fixtures/moves");
    let case = |name: String| {
        let dir = dir.join(&name);
        Judge::of_files(name, Look::Timeline, &dir.join("plan.yaml"), &dir)
    };
    folders(&dir).into_iter().map(case).collect()
}

fn plans() -> Vec<Judge> {
    let dir = root().join("plans");
    let case = |name: String| {
        let (plan, zones) = (dir.join(format!("{name}.yaml")), dir.join(&name));
        Judge::of_files(name, Look::WaysBack, &plan, &zones)
    };
    shipped().into_iter().map(case).collect()
}

fn pinned() -> Vec<Judge> {
    let dir = root().join("tests/fixtures/mutants");
    let case = |name: String| {
        let dir = dir.join(&name);
        Judge::of_files(name, Look::Pinned, &dir.join("plan.yaml"), &dir)
    };
    folders(&dir).into_iter().map(case).collect()
}

fn executed(seeds: impl Iterator<Item = u64>) -> Vec<Judge> {
    let cases = seeds.filter_map(|seed| {
        let plan = Weakened::of(seed)?;
        let (intent, snapshot) = (plan.intent.clone(), plan.snapshot.clone());
        let (case, said) =
            Case::weakened(intent.clone(), snapshot.clone(), &ModelOptions::default())?;
        let names: BTreeSet<&str> = said.refuted.iter().map(|harm| harm.invariant).collect();
        let known = plan.harm(&case, &names);
        if !known.is_empty() {
            println!("seed {seed}: {names:?} and yet {known:?}");
        }
        let look = Look::Executions(Box::new(plan), known);
        Judge::of(format!("seed {seed}"), look, intent, snapshot)
    });
    cases.collect()
}

/// Writes a random plan that catches a mutant to `dir`, as a case of its own.
fn write_case(dir: &Path, judge: &Judge) {
    let Look::Executions(plan, _) = &judge.look else { return };
    let (plan, zones, atomicity) = plan.files();
    let dir = dir.join(judge.name.replace(' ', "-"));
    fs::create_dir_all(&dir).expect("a directory");
    let text = format!("{ATOMICITY}{atomicity:?}\n{plan}");
    fs::write(dir.join("plan.yaml"), text).expect("a plan");
    for (name, zone) in zones {
        fs::write(dir.join(format!("{name}.zone")), zone).expect("a zone");
    }
}

/// A random plan that catches a mutant although no execution of the oracle does harm. A plan that
/// is no longer refuted comes before a plan with another timeline, and a short plan before a long
/// one.
fn showing<'j>(judges: &'j [Judge], mutant: &Mutant) -> Option<(&'j Judge, String)> {
    let able = judges.iter().filter(|judge| judge.changed_by.contains(mutant));
    let random = able.filter(|judge| matches!(judge.look, Look::Executions(..)));
    let apart = random.filter_map(|judge| {
        let how = judge.weakened(mutant)?.apart(&judge.shown)?;
        let rank = ["is not refuted", "has another timeline", "has other ways back"];
        let rank = rank.iter().position(|kind| *kind == how).unwrap_or(rank.len());
        Some(((rank, judge.shown.timeline.len()), (judge, how)))
    });
    apart.take(12).min_by_key(|(rank, _)| *rank).map(|(_, found)| found)
}

#[test]
fn every_mutant_is_caught() {
    let more = setting("CUTOVER_MUTANT_PLANS").and_then(|n| n.parse().ok()).unwrap_or(0);
    let mut judges = traps();
    judges.extend(cases());
    judges.extend(moves());
    judges.extend(plans());
    let pinned = pinned();
    let expected: String =
        pinned.iter().map(|case| format!("{}\n{}", case.name, case.shown.pinned())).collect();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("mutants", expected));
    let write = setting("CUTOVER_MUTANT_CASES").map(PathBuf::from);
    let mut written: Vec<&Judge> = Vec::new();
    judges.extend(executed(SEEDS.iter().copied().chain(1..=more)));
    judges.extend(pinned);
    println!("{} cases", judges.len());
    let mutants: BTreeSet<&Mutant> = judges.iter().flat_map(|judge| &judge.changed_by).collect();
    let mut survivors = Vec::new();
    let mut caught: BTreeMap<String, usize> = BTreeMap::new();
    for mutant in &mutants {
        let mut able = judges.iter().filter(|judge| judge.changed_by.contains(mutant));
        let by = able.find_map(|judge| Some((judge, judge.catches(mutant)?)));
        match by {
            Some((judge, how)) => {
                println!("{mutant}: {} {how}", judge.name);
                let kind = how.split(':').next().unwrap_or_default();
                *caught.entry(kind.to_owned()).or_default() += 1;
            }
            None => {
                let able = judges.iter().filter(|judge| judge.changed_by.contains(mutant)).count();
                println!("{mutant}: NOTHING ({able} cases)");
                if let Some(dir) = &write {
                    let before = written.iter().find_map(|judge| {
                        let is_able = judge.changed_by.contains(mutant);
                        let how =
                            is_able.then(|| judge.weakened(mutant)?.apart(&judge.shown))??;
                        Some((*judge, how))
                    });
                    if let Some((judge, how)) = before.or_else(|| showing(&judges, mutant)) {
                        println!("    {} {how}", judge.name);
                        write_case(dir, judge);
                        written.push(judge);
                    }
                }
                survivors.push(mutant.to_string());
            }
        }
    }
    println!("{} mutants, {caught:?}", mutants.len());
    assert!(mutants.len() >= MUTANTS_MIN, "{} mutants", mutants.len());
    // More plans have more mutants in their models, and the output is there to be read.
    if more == 0 {
        assert_eq!(survivors, Vec::<String>::new(), "what nothing catches");
    }
}

/// Only the oracle catches mutants that weaken `resolves`, whatever else catches them. Of several
/// names or views one may be enough, so for those mutants the test only prints which are caught.
#[test]
fn the_oracle_catches_what_weakens_resolves() {
    let more = setting("CUTOVER_MUTANT_NAMES").and_then(|n| n.parse().ok()).unwrap_or(0);
    let judges = executed(NAMES.iter().copied().chain(701..701 + more));
    let kinds = ["circle/A", "nothing/A", "nothing/AAAA", "nothing/TXT"];
    let mut wanted: BTreeSet<Mutant> =
        kinds.iter().map(|kind| Mutant::Without(format!("resolves/*/{kind}"))).collect();
    wanted.extend([Answer::Alias, Answer::Absence, Answer::Exposed].map(Mutant::Blind));
    let lives = [Answer::Alias, Answer::Absence].map(Hold::Lives);
    wanted.extend(lives.map(Mutant::NoHold));
    let mutants = judges.iter().flat_map(|judge| &judge.changed_by).filter(|mutant| match mutant {
        Mutant::FirstOf(kind) | Mutant::FirstView(kind) => kind.starts_with("resolves/"),
        Mutant::Without(_) | Mutant::Unstated(_) | Mutant::Blind(_) | Mutant::NoHold(_) => false,
    });
    let others: BTreeSet<&Mutant> = mutants.collect();
    for mutant in others.into_iter().chain(&wanted) {
        let able = judges.iter().filter(|judge| judge.changed_by.contains(mutant));
        let mut caught = able.filter_map(|judge| Some((&judge.name, judge.catches(mutant)?)));
        match caught.find(|(_, how)| how.contains("resolves: ")) {
            Some((name, how)) => println!("{mutant}: {name} {how}"),
            None => {
                println!("{mutant}: NOTHING");
                assert!(!wanted.contains(mutant), "the oracle misses it: {mutant}");
            }
        }
    }
}
