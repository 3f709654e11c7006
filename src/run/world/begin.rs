//! Opening a run, and resuming it.

use super::{DriveError, Progress, Resumed, Run, World, tool};
use crate::engine::RunState;
use crate::journal::Event;
use cutover_base::calendar::Moment;

/// Opens a run, or resumes it, and writes down who has approved it since.
pub(super) async fn begin<W: World>(
    world: &mut W,
    run: &mut Run,
    watch: &mut dyn FnMut(&RunState, Progress<'_>),
) -> Result<(), DriveError> {
    open(world, run, watch).await?;
    let approvals = run.approvals.take().filter(|new| run.state.approvals.as_ref() != Some(new));
    match approvals {
        Some(approvals) if !run.state.only_settles() && run.state.finished.is_none() => {
            run.record(world, world.now(), Event::Approved(approvals), watch).await
        }
        Some(_) | None => Ok(()),
    }
}

async fn open<W: World>(
    world: &mut W,
    run: &mut Run,
    watch: &mut dyn FnMut(&RunState, Progress<'_>),
) -> Result<(), DriveError> {
    let tool = tool();
    if run.state.opened.is_none() {
        let (name, artifact) = (run.artifact.name.clone(), run.state.artifact());
        return run.record(world, world.now(), Event::Opened { name, artifact, tool }, watch).await;
    }
    let begun = run.state.ready().any(|place| run.state.at(place).is_under_way());
    // Resuming during a wait, with nothing under way, writes nothing.
    let event = Event::Resumed { tool };
    let is_aside = run.state.aside().next().is_some();
    match (run.state.finished.is_none(), begun || is_aside, run.state.halted.is_some()) {
        (true, true, false) => run.record(world, world.now(), event, watch).await,
        (true, _, true) if begun => run.record(world, world.now(), event, watch).await,
        (true, _, true) => {
            let before = run.state.clone();
            let moment = Moment { at: world.now(), steady: world.steady() };
            run.state.apply(&run.artifact, moment, &event)?;
            run.resumed = Some(Resumed { before, unwritten: vec![(moment, event)] });
            Ok(())
        }
        (_, _, _) => Ok(()),
    }
}
