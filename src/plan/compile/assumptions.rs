//! What a proof takes for granted: the complete list of what the adversary cannot do, because
//! somebody states so, because it was observed, or because a clock bounds it.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use cutover_zone::{Name, Rdata, RrKey, RrType};

use crate::language::{Clocks, Confirm, KEEP_OLD, OVERRUN};
use crate::observe::{ALIASES_MAX, Snapshot, ZoneSeen, discovery_of};
use crate::proof::Findings;
use crate::proof::builder::other_domains;
use crate::proof::draft::Draft;
use crate::proof::invariant::is_known_to_stay;
use crate::proof::parties::{Routes, Side, routes_today};
use cutover_base::calendar::show_span;
use cutover_base::diag::some_of;
use cutover_mail::resolution::{Contents, Reply, moved, reply};
use cutover_steps::ask::Outside;
use cutover_steps::fact::{Fact, Value};
use cutover_steps::graph::{CACHE_CAP, MovePoint, Point};

mod senders;
mod set_up;

/// The maximum number of records of a name that are shown; the rest is counted. Our choice: a line.
const SHOWN_MAX: usize = 4;

/// An assumption, for people. It may list the names that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// The sentence, or its part before the names.
    pub(super) before: String,
    /// The names; empty if the sentence lists none.
    pub(super) names: BTreeSet<Name>,
    /// The maximum number of names that are shown; the rest is counted.
    pub(super) shown_max: usize,
    /// The part of the sentence after the names.
    pub(super) after: String,
}

impl From<String> for Sentence {
    fn from(before: String) -> Self {
        Self { before, names: BTreeSet::new(), shown_max: 0, after: String::new() }
    }
}

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { before, names, shown_max, after } = self;
        write!(f, "{before}{}{after}", some_of(names, *shown_max))
    }
}

/// All assumptions, one sentence each.
pub(super) fn of_plan(draft: &Draft<'_>, findings: &Findings) -> Vec<Sentence> {
    if draft.nodes.is_empty() {
        return Vec::new();
    }
    let mut all: Vec<Sentence> = plain(stated(draft)).collect();
    let ignored = draft.intent.ignored.iter();
    all.extend(plain(ignored.map(|one| {
        format!("what the check `{}` finds does not count: {}", one.code.value, one.reason)
    })));
    all.extend(plain(findings.steady.iter().cloned()));
    all.extend(staying(draft));
    all.extend(plain(seen_outside(draft)));
    all.extend(plain(wildcards(draft)));
    all.extend(plain(names_taken(draft)));
    all.extend(plain(names_of_addresses(draft)));
    all.extend(plain(served_by_old(draft)));
    all.extend(plain(set_up_by_hand(draft)));
    let others: BTreeSet<Name> = other_domains(draft).into_iter().collect();
    all.extend(set_up::names_set_up(draft, &others));
    all.extend(set_up::discovery_published(draft, &others));
    all.extend(set_up::old_discovery(draft));
    if !draft.intent.moves.is_empty() {
        all.extend(without_mail(draft, &others));
        all.extend(aliases_of_moving(draft, &others));
    }
    all.extend(led_elsewhere(draft));
    all.extend(senders::aliases(draft));
    all.extend(plain(of_few(draft)));
    all.extend(plain(senders::of_new(draft)));
    let of_resolvers = format!(
        "resolvers keep no answer longer than {} (RFC 8767 §4), and the authoritative servers answer during each wait: if none answers, resolvers may serve expired answers (RFC 8767 §5)",
        show_span(CACHE_CAP)
    );
    all.push(of_resolvers.into());
    all
}

/// Sentences that list no names.
fn plain(lines: impl IntoIterator<Item = String>) -> impl Iterator<Item = Sentence> {
    lines.into_iter().map(Sentence::from)
}

