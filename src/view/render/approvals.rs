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
    let mut lines: Vec<Text> = vec![sum(standing, is_known_who).into()];
    if standing.need > 0 {
        lines.extend(open(standing));
    }
    blocks.push(Block::Lines(lines));
    Document(blocks)
}

/// How many people who may still approve are named. Our choice: a line of them can be read.
pub const OPEN_SHOWN_MAX: usize = 10;

/// Who may still approve, and whose approval cannot count.
fn open(standing: &Standing) -> Vec<Text> {
    let Standing { checked: _, need: _, open, barred } = standing;
    let barred = barred.iter().map(|(name, why)| {
        Text::from("cannot approve: ").and_value(name.as_str()).and(format!(": {why}"))
    });
    let barred: Vec<Text> = barred.collect();
    if standing.missing() == 0 || open.is_empty() {
        return barred;
    }
    let shown = open.iter().take(OPEN_SHOWN_MAX).cloned().collect::<Vec<_>>().join(", ");
    let more = match open.len().saturating_sub(OPEN_SHOWN_MAX) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let open = Text::from("still to approve: ").and_value(shown).and(more);
    std::iter::once(open).chain(barred).collect()
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
