//! Sending messages to a mailbox (RFC 3501 §6.3.11): as many as a window holds, before the first
//! answer is read.

use std::io::Read as _;

use tokio::io::{AsyncWriteExt as _, WriteHalf};
use tokio::time::timeout;

use crate::bounds::Bounds;
use crate::error::ImapError;
use crate::frame::Octets;
use crate::response::{Response, numbers_of_set};
use crate::session::{Session, Stream, argument, next};
use crate::status::Reply;
use crate::status::Status;

/// Octets that are written at once.
const CHUNK: usize = 64 * 1024;
/// The largest literal that `LITERAL-` sends without asking (RFC 7888 §5).
const LITERAL_MINUS_MAX: u64 = 4096;

/// A message to send.
pub struct Appending<'a> {
    /// Its flags, as they stand in the command. `\Recent` is refused by every server.
    pub flags: &'a [String],
    /// Its internal date, in the form of RFC 3501 §9; the server's clock if there is none.
    pub date: Option<&'a str>,
    /// Its octets.
    pub body: &'a Octets,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is stored; with UIDVALIDITY and UID if the server says so (RFC 4315).
    Stored(Option<(u32, u32)>),
    /// It is refused.
    Refused(Reply),
}

/// How a literal is announced.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Announce {
    /// `{5+}`: its octets follow at once.
    AtOnce,
    /// `{5}`: the server has to agree first.
    Asking,
}

impl Session {
    /// Whether several messages can be sent in one command that stores all of them or none
    /// (RFC 3502), without asking for each.
    #[must_use]
    pub fn appends_together(&self) -> bool {
        self.capabilities.has("MULTIAPPEND") && self.capabilities.has("LITERAL+")
    }

