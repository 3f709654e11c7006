//! MX: lower the TTL, replace the whole RRset in one change, restore the TTL.
//!
//! The RRset is replaced as a whole, never record by record: a leftover exchange would take mail
//! for ever, and an empty set would send mail to the domain's own address (RFC 5321 §5.1).

use std::collections::BTreeSet;

use cutover_zone::{Name, Rdata, RrKey, RrSet, RrType};

use super::{Found, RecipeContext, UNUSABLE_EXCHANGE, records_of};
use crate::intent::{DomainMove, Exchange};
use crate::language::{Anchor, SwitchKind, When};
use crate::model::{Route, Stage, Track, Transition, change};
use crate::observe::Seen;
use cutover_base::diag::{Code, Diagnostic};
use cutover_steps::graph::Verb;

/// Live MX records with an exchange that the plan does not know.
pub(super) const UNKNOWN_EXCHANGE: Code = Code::semantic("unknown-exchange");
/// `switch: standby`, but nothing can stand by.
pub(super) const NO_STANDBY: Code = Code::semantic("no-standby");
/// A domain that accepts no mail (RFC 7505).
pub(super) const NULL_MX: Code = Code::semantic("null-mx");

pub(super) fn tracks(context: &RecipeContext<'_>, found: &mut Found) {
    for one in &context.intent.moves {
        let zone = context.zone(one);
        let key = RrKey::new(one.domain.value.clone(), RrType::MX);
        live_exchanges_are_known(context, one, &key, found);
        new_exchanges_are_usable(context, one, found);
        let rdata = one.to.exchanges.iter().map(|e| Rdata::mx(e.preference, &e.name.value));
        let goal = context.goal(zone, &key, Some(records_of(rdata)));
        let route = Route {
            stage: Stage::Switch,
            lower: context.lowering(),
            restore: Stage::Contract,
            what: format!("the MX records of {}", one.domain.value),
            why: format!("mail for {} goes to `{}` from here on", one.domain.value, one.to.name),
        };
        let mut transitions = goal.transitions(zone, &route);
        if context.intent.terms.switch == SwitchKind::Standby {
            transitions = by_standby(transitions, &key);
            stands_by(one, &transitions, found);
        }
        let track = Track { routes: true, ..Track::new(one.zone.clone(), key, transitions) };
        found.track(track, one.domain.span);
    }
}

/// The switch in three versions: the new exchanges beside the old ones with a worse preference,
/// then with a better preference, then alone.
///
/// A sender uses the lowest preference that it can reach (RFC 5321 §5.1). No mail is lost between
/// versions, because both sides take mail all along. If a preference would leave its range, the
/// switch is made directly.
fn by_standby(transitions: Vec<Transition>, key: &RrKey) -> Vec<Transition> {
    let mut all = Vec::new();
    for transition in transitions {
        let between = match (transition.stage == Stage::Switch, transition.changes.as_slice()) {
            (true, [change]) => change.before.as_ref().zip(change.after.as_ref()),
            (_, _) => None,
        };
        let versions = between.and_then(|(old, new)| {
            Some((standing_by(old, new)?, standing_by(new, old)?, old.clone(), new.clone()))
        });
        let Some((joined, preferred, old, new)) = versions else {
            all.push(transition);
            continue;
        };
        let step =
            |verb, stage: Stage, before: &RrSet, after: &RrSet, title: &str, reason: &str| {
                Transition {
                    verb,
                    stage,
                    changes: vec![change(key, Some(before), Some(after))],
                    title: title.replace("{}", &key.name.to_string()),
                    reason: reason.to_owned(),
                }
            };
        let steps = [
            step(
                Verb::Join,
                Stage::Switch,
                &old,
                &joined,
                "let the new exchanges of {} stand by for the old ones",
                "few senders use them yet, which tests whether they can take mail",
            ),
            step(
                Verb::Prefer,
                Stage::SwitchNext,
                &joined,
                &preferred,
                "prefer the new exchanges of {} to the old ones",
                "the old ones stand by for senders that cannot reach the new ones",
            ),
            step(
                Verb::Switch,
                Stage::SwitchNext,
                &preferred,
                &new,
                &transition.title,
                &transition.reason,
            ),
        ];
        // If the new exchanges already stand by, the first step changes nothing.
        let mut changes = steps
            .into_iter()
            .filter(|step| step.changes.iter().any(|change| change.before != change.after));
        // Whichever step comes first begins the switch.
        all.extend(changes.next().map(|first| Transition { stage: Stage::Switch, ..first }));
        all.extend(changes);
    }
    all
}

