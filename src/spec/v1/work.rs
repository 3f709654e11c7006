//! The keys of tasks and notices.

use super::{SLUG, SPAN, TEXT, one_or_more, secret};
use crate::spec::notify::{MailTls, Occasion};
use crate::spec::shape::{Field, Shape, list, optional, required};
use crate::spec::task::Place;

pub(super) fn task() -> Vec<Field> {
    vec![
        required("name", "A name for the task; its step is `task/NAME`.", SLUG),
        optional(
            "run",
            "The program and its arguments, run without a shell in the plan's directory; exit code 0 means done.",
            list(1, TEXT),
        ),
        optional(
            "manual",
            "What a person has to do, in words; `cutover confirm` says that it is done.",
            TEXT,
        ),
        optional(
            "after",
            "What has to have taken effect everywhere before it begins: `expand`, `switch`, `contract` or `record:ID`.",
            one_or_more(),
        ),
        optional(
            "check",
            "A command that says whether it is done: exit code 0, and 1 for no. With it a task that is done already is not done again, a crash in the middle is settled, and a person need not confirm.",
            list(1, TEXT),
        ),
        optional(
            "within",
            "How long the command may take, default 1h; then it is killed with all that it has started.",
            SPAN,
        ),
        optional(
            "undo",
            "The command that takes it back, on the way back: after the records that lead mail back.",
            list(1, TEXT),
        ),
        optional(
            "undo_first",
            "`undo` is run before mail is led back, which waits for it: say so only where mail must not come back before.",
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
            "When: at each point of the plan (`switch`: the switch begins; `contract`: the old side is left; `release`: the old host may be switched off), and when the run goes back and has come back, is done, has halted, or waits for servers that are behind.",
            list(1, Shape::Choice(Occasion::WORDS)),
        ),
        optional(
            "webhook",
            "An address that takes JSON by POST, with the words in `text`, as chats do; whoever has it can write there, so it is a secret.",
            secret(),
        ),
        optional("mail", "Mail, instead of `webhook`.", mail()),
        optional(
            "text",
            "The words, with {plan}, {occasion}, {step}, {why} and {at} in them.",
            TEXT,
        ),
    ])
}

fn mail() -> Shape {
    Shape::Object(vec![
        required("server", "HOST:PORT of a submission server or a relay.", TEXT),
        optional(
            "tls",
            "How TLS is spoken: `implicit` (unless said, at port 465), `starttls` (unless said, at others; nothing is sent without it), `none`.",
            Shape::Choice(MailTls::WORDS),
        ),
        required("from", "The sender's address.", TEXT),
        required("to", "The recipients' addresses.", list(1, TEXT)),
        optional("user", "The user, where the server wants one.", TEXT),
        optional("password", "The user's password.", secret()),
    ])
}
