//! Whether names that resolve before the plan and in the end resolve at all times.
//!
//! This is checked for every name of every zone, for names below wildcards and DNAMEs, and for
//! every type. A resolver follows aliases link by link, each from a cache of its own age, and asks
//! no question twice: if it comes back to a question, the aliases form a loop.
//!
//! The states of a single RRset while its provider writes it are not a harm of this kind by
//! themselves. So each path is checked twice: as if every change set were atomic, and at this
//! provider, if another answer to another question would have led to the records.

use std::collections::BTreeSet;

use cutover_contract::Atomicity;
use cutover_zone::{Name, Rdata, RrKey, RrType};

use super::super::dns::{Answer, Dns, Records, Zones, answer};
use super::ground::any_below;
use super::*;

/// Maximum aliases that a resolver follows.
const ALIASES_MAX: usize = 8;
/// Maximum paths of a question that are distinguished; further ones are left out.
const WAYS_MAX: usize = 2_000;
/// Maximum names of a plan that are checked; further ones are left out.
const NAMES_MAX: usize = 300;

/// The end of a harm's id that is of one of these kinds.
const BELOW_A_DNAME: &str = " below a DNAME";
const BY_A_WILDCARD: &str = " by a wildcard";
const OF_NO_OWN_TYPE: &str = " of a type that no name there has of its own";
const HALF_REPLACED: &str = " while several types take a name's place";

/// Where a question leads, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Leads {
    InACircle,
    ToNothing,
    /// To records, or out of the plan's zones.
    Home,
}

/// A question and its answer.
type Link = (RrKey, Answer);

/// The questions on a path, and where it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Way {
    links: Vec<Link>,
    leads: Leads,
}

impl Way {
    /// Whether a resolver with this answer may take this path: the path contains the answer, or not
    /// the question.
    fn agrees_with(&self, (key, told): &Link) -> bool {
        self.links.iter().all(|(asked, other)| asked != key || other == told)
    }
}

/// A question that has to lead to records at all times.
pub(super) struct Found {
    key: RrKey,
    /// Where it leads before the plan or in the end, whichever is worse.
    least: Leads,
    /// The paths before the plan and in the end.
    known: [Way; 2],
}

/// All possible answers; `None` for a name outside the plan's zones.
type Ask<'a> = &'a dyn Fn(&RrKey) -> Option<Vec<Answer>>;

/// All possible paths of a question.
fn ways(ask: Ask<'_>, key: &RrKey) -> Vec<Way> {
    let mut done = Vec::new();
    let mut open = vec![(Vec::<Link>::new(), key.clone())];
    while let Some((links, key)) = open.pop() {
        if done.len() + open.len() > WAYS_MAX {
            break;
        }
        if links.len() > ALIASES_MAX || links.iter().any(|(asked, _)| *asked == key) {
            done.push(Way { links, leads: Leads::InACircle });
            continue;
        }
        let Some(all) = ask(&key) else {
            done.push(Way { links, leads: Leads::Home });
            continue;
        };
        for told in all {
            let mut links = links.clone();
            links.push((key.clone(), told.clone()));
            match told {
                Answer::Records(_) | Answer::Referral => {
                    done.push(Way { links, leads: Leads::Home });
                }
                Answer::NoData | Answer::NxDomain => {
                    done.push(Way { links, leads: Leads::ToNothing });
                }
                Answer::Alias(target) => open.push((links, RrKey::new(target, key.rtype))),
            }
        }
    }
    done
}

/// The absence of a name counts as the absence of the type.
fn plainly(told: Answer) -> Answer {
    if told == Answer::NxDomain { Answer::NoData } else { told }
}

/// The only path of a question in zones that never change.
fn way(zones: &Zones, key: &RrKey) -> Way {
    let ask = |key: &RrKey| {
        let within = zones.keys().filter(|zone| key.name.is_at_or_below(zone));
        let origin = within.max_by_key(|zone| zone.labels().count())?;
        Some(vec![plainly(answer(&zones[origin], origin, key, 0).0)])
    };
    ways(&ask, key).swap_remove(0)
}

