//! A session: the connection, TLS, the sign-in, and commands.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a server may say anything at any time; what is not asked for changes nothing here"
)]

use std::collections::{BTreeMap, BTreeSet};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf, split};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::bounds::Bounds;
use crate::command::Ended;
use crate::error::ImapError;
use crate::frame::Reader;
use crate::names::quoted;
use crate::response::{Capabilities, Response, Untagged, capabilities_in};
use crate::sign_in::{Exchange, SignIn};
use crate::status::{Code, Reply, Status};
use crate::tls::Roots;

/// How many UIDs are asked for at once, so that the answer stays far below the bound of a line.
const SEARCHED_AT_ONCE: u32 = 50_000;
/// How many commands are sent before the first answer is read.
const AT_ONCE: usize = 50;
/// How often the UIDs of a mailbox are asked for again because messages disappeared meanwhile.
const SEARCHES_MAX: u32 = 5;

/// How a connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS from the beginning (RFC 8314), usually port 993.
    Tls,
    /// TLS by `STARTTLS`, usually port 143. A server that does not offer it is refused.
    StartTls,
    /// No protection: only for servers on the same machine, and for tests.
    Plain,
}

/// A server.
#[derive(Clone)]
pub struct Server {
    /// Its name, which its certificate has to have.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The protection.
    pub security: Security,
    /// Who may sign its certificate.
    pub roots: Roots,
}

/// A connection, with or without TLS.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Duplex for S {}

pub(crate) type Stream = Box<dyn Duplex>;

/// A session that is signed in.
pub struct Session {
    pub(crate) reader: Reader<ReadHalf<Stream>>,
    pub(crate) writer: WriteHalf<Stream>,
    pub(crate) bounds: Bounds,
    pub(crate) capabilities: Capabilities,
    pub(crate) tags: u32,
}

/// A mailbox that was selected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selected {
    /// Messages.
    pub exists: u32,
    /// The validity of its UIDs. A server that states none has UIDs that do not stay.
    pub uid_validity: Option<u32>,
    /// The UID that the next message will have, or a lower one.
    pub uid_next: Option<u32>,
    /// The highest modification sequence (RFC 7162), if it keeps any.
    pub highest_modseq: Option<u64>,
    /// The flags that can be stored; `None` if it does not say, which means all that it knows and
    /// new ones (RFC 3501 §7.1).
    pub permanent_flags: Option<BTreeSet<String>>,
}

impl Session {
    /// Connects and signs in.
    ///
    /// # Errors
    /// Any [`ImapError`]; [`ImapError::SignIn`] if the server refuses the user.
    pub async fn open(
        server: &Server,
        sign_in: &SignIn,
        bounds: Bounds,
    ) -> Result<Self, ImapError> {
        let connecting = Self::connected(server, bounds);
        let connected = timeout(bounds.connect_max, connecting).await;
        let greeted = connected.map_err(|_| ImapError::Silent(bounds.connect_max))??;
        let Greeted { mut session, is_preauth } = greeted;
        if is_preauth {
            let words = "a session that is signed in already: nobody knows as whom".to_owned();
            return Err(ImapError::Protocol(words));
        }
        session.sign_in(server, sign_in).await?;
        Ok(session)
    }

    async fn connected(server: &Server, bounds: Bounds) -> Result<Greeted, ImapError> {
        let Server { host, port, security, roots } = server;
        let name = format!("{host}:{port}");
        let connect = |error| ImapError::Connect { server: name.clone(), error };
        let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(connect)?;
        stream.set_nodelay(true).map_err(connect)?;
        let stream: Stream = match security {
            Security::Tls => over_tls(Box::new(stream), host, &name, roots).await?,
            Security::StartTls | Security::Plain => Box::new(stream),
        };
        let (mut session, is_preauth) = Self::greeted(stream, bounds).await?;
        if *security == Security::StartTls {
            // Whatever came before TLS may be an attacker's (RFC 9051 §11.1).
            if is_preauth {
                let words = "a session without TLS that is signed in already".to_owned();
                return Err(ImapError::Protocol(words));
            }
            session.run(b"STARTTLS").await?;
            let stream = session.reader.into_inner()?.unsplit(session.writer);
            let stream = over_tls(stream, host, &name, roots).await?;
            session = Self::of(stream, bounds);
            session.ask_capabilities().await?;
        }
        Ok(Greeted { session, is_preauth })
    }

