//! What became of a change set that the provider took.

use cutover_contract::{Change, ChangeSet, ProviderError, RrKey, RrSet};

use crate::serial;

/// What it means that everything is as it was after a provider has said yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsBefore {
    /// The provider has ignored the change: what it shows is what it holds.
    Ignored,
    /// It may still come: what the provider shows may be older than what it holds.
    Pending,
}

/// A change set that the provider said yes to. Providers exist that say yes and do nothing, or
/// something else, so an adapter reads back and has it judged here.
#[derive(Clone, Debug)]
pub struct Written<'c> {
    /// What was asked for.
    pub changes: &'c ChangeSet,
    /// Who was asked.
    pub peer: String,
    /// What it said, as a clause: `the server said yes`.
    pub said: &'static str,
    /// What it means that everything is as it was.
    pub as_before: AsBefore,
}

impl Written<'_> {
    /// Reading back has failed with `error`.
    #[must_use]
    pub fn unread(&self, error: &ProviderError) -> ProviderError {
        self.in_doubt(format!("{}, and reading back failed: {error}", self.said))
    }

    /// Compares what was asked for with what `live` says is there. A serial that the server has
    /// counted on by itself is as asked.
    ///
    /// # Errors
    /// [`ProviderError::Refused`] where the provider has ignored all of it, and
    /// [`ProviderError::InDoubt`] where it holds something else.
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
                detail: format!("{} and left {key} as it was", self.said),
            });
        }
        let is = live(key).map_or("is absent".to_owned(), |rrset| format!("is {rrset:?}"));
        Err(self.in_doubt(format!("{}, and afterwards {key} {is}", self.said)))
    }

    fn in_doubt(&self, detail: String) -> ProviderError {
        let (zone, peer) = (self.changes.zone().clone(), self.peer.clone());
        ProviderError::InDoubt { zone, peer, detail }
    }
}
