//! Discovery records, which mail clients look up to find their servers (RFC 6186, RFC 8314,
//! autodiscover, autoconfig). They are switched with the MX records.
//!
//! Clients that are already configured do not look again, so DNS does not move them.

use std::collections::BTreeMap;

use cutover_zone::{Rdata, RrKey};

use super::{Found, RecipeContext, records_of};
use crate::intent::DomainMove;
use crate::model::{Route, Stage, Track};
use crate::observe::ZoneSeen;
use cutover_base::diag::Spanned;

pub(super) fn tracks(context: &RecipeContext<'_>, found: &mut Found) {
    for one in &context.intent.moves {
        for (key, rdata) in &one.to.discovery {
            track(context, one, key, Some(rdata), found);
        }
        for (key, rdata) in gone(one) {
            // Remove a record only if it is really that of the old host.
            let live = zone_of(context, one, key).get(key);
            if live.is_some_and(|live| live.rdata() == [rdata.value.clone()]) {
                track(context, one, key, None, found);
            }
        }
    }
}

/// The discovery records that the old host has and the new host has not.
fn gone(one: &DomainMove) -> impl Iterator<Item = (&RrKey, &Spanned<Rdata>)> {
    let new: &BTreeMap<_, _> = &one.to.discovery;
    one.from.discovery.iter().filter(|(key, _)| !new.keys().any(|other| other.name == key.name))
}

/// The zone of a discovery record: the domain's zone, or a zone of the plan below it.
fn zone_of<'k>(context: &RecipeContext<'k>, one: &DomainMove, key: &RrKey) -> &'k ZoneSeen {
    context.zone_of(&key.name).unwrap_or_else(|| context.zone(one))
}

fn track(
    context: &RecipeContext<'_>,
    one: &DomainMove,
    key: &RrKey,
    rdata: Option<&Spanned<Rdata>>,
    found: &mut Found,
) {
    let zone = zone_of(context, one, key);
    let goal = context.goal(zone, key, rdata.map(|rdata| records_of([rdata.value.clone()])));
    let (stage, why) = match rdata {
        Some(_) => (Stage::Switch, format!("mail clients find `{}` from here on", one.to.name)),
        None => (Stage::Contract, format!("`{}` does not offer this", one.to.name)),
    };
    let route = Route {
        lower: rdata.and_then(|_| context.lowering()),
        stage,
        restore: Stage::Contract,
        what: format!("the {} record of {}", key.rtype, key.name),
        why,
    };
    let transitions = goal.transitions(zone, &route);
    let span = rdata.map_or(one.domain.span, |rdata| rdata.span);
    let zone = zone.zone.origin.clone();
    found.track(Track::new(zone, key.clone(), transitions), span);
}
