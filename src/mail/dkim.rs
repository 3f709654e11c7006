//! DKIM key records (RFC 6376 §3.6.1, RFC 8301, RFC 8463): what the TXT text at
//! `SELECTOR._domainkey.DOMAIN` says, and whether a verifier can use it.
//!
//! [`KeyRecord::parse`] reads a text as verifiers do: what they ignore or refuse is a [`Problem`].
//! [`KeyRecord::usable`] also refuses a revoked key, which is a valid record but verifies nothing.
//! [`paste`] understands what people copy from zone files and web pages; live records are never
//! read that way.
//!
//! Nothing here computes with keys. An RSA key is DER (RFC 6376 §3.6.1, RFC 8017 §A.1.1): what is
//! not DER verifies nothing, and is mostly an Ed25519 key without its `k=ed25519`. Only texts of up
//! to three octets, such as `p=AA`, pass as keys, because examples use them.

mod der;
mod name;
pub mod paste;

use std::collections::BTreeSet;

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine as _, alphabet};
use cutover_zone::Rdata;

use cutover_base::diag::quoted;

pub use name::{is_dkim, signs_as};

/// The maximum size of a key record, in octets. Our choice: three times that of an RSA key with
/// 16,384 bits.
pub const TEXT_OCTETS_MAX: usize = 8_192;
/// The minimum size of an RSA key, in bits; verifiers must refuse shorter keys (RFC 8301 §3.2).
pub const RSA_BITS_MIN: usize = 1_024;
/// The size of an Ed25519 key, in octets (RFC 8032 §5.1.5, RFC 8463 §4.2).
const ED25519_OCTETS: usize = 32;

/// The most octets that stand for a key in an example. Our choice: a key that somebody has pasted or
/// cut off has more.
const EXAMPLE_OCTETS_MAX: usize = 3;

/// Base64 as verifiers accept it: padded or not, with any trailing bits.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The kind of key, `k=`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyType {
    /// RSA, the default (RFC 6376 §3.6.1).
    #[default]
    Rsa,
    /// Ed25519 (RFC 8463).
    Ed25519,
}

/// The meaning of a key record. Equal records mean the same to a verifier; notes and spelling do
/// not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// The kind of key.
    key_type: KeyType,
    /// The key's octets; empty if it is revoked.
    key: Vec<u8>,
    /// The hash algorithms that it may be used with; `None`: all (`h=`).
    hashes: Option<BTreeSet<String>>,
    /// What it may sign; `*` is everything (`s=`).
    services: BTreeSet<String>,
    /// `t=`: `y` says that the domain tests DKIM, `s` that subdomains may not use it.
    flags: BTreeSet<String>,
}

