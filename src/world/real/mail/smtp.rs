//! A session by SMTP (RFC 5321): EHLO, STARTTLS, a log-in, and the commands of a probe.

use std::time::Instant;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use cutover_contract::Secret;
use cutover_web::one_line;
use cutover_zone::Rdata;
use smtp_proto::response::parser::ResponseReceiver;

use super::certificate::Recorder;
use super::line::Line;
use super::{SAID_CHARS_MAX, keeps_password};
use crate::ask::{
    AskHost, AskSmtp, Broken, Channel, Encrypts, LoggedIn, MailLogin, MailSeen, Reply, SENDING,
    SmtpCommand, Trust,
};
use crate::world::real::pause;

/// The name in EHLO. A client without a name of its own gives its address (RFC 5321 §4.1.3); many
/// servers refuse that, and none needs a name that resolves.
const HELO: &str = "cutover.invalid";

/// Speaks with a server.
///
/// # Errors
/// Why the session ended early; what was seen until then is in `seen`.
pub(super) async fn session(
    question: &AskSmtp,
    password: Option<&Secret>,
    seen: &mut MailSeen,
) -> Result<(), Broken> {
    let AskSmtp { host, tlsa, commands, group, pause: rest } = question;
    let Some(mut line) = opened(host, tlsa, seen).await? else { return Ok(()) };
    if let (Some(login), Some(password)) = (&host.login, password) {
        seen.login = Some(match keeps_password(seen) {
            Some(kept) => kept,
            None => log_in(&mut line, seen, login, password).await?,
        });
    }
    let at_once = if seen.offers("PIPELINING") { (*group).max(1) } else { 1 };
    let mut sent = 0;
    for commands in commands.chunks(at_once) {
        let lines = commands.iter().map(|SmtpCommand { line, .. }| format!("{line}\r\n"));
        line.send(&lines.collect::<String>()).await?;
        for _ in commands {
            let (reply, _) = reply(&mut line).await?;
            let is_closing = reply.code == 421;
            seen.replies.push(reply);
            // The server closes the connection after this reply (RFC 5321 §3.8).
            if is_closing {
                return Err(Broken::Closed("the server ended the session (421)".to_owned()));
            }
        }
        sent += commands.len();
        if !rest.is_zero() && sent.is_multiple_of((*group).max(1)) && sent < question.commands.len()
        {
            pause(*rest).await;
        }
    }
    quits(line).await
}

/// Connects, says EHLO, and turns TLS on if that is asked for and offered. `None` if the session is over.
async fn opened(
    host: &AskHost,
    tlsa: &[Rdata],
    seen: &mut MailSeen,
) -> Result<Option<Line>, Broken> {
    let mut line = Line::open(host.server).await?;
    #[expect(clippy::disallowed_methods, reason = "how long a server takes is what is measured")]
    let begun = Instant::now();
    if host.encrypts == Encrypts::Implicit {
        seen.channel = line.secure(&host.name, Recorder::new(tlsa)).await;
        if seen.channel.certified().is_none() {
            return Ok(None);
        }
    }
    let greeting = reply(&mut line).await?;
    seen.greeted_after = begun.elapsed();
    let is_open = greeting.0.class() == 2;
    seen.greeting = Some(greeting.0);
    if !is_open || !greets(&mut line, seen).await? {
        quits(line).await?;
        return Ok(None);
    }
    if host.encrypts == Encrypts::Upgraded {
        if !seen.offers("STARTTLS") {
            seen.channel = Channel::NotOffered;
        } else {
            line.send("STARTTLS\r\n").await?;
            let (ready, _) = reply(&mut line).await?;
            if ready.code != 220 {
                seen.channel = Channel::Refused(ready.to_string());
            } else {
                seen.channel = line.secure(&host.name, Recorder::new(tlsa)).await;
                if seen.channel.certified().is_none() || !greets(&mut line, seen).await? {
                    return Ok(None);
                }
            }
        }
    }
    Ok(Some(line))
}

/// A message, and for whom it is.
pub(in crate::world::real) struct Letter<'l> {
    /// The sender's address; empty for none.
    pub(in crate::world::real) from: &'l str,
    /// The recipient's address.
    pub(in crate::world::real) to: &'l str,
    /// The message: lines in ASCII that end with CRLF.
    pub(in crate::world::real) text: &'l str,
    /// Whether it is kept from a server whose certificate is not valid.
    pub(in crate::world::real) needs_valid: bool,
}

