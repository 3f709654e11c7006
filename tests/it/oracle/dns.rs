//! What resolvers may answer: the contents that servers may have at each instant, their answers,
//! and what caches keep of them.
//!
//! Answers follow RFC 1034 §4.3.2 with delegations, DNAME (RFC 6672), wildcards and empty
//! non-terminals (RFC 4592), and negative answers (RFC 2308). Each link of an alias is cached
//! separately. A cache may hold whatever some server answered within its TTL and the plan's margin.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use cutover_contract::{Atomicity, Change, InPlace};
use cutover_zone::{Name, Rdata, RrKey, RrSet, RrType};

use super::schedule::{Execution, NOW, Step};

/// The records of a zone, or those that matter for a question.
pub(super) type Records = BTreeMap<RrKey, RrSet>;
/// Zones by name.
pub(super) type Zones = BTreeMap<Name, Records>;

/// Maximum contents of a zone that are distinguished at an instant for a question; further ones are
/// left out.
const CONTENTS_MAX: usize = 96;
/// Maximum links of an alias that are followed.
const LINKS_MAX: usize = 8;

/// A server's answer to a question.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Answer {
    Records(Vec<Rdata>),
    Alias(Name),
    NoData,
    NxDomain,
    /// The name is delegated to servers that are not the plan's.
    Referral,
}

/// An answer that a cache may hold.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) answer: Answer,
    pub(super) ttl_secs: i64,
    /// For how much longer it may be cached; `None` if servers give it now.
    pub(super) left_secs: Option<i64>,
}

impl Held {
    pub(super) fn for_longer(&self, secs: i64) -> bool {
        self.left_secs.is_none_or(|left| left + secs > 0)
    }
}

/// A resolver's final answer, with aliases followed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Resolved {
    Records(Vec<Rdata>),
    NoData,
    NxDomain,
    /// The alias leads to this name, outside the plan's zones.
    Outside(Name),
    /// The aliases form a loop.
    Failure,
}

impl Resolved {
    pub(super) fn records(&self) -> &[Rdata] {
        match self {
            Self::Records(records) => records,
            Self::NoData | Self::NxDomain | Self::Outside(_) | Self::Failure => &[],
        }
    }
}

/// The negative TTL of a zone (RFC 2308 §5).
fn negative_ttl_secs(zone: &Records, origin: &Name) -> i64 {
    let soa = zone.get(&RrKey::new(origin.clone(), RrType::SOA));
    let minimum = soa.and_then(|set| set.rdata()[0].as_soa());
    let ttl = soa.map_or(0, |set| i64::from(set.ttl().secs()));
    minimum.map_or(0, |soa| i64::from(soa.minimum).min(ttl))
}

fn exists(zone: &Records, name: &Name) -> bool {
    zone.keys().any(|key| key.name.is_at_or_below(name))
}

/// A name below another name, which stands for all that do not exist there.
fn wildcard(encloser: &Name) -> Option<Name> {
    encloser.child("*").ok()
}

/// A name and its ancestors down from the zone, the zone first.
fn path(origin: &Name, name: &Name) -> Vec<Name> {
    let mut names = vec![name.clone()];
    while let Some(last) = names.last() {
        if last == origin {
            break;
        }
        let Some(parent) = last.parent() else { break };
        names.push(parent);
    }
    names.reverse();
    names
}

/// The answer of a server whose zone has these records, and how long it may be cached.
pub(super) fn answer(zone: &Records, origin: &Name, key: &RrKey, negative: i64) -> (Answer, i64) {
    let at = |name: &Name, rtype| zone.get(&RrKey::new(name.clone(), rtype));
    let ttl = |set: &RrSet| i64::from(set.ttl().secs());
    let names = path(origin, &key.name);
    for name in &names {
        if name != origin && at(name, RrType::NS).is_some() {
            return (Answer::Referral, negative);
        }
        let dname = at(name, RrType::DNAME).filter(|_| *name != key.name);
        if let Some(set) = dname {
            let target = set.rdata()[0].target().expect("a DNAME has a target");
            let depth = key.name.labels().count() - name.labels().count();
            let labels = key.name.labels().take(depth).chain(target.labels());
            return match Name::from_labels(labels) {
                Ok(target) => (Answer::Alias(target), ttl(set)),
                Err(_) => (Answer::NxDomain, ttl(set)),
            };
        }
    }
    let at_node = |node: &Name| match (at(node, key.rtype), at(node, RrType::CNAME)) {
        (Some(set), _) => (Answer::Records(set.rdata().to_vec()), ttl(set)),
        (None, Some(set)) => {
            (Answer::Alias(set.rdata()[0].target().expect("a CNAME has a target")), ttl(set))
        }
        (None, None) => (Answer::NoData, negative),
    };
    if exists(zone, &key.name) || key.name == *origin {
        return at_node(&key.name);
    }
    let encloser = names.iter().rev().find(|name| *name == origin || exists(zone, name));
    match encloser.and_then(wildcard).filter(|star| exists(zone, star)) {
        Some(star) => at_node(&star),
        None => (Answer::NxDomain, negative),
    }
}

