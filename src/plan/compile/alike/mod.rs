//! Zones that are alike are compiled and proved once.
//!
//! In a plan of many domains, most domains go the same way: each has a zone of its own, the zones
//! have the same records except for their own names, and the plan says the same about each. Two
//! such zones are *alike*: if each name is written where the other stands, in the plan and in
//! everything that was seen, nothing changes. What is derived and proved follows from these alone,
//! so it is the same for both, with the names exchanged.
//!
//! Zones count as alike only if nothing else leads into them, so that no question about one is
//! answered by another. What concerns two of them at once (the host that both leave, for example)
//! concerns any two in the same way. So two zones of each group are compiled, and the result is
//! repeated for the others ([`unfold`]).
//!
//! None of this is taken on trust. While the two are compiled, nothing may ask for a name in a zone
//! that was left out ([`Watch`]). The result for the second zone has to be, word for word, that of
//! the first with the names exchanged. If either check fails, if anything is refuted or broken, or
//! if a sentence is about both zones, the plan is compiled as a whole.

mod rewrite;
mod unfold;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cutover_zone::{Name, Rdata, RrKey, RrSet, RrType, Zone};
use foldhash::{HashMap, HashSet};

use self::rewrite::{Index, ZoneRewriter, ZoneSpelling};
use crate::intent::{DomainMove, Exchange, Host, Intent, Selector, Sender};
use crate::observe::{Snapshot, Watch, ZoneSeen};
use cutover_steps::ask::Outside;
use cutover_steps::fact::Subject;

pub(super) use unfold::unfold;

/// The maximum number of alike zones that are compiled one by one. Our choice: this many take no
/// time.
const APART_MAX: usize = 8;
/// The maximum number of zones that a zone is compared with. Our choice: a fleet in which each zone
/// is different has many.
const COMPARED_MAX: usize = 16;

/// Alike zones, in the order of the plan.
pub(super) struct Group {
    zones: Vec<ZoneSpelling>,
}

impl Group {
    /// The two zones that are compiled.
    fn compiled(&self) -> &[ZoneSpelling] {
        &self.zones[..2]
    }
}

/// A plan that has only two zones of each group of alike zones.
pub(super) struct ReducedPlan {
    pub(super) intent: Intent,
    pub(super) snapshot: Snapshot,
    pub(super) groups: Vec<Group>,
}

/// A zone, and what the plan says about it.
struct ZoneView<'o> {
    spelled: ZoneSpelling,
    provider: &'o str,
    seen: &'o ZoneSeen,
    moves: Vec<&'o DomainMove>,
    /// What lies elsewhere under names that contain its own name.
    elsewhere: Vec<(&'o RrKey, Elsewhere<'o>)>,
}

