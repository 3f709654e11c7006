//! How a step is undone, as a text.

use crate::artifact::Undo;
use cutover_steps::graph::StepId;

/// The word for a step that stays.
const KEEP: &str = "keep";
/// Precedes the reason why a step cannot be undone.
const NEVER: &str = "never: ";

pub(super) fn wire(undo: &Undo) -> String {
    match undo {
        Undo::By(step) => step.to_string(),
        Undo::Keep => KEEP.to_owned(),
        Undo::Never(why) => format!("{NEVER}{why}"),
    }
}

pub(super) fn read(text: String) -> Undo {
    match text.strip_prefix(NEVER) {
        Some(why) => Undo::Never(why.to_owned()),
        None if text == KEEP => Undo::Keep,
        None => Undo::By(StepId::new(text)),
    }
}