/// Whether the records of a name can matter for a question.
fn counts(origin: &Name, names: &[Name], owner: &Name) -> bool {
    let below_zone = names.get(1);
    owner == origin
        || below_zone.is_some_and(|name| owner.is_at_or_below(name))
        || (owner.is_wildcard() && owner.parent().is_some_and(|up| names.contains(&up)))
}

/// The intermediate states of a change, without the states before and after it.
fn in_between(atomicity: Atomicity, change: &Change, replaced: bool) -> Vec<Option<RrSet>> {
    let ttl = [&change.before, &change.after].into_iter().flatten().map(RrSet::ttl).max();
    let ttl = ttl.expect("a change changes something");
    match (atomicity, &change.before, &change.after) {
        (Atomicity::ChangeSet | Atomicity::RrSet, ..) => Vec::new(),
        (Atomicity::Record, Some(before), Some(after)) => {
            let mixtures = InPlace::between(before, after).mixtures(ttl).unwrap_or_default();
            mixtures.into_iter().map(Some).collect()
        }
        (Atomicity::Record, ..) => {
            if replaced {
                vec![None]
            } else {
                Vec::new()
            }
        }
        (Atomicity::None, before, after) => {
            // A name has at most one alias: the old one, the new one, or none.
            if matches!(change.key.rtype, RrType::CNAME | RrType::DNAME) {
                return vec![None];
            }
            let sets = [before, after].into_iter().flatten();
            let mut all: Vec<Rdata> = sets.flat_map(|set| set.rdata().to_vec()).collect();
            all.sort();
            all.dedup();
            let count = all.len().min(4);
            let mut seen = vec![None];
            for chosen in 1_usize..(1 << count) {
                let some = all.iter().enumerate().filter(|(n, _)| chosen & (1 << n) != 0);
                let set = RrSet::new(ttl, some.map(|(_, rdata)| rdata.clone())).ok();
                seen.extend(set.map(Some));
            }
            seen
        }
    }
}

fn set(zone: &mut Records, key: &RrKey, value: Option<&RrSet>) {
    match value {
        Some(value) => drop(zone.insert(key.clone(), value.clone())),
        None => drop(zone.remove(key)),
    }
}

fn is_valid(zone: &Records) -> bool {
    let aliases = zone.keys().filter(|key| key.rtype == RrType::CNAME);
    let mut aliases = aliases.map(|key| &key.name);
    aliases.all(|name| zone.keys().filter(|key| key.name == *name).count() == 1)
}

/// From which side an instant is seen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// Right before it.
    UpTo,
    /// At it: what begins or ends then is seen half made.
    At,
    /// After everything that ends then has ended.
    Now,
}

/// A change set, as far as it matters for a question.
struct Made<'a> {
    begin: i64,
    end: i64,
    changes: Vec<&'a Change>,
    order: Order<'a>,
}

fn fits(zone: &Records, changes: &[&Change]) -> bool {
    changes.iter().all(|change| zone.get(&change.key) == change.before.as_ref())
}

/// The contents that may be seen while a change set is made, including the last.
fn exposed(atomicity: Atomicity, zone: &Records, changes: &[&Change]) -> Vec<Records> {
    let is_replaced = |change: &Change| {
        changes.iter().any(|other| other.key.name == change.key.name && other.key != change.key)
    };
    let mut contents = vec![zone.clone()];
    for change in changes {
        let mut states = vec![change.after.clone()];
        if atomicity != Atomicity::ChangeSet {
            states.push(change.before.clone());
            states.extend(in_between(atomicity, change, is_replaced(change)));
        }
        let mut next = Vec::new();
        for content in &contents {
            for state in &states {
                let mut changed = content.clone();
                set(&mut changed, &change.key, state.as_ref());
                next.push(changed);
            }
        }
        next.truncate(CONTENTS_MAX);
        contents = next;
    }
    contents.retain(is_valid);
    contents
}

