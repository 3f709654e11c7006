//! `clients`: every user finds and reaches a server that serves the mailbox, and sees new mail
//! there.
//!
//! Clients that look for their server use discovery records. Clients that are already set up never
//! look again, and keep the server name that they were given until somebody changes it. So
//! discovery records must lead to a host that serves, and the names in them must keep leading
//! there. Whoever is set up for the old host sees no new mail from the switch on, unless that host
//! shows it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use cutover_zone::{Name, Rdata, RrKey, RrType};

use super::{both, forbid_at_host, host};
use crate::intent::DomainMove;
use crate::observe::{Seen, Snapshot, discovery_keys};
use crate::proof::builder::{PatternBuilder, shown};
use crate::proof::parties::Side;
use crate::proof::pattern::{Harm, Start};
use crate::proof::view::{Choice, View};
use cutover_steps::ask::Outside;
use cutover_steps::fact::{Fact, Subject, Value};

mod families;
mod leads_to_new;
mod names_in_use;
mod names_that_stay;
mod others;
mod pairs;
mod set_up_again;

const ID: &str = "clients";
const NOW: Duration = Duration::ZERO;

pub(super) fn patterns(builder: &mut PatternBuilder<'_>) {
    let Some((from, to)) = builder.sides() else {
        others::records_alone(builder);
        return;
    };
    let Some(mailboxes) = builder.mailboxes().copied() else { return };
    let (from, to) = (&from.name, &to.name);
    let none = Choice::new();
    let idle = builder.facts.of_host(Fact::Serves, to, Value::False);
    let off = builder.facts.of_host(Fact::Mail, from, Value::Off);
    let serve = builder.of_host(Fact::Serves, to, Value::True, "");
    for idle in &idle {
        let harm = Harm::new(
            format!("{ID}/{to}/serves"),
            format!(
                "people are to read their mail at `{to}`, which does not serve every mailbox yet: they cannot log in, or find nothing"
            ),
            serve.clone(),
        );
        builder.forbid(ID, (&none, NOW), &[mailboxes.new, *idle], &harm);
    }
    for idle in builder.facts.of_host(Fact::Serves, from, Value::False) {
        let harm = Harm::new(
            format!("{ID}/{from}/serves"),
            format!("people read their mail at `{from}`, which no longer serves their mailboxes"),
            format!("let `{from}` serve until every client is set up for `{to}`"),
        );
        let clients = builder.facts.of_host(Fact::Clients, from, Value::True);
        for reads in mailboxes.at_old().chain(clients) {
            builder.forbid(ID, (&none, NOW), &[reads, idle], &harm);
        }
    }
    for client in builder.facts.of_host(Fact::Clients, from, Value::True) {
        for off in &off {
            let harm = Harm::new(
                format!("{ID}/{from}/set-up"),
                format!(
                    "a mail client that is set up for `{from}` cannot reach it: its user can neither read nor send"
                ),
                builder.of_host(Fact::Clients, from, Value::False, "contract"),
            );
            builder.forbid(ID, (&none, NOW), &[client, *off], &harm);
        }
    }
    let mut has_clients = false;
    for (domain, domain_move) in builder.moving() {
        let found = Discovery::of(builder, domain, domain_move);
        has_clients |= found.old_has_clients;
        for key in &found.keys {
            of_record(builder, (domain, domain_move), key, (&idle, &off));
        }
        leads_to_new::newly_published(builder, (domain, domain_move), &found.keys, (&idle, &off));
        leads_to_new::already_new(builder, (domain, domain_move));
        pairs::of_pairs(builder, domain, &found);
        others::left_behind(builder, domain_move, &found.left, &off);
        others::unseen_targets(builder, domain_move, &found.unseen, &off);
        if found.old_has_clients {
            sees_new_mail(builder, domain, domain_move);
        } else if !found.unseen.is_empty() {
            // Both facts are asked for together, so either may be stated without the other.
            let _ = builder.facts.of_host(Fact::Redirects, from, Value::False);
        }
    }
    if has_clients {
        shows_new_mailboxes(builder, (from, to));
    }
    if let Some((_, domain_move)) = builder.moving().next() {
        let left = others::of_other_names(builder, domain_move);
        others::left_behind(builder, domain_move, &left, &off);
        others::follow_changed_names(builder);
    }
    set_up_again::patterns(builder, from);
    names_in_use::patterns(builder, &idle);
    names_that_stay::patterns(builder);
}

