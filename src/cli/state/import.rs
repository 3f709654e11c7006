//! `cutover state import`

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::exit::Exit;
use super::super::failure::{Code, Failure, Message};
use super::super::running::claim;
use super::super::standing::holding;
use super::super::{StateArgs, print_out};
use crate::world::real::store::Runs;
use crate::world::real::store::transfer::{ImportError, Imported, Outcome, import, read};

/// Add runs that `export` has written to a store
#[derive(clap::Args)]
#[command(after_help = "\
The whole file is checked before anything is written, and no run that is there is changed. An import that was \
cut off can be repeated: it goes on where it ended.")]
pub(super) struct Args {
    /// What `export` has written; `-` reads standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    state: StateArgs,
}

pub(super) async fn run(args: &Args) -> Result<Exit, Failure> {
    let file = &args.file;
    let failed = |error| failed(file, error);
    let runs = match file.as_os_str() == "-" {
        true => read(&mut std::io::stdin().lock()),
        false => match File::open(file) {
            Ok(open) => read(&mut BufReader::new(open)),
            Err(error) => Err(error.into()),
        },
    };
    let runs = runs.map_err(failed)?;
    let store = args.state.store(Path::new(""))?;
    let imported = import(&store, &runs, &claim()).await.map_err(failed)?;
    for Imported { run, head, outcome } in &imported {
        let what = match outcome {
            Outcome::Created => "imported".to_owned(),
            Outcome::Extended(lines) => format!("{lines} entries added"),
            Outcome::There => "there already".to_owned(),
        };
        print_out(&format!("{run}: {what}  {head}\n"))?;
    }
    if store.shares_out() {
        let plans: BTreeSet<&str> = imported.iter().map(|one| one.run.plan.as_str()).collect();
        for plan in plans {
            let runs = Runs::new(Arc::clone(&store), plan);
            // Otherwise somebody drives it already, and says it.
            if let Ok(lease) = runs.lease(&claim()).await {
                holding(&runs, lease, async |_| Ok(())).await?;
            }
        }
    }
    let written = imported.iter().filter(|one| one.outcome != Outcome::There).count();
    print_out(&format!("imported: {written} of {} runs\n", imported.len()))?;
    Ok(Exit::Done)
}

fn failed(file: &Path, error: ImportError) -> Failure {
    let shown = file.display();
    match error {
        ImportError::Io(error) => {
            let text = format!("{shown} cannot be read: {error}");
            Message::new(Code::InputUnreadable, text).usage()
        }
        ImportError::Line { line, problem } => {
            let text = format!("{shown}:{line}: {problem}");
            let help = "nothing was written. Export the runs again";
            Message::new(Code::ImportUnusable, text).help(help).usage()
        }
        ImportError::Differs { .. } => {
            let message = Message::new(Code::ImportConflict, error.to_string());
            let help = "nothing was written. Import into a store without runs of this plan";
            message.help(help).usage()
        }
        ImportError::Store(error) => error.into(),
        ImportError::Read(error) => error.into(),
    }
}
