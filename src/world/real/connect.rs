//! Makes connected adapters from sealed provider configurations. Secrets are looked up only here.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use cutover_contract::{
    Adapter, Config, ConfigError, ConfigField, ConfigValue, FieldKind, Provider, Secret,
};

use crate::config::{ConfigSpec, ProviderSpec, SecretRef};

/// How long a secret may take to read. Our choice: a person finds and types a passphrase in this
/// time.
const SECRET_TIME_MAX: Duration = Duration::from_secs(60);
/// Maximum octets of a secret. Our choice: a token or a key has some thousands.
const SECRET_OCTETS_MAX: usize = 64 * 1024;
/// How often a command that has closed its output but not ended is checked. Our choice.
const POLL_EVERY: Duration = Duration::from_millis(10);

/// Whether programs that a plan names may be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commands {
    /// Programs are run.
    Run,
    /// No program is run, because the plan may come from a stranger (`--no-commands`).
    Refuse,
}

/// Why an adapter cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// This program has no adapter of this type.
    #[error("there is no adapter of type `{0}`")]
    UnknownKind(String),
    /// The adapter refuses its configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It would run a program.
    #[error("`--no-commands` refuses to run {0}")]
    Refused(String),
    /// A secret cannot be read. The error never contains its text.
    #[error("the secret in {place} cannot be read: {problem}")]
    Secret {
        /// Where it was looked up.
        place: String,
        /// Why it cannot be read.
        problem: SecretError,
    },
}

/// Why a secret cannot be read. The error never contains its text.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The environment has no such text.
    #[error(transparent)]
    Environment(#[from] std::env::VarError),
    /// The file or the command cannot be used.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It has more octets than a secret may have.
    #[error("it has more than {} KiB", SECRET_OCTETS_MAX / 1024)]
    TooLong,
    /// It consists of blanks.
    #[error("it is empty")]
    Empty,
    /// It is not text.
    #[error("it is not UTF-8 text")]
    NotText,
    /// The time limit has passed.
    #[error("it was not available within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The command has failed.
    #[error("it ended with {0}")]
    Failed(std::process::ExitStatus),
}

/// Adapters, and the secrets with which they were made.
pub struct Connected {
    /// The adapters by the providers' names.
    pub providers: BTreeMap<String, Box<dyn Provider>>,
    /// The secrets, which have to be redacted from the output of others.
    pub secrets: Vec<Secret>,
}

/// Makes the adapters of some providers. Relative paths start at `base`.
///
/// # Errors
/// [`ConnectError`], with the provider's name.
pub fn connect(
    adapters: &[Adapter],
    providers: &BTreeMap<String, ProviderSpec>,
    base: &Path,
    commands: Commands,
) -> Result<Connected, (String, ConnectError)> {
    let mut connected = Connected { providers: BTreeMap::new(), secrets: Vec::new() };
    for (name, spec) in providers {
        let provider = connect_one(adapters, spec, base, commands, &mut connected.secrets);
        let provider = provider.map_err(|error| (name.clone(), error))?;
        connected.providers.insert(name.clone(), provider);
    }
    Ok(connected)
}

fn connect_one(
    adapters: &[Adapter],
    spec: &ProviderSpec,
    base: &Path,
    commands: Commands,
    secrets: &mut Vec<Secret>,
) -> Result<Box<dyn Provider>, ConnectError> {
    let adapter = adapters.iter().find(|adapter| adapter.kind == spec.kind);
    let adapter = adapter.ok_or_else(|| ConnectError::UnknownKind(spec.kind.clone()))?;
    if adapter.is_program && commands == Commands::Refuse {
        let program = format!("the program that `type: {}` needs", adapter.kind);
        return Err(ConnectError::Refused(program));
    }
    Ok((adapter.connect)(&config(adapter.fields, &spec.config, base, commands, secrets)?, base)?)
}

