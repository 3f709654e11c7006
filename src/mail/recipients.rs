//! The list of recipients: a CSV file (RFC 4180) with a line for each address that moves.
//!
//! The first line names the columns, in any order. Only `address` is needed:
//!
//! | column | content |
//! |---|---|
//! | `address` | the address; each once, whatever the case of its letters |
//! | `kind` | `mailbox` (also if it is empty), `shared`, `resource`, `alias`, `forward`, `group`, `contact` |
//! | `target` | where mail for an alias or a forward goes |
//! | `wave` | the group with which it moves |
//! | `old_user`, `new_user` | who signs in; the address if it is empty |
//! | `old_secret`, `new_secret` | the password, by reference: `env:NAME` or `file:PATH` |
//!
//! A list is checked as a whole, and all that is wrong is reported at once. Nothing here opens a
//! file or a mailbox.

use std::collections::BTreeMap;

use cutover_base::diag::{did_you_mean, listed, quoted};

/// The most lines of a list, and the most problems that are reported. Our choice.
const RECIPIENTS_MAX: usize = 500_000;
const PROBLEMS_MAX: usize = 100;
/// The longest address (RFC 5321 §4.5.3.1: 64 octets, `@`, 255 octets).
const ADDRESS_OCTETS_MAX: usize = 320;

/// An address that moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Its line in the file.
    pub line: u64,
    /// The address.
    pub address: String,
    /// What it is.
    pub kind: Kind,
    /// Where mail for it goes.
    pub target: Option<String>,
    /// The wave with which it moves.
    pub wave: Option<String>,
    /// The user and the secret at the old host.
    pub old: Login,
    /// The user and the secret at the new host.
    pub new: Login,
}

/// Who signs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub user: String,
    /// Where the password is.
    pub secret: Option<Reference>,
}

/// Where a password is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// In an environment variable.
    Env(String),
    /// In a file.
    File(String),
}

/// What an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A person's mailbox.
    Mailbox,
    /// A mailbox that several people use.
    Shared,
    /// The mailbox of a room or a device.
    Resource,
    /// Another name of a mailbox.
    Alias,
    /// Mail is sent on to another address.
    Forward,
    /// Mail is sent on to several addresses.
    Group,
    /// An entry of the address book.
    Contact,
}

impl Kind {
    const WORDS: &[(&str, Self)] = &[
        ("mailbox", Self::Mailbox),
        ("shared", Self::Shared),
        ("resource", Self::Resource),
        ("alias", Self::Alias),
        ("forward", Self::Forward),
        ("group", Self::Group),
        ("contact", Self::Contact),
    ];

    /// Whether it has messages of its own.
    #[must_use]
    pub fn is_mailbox(self) -> bool {
        match self {
            Self::Mailbox | Self::Shared | Self::Resource => true,
            Self::Alias | Self::Forward | Self::Group | Self::Contact => false,
        }
    }
}

/// Something that is wrong in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line.
    pub line: u64,
    /// What is wrong there, and what to do.
    pub text: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { line, text } = self;
        write!(f, "line {line}: {text}")
    }
}

/// The columns.
const COLUMNS: [&str; 8] =
    ["address", "kind", "target", "wave", "old_user", "new_user", "old_secret", "new_secret"];

/// Reads a list.
///
/// # Errors
/// Everything that is wrong, up to a hundred problems, in the order of the lines.
pub fn read(text: &str) -> Result<Vec<Recipient>, Vec<Problem>> {
    // Spreadsheets write a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // The reader counts a line that ends in CRLF only when the next one begins.
    let text = text.replace("\r\n", "\n");
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let mut found = Found::default();
    let columns = match reader.headers() {
        Ok(header) => found.columns(header),
        Err(error) => {
            found.report(1, error.to_string());
            BTreeMap::new()
        }
    };
    if !found.problems.is_empty() {
        return Err(found.problems);
    }
    let mut recipients = Vec::new();
    for record in reader.records() {
        match record {
            Ok(record) => recipients.extend(found.recipient(&record, &columns)),
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                let mut what = error.to_string();
                if let csv::ErrorKind::UnequalLengths { expected_len, len, .. } = error.kind() {
                    what = format!("{len} fields instead of {expected_len}");
                }
                found.report(line, what);
            }
        }
        if recipients.len() > RECIPIENTS_MAX {
            found.report(0, format!("more than {RECIPIENTS_MAX} addresses"));
            break;
        }
    }
    found.twice(&recipients);
    found.problems.sort_by_key(|problem| problem.line);
    if found.problems.is_empty() { Ok(recipients) } else { Err(found.problems) }
}

