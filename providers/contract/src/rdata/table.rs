//! The fields of each type's rdata: the one place where a type is described.
//!
//! Not here: RRSIG, NSEC, NSEC3 and NSEC3PARAM. A server's signer makes them, they are never
//! compared or written, and so they are opaque.

use Kind::*;

use crate::RrType;

/// What is wrong with a field, as a predicate to "the preference": `is no number from 0 to 65535`.
pub(super) type Complaint = String;

/// One field: what the RFC calls it, and how it is written.
#[derive(Clone, Copy)]
pub(super) struct Field {
    /// The name, as messages have it behind "the".
    pub(super) name: &'static str,
    /// The form on the wire and in text.
    pub(super) kind: Kind,
}

/// The form of a field, on the wire and in text.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// An uncompressed domain name.
    Name,
    /// A number of one octet.
    U8,
    /// A number of two octets.
    U16,
    /// A number of four octets.
    U32,
    /// Seconds in four octets; text may have BIND's units (`1h30m`).
    Period,
    /// A DNSSEC algorithm in one octet; text may have the mnemonic (RFC 4034 §A.1).
    Algorithm,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// One string with a length octet (RFC 1035 §3.3).
    CharString,
    /// All that is left as one or more such strings.
    CharStrings,
    /// A CAA property tag: a length octet, then letters and digits (RFC 8659 §4.1).
    Tag,
    /// All that is left as one string without a length.
    Text,
    /// All that is left, in hexadecimal.
    Hex {
        /// Octets at the least; never 0, since nothing cannot be written in presentation form.
        octets_min: usize,
    },
    /// All that is left, at least one octet, in base64.
    Base64,
    /// The whole of LOC.
    Location,
    /// The parameters of SVCB and HTTPS: all that is left.
    SvcParams,
}

/// The fields of this type's rdata; `None` where the type is opaque.
pub(super) fn fields_of(rtype: RrType) -> Option<&'static [Field]> {
    TABLE.iter().find(|(known, _)| *known == rtype).map(|(_, fields)| *fields)
}

const fn f(name: &'static str, kind: Kind) -> Field {
    Field { name, kind }
}

const DIGEST: Field = f("digest", Hex { octets_min: 1 });
/// RFC 8976 §2.2.4: a ZONEMD digest is never shorter than 12 octets.
const ZONE_DIGEST: Field = f("digest", Hex { octets_min: 12 });
/// RFC 4034 §5.1, RFC 7344 §3.1.
const DS: &[Field] = &[f("key tag", U16), f("algorithm", Algorithm), f("digest type", U8), DIGEST];
/// RFC 4034 §2.1, RFC 7344 §3.2.
const DNSKEY: &[Field] =
    &[f("flags field", U16), f("protocol", U8), f("algorithm", Algorithm), f("key", Base64)];
/// RFC 6698 §2.1, RFC 8162 §2.
const TLSA: &[Field] = &[
    f("certificate usage", U8),
    f("selector", U8),
    f("matching type", U8),
    f("association data", Hex { octets_min: 1 }),
];
/// RFC 9460 §2.2, §9.
const SVCB: &[Field] = &[f("priority", U16), f("target", Name), f("parameter list", SvcParams)];
/// RFC 1035 §3.3.14, RFC 4408 §3.1.1.
const TXT: &[Field] = &[f("text", CharStrings)];

/// Every type that is not opaque, in the order of their numbers.
pub(super) const TABLE: &[(RrType, &[Field])] = &[
    // RFC 1035 §3.3 and §3.4, but where noted.
    (RrType::A, &[f("address", Ipv4)]),
    (RrType::NS, &[f("name server", Name)]),
    (RrType::CNAME, &[f("target", Name)]),
    (
        RrType::SOA,
        &[
            f("primary server", Name),
            f("mailbox", Name),
            f("serial", U32),
            f("refresh", Period),
            f("retry", Period),
            f("expire", Period),
            f("minimum", Period),
        ],
    ),
    (RrType::PTR, &[f("target", Name)]),
    (RrType::MX, &[f("preference", U16), f("exchange", Name)]),
    (RrType::TXT, TXT),
    (RrType::AAAA, &[f("address", Ipv6)]),     // RFC 3596 §2.2
    (RrType::LOC, &[f("location", Location)]), // RFC 1876 §2
    // RFC 2782
    (RrType::SRV, &[f("priority", U16), f("weight", U16), f("port", U16), f("target", Name)]),
    // RFC 3403 §4.1
    (
        RrType::NAPTR,
        &[
            f("order", U16),
            f("preference", U16),
            f("flags field", CharString),
            f("service", CharString),
            f("regular expression", CharString),
            f("replacement", Name),
        ],
    ),
    (RrType::DNAME, &[f("target", Name)]), // RFC 6672 §2.1
    (RrType::DS, DS),
    // RFC 4255 §3.1
    (
        RrType::SSHFP,
        &[f("algorithm", U8), f("fingerprint type", U8), f("fingerprint", Hex { octets_min: 1 })],
    ),
    (RrType::DNSKEY, DNSKEY),
    (RrType::TLSA, TLSA),
    (RrType::SMIMEA, TLSA),
    (RrType::CDS, DS),
    (RrType::CDNSKEY, DNSKEY),
    (RrType::OPENPGPKEY, &[f("key", Base64)]), // RFC 7929 §2.1
    // RFC 8976 §2.2
    (RrType::ZONEMD, &[f("serial", U32), f("scheme", U8), f("hash algorithm", U8), ZONE_DIGEST]),
    (RrType::SVCB, SVCB),
    (RrType::HTTPS, SVCB),
    (RrType::SPF, TXT),
    (RrType::URI, &[f("priority", U16), f("weight", U16), f("target", Text)]), // RFC 7553 §4
    (RrType::CAA, &[f("flags field", U8), f("tag", Tag), f("value", Text)]),   // RFC 8659 §4.1
];
