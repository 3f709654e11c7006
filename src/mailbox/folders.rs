//! Folders: what a server has, and what each is called at the other side.
//!
//! Names are cut into components at the server's separator, and put together with the other
//! server's. What is INBOX, or has a special use (RFC 6154), keeps its part in the mailbox whatever
//! it is called. Two folders never become one, also if the other server takes names that differ only in
//! the case of letters, or in how accents are composed, for one name: unless it lists two such names,
//! the second folder gets a number.

use std::collections::{BTreeMap, BTreeSet};

use cutover_imap::{
    ImapError, Listed, Namespace, Reply, Session, Status, Untagged, decoded, encoded,
};
use unicode_normalization::UnicodeNormalization as _;

/// The special uses that are mapped (RFC 6154 §2), and what servers call such folders if they
/// support no special uses. The names are those of common clients; our choice.
const ROLES: &[(&str, &[&str])] = &[
    ("\\drafts", &["Drafts", "Draft", "Entwürfe", "Brouillons", "Borradores", "Bozze"]),
    (
        "\\sent",
        &[
            "Sent",
            "Sent Items",
            "Sent Messages",
            "Sent Mail",
            "Gesendet",
            "Gesendete Elemente",
            "Envoyés",
            "Éléments envoyés",
            "Enviados",
            "Posta inviata",
        ],
    ),
    ("\\junk", &["Junk", "Spam", "Junk E-mail", "Junk Email", "Junk-E-Mail", "Bulk Mail"]),
    (
        "\\trash",
        &[
            "Trash",
            "Deleted Items",
            "Deleted Messages",
            "Papierkorb",
            "Gelöschte Elemente",
            "Corbeille",
            "Éléments supprimés",
            "Papelera",
            "Cestino",
        ],
    ),
    ("\\archive", &["Archive", "Archives", "Archiv"]),
];
/// The octets that no folder name of another server should contain: they are wildcards or worse.
/// Cyrus refuses some of them, Dovecot TAB.
const REFUSED: &[u8] = b"%*\\^\t\r\n\x00\x7f";
/// The longest component, in octets. Dovecot 2.3 takes 255 for the whole name.
const COMPONENT_OCTETS_MAX: usize = 200;

/// The folders of a mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// What the names of folders begin with, INBOX aside.
    pub prefix: Vec<u8>,
    /// The separator; there is none if names are flat.
    pub separator: Option<u8>,
    /// The folders that can be opened, by name.
    pub folders: BTreeMap<Vec<u8>, Folder>,
}

/// A folder that can be opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folder {
    /// Its special use, in lower case with its backslash.
    pub role: Option<String>,
    /// Whether the user is subscribed to it.
    pub is_subscribed: bool,
}

/// The name of a folder for people. Octets that are not text are escaped.
#[must_use]
pub fn shown(name: &[u8]) -> String {
    decoded(name).unwrap_or_else(|| name.escape_ascii().to_string())
}

fn is_inbox(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"INBOX")
}

impl Tree {
    /// Asks a server for its folders.
    ///
    /// # Errors
    /// Any [`ImapError`].
    pub async fn of(session: &mut Session) -> Result<Self, ImapError> {
        Self::after(session, Vec::new()).await.map(|(_, tree)| tree)
    }

    /// Runs these commands, and asks for the folders in the same round trip. The replies are in the order
    /// of the commands.
    ///
    /// # Errors
    /// Any [`ImapError`].
    pub(crate) async fn after(
        session: &mut Session,
        mut commands: Vec<Vec<u8>>,
    ) -> Result<(Vec<Reply>, Self), ImapError> {
        let has = |name: &str| session.capabilities().has(name);
        // A server may refuse to return special uses that it does not announce.
        let list: &[u8] = match has("LIST-EXTENDED") && has("SPECIAL-USE") {
            true => b"LIST \"\" \"*\" RETURN (SPECIAL-USE)",
            false => b"LIST \"\" \"*\"",
        };
        let count = commands.len();
        commands.extend([list.to_vec(), b"LSUB \"\" \"*\"".to_vec()]);
        if has("NAMESPACE") {
            commands.push(b"NAMESPACE".to_vec());
        }
        let (mut replies, untagged) = session.run_all(&commands).await?;
        let of_list = replies.split_off(count);
        // Without subscriptions or a namespace the folders are still known.
        if let Some(reply) = of_list.into_iter().next().filter(|reply| reply.status != Status::Ok) {
            return Err(ImapError::Refused { command: "LIST".to_owned(), reply });
        }
        let mut namespace = Namespace::default();
        let mut listed = Vec::new();
        let mut subscribed = BTreeSet::new();
        for one in untagged {
            if let Untagged::Other(line) = &one {
                // Nothing that a server says about folders may be skipped.
                let words = format!("to LIST: {}", line.escape_ascii());
                return Err(ImapError::Protocol(words));
            }
            match one {
                Untagged::List(one) => listed.push(one),
                Untagged::Subscribed(one) => _ = subscribed.insert(one.name),
                Untagged::Namespace(found) => namespace = found,
                Untagged::Status { .. }
                | Untagged::Capability(_)
                | Untagged::Exists(_)
                | Untagged::Expunge(_)
                | Untagged::Vanished
                | Untagged::Fetch(_)
                | Untagged::Search(_)
                | Untagged::Counts(_)
                | Untagged::Flags(_)
                | Untagged::Other(_) => {}
            }
        }
        Ok((replies, Self::from(&namespace, &listed, &subscribed)))
    }

