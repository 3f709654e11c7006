//! `transport-policy`: a sender that obeys MTA-STS (RFC 8461) and DANE (RFC 7672) can deliver.
//!
//! A policy that senders have cached is not in DNS and cannot be read there. If a domain has an
//! `_mta-sts` record, or an alias there that nobody could follow, the plan has to state that every
//! policy in circulation allows the exchanges that senders reach. Today's policy allows today's
//! exchanges; once the plan changes the record or the policy's host, nobody knows. TLSA records are
//! in DNS; what the certificates match is declared by the host's `tlsa:`, or stated.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use cutover_contract::Change;
use cutover_zone::{Name, Rdata, RrKey, RrType};

use super::super::draft::Kind;
use super::{Extent, both, extent_at, extent_of, forbid_at_host, host};
use crate::intent::DomainMove;
use crate::proof::builder::{Domain, PatternBuilder, shown};
use crate::proof::parties::{Route, Routes, Side};
use crate::proof::pattern::{Harm, Start, What};
use crate::proof::view::View;
use cutover_steps::ask::Outside;
use cutover_steps::fact::{Fact, Subject, Value};

const ID: &str = "transport-policy";
const NOW: Duration = Duration::ZERO;
/// The labels of port 25 in front of TLSA records (RFC 7672 §2.1).
const TLSA_LABELS: &str = "_25._tcp";

pub(super) fn patterns(builder: &mut PatternBuilder<'_>) {
    for (domain, domain_move) in builder.moving() {
        let allowed = Subject::Name(domain.clone());
        for side in [Side::From, Side::To] {
            let name = &host(domain_move, side).name;
            let of = Subject::Host(name.clone());
            let harm = Harm::new(
                format!("{ID}/{}/sts/{name}", shown(domain)),
                format!(
                    "a sender that has cached an MTA-STS policy of {domain} may not deliver to `{name}`, which the policy does not list: the message waits, and bounces in the end"
                ),
                builder.statement(Fact::StsAllows, &of, Value::True, ""),
            );
            // Today's policy allows today's exchanges, as long as neither changes.
            let asked = |view: &View<'_>| match side {
                Side::To => policy(view, domain),
                Side::From => policy_changed(view, domain),
            };
            let bad = |builder: &PatternBuilder<'_>| not_allowed(builder, &of, &allowed, side);
            let what = if side == Side::To { "policy-new" } else { "policy-old" };
            forbid_in_views(builder, (domain, side), (what, &asked), &bad, &harm);
            if side == Side::From {
                kept_policies(builder, domain, &bad, &harm);
            }
        }
        stated_for_old(builder, domain, domain_move);
        for (side, what) in [(Side::From, "tlsa-old"), (Side::To, "tlsa-new")] {
            let host = host(domain_move, side);
            if host.tlsa.is_empty() {
                continue;
            }
            mismatches(builder, what, (domain, domain_move, side));
        }
        if domain_move.from.tlsa.is_empty() {
            other_tlsa(builder, domain, domain_move);
        }
        if !domain_move.to.tlsa.is_empty() {
            continue;
        }
        let to = &domain_move.to.name;
        let harm = Harm::new(
            format!("{ID}/{}/tlsa/{to}", shown(domain)),
            format!(
                "a sender that obeys DANE finds TLSA records of an exchange of `{to}` that its certificate may not match: the message waits, and bounces in the end"
            ),
            format!(
                "declare what the certificates match with `tlsa:` at the host, or {}",
                builder.of_host(Fact::TlsaMatches, to, Value::True, "")
            ),
        );
        let asked = |view: &View<'_>| !tlsa(view, domain, Side::To).is_empty();
        let bad = |builder: &PatternBuilder<'_>| {
            builder.facts.of_host(Fact::TlsaMatches, to, Value::False)
        };
        forbid_in_views(builder, (domain, Side::To), ("tlsa-of-new", &asked), &bad, &harm);
    }
    for domain in builder.domains().iter().filter(|domain| domain.moves.is_none()) {
        of_others(builder, domain);
    }
}

/// Old MX records are used for a while after the look-up, and some resolvers keep them too long.
fn lateness(builder: &PatternBuilder<'_>, side: Side) -> Duration {
    match side {
        Side::From => builder.late(),
        Side::To => NOW,
    }
}