/// The discovery records of a domain.
struct Discovery {
    /// The records that a host of the move declares, or the plan changes.
    keys: BTreeSet<RrKey>,
    /// The records that nobody declares, that the plan leaves, and that lead to the old host.
    left: BTreeSet<RrKey>,
    /// The targets of other records that nobody could ask: names outside the zones, and
    /// delegations.
    unseen: BTreeSet<Name>,
    /// Whether there is any sign that clients use the old host.
    old_has_clients: bool,
}

impl Discovery {
    fn of(builder: &PatternBuilder<'_>, domain: &Name, domain_move: &DomainMove) -> Arc<Self> {
        builder.always(("discovery", domain, 0), &|| Self::find(builder, domain, domain_move))
    }

    fn find(builder: &PatternBuilder<'_>, domain: &Name, domain_move: &DomainMove) -> Self {
        let draft = builder.draft();
        let declared = domain_move.from.discovery.keys().chain(domain_move.to.discovery.keys());
        let mut keys: BTreeSet<RrKey> = declared.cloned().collect();
        let mut left = BTreeSet::new();
        let mut unseen = BTreeSet::new();
        let old = OldNames::of(builder, domain_move);
        let mut old_has_clients = !domain_move.from.discovery.is_empty();
        for key in asked(builder, domain).iter().cloned() {
            let leads = old.leads_there(builder, &key);
            old_has_clients |= leads;
            if draft.owner_of(&key).is_some() {
                keys.insert(key);
            } else if keys.contains(&key) || !is_used(builder, &key) {
                continue;
            } else if leads {
                left.insert(key);
            } else {
                unseen.extend(unseen_behind(builder, &key));
            }
        }
        let said = |name: &Name| {
            let of = Subject::Name(name.clone());
            builder.facts.is_stated(Fact::Clients, &of)
        };
        old_has_clients |= unseen.iter().any(|name| !said(name));
        Self { keys, left, unseen, old_has_clients }
    }
}

/// Every question that clients ask to find the servers of a domain.
fn asked(builder: &PatternBuilder<'_>, domain: &Name) -> Arc<Vec<RrKey>> {
    builder.always(("discovery-keys", domain, 0), &|| discovery_keys(domain).collect())
}

/// Whether clients use a record to find their server today: an alias, or otherwise addresses of
/// either family.
fn is_used(builder: &PatternBuilder<'_>, key: &RrKey) -> bool {
    let alias = RrKey::new(key.name.clone(), RrType::CNAME);
    let is_alias = builder.library.live(&alias) != Outside::Absent;
    match key.rtype {
        RrType::CNAME => is_alias,
        RrType::A | RrType::AAAA => !is_alias,
        _ => true,
    }
}

/// The target of a question that nobody could ask: a name outside the zones, or the delegation
/// above it.
fn unseen_behind(builder: &PatternBuilder<'_>, key: &RrKey) -> Option<Name> {
    // An alias is looked up for its target's addresses.
    let rtype = if key.rtype == RrType::CNAME { RrType::A } else { key.rtype };
    let key = RrKey::new(key.name.clone(), rtype);
    if !matches!(builder.library.live(&key), Outside::Unknown(_)) {
        return None;
    }
    let snapshot = builder.draft().snapshot;
    let end = snapshot.leaves_at(&key)?.name;
    let cut = snapshot.zone_of(&end).and_then(|zone| zone.delegation_of(&end));
    Some(cut.unwrap_or(end))
}

