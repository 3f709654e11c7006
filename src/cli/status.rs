//! `cutover status`

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::exit::Exit;
use super::failure::{ErrorFormat, Failure};
use super::standing::{RunEntry, Standing};
use super::{Invocation, StateArgs, planning, print_out, print_raw, styling};
use crate::engine::view::RunView;
use crate::render::overview::{Line, overview};
use crate::render::overview_json::{RunLine, json_of_lines};
use crate::render::status::status;
use crate::render::status_json::{json, json_of_all};
use crate::world::real::now;
use crate::world::real::store::{Found, Listed, ReadError, ReadResult, Runs, Store};

/// Show the state of the newest run of a plan, or of all plans in the store
#[derive(clap::Args)]
pub(super) struct Args {
    /// The plan, an artifact of it, or its name
    #[arg(value_name = "PLAN|ARTIFACT|NAME", required_unless_present = "all")]
    plan: Option<PathBuf>,
    /// Show all plans in the store, a line for each
    #[arg(long, conflicts_with = "plan")]
    all: bool,
    /// Show every step, also where zones are alike. With `--all`, as JSON, every step of every run
    #[arg(long)]
    full: bool,
    /// Exit as `apply` would: 0 if the run is done or there is none, 4 if it waits, 5 if it halted
    /// or was rolled back, 6 if it needs a person, 7 if it is stuck. With `--all`, the worst of them
    #[arg(long)]
    exit_code: bool,
    /// How to show it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    state: StateArgs,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs: `null` if there is no run yet, and an object with a line for each of all `runs` for `--all`
    Json,
}

pub(super) async fn run(args: &Args, errors: ErrorFormat) -> Result<Exit, Failure> {
    let Some(plan) = &args.plan else { return all(args, errors).await };
    let runs = planning::runs(plan, &args.state).await?;
    let Some(found) = runs.newest().await? else {
        match args.format {
            Format::Text => print_out("no run yet\n")?,
            Format::Json => print_raw("null\n")?,
        }
        return Ok(Exit::Done);
    };
    let view = seen(&found);
    match args.format {
        Format::Text => show(&view, args.full, Invocation::of(plan, &args.state))?,
        Format::Json => print_raw(&json(&view))?,
    }
    match args.exit_code {
        true => Ok(Exit::of_run(&view)),
        false => Ok(Exit::Done),
    }
}

/// Shows the newest runs of all plans in the store. One that cannot be read hides no other.
async fn all(args: &Args, errors: ErrorFormat) -> Result<Exit, Failure> {
    let store = args.state.store(Path::new(""))?;
    let listed = store.listed().await?;
    let (exits, unreadable) = match args.format {
        Format::Json if args.full => in_full(&store, listed).await?,
        Format::Text | Format::Json => in_lines(&store, listed, args.format).await?,
    };
    let worst = match args.exit_code {
        true => exits.into_iter().fold(Exit::Done, Exit::or_worse),
        false => Exit::Done,
    };
    let unreadable = unreadable.into_iter();
    Ok(unreadable.fold(worst, |worst, error| worst.or_worse(errors.fail(&error.into()))))
}

/// How runs would end, and why others cannot be read.
type Exits = (Vec<Exit>, Vec<ReadError>);

/// Shows a line for each plan. Only runs of which nothing is known are read.
async fn in_lines(
    store: &Arc<dyn Store>,
    listed: Vec<Listed>,
    format: Format,
) -> Result<Exits, Failure> {
    let (mut rows, mut exits, mut unreadable) = (Vec::new(), Vec::new(), Vec::new());
    for Listed { plan, standing } in listed {
        let line = match standing.and_then(|said| Standing::read(&said)) {
            Some(Standing { line, exit, due: _, is_open: _, zones: _, entry }) => {
                exits.push(exit);
                Ok((line, exit, entry))
            }
            None => match Runs::new(Arc::clone(store), &plan).newest().await {
                Ok(None) => continue,
                Ok(Some(found)) => {
                    let view = seen(&found);
                    let exit = Exit::of_run(&view);
                    exits.push(exit);
                    Ok((Line::of(&view), exit, RunEntry::of(&found)))
                }
                Err(error) => {
                    let why = error.to_string();
                    unreadable.push(error);
                    Err(why)
                }
            },
        };
        rows.push((plan, line));
    }
    let lines = rows.iter().map(|(plan, line)| (&**plan, line.as_ref().map_err(Clone::clone)));
    match format {
        Format::Text if rows.is_empty() => print_out("no run yet\n")?,
        Format::Text => {
            let lines = lines.map(|(plan, line)| (plan, line.map(|(line, ..)| line)));
            print_out(&overview(lines, now()).text(styling(&std::io::stdout())))?;
        }
        Format::Json => {
            let lines = lines.map(|(plan, line)| {
                let line = line.map(|(line, exit, entry)| RunLine {
                    run: &entry.name,
                    artifact: entry.artifact,
                    stage: entry.stage.word(),
                    entries: entry.entries,
                    exit_code: exit.number(),
                    line,
                });
                (plan, line)
            });
            print_raw(&json_of_lines(lines, now()))?;
        }
    }
    Ok((exits, unreadable))
}

/// Shows every step of every run, so each is read.
async fn in_full(store: &Arc<dyn Store>, listed: Vec<Listed>) -> Result<Exits, Failure> {
    let mut all: Vec<(String, ReadResult<Found>)> = Vec::new();
    for Listed { plan, standing: _ } in listed {
        let newest = Runs::new(Arc::clone(store), &plan).newest().await;
        all.extend(newest.transpose().map(|newest| (plan, newest)));
    }
    let views: Vec<_> = all
        .iter()
        .map(|(plan, found)| (plan, found.as_ref().map(seen).map_err(ToString::to_string)))
        .collect();
    let rows =
        views.iter().map(|(plan, view)| (plan.as_str(), view.as_ref().map_err(Clone::clone)));
    print_raw(&json_of_all(rows))?;
    let exits = views.iter().filter_map(|(_, view)| view.as_ref().ok()).map(Exit::of_run).collect();
    drop(views);
    Ok((exits, all.into_iter().filter_map(|(_, found)| found.err()).collect()))
}

fn seen(found: &Found) -> RunView<'_> {
    RunView::of(&found.run.artifact, &found.run.state, now())
}

fn show(view: &RunView<'_>, full: bool, invocation: Invocation<'_>) -> Result<(), Failure> {
    print_out(&status(view, full).text(styling(&std::io::stdout())))?;
    for (step, _) in view.by_hand() {
        let line = invocation.line("confirm", &format!("{step} --reason WHY"));
        print_out(&format!("When {step} is done, run `{line}`.\n"))?;
    }
    Ok(())
}
