//! The keys of `hosts.*.mailboxes:` and `migrate.recipients:`.

use super::{TEXT, secret};
use crate::language::mailboxes::Security;
use crate::language::shape::{Shape, optional, required};

pub(super) fn mailboxes() -> Shape {
    let master = Shape::Object(vec![
        required("user", "The user who may open the mailboxes of others.", TEXT),
        required("password", "The password of this user.", secret()),
    ]);
    let sign_in = Shape::Object(vec![
        optional(
            "password",
            "The password of each user. `{user}` in the path or the command stands for the user.",
            secret(),
        ),
        optional(
            "token",
            "An OAuth 2 access token for each user; it is asked for again with every connection. `{user}` in the path or the command stands for the user.",
            secret(),
        ),
        optional(
            "master",
            "One user who opens all mailboxes: SASL PLAIN with the user as authorization identity.",
            master,
        ),
    ]);
    Shape::Object(vec![
        required("imap", "HOST:PORT of the IMAP server.", TEXT),
        optional(
            "security",
            "`tls`: TLS from the start (the default). `starttls`: TLS by STARTTLS (the default for port 143). `none`: no TLS, for `localhost` only.",
            Shape::Choice(Security::WORDS),
        ),
        optional(
            "authority",
            "A PEM file with the authorities that may sign the server's certificate. Default: those of the system.",
            TEXT,
        ),
        optional(
            "sign_in",
            "Who opens the mailboxes: one of `password`, `token` and `master`. Default: each user, with the secret that the list of recipients names.",
            sign_in,
        ),
    ])
}

pub(super) fn recipients() -> Shape {
    Shape::Object(vec![required(
        "file",
        "A CSV file with a line for each address; the columns are in plans/README.md. `cutover mailboxes` works on those that are mailboxes.",
        TEXT,
    )])
}
