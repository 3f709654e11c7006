//! Views: one served version of every RRset that an evaluation visits.
//!
//! Versions expire independently, so an evaluation that visits several RRsets may meet any
//! combination of versions that can be served together. Invariants are written as plain evaluations
//! over a [`View`]: whenever one asks for an RRset that has several versions, the view chooses one
//! that can be served together with all that it has chosen before. [`judge`] runs the
//! evaluation again and again, until every choice has been made.

use std::cell::RefCell;
use std::collections::BTreeMap;

use cutover_contract::{Name, RrKey, RrSet, RrType};

use super::interval::{Interval, Start, together};
use super::{Proof, Version, story};
use crate::observe::Outside;

/// Aliases that are followed at the most; resolvers do about as many. Our choice.
const ALIASES_MAX: usize = 8;
/// Views of one evaluation at the most. Our choice: a mail domain has some dozens.
const VIEWS_MAX: usize = 100_000;

/// What came of an invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It is kept in every view.
    Holds,
    /// It is broken before the first step, and not more than that later; with the story.
    Present(Vec<String>),
    /// It is broken; with the story.
    Refuted(Vec<String>),
}

impl Judgement {
    /// The worst of several.
    pub(super) fn worst(all: impl IntoIterator<Item = Self>) -> Self {
        let mut worst = Self::Holds;
        for one in all {
            worst = match (worst, one) {
                (Self::Refuted(story), _) | (_, Self::Refuted(story)) => {
                    return Self::Refuted(story);
                }
                (Self::Present(story), _) | (_, Self::Present(story)) => Self::Present(story),
                (Self::Holds, Self::Holds) => Self::Holds,
            };
        }
        worst
    }
}

/// What happens in a view, and what would help.
pub(super) struct Harm {
    /// What happens: `a sender ...`.
    pub(super) what: String,
    /// What would help.
    pub(super) fix: String,
}

impl Harm {
    pub(super) fn new(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what: what.into(), fix: fix.into() }
    }
}

/// One combination of versions.
pub struct View<'p> {
    proof: &'p Proof<'p>,
    /// What holds whatever is chosen: mail of this sender is in flight, the switch has begun.
    fixed: &'p [Interval],
    state: RefCell<State<'p>>,
}

#[derive(Default)]
struct State<'p> {
    /// What to choose at the first questions; beyond it, the first version that is possible.
    script: Vec<usize>,
    /// What was chosen, and how many versions were possible, in the order of the questions.
    asked: Vec<(usize, usize)>,
    chosen: BTreeMap<&'p RrKey, &'p Version>,
}

impl<'p> View<'p> {
    /// The version of an RRset in this view.
    #[must_use]
    pub fn rrset(&self, key: &RrKey) -> Option<RrSet> {
        let Some((key, versions)) = self.proof.timelines.get_key_value(key) else {
            return self.proof.snapshot.zone_of(&key.name).and_then(|zone| zone.get(key)).cloned();
        };
        let mut state = self.state.borrow_mut();
        if let Some(version) = state.chosen.get(key) {
            return version.rrset.clone();
        }
        let possible: Vec<&Version> = versions
            .iter()
            .filter(|version| {
                let chosen = state.chosen.values().map(|chosen| &chosen.interval);
                let mut all: Vec<&Interval> = self.fixed.iter().chain(chosen).collect();
                all.push(&version.interval);
                together(&self.proof.order, &all)
            })
            .collect();
        let number = state.asked.len();
        let choice = state.script.get(number).copied().unwrap_or(0);
        state.asked.push((choice, possible.len()));
        // What was chosen before can be served with one version of every RRset at least: in the
        // state that shows it, one of them is being served.
        let version = possible[choice];
        state.chosen.insert(key, version);
        version.rrset.clone()
    }

