//! The oracle: a second judge of plans, which shares nothing with the proof.
//!
//! It starts from records, addresses and the RFCs. A plan runs on an integer clock ([`schedule`]);
//! servers and caches answer by separate code ([`dns`]); messages, senders and clients are
//! simulated ([`mail`], [`spf`]). What neither the plan states nor the zones show, an adversary
//! chooses.
//!
//! It is a disagreement if a proved plan does harm, or if the story of a refutation shows no harm.
//! The plans are random, over the whole language ([`language`]); a test fails if they never use
//! some part of it.

mod dns;
mod language;
mod mail;
mod schedule;
mod spf;
mod spf_agrees;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use cutover::compile::rebuilt;
use cutover::graph::{Primitive, StepGraph};
use cutover::intent::Intent;
use cutover::observe::Snapshot;
use cutover::proof::findings;
use cutover::proof::pattern::Start;
use cutover_contract::{Atomicity, Capabilities};
use cutover_zone::Name;

use crate::proof::{CAPABILITIES, Case, inputs};
use dns::Zones;
use language::{Coverage, Plan};
use mail::{Ground, Harm, Sureness, World};
use schedule::{Back, Execution, Step};

/// A small random number generator. Tests print its seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.place(words.len())]
    }

    fn place(&mut self, count: usize) -> usize {
        usize::try_from(self.below(count as u64)).expect("a small number")
    }
}

#[expect(clippy::disallowed_methods, reason = "how thorough a test is")]
pub(crate) fn setting(word: &str) -> Option<String> {
    std::env::var(word).ok()
}

/// Number of plans. `tests/run` takes the default; set `CUTOVER_ORACLE_PLANS` for more.
pub(crate) fn plans() -> u64 {
    setting("CUTOVER_ORACLE_PLANS").and_then(|n| n.parse().ok()).unwrap_or(2_000)
}

/// How often lines are pasted, because a stated fact may lead to a new demand.
const PASTED_MAX: usize = 3;

/// The seed of the first plan, so that a long run can be split.
fn first_seed() -> u64 {
    setting("CUTOVER_ORACLE_SEED").and_then(|n| n.parse().ok()).unwrap_or(1)
}

fn steps_of(graph: &StepGraph) -> Vec<Step> {
    let steps = graph.steps().iter().map(|step| Step {
        id: step.id.to_string(),
        after: step.after.keys().filter_map(|before| graph.place(before)).collect(),
        before: BTreeSet::new(),
        wait_secs: match &step.primitive {
            Primitive::Wait(wait) => i64::try_from(wait.span.as_secs()).expect("small"),
            Primitive::Change(_)
            | Primitive::Gate(_)
            | Primitive::Task(_)
            | Primitive::Checkpoint(_) => 0,
        },
        is_wait: matches!(step.primitive, Primitive::Wait(_)),
        is_task: matches!(step.primitive, Primitive::Task(_)),
        changes: match &step.primitive {
            Primitive::Change(changes) => {
                Some((changes.zone().clone(), changes.changes().to_vec()))
            }
            Primitive::Wait(_)
            | Primitive::Gate(_)
            | Primitive::Task(_)
            | Primitive::Checkpoint(_) => None,
        },
    });
    let mut steps: Vec<Step> = steps.collect();
    for place in 0..steps.len() {
        let mut before = schedule::closure(&steps, Some(place));
        before.remove(&place);
        steps[place].before = before;
    }
    steps
}

fn backs_of(case: &Case, steps: &[Step]) -> Vec<Back> {
    let place = |id| case.graph.place(id);
    let backs = case.ways_back.iter().map(|way| Back {
        name: way.name().to_string(),
        at: way.at.as_ref().and_then(place),
        before_point: schedule::closure(steps, way.at.as_ref().and_then(place)),
        steps: steps_of(&way.graph),
        takes_back: way
            .takes_back
            .iter()
            .filter_map(|(back, there)| Some((way.graph.place(back)?, place(there)?)))
            .collect(),
        never: way.no_return.keys().filter_map(place).collect(),
    });
    backs.collect()
}

/// Why the prover refutes a plan.
struct Refuted {
    invariant: &'static str,
    harm: String,
    /// The steps that have to begin for it.
    starts: Vec<usize>,
    /// Of each pair, the first step has to begin before the second: what they begin and end is served
    /// together.
    pairs: Vec<(usize, usize)>,
}

