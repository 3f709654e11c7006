//! A session by IMAP: what the server offers, and a log-in.

use std::time::Instant;

use cutover_contract::Secret;
use cutover_web::one_line;

use super::certificate::Recorder;
use super::keeps_password;
use super::line::Line;
use crate::ask::{AskImap, Broken, Channel, Encrypts, LoggedIn, MailLogin, MailSeen, Reply};

/// The most lines of an answer. Our choice: the three commands that are sent have few.
const LINES_MAX: usize = 256;
/// Characters of an answer that are kept. Our choice: as much as a person reads.
const ANSWER_CHARS_MAX: usize = 200;

/// Speaks with a server.
///
/// # Errors
/// Why the session ended early; what was seen until then is in `seen`.
pub(super) async fn session(
    AskImap { host }: &AskImap,
    password: Option<&Secret>,
    seen: &mut MailSeen,
) -> Result<(), Broken> {
    let mut line = Line::open(host.server).await?;
    #[expect(clippy::disallowed_methods, reason = "how long a server takes is what is measured")]
    let begun = Instant::now();
    if host.encrypts == Encrypts::Implicit {
        seen.channel = line.secure(&host.name, Recorder::new(&[])).await;
        if seen.channel.certified().is_none() {
            return Ok(());
        }
    }
    let greeting = line.line().await?;
    seen.greeted_after = begun.elapsed();
    let words = greeting.strip_prefix("* ").unwrap_or_default();
    let code = match words.split(' ').next() {
        Some("OK" | "PREAUTH") => 220,
        Some("BYE") => 554,
        Some(_) | None => return Err(Broken::Garbage("that is not a greeting of IMAP".to_owned())),
    };
    seen.greeting = Some(Reply { code, text: one_line(words, ANSWER_CHARS_MAX) });
    if code != 220 {
        return Ok(());
    }
    capabilities(&mut line, "a1", seen).await?;
    if host.encrypts == Encrypts::Upgraded {
        if !seen.offers("STARTTLS") {
            seen.channel = Channel::NotOffered;
        } else {
            match command(&mut line, "a2", "STARTTLS", None).await?.1 {
                Status::Ok => {
                    seen.channel = line.secure(&host.name, Recorder::new(&[])).await;
                    if seen.channel.certified().is_none() {
                        return Ok(());
                    }
                    // What was offered before TLS no longer counts (RFC 9051 §6.2.1).
                    capabilities(&mut line, "a3", seen).await?;
                }
                Status::No(why) | Status::Bad(why) => seen.channel = Channel::Refused(why),
            }
        }
    }
    if let (Some(login), Some(password)) = (&host.login, password) {
        seen.login = Some(match keeps_password(seen) {
            Some(kept) => kept,
            None => log_in(&mut line, seen, login, password).await?,
        });
    }
    // A server that has closed the connection already is none the worse for it.
    let _ = line.send("a9 LOGOUT\r\n").await;
    Ok(())
}

/// How a command ended (RFC 9051 §7.1).
enum Status {
    Ok,
    No(String),
    Bad(String),
}

/// Sends a command, of which the `secret` part is never shown, and reads the untagged lines and the
/// status.
async fn command(
    line: &mut Line,
    tag: &str,
    words: &str,
    secret: Option<&str>,
) -> Result<(Vec<String>, Status), Broken> {
    line.send(&format!("{tag} {words}{}\r\n", secret.unwrap_or_default())).await?;
    let mut untagged = Vec::new();
    for _ in 0..LINES_MAX {
        let said = line.line().await?;
        if let Some(of) = said.strip_prefix("* ") {
            if of.starts_with("BYE") {
                let said = one_line(of, ANSWER_CHARS_MAX);
                return Err(Broken::Closed(format!("the server ended the session: {said}")));
            }
            untagged.push(of.to_owned());
            continue;
        }
        let Some(status) = said.strip_prefix(tag).and_then(|rest| rest.strip_prefix(' ')) else {
            return Err(Broken::Garbage("that is not an answer of IMAP".to_owned()));
        };
        let text = one_line(status, ANSWER_CHARS_MAX);
        return match status.split(' ').next() {
            Some("OK") => Ok((untagged, Status::Ok)),
            Some("NO") => Ok((untagged, Status::No(text))),
            Some("BAD") => Ok((untagged, Status::Bad(text))),
            Some(_) | None => Err(Broken::Garbage("that is not an answer of IMAP".to_owned())),
        };
    }
    Err(Broken::Garbage(format!("an answer has more than {LINES_MAX} lines")))
}

async fn capabilities(line: &mut Line, tag: &str, seen: &mut MailSeen) -> Result<(), Broken> {
    let (lines, status) = command(line, tag, "CAPABILITY", None).await?;
    if let Status::No(why) | Status::Bad(why) = status {
        return Err(Broken::Garbage(format!("it refuses CAPABILITY: {why}")));
    }
    let all = lines.iter().filter_map(|line| line.strip_prefix("CAPABILITY "));
    let words = all.flat_map(str::split_whitespace).map(str::to_ascii_uppercase);
    seen.offers = words.collect();
    Ok(())
}

/// Logs in with LOGIN, which every server has unless it says so (RFC 9051 §6.2.3).
async fn log_in(
    line: &mut Line,
    seen: &MailSeen,
    login: &MailLogin,
    password: &Secret,
) -> Result<LoggedIn, Broken> {
    if seen.offers("LOGINDISABLED") {
        return Ok(LoggedIn::NotTried("the server says LOGINDISABLED".to_owned()));
    }
    let (Some(user), Some(secret)) = (quoted(&login.user), quoted(password.expose())) else {
        let why = "a user or a password with control characters cannot be sent by LOGIN";
        return Ok(LoggedIn::NotTried(why.to_owned()));
    };
    let (_, status) = command(line, "a4", &format!("LOGIN {user} "), Some(&secret)).await?;
    Ok(match status {
        Status::Ok => LoggedIn::Accepted,
        // The server's store of users is down for a moment (RFC 5530 §3).
        Status::No(why) if why.contains("[UNAVAILABLE]") || why.contains("[INUSE]") => {
            LoggedIn::Later(why)
        }
        Status::No(why) | Status::Bad(why) => LoggedIn::Refused(why),
    })
}

/// A quoted string (RFC 9051 §9), if the text can be one.
fn quoted(text: &str) -> Option<String> {
    let fits = !text.chars().any(|c| c.is_control());
    fits.then(|| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}
