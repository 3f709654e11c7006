//! `minimal-touch`: only records that the plan owns change, and no other name gets another answer.
//!
//! That a plan changes no other records follows from its change sets. What is left is wildcards: if
//! a name is published below a wildcard, the wildcard no longer answers for the names between them,
//! nor for the names below those (RFC 4592 §3.3.1). If such a name belongs to a host of the plan or
//! to its mail, that is harm. For other names nobody can know here who relies on them, so it is an
//! assumption.

use std::collections::BTreeSet;
use std::time::Duration;

use cutover_zone::{Name, RrKey, RrType};

use super::super::draft::Kind;
use crate::proof::builder::{PatternBuilder, shown};
use crate::proof::pattern::{Harm, Start, What};
use crate::proof::view::Choice;

const ID: &str = "minimal-touch";

pub(super) fn patterns(builder: &mut PatternBuilder<'_>) {
    let draft = builder.draft();
    let mut relied_on: BTreeSet<&Name> = BTreeSet::new();
    for domain_move in &draft.intent.moves {
        let hosts = [&domain_move.from, &domain_move.to].into_iter().chain(&domain_move.others);
        for host in hosts {
            relied_on.extend(host.exchanges.iter().map(|exchange| &exchange.name.value));
            relied_on
                .extend(host.senders.iter().flat_map(|s| &s.selectors).map(|s| &s.owner.value));
            relied_on.extend(host.discovery.keys().map(|key| &key.name));
        }
        relied_on.insert(&domain_move.domain.value);
    }
    if relied_on.is_empty() {
        return;
    }
    let mut owned: BTreeSet<&Name> = BTreeSet::new();
    for change in draft.tracks.iter().flat_map(|t| &t.transitions).flat_map(|t| &t.changes) {
        owned.insert(&change.key.name);
    }
    for (step, node) in draft.nodes.iter().enumerate() {
        let Kind::Change { track, transition, .. } = &node.kind else { continue };
        if !draft.has_wildcards(&draft.tracks[*track].zone) {
            continue;
        }
        for change in transition.changes.iter().filter(|change| change.before.is_none()) {
            for name in relied_on.iter().filter(|name| !owned.contains(**name)) {
                if !loses_its_wildcard(builder, name, &change.key.name) {
                    continue;
                }
                let published = builder.atom(What::Begun, Start::Begin(step), Vec::new());
                let harm = Harm::new(
                    format!("{ID}/{}/{}", shown(name), shown(&change.key.name)),
                    format!(
                        "{} comes to exist, so the wildcard no longer answers for {name}: nobody finds it any more",
                        change.key.name
                    ),
                    format!("publish the records of {name} at its own name first"),
                );
                builder.forbid(ID, (&Choice::new(), Duration::ZERO), &[published], &harm);
            }
        }
    }
}

/// Whether a wildcard no longer answers for a name once another name exists.
fn loses_its_wildcard(builder: &PatternBuilder<'_>, name: &Name, published: &Name) -> bool {
    let Some(zone) = builder.draft().snapshot.zone_of(name) else { return false };
    let answered = [RrType::A, RrType::AAAA, RrType::MX, RrType::TXT, RrType::CNAME]
        .into_iter()
        .any(|rtype| zone.wildcard_of(&RrKey::new(name.clone(), rtype)).is_some());
    if !answered || !published.is_at_or_below(&zone.zone.origin) {
        return false;
    }
    // The closest encloser of the name moves down to the first ancestor that both share and that
    // did not exist before.
    let shared = std::iter::successors(Some(name.clone()), Name::parent)
        .find(|ancestor| published.is_at_or_below(ancestor));
    shared.is_some_and(|shared| {
        shared != zone.zone.origin
            && !zone.zone.rrsets.keys().any(|key| key.name.is_at_or_below(&shared))
    })
}