/// The names that DNAMEs make of existing names.
fn below_dnames(zones: [&Zones; 2], names: &BTreeSet<Name>) -> BTreeSet<Name> {
    let mut made = BTreeSet::new();
    let all = zones.into_iter().flat_map(|zones| zones.values()).flatten();
    for (key, set) in all.filter(|(key, _)| key.rtype == RrType::DNAME) {
        made.extend(key.name.child("any-name").ok());
        let Some(target) = set.rdata()[0].target() else { continue };
        for name in names.iter().filter(|name| **name != target && name.is_at_or_below(&target)) {
            let depth = name.labels().count() - target.labels().count();
            let labels = name.labels().take(depth).chain(key.name.labels());
            made.extend(Name::from_labels(labels).ok());
        }
    }
    made
}

/// The questions that have to lead to records at all times.
pub(super) fn to_be_found(before: &Zones, end: &Zones) -> Vec<Found> {
    let keys = || [before, end].into_iter().flat_map(|zones| zones.values()).flat_map(|z| z.keys());
    let mut names: BTreeSet<Name> = keys().map(|key| any_below(&key.name)).collect();
    let rrsets = [before, end].into_iter().flat_map(|zones| zones.values().flatten());
    names.extend(rrsets.flat_map(|(_, set)| set.rdata()).filter_map(Rdata::target));
    for _ in 0..2 {
        let made = below_dnames([before, end], &names);
        names.extend(made);
    }
    let is_asked = |rtype: &RrType| {
        !matches!(*rtype, RrType::CNAME | RrType::DNAME | RrType::SOA | RrType::NS)
    };
    // A name outside may have records of any type.
    let anywhere = [RrType::A, RrType::AAAA, RrType::TXT, RrType::MX];
    let types = keys().map(|key| key.rtype).filter(is_asked).chain(anywhere);
    let types: BTreeSet<RrType> = types.collect();
    let mut found = Vec::new();
    for name in names.into_iter().take(NAMES_MAX) {
        for rtype in &types {
            let key = RrKey::new(name.clone(), *rtype);
            let known = [way(before, &key), way(end, &key)];
            let least = known[0].leads.min(known[1].leads);
            if least != Leads::InACircle {
                found.push(Found { key, least, known });
            }
        }
    }
    found
}

/// The number of questions with another answer in the end, directly and through an alias.
pub(super) fn changing(found: &[Found]) -> (usize, usize) {
    let home = found.iter().filter(|found| found.least == Leads::Home);
    let other = home.filter(|found| found.known[0] != found.known[1]);
    let by_alias = |found: &&Found| found.known.iter().any(|way| way.links.len() > 1);
    let (by_alias, plain): (Vec<&Found>, Vec<&Found>) = other.partition(by_alias);
    (by_alias.len() + plain.len(), by_alias.len())
}

/// The zones without their wildcards, or without their DNAMEs.
fn without(zones: &Zones, is_left_out: &dyn Fn(&RrKey) -> bool) -> Zones {
    let kept = |records: &Records| {
        let kept = records.iter().filter(|(key, _)| !is_left_out(key));
        kept.map(|(key, set)| (key.clone(), set.clone())).collect()
    };
    zones.iter().map(|(name, records)| (name.clone(), kept(records))).collect()
}

/// Zones before the plan and in the end, and what they would be without some records.
pub(super) struct Sorts {
    whole: [Zones; 2],
    without_dnames: [Zones; 2],
    without_wildcards: [Zones; 2],
}

impl Sorts {
    pub(super) fn of(before: &Zones, end: &Zones) -> Self {
        let dname = |key: &RrKey| key.rtype == RrType::DNAME;
        let wildcard = |key: &RrKey| key.name.is_wildcard();
        let both = [before, end];
        Self {
            whole: both.map(Clone::clone),
            without_dnames: both.map(|zones| without(zones, &dname)),
            without_wildcards: both.map(|zones| without(zones, &wildcard)),
        }
    }

    /// Whether a name is an alias that changes, comes, or goes. Below a wildcard or a DNAME this is
    /// checked for the name that stands for all others.
    fn is_led_elsewhere(&self, name: &Name) -> bool {
        let up = name.parent().filter(|_| name.labels().next() == Some(b"any-name"));
        let star = up.as_ref().and_then(|up| up.child("*").ok());
        let keys = [
            Some(RrKey::new(name.clone(), RrType::CNAME)),
            star.map(|star| RrKey::new(star, RrType::CNAME)),
            up.map(|up| RrKey::new(up, RrType::DNAME)),
        ];
        let at =
            |zones: &Zones, key: &RrKey| zones.values().find_map(|zone| zone.get(key).cloned());
        let [before, end] = &self.whole;
        keys.iter().flatten().any(|key| at(before, key) != at(end, key))
    }