    /// Puts together what a server has said.
    fn from(namespace: &Namespace, listed: &[Listed], subscribed: &BTreeSet<Vec<u8>>) -> Self {
        let separator = listed.iter().find_map(|one| one.separator).or(namespace.separator);
        let announces = listed.iter().any(|one| ROLES.iter().any(|(role, _)| one.has(role)));
        let mut folders = BTreeMap::new();
        let mut taken = BTreeSet::new();
        for one in listed {
            if one.has("\\noselect") || one.has("\\nonexistent") {
                continue;
            }
            let by_attribute = ROLES.iter().find(|(role, _)| one.has(role));
            let by_name = || {
                let name = decoded(one.name.strip_prefix(&*namespace.prefix).unwrap_or(&one.name))?;
                let is_called = |known: &&str| known.eq_ignore_ascii_case(&name);
                ROLES.iter().find(|(_, names)| names.iter().any(is_called))
            };
            let role = if announces { by_attribute } else { by_name() };
            // The second folder with a role is a folder like any other.
            let role = role.map(|(role, _)| (*role).to_owned());
            let role = role.filter(|role| taken.insert(role.clone()));
            let is_subscribed = subscribed.contains(&one.name);
            folders.insert(one.name.clone(), Folder { role, is_subscribed });
        }
        // It is always there (RFC 3501 §5.1), whether it is listed or not.
        if !folders.keys().any(|name| is_inbox(name)) {
            folders.insert(b"INBOX".to_vec(), Folder::default());
        }
        Self { prefix: namespace.prefix.clone(), separator, folders }
    }

    /// The components of a name, without the prefix.
    fn components(&self, name: &[u8]) -> Vec<Vec<u8>> {
        if is_inbox(name) {
            return vec![b"INBOX".to_vec()];
        }
        let name = name.strip_prefix(&*self.prefix).filter(|rest| !rest.is_empty()).unwrap_or(name);
        match self.separator {
            Some(separator) => {
                name.split(|octet| *octet == separator).map(<[u8]>::to_vec).collect()
            }
            None => vec![name.to_vec()],
        }
    }

    /// The name that these components have here.
    fn name(&self, components: &[Vec<u8>]) -> Vec<u8> {
        // INBOX and what is below it stand outside of the prefix `INBOX.`.
        let first_is_inbox = components.first().is_some_and(|first| is_inbox(first));
        let below = match first_is_inbox && self.prefix.to_ascii_uppercase().starts_with(b"INBOX") {
            true if components.len() == 1 => return b"INBOX".to_vec(),
            true => &components[1..],
            false => components,
        };
        if first_is_inbox && components.len() == 1 {
            return b"INBOX".to_vec();
        }
        let separator: &[u8] = match &self.separator {
            Some(separator) => std::slice::from_ref(separator),
            // Flat names: the levels are still told apart.
            None => b"-",
        };
        [self.prefix.clone(), below.join(separator)].concat()
    }

    /// A folder whose name differs only in the case of letters or the form of accents.
    pub(crate) fn like(&self, name: &[u8]) -> Option<&[u8]> {
        let key = folded(name);
        self.folders.keys().find(|known| folded(known) == key).map(Vec::as_slice)
    }

    fn with_role(&self, role: &str) -> Option<&Vec<u8>> {
        let found = self.folders.iter().find(|(_, folder)| folder.role.as_deref() == Some(role));
        found.map(|(name, _)| name)
    }
}

