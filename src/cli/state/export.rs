//! `cutover state export`

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::exit::Exit;
use super::super::failure::{Code, ErrorFormat, Failure, Message, Severity};
use super::super::{StateArgs, base, planning, print_err};
use crate::world::real::store::Store;
use crate::world::real::store::transfer::{ExportError, Exported, export};

/// Write all runs of a store, or those of some plans, as text that `import` reads
#[derive(clap::Args)]
#[command(after_help = "\
Everything is checked while it is read. Artifacts and journals stay as they are, byte for byte, so their \
digests do too. Continue a run in one store only: after an import, use the other store no more.")]
pub(super) struct Args {
    /// Plans, artifacts, or names of plans [default: all plans in the store]
    #[arg(value_name = "PLAN|ARTIFACT|NAME")]
    plans: Vec<PathBuf>,
    /// Write to this file [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    state: StateArgs,
}

pub(super) async fn run(args: &Args, errors: ErrorFormat) -> Result<Exit, Failure> {
    let (store, plans) = match &args.plans[..] {
        [] => {
            let store = args.state.store(Path::new(""))?;
            let plans = store.plans().await?;
            (store, plans)
        }
        [first, ..] => {
            let mut plans = Vec::new();
            for plan in &args.plans {
                plans.push(planning::runs(plan, &args.state).await?.plan().to_owned());
            }
            plans.sort();
            plans.dedup();
            (args.state.store(first)?, plans)
        }
    };
    for plan in &plans {
        if let Some(holder) = store.holder(plan).await? {
            let text = format!("{plan} is driven by {holder}: its run is exported as it is now");
            let help = "export it again when that process has ended";
            let message = Message::new(Code::RunLocked, text).severity(Severity::Warning);
            errors.remark(message.help(help));
        }
    }
    let Exported { runs, entries } = match &args.output {
        None => write(&store, &plans, &mut std::io::stdout()).await?,
        Some(file) => to_file(&store, &plans, file).await?,
    };
    print_err(&format!("exported (runs: {runs}, entries: {entries})"));
    Ok(Exit::Done)
}

async fn write(
    store: &Arc<dyn Store>,
    plans: &[String],
    to: &mut (dyn Write + Send),
) -> Result<Exported, Failure> {
    let mut to = BufWriter::new(to);
    export(store, plans, &mut to).await.map_err(|error| match error {
        ExportError::Read(error) => error.into(),
        ExportError::Write(error) => Message::of_cause(Code::OutputFailed, &error).error(),
    })
}

/// Writes a file that is there as a whole, or not at all.
async fn to_file(
    store: &Arc<dyn Store>,
    plans: &[String],
    file: &Path,
) -> Result<Exported, Failure> {
    let failed = |error: std::io::Error| {
        let text = format!("cannot write {}: {error}", file.display());
        Message::new(Code::OutputFailed, text).error()
    };
    let mut written = tempfile::NamedTempFile::new_in(base(file)).map_err(failed)?;
    let exported = write(store, plans, written.as_file_mut()).await?;
    written.as_file().sync_all().map_err(failed)?;
    written.persist(file).map_err(|error| failed(error.error))?;
    Ok(exported)
}
