//! Messages that are sent to a mailbox, found there, and removed again.
//!
//! Nothing but messages with the token of this question is ever read or removed, so that two questions
//! at once, and what an earlier one has left behind, do not meet.

use std::path::Path;
use std::time::{Duration, Instant};

use cutover_web::one_line;
use futures_util::stream::{self, StreamExt as _};
use tokio::time::timeout;
use tokio_rustls::rustls::crypto::ring::default_provider;

use super::connect::Commands;
use super::mail::{Letter, deliver};
use super::mailboxes::Opening;
use super::{CONCURRENT_IN_ROUND_MAX, now, pause};
use crate::ask::{Arrival, AskHost, AskRoundTrip, MessageSeen, RoundTripSeen, Unopened};
use crate::calendar::show_span;
use crate::digest::Digest;
use crate::imap::{Bounds, ImapError, Mode, Session, Untagged};
use crate::mailbox::account::Account;
use crate::mailbox::folders::{Tree, shown};

/// The domain of tokens, and of a message that has no sender (RFC 2606 §2).
const NOWHERE: &str = "cutover.invalid";
/// Octets of a token. Our choice: nobody guesses them, and no two are alike.
const TOKEN_OCTETS: usize = 16;
/// How long a look into the mailbox, or removing a message, may take. Our choice.
const LOOK_WITHIN: Duration = Duration::from_secs(60);
/// The pause after the first look, and the longest. Our choice: seconds are exact where mail is fast.
const PAUSE_FIRST: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How often it is tried to remove messages. Our choice: a connection may break once.
const REMOVALS_MAX: usize = 2;
/// Octets of a message that is read: ours has one KiB, and a report may repeat it.
const MESSAGE_OCTETS_MAX: u64 = 1 << 20;
/// Fields `Authentication-Results` that are shown, and characters of each, and of a report. Our choice.
const RESULTS_MAX: usize = 3;
const SAID_CHARS_MAX: usize = 300;

/// What every message says. Lines that transports are known to change are among them: a dot alone is the
/// end of a message in SMTP, and `From` begins one in an mbox file.
const BODY: &str = "This message tests whether mail arrives in this mailbox.\r\n\
    The program that has sent it (cutover) removes it again. If it is still here,\r\n\
    the test was interrupted, or the message was late: it can be deleted.\r\n\
    \r\n\
    From here on, octets are compared:\r\n\
    .\r\n\
    ..\r\n\
    From cutover\r\n\
    a tab\tand a line of = and =3D that ends with a blank \r\n\
    \r\n\
    -- \r\n\
    the end\r\n";

/// A message on its way.
struct Sent {
    token: String,
    /// When the server had taken it.
    at: Instant,
    /// How long after that a look did not find it.
    missed: Duration,
    seen: MessageSeen,
}

impl Sent {
    fn message_id(&self) -> String {
        message_id(&self.token)
    }

    /// Whether a look may still bring news.
    fn is_open(&self) -> bool {
        self.seen.may_arrive() && self.seen.arrivals.is_empty() && self.seen.bounce.is_none()
    }
}

fn message_id(token: &str) -> String {
    format!("<{token}@{NOWHERE}>")
}

#[expect(clippy::disallowed_methods, reason = "how long mail takes is what is measured")]
fn instant() -> Instant {
    Instant::now()
}

