//! Reads zones, and RRsets page by page.
//!
//! A listing is not a snapshot. RRsets come in the order of their names. An RRset that changes
//! meanwhile is seen either as it was or as it is, always as a whole. An RRset that is listed twice
//! makes the answer invalid.

use std::collections::BTreeSet;

use aws_sdk_route53::types::ResourceRecordSet;
use cutover_contract::ProviderError;
use cutover_zone::{Name, Zone};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::api::Server;
use crate::convert::{Holdings, holdings, shown};
use crate::failure::failed;
use crate::limits::{PAGE_RRSETS, PAGE_ZONES, PAGES_MAX, QUESTIONS_AT_ONCE, QUESTIONS_MAX};

/// Finds a zone by its name, or checks that the zone with the given identifier has this name.
pub(crate) async fn zone_id(
    server: &Server,
    zone: &Name,
    wanted: Option<&str>,
) -> Result<String, ProviderError> {
    let client = server.client().await;
    if let Some(id) = wanted {
        let found = client.get_hosted_zone().id(id).send().await;
        let found = found.map_err(|error| failed(server, zone, &error))?;
        let name = found.hosted_zone().map(|zone| zone.name().to_owned()).unwrap_or_default();
        return match name == shown(zone) {
            true => Ok(id.to_owned()),
            false => Err(ProviderError::NoSuchZone {
                zone: zone.clone(),
                detail: format!("the hosted zone {id} belongs to {name}"),
            }),
        };
    }
    let listed = client.list_hosted_zones_by_name().dns_name(shown(zone)).max_items(PAGE_ZONES);
    let listed = listed.send().await.map_err(|error| failed(server, zone, &error))?;
    let of_name: Vec<_> =
        listed.hosted_zones().iter().filter(|found| found.name() == shown(zone)).collect();
    let is_private = |config: Option<&aws_sdk_route53::types::HostedZoneConfig>| {
        config.is_some_and(|config| config.private_zone())
    };
    let public: Vec<_> = of_name.iter().filter(|found| !is_private(found.config())).collect();
    match (public.as_slice(), of_name.len()) {
        ([found], _) => Ok(found.id().trim_start_matches("/hostedzone/").to_owned()),
        ([], 0) => Err(ProviderError::NoSuchZone {
            zone: zone.clone(),
            detail: "the credentials see no hosted zone of this name".to_owned(),
        }),
        ([], _) => Err(ProviderError::NoSuchZone {
            zone: zone.clone(),
            detail: "the hosted zones of this name are private".to_owned(),
        }),
        (several, _) => Err(ProviderError::Refused {
            zone: zone.clone(),
            detail: format!(
                "there are {} public hosted zones of this name; in the plan, name the zone that is \
                 delegated to (`hosted_zone_id`)",
                several.len()
            ),
        }),
    }
}

/// The whole zone.
pub(crate) async fn zone(server: &Server, origin: &Name, id: &str) -> Result<Zone, ProviderError> {
    let held = listed(server, origin, id, None).await?;
    let rrsets = held.into_iter().filter_map(|(key, held)| Some((key, held.rrset()?.clone())));
    Ok(Zone { origin: origin.clone(), rrsets: rrsets.collect() })
}

/// What these names hold, and perhaps more.
pub(crate) async fn live(
    server: &Server,
    zone: &Name,
    id: &str,
    names: &BTreeSet<Name>,
) -> Result<Holdings, ProviderError> {
    if names.len() > QUESTIONS_MAX {
        return listed(server, zone, id, None).await;
    }
    let asked: Vec<_> = names.iter().map(|name| listed(server, zone, id, Some(name))).collect();
    let all: Vec<Holdings> = stream::iter(asked).buffered(QUESTIONS_AT_ONCE).try_collect().await?;
    Ok(all.into_iter().flatten().collect())
}

/// What a name or the whole zone holds.
async fn listed(
    server: &Server,
    zone: &Name,
    id: &str,
    only: Option<&Name>,
) -> Result<Holdings, ProviderError> {
    let client = server.client().await;
    let only = only.map(shown);
    // A star comes back as an escape.
    let is_meant = |set: &ResourceRecordSet| {
        only.as_ref().is_none_or(|name| set.name().replace("\\052", "*") == *name)
    };
    let mut sets: Vec<ResourceRecordSet> = Vec::new();
    let mut next = (only.clone(), None, None);
    let malformed = |detail: String| ProviderError::Malformed { zone: zone.clone(), detail };
    for _ in 0..PAGES_MAX {
        let (name, rtype, identifier) = next;
        let page = client
            .list_resource_record_sets()
            .hosted_zone_id(id)
            .max_items(PAGE_RRSETS)
            .set_start_record_name(name)
            .set_start_record_type(rtype)
            .set_start_record_identifier(identifier);
        let page = page.send().await.map_err(|error| failed(server, zone, &error))?;
        let all = page.resource_record_sets();
        sets.extend(all.iter().filter(|set| is_meant(set)).cloned());
        let is_past = all.last().is_some_and(|set| !is_meant(set));
        if !page.is_truncated() || is_past {
            let mut seen = BTreeSet::new();
            for set in &sets {
                let what = (set.name(), set.r#type().as_str(), set.set_identifier());
                if !seen.insert(what) {
                    return Err(malformed(format!("listed twice: {} {}", what.0, what.1)));
                }
            }
            drop(seen);
            return holdings(sets, zone).map_err(|bad| malformed(bad.to_string()));
        }
        next = (
            page.next_record_name().map(str::to_owned),
            page.next_record_type().cloned(),
            page.next_record_identifier().map(str::to_owned),
        );
        if all.is_empty() || next.0.is_none() {
            return Err(malformed("a page before the last leads nowhere".to_owned()));
        }
    }
    Err(malformed("the list of RRsets does not end".to_owned()))
}
