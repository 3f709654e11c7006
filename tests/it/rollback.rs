//! Rolling back: from any state of a run, along the proved way back, to the earlier state.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Child;
use std::sync::Arc;
use std::time::Duration;

use cutover::artifact::{Artifact, Undo};
use cutover::engine::NoWayBack;
use cutover::graph::{Primitive, StepId};
use cutover::journal::{Entry, Event};
use cutover::world::{DriveError, DriveOutcome, Patience, Run, drive};
use cutover_zone::{RrKey, RrSet};
use futures_util::FutureExt;
use serde_json::Value;

use crate::agreement::Dice;
use crate::bind_fixture::{BindFixture, end_state};
use crate::engine::{compiled, resumed, served_by};
use crate::lab::{Bind, sleep};
use crate::provider_matrix::{self, ProviderFixture};
use crate::run::kind;
use crate::storm::{Faults, Storm, at_once};

/// Drives a run through every wait, without faults.
pub(crate) fn driven(world: &mut Storm, run: &mut Run) -> Result<DriveOutcome, DriveError> {
    world.calls = 0;
    let ended = drive(world, run, Patience::Stay, &mut |_, _| {}).now_or_never();
    ended.expect("nobody dies in calm weather")
}

/// A run that died after this many entries.
pub(crate) fn died(artifact: &Arc<Artifact>, entries: usize) -> Storm {
    let mut world = Storm::of(artifact, 1, Faults::default());
    world.entries_max = Some(entries);
    let ended = driven(&mut world, &mut resumed(artifact, &[]));
    assert!(matches!(ended, Err(DriveError::Append(_)) | Ok(DriveOutcome::Finished)), "{ended:?}");
    world.entries_max = None;
    world
}

/// The expected state after the run has come back: the original state, plus the changes that the
/// way back keeps.
fn left_alone(
    artifact: &Artifact,
    run: &Run,
    taken_back: &BTreeSet<&StepId>,
) -> BTreeMap<RrKey, Option<RrSet>> {
    let mut expected: BTreeMap<RrKey, Option<RrSet>> = BTreeMap::new();
    for step in artifact.graph.steps() {
        let Primitive::Change(changes) = &step.primitive else { continue };
        // A change that is written is settled, whether its servers serve it or not.
        let is_made = !run.state.of(artifact, &step.id).is_pending();
        for change in changes.changes() {
            let there = expected.entry(change.key.clone()).or_insert_with(|| change.before.clone());
            if is_made && !taken_back.contains(&step.id) {
                there.clone_from(&change.after);
            }
        }
    }
    expected
}

/// Goes back to a point from where a run died. The process dies again after this many entries of
/// the way back, each time it is started. Returns how many entries there were.
fn comes_back(
    artifact: &Arc<Artifact>,
    entries: usize,
    to: &str,
    dies_after: Option<usize>,
) -> Result<usize, NoWayBack> {
    let mut world = died(artifact, entries);
    let mut run = resumed(artifact, &world.journal);
    run.state.way_back(artifact, to)?;
    at_once(run.turn_back(&mut world, to, &mut |_, _| {})).expect("it can turn back");
    let turned_at = world.journal.len();
    assert_eq!(driven(&mut world, &mut run).expect("a legal run"), DriveOutcome::Finished);
    let begins = |entry: &&Entry| {
        matches!(entry.event, Event::Begun { .. } | Event::WaitBegun { .. } | Event::Reached { .. })
    };
    assert_eq!(world.journal[turned_at..].iter().find(begins), None, "nothing begins any more");
    assert_eq!(resumed(artifact, &world.journal).state, run.state);
    let point = run.state.way_back(artifact, to).expect("there still is a way back");
    let is_done = |step: &_| !run.state.of(artifact, step).is_pending();
    let back = artifact.back(artifact.digest(), point, &is_done, "cutover".to_owned());
    let back = Arc::new(Artifact::decode(&back.encode()).expect("it is an artifact"));
    assert!(back.is_way_back() && !artifact.is_way_back());
    assert_eq!(back.parent, Some(artifact.digest()));
    world.journal.clear();
    let mut there = Run::new(Artifact::clone(&back), back.digest());
    if dies_after.is_some() {
        world.entries_max = dies_after;
        let _ = driven(&mut world, &mut there);
        world.entries_max = None;
        there = resumed(&back, &world.journal);
    }
    let ended = driven(&mut world, &mut there).expect("a legal run");
    assert_eq!(ended, DriveOutcome::Finished, "from entry {entries} to {to}");
    let taken_back: BTreeSet<&StepId> = point.takes_back.values().collect();
    for (key, expected) in left_alone(artifact, &run, &taken_back) {
        assert_eq!(world.holds(&key), expected, "{key} from entry {entries} to {to}");
    }
    assert!(world.violations.is_empty(), "{:?}", world.violations);
    Ok(world.journal.len())
}

