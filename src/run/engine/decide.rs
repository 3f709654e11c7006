//! What to do when somebody applies a plan or an artifact: continue the run that is there, begin one, or
//! refuse.
//!
//! Pure: what is known of the newest run goes in, one [`Action`] or one [`Refusal`] comes out. The
//! command line carries it out and puts it into words.

use crate::artifact::Artifact;
use cutover_base::digest::Digest;

use super::RunState;

/// What is to be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The plan's digest.
    pub plan: Digest,
    /// The artifact, if it is one and not a plan.
    pub sealed: Option<Sealed>,
    /// Whether to compile the plan again and supersede an open run (`--replan`).
    pub replan: bool,
    /// Whether a plan that was rolled back is to be applied again (`--again`).
    pub again: bool,
}

/// An artifact that is to be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Its digest.
    pub digest: Digest,
    /// The run that it was planned to supersede.
    pub parent: Option<Digest>,
}

/// What is known of a plan's newest run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newest {
    /// The digest of its artifact.
    pub artifact: Digest,
    /// The digest of its plan.
    pub plan: Digest,
    /// Whether it is the way back of another run.
    pub is_way_back: bool,
    /// Whether it was turned back.
    pub is_turned: bool,
    /// Whether a gate turned it back, or the run whose way back it is.
    pub by_gate: bool,
    /// Whether it has finished.
    pub is_finished: bool,
    /// Whether it, or the run whose way back it is, has unsent notifications.
    pub has_unsent: bool,
    /// The artifact that supersedes it.
    pub replaced: Option<Digest>,
    /// The same, if it was kept: its digest and that of its plan.
    pub next: Option<(Digest, Digest)>,
}

impl Newest {
    /// What is known of a run. `turned` is the run whose way back it is, `next` the artifact that was kept
    /// as its successor.
    #[must_use]
    pub fn of(
        artifact: &Artifact,
        state: &RunState,
        turned: Option<&RunState>,
        next: Option<&Artifact>,
    ) -> Self {
        Self {
            artifact: state.artifact(),
            plan: artifact.plan,
            is_way_back: artifact.is_way_back(),
            is_turned: state.turned_back.is_some(),
            by_gate: turned.unwrap_or(state).turned_by.is_some(),
            is_finished: state.finished.is_some(),
            has_unsent: [Some(state), turned]
                .into_iter()
                .flatten()
                .any(|run| !run.unsent.is_empty()),
            replaced: state.replaced,
            next: next.map(|next| (next.digest(), next.plan)),
        }
    }

    /// Whether it is open and moves forward.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.is_finished && !self.is_turned && !self.is_way_back
    }
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Continue the newest run with its own artifact.
    Continue,
    /// Begin a run, which supersedes this one.
    Begin {
        /// The digest of the artifact of the open run.
        supersedes: Option<Digest>,
    },
    /// Nothing: the run of this artifact is finished.
    Nothing,
}

/// Why nothing is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A person rolls the run back, and that is not finished.
    #[error("the run is rolling back")]
    RollingBack,
    /// A gate rolled this very plan back.
    #[error("a gate rolled this plan back")]
    RolledBackByGate,
    /// A person rolled this very plan back.
    #[error("a person rolled this plan back")]
    RolledBackByPerson,
    /// The open run is one of another version of the plan.
    #[error("the plan has changed since its run began")]
    PlanChanged,
    /// The open run is one of another artifact.
    #[error("a run of another artifact of this plan is open")]
    OtherArtifact,
    /// The artifact was planned to supersede a run that is not open any more.
    #[error("this artifact was planned to supersede the run of {}, which is no longer open", .0.short())]
    ParentGone(Digest),
}

/// Decides.
///
/// # Errors
/// [`Refusal`].
pub fn decide(asked: &Asked, newest: Option<&Newest>) -> Result<Action, Refusal> {
    let open = newest.filter(|run| run.is_open());
    let supersedes = |open: &Newest| match asked.sealed {
        None => asked.replan,
        Some(sealed) => sealed.parent == Some(open.artifact),
    };
    if let Some(run) = newest
        && !open.is_some_and(supersedes)
        && continues(asked, run)?
    {
        return Ok(Action::Continue);
    }
    let supersedes = open.map(|open| open.artifact);
    let Some(sealed) = asked.sealed else { return Ok(Action::Begin { supersedes }) };
    if newest.is_some_and(|run| run.artifact == sealed.digest) {
        return Ok(Action::Nothing);
    }
    // An artifact that was planned to supersede a run relies on what that run has done.
    match sealed.parent {
        Some(parent) if !newest.is_some_and(|run| follows(sealed.digest, parent, run)) => {
            Err(Refusal::ParentGone(parent))
        }
        Some(_) | None => Ok(Action::Begin { supersedes }),
    }
}

/// Whether an artifact may follow a run: while it is open, or where it was to follow already.
fn follows(artifact: Digest, parent: Digest, run: &Newest) -> bool {
    let is_open = !run.is_turned && !run.is_finished;
    (run.artifact == parent && is_open) || run.replaced == Some(artifact)
}

