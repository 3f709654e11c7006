//! Addresses of the new host's exchanges, if the plan publishes them.
//!
//! A name that takes no mail yet gets its addresses before the switch. A name that takes mail now
//! is switched like an MX record: lower the TTL, replace the address, restore the TTL. Addresses
//! that the plan does not list are removed: a leftover AAAA record of the old server would keep
//! taking mail (RFC 5321 §5.1).

use std::collections::HashSet;

use cutover_zone::{Name, Rdata, RrKey, RrSet, RrType};

use super::{Found, RecipeContext, records_of};
use crate::intent::{DomainMove, Exchange};
use crate::model::end::published;
use crate::model::{Goal, Route, Stage, Track};
use crate::observe::ZoneSeen;
use cutover_base::diag::{Code, Diagnostic};

/// Addresses for a name that is in none of the plan's zones.
pub(super) const ADDRESS_OUTSIDE: Code = Code::semantic("address-outside-zones");

pub(super) fn tracks(context: &RecipeContext<'_>, found: &mut Found) {
    let used = used(context);
    for one in &context.intent.moves {
        for exchange in one.to.exchanges.iter().filter(|e| !e.addresses.is_empty()) {
            let name = &exchange.name.value;
            let Some(zone) = context.zone_of(name) else {
                let title = format!(
                    "{name} is in none of the plan's zones, so its addresses cannot be published"
                );
                let help = "remove `addresses:`, or add the zone to `zones:`";
                found.report(Diagnostic::error(ADDRESS_OUTSIDE, exchange.name.span, title, help));
                continue;
            };
            let used = used.contains(name);
            for rtype in [RrType::A, RrType::AAAA] {
                track(context, zone, one, exchange, (rtype, used), found);
            }
        }
    }
}

/// The names that mail may come to before the switch. All others are set before it: an address that
/// serves something else must be gone before MX records lead to it.
fn used(context: &RecipeContext<'_>) -> HashSet<Name> {
    let mut used = HashSet::new();
    for one in &context.intent.moves {
        let mx = context.zone(one).get(&RrKey::new(one.domain.value.clone(), RrType::MX));
        let live = mx.into_iter().flat_map(RrSet::rdata).filter_map(Rdata::as_mx);
        used.extend(live.map(|(_, exchange)| exchange));
        used.extend(one.from.exchanges.iter().map(|exchange| exchange.name.value.clone()));
    }
    used
}

fn track(
    context: &RecipeContext<'_>,
    zone: &ZoneSeen,
    one: &DomainMove,
    exchange: &Exchange,
    (rtype, used): (RrType, bool),
    found: &mut Found,
) {
    let name = &exchange.name.value;
    let key = RrKey::new(name.clone(), rtype);
    let rdata = published(exchange, rtype);
    let (records, takes) = match rdata.is_empty() {
        true if zone.get(&key).is_none() => return,
        true => (None, "does not take"),
        false => (Some(records_of(rdata)), "takes"),
    };
    let goal = match used {
        true => context.goal(zone, &key, records),
        false => Goal { key: key.clone(), records, ttl: None },
    };
    let route = Route {
        stage: if used { Stage::Switch } else { Stage::Expand },
        lower: if used { context.lowering() } else { None },
        restore: Stage::Contract,
        what: format!("the {rtype} records of {name}"),
        why: format!("`{}` {takes} mail at this address", one.to.name),
    };
    let transitions = goal.transitions(zone, &route);
    let routes = used;
    let track = Track { routes, ..Track::new(zone.zone.origin.clone(), key, transitions) };
    found.track(track, exchange.name.span);
}
