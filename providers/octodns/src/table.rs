//! The classes of octoDNS that are known to replace an RRset in place.
//!
//! As seen in their sources on 2026-11-26, in the versions given. Every other class is assumed to
//! remove an RRset before it creates the new one, as these do: Gandi 1.2.0, DigitalOcean 1.0.1,
//! DNSimple 1.0.1, easyDNS 1.0.1, Constellix 1.0.1 (an update is a delete and a create), Cloudflare
//! 1.2.0 (record by record).

use std::time::Duration;

use cutover_kit::rr_types;
use cutover_zone::RrType;

/// A class that replaces an RRset in a single act of its provider.
pub(crate) struct Known {
    /// The class, as octoDNS's configuration names it.
    pub(crate) class: &'static str,
    /// The types that it reads and writes.
    pub(crate) types: &'static [RrType],
    /// The time to add for nodes that cannot be asked; zero if all servers are the user's own.
    pub(crate) anycast_margin: Duration,
}

/// The time to add for nodes of an anycast network. Our choice: octoDNS says nothing about them.
pub(crate) const ANYCAST: Duration = Duration::from_secs(60);

/// Makes a row of the table.
macro_rules! known {
    ($class:literal, $unseen:expr, $($rtype:ident)*) => {
        Known { class: $class, types: rr_types![$($rtype)*], anycast_margin: $unseen }
    };
}

/// A row for each class, and how its provider changes an RRset.
#[rustfmt::skip]
pub(crate) const KNOWN: &[Known] = &[
    // 1.2.0: one PATCH, which the server makes in one transaction.
    known!("octodns_powerdns.PowerDnsProvider", Duration::ZERO,
        A AAAA CAA CNAME DS HTTPS LOC MX NAPTR NS PTR SRV SSHFP SVCB TLSA TXT URI),
    // 1.1.0: one UPDATE message for up to 1000 changes. It writes LOC too, but cannot read back
    // those with default sizes.
    known!("octodns_bind.Rfc2136Provider", Duration::ZERO,
        A AAAA CAA CNAME DS HTTPS MX NAPTR NS PTR SPF SRV SSHFP SVCB TLSA TXT),
    // 1.1.0: the same class.
    known!("octodns_bind.BindProvider", Duration::ZERO,
        A AAAA CAA CNAME DS HTTPS MX NAPTR NS PTR SPF SRV SSHFP SVCB TLSA TXT),
    // 1.3.0: one bulk request.
    known!("octodns_desec.DesecProvider", ANYCAST,
        A AAAA CAA CNAME DS HTTPS MX NS OPENPGPKEY PTR SRV SSHFP TLSA TXT),
    // 1.1.0: the deletions and additions of a change, which the API makes at once.
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
