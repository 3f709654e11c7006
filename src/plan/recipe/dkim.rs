//! DKIM: new selectors are published before the switch; old selectors are removed when no message
//! that they signed can be in flight any more (RFC 6376 §3.1).

use std::collections::{BTreeMap, BTreeSet};

use cutover_contract::Change;
use cutover_zone::{Name, Rdata, RrKey, RrSet, RrType};

use super::{Found, RecipeContext, records_of};
use crate::intent::{DomainMove, Selector};
use crate::model::{Goal, Route, Stage, Track, Transition};
use crate::observe::{Seen, ZoneSeen};
use cutover_base::diag::{Code, Diagnostic};
use cutover_mail::dkim::KeyRecord;
use cutover_steps::graph::Verb;

/// A selector that is not published.
pub(super) const DKIM_MISSING: Code = Code::semantic("dkim-missing");
/// A selector whose name holds another host's key.
pub(super) const DKIM_COLLISION: Code = Code::semantic("dkim-collision");

pub(super) fn tracks(context: &RecipeContext<'_>, found: &mut Found) {
    for one in &context.intent.moves {
        // Keys may be in another zone of the plan, below the domain.
        let zone = |selector: &Selector| {
            context.zone_of(&selector.owner.value).unwrap_or_else(|| context.zone(one))
        };
        let staying: Vec<(&str, &Selector)> = std::iter::once(&one.to)
            .chain(&one.others)
            .flat_map(|host| host.senders.iter().map(|sender| (host.name.as_str(), sender)))
            .flat_map(|(host, sender)| sender.selectors.iter().map(move |s| (host, s)))
            .collect();
        let mut published: BTreeMap<&Name, &Rdata> = BTreeMap::new();
        for (host, selector) in &staying {
            let owner = &selector.owner.value;
            match &selector.publish {
                None if context.comes(&selector.owner.value) => {}
                None => must_be_there(context, zone(selector), (host, selector), found),
                Some(rdata) => match published.insert(owner, rdata) {
                    // Two senders that sign with the same key.
                    Some(first) if first == rdata => {}
                    Some(_) => {
                        collision(selector, "two senders publish different keys there", found)
                    }
                    None => publish(context, zone(selector), host, selector, rdata, found),
                },
            }
        }
        let staying: BTreeSet<&Name> = staying.iter().map(|(_, s)| &s.owner.value).collect();
        let old = one.from.senders.iter().flat_map(|sender| &sender.selectors);
        let mut removed = BTreeSet::new();
        for selector in old.filter(|selector| !staying.contains(&selector.owner.value)) {
            if removed.insert(&selector.owner.value) {
                remove(zone(selector), one, selector, found);
            }
        }
    }
}

fn there(zone: &ZoneSeen, owner: &Name) -> Vec<Change> {
    zone.zone
        .at(owner)
        .filter(|(rtype, _)| matches!(*rtype, RrType::TXT | RrType::CNAME))
        .map(|(rtype, rrset)| Change {
            key: RrKey::new(owner.clone(), rtype),
            before: Some(rrset.clone()),
            after: None,
        })
        .collect()
}

fn must_be_there(
    context: &RecipeContext<'_>,
    zone: &ZoneSeen,
    (host, selector): (&str, &Selector),
    found: &mut Found,
) {
    let owner = &selector.owner.value;
    if zone.delegation_of(owner).is_some() {
        found.assume(format!("the DKIM key {owner}, which is in a delegated zone, is published"));
        return;
    }
    // A look-up also finds a key that a DNAME above leads to.
    let led = context.snapshot.look_up(&RrKey::new(owner.clone(), RrType::TXT));
    if there(zone, owner).is_empty() && led == Seen::Absent {
        let title = format!("there is no DKIM key at {owner}");
        let help = "write what to publish: `{ selector: NAME, cname: ... }` or `{ selector: NAME, txt: ... }`";
        found.report(
            Diagnostic::error(DKIM_MISSING, selector.owner.span, title, help)
                .label(format!("a sender of `{host}` signs with it"))
                .why("mail that is signed with an unpublished key fails DKIM"),
        );
    }
}

fn collision(selector: &Selector, what: &str, found: &mut Found) {
    let title = format!("the name {} is taken: {what}", selector.owner.value);
    let help =
        "choose another selector at the new host: old mail in flight still needs the old key";
    found.report(
        Diagnostic::error(DKIM_COLLISION, selector.owner.span, title, help)
            .why("a name holds one key: replacing it breaks the signatures of mail in flight"),
    );
}

fn publish(
    context: &RecipeContext<'_>,
    zone: &ZoneSeen,
    host: &str,
    selector: &Selector,
    rdata: &Rdata,
    found: &mut Found,
) {
    let owner = &selector.owner.value;
    if let Some(target) = rdata.target()
        && context.end.look_up(&RrKey::new(target.clone(), RrType::TXT)) == Seen::Absent
    {
        let title = format!("{owner} would lead to {target}, where there is no key");
        let help = "check for typos, or have the host publish the key first";
        found.report(
            Diagnostic::error(DKIM_MISSING, selector.owner.span, title, help)
                .label(format!("a sender of `{host}` signs with it"))
                .why("mail that is signed with an unpublished key fails DKIM"),
        );
        return;
    }
    let live = there(zone, owner);
    let live = live.iter().filter_map(|change| change.before.as_ref());
    let live: Vec<&Rdata> = live.flat_map(RrSet::rdata).collect();
    if !live.iter().all(|live| is_same_key(live, rdata)) || live.len() > 1 {
        collision(selector, "another key is published there", found);
        return;
    }
    // A live key with the same meaning keeps its spelling.
    let rdata = live.first().copied().unwrap_or(rdata);
    let key = RrKey::new(owner.clone(), rdata.rtype());
    let records = Some(records_of([rdata.clone()]));
    let goal = Goal { key: key.clone(), records, ttl: None };
    let route = Route {
        stage: Stage::Expand,
        lower: None,
        restore: Stage::Expand,
        what: format!("the DKIM key {owner}"),
        why: format!("receivers must see the key before `{host}` signs with it"),
    };
    let transitions = goal.transitions(zone, &route);
    let track = Track::new(zone.zone.origin.clone(), key, transitions);
    found.track(track, selector.owner.span);
}

fn is_same_key(one: &Rdata, other: &Rdata) -> bool {
    let read = |rdata| KeyRecord::of_rdata(rdata).and_then(Result::ok);
    one == other || read(one).is_some_and(|key| read(other) == Some(key))
}

fn remove(zone: &ZoneSeen, one: &DomainMove, selector: &Selector, found: &mut Found) {
    let owner = &selector.owner.value;
    let changes = there(zone, owner);
    let Some(first) = changes.first() else { return };
    let removal = Transition {
        verb: Verb::Remove,
        stage: Stage::Retire,
        title: format!("remove the DKIM key {owner}"),
        reason: format!(
            "`{}` no longer sends, and no mail that it signed is in flight",
            one.from.name
        ),
        changes: changes.clone(),
    };
    let track = Track::new(zone.zone.origin.clone(), first.key.clone(), vec![removal]);
    found.track(track, selector.owner.span);
}