    fn has_wildcards(&self) -> bool {
        self.whole != self.without_wildcards
    }

    fn hangs_on(&self, less: &[Zones; 2], links: &[&Link]) -> bool {
        let told = |zones: &Zones, key: &RrKey| way(zones, key).links.first().cloned();
        let mut both = self.whole.iter().zip(less);
        both.any(|(whole, less)| links.iter().any(|(key, _)| told(whole, key) != told(less, key)))
    }

    /// How a path that leads nowhere differs from aliases that change.
    fn sort(&self, found: &Found, bad: &Way, is_together: bool) -> &'static str {
        let is_at = |name: &Name, rtype| {
            let key = RrKey::new(name.clone(), rtype);
            self.whole.iter().flat_map(|zones| zones.values()).any(|zone| zone.contains_key(&key))
        };
        let rtype = found.key.rtype;
        let mut asked = found.known.iter().chain([bad]).flat_map(|way| &way.links);
        if rtype != RrType::A && !asked.any(|(key, _)| is_at(&key.name, rtype)) {
            return OF_NO_OWN_TYPE;
        }
        let is_replaced = |(key, told): &Link| {
            let others = [RrType::A, RrType::AAAA, RrType::TXT, RrType::MX];
            let count = others.iter().filter(|rtype| is_at(&key.name, **rtype)).count();
            *told == Answer::NoData && is_at(&key.name, RrType::CNAME) && count > 1
        };
        if bad.links.last().is_some_and(is_replaced) && self.has_wildcards() {
            return HALF_REPLACED;
        }
        if is_together && self.is_led_elsewhere(&found.key.name) {
            return "";
        }
        // An alias at a name that has no alias record itself.
        let is_borrowed = |(key, told): &Link| {
            matches!(told, Answer::Alias(_)) && !is_at(&key.name, RrType::CNAME)
        };
        let links: Vec<&Link> =
            found.known.iter().chain([bad]).flat_map(|way| &way.links).collect();
        if self.hangs_on(&self.without_dnames, &links) {
            BELOW_A_DNAME
        } else if self.hangs_on(&self.without_wildcards, &links)
            || bad.links.iter().any(is_borrowed)
        {
            BY_A_WILDCARD
        } else {
            ""
        }
    }
}

impl World<'_> {
    /// Names that do not resolve, although they did before and will in the end.
    pub(super) fn of_found(&self) {
        let at_once = (self.ground.plan.atomicity != Atomicity::ChangeSet).then(|| {
            let steps = (self.ground.steps, self.back);
            let plan = self.ground.plan;
            let cache = &self.ground.cache_at_once;
            let (zones, margin) = (self.ground.zones, plan.margin_secs);
            Dns::of(zones, Atomicity::ChangeSet, margin, steps, self.execution, cache)
        });
        let at_once = at_once.as_ref().unwrap_or(&self.dns);
        for found in &self.ground.found {
            let all = self.ways(&self.dns, &found.key);
            let worse: Vec<&Way> = all.iter().filter(|way| way.leads < found.least).collect();
            if worse.is_empty() {
                continue;
            }
            let harm = |way: &Way, is_together: bool, sure: bool| {
                let word = if way.leads == Leads::InACircle { "circle" } else { "nothing" };
                let sort = self.ground.sorts.sort(found, way, is_together);
                let what = format!("{word} {}{sort}", found.key.rtype);
                self.add("resolves", &found.key.name, what, sure);
            };
            let is_well = |way: &&Way| way.leads >= found.least;
            let well: Vec<&Way> = all.iter().chain(&found.known).filter(is_well).collect();
            let is_together = |way: &Way| {
                way.links.iter().all(|link| well.iter().any(|other| other.agrees_with(link)))
            };
            worse.iter().for_each(|way| harm(way, true, is_together(way)));
            for way in self.ways(at_once, &found.key) {
                if way.leads < found.least {
                    harm(&way, is_together(&way), true);
                }
            }
        }
    }

    fn ways(&self, dns: &Dns<'_>, key: &RrKey) -> Vec<Way> {
        let ask = |key: &RrKey| {
            dns.zone(&key.name)?;
            let held = dns.held(key);
            let told = held.iter().filter(|cached| cached.for_longer(0));
            let mut all: Vec<Answer> = Vec::new();
            for told in told.map(|cached| plainly(cached.answer.clone())) {
                if !all.contains(&told) {
                    all.push(told);
                }
            }
            Some(all)
        };
        ways(&ask, key)
    }
}