/// The prover's result.
struct Said {
    refuted: Vec<Refuted>,
    present: BTreeSet<&'static str>,
    /// Whether `resolves` forbids anything.
    resolves: bool,
}

fn said_of(case: &Case) -> Said {
    let (draft, model) = rebuilt(&case.intent, &case.snapshot, &case.tracks);
    let findings = findings(&draft, &model, &case.graph);
    let refuted = findings.refuted.iter().map(|refuted| {
        let pattern = &model.patterns[refuted.pattern];
        let place = |node: usize| case.graph.place(&draft.nodes[node].id);
        let starts = pattern.starts(&model.atoms).filter_map(place).collect();
        let parts = pattern.atoms.iter().filter_map(|held| Some((held.part?.answer, held.atom)));
        let parts: Vec<(usize, usize)> = parts.collect();
        let mut pairs = Vec::new();
        for (answer, atom) in &parts {
            let Start::Begin(start) = model.atoms[*atom].start else { continue };
            let others = parts.iter().filter(|(of, other)| of == answer && other != atom);
            let ends = others.flat_map(|(_, other)| &model.atoms[*other].ends);
            pairs.extend(ends.filter_map(|end| Some((place(start)?, place(end.step)?))));
        }
        let harm = pattern.harm.id.to_string();
        Refuted { invariant: refuted.invariant, harm, starts, pairs }
    });
    let present = findings.present.iter().map(|harm| harm.invariant).collect();
    let resolves = model.patterns.iter().any(|pattern| pattern.invariant == "resolves");
    Said { refuted: refuted.collect(), present, resolves }
}

/// The steps that begin last, together, in the executions that are tried: each alone, and some at
/// random. Waits are left out, because their begin changes nothing.
fn tried(steps: &[Step], is_refuted: bool, random: &mut Random) -> Vec<Vec<usize>> {
    let alone = (0..steps.len()).filter(|step| !steps[*step].is_wait).map(|step| vec![step]);
    let mut tried: Vec<Vec<usize>> = alone.collect();
    if is_refuted {
        // After many executions little more is found, so a few of them are enough.
        while tried.len() > 8 {
            tried.swap_remove(random.place(tried.len()));
        }
    }
    for _ in 0..if is_refuted { 2 } else { 8 } {
        let count = 2 + random.below(3);
        tried.push((0..count).map(|_| random.place(steps.len())).collect());
    }
    tried
}

/// Plans in which the two disagree about `resolves`, and it is not known yet who is right: names
/// below wildcards, at providers that are not atomic. They are counted and printed.
const NOT_EXPLAINED: &[u64] = &[];

fn is_explained(seed: u64, kind: &str) -> bool {
    let kind = kind.strip_prefix("back ").unwrap_or(kind);
    !(NOT_EXPLAINED.contains(&seed) && kind.starts_with("resolves"))
}

/// A disagreement between prover and oracle.
struct Disagreement {
    seed: u64,
    kind: String,
    report: String,
}

#[derive(Default)]
struct Tally {
    proved: u64,
    refuted: u64,
    refused: u64,
    broken: BTreeMap<&'static str, u64>,
    disagreements: Vec<Disagreement>,
    executions: u64,
    /// Plans in which names have other records in the end, directly and through an alias (counted
    /// by question); and plans in which `resolves` forbids something: accepted, and refuted by it.
    found: [u64; 5],
    /// Unexplained disagreements, by kind, with the first seed.
    not_explained: BTreeMap<String, (u64, u64)>,
}

/// What this execution harms that was intact before the first step.
fn harm(
    ground: &Ground<'_>,
    back: Option<&Back>,
    execution: &Execution,
    before: &Harm,
    with_possible: bool,
) -> Harm {
    let mut harm = World::of(ground, back, execution).harm(with_possible);
    harm.retain(|key, sureness| before.get(key).is_none_or(|known| known < sureness));
    harm
}

fn sure(harm: &Harm) -> impl Iterator<Item = &(&'static str, String, String)> {
    harm.iter().filter(|(_, sureness)| **sureness == Sureness::Sure).map(|(key, _)| key)
}

fn capabilities(plan: &Plan) -> Capabilities {
    Capabilities { atomicity: plan.atomicity, ..CAPABILITIES }
}

/// The compiled plan; an error if the compiler itself failed.
fn compiled(plan: &Plan) -> Result<Option<Case>, String> {
    let attempt = || try_compiled(plan);
    catch_unwind(AssertUnwindSafe(attempt)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_default()
    })
}

