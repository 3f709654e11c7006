//! What is alike is compiled and proved once.
//!
//! A plan of many domains mostly has them all go one way: each has a zone of its own, the zones have the
//! same records but for their own names, and the plan says the same of each. Two of such zones are
//! *alike*: to write each one's name where the other's stands, in the plan and in all that was seen,
//! changes nothing. What is derived and proved follows from these alone, so it is the same for both,
//! with the names changed.
//!
//! Zones are taken to be alike only where nothing leads from anywhere into one of them, so that no
//! question about one is answered by another. What concerns two of them at once (the host that both
//! leave, say) concerns any two in the same way. So of each group of alike zones two are compiled,
//! and what comes of them is said of the others ([`unfold`]).
//!
//! None of this is relied upon blindly. While the two are compiled, nothing may ask for a name of a zone
//! that was left out ([`Watch`]). What came of the second has to be, word for word, what the first says
//! of it. Where either is not so, where anything is refuted or broken, and where a sentence is about
//! both, the plan is compiled as a whole.

mod pen;
mod unfold;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cutover_contract::{Name, Rdata, RrKey, RrSet, RrType, Zone};
use foldhash::{HashMap, HashSet};

use self::pen::{Index, Pen, Spelled};
use crate::fact::Subject;
use crate::intent::{DomainMove, Exchange, Host, Intent, Selector, Sender};
use crate::observe::{Outside, Snapshot, Watch, ZoneSeen};

pub(super) use unfold::unfold;

/// Zones that are compiled one by one though they are alike. Our choice: so many take no time.
const APART_MAX: usize = 8;
/// Zones that are compared with one that they may be alike to. Our choice: of a fleet in which each is
/// another there are many.
const COMPARED_MAX: usize = 16;

/// Zones that are alike, the first in the plan first.
pub(super) struct Group {
    zones: Vec<Spelled>,
}

impl Group {
    /// The two that are compiled.
    fn compiled(&self) -> &[Spelled] {
        &self.zones[..2]
    }
}

/// A plan without those zones that are like others.
pub(super) struct Fewer {
    pub(super) intent: Intent,
    pub(super) snapshot: Snapshot,
    pub(super) groups: Vec<Group>,
}

/// A zone, and what the plan says of it.
struct Own<'o> {
    spelled: Spelled,
    provider: &'o str,
    seen: &'o ZoneSeen,
    moves: Vec<&'o DomainMove>,
    /// What lies elsewhere under names that are made of its own.
    elsewhere: Vec<(&'o RrKey, Elsewhere<'o>)>,
}