/// What is the same for a question in every execution of a plan.
struct Question {
    origin: Name,
    /// The name and its ancestors, the zone first.
    names: Vec<Name>,
    negative_secs: i64,
    /// The records that matter, before the first step.
    base: Records,
    /// The positions of the changes that matter, in each change set that was checked.
    relevant: RefCell<HashMap<usize, Rc<Vec<usize>>>>,
}

/// The change sets that matter for a question, and when they are made, by their address in memory.
type Signature = Vec<(usize, i64, i64)>;

/// The answers to a question, by what was made when.
type Looked = HashMap<(RrKey, Signature), Rc<Vec<Held>>>;

/// Results from other executions of the same plan.
#[derive(Default)]
pub(super) struct Cache {
    questions: RefCell<HashMap<RrKey, Rc<Question>>>,
    /// Whether a name is in a zone of the plan.
    within: RefCell<HashMap<Name, bool>>,
    held: RefCell<Looked>,
}

/// Everything that resolvers may answer in an execution.
pub(super) struct Dns<'a> {
    zones: &'a Zones,
    atomicity: Atomicity,
    margin_secs: i64,
    made: Vec<Dated<'a>>,
    cache: &'a Cache,
    held: RefCell<HashMap<RrKey, Rc<Vec<Held>>>>,
    resolved: RefCell<HashMap<(RrKey, i64), Vec<Resolved>>>,
}

/// A change set of an execution.
#[derive(Clone, Copy)]
struct Dated<'a> {
    zone: &'a Name,
    /// When making it begins and ends.
    begin: i64,
    end: i64,
    changes: &'a [Change],
    order: Order<'a>,
}

/// The position of a step among the others.
#[derive(Clone, Copy)]
struct Order<'a> {
    is_back: bool,
    place: usize,
    before: &'a BTreeSet<usize>,
}

impl Order<'_> {
    /// Whether it begins only after another step has ended.
    fn comes_after(self, other: Order<'_>) -> bool {
        match (self.is_back, other.is_back) {
            (true, false) => true,
            (false, true) => false,
            (true, true) | (false, false) => self.before.contains(&other.place),
        }
    }
}

/// The change sets of an execution, in order.
fn made<'a>(there: &'a [Step], back: &'a [Step], execution: &Execution) -> Vec<Dated<'a>> {
    let nothing = Vec::new();
    let times = execution.back.as_ref().unwrap_or(&nothing);
    let there = there.iter().zip(&execution.there).enumerate().map(|step| (false, step));
    let back = back.iter().zip(times).enumerate().map(|step| (true, step));
    let all = there.chain(back).filter_map(|(is_back, (place, (step, time)))| {
        let (begin, end) = (*time)?;
        let (zone, changes) = step.changes.as_ref()?;
        let order = Order { is_back, place, before: &step.before };
        (begin <= NOW).then_some(Dated { zone, begin, end, changes, order })
    });
    all.collect()
}

impl<'a> Dns<'a> {
    pub(super) fn of(
        zones: &'a Zones,
        atomicity: Atomicity,
        margin_secs: i64,
        steps: (&'a [Step], &'a [Step]),
        execution: &Execution,
        cache: &'a Cache,
    ) -> Self {
        let made = made(steps.0, steps.1, execution);
        Self {
            zones,
            atomicity,
            margin_secs,
            made,
            cache,
            held: RefCell::default(),
            resolved: RefCell::default(),
        }
    }

