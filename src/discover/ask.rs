//! Questions and answers.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use cutover_steps::ask::{Outside, Served};
use cutover_zone::{Name, RrKey};

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// Which zone is this domain in, and who serves it?
    Zone(Name),
    /// To the first of these authoritative servers that answers.
    Served {
        /// The servers.
        servers: Vec<SocketAddr>,
        /// Which RRset.
        key: RrKey,
    },
    /// To the resolver.
    Public(RrKey),
    /// The MTA-STS policy of this domain, from its web server.
    Policy(Name),
}

/// The answer to a question of the same kind.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The zone; or why it is not known.
    Zone(Result<ZoneServers, String>),
    /// By an authoritative server.
    Served(Served),
    /// By the resolver.
    Public(Outside),
    /// The text; or why there is none.
    Policy(Result<String, String>),
}

/// The answers so far.
pub type Answers = BTreeMap<Question, Answer>;

/// A zone, and who serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneServers {
    /// The zone.
    pub origin: Name,
    /// The addresses of its servers; empty if they are not known.
    pub servers: Vec<SocketAddr>,
    /// The names of its servers.
    pub names: Vec<Name>,
    /// Whether the parent has a DS record for the zone; `None` if nobody knows.
    pub is_signed: Option<bool>,
    /// What is wrong with the delegation.
    pub problem: Option<String>,
    /// Servers that do not answer, or have another version of the zone than the first: a sentence
    /// each.
    pub odd: Vec<String>,
}
