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

use std::collections::{BTreeMap, BTreeSet};

use cutover_contract::{
    Change, ChangeSet, Name, ProviderError, Receipt, RrKey, RrSet, RrType, Unwritable,
};
use cutover_kit::check::{self, Checked};
use cutover_kit::{AsBefore, Written, alone, apex, compare, serial, unsupported};

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
        let found: BTreeMap<&RrKey, &RrSet> = found(&keys, rrsets);
        compare(changes, |key| found.get(key).copied())?;
        check_beside(server, changes, found.into_keys()).await?;
        let own = &rrsets[..changes.changes().len()];
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
        for single in check::one_by_one(set) {
            checked.note(check_each(&single))?;
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
    unsupported(changes.zone(), &changes.changes()[0].key, why)
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
    for change in changes.changes() {
        let key = &change.key;
        let why = match apex(changes.zone(), change) {
            Some(why) => why,
            None if convert::is_of_signer(key, changes.zone()) => {
                "the server's signer makes such records"
            }
            None => continue,
        };
        return Err(unsupported(changes.zone(), key, why));
    }
    Ok(())
}

/// What was found, in the order of the keys, by its key.
fn found<'l>(keys: &'l [RrKey], rrsets: &'l [Option<Found>]) -> BTreeMap<&'l RrKey, &'l RrSet> {
    let there = keys.iter().zip(rrsets);
    there.filter_map(|(key, found)| Some((key, &found.as_ref()?.rrset))).collect()
}

/// A CNAME and other data at one name, of this change set or of the zone: a server says NOERROR and
/// ignores either (RFC 2136 §3.4.2.2). `held` are the changes' own keys and the CNAMEs at their names.
/// What else is at the name of a new CNAME is shown by a transfer only; while the SOA stays the same
/// it stays true.
async fn check_beside(
    server: &Server,
    changes: &ChangeSet,
    held: impl IntoIterator<Item = &RrKey>,
) -> Result<(), ProviderError> {
    alone(changes, held, &[RrType::CNAME])?;
    // Where there is a CNAME already, there is nothing else.
    let is_new_cname =
        |c: &&Change| c.key.rtype == RrType::CNAME && c.before.is_none() && c.after.is_some();
    let new = changes.changes().iter().filter(is_new_cname);
    let names: BTreeSet<Name> = new.map(|cname| cname.key.name.clone()).collect();
    if names.is_empty() {
        return Ok(());
    }
    let found = read::found_at(server, changes.zone(), &names).await?;
    alone(changes, found.keys(), &[RrType::CNAME])
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
    let written = Written {
        changes,
        peer: server.address.to_string(),
        said: "the server said NOERROR",
        as_before: AsBefore::Ignored,
    };
    let keys: Vec<RrKey> = changes.changes().iter().map(|change| change.key.clone()).collect();
    let live = read::after(server, changes.zone(), &keys, before).await;
    let Live { soa, rrsets } = live.map_err(|error| written.unread(&error))?;
    let found = found(&keys, &rrsets);
    written.judge(|key| found.get(key).copied())?;
    Ok(Receipt { serial: serial::of(&soa.rrset), read_back: true })
}

fn in_doubt(server: &Server, zone: &Name, detail: String) -> ProviderError {
    ProviderError::InDoubt { zone: zone.clone(), peer: server.address.to_string(), detail }
}
