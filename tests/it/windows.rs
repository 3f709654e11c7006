//! Windows and freezes of the switch: in the plan, in the artifact, in a run, and on the calendar.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use cutover::artifact::Artifact;
use cutover::calendar::window::{SEARCH_MAX, Windows};
use cutover::calendar::{Timestamp, later};
use cutover::engine::next::{Next, Pause};
use cutover::engine::poll::poll;
use cutover::engine::view::RunView;
use cutover::engine::{IllegalEvent, Memory, RunState, replay};
use cutover::graph::{MovePoint, Primitive, StepId};
use cutover::journal::{Entry, Event};
use cutover::render::Styling;
use cutover::render::status::status;
use cutover::world::{DriveOutcome, Patience, drive};
use futures_util::FutureExt;
use tempfile::TempDir;

use crate::bind_fixture::said;
use crate::engine::{Ended, live, resumed, served_by};
use crate::storm::{Faults, Storm};

const SATURDAY: &str = "  window: \"Sat 20:00-23:00 Europe/Berlin\"\n";
const HOLIDAYS: &str = "  freeze: [ \"2026-12-20..2027-01-06 Europe/Berlin\" ]\n";
/// Runs of the storm. Our choice: a few seconds in a slow build.
const SEEDS: u64 = 60;

/// A copy of the quick start with additional keys under `migrate:`.
fn plan_dir(keys: &str) -> TempDir {
    quickstart(&|plan| plan.replacen("  to: host\n", &format!("  to: host\n{keys}"), 1))
}

/// A copy of the quick start with an edited plan.
pub(crate) fn quickstart(edited: &dyn Fn(String) -> String) -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let plans = Path::new(env!("CARGO_MANIFEST_DIR")).join("plans");
    fs::create_dir(dir.path().join("quickstart")).expect("a directory");
    for zone in ["acme.test.zone", "host.test.zone"] {
        let zone = Path::new("quickstart").join(zone);
        fs::copy(plans.join(&zone), dir.path().join(&zone)).expect("a zone");
    }
    let plan = fs::read_to_string(plans.join("quickstart.yaml")).expect("the plan");
    fs::write(dir.path().join("plan.yaml"), edited(plan)).expect("the plan can be written");
    dir
}

fn cutover(dir: &TempDir, args: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
    said(&command.args(args).current_dir(dir.path()).output().expect("the program can be run"))
}

fn sealed(keys: &str) -> String {
    let (code, text) = cutover(&plan_dir(keys), &["plan", "plan.yaml", "--format", "json"]);
    assert_eq!(code, 0, "{text}");
    text
}

/// The quick start whose switch begins on Saturdays, but not in the holidays.
static SEALED: LazyLock<String> = LazyLock::new(|| sealed(&format!("{SATURDAY}{HOLIDAYS}")));

fn artifact() -> Artifact {
    Artifact::decode(&SEALED).expect("an artifact")
}

fn windows(artifact: &Artifact) -> Windows {
    let step = artifact.graph.point(MovePoint::BeforeSwitch).expect("the plan switches");
    step.window.clone().expect("it has windows")
}

