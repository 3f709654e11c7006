//! Turns outcomes into events.
//!
//! Each function takes a question and its answer, and returns the events to record. It may also note
//! something in this process's [`Memory`]. A missing answer never counts as "no".

use std::time::Duration;

use cutover_contract::{Change, ChangeSet, Next as AfterError, ProviderError, Receipt};
use cutover_zone::{Name, RrSet};

use super::memory::{Doubt, Memory, StepMemory};
use super::next::{Look, See};
use super::notification::{NotSent, Notification};
use super::pace::{PAUSE_MAX, SEE_EVERY, SEE_MAX, SEE_QUICKLY_COUNT, SEE_SLOWLY_EVERY, TRIES_MAX};
use super::poll::{all_equal, wait_begun};
use super::state::Standing;
use super::{RunState, gate, work};
use crate::artifact::{Artifact, Relied};
use crate::journal::{Difference, Event, Halt, HaltReason};
use cutover_base::calendar::{Moment, Timestamp, later, show_exact, show_span};
use cutover_steps::ask::{Answered, Served};
use cutover_steps::authority::Authority;
use cutover_steps::graph::{Step, StepId};
use cutover_steps::probe;

/// After the provider was asked what it holds.
pub fn looked(
    look: Look,
    memory: &mut StepMemory,
    (step, changes): (&Step, &ChangeSet),
    answer: Result<Vec<Option<RrSet>>, ProviderError>,
    is_held: bool,
    now: Timestamp,
) -> Vec<Event> {
    if look == Look::StillThere {
        memory.change.doubted = Some(Doubt::Settled(now));
        return still_held(step, changes, answer);
    }
    let live = match answer {
        Ok(live) => live,
        Err(error) => return failed(memory, step, &error, now),
    };
    memory.tries = None;
    let is_before = all_equal(&live, changes.changes().iter().map(|c| &c.before));
    let is_after = all_equal(&live, changes.changes().iter().map(|c| &c.after));
    let id = || step.id.clone();
    match look {
        // A step that is held up begins later. What is there by then does not matter yet.
        Look::BeforeSending if is_before || (is_after && is_held) => {
            memory.seen_before = true;
            Vec::new()
        }
        // Somebody else has made the change. There is nothing to send, but the servers may not have it yet.
        Look::BeforeSending if is_after => {
            memory.change.found = true;
            vec![Event::Begun { step: id() }]
        }
        Look::AfterSending if is_after => {
            let serial = memory.change.sent.take().and_then(|receipt| receipt.serial);
            vec![Event::Written { step: id(), serial }]
        }
        Look::AfterSending if is_before => {
            memory.change.sent = None;
            let detail = "the provider took the change and did not make it".to_owned();
            let halt = Halt {
                differences: differences(changes, &live),
                ..Halt::at(step, HaltReason::Refused, detail)
            };
            vec![Event::NotMade { step: id() }, Event::Halted(halt)]
        }
        Look::InDoubt if is_after => {
            memory.change.missed_once = false;
            memory.change.found = true;
            Vec::new()
        }
        Look::InDoubt if is_before => {
            memory.change.missed_once = !memory.change.missed_once;
            if memory.change.missed_once {
                return Vec::new();
            }
            let mut events = vec![Event::NotMade { step: id() }];
            let setbacks = memory.setbacks;
            if setbacks >= TRIES_MAX {
                let detail = format!("it was sent {setbacks} times, and is not there");
                events.push(halted(step, HaltReason::Unanswered, detail));
            }
            events
        }
        Look::BeforeSending | Look::AfterSending | Look::InDoubt | Look::StillThere => {
            vec![drift(step, changes, &live)]
        }
    }
}

/// After a provider was asked whether it still holds what the proof relies on.
pub fn relied_on(
    memory: &mut Memory,
    (step, zone, relied): (&Step, &Name, &Relied),
    answer: Result<Vec<Option<RrSet>>, ProviderError>,
    now: Timestamp,
) -> Vec<Event> {
    let live = match answer {
        Ok(live) => live,
        Err(error) => return failed(memory.at(&step.id), step, &error, now),
    };
    memory.at(&step.id).tries = None;
    let pairs = relied.rrsets.iter().zip(live).filter(|((_, seen), live)| *seen != live);
    let differences = pairs.map(|((key, seen), live)| Difference {
        key: key.clone(),
        planned: seen.clone(),
        expected: seen.clone(),
        live,
    });
    let differences: Vec<Difference> = differences.collect();
    if differences.is_empty() {
        memory.note_relied(zone);
        return Vec::new();
    }
    let detail = "somebody else has edited what the proof relies on, and it holds no longer";
    vec![Event::Halted(Halt { differences, ..Halt::at(step, HaltReason::Drift, detail) })]
}

