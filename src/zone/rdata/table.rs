//! The fields of each type's rdata: the only place that describes a type.
//!
//! Types that are kept and never written ([`RrType::is_kept`]) have their own table. They are read
//! so that two forms of the same record can be compared, whatever words they were written in.
//!
//! RRSIG, NSEC, NSEC3 and NSEC3PARAM are not here. A server's signer makes them, and they are never
//! compared or written, so they are opaque.

use Kind::*;

use crate::RrType;

/// A field: its name in the RFC, and its form.
#[derive(Clone, Copy)]
pub(super) struct Field {
    /// The name, as messages have it after "the".
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
    /// The rest, as one or more such strings.
    CharStrings,
    /// A CAA property tag: a length octet, then letters and digits (RFC 8659 §4.1).
    Tag,
    /// The rest, as one string without a length.
    Text,
    /// The rest, in hexadecimal.
    Hex {
        /// The least number of octets; never 0, because presentation form cannot express an empty
        /// field.
        octets_min: usize,
    },
    /// The rest, at least one octet, in base64.
    Base64,
    /// The rest, in base64; may be empty.
    Base64OrNothing,
    /// A certificate's type in two octets; text may have the mnemonic (RFC 4398 §2.1).
    CertType,
    /// An RR type in two octets, by its mnemonic.
    TypeName,
    /// A DSYNC scheme in one octet; text may have the mnemonic (RFC 9859 §2.1).
    Scheme,
    /// This many octets in hexadecimal, separated by dashes (RFC 7043 §3.2).
    Dashed(usize),
    /// Eight octets as four groups of hexadecimal digits, separated by colons (RFC 6742 §2.1).
    Groups,
    /// A form that only one type has.
    Odd(OddForm),
    /// The whole of LOC.
    Location,
    /// The rest: the parameters of SVCB and HTTPS.
    SvcParams,
}

/// The fields of this type's rdata; `None` if the type is opaque.
pub(super) fn fields_of(rtype: RrType) -> Option<&'static [Field]> {
    TABLE.iter().chain(KEPT).find(|(known, _)| *known == rtype).map(|(_, fields)| *fields)
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

