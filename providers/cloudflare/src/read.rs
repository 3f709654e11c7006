//! Reads zones, and records page by page.
//!
//! There is no snapshot: a zone that changes between two pages may show a record twice, or not at
//! all. So the listed records are counted and compared with the total of each page, and listed
//! again if the numbers differ.

use std::collections::{BTreeMap, BTreeSet};

use cutover_contract::ProviderError;
use cutover_zone::{Name, RrKey, Zone};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::api::{Request, Server, ZoneId};
use crate::convert::{Holdings, Record, holdings};
use crate::failure::{denied, failed};
use crate::limits::{ATTEMPTS_MAX, BATCH_FREE, BATCH_PAID, PAGES_MAX, QUESTIONS_MAX};

/// The API's answer to a question.
#[derive(Deserialize)]
struct Envelope<T> {
    success: bool,
    result: Option<Vec<T>>,
    #[serde(default)]
    result_info: Option<Info>,
}

/// The totals that each page reports.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Info {
    total_count: usize,
    total_pages: usize,
}

/// The properties of a zone that matter here.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) id: ZoneId,
    /// `full`, `partial`, `secondary` and so on.
    pub(crate) kind: String,
    /// The most operations in a batch.
    pub(crate) batch_max: usize,
    /// The plan in Cloudflare's terms: `free`, `pro`, `business` or `enterprise`; may be empty.
    pub(crate) plan: String,
}

/// The plans, from the smallest to the largest.
const PLANS: [&str; 4] = ["free", "pro", "business", "enterprise"];

/// Finds a zone by its name.
pub(crate) async fn head(
    server: &Server,
    zone: &Name,
    account: Option<&str>,
    claimed: &str,
) -> Result<Head, ProviderError> {
    #[derive(Deserialize)]
    struct Doc {
        id: String,
        #[serde(default, rename = "type")]
        kind: Option<String>,
        #[serde(default)]
        plan: Option<Plan>,
    }
    #[derive(Default, Deserialize)]
    struct Plan {
        #[serde(default)]
        legacy_id: Option<String>,
    }
    let answer: Envelope<Doc> = ask(server, zone, &Request::Zones(zone, account)).await?;
    let found = answer.result.unwrap_or_default();
    let refused = |detail: String| ProviderError::Refused { zone: zone.clone(), detail };
    let [doc] = <[Doc; 1]>::try_from(found).map_err(|found| match found.len() {
        0 => {
            let detail = "the token sees no zone of this name".to_owned();
            ProviderError::NoSuchZone { zone: zone.clone(), detail }
        }
        number => refused(format!(
            "there are {number} zones of this name; name the account in the plan (`account_id`)"
        )),
    })?;
    let id = ZoneId::new(doc.id).ok_or_else(|| malformed(zone, "a zone has no identifier"))?;
    let plan = doc.plan.unwrap_or_default().legacy_id.unwrap_or_default();
    let batch_max = match plan.as_str() {
        "pro" | "business" | "enterprise" => BATCH_PAID,
        _ => BATCH_FREE,
    };
    // The stated plan decides which TTLs and how large steps a plan uses.
    let rank = |name: &str| PLANS.iter().position(|plan| *plan == name);
    if let (Some(claimed_rank), Some(rank)) = (rank(claimed), rank(&plan))
        && claimed_rank > rank
    {
        return Err(refused(format!(
            "the zone's plan at Cloudflare is `{plan}`, but the provider in your plan has \
            `plan: {claimed}`; correct that"
        )));
    }
    Ok(Head { id, kind: doc.kind.unwrap_or_default(), batch_max, plan })
}

/// The whole zone.
pub(crate) async fn zone(
    server: &Server,
    origin: &Name,
    id: &ZoneId,
) -> Result<Zone, ProviderError> {
    let Holdings { held, instructions: _ } = listed(server, origin, id, None).await?;
    let rrsets = held.into_iter().map(|(key, held)| (key, held.rrset)).collect();
    Ok(Zone { origin: origin.clone(), rrsets })
}