/// Whether a provider still holds what was written. If it cannot be asked, the run goes on asking the
/// servers.
fn still_held(
    step: &Step,
    changes: &ChangeSet,
    answer: Result<Vec<Option<RrSet>>, ProviderError>,
) -> Vec<Event> {
    let Ok(live) = answer else { return Vec::new() };
    let pairs = changes.changes().iter().zip(live).filter(|(change, live)| change.after != *live);
    let differences = pairs.map(|(change, live)| Difference {
        key: change.key.clone(),
        planned: change.after.clone(),
        expected: change.after.clone(),
        live,
    });
    let differences: Vec<Difference> = differences.collect();
    if differences.is_empty() {
        return Vec::new();
    }
    let detail = "somebody else has written in its place what was written just now".to_owned();
    vec![Event::Halted(Halt { differences, ..Halt::at(step, HaltReason::Drift, detail) })]
}

/// After a change was sent.
pub fn performed(
    memory: &mut StepMemory,
    step: &Step,
    answer: Result<Receipt, ProviderError>,
    now: Timestamp,
) -> Vec<Event> {
    memory.seen_before = false;
    match answer {
        // The adapter has read the change back itself.
        Ok(Receipt { serial, read_back: true }) => {
            memory.tries = None;
            vec![Event::Written { step: step.id.clone(), serial }]
        }
        Ok(receipt) => {
            memory.tries = None;
            memory.change.sent = Some(receipt);
            Vec::new()
        }
        Err(error) => {
            let is_last = memory.setback();
            let reason = match error.next() {
                // The next look shows whether it was made.
                AfterError::Look => {
                    return vec![Event::Unsure {
                        step: step.id.clone(),
                        detail: error.to_string(),
                    }];
                }
                AfterError::Fix => Some(HaltReason::Refused),
                // The next look shows what is there. The provider and the look may keep disagreeing, so
                // the tries are bounded.
                AfterError::Halt => is_last.then_some(HaltReason::Drift),
                AfterError::Retry(pause) => {
                    let again = later(now, pause.min(PAUSE_MAX));
                    memory.pause(0, again);
                    is_last.then_some(HaltReason::Unanswered)
                }
            };
            let halt = reason.map(|reason| halted(step, reason, error.to_string()));
            std::iter::once(Event::NotMade { step: step.id.clone() }).chain(halt).collect()
        }
    }
}

/// After a change that was found made was published to the servers.
pub fn published(
    memory: &mut StepMemory,
    step: &Step,
    answer: Result<(), ProviderError>,
    now: Timestamp,
) -> Vec<Event> {
    match answer {
        Ok(()) => {
            memory.tries = None;
            memory.change.found = false;
            vec![Event::Written { step: step.id.clone(), serial: None }]
        }
        // Whatever the error is, the provider holds the change and has not published it.
        Err(error) => failed_as(memory, step, &error, now, |_| HaltReason::Unpublished),
    }
}

/// What every server answered for every RRset of a change.
#[derive(Clone, Copy, Debug)]
pub struct PropagationCheck<'s> {
    /// The change whose new version is to be served.
    pub changes: &'s ChangeSet,
    /// The servers that were asked.
    pub servers: &'s [&'s Authority],
    /// In the order of the servers, each with one answer per RRset.
    pub answers: &'s [Vec<Served>],
    /// The lagging servers that the journal already names for this step.
    pub named: Option<&'s str>,
}

