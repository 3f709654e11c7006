//! `cutover providers`

use std::fmt::Write as _;

use cutover_contract::{Adapter, ConfigField, Figure, Findings, SkippedCase};

use super::exit::Exit;
use super::failure::{Code, Failure, Message};
use super::{print_out, registry};
use crate::diag::did_you_mean;

/// List the supported DNS providers, and what each of them can do
#[derive(clap::Args)]
pub(super) struct Args {
    /// Show this provider in full: its keys, and what the conformance suite skips
    #[arg(value_name = "TYPE")]
    kind: Option<String>,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let Some(kind) = &args.kind else {
        let all: Vec<String> = registry().iter().map(brief).collect();
        print_out(&all.join("\n"))?;
        return Ok(Exit::Done);
    };
    let adapter = registry().iter().find(|adapter| adapter.kind == kind);
    let adapter = adapter.ok_or_else(|| {
        let known: Vec<&str> = registry().iter().map(|adapter| adapter.kind).collect();
        let near = did_you_mean(kind, known.iter().copied());
        let near = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        let known = known.join(", ");
        let text = format!("unknown provider type `{kind}`{near}");
        let message = Message::new(Code::UnknownProviderType, text);
        message.help(format!("known types: {known}")).usage()
    })?;
    print_out(&full(adapter))?;
    Ok(Exit::Done)
}

fn brief(adapter: &Adapter) -> String {
    let mut table = table(&adapter.findings());
    // Long lists of types in several columns would be too wide for a terminal.
    for row in table.iter_mut().filter(|row| row[0] == "types") {
        for cell in row.iter_mut().skip(1).filter(|cell| cell.contains(' ')) {
            *cell = "some: see `cutover providers TYPE`".to_owned();
        }
    }
    format!("{}: {}\n\n{}", adapter.kind, adapter.doc, aligned(&table))
}

fn full(adapter: &Adapter) -> String {
    let findings = adapter.findings();
    let keys: String = adapter.fields.iter().map(key).collect();
    let (kind, doc, table) = (adapter.kind, adapter.doc, aligned(&table(&findings)));
    let skipped: String = findings.iter().map(skipped).collect();
    format!("{kind}: {doc}\n\nKeys besides `type: {kind}`:\n\n{keys}\n{table}{skipped}")
}

/// The figures of the conformance suite, with a column for each server or fake.
fn table(findings: &[Findings]) -> Vec<Vec<String>> {
    let titles = findings.iter().map(|found| found.title.clone());
    let mut rows = vec![[String::new()].into_iter().chain(titles).collect()];
    let Some(first) = findings.first() else { return rows };
    rows.extend(first.figures.iter().enumerate().map(|(index, Figure { name, value: _ })| {
        let values = findings.iter().map(|found| found.figures[index].value.clone());
        [name.clone()].into_iter().chain(values).collect()
    }));
    rows
}

fn skipped(findings: &Findings) -> String {
    let Findings { title, figures: _, skipped } = findings;
    if skipped.is_empty() {
        return String::new();
    }
    // The reasons are also used in Markdown, hence their backticks.
    let case =
        |SkippedCase { case, why }: &SkippedCase| format!("  {case}: {}\n", why.replace('`', ""));
    format!("\nSkipped, {title}:\n\n{}", skipped.iter().map(case).collect::<String>())
}

fn key(field: &ConfigField) -> String {
    let needed = if field.required { "" } else { " (optional)" };
    format!("  {}{needed}\n    {}\n", field.name, field.doc)
}

/// A table with columns that fit their content.
fn aligned(rows: &[Vec<String>]) -> String {
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
