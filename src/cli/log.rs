//! `cutover log`

use std::path::PathBuf;

use super::exit::Exit;
use super::{Failure, StateArgs, put, status};
use crate::render::status::entry;
use crate::world::real::store::read_journal;

/// Show what has happened in the newest run of a plan, with times
#[derive(clap::Args)]
pub(super) struct Args {
    /// The plan, or an artifact of it
    #[arg(value_name = "PLAN|ARTIFACT")]
    plan: PathBuf,
    #[command(flatten)]
    state: StateArgs,
}

/// Octets that are written at once.
const AT_ONCE: usize = 1 << 16;

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    match status::newest(&args.plan, &args.state)? {
        Some(found) => {
            // It was read to its end once, so that nothing is shown of one that cannot be trusted.
            let (mut text, mut shown) = (String::new(), Ok(()));
            let read = read_journal(&found.journal, &mut |_, one, _| {
                text += &(entry(one) + "\n");
                if text.len() > AT_ONCE && shown.is_ok() {
                    shown = put(&std::mem::take(&mut text));
                }
                Ok(())
            });
            read.map_err(|error| Failure::error(&error))?;
            shown.and_then(|()| put(&text))?;
        }
        None => put("no run yet\n")?,
    }
    Ok(Exit::Done)
}
