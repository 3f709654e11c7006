//! Discovery records that no host of the move declares: records of names that do not move, and of
//! plans that move nothing.

use std::collections::BTreeSet;
use std::net::IpAddr;

use cutover_zone::{Name, Rdata, RrKey, RrType};

use super::super::is_known_to_stay;
use super::families::Servers;
use super::{ID, NOW, OldNames, leads_where, target};
use crate::intent::DomainMove;
use crate::observe::{discovery_keys, discovery_of};
use crate::proof::builder::{PatternBuilder, shown};
use crate::proof::pattern::Harm;
use crate::proof::view::View;
use cutover_steps::ask::Outside;
use cutover_steps::fact::{Fact, Subject, Value};

/// Records for mail clients that nobody declares and that still lead to the old host when it goes:
/// records of the domain, and of names that do not move, except names whose mail stays there.
pub(super) fn left_behind(
    builder: &mut PatternBuilder<'_>,
    domain_move: &DomainMove,
    left: &BTreeSet<RrKey>,
    off: &[usize],
) {
    let old = OldNames::of(builder, domain_move);
    for key in left {
        let of = Subject::Name(key.name.clone());
        let harm = Harm::new(
            format!("{ID}/{}/left/{}", shown(&key.name), key.rtype),
            format!(
                "a mail client that looks up {key} is sent to `{}`, which is off: the plan does not change that record",
                domain_move.from.name
            ),
            format!(
                "{}; or {}",
                match key.rtype {
                    // A host declares only aliases and services, not addresses.
                    RrType::A | RrType::AAAA =>
                        "change it under `records:`, or remove it there (`absent: true`)",
                    _ => "declare it under `discovery:`, or change it under `records:`",
                },
                builder.statement(Fact::Clients, &of, Value::False, "")
            ),
        );
        let leads = |view: &View<'_>| old.leads(&|key| view.look_up(key), key).then_some(());
        let at = usize::from(key.rtype.number());
        for (choice, ()) in builder.cases(ID, ("left", &key.name, at), &leads).iter() {
            for uses in builder.facts.having(Fact::Clients, &of, Value::True) {
                for off in off {
                    builder.forbid(ID, (choice, NOW), &[uses, *off], &harm);
                }
            }
        }
    }
}

/// Targets of a domain's discovery records that nobody could ask: they may be the old host.
pub(super) fn unseen_targets(
    builder: &mut PatternBuilder<'_>,
    domain_move: &DomainMove,
    names: &BTreeSet<Name>,
    off: &[usize],
) {
    for name in names {
        let of = Subject::Name(name.clone());
        let harm = Harm::new(
            format!("{ID}/{}/out-of-sight", shown(name)),
            format!(
                "a mail client of {} that looks for its server gets {name}, which nobody could ask: it may lead to `{}`, which is off",
                domain_move.domain.value, domain_move.from.name
            ),
            format!(
                "configure a `resolver:`, or {}",
                builder.statement(Fact::Clients, &of, Value::False, "")
            ),
        );
        for uses in builder.facts.having(Fact::Clients, &of, Value::True) {
            for off in off {
                builder.forbid_version(ID, &[], &[uses, *off], &harm);
            }
        }
    }
}

/// Discovery records of names that do not move but depend on something that the plan changes.
pub(super) fn follow_changed_names(builder: &mut PatternBuilder<'_>) {
    let draft = builder.draft();
    let live = draft.snapshot.zones.values().flat_map(|zone| zone.zone.rrsets.keys());
    let others = by_others(builder);
    of_those_that_stay(builder, live.chain(&others));
}

fn of_those_that_stay<'k>(builder: &mut PatternBuilder<'_>, keys: impl Iterator<Item = &'k RrKey>) {
    let moving: BTreeSet<&Name> = builder.moving().map(|(name, _)| name).collect();
    let keys: BTreeSet<RrKey> = keys
        .filter_map(|key| asked_for(key).filter(|(_, of)| !moving.contains(of)))
        .map(|(asked, _)| asked)
        // Both families of a name are looked at together.
        .filter(|key| key.rtype != RrType::AAAA)
        .collect();
    for key in keys {
        let other = |view: &View<'_>| {
            let live = Servers::of(&|key| view.live(key), &key);
            let now = || Servers::of(&|key| view.look_up(key), &key);
            (!live.is_none() && now() != live).then_some(())
        };
        let of = Subject::Name(key.name.clone());
        let harm = Harm::new(
            format!("{ID}/{}/led-along/{}", shown(&key.name), key.rtype),
            format!(
                "a mail client that finds its server by {key}, of a domain that does not move, is sent elsewhere"
            ),
            format!(
                "give it a name of its own first, or {}",
                builder.statement(Fact::Clients, &of, Value::False, "")
            ),
        );
        let at = usize::from(key.rtype.number());
        let found = builder.cases(ID, ("led-along", &key.name, at), &other);
        let bad =
            |builder: &PatternBuilder<'_>| builder.facts.having(Fact::Clients, &of, Value::True);
        builder.forbid_each(ID, (&found, NOW), &bad, &harm);
    }
}

