//! Compare-and-set: one UPDATE message for a whole change set.
//!
//! ```text
//!  read ──▶ compare ──▶ send ──▶ NOERROR ──▶ read back ──▶ as asked: done
//!   ▲          │          │                      └───────▶ otherwise: refused, or in doubt
//!   │          ▼          ├──▶ no answer: in doubt
//!   │       conflict      └──▶ prerequisite failed ─┐
//!   └───────── at most ATTEMPTS_MAX times ──────────┘
//! ```
//!
//! The server compares values and the SOA serial in the transaction that makes the change; TTLs are
//! compared here, and stand as they were read while the serial does.

use std::collections::BTreeSet;

use cutover_contract::check::{self, Checked};
use cutover_contract::{
    Change, ChangeSet, Name, ProviderError, Receipt, RrKey, RrSet, RrType, Unwritable,
};

use crate::api::answer::Rcode;
use crate::api::tcp::{ExchangeError, Server};
use crate::api::tsig::{ExchangeProblem, SignatureError};
use crate::api::{Request, Update};
use crate::convert::{self, Found};
use crate::failure::{What, denied, failed};
use crate::limits::{ATTEMPTS_MAX, MESSAGE_OCTETS_MAX};
use crate::read::{self, Live};

enum Sent {
    Done,
    /// A prerequisite did not hold; nothing was changed.
    Stale,
}

/// Compares every `before` and makes the changes, all of them or none.
pub(crate) async fn apply(server: &Server, changes: &ChangeSet) -> Result<Receipt, ProviderError> {
    check_each(changes)?;
    let zone = changes.zone();
    let keys = keys_to_read(changes);
    let mut stale: Option<Found> = None;
    for _ in 0..ATTEMPTS_MAX {
        let live = read::live(server, zone, &keys).await?;
        let Live { soa, rrsets } = &live;
        if stale.as_ref() == Some(soa) {
            // Whatever the server compares with, it is not what it serves.
            return Err(ProviderError::Refused {
                zone: zone.clone(),
                detail: OTHER_SOA.to_owned(),
            });
        }
        let (own, cnames) = rrsets.split_at(changes.changes().len());
        compare(changes, own)?;
        check_beside_cname(changes, &keys[own.len()..], cnames)?;
        check_cname_beside(server, changes).await?;
        match send(server, changes, convert::update(changes, soa, own)).await? {
            Sent::Done => return read_back(server, changes, &live).await,
            Sent::Stale => stale = Some(live.soa),
        }
    }
    Err(ProviderError::Conflict {
        zone: zone.clone(),
        key: RrKey::new(zone.clone(), RrType::SOA),
        live: stale.map(|found| found.rrset),
    })
}

/// What of these change sets cannot be written. Which types are at a name is known from a transfer.
pub(crate) async fn check(
    server: &Server,
    zone: &Name,
    sets: &[ChangeSet],
) -> Result<Vec<Unwritable>, ProviderError> {
    let soa_key = RrKey::new(zone.clone(), RrType::SOA);
    let soa = read::live(server, zone, &[]).await?.soa;
    let touched = check::touched(sets);
    let is_new = |change: &Change| change.before.is_none() && change.after.is_some();
    let held = match sets.iter().flat_map(ChangeSet::changes).any(is_new) {
        true => Some(read::zone(server, zone).await?),
        false => None,
    };
    let there =
        |name: &Name| held.iter().flat_map(|zone| zone.at(name)).map(|(rtype, _)| rtype).collect();
    let mut checked = Checked::default();
    for set in sets {
        for one in check::one_by_one(set) {
            checked.note(check_each(&one))?;
        }
        for Unwritable { key, why } in check::beside_cname(set, &touched, there) {
            checked.add(key, why);
        }
        let own = set.changes().iter().map(|Change { key, before, .. }| match *key == soa_key {
            true => Some(soa.clone()),
            false => before.as_ref().map(Found::of),
        });
        let own: Vec<Option<Found>> = own.collect();
        let octets = server.octets_of(&Request::Update(convert::update(set, &soa, &own)));
        if octets > MESSAGE_OCTETS_MAX {
            checked.note(Err(too_large(set, octets)))?;
        }
    }
    Ok(checked.found())
}

fn too_large(changes: &ChangeSet, octets: usize) -> ProviderError {
    let why = format!(
        "the change set takes {octets} octets, and a message has {MESSAGE_OCTETS_MAX}: let less of it \
         change together"
    );
    unsupported(changes.zone(), &changes.changes()[0].key, &why)
}

