//! What earlier runs have already done of what a plan waits for. A new plan goes on with the same
//! waits.

use std::time::Duration;

use cutover_zone::{RrKey, RrSet};

use super::derive::Constraint;
use crate::language::Anchor;
use crate::model::hold::hold_of_replaced;
use crate::model::{Stage, Track, Transition};
use crate::proof::draft::Draft;
use cutover_base::calendar::show_span;
use cutover_steps::graph::{Cause, Origin, Verb};

/// How long resolvers may cache what earlier runs have replaced at these RRsets; `None` if it has
/// expired.
fn of_earlier_runs<'k>(
    draft: &Draft<'_>,
    keys: impl Iterator<Item = &'k RrKey>,
    counts: &dyn Fn(&RrKey, Option<&RrSet>) -> bool,
) -> Option<(Duration, String)> {
    let snapshot = draft.snapshot;
    let holds = keys.flat_map(|key| {
        let known =
            snapshot.earlier.get(key).into_iter().flatten().filter(|version| !version.is_late);
        let known =
            known.map(|version| version.records.as_ref()).filter(|rrset| counts(key, *rrset));
        let zone = snapshot.zone_of(&key.name);
        known.filter_map(move |rrset| Some(hold_of_replaced(rrset, zone?, key)))
    });
    let longest = holds.max()?;
    let margin = draft.intent.terms.clocks.margin;
    let because = format!(
        "resolvers may cache what an earlier run has replaced for {}; {} margin",
        show_span(longest),
        show_span(margin)
    );
    Some((longest + margin, because))
}

/// Rounds up to whole seconds: an artifact has no fractions, and no wait may become shorter.
pub(super) fn whole_secs(span: Duration) -> Duration {
    Duration::from_secs(span.as_secs() + u64::from(span.subsec_nanos() > 0))
}

/// The wait for what an earlier run has done of what an anchor means.
pub(super) fn done_before(
    draft: &Draft<'_>,
    anchor: &Anchor,
    wait: Option<Duration>,
    step: usize,
) -> Option<Constraint> {
    let of_anchor = |track: &&Track| match anchor {
        Anchor::Record(id) => track.records.contains(id),
        // Nobody knows any more which part of the move it belonged to.
        Anchor::Expand | Anchor::Switch | Anchor::Contract => true,
    };
    let tracks = || draft.tracks.iter().filter(of_anchor);
    // If the anchor's own step is still to come, the plan waits for that step.
    let is_to_come = tracks().any(|track| !track.transitions.is_empty());
    let keys = || tracks().flat_map(Track::keys);
    let (wait, because) = match wait {
        None => of_earlier_runs(draft, keys(), &|_, _| true)?,
        Some(_) if is_to_come && matches!(anchor, Anchor::Record(_)) => return None,
        Some(wait) => {
            let ago = keys().filter_map(|key| draft.snapshot.changed.get(key)).min()?;
            let left = wait.checked_sub(*ago).filter(|left| !left.is_zero())?;
            let left = whole_secs(left);
            let because = format!(
                "the plan says so (`wait:`), and an earlier run made that change {} ago",
                show_span(*ago)
            );
            (left, because)
        }
    };
    let word = match anchor {
        Anchor::Expand => "expand".to_owned(),
        Anchor::Switch => "switch".to_owned(),
        Anchor::Contract => "contract".to_owned(),
        Anchor::Record(id) => format!("record:{id}"),
    };
    Some(Constraint {
        from: draft.beginning()?,
        to: step,
        wait,
        cause: Cause::new(Origin::User, "after", format!("the plan says so (`after: {word}`)")),
        because,
        name: None,
    })
}

/// The wait before the first step of a track that follows on what an earlier run has done: a TTL
/// that it lowered, or a switch after which the TTL is restored.
pub(super) fn prepared_before(
    draft: &Draft<'_>,
    transition: &Transition,
    step: usize,
) -> Option<Constraint> {
    let restores = transition.verb == Verb::Restore;
    let follows = transition.stage == Stage::Switch;
    let live = |key: &RrKey| transition.changes.iter().find(|change| change.key == *key);
    let counts = |key: &RrKey, rrset: Option<&RrSet>| {
        let before = live(key).and_then(|change| change.before.as_ref());
        let only_ttl = before.zip(rrset).is_some_and(|(before, other)| before.same_rdata(other));
        restores || follows || only_ttl
    };
    let keys = transition.changes.iter().map(|change| &change.key);
    let (wait, because) = of_earlier_runs(draft, keys, &counts)?;
    let (origin, of, why) = match (restores, follows) {
        (true, _) => (
            Origin::Policy,
            "restore",
            "the short TTL is no longer needed when the change has taken effect everywhere",
        ),
        (false, true) => (
            Origin::User,
            "switch",
            "each version takes effect everywhere before the next one (`switch: standby`)",
        ),
        (false, false) => {
            (Origin::User, "lower_ttl", "the change should take effect quickly (`lower_ttl`)")
        }
    };
    let cause = Cause::new(origin, of, why);
    Some(Constraint { from: draft.beginning()?, to: step, wait, cause, because, name: None })
}
