//! The plan's zones as they are in the end, as far as this matters to the meaning of names: MX
//! records, addresses of exchanges, records for mail clients, and the plan's other records.
//!
//! SPF and DKIM are left out, and TTLs have no meaning here.

use std::collections::BTreeSet;
use std::net::IpAddr;

use cutover_zone::{Name, Rdata, RrKey, RrSet, RrType, Ttl};

use crate::intent::{Exchange, Intent};
use crate::observe::Snapshot;
use cutover_mail::spf::SpfRecord;

/// The records of one type among the addresses that the plan publishes for an exchange.
#[must_use]
pub fn published(exchange: &Exchange, rtype: RrType) -> Vec<Rdata> {
    let all = exchange.addresses.iter().map(|address| match address {
        IpAddr::V4(v4) => Rdata::a(*v4),
        IpAddr::V6(v6) => Rdata::aaaa(*v6),
    });
    all.filter(|rdata| rdata.rtype() == rtype).collect()
}

/// What was seen, with everything that the plan changes.
#[must_use]
pub fn in_the_end(intent: &Intent, snapshot: &Snapshot) -> Snapshot {
    let mut end = snapshot.clone();
    for domain in &intent.moves {
        let mx = domain.to.exchanges.iter().map(|e| Rdata::mx(e.preference, &e.name.value));
        set(&mut end, &domain.domain.value, RrType::MX, mx.collect());
        for exchange in domain.to.exchanges.iter().filter(|e| !e.addresses.is_empty()) {
            for rtype in [RrType::A, RrType::AAAA] {
                set(&mut end, &exchange.name.value, rtype, published(exchange, rtype));
            }
        }
    }
    for domain in &intent.moves {
        for (key, rdata) in &domain.from.discovery {
            // Remove only what the old host really publishes there.
            let live = end.zone_of(&key.name).and_then(|zone| zone.get(key));
            if live.is_some_and(|live| live.rdata() == [rdata.value.clone()]) {
                set(&mut end, &key.name, key.rtype, Vec::new());
            }
        }
        for (key, rdata) in &domain.to.discovery {
            set(&mut end, &key.name, key.rtype, vec![rdata.value.clone()]);
        }
    }
    let moving: BTreeSet<&Name> =
        intent.moves.iter().map(|domain_move| &domain_move.domain.value).collect();
    for record in &intent.records {
        let mut rdata = record.to.clone().unwrap_or_default();
        let is_spf = |rdata: &&Rdata| SpfRecord::of_rdata(rdata).is_some();
        // TXT records next to the SPF record of a domain that moves leave that record alone.
        if moving.contains(&record.name.value)
            && record.rtype.value == RrType::TXT
            && !rdata.iter().any(|rdata| is_spf(&rdata))
        {
            let live = end.zone_of(&record.name.value).and_then(|zone| zone.get(&record.key()));
            rdata.extend(live.into_iter().flat_map(RrSet::rdata).filter(is_spf).cloned());
        }
        set(&mut end, &record.name.value, record.rtype.value, rdata);
    }
    end
}

/// Replaces the records of this type; with no records, removes them.
fn set(end: &mut Snapshot, name: &Name, rtype: RrType, rdata: Vec<Rdata>) {
    let Some(zone) = end.zone_of(name).map(|seen| seen.zone.origin.clone()) else { return };
    let Some(seen) = end.zones.get_mut(&zone) else { return };
    let key = RrKey::new(name.clone(), rtype);
    if rdata.is_empty() {
        seen.zone.rrsets.remove(&key);
        return;
    }
    let rrset = RrSet::new(Ttl::ZERO, rdata)
        .expect("decoding refuses records that make no RRset, and hosts' are of one type");
    // A CNAME must be alone at its name (RFC 1034 §3.6.2).
    let there: Vec<RrType> = seen.zone.at(name).map(|(other, _)| other).collect();
    for other in there.into_iter().filter(|o| rtype == RrType::CNAME || *o == RrType::CNAME) {
        seen.zone.rrsets.remove(&RrKey::new(name.clone(), other));
    }
    seen.zone.rrsets.insert(key, rrset);
}
