//! Addresses of the new host's exchanges, where the plan is to publish them.
//!
//! A name that has no address yet gets one before the switch. A name that has another address is
//! switched like an MX record: its TTL is lowered, the address replaced, the TTL restored.

use cutover_contract::{Rdata, RrKey, RrType};

use super::{Found, Kitchen};
use crate::diag::{Code, Diagnostic};
use crate::model::{Goal, Route, Stage, Track};

/// Addresses for a name that lies in none of the plan's zones.
pub(super) const ADDRESS_OUTSIDE: Code = Code::semantic("address-outside-zones");

pub(super) fn tracks(kitchen: &Kitchen<'_>, found: &mut Found) {
    for one in &kitchen.intent.moves {
        for exchange in one.to.exchanges.iter().filter(|e| !e.addresses.is_empty()) {
            let name = &exchange.name.value;
            let Some(zone) = kitchen.zone_of(name) else {
                let title = format!("{name} lies in none of the plan's zones, so its addresses cannot be published");
                let help = "take `addresses:` out, or add the zone to `zones:`";
                found.report(Diagnostic::error(ADDRESS_OUTSIDE, exchange.name.span, title, help));
                continue;
            };
            let all = exchange.addresses.iter().map(|address| match address {
                std::net::IpAddr::V4(v4) => Rdata::a(*v4),
                std::net::IpAddr::V6(v6) => Rdata::aaaa(*v6),
            });
            for rtype in [RrType::A, RrType::AAAA] {
                let rdata: Vec<Rdata> = all.clone().filter(|r| r.rtype() == rtype).collect();
                let key = RrKey::new(name.clone(), rtype);
                if rdata.is_empty() {
                    continue;
                }
                let there = zone.get(&key).is_some();
                let goal = Goal {
                    ttl: if there { kitchen.kept_ttl(zone, &key) } else { None },
                    key: key.clone(),
                    rdata: Some(rdata),
                };
                let route = Route {
                    stage: if there { Stage::Switch } else { Stage::Expand },
                    lower: if there { kitchen.lowering() } else { None },
                    restore: Stage::Contract,
                    what: format!("the {rtype} records of {name}"),
                    why: format!("`{}` takes mail at this address", one.to.name),
                };
                let transitions = goal.transitions(zone, &route);
                let track =
                    Track { zone: zone.zone.origin.clone(), key, record: None, transitions };
                found.track(track, exchange.name.span);
            }
        }
    }
}
