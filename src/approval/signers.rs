//! Who may approve: OpenSSH's `allowed_signers` format (ssh-keygen(1), "ALLOWED SIGNERS").
//!
//! ```text
//! # PRINCIPALS [OPTIONS] KEYTYPE KEY [COMMENT]
//! alice@example.com ssh-ed25519 AAAAC3Nz…
//! bob@example.com,bob namespaces="git,cutover-approval@v1",valid-before="20270101Z" ssh-rsa AAAAB3Nz…
//! ```
//!
//! A line that this reader does not understand makes the whole file unusable: a list of people who
//! may approve must not silently be another than the one that its author wrote. So `cert-authority`
//! is refused, since certificates are not supported.

use std::collections::BTreeSet;

use chrono::{NaiveDateTime, TimeZone};
use ssh_key::PublicKey;
use ssh_key::authorized_keys::ConfigOpts;
use ssh_key::public::KeyData;

use crate::{NAMESPACE, Timestamp};

/// The lines of a file of allowed signers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedSigners(Vec<Signer>);

/// A line of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Signer {
    principals: Vec<String>,
    key: KeyData,
    /// The namespaces in which the key counts; `None`: all.
    namespaces: Option<String>,
    valid_after: Option<Timestamp>,
    valid_before: Option<Timestamp>,
}

/// Why a file of allowed signers cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct SignersError {
    /// The number of the line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: LineProblem,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineProblem {
    /// No principal, or a quote that does not end.
    #[error("it should begin with the names of a person: `alice@example.com ssh-ed25519 AAAA…`")]
    Principals,
    /// A pattern that excludes somebody.
    #[error("`{0}` excludes somebody, which is not supported: name the people who may approve")]
    Negated(String),
    /// The key cannot be read.
    #[error("there is no key in it that can be read")]
    Key,
    /// Certificates.
    #[error("`cert-authority` is not supported: list the keys of the people themselves")]
    Authority,
    /// An option that OpenSSH does not have in this file.
    #[error("there is no option `{0}`")]
    Option(String),
    /// A time that cannot be read.
    #[error("`{0}` is not a time: write `YYYYMMDDZ` or `YYYYMMDDHHMMSSZ`")]
    Time(String),
}

/// Why a key of the file, or a person, does not count for an approval now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAllowed {
    /// The file does not have it.
    #[error("its key is not among the allowed signers")]
    Unknown,
    /// The file has no such name.
    #[error("the allowed signers have no `{0}`")]
    NoName(String),
    /// It is there for other purposes.
    #[error("the allowed signers have its key for `{0}` only, not for `{NAMESPACE}`")]
    Namespaces(String),
    /// It does not count yet.
    #[error("its key counts only after {0}")]
    NotYet(Timestamp),
    /// It does not count any more.
    #[error("its key counted only before {0}")]
    NoMore(Timestamp),
}

impl AllowedSigners {
    /// Reads a file. Times without `Z` are in the time zone `local`.
    ///
    /// # Errors
    /// [`SignersError`] for the first line that cannot be used.
    pub fn read(text: &str, local: &impl TimeZone) -> Result<Self, SignersError> {
        let mut signers = Vec::new();
        for (line, number) in text.lines().zip(1..) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let signer = read_line(line, local);
            signers.push(signer.map_err(|problem| SignersError { line: number, problem })?);
        }
        Ok(Self(signers))
    }

    /// The principals that this key belongs to, if it counts for approvals at this time.
    ///
    /// # Errors
    /// [`NotAllowed`].
    pub fn principals(&self, key: &KeyData, now: Timestamp) -> Result<Vec<String>, NotAllowed> {
        let mut found = Vec::new();
        let mut why = NotAllowed::Unknown;
        for signer in self.0.iter().filter(|signer| signer.key == *key) {
            match signer.allows(now) {
                Ok(()) => found.extend(signer.principals.iter().cloned()),
                Err(not) => why = not,
            }
        }
        match found.is_empty() {
            true => Err(why),
            false => Ok(found),
        }
    }

    /// Whether somebody of exactly this name may approve at this time, with one of their keys.
    ///
    /// # Errors
    /// [`NotAllowed`].
    pub fn allows(&self, name: &str, now: Timestamp) -> Result<(), NotAllowed> {
        let mut why = NotAllowed::NoName(name.to_owned());
        for signer in self.0.iter().filter(|signer| signer.principals.iter().any(|of| of == name)) {
            match signer.allows(now) {
                Ok(()) => return Ok(()),
                Err(not) => why = not,
            }
        }
        Err(why)
    }

    /// All names of the file, in its order; no name twice.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let mut seen = BTreeSet::new();
        let names = self.0.iter().flat_map(|signer| &signer.principals).map(String::as_str);
        names.filter(move |name| seen.insert(*name))
    }

    /// The names of those who may approve at this time.
    pub(crate) fn people(&self, now: Timestamp) -> Vec<String> {
        let may = self.0.iter().filter(|signer| signer.allows(now).is_ok());
        let names: BTreeSet<&String> = may.flat_map(|signer| &signer.principals).collect();
        names.into_iter().cloned().collect()
    }
}

