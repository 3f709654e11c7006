//! `resolves`: a name that resolves before and after the plan resolves all the time.
//!
//! Names that lead to each other have to change in order. When an alias is reversed (`www A`, `web
//! CNAME www` becomes `web A`, `www CNAME web`), the wrong order makes both names aliases of each
//! other, and so does the right order for a cache that still holds the old alias. When an alias is
//! pointed to a new name, or a name is removed that an alias pointed to, the alias leads to nothing
//! for a while.
//!
//! In zones with wildcards and DNAMEs an answer may depend on several RRsets: a record hides the
//! wildcard above it, and if it is removed before the wildcard exists, nothing answers in between.
//!
//! The states of a single RRset while its provider writes it are not judged here: they are harm
//! only if mail depends on the RRset, and the other invariants know where it does.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cutover_zone::{Name, Rdata, RrKey, RrType};

use crate::observe::{ALIASES_MAX, MANY_ALIASES, Seen, Snapshot};
use crate::proof::answers::Content;
use crate::proof::builder::{PatternBuilder, shown};
use crate::proof::draft::Draft;
use crate::proof::pattern::Harm;
use crate::proof::view::Library;
use cutover_mail::resolution::{Reply, reply};
use cutover_steps::ask::Outside;

const ID: &str = "resolves";

/// Where a question leads, the worst first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum LookUpResult {
    /// Aliases lead to each other.
    Cycle,
    /// An alias leads to a name without records.
    Nothing,
    /// Records, or names that nobody here knows.
    Found,
}

pub(super) fn patterns(builder: &mut PatternBuilder<'_>) {
    let draft = builder.draft();
    let mut names = names_by_others(draft, &builder.end);
    // Then every record may decide whether a name exists.
    let end = match names.is_empty() {
        true => Arc::clone(&builder.end),
        false => Arc::new(in_the_end(draft)),
    };
    names.extend(draft.owned().filter_map(|key| match key.rtype {
        RrType::CNAME => Some(key.name.clone()),
        // A DNAME says nothing about its own name, and the same about every name below it.
        RrType::DNAME => key.name.child("*").ok(),
        _ => None,
    }));
    for name in names {
        let met = met(builder.library, &[draft.snapshot, &end], &name);
        for rtype in types(&[draft.snapshot, &end], &name, &met) {
            let key = |name: &Name| RrKey::new(name.clone(), rtype);
            let mut changing = met.iter().filter_map(|name| builder.library.answers(&key(name)));
            if changing
                .next()
                .is_some_and(|first| first.depends_on_several() || changing.next().is_some())
            {
                forbid_failures(builder, &key(&name), &end);
            }
        }
    }
}

/// The zones with everything that the plan changes.
fn in_the_end(draft: &Draft<'_>) -> Snapshot {
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

/// Names in zones with wildcards or DNAMEs whose answers may depend on RRsets of other names: names
/// that the plan changes, and names that records lead to. Names below them may also answer, or hide
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
            let below = |other: &RrKey| below(&other.name, &target, &key.name);
            match draft.owner_of(key) {
                // Where it changes, every name below either target is found in another way.
                Some(_) => names.extend(keys(&[draft.snapshot, end]).filter_map(below)),
                None => names.extend(draft.owned().filter_map(below)),
            }
        }
    }
    names
}

/// The RRsets of all zones.
fn keys<'s>(at: &[&'s Snapshot; 2]) -> impl Iterator<Item = &'s RrKey> {
    at.iter().flat_map(|at| at.zones.values()).flat_map(|zone| zone.zone.rrsets.keys())
}

/// The name below a DNAME for which the DNAME gives a name below its target (RFC 6672 §2.2).
fn below(name: &Name, target: &Name, dname: &Name) -> Option<Name> {
    let depth = name.labels().count().checked_sub(target.labels().count())?;
    let is_below = depth > 0 && name.is_at_or_below(target);
    is_below.then(|| Name::from_labels(name.labels().take(depth).chain(dname.labels())).ok())?
}

