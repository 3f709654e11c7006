//! The contract of every DNS provider adapter of `cutover`.
//!
//! An *adapter* is our crate for a *provider* (a DNS operator). A [`ChangeSet`] is a compare-and-set
//! on some RRsets of one zone, in the vocabulary of `cutover-zone`.
//!
//! This crate opens no connection, reads no clock, and knows nothing of mail, plans or steps. What
//! the adapters share beyond the contract is in `cutover-kit`; running commands and speaking HTTP is
//! in `cutover-process` and `cutover-web`.
//!
//! "Could not ask" is not "no": each [`ProviderError`] says whether nothing was changed, or whether
//! the change may have been made and must be looked for.

mod change;
mod config;
mod findings;
mod in_place;
mod provider;
#[cfg(feature = "suite")]
pub mod suite;

pub use change::{Change, ChangeSet, ChangeSetError};
pub use config::{
    Adapter, Config, ConfigError, ConfigField, ConfigValue, Connect, FieldKind, Secret,
};
pub use findings::{Figure, Findings, SkippedCase};
pub use in_place::InPlace;
pub use provider::{
    Atomicity, Capabilities, CompareAndSet, Gathered, Granularity, Next, Provider, ProviderError,
    ProviderResult, Receipt, Unwritable,
};