/// What lies under a name that is made of a zone's, and is not in that zone.
#[derive(Clone, Copy)]
enum Elsewhere<'o> {
    /// In another zone of the plan.
    Held(&'o RrSet),
    /// In none.
    Outside(&'o Outside),
}

impl Fewer {
    /// None where there are not many that are alike.
    pub(super) fn of(intent: &Intent, snapshot: &Snapshot) -> Option<Self> {
        if intent.zones.len() <= APART_MAX || has_dname(intent, snapshot) {
            return None;
        }
        let groups = groups(intent, snapshot)?;
        let left: Vec<Spelled> =
            groups.iter().flat_map(|group| &group.zones[2..]).cloned().collect();
        let index = Arc::new(Index::of(&left));
        let names: HashSet<&Name> = left.iter().map(Spelled::name).collect();
        let stays = |zone: &Name| !names.contains(zone);
        let is_of_left = |key: &RrKey| !index.in_text(&key.name.to_string()).is_empty();
        let watched = Arc::clone(&index);
        let watch = Watch::new(move |name| !watched.in_text(&name.to_string()).is_empty());
        let Intent { zones, moves, .. } = intent;
        let intent = Intent {
            zones: zones.iter().filter(|(zone, _)| stays(zone)).map(owned).collect(),
            moves: moves.iter().filter(|one| stays(&one.zone)).cloned().collect(),
            ..with_no_zones(intent)
        };
        let zones = snapshot.zones.iter().filter(|(zone, _)| stays(zone)).map(|(origin, seen)| {
            let rrsets = seen.zone.rrsets.iter().filter(|(key, _)| !is_of_left(key)).map(owned);
            let zone = Zone { origin: origin.clone(), rrsets: rrsets.collect() };
            let (capabilities, authorities) = (seen.capabilities.clone(), seen.authorities.clone());
            (origin.clone(), ZoneSeen { zone, capabilities, authorities })
        });
        let outside = snapshot.outside.iter().filter(|(key, _)| !is_of_left(key)).map(owned);
        let snapshot = Snapshot {
            zones: zones.collect(),
            outside: outside.collect(),
            earlier: snapshot.earlier.clone(),
            changed: snapshot.changed.clone(),
            is_switching: snapshot.is_switching,
            established: snapshot.established.clone(),
            remarks: snapshot.remarks.clone(),
            original_ttls: snapshot.original_ttls.clone(),
            watch: Some(Arc::new(watch)),
        };
        Some(Self { intent, snapshot, groups })
    }

    /// Whether something led into a zone that was left out.
    pub(super) fn was_missed(&self) -> bool {
        self.snapshot.watch.as_ref().is_some_and(|watch| watch.was_asked())
    }
}

/// Whether there is a DNAME anywhere: it makes names that stand in no text (RFC 6672 §2.2).
fn has_dname(intent: &Intent, snapshot: &Snapshot) -> bool {
    let live = snapshot.zones.values().flat_map(|seen| seen.zone.rrsets.keys());
    let keys = live.chain(snapshot.outside.keys()).chain(snapshot.earlier.keys());
    let outside = snapshot.outside.values().flat_map(records_of);
    keys.map(|key| key.rtype)
        .chain(outside.map(Rdata::rtype))
        .chain(intent.records.iter().map(|record| record.rtype.value))
        .any(|rtype| rtype == RrType::DNAME)
}

fn owned<K: Clone, V: Clone>((key, value): (&K, &V)) -> (K, V) {
    (key.clone(), value.clone())
}

/// What a plan says that is of no zone in particular.
fn with_no_zones(intent: &Intent) -> Intent {
    Intent {
        name: intent.name.clone(),
        name_span: intent.name_span,
        providers: intent.providers.clone(),
        resolver: intent.resolver.clone(),
        zones: BTreeMap::new(),
        moves: Vec::new(),
        terms: intent.terms,
        windows: intent.windows.clone(),
        gates: intent.gates.clone(),
        tasks: intent.tasks.clone(),
        notify: intent.notify.clone(),
        records: intent.records.clone(),
        assume: intent.assume.clone(),
        overrides: intent.overrides.clone(),
        on_drift: intent.on_drift,
    }
}

/// The groups of more than a few.
fn groups(intent: &Intent, snapshot: &Snapshot) -> Option<Vec<Group>> {
    let spelled: Vec<Spelled> = intent.zones.keys().filter_map(Spelled::of).collect();
    let index = Index::of(&spelled);
    let mut single = special(intent, snapshot, &index);
    let mut known: HashMap<Rough<'_>, Vec<Vec<Own<'_>>>> = HashMap::default();
    let mut order: Vec<Rough<'_>> = Vec::new();
    for one in candidates(intent, snapshot, &index, &single) {
        let rough = Rough::of(&one);
        let of_rough = known.entry(rough.clone()).or_insert_with(|| {
            order.push(rough);
            Vec::new()
        });
        match of_rough.iter().position(|group| group[0].is_like(&one)) {
            Some(place) => of_rough[place].push(one),
            None if of_rough.len() < COMPARED_MAX => of_rough.push(vec![one]),
            None => {}
        }
    }
    let groups = order.iter().filter_map(|rough| known.remove(rough)).flatten();
    let groups: Vec<Vec<Own<'_>>> = groups.filter(|group| group.len() > APART_MAX).collect();
    let grouped = groups.iter().flatten().map(|one| one.spelled.name());
    let grouped: HashSet<&Name> = grouped.collect();
    single.extend(intent.zones.keys().filter(|zone| !grouped.contains(zone)).cloned());
    let led_into = led_into(intent, snapshot, &groups, (&index, &single))?;
    let groups = groups.into_iter().map(|group| {
        let zones = group.into_iter().map(|one| one.spelled);
        Group { zones: zones.filter(|one| !led_into.contains(one.name())).collect() }
    });
    let groups: Vec<Group> = groups.filter(|group| group.zones.len() > APART_MAX).collect();
    (!groups.is_empty()).then_some(groups)
}

/// The zones that may be like others, in the order of the plan.
fn candidates<'o>(
    intent: &'o Intent,
    snapshot: &'o Snapshot,
    index: &Index,
    single: &HashSet<Name>,
) -> Vec<Own<'o>> {
    let mut moves: HashMap<&Name, Vec<&DomainMove>> = HashMap::default();
    let mut order: Vec<&Name> = Vec::new();
    for one in &intent.moves {
        let of_zone = moves.entry(&one.zone).or_default();
        if of_zone.is_empty() {
            order.push(&one.zone);
        }
        of_zone.push(one);
    }
    let mut elsewhere: HashMap<Name, Vec<(&RrKey, Elsewhere<'_>)>> = HashMap::default();
    let held = snapshot.zones.values().flat_map(|seen| {
        let rrsets = seen.zone.rrsets.iter();
        rrsets.map(|(key, rrset)| (Some(&seen.zone.origin), key, Elsewhere::Held(rrset)))
    });
    let outside = snapshot.outside.iter().map(|(key, one)| (None, key, Elsewhere::Outside(one)));
    for (origin, key, what) in held.chain(outside) {
        for zone in index.in_text(&key.name.to_string()) {
            if Some(zone) != origin {
                elsewhere.entry(zone.clone()).or_default().push((key, what));
            }
        }
    }
    let candidate = |zone: &'o Name| -> Option<Own<'o>> {
        let moves = moves.remove(zone)?;
        let spelled = Spelled::of(zone).filter(|one| !single.contains(one.name()))?;
        Some(Own {
            provider: &intent.zones.get(zone)?.provider.value,
            seen: snapshot.zones.get(zone)?,
            moves,
            elsewhere: elsewhere.remove(zone).unwrap_or_default(),
            spelled,
        })
    };
    order.into_iter().filter_map(candidate).collect()
}

