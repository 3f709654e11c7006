//! Which zones of a plan lead into which: by the targets of their records, and by what SPF looks up.

use std::collections::{BTreeMap, BTreeSet};

use cutover_contract::{Name, Rdata};

use crate::intent::Intent;
use crate::observe::Snapshot;
use crate::spf::{SpfRecord, Target, Term};

/// For each of these zones the others of the plan that its records lead into, as they are and as they
/// will be.
#[must_use]
pub(super) fn reads(
    intent: &Intent,
    versions: [&Snapshot; 2],
    zones: &BTreeSet<Name>,
) -> BTreeMap<Name, BTreeSet<Name>> {
    let mut found: BTreeMap<Name, BTreeSet<Name>> = BTreeMap::new();
    if intent.zones.len() < 2 {
        return found;
    }
    for snapshot in versions {
        for (zone, seen) in snapshot.zones.iter().filter(|(zone, _)| zones.contains(*zone)) {
            for (key, rrset) in &seen.zone.rrsets {
                for rdata in rrset.rdata() {
                    for target in targets(&key.name, rdata) {
                        let into = match &target {
                            Some(name) => intent.zone_of(name).into_iter().collect(),
                            // A name that hangs on the client may be any.
                            None => intent.zones.keys().collect::<Vec<_>>(),
                        };
                        let others = into.into_iter().filter(|other| *other != zone);
                        let others: Vec<Name> = others.cloned().collect();
                        if !others.is_empty() {
                            found.entry(zone.clone()).or_default().extend(others);
                        }
                    }
                }
            }
        }
    }
    found
}

/// The names that a record leads to; `None`: one that nobody knows in advance.
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