/// Warns if there is no version in which the new exchanges stand by.
fn stands_by(one: &DomainMove, transitions: &[Transition], found: &mut Found) {
    if transitions.iter().any(|t| matches!(t.verb, Verb::Join | Verb::Prefer)) {
        return;
    }
    let domain = &one.domain.value;
    let is_switched = transitions.iter().any(|t| t.stage == Stage::Switch);
    let (title, help) = match is_switched {
        true => (
            format!("the exchanges of {domain} are switched directly, without standby"),
            "use lower preferences: those of the standby side have to be above the others, and at most 65535",
        ),
        false => (
            format!("the MX records of {domain} do not change, so nothing can stand by"),
            "give the new exchanges names of their own, or remove `switch: standby`",
        ),
    };
    found.report(Diagnostic::warning(NO_STANDBY, one.domain.span, title, help));
}

/// The records while `second` stands by for `first`, with the TTL of `first`.
fn standing_by(first: &RrSet, second: &RrSet) -> Option<RrSet> {
    let mx = |rrset: &RrSet| rrset.rdata().iter().filter_map(Rdata::as_mx).collect::<Vec<_>>();
    let (first_mx, second_mx) = (mx(first), mx(second));
    let worst = first_mx.iter().map(|(preference, _)| *preference).max()?;
    let best = second_mx.iter().map(|(preference, _)| *preference).min()?;
    let mut all: Vec<Rdata> = first.rdata().to_vec();
    for (preference, name) in
        second_mx.iter().filter(|(_, n)| !first_mx.iter().any(|(_, f)| f == n))
    {
        // Ten above the highest of the others, as people usually write them.
        let worse = worst.checked_add(10)?.checked_add(preference - best)?;
        all.push(Rdata::mx(worse, name));
    }
    Some(RrSet::new(first.ttl(), all).expect("MX records of two RRsets make one"))
}

/// Refuses unknown live exchanges: the switch would remove them although nobody asked for that.
fn live_exchanges_are_known(
    context: &RecipeContext<'_>,
    one: &DomainMove,
    key: &RrKey,
    found: &mut Found,
) {
    let Some(live) = context.zone(one).get(key) else { return };
    if live.rdata().iter().filter_map(Rdata::as_mx).any(|(_, exchange)| exchange.is_root()) {
        let title = format!("{} accepts no mail: it has a null MX record", one.domain.value);
        let help = "remove the domain from `domains:`, or remove the null MX from the zone first";
        found.report(
            Diagnostic::error(NULL_MX, one.domain.span, title, help)
                .why("a domain with a null MX has no mail to move (RFC 7505 §3), and nothing says that it should accept any"),
        );
    }
    let sides = [&one.from, &one.to];
    let known: BTreeSet<&Name> =
        sides.iter().flat_map(|host| &host.exchanges).map(|e| &e.name.value).collect();
    let unknown: Vec<String> = live
        .rdata()
        .iter()
        .filter_map(Rdata::as_mx)
        .filter(|(_, exchange)| !known.contains(exchange) && !exchange.is_root())
        .map(|(preference, exchange)| format!("`{preference} {exchange}`"))
        .collect();
    if !unknown.is_empty() {
        let title = format!(
            "the live MX records of {} name {}, which neither host of the move has",
            one.domain.value,
            unknown.join(" and ")
        );
        let help = format!(
            "add it to the exchanges of `{}`, or remove it from the zone first",
            one.from.name
        );
        found.report(
            Diagnostic::error(UNKNOWN_EXCHANGE, one.from.span, title, help)
                .label("the host that takes the mail now")
                .why(
                    "the switch replaces all MX records: a forgotten backup exchange would be lost",
                ),
        );
    }
}

