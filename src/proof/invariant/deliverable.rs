//! `deliverable`: in every view, the MX records lead to a host of the plan that has an address.
//!
//! That the hosts accept is an assumption, which the plan lists. What a DNS change alone can break
//! is checked here: no MX record, a null MX, an exchange that no host has, and an exchange without
//! an address, because another version of its address is cached than was thought of.

use std::collections::BTreeSet;

use cutover_contract::{Name, Rdata, RrKey, RrType};

use crate::intent::DomainMove;
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
        let wrong = one.moves.and_then(|one| wrong_address(view, one, &exchange));
        if wrong.is_some() {
            return wrong;
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

/// Whether an exchange of the new host, for which the plan names the addresses, leads elsewhere. An
/// exchange that both hosts share may lead to either.
fn wrong_address(view: &View<'_>, one: &DomainMove, exchange: &Name) -> Option<Harm> {
    let shared = one.from.exchanges.iter().any(|other| other.name.value == *exchange);
    let meant = one.to.exchanges.iter().find(|other| other.name.value == *exchange)?;
    if shared || meant.addresses.is_empty() {
        return None;
    }
    for rtype in [RrType::A, RrType::AAAA] {
        let Outside::Records(found) = view.look_up(&RrKey::new(exchange.clone(), rtype)) else {
            continue;
        };
        let other = found.iter().filter_map(Rdata::ip).find(|ip| !meant.addresses.contains(ip));
        if let Some(ip) = other {
            return Some(Harm::new(
                format!(
                    "a sender connects to {exchange} at {ip}, which is none of the addresses of `{}`: whatever answers there does not know the recipients",
                    one.to.name
                ),
                format!(
                    "replace the address of {exchange}, and let the old one expire, before the MX records name it"
                ),
            ));
        }
    }
    None
}
