//! `resolves`: a name that is found before the plan and in the end is found all the while.
//!
//! Names that lead through each other have an order. Where an alias is turned round (`www A`, `web CNAME
//! www` becomes `web A`, `www CNAME web`), the wrong one leads both in a circle, and so does the right
//! one for whoever still keeps the old alias. Where an alias comes to lead to a name that is new, or a
//! name goes that an alias led to, it leads to nothing for a while.
//!
//! What one RRset goes through by itself while its provider writes it is not judged here: that
//! is harm where mail depends on it, and the other invariants know where that is.

use std::collections::BTreeSet;
use std::time::Duration;

use cutover_contract::{Name, RrKey, RrType};

use crate::observe::{ALIASES_MAX, MANY_ALIASES, Outside, Seen, Snapshot};
use crate::proof::model::{Bench, shown};
use crate::proof::pattern::Harm;
use crate::resolution::{Reply, reply};

const ID: &str = "resolves";

/// Where a question leads, the worst first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Leads {
    Nowhere,
    ToNothing,
    /// To records, or to names that nobody here knows.
    Home,
}

pub(super) fn patterns(bench: &mut Bench<'_>) {
    let draft = bench.draft();
    let aliases: BTreeSet<Name> = draft
        .owned()
        .filter_map(|key| match key.rtype {
            RrType::CNAME => Some(key.name.clone()),
            // A DNAME says nothing of its own name, and the same of every name below it.
            RrType::DNAME => key.name.child("*").ok(),
            _ => None,
        })
        .collect();
    let end = std::sync::Arc::clone(&bench.end);
    for name in aliases {
        let met = met(&[draft.snapshot, &end], &name);
        for rtype in types(&[draft.snapshot, &end], &met) {
            let key = |name: &Name| RrKey::new(name.clone(), rtype);
            let changing = met.iter().filter(|name| bench.library.answers(&key(name)).is_some());
            if changing.count() > 1 {
                one(bench, &key(&name), &end);
            }
        }
    }
}

fn one(bench: &mut Bench<'_>, key: &RrKey, end: &Snapshot) {
    let least = leads(&bench.draft().snapshot.look_up(key)).min(leads(&end.look_up(key)));
    let (name, rtype) = (&key.name, key.rtype);
    let fix = "let the name that is led to change first, and the alias when what was there before has expired";
    for (is, what, happens) in [
        (Leads::Nowhere, "circle", "is led from alias to alias and never comes to an end"),
        (Leads::ToNothing, "nothing", "is led to a name that has none"),
    ] {
        // No worse than it was, or is to be.
        if is >= least {
            continue;
        }
        let harm = Harm::new(
            format!("{ID}/{}/{what}/{rtype}", shown(name)),
            format!("whoever asks for the {rtype} records of {name} {happens}"),
            fix,
        );
        let at = usize::from(rtype.number());
        let found = bench.cases(ID, (what, name, at), &|view| {
            let found = match view.look_up(key) {
                Outside::Records(_) => Leads::Home,
                Outside::Absent => Leads::ToNothing,
                Outside::Unknown(why) if why == MANY_ALIASES => Leads::Nowhere,
                Outside::Unknown(_) => Leads::Home,
            };
            (found == is).then_some(())
        });
        for (choice, ()) in found.iter().filter(|(choice, ())| choice.len() > 1) {
            bench.forbid(ID, (choice, Duration::ZERO), &[], &harm);
        }
    }
}

fn leads(seen: &Seen<'_>) -> Leads {
    match seen {
        Seen::Records(_) => Leads::Home,
        Seen::Absent => Leads::ToNothing,
        Seen::Unknown(why) if *why == MANY_ALIASES => Leads::Nowhere,
        Seen::Unknown(_) => Leads::Home,
    }
}

/// The names that one leads to, itself included, whichever of its aliases are followed.
fn met(at: &[&Snapshot; 2], name: &Name) -> BTreeSet<Name> {
    let mut met = BTreeSet::from([name.clone()]);
    let mut open = vec![name.clone()];
    for _ in 0..=ALIASES_MAX {
        let next = std::mem::take(&mut open);
        for name in next {
            let asked = RrKey::new(name, RrType::A);
            let replies =
                at.iter().filter_map(|at| Some(reply(&&at.zone_of(&asked.name)?.zone, &asked)));
            let targets = replies.filter_map(|reply| match reply {
                Reply::Alias { target, by: _ } => Some(target),
                Reply::Records(_) | Reply::Absent | Reply::Delegated(_) => None,
            });
            open.extend(targets.filter(|target| met.insert(target.clone())));
        }
    }
    met
}

/// What may be asked for there: the types that one of these names has, and addresses.
fn types(at: &[&Snapshot; 2], names: &BTreeSet<Name>) -> BTreeSet<RrType> {
    let zones = names
        .iter()
        .flat_map(|name| at.iter().filter_map(move |at| Some((name, at.zone_of(name)?))));
    let there = zones.flat_map(|(name, zone)| zone.zone.at(name).map(|(rtype, _)| rtype));
    let is_asked = |rtype: &RrType| {
        !matches!(*rtype, RrType::CNAME | RrType::DNAME | RrType::SOA | RrType::NS)
            && !rtype.is_made_by_signer()
    };
    there.filter(is_asked).chain([RrType::A]).collect()
}
