//! `cutover check`

use std::path::PathBuf;

use super::exit::Exit;
use super::{Failure, planning, print_out, several};

/// Check plans offline: their syntax, their values, and whether they are consistent
#[derive(clap::Args)]
pub(super) struct Args {
    /// The plans
    #[arg(required = true, value_name = "PLAN")]
    plans: Vec<PathBuf>,
}

pub(super) fn run(args: Args) -> Result<Exit, Failure> {
    let mut failures = Vec::new();
    let mut plans = Vec::new();
    for path in &args.plans {
        match planning::read_plan(path) {
            Ok(plan) => {
                let zones = plan.intent.zones.len();
                print_out(
                    &format!("{}: ok ({}, {zones} in zones)\n", path.display(), plan.intent.name)
                        .replace("in zones", if zones == 1 { "zone" } else { "zones" }),
                )?;
                plans.push(planning::Input::Plan(Box::new(plan)));
            }
            Err(failure) => failures.push(failure),
        }
    }
    failures.extend(several::check_disjoint(plans.iter()).err());
    match failures.is_empty() {
        true => Ok(Exit::Done),
        false => {
            let texts: Vec<String> = failures.into_iter().map(|failure| failure.text).collect();
            // The texts are escaped and coloured already.
            Err(Failure { text: texts.join("\n\n"), exit: Exit::Usage })
        }
    }
}