/// Zones of which the plan, or an earlier run, says something of their own; those above or below another
/// one; and those whose names are mixed up with others.
fn special(intent: &Intent, snapshot: &Snapshot, index: &Index) -> HashSet<Name> {
    let mut names: Vec<&Name> = Vec::new();
    names.extend(intent.records.iter().map(|record| &record.name.value));
    names.extend(intent.assume.iter().filter_map(|one| match &one.subject.value {
        Subject::Name(name) => Some(name),
        Subject::Host(_) | Subject::Address(_) => None,
    }));
    names.extend(snapshot.earlier.keys().map(|key| &key.name));
    names.extend(snapshot.changed.keys().map(|key| &key.name));
    names.extend(snapshot.original_ttls.keys().map(|key| &key.name));
    let named = names.iter().flat_map(|name| index.in_text(&name.to_string())).cloned();
    let mut found: HashSet<Name> = named.collect();
    found.extend(names.iter().filter_map(|name| intent.zone_of(name).cloned()));
    found.extend(index.mixed_up().cloned());
    // What was asked for at a resolver and lies in a zone has been handed on by it.
    let handed_on = snapshot.outside.keys().filter_map(|key| intent.zone_of(&key.name));
    found.extend(handed_on.cloned());
    // A zone above another, or of whose name another's is made.
    for zone in intent.zones.keys() {
        if let Some(above) = zone.parent().and_then(|parent| intent.zone_of(&parent).cloned()) {
            found.extend([above, zone.clone()]);
        }
        let others: Vec<&Name> =
            index.in_text(&zone.to_string()).into_iter().filter(|other| *other != zone).collect();
        if !others.is_empty() {
            found.insert(zone.clone());
            found.extend(others.into_iter().cloned());
        }
    }
    // Names that are made of two others', or of another's in a zone that moves itself.
    let moved: HashSet<&Name> = intent.moves.iter().map(|one| &one.zone).collect();
    for (origin, seen) in &snapshot.zones {
        let most = usize::from(!moved.contains(origin));
        for key in seen.zone.rrsets.keys() {
            let mut others = index.in_text(&key.name.to_string());
            others.remove(origin);
            if others.len() > most {
                found.extend(others.into_iter().cloned());
            }
        }
    }
    found
}

/// What two alike zones have in common at first sight.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Rough<'o> {
    /// Names above them are asked for too, and are the same.
    parent: Option<Name>,
    /// How long a name is counts for what fits into a record, and into a name.
    octets: usize,
    provider: &'o str,
    rrsets: usize,
    moves: usize,
}

impl<'o> Rough<'o> {
    fn of(own: &Own<'o>) -> Self {
        let name = own.spelled.name();
        Self {
            parent: name.parent(),
            octets: name.wire().len(),
            provider: own.provider,
            rrsets: own.seen.zone.rrsets.len(),
            moves: own.moves.len(),
        }
    }
}