    /// The zone that contains a name.
    pub(super) fn zone(&self, name: &Name) -> Option<&'a Name> {
        let zones = self.zones.keys().filter(|zone| name.is_at_or_below(zone));
        zones.max_by_key(|zone| zone.labels().count())
    }

    fn is_within(&self, name: &Name) -> bool {
        if let Some(known) = self.cache.within.borrow().get(name) {
            return *known;
        }
        let is_within = self.zone(name).is_some();
        self.cache.within.borrow_mut().insert(name.clone(), is_within);
        is_within
    }

    /// Every answer that some cache may hold, or may have held up to some time ago.
    pub(super) fn held(&self, key: &RrKey) -> Rc<Vec<Held>> {
        if let Some(known) = self.held.borrow().get(key) {
            return Rc::clone(known);
        }
        let held = self.look(key);
        self.held.borrow_mut().insert(key.clone(), Rc::clone(&held));
        held
    }

    fn question(&self, key: &RrKey) -> Option<Rc<Question>> {
        if let Some(known) = self.cache.questions.borrow().get(key) {
            return Some(Rc::clone(known));
        }
        let origin = self.zone(&key.name)?;
        let zone = &self.zones[origin];
        let names = path(origin, &key.name);
        let base = zone.iter().filter(|(key, _)| counts(origin, &names, &key.name));
        let base = base.map(|(key, set)| (key.clone(), set.clone())).collect();
        let negative_secs = negative_ttl_secs(zone, origin);
        let origin = origin.clone();
        let question =
            Question { origin, names, negative_secs, base, relevant: RefCell::default() };
        let question = Rc::new(question);
        self.cache.questions.borrow_mut().insert(key.clone(), Rc::clone(&question));
        Some(question)
    }

    fn look(&self, key: &RrKey) -> Rc<Vec<Held>> {
        let Some(question) = self.question(key) else { return Rc::default() };
        let mut made = Vec::new();
        let mut signature = Signature::new();
        for Dated { zone, begin, end, changes, order } in &self.made {
            if **zone != question.origin {
                continue;
            }
            let place = changes.as_ptr() as usize;
            let known = question.relevant.borrow().get(&place).cloned();
            let relevant = known.unwrap_or_else(|| {
                let owners = changes.iter().map(|change| &change.key.name).enumerate();
                let counting =
                    owners.filter(|(_, owner)| counts(&question.origin, &question.names, owner));
                let found: Rc<Vec<usize>> = Rc::new(counting.map(|(place, _)| place).collect());
                question.relevant.borrow_mut().insert(place, Rc::clone(&found));
                found
            });
            if !relevant.is_empty() {
                signature.push((place, *begin, *end));
                made.push((*begin, *end, *changes, relevant, *order));
            }
        }
        let entry = (key.clone(), signature);
        if let Some(known) = self.cache.held.borrow().get(&entry) {
            return Rc::clone(known);
        }
        let made = made.iter().map(|(begin, end, changes, relevant, order)| Made {
            begin: *begin,
            end: *end,
            changes: relevant.iter().map(|place| &changes[*place]).collect(),
            order: *order,
        });
        let made: Vec<Made<'_>> = made.collect();
        let held = Rc::new(self.answers(key, &question, &made));
        self.cache.held.borrow_mut().insert(entry, Rc::clone(&held));
        held
    }

    fn answers(&self, key: &RrKey, question: &Question, made: &[Made<'_>]) -> Vec<Held> {
        let Question { origin, negative_secs, base, .. } = question;
        let mut instants: Vec<i64> =
            made.iter().flat_map(|change| [change.begin, change.end]).collect();
        instants.push(NOW);
        instants.retain(|instant| *instant <= NOW);
        instants.sort_unstable();
        instants.dedup();
        let mut held: Vec<Held> = Vec::new();
        for instant in instants {
            // Up to the instant, at it, and now: what is replaced is served until then.
            let sides = [Side::UpTo, Side::At, Side::Now];
            let sides = if instant == NOW { &sides[..] } else { &sides[..2] };
            for side in sides {
                let is_now = *side == Side::Now;
                for content in self.contents(base, made, instant, *side) {
                    let (answer, ttl) = answer(&content, origin, key, *negative_secs);
                    let left = (!is_now).then(|| instant + ttl + self.margin_secs - NOW);
                    match held.iter_mut().find(|held| held.answer == answer && held.ttl_secs == ttl)
                    {
                        Some(known) => {
                            known.left_secs = match (known.left_secs, left) {
                                (Some(a), Some(b)) => Some(a.max(b)),
                                _ => None,
                            };
                        }
                        None => held.push(Held { answer, ttl_secs: ttl, left_secs: left }),
                    }
                }
            }
        }
        held
    }

    fn contents(
        &self,
        base: &Records,
        made: &[Made<'_>],
        instant: i64,
        side: Side,
    ) -> Vec<Records> {
        // Each with the change sets that it lacks. If a change set ends when a later one that
        // depends on it begins, no server has the later one without it.
        let mut contents: Vec<(Records, Vec<&Made<'_>>)> = vec![(base.clone(), Vec::new())];
        for change in made {
            let Made { begin, end, changes, order } = change;
            let (has_begun, has_ended) = match side {
                Side::UpTo => (*begin < instant, *end < instant),
                Side::At => (*begin <= instant, *end < instant),
                Side::Now => (*begin <= instant, *end <= instant),
            };
            if !has_begun {
                continue;
            }
            let mut next: Vec<(Records, Vec<&Made<'_>>)> = Vec::new();
            for (content, missing) in contents {
                let is_in_order = missing
                    .iter()
                    .all(|other| other.end > *begin || !order.comes_after(other.order));
                let does_fit = is_in_order && fits(&content, changes);
                if has_ended {
                    if does_fit {
                        let mut content = content;
                        changes.iter().for_each(|c| set(&mut content, &c.key, c.after.as_ref()));
                        next.push((content, missing));
                    }
                    continue;
                }
                let with_it: Vec<&Made<'_>> = missing.iter().copied().chain([change]).collect();
                if does_fit {
                    let seen = exposed(self.atomicity, &content, changes);
                    next.extend(seen.into_iter().map(|content| {
                        // What is made in part is not there yet.
                        let is_made = |c: &&Change| content.get(&c.key) == c.after.as_ref();
                        let is_whole = changes.iter().all(is_made);
                        (content, if is_whole { missing.clone() } else { with_it.clone() })
                    }));
                }
                next.push((content, with_it));
            }
            next.truncate(CONTENTS_MAX);
            contents = next;
        }
        contents.into_iter().map(|(content, _)| content).collect()
    }

    /// Every possible answer to a question, with aliases followed, if answers are used for this
    /// much longer.
    pub(super) fn resolved(&self, name: &Name, rtype: RrType, longer_secs: i64) -> Vec<Resolved> {
        let entry = (RrKey::new(name.clone(), rtype), longer_secs);
        if let Some(known) = self.resolved.borrow().get(&entry) {
            return known.clone();
        }
        let mut found = Vec::new();
        self.follow(name, rtype, longer_secs, LINKS_MAX, &mut found);
        found.sort();
        found.dedup();
        self.resolved.borrow_mut().insert(entry, found.clone());
        found
    }

    fn follow(
        &self,
        name: &Name,
        rtype: RrType,
        longer: i64,
        links: usize,
        found: &mut Vec<Resolved>,
    ) {
        if !self.is_within(name) {
            return found.push(Resolved::Outside(name.clone()));
        }
        if links == 0 {
            return found.push(Resolved::Failure);
        }
        let held = self.held(&RrKey::new(name.clone(), rtype));
        for cached in held.iter().filter(|cached| cached.for_longer(longer)) {
            match &cached.answer {
                Answer::Records(records) => found.push(Resolved::Records(records.clone())),
                Answer::Alias(target) => self.follow(target, rtype, longer, links - 1, found),
                Answer::NoData => found.push(Resolved::NoData),
                Answer::NxDomain => found.push(Resolved::NxDomain),
                Answer::Referral => found.push(Resolved::Outside(name.clone())),
            }
        }
    }
}

/// The only answer of zones that never change.
pub(super) fn plain(zones: &Zones, name: &Name, rtype: RrType) -> Resolved {
    let mut name = name.clone();
    for _ in 0..LINKS_MAX {
        let within = zones.keys().filter(|zone| name.is_at_or_below(zone));
        let Some(origin) = within.max_by_key(|zone| zone.labels().count()) else {
            return Resolved::Outside(name);
        };
        let key = RrKey::new(name.clone(), rtype);
        match answer(&zones[origin], origin, &key, 0).0 {
            Answer::Records(records) => return Resolved::Records(records),
            Answer::Alias(target) => name = target,
            Answer::NoData => return Resolved::NoData,
            Answer::NxDomain => return Resolved::NxDomain,
            Answer::Referral => return Resolved::Outside(name),
        }
    }
    Resolved::Failure
}
