//! Reads whole zones by transfer, and RRsets by queries where a query is conclusive.
//!
//! A query does not always show what a zone holds: a server may make an answer from a wildcard or a
//! DNAME, and has no answer below a delegation. An answer is taken as the zone's own only at the
//! apex, or where a name below the owner is proven not to exist. Then the owner exists, and servers
//! make up nothing for names that exist (RFC 4592 §3.3.1). Everything that queries leave open is
//! looked up in a transfer, which is exact.

use std::collections::{BTreeMap, BTreeSet};

use cutover_contract::ProviderError;
use cutover_zone::{Name, RrKey, RrType, Zone};
use tokio::time::timeout;

use crate::api::Request;
use crate::api::answer::{Answer, Rcode, Record};
use crate::api::sequence::Meaning;
use crate::api::tcp::{ExchangeError, Server};
use crate::convert::{self, BadRecord, Collector, Found};
use crate::failure::{What, denied, failed};
use crate::limits::{PROBE_LABEL, QUERIED_RRSETS_MAX, SIGNING_STATE, TRANSFER_MAX};

/// Some RRsets of a zone, and the SOA from before they were read. As long as the SOA stays the
/// same, so do they.
#[derive(Debug)]
pub(crate) struct Live {
    /// The SOA.
    pub(crate) soa: Found,
    /// The RRsets, in the order of the request.
    pub(crate) rrsets: Vec<Option<Found>>,
}

/// What an answer says about an RRset.
enum Reading {
    Absent,
    Present(Found),
    Unsettled,
}

/// Reads these RRsets.
pub(crate) async fn live(
    server: &Server,
    zone: &Name,
    keys: &[RrKey],
) -> Result<Live, ProviderError> {
    let soa = soa(server, zone).await?;
    if keys.len() > QUERIED_RRSETS_MAX {
        let names = keys.iter().map(|key| key.name.clone()).collect();
        let found = found_at(server, zone, &names).await?;
        let rrsets = keys.iter().map(|key| found.get(key).cloned()).collect();
        return Ok(Live { soa, rrsets });
    }
    let mut readings = queried(server, zone, keys).await?;
    doubt_unproven(server, zone, keys, &mut readings).await?;
    let unsettled = keys.iter().zip(&readings);
    let unsettled: BTreeSet<Name> = unsettled
        .filter(|(_, reading)| matches!(reading, Reading::Unsettled))
        .map(|(key, _)| key.name.clone())
        .collect();
    let found = match unsettled.is_empty() {
        true => BTreeMap::new(),
        false => found_at(server, zone, &unsettled).await?,
    };
    let settled = keys.iter().zip(readings).map(|(key, reading)| match reading {
        Reading::Absent => None,
        Reading::Present(rrset) => Some(rrset),
        Reading::Unsettled => found.get(key).cloned(),
    });
    Ok(Live { soa, rrsets: settled.collect() })
}

/// All RRsets at these names, by transfer.
pub(crate) async fn found_at(
    server: &Server,
    zone: &Name,
    names: &BTreeSet<Name>,
) -> Result<BTreeMap<RrKey, Found>, ProviderError> {
    let mut collector = Collector::default();
    transferred(server, zone, None, |answer, record, _| {
        match names.contains(&answer.owner(record)?) {
            true => collector.take(answer, record, zone),
            false => Ok(()),
        }
    })
    .await?;
    collector.finish().map_err(|bad| malformed(zone, &bad))
}

