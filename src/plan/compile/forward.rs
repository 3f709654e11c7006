//! The forward order: the plan's own order, and what patterns add to it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cutover_zone::{RrKey, RrType};

use super::anchors::{anchored, expiry};
use super::derive::{Constraint, Derived, Prevention, Rules, Target, derive};
use super::earlier_runs::{done_before, prepared_before, whole_secs};
use super::tasks;
use crate::intent::DomainMove;
use crate::language::{Anchor, AssumeSpec, SwitchKind};
use crate::model::{Stage, Transition};
use crate::proof::draft::{Draft, Kind, prepares};
use crate::proof::invariant::REACH;
use crate::proof::model::Model;
use crate::proof::pattern::{Pattern, Separation, What};
use crate::proof::present;
use cutover_base::calendar::show_span;
use cutover_steps::fact::{Fact, Subject, Value};
use cutover_steps::graph::{Cause, MovePoint, Origin, Point};

/// Derives the order of a draft.
pub(super) fn order(draft: &Draft<'_>, model: &Model) -> Derived {
    let given = given(draft);
    let present = present(model);
    let patterns: Vec<(usize, &Pattern)> = model
        .patterns
        .iter()
        .enumerate()
        .filter(|(_, pattern)| !present.contains_key(&*pattern.harm.id))
        .collect();
    let shared: BTreeSet<usize> = (0..draft.nodes.len()).filter(|n| is_shared(draft, *n)).collect();
    let mut derived =
        derive(draft.nodes.len(), given, &patterns, &shared, &Forward { draft, model });
    contract_last(draft, &mut derived.constraints);
    derived
}

/// Steps that remove something and that no pattern holds back wait until the old side is left: a
/// defect that already exists makes no pattern, and a way back would have to restore what they
/// remove.
fn contract_last(draft: &Draft<'_>, constraints: &mut Vec<Constraint>) {
    let Some(left) = draft.point(MovePoint::BeforeContract) else { return };
    let paths =
        super::derive::paths(draft.nodes.len(), constraints).expect("constraints make no cycle");
    for (step, node) in draft.nodes.iter().enumerate() {
        let Kind::Change { transition, .. } = &node.kind else { continue };
        let takes = matches!(transition.stage, Stage::Contract | Stage::Retire);
        if takes && !paths.precedes(left, step) && !paths.precedes(step, left) {
            let why = "what the plan removes is removed when the old side is left";
            constraints.push(Constraint::plain(left, step, Origin::Policy, "contraction", why));
        }
    }
}

fn is_shared(draft: &Draft<'_>, node: usize) -> bool {
    match draft.nodes[node].kind {
        Kind::Change { .. } => false,
        Kind::Point(_) | Kind::Stated(_) | Kind::Task(_) | Kind::Beginning | Kind::Back(_) => true,
    }
}

struct Forward<'f, 'd> {
    draft: &'f Draft<'d>,
    model: &'f Model,
}

impl Forward<'_, '_> {
    fn transition(&self, step: usize) -> Option<(usize, &Transition)> {
        match &self.draft.nodes[step].kind {
            Kind::Change { track, transition, .. } => Some((*track, transition)),
            Kind::Point(_) | Kind::Stated(_) | Kind::Task(_) | Kind::Beginning | Kind::Back(_) => {
                None
            }
        }
    }

    /// People do something when the plan is ready for it. That a host begins to refuse is not part
    /// of the plan, and happens when the plan says so.
    fn of_statement(&self, stated: &AssumeSpec, separation: &Separation) -> Target {
        let (from, to) = (separation.from, separation.to);
        let worst = stated.fact.value.row().unknown == stated.value;
        if !worst && !matches!(stated.value, Value::Reject | Value::Off) {
            return Target::alone(Some(to));
        }
        // Facts that are stated for the same moment become true together.
        if let Kind::Stated(other) = &self.draft.nodes[from].kind
            && other.from == stated.from
            && separation.hold.is_zero()
        {
            return Target::alone(Some(to));
        }
        let point = stated.from.and_then(|from| match from {
            Point::Expand => None,
            Point::Switch => self.draft.point(MovePoint::BeforeSwitch),
            Point::Contract => self.draft.point(MovePoint::BeforeContract),
        });
        Target { together: point, alone: None }
    }
}