/// The step before the switch.
fn before_switch() -> StepId {
    StepId::of_point(MovePoint::BeforeSwitch)
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

fn is_reached(entry: &Entry) -> bool {
    matches!(&entry.event, Event::Reached { step } if *step == before_switch())
}

#[test]
fn only_the_checkpoint_before_the_switch_has_windows() {
    let artifact = artifact();
    let graphs = artifact.rollback_points.iter().map(|point| &point.graph);
    for step in graphs.chain([&artifact.graph]).flat_map(|graph| graph.steps()) {
        assert_eq!(step.window.is_some(), step.id == before_switch(), "{}", step.id);
    }
    let shown = |texts: &[String]| texts.join(", ");
    let windows = windows(&artifact);
    let open: Vec<String> = windows.windows().iter().map(ToString::to_string).collect();
    let closed: Vec<String> = windows.freezes().iter().map(ToString::to_string).collect();
    assert_eq!(shown(&open), "Sat 20:00-23:00 Europe/Berlin");
    assert_eq!(shown(&closed), "2026-12-20..2027-01-06 Europe/Berlin");
}

#[test]
fn a_plan_takes_windows_as_open() {
    let without = Artifact::decode(&sealed("")).expect("an artifact");
    assert_eq!(artifact().forecast, without.forecast);
    assert_eq!(artifact().graph.without_windows(), without.graph);
    let shown =
        cutover(&plan_dir(&format!("{SATURDAY}{HOLIDAYS}")), &["plan", "--full", "plan.yaml"]).1;
    let (_, step) = shown.split_once("everything is ready for the switch").expect("a step");
    let lines: Vec<&str> = step.lines().skip(1).take(5).map(str::trim).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn an_artifact_has_one_text_for_each_window() {
    assert_eq!(artifact().encode(), *SEALED);
    let window = "Sat 20:00-23:00 Europe/Berlin";
    let freeze = "2026-12-20..2027-01-06 Europe/Berlin";
    let cases = [
        (window, "Sat-Sat 20:00-23:00 Europe/Berlin", "not in canonical form"),
        (window, "Sun 20:00-23:00 Europe/Berlin", "changed after it was sealed"),
        (window, "Sat 20:00-23:00 Europe/Berln", "there is no time zone `Europe/Berln`"),
        (window, "Sat 20:00-23:00", "it has no time zone"),
        (freeze, "2026-12-20..2026-12-19 Europe/Berlin", "it ends before it begins"),
        (freeze, "2026-12-20 Europe/Berlin", "changed after it was sealed"),
        (freeze, "2026-12-20..2027-01-06  Europe/Berlin", "not in canonical form"),
    ];
    for (text, other, why) in cases {
        let touched = SEALED.replace(text, other);
        assert_ne!(touched, *SEALED, "{text}");
        let error = Artifact::decode(&touched).expect_err(other).to_string();
        assert!(error.contains(why), "{other}: {error}");
    }
    // A window of a change, and an empty window.
    let none = "\"window\": null";
    let some = "\"window\": { \"open\": [\"Sat 20:00-23:00 UTC\"], \"closed\": [] }";
    let error = Artifact::decode(&SEALED.replacen(none, some, 1)).expect_err("no checkpoint");
    assert!(error.to_string().contains("only checkpoints and gates have a window"), "{error}");
    let empty = "\"window\": { \"open\": [], \"closed\": [] }";
    Artifact::decode(&SEALED.replacen(none, empty, 1)).expect_err("not the one encoding");
}

/// Runs the plan in the ideal world from an instant to its end.
fn ideal(artifact: &Arc<Artifact>, start: &str) -> Storm {
    let mut world = Storm::of(artifact, 0, Faults::default());
    world.now = at(start);
    let mut run = resumed(artifact, &[]);
    let ended = drive(&mut world, &mut run, Patience::Stay, &mut |_, _| {}).now_or_never();
    assert_eq!(ended.expect("nobody crashes").expect("it runs"), DriveOutcome::Finished);
    world
}

#[test]
fn the_switch_begins_when_a_window_opens() {
    let artifact = artifact();
    for (start, begins, reached) in [
        // Ready on Wednesday.
        ("2026-12-01T08:00:00Z", "2026-12-02T08:06:00Z", "2026-12-05T19:00:00Z"),
        // Ready within the window, so the switch begins at once.
        ("2026-12-04T19:00:00Z", "2026-12-05T19:06:00Z", "2026-12-05T19:06:00Z"),
        // Ready in the last second of the window.
        ("2026-12-04T21:53:59Z", "2026-12-05T21:59:59Z", "2026-12-05T21:59:59Z"),
        // Ready when the window closes.
        ("2026-12-04T21:54:00Z", "2026-12-05T22:00:00Z", "2026-12-12T19:00:00Z"),
        // Ready in the holidays.
        ("2026-12-20T08:00:00Z", "2026-12-21T08:06:00Z", "2027-01-09T19:00:00Z"),
    ] {
        let forecast = cutover::sim::forecast_from(&artifact, at(start)).expect("it ends");
        let of = forecast.iter().find(|forecast| forecast.step == before_switch()).expect("a step");
        assert_eq!(later(at(start), of.begin), at(begins), "from {start}");
        assert_eq!(later(at(start), of.end), at(reached), "from {start}");
    }
}

#[test]
fn in_every_storm_the_switch_begins_within_a_window() {
    let artifact = artifact();
    let windows = windows(&artifact);
    let artifacts: Vec<Arc<Artifact>> =
        [0, 2].map(|servers| Arc::new(served_by(&artifact, servers))).into();
    let mut reached = 0;
    for seed in 0..SEEDS {
        for artifact in &artifacts {
            let Ended { finished: _, journal } = live(artifact, seed);
            for entry in journal.iter().filter(|entry| is_reached(entry)) {
                assert!(windows.is_open(entry.at), "seed {seed}: reached at {}", entry.at);
                reached += 1;
            }
        }
    }
    assert!(reached > SEEDS, "{reached} of the runs came to the switch");
}

#[test]
fn a_journal_in_which_the_switch_began_outside_is_refused() {
    let artifact = Arc::new(artifact());
    let journal = ideal(&artifact, "2026-12-01T08:00:00Z").journal;
    let place = journal.iter().position(is_reached).expect("it is reached");
    let state = replay(&artifact, artifact.digest(), &journal[..place]).expect("a legal journal");
    let event = &journal[place].event;
    let apply = |instant: &str| state.clone().apply(&artifact, at(instant).into(), event);
    let refused = Err(IllegalEvent::Window(before_switch()));
    assert_eq!(apply("2026-12-05T18:59:59.999Z"), refused);
    assert_eq!(apply("2026-12-05T19:00:00Z"), Ok(()));
    assert_eq!(apply("2026-12-05T21:59:59.999Z"), Ok(()));
    assert_eq!(apply("2026-12-05T22:00:00Z"), refused);
    assert_eq!(apply("2026-12-26T20:00:00Z"), refused, "a Saturday of the holidays");
    let mut moved = journal.clone();
    moved[place].at = at("2026-12-05T18:59:59.999Z");
    let error = replay(&artifact, artifact.digest(), &moved).expect_err("an illegal journal");
    assert_eq!(error, (moved[place].seq, IllegalEvent::Window(before_switch())));
}

/// A run that begins on a Tuesday, has prepared everything, and waits.
fn waiting(artifact: &Arc<Artifact>) -> Storm {
    let mut world = Storm::of(artifact, 0, Faults::default());
    world.now = at("2026-12-01T08:00:00Z");
    let mut run = resumed(artifact, &[]);
    // Each wait of the plan ends a process. The last wait is for the window.
    loop {
        let ended = drive(&mut world, &mut run, Patience::Leave, &mut |_, _| {}).now_or_never();
        let Some(Ok(DriveOutcome::Waiting { until })) = ended else {
            panic!("it waits: {ended:?}")
        };
        let place = artifact.graph.place(&before_switch());
        if run.state.ready().eq(place) {
            return world;
        }
        world.revive(until);
    }
}

/// What `status` shows.
fn shown(artifact: &Artifact, state: &RunState, now: Timestamp) -> String {
    status(&RunView::of(artifact, state, now), true).text(Styling::Plain)
}

#[test]
fn a_run_that_waits_for_a_window_says_so() {
    let artifact = Arc::new(artifact());
    let world = waiting(&artifact);
    let run = resumed(&artifact, &world.journal);
    let opens = at("2026-12-05T19:00:00Z");
    let next = |now: Timestamp| poll(&artifact, &run.state, &Memory::default(), now.into());
    assert_eq!(next(world.now), Next::Sleep { until: opens, pause: Pause::Window });
    let step = before_switch();
    assert_eq!(next(opens), Next::Record(Event::Reached { step }));
    let text = shown(&artifact, &run.state, world.now);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.contains(before_switch().as_str()) || line.contains("Next:"))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
    let shown = shown(&artifact, &run.state, opens);
    assert!(!shown.contains("waits for the window"), "it is open: {shown}");
}

#[test]
fn what_does_not_open_is_looked_at_again() {
    let keys = "  freeze: \"2026-01-01..9999-12-30 UTC\"\n";
    let artifact = Arc::new(Artifact::decode(&sealed(keys)).expect("an artifact"));
    let world = waiting(&artifact);
    let run = resumed(&artifact, &world.journal);
    let until = later(world.now, SEARCH_MAX);
    let next = poll(&artifact, &run.state, &Memory::default(), world.now.into());
    assert_eq!(next, Next::Sleep { until, pause: Pause::Window });
    let shown = shown(&artifact, &run.state, world.now);
    let words =
        "waits for the end of the freeze 2026-01-01..9999-12-30 UTC, does not open within 400d";
    assert!(shown.contains(words), "{shown}");
}

#[test]
fn a_plan_is_shown_on_the_calendar() {
    let dir = plan_dir(&format!("{SATURDAY}{HOLIDAYS}"));
    assert_eq!(cutover(&dir, &["plan", "plan.yaml", "-o", "plan.json"]).0, 0);
    let plain = cutover(&dir, &["show", "plan.json"]).1;
    let on_calendar = |start: &str| {
        let (code, shown) = cutover(&dir, &["show", "plan.json", "--start", start]);
        assert_eq!(code, 0, "{shown}");
        shown.strip_prefix(plain.as_str()).expect("the plan comes first").trim().to_owned()
    };
    insta::assert_snapshot!(on_calendar("2026-12-01T09:00:00+01:00"));
    let holidays = on_calendar("2026-12-20T09:00:00.5+01:00");
    let head: Vec<&str> = holidays.lines().take(7).collect();
    insta::assert_snapshot!(head.join("\n"));
    for (args, why) in [
        (&["--start", "2026-12-01"][..], "expected date, time and UTC offset"),
        (&["--start", "2026-12-01T09:00:00"], "expected date, time and UTC offset"),
        (&["--start", "2026-12-01T09:00:00Z", "--format", "json"], "an artifact holds no dates"),
    ] {
        let (code, said) = cutover(&dir, &[&["show", "plan.json"], args].concat());
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn without_a_window_the_calendar_is_the_forecast() {
    let artifact = Artifact::decode(&sealed("")).expect("an artifact");
    let start = at("2026-12-01T08:00:00Z");
    assert_eq!(cutover::sim::forecast_from(&artifact, start).ok(), Some(artifact.forecast.clone()));
    let total = artifact.forecast.iter().map(|forecast| forecast.end).max().unwrap_or_default();
    assert!(total > Duration::ZERO);
    let has_wait = |p: &Primitive| matches!(p, Primitive::Wait(_));
    assert!(artifact.graph.steps().iter().any(|step| has_wait(&step.primitive)));
}