/// The facts that the plan states.
fn stated(draft: &Draft<'_>) -> Vec<String> {
    let sentences = draft.intent.assume.iter().map(|stated| {
        let (fact, of) = (stated.fact.value, stated.subject.value.shown());
        let span = show_span(stated.settle);
        let settle = match (fact, stated.from) {
            (Fact::Published, Some(_)) => {
                format!(" (no resolver keeps the earlier answer for more than {span}, RFC 2308 §5)")
            }
            _ if stated.settle.is_zero() => String::new(),
            (_, _) => format!(" (the earlier state is over within {span})"),
        };
        let by_mailbox = match (fact, stated.from, stated.value) {
            (Fact::Redirects, None, Value::True) => {
                ", wherever the mailboxes are, on the way back too"
            }
            (_, _, _) => "",
        };
        let ends = matches!(fact, Fact::Sends | Fact::Signs);
        let arrived = match ends && stated.from.is_none() && stated.value == Value::False {
            true => ", and everything sent before has arrived",
            false => "",
        };
        let says = fact.says(stated.value);
        if let Confirm::Gates { gates, leaves } = &stated.confirm {
            let gates: Vec<String> = gates.iter().map(|gate| format!("`{gate}`")).collect();
            let (gates, reach) = (gates.join(" and "), &stated.reason);
            return format!(
                "{of} {says} (`{fact}`): established at run time by {gates}, {reach}; the run halts there if that is not so. Nobody shows {leaves}"
            );
        }
        let when = match (&stated.by, stated.from) {
            (Some(by), Some(_)) => format!(", from the end of `task/{}` on", by.value),
            (Some(by), None) => {
                format!(", on the way back, from the end of `task/{}` on", by.value)
            }
            (None, Some(from)) => begins(from, &stated.confirm),
            (None, None) => String::new(),
        };
        format!("{of} {says} (`{fact}`){settle}{arrived}{by_mailbox}{when}: {}", stated.reason)
    });
    sentences.collect()
}

/// When a fact begins to be true, and who says so.
fn begins(from: Point, confirm: &Confirm) -> String {
    let when = match from {
        Point::Expand => "before the switch",
        Point::Switch => "at the switch",
        Point::Contract => "when the old side is left",
    };
    match confirm {
        Confirm::Nobody => format!(", {when}; nobody confirms it"),
        Confirm::Person { check: None } => format!(", {when}, once a person confirms it"),
        Confirm::Person { check: Some(_) } => {
            format!(", {when}, once its `check` passes")
        }
        Confirm::Gates { .. } => format!(", {when}, once its gates have passed"),
    }
}

/// Domains whose mail stays at the old host.
fn staying(draft: &Draft<'_>) -> Option<Sentence> {
    let from = &draft.intent.moves.first()?.from.name;
    let moving: BTreeSet<&Name> =
        draft.intent.moves.iter().map(|domain_move| &domain_move.domain.value).collect();
    let zones = draft.snapshot.zones.values().flat_map(|zone| zone.zone.rrsets.keys());
    let names = zones.filter(|key| key.rtype == RrType::MX).map(|key| &key.name);
    let comes_there = |at: &Snapshot, name: &Name| match routes_today(at, name) {
        Routes::To(routes) => routes.iter().any(|r| draft.parties.whose(r) == Some(Side::From)),
        Routes::Nowhere | Routes::Unknown(_) => false,
    };
    let stays = |name: &&Name| {
        !moving.contains(*name)
            && is_known_to_stay(draft, name)
            && comes_there(draft.snapshot, name)
            && comes_there(&draft.end, name)
    };
    let names: BTreeSet<Name> = names.filter(stays).cloned().collect();
    (!names.is_empty()).then(|| Sentence {
        before: format!("`{from}` keeps running for "),
        names,
        // Each name has to be read: nothing else says that the host must stay for it.
        shown_max: usize::MAX,
        after: ", whose mail still goes there".to_owned(),
    })
}

