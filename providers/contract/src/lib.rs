//! The zone vocabulary of `cutover` and the contract that every DNS provider adapter obeys.
//!
//! Terms are those of RFC 9499. An *adapter* is our crate for a *provider* (a DNS operator). A
//! [`Zone`] is a set of RRsets; an [`RrSet`] has one TTL and its rdata as a set; a [`ChangeSet`]
//! is a compare-and-set on some RRsets of one zone.
//!
//! What this crate does not do: it opens no connection, reads no clock, and knows nothing of mail,
//! plans or steps, and depends on nothing else of ours. What adapters share beyond it is in `cutover-kit`;
//! clients that start commands or speak HTTP are in `cutover-process` and `cutover-web`.
//!
//! Two rules shape the types. A value that was compared must have been canonical first, so names
//! are lower case and absolute from the moment they exist, and rdata is compared in canonical form
//! (RFC 4034 §6.2). And "could not ask" is not "no": [`ProviderError`] says for each
//! failure whether the effect is known to be absent, or has to be looked for.

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