/// The names and addresses by which clients know the old host.
#[derive(Debug)]
struct OldNames {
    names: BTreeSet<Name>,
    addresses: BTreeSet<IpAddr>,
}

impl OldNames {
    /// What the domain's clients find before the mail moves belongs to the old host, unless it
    /// belongs to the new host in the end.
    fn of(builder: &PatternBuilder<'_>, domain_move: &DomainMove) -> Arc<Self> {
        builder.always(("old-names", &domain_move.domain.value, 0), &|| {
            Self::find(builder, domain_move)
        })
    }

    fn find(builder: &PatternBuilder<'_>, domain_move: &DomainMove) -> Self {
        let snapshot = builder.draft().snapshot;
        let declared = domain_move.from.discovery.values().filter_map(|rdata| target(&rdata.value));
        let exchanges =
            domain_move.from.exchanges.iter().map(|exchange| exchange.name.value.clone());
        let mut names: BTreeSet<Name> = declared.chain(exchanges).collect();
        let mut addresses: BTreeSet<IpAddr> =
            names.iter().flat_map(|name| builder.library.live_addresses(name)).collect();
        let new: BTreeSet<Name> =
            domain_move.to.discovery.values().filter_map(|rdata| target(&rdata.value)).collect();
        let is_new = |ip: &IpAddr| {
            builder.parties().has(Side::To, *ip)
                || new.iter().any(|name| builder.end.addresses(name).contains(ip))
        };
        for key in asked(builder, &domain_move.domain.value).iter() {
            let published = snapshot.zone_of(&key.name).and_then(|zone| zone.get(key));
            for rdata in published.into_iter().flat_map(|rrset| rrset.rdata()) {
                if domain_move.to.discovery.get(key).is_some_and(|new| new.value == *rdata) {
                    continue;
                }
                match (target(rdata), rdata.ip()) {
                    (Some(name), _) if !name.is_root() => {
                        let found = builder.library.live_addresses(&name).into_iter();
                        addresses.extend(found.filter(|ip| !is_new(ip)));
                        names.insert(name);
                    }
                    (_, Some(ip)) if !is_new(&ip) => drop(addresses.insert(ip)),
                    (_, _) => {}
                }
            }
        }
        Self { names, addresses }
    }

    /// Whether a discovery record leads to the old host today: directly, by an alias, or by a
    /// wildcard.
    fn leads_there(&self, builder: &PatternBuilder<'_>, key: &RrKey) -> bool {
        self.leads(&|key| builder.library.live(key), key)
    }

    fn leads(&self, look_up: &dyn Fn(&RrKey) -> Outside, key: &RrKey) -> bool {
        // An alias is looked up for its target's addresses.
        let types: &[RrType] = match key.rtype {
            RrType::CNAME => &[RrType::A, RrType::AAAA],
            ref other => std::slice::from_ref(other),
        };
        let is_old = |name: &Name| {
            let of = [RrType::A, RrType::AAAA].map(|rtype| RrKey::new(name.clone(), rtype));
            of.iter().any(|key| match look_up(key) {
                Outside::Records(found) => {
                    found.iter().filter_map(Rdata::ip).any(|ip| self.addresses.contains(&ip))
                }
                Outside::Unknown(_) => self.names.contains(name),
                Outside::Absent => false,
            })
        };
        types.iter().any(|rtype| {
            let found = match look_up(&RrKey::new(key.name.clone(), *rtype)) {
                Outside::Records(found) => found,
                Outside::Absent | Outside::Unknown(_) => return false,
            };
            found.iter().any(|rdata| match (target(rdata), rdata.ip()) {
                (Some(name), _) => is_old(&name),
                (None, Some(ip)) => self.addresses.contains(&ip),
                (None, None) => false,
            })
        })
    }
}

fn target(rdata: &Rdata) -> Option<Name> {
    rdata.target().or(rdata.srv_target())
}

