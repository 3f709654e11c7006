//! `cutover check`

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::annotations::{Finding, github, sarif};
use super::approving::check_plan;
use super::exit::Exit;
use super::failure::{ErrorFormat, Failure, Problem, entries, failed};
use super::{planning, print_out, print_raw, several};
use crate::findings;

/// Check plans offline: their syntax, their values, and whether they are consistent
#[derive(clap::Args)]
pub(super) struct Args {
    /// The plans
    #[arg(required = true, value_name = "PLAN")]
    plans: Vec<PathBuf>,
    /// The format of the findings; all but text go to standard output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Also check that these people, in OpenSSH's `allowed_signers` format, include the `signers:` of
    /// the plans. The file must not be part of what is reviewed
    #[arg(long, value_name = "FILE")]
    allowed_signers: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For machines: as with `--error-format json`
    Json,
    /// For code scanners: SARIF 2.1.0
    Sarif,
    /// For GitHub Actions: annotations at the lines of the plans
    Github,
}

pub(super) fn run(args: Args, errors: ErrorFormat) -> Result<Exit, Failure> {
    let Args { plans: paths, format, allowed_signers } = args;
    let mut failures: Vec<(&Path, Failure)> = Vec::new();
    let mut plans = Vec::new();
    let mut remarks: Vec<(&Path, Problem)> = Vec::new();
    for path in &paths {
        let read = planning::read_plan(path).and_then(|plan| {
            let list = allowed_signers.as_deref();
            list.map_or(Ok(()), |list| check_plan(list, path, &plan))?;
            Ok(plan)
        });
        match read {
            Ok(plan) => {
                if format == Format::Text {
                    print_out(&passed(path, &plan))?;
                }
                let mut found = plan.intent.undecided_remarks();
                found.extend(findings::offline(&plan.intent));
                if !found.is_empty() {
                    remarks.push((path, Problem::plan(&found, &plan.source)));
                }
                plans.push(planning::Input::Plan(Box::new(plan)));
            }
            Err(failure) => failures.push((path, failure)),
        }
    }
    // Its findings all have places.
    failures
        .extend(several::check_disjoint(plans.iter()).err().map(|failure| (&*paths[0], failure)));
    let exit = if failures.is_empty() { Exit::Done } else { Exit::Usage };
    let mut noted = findings(&failures);
    for (path, problem) in remarks {
        match format {
            Format::Text | Format::Json => errors.remark(problem),
            Format::Sarif | Format::Github => {
                noted.extend(entries(&[problem]).into_iter().map(|entry| (path, entry)));
            }
        }
    }
    let text = match format {
        Format::Text if failures.is_empty() => return Ok(exit),
        Format::Text => return Err(Failure { exit, problems: problems(failures) }),
        Format::Json => failed(&Failure { exit, problems: problems(failures) }) + "\n",
        Format::Sarif => sarif(&noted),
        Format::Github => github(&noted),
    };
    print_raw(&text)?;
    Ok(exit)
}

fn passed(path: &Path, plan: &planning::Plan) -> String {
    let zones = plan.intent.zones.len();
    let plural = if zones == 1 { "" } else { "s" };
    let open = match plan.intent.undecided.len() {
        0 => String::new(),
        count => format!("; {count} TODO left: it cannot be proved yet"),
    };
    format!("{}: ok ({}, {zones} zone{plural}{open})\n", path.display(), plan.intent.name)
}

fn problems(failures: Vec<(&Path, Failure)>) -> Vec<Problem> {
    failures.into_iter().flat_map(|(_, failure)| failure.problems).collect()
}

fn findings<'p>(failures: &[(&'p Path, Failure)]) -> Vec<Finding<'p>> {
    let all = failures
        .iter()
        .map(|(path, failure)| entries(&failure.problems).into_iter().map(|entry| (*path, entry)));
    all.flatten().collect()
}
