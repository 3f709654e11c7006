//! `cutover state list`

use std::path::Path;
use std::sync::Arc;

use super::super::exit::Exit;
use super::super::failure::{ErrorFormat, Failure};
use super::super::{StateArgs, print_out, print_raw, styling};
use super::Format;
use super::v1::{ListV1, PlanV1, stage};
use crate::document::{Block, Document, Table, Text};
use crate::world::real::store::{Found, Holder, ReadResult, RunId, Runs};

/// List the plans that have runs in a store, and who drives them
#[derive(clap::Args)]
pub(super) struct Args {
    /// How to show it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    state: StateArgs,
}

/// A plan in the store.
struct Plan {
    name: String,
    runs: Vec<RunId>,
    newest: ReadResult<Option<Found>>,
    holder: Option<Holder>,
}

pub(super) async fn run(args: &Args, errors: ErrorFormat) -> Result<Exit, Failure> {
    let store = args.state.store(Path::new(""))?;
    let mut plans = Vec::new();
    for name in store.plans().await? {
        let runs = store.runs(&name).await?;
        let holder = store.holder(&name).await?;
        let newest = Runs::new(Arc::clone(&store), &name).newest().await;
        plans.push(Plan { name, runs, newest, holder });
    }
    match args.format {
        Format::Text if plans.is_empty() => print_out("no runs yet\n")?,
        Format::Text => print_out(&table(&plans).text(styling(&std::io::stdout())))?,
        Format::Json => {
            let plans = plans.iter().map(|Plan { name, runs, newest, holder }| {
                let newest = newest.as_ref().map(Option::as_ref).map_err(ToString::to_string);
                PlanV1::of(name, runs, newest, holder.as_ref())
            });
            let text = serde_json::to_string_pretty(&ListV1::of(plans.collect()));
            print_raw(&(text.expect("it has string keys alone") + "\n"))?;
        }
    }
    // A run that cannot be read hides no other, but does not go unnoticed either.
    let unreadable = plans.into_iter().filter_map(|plan| plan.newest.err());
    Ok(unreadable.fold(Exit::Done, |worst, error| worst.or_worse(errors.fail(&error.into()))))
}

fn table(plans: &[Plan]) -> Document {
    let rows = plans.iter().map(|Plan { name, runs, newest, holder }| {
        let (newest, entries, state) = match newest {
            Ok(Some(found)) => {
                (found.id.name.clone(), found.run.seq.to_string(), stage(&found.run))
            }
            Ok(None) => (String::new(), String::new(), "unopened"),
            Err(_) => (String::new(), String::new(), "unreadable"),
        };
        [
            Text::value(name),
            runs.len().to_string().into(),
            newest.into(),
            entries.into(),
            state.into(),
            holder.as_ref().map_or_else(|| "free".to_owned(), ToString::to_string).into(),
        ]
    });
    let head = ["plan", "runs", "newest", "entries", "state", "lease"];
    Document(vec![Block::Table(Table::new(head, rows))])
}