/// Clocks that are shorter than usual: whoever shortens a clock vouches that nothing lives longer.
pub(super) fn shortened(draft: &Draft<'_>) -> Vec<String> {
    if draft.nodes.is_empty() {
        return Vec::new();
    }
    let Clocks { margin, use_, queue_life } = draft.intent.terms.clocks;
    let moves = !draft.intent.moves.is_empty();
    let terms = &draft.intent.terms;
    let all: [(&str, Duration, Duration, bool, &str); 5] = [
        (
            "margin",
            margin,
            Clocks::MARGIN,
            true,
            "clocks of resolvers and ours differ, and TTLs are whole seconds",
        ),
        (
            "use",
            use_,
            Clocks::USE,
            true,
            "an answer is used through a whole SMTP dialogue (RFC 5321 §4.5.3.2)",
        ),
        (
            "queue_life",
            queue_life,
            Clocks::QUEUE_LIFE,
            moves,
            "senders try for four to five days (RFC 5321 §4.5.4.1)",
        ),
        (
            "overrun",
            terms.overrun,
            OVERRUN,
            moves,
            "some resolvers keep records longer than their TTL",
        ),
        (
            "keep_old",
            terms.keep_old,
            KEEP_OLD,
            moves,
            "late mail, and people who have not left the old host",
        ),
    ];
    let low = all.into_iter().filter(|(_, is, default, counts, _)| *counts && is < default);
    low.map(|(name, is, default, _, why)| {
        format!("`{name}` is {}, less than the usual {}: {why}", show_span(is), show_span(default))
    })
    .collect()
}

/// What a resolver answered for names outside the plan's zones.
fn seen_outside(draft: &Draft<'_>) -> Vec<String> {
    let seen = draft.snapshot.outside.iter().filter_map(|(key, answer)| match answer {
        Outside::Records(records) => {
            let data = some_of(records.iter(), SHOWN_MAX);
            Some(format!("{key} stays {data}, as a resolver answered"))
        }
        Outside::Absent => Some(format!("{key} stays non-existent, as a resolver answered")),
        Outside::Unknown(_) => None,
    });
    seen.collect()
}

/// The types of records for which the answers of wildcards are checked.
const WILD: [RrType; 5] = [RrType::A, RrType::AAAA, RrType::MX, RrType::TXT, RrType::CNAME];

/// Names that a wildcard answers for until the plan creates them, and names that the plan removes,
/// so that a wildcard answers for them.
fn wildcards(draft: &Draft<'_>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let exists = |zone: &ZoneSeen, name: &Name| (&&zone.zone).exists(name);
    let changes = draft.tracks.iter().flat_map(|track| {
        track.transitions.iter().flat_map(|t| &t.changes).map(move |change| (&track.zone, change))
    });
    for (origin, change) in changes {
        if change.before.is_some() || !draft.has_wildcards(origin) {
            continue;
        }
        let zone = &draft.snapshot.zones[origin];
        let name = &change.key.name;
        // A name makes all names above it exist too (RFC 4592 §2.2.2).
        let above = std::iter::successors(name.parent(), Name::parent)
            .take_while(|above| above != origin && !exists(zone, above));
        for at in [name.clone()].into_iter().chain(above) {
            for rtype in WILD {
                let key = RrKey::new(at.clone(), rtype);
                if draft.owner_of(&key).is_none()
                    && zone.wildcard_of(&key).is_some_and(|wild| wild.rtype() == rtype)
                {
                    found.insert(format!(
                        "nobody relies on the {rtype} records of {at} and of names below it, for which a wildcard answers until the plan publishes {name}"
                    ));
                }
            }
        }
    }
    for key in draft.owned() {
        let Some(end) = draft.end.zone_of(&key.name) else { continue };
        let origin = &end.zone.origin;
        let live = &draft.snapshot.zones[origin];
        if !draft.has_wildcards(origin) || exists(end, &key.name) {
            continue;
        }
        // When a name loses its last records, the empty names above it go too.
        let gone = std::iter::successors(Some(key.name.clone()), Name::parent)
            .take_while(|name| name != origin && exists(live, name) && !exists(end, name));
        for name in gone {
            let is_wild = |rtype: &RrType| {
                end.wildcard_of(&RrKey::new(name.clone(), *rtype))
                    .is_some_and(|wild| wild.rtype() == *rtype)
            };
            found.extend(WILD.iter().filter(|rtype| is_wild(rtype)).map(|rtype| {
                format!(
                    "a wildcard may answer for the {rtype} records of {name} and of names below it once the plan has removed {}",
                    key.name
                )
            }));
        }
    }
    found
}

