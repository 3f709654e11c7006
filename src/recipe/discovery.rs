//! Discovery records: what mail clients ask to find their servers (RFC 6186, RFC 8314,
//! autodiscover, autoconfig). They are switched with the MX records.
//!
//! Clients that are configured already do not look again: DNS moves only those that ask.

use std::collections::BTreeMap;

use cutover_contract::{Rdata, RrKey};

use super::{Found, RecipeContext, records_of};
use crate::diag::Spanned;
use crate::intent::DomainMove;
use crate::model::{Route, Stage, Track};
use crate::observe::ZoneSeen;

pub(super) fn tracks(context: &RecipeContext<'_>, found: &mut Found) {
    for one in &context.intent.moves {
        for (key, rdata) in &one.to.discovery {
            track(context, one, key, Some(rdata), found);
        }
        for (key, rdata) in gone(one) {
            // Only what the old host really says there is taken away.
            let live = zone_of(context, one, key).get(key);
            if live.is_some_and(|live| live.rdata() == [rdata.value.clone()]) {
                track(context, one, key, None, found);
            }
        }
    }
}

/// What the old host offers and the new one does not.
fn gone(one: &DomainMove) -> impl Iterator<Item = (&RrKey, &Spanned<Rdata>)> {
    let new: &BTreeMap<_, _> = &one.to.discovery;
    one.from.discovery.iter().filter(|(key, _)| !new.keys().any(|other| other.name == key.name))
}

/// What was seen of the zone of a discovery record: the domain's, or one of the plan's below it.
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
