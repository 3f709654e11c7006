//! What a plan configures with keys that are not its own: adapters and probes, with secrets as
//! references.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A provider: its adapter and the adapter's configuration, with secrets as references.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderSpec {
    /// The adapter's kind.
    #[serde(rename = "type")]
    pub kind: String,
    /// The adapter's keys.
    pub config: BTreeMap<String, ConfigSpec>,
}

/// A value of an adapter's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfigSpec {
    /// Text of any kind.
    Text(String),
    /// A command.
    Argv(Vec<String>),
    /// A reference to a secret.
    Secret(SecretRef),
    /// A mapping.
    Object(BTreeMap<String, ConfigSpec>),
    /// A whole number.
    Number(i64),
    /// `true` or `false`.
    Bool(bool),
}

/// Where to find a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretRef {
    /// In an environment variable.
    Env(String),
    /// In a file; trailing line ends are dropped.
    File(String),
    /// In the output of a command; trailing line ends are dropped.
    Command(Vec<String>),
}

impl fmt::Display for SecretRef {
    /// Where it is, for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the environment variable {name}"),
            Self::File(path) => write!(f, "the file {path}"),
            Self::Command(argv) => write!(f, "what `{}` prints", argv.join(" ")),
        }
    }
}