/// The question of mail clients that a record answers, and the domain that the question is about: a
/// client that looks for a service asks for SRV records, and follows an alias in their place.
fn asked_for(key: &RrKey) -> Option<(RrKey, Name)> {
    let service = RrKey::new(key.name.clone(), RrType::SRV);
    match discovery_of(&service).filter(|_| key.rtype == RrType::CNAME) {
        Some(of) => Some((service, of)),
        None => discovery_of(key).map(|of| (key.clone(), of)),
    }
}

/// Discovery records of domains that do not move, for which a wildcard or a DNAME may answer.
fn by_others(builder: &PatternBuilder<'_>) -> BTreeSet<RrKey> {
    let draft = builder.draft();
    let found = builder.always(("discovery-by-others", &Name::root(), 0), &|| {
        let domains = builder.domains();
        let domains = domains.iter().filter(|domain| {
            let zone = draft.snapshot.zone_of(&domain.name).map(|zone| &zone.zone.origin);
            let is_made = |zone: &Name| draft.has_wildcards(zone) || draft.has_cuts(zone);
            // A name that has no mail yet has no clients.
            let mx = RrKey::new(domain.name.clone(), RrType::MX);
            let has_mail = builder.library.live(&mx) != Outside::Absent;
            domain.moves.is_none() && has_mail && zone.is_some_and(is_made)
        });
        let keys = domains.flat_map(|domain| discovery_keys(&domain.name));
        let is_made = |key: &RrKey| {
            key.rtype != RrType::CNAME
                && draft.snapshot.zone_of(&key.name).is_some_and(|zone| zone.get(key).is_none())
        };
        keys.filter(is_made).collect::<BTreeSet<RrKey>>()
    });
    (*found).clone()
}

/// Whether the old host keeps running for a domain, obviously or as stated.
pub(super) fn stays(builder: &PatternBuilder<'_>, domain: &Name) -> bool {
    let of = Subject::Name(domain.clone());
    is_known_to_stay(builder.draft(), domain)
        || builder.facts.is_stated(Fact::Stays, &of)
            && builder.facts.is_always(Fact::Stays, &of, Value::True)
}

/// The discovery records of names that do not move and that lead to the old host.
pub(super) fn of_other_names(
    builder: &PatternBuilder<'_>,
    domain_move: &DomainMove,
) -> BTreeSet<RrKey> {
    let draft = builder.draft();
    let moving: BTreeSet<&Name> = builder.moving().map(|(name, _)| name).collect();
    let old = OldNames::of(builder, domain_move);
    let live = draft.snapshot.zones.values().flat_map(|zone| zone.zone.rrsets.keys());
    let others = by_others(builder);
    let found = live.chain(&others).chain(draft.owned()).filter(|key| {
        asked_for(key)
            .is_some_and(|(_, domain)| !moving.contains(&domain) && !stays(builder, &domain))
            && (old.leads_there(builder, key) || draft.owner_of(key).is_some())
    });
    found.cloned().collect()
}

/// A plan that moves no mail, but changes the records by which clients find their servers.
pub(super) fn records_alone(builder: &mut PatternBuilder<'_>) {
    let draft = builder.draft();
    let mut keys: BTreeSet<RrKey> = BTreeSet::new();
    let live = draft.snapshot.zones.values().flat_map(|zone| zone.zone.rrsets.keys());
    for (key, _) in live.filter_map(asked_for) {
        if let Outside::Records(found) = builder.library.live(&key) {
            let both =
                |name: Name| [RrType::A, RrType::AAAA].map(|rtype| RrKey::new(name.clone(), rtype));
            keys.extend(found.iter().filter_map(target).flat_map(both));
        }
        // A client takes an address of either family.
        if key.rtype == RrType::A {
            keys.insert(RrKey::new(key.name.clone(), RrType::AAAA));
        }
        keys.insert(key);
    }
    let others = by_others(builder);
    of_those_that_stay(builder, others.iter());
    let owned: BTreeSet<RrKey> =
        draft.owned().filter_map(asked_for).map(|(asked, _)| asked).collect();
    for key in &owned {
        leads_where(builder, key);
    }
    for key in keys {
        is_replaced(builder, &key);
        gets_addresses(builder, &key);
    }
}