    /// Sends messages in one command, which stores all or none.
    ///
    /// # Errors
    /// The session is over: whether the messages were stored is not known.
    pub async fn append_together(
        &mut self,
        mailbox: &[u8],
        messages: &[Appending<'_>],
    ) -> Result<Vec<Outcome>, ImapError> {
        let tag = self.next_tag();
        let name = argument(mailbox)?;
        let (bounds, writer, reader) = (self.bounds, &mut self.writer, &mut self.reader);
        let writing = async {
            let mut head = [tag.as_bytes(), b" APPEND ", &name].concat();
            for message in messages {
                head.extend(announced(message, Announce::AtOnce));
                write(writer, bounds, &head).await?;
                octets(writer, bounds, message.body).await?;
                head.clear();
            }
            write(writer, bounds, b"\r\n").await?;
            flush(writer, bounds).await
        };
        let reading = async {
            loop {
                if let Response::Tagged { tag: of, status, code, text } = next(reader).await? {
                    check(&tag, &of)?;
                    return Ok(Reply { status, code, text });
                }
            }
        };
        let reply = both(tokio::join!(writing, reading))?;
        Ok(match reply.status {
            Status::Ok => {
                let uids = appended(&reply, messages.len());
                let stored = |at: usize| {
                    let one = uids
                        .as_ref()
                        .and_then(|(validity, uids)| uids.get(at).map(|uid| (*validity, *uid)));
                    Outcome::Stored(one)
                };
                (0..messages.len()).map(stored).collect()
            }
            Status::No | Status::Bad | Status::Bye | Status::Preauth => {
                messages.iter().map(|_| Outcome::Refused(reply.clone())).collect()
            }
        })
    }

    /// Sends messages in a command for each. With `LITERAL+` all commands are sent before the first
    /// answer is waited for.
    ///
    /// # Errors
    /// The session is over: what became of the messages is not known, and some may be stored.
    pub async fn append_each(
        &mut self,
        mailbox: &[u8],
        messages: &[Appending<'_>],
    ) -> Result<Vec<Outcome>, ImapError> {
        if self.capabilities.has("LITERAL+") {
            return self.append_pipelined(mailbox, messages).await;
        }
        let is_minus = self.capabilities.has("LITERAL-");
        let mut outcomes = Vec::with_capacity(messages.len());
        for message in messages {
            let announce = match is_minus && message.body.len() <= LITERAL_MINUS_MAX {
                true => Announce::AtOnce,
                false => Announce::Asking,
            };
            outcomes.push(self.append_one(mailbox, message, announce).await?);
        }
        Ok(outcomes)
    }

    async fn append_pipelined(
        &mut self,
        mailbox: &[u8],
        messages: &[Appending<'_>],
    ) -> Result<Vec<Outcome>, ImapError> {
        let tags: Vec<String> = messages.iter().map(|_| self.next_tag()).collect();
        let name = argument(mailbox)?;
        let (bounds, writer, reader) = (self.bounds, &mut self.writer, &mut self.reader);
        let writing = async {
            for (tag, message) in tags.iter().zip(messages) {
                let announced = announced(message, Announce::AtOnce);
                let head = [tag.as_bytes(), b" APPEND ", &name, &announced].concat();
                write(writer, bounds, &head).await?;
                octets(writer, bounds, message.body).await?;
                write(writer, bounds, b"\r\n").await?;
            }
            flush(writer, bounds).await
        };
        let reading = async {
            let mut outcomes = Vec::with_capacity(tags.len());
            while let Some(tag) = tags.get(outcomes.len()) {
                if let Response::Tagged { tag: of, status, code, text } = next(reader).await? {
                    check(tag, &of)?;
                    outcomes.push(outcome(Reply { status, code, text }));
                }
            }
            Ok(outcomes)
        };
        both(tokio::join!(writing, reading))
    }

    async fn append_one(
        &mut self,
        mailbox: &[u8],
        message: &Appending<'_>,
        announce: Announce,
    ) -> Result<Outcome, ImapError> {
        let tag = self.next_tag();
        let announced = announced(message, announce);
        let head = [tag.as_bytes(), b" APPEND ", &argument(mailbox)?, &announced].concat();
        let bounds = self.bounds;
        write(&mut self.writer, bounds, &head).await?;
        let mut is_sent = false;
        if announce == Announce::AtOnce {
            octets(&mut self.writer, bounds, message.body).await?;
            write(&mut self.writer, bounds, b"\r\n").await?;
            is_sent = true;
        }
        flush(&mut self.writer, bounds).await?;
        loop {
            match next(&mut self.reader).await? {
                Response::Continue(_) if !is_sent => {
                    octets(&mut self.writer, bounds, message.body).await?;
                    write(&mut self.writer, bounds, b"\r\n").await?;
                    flush(&mut self.writer, bounds).await?;
                    is_sent = true;
                }
                Response::Continue(_) | Response::Untagged(_) => {}
                Response::Tagged { tag: of, status, code, text } => {
                    check(&tag, &of)?;
                    return Ok(outcome(Reply { status, code, text }));
                }
            }
        }
    }
}

/// What was read while something was written. If both failed, the reader knows why: it has the last
/// words of a server that closes the connection.
fn both<T>((written, read): (Result<(), ImapError>, Result<T, ImapError>)) -> Result<T, ImapError> {
    let value = read?;
    written.map(|()| value)
}

/// The flags, the date, and the announcement of the octets.
fn announced(message: &Appending<'_>, announce: Announce) -> Vec<u8> {
    let Appending { flags, date, body } = message;
    let mut head = format!(" ({})", flags.join(" "));
    if let Some(date) = date {
        head += &format!(" \"{date}\"");
    }
    let plus = if announce == Announce::AtOnce { "+" } else { "" };
    head += &format!(" {{{}{plus}}}\r\n", body.len());
    head.into_bytes()
}

fn check(tag: &str, of: &str) -> Result<(), ImapError> {
    let words = || "the end of another command than APPEND".to_owned();
    if tag == of { Ok(()) } else { Err(ImapError::Protocol(words())) }
}

fn outcome(reply: Reply) -> Outcome {
    match reply.status {
        Status::Ok => {
            let uids = appended(&reply, 1);
            Outcome::Stored(uids.map(|(validity, uids)| (validity, uids[0])))
        }
        Status::No | Status::Bad | Status::Bye | Status::Preauth => Outcome::Refused(reply),
    }
}

/// UIDVALIDITY and the UIDs of exactly so many messages, in their order (RFC 4315 §3). Any other
/// number of UIDs says nothing about which message has which.
fn appended(reply: &Reply, count: usize) -> Option<(u32, Vec<u32>)> {
    let code = reply.code.as_ref().filter(|code| code.name == "APPENDUID")?;
    let (validity, set) = code.arguments.split_once(' ')?;
    let uids = numbers_of_set(set.trim(), count).filter(|uids| uids.len() == count)?;
    Some((validity.parse().ok()?, uids))
}

type Writer = WriteHalf<Stream>;

async fn write(writer: &mut Writer, bounds: Bounds, octets: &[u8]) -> Result<(), ImapError> {
    let silence = bounds.silence_max;
    let written = timeout(silence, writer.write_all(octets)).await;
    Ok(written.map_err(|_| ImapError::Silent(silence))??)
}

async fn flush(writer: &mut Writer, bounds: Bounds) -> Result<(), ImapError> {
    let silence = bounds.silence_max;
    let flushed = timeout(silence, writer.flush()).await;
    Ok(flushed.map_err(|_| ImapError::Silent(silence))??)
}

async fn octets(writer: &mut Writer, bounds: Bounds, body: &Octets) -> Result<(), ImapError> {
    if let Octets::Memory(octets) = body {
        return write(writer, bounds, octets).await;
    }
    let mut reader = body.reader()?;
    let mut buffer = vec![0; CHUNK];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(()),
            read => write(writer, bounds, &buffer[..read]).await?,
        }
    }
}