impl Rules for Forward<'_, '_> {
    /// A step is held back at the point where its part of the plan begins.
    fn target(&self, separation: &Separation) -> Target {
        let (from, to) = (separation.from, separation.to);
        // Releasing the old host repairs nothing.
        if matches!(self.draft.nodes[from].kind, Kind::Point(MovePoint::Release)) {
            return Target::alone(None);
        }
        if let Kind::Stated(stated) = &self.draft.nodes[to].kind {
            return self.of_statement(stated, separation);
        }
        let Some((track, transition)) = self.transition(to) else {
            return Target::alone(Some(to));
        };
        let together = match &transition.stage {
            Stage::Switch => self.draft.point(MovePoint::BeforeSwitch),
            Stage::With(Anchor::Contract) => self.draft.point(MovePoint::BeforeContract),
            Stage::Start
            | Stage::Expand
            | Stage::Contract
            | Stage::Retire
            | Stage::SwitchNext
            | Stage::After { .. }
            | Stage::With(_)
            | Stage::Next => None,
        };
        let own = self.transition(from).is_some_and(|(other, _)| other == track);
        // A step that the plan itself places is judged, and not moved.
        let alone = (own || !self.draft.tracks[track].is_placed(transition)).then_some(to);
        Target { together, alone }
    }

    fn prevention(&self, pattern: &Pattern, _: &[usize]) -> Option<Prevention> {
        // Holding back a change of a TTL alone repairs nothing but the lifetime of that TTL: the
        // same data were there before.
        let only_ttl =
            |step| self.transition(step).is_some_and(|(_, transition)| transition.is_only_ttl());
        let is_chosen = |one: &Separation| pattern.invariant == REACH || !only_ttl(one.to);
        let mut separations: Vec<Separation> = pattern.separations(&self.model.atoms).collect();
        let min_gaps = separations.iter().map(Separation::min_gap).collect();
        separations.retain(is_chosen);
        Some(Prevention { min_gaps, left_out: Vec::new(), separations })
    }

    fn reason(&self, pattern: &Pattern, separation: &Separation) -> String {
        why(self.draft, self.model, pattern, separation)
    }

    fn reluctance(&self, separation: &Separation) -> u8 {
        let only_ttl = [separation.from, separation.to].into_iter().filter(|step| {
            self.transition(*step).is_some_and(|(_, transition)| transition.is_only_ttl())
        });
        let kind = match self.draft.nodes[separation.to].kind {
            Kind::Stated(_) | Kind::Task(_) | Kind::Beginning => 0,
            Kind::Change { .. } | Kind::Back(_) => 1,
            Kind::Point(_) => 2,
        };
        kind + 4 * u8::from(only_ttl.count() > 0)
    }

    fn relies_on_unknown(&self, pattern: &Pattern) -> bool {
        pattern.unknown(&self.model.atoms).next().is_some()
    }

    fn touches(&self, pattern: &Pattern) -> Vec<usize> {
        super::gather::touches(self.model, pattern)
    }
}

/// Why a wait lasts as long as a separation demands, for people.
pub(super) fn why(
    draft: &Draft<'_>,
    model: &Model,
    pattern: &Pattern,
    separation: &Separation,
) -> String {
    let held = pattern.atoms[separation.ends];
    let clocks = &draft.intent.terms.clocks;
    let base = show_span(separation.hold.saturating_sub(held.extra).saturating_sub(clocks.margin));
    let because = match &model.atoms[held.atom].what {
        What::Answer { key, records: Some(rrset), .. } => {
            format!(
                "resolvers may cache {} {} (TTL {}) for {base}; {} margin",
                key.name,
                rrset.rtype(),
                show_span(rrset.ttl().duration()),
                show_span(clocks.margin)
            )
        }
        What::Answer { key, records: None, .. } => format!(
            "resolvers may cache the non-existence of {key} for {base}; {} margin",
            show_span(clocks.margin)
        ),
        What::InFlight { by: Fact::Signs, of, .. } => format!(
            "mail that was signed with {} may wait in queues for {} (`queue_life`, RFC 5321 §4.5.4.1)",
            of.shown(),
            show_span(clocks.queue_life)
        ),
        What::InFlight { of, .. } => format!(
            "mail that {} sent may wait in queues for {} (`queue_life`, RFC 5321 §4.5.4.1)",
            of.shown(),
            show_span(clocks.queue_life)
        ),
        What::Fact { fact, subject, .. } => format!("`{fact}` of {} settles", subject.shown()),
        What::MailboxesAt { .. } | What::Begun => String::new(),
    };
    let extra = match held.extra.is_zero() {
        true => String::new(),
        false => format!(
            "; an answer is used for up to {}, and some resolvers keep records too long, {} in all",
            show_span(clocks.use_),
            show_span(held.extra)
        ),
    };
    because + &extra
}

