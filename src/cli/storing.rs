//! Where the state of runs is kept, and the commands that messages suggest.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::failure::{Code, Failure, Message};
use super::{base, shell_quote};
use crate::world::real::store::address::{Address, FORMS, Machine, without_password};
use crate::world::real::store::{Runs, Store};

/// The name of the state directory beside a plan.
const STATE: &str = ".cutover";

/// The variable that says where the state is, unless `--state` does.
const VARIABLE: &str = "CUTOVER_STATE";

/// Where the state of runs is kept.
#[derive(Clone, clap::Args)]
pub(super) struct StateArgs {
    /// The directory or store that holds the state of runs: a path; `git+ssh://`, `git+https://` or
    /// `git+file://` with `?branch=NAME`; `postgres://`; or `s3://` [default: `CUTOVER_STATE` of the
    /// environment, otherwise `.cutover` beside the plan or artifact]
    #[arg(long, value_name = "DIR|URL")]
    state: Option<OsString>,
    /// The store that is not beside the input, once it was opened: whoever asks twice gets the same.
    #[arg(skip)]
    opened: Arc<OnceLock<Arc<dyn Store>>>,
}

impl StateArgs {
    /// Where the runs of a plan or an artifact are kept.
    pub(super) fn store(&self, input: &Path) -> Result<Arc<dyn Store>, Failure> {
        let Some(text) = self.chosen() else {
            return open(&Address::Directory(home(input).join(STATE)));
        };
        if let Some(store) = self.opened.get() {
            return Ok(Arc::clone(store));
        }
        let address = Address::parse(&text).map_err(|error| {
            let shown = without_password(&text.to_string_lossy());
            let text = format!("`{shown}` is not the address of a store: {error}");
            let help = format!("`--state` and `{VARIABLE}` take {}", FORMS.join(", "));
            Message::new(Code::StateAddress, text).help(help).usage()
        })?;
        let store = open(&address)?;
        Ok(Arc::clone(self.opened.get_or_init(|| store)))
    }

    /// The runs of the plan of this name.
    pub(super) fn runs(&self, input: &Path, plan: &str) -> Result<Runs, Failure> {
        Ok(Runs::new(self.store(input)?, plan))
    }

    /// Where the user wants the state, if that is not beside the input.
    pub(super) fn chosen(&self) -> Option<OsString> {
        self.state.clone().or_else(|| variable(VARIABLE))
    }

    /// ` --state DIR` for the commands that messages suggest, if the user gave that option. A
    /// password is left out.
    pub(super) fn option(&self) -> String {
        self.state.as_ref().map_or(String::new(), |state| {
            let shown = without_password(&state.to_string_lossy());
            format!(" --state {}", shell_quote(Path::new(&shown)))
        })
    }
}

/// A variable of the environment that is not empty.
#[expect(clippy::disallowed_methods, reason = "this is where stores learn of the environment")]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// What stores use of this machine.
fn machine() -> Machine {
    // XDG Base Directory Specification 0.8: a relative path is to be ignored.
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    let has_ssh_command =
        ["GIT_SSH_COMMAND", "GIT_SSH"].iter().any(|name| variable(name).is_some());
    // Without a home there is still the directory for temporary files.
    let caches = caches.unwrap_or_else(std::env::temp_dir).join("cutover/stores");
    // As libpq has it: a password does not belong on a command line.
    let postgres_password = variable("PGPASSWORD").and_then(|password| password.into_string().ok());
    Machine { caches, has_ssh_command, postgres_password }
}

fn open(address: &Address) -> Result<Arc<dyn Store>, Failure> {
    Ok(address.open(&machine())?)
}

/// The directory that relative paths in a plan or artifact start from, and that holds the state of
/// its runs: the file's own directory or, for the artifact of a run in a state directory, the
/// plan's directory.
pub(super) fn home(input: &Path) -> PathBuf {
    let base = base(input);
    let absolute = std::path::absolute(&base).unwrap_or_else(|_| base.clone());
    // STATE/NAME/NUMBER
    match absolute.ancestors().nth(2) {
        Some(state) if state.ends_with(STATE) => state.parent().map_or(base, Path::to_owned),
        Some(_) | None => base,
    }
}

/// Writes the `cutover` commands that messages suggest, with the user's own input and `--state`.
#[derive(Clone, Copy)]
pub(super) struct Invocation<'a> {
    /// The plan or artifact, as given on the command line.
    pub(super) input: &'a Path,
    /// Where the state is, if the command needs that.
    pub(super) state: Option<&'a StateArgs>,
}

impl<'a> Invocation<'a> {
    pub(super) fn of(input: &'a Path, state: &'a StateArgs) -> Self {
        Self { input, state: Some(state) }
    }

    /// `cutover COMMAND INPUT REST --state DIR`.
    pub(super) fn line(self, command: &str, rest: &str) -> String {
        let gap = if rest.is_empty() { "" } else { " " };
        let state = self.state.map(StateArgs::option).unwrap_or_default();
        format!("cutover {command} {}{gap}{rest}{state}", shell_quote(self.input))
    }
}
