//! Compare-and-set: a single batch for a whole change set.
//!
//! ```text
//!  read ──▶ compare ──▶ batch ──▶ 2xx ──▶ in sync? ──▶ read back ──▶ as requested
//!              │          ├──▶ no answer, 5xx: in doubt              └▶ otherwise: in doubt
//!              ▼          ├──▶ throttled, or another change is in progress: later
//!           conflict      └──▶ 400: read, compare ──▶ somebody was faster: conflict
//!                                                 └▶ otherwise: refused
//! ```
//!
//! A batch is made completely or not at all. A `DELETE` in it must match the TTL and every value
//! that is live, and a `CREATE` must find nothing, so Route 53 itself compares. The adapter reads
//! first to get the exact spelling that a `DELETE` needs, and to give helpful errors.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_route53::types::ChangeStatus;
use cutover_contract::{Change, ChangeSet, ProviderError, Receipt, Unwritable};
use cutover_kit::check::{self, Checked};
use cutover_kit::{AsBefore, Written, alone, compare, names_of, unsupported};
use cutover_zone::{Name, RrKey, RrSet, RrType};
use tokio::time::sleep;

use crate::api::Server;
use crate::convert::{self, Held, Holdings, Size};
use crate::failure::{failed, failed_act, in_doubt};
use crate::limits::{
    BATCH_CHARS, BATCH_RECORDS, SYNC_MAX, SYNC_PAUSE_MAX, SYNC_PAUSE_MIN, TYPES, VALUE_CHARS,
};
use crate::read;

/// Compares every `before` and makes the changes, all of them or none.
pub(crate) async fn apply(
    server: &Server,
    id: &str,
    changes: &ChangeSet,
) -> Result<Receipt, ProviderError> {
    let zone = changes.zone();
    check_each(changes)?;
    let names = names_of(changes.changes().iter().map(|change| &change.key));
    let live = read::live(server, zone, id, &names).await?;
    check_beside(changes, &live)?;
    compare(changes, |key| rrset_of(&live, key))?;
    let first = &changes.changes()[0].key;
    let (batch, size) = convert::batch(changes, &live)
        .map_err(|error| unsupported(zone, first, error.to_string()))?;
    check_size(changes, size)?;
    let client = server.client().await;
    // Sent only once: if the answer is lost, a second attempt would clash with the first.
    let once = aws_config::retry::RetryConfig::disabled();
    let once = aws_sdk_route53::config::Builder::new().retry_config(once);
    let sent = client.change_resource_record_sets().hosted_zone_id(id).change_batch(batch);
    let made = match sent.customize().config_override(once).send().await {
        Ok(made) => made,
        Err(error) => {
            let error = failed_act(server, zone, &error);
            if let ProviderError::Refused { .. } = error {
                // Somebody else's change may have been in the way.
                let live = read::live(server, zone, id, &names).await?;
                compare(changes, |key| rrset_of(&live, key))?;
            }
            return Err(error);
        }
    };
    let info = made.change_info();
    let is_in_sync = info.is_some_and(|info| *info.status() == ChangeStatus::Insync);
    if !is_in_sync {
        let change = info.map(|info| info.id().trim_start_matches("/change/").to_owned());
        let change = change
            .ok_or_else(|| in_doubt(server, zone, "the change has no identifier".to_owned()))?;
        in_sync(server, zone, &change).await?;
    }
    read_back(server, id, changes, &names).await
}

/// Waits until all servers of Route 53 have a change (API reference, GetChange).
async fn in_sync(server: &Server, zone: &Name, change: &str) -> Result<(), ProviderError> {
    let client = server.client().await;
    let mut last = None;
    let (mut pause, mut waited) = (SYNC_PAUSE_MIN, Duration::ZERO);
    while waited < SYNC_MAX {
        match client.get_change().id(change).send().await {
            Ok(answer) => {
                last = None;
                let status = answer.change_info().map(|info| info.status());
                if status == Some(&ChangeStatus::Insync) {
                    return Ok(());
                }
            }
            // The change is made. If Route 53 asks to wait, it may answer in a moment.
            Err(error) => {
                let error = failed(server, zone, &error);
                if !matches!(error, ProviderError::Throttled { .. }) {
                    let detail =
                        format!("the change was made, but it is not known who has it: {error}");
                    return Err(in_doubt(server, zone, detail));
                }
                last = Some(error);
            }
        }
        #[expect(clippy::disallowed_methods, reason = "the pause between questions is bounded")]
        let rest = sleep(pause);
        rest.await;
        waited += pause;
        pause = (pause * 2).min(SYNC_PAUSE_MAX);
    }
    let last = last.map(|error| format!(" ({error})")).unwrap_or_default();
    let detail = format!(
        "the change was made, but after {} s not all servers of Route 53 have it{last}",
        SYNC_MAX.as_secs()
    );
    Err(in_doubt(server, zone, detail))
}

