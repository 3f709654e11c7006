//! Notifications: who gets them, and when.

use serde::{Deserialize, Serialize};

use crate::config::SecretRef;

/// When people are notified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// The switch begins.
    Switch,
    /// The old side is left.
    Contract,
    /// The old host is released: it may be switched off.
    Release,
    /// A rollback begins, and ends.
    Rollback,
    /// Everything is done.
    Done,
    /// The run has halted.
    Halted,
    /// Servers do not serve a new version yet, or do not answer, and the run waits for them.
    Behind,
}

impl Occasion {
    /// The words in a plan.
    pub const WORDS: &'static [&'static str] =
        &["switch", "contract", "release", "rollback", "done", "halted", "behind"];

    /// What a word means.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        match word {
            "switch" => Some(Self::Switch),
            "contract" => Some(Self::Contract),
            "release" => Some(Self::Release),
            "rollback" => Some(Self::Rollback),
            "done" => Some(Self::Done),
            "halted" => Some(Self::Halted),
            "behind" => Some(Self::Behind),
            _ => None,
        }
    }

    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Switch => "switch",
            Self::Contract => "contract",
            Self::Release => "release",
            Self::Rollback => "rollback",
            Self::Done => "done",
            Self::Halted => "halted",
            Self::Behind => "behind",
        }
    }
}

/// A notification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// When.
    pub at: Vec<Occasion>,
    /// How.
    pub way: Way,
    /// The message; `None` for the default.
    pub text: Option<String>,
}

/// How a notification is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// By POST to an address that takes JSON. Anyone who has it can write there, so it is a secret.
    Webhook(SecretRef),
    /// By mail.
    Mail(MailSpec),
}

/// Mail through a submission server (RFC 6409) or a relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailSpec {
    /// The server's name, which its certificate has to have.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// How TLS is used.
    pub tls: MailTls,
    /// The sender's address.
    pub from: String,
    /// The recipients' addresses.
    pub to: Vec<String>,
    /// The login, if the server requires one.
    pub login: Option<Login>,
}

/// A login at a mail server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The user.
    pub user: String,
    /// The password.
    pub password: SecretRef,
}

/// How TLS is used with a mail server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailTls {
    /// From the start (RFC 8314 §3.3).
    Implicit,
    /// After STARTTLS, without which nothing is sent (RFC 3207).
    Starttls,
    /// Not at all: for a relay on this machine.
    None,
}

impl MailTls {
    /// The words in a plan.
    pub const WORDS: &'static [&'static str] = &["implicit", "starttls", "none"];
}

/// Whether this is a mail address (RFC 5321 §4.1.2), without quoted forms.
#[must_use]
pub fn is_mailbox(text: &str) -> bool {
    let is_fine = |c: char| c.is_ascii_graphic() && !"<>()[]\\,;:\"".contains(c);
    text.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && !domain.is_empty()
            && !domain.contains('@')
            && text.chars().all(is_fine)
    })
}

/// The placeholders of a message, each written in braces.
pub const PLACEHOLDERS: &[&str] = &["plan", "occasion", "step", "why", "at"];

/// The first unknown placeholder in a text.
#[must_use]
pub fn unknown_placeholder(text: &str) -> Option<&str> {
    text.split('{').skip(1).find_map(|rest| {
        let word = rest.split('}').next().unwrap_or_default();
        let is_known = rest.len() > word.len() && PLACEHOLDERS.contains(&word);
        (!is_known).then_some(word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mailboxes() {
        for (text, fine) in [
            ("ops@acme.test", true),
            ("a.b+c@acme.test", true),
            ("ops", false),
            ("@acme.test", false),
            ("ops@", false),
            ("a@b@c", false),
            ("ops@acme.test\r\nBcc: x@y.test", false),
            ("<ops@acme.test>", false),
        ] {
            assert_eq!(is_mailbox(text), fine, "{text:?}");
        }
    }

    #[test]
    fn placeholders_are_known_and_closed() {
        for (text, unknown) in [
            ("nothing", None),
            ("{plan}: {occasion} at {at}", None),
            ("{plan} {who}", Some("who")),
            ("{plan", Some("plan")),
            ("{}", Some("")),
        ] {
            assert_eq!(unknown_placeholder(text), unknown, "{text}");
        }
    }
}