/// Why a verifier could not use a text as a DKIM key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Nothing but blanks.
    #[error("the DKIM key is empty")]
    Empty,
    /// More than [`TEXT_OCTETS_MAX`] octets.
    #[error("the DKIM key has {octets} octets of text; the maximum is {TEXT_OCTETS_MAX}")]
    TooLong {
        /// How many there are.
        octets: usize,
    },
    /// A part without the form `tag=value` (RFC 6376 §3.2).
    #[error("{} is not a part of a DKIM key", quoted(.0))]
    NoTag(String),
    /// A tag twice: the whole list is invalid (RFC 6376 §3.2).
    #[error("the tag {}= appears twice in the DKIM key", quoted(.0))]
    Twice(String),
    /// `v=` after other tags (RFC 6376 §3.6.1).
    #[error("`v=` is not the first tag of the DKIM key")]
    VersionNotFirst,
    /// Another version than `DKIM1`.
    #[error("{} is not a version of DKIM keys", quoted(.0))]
    UnknownVersion(String),
    /// A kind of key that verifiers ignore.
    #[error("{} is not a kind of DKIM key", quoted(.0))]
    UnknownType(String),
    /// No `p=`.
    #[error("the DKIM key has no `p=`")]
    NoKey,
    /// An empty `p=`: the key is revoked (RFC 6376 §3.6.1). [`KeyRecord::parse`] never returns it.
    #[error("the DKIM key is revoked: its `p=` is empty")]
    Revoked,
    /// `p=` is not base64.
    #[error("the `p=` of the DKIM key is not base64")]
    NotBase64,
    /// The key is shorter than it says itself.
    #[error("the DKIM key is cut off: its `p=` should have {says} octets, but has {has}")]
    Cut {
        /// Octets that its beginning announces.
        says: usize,
        /// Octets that are there.
        has: usize,
    },
    /// The key is longer than it says itself.
    #[error(
        "the `p=` of the DKIM key continues after the key: {says} of its {has} octets are the key"
    )]
    GoesOn {
        /// Octets that its beginning announces.
        says: usize,
        /// Octets that are there.
        has: usize,
    },
    /// Octets that are not an RSA public key in DER, for `k=rsa`, which is the default.
    #[error(
        "the `p=` of the DKIM key is not an RSA public key, the kind that `k=rsa` or no `k=` means"
    )]
    NotRsa {
        /// If it is an Ed25519 key, the `p=` for `k=ed25519`.
        ed25519: Option<String>,
    },
    /// Fewer than [`RSA_BITS_MIN`] bits.
    #[error("the RSA key has {bits} bits, but verifiers refuse fewer than {RSA_BITS_MIN}")]
    Weak {
        /// How many it has.
        bits: usize,
    },
    /// Not 32 octets, for `k=ed25519`.
    #[error("the Ed25519 key has {octets} octets instead of {ED25519_OCTETS}")]
    NotEd25519 {
        /// How many there are.
        octets: usize,
        /// The right `p=`, if the key is wrapped in DER.
        bare: Option<String>,
    },
    /// A private key, which must not be shown.
    #[error("this is a private key, but a DKIM record holds the public key")]
    Private,
    /// A public key in PEM, without the record around it.
    #[error("this is a key file (PEM), not a DKIM record")]
    Pem,
    /// `h=` without `sha256`, the only algorithm that may be used (RFC 8301 §3.1).
    #[error("the DKIM key allows only the hash {}, which verifiers refuse", quoted(.0))]
    NoHash(String),
    /// `s=` without `*` and `email`.
    #[error("the DKIM key is for the service {}, not for mail", quoted(.0))]
    NotForMail(String),
    /// Quotes that do not enclose strings.
    #[error("the quotes of the DKIM key do not enclose its strings")]
    Quotes,
}

impl Problem {
    /// Why it matters to mail.
    #[must_use]
    pub fn why(&self) -> &'static str {
        match self {
            Self::Private => {
                "anyone with the private key can sign mail as the domain, and DNS shows it to everybody"
            }
            Self::Revoked => "mail that is signed with a revoked key fails DKIM (RFC 6376 §3.6.1)",
            Self::Weak { .. } => {
                "mail that is signed with a shorter key fails DKIM (RFC 8301 §3.2)"
            }
            Self::NoHash(_) => "rsa-sha1 must not be used, so no signature passes (RFC 8301 §3.1)",
            Self::NotForMail(_) => "verifiers of mail ignore the key (RFC 6376 §3.6.1)",
            Self::Twice(_) | Self::NoTag(_) => {
                "verifiers ignore a malformed list of tags (RFC 6376 §3.2): mail that is signed with the key fails DKIM"
            }
            Self::Empty
            | Self::TooLong { .. }
            | Self::VersionNotFirst
            | Self::UnknownVersion(_)
            | Self::UnknownType(_)
            | Self::NoKey
            | Self::NotBase64
            | Self::Cut { .. }
            | Self::GoesOn { .. }
            | Self::NotRsa { .. }
            | Self::NotEd25519 { .. }
            | Self::Pem
            | Self::Quotes => {
                "verifiers cannot use the record (RFC 6376 §3.6.1): mail that is signed with the key fails DKIM"
            }
        }
    }

    /// What to do.
    #[must_use]
    pub fn help(&self) -> String {
        const WHOLE: &str = "copy the whole record from the host: `v=DKIM1; k=rsa; p=BASE64`";
        match self {
            Self::Empty | Self::NoKey | Self::NotBase64 | Self::GoesOn { .. } => WHOLE.to_owned(),
            Self::TooLong { .. } => "copy the record alone".to_owned(),
            Self::NoTag(part) if part.is_empty() => {
                "remove the `;` that has nothing before it".to_owned()
            }
            Self::NoTag(_) => {
                "separate tags with `;`, as the host shows them: `v=DKIM1; k=rsa; p=BASE64`"
                    .to_owned()
            }
            Self::Twice(_) => "keep one of the two".to_owned(),
            Self::VersionNotFirst => "put `v=DKIM1;` in front".to_owned(),
            Self::UnknownVersion(version) if version.starts_with("DKIM1") => {
                "put a `;` after `v=DKIM1`".to_owned()
            }
            Self::UnknownVersion(_) => "write `v=DKIM1;`, in capitals".to_owned(),
            Self::UnknownType(_) => "write `k=rsa` or `k=ed25519`, in lower case".to_owned(),
            Self::Revoked => "write the key that the host signs with: `p=BASE64`".to_owned(),
            Self::Cut { .. } => {
                "copy the whole key: zone files and web pages split it into strings of at most 255 characters, and all of them are needed".to_owned()
            }
            Self::NotRsa { ed25519: Some(key) } => {
                format!("it has the size of an Ed25519 key: write `k=ed25519; p={key}`")
            }
            Self::NotEd25519 { bare: Some(key), .. } => format!("write `p={key}`"),
            Self::NotRsa { ed25519: None } | Self::NotEd25519 { bare: None, .. } => {
                "write the public key of the kind that `k=` says".to_owned()
            }
            Self::Weak { .. } => "have the host create a key of 2048 bits".to_owned(),
            Self::Private => {
                "create a new key pair, since this one was exposed, and use its public key".to_owned()
            }
            Self::Pem => {
                "write `v=DKIM1; k=rsa; p=` followed by the lines between BEGIN and END, without spaces".to_owned()
            }
            Self::NoHash(_) => "write `h=sha256`, or remove `h=`".to_owned(),
            Self::NotForMail(_) => "write `s=email`, or remove `s=`".to_owned(),
            Self::Quotes => {
                "write the text without quotes, or each string in its own pair: '\"v=DKIM1; k=rsa; \" \"p=BASE64\"'".to_owned()
            }
        }
    }
}

