//! Whether a run can be continued now. Asks the store, and takes no lease.

use std::time::Duration;

use super::failure::Failure;
use crate::calendar::Timestamp;
use crate::engine::view::{RunView, Stage};
use crate::world::real::now;
use crate::world::real::store::{Found, Runs};

/// When a run can be continued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Now.
    Now,
    /// Now, though it has halted and may halt again.
    Halted,
    /// Not before this time.
    At(Timestamp),
    /// When a person has done something.
    Person,
    /// It is over.
    Never,
}

/// When to look again at a run that waits: somebody may have moved it on. Our choice.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(60);
/// When to try a halted run again. Our choice, as often as a pipeline would.
pub(super) const HALTED_EVERY: Duration = Duration::from_secs(300);

impl Due {
    /// After which time a process that finds the run like this has something to do; `None`: when
    /// somebody has changed or said something.
    pub(super) fn span(self, now: Timestamp) -> Option<Duration> {
        match self {
            Self::Now => Some(Duration::ZERO),
            Self::Halted => Some(HALTED_EVERY),
            Self::At(at) => Some((at - now).to_std().unwrap_or_default()),
            Self::Person | Self::Never => None,
        }
    }
}

/// The newest run of a plan, and when it can be continued.
pub(super) struct Looked {
    pub(super) found: Found,
    pub(super) due: Due,
    /// The providers that it uses, each with its configuration.
    pub(super) providers: Vec<String>,
}

/// Looks at the newest run of a plan; `None` if there is none.
pub(super) async fn look(runs: &Runs) -> Result<Option<Looked>, Failure> {
    let Some(found) = runs.newest().await? else { return Ok(None) };
    let due = due(runs, &found).await?;
    let specs = found.run.artifact.providers.values();
    let providers = specs.map(|spec| serde_json::to_string(spec).expect("it is in an artifact"));
    let providers = providers.collect();
    Ok(Some(Looked { found, due, providers }))
}

async fn due(runs: &Runs, found: &Found) -> Result<Due, Failure> {
    let (artifact, state) = (&found.run.artifact, &found.run.state);
    let turned = match artifact.is_way_back() {
        true => runs.rolled_back_by(artifact).await?,
        false => None,
    };
    let unsent = |found: &Found| !found.run.state.unsent.is_empty();
    if unsent(found) || turned.as_ref().is_some_and(unsent) {
        return Ok(Due::Now);
    }
    let view = RunView::of(artifact, state, now());
    Ok(match view.stage {
        Stage::Halted(_) => Due::Halted,
        // Its way back or its successor has not begun.
        Stage::Finished { .. } if state.turned_back.is_some() && !artifact.is_way_back() => {
            Due::Now
        }
        Stage::Finished { .. } if runs.next(found).await?.is_some() => Due::Now,
        Stage::Finished { .. } => Due::Never,
        Stage::Running | Stage::Settling => match (view.due(), view.by_hand().next()) {
            (Some(due), _) if due.at > now() => Due::At(due.at),
            (None, Some(_)) => Due::Person,
            (Some(_) | None, _) => Due::Now,
        },
    })
}
