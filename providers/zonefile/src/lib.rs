//! The `zonefile` adapter: RFC 1035 master files, for people who keep their zones in git.
//!
//! Everything that is not changed stays as it is, octet for octet, including comments, blank lines
//! and order. [`read()`] reads the text and [`edit()`] changes it: both are pure functions of the
//! text and of a function that loads included files. Only this module and `disk` do IO.
//!
//! How a change is made: read, compare, edit, read the result and compare it with the wanted
//! zone, write a temporary file beside the old file, check that the old file is unchanged, exchange
//! the two, look at what was replaced, and run the `reload` command. Until the exchange nothing is
//! left behind on failure. A file that somebody saved in between is put back; where files cannot be
//! exchanged (some network file systems) it is lost, in a window of microseconds. An editor that
//! still has the file open may write to the replaced one. [`CompareAndSet::ReadCompareWrite`]
//! declares both.
//!
//! This adapter signs nothing and refuses to edit signed files. It does not write to included
//! files, includes no files from outside the provider's directory, knows only the class IN, and
//! does not check that a server has loaded the file.

mod disk;
mod edit;
mod error;
mod generate;
mod layout;
mod lex;
mod plan;
mod read;
mod reading;
mod record;
mod ttl;

#[cfg(test)]
mod random_tests;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use async_trait::async_trait;
use cutover_contract::{
    Adapter, Atomicity, Capabilities, ChangeSet, CompareAndSet, Config, ConfigError, ConfigField,
    FieldKind, Gathered, Granularity, Provider, ProviderError, ProviderResult, Receipt, Unwritable,
};
use cutover_kit::check::{self, Checked};
use cutover_kit::{compare, conflict, unsupported};
use cutover_process::{Ended, RunError, run, shown};
use cutover_zone::{Name, RrKey, RrSet, RrType, Ttl, Zone};

use crate::disk::ReplaceError;

/// The longest time for a reload. Our choice: `rndc reload` answers in milliseconds, `systemctl
/// reload` in seconds.
const RELOAD_TIME_MAX: Duration = Duration::from_secs(30);

/// The most octets that are edited to find out what cannot be written. Our choice: about a second.
/// Above that, each change is only checked on its own.
const CHECKED_OCTETS_MAX: usize = 64 << 20;

pub use crate::disk::load_below;
pub use crate::edit::{Edited, edit};
pub use crate::error::{Place, Problem, ReadError};
pub use crate::generate::TemplateError;
pub use crate::plan::{EditError, Refusal};
pub use crate::read::{
    FILE_OCTETS_MAX, GENERATED_MAX, GENERATED_TOTAL_MAX, INCLUDE_DEPTH_MAX, INCLUDES_MAX, Load,
    read,
};
pub use crate::reading::Reading;

/// The adapter as the command line knows it.
pub const ADAPTER: Adapter = Adapter {
    kind: "zonefile",
    doc: "RFC 1035 master files on this machine, edited in place.",
    asks_delegation: false,
    is_program: false,
    fields: &[
        ConfigField::optional(
            "directory",
            FieldKind::Path,
            "The directory of the zone files, which are named `example.com.zone`. Either this \
                  or `file` is required.",
        ),
        ConfigField::optional(
            "file",
            FieldKind::Path,
            "The zone file, for a provider with one zone.",
        ),
        ConfigField::optional(
            "reload",
            FieldKind::Argv,
            "The command that makes the servers load the file, such as `[rndc, reload]`; it \
                  runs without a shell in the plan's directory, for at most 30 s.",
        ),
        ConfigField::optional(
            "served",
            FieldKind::Object(&[ConfigField::required(
                "assume_within",
                FieldKind::Duration,
                "How long after a write every server is assumed to serve it.",
            )]),
            "What to assume if the zone has no `authorities` to query.",
        ),
    ],
    findings: include_str!("../findings.json"),
    connect,
};

