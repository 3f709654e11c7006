//! The accounts of a mailbox that moves, and what a session may cost.

use std::sync::Arc;

use cutover_imap::{Bounds, ImapError, Server, Session, SignIn};

/// A mailbox of a user at a server.
#[derive(Clone)]
pub struct Account {
    /// Its name in reports, and its key in the ledger: `HOST USER`, without any secret.
    pub name: String,
    /// The server.
    pub server: Server,
    /// How to sign in.
    pub sign_in: SignIn,
    /// Asks for a new token before each session, if tokens expire.
    pub renew: Option<Renew>,
}

/// Asks for a new secret; an error is one line for people, without the secret.
pub type Renew = Arc<dyn Fn() -> Result<SignIn, String> + Send + Sync>;

/// A mailbox that moves.
#[derive(Clone)]
pub struct Pair {
    /// What it is called: an address.
    pub address: String,
    /// Where it is.
    pub old: Account,
    /// Where it goes.
    pub new: Account,
}

impl Account {
    /// A new session.
    ///
    /// # Errors
    /// Any [`ImapError`].
    pub async fn session(&self) -> Result<Session, ImapError> {
        let bounds = Bounds { memory_octets_max: MEMORY_OCTETS_MAX, ..Bounds::default() };
        self.session_within(bounds).await
    }

    /// A new session with these bounds.
    ///
    /// # Errors
    /// Any [`ImapError`].
    pub async fn session_within(&self, bounds: Bounds) -> Result<Session, ImapError> {
        let sign_in = match self.renew.clone() {
            None => self.sign_in.clone(),
            // A command may take its time.
            Some(renew) => {
                let renewed = tokio::task::spawn_blocking(move || renew()).await;
                let renewed = renewed.unwrap_or_else(|error| Err(error.to_string()));
                renewed.map_err(ImapError::NoToken)?
            }
        };
        Session::open(&self.server, &sign_in, bounds).await
    }
}

/// The largest message that is kept in memory while it is copied. Our choice: nine of ten messages
/// are smaller, and 50 mailboxes at once stay below 100 MB.
const MEMORY_OCTETS_MAX: u64 = 256 * 1024;
