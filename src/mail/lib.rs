//! What DNS and mail say, apart from any plan: how a zone answers ([`resolution`]), how a receiver
//! evaluates SPF ([`spf`]), how a verifier reads a DKIM key ([`dkim`]), and which addresses a list of
//! recipients has ([`recipients`]).
//!
//! Functions of records and nothing else: nothing here looks anything up.

pub mod dkim;
pub mod recipients;
pub mod resolution;
pub mod spf;