/// After every server was asked for every RRset of a change. `held` is until when the step is held up.
pub fn seen(
    see: See<'_>,
    memory: &mut StepMemory,
    step: &Step,
    PropagationCheck { changes, servers, answers, named }: PropagationCheck<'_>,
    held: Option<Timestamp>,
    now: Timestamp,
) -> Vec<Event> {
    let is_written = matches!(see, See::Written { .. });
    let mut lagging = Vec::new();
    let mut first_of_each = Vec::new();
    let mut is_silent = false;
    for (server, served) in servers.iter().zip(answers) {
        let pairs = changes.changes().iter().zip(served);
        let own = pairs.filter_map(|(change, served)| {
            is_silent |= matches!(served, Served::Unanswered(_));
            not_yet(change, served).map(|what| format!("{} {what}", server.address))
        });
        let own: Vec<String> = own.collect();
        first_of_each.extend(own.first().cloned());
        lagging.extend(own);
    }
    let name = |until: Timestamp| {
        let detail = format!(
            "{}; asked until {}, then the run halts",
            first_of_each.join("; "),
            show_exact(until)
        );
        // The details differ with each answer, so the servers are compared: the same ones are named once.
        let who = |detail: &str| -> Vec<String> {
            let parts = detail.split("; ").filter_map(|part| part.split(' ').next());
            parts.map(str::to_owned).collect()
        };
        let is_known = named.is_some_and(|named| who(named) == who(&detail));
        (!is_known).then(|| Event::Behind { step: step.id.clone(), detail })
    };
    match (see, lagging.is_empty()) {
        (See::Written { .. }, true) => {
            memory.tries = None;
            vec![Event::Propagated { step: step.id.clone(), servers: servers.len() }]
        }
        (See::Lapsed { wait, at }, true) => {
            memory.tries = None;
            vec![wait_begun(step, wait, now.max(at))]
        }
        (See::Written { at } | See::Lapsed { at, .. }, false) => {
            if now >= later(at, SEE_MAX) {
                let detail = format!("after {}: {}", show_span(SEE_MAX), lagging.join("; "));
                return vec![halted(step, HaltReason::Unanswered, detail)];
            }
            let tries = memory.tried();
            let is_quick = tries < SEE_QUICKLY_COUNT;
            let is_foreign = |(change, served): (&Change, &Served)| {
                !matches!(served, Served::Unanswered(_))
                    && !served.may_be(|is| change.leads_to(is) || change.starts_from(is))
            };
            let mut pairs = answers.iter().flat_map(|served| changes.changes().iter().zip(served));
            if is_written && (!is_quick || pairs.any(is_foreign)) {
                memory.change.doubt(now);
            }
            let pause = if is_quick { SEE_EVERY } else { SEE_SLOWLY_EVERY };
            memory.pause(tries.saturating_add(1), later(now, pause));
            // Secondaries normally lag for a moment, so a lagging server is named only at the slower pace.
            // A server that does not answer is named at once.
            let names = is_silent || !is_quick;
            names.then(|| name(later(at, SEE_MAX))).flatten().into_iter().collect()
        }
        (See::AtEnd { .. }, true) => match held {
            Some(held) => {
                memory.pause(0, held);
                Vec::new()
            }
            None => {
                memory.tries = None;
                vec![Event::WaitEnded { step: step.id.clone() }]
            }
        },
        (See::AtEnd { until }, false) => {
            let waits = name(later(until, SEE_MAX));
            let events = at_the_end(memory, step, changes, answers, lagging, until, now);
            if events.is_empty() { waits.into_iter().collect() } else { events }
        }
    }
}

/// After the queries of a step were answered. Answers that are no longer needed are dropped: the run has
/// halted, was turned back or superseded meanwhile, the step is done, or its window has closed.
pub fn answered(
    artifact: &Artifact,
    state: &RunState,
    memory: &mut Memory,
    step: &StepId,
    answers: Vec<Answered>,
    moment: Moment,
) -> Vec<Event> {
    let Some(place) = artifact.graph.place(step) else { return Vec::new() };
    let step = &artifact.graph.steps()[place];
    let memory = memory.at(&step.id);
    if !std::mem::take(&mut memory.asking) {
        return Vec::new();
    }
    let is_open = state.halted.is_none()
        && state.finished.is_none()
        && state.open(artifact).contains(&place)
        && step.window.as_ref().is_none_or(|window| window.is_open(moment.at));
    match state.standing(step, place) {
        _ if !is_open => {
            memory.rounds.clear();
            Vec::new()
        }
        Standing::Gate(gate, _) => {
            let since = gate::since(state.ready_since(artifact, step), moment.at);
            memory.rounds.push(answers);
            match gate::ask(artifact, gate, &memory.rounds, since) {
                // `poll` asks for the same again.
                probe::Next::Ask(_) => Vec::new(),
                probe::Next::Found(finding, detail) => {
                    memory.rounds.clear();
                    vec![Event::Probed { step: step.id.clone(), finding, detail }]
                }
            }
        }
        Standing::Task(task, is) => {
            let results = answers.iter().filter_map(Answered::command);
            results
                .flat_map(|said| {
                    work::checked(state, place, memory, (step, task, is), said, moment)
                })
                .collect()
        }
        // These have no queries that run in the background.
        Standing::Change(..) | Standing::Wait(..) | Standing::Checkpoint(..) => Vec::new(),
    }
}

/// After an attempt to send a notification. A failure is recorded and does not delay the run.
#[must_use]
pub fn notified(notification: &Notification, answer: Result<(), NotSent>) -> Vec<Event> {
    let Notification { seq, notice, occasion, at: _, step, why: _ } = notification.clone();
    vec![Event::Told { seq, notice, occasion, step, problem: answer.err().map(|NotSent(why)| why) }]
}

