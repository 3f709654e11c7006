//! Reading: zones, and RRsets page by page.
//!
//! The listing has no snapshot: RRsets come in the order of their names, and what is changed while it
//! goes on is seen as it was or as it is, each RRset whole. An RRset that comes twice, or out of the
//! order, is an answer that makes no sense.

use std::collections::BTreeSet;

use aws_sdk_route53::types::ResourceRecordSet;
use cutover_contract::{Name, ProviderError, Zone};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::api::Server;
use crate::convert::{Holdings, holdings, shown};
use crate::failure::failed;
use crate::limits::{PAGE_RRSETS, PAGE_ZONES, PAGES_MAX, QUESTIONS_AT_ONCE, QUESTIONS_MAX};

/// Finds a zone by its name, or sees whether the named one is of this name.
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
                detail: format!("the hosted zone {id} is that of {name}"),
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
            detail: "no hosted zone of this name can be seen with these credentials".to_owned(),
        }),
        ([], _) => Err(ProviderError::NoSuchZone {
            zone: zone.clone(),
            detail: "the hosted zones of this name are private".to_owned(),
        }),
        (several, _) => Err(ProviderError::Refused {
            zone: zone.clone(),
            detail: format!(
                "there are {} public hosted zones of this name: name the one that is delegated to in \
                 the plan (`hosted_zone_id`)",
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

/// What there is at these names, and perhaps more.
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

/// What there is at a name, or everywhere.
async fn listed(
    server: &Server,
    zone: &Name,
    id: &str,
    only: Option<&Name>,
) -> Result<Holdings, ProviderError> {
    let client = server.client().await;
    let only = only.map(shown);
    // Stars come back as an escape.
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
                    return Err(malformed(format!("it is listed twice: {} {}", what.0, what.1)));
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
            return Err(malformed("a page that is not the last one leads nowhere".to_owned()));
        }
    }
    Err(malformed("the list of RRsets has no end".to_owned()))
}