    fn of(stream: Stream, bounds: Bounds) -> Self {
        let (reader, writer) = split(stream);
        let reader = Reader::new(reader, bounds);
        Self { reader, writer, bounds, capabilities: Capabilities::default(), tags: 0 }
    }

    /// Reads the greeting; whether the session is signed in already.
    async fn greeted(stream: Stream, bounds: Bounds) -> Result<(Self, bool), ImapError> {
        let mut session = Self::of(stream, bounds);
        let greeting = session.next().await?;
        let Response::Untagged(Untagged::Status { status, code, text }) = greeting else {
            return Err(ImapError::Protocol("no greeting".to_owned()));
        };
        match status {
            Status::Ok | Status::Preauth => {}
            Status::No | Status::Bad | Status::Bye => return Err(ImapError::Closed(text)),
        }
        match capabilities_in(code.as_ref()) {
            Some(known) => session.capabilities = known,
            None => session.ask_capabilities().await?,
        }
        Ok((session, status == Status::Preauth))
    }

    async fn sign_in(&mut self, server: &Server, sign_in: &SignIn) -> Result<(), ImapError> {
        let has = |name: &str| self.capabilities.has(name);
        let exchange = sign_in.exchange(&has, &server.host, server.port);
        let exchange = exchange.map_err(ImapError::NotOffered)?;
        let secrets = sign_in.sent(&exchange);
        let ended = match exchange {
            Exchange::Login(user, password) => {
                let argument = |text: &str| {
                    let words = || "a user or password with a line end".to_owned();
                    quoted(text.as_bytes()).ok_or_else(|| ImapError::Protocol(words()))
                };
                let (user, password) = (argument(&user)?, argument(password.text())?);
                let command = [&b"LOGIN "[..], &user, b" ", &password].concat();
                self.run(&command).await
            }
            Exchange::Authenticate(mechanism, first) => {
                self.authenticate(mechanism, first.as_bytes()).await
            }
        };
        let ended = ended.map_err(|error| error.into_sign_in(&secrets))?;
        let told = ended.untagged.into_iter().find_map(|untagged| match untagged {
            Untagged::Capability(known) => Some(known),
            _ => None,
        });
        match capabilities_in(ended.reply.code.as_ref()).or(told) {
            Some(known) => self.capabilities = known,
            None => self.ask_capabilities().await?,
        }
        Ok(())
    }

    /// The SASL exchange (RFC 3501 §6.2.2, RFC 4959 for the initial response).
    async fn authenticate(&mut self, mechanism: &str, first: &[u8]) -> Result<Ended, ImapError> {
        let mut command = format!("AUTHENTICATE {mechanism}").into_bytes();
        let mut is_sent = self.capabilities.has("SASL-IR");
        if is_sent {
            command.push(b' ');
            command.extend_from_slice(first);
        }
        let tag = self.start(&command).await?;
        let mut untagged = Vec::new();
        loop {
            match self.next().await? {
                Response::Continue(_) if is_sent => {
                    self.write(SignIn::answer_to_rejection(mechanism)).await?;
                }
                Response::Continue(_) => {
                    is_sent = true;
                    self.write(&[first, b"\r\n"].concat()).await?;
                }
                Response::Untagged(one) => self.keep(&mut untagged, one)?,
                Response::Tagged { tag: of, status, code, text } => {
                    let reply = Reply { status, code, text };
                    return self.ended("AUTHENTICATE", &tag, &of, reply, untagged);
                }
            }
        }
    }

    async fn ask_capabilities(&mut self) -> Result<(), ImapError> {
        let ended = self.run(b"CAPABILITY").await?;
        self.capabilities = Capabilities::default();
        for untagged in ended.untagged {
            if let Untagged::Capability(known) = untagged {
                self.capabilities = known;
            }
        }
        Ok(())
    }

    /// What the server can do, now that somebody is signed in.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Runs a command, without tag and line end, and keeps everything that comes before its end.
    ///
    /// # Errors
    /// [`ImapError::Refused`] if the server says `NO` or `BAD`.
    pub async fn run(&mut self, command: &[u8]) -> Result<Ended, ImapError> {
        let tag = self.start(command).await?;
        let name = name_of(command);
        let mut untagged = Vec::new();
        loop {
            match self.next().await? {
                Response::Continue(_) => {
                    let words = format!("a request to continue {name}, which is complete");
                    return Err(ImapError::Protocol(words));
                }
                Response::Untagged(one) => self.keep(&mut untagged, one)?,
                Response::Tagged { tag: of, status, code, text } => {
                    let reply = Reply { status, code, text };
                    return self.ended(&name, &tag, &of, reply, untagged);
                }
            }
        }
    }

