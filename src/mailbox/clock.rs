//! The clock that back-off waits for. Tests bring their own.

use std::time::Duration;

use async_trait::async_trait;
use cutover_base::calendar::Timestamp;

/// A clock.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;

    /// Returns after this time.
    async fn sleep(&self, span: Duration);
}

/// The clock of this machine.
pub struct RealClock;

#[async_trait]
impl Clock for RealClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> Timestamp {
        chrono::Utc::now()
    }

    #[expect(clippy::disallowed_methods, reason = "a server asked to wait, or is tried again")]
    async fn sleep(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }
}