/// Sends a message to each server, looks for all of them, and removes them. Bounded: a session for each
/// server, the time that mail may take, and a look and removal.
pub(super) async fn round_trip(question: &AskRoundTrip, home: &Path) -> RoundTripSeen {
    let mut mailbox = match Mailbox::of(question, home).await {
        Ok(mailbox) => mailbox,
        Err(why) => return RoundTripSeen::Unopened(Unopened::Refused(why)),
    };
    // A message that nobody could find and remove is not sent.
    if let Err(error) = mailbox.open().await {
        return RoundTripSeen::Unopened(error.unopened());
    }
    let tokens: Option<Vec<String>> = question.exchanges.iter().map(|_| token()).collect();
    let Some(tokens) = tokens else {
        let why = "this machine has no random numbers".to_owned();
        return RoundTripSeen::Unopened(Unopened::Refused(why));
    };
    let mut sending = Vec::new();
    for (host, token) in question.exchanges.iter().zip(tokens) {
        sending.push(send(question, host, token));
    }
    let mut all: Vec<Sent> =
        stream::iter(sending).buffered(CONCURRENT_IN_ROUND_MAX).collect().await;
    let begun = instant();
    let mut rest = PAUSE_FIRST;
    while all.iter().any(Sent::is_open) {
        // The look after the last moment is the last.
        let is_last = begun.elapsed() >= question.within;
        mailbox.look(question, &mut all).await;
        if is_last || !all.iter().any(Sent::is_open) {
            break;
        }
        pause(rest.min(question.within.saturating_sub(begun.elapsed()))).await;
        rest = (rest * 2).min(PAUSE_MAX);
    }
    for _ in 0..REMOVALS_MAX {
        mailbox.remove(question, &mut all).await;
        if all.iter().all(|sent| sent.seen.left.is_none()) {
            break;
        }
    }
    mailbox.close().await;
    RoundTripSeen::Sent(all.into_iter().map(|sent| sent.seen).collect())
}

/// Sends a message to one server.
async fn send(question: &AskRoundTrip, host: &AskHost, token: String) -> Sent {
    let text = message(question, &token);
    let AskRoundTrip { from, address, needs_valid, .. } = question;
    let letter = Letter { from, to: address, text: &text, needs_valid: *needs_valid };
    let session = deliver(host, &letter).await;
    let seen = MessageSeen { session, ..MessageSeen::default() };
    Sent { token, at: instant(), missed: Duration::ZERO, seen }
}

/// Letters and digits that nobody can guess; `None` if this machine has none.
fn token() -> Option<String> {
    let mut octets = [0; TOKEN_OCTETS];
    default_provider().secure_random.fill(&mut octets).ok()?;
    Some(octets.iter().map(|octet| format!("{octet:02x}")).collect())
}

/// A message (RFC 5322). It says that no person has written it, so that no machine answers (RFC 3834).
fn message(question: &AskRoundTrip, token: &str) -> String {
    let nobody = format!("round-trip@{NOWHERE}");
    let from = if question.from.is_empty() { &nobody } else { &question.from };
    let (to, id) = (&question.address, message_id(token));
    let date = now().to_rfc2822();
    format!(
        "Date: {date}\r\n\
         From: <{from}>\r\n\
         To: <{to}>\r\n\
         Subject: cutover tests this mailbox {token}\r\n\
         Message-ID: {id}\r\n\
         Auto-Submitted: auto-generated\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=us-ascii\r\n\
         Content-Transfer-Encoding: 7bit\r\n\
         \r\n\
         {BODY}"
    )
}

/// Why a look into the mailbox brought nothing.
enum LookError {
    Imap(ImapError),
    TooSlow,
}

impl From<ImapError> for LookError {
    fn from(error: ImapError) -> Self {
        Self::Imap(error)
    }
}

impl LookError {
    fn unopened(self) -> Unopened {
        let said = self.to_string();
        match self {
            Self::TooSlow
            | Self::Imap(
                ImapError::Connect { .. }
                | ImapError::Broken(_)
                | ImapError::Closed(_)
                | ImapError::Silent(_),
            ) => Unopened::Silent(said),
            // The server's store of users is down for a moment (RFC 5530 §3).
            Self::Imap(ImapError::SignIn(reply))
                if reply.has("UNAVAILABLE") || reply.has("INUSE") =>
            {
                Unopened::Silent(said)
            }
            Self::Imap(
                ImapError::Tls { .. }
                | ImapError::TooLarge { .. }
                | ImapError::Protocol(_)
                | ImapError::NotOffered(_)
                | ImapError::NoToken(_)
                | ImapError::SignIn(_)
                | ImapError::Refused { .. },
            ) => Unopened::Refused(said),
        }
    }
}

