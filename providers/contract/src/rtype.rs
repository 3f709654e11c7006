//! RR types by number, with the mnemonics of the IANA registry.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An RR type (RFC 1035 §3.2.2; unknown ones are `TYPE123`, RFC 3597 §5).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RrType(u16);

/// A text that is neither a mnemonic that we know nor `TYPE` and a number up to 65535.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no record type that is known here; unknown ones are written TYPE12345")]
pub struct RrTypeError {
    /// What was written.
    pub text: String,
}

macro_rules! types {
    ($($name:ident = $number:literal),* $(,)?) => {
        impl RrType {
            $(#[doc = concat!("The type ", stringify!($name), ".")]
            pub const $name: Self = Self($number);)*

            /// Every type with a mnemonic, in the order of their numbers.
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

impl RrType {
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

    /// Whether a server's own signer makes such records (RFC 4034, RFC 5155): they are read, never
    /// compared and never written.
    #[must_use]
    pub fn is_made_by_signer(self) -> bool {
        matches!(self, Self::RRSIG | Self::NSEC | Self::NSEC3 | Self::NSEC3PARAM)
    }
}

impl fmt::Display for RrType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::KNOWN.iter().find(|(known, _)| known == self) {
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
        if let Some((known, _)) = Self::KNOWN.iter().find(|(_, mnemonic)| *mnemonic == upper) {
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
        for (rtype, mnemonic) in RrType::KNOWN {
            assert_eq!(mnemonic.parse(), Ok(*rtype));
            assert_eq!(rtype.to_string(), *mnemonic);
        }
        assert_eq!("type65280".parse(), Ok(RrType::new(65280)));
        assert_eq!("TYPE15".parse(), Ok(RrType::MX), "RFC 3597 §5");
        for text in ["", "TYPE", "TYPE65536", "TYPE-1", "TYPE+1", "MXX"] {
            assert!(text.parse::<RrType>().is_err(), "{text}");
        }
    }
}
