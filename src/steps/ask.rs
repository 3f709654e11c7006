//! Questions that are answered while a run continues, each with its own type.
//!
//! [`Answered`] pairs every question with an answer of the matching type, so an answer of the wrong
//! kind cannot be expressed.

mod mail;
mod round_trip;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cutover_zone::{Name, Rdata, RrKey, RrSet};

use crate::resolver::ResolverAddress;

pub use mail::{
    AskDocument, AskHost, AskImap, AskLines, AskMailboxes, AskName, AskSmtp, Broken, Certified,
    Channel, Dane, Encrypts, Fetched, LoggedIn, Looked, MailLogin, MailSeen, MailboxesSeen,
    NoLines, Reply, Resolvers, SmtpCommand, Trust,
};
pub use round_trip::{Arrival, AskRoundTrip, MessageSeen, RoundTripSeen, SENDING, Unopened};

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
    /// To a server that takes mail.
    Smtp(AskSmtp),
    /// To a server of mailboxes.
    Imap(AskImap),
    /// To resolvers, for whatever there is, and whether it is validated.
    Name(AskName),
    /// To a web server, for a whole document.
    Document(AskDocument),
    /// To a file.
    Lines(AskLines),
    /// To the mailboxes of two hosts.
    Mailboxes(Box<AskMailboxes>),
    /// To servers that take mail, and to a mailbox.
    RoundTrip(Box<AskRoundTrip>),
}

/// A [`Query`] and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// By an authoritative server.
    Served(AskServer, Served),
    /// By a resolver.
    Resolved(AskResolver, Outside),
    /// By a command; or why it did not complete.
    Command(AskCommand, Result<Said, NoEnd>),
    /// By a web server; or why there is no answer.
    Http(AskWeb, Result<Page, NoPage>),
    /// By a server that takes mail.
    Smtp(AskSmtp, MailSeen),
    /// By a server of mailboxes.
    Imap(AskImap, MailSeen),
    /// By resolvers.
    Name(AskName, Looked),
    /// By a web server, with a whole document.
    Document(AskDocument, Fetched),
    /// By a file; or why it cannot be read.
    Lines(AskLines, Result<Vec<String>, NoLines>),
    /// By the mailboxes of two hosts.
    Mailboxes(Box<AskMailboxes>, MailboxesSeen),
    /// By servers that take mail, and by a mailbox.
    RoundTrip(Box<AskRoundTrip>, RoundTripSeen),
}

/// What an answer of one kind is, and of another is not.
macro_rules! only {
    ($answered:expr, $kind:ident($($part:ident),+) => $is:expr) => {
        match $answered {
            Answered::$kind($($part),+) => Some($is),
            _ => None,
        }
    };
}

impl Answered {
    /// The answer of an authoritative server, and the question.
    #[must_use]
    pub fn served(&self) -> Option<(&AskServer, &Served)> {
        only!(self, Served(question, answer) => (question, answer))
    }

    /// The answer of a resolver, and the question.
    #[must_use]
    pub fn resolved(&self) -> Option<(&AskResolver, &Outside)> {
        only!(self, Resolved(question, answer) => (question, answer))
    }

    /// The result of a command; or why it did not complete.
    #[must_use]
    pub fn command(&self) -> Option<&Result<Said, NoEnd>> {
        only!(self, Command(_question, answer) => answer)
    }

    /// The answer of a web server; or why there is none.
    #[must_use]
    pub fn http(&self) -> Option<&Result<Page, NoPage>> {
        only!(self, Http(_question, answer) => answer)
    }

    /// What was seen of the mailboxes of two hosts.
    #[must_use]
    pub fn mailboxes(&self) -> Option<&MailboxesSeen> {
        only!(self, Mailboxes(_question, seen) => seen)
    }

    /// What became of messages that were sent, and the question.
    #[must_use]
    pub fn round_trip(&self) -> Option<(&AskRoundTrip, &RoundTripSeen)> {
        only!(self, RoundTrip(question, seen) => (question, seen))
    }