/// An exchange must have an address and must not be an alias (RFC 5321 §5.1, RFC 2181 §10.3).
fn new_exchanges_are_usable(context: &RecipeContext<'_>, one: &DomainMove, found: &mut Found) {
    for exchange in &one.to.exchanges {
        let name = &exchange.name.value;
        let Some(zone) = context.zone_of(name) else {
            does_not_exist(context, exchange, found);
            continue;
        };
        let alias = zone.get(&RrKey::new(name.clone(), RrType::CNAME)).is_some();
        let seen = |rtype| {
            !matches!(context.snapshot.look_up(&RrKey::new(name.clone(), rtype)), Seen::Absent)
        };
        let published = seen(RrType::A) || seen(RrType::AAAA) || !exchange.addresses.is_empty();
        // Of `records:`, only those with `with: expand` exist before the switch.
        let of_records = context.intent.records.iter().filter(|record| {
            record.name.value == *name && matches!(record.rtype.value, RrType::A | RrType::AAAA)
        });
        let in_time =
            |when: &When| matches!(when, When::With(anchor) if anchor.value == Anchor::Expand);
        let planned = of_records.clone().any(|record| record.to.is_some() && in_time(&record.when));
        let late = of_records.clone().any(|record| record.to.is_some());
        let (title, why, help) = if alias {
            (
                format!("the exchange {name} is an alias (CNAME)"),
                "an exchange must not be an alias (RFC 2181 §10.3): senders may refuse to deliver",
                "use another name, or replace the alias by addresses first",
            )
        } else if !published && !planned && late {
            (
                format!(
                    "the exchange {name} has no address yet when the MX records start to name it"
                ),
                "mail cannot be delivered to a name without an address, and BIND refuses such an MX record",
                "add `with: expand` to the record with its address",
            )
        } else if !published && !planned {
            (
                format!("the exchange {name} has no address"),
                "mail cannot be delivered to a name without an address, and BIND refuses such an MX record",
                "publish its addresses: add `addresses: [ ... ]` to the exchange",
            )
        } else if !lasting(context, name) {
            (
                format!("the exchange {name} has no address when the plan is done"),
                "mail cannot be delivered to a name without an address, and BIND refuses such an MX record",
                "keep its address",
            )
        } else {
            continue;
        };
        found
            .report(Diagnostic::error(UNUSABLE_EXCHANGE, exchange.name.span, title, help).why(why));
    }
}

/// Refuses an exchange outside of the plan's zones if a resolver says that it has no address.
fn does_not_exist(context: &RecipeContext<'_>, exchange: &Exchange, found: &mut Found) {
    let name = &exchange.name.value;
    let absent = |rtype| context.snapshot.look_up(&RrKey::new(name.clone(), rtype)) == Seen::Absent;
    if absent(RrType::A) && absent(RrType::AAAA) {
        let title = format!("the exchange {name} does not exist, or has no address");
        let help = "check for typos, and see the host's documentation";
        found.report(
            Diagnostic::error(UNUSABLE_EXCHANGE, exchange.name.span, title, help)
                .label("according to a resolver")
                .why("mail cannot be delivered to a name without an address (RFC 5321 §5.1)"),
        );
    }
}

/// Whether a name has an address when the plan is done.
fn lasting(context: &RecipeContext<'_>, name: &Name) -> bool {
    [RrType::A, RrType::AAAA]
        .into_iter()
        .any(|rtype| !matches!(context.end.look_up(&RrKey::new(name.clone(), rtype)), Seen::Absent))
}