/// The order that the plan has by itself: versions of an RRset follow each other, the points of the
/// move have an order, and keys of the plan place steps.
fn given(draft: &Draft<'_>) -> Vec<Constraint> {
    let mut given = Vec::new();
    let point = |point| draft.point(point);
    for (place, track) in draft.tracks.iter().enumerate() {
        for pair in draft.steps_of(place).windows(2) {
            let why = "versions of an RRset follow each other";
            given.push(Constraint::plain(pair[0], pair[1], Origin::Policy, "one-at-a-time", why));
        }
        for (number, transition) in track.transitions.iter().enumerate() {
            let step = draft.steps_of(place)[number];
            of_stage(draft, place, number, transition, step, &mut given);
        }
    }
    of_points(draft, &mut given);
    for (step, node) in draft.nodes.iter().enumerate() {
        let Kind::Stated(fact) = &node.kind else { continue };
        let (after, before) = match fact.from {
            // What is stated for the switch is true by the time the old side is left.
            Some(Point::Switch) => {
                (point(MovePoint::BeforeSwitch), point(MovePoint::BeforeContract))
            }
            Some(Point::Contract) => (point(MovePoint::BeforeContract), None),
            Some(Point::Expand) | None => (None, point(MovePoint::BeforeSwitch)),
        };
        let why = "the plan states it from then on";
        let after = after.map(|after| Constraint::plain(after, step, Origin::User, "from", why));
        let before =
            before.map(|before| Constraint::plain(step, before, Origin::User, "from", why));
        given.extend(after.into_iter().chain(before));
    }
    given.extend(tasks::given(draft));
    let mut stated: BTreeMap<(_, &Subject), Vec<(Point, usize)>> = BTreeMap::new();
    for spec in &draft.intent.assume {
        if let (Some(from), Some(step)) = (spec.from, draft.step_of(spec)) {
            stated.entry((spec.fact.value, &spec.subject.value)).or_default().push((from, step));
        }
    }
    for ((fact, host), mut steps) in stated {
        steps.sort();
        let last = point(MovePoint::Release).filter(|_| {
            fact == Fact::Mail
                && draft.intent.moves.iter().any(|domain| host.host() == Some(&*domain.from.name))
        });
        let steps: Vec<usize> = steps.into_iter().map(|(_, step)| step).chain(last).collect();
        for pair in steps.windows(2) {
            let why = "values of a fact follow each other";
            given.push(Constraint::plain(pair[0], pair[1], Origin::Policy, "one-at-a-time", why));
        }
    }
    given
}

fn of_points(draft: &Draft<'_>, given: &mut Vec<Constraint>) {
    let before_switch = draft.point(MovePoint::BeforeSwitch);
    let Some(before_contract) = draft.point(MovePoint::BeforeContract) else { return };
    if let Some(release) = draft.point(MovePoint::Release) {
        let why = "the old host goes when nothing needs it any more";
        given.push(Constraint::plain(before_contract, release, Origin::Policy, "points", why));
    }
    if let Some(before_switch) = before_switch {
        let why = "the old side is left after the switch";
        given.push(Constraint::plain(
            before_switch,
            before_contract,
            Origin::Policy,
            "points",
            why,
        ));
    }
    let keep = |from: usize| {
        Constraint {
        from,
        to: before_contract,
        wait: draft.intent.terms.keep_old,
        cause: Cause::new(Origin::User, "keep_old", "the old host goes on accepting late mail"),
        because:
            "the old host goes on accepting late mail, and people stop sending through it (`keep_old`)"
                .into(),
        name: Some("keep-old"),
    }
    };
    let mut counted = false;
    if let Some(before_switch) = before_switch {
        for (place, track) in draft.tracks.iter().enumerate() {
            for (number, transition) in track.transitions.iter().enumerate() {
                if !transition.is_switch() {
                    continue;
                }
                let step = draft.steps_of(place)[number];
                if transition.stage == Stage::Switch {
                    let why = "the switch begins at a point where the run can rest, and go back to";
                    given.push(Constraint::plain(
                        before_switch,
                        step,
                        Origin::Policy,
                        "points",
                        why,
                    ));
                }
                // The last switch of a track that routes mail takes mail to the new host.
                let is_last = !track.transitions[number + 1..].iter().any(Transition::is_switch);
                if is_last && track.routes {
                    given.push(keep(step));
                    counted = true;
                } else if is_last {
                    let why = "the old side is left when the switch is made";
                    given.push(Constraint::plain(
                        step,
                        before_contract,
                        Origin::Policy,
                        "points",
                        why,
                    ));
                }
            }
        }
        if !counted {
            given.push(keep(before_switch));
        }
        return;
    }
    // An earlier run began the switch. Count `keep_old` from when that run switched, or from the
    // beginning if nobody knows, and also from what is left of the switch.
    let ago = switched_ago(draft);
    given.extend(draft.beginning().map(keep).map(|full| match ago {
        None => full,
        Some(ago) => Constraint {
            wait: whole_secs(full.wait.saturating_sub(ago)),
            because: format!("{}; the switch was made {} ago", full.because, show_span(ago)),
            ..full
        },
    }));
    for (place, track) in draft.tracks.iter().enumerate() {
        for (transition, step) in track.transitions.iter().zip(draft.steps_of(place)) {
            if transition.is_switch() && track.routes {
                given.push(keep(*step));
            } else if transition.is_switch() {
                let why = "the old side is left when the switch is made";
                let (from, to) = (*step, before_contract);
                given.push(Constraint::plain(from, to, Origin::Policy, "points", why));
            }
        }
    }
}

