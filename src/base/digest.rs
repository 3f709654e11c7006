//! Digests: SHA-256, shown as `sha256:` and 64 hexadecimal digits, so that `sha256sum` can check
//! them.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// A SHA-256 digest (FIPS 180-4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of these octets.
    #[must_use]
    pub fn of(octets: &[u8]) -> Self {
        Self(Sha256::digest(octets).into())
    }

    /// Its 32 octets.
    #[must_use]
    pub fn octets(&self) -> [u8; 32] {
        self.0
    }

    /// The digest with these octets.
    #[must_use]
    pub fn from_octets(octets: [u8; 32]) -> Self {
        Self(octets)
    }

    /// The digests of two texts with the same beginning, which is hashed only once.
    #[must_use]
    pub fn of_both(beginning: &[u8], one: &[u8], other: &[u8]) -> (Self, Self) {
        let begun = Sha256::new().chain_update(beginning);
        let of = |hash: Sha256, end: &[u8]| Self(hash.chain_update(end).finalize().into());
        (of(begun.clone(), one), of(begun, other))
    }

    /// The first twelve hexadecimal digits, for people: `sha256:0123456789ab`.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string()[..19].to_owned()
    }

    /// Reads what [`fmt::Display`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix("sha256:")?;
        let lower = hex.bytes().all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f'));
        if hex.len() != 64 || !lower {
            return None;
        }
        let mut octets = [0; 32];
        for (octet, pair) in octets.iter_mut().zip(hex.as_bytes().chunks(2)) {
            *octet = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(octets))
    }
}

/// The digest of octets that come piece by piece.
#[derive(Clone, Default)]
pub struct Hashing(Sha256);

impl Hashing {
    /// Adds octets at the end.
    pub fn add(&mut self, octets: &[u8]) {
        self.0.update(octets);
    }

    /// The digest of all octets so far.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest(self.0.clone().finalize().into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Written by hand for speed: a journal of a million entries has three million digests.
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = *b"sha256:................................................................";
        for (octet, pair) in self.0.iter().zip(text[7..].chunks_mut(2)) {
            pair[0] = HEX[usize::from(octet >> 4)];
            pair[1] = HEX[usize::from(octet & 15)];
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a sha256 digest"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_nothing_is_the_published_one() {
        let digest = Digest::of(b"");
        assert_eq!(Hashing::default().digest(), digest);
        let text = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest.to_string(), text);
        assert_eq!(digest.short(), "sha256:e3b0c44298fc");
        assert_eq!(Digest::parse(text), Some(digest));
        assert_eq!(Digest::parse(&text.to_uppercase()), None, "one encoding only");
        assert_eq!(Digest::parse(&text[..70]), None);
        let mut pieces = Hashing::default();
        pieces.add(b"a");
        assert_eq!(pieces.digest(), Digest::of(b"a"));
        pieces.add(b"bc");
        assert_eq!(pieces.digest(), Digest::of(b"abc"));
    }
}
