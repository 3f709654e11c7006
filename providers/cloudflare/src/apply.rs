//! Compare-and-set: a single batch for a whole change set.
//!
//! ```text
//!  read ──▶ compare ──▶ batch ──▶ 2xx ──▶ read back ──▶ as requested
//!              │          ├──▶ no answer, 5xx: in doubt     └▶ otherwise: refused, or in doubt
//!              ▼          └──▶ 4xx: read, compare ──▶ somebody was faster: conflict
//!           conflict                             └▶ otherwise: refused
//! ```
//!
//! The API has no conditional request. Between the comparison and the batch, the time of one
//! request, a record that somebody else edits is overwritten. A record that they delete or add
//! makes the batch fail, and nothing is changed. The batch is a single transaction in Cloudflare's
//! database, but its name servers show it record by record ("Batch record changes").

use std::collections::BTreeSet;

use cutover_contract::{Change, ChangeSet, ProviderError, Receipt, Unwritable};
use cutover_kit::check::{self, Checked};
use cutover_kit::{AsBefore, Written, alone, compare, has_plain_labels, names_of, unsupported};
use cutover_zone::{Name, Rdata, RrSet, RrType, Ttl};
use serde::Deserialize;

use crate::api::{Request, Server};
use crate::convert::{Batch, HeldSet, Holdings, Instruction, Lock};
use crate::failure::{denied_act, failed_act};
use crate::limits::{TTL_MAX, TYPES};
use crate::read::{self, Head};

/// Compares every `before` and makes the changes, all of them or none.
pub(crate) async fn apply(
    server: &Server,
    head: &Head,
    ttl_min: Ttl,
    changes: &ChangeSet,
) -> Result<Receipt, ProviderError> {
    let zone = changes.zone();
    check_each(changes, ttl_min)?;
    check_zone(zone, head)?;
    let names = names_of(changes.changes().iter().map(|change| &change.key));
    let live = read::live(server, zone, &head.id, &names).await?;
    compare(changes, |key| live.rrset(key))?;
    check_held(changes, &live)?;
    alone(changes, live.held.keys(), LONELY)?;
    let mut batch = Batch::default();
    for change in changes.changes() {
        let added = batch.add(change, live.held.get(&change.key));
        added.map_err(|error| unsupported(zone, &change.key, error.to_string()))?;
    }
    check_size(changes, head, batch.operations())?;
    send(server, head, changes, &names, &batch).await?;
    read_back(server, head, changes, &names).await
}

/// Which changes of these change sets cannot be written.
pub(crate) async fn check(
    server: &Server,
    head: &Head,
    ttl_min: Ttl,
    zone: &Name,
    sets: &[ChangeSet],
) -> Result<Vec<Unwritable>, ProviderError> {
    check_zone(zone, head)?;
    let touched = check::touched(sets);
    let mut live = read::live(server, zone, &head.id, &names_of(touched.iter())).await?;
    // Records held by a Cloudflare product stay where they are, whatever the plan changes.
    live.held.retain(|key, held| {
        !touched.contains(key) || held.records.iter().any(|record| record.lock.is_some())
    });
    let mut checked = Checked::default();
    for set in sets {
        let mut batch = Batch::default();
        for single in check::one_by_one(set) {
            checked.note(check_each(&single, ttl_min))?;
            checked.note(check_held(&single, &live))?;
            checked.note(alone(&single, live.held.keys(), LONELY))?;
            let change = &single.changes()[0];
            let held = change.before.as_ref().map(HeldSet::of);
            if let Err(error) = batch.add(change, held.as_ref()) {
                checked.add(change.key.clone(), error.to_string());
            }
        }
        checked.note(alone(set, live.held.keys(), LONELY))?;
        checked.note(check_size(set, head, batch.operations()))?;
    }
    Ok(checked.found())
}

/// A CNAME must be alone (RFC 1034 §3.6.2), and so must an NS below the apex, except for a DS (API
/// reference, "Create DNS Record").
const LONELY: &[RrType] = &[RrType::CNAME, RrType::NS];

/// Refuses changes that make no sense whatever the zone holds.
fn check_each(changes: &ChangeSet, ttl_min: Ttl) -> Result<(), ProviderError> {
    check::opaque(changes)?;
    for Change { key, before, after } in changes.changes() {
        let is_apex = key.name == *changes.zone();
        let ttl = after.as_ref().map(RrSet::ttl);
        let old_ttl = before.as_ref().map(RrSet::ttl);
        let why = match key.rtype {
            RrType::SOA => "Cloudflare itself makes the SOA".to_owned(),
            RrType::NS if is_apex => {
                "Cloudflare itself makes the NS records of the apex".to_owned()
            }
            RrType::CNAME if is_apex && after.is_some() => {
                "Cloudflare would flatten a CNAME at the apex".to_owned()
            }
            rtype if rtype.is_made_by_signer() => {
                "Cloudflare's signer makes these records".to_owned()
            }
            rtype if !TYPES.contains(&rtype) => format!("Cloudflare has no {rtype} records"),
            // Error code 9000.
            _ if !has_plain_labels(&key.name, b"-_") => {
                "Cloudflare accepts only letters, digits, `-`, `_` and a leading `*` in names"
                    .to_owned()
            }
            RrType::TXT if is_divided_anew(before.as_ref(), after.as_ref()) => {
                "Cloudflare itself divides a TXT into strings of 255 octets, and keeps no other \
                division"
                    .to_owned()
            }
            RrType::TXT if after.iter().flat_map(RrSet::rdata).any(is_empty) => {
                "Cloudflare accepts no empty TXT".to_owned()
            }
            // A TTL outside the limits, such as `automatic` in an unusual plan, may stay as it is.
            _ => match ttl.filter(|ttl| Some(*ttl) != old_ttl) {
                Some(ttl) if ttl < ttl_min => {
                    format!("the smallest TTL of the zone's plan is {ttl_min} s")
                }
                Some(ttl) if ttl > TTL_MAX => format!("Cloudflare's largest TTL is {TTL_MAX} s"),
                Some(_) | None => continue,
            },
        };
        return Err(unsupported(changes.zone(), key, why));
    }
    Ok(())
}

