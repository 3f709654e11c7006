//! Other records of the plan: each with a place in the order that the user chose.

use std::collections::{BTreeSet, HashMap};

use cutover_contract::{Name, Rdata, RrKey, RrSet, RrType};

use super::{CNAME_CLASH, Found, RecipeContext, UNUSABLE_EXCHANGE, records_of, spf};
use crate::calendar::show_span;
use crate::diag::{Code, Diagnostic};
use crate::model::{Goal, Route, Stage, Track};
use crate::observe::Seen;
use crate::spec::{Anchor, RecordSpec, When};

/// A TTL below what the provider keeps.
pub(super) const TTL_FLOOR: Code = Code::semantic("ttl-floor");
/// Records that change together with the TTL that should have been lowered before.
pub(super) const TTL_TOO_LATE: Code = Code::semantic("ttl-too-late");

/// The plan's records as they belong together.
struct Lines<'k> {
    at_name: HashMap<&'k Name, Vec<&'k RecordSpec>>,
    /// The exchanges that MX records name in the end, each with the name of one of these.
    exchanges: HashMap<Name, &'k Name>,
}

pub(super) fn tracks(context: &RecipeContext<'_>, found: &mut Found) {
    let lines = Lines::of(context);
    let beside = spf::beside(context);
    let is_beside = |record: &RecordSpec| {
        beside.get(&record.name.value).is_some_and(|line| std::ptr::eq(*line, record))
    };
    for record in context.intent.records.iter().filter(|record| !is_beside(record)) {
        match lines.taken_over_by(record) {
            Some(other) => goes_with(record, other, found),
            None => track(context, &lines, record, found),
        }
        if record.rtype.value == RrType::MX {
            exchanges_are_usable(context, record, found);
        }
        if record.rtype.value == RrType::CNAME && record.to.is_some() {
            becomes_no_alias(context, &lines, record, found);
        }
    }
}

impl<'k> Lines<'k> {
    fn of(context: &RecipeContext<'k>) -> Self {
        let mut at_name: HashMap<&Name, Vec<&RecordSpec>> = HashMap::new();
        for record in &context.intent.records {
            at_name.entry(&record.name.value).or_default().push(record);
        }
        let zones = context.end.zones.values().flat_map(|zone| &zone.zone.rrsets);
        let of_mx = zones.filter(|(key, _)| key.rtype == RrType::MX).flat_map(|(key, mx)| {
            mx.rdata().iter().filter_map(Rdata::as_mx).map(|(_, exchange)| (exchange, &key.name))
        });
        Self { at_name, exchanges: of_mx.collect() }
    }

    fn at(&self, name: &Name) -> impl Iterator<Item = &'k RecordSpec> + '_ {
        self.at_name.get(name).into_iter().flatten().copied()
    }

    /// The records that take the name of these, which go: the same change does both, for an alias and
    /// other records never stand there together (RFC 1034 §3.6.2).
    fn taken_over_by(&self, record: &RecordSpec) -> Option<&'k RecordSpec> {
        let takes_over = |other: &&RecordSpec| {
            let types = [record.rtype.value, other.rtype.value];
            other.to.is_some() && types[0] != types[1] && types.contains(&RrType::CNAME)
        };
        self.at(&record.name.value).filter(|_| record.to.is_none()).find(takes_over)
    }

    /// The names that the plan has for a record, and for those that go when it comes.
    fn ids(&self, record: &RecordSpec) -> BTreeSet<String> {
        let gone = self
            .at(&record.name.value)
            .filter(|gone| self.taken_over_by(gone).is_some_and(|by| std::ptr::eq(by, record)));
        let ids = gone.chain([record]).filter_map(|of| of.id.as_ref());
        ids.map(|id| id.value.clone()).collect()
    }
}

/// Records that go when others come have no place of their own in the order.
fn goes_with(record: &RecordSpec, other: &RecordSpec, found: &mut Found) {
    let stage = stage_of(record);
    if stage == Stage::Start || stage == stage_of(other) {
        return;
    }
    let (of, by) = (record.rtype.value, other.rtype.value);
    let name = &record.name.value;
    let title = format!("the {of} records of {name} go when its {by} records come");
    let help =
        format!("give both lines the same place in the order, or let the {by} line say it alone");
    found.report(
        Diagnostic::error(CNAME_CLASH, record.name.span, title, help)
            .also(other.name.span, "these come")
            .why("an alias and other records never stand at one name (RFC 1034 §3.6.2): one change does both"),
    );
}

/// Where the plan puts a record.
fn stage_of(record: &RecordSpec) -> Stage {
    match &record.when {
        When::Start => Stage::Start,
        When::With(anchor) if anchor.value == Anchor::Switch => Stage::Switch,
        When::With(anchor) => Stage::With(anchor.value.clone()),
        When::After(anchors) => Stage::After {
            anchors: anchors.iter().map(|anchor| anchor.value.clone()).collect(),
            wait: record.wait,
        },
    }
}