impl KeyRecord {
    /// Reads a record as verifiers do; a revoked key is valid.
    ///
    /// # Errors
    /// What makes a verifier ignore the record or fail the signature. Never [`Problem::Revoked`].
    pub fn parse(text: &str) -> Result<Self, Problem> {
        refuse_pem(text)?;
        let tags = tags(text)?;
        let get = |name: &str| tags.iter().find(|(tag, _)| *tag == name).map(|(_, value)| *value);
        match (get("v"), tags.first()) {
            (Some(_), Some((first, _))) if *first != "v" => return Err(Problem::VersionNotFirst),
            (Some(version), _) if version != "DKIM1" => {
                return Err(Problem::UnknownVersion(version.to_owned()));
            }
            (_, _) => {}
        }
        let key_type = match get("k") {
            None | Some("rsa") => KeyType::Rsa,
            Some("ed25519") => KeyType::Ed25519,
            Some(other) => return Err(Problem::UnknownType(other.to_owned())),
        };
        let key = BASE64
            .decode(without_blanks(get("p").ok_or(Problem::NoKey)?))
            .map_err(|_| Problem::NotBase64)?;
        if !key.is_empty() {
            check_key(key_type, &key)?;
        }
        let listed = |value: &str| -> BTreeSet<String> {
            value.split(':').map(|word| word.trim_matches(BLANKS).to_owned()).collect()
        };
        let (hashes, services) =
            (get("h").map(listed), get("s").map_or_else(|| listed("*"), listed));
        if let (Some(said), Some(hashes)) = (get("h"), &hashes)
            && !hashes.contains("sha256")
        {
            return Err(Problem::NoHash(said.to_owned()));
        }
        if !services.contains("*") && !services.contains("email") {
            return Err(Problem::NotForMail(get("s").unwrap_or_default().to_owned()));
        }
        let flags = get("t").map(listed).unwrap_or_default();
        Ok(Self { key_type, key, hashes, services, flags })
    }

    /// Reads a record that can verify signatures.
    ///
    /// # Errors
    /// As [`Self::parse`], and [`Problem::Revoked`].
    pub fn usable(text: &str) -> Result<Self, Problem> {
        match Self::parse(text)? {
            record if record.is_revoked() => Err(Problem::Revoked),
            record => Ok(record),
        }
    }

    /// Reads the record in TXT rdata, its strings joined (RFC 6376 §3.6.2.2); `None` for another
    /// type.
    #[must_use]
    pub fn of_rdata(rdata: &Rdata) -> Option<Result<Self, Problem>> {
        // Invalid UTF-8 becomes a character that no tag may contain.
        Some(Self::parse(&String::from_utf8_lossy(&rdata.txt_joined()?)))
    }