/// What is wrong.
#[derive(Default)]
struct Found {
    problems: Vec<Problem>,
}

impl Found {
    fn report(&mut self, line: u64, text: String) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(Problem { line, text });
        }
    }

    /// Where each column is.
    fn columns(&mut self, header: &csv::StringRecord) -> BTreeMap<&'static str, usize> {
        let mut columns = BTreeMap::new();
        for (at, name) in header.iter().enumerate() {
            let lower = name.to_ascii_lowercase();
            match COLUMNS.iter().find(|known| **known == lower) {
                Some(known) => {
                    if columns.insert(*known, at).is_some() {
                        self.report(1, format!("the column {} is there twice", quoted(name)));
                    }
                }
                None => {
                    let help = match did_you_mean(&lower, COLUMNS) {
                        Some(guess) => format!("did you mean `{guess}`?"),
                        None => format!("the columns are {}", listed(COLUMNS)),
                    };
                    self.report(1, format!("there is no column {}: {help}", quoted(name)));
                }
            }
        }
        if !columns.contains_key("address") {
            let help = "the first line names the columns: `address,kind,wave,…`";
            self.report(1, format!("the column `address` is missing: {help}"));
        }
        columns
    }

    fn recipient(
        &mut self,
        record: &csv::StringRecord,
        columns: &BTreeMap<&'static str, usize>,
    ) -> Option<Recipient> {
        let line = record.position().map_or(0, csv::Position::line);
        let before = self.problems.len();
        let field = |name: &str| {
            let text = record.get(*columns.get(name)?)?;
            (!text.is_empty()).then(|| text.to_owned())
        };
        let address = field("address").unwrap_or_default();
        if !is_address(&address) {
            self.report(line, format!("{} is not an address", quoted(&address)));
        }
        let kind = field("kind").map_or(Some(Kind::Mailbox), |word| {
            let row = Kind::WORDS.iter().find(|(known, _)| word.eq_ignore_ascii_case(known));
            if row.is_none() {
                let known = listed(Kind::WORDS.iter().map(|(word, _)| *word));
                self.report(line, format!("there is no kind {}: it is {known}", quoted(&word)));
            }
            row.map(|(_, kind)| *kind)
        });
        let target = field("target");
        if matches!(kind, Some(Kind::Alias | Kind::Forward)) && target.is_none() {
            self.report(line, format!("{address} needs a target: where does its mail go?"));
        }
        let mut login = |user: &str, secret: &str| {
            let reference = field(secret).and_then(|text| {
                let reference = reference(&text);
                if reference.is_none() {
                    // The text may be the secret itself, so it is not shown.
                    let help = "write `env:NAME` or `file:PATH`, and keep the secret elsewhere";
                    self.report(line, format!("`{secret}` is not a reference: {help}"));
                }
                reference
            });
            Login { user: field(user).unwrap_or_else(|| address.clone()), secret: reference }
        };
        let (old, new) = (login("old_user", "old_secret"), login("new_user", "new_secret"));
        let recipient =
            Recipient { line, address, kind: kind?, target, wave: field("wave"), old, new };
        (self.problems.len() == before).then_some(recipient)
    }

    /// Reports what is there twice: an address, or the user of two mailboxes, which would be mixed. Most hosts
    /// do not look at the case of a user's name, so two that differ in nothing else are one.
    fn twice(&mut self, recipients: &[Recipient]) {
        let mut addresses = BTreeMap::new();
        let mut users = BTreeMap::new();
        for Recipient { line, address, kind, old, new, .. } in recipients {
            if let Some(first) = addresses.insert(address.to_lowercase(), *line) {
                self.report(*line, format!("{address} is there already, in line {first}"));
                continue;
            }
            let sides = [
                ("new", new, "two mailboxes would become one"),
                ("old", old, "one of them would never be read"),
            ];
            for (side, login, why) in sides.into_iter().filter(|_| kind.is_mailbox()) {
                if let Some(first) = users.insert((side, login.user.to_lowercase()), *line) {
                    let user = quoted(&login.user);
                    let text = format!("{user} is the {side} user of line {first} too: {why}");
                    self.report(*line, text);
                }
            }
        }
    }
}

