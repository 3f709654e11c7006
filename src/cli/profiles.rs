//! `cutover profiles`

use super::exit::Exit;
use super::failure::{Code, Failure, Message};
use super::{print_out, print_raw, styling};
use crate::diag::did_you_mean;
use crate::profile::{names, profile};
use crate::render::profile::{list, one};

/// List the well-known mail hosts whose records come with `cutover`, or show one in full
#[derive(clap::Args)]
pub(super) struct Args {
    /// Show this profile in full: its records, what to look up, and what to do before the switch
    name: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs: an object with a key for each profile.
    Json,
}

pub(super) fn run(Args { name, format }: &Args) -> Result<Exit, Failure> {
    let document = match name {
        None => list(),
        Some(name) => one(name).ok_or_else(|| {
            let near = did_you_mean(name, names());
            let help = near.map_or("`cutover profiles` lists all".to_owned(), |near| {
                format!("did you mean `{near}`?")
            });
            let text = format!("there is no profile `{name}`");
            Message::new(Code::NoSuchProfile, text).help(help).usage()
        })?,
    };
    match format {
        Format::Text => print_out(&document.text(styling(&std::io::stdout())))?,
        Format::Json => {
            let wanted = names().filter(|other| name.as_ref().is_none_or(|name| name == other));
            let all: serde_json::Map<String, serde_json::Value> = wanted
                .filter_map(|name| {
                    Some((name.to_owned(), serde_json::to_value(profile(name)?).ok()?))
                })
                .collect();
            print_raw(&format!("{}\n", serde_json::Value::Object(all)))?;
        }
    }
    Ok(Exit::Done)
}
