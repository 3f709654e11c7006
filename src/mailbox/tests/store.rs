//! A server that stores messages, and does it wrong where a test says so: for what no real server
//! does. Its folders can be looked at.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::spawn;

use cutover_imap::{Roots, Security, Server};
use cutover_mailbox::account::Account;

use crate::bed::{Bed, password};

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) uid: u32,
    pub(crate) octets: Vec<u8>,
    pub(crate) flags: String,
    pub(crate) date: String,
}

/// A folder.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    pub(crate) validity: u32,
    pub(crate) next: u32,
    pub(crate) mails: Vec<Stored>,
}

impl Folder {
    pub(crate) fn add(&mut self, octets: &[u8], flags: &str, date: &str) -> u32 {
        let (uid, octets) = (self.next, octets.to_vec());
        self.next += 1;
        let (flags, date) = (flags.to_owned(), date.to_owned());
        self.mails.push(Stored { uid, octets, flags, date });
        uid
    }
}

/// What a server does with a command, instead of what is right.
pub(crate) enum Fault {
    /// It does it, and closes the connection.
    DoesAndHangs,
    /// It answers this, and does nothing. `{next}` stands for the UID that the message would have.
    Says(&'static str),
    /// It stores the message, and answers this. `{uid}` stands for the UID that it has, `{wrong}` for the next.
    StoresAndSays(&'static str),
}

/// A command that a server got.
pub(crate) struct Asked<'a> {
    /// The command, without tag and literal.
    pub(crate) words: &'a str,
    /// The message of an `APPEND`.
    pub(crate) literal: &'a [u8],
}

type Rule = dyn FnMut(&Asked<'_>) -> Option<Fault> + Send;

/// What a server does to a message.
pub(crate) type Rewriting = fn(&[u8]) -> Vec<u8>;

/// How a server treats names and messages.
#[derive(Clone, Copy, Default)]
pub(crate) struct Manners {
    /// Names that differ in case only are one folder.
    pub(crate) folds_case: bool,
    /// Names are cut after so many octets.
    pub(crate) name_octets_max: Option<usize>,
    /// What it does to each message that it stores.
    pub(crate) rewrites: Option<Rewriting>,
    /// Without `UIDPLUS`.
    pub(crate) names_no_uids: bool,
}

struct State {
    manners: Manners,
    folders: Mutex<BTreeMap<String, Folder>>,
    rule: Mutex<Box<Rule>>,
}

/// The server.
pub(crate) struct Store {
    port: u16,
    state: Arc<State>,
}

impl Store {
    pub(crate) fn start(
        manners: Manners,
        rule: impl FnMut(&Asked<'_>) -> Option<Fault> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let port = listener.local_addr().expect("an address").port();
        let inbox = Folder { validity: 7, next: 1, mails: Vec::new() };
        let state = Arc::new(State {
            manners,
            folders: Mutex::new(BTreeMap::from([("INBOX".to_owned(), inbox)])),
            rule: Mutex::new(Box::new(rule)),
        });
        let shared = Arc::clone(&state);
        spawn(move || {
            for client in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                spawn(move || serve(client, &state));
            }
        });
        Self { port, state }
    }

    pub(crate) fn account(&self, bed: &Bed, user: &str) -> Account {
        let server = Server {
            host: "localhost".to_owned(),
            port: self.port,
            security: Security::Plain,
            roots: Roots::in_file(&bed.new.authority()).expect("certificates"),
        };
        let name = format!("store {user}");
        Account { name, server, sign_in: password(user, "pw"), renew: None }
    }

    pub(crate) fn folders(&self) -> MutexGuard<'_, BTreeMap<String, Folder>> {
        self.state.folders.lock().expect("no test has failed")
    }

    /// The subjects in a folder, sorted.
    pub(crate) fn subjects(&self, folder: &str) -> Vec<String> {
        let folders = self.folders();
        let of = |mail: &Stored| {
            let text = String::from_utf8_lossy(&mail.octets).into_owned();
            let line = text.lines().find_map(|line| line.strip_prefix("Subject: "));
            line.unwrap_or_default().to_owned()
        };
        let mut subjects: Vec<String> = folders[folder].mails.iter().map(of).collect();
        subjects.sort();
        subjects
    }

    /// Follows another rule from now on.
    pub(crate) fn obey(&self, rule: impl FnMut(&Asked<'_>) -> Option<Fault> + Send + 'static) {
        *self.state.rule.lock().expect("no test has failed") = Box::new(rule);
    }

    /// Does everything right from now on.
    pub(crate) fn repent(&self) {
        self.obey(|_| None);
    }
}

/// A session.
struct Client<'a> {
    state: &'a State,
    selected: Option<String>,
}

fn serve(client: TcpStream, state: &State) {
    let Ok(mut writer) = client.try_clone() else { return };
    let mut reader = BufReader::new(client);
    let mut session = Client { state, selected: None };
    if writer.write_all(b"* OK a store\r\n").is_err() {
        return;
    }
    while let Some((tag, words, literal)) = command(&mut reader) {
        let asked = Asked { words: &words, literal: &literal };
        let fault = state.rule.lock().expect("no test has failed")(&asked);
        let answer = match fault {
            Some(Fault::DoesAndHangs) => {
                session.does(&words, &literal);
                return;
            }
            Some(Fault::Says(text)) => {
                let next = session.next_uid(&words).to_string();
                (Vec::new(), text.replace("{next}", &next))
            }
            Some(Fault::StoresAndSays(text)) => {
                let (_, end) = session.does(&words, &literal);
                let uid: u32 = end
                    .split(|c: char| !c.is_ascii_digit())
                    .filter_map(|word| word.parse().ok())
                    .nth(1)
                    .unwrap_or(0);
                let text = text.replace("{uid}", &uid.to_string());
                (Vec::new(), text.replace("{wrong}", &(uid + 1).to_string()))
            }
            None => session.does(&words, &literal),
        };
        let (before, end) = answer;
        let line = format!("{tag} {end}\r\n");
        if writer.write_all(&[&before[..], line.as_bytes()].concat()).is_err() {
            return;
        }
    }
}

/// The next command: tag, words, and literal.
fn command(reader: &mut BufReader<TcpStream>) -> Option<(String, String, Vec<u8>)> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line).ok().filter(|read| *read > 0)?;
    let text = String::from_utf8_lossy(&line).trim_end().to_owned();
    let (tag, words) = text.split_once(' ')?;
    let mut literal = Vec::new();
    if let Some((_, octets)) = words.strip_suffix("+}").and_then(|head| head.rsplit_once('{')) {
        literal = vec![0; octets.parse().ok()?];
        reader.read_exact(&mut literal).ok()?;
        reader.read_until(b'\n', &mut Vec::new()).ok()?;
    }
    Some((tag.to_owned(), words.to_owned(), literal))
}