/// A component as the other server takes it: modified UTF-7, none of the refused octets, no
/// separator, no space at the ends, and not too long.
fn component(octets: &[u8], separator: Option<u8>) -> Vec<u8> {
    // Octets that are not in modified UTF-7 are most often Latin-1.
    let text = match decoded(octets) {
        Some(text) => text,
        None => octets.iter().map(|octet| char::from(*octet)).collect(),
    };
    let name: String = text
        .trim_matches(' ')
        .chars()
        .map(|c| {
            let octet = u8::try_from(c).ok().filter(u8::is_ascii);
            match octet.is_some_and(|octet| REFUSED.contains(&octet) || Some(octet) == separator) {
                true => '_',
                false => c,
            }
        })
        .collect();
    let name: String = name.nfc().collect();
    let mut name = if name.is_empty() { "_".to_owned() } else { name };
    while encoded(&name).len() > COMPONENT_OCTETS_MAX {
        name.pop();
    }
    encoded(&name)
}

/// The names of folders that are taken, as a server compares them.
struct Taken {
    /// Whether the server may take two names for one that differ only in the case of letters or the
    /// form of accents.
    folds: bool,
    names: BTreeSet<String>,
}

impl Taken {
    fn at(new: &Tree) -> Self {
        let mut keys = BTreeSet::new();
        // A server that lists two such names tells them apart.
        let folds = new.folders.keys().all(|name| keys.insert(folded(name)));
        Self { folds, names: BTreeSet::new() }
    }

    fn key(&self, name: &[u8]) -> String {
        if self.folds { folded(name) } else { name.escape_ascii().to_string() }
    }

    /// Takes a name; whether it was free.
    fn insert(&mut self, name: &[u8]) -> bool {
        let key = self.key(name);
        self.names.insert(key)
    }
}

/// A name without what some servers ignore: the case of letters, and the form of accents.
fn folded(name: &[u8]) -> String {
    shown(name).nfc().collect::<String>().to_lowercase().nfc().collect()
}

