//! Setting aside a part of a plan that cannot go on, while the rest goes on.
//!
//! A proof holds for every delay. A step that is set aside is merely late, and so are its successors, so
//! the rest can go on without another proof. Drift is different, since the proof does not know what it
//! has put into a zone. A step therefore goes on only if it does not come after the step that is set
//! aside, and changes neither that step's zone nor a zone whose records lead into it
//! (`SealedZone::reads`). A step without a zone (a point of the move, a fact, a gate, a task) concerns
//! every zone, and waits.

use std::collections::BTreeSet;

use cutover_zone::Name;

use super::{Held, RunState};
use crate::artifact::{Artifact, Relied};
use crate::journal::{Difference, Event, Halt, HaltReason};
use cutover_base::calendar::{Moment, Timestamp, later};
use cutover_steps::graph::{CACHE_CAP, OnDrift, Primitive};

/// The zones that are left alone while something in `first` is set aside: those zones, and every zone
/// whose records lead there.
fn left_alone<'a>(
    artifact: &'a Artifact,
    first: impl Iterator<Item = &'a Name>,
) -> BTreeSet<&'a Name> {
    let mut all: BTreeSet<&Name> = first.collect();
    loop {
        let leads_there = |reads: &BTreeSet<Name>| reads.iter().any(|zone| all.contains(zone));
        let more: Vec<&Name> = artifact
            .zones
            .iter()
            .filter(|(name, zone)| !all.contains(name) && leads_there(&zone.reads))
            .map(|(name, _)| name)
            .collect();
        if more.is_empty() {
            return all;
        }
        all.extend(more);
    }
}

/// The zones in which an RRset that the proof relies on has drifted.
fn drifted<'a>(
    artifact: &'a Artifact,
    differences: &'a [Difference],
) -> impl Iterator<Item = &'a Name> {
    let of = |(_, relied): &(&Name, &Relied)| {
        differences.iter().any(|difference| relied.rrsets.contains_key(&difference.key))
    };
    artifact.relies_on.iter().filter(of).map(|(zone, _)| zone)
}

impl RunState {
    /// What was set aside, and why.
    pub fn aside(&self) -> impl Iterator<Item = &Halt> {
        self.aside.values()
    }

    /// The places of the steps that are open, set aside or not.
    pub(super) fn to_settle(&self) -> impl Iterator<Item = usize> {
        self.ready().filter(|place| !self.only_settles() || self.is_unsettled(*place))
    }

    /// The places of the steps that go on while others are set aside, or that would go on if `also` were
    /// set aside too.
    pub(super) fn going_on(&self, artifact: &Artifact, also: Option<usize>) -> BTreeSet<usize> {
        let graph = &artifact.graph;
        let aside: BTreeSet<usize> = self.aside.keys().copied().chain(also).collect();
        let zones = aside.iter().filter_map(|place| graph.zone_of(&graph.steps()[*place]));
        let relied = self.aside.values().flat_map(|halt| drifted(artifact, &halt.differences));
        let alone = left_alone(artifact, zones.chain(relied));
        let goes_on = |place: &usize| {
            let step = &graph.steps()[*place];
            let zone = graph.zone_of(step);
            // Mail is routed back even if somebody has edited other records of the zone: its own records
            // are compared before they are changed.
            let is_mail = artifact.is_way_back() && step.routes_mail();
            !aside.contains(place) && zone.is_some_and(|zone| is_mail || !alone.contains(zone))
        };
        self.to_settle().filter(goes_on).collect()
    }

    /// Turns a halt into setting the step aside, if the plan wants the rest to go on and something can.
    /// Every other event stays as it is.
    #[must_use]
    pub fn isolate(&self, artifact: &Artifact, event: Event) -> Event {
        let Event::Halted(halt) = event else { return event };
        let place = artifact.graph.place(&halt.step);
        let may = match halt.reason {
            HaltReason::Drift | HaltReason::Refused | HaltReason::Unanswered => {
                artifact.on_drift == OnDrift::Isolate
            }
            HaltReason::Unpublished
            | HaltReason::Failed
            | HaltReason::Undecided
            | HaltReason::NoWayBack
            | HaltReason::Unapproved => false,
        };
        let of_zone = place.filter(|place| {
            may && artifact.graph.zone_of(&artifact.graph.steps()[*place]).is_some()
        });
        match of_zone {
            Some(place)
                if !self.aside.contains_key(&place)
                    && !self.going_on(artifact, Some(place)).is_empty() =>
            {
                Event::SetAside(halt)
            }
            Some(_) | None => Event::Halted(halt),
        }
    }

    /// The halt that follows when only steps that are set aside are left.
    pub(super) fn halt_of_aside(&self) -> Option<Event> {
        self.aside.values().next().cloned().map(Event::Halted)
    }

    /// Holds up what drift has halted. The foreign records were served, and whoever has put the expected
    /// ones back has done so by now. From now on resolvers may cache the foreign records for their TTL, or
    /// their absence for the negative TTL.
    pub(super) fn hold_up(&mut self, artifact: &Artifact, halt: &Halt, moment: Moment) {
        let Halt { step, reason, detail: _, differences } = halt;
        let Some(place) = artifact.graph.place(step).filter(|_| *reason == HaltReason::Drift)
        else {
            return;
        };
        let negative_ttl =
            artifact.zones.values().map(|zone| zone.absence).max().unwrap_or_default();
        let spans = differences.iter().map(|difference| match &difference.live {
            Some(live) => live.ttl().duration().min(CACHE_CAP),
            None => negative_ttl,
        });
        let held = spans.max().map(|span| Held { from: moment, span });
        // A longer hold that exists already stays.
        let ends = |held: &Held| later(held.from.at, held.span);
        let longer = |known: Option<Held>| known.into_iter().chain(held).max_by_key(ends);
        let steps = artifact.graph.steps();
        self.held[place] = longer(self.held[place]);
        // An RRset that the proof relies on concerns every change in its zone and in the zones that lead
        // into it.
        let drifted: BTreeSet<&Name> = drifted(artifact, differences).collect();
        if drifted.is_empty() {
            return;
        }
        let leads_there = |zone: &Name| {
            let mut zones = std::iter::once(zone).chain(&artifact.zones[zone].reads);
            zones.any(|zone| drifted.contains(zone))
        };
        for (place, step) in steps.iter().enumerate() {
            if let Primitive::Change(changes) = &step.primitive
                && leads_there(changes.zone())
                && self.steps[place].is_pending()
            {
                self.held[place] = longer(self.held[place]);
            }
        }
    }

    /// Until when a step is held up because of foreign records; `None` if it is not.
    #[must_use]
    pub fn held_until(&self, place: usize, now: Moment) -> Option<Timestamp> {
        let Held { from, span } = self.held[place]?;
        let left = now.remaining(from.steady, span);
        let until = later(from.at, span).max(later(now.at, left));
        (now.at < until).then_some(until)
    }
}
