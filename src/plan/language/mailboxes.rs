//! `hosts.*.mailboxes:` as values: how the mailboxes of a host are opened.

use cutover_base::diag::Spanned;
use cutover_mail::recipients::{Login, Recipient, Reference};
use cutover_steps::config::SecretRef;
use cutover_steps::mailboxes::{MailboxAccount, MailboxHost, MailboxLogin};

pub use cutover_steps::mailboxes::{Security, SignInSpec, of_user};

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

impl MailboxesSpec {
    /// The same without its place in the plan.
    #[must_use]
    pub fn unplaced(&self) -> MailboxHost {
        let Self { host, port, security, authority, sign_in } = self.clone();
        MailboxHost { host: host.value, port, security, authority, sign_in }
    }
}

/// The mailbox of a line of the list of recipients.
#[must_use]
pub fn account(recipient: &Recipient) -> MailboxAccount {
    let login = |Login { user, secret }: &Login| MailboxLogin {
        user: user.clone(),
        secret: secret.as_ref().map(|reference| match reference {
            Reference::Env(name) => SecretRef::Env(name.clone()),
            Reference::File(path) => SecretRef::File(path.clone()),
        }),
    };
    let Recipient { address, old, new, .. } = recipient;
    MailboxAccount { address: address.clone(), old: login(old), new: login(new) }
}
