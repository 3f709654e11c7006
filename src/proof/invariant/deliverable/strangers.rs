//! Who takes mail of which nobody says that it does: addresses that are neither host's, and exchanges
//! that only keep mail for others.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use cutover_contract::Name;

use super::{ID, is_untouched, lateness};
use crate::fact::{Fact, Subject, Value};
use crate::proof::model::{Domain, PatternBuilder, shown};
use crate::proof::parties::{Route, Routes, Side, routes_today};
use crate::proof::pattern::Harm;

/// Addresses behind exchanges of which nobody says that they take the domain's mail.
pub(super) fn strangers(builder: &mut PatternBuilder<'_>, one: &Domain<'_>) {
    let domain = &one.name;
    let parties = builder.parties();
    let known: Vec<Route> = match (one.moves, routes_today(builder.draft().snapshot, domain)) {
        // Where mail goes today, it goes on to go: nobody has to say so of a domain that stays.
        (None, Routes::To(routes)) => routes,
        (_, _) => Vec::new(),
    };
    let is_strange = |route: &Route| match one.moves {
        Some(_) => parties.whose(route).is_none(),
        None => !known.iter().any(|other| match route.ip {
            Some(_) => other.ip == route.ip,
            None => (&other.exchange, &other.outside) == (&route.exchange, &route.outside),
        }),
    };
    let ways = builder.routes(ID, domain);
    let met: BTreeSet<&Route> = ways.found().flat_map(Routes::all).collect();
    let mut seen: Vec<(&Name, Option<IpAddr>, &Option<Name>)> = Vec::new();
    for (number, route) in met.iter().enumerate().filter(|(_, route)| is_strange(route)) {
        let to = (&route.exchange, route.ip, &route.outside);
        if seen.contains(&to) {
            continue;
        }
        seen.push(to);
        // Whatever its preference is there.
        let comes = |routes: &Routes| {
            let mut all = routes.all().iter();
            all.any(|one| (&one.exchange, one.ip, &one.outside) == to).then_some(())
        };
        let by_name = Subject::Name(route.exchange.clone());
        let by_address = route.ip.map(Subject::Address);
        // A name of one of the hosts that leads elsewhere is told by where it leads.
        let of_host = [Side::From, Side::To]
            .into_iter()
            .any(|side| parties.names(side).contains(&route.exchange));
        let subjects: Vec<Subject> = match (of_host, by_address) {
            (true, Some(address)) => vec![address, by_name],
            (_, address) => [by_name].into_iter().chain(address).collect(),
        };
        let at = route.ip.map_or(String::new(), |ip| format!(" at {ip}"));
        let harm = Harm::new(
            format!("{ID}/{}/stranger/{}", shown(domain), subjects[0]),
            format!(
                "a sender of mail for {domain} connects to {}{at}: nobody says that this takes mail for {domain}",
                route.exchange
            ),
            format!(
                "let the exchange lead to a host of the move as long as MX records that name it can be cached; or {}",
                builder.statement(Fact::Accepts, &subjects[0], Value::True, "")
            ),
        );
        for (choice, ()) in builder.routed(ID, ("stranger", domain, number), &comes).iter() {
            if is_untouched(one, choice) {
                continue;
            }
            let extra = lateness(builder, one, choice);
            for bad in builder.facts.of_any(Fact::Accepts, &subjects, Value::False) {
                builder.forbid_with(ID, choice, &extra, &[bad], &harm);
            }
        }
    }
}

/// Exchanges that stand behind others today, and come to be the first: one that only keeps mail for those
/// before it finds nobody to pass it on to, and sends it back (RFC 5321 §5.1).
pub(super) fn backups(builder: &mut PatternBuilder<'_>, one: &Domain<'_>) {
    let domain = &one.name;
    let (None, Routes::To(today)) = (one.moves, routes_today(builder.draft().snapshot, domain))
    else {
        return;
    };
    let to = |route: &Route| (route.exchange.clone(), route.ip, route.outside.clone());
    let least = |routes: &[Route]| routes.iter().map(|route| route.preference).min();
    let is_first = |route: &&Route| Some(route.preference) == least(&today);
    let firsts: BTreeSet<_> = today.iter().filter(is_first).map(to).collect();
    let backups: BTreeSet<_> =
        today.iter().map(to).filter(|backup| !firsts.contains(backup)).collect();
    for (number, backup) in backups.iter().enumerate() {
        let comes_first = |routes: &Routes| {
            let least = least(routes.all())?;
            let mut firsts = routes.all().iter().filter(|route| route.preference == least);
            firsts.any(|route| to(route) == *backup).then_some(())
        };
        let (exchange, ip, _) = backup;
        let subjects: Vec<Subject> =
            [Subject::Name(exchange.clone())].into_iter().chain(ip.map(Subject::Address)).collect();
        let harm = Harm::new(
            format!("{ID}/{}/backup/{}", shown(domain), subjects[0]),
            format!(
                "{exchange}, which stands behind other exchanges of {domain} today, comes to be the first: nobody says that it takes the mail for good, and one that only keeps it for those before it sends it back"
            ),
            format!(
                "leave an exchange before it; or {}",
                builder.statement(Fact::Accepts, &subjects[0], Value::True, "")
            ),
        );
        for (choice, ()) in builder.routed(ID, ("backup", domain, number), &comes_first).iter() {
            if is_untouched(one, choice) {
                continue;
            }
            for bad in builder.facts.of_any(Fact::Accepts, &subjects, Value::False) {
                builder.forbid(ID, (choice, Duration::ZERO), &[bad], &harm);
            }
        }
    }
}
