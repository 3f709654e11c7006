//! What goes wrong between adapter and provider, and what the adapter may report.

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
        "Errors are printed, logged, kept in journals and pasted into tickets. No error of this \
         run shows a secret in any of its texts, for people or for debugging, down to the last \
         source.",
        SMALL,
        vec![Step::Secrets],
    ));
    cases
}

const TABLE: &[(Fault, &str, &str)] = &[
    (
        Fault::WrongCredentials,
        "wrong-credentials",
        "A person must correct the credentials. Trying again does not help, and the zone exists.",
    ),
    (Fault::Down, "down", "Nothing listens. Nothing was done, and trying again may help."),
    (
        Fault::Silent,
        "silent",
        "Requests are accepted and never answered. You give up within a bounded time, and report \
         no more than you know: a read got no answer; a write that was sent may have been made.",
    ),
    (
        Fault::Garbage,
        "garbage",
        "A proxy, a captive portal or another protocol answers. You never take nonsense for a \
         zone, for an empty zone, or for success.",
    ),
    (
        Fault::CutBeforeEffect,
        "cut-before-effect",
        "The connection breaks while the write is sent, and nothing was made. You cannot know \
         that.",
    ),
    (
        Fault::CutAfterEffect,
        "cut-after-effect",
        "It looks the same to you, but everything was made. If you report a failure, the change is \
         sent again; if you report success, you have guessed.",
    ),
    (
        Fault::GarbageToWrite,
        "garbage-to-write",
        "The answer to the write makes no sense: the change may have been made.",
    ),
    (
        Fault::Throttled,
        "throttled",
        "The provider asks you to wait. That is neither a refusal nor an outage, and you report \
         how long.",
    ),
    (
        Fault::ServerFailure,
        "server-failure",
        "The server fails at the write, for reasons of its own.",
    ),
];
