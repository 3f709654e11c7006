//! Other records of the plan: each with a place in the order that the user chose.

use cutover_contract::RrKey;

use super::{CNAME_CLASH, Found, Kitchen, records_of};
use crate::diag::{Code, Diagnostic};
use crate::model::{Goal, Route, Stage, Track};
use crate::spec::{Anchor, RecordSpec, When};

/// A TTL below what the provider keeps.
pub(super) const TTL_FLOOR: Code = Code::semantic("ttl-floor");

pub(super) fn tracks(kitchen: &Kitchen<'_>, found: &mut Found) {
    for record in &kitchen.intent.records {
        track(kitchen, record, found);
    }
}

fn track(kitchen: &Kitchen<'_>, record: &RecordSpec, found: &mut Found) {
    let zone = &kitchen.snapshot.zones[&record.zone.value];
    let key = RrKey::new(record.name.value.clone(), record.rtype.value);
    let at_apex = key.name == zone.zone.origin;
    if at_apex && key.rtype == cutover_contract::RrType::CNAME {
        let title = format!("{} is the zone itself and cannot be an alias", key.name);
        let help = "use A and AAAA records, or your provider's own kind of alias, by hand";
        found.report(
            Diagnostic::error(CNAME_CLASH, record.rtype.span, title, help)
                .why("a CNAME stands alone (RFC 1034 §3.6.2), and SOA and NS records stand here"),
        );
        return;
    }
    let with_switch = matches!(&record.when, When::With(anchor) if anchor.value == Anchor::Switch);
    let stage = match &record.when {
        When::Start => Stage::Start,
        When::With(_) if with_switch => Stage::Switch,
        When::With(anchor) => Stage::With(anchor.value.clone()),
        When::After(anchors) => Stage::After {
            anchors: anchors.iter().map(|anchor| anchor.value.clone()).collect(),
            wait: record.wait,
        },
    };
    let lower = match record.lower_ttl {
        Some(ttl) => Some((if with_switch { Stage::Expand } else { Stage::Start }, ttl)),
        None if with_switch => kitchen.lowering(),
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
        (true, None) => kitchen.goal(zone, &key, records),
        (_, ttl) => Goal { key: key.clone(), records, ttl },
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
    let transitions = goal.transitions(zone, &route);
    let id = record.id.as_ref().map(|id| id.value.clone());
    let placed = !matches!(record.when, When::Start);
    let zone = record.zone.value.clone();
    let track = Track { record: id, placed, ..Track::new(zone, key, transitions) };
    found.track(track, record.name.span);
}
