//! `deliverable`: in every view, the MX records lead to a host of the plan that has an address.
//!
//! That the hosts accept is an assumption, which the plan lists. What a DNS change alone can break
//! is checked here: no MX record, a null MX, an exchange that no host has, and an exchange without
//! an address, because another version of its address is cached than was thought of.

use std::collections::BTreeSet;

use cutover_contract::{Name, Rdata, RrKey, RrType};

use crate::observe::Outside;
use crate::proof::view::{Harm, View, judge};
use crate::proof::{Domain, Judgement, Proof};

pub(super) fn check(proof: &Proof<'_>) -> Judgement {
    let domains = proof.domains();
    Judgement::worst(domains.iter().map(|one| judge(proof, &[], &|view| harm(view, one))))
}

fn harm(view: &View<'_>, one: &Domain<'_>) -> Option<Harm> {
    let domain = one.name;
    // Of a domain that stays where it is, the plan names no hosts.
    let known = one.moves.map(|one| {
        let exchanges = [&one.from, &one.to].into_iter().flat_map(|host| &host.exchanges);
        exchanges.map(|exchange| &exchange.name.value).collect::<BTreeSet<&Name>>()
    });
    let mx = match view.look_up(&RrKey::new(domain.clone(), RrType::MX)) {
        Outside::Records(mx) => mx,
        Outside::Absent => {
            return Some(Harm::new(
                format!(
                    "a sender finds no MX records for {domain} and connects to its own address (RFC 5321 §5.1): the message is lost or bounces"
                ),
                "replace the MX records in one change, and never leave them empty",
            ));
        }
        Outside::Unknown(_) => return None,
    };
    let mut reachable = false;
    for (_, exchange) in mx.iter().filter_map(Rdata::as_mx) {
        if exchange.is_root() {
            return Some(Harm::new(
                format!("a sender finds a null MX for {domain} (RFC 7505): the message bounces"),
                "a null MX says that a domain takes no mail: take it out of the plan",
            ));
        }
        if known.as_ref().is_some_and(|known| !known.contains(&exchange)) {
            return Some(Harm::new(
                format!(
                    "a sender connects to {exchange}, which no host of the move has: nobody says that it accepts"
                ),
                format!(
                    "add {exchange} to the exchanges of a host, or take it out of the MX records"
                ),
            ));
        }
        let address = |rtype| view.look_up(&RrKey::new(exchange.clone(), rtype));
        reachable |= [RrType::A, RrType::AAAA]
            .into_iter()
            .any(|rtype| matches!(address(rtype), Outside::Records(_) | Outside::Unknown(_)));
    }
    if reachable {
        return None;
    }
    Some(Harm::new(
        format!(
            "a sender finds no address for any exchange of {domain}: the message waits, and bounces in the end"
        ),
        "publish the addresses and let their absence expire before the MX records name them; remove old ones only when no MX record that names them can be cached",
    ))
}
