//! Notifications: which event sends which, and its text.

use crate::artifact::Artifact;
use crate::journal::{Event, Halt};
use cutover_base::calendar::{Timestamp, show_second};
use cutover_steps::graph::{Checkpoint, MovePoint, Primitive, StepId};
use cutover_steps::notify::{Notice, Occasion};

/// A notification that has not been sent yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The number of the entry that it is about.
    pub seq: u64,
    /// The place of the notice in the artifact.
    pub notice: usize,
    /// What has happened.
    pub occasion: Occasion,
    /// When.
    pub at: Timestamp,
    /// At which step, if at any.
    pub step: Option<StepId>,
    /// Why, in words; may be empty.
    pub why: String,
}

/// Why a notification could not be sent. The text contains no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotSent(pub String);

/// The text that is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The text itself.
    pub text: String,
    /// The plan's name.
    pub plan: String,
    /// What has happened.
    pub notification: Notification,
}

/// The notifications that an event causes.
pub(super) fn notifications(
    artifact: &Artifact,
    seq: u64,
    at: Timestamp,
    event: &Event,
    only_settles: bool,
    last_detail: Option<&String>,
) -> Vec<Notification> {
    let (occasion, step, why) = match event {
        Event::Reached { step } => {
            let (occasion, why) = match point(artifact, step) {
                Some(MovePoint::BeforeSwitch) => (Occasion::Switch, "the switch begins"),
                Some(MovePoint::BeforeContract) => {
                    (Occasion::Contract, "the old side is left from here on")
                }
                Some(MovePoint::Release) => (
                    Occasion::Release,
                    "the old host may be switched off from here on, and there is no way back",
                ),
                None => return Vec::new(),
            };
            (occasion, Some(step), why.to_owned())
        }
        Event::Halted(halt) | Event::SetAside(halt) => {
            let Halt { step, reason, detail, differences } = halt;
            let keys =
                differences.iter().map(|difference| difference.key.to_string()).collect::<Vec<_>>();
            let parts = [
                reason.words(artifact.graph.get(step)).to_owned(),
                detail.clone(),
                keys.join(", "),
            ];
            let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            let rest = match matches!(event, Event::SetAside(_)) {
                true => "; what does not hang on it goes on",
                false => "",
            };
            (Occasion::Halted, Some(step), parts.join(": ") + rest)
        }
        Event::Behind { step, detail } => (Occasion::Behind, Some(step), detail.clone()),
        Event::TurnedBack { to, because: Some(gate) } => {
            let detail = last_detail.map_or(String::new(), |detail| format!(": {detail}"));
            (
                Occasion::Rollback,
                Some(gate),
                format!("the run goes back to {to}, since the gate has failed{detail}"),
            )
        }
        Event::TurnedBack { to, because: None } => (
            Occasion::Rollback,
            None,
            format!("the run goes back to {to}, since somebody wants it"),
        ),
        Event::Finished if artifact.is_way_back() => {
            (Occasion::Rollback, None, "the run has come back".to_owned())
        }
        // A run that only settles does not reach the plan's end; what follows is a run of its own.
        Event::Finished if !only_settles => {
            (Occasion::Done, None, "everything is as the plan wants it".to_owned())
        }
        Event::Opened { .. }
        | Event::Resumed { .. }
        | Event::Begun { .. }
        | Event::Written { .. }
        | Event::Unsure { .. }
        | Event::NotMade { .. }
        | Event::NotDone { .. }
        | Event::Propagated { .. }
        | Event::WaitBegun { .. }
        | Event::Lapsed { .. }
        | Event::WaitEnded { .. }
        | Event::Probed { .. }
        | Event::Did { .. }
        | Event::Allowed { .. }
        | Event::Replaced { .. }
        | Event::Approved(_)
        | Event::Told { .. }
        | Event::Finished => return Vec::new(),
    };
    let wanted = artifact.notify.iter().enumerate();
    let wanted = wanted.filter(|(_, notice)| notice.at.contains(&occasion));
    wanted
        .map(|(notice, _)| Notification {
            seq,
            notice,
            occasion,
            at,
            step: step.cloned(),
            why: why.clone(),
        })
        .collect()
}

/// The point of the move that a step marks; `None` for any other step.
fn point(artifact: &Artifact, step: &StepId) -> Option<MovePoint> {
    match artifact.graph.get(step)?.primitive {
        Primitive::Checkpoint(Checkpoint::Reached(point)) => Some(point),
        Primitive::Checkpoint(
            Checkpoint::Beginning | Checkpoint::Fact | Checkpoint::WayBack | Checkpoint::Left(_),
        )
        | Primitive::Change(_)
        | Primitive::Wait(_)
        | Primitive::Gate(_)
        | Primitive::Task(_) => None,
    }
}

/// Whether an event is progress. A halt after progress is a new halt, and is notified even if it equals
/// the last.
pub(super) fn is_progress(event: &Event) -> bool {
    match event {
        Event::Halted(_)
        | Event::SetAside(_)
        | Event::Resumed { .. }
        | Event::Begun { .. }
        | Event::Unsure { .. }
        | Event::NotMade { .. }
        | Event::Probed { .. }
        | Event::Behind { .. }
        | Event::Lapsed { .. }
        | Event::Told { .. } => false,
        Event::Opened { .. }
        | Event::Written { .. }
        | Event::NotDone { .. }
        | Event::Propagated { .. }
        | Event::WaitBegun { .. }
        | Event::WaitEnded { .. }
        | Event::Reached { .. }
        | Event::Did { .. }
        | Event::Allowed { .. }
        | Event::TurnedBack { .. }
        | Event::Replaced { .. }
        | Event::Approved(_)
        | Event::Finished => true,
    }
}

/// Puts a notification into words.
#[must_use]
pub fn message(artifact: &Artifact, notification: &Notification) -> Message {
    let Notice { text, .. } = &artifact.notify[notification.notice];
    let step = notification.step.as_ref().map_or("", StepId::as_str);
    let default = match step {
        "" => "cutover {plan}: {why} ({at})",
        _ => "cutover {plan}: {why} (at {step}, {at})",
    };
    let mut filled = String::new();
    // From left to right, so that a placeholder inside a filled-in value is not filled in itself.
    for part in text.as_deref().unwrap_or(default).split('{').enumerate() {
        match part {
            (0, part) => filled += part,
            (_, part) => {
                let (word, rest) = part.split_once('}').unwrap_or((part, ""));
                filled += &match word {
                    "plan" => artifact.name.clone(),
                    "occasion" => notification.occasion.word().to_owned(),
                    "step" => step.to_owned(),
                    "why" => without_mentions(&notification.why),
                    "at" => show_second(notification.at),
                    _ => String::new(),
                };
                filled += rest;
            }
        }
    }
    Message { text: filled, plan: artifact.name.clone(), notification: notification.clone() }
}

/// Makes text that came from elsewhere safe to show in any chat: it mentions nobody there.
fn without_mentions(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !c.is_control() || *c == '\n') {
        match c {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            // A zero-width space after it keeps it from being a mention.
            '@' => safe += "@\u{200b}",
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_record_mentions_nobody() {
        assert_eq!(
            without_mentions("<!channel> @here & \u{1b}[31m"),
            "&lt;!channel&gt; @\u{200b}here &amp; [31m"
        );
    }
}
