//! Questions whose answers come while a run goes on, each of a type of its own.
//!
//! An answer stands beside the question that it answers ([`Answered`]): whoever answers has a question of
//! one kind in hand, and an answer of another kind cannot be written beside it.

use std::net::SocketAddr;
use std::time::Duration;

use cutover_contract::{Name, RrKey};

use super::{Outside, Page, Said, Served};
use crate::spec::ResolverAddress;

/// What one authoritative server serves of one RRset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskServer {
    /// The zone.
    pub zone: Name,
    /// Where to ask.
    pub server: SocketAddr,
    /// Which RRset.
    pub key: RrKey,
    /// Whether its absence is one of the things that are looked for: a wildcard may answer then.
    pub or_absent: bool,
}

/// What a resolver gives of one RRset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskResolver {
    /// Whom to ask.
    pub resolver: ResolverAddress,
    /// Which RRset.
    pub key: RrKey,
}

/// What a command says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskCommand {
    /// The program and its arguments; no shell.
    pub argv: Vec<String>,
    /// How long it may take; then it is killed, and all that it has started.
    pub within: Duration,
}

/// What a web server answers to a GET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskWeb {
    /// The address.
    pub url: String,
    /// A text that is looked for in the beginning of the answer's body.
    pub contains: Option<String>,
    /// How long it may take.
    pub within: Duration,
}

/// A question of a gate or of a task's check, closed over protocols.
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
    /// By a command; or why it could not be run to its end.
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

    /// What a command said; or why it could not be run to its end.
    #[must_use]
    pub fn command(&self) -> Option<&Result<Said, String>> {
        match self {
            Self::Command(_, answer) => Some(answer),
            Self::Served(..) | Self::Resolved(..) | Self::Http(..) => None,
        }
    }

    /// What a web server answered; or why there is no answer.
    #[must_use]
    pub fn http(&self) -> Option<&Result<Page, String>> {
        match self {
            Self::Http(_, answer) => Some(answer),
            Self::Served(..) | Self::Resolved(..) | Self::Command(..) => None,
        }
    }
}