/// Converts each value to the kind of its field. A key that is not a field keeps its text. A key that
/// was renamed since the artifact was sealed gets its new name.
fn config(
    fields: &[ConfigField],
    spec: &BTreeMap<String, ConfigSpec>,
    base: &Path,
    commands: Commands,
    secrets: &mut Vec<Secret>,
) -> Result<Config, ConnectError> {
    let mut config = Config::default();
    for (key, value) in spec {
        let field = fields.iter().find(|field| field.name == key || field.former == Some(key));
        let value = match value {
            ConfigSpec::Text(text) => match field {
                Some(field) => field.read(text)?,
                None => ConfigValue::Text(text.clone()),
            },
            ConfigSpec::Argv(argv) => ConfigValue::Argv(argv.clone()),
            ConfigSpec::Secret(reference) => {
                let secret = secret(reference, base, commands)?;
                secrets.push(secret.clone());
                ConfigValue::Secret(secret)
            }
            ConfigSpec::Object(object) => {
                let inner = match field.map(|field| field.kind) {
                    Some(FieldKind::Object(fields)) => fields,
                    _ => &[],
                };
                let object = self::config(inner, object, base, commands, secrets);
                ConfigValue::Object(object.map_err(|error| within(error, key))?)
            }
            ConfigSpec::Number(number) => ConfigValue::Number(*number),
            ConfigSpec::Bool(flag) => ConfigValue::Bool(*flag),
        };
        let name = field.map_or(key.as_str(), |field| field.name);
        config.0.insert(name.to_owned(), value);
    }
    Ok(config)
}

fn within(error: ConnectError, outer: &str) -> ConnectError {
    match error {
        ConnectError::Config(error) => ConnectError::Config(error.within(outer)),
        other @ (ConnectError::UnknownKind(_)
        | ConnectError::Refused(_)
        | ConnectError::Secret { .. }) => other,
    }
}

/// Looks up a secret. A relative path starts at `base`.
///
/// # Errors
/// [`ConnectError::Secret`] and [`ConnectError::Refused`].
pub fn secret(
    reference: &SecretRef,
    base: &Path,
    commands: Commands,
) -> Result<Secret, ConnectError> {
    if let (SecretRef::Command(argv), Commands::Refuse) = (reference, commands) {
        return Err(ConnectError::Refused(format!("`{}`", argv.join(" "))));
    }
    look_up(reference, base, SECRET_TIME_MAX)
        .map_err(|problem| ConnectError::Secret { place: reference.to_string(), problem })
}

/// Looks up a secret within a time limit.
fn look_up(reference: &SecretRef, base: &Path, limit: Duration) -> Result<Secret, SecretError> {
    #[expect(clippy::disallowed_methods, reason = "secrets may come from the environment")]
    let text = match reference {
        SecretRef::Env(name) => std::env::var(name)?,
        SecretRef::File(path) => {
            let path = base.join(path);
            // Opening a pipe waits for a writer, so the time limit covers opening too.
            read_bounded(limit, move || File::open(path))?
        }
        SecretRef::Command(argv) => run(argv, base, limit)?,
    };
    if text.len() > SECRET_OCTETS_MAX {
        return Err(SecretError::TooLong);
    }
    match text.trim() {
        "" => Err(SecretError::Empty),
        _ => Ok(Secret::new(text.trim_end_matches(['\r', '\n']))),
    }
}

/// Reads to the end, but at most one octet more than a secret may have.
fn read_bounded<R: Read>(
    limit: Duration,
    open: impl FnOnce() -> io::Result<R> + Send + 'static,
) -> Result<String, SecretError> {
    let (sender, receiver) = mpsc::channel();
    // A read that hangs blocks only its own thread, for which nothing waits.
    thread::spawn(move || {
        let mut octets = Vec::new();
        let enough = SECRET_OCTETS_MAX as u64 + 1;
        let read = open().and_then(|from| from.take(enough).read_to_end(&mut octets));
        // The receiver is gone if the time limit has passed.
        let _ = sender.send(read.map(|_| octets));
    });
    let octets = receiver.recv_timeout(limit).map_err(|_| SecretError::TimedOut(limit))?;
    String::from_utf8(octets?).map_err(|_| SecretError::NotText)
}

