//! Names that the plan leads elsewhere and that mail clients may be set up with. Nothing in DNS
//! shows which names people typed in, so every name counts.

use std::collections::BTreeSet;

use cutover_zone::{Name, Rdata, RrKey, RrType};

use super::{Sentence, is_discovery, is_host};
use crate::observe::discovery_keys;
use crate::proof::draft::Draft;
use crate::proof::invariant::is_known_to_stay;
use cutover_mail::resolution::moved;
use cutover_steps::ask::Outside;
use cutover_steps::fact::{Fact, Subject, Value};
use cutover_steps::graph::Point;

/// Names whose addresses the plan changes, by their own records or by those that they are aliases
/// of, without those that the invariant `clients` judges: names that lead to the old host of a
/// move.
pub(super) fn names_set_up(draft: &Draft<'_>, others: &BTreeSet<Name>) -> Option<Sentence> {
    let is_led = |key: &&RrKey| matches!(key.rtype, RrType::A | RrType::AAAA | RrType::CNAME);
    let mut changes = draft.owned().filter(|key| is_led(key) || key.rtype == RrType::DNAME);
    changes.next()?;
    let rrsets = || draft.snapshot.zones.values().flat_map(|zone| &zone.zone.rrsets);
    let aliases = rrsets().map(|(key, _)| key).filter(|key| key.rtype == RrType::CNAME);
    let owned = draft.owned().filter(is_led);
    let names: BTreeSet<&Name> = owned.chain(aliases).map(|key| &key.name).collect();
    let is_changed = |name: &Name| {
        let keys = [RrType::A, RrType::AAAA].map(|rtype| RrKey::new(name.clone(), rtype));
        let live = keys.each_ref().map(|key| draft.snapshot.told(key));
        live.iter().any(|live| *live != Outside::Absent)
            && keys.iter().zip(&live).any(|(key, live)| draft.end.told(key) != *live)
    };
    let changed: BTreeSet<Name> = names.into_iter().filter(|n| is_changed(n)).cloned().collect();
    let dnames = rrsets().filter(|(key, _)| key.rtype == RrType::DNAME);
    let below = dnames.flat_map(|(key, rrset)| {
        let target = rrset.rdata().first().and_then(Rdata::target).unwrap_or_else(Name::root);
        changed.iter().filter_map(move |name| moved(name, &target, &key.name)).collect::<Vec<_>>()
    });
    let stated = |fact: Fact, name: &Name, value: Value| {
        let of = Subject::Name(name.clone());
        draft.intent.assume.iter().any(|stated| {
            let is_it = stated.fact.value == fact && stated.subject.value == of;
            is_it && stated.value == value && stated.from.is_none()
        })
    };
    let stays =
        |domain: &Name| is_known_to_stay(draft, domain) || stated(Fact::Stays, domain, Value::True);
    let is_moving =
        |name: &Name| draft.intent.moves.iter().any(|moving| moving.domain.value == *name);
    let is_judged = |name: &Name| {
        let ips = draft.snapshot.addresses(name);
        ips.iter().any(|ip| draft.parties.is_at_old(*ip)) && {
            let mut above = std::iter::successors(Some(name.clone()), Name::parent);
            let domain = above.find(|name| others.contains(name) || is_moving(name));
            domain.is_none_or(|domain| is_moving(&domain) || stays(&domain))
        }
    };
    let below: Vec<Name> = below.collect();
    let names: BTreeSet<Name> = changed
        .into_iter()
        .chain(below)
        .filter(|name| is_host(name) && !is_discovery(name) && !is_judged(name))
        .filter(|name| !stated(Fact::Clients, name, Value::False))
        .collect();
    (!names.is_empty()).then(|| Sentence {
        before: "no mail client is set up with ".to_owned(),
        names,
        // Each name has to be read: people may have typed any of them.
        shown_max: usize::MAX,
        after: ": the plan changes the addresses that a client finds there".to_owned(),
    })
}

/// Discovery records that still lead to the old host when mail goes to the new one, until they have
/// changed and no cache holds them. Nobody is set up for the old host any more by then; whoever is
/// set up anew by such a record does not see new mail, unless the old host shows it.
pub(super) fn old_discovery(draft: &Draft<'_>) -> Option<Sentence> {
    let shows = |host: &str| {
        draft.intent.assume.iter().any(|stated| {
            stated.fact.value == Fact::Redirects
                && stated.subject.value.host() == Some(host)
                && stated.value == Value::True
                && stated.from.is_none_or(|from| from <= Point::Switch)
        })
    };
    let moves = draft.intent.moves.iter().filter(|one| !shows(&one.from.name));
    let names: BTreeSet<Name> = moves
        .flat_map(|one| {
            let stays = |key: &RrKey, rdata: &Rdata| {
                one.to.discovery.get(key).is_some_and(|new| new.value == *rdata)
            };
            let old = one.from.discovery.iter().filter(move |(key, old)| {
                let live = draft.snapshot.zone_of(&key.name).and_then(|zone| zone.get(key));
                let is_live = live.is_some_and(|live| live.rdata().contains(&old.value));
                is_live && !stays(key, &old.value)
            });
            old.map(|(key, _)| key.name.clone())
        })
        .collect();
    (!names.is_empty()).then(|| Sentence {
        before: "from the switch on, nobody sets up a mail client by ".to_owned(),
        names,
        shown_max: usize::MAX,
        after: " before no cache holds the present record any more: it leads to the old host, which does not show new mail".to_owned(),
    })
}

/// Discovery records of domains that do not move, which the plan makes: nobody says where the
/// mailboxes of such a domain are.
pub(super) fn discovery_published(draft: &Draft<'_>, others: &BTreeSet<Name>) -> Option<Sentence> {
    if draft.intent.records.is_empty() {
        return None;
    }
    let keys = others.iter().flat_map(discovery_keys).filter(|key| {
        draft.snapshot.told(key) == Outside::Absent
            && match draft.end.told(key) {
                Outside::Records(found) => !found.iter().all(Rdata::is_null_srv),
                Outside::Absent => false,
                Outside::Unknown(_) => true,
            }
    });
    let stated = |name: &Name| {
        draft.intent.assume.iter().any(|stated| {
            stated.fact.value == Fact::Clients
                && stated.subject.value == Subject::Name(name.clone())
                && stated.value == Value::False
                && stated.from.is_none()
        })
    };
    let names: BTreeSet<Name> = keys.map(|key| key.name).filter(|name| !stated(name)).collect();
    (!names.is_empty()).then(|| Sentence {
        before: "the servers that mail clients will find by ".to_owned(),
        names,
        shown_max: usize::MAX,
        after: " have the mailboxes of the domain: no such record exists today".to_owned(),
    })
}
