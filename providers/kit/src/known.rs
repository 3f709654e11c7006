//! What the provider reported about its zones so far.

use std::collections::BTreeMap;

use cutover_contract::ProviderError;
use cutover_zone::Name;
use tokio::sync::Mutex;

/// Remembers what a provider reports about its zones, such as their identifiers, which stay the
/// same as long as a zone exists. It keeps an entry for every zone that was asked for.
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
    /// What is known about a zone. If nothing is, awaits `find`, for one caller at a time.
    ///
    /// # Errors
    /// The error of `find`; nothing is remembered then.
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

    /// Returns an outcome unchanged, and forgets the zone if it no longer exists: it may be created
    /// again with another identifier.
    ///
    /// # Errors
    /// The error of the outcome.
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
