//! `records:`: each entry has a place in the order that the user chose.

use std::collections::{BTreeSet, HashMap};

use cutover_zone::{Name, Rdata, RrKey, RrSet, RrType};

use super::{CNAME_CLASH, Found, RecipeContext, UNUSABLE_EXCHANGE, records_of, spf};
use crate::language::{Anchor, RecordSpec, When};
use crate::model::{Goal, Route, Stage, Track};
use crate::observe::Seen;
use cutover_base::calendar::show_span;
use cutover_base::diag::{Code, Diagnostic};

/// A TTL below the provider's minimum.
pub(super) const TTL_FLOOR: Code = Code::semantic("ttl-floor");
/// A TTL that should have been lowered before the records change, not together with them.
pub(super) const TTL_TOO_LATE: Code = Code::semantic("ttl-too-late");

/// The entries of `records:` by name, with the exchanges in use.
struct Lines<'k> {
    at_name: HashMap<&'k Name, Vec<&'k RecordSpec>>,
    /// The exchanges of all MX records when the plan is done, each with the owner of one such
    /// record.
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

    /// The entry that replaces this one, which is removed. One change does both, because an alias
    /// and other records never exist together (RFC 1034 §3.6.2).
    fn taken_over_by(&self, record: &RecordSpec) -> Option<&'k RecordSpec> {
        let takes_over = |other: &&RecordSpec| {
            let types = [record.rtype.value, other.rtype.value];
            other.to.is_some() && types[0] != types[1] && types.contains(&RrType::CNAME)
        };
        self.at(&record.name.value).filter(|_| record.to.is_none()).find(takes_over)
    }

    /// The ids of an entry and of those that it replaces.
    fn ids(&self, record: &RecordSpec) -> BTreeSet<String> {
        let gone = self
            .at(&record.name.value)
            .filter(|gone| self.taken_over_by(gone).is_some_and(|by| std::ptr::eq(by, record)));
        let ids = gone.chain([record]).filter_map(|of| of.id.as_ref());
        ids.map(|id| id.value.clone()).collect()
    }
}

/// Records that others replace cannot have a place of their own in the order.
fn goes_with(record: &RecordSpec, other: &RecordSpec, found: &mut Found) {
    let stage = stage_of(record);
    if stage == Stage::Start || stage == stage_of(other) {
        return;
    }
    let (of, by) = (record.rtype.value, other.rtype.value);
    let name = &record.name.value;
    let title = format!("the {by} records of {name} replace its {of} records in one change");
    let help =
        format!("give both entries the same place in the order, or give only the {by} entry one");
    found.report(
        Diagnostic::error(CNAME_CLASH, record.name.span, title, help)
            .also(other.name.span, "these replace them")
            .why("an alias must be alone at its name (RFC 1034 §3.6.2), so one change does both"),
    );
}

/// The place of an entry in the order.
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

/// As for the exchanges of a host: an exchange needs an address and must not be an alias (RFC 5321
/// §5.1, RFC 2181 §10.3).
fn exchanges_are_usable(context: &RecipeContext<'_>, record: &RecordSpec, found: &mut Found) {
    let exchanges = record.to.iter().flatten().filter_map(Rdata::as_mx).map(|(_, name)| name);
    for name in exchanges.filter(|name| !name.is_root()) {
        let seen = |rtype| context.end.look_up(&RrKey::new(name.clone(), rtype));
        let alias = RrKey::new(name.clone(), RrType::CNAME);
        let alias = context.end.zone_of(&name).is_some_and(|zone| zone.get(&alias).is_some());
        let (title, help) = if alias {
            (
                format!("the exchange {name} is an alias (CNAME)"),
                "use another name, or replace the alias by addresses first",
            )
        } else if seen(RrType::A) == Seen::Absent && seen(RrType::AAAA) == Seen::Absent {
            (
                format!("the exchange {name} has no address when the plan is done"),
                "publish its addresses, or use another name",
            )
        } else {
            continue;
        };
        found.report(
            Diagnostic::error(UNUSABLE_EXCHANGE, record.rtype.span, title, help).why(
                "an exchange needs an address and must not be an alias (RFC 5321 §5.1, RFC 2181 §10.3): otherwise senders refuse to deliver",
            ),
        );
    }
}

/// Refuses an alias that would replace the addresses of an exchange.
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
        let title = format!("the exchange {name} of {of} would become an alias (CNAME)");
        let help = "keep its addresses, or change the MX records to another exchange first";
        found.report(
            Diagnostic::error(UNUSABLE_EXCHANGE, record.rtype.span, title, help).why(
                "an exchange needs an address and must not be an alias (RFC 5321 §5.1, RFC 2181 §10.3): otherwise senders refuse to deliver",
            ),
        );
    }
}

fn track(context: &RecipeContext<'_>, lines: &Lines<'_>, record: &RecordSpec, found: &mut Found) {
    let zone = &context.snapshot.zones[&record.zone.value];
    let key = record.key();
    let at_apex = key.name == zone.zone.origin;
    if at_apex && key.rtype == RrType::CNAME {
        let title = format!("{} is the apex of its zone and cannot be an alias", key.name);
        let help = "use A and AAAA records, or set up your provider's own kind of alias by hand";
        found.report(
            Diagnostic::error(CNAME_CLASH, record.rtype.span, title, help)
                .why("a CNAME must be alone at its name (RFC 1034 §3.6.2), but a zone has SOA and NS records here"),
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
            "the provider of {} supports no TTL below {floor} s, but `ttl:` is {ttl} s",
            zone.zone.origin
        );
        let help = "set a longer `ttl:`, or leave it out";
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
    // A TTL that is lowered for this change only is restored as soon as the change has taken
    // effect. A change that waits for others anyway can lower its TTL meanwhile.
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

/// Warns about a shorter TTL that comes with the new records: it does not apply to those they
/// replace.
fn lowered_too_late(record: &RecordSpec, held: Option<&RrSet>, found: &mut Found) {
    let (Some(held), Some(to), Some(ttl)) = (held, &record.to, record.ttl) else { return };
    if records_of(to.clone()).same_rdata(held) || ttl >= held.ttl() {
        return;
    }
    let (old, new) = (show_span(held.ttl().duration()), show_span(ttl.duration()));
    let (rtype, name) = (record.rtype.value, &record.name.value);
    let title = format!("the {rtype} records of {name} change while their TTL is still {old}");
    let help = format!(
        "add `lower_ttl: {new}` to lower the TTL first and make the change when the old TTL has expired. Ignore this if both versions may be seen for {old}"
    );
    found.report(Diagnostic::warning(TTL_TOO_LATE, record.name.span, title, help).why(format!(
        "caches keep the old records for {old}; `ttl: {new}` applies to the new records only"
    )));
}
