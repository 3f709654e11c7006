//! What cannot be written, said before anything is.
//!
//! A run lasts for days, and a provider that refuses the next change in the middle of it leaves the
//! mail in between. So an adapter is asked when a plan is made: while nobody else changes the zone,
//! [`cutover_contract::Provider::apply`] can write what [`cutover_contract::Provider::check`] lets
//! pass.

use std::collections::BTreeSet;

use cutover_contract::{Change, ChangeSet, Name, ProviderError, RrKey, RrSet, RrType, Unwritable};

use crate::unsupported;

/// Collects what cannot be written, each thing once.
#[derive(Debug, Default)]
pub struct Checked {
    found: Vec<Unwritable>,
}

impl Checked {
    /// Takes note of what one check said.
    ///
    /// # Errors
    /// The failure again, where it is not about one RRset.
    pub fn note(&mut self, result: Result<(), ProviderError>) -> Result<(), ProviderError> {
        match result {
            Err(ProviderError::Unsupported { zone: _, key, why }) => {
                self.add(key, why);
                Ok(())
            }
            other => other,
        }
    }

    /// Takes note of one change.
    pub fn add(&mut self, key: RrKey, why: impl Into<String>) {
        let one = Unwritable { key, why: why.into() };
        if !self.found.contains(&one) {
            self.found.push(one);
        }
    }

    /// Everything that was found.
    #[must_use]
    pub fn found(self) -> Vec<Unwritable> {
        self.found
    }
}

/// Every RRset that one of the sets changes. In what order the sets come is not known to an adapter,
/// so that what stands beside such an RRset may be gone by then.
#[must_use]
pub fn touched(sets: &[ChangeSet]) -> BTreeSet<RrKey> {
    sets.iter().flat_map(ChangeSet::changes).map(|change| change.key.clone()).collect()
}

/// The changes of a set, each as a set of its own, so that each is refused for itself.
pub fn one_by_one(set: &ChangeSet) -> impl Iterator<Item = ChangeSet> + '_ {
    let one = |change: &Change| ChangeSet::new(set.zone().clone(), vec![change.clone()]);
    set.changes().iter().map(move |change| one(change).expect("one of a change set's changes"))
}

/// Refuses to change records that are kept as they are ([`cutover_contract::Rdata::is_opaque`]).
///
/// # Errors
/// [`ProviderError::Unsupported`], for the first of them.
pub fn opaque(changes: &ChangeSet) -> Result<(), ProviderError> {
    let is_opaque = |rrset: &Option<RrSet>| rrset.as_ref().is_some_and(RrSet::is_opaque);
    let found = changes
        .changes()
        .iter()
        .find(|Change { before, after, .. }| is_opaque(before) || is_opaque(after));
    match found {
        None => Ok(()),
        Some(Change { key, .. }) => Err(unsupported(
            changes.zone(),
            key,
            "records of this type or form are kept as they are and never written: change them \
                  by hand, at the provider",
        )),
    }
}

/// A CNAME that would stand beside other records (RFC 1034 §3.6.2), where the name has these types now,
/// and other sets change what is `touched`.
pub fn beside_cname(
    changes: &ChangeSet,
    touched: &BTreeSet<RrKey>,
    there: impl Fn(&Name) -> BTreeSet<RrType>,
) -> Vec<Unwritable> {
    let mut found = Vec::new();
    // They stand in the order of their names.
    for of_name in changes.changes().chunk_by(|one, other| one.key.name == other.key.name) {
        let name = &of_name[0].key.name;
        let own = of_name.iter().filter(|change| change.after.is_some());
        let own: BTreeSet<RrType> = own.map(|change| change.key.rtype).collect();
        if own.is_empty() {
            continue;
        }
        let mut types: BTreeSet<RrType> = there(name)
            .into_iter()
            .filter(|rtype| !touched.contains(&RrKey::new(name.clone(), *rtype)))
            .collect();
        types.extend(&own);
        let other = types.iter().find(|rtype| **rtype != RrType::CNAME);
        let Some(other) = other.filter(|_| types.contains(&RrType::CNAME)) else { continue };
        for rtype in own {
            let other = if rtype == RrType::CNAME { *other } else { RrType::CNAME };
            let why = format!("the name has {other} records, and a CNAME stands alone");
            found.push(Unwritable { key: RrKey::new(name.clone(), rtype), why });
        }
    }
    found
}
