//! What the adapters share, so that each rule of the contract is written once.
//!
//! An adapter compares every `before` with what is live ([`compare`]), refuses what cannot be
//! written ([`unsupported`], [`apex`], [`alone`]), sends the change, and checks the result
//! ([`Written`]). [`check`] collects what it would refuse of a whole plan. [`KnownZones`] remembers
//! the identifiers by which a provider knows its zones.
//!
//! This crate talks to nobody and knows no provider. The contract itself, its capabilities and the
//! conformance suite are in `cutover-contract`.

mod alone;
mod apex;
pub mod check;
mod compare;
mod known;
pub mod serial;
#[cfg(feature = "testing")]
pub mod testing;
mod written;

#[doc(hidden)]
pub use cutover_zone::RrType;

/// A static list of types: `rr_types![A AAAA CAA]`.
#[macro_export]
macro_rules! rr_types {
    ($($rtype:ident)*) => { &[$($crate::RrType::$rtype),*] };
}

pub use alone::alone;
pub use apex::apex;
pub use compare::{compare, conflict, has_plain_labels, names_of, unsupported};
pub use known::KnownZones;
pub use written::{AsBefore, Written};
