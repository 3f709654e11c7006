//! Which classes of octoDNS are known to replace an RRset in place.
//!
//! Read in their sources on 2026-11-26, in the versions that are given. Every other class counts as
//! one that may take an RRset away before it puts the new one there, as these do: Gandi 1.2.0,
//! DigitalOcean 1.0.1, DNSimple 1.0.1, easyDNS 1.0.1, Constellix 1.0.1 (an update is a delete and a
//! create), Cloudflare 1.2.0 (record by record).

use std::time::Duration;

use cutover_contract::RrType;
use cutover_kit::rr_types;

/// A class that replaces an RRset in one act of its provider.
pub(crate) struct Known {
    /// The class, as a configuration of octoDNS names it.
    pub(crate) class: &'static str,
    /// The types that it reads and writes.
    pub(crate) types: &'static [RrType],
    /// For servers that cannot be asked: zero where all of them are the user's own.
    pub(crate) unseen_nodes: Duration,
}

/// What is added for the nodes of an anycast network. Our choice: octoDNS says nothing of them.
pub(crate) const ANYCAST: Duration = Duration::from_secs(60);

/// A row.
macro_rules! known {
    ($class:literal, $unseen:expr, $($rtype:ident)*) => {
        Known { class: $class, types: rr_types![$($rtype)*], unseen_nodes: $unseen }
    };
}

/// One row for each, with what a change of an RRset is at the provider.
#[rustfmt::skip]
pub(crate) const KNOWN: &[Known] = &[
    // 1.2.0: one PATCH, which the server makes in one transaction.
    known!("octodns_powerdns.PowerDnsProvider", Duration::ZERO,
        A AAAA CAA CNAME DS HTTPS LOC MX NAPTR NS PTR SRV SSHFP SVCB TLSA TXT URI),
    // 1.1.0: one UPDATE message for up to 1000 changes. It has LOC too, and cannot read
    // those again that have default sizes.
    known!("octodns_bind.Rfc2136Provider", Duration::ZERO,
        A AAAA CAA CNAME DS HTTPS MX NAPTR NS PTR SPF SRV SSHFP SVCB TLSA TXT),
    // 1.1.0: the same class.
    known!("octodns_bind.BindProvider", Duration::ZERO,
        A AAAA CAA CNAME DS HTTPS MX NAPTR NS PTR SPF SRV SSHFP SVCB TLSA TXT),
    // 1.3.0: one bulk request.
    known!("octodns_desec.DesecProvider", ANYCAST,
        A AAAA CAA CNAME DS HTTPS MX NS OPENPGPKEY PTR SRV SSHFP TLSA TXT),
    // 1.1.0: deletions and additions of one change, which the API makes at once.
    known!("octodns_googlecloud.GoogleCloudProvider", ANYCAST,
        A AAAA CAA CNAME DS MX NAPTR NS PTR SPF SRV TXT),
    // 1.3.1: UPSERT.
    known!("octodns_route53.Route53Provider", ANYCAST,
        A AAAA CAA CNAME DS MX NAPTR NS PTR SPF SRV TXT),
    // 1.0.2: one request that updates the RRset.
    known!("octodns_ns1.Ns1Provider", ANYCAST,
        A AAAA CAA CNAME DNAME DS MX NAPTR NS PTR SPF SRV TLSA TXT),
    // 1.1.0: one PUT of the RRset.
    known!("octodns_edgedns.AkamaiProvider", ANYCAST,
        A AAAA CAA CNAME DS HTTPS LOC MX NAPTR NS PTR SRV SSHFP SVCB TLSA TXT),
];

/// The row of a class.
pub(crate) fn known(class: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.class == class)
}
