//! The keys of `tasks:` and `notify:`.

use super::{SLUG, SPAN, TEXT, one_or_more, secret};
use crate::language::shape::{Field, Shape, list, optional, required};
use crate::language::task::Place;
use cutover_steps::notify::{MailTls, Occasion};

pub(super) fn task() -> Vec<Field> {
    vec![
        required("name", "A name for the task; its step is `task/NAME`.", SLUG),
        optional(
            "run",
            "The program and its arguments, run without a shell in the plan's directory. Exit code 0 means done.",
            list(1, TEXT),
        ),
        optional(
            "manual",
            "What a person has to do, in words; `cutover confirm` confirms that it is done.",
            TEXT,
        ),
        optional(
            "after",
            "Begin after these changes have taken effect everywhere: `expand`, `switch`, `contract` or `record:ID`.",
            one_or_more(),
        ),
        optional(
            "check",
            "A command that checks whether the task is done: exit code 0 means yes, 1 means no. With it, a task that is already done is skipped, a crash in the middle is resolved, and no person has to confirm.",
            list(1, TEXT),
        ),
        optional(
            "within",
            "How long the command may take, default 1h; then it is killed with all processes that it has started.",
            SPAN,
        ),
        optional(
            "undo",
            "The command that undoes the task on the way back, after mail is routed back.",
            list(1, TEXT),
        ),
        optional(
            "undo_first",
            "Run `undo` before mail is routed back, which then waits for it: set this only if mail must not come back earlier.",
            Shape::Bool,
        ),
    ]
}

pub(super) fn tasks() -> Shape {
    let places = Place::ALL.iter();
    let tasks = || list(1, Shape::Object(task()));
    Shape::Object(places.map(|at| optional(at.word(), at.doc(), tasks())).collect())
}

pub(super) fn notice() -> Shape {
    Shape::Object(vec![
        required(
            "at",
            "When: at a point of the plan (`switch`: the switch begins; `contract`: the old side is left; `release`: the old host may be switched off), when a rollback begins and ends, or when the run is done, has halted, or waits for servers that are behind.",
            list(1, Shape::Choice(Occasion::WORDS)),
        ),
        optional(
            "webhook",
            "An address that takes JSON by POST, with the message in `text`, as chats do. Anyone who has it can write there, so it is a secret.",
            secret(),
        ),
        optional("mail", "Mail, instead of `webhook`.", mail()),
        optional(
            "text",
            "The message, with {plan}, {occasion}, {step}, {why} and {at} filled in.",
            TEXT,
        ),
    ])
}

fn mail() -> Shape {
    Shape::Object(vec![
        required("server", "HOST:PORT of a submission server or a relay.", TEXT),
        optional(
            "tls",
            "How TLS is used: `implicit` (the default for port 465), `starttls` (the default for other ports; nothing is sent without it), or `none`.",
            Shape::Choice(MailTls::WORDS),
        ),
        required("from", "The sender's address.", TEXT),
        required("to", "The recipients' addresses.", list(1, TEXT)),
        optional("user", "The user, if the server requires a login.", TEXT),
        optional("password", "The user's password.", secret()),
    ])
}