const OTHER_SOA: &str = "the server compares prerequisites with another SOA than it serves; BIND \
     does so for zones with `inline-signing yes`";

/// The changes' own keys first, then the CNAMEs that additions may meet.
fn keys_to_read(changes: &ChangeSet) -> Vec<RrKey> {
    let mut keys: Vec<RrKey> = changes.changes().iter().map(|change| change.key.clone()).collect();
    let added = changes.changes().iter().filter(|c| c.before.is_none() && c.after.is_some());
    // A name that has other data of this change set has no CNAME, and the apex never has one.
    let own: BTreeSet<&RrKey> = keys.iter().collect();
    let cnames: BTreeSet<RrKey> = added
        .map(|change| RrKey::new(change.key.name.clone(), RrType::CNAME))
        .filter(|key| key.name != *changes.zone() && !own.contains(key))
        .collect();
    keys.extend(cnames);
    keys
}

/// Refuses what an UPDATE cannot do, whatever the zone holds.
fn check_each(changes: &ChangeSet) -> Result<(), ProviderError> {
    check::opaque(changes)?;
    for Change { key, before, after } in changes.changes() {
        let is_apex = key.name == *changes.zone();
        let why = match (key.rtype, before, after) {
            (RrType::SOA, ..) if !is_apex => "an SOA stands at the apex of a zone only",
            (RrType::SOA, None, _) => "a zone that is served has an SOA already",
            (RrType::SOA, _, None) => "a zone cannot lose its SOA",
            (RrType::SOA, Some(before), Some(after)) if !is_later(after, before) => {
                "servers ignore an SOA whose serial is not higher than the one before"
            }
            (RrType::NS, _, None) if is_apex => "a zone cannot lose the NS records of its apex",
            _ if convert::is_of_signer(key, changes.zone()) => {
                "the server's signer makes such records"
            }
            // RFC 6895 §3.1: types 128 to 255 are questions and transaction records; 41 is OPT.
            (rtype, ..) if matches!(rtype.number(), 0 | 41 | 128..=255) => {
                "no zone holds records of this type"
            }
            _ => continue,
        };
        return Err(unsupported(changes.zone(), key, why));
    }
    Ok(())
}

fn is_later(after: &RrSet, before: &RrSet) -> bool {
    match (convert::serial(after), convert::serial(before)) {
        (Some(after), Some(before)) => convert::is_later(after, before),
        (None, _) | (_, None) => false,
    }
}

fn compare(changes: &ChangeSet, live: &[Option<Found>]) -> Result<(), ProviderError> {
    for (Change { key, before, after: _ }, live) in changes.changes().iter().zip(live) {
        let live = live.as_ref().map(|found| &found.rrset);
        if live != before.as_ref() {
            return Err(ProviderError::Conflict {
                zone: changes.zone().clone(),
                key: key.clone(),
                live: live.cloned(),
            });
        }
    }
    Ok(())
}

/// Other data beside a CNAME: a server says NOERROR and ignores them (RFC 2136 §3.4.2.2).
fn check_beside_cname(
    changes: &ChangeSet,
    cname_keys: &[RrKey],
    cnames: &[Option<Found>],
) -> Result<(), ProviderError> {
    let there = cname_keys.iter().zip(cnames).filter(|(_, found)| found.is_some());
    let there: BTreeSet<&Name> = there.map(|(key, _)| &key.name).collect();
    let beside =
        changes.changes().iter().find(|c| c.after.is_some() && there.contains(&c.key.name));
    match beside {
        None => Ok(()),
        Some(change) => Err(unsupported(
            changes.zone(),
            &change.key,
            "the name has a CNAME, and a CNAME stands alone",
        )),
    }
}