/// The atoms of a policy that does not allow a host. What is stated for the domain counts too. For
/// the old host, a fact that nobody states is unknown once the policy has changed.
fn not_allowed(
    builder: &PatternBuilder<'_>,
    of: &Subject,
    domain: &Subject,
    side: Side,
) -> Vec<usize> {
    let stated = |of: &Subject| builder.facts.is_stated(Fact::StsAllows, of);
    match side {
        Side::From if !stated(of) => builder.facts.having(Fact::StsAllows, domain, Value::False),
        Side::To if !stated(of) && stated(domain) => {
            builder.facts.having(Fact::StsAllows, domain, Value::False)
        }
        Side::From | Side::To => builder.facts.having(Fact::StsAllows, of, Value::False),
    }
}

/// The plan states that the policy does not allow the old host, from some moment on.
fn stated_for_old(builder: &mut PatternBuilder<'_>, domain: &Name, domain_move: &DomainMove) {
    let from = Subject::Host(domain_move.from.name.clone());
    if !builder.facts.is_stated(Fact::StsAllows, &from) {
        return;
    }
    let harm = Harm::new(
        format!("{ID}/{}/sts/{from}", shown(domain)),
        format!(
            "a sender that has cached an MTA-STS policy of {domain} may not deliver to `{from}`, which the policy does not list: the message waits, and bounces in the end"
        ),
        format!("let the policy list `{from}` as long as caches may hold MX records that name it"),
    );
    let asked = |view: &View<'_>| policy(view, domain);
    let bad =
        |builder: &PatternBuilder<'_>| builder.facts.having(Fact::StsAllows, &from, Value::False);
    forbid_in_views(builder, (domain, Side::From), ("policy-said", &asked), &bad, &harm);
}

/// Senders keep a policy for as long as it says (RFC 8461 §3.2), whatever happens to its record:
/// from the first change on they may have the new policy, on the way back too.
fn kept_policies(
    builder: &mut PatternBuilder<'_>,
    domain: &Name,
    bad: &dyn Fn(&PatternBuilder<'_>) -> Vec<usize>,
    harm: &Harm,
) {
    let draft = builder.draft();
    let Some(record) = below("_mta-sts", domain) else { return };
    let host = below("mta-sts", domain);
    let text = RrKey::new(record.clone(), RrType::TXT);
    let is_there = builder.library.live(&text) != Outside::Absent;
    let makes_another = |change: &Change| {
        let is_of =
            change.key.name == record || (is_there && host.as_ref() == Some(&change.key.name));
        let is_other = match (&change.before, &change.after) {
            (Some(before), Some(after)) => !before.same_rdata(after),
            (None, Some(_)) => true,
            (_, None) => false,
        };
        is_of && is_other
    };
    let mut tracks = draft.owners_below(&record);
    tracks.extend(host.iter().flat_map(|host| draft.owners_below(host)));
    let of_tracks = tracks.iter().flat_map(|track| draft.steps_of(*track));
    let makes = |step: &&usize| match &draft.nodes[**step].kind {
        Kind::Change { transition, .. } => transition.changes.iter().any(makes_another),
        Kind::Point(_) | Kind::Stated(_) | Kind::Task(_) | Kind::Beginning | Kind::Back(_) => false,
    };
    let steps: Vec<usize> = of_tracks.filter(makes).copied().collect();
    if steps.is_empty() {
        return;
    }
    let begun: Vec<usize> = steps
        .into_iter()
        .map(|step| builder.atom(What::Begun, Start::Begin(step), Vec::new()))
        .collect();
    let sets = both(&begun, &bad(builder));
    let late = lateness(builder, Side::From);
    forbid_at_host(builder, (ID, domain, Side::From), (late, &sets), harm);
}

/// Adds patterns: a view has a property, and mail goes to a host. Each extent makes a harm of its
/// own.
fn forbid_in_views(
    builder: &mut PatternBuilder<'_>,
    (domain, side): (&Name, Side),
    (what, asked): (&'static str, &dyn Fn(&View<'_>) -> bool),
    bad: &dyn Fn(&PatternBuilder<'_>) -> Vec<usize>,
    harm: &Harm,
) {
    let parties = builder.parties();
    let extra = lateness(builder, side);
    let in_force = |view: &View<'_>| {
        let leads = || extent_at(parties, &view.routes(domain), side);
        asked(view).then(leads).flatten()
    };
    let leads = builder.views(ID, (what, domain, 0), &in_force);
    for extent in Extent::ALL {
        let found = leads.smallest(&|leads| (*leads == Some(extent)).then_some(()));
        let harm = Harm { id: format!("{}{}", harm.id, extent.suffix()).into(), ..harm.clone() };
        builder.forbid_each(ID, (&found, extra), bad, &harm);
    }
}