/// Where the zone files are.
#[derive(Clone, Debug)]
enum Files {
    /// Named after their zones, in this directory.
    Directory(PathBuf),
    /// There is one zone file.
    One(PathBuf),
}

/// The file has the change, but the servers may not have loaded it.
#[derive(Debug, thiserror::Error)]
enum ReloadError {
    /// The command failed.
    #[error(
        "the file has the change, but the servers may not have it: `{program}` ended with \
         {status}{}",
        shown(output)
    )]
    Failed {
        /// The command's program.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// What it wrote.
        output: String,
    },
    /// The command did not end by itself.
    #[error("the file has the change, but the servers may not have it: {0}")]
    NotRun(RunError),
}

/// Zone files on this machine, as a provider.
#[derive(Clone, Debug)]
pub struct ZoneFiles {
    files: Files,
    /// The program and its arguments.
    reload: Option<(String, Vec<String>)>,
    /// The directory that the reload command runs in.
    base: PathBuf,
    served_within: Option<Duration>,
}

fn connect(config: &Config, base: &Path) -> Result<Box<dyn Provider>, ConfigError> {
    Ok(Box::new(ZoneFiles::from_config(config, base)?))
}

impl ZoneFiles {
    /// Reads the configuration; relative paths start at `base`. Does no IO.
    ///
    /// # Errors
    /// [`ConfigError`], for the first unusable field.
    pub fn from_config(config: &Config, base: &Path) -> Result<Self, ConfigError> {
        let files = match (config.path("directory"), config.path("file")) {
            (Some(directory), None) => Files::Directory(base.join(directory)),
            (None, Some(file)) => Files::One(base.join(file)),
            (Some(_), Some(_)) => {
                return Err(ConfigError::new(
                    "file",
                    "it cannot be used together with `directory`",
                ));
            }
            (None, None) => {
                return Err(ConfigError::new("directory", "either this or `file` is required"));
            }
        };
        let reload = match config.argv("reload") {
            None => None,
            Some([program, arguments @ ..]) if !program.is_empty() => {
                Some((program.clone(), arguments.to_vec()))
            }
            Some(_) => return Err(ConfigError::new("reload", "it names no program")),
        };
        let served = config.object("served").map(|served| {
            let within = served.need("assume_within", Config::duration);
            within.copied().map_err(|error| error.within("served"))
        });
        let served_within = served.transpose()?;
        Ok(Self { files, reload, base: base.to_owned(), served_within })
    }

    fn path(&self, zone: &Name) -> Result<PathBuf, ProviderError> {
        match &self.files {
            Files::One(file) => Ok(file.clone()),
            Files::Directory(directory) => {
                let shown = zone.to_string();
                let name = shown.strip_suffix('.').unwrap_or(&shown);
                if name.is_empty() || name.contains('/') || name.starts_with('.') {
                    let detail =
                        format!("a file of `directory` cannot be named `{name}.zone`; use `file`");
                    return Err(ProviderError::Refused { zone: zone.clone(), detail });
                }
                Ok(directory.join(format!("{name}.zone")))
            }
        }
    }

    /// The directory that included files must be in or below.
    fn root(&self) -> PathBuf {
        match &self.files {
            Files::Directory(directory) => directory.clone(),
            Files::One(file) => file.parent().unwrap_or(Path::new("")).to_owned(),
        }
    }

    /// Runs blocking work on the zone's file.
    async fn on_file<T: Send + 'static>(
        &self,
        zone: &Name,
        work: impl FnOnce(&Name, &Path) -> Result<T, ProviderError> + Send + 'static,
    ) -> Result<T, ProviderError> {
        let (zone, path) = (zone.clone(), self.path(zone)?);
        let task = tokio::task::spawn_blocking(move || work(&zone, &path));
        task.await.expect("the work does not panic, and is not cancelled")
    }

    async fn reload(&self) -> Result<(), ReloadError> {
        let Some((program, arguments)) = &self.reload else { return Ok(()) };
        match run(program, arguments, &self.base, RELOAD_TIME_MAX).await {
            Ok(Ended { status, .. }) if status.success() => Ok(()),
            Ok(Ended { status, output }) => {
                Err(ReloadError::Failed { program: program.clone(), status, output })
            }
            Err(error) => Err(ReloadError::NotRun(error)),
        }
    }
}

