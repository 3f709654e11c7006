//! What people have to be told, and in which words.

use crate::artifact::Artifact;
use crate::calendar::{Timestamp, show_second};
use crate::graph::{Checkpoint, MovePoint, Primitive, StepId};
use crate::journal::{Event, Halt};
use crate::spec::notify::{Notice, Occasion};

/// Something that somebody has not been told yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untold {
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

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// In words.
    pub text: String,
    /// The plan's name.
    pub plan: String,
    /// What has happened.
    pub untold: Untold,
}

/// What an event gives to tell.
pub(super) fn occasioned(
    artifact: &Artifact,
    seq: u64,
    at: Timestamp,
    event: &Event,
    leaves: bool,
    last_words: Option<&String>,
) -> Vec<Untold> {
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
            let keys = differences.iter().map(|one| one.key.to_string()).collect::<Vec<_>>();
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
            let words = last_words.map_or(String::new(), |words| format!(": {words}"));
            (
                Occasion::Rollback,
                Some(gate),
                format!("the run goes back to {to}, since the gate has failed{words}"),
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
        // What had begun is settled; what follows is a run of its own.
        Event::Finished if !leaves => {
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
        | Event::Told { .. }
        | Event::Finished => return Vec::new(),
    };
    let wanted = artifact.notify.iter().enumerate();
    let wanted = wanted.filter(|(_, notice)| notice.at.contains(&occasion));
    wanted
        .map(|(notice, _)| Untold {
            seq,
            notice,
            occasion,
            at,
            step: step.cloned(),
            why: why.clone(),
        })
        .collect()
}

/// The point of the move that is reached at a step, if it is one's.
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

/// Whether a run has come on with an event: what halts it from there on is another halt, and news.
pub(super) fn comes_on(event: &Event) -> bool {
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
        | Event::Finished => true,
    }
}

/// What is said of something.
#[must_use]
pub fn message(artifact: &Artifact, untold: &Untold) -> Message {
    let Notice { text, .. } = &artifact.notify[untold.notice];
    let step = untold.step.as_ref().map_or("", StepId::as_str);
    let ours = match step {
        "" => "cutover {plan}: {why} ({at})",
        _ => "cutover {plan}: {why} (at {step}, {at})",
    };
    let mut said = String::new();
    // From left to right, so that nothing is filled into what was filled in.
    for part in text.as_deref().unwrap_or(ours).split('{').enumerate() {
        match part {
            (0, part) => said += part,
            (_, part) => {
                let (word, rest) = part.split_once('}').unwrap_or((part, ""));
                said += &match word {
                    "plan" => artifact.name.clone(),
                    "occasion" => untold.occasion.word().to_owned(),
                    "step" => step.to_owned(),
                    "why" => quiet(&untold.why),
                    "at" => show_second(untold.at),
                    _ => String::new(),
                };
                said += rest;
            }
        }
    }
    Message { text: said, plan: artifact.name.clone(), untold: untold.clone() }
}

/// Text that came from elsewhere and must call nobody, whatever chat shows it.
fn quiet(text: &str) -> String {
    let mut quiet = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !c.is_control() || *c == '\n') {
        match c {
            '&' => quiet += "&amp;",
            '<' => quiet += "&lt;",
            '>' => quiet += "&gt;",
            // With a space of no width behind it, it is no mention.
            '@' => quiet += "@\u{200b}",
            c => quiet.push(c),
        }
    }
    quiet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_called_by_what_a_record_says() {
        assert_eq!(
            quiet("<!channel> @here & \u{1b}[31m"),
            "&lt;!channel&gt; @\u{200b}here &amp; [31m"
        );
    }
}
