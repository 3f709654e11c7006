//! `cutover providers`

use std::fmt::Write as _;

use cutover_contract::{Adapter, ConfigField};

use super::exit::Exit;
use super::{Failure, put, registry};
use crate::diag::did_you_mean;

/// Show the DNS providers that there are adapters for, and what each of them can do
#[derive(clap::Args)]
pub(super) struct Args {
    /// Show one of them in full: its keys, and what the conformance suite skips
    #[arg(value_name = "TYPE")]
    kind: Option<String>,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let Some(kind) = &args.kind else {
        let all: Vec<String> = registry().iter().map(brief).collect();
        put(&all.join("\n"))?;
        return Ok(Exit::Done);
    };
    let adapter = registry().iter().find(|adapter| adapter.kind == kind);
    let adapter = adapter.ok_or_else(|| {
        let known: Vec<&str> = registry().iter().map(|adapter| adapter.kind).collect();
        let near = did_you_mean(kind, known.iter().copied());
        let near = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        let text = format!("error: there is no adapter `{kind}` but {}{near}", known.join(", "));
        Failure::new(Exit::Usage, text)
    })?;
    put(&full(adapter))?;
    Ok(Exit::Done)
}

fn brief(adapter: &Adapter) -> String {
    let (mut table, _) = findings(adapter.readme);
    // Side by side, long lists of types would be too wide for a terminal.
    for row in table.iter_mut().filter(|row| row.first() == Some(&"types")) {
        for cell in row.iter_mut().skip(1).filter(|cell| cell.contains(' ')) {
            *cell = "some: see `cutover providers TYPE`";
        }
    }
    format!("{}: {}\n\n{}", adapter.kind, adapter.doc, aligned(&table))
}

fn full(adapter: &Adapter) -> String {
    let (table, rest) = findings(adapter.readme);
    let keys: String = adapter.fields.iter().map(key).collect();
    let (kind, doc, table) = (adapter.kind, adapter.doc, aligned(&table));
    let rest = rest.replace('`', "").replace("\n* ", "\n  ");
    format!("{kind}: {doc}\n\nKeys beside `type: {kind}`:\n\n{keys}\n{table}{rest}")
}

fn key(field: &ConfigField) -> String {
    let needed = if field.required { "" } else { " (may be left out)" };
    format!("  {}{needed}\n    {}\n", field.name, field.doc)
}

/// What the conformance suite found, as the adapter's README has it: the rows of the table, and the
/// text behind it.
fn findings(readme: &str) -> (Vec<Vec<&str>>, String) {
    let inside = readme.split_once("<!-- suite: begin").and_then(|(_, rest)| rest.split_once('\n'));
    let inside = inside.map_or("", |(_, rest)| rest);
    let inside = inside.split_once("<!-- suite: end").map_or(inside, |(inside, _)| inside);
    let is_row = |line: &&str| line.starts_with('|');
    let rows = inside.lines().take_while(is_row).filter(|line| !line.starts_with("|--"));
    let rest: Vec<&str> = inside.lines().skip_while(is_row).collect();
    (rows.map(cells).collect(), rest.join("\n") + "\n")
}

fn cells(line: &str) -> Vec<&str> {
    let inside = line.trim_start_matches('|').trim_end_matches('|');
    inside.split('|').map(str::trim).collect()
}

/// Columns beside one another, as wide as they have to be.
fn aligned(rows: &[Vec<&str>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "  {cell:width$}");
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}