/// As of the exchanges of a host: an exchange has an address, and is no alias (RFC 5321 §5.1,
/// RFC 2181 §10.3).
fn exchanges_are_usable(context: &RecipeContext<'_>, record: &RecordSpec, found: &mut Found) {
    let exchanges = record.to.iter().flatten().filter_map(Rdata::as_mx).map(|(_, name)| name);
    for name in exchanges.filter(|name| !name.is_root()) {
        let seen = |rtype| context.end.look_up(&RrKey::new(name.clone(), rtype));
        let alias = RrKey::new(name.clone(), RrType::CNAME);
        let alias = context.end.zone_of(&name).is_some_and(|zone| zone.get(&alias).is_some());
        let (title, help) = if alias {
            (
                format!("the exchange {name} is an alias (CNAME)"),
                "take another name, or put addresses in the place of the alias first",
            )
        } else if seen(RrType::A) == Seen::Absent && seen(RrType::AAAA) == Seen::Absent {
            (
                format!("the exchange {name} has no address in the end"),
                "publish its addresses, or take another name",
            )
        } else {
            continue;
        };
        found.report(
            Diagnostic::error(UNUSABLE_EXCHANGE, record.rtype.span, title, help).why(
                "an exchange has an address and is no alias (RFC 5321 §5.1, RFC 2181 §10.3): senders refuse to deliver to any other",
            ),
        );
    }
}

/// An exchange whose addresses an alias is to take the place of.
fn becomes_no_alias(
    context: &RecipeContext<'_>,
    lines: &Lines<'_>,
    record: &RecordSpec,
    found: &mut Found,
) {
    let name = &record.name.value;
    let alias = RrKey::new(name.clone(), RrType::CNAME);
    if context.snapshot.zone_of(name).is_some_and(|zone| zone.get(&alias).is_some()) {
        return;
    }
    if let Some(of) = lines.exchanges.get(name) {
        let title = format!("the exchange {name} of {of} becomes an alias (CNAME)");
        let help = "leave its addresses, or let the MX records name another exchange first";
        found.report(
            Diagnostic::error(UNUSABLE_EXCHANGE, record.rtype.span, title, help).why(
                "an exchange has an address and is no alias (RFC 5321 §5.1, RFC 2181 §10.3): senders refuse to deliver to any other",
            ),
        );
    }
}

fn track(context: &RecipeContext<'_>, lines: &Lines<'_>, record: &RecordSpec, found: &mut Found) {
    let zone = &context.snapshot.zones[&record.zone.value];
    let key = record.key();
    let at_apex = key.name == zone.zone.origin;
    if at_apex && key.rtype == RrType::CNAME {
        let title = format!("{} is the zone itself and cannot be an alias", key.name);
        let help = "use A and AAAA records, or your provider's own kind of alias, by hand";
        found.report(
            Diagnostic::error(CNAME_CLASH, record.rtype.span, title, help)
                .why("a CNAME stands alone (RFC 1034 §3.6.2), and SOA and NS records stand here"),
        );
        return;
    }
    let stage = stage_of(record);
    let with_switch = stage == Stage::Switch;
    let lower = match record.lower_ttl {
        Some(ttl) => Some((if with_switch { Stage::Expand } else { Stage::Start }, ttl)),
        None if with_switch => context.lowering(),
        None => None,
    };
    let floor = zone.capabilities.ttl_min;
    if let Some(ttl) = record.ttl.filter(|ttl| *ttl < floor) {
        let title = format!(
            "the provider of {} keeps no TTL below {floor} s, and {ttl} s are asked for",
            zone.zone.origin
        );
        let help = "ask for a longer `ttl:`, or leave it out";
        found.report(Diagnostic::error(TTL_FLOOR, record.name.span, title, help));
        return;
    }
    let records = record.to.clone().map(records_of);
    let goal = match (with_switch, record.ttl) {
        (true, None) => context.goal(zone, &key, records),
        (_, ttl) => {
            let original = context.snapshot.original_ttls.get(&key).copied();
            Goal { key: key.clone(), records, ttl: ttl.or(original) }
        }
    };
    // A TTL that was lowered for this change alone comes back as soon as the change has taken
    // effect. Nothing has to be lowered first where it can change only after other things anyway.
    let lower = match (&stage, lower) {
        (Stage::Start, Some((_, ttl))) => Some((Stage::Start, ttl)),
        (_, lower) => lower,
    };
    let stage = match (&stage, &lower) {
        (Stage::Start, Some(_)) => Stage::Next,
        _ => stage,
    };
    let route = Route {
        stage,
        lower,
        restore: if with_switch { Stage::Contract } else { Stage::Next },
        what: format!("the {} records of {}", key.rtype, key.name),
        why: "the plan asks for it".into(),
    };
    if route.lower.is_none() {
        lowered_too_late(record, zone.get(&key), found);
    }
    let transitions = goal.transitions(zone, &route);
    let placed = !matches!(record.when, When::Start);
    let zone = record.zone.value.clone();
    let track = Track { records: lines.ids(record), placed, ..Track::new(zone, key, transitions) };
    found.track(track, record.name.span);
}

/// A shorter TTL that comes with the new records: it does nothing for those that they replace.
fn lowered_too_late(record: &RecordSpec, held: Option<&RrSet>, found: &mut Found) {
    let (Some(held), Some(to), Some(ttl)) = (held, &record.to, record.ttl) else { return };
    if records_of(to.clone()).same_rdata(held) || ttl >= held.ttl() {
        return;
    }
    let (old, new) = (show_span(held.ttl().duration()), show_span(ttl.duration()));
    let (rtype, name) = (record.rtype.value, &record.name.value);
    let title = format!("the {rtype} records of {name} change while their TTL is still {old}");
    let help = format!(
        "add `lower_ttl: {new}`: the TTL goes down first, and the change follows when the old one has expired. Leave it as it is if both versions may be seen for {old}"
    );
    found.report(
        Diagnostic::warning(TTL_TOO_LATE, record.name.span, title, help).why(format!(
            "whoever asked before the change keeps what it replaces for {old}; `ttl: {new}` counts for the new records only"
        )),
    );
}