/// A CNAME beside other data, of this change set or of the zone: ignored as well. Only a transfer
/// shows all types of a name; while the SOA stays the same it stays true.
async fn check_cname_beside(server: &Server, changes: &ChangeSet) -> Result<(), ProviderError> {
    let zone = changes.zone();
    let set = |key: &RrKey| changes.changes().iter().find(|change| change.key == *key);
    let is_cname = |c: &&Change| c.key.rtype == RrType::CNAME && c.after.is_some();
    let cnames: Vec<&Change> = changes.changes().iter().filter(is_cname).collect();
    for cname in &cnames {
        let mut others = changes.changes().iter().filter(|c| c.after.is_some());
        if others.any(|c| c.key.name == cname.key.name && c.key.rtype != RrType::CNAME) {
            return Err(unsupported(zone, &cname.key, "other records are to stand beside it"));
        }
    }
    // Where there is a CNAME already, there is nothing else.
    let new = cnames.into_iter().filter(|cname| cname.before.is_none());
    let names: BTreeSet<Name> = new.map(|cname| cname.key.name.clone()).collect();
    if names.is_empty() {
        return Ok(());
    }
    for key in read::found_at(server, zone, &names).await?.into_keys() {
        if set(&key).is_none() {
            let cname = RrKey::new(key.name.clone(), RrType::CNAME);
            let why = format!("the name has {} records, and a CNAME stands alone", key.rtype);
            return Err(unsupported(zone, &cname, &why));
        }
    }
    Ok(())
}

async fn send(server: &Server, changes: &ChangeSet, update: Update) -> Result<Sent, ProviderError> {
    let zone = changes.zone();
    let answer = match server.update(&Request::Update(update)).await {
        Ok(answer) => answer,
        Err(error) => return Err(not_sent(server, changes, &error).await),
    };
    match answer.rcode() {
        Rcode::NO_ERROR => Ok(Sent::Done),
        Rcode::NX_DOMAIN | Rcode::YX_DOMAIN | Rcode::YX_RRSET | Rcode::NX_RRSET => Ok(Sent::Stale),
        rcode => Err(denied(server, zone, What::Update, rcode).await),
    }
}

/// An update without an answer that can be believed: unless nothing was sent, or the server did not
/// know us, it may have been made.
async fn not_sent(server: &Server, changes: &ChangeSet, error: &ExchangeError) -> ProviderError {
    match error {
        ExchangeError::TooLarge { octets } => too_large(changes, *octets),
        ExchangeError::Connect(_)
        | ExchangeError::ConnectTimeout
        | ExchangeError::Problem(ExchangeProblem::Signature(SignatureError::NotAccepted(_))) => {
            failed(server, changes.zone(), What::Update, error).await
        }
        ExchangeError::Broken(_) | ExchangeError::Silent(_) | ExchangeError::Problem(_) => {
            in_doubt(server, changes.zone(), error.to_string())
        }
    }
}

/// Looks at what the server made of it: one that says NOERROR may have ignored a part. What was live
/// before begins with what the changes are about.
async fn read_back(
    server: &Server,
    changes: &ChangeSet,
    before: &Live,
) -> Result<Receipt, ProviderError> {
    let zone = changes.zone();
    let keys: Vec<RrKey> = changes.changes().iter().map(|change| change.key.clone()).collect();
    let Live { soa, rrsets } = match read::after(server, zone, &keys, before).await {
        Ok(live) => live,
        Err(error) => {
            let detail = format!("the server said NOERROR, and reading back failed: {error}");
            return Err(in_doubt(server, zone, detail));
        }
    };
    let shown: Vec<Option<&RrSet>> =
        rrsets.iter().map(|found| found.as_ref().map(|found| &found.rrset)).collect();
    let pairs = || changes.changes().iter().zip(&shown);
    let other = pairs().find(|(c, live)| !convert::is_as_asked(&c.key, **live, c.after.as_ref()));
    let Some((change, live)) = other else {
        return Ok(Receipt { serial: convert::serial(&soa.rrset), read_back: true });
    };
    let key = &change.key;
    match pairs().all(|(change, live)| *live == change.before.as_ref()) {
        true => Err(ProviderError::Refused {
            zone: zone.clone(),
            detail: format!("the server said NOERROR and left {key} as it was"),
        }),
        false => {
            let is = live.map_or("is absent".to_owned(), |live| format!("is {live:?}"));
            let detail = format!("the server said NOERROR, and afterwards {key} {is}");
            Err(in_doubt(server, zone, detail))
        }
    }
}

fn in_doubt(server: &Server, zone: &Name, detail: String) -> ProviderError {
    ProviderError::InDoubt { zone: zone.clone(), peer: server.address.to_string(), detail }
}

fn unsupported(zone: &Name, key: &RrKey, why: &str) -> ProviderError {
    ProviderError::Unsupported { zone: zone.clone(), key: key.clone(), why: why.to_owned() }
}
