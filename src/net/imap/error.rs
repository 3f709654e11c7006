//! What ends a session, or a command.

use std::io;
use std::time::Duration;

use crate::status::Reply;

/// Why a session cannot be used any longer, or a command failed.
#[derive(Debug, thiserror::Error)]
pub enum ImapError {
    /// There is no connection.
    #[error("no connection to {server}: {error}")]
    Connect {
        /// Host and port.
        server: String,
        /// The system's error.
        error: io::Error,
    },
    /// TLS failed: most often the certificate is not the host's, or its authority is unknown.
    #[error("no TLS with {server}: {error}")]
    Tls {
        /// Host and port.
        server: String,
        /// What TLS says.
        error: io::Error,
    },
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
    /// The server closed the connection, with its last words if there were any.
    #[error("the server closed the connection{}", said(.0))]
    Closed(String),
    /// Nothing came, or nothing was taken, for this long.
    #[error("the server was silent for {} s", .0.as_secs())]
    Silent(Duration),
    /// A response exceeds a bound.
    #[error("a response of the server has {what}: more than {bound} is not taken")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The bound.
        bound: u64,
    },
    /// The server does not speak IMAP, or answers what cannot follow.
    #[error("not an answer of IMAP: {0}")]
    Protocol(String),
    /// The server does not offer what the command needs.
    #[error("the server does not offer {0}")]
    NotOffered(&'static str),
    /// Whoever gives out access tokens gives none.
    #[error("no access token: {0}")]
    NoToken(String),
    /// The server refuses the sign-in.
    #[error("the sign-in is refused: {0}")]
    SignIn(Reply),
    /// The server refuses a command.
    #[error("{command} is refused: {reply}")]
    Refused {
        /// The command's name.
        command: String,
        /// What the server says.
        reply: Reply,
    },
}

impl ImapError {
    /// Whether the session is over. A refused command leaves it open.
    #[must_use]
    pub fn ends_session(&self) -> bool {
        !matches!(self, Self::Refused { .. } | Self::NotOffered(_))
    }

    /// The same, of a command that signs in; without the secrets that the server may have repeated.
    pub(crate) fn into_sign_in(self, secrets: &[String]) -> Self {
        let without = |text: &str| {
            secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "[secret]"))
        };
        match self {
            Self::Refused { command: _, mut reply } => {
                reply.text = without(&reply.text);
                Self::SignIn(reply)
            }
            Self::Protocol(words) => Self::Protocol(without(&words)),
            Self::Closed(words) => Self::Closed(without(&words)),
            other @ (Self::Connect { .. }
            | Self::Tls { .. }
            | Self::Broken(_)
            | Self::Silent(_)
            | Self::TooLarge { .. }
            | Self::NotOffered(_)
            | Self::NoToken(_)
            | Self::SignIn(_)) => other,
        }
    }

    /// What the server said, if it said anything.
    #[must_use]
    pub fn reply(&self) -> Option<&Reply> {
        match self {
            Self::SignIn(reply) | Self::Refused { reply, .. } => Some(reply),
            Self::Connect { .. }
            | Self::Tls { .. }
            | Self::Broken(_)
            | Self::Closed(_)
            | Self::Silent(_)
            | Self::TooLarge { .. }
            | Self::Protocol(_)
            | Self::NotOffered(_)
            | Self::NoToken(_) => None,
        }
    }
}

fn said(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(": {words}") }
}
