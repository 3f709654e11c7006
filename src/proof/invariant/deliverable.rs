//! `deliverable`: over every route a host accepts the mail, and none that it may reach rejects a
//! valid recipient.
//!
//! A route is an MX record and an address, or that a host keeps the mail of its own customers. What
//! DNS alone can break: no MX record, a null MX, an exchange that no host has, an exchange without an
//! address. What a host can break: it does not know a recipient, it refuses, or it is off while the
//! only exchanges that a sender knows are its own. A host that relays, or that people send through,
//! has a queue: it must not be off before that is empty.

use std::collections::BTreeSet;
use std::time::Duration;

use cutover_contract::{Name, Rdata, RrKey, RrType};

use super::{Leads, Side, host, label, leads, moving};
use crate::fact::{Fact, Value};
use crate::intent::DomainMove;
use crate::observe::Outside;
use crate::proof::model::{Bench, Domain};
use crate::proof::pattern::Harm;
use crate::proof::view::{Choice, View};

const ID: &str = "deliverable";

pub(super) fn patterns(bench: &mut Bench<'_>) {
    for one in bench.domains() {
        for (choice, harm) in
            bench.cases(ID, ("dns", one.name, 0), &|view| of_dns(view, &one)).iter()
        {
            bench.forbid(ID, (choice, Duration::ZERO), &[], harm);
        }
        of_stale_mx(bench, &one);
        stays_at_old_host(bench, &one);
    }
    for (domain, one) in moving(bench) {
        of_new_host(bench, domain, one);
        of_old_host(bench, domain, one);
        of_relays(bench, domain, one);
    }
    let Some((from, to)) = bench.sides() else { return };
    let outbound = bench.facts.old_in_flight(&from.name);
    let off = bench.facts.having(Fact::Mail, &from.name, Value::Off);
    for (in_flight, off) in
        outbound.into_iter().flat_map(|one| off.iter().map(move |off| (one, off)))
    {
        let harm = Harm::new(
            format!(
                "mail that people sent through `{}` waits in its queue, and is lost with it",
                from.name
            ),
            bench.statement(Fact::Sends, &from.name, Value::False, "contract"),
        );
        bench.forbid(ID, (&Choice::new(), Duration::ZERO), &[in_flight, *off], &harm);
    }
    // Other customers of a host come to it whatever DNS says.
    for (side, refuses) in [(from, Value::Reject), (to, Value::Reject)] {
        let local = bench.facts.having(Fact::RoutesLocal, &side.name, Value::True);
        let rejects = bench.facts.having(Fact::Mail, &side.name, refuses);
        for (local, rejects) in local.iter().flat_map(|l| rejects.iter().map(move |r| (*l, *r))) {
            let harm = Harm::new(
                format!("mail from other customers of `{}` stays there, and is refused", side.name),
                bench.statement(Fact::RoutesLocal, &side.name, Value::False, ""),
            );
            bench.forbid(ID, (&Choice::new(), Duration::ZERO), &[local, rejects], &harm);
        }
    }
}

/// The old MX records are used for a while after the look-up, and some resolvers keep them too long:
/// as long as that, what they lead to has to be there.
fn of_stale_mx(bench: &mut Bench<'_>, one: &Domain<'_>) {
    let Some(moves) = one.moves else { return };
    let late = bench.late();
    let mx = RrKey::new(one.name.clone(), RrType::MX);
    let stale = |view: &View<'_>| {
        leads(view, moves, Side::From)?;
        of_dns(view, one)
    };
    for (choice, harm) in bench.cases(ID, ("stale", one.name, 0), &stale).iter() {
        let extra = |key: &RrKey| if *key == mx { late } else { Duration::ZERO };
        bench.forbid_with(ID, choice, &extra, &[], harm);
    }
}