/// How long ago an earlier run of this move switched the mail of the last domain to the new host.
fn switched_ago(draft: &Draft<'_>) -> Option<Duration> {
    if !draft.snapshot.is_switching {
        return None;
    }
    let mx = |domain_move: &DomainMove| RrKey::new(domain_move.domain.value.clone(), RrType::MX);
    let ago = draft.intent.moves.iter().map(|one| draft.snapshot.changed.get(&mx(one)).copied());
    ago.min().flatten().filter(|ago| ago.as_secs() > 0)
}

/// The constraints that a transition's place in the plan gives.
fn of_stage(
    draft: &Draft<'_>,
    place: usize,
    number: usize,
    transition: &Transition,
    step: usize,
    given: &mut Vec<Constraint>,
) {
    let track = &draft.tracks[place];
    let point = |point| draft.point(point);
    match &transition.stage {
        // The version that an earlier run published takes effect everywhere before the next one.
        Stage::Switch
            if draft.snapshot.is_switching
                && number == 0
                && track.routes
                && draft.intent.terms.switch == SwitchKind::Standby =>
        {
            given.extend(prepared_before(draft, transition, step));
        }
        // Patterns say what else comes before or after these.
        Stage::Start | Stage::Expand | Stage::Switch | Stage::Contract | Stage::Retire => {}
        Stage::With(anchor) => {
            let why = "the plan says so (`with:`)";
            let bounds = match anchor {
                Anchor::Expand => (None, point(MovePoint::BeforeSwitch)),
                Anchor::Switch => (point(MovePoint::BeforeSwitch), None),
                Anchor::Contract => (point(MovePoint::BeforeContract), None),
                Anchor::Record(_) => (None, None),
            };
            let after = bounds.0.map(|after| (after, step));
            let before = bounds.1.map(|before| (step, before));
            for (from, to) in after.into_iter().chain(before) {
                given.push(Constraint::plain(from, to, Origin::User, "with", why));
            }
        }
        Stage::After { anchors, wait } => {
            given.extend(anchors.iter().flat_map(|anchor| done_before(draft, anchor, *wait, step)));
            for (other, of) in anchors.iter().flat_map(|anchor| anchored(draft, anchor)) {
                let (wait, because) = match wait {
                    Some(wait) => (*wait, "the plan says so (`wait:`)".to_owned()),
                    None => expiry(draft, other),
                };
                given.push(Constraint {
                    from: other,
                    to: step,
                    wait,
                    cause: Cause::new(
                        Origin::User,
                        "after",
                        format!("the plan says so (`after: {of}`)"),
                    ),
                    because,
                    name: None,
                });
            }
        }
        Stage::Next | Stage::SwitchNext => {
            let Some(previous) = number.checked_sub(1).map(|n| draft.steps_of(place)[n]) else {
                given.extend(prepared_before(draft, transition, step));
                return;
            };
            let (wait, because) = expiry(draft, previous);
            let prepared = prepares(track, &track.transitions[number - 1]);
            let (origin, of, why) = match prepared {
                _ if transition.stage == Stage::SwitchNext => (
                    Origin::User,
                    "switch",
                    "each version takes effect everywhere before the next one (`switch: standby`)",
                ),
                true => (
                    Origin::User,
                    "lower_ttl",
                    "the change should take effect quickly (`lower_ttl`)",
                ),
                false => (
                    Origin::Policy,
                    "restore",
                    "the short TTL is no longer needed when the change has taken effect everywhere",
                ),
            };
            given.push(Constraint {
                from: previous,
                to: step,
                wait,
                cause: Cause::new(origin, of, why),
                because,
                name: None,
            });
        }
    }
}