    /// Runs commands that do not depend on each other, in one round trip for each fifty. The replies
    /// are in the order of the commands, whatever they say; what came before their ends belongs to
    /// all of them, because a server may run them in any order (RFC 3501 §5.5).
    ///
    /// # Errors
    /// The session is over.
    pub async fn run_all(
        &mut self,
        commands: &[Vec<u8>],
    ) -> Result<(Vec<Reply>, Vec<Untagged>), ImapError> {
        let mut replies = Vec::with_capacity(commands.len());
        let mut untagged = Vec::new();
        for commands in commands.chunks(AT_ONCE) {
            let mut lines = Vec::new();
            let mut open: BTreeMap<String, usize> = BTreeMap::new();
            let mut ended: Vec<Option<Reply>> = commands.iter().map(|_| None).collect();
            for (at, command) in commands.iter().enumerate() {
                let tag = self.next_tag();
                lines.extend([tag.as_bytes(), b" ", command, b"\r\n"].concat());
                open.insert(tag, at);
            }
            self.write(&lines).await?;
            while !open.is_empty() {
                match self.next().await? {
                    Response::Continue(_) => {
                        let words = "a request to continue commands that are complete".to_owned();
                        return Err(ImapError::Protocol(words));
                    }
                    Response::Untagged(one) => self.keep(&mut untagged, one)?,
                    Response::Tagged { tag, status, code, text } => {
                        let Some(at) = open.remove(&tag) else {
                            let words = "the end of a command that was not sent".to_owned();
                            return Err(ImapError::Protocol(words));
                        };
                        ended[at] = Some(Reply { status, code, text });
                    }
                }
            }
            replies.extend(ended.into_iter().flatten());
        }
        Ok((replies, untagged))
    }

    fn keep(&self, untagged: &mut Vec<Untagged>, one: Untagged) -> Result<(), ImapError> {
        if untagged.len() >= self.bounds.kept_max {
            let bound = self.bounds.kept_max as u64;
            return Err(ImapError::TooLarge { what: "many lines", bound });
        }
        untagged.push(one);
        Ok(())
    }

    fn ended(
        &self,
        command: &str,
        tag: &str,
        of: &str,
        reply: Reply,
        untagged: Vec<Untagged>,
    ) -> Result<Ended, ImapError> {
        if of != tag {
            let words = format!("the end of another command than {command}");
            return Err(ImapError::Protocol(words));
        }
        match reply.status {
            Status::Ok => Ok(Ended { reply, untagged }),
            Status::No | Status::Bad | Status::Bye | Status::Preauth => {
                Err(ImapError::Refused { command: command.to_owned(), reply })
            }
        }
    }

    /// Sends a command and does not wait for its end; its tag. Whatever comes is read by
    /// [`Session::next`].
    ///
    /// # Errors
    /// The session is over.
    pub async fn start(&mut self, command: &[u8]) -> Result<String, ImapError> {
        let tag = self.next_tag();
        let line = [tag.as_bytes(), b" ", command, b"\r\n"].concat();
        self.write(&line).await?;
        Ok(tag)
    }

    pub(crate) fn next_tag(&mut self) -> String {
        self.tags += 1;
        format!("c{}", self.tags)
    }

    async fn write(&mut self, octets: &[u8]) -> Result<(), ImapError> {
        let silence = self.bounds.silence_max;
        let writing = async {
            self.writer.write_all(octets).await?;
            self.writer.flush().await
        };
        Ok(timeout(silence, writing).await.map_err(|_| ImapError::Silent(silence))??)
    }

    /// The next response, whatever it belongs to.
    ///
    /// # Errors
    /// The session is over; [`ImapError::Closed`] has the server's last words.
    pub async fn next(&mut self) -> Result<Response, ImapError> {
        next(&mut self.reader).await
    }

    /// Opens a mailbox: to read only (`EXAMINE`), or to write too (`SELECT`).
    ///
    /// # Errors
    /// [`ImapError::Refused`] if there is no such mailbox.
    pub async fn select(&mut self, mailbox: &[u8], mode: Mode) -> Result<Selected, ImapError> {
        let command = self.selecting(mailbox, mode)?;
        let ended = self.run(&command).await?;
        Ok(Selected::of(&ended.untagged))
    }

