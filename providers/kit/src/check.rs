//! Reports what cannot be written before anything is written.
//!
//! A run lasts for days. If a provider refuses a change in the middle of it, the mail is stuck
//! halfway. So the adapter is asked when the plan is made: as long as nobody else changes the zone,
//! [`cutover_contract::Provider::apply`] can write what [`cutover_contract::Provider::check`]
//! accepts.

use std::collections::BTreeSet;

use cutover_contract::{Change, ChangeSet, ProviderError, Unwritable};
use cutover_zone::{Name, RrKey, RrSet, RrType};

use crate::unsupported;

/// Collects what cannot be written, without duplicates.
#[derive(Debug, Default)]
pub struct Checked {
    found: Vec<Unwritable>,
}

impl Checked {
    /// Adds the result of a check.
    ///
    /// # Errors
    /// Any error that is not about an RRset, unchanged.
    pub fn note(&mut self, result: Result<(), ProviderError>) -> Result<(), ProviderError> {
        match result {
            Err(ProviderError::Unsupported { zone: _, key, why }) => {
                self.add(key, why);
                Ok(())
            }
            other => other,
        }
    }

    /// Adds a change that cannot be written.
    pub fn add(&mut self, key: RrKey, why: impl Into<String>) {
        let unwritable = Unwritable { key, why: why.into() };
        if !self.found.contains(&unwritable) {
            self.found.push(unwritable);
        }
    }

    /// Everything that was collected.
    #[must_use]
    pub fn found(self) -> Vec<Unwritable> {
        self.found
    }
}

/// Every RRset that one of the sets changes. An adapter does not know the order of the sets, so
/// what such an RRset holds now may be gone by the time another set is applied.
#[must_use]
pub fn touched(sets: &[ChangeSet]) -> BTreeSet<RrKey> {
    sets.iter().flat_map(ChangeSet::changes).map(|change| change.key.clone()).collect()
}

/// The changes of a set, each as its own set, so that each can be refused separately.
pub fn one_by_one(set: &ChangeSet) -> impl Iterator<Item = ChangeSet> + '_ {
    let alone = |change: &Change| ChangeSet::new(set.zone().clone(), vec![change.clone()]);
    set.changes().iter().map(move |change| alone(change).expect("a change of a change set"))
}

/// Refuses to change records that are only kept as they are
/// ([`cutover_zone::Rdata::is_opaque`]).
///
/// # Errors
/// [`ProviderError::Unsupported`], for the first such change.
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
            "records of this type or form are kept as they are and never written; change them by \
             hand at the provider",
        )),
    }
}

/// The changes that would leave a CNAME beside other records (RFC 1034 §3.6.2). `there` gives the
/// types that a name has now; other sets change what is in `touched`.
pub fn beside_cname(
    changes: &ChangeSet,
    touched: &BTreeSet<RrKey>,
    there: impl Fn(&Name) -> BTreeSet<RrType>,
) -> Vec<Unwritable> {
    let mut found = Vec::new();
    // Changes are sorted by name, so those of a name are adjacent.
    for of_name in changes.changes().chunk_by(|left, right| left.key.name == right.key.name) {
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
            let why = format!("the name has {other} records, and a CNAME must be alone");
            found.push(Unwritable { key: RrKey::new(name.clone(), rtype), why });
        }
    }
    found
}