/// Where mail goes today, for any domain with MX records. A host's own name may have mail too, but
/// nobody knows whether any comes.
fn all_routes_today(builder: &PatternBuilder<'_>) -> BTreeSet<(Name, Option<IpAddr>)> {
    let has_mx = |domain: &&Domain<'_>| {
        let mx = RrKey::new(domain.name.clone(), RrType::MX);
        matches!(builder.library.live(&mx), Outside::Records(_))
    };
    let domains = builder.domains();
    let domains = domains.iter().filter(has_mx);
    let routes = domains.map(|domain| builder.routes_today(&domain.name));
    let all = routes.flat_map(|routes| routes.all().to_vec());
    all.map(|route| (route.exchange, route.ip)).collect()
}

/// A domain that does not move, but whose policy, exchanges or TLSA records the plan changes.
fn of_others(builder: &mut PatternBuilder<'_>, mail_domain: &Domain<'_>) {
    let domain = &mail_domain.name;
    let today = builder.routes_today(domain);
    let allowed = Subject::Name(domain.clone());
    // A policy asks for a certificate too (RFC 8461 §4.1): nobody knows which one the server at
    // another address has.
    let is_same = |one: &Route, other: &Route| one.exchange == other.exchange && one.ip == other.ip;
    let other = |view: &View<'_>| {
        let other_routes = || match (view.routes(domain), &*today) {
            (Routes::To(now), Routes::To(today)) => {
                now.iter().any(|route| !today.iter().any(|known| is_same(known, route)))
            }
            (_, _) => false,
        };
        (policy_changed(view, domain) || (policy(view, domain) && other_routes())).then_some(())
    };
    let harm = Harm::new(
        format!("{ID}/{}/sts", shown(domain)),
        format!(
            "a sender that obeys MTA-STS has a policy of {domain} of which nobody says that it allows every exchange: the message waits, and bounces in the end"
        ),
        builder.statement(Fact::StsAllows, &allowed, Value::True, ""),
    );
    for (choice, ()) in builder.cases(ID, ("policy", domain, 3), &other).iter() {
        if !choice.is_empty() {
            for bad in builder.facts.having(Fact::StsAllows, &allowed, Value::False) {
                builder.forbid(ID, (choice, NOW), &[bad], &harm);
            }
        }
    }
    let ways_today =
        builder.always(("ways-today", &Name::root(), 0), &|| all_routes_today(builder));
    let all_routes = builder.routes(ID, domain);
    let met = all_routes.found().flat_map(Routes::all);
    let exchanges: BTreeSet<&Name> = met.map(|route| &route.exchange).collect();
    for (number, exchange) in exchanges.into_iter().enumerate() {
        let of = Subject::Name(exchange.clone());
        let other = |view: &View<'_>| {
            let all = tlsa_of(view, exchange);
            // To which domain the mail belongs makes no difference to a certificate.
            let known = |ip| ways_today.contains(&(exchange.clone(), ip));
            let Routes::To(now) = view.routes(domain) else { return None };
            let mut here = now.iter().filter(|route| route.exchange == *exchange).peekable();
            here.peek()?;
            let moved = here.any(|route| !known(route.ip));
            let other = all.iter().any(|(key, found)| !has_current_records(view, key, found));
            (!all.is_empty() && (moved || other)).then_some(())
        };
        let harm = Harm::new(
            format!("{ID}/{}/tlsa/{}", shown(domain), shown(exchange)),
            format!(
                "a sender of mail for {domain} that obeys DANE finds TLSA records of {exchange} that its certificate may not match: the message waits, and bounces in the end"
            ),
            builder.statement(Fact::TlsaMatches, &of, Value::True, ""),
        );
        for (choice, ()) in builder.cases(ID, ("tlsa-of", domain, number), &other).iter() {
            if choice.is_empty() {
                continue;
            }
            for bad in builder.facts.having(Fact::TlsaMatches, &of, Value::False) {
                builder.forbid(ID, (choice, NOW), &[bad], &harm);
            }
        }
    }
}