/// A domain that does not move, and whose mail comes to the host that the others leave.
fn stays_at_old_host(bench: &mut Bench<'_>, one: &Domain<'_>) {
    let (None, Some((from, _))) = (one.moves, bench.sides()) else { return };
    let domain = one.name;
    let reaches = |view: &View<'_>| match view.look_up(&RrKey::new(domain.clone(), RrType::MX)) {
        Outside::Records(mx) => {
            let mut exchanges = mx.iter().filter_map(Rdata::as_mx);
            exchanges.any(|(_, exchange)| from.has_exchange(&exchange)).then_some(())
        }
        Outside::Absent | Outside::Unknown(_) => None,
    };
    let gone: Vec<usize> = [Value::Reject, Value::Off]
        .into_iter()
        .flat_map(|value| bench.facts.having(Fact::Mail, &from.name, value))
        .collect();
    let late = bench.late();
    for (choice, ()) in bench.cases(ID, ("stays", domain, 0), &reaches).iter() {
        for gone in &gone {
            let harm = Harm::new(
                format!(
                    "mail for {domain}, which does not move, comes to `{}`, which takes it no longer",
                    from.name
                ),
                format!("add {domain} to `domains:`, or give it MX records of another host"),
            );
            bench.forbid(ID, (choice, late), &[*gone], &harm);
        }
    }
}

fn of_new_host(bench: &mut Bench<'_>, domain: &Name, one: &DomainMove) {
    let to = &one.to.name;
    let refusals = [
        (
            Fact::Accepts,
            Value::False,
            "does not know every recipient: 550 5.1.1, the message bounces",
        ),
        (Fact::Mail, Value::Reject, "refuses mail for the domain: 550 5.7.1, the message bounces"),
    ];
    for (fact, value, what) in refusals {
        let bad = bench.facts.having(fact, to, value);
        if bad.is_empty() {
            continue;
        }
        for (choice, _) in
            bench.cases(ID, ("leads-new", domain, 0), &|view| leads(view, one, Side::To)).iter()
        {
            for bad in &bad {
                let fix = match fact == Fact::Accepts {
                    true => bench.statement(Fact::Accepts, to, Value::True, ""),
                    false => format!("let `{to}` take the domain before senders come to it"),
                };
                let harm = Harm::new(
                    format!("a sender of mail for {domain} connects to `{to}`, which {what}"),
                    fix,
                );
                bench.forbid(ID, (choice, Duration::ZERO), &[*bad], &harm);
            }
        }
    }
    let only = |view: &View<'_>| leads(view, one, Side::To).filter(|leads| *leads == Leads::Only);
    for off in bench.facts.having(Fact::Mail, to, Value::Off) {
        let harm = Harm::new(
            format!(
                "a sender of mail for {domain} finds nobody at `{to}`: the message waits, and bounces in the end"
            ),
            format!("let `{to}` be on before senders come to it"),
        );
        for (choice, _) in bench.cases(ID, ("only-new", domain, 0), &only).iter() {
            bench.forbid(ID, (choice, Duration::ZERO), &[off], &harm);
        }
    }
}

/// What a host that is passed on to does with the mail: it takes it, or the sender's message bounces.
fn of_relays(bench: &mut Bench<'_>, domain: &Name, one: &DomainMove) {
    let passes_on = |bench: &Bench<'_>, host: &str| -> Vec<usize> {
        let values = bench.facts.values(Fact::Mail, host).into_iter();
        let passes = values.filter(|(value, _)| matches!(value, Value::Relay | Value::RelayByMx));
        passes.map(|(_, atom)| atom).collect()
    };
    let takes_not = |bench: &Bench<'_>, host: &str| -> Vec<usize> {
        let refuses = [Value::Reject, Value::Off];
        let refuses =
            refuses.into_iter().flat_map(|value| bench.facts.having(Fact::Mail, host, value));
        refuses.collect()
    };
    for (side, other) in [(Side::From, &one.to), (Side::To, &one.from)] {
        let mut bad = takes_not(bench, &other.name);
        if side == Side::From {
            bad.extend(bench.facts.having(Fact::Accepts, &other.name, Value::False));
        }
        let relays = passes_on(bench, &host(one, side).name);
        if relays.is_empty() || bad.is_empty() {
            continue;
        }
        let harm = Harm::new(
            format!(
                "mail for {domain} comes to `{}`, which passes it on to `{}`, and that one does not take it: the message bounces",
                host(one, side).name,
                other.name
            ),
            format!(
                "let `{}` pass mail on only while `{}` takes it",
                host(one, side).name,
                other.name
            ),
        );
        for (choice, _) in
            bench.cases(ID, (label(side), domain, 0), &|view| leads(view, one, side)).iter()
        {
            for (relays, bad) in relays.iter().flat_map(|r| bad.iter().map(move |b| (*r, *b))) {
                bench.forbid(ID, (choice, Duration::ZERO), &[relays, bad], &harm);
            }
        }
    }
}