/// Every type that is not opaque, by number.
pub(super) const TABLE: &[(RrType, &[Field])] = &[
    // RFC 1035 §3.3 and §3.4, except where noted.
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

/// RFC 2535 §3.1, and RKEY of draft-reid-dnsext-rkey.
const KEY: &[Field] = &[
    f("flags field", U16),
    f("protocol", U8),
    f("algorithm", Algorithm),
    f("key", Base64OrNothing),
];
/// RFC 1035 §3.3.
const ONE_NAME: &[Field] = &[f("name", Name)];
/// RFC 1035 §3.3.7, RFC 1183 §2.2, draft-wijngaards-dnsop-trust-history.
const TWO_NAMES: &[Field] = &[f("first name", Name), f("second name", Name)];
/// RFC 1183 §1 and §3.3, RFC 2230 §3.1, RFC 6742 §2.4.
const RANKED_NAME: &[Field] = &[f("preference", U16), f("name", Name)];

/// The types that are kept, by number.
pub(super) const KEPT: &[(RrType, &[Field])] = &[
    (RrType::new(3), ONE_NAME),                                     // MD
    (RrType::new(4), ONE_NAME),                                     // MF
    (RrType::new(7), ONE_NAME),                                     // MB
    (RrType::new(8), ONE_NAME),                                     // MG
    (RrType::new(9), ONE_NAME),                                     // MR
    (RrType::new(11), &[f("list of services", Odd(OddForm::Wks))]), // WKS, RFC 1035 §3.4.2
    // HINFO, RFC 1035 §3.3.2
    (RrType::new(13), &[f("machine", CharString), f("system", CharString)]),
    (RrType::new(14), TWO_NAMES),                           // MINFO
    (RrType::new(17), TWO_NAMES),                           // RP
    (RrType::new(18), RANKED_NAME),                         // AFSDB
    (RrType::new(19), &[f("address", CharString)]),         // X25, RFC 1183 §3.1
    (RrType::new(20), &[f("address", CharStrings)]),        // ISDN, RFC 1183 §3.2
    (RrType::new(21), RANKED_NAME),                         // RT
    (RrType::new(22), &[f("address", Odd(OddForm::Nsap))]), // NSAP, RFC 1706 §5
    (RrType::new(23), ONE_NAME),                            // NSAP-PTR
    (RrType::new(25), KEY),                                 // KEY
    // PX, RFC 2163 §4
    (RrType::new(26), &[f("preference", U16), f("domain", Name), f("mapping", Name)]),
    // GPOS, RFC 1712 §3
    (
        RrType::new(27),
        &[f("longitude", CharString), f("latitude", CharString), f("altitude", CharString)],
    ),
    (RrType::new(31), &[f("identifier", Hex { octets_min: 1 })]), // EID
    (RrType::new(32), &[f("locator", Hex { octets_min: 1 })]),    // NIMLOC
    (RrType::new(34), &[f("address", Odd(OddForm::Atma))]),       // ATMA
    (RrType::new(36), RANKED_NAME),                               // KX
    // CERT, RFC 4398 §2
    (
        RrType::new(37),
        &[
            f("certificate type", CertType),
            f("key tag", U16),
            f("algorithm", Algorithm),
            f("certificate", Base64),
        ],
    ),
    (RrType::new(38), &[f("address", Odd(OddForm::A6))]), // A6, RFC 2874 §3.1
    // SINK, draft-eastlake-kitchen-sink
    (
        RrType::new(40),
        &[f("meaning", U8), f("coding", U8), f("subcoding", U8), f("data", Base64OrNothing)],
    ),
    (RrType::new(42), &[f("list of prefixes", Odd(OddForm::Apl))]), // APL, RFC 3123 §4
    (RrType::new(45), &[f("gateway and key", Odd(OddForm::IpSecKey))]), // IPSECKEY, RFC 4025 §2
    (RrType::new(49), &[f("digest", Base64)]),                      // DHCID, RFC 4701 §3.1
    (RrType::new(55), &[f("identity", Odd(OddForm::Hip))]),         // HIP, RFC 8005 §5
    (RrType::new(56), &[f("text", CharStrings)]),                   // NINFO
    (RrType::new(57), KEY),                                         // RKEY
    (RrType::new(58), TWO_NAMES),                                   // TALINK
    // CSYNC, RFC 7477 §2.1
    (
        RrType::new(62),
        &[f("serial", U32), f("flags field", U16), f("list of types", Odd(OddForm::Types))],
    ),
    // DSYNC, RFC 9859 §2.1
    (
        RrType::new(66),
        &[f("type", TypeName), f("scheme", Scheme), f("port", U16), f("target", Name)],
    ),
    (RrType::new(67), &[f("identity", Base64)]), // HHIT, RFC 9886 §5.1
    (RrType::new(68), &[f("identity", Base64)]), // BRID, RFC 9886 §5.2
    (RrType::new(104), &[f("preference", U16), f("identifier", Groups)]), // NID, RFC 6742 §2.1
    (RrType::new(105), &[f("preference", U16), f("locator", Ipv4)]), // L32, RFC 6742 §2.2
    (RrType::new(106), &[f("preference", U16), f("locator", Groups)]), // L64, RFC 6742 §2.3
    (RrType::new(107), RANKED_NAME),             // LP
    (RrType::new(108), &[f("address", Dashed(6))]), // EUI48, RFC 7043 §3
    (RrType::new(109), &[f("address", Dashed(8))]), // EUI64, RFC 7043 §4
    (RrType::new(258), &[f("text", CharStrings)]), // AVC
    (RrType::new(259), &[f("object", Odd(OddForm::Doa))]), // DOA, draft-durand-doa-over-dns
    (RrType::new(260), &[f("relay", Odd(OddForm::AmtRelay))]), // AMTRELAY, RFC 8777 §4
    (RrType::new(261), &[f("text", CharStrings)]), // RESINFO, RFC 9606 §5
    (RrType::new(262), &[f("text", CharStrings)]), // WALLET
    (RrType::new(32768), DS),                    // TA
    (RrType::new(32769), DS),                    // DLV, RFC 4431 §2
];

/// A form that only one type has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OddForm {
    /// Address prefixes.
    Apl,
    /// An address, a protocol, and a bitmap of ports.
    Wks,
    /// An address in hexadecimal after `0x`.
    Nsap,
    /// An address in hexadecimal, or a number after `+`.
    Atma,
    /// A part of an IPv6 address, and the name that holds the rest.
    A6,
    /// A precedence, a gateway and a key.
    IpSecKey,
    /// A precedence and a relay.
    AmtRelay,
    /// A host identity, and the names of rendezvous servers.
    Hip,
    /// A list of types.
    Types,
    /// A digital object.
    Doa,
}
