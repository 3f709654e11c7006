//! Compare-and-set: one batch for a whole change set.
//!
//! ```text
//!  read ──▶ compare ──▶ batch ──▶ 2xx ──▶ read back ──▶ as asked
//!              │          ├──▶ no answer, 5xx: in doubt     └▶ otherwise: refused, or in doubt
//!              ▼          └──▶ 4xx: read, compare ──▶ somebody was faster: conflict
//!           conflict                             └▶ otherwise: refused
//! ```
//!
//! The API has no conditional request. Between the comparison and the batch, the time of one request,
//! a record that somebody else edits is overwritten; one that they delete or add makes the batch
//! fail, and nothing is changed. The batch is one transaction of Cloudflare's database; what the name
//! servers have of it becomes visible record by record ("Batch record changes").

use std::collections::BTreeSet;

use cutover_contract::{
    Change, ChangeSet, Name, ProviderError, Rdata, Receipt, RrSet, RrType, Ttl, Unwritable,
};
use cutover_kit::check::{self, Checked};
use cutover_kit::{AsBefore, Written, alone, compare, has_plain_labels, names_of, unsupported};
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

/// What of these change sets cannot be written.
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
    // What is held by a product of Cloudflare's stays where it is, whatever the plan says.
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

/// A CNAME stands alone (RFC 1034 §3.6.2), and so does an NS that is no apex's, a DS apart (API
/// reference, "Create DNS Record").
const LONELY: &[RrType] = &[RrType::CNAME, RrType::NS];

/// Refuses what makes no sense whatever the zone holds.
fn check_each(changes: &ChangeSet, ttl_min: Ttl) -> Result<(), ProviderError> {
    check::opaque(changes)?;
    for Change { key, before, after } in changes.changes() {
        let is_apex = key.name == *changes.zone();
        let ttl = after.as_ref().map(RrSet::ttl);
        let old_ttl = before.as_ref().map(RrSet::ttl);
        let why = match key.rtype {
            RrType::SOA => "Cloudflare makes the SOA itself".to_owned(),
            RrType::NS if is_apex => {
                "Cloudflare makes the NS records of the apex itself".to_owned()
            }
            RrType::CNAME if is_apex && after.is_some() => {
                "Cloudflare would flatten a CNAME at the apex".to_owned()
            }
            rtype if rtype.is_made_by_signer() => {
                "Cloudflare's signer makes such records".to_owned()
            }
            rtype if !TYPES.contains(&rtype) => format!("Cloudflare has no {rtype} records"),
            // Code 9000.
            _ if !has_plain_labels(&key.name, b"-_") => {
                "Cloudflare takes names of letters, digits, `-`, `_` and a whole `*` in front only"
                    .to_owned()
            }
            RrType::TXT if is_divided_anew(before.as_ref(), after.as_ref()) => {
                "Cloudflare divides a TXT into strings of 255 octets by itself, and keeps no other \
                 division"
                    .to_owned()
            }
            RrType::TXT if after.iter().flat_map(RrSet::rdata).any(is_empty) => {
                "Cloudflare takes no TXT without a single octet".to_owned()
            }
            // What has a TTL from outside of the bounds, such as `automatic` of an odd plan, keeps it.
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

/// Whether a TXT that is not there yet is to have another division than Cloudflare's own.
fn is_divided_anew(before: Option<&RrSet>, after: Option<&RrSet>) -> bool {
    let is_there = |txt| before.is_some_and(|before| before.rdata().contains(txt));
    let after = after.into_iter().flat_map(RrSet::rdata).filter(|txt| !is_there(txt));
    after.into_iter().any(|txt| txt.txt_joined().is_some_and(|text| Rdata::txt(&text) != *txt))
}

fn is_empty(txt: &Rdata) -> bool {
    txt.txt_joined().is_some_and(|text| text.is_empty())
}

/// Refuses zones that are not written here.
fn check_zone(zone: &Name, head: &Head) -> Result<(), ProviderError> {
    match head.kind.as_str() {
        "secondary" => Err(ProviderError::Refused {
            zone: zone.clone(),
            detail:
                "the zone is a secondary, whose records come from its primary: name that server \
                 in the plan"
                    .to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Refuses what other products hold, and what would stand beside Cloudflare's own answers.
fn check_held(changes: &ChangeSet, live: &Holdings) -> Result<(), ProviderError> {
    let zone = changes.zone();
    for Change { key, .. } in changes.changes() {
        let why = match live.instructions.get(key) {
            Some(Instruction::Proxied) => {
                "the name is proxied, so that Cloudflare answers with addresses of its own: set its \
                 records to `DNS only` first"
            }
            Some(Instruction::Flattened) => {
                "the name has a CNAME that Cloudflare flattens: replace it by A and AAAA records first"
            }
            Some(Instruction::Unread) => {
                "it has records that are written in a way that is not known here"
            }
            None => {
                match live.held.get(key).and_then(|held| held.records.iter().find_map(|r| r.lock)) {
                    Some(Lock::EmailRouting) => {
                        "Email Routing holds its records: unlock them in the dashboard under Email > Email \
                     Routing > Settings. They go with Email Routing when that is disabled, changed \
                     or not: disable it before the records are changed here"
                    }
                    Some(Lock::Product) => {
                        "another product of Cloudflare's holds its records (`read_only`): change them there"
                    }
                    None => continue,
                }
            }
        };
        return Err(unsupported(zone, key, why));
    }
    Ok(())
}

/// Refuses what Cloudflare would: two batches would be two changes.
fn check_size(changes: &ChangeSet, head: &Head, operations: usize) -> Result<(), ProviderError> {
    if operations <= head.batch_max {
        return Ok(());
    }
    let plan = match head.plan.as_str() {
        "" => "this zone's plan".to_owned(),
        plan => format!("the zone's plan (`{plan}`)"),
    };
    let why = format!(
        "the change set takes {operations} operations, and a batch has {} at the most with {plan}",
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
        // It may be somebody else's work that stood in the way.
        let live = read::live(server, zone, &head.id, names).await?;
        compare(changes, |key| live.rrset(key))?;
    }
    Err(error)
}

/// Looks at what Cloudflare made of it.
async fn read_back(
    server: &Server,
    head: &Head,
    changes: &ChangeSet,
    names: &BTreeSet<Name>,
) -> Result<Receipt, ProviderError> {
    let peer = server.peer.clone();
    let written =
        Written { changes, peer, said: "Cloudflare said yes", as_before: AsBefore::Ignored };
    let live = read::live(server, changes.zone(), &head.id, names).await;
    let live = live.map_err(|error| written.unread(&error))?;
    written.judge(|key| live.rrset(key))?;
    Ok(Receipt { serial: None, read_back: true })
}
