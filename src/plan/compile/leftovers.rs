//! What still leads to the old host when everything is done. Switching off the host breaks these
//! records.

use std::collections::BTreeSet;

use cutover_zone::{Name, Rdata, RrKey, RrSet, RrType};

use crate::proof::draft::Draft;
use cutover_steps::graph::MovePoint;

/// Records with the old host's addresses in the end, and records that lead to their names, as lines
/// of a master file. Empty if the plan does not release the old host.
pub(super) fn at_old(draft: &Draft<'_>) -> Vec<String> {
    if draft.point(MovePoint::Release).is_none() {
        return Vec::new();
    }
    let zones = || draft.end.zones.values().flat_map(|zone| &zone.zone.rrsets);
    let is_old = |rdata: &Rdata| rdata.ip().is_some_and(|ip| draft.parties.is_at_old(ip));
    let mut names: BTreeSet<Name> = zones()
        .filter(|(_, rrset)| rrset.rdata().iter().any(is_old))
        .map(|(key, _)| key.name.clone())
        .collect();
    // Aliases of aliases: each round finds another name, or is the last.
    loop {
        let more: Vec<Name> = zones()
            .filter(|(key, rrset)| {
                key.rtype == RrType::CNAME && !names.contains(&key.name) && leads_to(rrset, &names)
            })
            .map(|(key, _)| key.name.clone())
            .collect();
        if more.is_empty() {
            break;
        }
        names.extend(more);
    }
    let found = zones().flat_map(|(key, rrset)| {
        let RrKey { name, rtype } = key;
        let records = rrset.rdata().iter().filter(|rdata| is_old(rdata) || to(rdata, &names));
        records.map(move |rdata| format!("{name} {rtype} {rdata}"))
    });
    found.collect()
}

fn leads_to(rrset: &RrSet, names: &BTreeSet<Name>) -> bool {
    rrset.rdata().iter().any(|rdata| to(rdata, names))
}

/// Whether a record leads to one of these names. NS records do not count: who serves a zone has
/// nothing to do with its mail host.
fn to(rdata: &Rdata, names: &BTreeSet<Name>) -> bool {
    !matches!(rdata.rtype(), RrType::NS | RrType::PTR)
        && rdata.leads_to().is_some_and(|target| names.contains(&target))
}