    /// What was seen of a server that takes mail, and the question.
    #[must_use]
    pub fn smtp(&self) -> Option<(&AskSmtp, &MailSeen)> {
        only!(self, Smtp(question, answer) => (question, answer))
    }

    /// What was seen of a server of mailboxes, and the question.
    #[must_use]
    pub fn imap(&self) -> Option<(&AskImap, &MailSeen)> {
        only!(self, Imap(question, answer) => (question, answer))
    }

    /// What resolvers have answered, and the question.
    #[must_use]
    pub fn name(&self) -> Option<(&AskName, &Looked)> {
        only!(self, Name(question, answer) => (question, answer))
    }

    /// The document that a web server has, and the question.
    #[must_use]
    pub fn document(&self) -> Option<(&AskDocument, &Fetched)> {
        only!(self, Document(question, answer) => (question, answer))
    }

    /// The lines of a file; or why it cannot be read.
    #[must_use]
    pub fn lines(&self) -> Option<&Result<Vec<String>, NoLines>> {
        only!(self, Lines(_question, answer) => answer)
    }
}

/// An authoritative server's answer to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Served {
    /// This RRset, or none.
    Answer(Option<RrSet>),
    /// This RRset, which the server also returns for a sibling name that does not exist. So there
    /// may be no such RRset, and a wildcard or a DNAME answers.
    Wildcard(RrSet),
    /// No usable answer, and why.
    Unanswered(String),
}

impl Served {
    /// Whether the answer may be what is looked for, records or their absence.
    #[must_use]
    pub fn may_be(&self, is: impl Fn(Option<&RrSet>) -> bool) -> bool {
        match self {
            Self::Answer(answer) => is(answer.as_ref()),
            Self::Wildcard(rrset) => is(Some(rrset)) || is(None),
            Self::Unanswered(_) => false,
        }
    }

    /// The records in the answer.
    #[must_use]
    pub fn records(&self) -> Option<&RrSet> {
        match self {
            Self::Answer(answer) => answer.as_ref(),
            Self::Wildcard(rrset) => Some(rrset),
            Self::Unanswered(_) => None,
        }
    }
}

/// The result of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// The beginning of what it wrote to both outputs.
    pub output: String,
    /// Whether the output shows that it broke down before it could decide anything.
    pub broke_down: bool,
}

impl Said {
    /// A result with this exit code and output.
    #[must_use]
    pub fn with(code: i32, output: impl Into<String>) -> Self {
        Self { code: Some(code), output: output.into(), broke_down: false }
    }
}

/// How lines begin that programs write when they break down: Python, Java, Go, Rust, Node.js, PHP,
/// and Perl modules that die with a stack. What a shell cannot run has exit code 126 or 127
/// (POSIX).
const BREAKDOWNS: &[&str] = &[
    "Traceback (most recent call last):",
    "Exception in thread ",
    "Unhandled exception",
    "Uncaught exception",
    "panic: ",
    "fatal error: ",
    "thread '",
    "node:internal/",
    "PHP Fatal error:",
    "Fatal error: Uncaught ",
    "Can't locate ",
];

/// Whether a command's output is that of a program that broke down.
#[must_use]
pub fn is_breakdown(output: &str) -> bool {
    output.lines().any(|line| {
        let begins = BREAKDOWNS.iter().any(|beginning| line.starts_with(beginning));
        begins && (!line.starts_with("thread '") || line.contains("panicked at"))
    })
}

/// Why a command did not complete.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoEnd {
    /// It did not run: nothing was done.
    #[error("{0}")]
    NotRun(String),
    /// It ran, and nobody knows how far it got.
    #[error("{0}")]
    Cut(String),
}

/// Why a command could not be started: nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotStarted(pub String);

/// Why a web server did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoPage(pub String);

/// The answer of a web server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The status code.
    pub status: u16,
    /// Whether it contains the text that was looked for; `true` if none was.
    pub contains: bool,
}

/// A resolver's answer for a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outside {
    /// These records, with aliases followed.
    Records(Arc<[Rdata]>),
    /// The name or the type does not exist.
    Absent,
    /// No resolver was asked, or none answered; with the reason.
    Unknown(String),
}