/// TLSA records of the old host that are not the current ones: nobody says what they match.
fn other_tlsa(builder: &mut PatternBuilder<'_>, domain: &Name, domain_move: &DomainMove) {
    let from = &domain_move.from.name;
    let other = |view: &View<'_>| {
        let mut all = tlsa(view, domain, Side::From).into_iter();
        all.any(|(_, key, records)| !has_current_records(view, &key, &records)).then_some(())
    };
    for (choice, ()) in builder.cases(ID, ("other-tlsa", domain, 0), &other).iter() {
        let harm = Harm::new(
            format!("{ID}/{}/tlsa/{from}", shown(domain)),
            format!(
                "a sender that obeys DANE finds other TLSA records of an exchange of `{from}` than before, and its certificate may match none of them: the message waits, and bounces in the end"
            ),
            format!(
                "declare what the certificates match with `tlsa:` at the host, or {}",
                builder.of_host(Fact::TlsaMatches, from, Value::True, "")
            ),
        );
        for bad in builder.facts.of_host(Fact::TlsaMatches, from, Value::False) {
            builder.forbid(ID, (choice, lateness(builder, Side::From)), &[bad], &harm);
        }
    }
}

fn below(label: &str, domain: &Name) -> Option<Name> {
    domain.child(label).ok()
}

/// Whether senders may have a policy of the domain (RFC 8461 §3.1, §8.2).
fn policy(view: &View<'_>, domain: &Name) -> bool {
    let Some(name) = below("_mta-sts", domain) else { return false };
    let key = RrKey::new(name, RrType::TXT);
    let has = |answer: Outside| match answer {
        Outside::Records(txt) => {
            txt.iter().filter_map(Rdata::txt_joined).any(|text| text.starts_with(b"v=STSv1"))
        }
        Outside::Absent => false,
        // An alias that nobody could follow leads to whoever runs the policy.
        Outside::Unknown(_) => true,
    };
    // Removing the record does not end a policy that somebody has (RFC 8461 §3.1).
    has(view.live(&key)) || has(view.look_up(&key)) || has_policy_host(view, domain)
}

/// Whether the host of a policy exists, with records of its own. A policy that it served counts for
/// up to a year after its record is gone (RFC 8461 §3.2, §3.3).
fn has_policy_host(view: &View<'_>, domain: &Name) -> bool {
    let Some(host) = below("mta-sts", domain) else { return false };
    let types = [RrType::A, RrType::AAAA, RrType::CNAME];
    types
        .into_iter()
        .any(|rtype| view.published(&RrKey::new(host.clone(), rtype)) != Outside::Absent)
}

/// Whether the policy in force may be another one than before: its record, or the location of its
/// host, has changed.
fn policy_changed(view: &View<'_>, domain: &Name) -> bool {
    let record = below("_mta-sts", domain).map(|name| RrKey::new(name, RrType::TXT));
    let hosts = below("mta-sts", domain)
        .into_iter()
        .flat_map(|name| [RrType::A, RrType::AAAA].map(|rtype| RrKey::new(name.clone(), rtype)));
    policy(view, domain)
        && record.into_iter().chain(hosts).any(|key| match view.look_up(&key) {
            // Without the record, or the host, senders keep the policy that they have.
            Outside::Absent => false,
            found @ (Outside::Records(_) | Outside::Unknown(_)) => found != view.live(&key),
        })
}

fn tlsa_key(exchange: &Name) -> Option<RrKey> {
    Some(RrKey::new(below(TLSA_LABELS, exchange)?, RrType::TLSA))
}