/// Sends a message. It is kept from a server that offers STARTTLS and fails at it.
///
/// # Errors
/// Why the session ended early; what was seen until then is in `seen`.
pub(super) async fn deliver(
    host: &AskHost,
    letter: &Letter<'_>,
    seen: &mut MailSeen,
) -> Result<(), Broken> {
    let Letter { from, to, text, needs_valid } = letter;
    let Some(mut line) = opened(host, &[], seen).await? else { return Ok(()) };
    let gets_it = match &seen.channel {
        Channel::NotOffered => true,
        Channel::Tls(certified) => !needs_valid || certified.trust == Trust::Valid,
        Channel::NotReached | Channel::Refused(_) | Channel::Failed(_) => false,
    };
    if !gets_it {
        return quits(line).await;
    }
    // A line that begins with a dot gets another one (RFC 5321 §4.5.2).
    let lines = text.split_inclusive("\r\n").map(|line| match line.starts_with('.') {
        true => format!(".{line}"),
        false => line.to_owned(),
    });
    let commands = [
        format!("MAIL FROM:<{from}>\r\n"),
        format!("RCPT TO:<{to}>\r\n"),
        "DATA\r\n".to_owned(),
        lines.collect::<String>() + ".\r\n",
    ];
    for (command, (_, class)) in commands.iter().zip(SENDING) {
        line.send(command).await?;
        let (reply, _) = reply(&mut line).await?;
        let goes_on = reply.class() == class;
        seen.replies.push(reply);
        if !goes_on {
            break;
        }
    }
    quits(line).await
}

/// Says EHLO and notes what the server offers. Whether it was accepted.
async fn greets(line: &mut Line, seen: &mut MailSeen) -> Result<bool, Broken> {
    line.send(&format!("EHLO {HELO}\r\n")).await?;
    let (said, lines) = reply(line).await?;
    if said.code != 250 {
        seen.refused = Some(said);
        return Ok(false);
    }
    // The first line has the server's name. What was offered before TLS no longer counts (RFC
    // 3207 §4.2).
    let offers = lines.lines().skip(1).map(|offer| offer.trim().to_ascii_uppercase());
    seen.offers = offers.collect();
    Ok(true)
}

/// Logs in by PLAIN (RFC 4616) or LOGIN, which old clients use.
async fn log_in(
    line: &mut Line,
    seen: &MailSeen,
    login: &MailLogin,
    password: &Secret,
) -> Result<LoggedIn, Broken> {
    let mechanisms = seen.mechanisms();
    let answer = if mechanisms.contains(&"PLAIN") {
        let plain = plain(&login.user, password.expose());
        line.send(&format!("AUTH PLAIN {plain}\r\n")).await?;
        reply(line).await?.0
    } else if mechanisms.contains(&"LOGIN") {
        line.send("AUTH LOGIN\r\n").await?;
        let mut answer = reply(line).await?.0;
        for text in [&login.user, password.expose()] {
            if answer.code != 334 {
                break;
            }
            line.send(&format!("{}\r\n", BASE64.encode(text))).await?;
            answer = reply(line).await?.0;
        }
        answer
    } else {
        let why = match mechanisms.is_empty() {
            true => "the server offers no log-in".to_owned(),
            false => format!("the server offers only {}", mechanisms.join(", ")),
        };
        return Ok(LoggedIn::NotTried(why));
    };
    Ok(match answer.class() {
        2 => LoggedIn::Accepted,
        4 => LoggedIn::Later(answer.to_string()),
        _ => LoggedIn::Refused(answer.to_string()),
    })
}

/// What AUTH PLAIN sends (RFC 4616 §2).
pub(super) fn plain(user: &str, password: &str) -> String {
    BASE64.encode(format!("\0{user}\0{password}"))
}

/// Ends the session. Nobody waits for the reply.
async fn quits(mut line: Line) -> Result<(), Broken> {
    // A server that has closed the connection already is none the worse for it.
    let _ = line.send("QUIT\r\n").await;
    Ok(())
}

/// The next reply, and its lines without codes.
async fn reply(line: &mut Line) -> Result<(Reply, String), Broken> {
    let mut receiver = ResponseReceiver::default();
    loop {
        let ahead = line.more().await?;
        let mut octets = ahead.iter();
        let parsed = receiver.parse(&mut octets);
        let left = octets.as_slice().len();
        let taken = ahead.len() - left;
        ahead.drain(..taken);
        match parsed {
            Ok(response) => {
                let [class, subject, detail] = response.esc;
                let enhanced = match class {
                    0 => String::new(),
                    _ => format!("{class}.{subject}.{detail} "),
                };
                let text = format!("{enhanced}{}", response.message);
                let text = one_line(&text, SAID_CHARS_MAX);
                return Ok((Reply { code: response.code, text }, response.message));
            }
            Err(smtp_proto::Error::NeedsMoreData { .. }) => {}
            Err(smtp_proto::Error::ResponseTooLong) => {
                return Err(Broken::Garbage("a reply has more than 4 KiB".to_owned()));
            }
            Err(_) => return Err(Broken::Garbage("that is not a reply of SMTP".to_owned())),
        }
    }
}