/// These RRsets as the zone has them now, after it held `then`. They are read from what has changed
/// since, if the server keeps that. `keys` are the keys of `then`.
pub(crate) async fn after(
    server: &Server,
    zone: &Name,
    keys: &[RrKey],
    then: &Live,
) -> Result<Live, ProviderError> {
    if keys.len() <= QUERIED_RRSETS_MAX {
        return live(server, zone, keys).await;
    }
    let soa_key = RrKey::new(zone.clone(), RrType::SOA);
    let known = keys.iter().zip(&then.rrsets);
    let known = known.filter_map(|(key, found)| Some((key.clone(), found.clone()?)));
    let mut kept = Collector::of(known.filter(|(key, _)| *key != soa_key));
    let (mut whole, mut soa) = (Collector::default(), Collector::default());
    let keys_set: BTreeSet<&RrKey> = keys.iter().collect();
    let (mut has_changes, mut has_all) = (false, false);
    let since = then.soa.octets.first().map(Vec::as_slice);
    let all = transferred(server, zone, since, |answer, record, meaning| {
        match meaning {
            Meaning::Soa => return soa.take(answer, record, zone),
            Meaning::Version => has_changes = true,
            Meaning::Held => has_all = true,
            Meaning::Gone | Meaning::Come => {}
        }
        if !keys_set.contains(&answer.key(record)?) {
            return Ok(());
        }
        match meaning {
            Meaning::Held => whole.take(answer, record, zone),
            Meaning::Gone => kept.lose(answer, record, zone),
            Meaning::Come => kept.take(answer, record, zone),
            Meaning::Soa | Meaning::Version => Ok(()),
        }
    });
    match all.await {
        Ok(()) if has_changes || has_all => {}
        // The server does not support this request, or has not increased its serial yet.
        Ok(()) | Err(ProviderError::Refused { .. }) => return live(server, zone, keys).await,
        Err(error) => return Err(error),
    }
    let bad = |bad: BadRecord| malformed(zone, &bad);
    let mut found = if has_changes { kept } else { whole }.finish().map_err(bad)?;
    let soa = soa.finish().map_err(bad)?.remove(&soa_key);
    let soa = soa.expect("a transfer begins with the SOA");
    found.insert(soa_key, soa.clone());
    let rrsets = keys.iter().map(|key| found.get(key).cloned()).collect();
    Ok(Live { soa, rrsets })
}

/// The whole zone, without the records of its signer.
pub(crate) async fn zone(server: &Server, origin: &Name) -> Result<Zone, ProviderError> {
    let mut records = Vec::new();
    let mut scratch = Vec::new();
    transferred(server, origin, None, |answer, record, _| {
        // A server may also send a parent's glue, or records below another of its zones.
        if answer.owner(record)?.is_at_or_below(origin) {
            records.push(convert::record(answer, record, origin, &mut scratch)?);
        }
        Ok(())
    })
    .await?;
    convert::zone(origin, records).map_err(|bad| malformed(origin, &bad))
}

/// Calls `each` for each record of the zone, or of what has changed since, without the records of
/// its signer. The records may be used only after this has succeeded.
async fn transferred(
    server: &Server,
    zone: &Name,
    since: Option<&[u8]>,
    mut each: impl FnMut(&Answer, &Record, Meaning) -> Result<(), BadRecord> + Send,
) -> Result<(), ProviderError> {
    let all = async {
        let mut transfer = match server.transfer(zone, since).await {
            Ok(transfer) => transfer,
            Err(error) => return Err(failed(server, zone, What::Transfer, &error).await),
        };
        loop {
            let (answer, meanings) = match transfer.next().await {
                Ok(None) => return Ok(()),
                Ok(Some((answer, meanings))) if answer.rcode() == Rcode::NO_ERROR => {
                    (answer, meanings)
                }
                Ok(Some((answer, _))) => {
                    return Err(denied(server, zone, What::Transfer, answer.rcode()).await);
                }
                Err(error) => return Err(failed(server, zone, What::Transfer, &error).await),
            };
            for (record, meaning) in answer.records().iter().zip(meanings) {
                let shown = match is_of_signer(&answer, record, zone) {
                    Ok(true) => Ok(()),
                    Ok(false) => each(&answer, record, meaning),
                    Err(bad) => Err(bad),
                };
                shown.map_err(|bad| malformed(zone, &bad))?;
            }
        }
    };
    match timeout(TRANSFER_MAX, all).await {
        Ok(result) => result,
        Err(_) => {
            let error = ExchangeError::Silent(TRANSFER_MAX);
            Err(failed(server, zone, What::Transfer, &error).await)
        }
    }
}

/// For most types the type alone tells whether a signer makes them; for the others the owner is
/// needed.
fn is_of_signer(answer: &Answer, record: &Record, zone: &Name) -> Result<bool, BadRecord> {
    match record.rtype() {
        SIGNING_STATE => Ok(convert::is_of_signer(&answer.key(record)?, zone)),
        rtype => Ok(rtype.is_made_by_signer()),
    }
}

