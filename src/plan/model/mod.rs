//! The RRsets that the plan touches, each with its versions over time.
//!
//! A [`Track`] takes one owner name from what was seen to what is wanted, by a sequence of
//! [`Transition`]s. Recipes make tracks, and `compile` orders the transitions of all tracks. A
//! version is an occurrence: data *and* TTL, so lowering a TTL is a transition of its own.
//!
//! This layer neither decides when anything happens, nor asks anything of the world.

pub mod end;
pub mod hold;
pub mod spf_cost;
pub mod spf_meaning;

use std::collections::BTreeSet;
use std::time::Duration;

use cutover_contract::Change;
use cutover_zone::{Name, RrKey, RrSet, RrType, Ttl};

use crate::language::Anchor;
use crate::observe::ZoneSeen;
use cutover_base::calendar::show_span;
use cutover_steps::graph::Verb;

/// The TTL of new records for which the plan has none: 1 h, the default of most DNS hosts. Our
/// choice.
pub const NEW_TTL: u32 = 3_600;

/// The part of the plan that a transition belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Nothing has to come first.
    Start,
    /// Only adds, or changes only TTLs: before the switch.
    Expand,
    /// The switch.
    Switch,
    /// Removes, and restores TTLs: after the switch has taken effect and late mail has arrived.
    Contract,
    /// Removes what mail in flight still needs: when no message of the old side can still be on its
    /// way.
    Retire,
    /// A part of the switch that follows the previous transition of the track, once that has taken
    /// effect.
    SwitchNext,
    /// Placed by the plan: together with a part of the move.
    With(Anchor),
    /// Placed by the plan: when these have taken effect everywhere, or a stated time after them.
    After {
        /// What has to be done first.
        anchors: Vec<Anchor>,
        /// How long to wait after that, instead of the holds of the replaced versions.
        wait: Option<Duration>,
    },
    /// When the previous transition of the track has taken effect everywhere.
    Next,
}

/// A change of what is served at a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// What it does.
    pub verb: Verb,
    /// When it is done.
    pub stage: Stage,
    /// The RRsets: usually one, or several if the type at a name changes.
    pub changes: Vec<Change>,
    /// What is done, for people.
    pub title: String,
    /// Why, for people.
    pub reason: String,
}

impl Transition {
    /// Whether it belongs to the part before the switch.
    #[must_use]
    pub fn is_expansion(&self) -> bool {
        matches!(self.stage, Stage::Expand | Stage::With(Anchor::Expand))
    }

    /// Whether it belongs to the switch.
    #[must_use]
    pub fn is_switch(&self) -> bool {
        matches!(self.stage, Stage::Switch | Stage::SwitchNext)
    }

    /// Whether it changes only TTLs.
    #[must_use]
    pub fn is_only_ttl(&self) -> bool {
        self.changes.iter().all(|change| match (&change.before, &change.after) {
            (Some(before), Some(after)) => before.same_rdata(after),
            (_, _) => false,
        })
    }

    /// Whether it belongs to the part when the old side is left.
    #[must_use]
    pub fn is_contraction(&self) -> bool {
        matches!(self.stage, Stage::Contract | Stage::Retire | Stage::With(Anchor::Contract))
    }
}

/// How a name gets from what was seen to what is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// The zone.
    pub zone: Name,
    /// The RRset that the track is about. It is part of the steps' ids.
    pub key: RrKey,
    /// The ids that the plan gives to its records, for tracks that come from `records`.
    pub records: BTreeSet<String>,
    /// Whether the plan itself says when the record changes. Then that is judged, and not moved.
    pub placed: bool,
    /// Whether it routes mail.
    pub routes: bool,
    /// The transitions in order; empty if everything is as wanted.
    pub transitions: Vec<Transition>,
}

impl Track {
    /// A track that recipes make. Its order is derived.
    #[must_use]
    pub fn new(zone: Name, key: RrKey, transitions: Vec<Transition>) -> Self {
        Self { zone, key, records: BTreeSet::new(), placed: false, routes: false, transitions }
    }

    /// The RRsets that it is about, and those that it changes.
    #[must_use]
    pub fn keys(&self) -> BTreeSet<&RrKey> {
        let changes = self.transitions.iter().flat_map(|transition| &transition.changes);
        changes.map(|change| &change.key).chain([&self.key]).collect()
    }

    /// Whether the plan itself says when this transition is made.
    #[must_use]
    pub fn is_placed(&self, transition: &Transition) -> bool {
        self.placed && !matches!(transition.verb, Verb::Lower | Verb::Restore)
    }
}

/// What a name should serve in the end.
#[derive(Clone, Debug)]
pub struct Goal {
    /// The RRset.
    pub key: RrKey,
    /// Its records, whatever their TTL; `None`: it does not exist.
    pub records: Option<RrSet>,
    /// Its TTL; `None`: the current TTL, or [`NEW_TTL`].
    pub ttl: Option<Ttl>,
}

/// How a switched RRset gets from its current state to its goal.
#[derive(Clone, Debug)]
pub struct Route {
    /// When the data change.
    pub stage: Stage,
    /// When the TTL is lowered first, and to what; `None`: it is not lowered.
    pub lower: Option<(Stage, Ttl)>,
    /// When the TTL is set to its final value.
    pub restore: Stage,
    /// What the records are called: `the MX records of acme.test.`.
    pub what: String,
    /// Why they change.
    pub why: String,
}