/// Whether the newest run is continued: it is open, or a gate turned it back and the way back is not
/// finished yet.
fn continues(asked: &Asked, run: &Newest) -> Result<bool, Refusal> {
    if run.is_way_back || run.is_turned {
        let is_back = run.is_way_back && run.is_finished;
        return match (is_back, run.by_gate) {
            // What a person rolls back has to be finished by `rollback` before anything else begins.
            (false, false) => Err(Refusal::RollingBack),
            (false, true) => Ok(true),
            // The process may have ended before all notifications were sent.
            (true, _) if run.has_unsent => Ok(true),
            // Otherwise a pipeline that always applies would loop for ever, or redo what somebody has
            // just rolled back.
            (true, by_gate) if !asked.again && asked.plan == run.plan => Err(match by_gate {
                true => Refusal::RolledBackByGate,
                false => Refusal::RolledBackByPerson,
            }),
            (true, _) => Ok(false),
        };
    }
    if run.is_finished {
        return Ok(run.has_unsent);
    }
    let (artifact, plan) = run.next.unwrap_or((run.artifact, run.plan));
    match asked.sealed {
        None if asked.plan == plan => Ok(true),
        None => Err(Refusal::PlanChanged),
        Some(sealed) if [artifact, run.artifact].contains(&sealed.digest) => Ok(true),
        Some(_) => Err(Refusal::OtherArtifact),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(of: &str) -> Digest {
        Digest::of(of.as_bytes())
    }

    fn plan(of: &str) -> Asked {
        Asked { plan: digest(of), sealed: None, replan: false, again: false }
    }

    /// An artifact of a plan; `parent` is the artifact of the run that it supersedes.
    fn sealed(of: &str, artifact: &str, parent: Option<&str>) -> Asked {
        let sealed = Sealed { digest: digest(artifact), parent: parent.map(digest) };
        Asked { sealed: Some(sealed), ..plan(of) }
    }

    /// An open run of the artifact `A` of the plan `a`.
    fn open() -> Newest {
        Newest {
            artifact: digest("A"),
            plan: digest("a"),
            is_way_back: false,
            is_turned: false,
            by_gate: false,
            is_finished: false,
            has_unsent: false,
            replaced: None,
            next: None,
        }
    }

    #[test]
    fn each_request_meets_each_run() {
        let begin = Ok(Action::Begin { supersedes: None });
        let after = |artifact| Ok(Action::Begin { supersedes: Some(digest(artifact)) });
        let go_on = Ok(Action::Continue);
        let done = Newest { is_finished: true, ..open() };
        let unsent = Newest { has_unsent: true, ..done };
        let replaced = Newest { replaced: Some(digest("B")), ..open() };
        let kept = Newest { next: Some((digest("B"), digest("b"))), ..replaced };
        let turned = Newest { is_turned: true, ..open() };
        let by_gate = Newest { by_gate: true, ..turned };
        let back = Newest { artifact: digest("A back"), is_way_back: true, ..open() };
        let back_by_gate = Newest { by_gate: true, ..back };
        let came = Newest { is_finished: true, ..back };
        let came_by_gate = Newest { is_finished: true, ..back_by_gate };
        let replan = |asked| Asked { replan: true, ..asked };
        let again = |asked| Asked { again: true, ..asked };
        for (asked, run, expected) in [
            (plan("a"), None, begin),
            (sealed("a", "A", None), None, begin),
            (sealed("a", "B", Some("A")), None, Err(Refusal::ParentGone(digest("A")))),
            // An open run.
            (plan("a"), Some(open()), go_on),
            (plan("b"), Some(open()), Err(Refusal::PlanChanged)),
            (replan(plan("a")), Some(open()), after("A")),
            (replan(plan("b")), Some(open()), after("A")),
            (sealed("a", "A", None), Some(open()), go_on),
            (sealed("b", "B", None), Some(open()), Err(Refusal::OtherArtifact)),
            (sealed("b", "B", Some("A")), Some(open()), after("A")),
            (sealed("b", "B", Some("C")), Some(open()), Err(Refusal::OtherArtifact)),
            // One that is superseded and settles what it has begun.
            (plan("b"), Some(kept), go_on),
            (plan("a"), Some(kept), Err(Refusal::PlanChanged)),
            (sealed("b", "B", None), Some(kept), go_on),
            (sealed("a", "A", None), Some(kept), go_on),
            (sealed("b", "B", Some("A")), Some(kept), after("A")),
            (plan("a"), Some(replaced), go_on),
            // One that is finished.
            (plan("a"), Some(done), begin),
            (plan("a"), Some(unsent), go_on),
            (sealed("a", "A", None), Some(done), Ok(Action::Nothing)),
            (sealed("b", "B", None), Some(done), begin),
            (sealed("b", "B", Some("A")), Some(done), Err(Refusal::ParentGone(digest("A")))),
            // One that is turned back, and its way back.
            (plan("a"), Some(turned), Err(Refusal::RollingBack)),
            (plan("a"), Some(by_gate), go_on),
            (plan("b"), Some(by_gate), go_on),
            (plan("a"), Some(back), Err(Refusal::RollingBack)),
            (again(plan("a")), Some(back), Err(Refusal::RollingBack)),
            (plan("a"), Some(back_by_gate), go_on),
            (plan("a"), Some(came), Err(Refusal::RolledBackByPerson)),
            (sealed("a", "A", None), Some(came), Err(Refusal::RolledBackByPerson)),
            (plan("a"), Some(came_by_gate), Err(Refusal::RolledBackByGate)),
            (plan("a"), Some(Newest { has_unsent: true, ..came_by_gate }), go_on),
            (again(plan("a")), Some(came), begin),
            (again(plan("a")), Some(came_by_gate), begin),
            (plan("b"), Some(came), begin),
            (sealed("b", "B", Some("A")), Some(came), Err(Refusal::ParentGone(digest("A")))),
        ] {
            assert_eq!(decide(&asked, run.as_ref()), expected, "{asked:?}\n{run:?}");
        }
    }
}
