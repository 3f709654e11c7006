//! The zone vocabulary of `cutover`: names, types, rdata, RRsets and zones.
//!
//! Terms are those of RFC 9499. A [`Zone`] is a set of RRsets; an [`RrSet`] has one TTL and a set of
//! rdata. Values that are compared are canonical: names are lower case and absolute from the start,
//! and rdata is compared in canonical form (RFC 4034 §6.2).
//!
//! This crate opens no connection, reads no clock, and knows nothing of providers, mail or plans.

mod name;
mod rdata;
mod rrset;
mod rtype;

pub use name::{Label, Name, NameError};
pub use rdata::{Rdata, RdataError, Soa, next_serial};
pub use rrset::{RrKey, RrSet, RrSetError, Ttl, TtlError, Zone};
pub use rtype::{RrType, RrTypeError};
