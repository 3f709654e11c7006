//! What an adapter needs to know before it can connect, as data. The plan language uses it to
//! complete keys and to point at the wrong value.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{Findings, Provider};
use cutover_zone::Name;

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
    /// A path; a relative path starts at the plan's directory.
    Path,
    /// A domain name, absolute with or without the trailing dot.
    Name,
    /// A span of time: `5m`, `1h30m`.
    Duration,
    /// A reference to a secret: `{ env: NAME }`, `{ file: PATH }` or `{ command: [ARGV] }`.
    Secret,
    /// A command: program and arguments, run without a shell.
    Argv,
    /// A list of texts.
    Texts,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A mapping with fields of its own.
    Object(&'static [ConfigField]),
    /// A mapping whose keys this project does not know, such as the arguments of a class. Values
    /// are text, whole numbers, `true` and `false`, and references to secrets.
    Settings,
    /// One of these words, or a mapping with fields of its own.
    Either(&'static [&'static str], &'static [ConfigField]),
    /// Exit codes of a command: whole numbers from 1 to 125. 0 means success, and higher codes
    /// belong to the shell and the system (POSIX, Shell and Utilities §2.8.2).
    Codes,
}

/// One key of an adapter's configuration.
#[derive(Clone, Copy, Debug)]
pub struct ConfigField {
    /// The key.
    pub name: &'static str,
    /// What it takes.
    pub kind: FieldKind,
    /// Whether the plan must have it.
    pub required: bool,
    /// One sentence for people, shown by editors.
    pub doc: &'static str,
    /// The name of the key before it was renamed. Plans must use the new name; artifacts that were
    /// sealed before keep the old one.
    pub former: Option<&'static str>,
}

impl ConfigField {
    /// A required key.
    #[must_use]
    pub const fn required(name: &'static str, kind: FieldKind, doc: &'static str) -> Self {
        Self { name, kind, required: true, doc, former: None }
    }

    /// An optional key.
    #[must_use]
    pub const fn optional(name: &'static str, kind: FieldKind, doc: &'static str) -> Self {
        Self { name, kind, required: false, doc, former: None }
    }

    /// The same key, which had the name `former` before.
    #[must_use]
    pub const fn renamed_from(self, former: &'static str) -> Self {
        Self { former: Some(former), ..self }
    }

    /// Reads the text that a plan has for this field. This is the only place where a text becomes a
    /// value of an adapter; kinds that are not written as a single text stay [`ConfigValue::Text`].
    ///
    /// # Errors
    /// [`ConfigError`] if the text does not fit the kind.
    pub fn read(&self, text: &str) -> Result<ConfigValue, ConfigError> {
        let wrong = |problem: String| ConfigError::new(self.name, problem);
        Ok(match self.kind {
            FieldKind::SocketAddr => ConfigValue::SocketAddr(text.parse().map_err(|_| {
                wrong("this is not an address with a port, such as 192.0.2.53:53".to_owned())
            })?),
            FieldKind::Path => ConfigValue::Path(PathBuf::from(text)),
            FieldKind::Name => {
                let name = Name::from_user(text);
                ConfigValue::Name(name.map_err(|error| wrong(error.to_string()))?)
            }
            FieldKind::Duration => {
                let span = humantime::parse_duration(text);
                ConfigValue::Duration(span.map_err(|error| wrong(error.to_string()))?)
            }
            FieldKind::Choice(words) if !words.contains(&text) => {
                return Err(wrong(format!("it must be one of {}", words.join(", "))));
            }
            FieldKind::Text
            | FieldKind::Choice(_)
            | FieldKind::Secret
            | FieldKind::Argv
            | FieldKind::Texts
            | FieldKind::Object(_)
            | FieldKind::Settings
            | FieldKind::Either(..)
            | FieldKind::Codes => ConfigValue::Text(text.to_owned()),
        })
    }
}

