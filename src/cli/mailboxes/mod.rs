//! `cutover mailboxes`: arguments in, one call of the library, and what it found.

mod accounts;
mod backups;
mod progress;
mod shown;

use std::path::PathBuf;

use nix::sys::stat::{Mode, umask};

use self::accounts::Accounts;
use self::progress::Shown;
use super::exit::Exit;
use super::failure::{Code, Failure, Message, Problem};
use super::{CommandArgs, planning, print_out, print_raw};
use crate::mailbox::clock::RealClock;
use crate::mailbox::copy::{Limits, Pass, copy};
use crate::mailbox::inventory::{Survey, inventory};
use crate::mailbox::ledger::{Ledger, LedgerError};
use crate::mailbox::report::{MailboxReport, Progress};
use crate::mailbox::verify::{Comparison, Verdict, verify};
use crate::world::real::mailboxes::{ledger_in, ledgers_in};

/// Count mailboxes, copy them from the old host to the new one, compare both sides, and back them up
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    Inventory(InventoryArgs),
    Copy(CopyArgs),
    Verify(VerifyArgs),
    Backup(backups::BackupArgs),
    CheckBackup(backups::CheckArgs),
    Restore(backups::RestoreArgs),
}

/// Count and measure what is in the mailboxes, and say what the new host will refuse
#[derive(clap::Args)]
struct InventoryArgs {
    #[command(flatten)]
    which: Which,
}

/// Copy every message that is not at the new side yet, with flags, dates and folders
///
/// The first pass copies everything, and each later pass what has changed since. A pass that was cut
/// off is continued by the next. Nothing is deleted at the new side, and nothing is changed at the
/// old one.
#[derive(clap::Args)]
struct CopyArgs {
    #[command(flatten)]
    which: Which,
}

/// Read both sides, and compare them message by message
///
/// Exits with 1 if a message of the old side was not found at the new side.
#[derive(clap::Args)]
struct VerifyArgs {
    #[command(flatten)]
    which: Which,
}

