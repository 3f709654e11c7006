//! `cutover diff`

use std::path::PathBuf;

use clap::ValueEnum;

use super::exit::Exit;
use super::failure::{Code, Failure, Message};
use super::{print_out, print_raw, show, styling};
use crate::document::markdown;
use crate::render::diff::differences;

/// Show how two artifacts of one plan differ: for somebody who has reviewed the first
#[derive(clap::Args)]
pub(super) struct Args {
    /// The artifact that was reviewed
    #[arg(value_name = "ARTIFACT")]
    from: PathBuf,
    /// The artifact to compare it with
    #[arg(value_name = "ARTIFACT")]
    to: PathBuf,
    /// The output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Exit with 0 if they are the same, 2 if they differ, and 1 after any error
    #[arg(long)]
    detailed_exitcode: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For a comment on a pull request
    Markdown,
    /// For machines
    Json,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let (from, to) = (show::read(&args.from)?, show::read(&args.to)?);
    if from.name != to.name {
        let text = format!("these are artifacts of two plans, `{}` and `{}`", from.name, to.name);
        let help = "compare two artifacts of the same plan";
        return Err(Message::new(Code::Usage, text).help(help).usage());
    }
    let found = differences(&from, &to);
    match args.format {
        Format::Text => print_out(&found.document().text(styling(&std::io::stdout())))?,
        Format::Json => print_raw(&found.json())?,
        Format::Markdown => {
            let text = found.document().markdown(markdown::CHARS_MAX);
            print_raw(&text.map_err(|error| {
                let text = format!("the difference does not fit: {error}");
                Message::new(Code::TooLong, text).error()
            })?)?;
        }
    }
    match args.detailed_exitcode && !found.is_empty() {
        true => Ok(Exit::Changes),
        false => Ok(Exit::Done),
    }
}