/// A record by which clients find their server becomes another one, or goes.
fn is_replaced(builder: &mut PatternBuilder<'_>, key: &RrKey) {
    let changed = |view: &View<'_>| {
        let live = view.live(key);
        let now = view.look_up(key);
        let is_other = now != live && !is_same_server(&live, &now) && added(&live, &now).is_none();
        (live != Outside::Absent && is_other).then_some(())
    };
    let of = Subject::Name(key.name.clone());
    let harm = Harm::new(
        format!("{ID}/{}/changed/{}", shown(&key.name), key.rtype),
        format!(
            "a mail client that finds its server by {key} finds another one, or none: nobody says that this server has its mailbox"
        ),
        format!(
            "move the mail with `migrate:`, or {}",
            builder.statement(Fact::Clients, &of, Value::False, "")
        ),
    );
    let at = usize::from(key.rtype.number());
    let found = builder.cases(ID, ("changed", &key.name, at), &changed);
    let bad = |builder: &PatternBuilder<'_>| builder.facts.having(Fact::Clients, &of, Value::True);
    builder.forbid_each(ID, (&found, NOW), &bad, &harm);
}

/// Whether two answers are one SRV record each, with the same server: where there is no choice,
/// priority and weight say nothing (RFC 2782).
fn is_same_server(live: &Outside, now: &Outside) -> bool {
    let server = |answer: &Outside| match answer {
        Outside::Records(found) => match &**found {
            [only] => only.srv_server(),
            _ => None,
        },
        Outside::Absent | Outside::Unknown(_) => None,
    };
    server(live).is_some_and(|before| server(now) == Some(before))
}

/// A server that clients find by a name gets one more address, of the same family or the other. A
/// client takes whichever it prefers, usually IPv6 (RFC 6724 §2.1, RFC 8305 §2), and once it has a
/// connection it does not try another.
fn gets_addresses(builder: &mut PatternBuilder<'_>, key: &RrKey) {
    if !matches!(key.rtype, RrType::A | RrType::AAAA) {
        return;
    }
    let both = [RrType::A, RrType::AAAA].map(|rtype| RrKey::new(key.name.clone(), rtype));
    if both.iter().all(|key| builder.library.live(key) == Outside::Absent) {
        return;
    }
    let at = usize::from(key.rtype.number());
    let new = |view: &View<'_>| added(&view.live(key), &view.look_up(key)).unwrap_or_default();
    let met = builder.met(ID, ("added", &key.name, at), &new);
    for (place, ip) in met.iter().enumerate() {
        let (of, server) = (Subject::Name(key.name.clone()), Subject::Address(*ip));
        let harm = Harm::new(
            format!("{ID}/{}/added/{ip}", shown(&key.name)),
            format!(
                "a mail client that finds its server by {key} connects to {ip}: nobody says that this server has its mailbox"
            ),
            format!(
                "{}; or {}",
                builder.statement(Fact::Serves, &server, Value::True, ""),
                builder.statement(Fact::Clients, &of, Value::False, "")
            ),
        );
        let leads = |view: &View<'_>| {
            added(&view.live(key), &view.look_up(key))?.contains(ip).then_some(())
        };
        // Both facts are asked for, so either may be stated without the other.
        let uses = builder.facts.having(Fact::Clients, &of, Value::True);
        let lacks = builder.facts.having(Fact::Serves, &server, Value::False);
        let label = at + (place << u16::BITS);
        let found = builder.cases(ID, ("leads-to-added", &key.name, label), &leads);
        for (choice, ()) in found.iter() {
            for (uses, lacks) in uses.iter().flat_map(|u| lacks.iter().map(move |l| (u, l))) {
                builder.forbid(ID, (choice, NOW), &[*uses, *lacks], &harm);
            }
        }
    }
}

/// The addresses that a name has now and did not have before, if it still has all that it had.
fn added(live: &Outside, now: &Outside) -> Option<Vec<IpAddr>> {
    let live: &[Rdata] = match live {
        Outside::Records(live) => live,
        Outside::Absent => &[],
        Outside::Unknown(_) => return None,
    };
    let Outside::Records(now) = now else { return None };
    live.iter().all(|rdata| now.contains(rdata)).then_some(())?;
    let more = now.iter().filter(|rdata| !live.contains(rdata));
    let ips: Vec<IpAddr> = more.filter_map(Rdata::ip).collect();
    (!ips.is_empty()).then_some(ips)
}