impl Own<'_> {
    /// Whether all that is said of one is said of the other, but for their names.
    fn is_like(&self, other: &Self) -> bool {
        let pen = Pen::new(&self.spelled, &other.spelled);
        self.seen.capabilities == other.seen.capabilities
            && all_like(&self.seen.zone.rrsets, &other.seen.zone.rrsets, |one, other| {
                is_key(&pen, one.0, other.0) && is_rrset(&pen, one.1, other.1)
            })
            && all_like(&self.moves, &other.moves, |one, other| is_move(&pen, one, other))
            && all_like(&self.elsewhere, &other.elsewhere, |one, other| {
                is_key(&pen, one.0, other.0) && is_elsewhere(&pen, one.1, other.1)
            })
    }

    /// All texts in which it may lead to other zones.
    fn texts(&self) -> impl Iterator<Item = String> {
        let rrsets = self.seen.zone.rrsets.values().flat_map(RrSet::rdata);
        let moves = self.moves.iter().flat_map(|one| texts_of(one));
        let elsewhere = self.elsewhere.iter().flat_map(|(_, what)| match what {
            Elsewhere::Held(rrset) => rrset.rdata(),
            Elsewhere::Outside(answer) => records_of(answer),
        });
        rrsets.chain(elsewhere).map(text_of).chain(moves)
    }
}

/// Compares one by one.
fn all_like<I: IntoIterator>(one: I, other: I, is_like: impl Fn(I::Item, I::Item) -> bool) -> bool {
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    loop {
        match (one.next(), other.next()) {
            (Some(one), Some(other)) => {
                if !is_like(one, other) {
                    return false;
                }
            }
            (None, None) => return true,
            (Some(_), None) | (None, Some(_)) => return false,
        }
    }
}

fn is_name(pen: &Pen<'_>, one: &Name, other: &Name) -> bool {
    pen.name(one) == *other
}

fn is_key(pen: &Pen<'_>, one: &RrKey, other: &RrKey) -> bool {
    one.rtype == other.rtype && is_name(pen, &one.name, &other.name)
}

fn is_rrset(pen: &Pen<'_>, one: &RrSet, other: &RrSet) -> bool {
    one.ttl() == other.ttl() && pen.rrset(one).is_some_and(|one| one == *other)
}

fn is_rdata(pen: &Pen<'_>, one: &Rdata, other: &Rdata) -> bool {
    pen.rdata(one).is_some_and(|one| one == *other)
}

fn is_elsewhere(pen: &Pen<'_>, one: Elsewhere<'_>, other: Elsewhere<'_>) -> bool {
    match (one, other) {
        (Elsewhere::Held(one), Elsewhere::Held(other)) => is_rrset(pen, one, other),
        (Elsewhere::Outside(one), Elsewhere::Outside(other)) => is_outside(pen, one, other),
        (Elsewhere::Held(_), Elsewhere::Outside(_))
        | (Elsewhere::Outside(_), Elsewhere::Held(_)) => false,
    }
}

fn is_outside(pen: &Pen<'_>, one: &Outside, other: &Outside) -> bool {
    match (one, other) {
        (Outside::Records(one), Outside::Records(other)) => {
            all_like(one.iter(), other.iter(), |one, other| is_rdata(pen, one, other))
        }
        (Outside::Absent, Outside::Absent) => true,
        (Outside::Unknown(one), Outside::Unknown(other)) => pen.text(one) == *other,
        (_, _) => false,
    }
}

fn is_move(pen: &Pen<'_>, one: &DomainMove, other: &DomainMove) -> bool {
    let DomainMove { domain, zone, from, to, others } = one;
    is_name(pen, &domain.value, &other.domain.value)
        && is_name(pen, zone, &other.zone)
        && is_host(pen, from, &other.from)
        && is_host(pen, to, &other.to)
        && all_like(others, &other.others, |one, other| is_host(pen, one, other))
}

fn is_host(pen: &Pen<'_>, one: &Host, other: &Host) -> bool {
    let Host { name, span: _, exchanges, senders, discovery, tlsa } = one;
    *name == other.name
        && all_like(exchanges, &other.exchanges, |one, other| {
            let Exchange { preference, name, addresses } = one;
            *preference == other.preference
                && is_name(pen, &name.value, &other.name.value)
                && *addresses == other.addresses
        })
        && all_like(senders, &other.senders, |one, other| is_sender(pen, one, other))
        && all_like(discovery, &other.discovery, |one, other| {
            is_key(pen, one.0, other.0) && is_rdata(pen, &one.1.value, &other.1.value)
        })
        && all_like(tlsa, &other.tlsa, |one, other| is_rdata(pen, one, other))
}