#[async_trait]
impl Provider for ZoneFiles {
    fn capabilities(&self, _zone: &Name) -> Capabilities {
        Capabilities {
            granularity: Granularity::Zone,
            atomicity: Atomicity::ChangeSet,
            compare_and_set: CompareAndSet::ReadCompareWrite,
            ttl_min: Ttl::ZERO,
            ttl_max: Ttl::MAX,
            types: None,
            // The file is replaced as a whole.
            gathered: Gathered::All,
            settle_max: Duration::ZERO,
            anycast_margin: Duration::ZERO,
            served_within: self.served_within,
        }
    }

    async fn read_zone(&self, zone: &Name) -> Result<Zone, ProviderError> {
        let root = self.root();
        self.on_file(zone, move |zone, path| Ok(read_file(zone, path, &root)?.zone)).await
    }

    async fn read_rrsets(&self, zone: &Name, keys: &[RrKey]) -> ProviderResult<Vec<Option<RrSet>>> {
        let zone = self.read_zone(zone).await?;
        Ok(keys.iter().map(|key| zone.get(key).cloned()).collect())
    }

    async fn check(&self, zone: &Name, sets: &[ChangeSet]) -> ProviderResult<Vec<Unwritable>> {
        let (sets, root) = (sets.to_vec(), self.root());
        self.on_file(zone, move |zone, path| check_sets(zone, path, &root, &sets)).await
    }

    async fn remarks(&self, zone: &Name) -> Result<Vec<String>, ProviderError> {
        let root = self.root();
        self.on_file(zone, move |zone, path| Ok(read_file(zone, path, &root)?.remarks())).await
    }

    async fn apply(&self, changes: &ChangeSet) -> Result<Receipt, ProviderError> {
        let (owned, root) = (changes.clone(), self.root());
        let work = move |_: &Name, path: &Path| change_file(path, &root, &owned);
        let receipt = self.on_file(changes.zone(), work).await?;
        let reloaded = self.reload().await;
        reloaded.map_err(|error| ProviderError::InDoubt {
            zone: changes.zone().clone(),
            peer: "the reload command".to_owned(),
            detail: error.to_string(),
        })?;
        Ok(receipt)
    }

    async fn publish(&self, zone: &Name) -> Result<(), ProviderError> {
        self.reload().await.map_err(|error| ProviderError::Refused {
            zone: zone.clone(),
            detail: error.to_string(),
        })
    }
}

fn read_file(zone: &Name, path: &Path, root: &Path) -> Result<Reading, ProviderError> {
    let text = disk::load(path).map_err(|error| unread(zone, path, &error))?;
    read(zone, path, text, &|path| load_below(root, path))
        .map_err(|error| ProviderError::Malformed { zone: zone.clone(), detail: error.to_string() })
}