/// A discovery record that a host declares, or the plan changes.
fn of_record(
    builder: &mut PatternBuilder<'_>,
    (domain, domain_move): (&Name, &DomainMove),
    key: &RrKey,
    (idle, off): (&[usize], &[usize]),
) {
    let (from, to) = (&domain_move.from.name, &domain_move.to.name);
    let Some(mailboxes) = builder.mailboxes().copied() else { return };
    let id =
        |what: &str| format!("{ID}/{}/{what}/{} {}", shown(domain), shown(&key.name), key.rtype);
    let at = usize::from(key.rtype.number());
    let cases = |builder: &PatternBuilder<'_>, what, side| {
        builder.cases(ID, (what, &key.name, at), &|view| names(view, domain_move, key, side))
    };
    for (choice, ()) in cases(builder, "names-new", Side::To).iter() {
        let harm = Harm::new(
            id("names-new"),
            format!(
                "a mail client that looks up {key} of {domain} is sent to `{to}`, which does not serve every mailbox yet"
            ),
            builder.of_host(Fact::Serves, to, Value::True, ""),
        );
        for idle in idle {
            builder.forbid(ID, (choice, NOW), &[*idle], &harm);
        }
    }
    let early = builder.cases(ID, ("early", &key.name, at), &|view| early(view, domain_move, key));
    for (choice, ()) in early.iter() {
        let harm = Harm::new(
            id("early"),
            format!(
                "a mail client that looks up {key} of {domain} does not find what it found before, while the mailboxes are still at `{from}`"
            ),
            format!("change {key} when the mailboxes have moved"),
        );
        for at_old in mailboxes.at_old() {
            builder.forbid(ID, (choice, NOW), &[at_old], &harm);
        }
    }
    leads_where(builder, key);
    families::loses_a_family(builder, (domain, domain_move), key);
    new_host_elsewhere(builder, domain_move, key, off);
    let late = builder.late();
    let old = OldNames::of(builder, domain_move);
    let leads_old = |view: &View<'_>| match domain_move.from.discovery.contains_key(key) {
        true => names(view, domain_move, key, Side::From),
        false => old.leads(&|key| view.look_up(key), key).then_some(()),
    };
    for (choice, ()) in builder.cases(ID, ("names-old", &key.name, at), &leads_old).iter() {
        let harm = Harm::new(
            id("names-old"),
            format!("a mail client that looks up {key} is sent to `{from}`, which is off"),
            format!("leave `{from}` on until no cache can hold the old {key}"),
        );
        for off in off {
            builder.forbid(ID, (choice, late), &[*off], &harm);
        }
    }
}

/// A discovery record that leads to nothing, or to something that nobody could ask.
fn leads_where(builder: &mut PatternBuilder<'_>, key: &RrKey) {
    let end = std::sync::Arc::clone(&builder.end);
    let nowhere =
        builder.cases(ID, ("nowhere", &key.name, usize::from(key.rtype.number())), &|view| {
            leads_nowhere(view, key, &end)
        });
    for (choice, (target, is_seen)) in nowhere.iter() {
        let of = Subject::Name(target.clone());
        let harm = Harm::new(
            format!("{ID}/{}/nowhere/{}", shown(&key.name), key.rtype),
            match is_seen {
                true => format!(
                    "a mail client that looks up {key} is sent to {target}, which has no address"
                ),
                false => format!(
                    "a mail client that looks up {key} is sent to {target}, and nobody could ask what that is: it may not exist"
                ),
            },
            match is_seen {
                true => format!("let {target} have an address as long as {key} can lead there"),
                false => format!(
                    "configure a `resolver:`, or {}",
                    builder.statement(Fact::Published, &of, Value::True, "")
                ),
            },
        );
        match is_seen {
            true => builder.forbid(ID, (choice, NOW), &[], &harm),
            // What clients find today evidently exists.
            false if choice.is_empty() => {}
            false => {
                for bad in builder.facts.having(Fact::Published, &of, Value::False) {
                    builder.forbid(ID, (choice, NOW), &[bad], &harm);
                }
            }
        }
    }
}

