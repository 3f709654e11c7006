//! Questions to mail servers: one session each, and what was seen in it.
//!
//! A session is described as data, so that a probe stays a pure function and the ideal world can
//! answer it: what is sent, in which order, and what a server without faults would reply.

use std::net::SocketAddr;
use std::time::Duration;

use cutover_zone::{Rdata, RrKey};

use crate::config::SecretRef;
use crate::mailboxes::{MailboxAccount, MailboxHost};

/// When a session is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encrypts {
    /// After STARTTLS, if the server offers it (RFC 3207, RFC 9051 §6.2.1).
    Upgraded,
    /// From the first octet (RFC 8314 §3).
    Implicit,
}

/// An account that logs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailLogin {
    /// The user.
    pub user: String,
    /// Where the password is.
    pub password: SecretRef,
}

/// What every session with a mail server has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskHost {
    /// Where to connect.
    pub server: SocketAddr,
    /// The name that the certificate has to have, sent as SNI.
    pub name: String,
    /// When the session is encrypted.
    pub encrypts: Encrypts,
    /// Who logs in. The password is sent over TLS only, and only to a server whose certificate is
    /// valid.
    pub login: Option<MailLogin>,
    /// How long the whole session may take.
    pub within: Duration,
}

/// Opens a session by SMTP (RFC 5321) and sends commands. It never sends DATA or BDAT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskSmtp {
    /// Whom to ask.
    pub host: AskHost,
    /// The TLSA records that the certificate is compared with, already validated.
    pub tlsa: Vec<Rdata>,
    /// The commands after EHLO and STARTTLS.
    pub commands: Vec<SmtpCommand>,
    /// How many commands are sent at once if the server offers PIPELINING (RFC 2920).
    pub group: usize,
    /// The pause after each group.
    pub pause: Duration,
}

/// A command of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpCommand {
    /// The line without its end.
    pub line: String,
    /// What a server without faults replies: what the ideal world answers.
    pub ideal: u16,
}

/// Opens a session by IMAP (RFC 9051, RFC 3501): capabilities, and LOGIN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskImap {
    /// Whom to ask.
    pub host: AskHost,
}

/// Compares the mailboxes of two hosts, message by message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskMailboxes {
    /// How those of the old host are opened.
    pub old: MailboxHost,
    /// How those of the new host are opened.
    pub new: MailboxHost,
    /// Which mailboxes.
    pub accounts: Vec<MailboxAccount>,
    /// The name of the ledger of their copies, which knows the names of folders.
    pub ledger: String,
    /// How long it may take.
    pub within: Duration,
}

/// What a comparison of mailboxes has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailboxesSeen {
    /// How many mailboxes it was about.
    pub mailboxes: usize,
    /// Messages that both sides have.
    pub present: u64,
    /// Mailboxes with messages that the new host does not have, each with what is missing.
    pub lacking: Vec<String>,
    /// Mailboxes that could not be compared, each with the reason.
    pub unread: Vec<String>,
    /// Mailboxes without a message at the old host.
    pub empty: Vec<String>,
}

/// A server's reply to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Its code.
    pub code: u16,
    /// Its text on one line, cut.
    pub text: String,
}

impl Reply {
    /// The first digit of the code (RFC 5321 §4.2.1).
    #[must_use]
    pub fn class(&self) -> u16 {
        self.code / 100
    }
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { code, text } = self;
        write!(f, "{code} {text}")
    }
}

/// Whether the name and the chain of a certificate are valid for the peer (RFC 5280, RFC 6125).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// They are.
    Valid,
    /// They are not, with the reason.
    Invalid(String),
    /// This machine cannot tell.
    Unknown(String),
}

/// How a certificate compares with TLSA records (RFC 7672 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dane {
    /// None of the records can be used for SMTP, so that no certificate is asked for.
    Unusable,
    /// A record matches.
    Matches,
    /// No record matches.
    Differs,
}

/// What a server has shown in the handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certified {
    /// The version of TLS, for people.
    pub version: String,
    /// Whether the certificate is valid for the name.
    pub trust: Trust,
    /// How much longer the certificate is valid; `None` if it has expired.
    pub left: Option<Duration>,
    /// How it compares with the TLSA records of the question, if there are any.
    pub dane: Option<Dane>,
}

/// The encryption of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Channel {
    /// The session ended before it.
    NotReached,
    /// The server does not offer STARTTLS.
    NotOffered,
    /// The server offers STARTTLS and refuses it.
    Refused(String),
    /// There is no TLS session, and why.
    Failed(String),
    /// There is one.
    Tls(Certified),
}

impl Channel {
    /// What the server has shown, if there is TLS.
    #[must_use]
    pub fn certified(&self) -> Option<&Certified> {
        match self {
            Self::Tls(certified) => Some(certified),
            Self::NotReached | Self::NotOffered | Self::Refused(_) | Self::Failed(_) => None,
        }
    }
}