#[test]
fn a_run_can_go_back_from_every_entry_or_says_why_not() {
    for (plan, servers) in [("quickstart", 0), ("quickstart", 2), ("web-move", 1)] {
        let artifact = Arc::new(served_by(&compiled(plan), servers));
        let all = died(&artifact, usize::MAX).journal.len();
        let (mut came, mut passed) = (0, 0);
        for point in &artifact.rollback_points {
            for entries in 1..=all {
                match comes_back(&artifact, entries, &point.name, None) {
                    Ok(_) => came += 1,
                    Err(NoWayBack::Passed { step, .. }) => {
                        assert!(matches!(artifact.undos[&step], Undo::Never(_)));
                        passed += 1;
                    }
                    Err(NoWayBack::NotReached { .. }) => assert_ne!(point.name, "start"),
                    Err(NoWayBack::Unknown { .. }) => panic!("{} is known", point.name),
                }
            }
        }
        println!("{plan}: came back {came} times, {passed} times it was too late");
        assert!(came >= all, "{plan}: {came} of {all}");
        assert_eq!(passed > 0, plan == "quickstart", "a mail move has a point of no return");
    }
}

#[test]
fn a_way_back_continues_wherever_it_died() {
    let artifact = Arc::new(served_by(&compiled("quickstart"), 2));
    let all = died(&artifact, usize::MAX).journal.len();
    let is_open = |entries: &usize| comes_back(&artifact, *entries, "start", None).is_ok();
    let last = (1..=all).rev().find(is_open).expect("an entry from which it comes back");
    let entries = comes_back(&artifact, last, "start", None).expect("it comes back");
    for dies_after in 1..entries {
        comes_back(&artifact, last, "start", Some(dies_after)).expect("it comes back");
    }
}

#[test]
fn a_run_that_goes_back_starts_nothing_else() {
    let artifact = Arc::new(compiled("quickstart"));
    let mut world = died(&artifact, 8);
    let mut run = resumed(&artifact, &world.journal);
    let unknown = at_once(run.turn_back(&mut world, "nowhere", &mut |_, _| {}));
    let text = unknown.map_err(|error| format!("{:?}", std::error::Error::source(&error)));
    let text = text.expect_err("there is no such point");
    assert!(text.contains("before-switch") && text.contains("nowhere"), "{text}");
    at_once(run.turn_back(&mut world, "start", &mut |_, _| {})).expect("it can turn back");
    let again = at_once(run.turn_back(&mut world, "start", &mut |_, _| {}));
    assert!(matches!(again, Err(DriveError::Illegal(_))), "it has turned: {again:?}");
}

/// It died in the wait after the switch.
fn switched(fixture: &BindFixture) {
    let mut child = fixture.spawn(&["apply", "plan.yaml", "--wait", "--auto-approve"]);
    let has = |step: &str| {
        let wanted = format!("propagated {step}");
        fixture.journal().iter().any(|entry| kind(entry).starts_with(&wanted))
    };
    while !(has("switch/acme.example/@/MX") && has("switch/acme.test/@/MX")) {
        assert_eq!(child.try_wait().expect("the child can be waited for"), None);
    }
    child.kill().expect("SIGKILL can be sent");
    child.wait().expect("the child can be waited for");
}

fn zones(fixture: &BindFixture) -> BTreeSet<String> {
    fixture.served().concat().into_iter().collect()
}

