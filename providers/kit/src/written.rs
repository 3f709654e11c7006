//! What became of a change set that the provider accepted.

use cutover_contract::{Change, ChangeSet, ProviderError};
use cutover_zone::{RrKey, RrSet};

use crate::serial;

/// What it means if everything is unchanged after the provider reported success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsBefore {
    /// The provider ignored the change: what it shows is what it holds.
    Ignored,
    /// The change may still appear: what the provider shows may be older than what it holds.
    Pending,
}

/// A change set that the provider reported as made. Some providers report success and do nothing,
/// or something else, so an adapter reads back and checks the result here.
#[derive(Clone, Debug)]
pub struct Written<'c> {
    /// The requested changes.
    pub changes: &'c ChangeSet,
    /// Who was asked.
    pub peer: String,
    /// What the provider reported, as a clause: `the server reported success`.
    pub claim: &'static str,
    /// What it means if everything is unchanged.
    pub as_before: AsBefore,
}

impl Written<'_> {
    /// The error after reading back failed with `error`.
    #[must_use]
    pub fn unread(&self, error: &ProviderError) -> ProviderError {
        self.in_doubt(format!("{}, and reading back failed: {error}", self.claim))
    }

    /// Compares the requested changes with what `live` has there. A serial that the server
    /// increased by itself counts as requested.
    ///
    /// # Errors
    /// [`ProviderError::Refused`] if the provider ignored the whole change set, and
    /// [`ProviderError::InDoubt`] if it holds something else.
    pub fn judge<'l>(
        &self,
        live: impl Fn(&RrKey) -> Option<&'l RrSet>,
    ) -> Result<(), ProviderError> {
        let all = self.changes.changes();
        let is_other = |c: &&Change| !serial::is_as_asked(&c.key, live(&c.key), c.after.as_ref());
        let Some(Change { key, .. }) = all.iter().find(is_other) else { return Ok(()) };
        let is_as_before = all.iter().all(|c| live(&c.key) == c.before.as_ref());
        if is_as_before && self.as_before == AsBefore::Ignored {
            return Err(ProviderError::Refused {
                zone: self.changes.zone().clone(),
                detail: format!("{}, but left {key} as it was", self.claim),
            });
        }
        let is = live(key).map_or("is absent".to_owned(), |rrset| format!("is {rrset:?}"));
        Err(self.in_doubt(format!("{}, but afterwards {key} {is}", self.claim)))
    }

    fn in_doubt(&self, detail: String) -> ProviderError {
        let (zone, peer) = (self.changes.zone().clone(), self.peer.clone());
        ProviderError::InDoubt { zone, peer, detail }
    }
}

#[cfg(test)]
mod tests {
    use cutover_contract::Next;
    use cutover_zone::{Name, Rdata, RrType, Ttl};

    use super::*;

    /// The error if the zone holds `live` after a change from `before` to `after`.
    fn judged(as_before: AsBefore, live: Option<&str>) -> Option<ProviderError> {
        let name = Name::absolute("www.acme.test.").expect("a name");
        let key = RrKey::new(name, RrType::A);
        let set = |text: &str| {
            let rdata = Rdata::parse(RrType::A, text, None).expect("an address");
            RrSet::new(Ttl::ZERO, [rdata]).expect("an RRset")
        };
        let (before, after) = (Some(set("192.0.2.1")), Some(set("192.0.2.2")));
        let zone = Name::absolute("acme.test.").expect("a name");
        let changes = ChangeSet::new(zone, vec![Change { key, before, after }]);
        let changes = changes.expect("a change set");
        let peer = "a server".to_owned();
        let written = Written { changes: &changes, peer, claim: "it reported success", as_before };
        let live = live.map(set);
        written.judge(|_| live.as_ref()).err()
    }

    #[test]
    fn what_was_read_back_is_judged() {
        for as_before in [AsBefore::Ignored, AsBefore::Pending] {
            assert!(judged(as_before, Some("192.0.2.2")).is_none());
            for (other, words) in [(None, "is absent"), (Some("192.0.2.3"), "192.0.2.3")] {
                let error = judged(as_before, other).expect("something else is there");
                assert_eq!(error.next(), Next::Look, "{error}");
                assert!(error.to_string().contains(words), "{error}");
            }
        }
        let ignored = judged(AsBefore::Ignored, Some("192.0.2.1")).expect("nothing was done");
        assert!(ignored.to_string().ends_with("left www.acme.test. A as it was"), "{ignored}");
        assert_eq!(ignored.next(), Next::Fix);
        let pending = judged(AsBefore::Pending, Some("192.0.2.1")).expect("it may still appear");
        assert_eq!(pending.next(), Next::Look);
    }
}
