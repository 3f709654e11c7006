//! The RRsets that the plan touches, each with its versions in time.
//!
//! A [`Track`] is one owner name's way from what was seen to what is wanted, as a row of
//! [`Transition`]s. Recipes make tracks; `recipe::order` puts the transitions of all tracks into an
//! order. A version is an occurrence: data *and* TTL, so lowering a TTL is a transition of its own.
//!
//! What this layer does not do: decide when anything happens, or ask anybody.

pub mod end;
pub mod hold;
pub mod spf_cost;
pub mod spf_meaning;

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use cutover_contract::{Change, Name, RrKey, RrSet, RrType, Ttl};

use crate::calendar::show_span;
use crate::observe::ZoneSeen;
use crate::spec::Anchor;

/// The TTL of records that did not exist before and for which the plan names none: 1 h, what most
/// DNS hosts take as their default. Our choice.
pub const NEW_TTL: u32 = 3_600;

/// What a transition does, for people and for ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Same records, shorter TTL.
    Lower,
    /// Records where there were none.
    Publish,
    /// More senders in the SPF record.
    Widen,
    /// New exchanges beside the old ones, at a worse preference.
    Join,
    /// New exchanges beside the old ones, at a better preference.
    Prefer,
    /// Other records.
    Switch,
    /// Fewer senders in the SPF record.
    Narrow,
    /// No records where there were some.
    Remove,
    /// Same records, the TTL that they shall keep.
    Restore,
}

impl Verb {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Lower,
        Self::Publish,
        Self::Widen,
        Self::Join,
        Self::Prefer,
        Self::Switch,
        Self::Narrow,
        Self::Remove,
        Self::Restore,
    ];

    /// The word for it, in ids and for people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Lower => "lower",
            Self::Publish => "publish",
            Self::Widen => "widen",
            Self::Join => "join",
            Self::Prefer => "prefer",
            Self::Switch => "switch",
            Self::Narrow => "narrow",
            Self::Remove => "remove",
            Self::Restore => "restore",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The part of the plan that a transition belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Nothing has to come first.
    Start,
    /// Only adds, or changes nothing but TTLs: before the switch.
    Expand,
    /// The switch.
    Switch,
    /// Removes, and restores TTLs: after the switch has taken effect and late mail has come in.
    Contract,
    /// Removes what mail in flight still needs: when no message of the old side can be on its way.
    Retire,
    /// A part of the switch that follows the one before it in the track, when that has taken effect.
    SwitchNext,
    /// Where the plan puts it: with a part of the move.
    With(Anchor),
    /// Where the plan puts it: when these have taken effect everywhere, or a stated while after them.
    After {
        /// What has to be done before.
        anchors: Vec<Anchor>,
        /// How long to wait behind it, in place of what the replaced versions ask for.
        wait: Option<Duration>,
    },
    /// When the transition before it in the track has taken effect everywhere.
    Next,
}

/// One change of what is served at a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// What it does.
    pub verb: Verb,
    /// When.
    pub stage: Stage,
    /// The RRsets, mostly one; two or more where the type at a name changes.
    pub changes: Vec<Change>,
    /// What is done, for people.
    pub title: String,
    /// Why, for people.
    pub reason: String,
}

impl Transition {
    /// Whether it belongs to what comes before the switch.
    #[must_use]
    pub fn is_expansion(&self) -> bool {
        matches!(self.stage, Stage::Expand | Stage::With(Anchor::Expand))
    }

    /// Whether it belongs to the switch.
    #[must_use]
    pub fn is_switch(&self) -> bool {
        matches!(self.stage, Stage::Switch | Stage::SwitchNext)
    }

    /// Whether it changes nothing but a TTL.
    #[must_use]
    pub fn is_only_ttl(&self) -> bool {
        self.changes.iter().all(|change| match (&change.before, &change.after) {
            (Some(before), Some(after)) => before.same_rdata(after),
            (_, _) => false,
        })
    }

    /// Whether it belongs to what comes when the old side is left.
    #[must_use]
    pub fn is_contraction(&self) -> bool {
        matches!(self.stage, Stage::Contract | Stage::Retire | Stage::With(Anchor::Contract))
    }
}

/// RRsets of one change that every server is asked for. Our choice; see [`sample`].
pub const SAMPLE_MAX: usize = 32;

/// What is asked for of many changes that are made at once: the first, the last, and others evenly in
/// between, [`SAMPLE_MAX`] at the most.
///
/// A change set of more holds what nothing depends on (`compile::gather`), and servers take a zone's
/// versions whole (RFC 5936 §3, RFC 1995 §4): one that has these has all.
pub fn sample<T>(changes: &[T]) -> impl Iterator<Item = &T> {
    let (many, asked) = (changes.len(), changes.len().min(SAMPLE_MAX));
    (0..asked).map(move |n| &changes[n * (many - 1) / (asked - 1).max(1)])
}

/// A name's way from what was seen to what is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// The zone.
    pub zone: Name,
    /// The RRset that the track is about; it stands in the ids of the steps.
    pub key: RrKey,
    /// The ids that the plan gives to its records, for tracks that come from `records`.
    pub records: BTreeSet<String>,
    /// Whether the plan itself says when the record changes: that is judged, and not moved.
    pub placed: bool,
    /// Whether mail is routed by it.
    pub routes: bool,
    /// The transitions in order; empty where everything is as wanted.
    pub transitions: Vec<Transition>,
}

impl Track {
    /// A track that recipes make: its order is derived.
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

/// What shall be served at a name in the end.
#[derive(Clone, Debug)]
pub struct Goal {
    /// Which RRset.
    pub key: RrKey,
    /// Its records, whatever their TTL; `None`: none.
    pub records: Option<RrSet>,
    /// Its TTL; `None`: the TTL that is there, or [`NEW_TTL`].
    pub ttl: Option<Ttl>,
}

/// How a switched RRset gets from here to there.
#[derive(Clone, Debug)]
pub struct Route {
    /// Where the data changes.
    pub stage: Stage,
    /// Where the TTL is lowered before, and to what; `None`: it is not.
    pub lower: Option<(Stage, Ttl)>,
    /// Where the TTL is set to what it shall be in the end.
    pub restore: Stage,
    /// What the records are called: `the MX records of acme.test.`.
    pub what: String,
    /// Why they change.
    pub why: String,
}

impl Goal {
    /// The transitions from what is there to the goal.
    ///
    /// Where the type at the name changes to or from CNAME, what is in the way goes in the same
    /// change set: a CNAME stands alone (RFC 1034 §3.6.2).
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
                reason:
                    "the short TTL is no longer needed, and longer ones spare everybody queries"
                        .into(),
            });
        }
        transitions
    }

    fn only_ttl(&self, live: Option<&RrSet>, goal: Option<&RrSet>, route: &Route) -> Transition {
        let ttl = goal.map_or(Ttl::ZERO, RrSet::ttl);
        let lowered = live.is_some_and(|live| live.ttl() > ttl);
        // What was lowered for a switch comes back where the switch would have restored it.
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

/// What cannot stay at the name when records of the key's type are put there.
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

/// One change from one version to another.
#[must_use]
pub fn change(key: &RrKey, before: Option<&RrSet>, after: Option<&RrSet>) -> Change {
    Change { key: key.clone(), before: before.cloned(), after: after.cloned() }
}
