//! What an adapter wants to know before it can connect, as data: the plan language shows carets
//! and completes keys from it.

use std::collections::BTreeMap;
use std::path::Path;

use crate::Provider;

/// A secret. It has no `Debug`, no `Display` and no `Serialize`, so that it cannot be printed.
#[derive(Clone)]
pub struct Secret(Box<str>);

impl Secret {
    /// Takes the secret's text.
    #[must_use]
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The secret's text, for the one place that sends or signs with it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// What kind of value a field takes.
#[derive(Clone, Copy, Debug)]
pub enum FieldKind {
    /// Any text.
    Text,
    /// An IP address and a port: `127.0.0.1:53`, `[::1]:53`.
    SocketAddr,
    /// A path; a relative one is taken from the plan's directory.
    Path,
    /// A domain name, absolute with or without the trailing dot.
    Name,
    /// A span of time: `5m`, `1h30m`.
    Duration,
    /// A reference to a secret: `{ env: NAME }`, `{ file: PATH }` or `{ command: [ARGV] }`.
    Secret,
    /// A command: program and arguments, run without a shell.
    Argv,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A mapping with fields of its own.
    Object(&'static [ConfigField]),
    /// A mapping with keys that somebody else knows, such as the arguments of a class: text, whole
    /// numbers, `true` and `false`, and references to secrets.
    Settings,
    /// One of these words, or a mapping with fields of its own.
    Either(&'static [&'static str], &'static [ConfigField]),
    /// Exit codes of a command: whole numbers from 1 to 125. 0 is success, and what lies above is the
    /// shell's and the system's (POSIX, Shell and Utilities §2.8.2).
    Codes,
}

/// One key of an adapter's configuration.
#[derive(Clone, Copy, Debug)]
pub struct ConfigField {
    /// The key.
    pub name: &'static str,
    /// What it takes.
    pub kind: FieldKind,
    /// Whether it must be there.
    pub required: bool,
    /// One sentence for people, shown by editors.
    pub doc: &'static str,
}

/// A value of a field. `Text` carries every kind that has no variant of its own, checked for its
/// form by the plan language.
#[derive(Clone)]
pub enum ConfigValue {
    /// Text, addresses, paths, names, durations, choices: as written.
    Text(String),
    /// A secret, resolved.
    Secret(Secret),
    /// A command.
    Argv(Vec<String>),
    /// A mapping.
    Object(Config),
    /// A whole number, in [`FieldKind::Settings`] only.
    Number(i64),
    /// `true` or `false`, in [`FieldKind::Settings`] only.
    Bool(bool),
}

/// The values of an adapter's fields.
#[derive(Clone, Default)]
pub struct Config(pub BTreeMap<String, ConfigValue>);

impl Config {
    /// The text of a field, if it is there.
    #[must_use]
    pub fn text(&self, field: &str) -> Option<&str> {
        if let Some(ConfigValue::Text(text)) = self.0.get(field) { Some(text) } else { None }
    }

    /// The secret of a field, if it is there.
    #[must_use]
    pub fn secret(&self, field: &str) -> Option<&Secret> {
        if let Some(ConfigValue::Secret(secret)) = self.0.get(field) { Some(secret) } else { None }
    }

    /// The command of a field, if it is there.
    #[must_use]
    pub fn argv(&self, field: &str) -> Option<&[String]> {
        if let Some(ConfigValue::Argv(argv)) = self.0.get(field) { Some(argv) } else { None }
    }

    /// The mapping of a field, if it is there.
    #[must_use]
    pub fn object(&self, field: &str) -> Option<&Config> {
        if let Some(ConfigValue::Object(object)) = self.0.get(field) { Some(object) } else { None }
    }
}

/// A value that an adapter cannot use, with the way to it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}`: {problem}")]
pub struct ConfigError {
    /// The field; fields of a mapping are joined by dots: `tsig.secret`.
    pub field: String,
    /// What is wrong, as a lower-case fragment. Never a secret's text.
    pub problem: String,
}

/// An adapter, as the registry of the command line knows it.
#[derive(Clone, Copy)]
pub struct Adapter {
    /// The word behind `type:` in a plan.
    pub kind: &'static str,
    /// One sentence for people.
    pub doc: &'static str,
    /// The keys beside `type:`.
    pub fields: &'static [ConfigField],
    /// Whether a zone's delegation leads to what this adapter writes. Where it does not, a plan
    /// names the authoritative servers, or says within what time a change is taken to be served.
    pub asks_delegation: bool,
    /// Whether it starts a program for whatever it is asked, and the plan says what that does.
    pub is_program: bool,
    /// The README of its crate, whose table of capabilities and cases the conformance suite makes.
    pub readme: &'static str,
    /// Connects; relative paths start at the given directory. Does not yet talk to anyone.
    pub connect: Connect,
}

/// Makes an adapter from its configuration and the directory at which relative paths start.
pub type Connect = fn(&Config, &Path) -> Result<Box<dyn Provider>, ConfigError>;
