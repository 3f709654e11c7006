//! A server that answers what a test tells it to: for what no real server does on demand.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::spawn;

use cutover_imap::{Roots, Security, Server};
use cutover_mailbox::account::{Account, Pair};

use crate::bed::{Bed, password};

/// An answer: what is sent before the end of the command, and its end without the tag.
pub(crate) type Answer = (Vec<u8>, String);

/// What a test answers to a command; `None` for what a server usually answers.
pub(crate) type Script = dyn FnMut(&str) -> Option<Answer> + Send;

/// A server with one folder, INBOX.
pub(crate) struct Fake {
    port: u16,
    /// Every command, without tags.
    pub(crate) commands: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    /// Starts it. An answer whose end is `BYE …` closes the connection after it.
    pub(crate) fn start(
        exists: usize,
        script: impl FnMut(&str) -> Option<Answer> + Send + 'static,
    ) -> Self {
        Self::with("* OK fake\r\n", exists, script)
    }

    /// One with another greeting.
    pub(crate) fn greeting(words: &'static str) -> Self {
        Self::with(words, 0, |_| None)
    }

    fn with(
        greeting: &'static str,
        exists: usize,
        script: impl FnMut(&str) -> Option<Answer> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let port = listener.local_addr().expect("an address").port();
        let commands = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&commands);
        let script: Arc<Mutex<Box<Script>>> = Arc::new(Mutex::new(Box::new(script)));
        spawn(move || {
            for client in listener.incoming().flatten() {
                let (heard, script) = (Arc::clone(&heard), Arc::clone(&script));
                spawn(move || serve(client, greeting, exists, &heard, &script));
            }
        });
        Self { port, commands }
    }

    /// A pair of this server and the bed's new one, or the bed's old one and this.
    pub(crate) fn pair(&self, bed: &Bed, user: &str, is_old: bool) -> Pair {
        let server = Server {
            host: "localhost".to_owned(),
            port: self.port,
            security: Security::Plain,
            roots: Roots::in_file(&bed.new.authority()).expect("certificates"),
        };
        let name = format!("fake {user}");
        let account = Account { name, server, sign_in: password(user, "pw"), renew: None };
        let mut pair = bed.pair(user);
        *(if is_old { &mut pair.old } else { &mut pair.new }) = account;
        pair
    }

    /// How many of its commands begin like this.
    pub(crate) fn count(&self, words: &str) -> usize {
        let heard = self.commands.lock().expect("no test has failed");
        heard.iter().filter(|command| command.starts_with(words)).count()
    }
}

fn serve(
    client: TcpStream,
    greeting: &str,
    exists: usize,
    heard: &Mutex<Vec<String>>,
    script: &Mutex<Box<Script>>,
) {
    let Ok(mut writer) = client.try_clone() else { return };
    let mut reader = BufReader::new(client);
    let mut say = |octets: &[u8]| writer.write_all(octets).is_ok();
    if !say(greeting.as_bytes()) {
        return;
    }
    loop {
        let mut line = Vec::new();
        if !matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
            return;
        }
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        let Some((tag, command)) = text.split_once(' ') else { continue };
        if let Some(octets) = command.strip_suffix("+}").and_then(|head| head.rsplit_once('{')) {
            let mut literal = vec![0; octets.1.parse().expect("a number")];
            let (mut end, whole) = (Vec::new(), reader.read_exact(&mut literal));
            if whole.is_err() || reader.read_until(b'\n', &mut end).is_err() {
                return;
            }
        }
        heard.lock().expect("no test has failed").push(command.to_owned());
        let scripted = script.lock().expect("no test has failed")(command);
        let (before, end) = scripted.unwrap_or_else(|| usual(command, exists));
        if let Some(words) = end.strip_prefix("BYE") {
            say(&[&before[..], b"* BYE", words.as_bytes(), b"\r\n"].concat());
            return;
        }
        if !say(&[&before[..], tag.as_bytes(), b" ", end.as_bytes(), b"\r\n"].concat()) {
            return;
        }
    }
}

fn usual(command: &str, exists: usize) -> Answer {
    let word = command.split(' ').next().unwrap_or_default();
    let before = match word {
        "CAPABILITY" => "* CAPABILITY IMAP4rev1 LITERAL+ UIDPLUS\r\n".to_owned(),
        "LIST" => "* LIST () \"/\" INBOX\r\n".to_owned(),
        "EXAMINE" | "SELECT" => format!("* {exists} EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n"),
        "UID" if command.starts_with("UID SEARCH") => {
            let uids = (1..=exists).fold(String::new(), |text, uid| format!("{text} {uid}"));
            format!("* SEARCH{uids}\r\n")
        }
        _ => String::new(),
    };
    (before.into_bytes(), "OK done".to_owned())
}

/// What a server with this many messages answers to a search; `None` to any other command.
pub(crate) fn searched(command: &str, count: u32) -> Option<Answer> {
    let uids = (1..=count).fold(String::new(), |text, uid| format!("{text} {uid}"));
    let is_search = command.starts_with("UID SEARCH");
    is_search.then(|| (format!("* SEARCH{uids}\r\n").into_bytes(), "OK done".to_owned()))
}

/// A message as a server sends it.
pub(crate) fn fetched(uid: u32, attributes: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("* {uid} FETCH (UID {uid} {attributes} BODY[] {{{}}}\r\n", body.len());
    [head.as_bytes(), body, b")\r\n"].concat()
}