fn try_compiled(plan: &Plan) -> Option<Case> {
    let zone = |name: &str| {
        let zone = plan.zones.iter().find(|(zone, _)| zone == name);
        zone.expect("a zone of the plan").1.clone()
    };
    Case::try_at(&capabilities(plan), &plan.text(), &zone)
}

fn shown(plan: &Plan, ids: &str) -> String {
    let mut text = format!("execution: {ids}\nadapter: {:?}\n{}", plan.atomicity, plan.text());
    for (name, zone) in &plan.zones {
        let _ = write!(text, "--- {name}\n{zone}");
    }
    text
}

fn ids(steps: &[Step], last: &[usize]) -> String {
    last.iter().map(|place| steps[*place].id.as_str()).collect::<Vec<_>>().join(" + ")
}

fn plan_of(seed: u64) -> (Plan, Random) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    (0..4).for_each(|_| {
        random.below(2);
    });
    let mut plan = Plan::random(&mut random);
    plan.refuse_by_name(seed);
    plan.hide(seed);
    plan.lead_along(seed, &mut random);
    plan.further(seed);
    (plan, random)
}

fn judge(seed: u64, tally: &mut Tally) {
    let (mut plan, mut random) = plan_of(seed);
    let mut attempt = compiled(&plan);
    for all in [false, true] {
        if matches!(attempt, Ok(None)) && plan.leave_out(all) {
            attempt = compiled(&plan);
        }
    }
    // Every third plan states the facts that the proof asks for, as people paste them.
    for _ in 0..PASTED_MAX {
        let Ok(Some(case)) = &attempt else { break };
        if !seed.is_multiple_of(3) || !plan.paste(&case.why_refuted.concat()) {
            break;
        }
        attempt = compiled(&plan);
    }
    let case = match attempt {
        Ok(case) => case.filter(|case| !case.graph.steps().is_empty()),
        Err(panic) => {
            let report = format!("{}{panic}\n", shown(&plan, "none"));
            tally.disagreements.push(Disagreement {
                seed,
                kind: "the compiler panics".to_owned(),
                report,
            });
            None
        }
    };
    let Some(case) = case else {
        tally.refused += 1;
        return;
    };
    let steps = steps_of(&case.graph);
    let zones = zones_of(&case);
    let ground = Ground::of(&plan, &zones, &steps);
    let (other, by_alias) = ground.changing();
    let questions = u64::try_from(by_alias).expect("few");
    let nothing = Execution { there: vec![None; steps.len()], back: None };
    let before = World::of(&ground, None, &nothing).harm(true);
    let said = said_of(&case);
    let mut differs = |kind: String, ids: &str, more: String| {
        if !is_explained(seed, &kind) {
            tally.not_explained.entry(kind).or_insert((0, seed)).0 += 1;
            return;
        }
        let report = format!("{}{more}", shown(&plan, ids));
        tally.disagreements.push(Disagreement { seed, kind, report });
    };
    for Refuted { invariant, harm: id, starts, pairs } in &said.refuted {
        *tally.broken.entry(invariant).or_default() += 1;
        // It is reported as what it is: present before the first step.
        let is_present = starts.is_empty() || before.keys().any(|(name, ..)| name == invariant);
        if is_present
            || said.present.contains(invariant)
            || *invariant == "minimal-touch"
            || *invariant == "reversible"
        {
            continue;
        }
        let mut found = harm(&ground, None, &schedule::there(&steps, starts), &before, true);
        let is_told = |found: &Harm| {
            found.keys().any(|(name, of, what)| name == invariant && is_told_by(id, of, what))
        };
        if !is_told(&found)
            && let Some(execution) = schedule::in_order(&steps, starts, pairs)
        {
            found = harm(&ground, None, &execution, &before, true);
        }
        if !is_told(&found) {
            let kind = format!("refuted: {invariant}");
            let why_refuted = case.why_refuted.concat().join("\n");
            differs(kind, &ids(&steps, starts), format!("shown: {found:?}\n{why_refuted}\n"));
        }
    }
    let names: BTreeSet<&str> = said.refuted.iter().map(|refuted| refuted.invariant).collect();
    tally.executions +=
        executed(&plan, &case, (&names, !names.is_empty()), &mut random, &mut differs);
    if names.is_empty() {
        tally.proved += 1
    } else {
        tally.refuted += 1
    }
    let is_refuted = names.contains("resolves");
    let is_proved = said.resolves && !is_refuted;
    let of_names = [other > 0, by_alias > 0, false, is_proved, is_refuted].map(u64::from);
    tally.found.iter_mut().zip(of_names).for_each(|(sum, count)| *sum += count);
    tally.found[2] += questions;
}

