//! Which names answer for others: wildcards, aliases of whole trees, and what keeps a wildcard from
//! answering.

use std::collections::BTreeSet;

use cutover_zone::{Name, Rdata, RrKey, RrType};

use super::Draft;

impl Draft<'_> {
    /// The names on whose answers it depends what is found at the names at or below a name: as long
    /// as these answers stay, all of those stay. A name outside of the zones stays as it is.
    #[must_use]
    pub fn names_that_answer_below(&self, name: &Name) -> BTreeSet<Name> {
        // Wildcards and aliases of whole trees answer for names below where they are.
        let answers_there = |key: &RrKey| {
            let up = match key.rtype {
                _ if key.name.is_wildcard() => key.name.parent(),
                RrType::DNAME => Some(key.name.clone()),
                _ => None,
            };
            key.name.is_at_or_below(name) || up.is_some_and(|up| name.is_at_or_below(&up))
        };
        let mut found: BTreeSet<Name> = BTreeSet::from([name.clone()]);
        // A name that nothing is about.
        found.extend(name.child("any"));
        let zone = self.snapshot.zone_of(name);
        let live = zone.into_iter().flat_map(|zone| &zone.zone.rrsets);
        for (key, rrset) in live.filter(|(key, _)| answers_there(key)) {
            match key.rtype {
                RrType::CNAME => drop(found.insert(key.name.clone())),
                RrType::DNAME => {
                    let target = rrset.rdata().first().and_then(Rdata::target);
                    let below = self.owned().map(|key| &key.name);
                    let below =
                        below.filter(|n| target.as_ref().is_some_and(|t| n.is_at_or_below(t)));
                    found.extend(below.cloned());
                }
                _ => {}
            }
        }
        let owned: Vec<&Name> =
            self.owned().filter(|key| answers_there(key)).map(|key| &key.name).collect();
        found.extend(owned.iter().flat_map(|owner| touched_by(owner, name)));
        found.extend(owned.into_iter().cloned());
        found
    }
}

/// The names at or below another one whose answers may change with the existence of a name: that name,
/// those between, and for each one that stands for whatever is below it and does not exist (RFC 4592
/// §2.2.1).
pub fn touched_by(owner: &Name, below: &Name) -> BTreeSet<Name> {
    let up = std::iter::successors(Some(owner.clone()), Name::parent);
    let names = up.take_while(|name| name.is_at_or_below(below));
    names.flat_map(|name| name.child("any").ok().into_iter().chain([name])).collect()
}