fn is_sender(pen: &Pen<'_>, one: &Sender, other: &Sender) -> bool {
    let Sender { name, spf, selectors } = one;
    let spf_is_like = match (spf, &other.spf) {
        (Some(one), Some(other)) => pen.text(&one.value) == *other.value,
        (None, None) => true,
        (_, _) => false,
    };
    *name == other.name
        && spf_is_like
        && all_like(selectors, &other.selectors, |one, other| {
            let Selector { owner, publish } = one;
            is_name(pen, &owner.value, &other.owner.value)
                && match (publish, &other.publish) {
                    (Some(one), Some(other)) => is_rdata(pen, one, other),
                    (None, None) => true,
                    (_, _) => false,
                }
        })
}

/// A record as text: the strings of a TXT as they are, and joined, as they are read (RFC 7208 §3.3).
fn text_of(rdata: &Rdata) -> String {
    let joined = rdata.txt_joined().map(|text| String::from_utf8_lossy(&text).into_owned());
    format!("{rdata} {}", joined.unwrap_or_default())
}

fn records_of(answer: &Outside) -> &[Rdata] {
    match answer {
        Outside::Records(records) => records,
        Outside::Absent | Outside::Unknown(_) => &[],
    }
}

/// The texts of a move in which names stand.
fn texts_of(one: &DomainMove) -> Vec<String> {
    let DomainMove { domain: _, zone: _, from, to, others } = one;
    let hosts = [from, to].into_iter().chain(others);
    hosts
        .flat_map(|host| {
            let Host { name: _, span: _, exchanges, senders, discovery, tlsa: _ } = host;
            let exchanges = exchanges.iter().map(|one| one.name.value.to_string());
            let spf =
                senders.iter().filter_map(|one| one.spf.as_ref()).map(|one| one.value.clone());
            let selectors = senders.iter().flat_map(|one| &one.selectors);
            let keys = selectors.flat_map(|one| {
                let publish = one.publish.as_ref().map(text_of);
                publish.into_iter().chain([one.owner.value.to_string()])
            });
            let discovery = discovery
                .iter()
                .flat_map(|(key, rdata)| [key.name.to_string(), rdata.value.to_string()]);
            exchanges.chain(spf).chain(keys).chain(discovery).collect::<Vec<_>>()
        })
        .collect()
}

/// The zones that others lead into, or may: whose names stand in a text that is not their own. `None` where
/// a text may lead anywhere.
fn led_into(
    intent: &Intent,
    snapshot: &Snapshot,
    groups: &[Vec<Own<'_>>],
    (index, single): (&Index, &HashSet<Name>),
) -> Option<HashSet<Name>> {
    let mut found: HashSet<Name> = HashSet::default();
    let mut look = |text: &str, own: &BTreeSet<&Name>| {
        let named = index.in_text(text);
        found.extend(named.into_iter().filter(|zone| !own.contains(zone)).cloned());
        // What an SPF record says by a macro may be any name (RFC 7208 §7).
        (!text.contains("%{")).then_some(())
    };
    // What alike zones say of others they all say: one of them is enough.
    for group in groups {
        let own = BTreeSet::from([group[0].spelled.name()]);
        group[0].texts().try_for_each(|text| look(&text, &own))?;
    }
    // A name that is made of a zone's is that zone's own.
    let of_key = |key: &RrKey| index.in_text(&key.name.to_string());
    for zone in single {
        for (key, rrset) in snapshot.zones.get(zone).iter().flat_map(|seen| &seen.zone.rrsets) {
            let mut own = of_key(key);
            own.insert(zone);
            rrset.rdata().iter().try_for_each(|rdata| look(&text_of(rdata), &own))?;
        }
    }
    for (key, answer) in &snapshot.outside {
        let own = of_key(key);
        records_of(answer).iter().try_for_each(|rdata| look(&text_of(rdata), &own))?;
    }
    let none = BTreeSet::new();
    for one in intent.moves.iter().filter(|one| single.contains(&one.zone)) {
        let own = BTreeSet::from([&one.zone]);
        texts_of(one).iter().try_for_each(|text| look(text, &own))?;
    }
    for rdata in intent.records.iter().filter_map(|record| record.to.as_ref()).flatten() {
        look(&text_of(rdata), &none)?;
    }
    for (key, versions) in &snapshot.earlier {
        let mut own = of_key(key);
        own.extend(intent.zone_of(&key.name));
        let records = versions.iter().filter_map(|one| one.records.as_ref());
        records.flat_map(RrSet::rdata).try_for_each(|rdata| look(&text_of(rdata), &own))?;
    }
    for one in &intent.overrides {
        look(&one.what.value.replace('/', " "), &none)?;
    }
    Some(found)
}