/// The TLSA records that a sender may use for an exchange: those of its name, and those of the name
/// that it is an alias of (RFC 7672 §2.2.2). An empty list means that there may be some that nobody
/// could ask for, and that do not belong to whoever runs the name.
fn tlsa_of(view: &View<'_>, exchange: &Name) -> Vec<(RrKey, Arc<[Rdata]>)> {
    let alias = RrKey::new(exchange.clone(), RrType::CNAME);
    let target = match view.answer(&alias) {
        Outside::Records(found) => found.first().and_then(Rdata::target),
        Outside::Absent | Outside::Unknown(_) => None,
    };
    let is_ours = [RrType::A, RrType::AAAA]
        .iter()
        .any(|rtype| view.leaves_at(&RrKey::new(exchange.clone(), *rtype)).is_none());
    let keys = [Some(exchange), target.as_ref()].into_iter().flatten().filter_map(tlsa_key);
    let found = keys.filter_map(|key| match view.look_up(&key) {
        Outside::Records(records) => Some((key, records)),
        // Whoever runs a name outside the zones keeps its records and its certificates in line.
        Outside::Unknown(_) => is_ours.then(|| (key, Arc::default())),
        Outside::Absent => None,
    });
    found.collect()
}

/// Whether these records still include the current ones: one match is enough (RFC 7672 §2.1), and
/// one of the current ones matched.
fn has_current_records(view: &View<'_>, key: &RrKey, found: &[Rdata]) -> bool {
    match view.live(key) {
        Outside::Records(live) => live.iter().all(|rdata| found.contains(rdata)),
        Outside::Absent => false,
        // For another name outside, nobody knows whether its records are the same.
        live @ Outside::Unknown(_) => found.is_empty() && view.look_up(key) == live,
    }
}

/// The TLSA records of each exchange of a host that the MX records lead to in this view: a sender
/// may use any of them.
fn tlsa(view: &View<'_>, domain: &Name, side: Side) -> Vec<(Name, RrKey, Arc<[Rdata]>)> {
    let Routes::To(routes) = view.routes(domain) else { return Vec::new() };
    let parties = view.parties();
    let own = routes.into_iter().filter(|route| parties.whose(route) == Some(side));
    let exchanges: BTreeSet<Name> = own.map(|route| route.exchange).collect();
    let all = exchanges.into_iter().flat_map(|exchange| {
        let found = tlsa_of(view, &exchange).into_iter();
        found.map(move |(key, records)| (exchange.clone(), key, records))
    });
    all.collect()
}

/// Adds patterns: TLSA records of an exchange that do not match its certificate. The extent of mail
/// that has no other route makes a harm of its own.
fn mismatches(
    builder: &mut PatternBuilder<'_>,
    what: &'static str,
    (domain, domain_move, side): (&Name, &DomainMove, Side),
) {
    let host = host(domain_move, side);
    let blocked = |view: &View<'_>| -> Vec<Name> {
        let matches = |records: &[Rdata]| records.iter().any(|record| host.tlsa.contains(record));
        let all = tlsa(view, domain, side).into_iter();
        all.filter(|(_, _, records)| !matches(records)).map(|(exchange, ..)| exchange).collect()
    };
    let exchanges = builder.met(ID, (what, domain, 0), &blocked);
    for (place, exchange) in exchanges.iter().enumerate() {
        for (number, extent) in Extent::ALL.into_iter().enumerate() {
            let is_blocked_to_extent = |view: &View<'_>| {
                let blocked = blocked(view);
                let is_blocked = |route: &Route| blocked.contains(&route.exchange);
                let extent_found = || extent_of(&view.routes(domain), &is_blocked);
                blocked
                    .contains(exchange)
                    .then(extent_found)
                    .flatten()
                    .filter(|extent_found| *extent_found == extent)
                    .map(drop)
            };
            let label = (what, domain, 1 + place * Extent::ALL.len() + number);
            let found = builder.cases(ID, label, &is_blocked_to_extent);
            if found.is_empty() {
                continue;
            }
            let harm = Harm::new(
                format!("{ID}/{}/tlsa/{}{}", shown(domain), shown(exchange), extent.suffix()),
                format!(
                    "a sender of mail for {domain} that obeys DANE finds TLSA records of {exchange}, none of which the certificate of `{}` matches: the message waits, and bounces in the end",
                    host.name
                ),
                format!(
                    "publish the TLSA records of both hosts, let the old ones expire, and only then switch (RFC 7671 §8.1): {exchange}"
                ),
            );
            for (choice, ()) in found.iter() {
                builder.forbid(ID, (choice, lateness(builder, side)), &[], &harm);
            }
        }
    }
}