/// Names whose addresses or aliases the plan removes or changes: who uses them from elsewhere
/// cannot be seen.
fn names_taken(draft: &Draft<'_>) -> BTreeSet<String> {
    let taken = |key: &&RrKey| {
        let live = draft.snapshot.told(key);
        matches!(key.rtype, RrType::A | RrType::AAAA | RrType::CNAME)
            && !is_discovery(&key.name)
            && matches!(live, Outside::Records(_))
            && draft.end.told(key) != live
    };
    let names: BTreeSet<&Name> = draft.owned().filter(taken).map(|key| &key.name).collect();
    let sentence = |name: &Name| match is_host(name) {
        true => format!(
            "nobody outside of these zones relies on the addresses that {name} has today, which the plan changes"
        ),
        false => format!("nobody relies on what {name} leads to today, which the plan changes"),
    };
    let below = draft.owned().filter(|key| {
        let at = |snapshot: &Snapshot| {
            snapshot.zone_of(&key.name).and_then(|zone| zone.get(key)).cloned()
        };
        key.rtype == RrType::DNAME && {
            let live = at(draft.snapshot);
            live.is_some() && live != at(&draft.end)
        }
    });
    let below = below.map(|key| {
        format!(
            "nobody relies on the names below {}: a DNAME answers for them, and the plan changes it",
            key.name
        )
    });
    names.into_iter().map(sentence).chain(below).collect()
}

/// Names of addresses (PTR) that the plan removes or changes: receivers judge a sender by them.
fn names_of_addresses(draft: &Draft<'_>) -> BTreeSet<String> {
    let changed = draft.owned().filter(|key| {
        let live = draft.snapshot.told(key);
        key.rtype == RrType::PTR && live != Outside::Absent && draft.end.told(key) != live
    });
    changed
        .map(|key| {
            format!(
                "no receiver objects when the address of {} gets another name, or none: many refuse mail from an address whose name does not resolve back to it",
                key.name
            )
        })
        .collect()
}

/// Zones whose name servers all have the old host's addresses: if the host goes, so does the zone.
fn served_by_old(draft: &Draft<'_>) -> Vec<String> {
    let Some(domain) = draft.intent.moves.first() else { return Vec::new() };
    if draft.point(MovePoint::Release).is_none() {
        return Vec::new();
    }
    let is_old = |name: &Name| {
        let ips = draft.end.addresses(name);
        !ips.is_empty() && ips.iter().all(|ip| draft.parties.is_at_old(*ip))
    };
    let zones = draft.end.zones.values().filter(|zone| {
        let key = RrKey::new(zone.zone.origin.clone(), RrType::NS);
        let servers = zone.get(&key).into_iter().flat_map(|ns| ns.rdata());
        let mut servers = servers.filter_map(Rdata::target).peekable();
        servers.peek().is_some() && servers.all(|name| is_old(&name))
    });
    let sentence = |zone: &ZoneSeen| {
        format!(
            "`{}` goes on serving the zone {} after it is released as a mail host: all name servers of the zone have its addresses",
            domain.from.name, zone.zone.origin
        )
    };
    zones.map(sentence).collect()
}