    /// What a resolver is told in this view: aliases followed, wildcards applied.
    #[must_use]
    pub fn look_up(&self, key: &RrKey) -> Outside {
        let mut name = key.name.clone();
        for _ in 0..ALIASES_MAX {
            if self.proof.snapshot.zone_of(&name).is_none() {
                return self.proof.snapshot.told(&RrKey::new(name, key.rtype));
            }
            if let Some(rrset) = self.rrset(&RrKey::new(name.clone(), key.rtype)) {
                return Outside::Records(rrset.rdata().to_vec());
            }
            let alias = self.rrset(&RrKey::new(name.clone(), RrType::CNAME));
            match alias.and_then(|alias| alias.rdata().first()?.target()) {
                Some(target) => name = target,
                // A name without versions of its own may be answered by a wildcard.
                None if !self.changes(&name) => {
                    return self.proof.snapshot.told(&RrKey::new(name, key.rtype));
                }
                None => return self.told_by_wildcard(&RrKey::new(name, key.rtype)),
            }
        }
        Outside::Unknown("more than eight aliases in a row".into())
    }

    /// What a wildcard says for a name that is absent in this view.
    fn told_by_wildcard(&self, key: &RrKey) -> Outside {
        let zone = self.proof.snapshot.zone_of(&key.name);
        let wildcard = zone.and_then(|zone| zone.wildcard_of(key));
        match wildcard {
            None => Outside::Absent,
            Some(rrset) if rrset.rtype() == key.rtype => Outside::Records(rrset.rdata().to_vec()),
            Some(_) => Outside::Unknown("a wildcard alias answers for it".into()),
        }
    }

    fn changes(&self, name: &Name) -> bool {
        self.proof.timelines.keys().any(|key| key.name == *name)
    }

    /// Whether everything in it is as it is before the first step.
    fn is_present(&self) -> bool {
        let state = self.state.borrow();
        state.chosen.values().all(|version| version.published_by.is_none())
            && self.fixed.iter().all(|interval| interval.start == Start::Always)
    }

    /// The intervals that this view consists of.
    pub(super) fn intervals(&self) -> Vec<Interval> {
        let state = self.state.borrow();
        let chosen = state.chosen.values().map(|version| version.interval.clone());
        self.fixed.iter().cloned().chain(chosen).collect()
    }

    /// What was chosen.
    pub(super) fn chosen(&self) -> BTreeMap<&'p RrKey, &'p Version> {
        self.state.borrow().chosen.clone()
    }
}

/// Evaluates in every view, and tells the story of the first that does harm.
///
/// Harm that is done before the first step is a present defect: it refutes nothing by itself, and
/// neither does the same harm in a later view. Any other does.
pub(super) fn judge<'p>(
    proof: &'p Proof<'p>,
    fixed: &'p [Interval],
    harm: &dyn Fn(&View<'p>) -> Option<Harm>,
) -> Judgement {
    let mut script = Vec::new();
    let mut present: Option<(String, Vec<String>)> = None;
    for _ in 0..VIEWS_MAX {
        let state = RefCell::new(State { script, ..State::default() });
        let view = View { proof, fixed, state };
        if let Some(harm) = harm(&view) {
            let known = present.as_ref().is_some_and(|(what, _)| *what == harm.what);
            match (view.is_present(), known) {
                (true, _) => present = Some((harm.what.clone(), story::tell(proof, &view, &harm))),
                (false, true) => {}
                (false, false) => return Judgement::Refuted(story::tell(proof, &view, &harm)),
            }
        }
        match next_script(view.state.into_inner().asked) {
            Some(next) => script = next,
            None => {
                return present.map_or(Judgement::Holds, |(_, story)| Judgement::Present(story));
            }
        }
    }
    let many =
        format!("there are more than {VIEWS_MAX} combinations of versions: not all were looked at");
    Judgement::Refuted(vec![many])
}

/// The next choices: the last that has one left is moved on, and what came after it begins anew.
fn next_script(mut asked: Vec<(usize, usize)>) -> Option<Vec<usize>> {
    while let Some((choice, possible)) = asked.pop() {
        if choice + 1 < possible {
            let mut script: Vec<usize> = asked.iter().map(|(choice, _)| *choice).collect();
            script.push(choice + 1);
            return Some(script);
        }
    }
    None
}