    fn selecting(&self, mailbox: &[u8], mode: Mode) -> Result<Vec<u8>, ImapError> {
        let word: &[u8] = match mode {
            Mode::Read => b"EXAMINE ",
            Mode::Write => b"SELECT ",
        };
        let condstore: &[u8] = match self.capabilities.has("CONDSTORE") {
            true => b" (CONDSTORE)",
            false => b"",
        };
        Ok([word, &argument(mailbox)?, condstore].concat())
    }

    /// Opens a mailbox and asks for its UIDs in the same round trip, if it has not more than can be named
    /// in one line; otherwise as [`Session::select`] and [`Session::uids`] do.
    ///
    /// # Errors
    /// Those of both.
    pub async fn select_with_uids(
        &mut self,
        mailbox: &[u8],
        mode: Mode,
        expected: u64,
    ) -> Result<(Selected, Vec<u32>), ImapError> {
        let select = self.selecting(mailbox, mode)?;
        if expected > u64::from(SEARCHED_AT_ONCE) {
            let selected = self.select(mailbox, mode).await?;
            let uids = self.uids(selected.exists).await?;
            return Ok((selected, uids));
        }
        let command = name_of(&select);
        let (replies, untagged) = self.run_all(&[select, b"UID SEARCH ALL".to_vec()]).await?;
        let mut replies = replies.into_iter();
        if let Some(reply) = replies.next().filter(|reply| reply.status != Status::Ok) {
            return Err(ImapError::Refused { command, reply });
        }
        let selected = Selected::of(&untagged);
        let is_found = replies.next().is_some_and(|reply| reply.status == Status::Ok);
        let mut uids = BTreeSet::new();
        let mut has_shifted = false;
        for one in untagged {
            match one {
                Untagged::Search(found) => uids.extend(found),
                Untagged::Expunge(_) | Untagged::Vanished => has_shifted = true,
                _ => {}
            }
        }
        if !is_found || has_shifted || (uids.len() as u64) < u64::from(selected.exists) {
            let uids = self.uids(selected.exists).await?;
            return Ok((selected, uids));
        }
        Ok((selected, uids.into_iter().collect()))
    }

    /// The UIDs of all messages of the selected mailbox, sorted, each once.
    ///
    /// They are asked for in pieces, by numbers. When a message disappears meanwhile, the numbers
    /// shift, and all are asked for again; in the end each message that was there all the time is
    /// among them.
    ///
    /// # Errors
    /// [`ImapError::Protocol`] if messages disappear faster than they can be counted, or the server
    /// names fewer UIDs than it says that there are messages.
    pub async fn uids(&mut self, exists: u32) -> Result<Vec<u32>, ImapError> {
        let mut exists = exists;
        for _ in 0..SEARCHES_MAX {
            let mut uids = Vec::new();
            let mut has_shifted = false;
            let mut from = 1;
            while from <= exists {
                let to = exists.min(from.saturating_add(SEARCHED_AT_ONCE - 1));
                let ended = self.run(format!("UID SEARCH {from}:{to}").as_bytes()).await?;
                for untagged in ended.untagged {
                    match untagged {
                        Untagged::Search(found) => uids.extend(found),
                        Untagged::Exists(now) => exists = now,
                        Untagged::Expunge(_) | Untagged::Vanished => {
                            has_shifted = true;
                            exists = exists.saturating_sub(1);
                        }
                        _ => {}
                    }
                }
                from = to.saturating_add(1);
            }
            uids.sort_unstable();
            uids.dedup();
            if !has_shifted && uids.len() as u64 >= u64::from(exists) {
                return Ok(uids);
            }
            // Only a new look tells how many there are now.
            for untagged in self.run(b"NOOP").await?.untagged {
                match untagged {
                    Untagged::Exists(now) => exists = now,
                    Untagged::Expunge(_) => exists = exists.saturating_sub(1),
                    _ => {}
                }
            }
        }
        let words = format!("UID SEARCH names fewer UIDs than there are messages ({exists})");
        Err(ImapError::Protocol(words))
    }