    /// Whether the record revokes its key.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.key.is_empty()
    }

    /// The kind of key.
    #[must_use]
    pub fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// The size of an RSA key, in bits; `None` for other and for revoked keys.
    #[must_use]
    pub fn rsa_bits(&self) -> Option<usize> {
        match self.key_type {
            KeyType::Rsa => der::rsa_bits(&self.key),
            KeyType::Ed25519 => None,
        }
    }

    /// Whether the domain says that it is only testing DKIM (`t=y`); verifiers must treat its mail
    /// as if it were not (RFC 6376 §3.6.1).
    #[must_use]
    pub fn is_testing(&self) -> bool {
        self.flags.contains("y")
    }
}

/// What may surround tags and values: folding white space (RFC 6376 §2.8).
const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

fn without_blanks(text: &str) -> String {
    text.chars().filter(|c| !BLANKS.contains(c)).collect()
}

/// A tag list (RFC 6376 §3.2): names and values, without the blanks around them.
fn tags(text: &str) -> Result<Vec<(&str, &str)>, Problem> {
    if text.len() > TEXT_OCTETS_MAX {
        return Err(Problem::TooLong { octets: text.len() });
    }
    let text = text.trim_matches(BLANKS);
    if text.is_empty() {
        return Err(Problem::Empty);
    }
    let mut tags: Vec<(&str, &str)> = Vec::new();
    for part in text.strip_suffix(';').unwrap_or(text).split(';') {
        let part = part.trim_matches(BLANKS);
        let no_tag = || Problem::NoTag(part.to_owned());
        let (name, value) = part.split_once('=').ok_or_else(no_tag)?;
        let (name, value) = (name.trim_matches(BLANKS), value.trim_matches(BLANKS));
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let is_of_value = |c: char| c.is_ascii_graphic() || BLANKS.contains(&c);
        let begins = name.starts_with(|c: char| c.is_ascii_alphabetic());
        if !begins || !name.chars().all(is_of_name) || !value.chars().all(is_of_value) {
            return Err(no_tag());
        }
        if tags.iter().any(|(other, _)| *other == name) {
            return Err(Problem::Twice(name.to_owned()));
        }
        tags.push((name, value));
    }
    Ok(tags)
}

/// Key files are recognised by their first line (RFC 7468 §2).
fn refuse_pem(text: &str) -> Result<(), Problem> {
    match text.contains("-----BEGIN") {
        true if text.contains("PRIVATE KEY") => Err(Problem::Private),
        true => Err(Problem::Pem),
        false => Ok(()),
    }
}

fn check_key(key_type: KeyType, key: &[u8]) -> Result<(), Problem> {
    if der::is_private(key) {
        return Err(Problem::Private);
    }
    let is_der = key.starts_with(&[der::SEQUENCE]);
    // The lengths of RSA keys that verifiers accept have more than one octet.
    let is_cut = matches!(key.get(1), Some(0x81 | 0x82));
    match key_type {
        KeyType::Ed25519 if key.len() == ED25519_OCTETS => Ok(()),
        KeyType::Ed25519 => {
            let bare = der::ed25519(key).map(|key| BASE64.encode(key));
            Err(Problem::NotEd25519 { octets: key.len(), bare })
        }
        KeyType::Rsa if key.len() <= EXAMPLE_OCTETS_MAX && !is_der => Ok(()),
        // An Ed25519 key is 32 bare octets, which may begin like DER by chance.
        KeyType::Rsa if !is_der || (key.len() == ED25519_OCTETS && !is_cut) => {
            let ed25519 = (key.len() == ED25519_OCTETS).then(|| BASE64.encode(key));
            Err(Problem::NotRsa { ed25519 })
        }
        KeyType::Rsa => {
            let (says, has) = (der::length(key), key.len());
            match says {
                // Cut off within the length itself.
                None => return Err(Problem::Cut { says: has + 1, has }),
                Some(says) if says > has => return Err(Problem::Cut { says, has }),
                Some(says) if says < has => return Err(Problem::GoesOn { says, has }),
                Some(_) => {}
            }
            let bits = der::rsa_bits(key).ok_or_else(|| Problem::NotRsa {
                ed25519: der::ed25519(key).map(|key| BASE64.encode(key)),
            })?;
            if bits < RSA_BITS_MIN { Err(Problem::Weak { bits }) } else { Ok(()) }
        }
    }
}

#[cfg(test)]
mod tests;
