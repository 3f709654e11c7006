//! Compare-and-set: a single UPDATE message for a whole change set.
//!
//! ```text
//!  read ──▶ compare ──▶ send ──▶ NOERROR ──▶ read back ──▶ as requested: done
//!   ▲          │          │                      └───────▶ otherwise: refused, or in doubt
//!   │          ▼          ├──▶ no answer: in doubt
//!   │       conflict      └──▶ prerequisite failed ─┐
//!   └───────── at most ATTEMPTS_MAX times ──────────┘
//! ```
//!
//! The server compares the values and the SOA serial in the same transaction as the change. TTLs
//! are compared here; as long as the serial does not move, they stay as they were read.
//!
//! If many names are new, the zone is not read first: the server is told to create them only if it
//! has nothing at any of them. If it has, the zone is read as for every other change.

use std::collections::{BTreeMap, BTreeSet};

use cutover_contract::{Change, ChangeSet, ProviderError, Receipt, Unwritable};
use cutover_kit::check::{self, Checked};
use cutover_kit::{AsBefore, Written, alone, apex, compare, serial, unsupported};
use cutover_zone::{Name, RrKey, RrSet, RrType};

use crate::api::answer::Rcode;
use crate::api::tcp::{ExchangeError, Server};
use crate::api::tsig::{ExchangeProblem, SignatureError};
use crate::api::{Request, Update};
use crate::convert::{self, Found};
use crate::failure::{What, denied, failed};
use crate::limits::{ATTEMPTS_MAX, MESSAGE_OCTETS_MAX, QUERIED_RRSETS_MAX};
use crate::read::{self, Live};

enum Sent {
    Done,
    /// A prerequisite failed; nothing was changed.
    Stale,
}

/// Compares every `before` and makes the changes, all of them or none.
pub(crate) async fn apply(server: &Server, changes: &ChangeSet) -> Result<Receipt, ProviderError> {
    check_each(changes)?;
    let zone = changes.zone();
    if is_of_new_names(changes)
        && let Some(receipt) = create(server, changes).await?
    {
        return Ok(receipt);
    }
    let keys = keys_to_read(changes);
    let mut stale: Option<Found> = None;
    for _ in 0..ATTEMPTS_MAX {
        let live = read::live(server, zone, &keys).await?;
        let Live { soa, rrsets } = &live;
        if stale.as_ref() == Some(soa) {
            // The server compares with something other than what it serves.
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

/// Whether a change set creates so many RRsets that reading the zone first would cost more than
/// asking the server to compare.
fn is_of_new_names(changes: &ChangeSet) -> bool {
    let creates = |change: &Change| change.before.is_none() && change.after.is_some();
    let changes = changes.changes();
    changes.len() > QUERIED_RRSETS_MAX && changes.iter().all(creates)
}

/// Creates RRsets if the zone has nothing at their names; `None` if it has, or if it has changed
/// meanwhile. Nothing is changed then.
async fn create(server: &Server, changes: &ChangeSet) -> Result<Option<Receipt>, ProviderError> {
    alone(changes, [], &[RrType::CNAME])?;
    let soa = read::live(server, changes.zone(), &[]).await?.soa;
    match send(server, changes, convert::creation(changes, &soa)).await? {
        Sent::Done => {
            let nothing = vec![None; changes.changes().len()];
            read_back(server, changes, &Live { soa, rrsets: nothing }).await.map(Some)
        }
        Sent::Stale => Ok(None),
    }
}

/// Which changes of these change sets cannot be written. A transfer shows the types at each name.
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
        "the change set needs {octets} octets, but a message has {MESSAGE_OCTETS_MAX}; change less \
         of it together"
    );
    unsupported(changes.zone(), &changes.changes()[0].key, why)
}

const OTHER_SOA: &str = "the server compares prerequisites with another SOA than it serves; BIND \
   does so for zones with `inline-signing yes`";

/// The keys of the changes first, then the CNAMEs that additions may clash with.
fn keys_to_read(changes: &ChangeSet) -> Vec<RrKey> {
    let mut keys: Vec<RrKey> = changes.changes().iter().map(|change| change.key.clone()).collect();
    let added = changes.changes().iter().filter(|c| c.before.is_none() && c.after.is_some());
    // A name with other data in this change set has no CNAME, and the apex never has one.
    let own: BTreeSet<&RrKey> = keys.iter().collect();
    let cnames: BTreeSet<RrKey> = added
        .map(|change| RrKey::new(change.key.name.clone(), RrType::CNAME))
        .filter(|key| key.name != *changes.zone() && !own.contains(key))
        .collect();
    keys.extend(cnames);
    keys
}

/// Refuses changes that no UPDATE can make, whatever the zone holds.
fn check_each(changes: &ChangeSet) -> Result<(), ProviderError> {
    check::opaque(changes)?;
    for change in changes.changes() {
        let key = &change.key;
        let why = match apex(changes.zone(), change) {
            Some(why) => why,
            None if convert::is_of_signer(key, changes.zone()) => {
                "the server's signer makes these records"
            }
            None => continue,
        };
        return Err(unsupported(changes.zone(), key, why));
    }
    Ok(())
}

/// The RRsets that were found, by key; `rrsets` is in the order of `keys`.
fn found<'l>(keys: &'l [RrKey], rrsets: &'l [Option<Found>]) -> BTreeMap<&'l RrKey, &'l RrSet> {
    let there = keys.iter().zip(rrsets);
    there.filter_map(|(key, found)| Some((key, &found.as_ref()?.rrset))).collect()
}

/// Refuses a CNAME beside other data at a name, in this change set or in the zone: a server would
/// report NOERROR and ignore either of them (RFC 2136 §3.4.2.2). `held` has the keys of the changes
/// and the CNAMEs at their names. Only a transfer shows what else is at the name of a new CNAME;
/// that stays valid as long as the SOA stays the same.
async fn check_beside(
    server: &Server,
    changes: &ChangeSet,
    held: impl IntoIterator<Item = &RrKey>,
) -> Result<(), ProviderError> {
    alone(changes, held, &[RrType::CNAME])?;
    // At a name that already has a CNAME there is nothing else.
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

/// The error for an update without a trustworthy answer. Unless nothing was sent or the server
/// rejected our key, the update may have been made.
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

/// Reads the result back, since a server that reports NOERROR may have ignored a part. `before`
/// starts with the RRsets of the changes.
async fn read_back(
    server: &Server,
    changes: &ChangeSet,
    before: &Live,
) -> Result<Receipt, ProviderError> {
    let written = Written {
        changes,
        peer: server.address.to_string(),
        claim: "the server reported NOERROR",
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
