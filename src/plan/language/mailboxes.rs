//! `hosts.*.mailboxes:` as values: how the mailboxes of a host are opened.

use cutover_base::diag::Spanned;
use cutover_steps::config::SecretRef;

/// How the mailboxes of a host are opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxesSpec {
    /// The name of the IMAP server.
    pub host: Spanned<String>,
    /// Its port.
    pub port: u16,
    /// How connections are protected.
    pub security: Security,
    /// The file of the authorities that may sign the server's certificate, instead of the system's.
    pub authority: Option<String>,
    /// Who signs in.
    pub sign_in: SignInSpec,
}

/// How connections are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS from the start.
    Tls,
    /// TLS by `STARTTLS`.
    StartTls,
    /// No protection, for a server on the same machine.
    None,
}

impl Security {
    /// The words of the plan language.
    pub const WORDS: &[&str] = &["tls", "starttls", "none"];

    /// The protection that a word means.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        match word {
            "tls" => Some(Self::Tls),
            "starttls" => Some(Self::StartTls),
            "none" => Some(Self::None),
            _ => None,
        }
    }
}

/// Who signs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignInSpec {
    /// Each user, with the secret that the list of recipients names.
    Listed,
    /// Each user, with a password. `{user}` in the reference stands for the user.
    Password(SecretRef),
    /// Each user, with an OAuth 2 access token. `{user}` in the reference stands for the user.
    Token(SecretRef),
    /// One user who may open the mailboxes of others.
    Master {
        /// Its name.
        user: String,
        /// Its password.
        password: SecretRef,
    },
}

/// The placeholder for the user in a reference to a secret.
const USER: &str = "{user}";

/// A reference to the secret of one user.
#[must_use]
pub fn of_user(reference: &SecretRef, user: &str) -> SecretRef {
    let fill = |text: &String| text.replace(USER, user);
    match reference {
        SecretRef::Env(name) => SecretRef::Env(fill(name)),
        SecretRef::File(path) => SecretRef::File(fill(path)),
        SecretRef::Command(argv) => SecretRef::Command(argv.iter().map(fill).collect()),
    }
}