/// What these names hold, and perhaps more.
pub(crate) async fn live(
    server: &Server,
    zone: &Name,
    id: &ZoneId,
    names: &BTreeSet<Name>,
) -> Result<Holdings, ProviderError> {
    if names.len() > QUESTIONS_MAX {
        return listed(server, zone, id, None).await;
    }
    let asked: Vec<_> = names.iter().map(|name| listed(server, zone, id, Some(name))).collect();
    let all: Vec<Holdings> = stream::iter(asked).buffered(QUESTIONS_MAX).try_collect().await?;
    let mut live = Holdings::default();
    for Holdings { held, instructions } in all {
        live.held.extend(held);
        live.instructions.extend(instructions);
    }
    Ok(live)
}

/// The records at a name or in the whole zone, collected into RRsets.
async fn listed(
    server: &Server,
    zone: &Name,
    id: &ZoneId,
    name: Option<&Name>,
) -> Result<Holdings, ProviderError> {
    let mut counts = (0, 0);
    for _ in 0..ATTEMPTS_MAX {
        match pages(server, zone, id, name).await? {
            Ok(records) => {
                let mut found =
                    holdings(records, zone).map_err(|bad| malformed(zone, &bad.to_string()))?;
                if let Some(name) = name {
                    found.held.retain(|key: &RrKey, _| key.name == *name);
                    found.instructions.retain(|key: &RrKey, _| key.name == *name);
                }
                return Ok(found);
            }
            Err(differ) => counts = differ,
        }
    }
    let (listed, total) = counts;
    let detail = format!(
        "Cloudflare reports {total} records but lists {listed}, {ATTEMPTS_MAX} times in a row: \
        somebody may be changing the zone"
    );
    Err(malformed(zone, &detail))
}

/// The records of all pages, or how many were listed and how many there should be.
async fn pages(
    server: &Server,
    zone: &Name,
    id: &ZoneId,
    name: Option<&Name>,
) -> Result<Result<Vec<Record>, (usize, usize)>, ProviderError> {
    let mut records: BTreeMap<String, Record> = BTreeMap::new();
    let mut total = None;
    for page in 1..=PAGES_MAX {
        let answer: Envelope<Record> = ask(server, zone, &Request::Records(id, name, page)).await?;
        let info = answer.result_info.ok_or_else(|| malformed(zone, "a page has no total"))?;
        let more = answer.result.unwrap_or_default();
        let is_empty = more.is_empty();
        records.extend(more.into_iter().map(|record| (record.id.clone(), record)));
        let total = *total.get_or_insert(info.total_count);
        if info.total_count != total || records.len() > total {
            return Ok(Err((records.len(), info.total_count)));
        }
        if page >= info.total_pages || is_empty {
            return Ok(match records.len() == total {
                true => Ok(records.into_values().collect()),
                false => Err((records.len(), total)),
            });
        }
    }
    Err(malformed(zone, "the list of records does not end"))
}

async fn ask<T: DeserializeOwned>(
    server: &Server,
    zone: &Name,
    request: &Request<'_>,
) -> Result<Envelope<T>, ProviderError> {
    let answer = server.send(request).await.map_err(|error| failed(server, zone, &error))?;
    if !answer.is_success() {
        return Err(denied(server, zone, &answer));
    }
    match serde_json::from_slice::<Envelope<T>>(&answer.body) {
        Ok(envelope) if envelope.success => Ok(envelope),
        Ok(_) => Err(denied(server, zone, &answer)),
        Err(error) => Err(malformed(zone, &server.without_token(&error.to_string()))),
    }
}

fn malformed(zone: &Name, detail: &str) -> ProviderError {
    ProviderError::Malformed { zone: zone.clone(), detail: detail.to_owned() }
}
