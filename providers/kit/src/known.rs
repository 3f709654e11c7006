//! What was found of zones so far.

use std::collections::BTreeMap;

use cutover_contract::{Name, ProviderError};
use tokio::sync::Mutex;

/// Keeps what a provider says of its zones, such as their identifiers, which stay the same for as
/// long as a zone exists. It holds an entry for every zone that was asked for.
#[derive(Debug)]
pub struct KnownZones<T> {
    known: Mutex<BTreeMap<Name, T>>,
}

impl<T> Default for KnownZones<T> {
    fn default() -> Self {
        Self { known: Mutex::default() }
    }
}

impl<T: Clone> KnownZones<T> {
    /// What is known of a zone; `find` is awaited where nothing is, by one caller at a time.
    ///
    /// # Errors
    /// That of `find`; nothing is kept then.
    pub async fn get(
        &self,
        zone: &Name,
        find: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        let mut known = self.known.lock().await;
        if let Some(found) = known.get(zone) {
            return Ok(found.clone());
        }
        let found = find.await?;
        known.insert(zone.clone(), found.clone());
        Ok(found)
    }

    /// Passes an outcome on, and forgets a zone that is no longer there: it may be made anew, as
    /// another one.
    ///
    /// # Errors
    /// That of the outcome.
    pub async fn forgetting<R>(
        &self,
        zone: &Name,
        outcome: Result<R, ProviderError>,
    ) -> Result<R, ProviderError> {
        if let Err(ProviderError::NoSuchZone { .. }) = outcome {
            self.known.lock().await.remove(zone);
        }
        outcome
    }
}
