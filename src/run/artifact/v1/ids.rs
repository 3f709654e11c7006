//! What `cutover/artifact/1` encodes only in a step's id: the verb of a change, the kind of a
//! checkpoint, what a task is for, and the zone under which it is written if zones are alike.
//!
//! No other module looks into an id. A later format will have separate keys for all of this.

use cutover_steps::graph::task::Purpose;
use cutover_steps::graph::{Checkpoint, MovePoint, StepId, Verb};

/// The prefix of ids on a way back.
const BACK: &str = "back/";
/// The prefix of steps at which facts become true.
const FACT: &str = "assume/";

/// The id without the prefix of a way back.
fn there(id: &StepId) -> &str {
    id.as_str().strip_prefix(BACK).unwrap_or(id.as_str())
}

/// The verb of a change: `switch` of `switch/acme.test/@/MX`, of `switch-2/…`, and of
/// `back/switch/…`.
pub(super) fn verb(id: &StepId) -> Option<Verb> {
    let first = there(id).split('/').next()?;
    let is_number = |text: &str| text.strip_prefix('-').is_some_and(|n| n.parse::<usize>().is_ok());
    let verbs = Verb::ALL.iter().copied();
    verbs.into_iter().find(|verb| {
        first.strip_prefix(verb.word()).is_some_and(|rest| rest.is_empty() || is_number(rest))
    })
}

/// What a task is for.
pub(super) fn purpose(id: &StepId) -> Purpose {
    if there(id).starts_with(FACT) { Purpose::Fact } else { Purpose::Work }
}

/// Which checkpoint this is.
pub(super) fn checkpoint(id: &StepId) -> Option<Checkpoint> {
    if there(id).starts_with(FACT) {
        return Some(Checkpoint::Fact);
    }
    let of_point = |point: MovePoint| {
        let reached = StepId::of_point(point);
        let left = (reached.undo_id(), Checkpoint::Left(point));
        [(reached, Checkpoint::Reached(point)), left]
    };
    let others = [
        (StepId::of_beginning(), Checkpoint::Beginning),
        (StepId::of_way_back(), Checkpoint::WayBack),
    ];
    let mut all = MovePoint::ALL.iter().copied().flat_map(of_point).chain(others);
    all.find(|(known, _)| known == id).map(|(_, checkpoint)| checkpoint)
}

/// The parts of an id that may be a zone's name.
pub(super) fn parts(id: &StepId) -> impl Iterator<Item = &str> {
    id.as_str().split('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_the_first_format_say_what_a_step_is() {
        for (id, wanted) in [
            ("switch/acme.test/@/MX", Some(Verb::Switch)),
            ("switch-2/acme.test/@/MX", Some(Verb::Switch)),
            ("back/restore/acme.test/mail/A", Some(Verb::Restore)),
            ("switches/acme.test/@/MX", None),
            ("wait/switch/acme.test/@/MX", None),
        ] {
            assert_eq!(verb(&StepId::new(id)), wanted, "{id}");
        }
        for (id, wanted) in [
            ("checkpoint/beginning", Some(Checkpoint::Beginning)),
            ("checkpoint/before-switch", Some(Checkpoint::Reached(MovePoint::BeforeSwitch))),
            ("checkpoint/release-old", Some(Checkpoint::Reached(MovePoint::Release))),
            ("back/begin", Some(Checkpoint::WayBack)),
            ("back/checkpoint/before-switch", Some(Checkpoint::Left(MovePoint::BeforeSwitch))),
            ("assume/switch/synced/new", Some(Checkpoint::Fact)),
            ("back/assume/synced/new", Some(Checkpoint::Fact)),
            ("checkpoint/somewhere", None),
        ] {
            assert_eq!(checkpoint(&StepId::new(id)), wanted, "{id}");
        }
    }
}
