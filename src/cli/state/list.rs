//! `cutover state list`

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::super::exit::Exit;
use super::super::failure::{ErrorFormat, Failure};
use super::super::standing::{RunEntry, Standing};
use super::super::{StateArgs, print_out, print_raw, styling};
use super::Format;
use super::v1::{ListV1, PlanV1};
use crate::document::{Block, Document, Table, Text};
use crate::world::real::store::{Holder, Listed, ReadResult, Runs, Store, Summary};

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
    /// How many runs it has.
    runs: usize,
    /// The newest run that was opened.
    newest: ReadResult<Option<RunEntry>>,
    holder: Option<Holder>,
}

pub(super) async fn run(args: &Args, errors: ErrorFormat) -> Result<Exit, Failure> {
    let store = args.state.store(Path::new(""))?;
    let plans = match store.shares_out() {
        true => in_one(&store).await?,
        false => in_turn(&store).await?,
    };
    match args.format {
        Format::Text if plans.is_empty() => print_out("no runs yet\n")?,
        Format::Text => print_out(&table(&plans).text(styling(&std::io::stdout())))?,
        Format::Json => {
            let plans = plans.iter().map(|Plan { name, runs, newest, holder }| {
                let newest = newest.as_ref().map(Option::as_ref).map_err(ToString::to_string);
                PlanV1::of(name, *runs, newest, holder.as_ref())
            });
            let text = serde_json::to_string_pretty(&ListV1::of(plans.collect()));
            print_raw(&(text.expect("it has string keys alone") + "\n"))?;
        }
    }
    // A run that cannot be read hides no other, but does not go unnoticed either.
    let unreadable = plans.into_iter().filter_map(|plan| plan.newest.err());
    Ok(unreadable.fold(Exit::Done, |worst, error| worst.or_worse(errors.fail(&error.into()))))
}

/// Reads every newest run.
async fn in_turn(store: &Arc<dyn Store>) -> Result<Vec<Plan>, Failure> {
    let mut plans = Vec::new();
    for name in store.plans().await? {
        let runs = store.runs(&name).await?.len();
        let holder = store.holder(&name).await?;
        let newest = newest(store, &name).await;
        plans.push(Plan { name, runs, newest, holder });
    }
    Ok(plans)
}

/// Asks once for all plans what was said of their runs, and reads only runs of which nothing is known.
async fn in_one(store: &Arc<dyn Store>) -> Result<Vec<Plan>, Failure> {
    let mut held: BTreeMap<String, (usize, Option<Holder>)> = BTreeMap::new();
    for Summary { run, last: _, holder } in store.summaries().await? {
        let (runs, of) = held.entry(run.plan).or_default();
        (*runs, *of) = (*runs + 1, holder);
    }
    let mut plans = Vec::new();
    for Listed { plan: name, standing } in store.listed().await? {
        let newest = match standing.and_then(|said| Standing::read(&said)) {
            Some(standing) => Ok(Some(standing.entry)),
            None => newest(store, &name).await,
        };
        // One that is not there has come in the meantime.
        let Some((runs, holder)) = held.remove(&name) else { continue };
        plans.push(Plan { name, runs, newest, holder });
    }
    Ok(plans)
}

async fn newest(store: &Arc<dyn Store>, plan: &str) -> ReadResult<Option<RunEntry>> {
    let newest = Runs::new(Arc::clone(store), plan).newest().await?;
    Ok(newest.as_ref().map(RunEntry::of))
}

fn table(plans: &[Plan]) -> Document {
    let rows = plans.iter().map(|Plan { name, runs, newest, holder }| {
        let (newest, entries, state) = match newest {
            Ok(Some(RunEntry { name, entries, stage, .. })) => {
                (name.clone(), entries.to_string(), stage.word())
            }
            Ok(None) => (String::new(), String::new(), "unopened"),
            Err(_) => (String::new(), String::new(), "unreadable"),
        };
        [
            Text::value(name),
            runs.to_string().into(),
            newest.into(),
            entries.into(),
            state.into(),
            holder.as_ref().map_or_else(|| "free".to_owned(), ToString::to_string).into(),
        ]
    });
    let head = ["plan", "runs", "newest", "entries", "state", "lease"];
    Document(vec![Block::Table(Table::new(head, rows))])
}