/// The first argument in quotes.
fn name_in(words: &str) -> String {
    words.split('"').nth(1).unwrap_or_default().to_owned()
}

impl Client<'_> {
    /// The name that a name leads to.
    fn led(&self, name: &str) -> String {
        let Manners { folds_case, name_octets_max, .. } = self.state.manners;
        let cut = name_octets_max.map_or(name, |max| &name[..name.len().min(max)]);
        let folders = self.state.folders.lock().expect("no test has failed");
        let same = |known: &&String| {
            known.eq_ignore_ascii_case(cut) && (folds_case || cut.eq_ignore_ascii_case("INBOX"))
        };
        folders.keys().find(same).cloned().unwrap_or_else(|| cut.to_owned())
    }

    fn next_uid(&self, words: &str) -> u32 {
        let name = self.led(&name_in(words));
        let folders = self.state.folders.lock().expect("no test has failed");
        folders.get(&name).map_or(1, |folder| folder.next)
    }

    fn does(&mut self, words: &str, literal: &[u8]) -> (Vec<u8>, String) {
        let name = self.led(&name_in(words));
        let manners = self.state.manners;
        let mut folders = self.state.folders.lock().expect("no test has failed");
        let done = || "OK done".to_owned();
        let first = words.split(' ').next().unwrap_or_default();
        match first {
            "CAPABILITY" => {
                let more = if manners.names_no_uids { "" } else { " UIDPLUS" };
                (format!("* CAPABILITY IMAP4rev1 LITERAL+{more}\r\n").into_bytes(), done())
            }
            "LIST" => {
                let lines = folders.keys().map(|name| format!("* LIST () \"/\" \"{name}\"\r\n"));
                (lines.collect::<String>().into_bytes(), done())
            }
            "CREATE" if folders.contains_key(&name) => {
                (Vec::new(), "NO [ALREADYEXISTS] it exists".to_owned())
            }
            "CREATE" => {
                let validity = 100 + u32::try_from(folders.len()).expect("few");
                folders.insert(name, Folder { validity, next: 1, mails: Vec::new() });
                (Vec::new(), done())
            }
            "EXAMINE" | "SELECT" | "STATUS" | "APPEND" if !folders.contains_key(&name) => {
                (Vec::new(), "NO [NONEXISTENT] no such folder".to_owned())
            }
            "EXAMINE" | "SELECT" => {
                let Folder { validity, next, mails } = &folders[&name];
                let lines = format!(
                    "* {} EXISTS\r\n* OK [UIDVALIDITY {validity}] x\r\n* OK [UIDNEXT {next}] x\r\n",
                    mails.len()
                );
                self.selected = Some(name);
                (lines.into_bytes(), done())
            }
            "STATUS" => {
                let Folder { validity, next, mails } = &folders[&name];
                let count = mails.len();
                let items = format!("MESSAGES {count} UIDNEXT {next} UIDVALIDITY {validity}");
                (format!("* STATUS \"{name}\" ({items})\r\n").into_bytes(), done())
            }
            "APPEND" => {
                let folder = folders.get_mut(&name).expect("it was looked for");
                let octets = manners.rewrites.map_or(literal.to_vec(), |rewrite| rewrite(literal));
                let inner = words.split(['(', ')']).nth(1).unwrap_or_default();
                let date = words.split('"').nth(3).unwrap_or("01-Jan-2024 00:00:00 +0000");
                let uid = folder.add(&octets, inner, date);
                let validity = folder.validity;
                match manners.names_no_uids {
                    true => (Vec::new(), done()),
                    false => (Vec::new(), format!("OK [APPENDUID {validity} {uid}] done")),
                }
            }
            "UID" => {
                let folder = self.selected.as_ref().and_then(|name| folders.get_mut(name));
                match folder {
                    Some(folder) => (in_folder(folder, words), done()),
                    None => (Vec::new(), "BAD nothing is selected".to_owned()),
                }
            }
            _ => (Vec::new(), done()),
        }
    }
}

