//! Time-outs without waiting for them: the clock of tokio is stopped while a provider works, and
//! goes on by itself where nothing else is to be done.

use async_trait::async_trait;
use cutover_contract::{
    Capabilities, ChangeSet, Name, Provider, ProviderError, Receipt, RrKey, RrSet, Unwritable, Zone,
};

/// A provider for which time flies while it waits.
pub(crate) struct Hurried {
    provider: Box<dyn Provider>,
    /// What it waits for: it lives as long.
    _nobody: Box<dyn Send + Sync>,
}

impl Hurried {
    pub(crate) fn new(provider: Box<dyn Provider>, nobody: impl Send + Sync + 'static) -> Self {
        Self { provider, _nobody: Box::new(nobody) }
    }
}

async fn hurried<T>(future: impl Future<Output = T>) -> T {
    tokio::time::pause();
    let output = future.await;
    tokio::time::resume();
    output
}

#[async_trait]
impl Provider for Hurried {
    fn capabilities(&self, zone: &Name) -> Capabilities {
        self.provider.capabilities(zone)
    }

    async fn read_zone(&self, zone: &Name) -> Result<Zone, ProviderError> {
        hurried(self.provider.read_zone(zone)).await
    }

    async fn read_rrsets(
        &self,
        zone: &Name,
        keys: &[RrKey],
    ) -> Result<Vec<Option<RrSet>>, ProviderError> {
        hurried(self.provider.read_rrsets(zone, keys)).await
    }

    async fn check(
        &self,
        zone: &Name,
        sets: &[ChangeSet],
    ) -> Result<Vec<Unwritable>, ProviderError> {
        hurried(self.provider.check(zone, sets)).await
    }

    async fn apply(&self, changes: &ChangeSet) -> Result<Receipt, ProviderError> {
        hurried(self.provider.apply(changes)).await
    }
}
