//! `cutover state`: what a store holds, whoever put it there.

mod export;
mod import;
mod list;
mod show;
mod unlock;
mod v1;

use super::exit::Exit;
use super::failure::{ErrorFormat, Failure};

/// Look at the store of runs, free a plan that is locked, and move runs to another store
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    List(list::Args),
    Show(show::Args),
    Unlock(unlock::Args),
    Export(export::Args),
    Import(import::Args),
}

/// How something is shown.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

pub(super) async fn run(Args { what }: Args, errors: ErrorFormat) -> Result<Exit, Failure> {
    match what {
        What::List(args) => list::run(&args, errors).await,
        What::Show(args) => show::run(&args, errors).await,
        What::Unlock(args) => unlock::run(&args).await,
        What::Export(args) => export::run(&args, errors).await,
        What::Import(args) => import::run(&args).await,
    }
}