impl Goal {
    /// The transitions from the current state to the goal.
    ///
    /// If the type at the name changes to or from CNAME, the records that are in the way are
    /// removed in the same change set: a CNAME must be alone at its name (RFC 1034 §3.6.2).
    #[must_use]
    pub fn transitions(&self, zone: &ZoneSeen, route: &Route) -> Vec<Transition> {
        let live = zone.get(&self.key);
        let new_ttl = Ttl::from_wire(NEW_TTL).max(zone.capabilities.ttl_min);
        let final_ttl = self.ttl.or(live.map(RrSet::ttl)).unwrap_or(new_ttl);
        let goal = self.records.as_ref().map(|records| records.with_ttl(final_ttl));
        let leaving: Vec<(RrKey, &RrSet)> = match &goal {
            None => Vec::new(),
            Some(_) => in_the_way(zone, &self.key),
        };
        if goal.as_ref() == live && leaving.is_empty() {
            return Vec::new();
        }
        let same_data = match (&goal, live) {
            (Some(goal), Some(live)) => goal.same_rdata(live) && leaving.is_empty(),
            (None, _) | (_, None) => false,
        };
        if same_data {
            return vec![self.only_ttl(live, goal.as_ref(), route)];
        }
        let mut present: Vec<(RrKey, &RrSet)> = leaving;
        present.extend(live.map(|live| (self.key.clone(), live)));
        let mut transitions = Vec::new();
        let low =
            route.lower.as_ref().map(|(stage, ttl)| (stage, (*ttl).max(zone.capabilities.ttl_min)));
        let mut current: Vec<(RrKey, RrSet)> =
            present.iter().map(|(key, rrset)| (key.clone(), (*rrset).clone())).collect();
        if let Some((stage, low)) = low
            && current.iter().any(|(_, rrset)| rrset.ttl() > low)
        {
            let lowered: Vec<(RrKey, RrSet)> = current
                .iter()
                .map(|(key, rrset)| (key.clone(), rrset.with_ttl(rrset.ttl().min(low))))
                .collect();
            transitions.push(Transition {
                verb: Verb::Lower,
                stage: stage.clone(),
                changes: differences(&current, &lowered),
                title: format!("lower the TTL of {} to {}", route.what, show_span(low.duration())),
                reason: "the switch, and a way back, then take effect within this time".into(),
            });
            current = lowered;
        }
        let switched = goal.as_ref().map(|goal| {
            let ttl = low.map_or(goal.ttl(), |(_, low)| goal.ttl().min(low));
            (self.key.clone(), goal.with_ttl(ttl))
        });
        let verb = match (&switched, current.is_empty()) {
            (Some(_), true) => Verb::Publish,
            (Some(_), false) => Verb::Switch,
            (None, _) => Verb::Remove,
        };
        let switched: Vec<(RrKey, RrSet)> = switched.into_iter().collect();
        transitions.push(Transition {
            verb,
            stage: route.stage.clone(),
            changes: differences(&current, &switched),
            title: format!("{verb} {}", route.what),
            reason: route.why.clone(),
        });
        if let (Some(goal), [(_, switched)]) = (goal, switched.as_slice())
            && goal.ttl() != switched.ttl()
        {
            transitions.push(Transition {
                verb: Verb::Restore,
                stage: route.restore.clone(),
                changes: vec![change(&self.key, Some(switched), Some(&goal))],
                title: format!(
                    "restore the TTL of {} to {}",
                    route.what,
                    show_span(goal.ttl().duration())
                ),
                reason: "the short TTL is no longer needed, and a longer one saves queries".into(),
            });
        }
        transitions
    }

    fn only_ttl(&self, live: Option<&RrSet>, goal: Option<&RrSet>, route: &Route) -> Transition {
        let ttl = goal.map_or(Ttl::ZERO, RrSet::ttl);
        let lowered = live.is_some_and(|live| live.ttl() > ttl);
        // A TTL that was lowered for a switch is restored where the switch would have restored it.
        let stage = match (lowered, &route.lower) {
            (false, Some(_)) => &route.restore,
            (_, _) => &route.stage,
        };
        Transition {
            verb: if lowered { Verb::Lower } else { Verb::Restore },
            stage: stage.clone(),
            changes: vec![change(&self.key, live, goal)],
            title: format!("set the TTL of {} to {}", route.what, show_span(ttl.duration())),
            reason: route.why.clone(),
        }
    }
}

/// What cannot stay at a name that gets records of the key's type.
fn in_the_way<'z>(zone: &'z ZoneSeen, key: &RrKey) -> Vec<(RrKey, &'z RrSet)> {
    zone.zone
        .at(&key.name)
        .filter(|(rtype, _)| *rtype != key.rtype)
        .filter(|(rtype, _)| key.rtype == RrType::CNAME || *rtype == RrType::CNAME)
        .filter(|(rtype, _)| !rtype.is_made_by_signer())
        .map(|(rtype, rrset)| (RrKey::new(key.name.clone(), rtype), rrset))
        .collect()
}

fn differences(from: &[(RrKey, RrSet)], to: &[(RrKey, RrSet)]) -> Vec<Change> {
    let find = |side: &[(RrKey, RrSet)], key: &RrKey| {
        side.iter().find(|(other, _)| other == key).map(|(_, rrset)| rrset.clone())
    };
    let mut keys: Vec<&RrKey> = from.iter().chain(to).map(|(key, _)| key).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter()
        .map(|key| Change { key: key.clone(), before: find(from, key), after: find(to, key) })
        .filter(|change| change.before != change.after)
        .collect()
}

/// A change from one version to another.
#[must_use]
pub fn change(key: &RrKey, before: Option<&RrSet>, after: Option<&RrSet>) -> Change {
    Change { key: key.clone(), before: before.cloned(), after: after.cloned() }
}
