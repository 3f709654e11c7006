//! What the engine can ask of the loop that drives a run, one thing at a time.

use std::time::Duration;

use cutover_contract::ChangeSet;
use cutover_zone::Name;

use super::notification::Notification;
use crate::artifact::Relied;
use crate::journal::Event;
use cutover_base::calendar::Timestamp;
use cutover_base::digest::Digest;
use cutover_steps::ask::Query;
use cutover_steps::authority::Authority;
use cutover_steps::graph::{Step, Wait};

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Next<'a> {
    /// Write this down; nothing has to be asked.
    Record(Event),
    /// Ask the provider what it holds; then [`super::outcome::looked`].
    Look {
        /// The step.
        step: &'a Step,
        /// Its change.
        changes: &'a ChangeSet,
        /// What for.
        look: Look,
    },
    /// Ask a provider whether the records that the proof relies on are still there; then
    /// [`super::outcome::relied_on`].
    LookAtRelied {
        /// The step that is to begin.
        step: &'a Step,
        /// The zone.
        zone: &'a Name,
        /// What was there when the plan was made.
        relied: &'a Relied,
    },
    /// Send the change; then [`super::outcome::performed`].
    Perform {
        /// The step.
        step: &'a Step,
        /// The change.
        changes: &'a ChangeSet,
    },
    /// Notify the servers of what the provider holds; then [`super::outcome::published`].
    Publish {
        /// The step.
        step: &'a Step,
        /// The zone.
        zone: &'a Name,
    },
    /// Ask every server what it serves; then [`super::outcome::seen`].
    See {
        /// The step: a change that propagates, or a wait at its end or after a lapse.
        step: &'a Step,
        /// The change whose new version has to be served.
        changes: ChangeSet,
        /// Whom to ask.
        servers: Vec<&'a Authority>,
        /// What for.
        see: See<'a>,
    },
    /// Ask the questions of a gate's probe or a task's check, while the run continues; then
    /// [`super::outcome::answered`].
    Probe {
        /// The step.
        step: &'a Step,
        /// The questions.
        queries: Vec<Query>,
    },
    /// Ask whether a run that this one supersedes has done a task; then [`super::work::earlier`].
    AskEarlier {
        /// The step.
        step: &'a Step,
        /// The artifact of that run.
        parent: Digest,
    },
    /// Start a task's command; then [`super::work::started`].
    Start {
        /// The step.
        step: &'a Step,
        /// The program and its arguments.
        argv: &'a [String],
        /// How long it may take.
        within: Duration,
    },
    /// Ask whether a task's command has ended; then [`super::work::ended`].
    AskEnded {
        /// The step.
        step: &'a Step,
    },
    /// Ask whether a person has said that a task is done; then [`super::work::confirmed`].
    AskPerson {
        /// The step.
        step: &'a Step,
    },
    /// A command is running, or something is being asked.
    Busy {
        /// When to look again.
        until: Timestamp,
    },
    /// Nothing can be done until a person has done something.
    Await {
        /// When to look again.
        until: Timestamp,
    },
    /// Notify somebody; then [`super::outcome::notified`].
    Notify {
        /// Of what.
        notification: Notification,
    },
    /// Nothing can be done before this.
    Sleep {
        /// Until when.
        until: Timestamp,
        /// Why.
        pause: Pause,
    },
    /// The run stands still until somebody resumes it.
    Halted,
    /// Everything is done.
    Finished,
}

/// Why nothing can be done before some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// A wait of the plan is running.
    Wait,
    /// The windows of the plan are closed.
    Window,
    /// A gate is not due yet.
    Gate,
    /// Resolvers may still cache records that somebody else had put there.
    ForeignRecords,
    /// Nobody can be asked whether a change is served: the provider declares how long that takes.
    Propagation,
    /// The outcome of a change or a task is certain only when it can no longer take effect.
    Doubt,
    /// Somebody did not answer and is asked again later.
    Retry,
}

impl Pause {
    /// Whether the plan itself has to wait, and not only this process between two questions.
    #[must_use]
    pub fn is_of_plan(self) -> bool {
        match self {
            Self::Wait | Self::Window | Self::Gate | Self::ForeignRecords | Self::Propagation => {
                true
            }
            Self::Doubt | Self::Retry => false,
        }
    }
}

/// What a provider is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Whether the version that the change replaces is there; if so, it may be sent.
    BeforeSending,
    /// Whether a change that was sent was made.
    AfterSending,
    /// Whether a change in doubt was made.
    InDoubt,
    /// Whether what was written is still there.
    StillThere,
}

/// What servers are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum See<'a> {
    /// Whether all serve what was written.
    Written {
        /// Since when it is written.
        at: Timestamp,
    },
    /// Whether all serve the new version again, so that a wait can start over.
    Lapsed {
        /// The wait.
        wait: &'a Wait,
        /// When a server did not.
        at: Timestamp,
    },
    /// Whether all still serve the new version at the end of a wait.
    AtEnd {
        /// When it ends.
        until: Timestamp,
    },
}
