//! Hosts that accept mail although nobody says that they do: addresses that belong to neither host,
//! and exchanges that are only backups.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use cutover_zone::Name;

use super::{ID, is_untouched, lateness};
use crate::proof::builder::{Domain, PatternBuilder, shown};
use crate::proof::parties::{Route, Routes, Side};
use crate::proof::pattern::Harm;
use cutover_steps::fact::{Fact, Subject, Value};

/// Addresses of exchanges of which nobody says that they accept the domain's mail.
pub(super) fn strangers(builder: &mut PatternBuilder<'_>, mail_domain: &Domain<'_>) {
    let domain = &mail_domain.name;
    let parties = builder.parties();
    let today = builder.routes_today(domain);
    // Where mail goes today is known to work: nobody has to state that for a domain that stays.
    let known = if mail_domain.moves.is_none() { today.all() } else { &[] };
    let is_strange = |route: &Route| match mail_domain.moves {
        Some(_) => parties.whose(route).is_none(),
        None => !known.iter().any(|other| match route.ip {
            Some(_) => other.ip == route.ip,
            None => (&other.exchange, &other.outside) == (&route.exchange, &route.outside),
        }),
    };
    let routes = builder.routes(ID, domain);
    let met: BTreeSet<&Route> = routes.found().flat_map(Routes::all).collect();
    let mut seen: Vec<(&Name, Option<IpAddr>, &Option<Name>)> = Vec::new();
    for (number, route) in met.iter().enumerate().filter(|(_, route)| is_strange(route)) {
        let to = (&route.exchange, route.ip, &route.outside);
        if seen.contains(&to) {
            continue;
        }
        seen.push(to);
        // Its preference does not matter.
        let is_used = |routes: &Routes| {
            let mut all = routes.all().iter();
            all.any(|route| (&route.exchange, route.ip, &route.outside) == to).then_some(())
        };
        let by_name = Subject::Name(route.exchange.clone());
        let by_address = route.ip.map(Subject::Address);
        // A name of a host of the move that leads elsewhere is identified by its address.
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
                "a sender of mail for {domain} connects to {}{at}: nobody says that this host accepts mail for {domain}",
                route.exchange
            ),
            format!(
                "keep the exchange at a host of the move as long as caches may hold MX records that name it; or {}",
                builder.statement(Fact::Accepts, &subjects[0], Value::True, "")
            ),
        );
        for (choice, ()) in builder.routed(ID, ("stranger", domain, number), &is_used).iter() {
            if is_untouched(mail_domain, choice) {
                continue;
            }
            let extra = lateness(builder, mail_domain, choice);
            for bad in builder.facts.of_any(Fact::Accepts, &subjects, Value::False) {
                builder.forbid_with(ID, choice, &extra, &[bad], &harm);
            }
        }
    }
}

/// Exchanges that are backups today and become the first. A pure backup finds no exchange to pass
/// mail on to, and returns it (RFC 5321 §5.1).
pub(super) fn backups(builder: &mut PatternBuilder<'_>, mail_domain: &Domain<'_>) {
    let domain = &mail_domain.name;
    let routes = builder.routes_today(domain);
    let (None, Routes::To(today)) = (mail_domain.moves, &*routes) else { return };
    let to = |route: &Route| (route.exchange.clone(), route.ip, route.outside.clone());
    let least = |routes: &[Route]| routes.iter().map(|route| route.preference).min();
    let is_first = |route: &&Route| Some(route.preference) == least(today);
    let firsts: BTreeSet<_> = today.iter().filter(is_first).map(to).collect();
    let backups: BTreeSet<_> =
        today.iter().map(to).filter(|backup| !firsts.contains(backup)).collect();
    for (number, backup) in backups.iter().enumerate() {
        let is_first = |routes: &Routes| {
            let least = least(routes.all())?;
            let mut first = routes.all().iter().filter(|route| route.preference == least);
            first.any(|route| to(route) == *backup).then_some(())
        };
        let (exchange, ip, _) = backup;
        let subjects: Vec<Subject> =
            [Subject::Name(exchange.clone())].into_iter().chain(ip.map(Subject::Address)).collect();
        let harm = Harm::new(
            format!("{ID}/{}/backup/{}", shown(domain), subjects[0]),
            format!(
                "{exchange}, a backup exchange of {domain} today, becomes the first: nobody says that it accepts the mail for good, and a pure backup returns it"
            ),
            format!(
                "keep an exchange before it; or {}",
                builder.statement(Fact::Accepts, &subjects[0], Value::True, "")
            ),
        );
        for (choice, ()) in builder.routed(ID, ("backup", domain, number), &is_first).iter() {
            if is_untouched(mail_domain, choice) {
                continue;
            }
            for bad in builder.facts.of_any(Fact::Accepts, &subjects, Value::False) {
                builder.forbid(ID, (choice, Duration::ZERO), &[bad], &harm);
            }
        }
    }
}