/// Runs a command without a shell. Its standard error is the user's, so that it can ask for a
/// passphrase there. For that it stays in our own process group, so at its time limit it is killed
/// without its child processes.
fn run(argv: &[String], base: &Path, limit: Duration) -> Result<String, SecretError> {
    #[expect(clippy::disallowed_methods, reason = "a command of the plan has a time limit")]
    let begun = Instant::now();
    let mut child = Command::new(&argv[0])
        .args(&argv[1..])
        .current_dir(base)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()?;
    let stdout = child.stdout.take().expect("it is piped");
    let text = read_bounded(limit, move || Ok(stdout));
    let is_complete = text.as_ref().is_ok_and(|text| text.len() <= SECRET_OCTETS_MAX);
    let status = match is_complete {
        true => exit_status(&mut child, limit.saturating_sub(begun.elapsed())),
        false => Ok(None),
    };
    if !matches!(status, Ok(Some(_))) {
        // Both calls may fail if the command has ended meanwhile, which is as good.
        let _ = child.kill();
        let _ = child.wait();
    }
    match (text?, status?) {
        (_, Some(status)) if !status.success() => Err(SecretError::Failed(status)),
        (text, Some(_)) => Ok(text),
        (text, None) if !is_complete => Ok(text),
        (_, None) => Err(SecretError::TimedOut(limit)),
    }
}

/// The exit status of a command that has closed its output; `None` if it still runs after `limit`.
fn exit_status(child: &mut Child, limit: Duration) -> io::Result<Option<std::process::ExitStatus>> {
    let mut left = limit;
    loop {
        let status = child.try_wait()?;
        if status.is_some() || left.is_zero() {
            return Ok(status);
        }
        #[expect(clippy::disallowed_methods, reason = "a command of the plan has a time limit")]
        thread::sleep(POLL_EVERY);
        left = left.saturating_sub(POLL_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> SecretRef {
        SecretRef::Command(["sh", "-c", script].map(str::to_owned).into())
    }

    fn problem(reference: &SecretRef, limit: Duration) -> String {
        look_up(reference, Path::new("/"), limit).err().expect("a problem").to_string()
    }

    /// Line 11: after a time limit, which the error names, a secret that does not come is given up.
    #[test]
    fn a_secret_that_hangs_is_given_up() {
        let dir = tempfile::tempdir().expect("a directory");
        let pipe = dir.path().join("pipe");
        let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo can be run");
        assert!(made.success());
        let pipe = SecretRef::File(pipe.display().to_string());
        let limit = Duration::from_secs(1);
        for reference in [
            shell("sleep 600"),
            shell("echo half; sleep 600"),
            shell("sleep 600 & echo whole"),
            shell("echo whole; exec >&-; sleep 600"),
            pipe,
        ] {
            assert_eq!(
                problem(&reference, limit),
                "it was not available within 1 s",
                "{reference}"
            );
        }
    }

    /// Line 11: reading a secret stops at the maximum length.
    #[test]
    fn an_endless_secret_is_refused() {
        let large = "it has more than 64 KiB";
        for endless in
            [shell("yes"), shell("head -c 65537 /dev/zero"), SecretRef::File("dev/zero".into())]
        {
            assert_eq!(problem(&endless, SECRET_TIME_MAX), large, "{endless}");
        }
        let whole = shell("head -c 65536 /dev/zero | tr '\\0' x");
        let whole = look_up(&whole, Path::new("/"), SECRET_TIME_MAX).expect("it is not too long");
        assert_eq!(whole.expose().len(), SECRET_OCTETS_MAX);
        assert!(problem(&shell("exit 3"), SECRET_TIME_MAX).contains("3"));
        assert_eq!(problem(&shell("echo"), SECRET_TIME_MAX), "it is empty");
    }
}
