//! Who has approved an artifact.

use cutover_approval::{Approved, Checked, Standing};

use crate::document::{Block, Document, Table, Text};
use cutover_base::calendar::{Timestamp, show_instant};
use cutover_run::artifact::Artifact;

/// Shows the signatures of an artifact. `is_known_who`: whether somebody has said who may approve.
#[must_use]
pub fn approvals(
    artifact: &Artifact,
    standing: &Standing,
    is_known_who: bool,
    now: Timestamp,
) -> Document {
    let title = Text::strong(format!("approvals of {}", artifact.name));
    let title = title.and("  ").and_value(artifact.digest().to_string());
    let mut blocks = vec![Block::Lines(vec![title])];
    if !standing.checked.is_empty() {
        let rows = standing.checked.iter().map(|checked| row(checked, is_known_who, now));
        blocks.push(Block::Table(Table::new(["who", "signed", "state", "key"], rows)));
    }
    blocks.push(Block::Lines(vec![sum(standing, is_known_who).into()]));
    Document(blocks)
}

fn row(checked: &Checked, is_known_who: bool, now: Timestamp) -> [Text; 4] {
    let Checked { file, approval, fingerprint, outcome } = checked;
    let (name, signed) = match approval {
        Some(approval) => (approval.name().to_owned(), show_instant(approval.signed_at(), now)),
        None => (String::new(), String::new()),
    };
    let key = fingerprint.clone().unwrap_or_else(|| file.clone());
    let (who, state) = match outcome {
        Ok(Approved { principals, until, .. }) if is_known_who => {
            (principals.join(", "), format!("counts until {}", show_instant(*until, now)))
        }
        Ok(Approved { until, .. }) => {
            let until = show_instant(*until, now);
            (format!("says: {name}"), format!("signed until {until}; nobody knows whose key it is"))
        }
        Err(flaw) => (format!("says: {name}"), format!("does not count: {flaw}")),
    };
    [who.into(), signed.into(), state.into(), Text::value(key)]
}

fn sum(standing: &Standing, is_known_who: bool) -> String {
    let need = standing.need;
    let missing = standing.missing();
    let by = match standing.people().len() {
        1 => "approved by 1 person".to_owned(),
        people => format!("approved by {people} people"),
    };
    match (need, is_known_who, missing) {
        (0, ..) => "nobody has to approve it".to_owned(),
        (_, false, _) => format!(
            "{need} needed (`approvals:`): name those who may approve with `--allowed-signers FILE`"
        ),
        (_, true, 0) => format!("{by}, {need} needed"),
        (_, true, missing) => format!("{by}, {need} needed: {missing} missing"),
    }
}