/// Domains that do not move, but whose MX records the plan changes: it knows nothing of their
/// mailboxes.
fn led_elsewhere(draft: &Draft<'_>) -> Option<Sentence> {
    let moving: BTreeSet<&Name> =
        draft.intent.moves.iter().map(|domain| &domain.domain.value).collect();
    let changed = draft.owned().filter(|key| {
        key.rtype == RrType::MX && !moving.contains(&key.name) && {
            let exchanges = |at: &Snapshot| match at.told(key) {
                Outside::Records(mx) => mx.iter().filter_map(Rdata::as_mx).map(|mx| mx.1).collect(),
                Outside::Absent | Outside::Unknown(_) => BTreeSet::new(),
            };
            let (now, then): (BTreeSet<Name>, BTreeSet<Name>) =
                (exchanges(draft.snapshot), exchanges(&draft.end));
            // Where nobody had mail, none is left behind.
            !now.is_empty() && now != then
        }
    });
    let names: BTreeSet<Name> = changed.map(|key| key.name.clone()).collect();
    (!names.is_empty()).then(|| Sentence {
        before: "somebody reads or copies what still comes to the former exchanges of ".to_owned(),
        names,
        shown_max: SHOWN_MAX,
        after: ": mail from caches and queues, and mail from that host's own customers; on the way back, the same for the new exchanges. Only `migrate:` asks about mailboxes, clients and senders"
            .to_owned(),
    })
}

/// If no discovery record leads to the old host: users whose clients were set up by hand.
fn set_up_by_hand(draft: &Draft<'_>) -> Option<String> {
    let domain = draft.intent.moves.first()?;
    draft.point(MovePoint::BeforeSwitch)?;
    let is_stated = |fact: Fact| {
        let mut all = draft.intent.assume.iter();
        all.any(|s| {
            s.fact.value == fact && s.subject.value.host() == Some(domain.from.name.as_str())
        })
    };
    let is_found = draft.intent.moves.iter().any(|domain| !domain.from.discovery.is_empty());
    (!is_found && is_stated(Fact::Clients) && !is_stated(Fact::Redirects)).then(|| {
        format!(
            "between the switch and when clients leave `{0}`, nobody reads mail at `{0}` with a client that was set up by hand: new mail goes to `{1}`",
            domain.from.name, domain.to.name
        )
    })
}

/// Names that lead to the old host and have no MX records: senders use their addresses (RFC 5321
/// §5.1), and nothing in DNS says whether somebody has mail there.
fn without_mail(draft: &Draft<'_>, others: &BTreeSet<Name>) -> Option<Sentence> {
    let from = &draft.intent.moves.first()?.from;
    draft.point(MovePoint::Release)?;
    let known: BTreeSet<Name> = others
        .iter()
        .cloned()
        .chain(draft.intent.moves.iter().map(|domain_move| domain_move.domain.value.clone()))
        .chain(draft.parties.names(Side::From).iter().cloned())
        .collect();
    let zones = || draft.snapshot.zones.values().flat_map(|zone| &zone.zone.rrsets);
    let mx = zones().filter(|(key, _)| key.rtype == RrType::MX).flat_map(|(_, mx)| mx.rdata());
    let exchanges: BTreeSet<Name> = mx.filter_map(Rdata::as_mx).map(|(_, name)| name).collect();
    let zones = zones().filter(|(key, _)| !exchanges.contains(&key.name));
    let at_old = zones.filter(|(key, rrset)| {
        let mut ips = rrset.rdata().iter().filter_map(Rdata::ip);
        let is_led = || {
            let ips = draft.snapshot.addresses(&key.name);
            is_host(&key.name)
                && !is_discovery(&key.name)
                && routes_today(draft.snapshot, &key.name)
                    .all()
                    .iter()
                    .all(|route| route.exchange == key.name)
                && ips.iter().any(|ip| draft.parties.is_at_old(*ip))
        };
        !known.contains(&key.name)
            && match key.rtype {
                RrType::CNAME => is_led(),
                _ => ips.any(|ip| draft.parties.is_at_old(ip)),
            }
    });
    let names: BTreeSet<Name> = at_old.map(|(key, _)| key.name.clone()).collect();
    let why = "they have no MX records, and their addresses are those of";
    (!names.is_empty()).then(|| Sentence {
        before: "nobody has mail at ".to_owned(),
        names,
        shown_max: SHOWN_MAX,
        after: format!(": {why} `{}`", from.name),
    })
}

