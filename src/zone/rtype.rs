//! RR types by number, with the mnemonics of the IANA registry.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An RR type (RFC 1035 §3.2.2). An unknown type is written `TYPE123` (RFC 3597 §5).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RrType(u16);

/// A text that is neither a known mnemonic nor `TYPE` and a number up to 65535.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a known record type; unknown types are written TYPE12345")]
pub struct RrTypeError {
    /// What was written.
    pub text: String,
}

macro_rules! types {
    ($($name:ident = $number:literal),* $(,)?) => {
        impl RrType {
            $(#[doc = concat!("The type ", stringify!($name), ".")]
            pub const $name: Self = Self($number);)*

            /// All types that can be written and all that a signer makes, by number.
            pub const KNOWN: &'static [(Self, &'static str)] =
                &[$((Self($number), stringify!($name))),*];
        }
    };
}

// Source: IANA "Domain Name System (DNS) Parameters", resource record types, checked 2026-11-23.
types! {
    A = 1, NS = 2, CNAME = 5, SOA = 6, PTR = 12, MX = 15, TXT = 16, AAAA = 28, LOC = 29, SRV = 33,
    NAPTR = 35, DNAME = 39, DS = 43, SSHFP = 44, RRSIG = 46, NSEC = 47, DNSKEY = 48, NSEC3 = 50,
    NSEC3PARAM = 51, TLSA = 52, SMIMEA = 53, CDS = 59, CDNSKEY = 60, OPENPGPKEY = 61, ZONEMD = 63,
    SVCB = 64, HTTPS = 65, SPF = 99, URI = 256, CAA = 257,
}

/// Types that are read and shown in presentation form but never written: their records stay in the
/// zone as they are. Source: the same registry, checked 2026-11-28. Query types and transaction
/// records are left out, since no zone holds them.
const KEPT: &[(RrType, &str)] = &[
    (RrType(3), "MD"),
    (RrType(4), "MF"),
    (RrType(7), "MB"),
    (RrType(8), "MG"),
    (RrType(9), "MR"),
    (RrType(10), "NULL"),
    (RrType(11), "WKS"),
    (RrType(13), "HINFO"),
    (RrType(14), "MINFO"),
    (RrType(17), "RP"),
    (RrType(18), "AFSDB"),
    (RrType(19), "X25"),
    (RrType(20), "ISDN"),
    (RrType(21), "RT"),
    (RrType(22), "NSAP"),
    (RrType(23), "NSAP-PTR"),
    (RrType(24), "SIG"),
    (RrType(25), "KEY"),
    (RrType(26), "PX"),
    (RrType(27), "GPOS"),
    (RrType(30), "NXT"),
    (RrType(31), "EID"),
    (RrType(32), "NIMLOC"),
    (RrType(34), "ATMA"),
    (RrType(36), "KX"),
    (RrType(37), "CERT"),
    (RrType(38), "A6"),
    (RrType(40), "SINK"),
    (RrType(42), "APL"),
    (RrType(45), "IPSECKEY"),
    (RrType(49), "DHCID"),
    (RrType(55), "HIP"),
    (RrType(56), "NINFO"),
    (RrType(57), "RKEY"),
    (RrType(58), "TALINK"),
    (RrType(62), "CSYNC"),
    (RrType(66), "DSYNC"),
    (RrType(67), "HHIT"),
    (RrType(68), "BRID"),
    (RrType(100), "UINFO"),
    (RrType(101), "UID"),
    (RrType(102), "GID"),
    (RrType(103), "UNSPEC"),
    (RrType(104), "NID"),
    (RrType(105), "L32"),
    (RrType(106), "L64"),
    (RrType(107), "LP"),
    (RrType(108), "EUI48"),
    (RrType(109), "EUI64"),
    (RrType(258), "AVC"),
    (RrType(259), "DOA"),
    (RrType(260), "AMTRELAY"),
    (RrType(261), "RESINFO"),
    (RrType(262), "WALLET"),
    (RrType(263), "CLA"),
    (RrType(264), "IPN"),
    (RrType(32768), "TA"),
    (RrType(32769), "DLV"),
];

impl RrType {
    /// All types that are read and shown by their mnemonic but never written.
    pub const KEPT: &'static [(Self, &'static str)] = KEPT;

    /// Whether records of this type are kept as they are, and never written.
    #[must_use]
    pub fn is_kept(self) -> bool {
        KEPT.iter().any(|(kept, _)| *kept == self)
    }

    /// The type of this number.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Whether a server's signer makes these records (RFC 4034, RFC 5155). They are read, but never
    /// compared or written.
    #[must_use]
    pub fn is_made_by_signer(self) -> bool {
        matches!(self, Self::RRSIG | Self::NSEC | Self::NSEC3 | Self::NSEC3PARAM)
    }
}

impl fmt::Display for RrType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::KNOWN.iter().chain(KEPT).find(|(known, _)| known == self) {
            Some((_, mnemonic)) => f.pad(mnemonic),
            None => f.pad(&format!("TYPE{}", self.0)),
        }
    }
}

impl fmt::Debug for RrType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for RrType {
    type Err = RrTypeError;

    fn from_str(text: &str) -> Result<Self, RrTypeError> {
        let upper = text.to_ascii_uppercase();
        let mut named = Self::KNOWN.iter().chain(KEPT);
        if let Some((known, _)) = named.find(|(_, mnemonic)| *mnemonic == upper) {
            return Ok(*known);
        }
        upper
            .strip_prefix("TYPE")
            .filter(|digits| digits.bytes().all(|octet| octet.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .map(Self)
            .ok_or_else(|| RrTypeError { text: text.to_owned() })
    }
}

impl Serialize for RrType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RrType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mnemonics_and_numbers_round_trip() {
        for (rtype, mnemonic) in RrType::KNOWN.iter().chain(RrType::KEPT) {
            assert_eq!(mnemonic.parse(), Ok(*rtype));
            assert_eq!(rtype.to_string(), *mnemonic);
        }
        assert!(RrType::KEPT.is_sorted());
        assert!(RrType::KNOWN.iter().all(|(rtype, _)| !rtype.is_kept()));
        assert_eq!("type65280".parse(), Ok(RrType::new(65280)));
        assert_eq!("TYPE15".parse(), Ok(RrType::MX), "RFC 3597 §5");
        for text in ["", "TYPE", "TYPE65536", "TYPE-1", "TYPE+1", "MXX"] {
            assert!(text.parse::<RrType>().is_err(), "{text}");
        }
    }
}
