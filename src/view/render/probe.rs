//! What probes have found.

use crate::document::{Block, Document, Table, Text};
use cutover_steps::probe::Finding;

/// What one probe has found.
#[derive(Clone, Debug)]
pub struct Row {
    /// The probe's name.
    pub probe: &'static str,
    /// Where it stands in the plan; empty for a probe that the plan does not have.
    pub place: &'static str,
    /// Of what it was asked.
    pub of: String,
    /// What it has found.
    pub finding: Finding,
    /// What was seen.
    pub said: String,
}

/// The findings, in a table.
#[must_use]
pub fn findings(rows: &[Row]) -> Document {
    if rows.is_empty() {
        return Document(vec![Block::Lines(vec!["There is nothing to ask.".into()])]);
    }
    let rows = rows.iter().map(|Row { probe, place: _, of, finding, said }| {
        let finding = match finding {
            Finding::Pass => Text::from(finding.word()),
            Finding::Fail | Finding::Inconclusive | Finding::Unanswered => {
                Text::strong(finding.word())
            }
        };
        [Text::value(*probe), finding, Text::value(of.as_str()), Text::value(said.as_str())]
    });
    let table = Table::new(["probe", "finding", "of", "what was seen"], rows);
    Document(vec![Block::Table(table)])
}