/// The value of a field, as its [`FieldKind`] says.
#[derive(Clone)]
pub enum ConfigValue {
    /// Text, or a word of a choice.
    Text(String),
    /// An address and a port.
    SocketAddr(SocketAddr),
    /// A path as written; the plan's directory is not yet applied.
    Path(PathBuf),
    /// A domain name.
    Name(Name),
    /// A span of time.
    Duration(Duration),
    /// A secret, already resolved.
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

/// Defines how to get the value of a field, one function for each kind.
macro_rules! accessors {
    ($($(#[$doc:meta])* $name:ident: $variant:ident -> $type:ty;)*) => {
        $($(#[$doc])*
        #[must_use]
        pub fn $name(&self, field: &str) -> Option<&$type> {
            if let Some(ConfigValue::$variant(value)) = self.0.get(field) {
                Some(value)
            } else {
                None
            }
        })*
    };
}

impl Config {
    accessors! {
        /// The text of a field, if it has one.
        text: Text -> str;
        /// The address and port of a field, if it has them.
        socket_addr: SocketAddr -> SocketAddr;
        /// The path of a field, if it has one.
        path: Path -> Path;
        /// The domain name of a field, if it has one.
        name: Name -> Name;
        /// The span of time of a field, if it has one.
        duration: Duration -> Duration;
        /// The secret of a field, if it has one.
        secret: Secret -> Secret;
        /// The command of a field, if it has one.
        argv: Argv -> [String];
        /// The mapping of a field, if it has one.
        object: Object -> Config;
    }

    /// Gets a required field: `config.need("url", Config::text)`.
    ///
    /// # Errors
    /// [`ConfigError`] if the field is missing.
    pub fn need<'c, T>(
        &'c self,
        field: &str,
        get: impl FnOnce(&'c Self, &str) -> Option<T>,
    ) -> Result<T, ConfigError> {
        get(self, field).ok_or_else(|| ConfigError::new(field, "it is missing"))
    }
}

/// A value that an adapter cannot use, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}`: {problem}")]
pub struct ConfigError {
    /// The field; the fields of a mapping are joined by dots: `tsig.secret`.
    pub field: String,
    /// What is wrong, as a lower-case fragment. It never contains a secret.
    pub problem: String,
}

impl ConfigError {
    /// An error for this field; `problem` is a lower-case fragment.
    #[must_use]
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }

    /// The same error for a field of the mapping `outer`.
    #[must_use]
    pub fn within(self, outer: &str) -> Self {
        Self { field: format!("{outer}.{}", self.field), problem: self.problem }
    }
}

/// An adapter, as the command line's registry knows it.
#[derive(Clone, Copy)]
pub struct Adapter {
    /// The word after `type:` in a plan.
    pub kind: &'static str,
    /// What it is, in one sentence for people.
    pub doc: &'static str,
    /// The keys besides `type:`.
    pub fields: &'static [ConfigField],
    /// Whether the zone's delegation leads to the servers that this adapter writes to. Where it
    /// does not, a plan names the authoritative servers, or states how soon a change is served.
    pub asks_delegation: bool,
    /// Whether the adapter runs a program for each request, and the plan says what that program
    /// does.
    pub is_program: bool,
    /// What the conformance suite found, as JSON that the suite writes: a list of [`Findings`].
    pub findings: &'static str,
    /// Connects; relative paths start at the given directory. This opens no connection yet.
    pub connect: Connect,
}

impl Adapter {
    /// What the conformance suite found, for each server or fake that it ran on.
    ///
    /// # Panics
    /// If the adapter's crate holds other data than the suite writes; its tests exclude that.
    #[must_use]
    pub fn findings(&self) -> Vec<Findings> {
        serde_json::from_str(self.findings).expect("the suite wrote it")
    }
}

/// Makes an adapter from its configuration and the directory where relative paths start.
pub type Connect = fn(&Config, &Path) -> Result<Box<dyn Provider>, ConfigError>;

#[cfg(test)]
mod tests {
    use super::*;

    /// The value as text, or what is wrong with it.
    fn read(kind: FieldKind, text: &str) -> String {
        match ConfigField::optional("key", kind, "").read(text) {
            Ok(ConfigValue::SocketAddr(address)) => format!("address {address}"),
            Ok(ConfigValue::Path(path)) => format!("path {}", path.display()),
            Ok(ConfigValue::Name(name)) => format!("name {name}"),
            Ok(ConfigValue::Duration(span)) => format!("{} s", span.as_secs()),
            Ok(ConfigValue::Text(text)) => format!("text {text}"),
            Ok(_) => panic!("no text is read as this kind"),
            Err(ConfigError { field, problem }) => format!("{field}: {problem}"),
        }
    }

    #[test]
    fn texts_become_values_of_their_kind() {
        const WORDS: &[&str] = &["free", "pro"];
        for (kind, text, expected) in [
            (FieldKind::Text, "x", "text x"),
            (FieldKind::SocketAddr, "[::1]:53", "address [::1]:53"),
            (
                FieldKind::SocketAddr,
                "::1",
                "key: this is not an address with a port, such as 192.0.2.53:53",
            ),
            (FieldKind::Path, "zones/a.zone", "path zones/a.zone"),
            (FieldKind::Name, "Acme.test", "name acme.test."),
            (FieldKind::Name, "a..b", "key: a label is empty"),
            (FieldKind::Duration, "1h30m", "5400 s"),
            (FieldKind::Duration, "soon", "key: expected number at 0"),
            (FieldKind::Choice(WORDS), "pro", "text pro"),
            (FieldKind::Choice(WORDS), "Pro", "key: it must be one of free, pro"),
        ] {
            assert_eq!(read(kind, text), expected);
        }
    }

    #[test]
    fn a_missing_field_is_named_with_its_path() {
        let config = Config::default();
        let error = config.need("key", Config::name).map(drop).expect_err("it is not there");
        assert_eq!(error.within("tsig").to_string(), "`tsig.key`: it is missing");
    }
}