impl Signer {
    fn allows(&self, now: Timestamp) -> Result<(), NotAllowed> {
        if let Some(namespaces) = &self.namespaces
            && !is_in_list(NAMESPACE, namespaces)
        {
            return Err(NotAllowed::Namespaces(namespaces.clone()));
        }
        match (self.valid_after, self.valid_before) {
            (Some(after), _) if now < after => Err(NotAllowed::NotYet(after)),
            (_, Some(before)) if now >= before => Err(NotAllowed::NoMore(before)),
            (_, _) => Ok(()),
        }
    }
}

fn read_line(line: &str, local: &impl TimeZone) -> Result<Signer, LineProblem> {
    let (principals, rest) = match line.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').ok_or(LineProblem::Principals)?,
        None => line.split_once(char::is_whitespace).ok_or(LineProblem::Principals)?,
    };
    let principals: Vec<String> =
        principals.split(',').map(|name| name.trim().to_owned()).collect();
    if principals.iter().any(String::is_empty) {
        return Err(LineProblem::Principals);
    }
    if let Some(negated) = principals.iter().find(|name| name.starts_with('!')) {
        return Err(LineProblem::Negated(negated.clone()));
    }
    let rest = rest.split_whitespace().collect::<Vec<_>>().join(" ");
    // As OpenSSH does: what is not a key begins with options.
    let (options, key) = match PublicKey::from_openssh(&rest) {
        Ok(key) => (None, key),
        Err(_) => {
            let (options, key) = rest.split_once(' ').ok_or(LineProblem::Key)?;
            let options = ConfigOpts::new(options).map_err(|_| LineProblem::Key)?;
            // Read the options first: an unknown one says more than an unreadable key.
            let key = PublicKey::from_openssh(key);
            (Some(options), key.map_err(|_| LineProblem::Key)?)
        }
    };
    let mut signer = Signer {
        principals,
        key: key.key_data().clone(),
        namespaces: None,
        valid_after: None,
        valid_before: None,
    };
    for option in options.iter().flat_map(ConfigOpts::iter) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
        match name.to_ascii_lowercase().as_str() {
            "cert-authority" => return Err(LineProblem::Authority),
            "namespaces" => signer.namespaces = Some(value.to_owned()),
            "valid-after" => signer.valid_after = Some(time(value, local)?),
            "valid-before" => signer.valid_before = Some(time(value, local)?),
            _ => return Err(LineProblem::Option(name.to_owned())),
        }
    }
    Ok(signer)
}

/// `YYYYMMDD`, `YYYYMMDDHHMM` or `YYYYMMDDHHMMSS`, with `Z` for UTC (ssh-keygen(1)).
fn time(text: &str, local: &impl TimeZone) -> Result<Timestamp, LineProblem> {
    let bad = || LineProblem::Time(text.to_owned());
    let (digits, is_utc) = match text.strip_suffix(['Z', 'z']) {
        Some(digits) => (digits, true),
        None => (text, false),
    };
    let missing = match digits.len() {
        8 => "000000",
        12 => "00",
        14 => "",
        _ => return Err(bad()),
    };
    if !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(bad());
    }
    let at = NaiveDateTime::parse_from_str(&format!("{digits}{missing}"), "%Y%m%d%H%M%S");
    let at = at.map_err(|_| bad())?;
    match is_utc {
        true => Ok(at.and_utc()),
        // In an hour that the clocks repeat, the first of the two times counts.
        false => local.from_local_datetime(&at).earliest().map(|at| at.to_utc()).ok_or_else(bad),
    }
}

/// Whether a list of patterns has a word; a pattern after `!` excludes it (ssh_config(5), "PATTERNS").
fn is_in_list(word: &str, patterns: &str) -> bool {
    let mut is_in = false;
    for pattern in patterns.split(',').map(str::trim) {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches(word, pattern) => return false,
            Some(_) => {}
            None => is_in |= matches(word, pattern),
        }
    }
    is_in
}

/// Whether a word matches a pattern, in which `*` stands for any characters and `?` for one.
fn matches(word: &str, pattern: &str) -> bool {
    let (word, pattern): (Vec<char>, Vec<char>) =
        (word.chars().collect(), pattern.chars().collect());
    let (mut at, mut in_pattern) = (0, 0);
    // Where the last star stands, and how many characters it covers so far.
    let mut star: Option<(usize, usize)> = None;
    while at < word.len() {
        match (pattern.get(in_pattern), star) {
            (Some('*'), _) => {
                star = Some((in_pattern, at));
                in_pattern += 1;
            }
            (Some(one), _) if *one == '?' || *one == word[at] => {
                at += 1;
                in_pattern += 1;
            }
            (_, Some((before, covered))) => {
                star = Some((before, covered + 1));
                at = covered + 1;
                in_pattern = before + 1;
            }
            (_, None) => return false,
        }
    }
    pattern[in_pattern..].iter().all(|one| *one == '*')
}