impl std::fmt::Display for LookError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Imap(error) => f.write_str(&one_line(&error.to_string(), SAID_CHARS_MAX)),
            Self::TooSlow => write!(f, "it takes longer than {}", show_span(LOOK_WITHIN)),
        }
    }
}

/// A folder that is looked into.
#[derive(Clone)]
struct Folder {
    name: Vec<u8>,
    is_junk: bool,
}

/// The mailbox.
struct Mailbox {
    account: Account,
    /// The session, while it lasts.
    open: Option<(Session, Vec<Folder>)>,
}

/// A message in a folder.
struct Found {
    uid: u32,
    octets: Vec<u8>,
}

/// What is looked for.
enum Wanted<'s> {
    /// The message with this `Message-ID`.
    Message(&'s str),
    /// A report about the message with this token.
    Report(&'s str),
}

impl Mailbox {
    async fn of(question: &AskRoundTrip, home: &Path) -> Result<Self, String> {
        let (access, login) = (question.mailbox.clone(), question.login.clone());
        let home = home.to_owned();
        // A command may give out the password, and take its time.
        let account = tokio::task::spawn_blocking(move || {
            let name = access.host.clone();
            let opening = Opening::of(&name, &access, &home, Commands::Run)?;
            opening.account(&login)
        });
        let account = account.await.map_err(|error| error.to_string())?;
        Ok(Self { account: account.map_err(|error| error.to_string())?, open: None })
    }

    /// Signs in and lists the folders, unless that is done.
    async fn open(&mut self) -> Result<(&mut Session, Vec<Folder>), LookError> {
        if self.open.is_none() {
            let bounds = Bounds {
                silence_max: LOOK_WITHIN,
                literal_octets_max: MESSAGE_OCTETS_MAX,
                memory_octets_max: MESSAGE_OCTETS_MAX,
                ..Bounds::default()
            };
            let opening = async {
                let mut session = self.account.session_within(bounds).await?;
                let tree = Tree::of(&mut session).await?;
                Ok::<_, ImapError>((session, tree))
            };
            let opened = timeout(LOOK_WITHIN, opening).await.map_err(|_| LookError::TooSlow)?;
            let (session, tree) = opened?;
            let junk = tree.folders.iter().filter(|(_, one)| one.role.as_deref() == Some("\\junk"));
            let junk = junk.map(|(name, _)| Folder { name: name.clone(), is_junk: true });
            let inbox = Folder { name: b"INBOX".to_vec(), is_junk: false };
            self.open = Some((session, std::iter::once(inbox).chain(junk).collect()));
        }
        let (session, folders) = self.open.as_mut().expect("it was opened");
        Ok((session, folders.clone()))
    }

    async fn close(self) {
        if let Some((session, _)) = self.open {
            let _ = timeout(LOOK_WITHIN, session.close()).await;
        }
    }

    /// Looks for the messages that are open.
    async fn look(&mut self, question: &AskRoundTrip, all: &mut [Sent]) {
        let looking = timeout(LOOK_WITHIN, self.looking(question, all)).await;
        let why = match looking.unwrap_or(Err(LookError::TooSlow)) {
            Ok(()) => None,
            Err(error) => {
                self.open = None;
                Some(error.to_string())
            }
        };
        for sent in all.iter_mut().filter(|sent| sent.is_open()) {
            sent.seen.unread.clone_from(&why);
        }
    }

    async fn looking(
        &mut self,
        question: &AskRoundTrip,
        all: &mut [Sent],
    ) -> Result<(), LookError> {
        let (session, folders) = self.open().await?;
        let looked: Vec<Duration> = all.iter().map(|sent| sent.at.elapsed()).collect();
        let mut found = Vec::new();
        for folder in &folders {
            session.select(&folder.name, Mode::Read).await?;
            for (at, sent) in all.iter().enumerate().filter(|(_, sent)| sent.is_open()) {
                let id = sent.message_id();
                for one in search(session, &Wanted::Message(&id)).await? {
                    found.push((at, arrival(folder, sent, &one)));
                }
            }
        }
        for (at, one) in found {
            all[at].seen.arrivals.push(one);
        }
        for (sent, looked) in all.iter_mut().zip(looked) {
            if sent.is_open() {
                sent.missed = looked;
            }
        }
        if question.from.is_empty() {
            return Ok(());
        }
        for folder in &folders {
            session.select(&folder.name, Mode::Read).await?;
            for sent in all.iter_mut().filter(|sent| sent.is_open()) {
                let reports = search(session, &Wanted::Report(&sent.token)).await?;
                sent.seen.bounce = reports.iter().find_map(|one| report(&one.octets));
            }
        }
        Ok(())
    }

    /// Removes the messages that are there. What is found only now has come late, or again.
    async fn remove(&mut self, question: &AskRoundTrip, all: &mut [Sent]) {
        let removing = timeout(LOOK_WITHIN, self.removing(question, all)).await;
        if let Err(error) = removing.unwrap_or(Err(LookError::TooSlow)) {
            self.open = None;
            let why = error.to_string();
            let there =
                |sent: &&mut Sent| !sent.seen.arrivals.is_empty() || sent.seen.bounce.is_some();
            all.iter_mut().filter(there).for_each(|sent| sent.seen.left = Some(why.clone()));
        }
    }

    async fn removing(
        &mut self,
        question: &AskRoundTrip,
        all: &mut [Sent],
    ) -> Result<(), LookError> {
        let (session, folders) = self.open().await?;
        for sent in all.iter_mut() {
            sent.seen.left = None;
        }
        let can_remove = ["UIDPLUS", "IMAP4REV2"].iter().any(|one| session.capabilities().has(one));
        for folder in &folders {
            session.select(&folder.name, Mode::Write).await?;
            for sent in all.iter_mut().filter(|sent| sent.seen.may_arrive()) {
                let (id, token) = (sent.message_id(), sent.token.clone());
                let mut there = search(session, &Wanted::Message(&id)).await?;
                let name = shown(&folder.name);
                let known = sent.seen.arrivals.iter().filter(|one| one.folder == name).count();
                for one in there.iter().skip(known) {
                    let late = arrival(folder, sent, one);
                    sent.seen.arrivals.push(late);
                }
                if !question.from.is_empty() {
                    there.extend(search(session, &Wanted::Report(&token)).await?);
                }
                if there.is_empty() {
                    continue;
                }
                // Without UID EXPUNGE (RFC 4315) only all messages that anybody has marked could be
                // removed.
                let left = match can_remove {
                    false => Some("the server does not offer UIDPLUS".to_owned()),
                    true => expunge(session, &there).await?,
                };
                if left.is_some() {
                    sent.seen.left = left;
                }
            }
        }
        Ok(())
    }
}

/// The messages of the selected folder that are what is looked for. What a server finds besides is left
/// alone.
async fn search(session: &mut Session, wanted: &Wanted<'_>) -> Result<Vec<Found>, ImapError> {
    let command = match wanted {
        Wanted::Message(id) => format!("UID SEARCH HEADER Message-ID \"{id}\""),
        Wanted::Report(token) => format!("UID SEARCH TEXT \"{token}\""),
    };
    let mut uids = Vec::new();
    for untagged in session.run(command.as_bytes()).await?.untagged {
        if let Untagged::Search(found) = untagged {
            uids.extend(found);
        }
    }
    uids.sort_unstable();
    uids.dedup();
    // More would be a server that finds everything.
    uids.truncate(FOUND_MAX);
    let mut found = Vec::new();
    for uid in uids {
        let fetched = session.run(format!("UID FETCH {uid} (UID BODY.PEEK[])").as_bytes()).await?;
        for untagged in fetched.untagged {
            let Untagged::Fetch(fetched) = untagged else { continue };
            let (Some(of), Some(body)) = (fetched.uid, fetched.body) else { continue };
            let mut octets = Vec::new();
            body.pieces(|piece| octets.extend_from_slice(piece))?;
            let is_it = match wanted {
                Wanted::Message(id) => is_message(&octets, id),
                Wanted::Report(token) => is_report(&octets, token),
            };
            if of == uid && is_it {
                found.push(Found { uid, octets });
            }
        }
    }
    Ok(found)
}

/// Messages that are looked at for one search. Our choice.
const FOUND_MAX: usize = 8;

/// Removes these messages of the selected folder, and no other; why they are still there if they are.
async fn expunge(session: &mut Session, there: &[Found]) -> Result<Option<String>, ImapError> {
    let uids: Vec<String> = there.iter().map(|one| one.uid.to_string()).collect();
    let uids = uids.join(",");
    for command in
        [format!("UID STORE {uids} +FLAGS.SILENT (\\Deleted)"), format!("UID EXPUNGE {uids}")]
    {
        match session.run(command.as_bytes()).await {
            Ok(_) => {}
            Err(error @ ImapError::Refused { .. }) => {
                return Ok(Some(one_line(&error.to_string(), SAID_CHARS_MAX)));
            }
            Err(error) => return Err(error),
        }
    }
    // An OK is a claim.
    let mut left = 0;
    for untagged in session.run(format!("UID SEARCH UID {uids}").as_bytes()).await?.untagged {
        if let Untagged::Search(found) = untagged {
            left += found.iter().filter(|uid| there.iter().any(|one| one.uid == **uid)).count();
        }
    }
    Ok((left > 0).then(|| "the server says that it was removed, and still has it".to_owned()))
}

fn arrival(folder: &Folder, sent: &Sent, found: &Found) -> Arrival {
    let (header, body) = parts(&found.octets);
    Arrival {
        folder: shown(&folder.name),
        is_junk: folder.is_junk,
        after: sent.at.elapsed(),
        missed: sent.missed,
        results: fields(header, "authentication-results").take(RESULTS_MAX).collect(),
        sent: Digest::of(BODY.as_bytes()),
        body: Digest::of(body),
    }
}

/// The header and the body of a message.
fn parts(message: &[u8]) -> (&[u8], &[u8]) {
    const GAP: &[u8] = b"\r\n\r\n";
    match message.windows(GAP.len()).position(|octets| octets == GAP) {
        Some(at) => (&message[..at], &message[at + GAP.len()..]),
        None => (message, &[]),
    }
}

/// The values of the fields with this name (in lower case), from above, each unfolded and cut.
fn fields(text: &[u8], name: &str) -> impl Iterator<Item = String> {
    let text = String::from_utf8_lossy(text);
    let mut all: Vec<String> = Vec::new();
    let mut is_in = false;
    for line in text.lines() {
        if line.starts_with([' ', '\t']) {
            if let (true, Some(last)) = (is_in, all.last_mut()) {
                last.push_str(line);
            }
            continue;
        }
        let value = line.split_once(':').filter(|(key, _)| key.eq_ignore_ascii_case(name));
        is_in = value.is_some();
        all.extend(value.map(|(_, value)| value.to_owned()));
    }
    all.into_iter().map(|value| one_line(value.trim(), SAID_CHARS_MAX))
}

fn is_message(message: &[u8], id: &str) -> bool {
    fields(parts(message).0, "message-id").any(|found| found == id)
}

/// Whether a message is another one that repeats the token, and says that a message has failed.
fn is_report(message: &[u8], token: &str) -> bool {
    let is_own = is_message(message, &message_id(token));
    let has_token = message.windows(token.len()).any(|octets| octets == token.as_bytes());
    !is_own && has_token && report(message).is_some()
}

/// What a report about a message that has failed says (RFC 3464 §2.3).
fn report(message: &[u8]) -> Option<String> {
    let mut actions = fields(message, "action");
    actions.find(|action| action.eq_ignore_ascii_case("failed"))?;
    let said = fields(message, "diagnostic-code").next();
    said.or_else(|| fields(message, "status").next()).or_else(|| Some("it has failed".to_owned()))
}
