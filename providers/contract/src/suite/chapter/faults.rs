//! What goes wrong on the way, and what may be said of it.

use super::super::bench::Fault;
use super::super::case::{Case, Step, case, lines};
use super::SMALL;

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = TABLE
        .iter()
        .map(|(fault, name, story)| {
            let edits = lines(&["@ MX 60 10 mail.newhost.example.", "new A 60 192.0.2.1"]);
            case(&format!("fault/{name}"), story, SMALL, vec![Step::Break(*fault, edits)])
        })
        .collect();
    cases.push(case(
        "fault/secrets",
        "Errors are printed, logged, kept in journals and pasted into tickets. No text of any error \
         of this run, for people or for debugging, down to its last source, has shown a secret.",
        SMALL,
        vec![Step::Secrets],
    ));
    cases
}

const TABLE: &[(Fault, &str, &str)] = &[
    (
        Fault::WrongCredentials,
        "wrong-credentials",
        "A person has to correct something; trying again changes nothing, and the zone is there.",
    ),
    (Fault::Down, "down", "Nobody listens: nothing was done, and it may pass."),
    (
        Fault::Silent,
        "silent",
        "Requests are taken and never answered. You give up within a bounded time, and say no more \
         than you know: a read was not answered; a write that was sent may have been made.",
    ),
    (
        Fault::Garbage,
        "garbage",
        "A proxy, a captive portal, another protocol: answers without sense are never taken for a \
         zone, for an empty zone, or for a success.",
    ),
    (
        Fault::CutBeforeEffect,
        "cut-before-effect",
        "The connection breaks when the write is sent, and nothing was made. You cannot know that.",
    ),
    (
        Fault::CutAfterEffect,
        "cut-after-effect",
        "The same at your end, and everything was made. Whoever says `failed` has the change sent \
         again; whoever says `done` has guessed.",
    ),
    (
        Fault::GarbageToWrite,
        "garbage-to-write",
        "The answer to the write makes no sense: it may have been made.",
    ),
    (
        Fault::Throttled,
        "throttled",
        "The provider asks for patience. That is neither a refusal nor an outage, and it says for how \
         long.",
    ),
    (
        Fault::ServerFailure,
        "server-failure",
        "The server fails at the write, for a reason of its own.",
    ),
];