fn reference(text: &str) -> Option<Reference> {
    let named = |kind: &str| text.strip_prefix(kind).filter(|name| !name.is_empty());
    let env = named("env:").map(|name| Reference::Env(name.to_owned()));
    env.or_else(|| named("file:").map(|path| Reference::File(path.to_owned())))
}

/// Whether this may be an address: a part before an `@` and a part after it, without blanks and
/// controls. Whether anybody takes mail for it, only a server can tell.
fn is_address(text: &str) -> bool {
    let is_bad = |c: char| c.is_control() || c.is_whitespace() || "<>,;".contains(c);
    let parts = text.rsplit_once('@');
    let is_whole = |(local, domain): (&str, &str)| !local.is_empty() && !domain.is_empty();
    parts.is_some_and(is_whole) && text.len() <= ADDRESS_OCTETS_MAX && !text.contains(is_bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_whatever_the_order_of_its_columns() {
        let text = "\u{feff}Wave, address ,kind,target,new_user,old_secret\r\n\
            pilot,a@acme.test,,,anna,env:A\r\n\
            ,\"b@acme.test\",alias,a@acme.test,,\r\n";
        let read = read(text).expect("a list");
        assert_eq!(read[0].wave.as_deref(), Some("pilot"));
        assert_eq!((&*read[0].old.user, &*read[0].new.user), ("a@acme.test", "anna"));
        assert_eq!(read[0].old.secret, Some(Reference::Env("A".to_owned())));
        assert_eq!((read[1].line, read[1].kind), (3, Kind::Alias));
    }

    #[test]
    fn everything_that_is_wrong_is_reported_at_once() {
        let text = "address,kind,target,new_user,old_secret\n\
            a@acme.test,,,u,\n\
            A@acme.test,,,,\n\
            nobody,,,,\n\
            b@acme.test,mailbx,,,\n\
            c@acme.test,alias,,,\n\
            d@acme.test,,,,hunter2\n\
            e@acme.test\n\
            f@acme.test,,,u,\n\
            g@acme.test,,,U,\n";
        let problems = read(text).expect_err("problems");
        let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let expected = [
            "line 3: A@acme.test is there already, in line 2",
            "line 4: `nobody` is not an address",
            "line 5: there is no kind `mailbx`: it is `mailbox`, `shared`, `resource`, `alias`, `forward`, `group`, `contact`",
            "line 6: c@acme.test needs a target: where does its mail go?",
            "line 7: `old_secret` is not a reference: write `env:NAME` or `file:PATH`, and keep the secret elsewhere",
            "line 8: 1 fields instead of 5",
            "line 9: `u` is the new user of line 2 too: two mailboxes would become one",
            "line 10: `U` is the new user of line 9 too: two mailboxes would become one",
        ];
        assert_eq!(shown, expected);
        assert!(!format!("{problems:?}").contains("hunter2"));
    }

    #[test]
    fn columns_are_checked_first() {
        let problems = read("adress,kind,kind\n").expect_err("problems");
        let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "line 1: there is no column `adress`: did you mean `address`?",
                "line 1: the column `kind` is there twice",
                "line 1: the column `address` is missing: the first line names the columns: `address,kind,wave,…`",
            ]
        );
        assert_eq!(read("").expect_err("problems").len(), 1);
    }
}
