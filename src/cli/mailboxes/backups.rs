//! `cutover mailboxes backup`, `check-backup` and `restore`.

use std::path::{Path, PathBuf};

use futures_util::stream::{self, StreamExt as _};

use super::accounts::{self, Accounts};
use super::progress::Shown;
use super::{Format, Kept, Which, ended, incomplete, shown};
use crate::cli::exit::Exit;
use crate::cli::failure::{Code, Failure, Message, Problem};
use crate::cli::{planning, print_out, print_raw};
use crate::mailbox::backup::{
    BackupError, Checked, Kept as Keeping, Made, Restoring, bag_of, check, make, restore,
};
use crate::mailbox::clock::RealClock;
use crate::mailbox::copy::{Limits, Pass};
use crate::mailbox::error::Side;
use crate::mailbox::report::{MailboxReport, Progress};

/// Keep mailboxes as files: a directory for each, which `sha256sum` checks
///
/// A backup that is made again reads only what is new. What has been deleted at the server stays in the
/// backup.
#[derive(clap::Args)]
pub(super) struct BackupArgs {
    #[command(flatten)]
    which: Which,
    /// The directory of the backups
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// The side that is backed up
    #[arg(long, value_enum, default_value = "old")]
    side: SideArg,
}

/// Compare every octet of backups with their manifests, and name what has changed
#[derive(clap::Args)]
pub(super) struct CheckArgs {
    /// The directory of a mailbox's backup, as `backup` has named it; may be given several times
    #[arg(required = true, value_name = "BACKUP")]
    backups: Vec<PathBuf>,
    /// How to print the result
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Put backups into mailboxes: each message that is not there yet, with flags, dates and folders
///
/// What counts is what is in the mailbox now: a message that an earlier restore has brought, and that somebody
/// has deleted since, is brought again.
#[derive(clap::Args)]
pub(super) struct RestoreArgs {
    #[command(flatten)]
    which: Which,
    /// The directory of the backups
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// The side that gets them
    #[arg(long, value_enum, default_value = "new")]
    side: SideArg,
    /// Only this folder, by its name in the backup
    #[arg(long, value_name = "NAME")]
    folder: Option<String>,
    /// Also messages that were gone at the server when the backup was last made
    #[arg(long)]
    with_deleted: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum SideArg {
    /// The host that the mail leaves
    Old,
    /// The host that it moves to
    New,
}

fn failed(address: &str, error: &BackupError) -> Problem {
    let message = Message::new(Code::MailboxFailed, format!("{address}: {error}"));
    message.help("run the same command again: it continues where it ended").into()
}

pub(super) async fn run_backup(args: &BackupArgs) -> Result<Exit, Failure> {
    let BackupArgs { which, to, side } = args;
    let plan = planning::read_plan(&which.plan)?;
    let Accounts { pairs, mut problems } = accounts::of(&plan, which)?;
    let progress = Progress::default();
    let each = pairs.iter().map(|pair| async {
        let of = match side {
            SideArg::Old => (Side::Old, &pair.old),
            SideArg::New => (Side::New, &pair.new),
        };
        let bag = bag_of(to, &pair.address);
        let made = make(of, &pair.address, &bag, &RealClock, &progress).await;
        (pair.address.as_str(), made)
    });
    let work = stream::iter(each).buffered(which.at_once.into()).collect::<Vec<_>>();
    let mut done: Vec<Made> = Vec::new();
    for (address, made) in Shown::of(&progress).during(work).await {
        match made {
            Ok(made) => {
                problems.extend(made.unreadable.iter().map(|why| {
                    let text = format!("{address}: not in the backup: {why}");
                    Message::new(Code::MailboxFailed, text).into()
                }));
                done.push(made);
            }
            Err(error) => problems.push(failed(address, &error)),
        }
    }
    match which.format {
        Format::Text => print_out(&shown::backed_up(&done))?,
        Format::Json => print_raw(&shown::json("cutover/mailboxes-backup/1", &done))?,
    }
    ended(problems)
}

pub(super) fn run_check(CheckArgs { backups, format }: &CheckArgs) -> Result<Exit, Failure> {
    let mut problems = Vec::new();
    let mut found: Vec<(&Path, Checked)> = Vec::new();
    for bag in backups {
        match check(bag) {
            Ok(checked) => {
                if !checked.problems.is_empty() {
                    let count = checked.problems.len() as u64 + checked.left_out;
                    let text = format!("{}: {count} files are not as they were", bag.display());
                    let message = Message::new(Code::BackupDamaged, text);
                    problems.push(message.details(&checked.problems).into());
                }
                found.push((bag, checked));
            }
            Err(error) => {
                problems.push(Message::of_cause(Code::BackupDamaged, &error).into());
            }
        }
    }
    match format {
        Format::Text => print_out(&shown::checked(&found))?,
        Format::Json => {
            let found: Vec<&Checked> = found.iter().map(|(_, checked)| checked).collect();
            print_raw(&shown::json("cutover/mailboxes-check-backup/1", &found))?;
        }
    }
    ended(problems)
}

pub(super) async fn run_restore(args: &RestoreArgs) -> Result<Exit, Failure> {
    let RestoreArgs { which, from, side, folder, with_deleted } = args;
    let kept = if *with_deleted { Keeping::Ever } else { Keeping::AtLastBackup };
    let plan = planning::read_plan(&which.plan)?;
    let Accounts { pairs, mut problems } = accounts::of(&plan, which)?;
    let Kept { ledger, aside } = which.kept(&plan)?;
    let progress = Progress::default();
    let limits = Limits { mailboxes: which.at_once.into(), ..Limits::default() };
    let pass = Pass { ledger: &ledger, aside, clock: &RealClock, progress: &progress, limits };
    let each = pairs.iter().map(|pair| async {
        let account = match side {
            SideArg::Old => &pair.old,
            SideArg::New => &pair.new,
        };
        let (address, folder) = (pair.address.as_str(), folder.as_deref());
        let restoring = Restoring { dir: from, address, account, folder, kept, pass: &pass };
        (address, restore(&restoring).await)
    });
    let work = stream::iter(each).buffered(which.at_once.into()).collect::<Vec<_>>();
    let mut reports: Vec<MailboxReport> = Vec::new();
    for (address, restored) in Shown::of(&progress).during(work).await {
        match restored {
            Ok(report) => reports.push(report),
            Err(error) => problems.push(failed(address, &error)),
        }
    }
    match which.format {
        Format::Text => print_out(&shown::copied(&reports))?,
        Format::Json => print_raw(&shown::json("cutover/mailboxes-restore/1", &reports))?,
    }
    problems.extend(incomplete(&reports));
    ended(problems)
}