/// Whether a new TXT is divided in another way than Cloudflare's.
fn is_divided_anew(before: Option<&RrSet>, after: Option<&RrSet>) -> bool {
    let is_there = |txt| before.is_some_and(|before| before.rdata().contains(txt));
    let after = after.into_iter().flat_map(RrSet::rdata).filter(|txt| !is_there(txt));
    after.into_iter().any(|txt| txt.txt_joined().is_some_and(|text| Rdata::txt(&text) != *txt))
}

fn is_empty(txt: &Rdata) -> bool {
    txt.txt_joined().is_some_and(|text| text.is_empty())
}

/// Refuses zones that this adapter does not write.
fn check_zone(zone: &Name, head: &Head) -> Result<(), ProviderError> {
    match head.kind.as_str() {
        "secondary" => Err(ProviderError::Refused {
            zone: zone.clone(),
            detail:
                "the zone is a secondary, whose records come from its primary; name that server \
                in the plan"
                    .to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Refuses changes to records that other products hold, and beside Cloudflare's own answers.
fn check_held(changes: &ChangeSet, live: &Holdings) -> Result<(), ProviderError> {
    let zone = changes.zone();
    for Change { key, .. } in changes.changes() {
        let why = match live.instructions.get(key) {
            Some(Instruction::Proxied) => {
                "the name is proxied, so Cloudflare answers with its own addresses; set its \
                records to `DNS only` first"
            }
            Some(Instruction::Flattened) => {
                "the name has a CNAME that Cloudflare flattens; replace it with A and AAAA records \
                 first"
            }
            Some(Instruction::Unread) => "it has records in a form that this version cannot read",
            None => {
                match live.held.get(key).and_then(|held| held.records.iter().find_map(|r| r.lock)) {
                    Some(Lock::EmailRouting) => {
                        "Email Routing holds its records; unlock them in the dashboard under Email \
                         > Email Routing > Settings. When Email Routing is disabled, it removes \
                         these records, changed or not: disable it before you change them here"
                    }
                    Some(Lock::Product) => {
                        "another Cloudflare product holds its records (`read_only`); change them \
                         there"
                    }
                    None => continue,
                }
            }
        };
        return Err(unsupported(zone, key, why));
    }
    Ok(())
}

/// Refuses a change set that Cloudflare would refuse as too large. Two batches would be two
/// changes.
fn check_size(changes: &ChangeSet, head: &Head, operations: usize) -> Result<(), ProviderError> {
    if operations <= head.batch_max {
        return Ok(());
    }
    let plan = match head.plan.as_str() {
        "" => "this zone's plan".to_owned(),
        plan => format!("the zone's plan (`{plan}`)"),
    };
    let why = format!(
        "the change set needs {operations} operations, but a batch has at most {} with {plan}",
        head.batch_max
    );
    Err(unsupported(changes.zone(), &changes.changes()[0].key, why))
}

async fn send(
    server: &Server,
    head: &Head,
    changes: &ChangeSet,
    names: &BTreeSet<Name>,
    batch: &Batch,
) -> Result<(), ProviderError> {
    #[derive(Deserialize)]
    struct Outcome {
        success: bool,
    }
    let zone = changes.zone();
    let body = serde_json::to_string(batch).map_err(|error| ProviderError::Malformed {
        zone: zone.clone(),
        detail: error.to_string(),
    })?;
    let answer = server.send(&Request::Batch(&head.id, body)).await;
    let answer = answer.map_err(|error| failed_act(server, zone, &error))?;
    let outcome = serde_json::from_slice::<Outcome>(&answer.body);
    if answer.is_success() && outcome.is_ok_and(|outcome| outcome.success) {
        return Ok(());
    }
    let error = denied_act(server, zone, &answer);
    if let ProviderError::Refused { .. } = error {
        // Somebody else's change may have been in the way.
        let live = read::live(server, zone, &head.id, names).await?;
        compare(changes, |key| live.rrset(key))?;
    }
    Err(error)
}

/// Reads back what Cloudflare made of the change.
async fn read_back(
    server: &Server,
    head: &Head,
    changes: &ChangeSet,
    names: &BTreeSet<Name>,
) -> Result<Receipt, ProviderError> {
    let peer = server.peer.clone();
    let written = Written {
        changes,
        peer,
        claim: "Cloudflare reported success",
        as_before: AsBefore::Ignored,
    };
    let live = read::live(server, changes.zone(), &head.id, names).await;
    let live = live.map_err(|error| written.unread(&error))?;
    written.judge(|key| live.rrset(key))?;
    Ok(Receipt { serial: None, read_back: true })
}
