//! `cutover state show`

use std::path::PathBuf;

use super::super::exit::Exit;
use super::super::failure::{ErrorFormat, Failure};
use super::super::standing::RunStage;
use super::super::{StateArgs, planning, print_out, print_raw, styling};
use super::Format;
use super::v1::{ShowV1, ShownV1};
use crate::document::{Block, Document, Table, Text};
use crate::world::real::store::{Found, Holder, ReadResult, RunId};

/// Show all runs of a plan in a store, with their digests, and who drives them
#[derive(clap::Args)]
pub(super) struct Args {
    /// The plan, an artifact of it, or its name
    #[arg(value_name = "PLAN|ARTIFACT|NAME")]
    plan: PathBuf,
    /// How to show it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    state: StateArgs,
}

pub(super) async fn run(args: &Args, errors: ErrorFormat) -> Result<Exit, Failure> {
    let runs = planning::runs(&args.plan, &args.state).await?;
    let (plan, store) = (runs.plan(), runs.store());
    let mut all: Vec<(RunId, ReadResult<Found>)> = Vec::new();
    for id in store.runs(plan).await? {
        let found = runs.read(id.clone()).await;
        all.push((id, found));
    }
    let holder = store.holder(plan).await?;
    match args.format {
        Format::Text if all.is_empty() => print_out("no run yet\n")?,
        Format::Text => {
            let shown = document(plan, &all, holder.as_ref());
            print_out(&shown.text(styling(&std::io::stdout())))?;
        }
        Format::Json => {
            let runs = all
                .iter()
                .map(|(id, found)| ShownV1::of(id, found.as_ref().map_err(ToString::to_string)));
            let shown = ShowV1::of(plan, runs.collect(), holder.as_ref());
            let text = serde_json::to_string_pretty(&shown).expect("it has string keys alone");
            print_raw(&(text + "\n"))?;
        }
    }
    let unreadable = all.into_iter().filter_map(|(_, found)| found.err());
    Ok(unreadable.fold(Exit::Done, |worst, error| worst.or_worse(errors.fail(&error.into()))))
}

fn document(plan: &str, all: &[(RunId, ReadResult<Found>)], holder: Option<&Holder>) -> Document {
    let rows = all.iter().map(|(id, found)| match found {
        Err(_) => [id.name.as_str().into(), "".into(), "unreadable".into(), "".into(), "".into()],
        Ok(Found { run, .. }) => [
            id.name.as_str().into(),
            run.seq.to_string().into(),
            match run.artifact.is_way_back() {
                true => format!("{}, way back", RunStage::of(run).word()).into(),
                false => RunStage::of(run).word().into(),
            },
            Text::value(run.state.artifact().to_string()),
            Text::value(run.head.to_string()),
        ],
    });
    let head = ["run", "entries", "state", "artifact", "last entry"];
    let lease = match holder {
        None => "Nobody drives it.".to_owned(),
        Some(holder) => format!("Driven by {holder} (fencing number {}).", holder.fence),
    };
    Document(vec![
        Block::Lines(vec![Text::strong(plan)]),
        Block::Table(Table::new(head, rows)),
        Block::Lines(vec![lease.into()]),
    ])
}