/// Why a session ended before its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Nobody answers at the address.
    #[error("{0}")]
    NoConnection(String),
    /// It was not over within its time.
    #[error("the session was not over within {} s", .0.as_secs())]
    TooSlow(Duration),
    /// The connection was closed, or failed.
    #[error("{0}")]
    Closed(String),
    /// What the server says is not in the protocol.
    #[error("{0}")]
    Garbage(String),
    /// The session cannot be held by this machine.
    #[error("{0}")]
    Here(String),
}

/// What became of a log-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoggedIn {
    /// It was accepted.
    Accepted,
    /// It was refused, with the server's words.
    Refused(String),
    /// The server cannot say now, with its words.
    Later(String),
    /// The password was not sent, and why.
    NotTried(String),
}

/// What was seen in a session with a mail server, as far as it got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailSeen {
    /// The greeting; in IMAP, 220 stands for `OK` or `PREAUTH`, 554 for `BYE`.
    pub greeting: Option<Reply>,
    /// How long the greeting took, from when the connection stood.
    pub greeted_after: Duration,
    /// The reply to EHLO that refuses it.
    pub refused: Option<Reply>,
    /// What the server offers at last: keywords with their parameters, in upper case.
    pub offers: Vec<String>,
    /// The encryption.
    pub channel: Channel,
    /// What became of the log-in, if there was one.
    pub login: Option<LoggedIn>,
    /// The replies to the commands, in their order, as far as there are any.
    pub replies: Vec<Reply>,
    /// Why it ended before its end.
    pub broken: Option<Broken>,
}

impl Default for MailSeen {
    fn default() -> Self {
        Self {
            greeting: None,
            greeted_after: Duration::ZERO,
            refused: None,
            offers: Vec::new(),
            channel: Channel::NotReached,
            login: None,
            replies: Vec::new(),
            broken: None,
        }
    }
}

impl MailSeen {
    /// Whether the server offers something, such as `STARTTLS`.
    #[must_use]
    pub fn offers(&self, keyword: &str) -> bool {
        self.offers.iter().any(|offer| offer.split([' ', '=']).next() == Some(keyword))
    }

    /// The mechanisms to log in with: `AUTH PLAIN LOGIN`, `AUTH=PLAIN` (RFC 4954 §3, RFC 9051
    /// §6.1.1).
    #[must_use]
    pub fn mechanisms(&self) -> Vec<&str> {
        let listed = self.offers.iter().filter_map(|offer| offer.strip_prefix("AUTH"));
        let listed = listed.filter_map(|rest| rest.strip_prefix([' ', '=']));
        let mut all: Vec<&str> = listed.flat_map(str::split_whitespace).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// What the ideal world sees: a server that offers everything and replies as it should.
    #[must_use]
    pub fn ideal(question: &AskHost, commands: &[SmtpCommand], has_tlsa: bool) -> Self {
        let reply = |code| Reply { code, text: String::new() };
        let certified = Certified {
            version: "TLS 1.3".to_owned(),
            trust: Trust::Valid,
            left: Some(Duration::from_secs(60 * 86_400)),
            dane: has_tlsa.then_some(Dane::Matches),
        };
        Self {
            greeting: Some(reply(220)),
            offers: ["PIPELINING", "STARTTLS", "AUTH PLAIN", "AUTH=PLAIN", "IMAP4REV1"]
                .map(str::to_owned)
                .into(),
            channel: Channel::Tls(certified),
            login: question.login.as_ref().map(|_| LoggedIn::Accepted),
            replies: commands.iter().map(|command| reply(command.ideal)).collect(),
            ..Self::default()
        }
    }
}

/// Looks up an RRset by way of resolvers, with aliases followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskName {
    /// The resolvers, asked in turn until one answers.
    pub resolvers: Resolvers,
    /// What to look up.
    pub key: RrKey,
}

/// Who looks names up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolvers {
    /// Those of this machine.
    System,
    /// These.
    Servers(Vec<SocketAddr>),
    /// Nobody: the plan says `resolver: none`.
    None,
}

/// What a resolver has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Looked {
    /// These records, or none; and whether the resolver has validated this (RFC 4035 §3.2.3).
    Found {
        /// The data.
        rdata: Vec<Rdata>,
        /// Whether the answer has the AD bit.
        is_validated: bool,
    },
    /// Resolvers answer that they cannot say, which for signed names means that the answer is
    /// bogus (SERVFAIL, RFC 4035 §5.5).
    Fails(String),
    /// Nobody answers, and why.
    Unanswered(String),
}

/// Fetches a document over HTTPS, without following redirects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskDocument {
    /// The host.
    pub host: String,
    /// Where it is.
    pub servers: Vec<SocketAddr>,
    /// The path, with its `/`.
    pub path: String,
    /// How long it may take.
    pub within: Duration,
}

/// The answer of a web server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// A status and a body of bounded size.
    Document {
        /// The status.
        status: u16,
        /// The media type, without parameters.
        media: Option<String>,
        /// The body.
        body: String,
    },
    /// The server's certificate is not valid, or TLS fails.
    Untrusted(String),
    /// The answer is larger than it may be.
    TooLarge,
    /// There is no answer.
    Unanswered(String),
}

/// Reads the lines of a file in the plan's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskLines {
    /// The file.
    pub path: String,
}

/// The file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoLines(pub String);
