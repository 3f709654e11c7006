//! The question whether messages arrive in a mailbox, and what was seen of each.

use std::time::Duration;

use cutover_base::digest::Digest;

use super::mail::{AskHost, MailSeen, Reply};
use crate::mailboxes::{MailboxHost, MailboxLogin};

/// Sends a message to one address at each of some servers (RFC 5321), looks for each in the mailbox, and
/// takes it away again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskRoundTrip {
    /// The servers that are sent a message each. Nobody logs in there.
    pub exchanges: Vec<AskHost>,
    /// The sender's address; empty for none.
    pub from: String,
    /// The recipient's address.
    pub address: String,
    /// Whether a server that offers STARTTLS gets its message only if its certificate is valid.
    pub needs_valid: bool,
    /// How the mailbox is opened.
    pub mailbox: MailboxHost,
    /// Who opens it.
    pub login: MailboxLogin,
    /// How long a message may take from when the server has taken it.
    pub within: Duration,
}

/// Why the mailbox could not be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unopened {
    /// The server does not answer, or breaks off.
    Silent(String),
    /// It refuses the user, or something here or there is set up wrongly.
    Refused(String),
}

/// What became of the messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoundTripSeen {
    /// The mailbox could not be opened, so no message was sent.
    Unopened(Unopened),
    /// What became of each, in the order of the servers.
    Sent(Vec<MessageSeen>),
}

/// What became of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageSeen {
    /// The session in which it was sent: its replies are those to [`SENDING`].
    pub session: MailSeen,
    /// Where it was found; several times if it has come several times.
    pub arrivals: Vec<Arrival>,
    /// What a report about it says, if it came back to the same mailbox.
    pub bounce: Option<String>,
    /// Why nobody could look into the mailbox, at the end.
    pub unread: Option<String>,
    /// Why it could not be removed, so that it is still there.
    pub left: Option<String>,
}

/// The commands of a session that sends a message, for people, and the class of the reply to each that
/// lets it go on (RFC 5321 §3.3).
pub const SENDING: [(&str, u16); 4] =
    [("the sender", 2), ("the recipient", 2), ("DATA", 3), ("the message", 2)];

impl MessageSeen {
    /// The first reply that refuses the message or puts it off, and to what.
    #[must_use]
    pub fn refusal(&self) -> Option<(&'static str, &Reply)> {
        let replies = SENDING.iter().zip(&self.session.replies);
        let mut refusals = replies.filter(|((_, class), reply)| reply.class() != *class);
        refusals.next().map(|((what, _), reply)| (*what, reply))
    }

    /// The reply by which the server takes the message upon itself (RFC 5321 §6.1).
    #[must_use]
    pub fn taken(&self) -> Option<&Reply> {
        let replies = &self.session.replies;
        replies.last().filter(|_| replies.len() == SENDING.len() && self.refusal().is_none())
    }

    /// Whether the server may have the message, as far as anybody can tell: it has taken it, or it has
    /// said nothing since it got it.
    #[must_use]
    pub fn may_arrive(&self) -> bool {
        let is_sent = self.session.replies.len() >= SENDING.len() - 1;
        is_sent && self.refusal().is_none()
    }

    /// What the ideal world sees: it arrives as it was sent.
    #[must_use]
    pub fn ideal(host: &AskHost) -> Self {
        let reply = |(_, class): (&str, u16)| Reply { code: class * 100 + 50, text: String::new() };
        let arrival = Arrival {
            folder: "INBOX".to_owned(),
            is_junk: false,
            after: Duration::from_secs(1),
            missed: Duration::ZERO,
            results: Vec::new(),
            sent: Digest::of(b""),
            body: Digest::of(b""),
        };
        let session = MailSeen::ideal(host, &[], false);
        let session = MailSeen { replies: SENDING.map(reply).into(), ..session };
        Self { session, arrivals: vec![arrival], ..Self::default() }
    }
}

/// A message in the mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The folder, for people.
    pub folder: String,
    /// Whether that is the one for junk (RFC 6154 §2).
    pub is_junk: bool,
    /// How long after the server had taken it there was a look that found it.
    pub after: Duration,
    /// How long after that a look did not find it yet.
    pub missed: Duration,
    /// What the receiving host says of its sender: the first fields `Authentication-Results` (RFC 8601),
    /// from above, each on one line and cut.
    pub results: Vec<String>,
    /// The digest of the body as it was sent.
    pub sent: Digest,
    /// The digest of the body as it is read.
    pub body: Digest,
}
