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

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use cutover_contract::Secret;
use tokio::time::timeout;

use crate::ask::{AskHost, AskImap, AskSmtp, Broken, LoggedIn, MailSeen, Trust};

use super::connect::{Commands, secret};
pub(super) use smtp::Letter;

/// Characters of what a server says that are kept. Our choice: as much as a person reads.
const SAID_CHARS_MAX: usize = 200;

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
    redacted(MailSeen { broken: ended.err(), ..seen }, &question.host, password.as_ref())
}

/// Sends a message, in a session of its own.
pub(super) async fn deliver(host: &AskHost, letter: &Letter<'_>) -> MailSeen {
    let mut seen = MailSeen::default();
    let session = smtp::deliver(host, letter, &mut seen);
    let ended = timeout(host.within, session).await;
    let ended = ended.unwrap_or(Err(Broken::TooSlow(host.within)));
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
    redacted(MailSeen { broken: ended.err(), ..seen }, &question.host, password.as_ref())
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

/// What was seen without the password, which a server may repeat, in any form in which it was sent.
fn redacted(mut seen: MailSeen, question: &AskHost, password: Option<&Secret>) -> MailSeen {
    let (Some(login), Some(password)) = (&question.login, password) else { return seen };
    let plain = password.expose();
    let sent = [
        smtp::plain(&login.user, plain),
        BASE64.encode(plain),
        imap::quoted(plain).unwrap_or_default(),
        plain.to_owned(),
    ];
    let longest = sent.iter().map(|secret| secret.chars().count()).max().unwrap_or_default();
    let without = |text: &mut String| {
        // Where a long text was cut, a part of the password may stand at its end.
        if text.chars().count() >= SAID_CHARS_MAX {
            *text = text.chars().take(SAID_CHARS_MAX.saturating_sub(longest)).collect();
        }
        for secret in sent.iter().filter(|secret| !secret.is_empty()) {
            *text = text.replace(secret.as_str(), "[secret]");
        }
    };
    match &mut seen.login {
        Some(LoggedIn::Refused(text) | LoggedIn::Later(text) | LoggedIn::NotTried(text)) => {
            without(text);
        }
        Some(LoggedIn::Accepted) | None => {}
    }
    seen.replies.iter_mut().for_each(|reply| without(&mut reply.text));
    match &mut seen.broken {
        Some(
            Broken::NoConnection(text)
            | Broken::Closed(text)
            | Broken::Garbage(text)
            | Broken::Here(text),
        ) => without(text),
        Some(Broken::TooSlow(_)) | None => {}
    }
    seen
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};
    use std::time::Duration;

    use super::*;
    use crate::ask::{Encrypts, MailLogin, Reply};
    use crate::config::SecretRef;

    /// A server that repeats what it was sent does not bring the password into a journal.
    #[test]
    fn a_password_that_is_repeated_is_not_shown() {
        let password = Secret::new("open \"sesame\"");
        let login = MailLogin { user: "user".to_owned(), password: SecretRef::Env("P".to_owned()) };
        let question = AskHost {
            server: SocketAddr::from((Ipv4Addr::LOCALHOST, 993)),
            name: "imap.test".to_owned(),
            encrypts: Encrypts::Implicit,
            login: Some(login),
            within: Duration::from_secs(1),
        };
        let plain = smtp::plain("user", password.expose());
        let quoted = imap::quoted(password.expose()).expect("it can be quoted");
        let seen = MailSeen {
            login: Some(LoggedIn::Refused(format!("NO what is {quoted}?"))),
            replies: vec![Reply { code: 535, text: format!("no AUTH PLAIN {plain}") }],
            broken: Some(Broken::Closed(format!("BYE {}", password.expose()))),
            ..MailSeen::default()
        };
        let MailSeen { login, replies, broken, .. } = redacted(seen, &question, Some(&password));
        assert_eq!(login, Some(LoggedIn::Refused("NO what is [secret]?".to_owned())));
        assert_eq!(replies[0].text, "no AUTH PLAIN [secret]");
        assert_eq!(broken, Some(Broken::Closed("BYE [secret]".to_owned())));
        let cut = format!("{}{}", "x".repeat(SAID_CHARS_MAX - 6), &password.expose()[..6]);
        let seen = MailSeen { login: Some(LoggedIn::Later(cut)), ..MailSeen::default() };
        let MailSeen { login, .. } = redacted(seen, &question, Some(&password));
        let is_clean = |text: &String| text.chars().all(|c| c == 'x');
        assert!(matches!(login, Some(LoggedIn::Later(text)) if is_clean(&text)));
    }
}
