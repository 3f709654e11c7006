//! Questions that are answered while a run continues, each with its own type.
//!
//! [`Answered`] pairs every question with an answer of the matching type, so an answer of the wrong
//! kind cannot be expressed.

use std::net::SocketAddr;
use std::time::Duration;

use cutover_contract::{Name, RrKey};

use super::{Outside, Page, Said, Served};
use crate::spec::ResolverAddress;

/// Asks an authoritative server for an RRset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskServer {
    /// The zone.
    pub zone: Name,
    /// Where to ask.
    pub server: SocketAddr,
    /// Which RRset.
    pub key: RrKey,
    /// Whether its absence is an acceptable answer; a wildcard may answer then.
    pub or_absent: bool,
}

/// Asks a resolver for an RRset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskResolver {
    /// Whom to ask.
    pub resolver: ResolverAddress,
    /// Which RRset.
    pub key: RrKey,
}

/// Runs a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskCommand {
    /// The program and its arguments; no shell.
    pub argv: Vec<String>,
    /// How long it may take; then it is killed, with all processes that it has started.
    pub within: Duration,
}

/// Sends a GET to a web server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskWeb {
    /// The address.
    pub url: String,
    /// A text to look for at the beginning of the answer's body.
    pub contains: Option<String>,
    /// How long it may take.
    pub within: Duration,
}

/// A question of a gate or of a task's check, in any protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// To an authoritative server.
    Served(AskServer),
    /// To a resolver.
    Resolved(AskResolver),
    /// To a command.
    Command(AskCommand),
    /// To a web server.
    Http(AskWeb),
}

/// A [`Query`] and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// By an authoritative server.
    Served(AskServer, Served),
    /// By a resolver.
    Resolved(AskResolver, Outside),
    /// By a command; or why it did not complete.
    Command(AskCommand, Result<Said, String>),
    /// By a web server; or why there is no answer.
    Http(AskWeb, Result<Page, String>),
}

impl Answered {
    /// The answer of an authoritative server, and the question.
    #[must_use]
    pub fn served(&self) -> Option<(&AskServer, &Served)> {
        match self {
            Self::Served(question, answer) => Some((question, answer)),
            Self::Resolved(..) | Self::Command(..) | Self::Http(..) => None,
        }
    }

    /// The answer of a resolver, and the question.
    #[must_use]
    pub fn resolved(&self) -> Option<(&AskResolver, &Outside)> {
        match self {
            Self::Resolved(question, answer) => Some((question, answer)),
            Self::Served(..) | Self::Command(..) | Self::Http(..) => None,
        }
    }

    /// The result of a command; or why it did not complete.
    #[must_use]
    pub fn command(&self) -> Option<&Result<Said, String>> {
        match self {
            Self::Command(_, answer) => Some(answer),
            Self::Served(..) | Self::Resolved(..) | Self::Http(..) => None,
        }
    }

    /// The answer of a web server; or why there is none.
    #[must_use]
    pub fn http(&self) -> Option<&Result<Page, String>> {
        match self {
            Self::Http(_, answer) => Some(answer),
            Self::Served(..) | Self::Resolved(..) | Self::Command(..) => None,
        }
    }
}