/// A record of the new host whose target is not ready yet, or never will be: it leads to the old
/// host, or to addresses that the new host does not have in the end.
fn new_host_elsewhere(
    builder: &mut PatternBuilder<'_>,
    domain_move: &DomainMove,
    key: &RrKey,
    off: &[usize],
) {
    let Some(rdata) = domain_move.to.discovery.get(key) else { return };
    let Some(target) = target(&rdata.value) else { return };
    let (parties, to) = (builder.parties(), &domain_move.to.name);
    let lasting: BTreeSet<IpAddr> = builder.end.addresses(&target).into_iter().collect();
    let at = usize::from(key.rtype.number());
    let found = |view: &View<'_>| -> Vec<IpAddr> {
        let of =
            [RrType::A, RrType::AAAA].map(|rtype| view.look_up(&RrKey::new(target.clone(), rtype)));
        let records = of.iter().filter_map(|found| match found {
            Outside::Records(records) => Some(records),
            Outside::Absent | Outside::Unknown(_) => None,
        });
        records.flat_map(|records| records.iter().filter_map(Rdata::ip)).collect()
    };
    let of_old = OldNames::of(builder, domain_move);
    let is_old = |ip: &IpAddr| {
        (parties.has(Side::From, *ip) && !parties.has(Side::To, *ip))
            || (of_old.addresses.contains(ip) && !lasting.contains(ip))
    };
    let at_old = |view: &View<'_>| {
        let Outside::Records(answer) = view.answer(key) else { return None };
        answer.contains(&rdata.value).then_some(())?;
        found(view).iter().any(is_old).then_some(())
    };
    let away = |view: &View<'_>| {
        names(view, domain_move, key, Side::To)?;
        found(view).iter().any(|ip| !is_old(ip) && !lasting.contains(ip)).then_some(())
    };
    let fix = format!("let {target} lead to `{to}` before {key} names it");
    let harm = |what: &str, where_to: &str| {
        Harm::new(
            format!("{ID}/{}/{what}/{}", shown(&key.name), key.rtype),
            format!(
                "a mail client that looks up {key} is sent to {target}, as `{to}` declares, and reaches {where_to}"
            ),
            fix.clone(),
        )
    };
    let gone = harm("new-at-old", &format!("`{}`, which is off", domain_move.from.name));
    for (choice, ()) in builder.cases(ID, ("new-at-old", &key.name, at), &at_old).iter() {
        for off in off {
            builder.forbid(ID, (choice, NOW), &[*off], &gone);
        }
    }
    let away_harm =
        harm("new-elsewhere", &format!("an address that `{to}` does not have in the end"));
    for (choice, ()) in builder.cases(ID, ("new-elsewhere", &key.name, at), &away).iter() {
        builder.forbid(ID, (choice, NOW), &[], &away_harm);
    }
}

/// The target of a discovery record, if it lacks an address of a family that it has in the end, or
/// has none at all; and whether that was observed.
fn leads_nowhere(view: &View<'_>, key: &RrKey, end: &Snapshot) -> Option<(Name, bool)> {
    let found = match view.look_up(key) {
        Outside::Records(found) => found,
        found @ Outside::Unknown(_) if key.rtype == RrType::SRV && found != view.live(key) => {
            return view.leaves_at(key).map(|name| (name, false));
        }
        Outside::Absent | Outside::Unknown(_) => return None,
    };
    let target = found.iter().find_map(target)?;
    let of = [RrType::A, RrType::AAAA].map(|rtype| RrKey::new(target.clone(), rtype));
    let found = of.each_ref().map(|key| view.look_up(key));
    if found.iter().any(|found| matches!(found, Outside::Unknown(_))) {
        // What clients find today evidently exists.
        if view.look_up(key) == view.live(key) {
            return None;
        }
        let some = found.iter().any(|found| matches!(found, Outside::Records(_)));
        return (!some).then_some((target, false));
    }
    let lasts = of.each_ref().map(|key| matches!(end.look_up(key), Seen::Records(_)));
    let gone = found.iter().zip(lasts).any(|(found, lasts)| lasts && *found == Outside::Absent);
    let nothing = found.iter().all(|found| *found == Outside::Absent);
    (gone || nothing).then_some((target, true))
}