/// Whether a refutation names this harm. For names that do not resolve, exactly this name counts.
fn is_told_by(id: &str, of: &str, what: &str) -> bool {
    let Some(report) = id.strip_prefix("resolves/") else { return true };
    let below = report.strip_prefix("*.").map(|up| format!("any-name.{up}"));
    let what: Vec<&str> = what.split(' ').take(2).collect();
    let of = format!("{}/{}", of.trim_end_matches('.'), what.join("/"));
    of == below.as_deref().unwrap_or(report)
}

fn zones_of(case: &Case) -> Zones {
    let zones = case.snapshot.zones.iter();
    zones.map(|(name, seen): (&Name, _)| (name.clone(), seen.zone.rrsets.clone())).collect()
}

/// Executes a plan in several ways, and reports harm that the proof does not name: its kind, the
/// execution, and the details. Returns the number of executions.
fn executed(
    plan: &Plan,
    case: &Case,
    (names, is_short): (&BTreeSet<&str>, bool),
    random: &mut Random,
    differs: &mut dyn FnMut(String, &str, String),
) -> u64 {
    let steps = steps_of(&case.graph);
    let zones = zones_of(case);
    let ground = Ground::of(plan, &zones, &steps);
    let nothing = Execution { there: vec![None; steps.len()], back: None };
    let before = World::of(&ground, None, &nothing).harm(true);
    let mut executions = 0;
    let is_open = |name: &str| !names.contains(name) && !plan.more.contains(name);
    let mut seen = BTreeSet::new();
    for last in tried(&steps, is_short, random) {
        let found = harm(&ground, None, &schedule::there(&steps, &last), &before, false);
        executions += 1;
        for (invariant, domain, what) in sure(&found).filter(|(name, ..)| is_open(name)) {
            if seen.insert((*invariant, what.clone())) {
                differs(
                    format!("{invariant}: {}", general(what)),
                    &ids(&steps, &last),
                    format!("harm: {invariant} {domain} {what}\n"),
                );
            }
        }
    }
    let backs = backs_of(case, &steps);
    for back in backs.iter().filter(|back| names.is_empty() && !back.steps.is_empty()) {
        for _ in 0..5 {
            let count = 1 + random.below(2);
            let last_there: Vec<usize> = (0..count).map(|_| random.place(steps.len())).collect();
            let count = 1 + random.below(2);
            let last_back: Vec<usize> =
                (0..count).map(|_| random.place(back.steps.len())).collect();
            let Some(execution) = schedule::back(&steps, back, &last_there, &last_back) else {
                continue;
            };
            let found = harm(&ground, Some(back), &execution, &before, false);
            executions += 1;
            for (invariant, domain, what) in sure(&found).filter(|(name, ..)| is_open(name)) {
                if seen.insert((*invariant, what.clone())) {
                    let ids = format!(
                        "{}; back to {}: {}",
                        ids(&steps, &last_there),
                        back.name,
                        ids(&back.steps, &last_back)
                    );
                    differs(
                        format!("back {invariant}: {}", general(what)),
                        &ids,
                        format!("harm: {invariant} {domain} {what}\n"),
                    );
                }
            }
        }
    }
    executions
}

/// A random plan, for a proof that tests have weakened.
pub(crate) struct Weakened {
    plan: Plan,
    random: Random,
    pub(crate) intent: Intent,
    pub(crate) snapshot: Snapshot,
}

impl Weakened {
    /// The plan of a seed; `None` if it is refused.
    pub(crate) fn of(seed: u64) -> Option<Self> {
        let (plan, random) = plan_of(seed);
        let zone = |name: &str| {
            let zone = plan.zones.iter().find(|(zone, _)| zone == name);
            zone.expect("a zone of the plan").1.clone()
        };
        let (intent, snapshot) = inputs(&capabilities(&plan), &plan.text(), &zone)?;
        Some(Self { plan, random, intent, snapshot })
    }

