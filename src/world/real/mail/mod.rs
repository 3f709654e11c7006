//! Sessions with mail servers, one for each question of a probe.
//!
//! Every session is bounded: its time, the length of a line, the number of lines. What was seen
//! before it broke is kept, because a certificate is worth knowing even if the server hangs after
//! it.

mod certificate;
mod imap;
mod line;
mod smtp;

use std::path::Path;

use cutover_contract::Secret;
use tokio::time::timeout;

use crate::ask::{AskHost, AskImap, AskSmtp, Broken, LoggedIn, MailSeen, Trust};

use super::connect::{Commands, secret};

/// Opens a session by SMTP.
pub(super) async fn smtp(question: &AskSmtp, home: &Path) -> MailSeen {
    let mut seen = MailSeen::default();
    let password = match password(&question.host, home).await {
        Ok(password) => password,
        Err(broken) => return MailSeen { broken: Some(broken), ..seen },
    };
    let within = question.host.within;
    let session = smtp::session(question, password.as_ref(), &mut seen);
    let ended = timeout(within, session).await.unwrap_or(Err(Broken::TooSlow(within)));
    MailSeen { broken: ended.err(), ..seen }
}

/// Opens a session by IMAP.
pub(super) async fn imap(question: &AskImap, home: &Path) -> MailSeen {
    let mut seen = MailSeen::default();
    let password = match password(&question.host, home).await {
        Ok(password) => password,
        Err(broken) => return MailSeen { broken: Some(broken), ..seen },
    };
    let within = question.host.within;
    let session = imap::session(question, password.as_ref(), &mut seen);
    let ended = timeout(within, session).await.unwrap_or(Err(Broken::TooSlow(within)));
    MailSeen { broken: ended.err(), ..seen }
}

/// The password of the account that logs in. Reading it may run a command, which blocks.
async fn password(question: &AskHost, home: &Path) -> Result<Option<Secret>, Broken> {
    let Some(login) = &question.login else { return Ok(None) };
    let (reference, home) = (login.password.clone(), home.to_path_buf());
    let read = tokio::task::spawn_blocking(move || secret(&reference, &home, Commands::Run));
    let read = read.await.map_err(|error| Broken::Here(error.to_string()))?;
    read.map(Some).map_err(|error| Broken::Here(error.to_string()))
}

/// Why a password is not sent in this session, if it is not: nobody but the server may read it.
fn keeps_password(seen: &MailSeen) -> Option<LoggedIn> {
    let why = match seen.channel.certified().map(|certified| &certified.trust) {
        Some(Trust::Valid) => return None,
        Some(Trust::Invalid(why) | Trust::Unknown(why)) => format!("the certificate: {why}"),
        None => "there is no TLS".to_owned(),
    };
    Some(LoggedIn::NotTried(why))
}
