//! `resolves`: a name that is found before the plan and in the end is found all the while.
//!
//! Names that lead through each other have an order. Where an alias is turned round (`www A`, `web CNAME
//! www` becomes `web A`, `www CNAME web`), the wrong one leads both in a circle, and so does the right
//! one for whoever still keeps the old alias. Where an alias comes to lead to a name that is new, or a
//! name goes that an alias led to, it leads to nothing for a while.
//!
//! In zones with wildcards and DNAMEs one answer may hang on several RRsets: a record hides the wildcard
//! above it, and where it goes before the wildcard comes, nothing answers in between.
//!
//! What one RRset goes through by itself while its provider writes it is not judged here: that
//! is harm where mail depends on it, and the other invariants know where that is.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cutover_contract::{Name, Rdata, RrKey, RrType};

use crate::observe::{ALIASES_MAX, MANY_ALIASES, Outside, Seen, Snapshot};
use crate::proof::draft::Draft;
use crate::proof::model::{PatternBuilder, shown};
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

pub(super) fn patterns(builder: &mut PatternBuilder<'_>) {
    let draft = builder.draft();
    let mut names = names_by_others(draft, &builder.end);
    // Whether a name is there hangs on every record then.
    let end = match names.is_empty() {
        true => Arc::clone(&builder.end),
        false => Arc::new(when_all_is_made(draft)),
    };
    names.extend(draft.owned().filter_map(|key| match key.rtype {
        RrType::CNAME => Some(key.name.clone()),
        // A DNAME says nothing of its own name, and the same of every name below it.
        RrType::DNAME => key.name.child("*").ok(),
        _ => None,
    }));
    for name in names {
        let met = met(&[draft.snapshot, &end], &name);
        for rtype in types(&[draft.snapshot, &end], &met) {
            let key = |name: &Name| RrKey::new(name.clone(), rtype);
            let mut changing = met.iter().filter_map(|name| builder.library.answers(&key(name)));
            if changing
                .next()
                .is_some_and(|first| first.depends_on_several() || changing.next().is_some())
            {
                one(builder, &key(&name), &end);
            }
        }
    }
}

/// The zones with all that the plan changes.
fn when_all_is_made(draft: &Draft<'_>) -> Snapshot {
    let mut end = draft.snapshot.clone();
    for track in draft.tracks {
        let Some(seen) = end.zones.get_mut(&track.zone) else { continue };
        let changes = track.transitions.iter().flat_map(|transition| &transition.changes);
        for change in changes {
            match &change.after {
                Some(rrset) => drop(seen.zone.rrsets.insert(change.key.clone(), rrset.clone())),
                None => drop(seen.zone.rrsets.remove(&change.key)),
            }
        }
    }
    end
}

/// Names whose answers other RRsets than their own may decide, in zones with wildcards or DNAMEs: those
/// that the plan changes, and those that records lead to. What lies below them answers, too, or hides
/// what answers (RFC 4592 §2.2.2, RFC 6672 §2.4).
fn names_by_others(draft: &Draft<'_>, end: &Snapshot) -> BTreeSet<Name> {
    let zone_of = |name: &Name| draft.snapshot.zone_of(name).map(|zone| &zone.zone.origin);
    let is_such = |name: &Name| {
        zone_of(name).is_some_and(|zone| draft.has_wildcards(zone) || draft.has_cuts(zone))
    };
    let zones = || draft.snapshot.zones.keys();
    if !zones().any(|zone| draft.has_wildcards(zone) || draft.has_cuts(zone)) {
        return BTreeSet::new();
    }
    let rrsets = [draft.snapshot, end].into_iter().flat_map(|at| at.zones.values());
    let rrsets = rrsets.flat_map(|zone| &zone.zone.rrsets);
    let targets = rrsets.flat_map(|(_, rrset)| rrset.rdata().iter().flat_map(Rdata::leads_to));
    let owned = draft.owned().map(|key| key.name.clone());
    let mut names: BTreeSet<Name> = owned.chain(targets).filter(is_such).collect();
    let dnames = [draft.snapshot, end].into_iter().flat_map(|at| at.zones.values());
    let dnames = dnames.flat_map(|zone| &zone.zone.rrsets);
    let dnames = dnames.filter(|(key, _)| key.rtype == RrType::DNAME);
    for (key, rrset) in dnames {
        for target in rrset.rdata().iter().filter_map(Rdata::target) {
            names.extend(draft.owned().filter_map(|owned| below(&owned.name, &target, &key.name)));
        }
    }
    names
}

/// The name below a DNAME that is led to a name below its target (RFC 6672 §2.2).
fn below(name: &Name, target: &Name, dname: &Name) -> Option<Name> {
    let depth = name.labels().count().checked_sub(target.labels().count())?;
    let is_below = depth > 0 && name.is_at_or_below(target);
    is_below.then(|| Name::from_labels(name.labels().take(depth).chain(dname.labels())).ok())?
}

fn one(builder: &mut PatternBuilder<'_>, key: &RrKey, end: &Snapshot) {
    let least = leads(&builder.draft().snapshot.look_up(key)).min(leads(&end.look_up(key)));
    let (name, rtype) = (&key.name, key.rtype);
    let fix = "let what is to answer in the end change first, and the rest when what was there before has expired";
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
        let found = builder.cases(ID, (what, name, at), &|view| {
            let found = match view.look_up(key) {
                Outside::Records(_) => Leads::Home,
                Outside::Absent => Leads::ToNothing,
                Outside::Unknown(why) if why == MANY_ALIASES => Leads::Nowhere,
                Outside::Unknown(_) => Leads::Home,
            };
            (found == is).then_some(())
        });
        for (choice, ()) in found.iter() {
            match choice.first_key_value() {
                Some((key, class)) if choice.len() == 1 => {
                    builder.forbid_made_of_several(ID, (key, *class), &harm);
                }
                Some(_) | None => builder.forbid(ID, (choice, Duration::ZERO), &[], &harm),
            }
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

/// What may be asked for there: the types that one of these names has, or a wildcard that may answer for
/// it, and addresses.
fn types(at: &[&Snapshot; 2], names: &BTreeSet<Name>) -> BTreeSet<RrType> {
    let wildcards = names.iter().flat_map(|name| {
        let above = std::iter::successors(name.parent(), Name::parent);
        above.filter_map(|above| above.child("*").ok())
    });
    let names: BTreeSet<Name> = names.iter().cloned().chain(wildcards).collect();
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