async fn soa(server: &Server, zone: &Name) -> Result<Found, ProviderError> {
    let key = RrKey::new(zone.clone(), RrType::SOA);
    let asked = [Request::Query(key.clone())];
    let answers = ask(server, zone, &asked).await?;
    let answer = &answers[0];
    let no_zone = |detail: &str| {
        Err(ProviderError::NoSuchZone { zone: zone.clone(), detail: detail.to_owned() })
    };
    match answer.rcode() {
        Rcode::NO_ERROR if !answer.is_authoritative() => {
            no_zone("the server answers, but not with authority for this zone")
        }
        Rcode::NO_ERROR | Rcode::NX_DOMAIN => match reading(answer, zone, &key)? {
            Reading::Present(soa) => Ok(soa),
            Reading::Absent | Reading::Unsettled => no_zone("the name has no SOA there"),
        },
        rcode => Err(denied(server, zone, What::Query, rcode).await),
    }
}

async fn queried(
    server: &Server,
    zone: &Name,
    keys: &[RrKey],
) -> Result<Vec<Reading>, ProviderError> {
    let asked: Vec<Request> = keys.iter().cloned().map(Request::Query).collect();
    let answers = ask(server, zone, &asked).await?;
    let mut readings = Vec::with_capacity(keys.len());
    for (key, answer) in keys.iter().zip(answers) {
        readings.push(match answer.rcode() {
            Rcode::NO_ERROR | Rcode::NX_DOMAIN => reading(&answer, zone, key)?,
            rcode => return Err(denied(server, zone, What::Query, rcode).await),
        });
    }
    Ok(readings)
}

/// Reads an answer as it is, without asking whether its owner exists.
fn reading(answer: &Answer, zone: &Name, key: &RrKey) -> Result<Reading, ProviderError> {
    // Zones are read without these records, and so are RRsets.
    if convert::is_of_signer(key, zone) {
        return Ok(Reading::Absent);
    }
    // A referral is not authoritative, but what is below a delegation still belongs to the zone.
    if !answer.is_authoritative() || answer.is_truncated() {
        return Ok(Reading::Unsettled);
    }
    let mut collector = Collector::default();
    let collected = (|| {
        for record in answer.records() {
            // A CNAME, and the records it leads to, do not have this name and type.
            if record.rtype() == key.rtype && answer.owner(record)? == key.name {
                collector.take(answer, record, zone)?;
            }
        }
        Ok(collector.finish()?.remove(key))
    })();
    match collected.map_err(|bad: BadRecord| malformed(zone, &bad))? {
        Some(found) => Ok(Reading::Present(found)),
        None => Ok(Reading::Absent),
    }
}

/// Turns readings that may come from a wildcard or a DNAME into unsettled ones.
async fn doubt_unproven(
    server: &Server,
    zone: &Name,
    keys: &[RrKey],
    readings: &mut [Reading],
) -> Result<(), ProviderError> {
    let present = keys.iter().zip(&*readings);
    let names: BTreeSet<&Name> = present
        .filter(|(key, reading)| matches!(reading, Reading::Present(_)) && key.name != *zone)
        .map(|(key, _)| &key.name)
        .collect();
    // A name that is too long to have a name below it stays unsettled.
    let probes = names.into_iter().filter_map(|name| Some((name, name.child(PROBE_LABEL).ok()?)));
    let (names, asked): (Vec<&Name>, Vec<Request>) =
        probes.map(|(name, below)| (name, Request::Query(RrKey::new(below, RrType::TXT)))).unzip();
    let answers = ask(server, zone, &asked).await?;
    let proven: BTreeSet<&Name> = names
        .into_iter()
        .zip(answers)
        .filter(|(_, answer)| answer.rcode() == Rcode::NX_DOMAIN && answer.is_authoritative())
        .map(|(name, _)| name)
        .collect();
    for (key, reading) in keys.iter().zip(readings) {
        let is_proven = key.name == *zone || proven.contains(&key.name);
        if matches!(reading, Reading::Present(_)) && !is_proven {
            *reading = Reading::Unsettled;
        }
    }
    Ok(())
}

async fn ask(
    server: &Server,
    zone: &Name,
    asked: &[Request],
) -> Result<Vec<Answer>, ProviderError> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    match server.ask(asked).await {
        Ok(answers) => Ok(answers),
        Err(error) => Err(failed(server, zone, What::Query, &error).await),
    }
}

fn malformed(zone: &Name, bad: &BadRecord) -> ProviderError {
    ProviderError::Malformed { zone: zone.clone(), detail: bad.to_string() }
}