/// Goes through the change sets and edits the text in memory. It collects what a set would be
/// refused for, and each set sees the text as the sets before it leave it.
fn check_sets(
    zone: &Name,
    path: &Path,
    root: &Path,
    sets: &[ChangeSet],
) -> Result<Vec<Unwritable>, ProviderError> {
    let load = |path: &Path| load_below(root, path);
    let mut reading = read_file(zone, path, root)?;
    let touched = check::touched(sets);
    let mut checked = Checked::default();
    let work = reading.text().len().saturating_mul(sets.len());
    for set in sets {
        let mut is_refused = false;
        // If the whole set can be planned, so can each change; if not, each change is tried alone.
        if check::opaque(set).is_err() || plan::plan(&reading, set).is_err() {
            for single in check::one_by_one(set) {
                checked.note(check::opaque(&single))?;
                if let Err(EditError { key, why }) = plan::plan(&reading, &single) {
                    checked.add(key, why.to_string());
                    is_refused = true;
                }
            }
        }
        let types = |name: &Name| reading.zone.at(name).map(|(rtype, _)| rtype).collect();
        for Unwritable { key, why } in check::beside_cname(set, &touched, types) {
            checked.add(key, why);
            is_refused = true;
        }
        if is_refused || work > CHECKED_OCTETS_MAX {
            continue;
        }
        match edit(&reading, set, &load) {
            Ok(Edited { text, serial: _ }) => {
                let read = read(zone, path, text, &load);
                reading = read.map_err(|error| ProviderError::Malformed {
                    zone: zone.clone(),
                    detail: error.to_string(),
                })?;
            }
            // Which types meet at a name depends on the order of the sets, and was checked above.
            Err(EditError { why: Refusal::CnameBeside(_), .. }) => {}
            Err(EditError { key, why }) => checked.add(key, why.to_string()),
        }
    }
    Ok(checked.found())
}

fn change_file(path: &Path, root: &Path, changes: &ChangeSet) -> Result<Receipt, ProviderError> {
    let zone = changes.zone();
    let load = |path: &Path| load_below(root, path);
    let reading = read_file(zone, path, root)?;
    check::opaque(changes)?;
    compare(changes, |key| reading.zone.get(key))?;
    let Edited { text, serial } = edit(&reading, changes, &load)
        .map_err(|EditError { key, why }| unsupported(zone, &key, why.to_string()))?;
    match disk::replace(path, reading.text(), &text) {
        Ok(()) => Ok(Receipt { serial: Some(serial), read_back: false }),
        Err(ReplaceError::Changed) => {
            let now = read_file(zone, path, root)?.zone;
            compare(changes, |key| now.get(key))?;
            // Somebody changed another part of the file; the SOA stands for the file as a whole.
            let key = RrKey::new(zone.clone(), RrType::SOA);
            Err(conflict(zone, &key, now.get(&key)))
        }
        Err(error @ ReplaceError::Group(_)) => {
            Err(ProviderError::Refused { zone: zone.clone(), detail: error.to_string() })
        }
        Err(ReplaceError::Before { doing, error }) => Err(unwritten(zone, path, doing, &error)),
        Err(error @ ReplaceError::After(_)) => Err(ProviderError::InDoubt {
            zone: zone.clone(),
            peer: path.display().to_string(),
            detail: error.to_string(),
        }),
    }
}

fn unread(zone: &Name, path: &Path, error: &io::Error) -> ProviderError {
    if error.kind() != io::ErrorKind::NotFound {
        return unwritten(zone, path, "the file cannot be read", error);
    }
    let detail = format!("there is no file {}", path.display());
    ProviderError::NoSuchZone { zone: zone.clone(), detail }
}

/// Whether a person must correct this; other failures of the system may pass.
fn is_for_people(kind: io::ErrorKind) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        kind,
        Kind::FileTooLarge
            | Kind::InvalidFilename
            | Kind::InvalidInput
            | Kind::IsADirectory
            | Kind::NotADirectory
            | Kind::NotFound
            | Kind::PermissionDenied
            | Kind::QuotaExceeded
            | Kind::ReadOnlyFilesystem
            | Kind::StorageFull
    )
}

/// A failure before anything was changed.
fn unwritten(zone: &Name, path: &Path, doing: &str, error: &io::Error) -> ProviderError {
    let (zone, path) = (zone.clone(), path.display());
    let detail = format!("{doing}: {error}");
    match is_for_people(error.kind()) {
        true => ProviderError::Refused { zone, detail: format!("{path}: {detail}") },
        false => ProviderError::Unreachable { zone, peer: path.to_string(), detail },
    }
}