    /// The UIDs of the selected mailbox from this one on, sorted, each once, as the server has them now.
    /// There may be any number up to `likely`, and few above it.
    ///
    /// # Errors
    /// [`ImapError::Refused`] if the server does not search.
    pub async fn uids_since(&mut self, from: u32, likely: u32) -> Result<Vec<u32>, ImapError> {
        // A server tells of new messages when it is asked for nothing.
        let mut commands = vec![b"NOOP".to_vec()];
        let mut next = from;
        while next <= likely {
            let to = next.saturating_add(SEARCHED_AT_ONCE - 1).min(likely);
            commands.push(format!("UID SEARCH UID {next}:{to}").into_bytes());
            next = to.saturating_add(1);
            if to == u32::MAX {
                break;
            }
        }
        commands.push(format!("UID SEARCH UID {next}:*").into_bytes());
        let (replies, untagged) = self.run_all(&commands).await?;
        let refused = replies.into_iter().find(|reply| reply.status != Status::Ok);
        if let Some(reply) = refused {
            return Err(ImapError::Refused { command: "UID SEARCH".to_owned(), reply });
        }
        let mut uids = Vec::new();
        for one in untagged {
            if let Untagged::Search(found) = one {
                // `*` is the last message, also if its UID is lower (RFC 3501 §9, `seq-range`).
                uids.extend(found.into_iter().filter(|uid| *uid >= from));
            }
        }
        uids.sort_unstable();
        uids.dedup();
        Ok(uids)
    }

    /// Says good-bye, and does not wait for the answer. Errors do not matter any more.
    pub async fn close(mut self) {
        let _ = self.start(b"LOGOUT").await;
        let _ = timeout(self.bounds.silence_max, self.writer.shutdown()).await;
    }
}

/// How a mailbox is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Nothing changes, not even `\Recent`.
    Read,
    /// Flags can be stored.
    Write,
}

impl Selected {
    fn of(untagged: &[Untagged]) -> Self {
        let mut selected = Self::default();
        for one in untagged {
            match one {
                Untagged::Exists(exists) => selected.exists = *exists,
                Untagged::Status { code: Some(Code { name, arguments }), .. } => {
                    match name.as_str() {
                        "UIDVALIDITY" => selected.uid_validity = arguments.parse().ok(),
                        "UIDNEXT" => selected.uid_next = arguments.parse().ok(),
                        "HIGHESTMODSEQ" => selected.highest_modseq = arguments.parse().ok(),
                        "PERMANENTFLAGS" => {
                            let list = arguments.trim_start_matches('(').trim_end_matches(')');
                            let flags = list.split_ascii_whitespace().map(str::to_owned);
                            selected.permanent_flags = Some(flags.collect());
                        }
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        selected
    }
}

/// A connection after its greeting.
struct Greeted {
    session: Session,
    is_preauth: bool,
}

/// The next response of a reader.
pub(crate) async fn next(reader: &mut Reader<ReadHalf<Stream>>) -> Result<Response, ImapError> {
    let response = Response::read(reader.response().await?);
    if let Response::Untagged(Untagged::Status { status: Status::Bye, code, text }) = &response {
        let reply = Reply { status: Status::Bye, code: code.clone(), text: text.clone() };
        return Err(ImapError::Closed(reply.to_string()));
    }
    Ok(response)
}

/// A mailbox name in a command.
pub(crate) fn argument(mailbox: &[u8]) -> Result<Vec<u8>, ImapError> {
    let words = || "a mailbox name with a line end".to_owned();
    quoted(mailbox).ok_or_else(|| ImapError::Protocol(words()))
}

/// The words that name a command, without its arguments: they may be secrets.
fn name_of(command: &[u8]) -> String {
    let mut words = command.split(|octet| *octet == b' ').map(String::from_utf8_lossy);
    let first = words.next().unwrap_or_default().into_owned();
    match first.as_str() {
        "UID" => format!("UID {}", words.next().unwrap_or_default()),
        _ => first,
    }
}

async fn over_tls(
    stream: Stream,
    host: &str,
    name: &str,
    roots: &Roots,
) -> Result<Stream, ImapError> {
    let failed = |error| ImapError::Tls { server: name.to_owned(), error };
    let of_name = rustls::pki_types::ServerName::try_from(host.to_owned())
        .map_err(|error| failed(std::io::Error::other(error)))?;
    let connector = TlsConnector::from(std::sync::Arc::clone(&roots.0));
    Ok(Box::new(connector.connect(of_name, stream).await.map_err(failed)?))
}
