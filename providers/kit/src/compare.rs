//! The comparison before a change, and how a change is refused.

use std::collections::BTreeSet;

use cutover_contract::{Change, ChangeSet, ProviderError};
use cutover_zone::{Name, RrKey, RrSet};

/// Compares every `before` of a change set with what `live` has there.
///
/// # Errors
/// [`ProviderError::Conflict`], for the first RRset that differs.
pub fn compare<'l>(
    changes: &ChangeSet,
    live: impl Fn(&RrKey) -> Option<&'l RrSet>,
) -> Result<(), ProviderError> {
    for Change { key, before, after: _ } in changes.changes() {
        let live = live(key);
        if live != before.as_ref() {
            return Err(conflict(changes.zone(), key, live));
        }
    }
    Ok(())
}

/// The error of a failed comparison: `key` has `live` instead of what was expected.
#[must_use]
pub fn conflict(zone: &Name, key: &RrKey, live: Option<&RrSet>) -> ProviderError {
    ProviderError::Conflict { zone: zone.clone(), key: key.clone(), live: live.cloned() }
}

/// The error for a change of `key` that cannot be written; `why` is a lower-case fragment.
#[must_use]
pub fn unsupported(zone: &Name, key: &RrKey, why: impl Into<String>) -> ProviderError {
    ProviderError::Unsupported { zone: zone.clone(), key: key.clone(), why: why.into() }
}

/// The owner names of these keys, without duplicates.
pub fn names_of<'k>(keys: impl IntoIterator<Item = &'k RrKey>) -> BTreeSet<Name> {
    keys.into_iter().map(|key| key.name.clone()).collect()
}

/// Whether a name consists of ASCII letters, digits and the octets in `others`, with at most a
/// leading `*` label. The HTTP APIs of several providers accept no other names.
#[must_use]
pub fn has_plain_labels(name: &Name, others: &[u8]) -> bool {
    let mut labels = name.labels().peekable();
    if labels.peek().is_some_and(|label| *label == b"*") {
        labels.next();
    }
    let is_plain = |octet: &u8| octet.is_ascii_alphanumeric() || others.contains(octet);
    labels.all(|label| label.iter().all(is_plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_labels() {
        for (name, is_plain) in [
            ("acme.test.", true),
            ("*.acme.test.", true),
            ("_dmarc.acme-2.test.", true),
            ("a.*.test.", false),
            ("a*.test.", false),
            ("a\\.b.test.", false),
            ("0/25.test.", false),
            (".", true),
        ] {
            let name = Name::absolute(name).expect("a name");
            assert_eq!(has_plain_labels(&name, b"-_"), is_plain, "{name}");
        }
    }
}