/// After a check at the end of a wait found a server that does not serve the new version.
fn at_the_end(
    memory: &mut StepMemory,
    step: &Step,
    changes: &ChangeSet,
    answers: &[Vec<Served>],
    lagging: Vec<String>,
    until: Timestamp,
    now: Timestamp,
) -> Vec<Event> {
    let pairs = || answers.iter().flat_map(|served| changes.changes().iter().zip(served));
    let new = |(change, served): &(&Change, &Served)| served.may_be(|is| change.leads_to(is));
    let old_version = pairs().any(|pair| !new(&pair) && pair.1.may_be(|is| pair.0.starts_from(is)));
    let silent = pairs().all(|pair| matches!(pair.1, Served::Unanswered(_)) || new(&pair));
    if old_version {
        // The old version is served again, so it may be cached again: the wait has to start over.
        memory.pause(0, later(now, SEE_EVERY));
        let detail = lagging.join("; ");
        let halt = memory.setback().then(|| {
            let detail = format!("it has started anew {TRIES_MAX} times: {detail}");
            halted(step, HaltReason::Unanswered, detail)
        });
        let lapsed = Event::Lapsed { step: step.id.clone(), detail };
        return std::iter::once(lapsed).chain(halt).collect();
    }
    if silent && now < later(until, SEE_MAX) {
        memory.pause(0, later(now, SEE_SLOWLY_EVERY));
        return Vec::new();
    }
    if silent {
        return vec![halted(step, HaltReason::Unanswered, lagging.join("; "))];
    }
    let differing = pairs().find(|pair| !matches!(pair.1, Served::Unanswered(_)) && !new(pair));
    let differences = differing.map(|(change, served)| Difference {
        key: change.key.clone(),
        planned: change.after.clone(),
        expected: change.after.clone(),
        live: served.records().cloned(),
    });
    vec![Event::Halted(Halt {
        differences: differences.into_iter().collect(),
        ..Halt::at(step, HaltReason::Drift, lagging.join("; "))
    })]
}

/// In which way a server does not serve the new version; `None` if it does.
fn not_yet(change: &Change, served: &Served) -> Option<String> {
    match served {
        Served::Unanswered(why) => Some(format!("does not answer for {}: {why}", change.key)),
        Served::Answer(_) | Served::Wildcard(_) if served.may_be(|is| change.leads_to(is)) => None,
        Served::Answer(_) | Served::Wildcard(_) if served.may_be(|is| change.starts_from(is)) => {
            Some(format!("still serves the old {}", change.key))
        }
        Served::Answer(_) | Served::Wildcard(_) => Some(format!("serves another {}", change.key)),
    }
}

fn differences(changes: &ChangeSet, live: &[Option<RrSet>]) -> Vec<Difference> {
    let pairs = changes.changes().iter().zip(live);
    pairs
        .filter(|(change, live)| change.before != **live)
        .map(|(change, live)| Difference {
            key: change.key.clone(),
            planned: change.after.clone(),
            expected: change.before.clone(),
            live: live.clone(),
        })
        .collect()
}

fn drift(step: &Step, changes: &ChangeSet, live: &[Option<RrSet>]) -> Event {
    Event::Halted(Halt {
        differences: differences(changes, live),
        ..Halt::at(step, HaltReason::Drift, "")
    })
}

fn halted(step: &Step, reason: HaltReason, detail: String) -> Event {
    Event::Halted(Halt::at(step, reason, detail))
}

/// After a provider could not be asked, or refused: retries a bounded number of times if that can help,
/// then halts.
fn failed(
    memory: &mut StepMemory,
    step: &Step,
    error: &ProviderError,
    now: Timestamp,
) -> Vec<Event> {
    failed_as(memory, step, error, now, |reason| reason)
}

/// As [`failed`], with another reason for the halt.
fn failed_as(
    memory: &mut StepMemory,
    step: &Step,
    error: &ProviderError,
    now: Timestamp,
    reason: impl Fn(HaltReason) -> HaltReason,
) -> Vec<Event> {
    let pause = match error.next() {
        AfterError::Fix | AfterError::Halt => {
            return vec![halted(step, reason(HaltReason::Refused), error.to_string())];
        }
        AfterError::Retry(pause) => pause.min(PAUSE_MAX),
        AfterError::Look => Duration::ZERO,
    };
    let tries = memory.tried();
    if tries + 1 >= TRIES_MAX {
        memory.tries = None;
        return vec![halted(step, reason(HaltReason::Unanswered), error.to_string())];
    }
    memory.pause(tries + 1, later(now, pause));
    Vec::new()
}
