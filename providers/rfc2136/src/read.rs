//! Reading: whole zones by transfer, and RRsets by queries where a query can tell.
//!
//! A query cannot always tell what a zone holds: an answer may be made from a wildcard or a DNAME,
//! and below a delegation there is none. An answer is taken as the zone's own only at the apex, or
//! where a name below the owner is proven not to exist: then the owner exists, and nothing is made
//! up for names that exist (RFC 4592 §3.3.1). Whatever queries do not settle is looked up in a
//! transfer, which is exact.

use std::collections::{BTreeMap, BTreeSet};

use cutover_contract::{Name, ProviderError, RrKey, RrType, Zone};
use tokio::time::timeout;

use crate::api::Request;
use crate::api::answer::{Answer, Rcode, Record};
use crate::api::sequence::Meaning;
use crate::api::tcp::{ExchangeError, Server};
use crate::convert::{self, BadRecord, Collector, Found};
use crate::failure::{What, denied, failed};
use crate::limits::{PROBE_LABEL, QUERIED_RRSETS_MAX, SIGNING_STATE, TRANSFER_MAX};

/// Some RRsets of a zone, and its SOA from before they were read: while the SOA is the same, so
/// are they.
#[derive(Debug)]
pub(crate) struct Live {
    /// The SOA.
    pub(crate) soa: Found,
    /// The RRsets, in the order in which they were asked for.
    pub(crate) rrsets: Vec<Option<Found>>,
}

/// What one answer says of one RRset.
enum Reading {
    Absent,
    Present(Found),
    Unsettled,
}

/// Reads some RRsets.
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

/// Everything at these names, by transfer.
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

/// Some RRsets of a zone as it is now, which once held `then`: by what has changed since, where the
/// server keeps that. `keys` are those of `then`.
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
        // The server does not know this kind of question, or has not counted its serial on yet.
        Ok(()) | Err(ProviderError::Refused { .. }) => return live(server, zone, keys).await,
        Err(error) => return Err(error),
    }
    let bad = |bad: BadRecord| malformed(zone, &bad);
    let mut found = if has_changes { kept } else { whole }.finish().map_err(bad)?;
    let soa = soa.finish().map_err(bad)?.remove(&soa_key);
    let soa = soa.expect("a transfer begins with it");
    found.insert(soa_key, soa.clone());
    let rrsets = keys.iter().map(|key| found.get(key).cloned()).collect();
    Ok(Live { soa, rrsets })
}

/// The whole zone, its signer's records left out.
pub(crate) async fn zone(server: &Server, origin: &Name) -> Result<Zone, ProviderError> {
    let mut records = Vec::new();
    let mut scratch = Vec::new();
    transferred(server, origin, None, |answer, record, _| {
        // Servers that hold a parent's glue, or what lies below another zone of theirs, may send it.
        if answer.owner(record)?.is_at_or_below(origin) {
            records.push(convert::record(answer, record, origin, &mut scratch)?);
        }
        Ok(())
    })
    .await?;
    convert::zone(origin, records).map_err(|bad| malformed(origin, &bad))
}

/// Shows each record of the zone, or of what has changed since, to `each`, its signer's left out.
/// What was shown counts only when this has ended well.
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

/// Most types say of themselves whether a signer makes them; the owner is looked up for the others.
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

/// Takes an answer at its word; whether its owner exists is another question.
fn reading(answer: &Answer, zone: &Name, key: &RrKey) -> Result<Reading, ProviderError> {
    // A zone is read without these, and so are its RRsets.
    if convert::is_of_signer(key, zone) {
        return Ok(Reading::Absent);
    }
    // A referral has no authority. What is below a delegation is the zone's own all the same.
    if !answer.is_authoritative() || answer.is_truncated() {
        return Ok(Reading::Unsettled);
    }
    let mut collector = Collector::default();
    let collected = (|| {
        for record in answer.records() {
            // A CNAME, and what it leads to, is no record of this name and type.
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

/// Takes back what may have been made from a wildcard or a DNAME.
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
    // A name that is too long to have one below it stays in doubt.
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
