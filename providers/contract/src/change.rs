//! Change sets: compare-and-set on RRsets of one zone.

use cutover_zone::{Name, RrKey, RrSet};

/// A change of one RRset: it is expected to be `before` and becomes `after`. `None` means that
/// there is no such RRset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which RRset.
    pub key: RrKey,
    /// The RRset that must be there before the change is made.
    pub before: Option<RrSet>,
    /// The RRset after the change.
    pub after: Option<RrSet>,
}

impl Change {
    /// The change that undoes this one.
    #[must_use]
    pub fn turned(&self) -> Self {
        let Self { key, before, after } = self.clone();
        Self { key, before: after, after: before }
    }

    /// Whether what a server serves is the RRset after the change. Some providers divide the
    /// strings of a TXT as they like, so the division counts only if it is all that the change
    /// changes.
    #[must_use]
    pub fn leads_to(&self, served: Option<&RrSet>) -> bool {
        self.is_served(self.after.as_ref(), served)
    }

    /// Whether what a server serves is the RRset before the change.
    #[must_use]
    pub fn starts_from(&self, served: Option<&RrSet>) -> bool {
        self.is_served(self.before.as_ref(), served)
    }

    fn is_served(&self, wanted: Option<&RrSet>, served: Option<&RrSet>) -> bool {
        let reads_as = |left: Option<&RrSet>, right: Option<&RrSet>| match (left, right) {
            (Some(left), Some(right)) => left.reads_as(right),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        let only_division = reads_as(self.before.as_ref(), self.after.as_ref());
        served == wanted || !only_division && reads_as(served, wanted)
    }
}

/// Changes of one zone that belong together: all are compared, then all or none are made, as far as
/// the adapter's `Capabilities` allow.
///
/// The set is not empty, and has each key once. Each change changes something, and every name lies
/// in the zone. Among the keys of the set, no CNAME is left beside other records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeSet {
    zone: Name,
    changes: Vec<Change>,
}

/// Why some changes are not a change set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeSetError {
    /// There is no change.
    #[error("a change set has at least one change")]
    Empty,
    /// One RRset has two changes.
    #[error("{0} is in the change set twice")]
    Twice(RrKey),
    /// `before` and `after` are equal.
    #[error("the change of {0} changes nothing")]
    NoChange(RrKey),
    /// A name lies outside the zone.
    #[error("{0} lies outside the zone")]
    OutOfZone(RrKey),
    /// An RRset has another type than its key.
    #[error("the records given for {0} are of another type")]
    WrongType(RrKey),
}

impl ChangeSet {
    /// Checks the changes and puts them in the order of their keys.
    ///
    /// # Errors
    /// [`ChangeSetError`], for the first change that breaks a rule of this type.
    pub fn new(zone: Name, mut changes: Vec<Change>) -> Result<Self, ChangeSetError> {
        changes.sort_by(|a, b| a.key.cmp(&b.key));
        if changes.is_empty() {
            return Err(ChangeSetError::Empty);
        }
        if let Some(pair) = changes.windows(2).find(|pair| pair[0].key == pair[1].key) {
            return Err(ChangeSetError::Twice(pair[0].key.clone()));
        }
        for Change { key, before, after } in &changes {
            let wrong = |set: &Option<RrSet>| set.as_ref().is_some_and(|s| s.rtype() != key.rtype);
            if wrong(before) || wrong(after) {
                return Err(ChangeSetError::WrongType(key.clone()));
            }
            if before == after {
                return Err(ChangeSetError::NoChange(key.clone()));
            }
            if !key.name.is_at_or_below(&zone) {
                return Err(ChangeSetError::OutOfZone(key.clone()));
            }
        }
        Ok(Self { zone, changes })
    }

    /// The zone that is changed.
    #[must_use]
    pub fn zone(&self) -> &Name {
        &self.zone
    }

    /// The changes, in the order of their keys.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cutover_zone::{Rdata, RrType, Ttl};

    #[test]
    fn how_a_txt_is_divided_counts_where_nothing_else_changes() {
        let set = |text: &str| {
            let rdata = Rdata::parse(RrType::TXT, text, None).expect(text);
            RrSet::new(Ttl::ZERO, [rdata]).expect("an RRset")
        };
        let name = Name::absolute("a.test.").expect("a name");
        let change = |before: &str, after: &str| Change {
            key: RrKey::new(name.clone(), RrType::TXT),
            before: Some(set(before)),
            after: Some(set(after)),
        };
        let [joined, divided, other] = ["\"ab\"", "\"a\" \"b\"", "\"c\""];
        let served = set(divided);
        assert!(change(other, joined).leads_to(Some(&served)));
        assert!(change(joined, other).starts_from(Some(&served)));
        assert!(!change(other, joined).starts_from(Some(&served)));
        assert!(!change(divided, joined).leads_to(Some(&served)));
        assert!(change(divided, joined).starts_from(Some(&served)));
        assert!(!change(other, joined).leads_to(None));
    }
}
