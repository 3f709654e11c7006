//! Which zones of a plan refer to which: by the targets of their records, and by what SPF looks up.

use std::collections::{BTreeMap, BTreeSet};

use cutover_zone::{Name, Rdata};

use crate::intent::Intent;
use crate::observe::Snapshot;
use cutover_mail::spf::{SpfRecord, Target, Term};

/// For each of these zones, the other zones of the plan that its records lead to, directly or by
/// way of other zones, now and in the end.
#[must_use]
pub(super) fn reads(
    intent: &Intent,
    versions: [&Snapshot; 2],
    zones: &BTreeSet<Name>,
) -> BTreeMap<Name, BTreeSet<Name>> {
    if intent.zones.len() < 2 {
        return BTreeMap::new();
    }
    let direct = directly(intent, versions);
    let all_of = |zone: &Name| {
        let mut all: BTreeSet<Name> = BTreeSet::new();
        let mut open: Vec<&Name> = vec![zone];
        while let Some(next) = open.pop() {
            let into = direct.get(next).into_iter().flatten();
            open.extend(into.filter(|into| *into != zone && all.insert((*into).clone())));
        }
        all
    };
    let found = zones.iter().map(|zone| (zone.clone(), all_of(zone)));
    found.filter(|(_, into)| !into.is_empty()).collect()
}

/// For each zone, the zones that its own records lead to.
fn directly(intent: &Intent, versions: [&Snapshot; 2]) -> BTreeMap<Name, BTreeSet<Name>> {
    let mut found: BTreeMap<Name, BTreeSet<Name>> = BTreeMap::new();
    for (zone, seen) in versions.iter().flat_map(|snapshot| &snapshot.zones) {
        for (key, rrset) in &seen.zone.rrsets {
            let targets = rrset.rdata().iter().flat_map(|rdata| targets(&key.name, rdata));
            for target in targets {
                let into: Vec<&Name> = match &target {
                    Some(name) => intent.zone_of(name).into_iter().collect(),
                    // A name that depends on the client may be any name.
                    None => intent.zones.keys().collect(),
                };
                let others: Vec<Name> =
                    into.into_iter().filter(|other| *other != zone).cloned().collect();
                if !others.is_empty() {
                    found.entry(zone.clone()).or_default().extend(others);
                }
            }
        }
    }
    found
}

/// The names that a record leads to; `None`: a name that is not known in advance.
fn targets(owner: &Name, rdata: &Rdata) -> Vec<Option<Name>> {
    if let Some(spf) = SpfRecord::of_rdata(rdata) {
        return spf.terms.iter().filter_map(|term| of_term(owner, term)).collect();
    }
    rdata.leads_to().into_iter().map(Some).collect()
}

fn of_term(owner: &Name, term: &Term) -> Option<Option<Name>> {
    if term.hangs_on_the_client() {
        return Some(None);
    }
    match term.target(owner) {
        Some(Target::Record(name) | Target::Exchanges(name) | Target::Addresses(name)) => {
            Some(Some(name))
        }
        None => term.existence().map(Some),
    }
}