/// Whether clients find neither what they found at the old host nor what the new host has.
fn early(view: &View<'_>, domain_move: &DomainMove, key: &RrKey) -> Option<()> {
    let live = view.live(key);
    if live == Outside::Absent && view.published(key) == Outside::Absent {
        return None;
    }
    let declared =
        domain_move.from.discovery.contains_key(key) || domain_move.to.discovery.contains_key(key);
    let found = view.look_up(key);
    match declared {
        // A replacement is judged by the host that it names.
        true => {
            (domain_move.from.discovery.contains_key(key) && offers_nothing(&found)).then_some(())
        }
        false => (found != live).then_some(()),
    }
}

/// Whether a client that gets this answer knows that there is no such service.
fn offers_nothing(answer: &Outside) -> bool {
    match answer {
        Outside::Records(found) => found.iter().all(Rdata::is_null_srv),
        Outside::Absent => true,
        Outside::Unknown(_) => false,
    }
}

/// Whether a discovery record names a host in this view.
fn names(view: &View<'_>, domain_move: &DomainMove, key: &RrKey, side: Side) -> Option<()> {
    let other = match side {
        Side::From => host(domain_move, Side::To),
        Side::To => host(domain_move, Side::From),
    };
    let wanted = &host(domain_move, side).discovery.get(key)?.value;
    // A record that both hosts declare names neither.
    if other.discovery.get(key).is_some_and(|rdata| rdata.value == *wanted) {
        return None;
    }
    match view.answer(key) {
        Outside::Records(found) => found.contains(wanted).then_some(()),
        Outside::Absent | Outside::Unknown(_) => None,
    }
}

/// After the way back people read at the old host again, which may still show them the new host's
/// mailboxes.
fn shows_new_mailboxes(builder: &mut PatternBuilder<'_>, (from, to): (&String, &String)) {
    let Some(again) = builder.mailboxes().and_then(|mailboxes| mailboxes.again) else { return };
    let harm = Harm::new(
        format!("{ID}/{from}/shows-the-others"),
        format!(
            "people read at `{from}` again, which still shows them the mailboxes of `{to}`: nobody sees what arrives at `{from}`"
        ),
        format!("let `{from}` show its own mailboxes before people read there again"),
    );
    for shows in builder.facts.of_host_again(Fact::Redirects, from, Value::True) {
        // A host that always passes log-ins on does so by where the mailbox is.
        if builder.library.atoms.borrow()[shows].start != Start::Always {
            builder.forbid(ID, (&Choice::new(), NOW), &[again, shows], &harm);
        }
    }
}

/// People who are set up for the old host while mail goes to the new one.
fn sees_new_mail(builder: &mut PatternBuilder<'_>, domain: &Name, domain_move: &DomainMove) {
    let (from, to) = (&domain_move.from.name, &domain_move.to.name);
    let clients = builder.facts.of_host(Fact::Clients, from, Value::True);
    let blind = builder.facts.of_host(Fact::Redirects, from, Value::False);
    let harm = Harm::new(
        format!("{ID}/{}/empty-mailbox", shown(domain)),
        format!(
            "a mail client that is set up for `{from}` sees no new mail: it goes to `{to}`, and `{from}` does not show it"
        ),
        format!(
            "set every client up again before the switch, or {}",
            builder.of_host(Fact::Redirects, from, Value::True, "switch")
        ),
    )
    .or_steady(format!(
        "the MX records of {domain} already lead to `{to}`: whoever is set up for `{from}` does not see what arrives there"
    ));
    let sets = both(&clients, &blind);
    forbid_at_host(builder, (ID, domain, Side::To), (NOW, &sets), &harm);
}