#[test]
fn a_switch_is_rolled_back_on_bind() {
    let fixture = BindFixture::bind();
    let refused = fixture.cutover(&["rollback", "plan.yaml"]);
    assert!(refused.0 == 2 && refused.1.contains("there is no run"), "{refused:?}");
    let first = zones(&fixture);
    switched(&fixture);
    assert!(
        zones(&fixture).contains("acme.test. 2 IN MX 10 mx.acme.test."),
        "{:?}",
        zones(&fixture)
    );
    let before = zones(&fixture);
    let (code, said) = fixture.cutover(&["rollback", "plan.yaml"]);
    assert_eq!(code, 6, "{said}");
    assert!(
        said.contains("take back:") && said.contains("acme.test. 2 MX 10 mail.acme.test."),
        "{said}"
    );
    assert_eq!(zones(&fixture), before, "nobody has agreed");

    // Somebody else made an edit meanwhile.
    fixture
        .primary
        .nsupdate("update delete acme.test MX\nupdate add acme.test 2 MX 20 mx.acme.test.");
    let (code, said) = fixture.cutover(&["rollback", "plan.yaml", "--wait", "--auto-approve"]);
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("MX 20 mx.acme.test.") && said.contains("roll back again"), "{said}");
    let (code, said) = fixture.cutover(&["apply", "plan.yaml", "--wait", "--auto-approve"]);
    assert!(code == 2 && said.contains("cutover rollback plan.yaml"), "{code}: {said}");
    fixture
        .primary
        .nsupdate("update delete acme.test MX\nupdate add acme.test 2 MX 10 mx.acme.test.");
    let (code, said) = fixture.cutover(&["rollback", "plan.yaml", "--wait", "--auto-approve"]);
    assert_eq!(code, 0, "{said}");
    let back = zones(&fixture);
    assert!(back.contains("acme.test. 2 IN MX 10 mail.acme.test."), "{back:?}");
    let (code, said) = fixture.cutover(&["rollback", "plan.yaml"]);
    assert!(code == 0 && said.contains("nothing to do"), "{code}: {said}");
    assert!(!first.is_subset(&back), "the TTLs are still low");

    // It has come back, and the plan can be applied again.
    let again = ["apply", "plan.yaml", "--again", "--wait", "--auto-approve"];
    let (code, said) = fixture.cutover(&again);
    assert_eq!(code, 0, "{said}");
    assert_eq!(fixture.served(), end_state());
    let (code, said) = fixture.cutover(&["rollback", "plan.yaml", "--wait", "--auto-approve"]);
    assert!(code == 2 && said.contains("there is no way back behind"), "{code}: {said}");
    assert_eq!(fixture.served(), end_state());
}

#[test]
fn back_to_the_start_the_ttls_are_as_they_were() {
    let fixture = BindFixture::bind();
    let first = zones(&fixture);
    switched(&fixture);
    let args = ["rollback", "plan.yaml", "--to", "start", "--wait", "--auto-approve"];
    let (code, said) = fixture.cutover(&args);
    assert_eq!(code, 0, "{said}");
    let back = zones(&fixture);
    let gone: Vec<&String> = first.difference(&back).collect();
    // Additions stay: the SPF records name both sides, and the new host's records exist.
    assert!(gone.iter().all(|record| record.contains("v=spf1")), "{gone:?}");
    assert!(back.len() > first.len());
    let (code, said) = fixture.cutover(&["status", "plan.yaml"]);
    assert!(code == 0 && said.contains("back/begin") && said.contains("finished"), "{said}");
}

/// The entries of all runs in a directory, each with the number of its run.
fn entries(dir: &Path) -> Vec<(usize, Value)> {
    let journals = (1..).map(|run| dir.join(format!("{run:04}/journal.jsonl")));
    let texts = journals.map_while(|path| fs::read_to_string(path).ok());
    let whole = |text: &str| text.rfind('\n').map_or(0, |end| end + 1);
    let read = |line: &str| serde_json::from_str(line).expect("an entry");
    texts
        .enumerate()
        .flat_map(|(run, text)| {
            let lines: Vec<Value> = text[..whole(&text)].lines().map(read).collect();
            lines.into_iter().map(move |event| (run, event))
        })
        .collect()
}

/// When a process is killed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kill {
    Never,
    /// After each entry, and some moments later if a change has begun a second time.
    Everywhere,
}

/// Runs this to its end, or to the entry that `until` waits for, and kills it as often as `when`
/// says, once for each entry. Returns how often.
fn killed(
    fixture: &ProviderFixture,
    args: &[&str],
    when: Kill,
    until: &dyn Fn(&(usize, Value)) -> bool,
) -> usize {
    let dir = fixture.path(".cutover/old-to-new");
    let mut dice = Dice(6);
    let mut killed_after = BTreeSet::new();
    let kill = |child: &mut Child| {
        child.kill().expect("SIGKILL can be sent");
        child.wait().expect("the child can be waited for");
    };
    for process in 0.. {
        assert!(process < 1_000, "it comes to an end");
        let mut child = fixture.spawn(args);
        loop {
            let entries = entries(&dir);
            if entries.iter().any(until) {
                kill(&mut child);
                return process;
            }
            let last = entries.last().map(|(run, entry)| format!("{run} {}", kind(entry)));
            let Some(last) = last else { continue };
            let is_begun = last.contains(" begun ");
            let strikes = when == Kill::Everywhere;
            if strikes && killed_after.insert((last.clone(), 0)) {
                kill(&mut child);
                break;
            }
            if strikes && is_begun && killed_after.insert((last, 1)) {
                sleep(Duration::from_millis(dice.next() % 12));
                kill(&mut child);
                break;
            }
            if let Some(status) = child.try_wait().expect("the child can be waited for") {
                assert_eq!(status.code(), Some(0));
                return process;
            }
        }
    }
    unreachable!("the loop has no end")
}

