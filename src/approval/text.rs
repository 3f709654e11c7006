//! The text that is signed.
//!
//! ```text
//! cutover/approval/1
//! artifact: sha256:6d1f…
//! name: alice@example.com
//! signed-at: 2026-11-30T09:00:00Z
//! expires-at: 2026-12-14T09:00:00Z
//! ```
//!
//! There is one encoding, and the reader refuses every other. So a signature covers what a person
//! reads, and nothing else.

use chrono::{DateTime, SecondsFormat, SubsecRound as _};

use crate::Timestamp;

/// The name of the format, and the first line of each text.
pub const FORMAT: &str = "cutover/approval/1";

/// The maximum length of a name, in octets. Our choice: longer than any mail address
/// (RFC 5321 §4.5.3.1.3).
pub const NAME_OCTETS_MAX: usize = 256;

/// What a person signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    artifact: String,
    name: String,
    signed_at: Timestamp,
    expires_at: Timestamp,
}

/// Why a text is not an approval.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// The first line is not [`FORMAT`].
    #[error("its first line is not `{FORMAT}`")]
    Format,
    /// A line is missing, or another stands in its place.
    #[error("line {line} should begin with `{key}: `")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What it should begin with.
        key: &'static str,
    },
    /// The digest is not one.
    #[error("`artifact` is not `sha256:` and 64 hexadecimal digits in lower case")]
    Digest,
    /// The name is empty, too long, or has characters that cannot be seen.
    #[error("`name` has to be 1 to {NAME_OCTETS_MAX} octets without control characters")]
    Name,
    /// An instant is not written as RFC 3339, in UTC, to the second.
    #[error("`{key}` is not a time like `2026-11-30T09:00:00Z`")]
    Time {
        /// Which one.
        key: &'static str,
    },
    /// It expires before it was signed.
    #[error("it expires before it was signed")]
    Order,
    /// The values are right, but not written as they have to be.
    #[error("it is not in canonical form: it was edited or reformatted")]
    NotCanonical,
}

impl Approval {
    /// An approval of the artifact with this digest (`sha256:…`). Fractions of seconds are dropped.
    ///
    /// # Errors
    /// [`TextError`] for a digest, a name or times that cannot be written.
    pub fn new(
        artifact: &str,
        name: &str,
        signed_at: Timestamp,
        expires_at: Timestamp,
    ) -> Result<Self, TextError> {
        if !is_digest(artifact) {
            return Err(TextError::Digest);
        }
        if !is_name(name) {
            return Err(TextError::Name);
        }
        let (signed_at, expires_at) = (signed_at.trunc_subsecs(0), expires_at.trunc_subsecs(0));
        if expires_at <= signed_at {
            return Err(TextError::Order);
        }
        Ok(Self { artifact: artifact.to_owned(), name: name.to_owned(), signed_at, expires_at })
    }

    /// The digest of the artifact: `sha256:` and 64 hexadecimal digits.
    #[must_use]
    pub fn artifact(&self) -> &str {
        &self.artifact
    }

    /// What the signer calls themselves. Nobody has checked it: who signed is decided by the key.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When the signer says that they signed, to the second.
    #[must_use]
    pub fn signed_at(&self) -> Timestamp {
        self.signed_at
    }

    /// When it stops counting, to the second. It does not count at this very instant.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// The one encoding.
    #[must_use]
    pub fn encode(&self) -> String {
        let Self { artifact, name, signed_at, expires_at } = self;
        let time = |at: &Timestamp| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let (signed_at, expires_at) = (time(signed_at), time(expires_at));
        format!(
            "{FORMAT}\nartifact: {artifact}\nname: {name}\nsigned-at: {signed_at}\nexpires-at: {expires_at}\n"
        )
    }

    /// Reads exactly what [`Approval::encode`] writes.
    ///
    /// # Errors
    /// [`TextError`] for anything else.
    pub fn decode(text: &str) -> Result<Self, TextError> {
        let mut lines = text.split('\n').zip(1..);
        if lines.next().map(|(line, _)| line) != Some(FORMAT) {
            return Err(TextError::Format);
        }
        let mut next = |key: &'static str, number: usize| {
            let line = lines.next().and_then(|(line, _)| line.strip_prefix(key));
            line.and_then(|rest| rest.strip_prefix(": "))
                .ok_or(TextError::Line { line: number, key })
        };
        let (artifact, name) = (next("artifact", 2)?, next("name", 3)?);
        let signed_at = time("signed-at", next("signed-at", 4)?)?;
        let expires_at = time("expires-at", next("expires-at", 5)?)?;
        let read = Self::new(artifact, name, signed_at, expires_at)?;
        match read.encode() == text {
            true => Ok(read),
            false => Err(TextError::NotCanonical),
        }
    }
}

fn time(key: &'static str, text: &str) -> Result<Timestamp, TextError> {
    let at = DateTime::parse_from_rfc3339(text).map_err(|_| TextError::Time { key })?;
    Ok(at.to_utc())
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f'))
    })
}

fn is_name(name: &str) -> bool {
    let is_long = name.len() > NAME_OCTETS_MAX;
    !name.is_empty() && !is_long && name.trim() == name && !name.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_timestamp(1_796_029_200 + secs, 0).expect("an instant")
    }

    fn digest() -> String {
        format!("sha256:{}", "0a".repeat(32))
    }

    #[test]
    fn one_text_means_one_approval() {
        let approval = Approval::new(&digest(), "alice@example.com", at(0), at(86_400));
        let approval = approval.expect("an approval");
        let text = approval.encode();
        assert_eq!(
            text,
            format!(
                "cutover/approval/1\nartifact: {}\nname: alice@example.com\nsigned-at: 2026-11-30T09:00:00Z\nexpires-at: 2026-12-01T09:00:00Z\n",
                digest()
            )
        );
        assert_eq!(Approval::decode(&text), Ok(approval));
        for (changed, expected) in [
            (text.replace("/1", "/2"), TextError::Format),
            (text.replace("name:", "Name:"), TextError::Line { line: 3, key: "name" }),
            (text.replace("0a0a", "0A0a"), TextError::Digest),
            (text.replace("alice@example.com", ""), TextError::Name),
            (text.replace("alice@", " alice@"), TextError::Name),
            (text.replace("alice@", "a\u{7}"), TextError::Name),
            (text.replace("12-01T", "12-41T"), TextError::Time { key: "expires-at" }),
            (text.replace("2026-12-01", "2026-11-29"), TextError::Order),
            (text.replace("09:00:00Z", "09:00:00.5Z"), TextError::NotCanonical),
            (text.replace("09:00:00Z", "10:00:00+01:00"), TextError::NotCanonical),
            (format!("{text}\n"), TextError::NotCanonical),
            (text.trim_end().to_owned(), TextError::NotCanonical),
            (String::new(), TextError::Format),
        ] {
            assert_eq!(Approval::decode(&changed), Err(expected), "{changed:?}");
        }
    }

    #[test]
    fn a_name_has_an_edge() {
        let named = |octets: usize| Approval::new(&digest(), &"n".repeat(octets), at(0), at(1));
        assert!(named(NAME_OCTETS_MAX).is_ok());
        assert_eq!(named(NAME_OCTETS_MAX + 1), Err(TextError::Name));
        assert_eq!(Approval::new(&digest(), "n", at(1), at(1)), Err(TextError::Order));
    }
}
