//! From sealed provider configurations to adapters that can be talked to: secrets are looked up
//! here, and nowhere else.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use cutover_contract::{Adapter, Config, ConfigError, ConfigValue, Provider, Secret};

use crate::spec::{ConfigSpec, ProviderSpec, SecretRef};

/// Why an adapter cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A kind that this program does not have.
    #[error("there is no adapter of type `{0}`")]
    UnknownKind(String),
    /// The adapter does not take its configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A secret cannot be had; never its text.
    #[error("the secret in {place} cannot be had: {problem}")]
    Secret {
        /// Where it was looked for.
        place: String,
        /// Why not.
        problem: String,
    },
}

/// Adapters, and the secrets that they were made with.
pub struct Connected {
    /// The adapters by the providers' names.
    pub providers: BTreeMap<String, Box<dyn Provider>>,
    /// The secrets: what has to be taken out of whatever others write.
    pub secrets: Vec<Secret>,
}

/// Makes the adapters of some providers; relative paths start at `base`.
///
/// # Errors
/// [`ConnectError`], with the provider's name.
pub fn connect(
    adapters: &[Adapter],
    providers: &BTreeMap<String, ProviderSpec>,
    base: &Path,
) -> Result<Connected, (String, ConnectError)> {
    let mut connected = Connected { providers: BTreeMap::new(), secrets: Vec::new() };
    for (name, spec) in providers {
        let provider = connect_one(adapters, spec, base, &mut connected.secrets);
        let provider = provider.map_err(|error| (name.clone(), error))?;
        connected.providers.insert(name.clone(), provider);
    }
    Ok(connected)
}

fn connect_one(
    adapters: &[Adapter],
    spec: &ProviderSpec,
    base: &Path,
    secrets: &mut Vec<Secret>,
) -> Result<Box<dyn Provider>, ConnectError> {
    let adapter = adapters.iter().find(|adapter| adapter.kind == spec.kind);
    let adapter = adapter.ok_or_else(|| ConnectError::UnknownKind(spec.kind.clone()))?;
    Ok((adapter.connect)(&config(&spec.config, base, secrets)?, base)?)
}

fn config(
    spec: &BTreeMap<String, ConfigSpec>,
    base: &Path,
    secrets: &mut Vec<Secret>,
) -> Result<Config, ConnectError> {
    let mut config = Config::default();
    for (key, value) in spec {
        let value = match value {
            ConfigSpec::Text(text) => ConfigValue::Text(text.clone()),
            ConfigSpec::Argv(argv) => ConfigValue::Argv(argv.clone()),
            ConfigSpec::Secret(reference) => {
                let secret = secret(reference, base)?;
                secrets.push(secret.clone());
                ConfigValue::Secret(secret)
            }
            ConfigSpec::Object(object) => ConfigValue::Object(self::config(object, base, secrets)?),
            ConfigSpec::Number(number) => ConfigValue::Number(*number),
            ConfigSpec::Bool(flag) => ConfigValue::Bool(*flag),
        };
        config.0.insert(key.clone(), value);
    }
    Ok(config)
}

/// Looks a secret up; a relative path starts at `base`.
///
/// # Errors
/// [`ConnectError::Secret`].
pub fn secret(reference: &SecretRef, base: &Path) -> Result<Secret, ConnectError> {
    #[expect(clippy::disallowed_methods, reason = "secrets may come from the environment")]
    let text = match reference {
        SecretRef::Env(name) => std::env::var(name).map_err(|error| error.to_string()),
        SecretRef::File(path) => {
            std::fs::read_to_string(base.join(path)).map_err(|error| error.to_string())
        }
        SecretRef::Command(argv) => run(argv, base),
    };
    let place = reference.to_string();
    match text {
        Ok(text) if text.trim().is_empty() => {
            Err(ConnectError::Secret { place, problem: "it is empty".into() })
        }
        Ok(text) => Ok(Secret::new(text.trim_end_matches(['\r', '\n']))),
        Err(problem) => Err(ConnectError::Secret { place, problem }),
    }
}

/// Runs a command without a shell. What it prints on standard error goes to the user's; it may ask
/// for a passphrase there.
fn run(argv: &[String], base: &Path) -> Result<String, String> {
    let output = Command::new(&argv[0])
        .args(&argv[1..])
        .current_dir(base)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("it ended with {}", output.status));
    }
    String::from_utf8(output.stdout).map_err(|_| "it is no text".into())
}