fn of_old_host(bench: &mut Bench<'_>, domain: &Name, one: &DomainMove) {
    let from = &one.from.name;
    let late = bench.late();
    let relays = bench.facts.values(Fact::Mail, from);
    let relays = relays.iter().any(|(value, _)| matches!(value, Value::Relay | Value::RelayByMx));
    let queue = bench.draft().intent.terms.clocks.queue_life;
    let reached = bench.cases(ID, ("leads-old", domain, 0), &|view| leads(view, one, Side::From));
    for reject in bench.facts.having(Fact::Mail, from, Value::Reject) {
        let harm = Harm::new(
            format!(
                "a sender of mail for {domain} that still has the old MX records connects to `{from}`: 550, the message bounces"
            ),
            format!(
                "let `{from}` refuse mail only when nobody can have the old MX records, or relay it until then"
            ),
        );
        for (choice, _) in reached.iter() {
            bench.forbid(ID, (choice, late), &[reject], &harm);
        }
    }
    for off in bench.facts.having(Fact::Mail, from, Value::Off) {
        let harm = Harm::new(
            format!(
                "a sender of mail for {domain} that still has the old MX records finds nobody at `{from}`: the message waits, and bounces in the end"
            ),
            format!("leave `{from}` on until nobody can have the old MX records"),
        );
        let alone = bench.cases(ID, ("only-old", domain, 0), &|view| {
            leads(view, one, Side::From).filter(|leads| *leads == Leads::Only)
        });
        for (choice, _) in alone.iter() {
            bench.forbid(ID, (choice, late), &[off], &harm);
        }
        if !relays {
            continue;
        }
        let harm = Harm::new(
            format!(
                "mail for {domain} that `{from}` took and has not passed on yet is lost with it"
            ),
            format!("leave `{from}` on until its queue is empty"),
        );
        for (choice, _) in reached.iter() {
            bench.forbid(ID, (choice, late + queue), &[off], &harm);
        }
    }
}

/// What DNS alone can break.
fn of_dns(view: &View<'_>, one: &Domain<'_>) -> Option<Harm> {
    let domain = one.name;
    // Of a domain that stays where it is, the plan names no hosts.
    let known = one.moves.map(|one| {
        let exchanges =
            [Side::From, Side::To].into_iter().flat_map(|side| &host(one, side).exchanges);
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
        let wrong = one.moves.and_then(|one| {
            wrong_address(view, one, &exchange).or_else(|| moved_away(view, one, &exchange))
        });
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

/// Whether an exchange of the old host, and of nobody else, leads to an address that it did not have
/// when the plan was made.
fn moved_away(view: &View<'_>, one: &DomainMove, exchange: &Name) -> Option<Harm> {
    if !one.from.has_exchange(exchange) || one.to.has_exchange(exchange) {
        return None;
    }
    for rtype in [RrType::A, RrType::AAAA] {
        let key = RrKey::new(exchange.clone(), rtype);
        let (Outside::Records(found), Outside::Records(known)) =
            (view.look_up(&key), view.live(&key))
        else {
            continue;
        };
        if let Some(ip) = found.iter().filter(|rdata| !known.contains(rdata)).find_map(Rdata::ip) {
            return Some(Harm::new(
                format!(
                    "a sender that has the old MX records connects to {exchange} at {ip}: nobody says that this takes mail for `{}`",
                    one.from.name
                ),
                format!(
                    "leave {exchange} where it is until nobody can have MX records that name it"
                ),
            ));
        }
    }
    None
}

/// Whether an exchange of the new host, for which the plan names the addresses, leads elsewhere. An
/// exchange that both hosts share may lead to either.
fn wrong_address(view: &View<'_>, one: &DomainMove, exchange: &Name) -> Option<Harm> {
    let meant = one.to.exchanges.iter().find(|other| other.name.value == *exchange)?;
    if one.from.has_exchange(exchange) || meant.addresses.is_empty() {
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