/// Names that are aliases of domains that move, by a CNAME or below a DNAME: their mail goes where
/// that of the domain goes, and nothing in DNS says whether there is any.
fn aliases_of_moving(draft: &Draft<'_>, others: &BTreeSet<Name>) -> Option<Sentence> {
    let moving: BTreeSet<&Name> =
        draft.intent.moves.iter().map(|domain_move| &domain_move.domain.value).collect();
    let mx = |name: &Name| RrKey::new(name.clone(), RrType::MX);
    let leads_along = |name: &Name| {
        let mut name = name.clone();
        for _ in 0..=ALIASES_MAX {
            let zone = draft.snapshot.zone_of(&name)?;
            match reply(&&zone.zone, &mx(&name)) {
                Reply::Alias { target, .. } => name = target,
                Reply::Records(_) | Reply::Absent | Reply::Delegated(_) => break,
            }
        }
        moving.contains(&name).then_some(())
    };
    let zones = draft.snapshot.zones.values().flat_map(|zone| &zone.zone.rrsets);
    let names = zones.flat_map(|(key, rrset)| match key.rtype {
        RrType::CNAME => vec![key.name.clone()],
        RrType::DNAME => {
            let target = rrset.rdata().first().and_then(Rdata::target);
            let target = target.unwrap_or_else(Name::root);
            moving.iter().filter_map(|domain| moved(domain, &target, &key.name)).collect()
        }
        _ => Vec::new(),
    });
    let names: BTreeSet<Name> = names
        .filter(|name| is_host(name) && !is_discovery(name) && !others.contains(name))
        .filter(|name| !moving.contains(name) && leads_along(name).is_some())
        .collect();
    let why = "they are aliases of domains that move, and mail for them moves along";
    (!names.is_empty()).then(|| Sentence {
        before: "nobody has mail at ".to_owned(),
        names,
        shown_max: SHOWN_MAX,
        after: format!(": {why}"),
    })
}

/// Whether a name is one that mail clients look up: what they find there is judged separately.
fn is_discovery(name: &Name) -> bool {
    discovery_of(&RrKey::new(name.clone(), RrType::CNAME)).is_some()
}

/// Whether a name is a host's: names of services and policies have a label that begins with `_`.
fn is_host(name: &Name) -> bool {
    !name.labels().any(|label| label.first() == Some(&b'_'))
}

/// Exchanges with addresses that not everybody can reach.
fn of_few(draft: &Draft<'_>) -> BTreeSet<String> {
    let exchanges = draft.intent.moves.iter().flat_map(|domain| &domain.to.exchanges);
    let names: BTreeSet<&Name> = exchanges.map(|exchange| &exchange.name.value).collect();
    let mut found = BTreeSet::new();
    for name in names {
        for rtype in [RrType::A, RrType::AAAA] {
            let Outside::Records(records) = draft.end.told(&RrKey::new(name.clone(), rtype)) else {
                continue;
            };
            for ip in records.iter().filter_map(Rdata::ip).filter(|ip| !is_global(*ip)) {
                found.insert(format!(
                    "every sender can reach {ip}, the address of {name}, which is not a public address (RFC 6890)"
                ));
            }
        }
    }
    found
}

/// Whether an address is public. Only the common ranges for other uses are checked.
fn is_global(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let shared = ip.octets()[0] == 100 && (ip.octets()[1] & 0xc0) == 64;
            !(ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_unspecified()
                || ip.is_multicast()
                || ip.is_broadcast()
                || shared)
        }
        IpAddr::V6(ip) => {
            let first = ip.segments()[0];
            let local = (first & 0xfe00) == 0xfc00 || (first & 0xffc0) == 0xfe80;
            let mapped = ip.to_ipv4_mapped().is_some();
            !(mapped || ip.is_loopback() || ip.is_unspecified() || ip.is_multicast() || local)
        }
    }
}