/// Which changes of these change sets cannot be written.
pub(crate) async fn check(
    server: &Server,
    id: &str,
    zone: &Name,
    sets: &[ChangeSet],
) -> Result<Vec<Unwritable>, ProviderError> {
    let touched = check::touched(sets);
    let mut live = read::live(server, zone, id, &names_of(&touched)).await?;
    // Routed RRsets and aliases stay where they are, whatever the plan changes.
    live.retain(|key, held| !touched.contains(key) || held.rrset().is_none());
    let mut checked = Checked::default();
    for set in sets {
        for single in check::one_by_one(set) {
            checked.note(check_each(&single))?;
            checked.note(check_beside(&single, &live))?;
        }
        checked.note(check_beside(set, &live))?;
        let first = &set.changes()[0].key;
        let held = convert::held_before(set);
        match held.and_then(|held| convert::batch(set, &held)) {
            Ok((_, size)) => checked.note(check_size(set, size))?,
            Err(error) => checked.add(first.clone(), error.to_string()),
        }
    }
    Ok(checked.found())
}

/// Refuses changes that make no sense whatever the zone holds.
fn check_each(changes: &ChangeSet) -> Result<(), ProviderError> {
    check::opaque(changes)?;
    for Change { key, before: _, after } in changes.changes() {
        let is_apex = key.name == *changes.zone();
        let why = match key.rtype {
            RrType::SOA => "Route 53 would replace the SOA without comparing".to_owned(),
            RrType::NS if is_apex => {
                "Route 53 would replace the NS records of the apex without comparing".to_owned()
            }
            RrType::CNAME if is_apex && after.is_some() => {
                "the apex has an SOA, and a CNAME must be alone".to_owned()
            }
            rtype if rtype.is_made_by_signer() => {
                "Route 53's signer makes these records".to_owned()
            }
            rtype if !TYPES.contains(&rtype) => format!("Route 53 has no {rtype} records"),
            _ => {
                let values = after.iter().flat_map(|rrset| rrset.rdata()).map(convert::value);
                let longest = values.map(|value| value.chars().count()).max().unwrap_or(0);
                if longest <= VALUE_CHARS {
                    continue;
                }
                format!(
                    "a value has {longest} characters, but Route 53 accepts at most {VALUE_CHARS}"
                )
            }
        };
        return Err(unsupported(changes.zone(), key, why));
    }
    Ok(())
}

fn rrset_of<'l>(live: &'l Holdings, key: &RrKey) -> Option<&'l RrSet> {
    live.get(key).and_then(Held::rrset)
}

/// Refuses to touch routed RRsets and aliases, and to put other data beside a CNAME.
fn check_beside(changes: &ChangeSet, live: &Holdings) -> Result<(), ProviderError> {
    let zone = changes.zone();
    for Change { key, .. } in changes.changes() {
        let why = match live.get(key) {
            Some(Held::Routed) => {
                "it has RRsets with identifiers (weighted, by latency, by place and so on), which \
                 one RRset cannot replace; combine them into a simple RRset first"
            }
            Some(Held::Alias) => {
                "it is an alias of another resource, whose records are Amazon's; replace it with a \
                 simple RRset first"
            }
            Some(Held::Unread) => "it has a form that this version cannot read",
            Some(Held::Simple(..)) | None => continue,
        };
        return Err(unsupported(zone, key, why));
    }
    alone(changes, live.keys(), &[RrType::CNAME])
}

/// Refuses a change set that Route 53 would refuse as too large. Two batches would be two changes.
fn check_size(changes: &ChangeSet, size: Size) -> Result<(), ProviderError> {
    let Size { records, chars } = size;
    let why = if records > BATCH_RECORDS {
        format!(
            "the change set takes {records} records, counting removed and new ones, but a batch \
             has at most {BATCH_RECORDS}"
        )
    } else if chars > BATCH_CHARS {
        format!(
            "the values of the change set have {chars} characters, but those of a batch have \
             at most {BATCH_CHARS}"
        )
    } else {
        return Ok(());
    };
    Err(unsupported(changes.zone(), &changes.changes()[0].key, why))
}

/// Reads back what Route 53 made of the change.
async fn read_back(
    server: &Server,
    id: &str,
    changes: &ChangeSet,
    names: &BTreeSet<Name>,
) -> Result<Receipt, ProviderError> {
    let written = Written {
        changes,
        peer: server.peer(),
        claim: "Route 53 reported success",
        // A change that is in sync has been made, whatever a listing shows.
        as_before: AsBefore::Pending,
    };
    let live = read::live(server, changes.zone(), id, names).await;
    let live = live.map_err(|error| written.unread(&error))?;
    written.judge(|key| rrset_of(&live, key))?;
    Ok(Receipt { serial: None, read_back: true })
}