/// Whether two principals may be the same person: equal, or one is a pattern that the other matches.
/// Two patterns count as the same, since somebody may match both. OpenSSH tells names apart that differ
/// only in case; here they count as one person, since in doubt there are fewer.
pub(crate) fn may_be_same(one: &str, other: &str) -> bool {
    let (one, other) = (&*one.to_lowercase(), &*other.to_lowercase());
    let is_pattern = |name: &str| name.contains(['*', '?']);
    match (is_pattern(one), is_pattern(other)) {
        (true, true) => true,
        (true, false) => matches(other, one),
        (false, true) => matches(one, other),
        (false, false) => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{FixedOffset, Utc};

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

    fn read(text: &str) -> Result<AllowedSigners, SignersError> {
        AllowedSigners::read(text, &Utc)
    }

    fn key() -> KeyData {
        PublicKey::from_openssh(KEY).expect("a key").key_data().clone()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    #[test]
    fn lines_say_who_may_approve_and_when() {
        let now = at("2026-11-30T09:00:00Z");
        for (front, expected) in [
            ("alice@example.com", Ok("alice@example.com")),
            ("alice@example.com,al", Ok("alice@example.com al")),
            ("\"alice@example.com,al\"", Ok("alice@example.com al")),
            ("*@example.com", Ok("*@example.com")),
            ("a namespaces=\"git,cutover-*\"", Ok("a")),
            ("a NAMESPACES=\"cutover-approval@v1\"", Ok("a")),
            ("a namespaces=\"git\"", Err(NotAllowed::Namespaces("git".into()))),
            (
                "a namespaces=\"*,!cutover-approval@v1\"",
                Err(NotAllowed::Namespaces("*,!cutover-approval@v1".into())),
            ),
            ("a valid-before=\"20261130090001Z\"", Ok("a")),
            (
                "a valid-before=\"202611300900Z\"",
                Err(NotAllowed::NoMore(at("2026-11-30T09:00:00Z"))),
            ),
            ("a valid-after=\"20261130\",valid-before=20261201Z", Ok("a")),
            ("a valid-after=\"20261201\"", Err(NotAllowed::NotYet(at("2026-12-01T00:00:00Z")))),
        ] {
            let text = format!("# people\n\n{front} {KEY} a comment of words\n");
            let found = read(&text).expect(&text).principals(&key(), now);
            assert_eq!(found.map(|names| names.join(" ")), expected.map(str::to_owned), "{text}");
        }
        let others = read(&format!("a {}", KEY.replace("ILM+", "ILM/"))).expect("a line");
        assert_eq!(others.principals(&key(), now), Err(NotAllowed::Unknown));
    }

    #[test]
    fn one_of_several_lines_is_enough() {
        let text = format!("a namespaces=\"git\" {KEY}\nb\t{KEY}\n");
        let found = read(&text).expect("lines").principals(&key(), at("2026-11-30T09:00:00Z"));
        assert_eq!(found, Ok(vec!["b".to_owned()]));
    }

    #[test]
    fn times_without_a_zone_are_local() {
        let east = FixedOffset::east_opt(3_600).expect("an offset");
        let text = format!("a valid-after=\"20261201\" {KEY}\n");
        let signers = AllowedSigners::read(&text, &east).expect("a line");
        assert_eq!(
            signers.principals(&key(), at("2026-11-30T22:59:59Z")),
            Err(NotAllowed::NotYet(at("2026-11-30T23:00:00Z")))
        );
        assert!(signers.principals(&key(), at("2026-11-30T23:00:00Z")).is_ok());
    }

    #[test]
    fn a_line_that_is_not_understood_makes_the_file_unusable() {
        for (line, expected) in [
            ("alice".to_owned(), LineProblem::Principals),
            (format!("\"alice {KEY}"), LineProblem::Principals),
            (format!("alice,,bob {KEY}"), LineProblem::Principals),
            (format!("*,!bob {KEY}"), LineProblem::Negated("!bob".into())),
            (KEY.to_owned(), LineProblem::Key),
            ("alice ssh-ed25519 AAAA".to_owned(), LineProblem::Key),
            (format!("alice cert-authority {KEY}"), LineProblem::Authority),
            (format!("alice no-touch {KEY}"), LineProblem::Option("no-touch".into())),
            (format!("alice valid-after=soon {KEY}"), LineProblem::Time("soon".into())),
            (format!("a valid-after=20261301 {KEY}"), LineProblem::Time("20261301".into())),
        ] {
            let text = format!("# one\n{line}\n");
            let expected = SignersError { line: 2, problem: expected };
            assert_eq!(read(&text), Err(expected), "{text}");
        }
    }

    #[test]
    fn patterns_match_as_in_openssh() {
        for (word, pattern, expected) in [
            ("git", "git", true),
            ("git", "g?t", true),
            ("git", "*", true),
            ("git", "g*t*", true),
            ("git", "g*x", false),
            ("aXbXc", "a*X?", true),
            ("", "*", true),
            ("", "?", false),
            ("git", "", false),
        ] {
            assert_eq!(matches(word, pattern), expected, "{word} {pattern}");
        }
        assert!(
            may_be_same("A@x", "a@X")
                && may_be_same("a*", "*b")
                && may_be_same("*@x", "a@x")
                && !may_be_same("a@x", "b@x")
        );
    }
}