fn forbid_failures(builder: &mut PatternBuilder<'_>, key: &RrKey, end: &Snapshot) {
    let least = result_of(&builder.draft().snapshot.look_up(key)).min(result_of(&end.look_up(key)));
    let (name, rtype) = (&key.name, key.rtype);
    let fix = "first change the record that answers in the end, and change the others when what was there before has expired";
    for (is, what, happens) in [
        (LookUpResult::Cycle, "circle", "follows aliases in a cycle and never ends"),
        (LookUpResult::Nothing, "nothing", "follows an alias to a name that has none"),
    ] {
        // No worse than before the plan, or after it.
        if is >= least {
            continue;
        }
        let harm = Harm::new(
            format!("{ID}/{}/{what}/{rtype}", shown(name)),
            format!("a look-up of the {rtype} records of {name} {happens}"),
            fix,
        );
        let at = usize::from(rtype.number());
        let found = builder.cases(ID, (what, name, at), &|view| {
            let found = match view.look_up(key) {
                Outside::Records(_) => LookUpResult::Found,
                Outside::Absent => LookUpResult::Nothing,
                Outside::Unknown(why) if why == MANY_ALIASES => LookUpResult::Cycle,
                Outside::Unknown(_) => LookUpResult::Found,
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

fn result_of(seen: &Seen<'_>) -> LookUpResult {
    match seen {
        Seen::Records(_) => LookUpResult::Found,
        Seen::Absent => LookUpResult::Nothing,
        Seen::Unknown(why) if *why == MANY_ALIASES => LookUpResult::Cycle,
        Seen::Unknown(_) => LookUpResult::Found,
    }
}

/// The names that a name leads to, including itself, by any alias that it may have at any time: a
/// wildcard may answer for a name that is absent for a moment only.
fn met(library: &Library<'_>, at: &[&Snapshot; 2], name: &Name) -> BTreeSet<Name> {
    let mut met = BTreeSet::from([name.clone()]);
    let mut open = vec![name.clone()];
    for _ in 0..=ALIASES_MAX {
        let next = std::mem::take(&mut open);
        for name in next {
            let asked = RrKey::new(name, RrType::A);
            let mut targets: Vec<Name> = Vec::new();
            for at in at {
                let Some(zone) = at.zone_of(&asked.name) else { continue };
                if let Reply::Alias { target, by: _ } = reply(&&zone.zone, &asked) {
                    targets.push(target);
                }
            }
            for class in library.answers(&asked).iter().flat_map(|answers| &answers.classes) {
                if let Content::Alias(target) = &class.content {
                    targets.push(target.clone());
                }
            }
            open.extend(targets.into_iter().filter(|target| met.insert(target.clone())));
        }
    }
    met
}

/// Types that may be asked for at names that nobody here knows. One that no known name has stands for
/// all others.
const OTHER_TYPES: [RrType; 5] = [RrType::AAAA, RrType::TXT, RrType::MX, RrType::SRV, RrType::CAA];

/// The types that may be asked for: those that one of the names has that `name` leads to, or a wildcard
/// that may answer for it, and addresses. If `name` leads to an unknown name before and after the plan,
/// any type may be there.
fn types(at: &[&Snapshot; 2], name: &Name, met: &BTreeSet<Name>) -> BTreeSet<RrType> {
    let wildcards = met.iter().flat_map(|name| {
        let above = std::iter::successors(name.parent(), Name::parent);
        above.filter_map(|above| above.child("*").ok())
    });
    let names: BTreeSet<Name> = met.iter().cloned().chain(wildcards).collect();
    let zones = names
        .iter()
        .flat_map(|name| at.iter().filter_map(move |at| Some((name, at.zone_of(name)?))));
    let there = zones.flat_map(|(name, zone)| zone.zone.at(name).map(|(rtype, _)| rtype));
    let is_asked = |rtype: &RrType| {
        !matches!(*rtype, RrType::CNAME | RrType::DNAME | RrType::SOA | RrType::NS)
            && !rtype.is_made_by_signer()
    };
    let mut types: BTreeSet<RrType> = there.filter(is_asked).chain([RrType::A]).collect();
    let other = OTHER_TYPES.into_iter().find(|rtype| !types.contains(rtype));
    types.extend(other.filter(|rtype| {
        let key = RrKey::new(name.clone(), *rtype);
        at.iter().all(|at| result_of(&at.look_up(&key)) == LookUpResult::Found)
    }));
    types
}
