//! `cutover schema`

use super::exit::Exit;
use super::{Failure, language, put_exactly};
use crate::spec::v1;

/// Print the JSON Schema of plans, for editors
#[derive(clap::Args)]
pub(super) struct Args {
    /// Print the plan language for people instead, in Markdown
    #[arg(long)]
    markdown: bool,
}

pub(super) fn run(Args { markdown }: &Args) -> Result<Exit, Failure> {
    if *markdown {
        put_exactly(&v1::reference(language()))?;
        return Ok(Exit::Done);
    }
    let text = serde_json::to_string_pretty(&v1::schema(language()));
    put_exactly(&(text.expect("a schema is always written") + "\n"))?;
    Ok(Exit::Done)
}
