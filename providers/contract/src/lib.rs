//! The zone vocabulary of `cutover` and the contract of every DNS provider adapter.
//!
//! Terms are those of RFC 9499. An *adapter* is our crate for a *provider* (a DNS operator). A
//! [`Zone`] is a set of RRsets; an [`RrSet`] has one TTL and a set of rdata; a [`ChangeSet`] is a
//! compare-and-set on some RRsets of one zone.
//!
//! This crate opens no connection, reads no clock, and knows nothing of mail, plans or steps. It
//! depends on no other crate of ours. What the adapters share beyond the contract is in
//! `cutover-kit`; running commands and speaking HTTP is in `cutover-process` and `cutover-web`.
//!
//! Two rules shape the types. Values that are compared must be canonical, so names are lower case
//! and absolute from the start, and rdata is compared in canonical form (RFC 4034 §6.2). And "could
//! not ask" is not "no": each [`ProviderError`] says whether nothing was changed, or whether the
//! change may have been made and must be looked for.

mod change;
mod config;
mod findings;
mod in_place;
mod name;
mod provider;
mod rdata;
mod rrset;
mod rtype;
#[cfg(feature = "suite")]
pub mod suite;

pub use change::{Change, ChangeSet, ChangeSetError};
pub use config::{
    Adapter, Config, ConfigError, ConfigField, ConfigValue, Connect, FieldKind, Secret,
};
pub use findings::{Figure, Findings, SkippedCase};
pub use in_place::InPlace;
pub use name::{Label, Name, NameError};
pub use provider::{
    Atomicity, Capabilities, CompareAndSet, Gathered, Granularity, Next, Provider, ProviderError,
    ProviderResult, Receipt, Unwritable,
};
pub use rdata::{Rdata, RdataError, Soa, next_serial};
pub use rrset::{RrKey, RrSet, RrSetError, Ttl, TtlError, Zone};
pub use rtype::{RrType, RrTypeError};