const APPLY: &[&str] = &["apply", "plan.yaml", "--wait", "--auto-approve"];
const BACK: &[&str] = &["rollback", "plan.yaml", "--to", "start", "--wait", "--auto-approve"];

fn is_switched((_, entry): &(usize, Value)) -> bool {
    kind(entry).starts_with("propagated switch/acme.example")
}

/// To the switch and back to the start, undisturbed and with kills: the zone is the same in the
/// end.
fn there_and_back(fixture: &dyn Fn() -> ProviderFixture, when: Kill) {
    let went = |when| {
        let fixture = fixture();
        fixture.write("plan.yaml", ["old", "new"]);
        let there = killed(&fixture, APPLY, when, &is_switched);
        let back = killed(&fixture, BACK, when, &|_| false);
        println!("killed {there} times on the way there and {back} times on the way back");
        let runs = entries(&fixture.path(".cutover/old-to-new"));
        let runs: BTreeSet<usize> = runs.into_iter().map(|(run, _)| run).collect();
        // A folder whose run was never opened does not count.
        assert_eq!(runs.len(), 2, "the way back is one run, in spite of all kills: {runs:?}");
        (fixture.served(), there.min(back))
    };
    let (undisturbed, _) = went(Kill::Never);
    let (served, kills) = went(when);
    assert_eq!(served, undisturbed);
    assert!(kills > 10, "{kills}");
}

#[test]
fn killed_after_every_entry_of_the_way_there_and_back() {
    there_and_back(
        &|| ProviderFixture::rfc2136(Bind::primary(provider_matrix::ZONES)),
        Kill::Everywhere,
    );
}

/// Changes that may have been sent to PowerDNS are looked for during a minute. The clock runs ten
/// times as fast.
#[test]
fn killed_after_every_entry_of_the_way_there_and_back_on_powerdns() {
    there_and_back(&|| ProviderFixture::powerdns().with_fast_clock(), Kill::Everywhere);
}

/// As `killed`, but kills it whenever the dice say so.
fn killed_by_dice(
    fixture: &ProviderFixture,
    args: &[&str],
    dice: &mut Dice,
    until: &dyn Fn(&(usize, Value)) -> bool,
) -> usize {
    /// How often it is checked.
    const LOOK: Duration = Duration::from_millis(20);
    let dir = fixture.path(".cutover/old-to-new");
    for process in 0..1_000 {
        let mut child = fixture.spawn(args);
        let looks = dice.below(100);
        let mut ended = None;
        for _ in 0..looks {
            ended = child.try_wait().expect("the child can be waited for");
            if ended.is_some() || entries(&dir).iter().any(until) {
                break;
            }
            sleep(LOOK);
        }
        if let Some(status) = ended {
            assert_eq!(status.code(), Some(0));
            return process;
        }
        child.kill().expect("SIGKILL can be sent");
        child.wait().expect("the child can be waited for");
        if entries(&dir).iter().any(until) {
            return process;
        }
    }
    panic!("it comes to an end")
}

/// Twenty runs, each killed at instants that its seed determines.
#[test]
fn killed_at_any_time_of_the_way_there_and_back() {
    // Undisturbed, or with random kills.
    let went = |dice: Option<Dice>| {
        let fixture = ProviderFixture::rfc2136(Bind::primary(provider_matrix::ZONES));
        fixture.write("plan.yaml", ["old", "new"]);
        let kills = match dice {
            None => {
                killed(&fixture, APPLY, Kill::Never, &is_switched)
                    + killed(&fixture, BACK, Kill::Never, &|_| false)
            }
            Some(mut dice) => {
                killed_by_dice(&fixture, APPLY, &mut dice, &is_switched)
                    + killed_by_dice(&fixture, BACK, &mut dice, &|_| false)
            }
        };
        (fixture.served(), kills)
    };
    let (undisturbed, _) = went(None);
    // Several at a time, because they mostly wait.
    let of_seed = |seed: u64| {
        let (served, kills) = went(Some(Dice(seed)));
        assert_eq!(served, undisturbed, "seed {seed}");
        kills
    };
    let mut kills = 0;
    for seeds in (1..=20).collect::<Vec<u64>>().chunks(5) {
        kills += std::thread::scope(|scope| {
            let runs: Vec<_> = seeds.iter().map(|seed| scope.spawn(|| of_seed(*seed))).collect();
            runs.into_iter().map(|run| run.join().expect("a seed")).sum::<usize>()
        });
    }
    println!("20 runs there and back, killed {kills} times");
    assert!(kills > 100, "{kills}");
}