/// What each folder of the old side is called at the new side.
///
/// `settled` has the names that earlier passes have chosen: they stay.
#[must_use]
pub fn mapped(
    old: &Tree,
    new: &Tree,
    settled: &BTreeMap<Vec<u8>, Vec<u8>>,
) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut names: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let mut taken = Taken::at(new);
    settled.values().for_each(|name| _ = taken.insert(name));
    let there: BTreeMap<String, &Vec<u8>> =
        new.folders.keys().map(|name| (taken.key(name), name)).collect();
    let settled = settled.iter().filter(|(name, _)| old.folders.contains_key(*name));
    names.extend(settled.map(|(name, other)| (name.clone(), other.clone())));
    // Folders with a role come first, so that no other folder takes their names.
    for (name, folder) in &old.folders {
        let other = match &folder.role {
            _ if is_inbox(name) => Some(b"INBOX".to_vec()),
            Some(role) => new.with_role(role).cloned(),
            None => None,
        };
        if let Some(other) = other
            && !names.contains_key(name)
            && taken.insert(&other)
        {
            names.insert(name.clone(), other);
        }
    }
    let by_components: BTreeMap<Vec<Vec<u8>>, &Vec<u8>> =
        old.folders.keys().map(|name| (old.components(name), name)).collect();
    for name in old.folders.keys() {
        if names.contains_key(name) {
            continue;
        }
        let components = old.components(name);
        // A folder below one that has another name at the new side goes with it.
        let parent = (1..components.len()).rev().find_map(|count| {
            let above = *by_components.get(&components[..count])?;
            let other = names.get(above).filter(|_| !is_inbox(above))?;
            Some((new.components(other), count))
        });
        let (mut path, rest) = match parent {
            Some((path, count)) => (path, &components[count..]),
            None => (Vec::new(), &components[..]),
        };
        path.extend(rest.iter().map(|part| component(part, new.separator)));
        let mut other = new.name(&path);
        for count in 2.. {
            if taken.insert(&other) {
                break;
            }
            let last = path.len() - 1;
            let mut again = path.clone();
            again[last].extend(format!(" ({count})").into_bytes());
            other = new.name(&again);
        }
        // A folder that is there under such a name is the one that people mean.
        let is_there = new.folders.contains_key(&other);
        let known = there.get(&taken.key(&other)).filter(|_| !is_there);
        names.insert(name.clone(), known.map_or(other, |known| (*known).clone()));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(prefix: &str, separator: u8, folders: &[(&str, Option<&str>)]) -> Tree {
        let folders = folders.iter().map(|(name, role)| {
            let role = role.map(str::to_owned);
            (name.as_bytes().to_vec(), Folder { role, is_subscribed: false })
        });
        let prefix = prefix.as_bytes().to_vec();
        Tree { prefix, separator: Some(separator), folders: folders.collect() }
    }

    #[track_caller]
    fn check(old: &Tree, new: &Tree, expected: &[(&str, &str)]) {
        let found = mapped(old, new, &BTreeMap::new());
        let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        let found: Vec<_> = found.iter().map(|(old, new)| (text(old), text(new))).collect();
        let found: Vec<_> = found.iter().map(|(old, new)| (old.as_str(), new.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn separators_and_prefixes_are_translated() {
        let old = tree(
            "INBOX.",
            b'.',
            &[("INBOX", None), ("INBOX.Work", None), ("INBOX.Work.2024/25", None)],
        );
        let new = tree("", b'/', &[("INBOX", None)]);
        check(
            &old,
            &new,
            &[("INBOX", "INBOX"), ("INBOX.Work", "Work"), ("INBOX.Work.2024/25", "Work/2024_25")],
        );
        let back = tree("", b'/', &[("INBOX", None), ("INBOX/a.b", None), ("Work", None)]);
        let dots = tree("INBOX.", b'.', &[("INBOX", None)]);
        check(
            &back,
            &dots,
            &[("INBOX", "INBOX"), ("INBOX/a.b", "INBOX.a_b"), ("Work", "INBOX.Work")],
        );
    }

    #[test]
    fn special_uses_lead_and_what_is_below_follows() {
        let old = tree(
            "",
            b'/',
            &[("Gesendet", Some("\\sent")), ("Gesendet/2024", None), ("Sent", None)],
        );
        let new = tree("", b'.', &[("Sent", Some("\\sent"))]);
        check(
            &old,
            &new,
            &[("Gesendet", "Sent"), ("Gesendet/2024", "Sent.2024"), ("Sent", "Sent (2)")],
        );
    }

    #[test]
    fn two_folders_never_become_one_and_choices_stay() {
        let old = tree("", b'/', &[("a.b", None), ("a_b", None), ("Entw\u{fc}rfe", None)]);
        let new = tree("", b'.', &[]);
        check(&old, &new, &[("Entw\u{fc}rfe", "Entw&APw-rfe"), ("a.b", "a_b"), ("a_b", "a_b (2)")]);
        let settled = BTreeMap::from([(b"a_b".to_vec(), b"a_b".to_vec())]);
        let found = mapped(&old, &new, &settled);
        assert_eq!(found[&b"a_b"[..]], b"a_b");
        assert_eq!(found[&b"a.b"[..]], b"a_b (2)");
    }

    #[test]
    fn names_that_a_server_may_take_for_one_are_told_apart() {
        let names = ["Work", "work", "WORK", "e&AwE-", "&AOk-", "INBOX/Sub", "Inbox/Sub"];
        let old = tree("", b'/', &names.map(|name| (name, None)));
        let apart = [
            ("&AOk-", "&AOk-"),
            ("INBOX/Sub", "INBOX/Sub"),
            ("Inbox/Sub", "Inbox/Sub (2)"),
            ("WORK", "WORK"),
            ("Work", "Work (2)"),
            ("e&AwE-", "&AOk- (2)"),
            ("work", "work (3)"),
        ];
        check(&old, &tree("", b'/', &[]), &apart);
        // What is there is meant, and a server that lists two such names tells them apart.
        let one = tree("", b'/', &[("work", None)]);
        check(&one, &tree("", b'/', &[("Work", None)]), &[("work", "Work")]);
        let both = tree("", b'/', &[("Work", None), ("work", None)]);
        check(&both, &both, &[("Work", "Work"), ("work", "work")]);
        let three = tree("", b'/', &[("WORK", None), ("Work", None)]);
        check(&three, &both, &[("WORK", "WORK"), ("Work", "Work")]);
    }

    #[test]
    fn roles_come_from_names_only_where_no_server_announces_them() {
        let listed = |name: &str, attribute: &str| Listed {
            attributes: vec![attribute.to_owned()],
            separator: Some(b'/'),
            name: name.as_bytes().to_vec(),
        };
        let roles = |listed: &[Listed]| {
            let tree = Tree::from(&Namespace::default(), listed, &BTreeSet::new());
            assert!(tree.folders.contains_key(&b"INBOX"[..]), "it is always there");
            let others = tree.folders.into_iter().filter(|(name, _)| name != b"INBOX");
            others.map(|(_, folder)| folder.role).collect::<Vec<_>>()
        };
        let plain = [listed("Sent Items", ""), listed("sent", ""), listed("x", "\\noselect")];
        assert_eq!(roles(&plain), [Some("\\sent".to_owned()), None]);
        let special = [listed("Sent", ""), listed("Verschickt", "\\sent")];
        assert_eq!(roles(&special), [None, Some("\\sent".to_owned())]);
    }
}