/// `UID SEARCH`, `UID FETCH` and `UID STORE`.
fn in_folder(folder: &mut Folder, words: &str) -> Vec<u8> {
    let mut parts = words.split(' ').skip(1);
    let what = parts.next().unwrap_or_default();
    let mut set = parts.next().unwrap_or_default();
    if set == "UID" {
        set = parts.next().unwrap_or_default();
    } else if what == "SEARCH" {
        set = "1:*";
    }
    let is_asked = |uid: u32| {
        set.split(',').any(|range| {
            let (from, to) = range.split_once(':').unwrap_or((range, range));
            let number = |text: &str| text.parse().unwrap_or(u32::MAX);
            (number(from)..=number(to)).contains(&uid)
        })
    };
    let mut answer = Vec::new();
    if what == "SEARCH" {
        let uids = folder.mails.iter().map(|mail| mail.uid).filter(|uid| is_asked(*uid));
        let uids: String = uids.map(|uid| format!(" {uid}")).collect();
        return format!("* SEARCH{uids}\r\n").into_bytes();
    }
    for (at, mail) in folder.mails.iter_mut().enumerate().filter(|(_, mail)| is_asked(mail.uid)) {
        let Stored { uid, octets, flags, date } = mail;
        if what == "STORE" {
            let inner = words.split(['(', ')']).nth(1).unwrap_or_default();
            let mut known: Vec<&str> = flags.split_ascii_whitespace().collect();
            for flag in inner.split_ascii_whitespace() {
                known.retain(|known| *known != flag);
                if words.contains("+FLAGS") {
                    known.push(flag);
                }
            }
            *flags = known.join(" ");
            continue;
        }
        let number = at + 1;
        let head = format!("* {number} FETCH (UID {uid} FLAGS ({flags}) INTERNALDATE \"{date}\"");
        answer.extend_from_slice(head.as_bytes());
        let body: &[u8] = if words.contains("HEADER.FIELDS") { b"" } else { octets };
        let name = if body.is_empty() { "BODY[HEADER.FIELDS (X)]" } else { "BODY[]" };
        if words.contains("BODY.PEEK") {
            answer.extend_from_slice(format!(" {name} {{{}}}\r\n", body.len()).as_bytes());
            answer.extend_from_slice(body);
        }
        answer.extend_from_slice(b")\r\n");
    }
    answer
}
