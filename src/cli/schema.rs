//! `cutover schema`

use super::exit::Exit;
use super::failure::Failure;
use super::{language, print_raw};
use crate::language::v1;

/// Print the JSON Schema of plans, for editors
#[derive(clap::Args)]
pub(super) struct Args {
    /// Print a reference of the plan language in Markdown instead
    #[arg(long)]
    markdown: bool,
}

pub(super) fn run(Args { markdown }: &Args) -> Result<Exit, Failure> {
    if *markdown {
        print_raw(&v1::reference(language()))?;
        return Ok(Exit::Done);
    }
    let text = serde_json::to_string_pretty(&v1::schema(language()));
    print_raw(&(text.expect("a schema is always written") + "\n"))?;
    Ok(Exit::Done)
}