/// Which mailboxes, and how.
#[derive(clap::Args)]
struct Which {
    /// The plan that says how the mailboxes are opened, and which move
    plan: PathBuf,
    /// Only this mailbox; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    only: Vec<String>,
    /// Only the mailboxes of this wave
    #[arg(long, value_name = "WAVE")]
    wave: Option<String>,
    /// How many mailboxes at once; a copy has up to three connections to each side for each
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    at_once: u16,
    /// Where the ledger is, and refused messages are put; default `.cutover/mailboxes` beside the plan
    #[arg(long, value_name = "DIR")]
    ledger: Option<PathBuf>,
    /// How to print the result
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    #[command(flatten)]
    commands: CommandArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

/// A ledger, and where refused messages are put.
struct Kept {
    ledger: Ledger,
    aside: PathBuf,
}

impl Which {
    /// Opens the ledger of the plan.
    fn kept(&self, plan: &planning::Plan) -> Result<Kept, Failure> {
        let default = || ledgers_in(&super::home(&self.plan));
        let dir = self.ledger.clone().unwrap_or_else(default);
        std::fs::create_dir_all(&dir).map_err(|error| {
            let text = format!("cannot make the directory {}: {error}", dir.display());
            Message::new(Code::LedgerUnusable, text).error()
        })?;
        let name = &plan.intent.name;
        let path = ledger_in(&dir, name);
        let ledger = Ledger::open(&path).map_err(|error| {
            let help = match &error {
                LedgerError::Locked(_) => "wait until it ends; the lock ends with its process",
                LedgerError::Foreign { .. } => {
                    "use the version that made it, or name another directory with `--ledger`"
                }
                LedgerError::Sqlite(_) => {
                    "move it away: a new ledger finds the copies by their octets, and copies again what \
                     the new host has changed"
                }
            };
            Message::of_cause(Code::LedgerUnusable, &error).help(help).error()
        })?;
        Ok(Kept { ledger, aside: dir.join(format!("{name}-refused")) })
    }
}

pub(super) async fn run(args: Args) -> Result<Exit, Failure> {
    // Everything that these commands write is mail, or says whose it is: only its owner reads it.
    umask(Mode::from_bits_truncate(0o077));
    match args.what {
        What::Inventory(InventoryArgs { which }) => run_inventory(&which).await,
        What::Copy(CopyArgs { which }) => run_copy(&which).await,
        What::Verify(VerifyArgs { which }) => run_verify(&which).await,
        What::Backup(args) => backups::run_backup(&args).await,
        What::CheckBackup(args) => backups::run_check(&args),
        What::Restore(args) => backups::run_restore(&args).await,
    }
}

async fn run_inventory(which: &Which) -> Result<Exit, Failure> {
    let plan = planning::read_plan(&which.plan)?;
    let Accounts { pairs, mut problems } = accounts::of(&plan, which)?;
    let progress = Progress::default();
    let survey = Survey { clock: &RealClock, progress: &progress, mailboxes: which.at_once.into() };
    let found = Shown::of(&progress).during(inventory(&pairs, &survey)).await;
    match which.format {
        Format::Text => print_out(&shown::surveyed(&found))?,
        Format::Json => print_raw(&shown::json("cutover/mailboxes-inventory/1", &found))?,
    }
    let failed = found.iter().filter_map(|one| Some((&one.address, one.error.as_ref()?)));
    problems.extend(failed.map(|(address, error)| {
        Message::new(Code::MailboxFailed, format!("{address}: {error}")).into()
    }));
    ended(problems)
}

async fn run_copy(which: &Which) -> Result<Exit, Failure> {
    let plan = planning::read_plan(&which.plan)?;
    let Accounts { pairs, mut problems } = accounts::of(&plan, which)?;
    let Kept { ledger, aside } = which.kept(&plan)?;
    let progress = Progress::default();
    let limits = Limits { mailboxes: which.at_once.into(), ..Limits::default() };
    let pass = Pass { ledger: &ledger, aside, clock: &RealClock, progress: &progress, limits };
    let reports = Shown::of(&progress).during(copy(&pairs, &pass)).await;
    match which.format {
        Format::Text => print_out(&shown::copied(&reports))?,
        Format::Json => print_raw(&shown::json("cutover/mailboxes-copy/1", &reports))?,
    }
    problems.extend(incomplete(&reports));
    ended(problems)
}

async fn run_verify(which: &Which) -> Result<Exit, Failure> {
    let plan = planning::read_plan(&which.plan)?;
    let Accounts { pairs, mut problems } = accounts::of(&plan, which)?;
    let Kept { ledger, aside: _ } = which.kept(&plan)?;
    let progress = Progress::default();
    let comparison = Comparison {
        ledger: Some(&ledger),
        clock: &RealClock,
        progress: &progress,
        mailboxes: which.at_once.into(),
    };
    let results = Shown::of(&progress).during(verify(&pairs, &comparison)).await;
    match which.format {
        Format::Text => print_out(&shown::compared(&results))?,
        Format::Json => print_raw(&shown::json("cutover/mailboxes-verify/1", &results))?,
    }
    for result in results.iter().filter(|result| !result.has_all()) {
        let message = match &result.error {
            Some(error) => {
                Message::new(Code::MailboxFailed, format!("{}: {error}", result.address))
            }
            None => {
                let Verdict { present: _, missing, altered, refused, unread } = result.verdict();
                let refused = match refused {
                    0 => String::new(),
                    count => format!("{count} refused by the new side, "),
                };
                let text = format!(
                    "{}: not every message was found at the new side: {missing} missing, {altered} altered, {refused}{unread} not compared",
                    result.address,
                );
                let help = "`cutover mailboxes copy` copies what is missing; what somebody has deleted at the new side stays deleted";
                let folders = result.folders.iter().filter_map(|folder| {
                    folder.error.as_ref().map(|error| format!("{}: {error}", folder.old))
                });
                Message::new(Code::MessagesMissing, text).details(folders).help(help)
            }
        };
        problems.push(message.into());
    }
    ended(problems)
}

/// What is wrong with each mailbox that is not complete.
fn incomplete(reports: &[MailboxReport]) -> Vec<Problem> {
    let failed = reports.iter().filter(|report| !report.is_complete());
    let problem = |report: &MailboxReport| {
        let total = report.total();
        let text = match &report.error {
            Some(error) => format!("{}: {error}", report.address),
            None => {
                let mut text = format!(
                    "{}: not every message was stored: {} refused by the new side, {} cannot be read",
                    report.address, total.refused, total.unreadable
                );
                for (count, what) in [
                    (total.lost, "not there although the new side has said so"),
                    (total.unconfirmed, "not recognized at the new side"),
                ] {
                    if count > 0 {
                        text += &format!(", {count} {what}");
                    }
                }
                text
            }
        };
        let folders = report.folders.iter().filter_map(|folder| {
            folder.error.as_ref().map(|error| format!("{}: {error}", folder.old))
        });
        let message = Message::new(Code::MailboxFailed, text).details(folders);
        message.help("run the same command again: it continues where it ended").into()
    };
    failed.map(problem).collect()
}

/// Each mailbox that failed is named; the others are done.
fn ended(problems: Vec<Problem>) -> Result<Exit, Failure> {
    match problems.is_empty() {
        true => Ok(Exit::Done),
        false => Err(Failure { exit: Exit::Error, problems }),
    }
}
