//! What `status` shows: the same as what the loop does next.

use std::sync::Arc;

use cutover::engine::view::{RunView, Stage};
use cutover::render::Styling;
use cutover::render::status::status;
use cutover::render::status_json::json;
use cutover::world::{DriveOutcome, Patience, drive};
use futures_util::FutureExt;

use crate::engine::{compiled, resumed};
use crate::storm::{Faults, Storm};

/// A run with waits, drawn when each of them begins.
const PLAN: &str = "quickstart";
/// Processes at the most: a run that waits more often goes round in circles.
const PROCESSES_MAX: usize = 200;

#[test]
fn status_says_when_apply_continues() {
    let artifact = Arc::new(compiled(PLAN));
    let mut world = Storm::of(&artifact, 0, Faults::default());
    let (mut waited, mut asked) = (0, 0);
    for _ in 0..PROCESSES_MAX {
        let mut run = resumed(&artifact, &world.journal);
        let ended = drive(&mut world, &mut run, Patience::Leave, &mut |_, _| {}).now_or_never();
        // `status` is another process, which knows nothing but the journal.
        let run = resumed(&artifact, &world.journal);
        let view = RunView::of(&artifact, &run.state, world.now);
        let text = status(&view, true).text(Styling::Plain);
        let shown: serde_json::Value = serde_json::from_str(&json(&view)).expect("JSON");
        let people = shown["needs_person"].as_array().expect("a list");
        assert_eq!(people.len(), view.by_hand().count());
        for (step, _) in view.by_hand() {
            assert!(text.contains(&format!("{step} waits for a person")), "{text}");
            asked += 1;
        }
        match ended {
            Some(Ok(DriveOutcome::Waiting { until })) => {
                let due = view.due().expect("the step that it waits for");
                assert_eq!((due.at, due.pause.is_some()), (until, true), "{text}");
                let at = shown["next"]["at"].as_str().expect("a time");
                let at: cutover::calendar::Timestamp = at.parse().expect("a time");
                assert_eq!(at, until);
                assert!(text.contains(&format!("Next: {}", due.step.id)), "{text}");
                waited += 1;
                world.revive(until);
            }
            Some(Ok(DriveOutcome::NeedsPerson)) => {
                assert!(view.by_hand().next().is_some(), "{text}");
                let soon = cutover::calendar::later(world.now, std::time::Duration::from_secs(60));
                world.revive(soon);
            }
            Some(Ok(DriveOutcome::Finished)) => {
                assert!(matches!(view.stage, Stage::Finished { .. }), "{text}");
                assert_eq!(shown["stage"], "finished");
                assert_eq!(view.due(), None);
                assert!(waited > 2 && asked > 0, "{waited} waits, {asked} times a person");
                return;
            }
            other => panic!("{other:?}\n{text}"),
        }
    }
    panic!("it never ends");
}