    /// The kinds of harm in executions that this proof does not name.
    pub(crate) fn harm(&self, case: &Case, names: &BTreeSet<&str>) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        if case.graph.steps().is_empty() {
            return found;
        }
        let mut random = Random(self.random.0);
        executed(&self.plan, case, (names, false), &mut random, &mut |kind, _, _| {
            found.insert(kind);
        });
        found
    }

    /// The plan, its zones by name, and the atomicity of its provider.
    pub(crate) fn files(&self) -> (String, &[(String, String)], Atomicity) {
        (self.plan.text(), &self.plan.zones, self.plan.atomicity)
    }
}

/// What is harmed, without the names and addresses of the plan.
fn general(what: &str) -> String {
    let words = what.split(' ').map(|word| {
        let is_address = word.contains('.') || word.contains("::");
        if is_address { "X" } else { word }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn report(tally: &Tally) -> String {
    let Tally { proved, refuted, refused, broken, disagreements, executions, .. } = tally;
    let mut text = format!(
        "{proved} proved, {refuted} refuted {broken:?}, {refused} refused; {executions} executions; {} disagreements\n",
        disagreements.len()
    );
    let [plans, by_alias, questions, kept, lost] = tally.found;
    let _ = writeln!(
        text,
        "names that lead elsewhere in the end: in {plans} plans, by way of an alias in {by_alias} \
         ({questions} questions)\n`resolves` forbids something, and is kept: in {kept} plans; \
         refuted: in {lost}"
    );
    for (kind, (count, first)) in &tally.not_explained {
        let _ = writeln!(text, "  {count:6} {kind} (not explained; first: seed {first})");
    }
    let mut kinds: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for disagreement in disagreements {
        let (count, first) = kinds.entry(&disagreement.kind).or_insert((0, disagreement.seed));
        *count += 1;
        *first = disagreement.seed.min(*first);
    }
    for (kind, (count, first)) in kinds {
        let _ = writeln!(text, "  {count:6} {kind} (first: seed {first})");
    }
    text
}

#[test]
fn prover_and_oracle_agree() {
    if let Some(seed) = setting("CUTOVER_ORACLE_SHOW").and_then(|n| n.parse().ok()) {
        show(seed);
    }
    let mut tally = Tally::default();
    for seed in first_seed()..first_seed() + plans() {
        judge(seed, &mut tally);
    }
    let text = report(&tally);
    println!("{text}");
    if let Some(file) = setting("CUTOVER_ORACLE_REPORT") {
        let report = tally
            .disagreements
            .iter()
            .map(|found| format!("##### seed {} {}\n{}\n", found.seed, found.kind, found.report));
        std::fs::write(file, report.collect::<String>()).expect("a report");
    }
    let first = tally.disagreements.first();
    let first = first.map(|found| format!("seed {}: {}\n{}", found.seed, found.kind, found.report));
    assert_eq!(first, None, "{text}");
    let Tally { proved, refuted, refused, .. } = tally;
    let judged = proved + refuted;
    assert!(proved * 5 >= judged && refuted * 5 >= judged, "a fifth of each: {text}");
    assert!(refused * 5 < (judged + refused) * 2, "less than two fifths are refused: {text}");
}

/// The coverage of the oracle: the proof is not tested with what the plans never use.
#[test]
fn the_plans_use_the_whole_language() {
    let mut coverage = Coverage::default();
    for seed in 1..=1_500 {
        coverage.take(&plan_of(seed).0);
    }
    for (what, count) in &coverage.0 {
        println!("{count:6} {what}");
    }
    let missing: Vec<String> = language::wanted()
        .into_iter()
        .filter(|feature| !coverage.0.contains_key(feature))
        .collect();
    assert!(missing.is_empty(), "never in 1500 plans: {missing:#?}");
}

/// Prints a plan, its steps and its ways back, for investigating a disagreement.
fn show(seed: u64) {
    let plan = plan_of(seed).0;
    println!("{}", shown(&plan, ""));
    let case = compiled(&plan).expect("no panic").expect("a plan that can be compiled");
    let steps = steps_of(&case.graph);
    let tell = |steps: &[Step]| {
        for step in steps {
            let task = if step.is_task { " (a person)" } else { "" };
            let after = ids(steps, &step.after);
            println!("  {}{task} {} after {after}", step.id, step.wait_secs);
        }
    };
    tell(&steps);
    for back in backs_of(&case, &steps) {
        let never: Vec<usize> = back.never.iter().copied().collect();
        println!("back to {}; never from: {}", back.name, ids(&steps, &never));
        tell(&back.steps);
    }
}