/// What lies under a name that contains a zone's name, but not in that zone.
#[derive(Clone, Copy)]
enum Elsewhere<'o> {
    /// In another zone of the plan.
    InZone(&'o RrSet),
    /// In no zone of the plan.
    Outside(&'o Outside),
}

impl ReducedPlan {
    /// `None` if there are no large groups of alike zones.
    pub(super) fn of(intent: &Intent, snapshot: &Snapshot) -> Option<Self> {
        if intent.zones.len() <= APART_MAX || has_dname(intent, snapshot) {
            return None;
        }
        let groups = groups(intent, snapshot)?;
        let left_out: Vec<ZoneSpelling> =
            groups.iter().flat_map(|group| &group.zones[2..]).cloned().collect();
        let index = Arc::new(Index::of(&left_out));
        let names: HashSet<&Name> = left_out.iter().map(ZoneSpelling::name).collect();
        let stays = |zone: &Name| !names.contains(zone);
        let is_left_out = |key: &RrKey| !index.in_text(&key.name.to_string()).is_empty();
        let watched = Arc::clone(&index);
        let watch = Watch::new(move |name| !watched.in_text(&name.to_string()).is_empty());
        let Intent { zones, moves, .. } = intent;
        let intent = Intent {
            zones: zones.iter().filter(|(zone, _)| stays(zone)).map(owned).collect(),
            moves: moves.iter().filter(|domain| stays(&domain.zone)).cloned().collect(),
            ..with_no_zones(intent)
        };
        let zones = snapshot.zones.iter().filter(|(zone, _)| stays(zone)).map(|(origin, seen)| {
            let rrsets = seen.zone.rrsets.iter().filter(|(key, _)| !is_left_out(key)).map(owned);
            let zone = Zone { origin: origin.clone(), rrsets: rrsets.collect() };
            let (capabilities, authorities) = (seen.capabilities.clone(), seen.authorities.clone());
            (origin.clone(), ZoneSeen { zone, capabilities, authorities })
        });
        let outside = snapshot.outside.iter().filter(|(key, _)| !is_left_out(key)).map(owned);
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

    /// Whether something asked for a name in a zone that was left out.
    pub(super) fn was_missed(&self) -> bool {
        self.snapshot.watch.as_ref().is_some_and(|watch| watch.was_asked())
    }
}

/// Whether there is a DNAME anywhere: it makes names that no text contains (RFC 6672 §2.2).
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

/// What a plan says that belongs to no zone in particular.
fn with_no_zones(intent: &Intent) -> Intent {
    Intent {
        name: intent.name.clone(),
        name_span: intent.name_span,
        providers: intent.providers.clone(),
        resolver: intent.resolver.clone(),
        zones: BTreeMap::new(),
        moves: Vec::new(),
        mailboxes: intent.mailboxes.clone(),
        terms: intent.terms,
        windows: intent.windows.clone(),
        gates: intent.gates.clone(),
        tasks: intent.tasks.clone(),
        notify: intent.notify.clone(),
        records: intent.records.clone(),
        assume: intent.assume.clone(),
        no_evidence: intent.no_evidence.clone(),
        overrides: intent.overrides.clone(),
        ignored: intent.ignored.clone(),
        on_drift: intent.on_drift,
        approvals: intent.approvals.clone(),
        undecided: intent.undecided.clone(),
    }
}

/// The groups of alike zones that are large enough.
fn groups(intent: &Intent, snapshot: &Snapshot) -> Option<Vec<Group>> {
    let spelled: Vec<ZoneSpelling> = intent.zones.keys().filter_map(ZoneSpelling::of).collect();
    let index = Index::of(&spelled);
    let mut apart = special(intent, snapshot, &index);
    let mut known: HashMap<Fingerprint<'_>, Vec<Vec<ZoneView<'_>>>> = HashMap::default();
    let mut order: Vec<Fingerprint<'_>> = Vec::new();
    for zone in candidates(intent, snapshot, &index, &apart) {
        let fingerprint = Fingerprint::of(&zone);
        let similar = known.entry(fingerprint.clone()).or_insert_with(|| {
            order.push(fingerprint);
            Vec::new()
        });
        match similar.iter().position(|group| group[0].is_alike(&zone)) {
            Some(place) => similar[place].push(zone),
            None if similar.len() < COMPARED_MAX => similar.push(vec![zone]),
            None => {}
        }
    }
    let groups = order.iter().filter_map(|fingerprint| known.remove(fingerprint)).flatten();
    let groups: Vec<Vec<ZoneView<'_>>> = groups.filter(|group| group.len() > APART_MAX).collect();
    let grouped = groups.iter().flatten().map(|zone| zone.spelled.name());
    let grouped: HashSet<&Name> = grouped.collect();
    apart.extend(intent.zones.keys().filter(|zone| !grouped.contains(zone)).cloned());
    let referenced = referenced(intent, snapshot, &groups, (&index, &apart))?;
    let groups = groups.into_iter().map(|group| {
        let zones = group.into_iter().map(|zone| zone.spelled);
        Group { zones: zones.filter(|zone| !referenced.contains(zone.name())).collect() }
    });
    let groups: Vec<Group> = groups.filter(|group| group.zones.len() > APART_MAX).collect();
    (!groups.is_empty()).then_some(groups)
}

/// The zones that may be like others, in the order of the plan.
fn candidates<'o>(
    intent: &'o Intent,
    snapshot: &'o Snapshot,
    index: &Index,
    apart: &HashSet<Name>,
) -> Vec<ZoneView<'o>> {
    let mut moves: HashMap<&Name, Vec<&DomainMove>> = HashMap::default();
    let mut order: Vec<&Name> = Vec::new();
    for domain in &intent.moves {
        let of_zone = moves.entry(&domain.zone).or_default();
        if of_zone.is_empty() {
            order.push(&domain.zone);
        }
        of_zone.push(domain);
    }
    let mut elsewhere: HashMap<Name, Vec<(&RrKey, Elsewhere<'_>)>> = HashMap::default();
    let in_zones = snapshot.zones.values().flat_map(|seen| {
        let rrsets = seen.zone.rrsets.iter();
        rrsets.map(|(key, rrset)| (Some(&seen.zone.origin), key, Elsewhere::InZone(rrset)))
    });
    let outside =
        snapshot.outside.iter().map(|(key, answer)| (None, key, Elsewhere::Outside(answer)));
    for (origin, key, what) in in_zones.chain(outside) {
        for zone in index.in_text(&key.name.to_string()) {
            if Some(zone) != origin {
                elsewhere.entry(zone.clone()).or_default().push((key, what));
            }
        }
    }
    let candidate = |zone: &'o Name| -> Option<ZoneView<'o>> {
        let moves = moves.remove(zone)?;
        let spelled = ZoneSpelling::of(zone).filter(|spelled| !apart.contains(spelled.name()))?;
        Some(ZoneView {
            provider: &intent.zones.get(zone)?.provider.value,
            seen: snapshot.zones.get(zone)?,
            moves,
            elsewhere: elsewhere.remove(zone).unwrap_or_default(),
            spelled,
        })
    };
    order.into_iter().filter_map(candidate).collect()
}

/// Zones that the plan or an earlier run mentions in particular, zones above or below others, and
/// zones whose names can be mistaken for others.
fn special(intent: &Intent, snapshot: &Snapshot, index: &Index) -> HashSet<Name> {
    let mut names: Vec<&Name> = Vec::new();
    names.extend(intent.records.iter().map(|record| &record.name.value));
    names.extend(intent.assume.iter().filter_map(|stated| match &stated.subject.value {
        Subject::Name(name) => Some(name),
        Subject::Host(_) | Subject::Address(_) => None,
    }));
    names.extend(snapshot.earlier.keys().map(|key| &key.name));
    names.extend(snapshot.changed.keys().map(|key| &key.name));
    names.extend(snapshot.original_ttls.keys().map(|key| &key.name));
    let named = names.iter().flat_map(|name| index.in_text(&name.to_string())).cloned();
    let mut found: HashSet<Name> = named.collect();
    found.extend(names.iter().filter_map(|name| intent.zone_of(name).cloned()));
    found.extend(index.ambiguous().cloned());
    // A resolver that was asked for a name in a zone has passed the question on.
    let passed_on = snapshot.outside.keys().filter_map(|key| intent.zone_of(&key.name));
    found.extend(passed_on.cloned());
    // A zone above another, or whose name another zone's name contains.
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
    // Names that contain two other zones' names, or one other zone's name in a zone that moves
    // itself.
    let moved: HashSet<&Name> = intent.moves.iter().map(|domain| &domain.zone).collect();
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

/// What two alike zones obviously have in common.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Fingerprint<'o> {
    /// Names above the zones are asked for too, and are the same.
    parent: Option<Name>,
    /// The length of a name decides what fits into a record, and into a name.
    octets: usize,
    provider: &'o str,
    rrsets: usize,
    moves: usize,
}

impl<'o> Fingerprint<'o> {
    fn of(own: &ZoneView<'o>) -> Self {
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

impl ZoneView<'_> {
    /// Whether everything about one zone is true of the other, except for their names.
    fn is_alike(&self, other: &Self) -> bool {
        let rewriter = ZoneRewriter::new(&self.spelled, &other.spelled);
        self.seen.capabilities == other.seen.capabilities
            && all_alike(&self.seen.zone.rrsets, &other.seen.zone.rrsets, |left, right| {
                same_key(&rewriter, left.0, right.0) && same_rrset(&rewriter, left.1, right.1)
            })
            && all_alike(&self.moves, &other.moves, |left, right| same_move(&rewriter, left, right))
            && all_alike(&self.elsewhere, &other.elsewhere, |left, right| {
                same_key(&rewriter, left.0, right.0) && same_elsewhere(&rewriter, left.1, right.1)
            })
    }

    /// All texts in which the zone may refer to other zones.
    fn texts(&self) -> impl Iterator<Item = String> {
        let rrsets = self.seen.zone.rrsets.values().flat_map(RrSet::rdata);
        let moves = self.moves.iter().flat_map(|domain| texts_of(domain));
        let elsewhere = self.elsewhere.iter().flat_map(|(_, what)| match what {
            Elsewhere::InZone(rrset) => rrset.rdata(),
            Elsewhere::Outside(answer) => records_of(answer),
        });
        rrsets.chain(elsewhere).map(text_of).chain(moves)
    }
}

/// Compares two lists item by item.
fn all_alike<I: IntoIterator>(
    left: I,
    right: I,
    is_alike: impl Fn(I::Item, I::Item) -> bool,
) -> bool {
    let (mut left, mut right) = (left.into_iter(), right.into_iter());
    loop {
        match (left.next(), right.next()) {
            (Some(left), Some(right)) => {
                if !is_alike(left, right) {
                    return false;
                }
            }
            (None, None) => return true,
            (Some(_), None) | (None, Some(_)) => return false,
        }
    }
}

fn same_name(rewriter: &ZoneRewriter<'_>, left: &Name, right: &Name) -> bool {
    rewriter.name(left) == *right
}

fn same_key(rewriter: &ZoneRewriter<'_>, left: &RrKey, right: &RrKey) -> bool {
    left.rtype == right.rtype && same_name(rewriter, &left.name, &right.name)
}

fn same_rrset(rewriter: &ZoneRewriter<'_>, left: &RrSet, right: &RrSet) -> bool {
    left.ttl() == right.ttl() && rewriter.rrset(left).is_some_and(|left| left == *right)
}

fn same_rdata(rewriter: &ZoneRewriter<'_>, left: &Rdata, right: &Rdata) -> bool {
    rewriter.rdata(left).is_some_and(|left| left == *right)
}

fn same_elsewhere(rewriter: &ZoneRewriter<'_>, left: Elsewhere<'_>, right: Elsewhere<'_>) -> bool {
    match (left, right) {
        (Elsewhere::InZone(left), Elsewhere::InZone(right)) => same_rrset(rewriter, left, right),
        (Elsewhere::Outside(left), Elsewhere::Outside(right)) => {
            same_outside(rewriter, left, right)
        }
        (Elsewhere::InZone(_), Elsewhere::Outside(_))
        | (Elsewhere::Outside(_), Elsewhere::InZone(_)) => false,
    }
}

fn same_outside(rewriter: &ZoneRewriter<'_>, left: &Outside, right: &Outside) -> bool {
    match (left, right) {
        (Outside::Records(left), Outside::Records(right)) => {
            all_alike(left.iter(), right.iter(), |left, right| same_rdata(rewriter, left, right))
        }
        (Outside::Absent, Outside::Absent) => true,
        (Outside::Unknown(left), Outside::Unknown(right)) => rewriter.text(left) == *right,
        (_, _) => false,
    }
}

fn same_move(rewriter: &ZoneRewriter<'_>, left: &DomainMove, right: &DomainMove) -> bool {
    let DomainMove { domain, zone, from, to, others } = left;
    same_name(rewriter, &domain.value, &right.domain.value)
        && same_name(rewriter, zone, &right.zone)
        && same_host(rewriter, from, &right.from)
        && same_host(rewriter, to, &right.to)
        && all_alike(others, &right.others, |left, right| same_host(rewriter, left, right))
}

fn same_host(rewriter: &ZoneRewriter<'_>, left: &Host, right: &Host) -> bool {
    let Host { name, span: _, exchanges, senders, discovery, tlsa } = left;
    *name == right.name
        && all_alike(exchanges, &right.exchanges, |left, right| {
            let Exchange { preference, name, addresses } = left;
            *preference == right.preference
                && same_name(rewriter, &name.value, &right.name.value)
                && *addresses == right.addresses
        })
        && all_alike(senders, &right.senders, |left, right| same_sender(rewriter, left, right))
        && all_alike(discovery, &right.discovery, |left, right| {
            same_key(rewriter, left.0, right.0)
                && same_rdata(rewriter, &left.1.value, &right.1.value)
        })
        && all_alike(tlsa, &right.tlsa, |left, right| same_rdata(rewriter, left, right))
}

fn same_sender(rewriter: &ZoneRewriter<'_>, left: &Sender, right: &Sender) -> bool {
    let Sender { name, spf, selectors } = left;
    let same_spf = match (spf, &right.spf) {
        (Some(left), Some(right)) => rewriter.text(&left.value) == *right.value,
        (None, None) => true,
        (_, _) => false,
    };
    *name == right.name
        && same_spf
        && all_alike(selectors, &right.selectors, |left, right| {
            let Selector { owner, publish } = left;
            same_name(rewriter, &owner.value, &right.owner.value)
                && match (publish, &right.publish) {
                    (Some(left), Some(right)) => same_rdata(rewriter, left, right),
                    (None, None) => true,
                    (_, _) => false,
                }
        })
}

/// A record as text: the strings of a TXT record as they are, and joined as readers join them (RFC
/// 7208 §3.3).
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

/// The texts of a move that contain names.
fn texts_of(domain: &DomainMove) -> Vec<String> {
    let DomainMove { domain: _, zone: _, from, to, others } = domain;
    let hosts = [from, to].into_iter().chain(others);
    hosts
        .flat_map(|host| {
            let Host { name: _, span: _, exchanges, senders, discovery, tlsa: _ } = host;
            let exchanges = exchanges.iter().map(|exchange| exchange.name.value.to_string());
            let spf = senders
                .iter()
                .filter_map(|sender| sender.spf.as_ref())
                .map(|sender| sender.value.clone());
            let selectors = senders.iter().flat_map(|sender| &sender.selectors);
            let keys = selectors.flat_map(|selector| {
                let publish = selector.publish.as_ref().map(text_of);
                publish.into_iter().chain([selector.owner.value.to_string()])
            });
            let discovery = discovery
                .iter()
                .flat_map(|(key, rdata)| [key.name.to_string(), rdata.value.to_string()]);
            exchanges.chain(spf).chain(keys).chain(discovery).collect::<Vec<_>>()
        })
        .collect()
}

/// The zones that others refer to, or may refer to: zones whose names stand in a text of another
/// zone. `None` if a text may refer to any name.
fn referenced(
    intent: &Intent,
    snapshot: &Snapshot,
    groups: &[Vec<ZoneView<'_>>],
    (index, apart): (&Index, &HashSet<Name>),
) -> Option<HashSet<Name>> {
    let mut found: HashSet<Name> = HashSet::default();
    let mut look = |text: &str, own: &BTreeSet<&Name>| {
        let named = index.in_text(text);
        found.extend(named.into_iter().filter(|zone| !own.contains(zone)).cloned());
        // An SPF record with a macro may name anything (RFC 7208 §7).
        (!text.contains("%{")).then_some(())
    };
    // Alike zones all say the same about others: one zone is enough.
    for group in groups {
        let own = BTreeSet::from([group[0].spelled.name()]);
        group[0].texts().try_for_each(|text| look(&text, &own))?;
    }
    // A name that contains a zone's name belongs to that zone.
    let of_key = |key: &RrKey| index.in_text(&key.name.to_string());
    for zone in apart {
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
    for domain in intent.moves.iter().filter(|domain| apart.contains(&domain.zone)) {
        let own = BTreeSet::from([&domain.zone]);
        texts_of(domain).iter().try_for_each(|text| look(text, &own))?;
    }
    for rdata in intent.records.iter().filter_map(|record| record.to.as_ref()).flatten() {
        look(&text_of(rdata), &none)?;
    }
    for (key, versions) in &snapshot.earlier {
        let mut own = of_key(key);
        own.extend(intent.zone_of(&key.name));
        let records = versions.iter().filter_map(|version| version.records.as_ref());
        records.flat_map(RrSet::rdata).try_for_each(|rdata| look(&text_of(rdata), &own))?;
    }
    for waiver in &intent.overrides {
        look(&waiver.what.value.replace('/', " "), &none)?;
    }
    Some(found)
}
