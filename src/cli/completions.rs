//! `cutover completions` and `cutover man`

use std::path::PathBuf;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::exit::Exit;
use super::failure::{Code, Failure, Message};
use super::{Cli, print_raw};

/// Print a script that completes commands and options in a shell
#[derive(clap::Args)]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

/// Write the manual pages, one for each command
#[derive(clap::Args)]
pub(super) struct ManArgs {
    /// The directory; it is made if it does not exist
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "cutover", &mut script);
    print_raw(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}

pub(super) fn man(args: &ManArgs) -> Result<Exit, Failure> {
    let written = std::fs::create_dir_all(&args.dir)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), &args.dir));
    written.map_err(|error| {
        let text = format!("cannot write to {}: {error}", args.dir.display());
        Message::new(Code::OutputFailed, text).error()
    })?;
    Ok(Exit::Done)
}
