//! Signs and verifies messages (RFC 8945). If a key is configured, every request is signed, queries
//! too, since a server may decide by the key what it shows. Then no unsigned answer is believed.
//!
//! The only exception is a server's complaint about the signature itself, which it cannot sign
//! (RFC 8945 §5.3.2). Believing it only stops the run.
//!
//! HMAC and the TSIG record are hickory-proto's. Its verifier is not used: it accepts no unsigned
//! message in a transfer, and reports a wrong secret as a truncated MAC.

use std::fmt;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cutover_contract::{ConfigError, Secret};
use cutover_zone::Name;
use hickory_proto::rr::rdata::tsig::{TSIG, TsigAlgorithm, TsigError, make_tsig_record};
use hickory_proto::rr::{Name as HickoryName, RData, Record, TSigner};
use hickory_proto::serialize::binary::{
    BinDecodable as _, BinDecoder, BinEncodable as _, BinEncoder, NameEncoding,
};

use super::answer::{Answer, MalformedMessage, Rcode};
use crate::limits::{FUDGE_SECS, UNSIGNED_MAX};

/// A key that is ready to sign. It has no `Debug`.
#[derive(Clone)]
pub(crate) struct Key {
    name: Name,
    signer: TSigner,
}

/// Why we do not believe an answer to a signed request, or the server does not believe us.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignatureError {
    /// The server does not accept our signature.
    #[error("{0}")]
    NotAccepted(Complaint),
    /// A required signature is missing.
    #[error("the answer ({0}) is not signed, so it is not believed")]
    Unsigned(Rcode),
    /// The end of a transfer, or too many messages in a row, are not signed.
    #[error("the transfer has larger gaps between signatures than RFC 8945 allows")]
    Gap,
    /// A signature by another key.
    #[error("the answer is signed with another key")]
    OtherKey,
    /// A signature that does not match the message.
    #[error("the answer's signature is wrong")]
    Wrong,
    /// A signature from another time.
    #[error("the answer was signed {apart_secs} s from now; at most {FUDGE_SECS} s are allowed")]
    Stale {
        /// The difference in seconds.
        apart_secs: u64,
    },
}

/// A server's complaint about our signature (RFC 8945 §5.3.2).
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Complaint {
    /// BADSIG.
    Signature(Name),
    /// BADKEY.
    Key(Name),
    /// BADTIME, with the difference of the clocks in seconds if the server reports it.
    Time(Option<u64>),
    /// Another error code.
    Other(u16),
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signature(name) => {
                write!(f, "BADSIG: the server knows the key {name} with another secret")
            }
            Self::Key(name) => {
                write!(
                    f,
                    "BADKEY: the server does not know the key {name} with this algorithm, or the \
                     key may not do this (Knot says so too)"
                )
            }
            Self::Time(Some(apart)) => write!(
                f,
                "BADTIME: the clocks of the server and of this machine are {apart} s apart; at \
                 most {FUDGE_SECS} s are allowed"
            ),
            Self::Time(None) => f.write_str("BADTIME: the server's clock differs from ours"),
            Self::Other(code) => write!(f, "TSIG error {code}"),
        }
    }
}

impl Key {
    /// Makes a key from its configuration.
    ///
    /// # Errors
    /// [`ConfigError`], which names a field of the key's own mapping.
    pub(crate) fn new(name: Name, algorithm: &str, secret: &Secret) -> Result<Self, ConfigError> {
        let algorithm = match algorithm {
            "hmac-sha256" => TsigAlgorithm::HmacSha256,
            "hmac-sha384" => TsigAlgorithm::HmacSha384,
            "hmac-sha512" => TsigAlgorithm::HmacSha512,
            other => {
                return Err(ConfigError::new("algorithm", format!("`{other}` cannot be used")));
            }
        };
        // The error of the decoder would quote an octet of the secret.
        let octets = BASE64.decode(secret.expose().trim());
        let octets = octets.map_err(|_| ConfigError::new("secret", "the secret is not base64"))?;
        if octets.is_empty() {
            return Err(ConfigError::new("secret", "the secret is empty"));
        }
        let signer_name = HickoryName::from_labels(name.labels())
            .map_err(|_| ConfigError::new("key", "the key's name cannot be used"))?;
        let signer = TSigner::new(octets, algorithm, signer_name, FUDGE_SECS)
            .expect("the three algorithms are supported");
        Ok(Self { name, signer })
    }

    /// Signs a request, and returns the verifier for its answer.
    pub(crate) fn sign(&self, message: &mut Vec<u8>) -> Verifier {
        let id = u16::from_be_bytes([message[0], message[1]]);
        let unsigned = TSIG::new(
            self.signer.algorithm().clone(),
            now_secs(),
            FUDGE_SECS,
            Vec::new(),
            id,
            None,
            Vec::new(),
        );
        let mut digested = message.clone();
        digested.extend(variables(&unsigned, self.signer.signer_name()));
        let mac = self.signer.sign(&digested).expect("the three algorithms are supported");
        let record =
            make_tsig_record(self.signer.signer_name().clone(), unsigned.set_mac(mac.clone()));
        let mut octets = Vec::new();
        let mut encoder = BinEncoder::new(&mut octets);
        // Its pointers would count from the start of the record instead of the message.
        encoder.set_name_encoding(NameEncoding::Uncompressed);
        record.emit(&mut encoder).expect("a key's names and a MAC fit in a record");
        message.extend(octets);
        change_additionals(message, 1);
        Verifier { key: self.clone(), previous: mac, pending: Vec::new(), unsigned: 0, first: true }
    }
}

/// Verifies the answers to a signed request, in order.
pub(crate) struct Verifier {
    key: Key,
    /// The previous MAC: that of the request, then that of the last signed message.
    previous: Vec<u8>,
    /// The unsigned messages since then.
    pending: Vec<u8>,
    unsigned: usize,
    first: bool,
}

impl Verifier {
    /// Takes the next message. An unsigned message in a transfer is verified only by the next
    /// signed message: see [`Verifier::finish`].
    pub(crate) fn check(&mut self, answer: &Answer) -> Result<(), ExchangeProblem> {
        let Some(at) = answer.tsig_at() else {
            if self.first {
                return Err(SignatureError::Unsigned(answer.rcode()).into());
            }
            self.pending.extend(answer.octets());
            self.unsigned += 1;
            return match self.unsigned <= UNSIGNED_MAX {
                true => Ok(()),
                false => Err(SignatureError::Gap.into()),
            };
        };
        let (owner, tsig) = read(answer, at)?;
        if let Some(error) = tsig.error {
            return Err(SignatureError::NotAccepted(self.complaint(error, &tsig)).into());
        }
        let signer = &self.key.signer;
        if owner != *signer.signer_name() || tsig.algorithm != *signer.algorithm() {
            return Err(SignatureError::OtherKey.into());
        }
        // A truncated MAC (RFC 8945 §5.2.2.1) is not accepted.
        signer
            .verify(&self.digested(answer, at, &owner, &tsig), &tsig.mac)
            .map_err(|_| SignatureError::Wrong)?;
        let apart_secs = now_secs().abs_diff(tsig.time);
        if apart_secs > u64::from(FUDGE_SECS) {
            return Err(SignatureError::Stale { apart_secs }.into());
        }
        self.previous = tsig.mac;
        self.pending.clear();
        self.unsigned = 0;
        self.first = false;
        Ok(())
    }

    /// Checks that everything taken so far is verified.
    pub(crate) fn finish(&self) -> Result<(), SignatureError> {
        match self.first || self.unsigned > 0 {
            true => Err(SignatureError::Gap),
            false => Ok(()),
        }
    }

    /// The octets that the signature covers (RFC 8945 §4.3.3, §5.3.1).
    fn digested(&self, answer: &Answer, at: usize, owner: &HickoryName, tsig: &TSIG) -> Vec<u8> {
        let mut octets = Vec::with_capacity(self.pending.len() + answer.octets().len() + 128);
        let length = u16::try_from(self.previous.len()).expect("a MAC has at most 64 octets");
        octets.extend(length.to_be_bytes());
        octets.extend(&self.previous);
        octets.extend(&self.pending);
        let mut message = answer.octets()[..at].to_vec();
        message[..2].copy_from_slice(&tsig.oid.to_be_bytes());
        change_additionals(&mut message, -1);
        octets.extend(message);
        match self.first {
            true => octets.extend(variables(tsig, owner)),
            false => {
                octets.extend(&tsig.time.to_be_bytes()[2..]);
                octets.extend(tsig.fudge.to_be_bytes());
            }
        }
        octets
    }

    fn complaint(&self, error: TsigError, tsig: &TSIG) -> Complaint {
        match error {
            TsigError::BadSig => Complaint::Signature(self.key.name.clone()),
            TsigError::BadKey => Complaint::Key(self.key.name.clone()),
            TsigError::BadTime => {
                // RFC 8945 §5.2.3: the server's time, in six octets.
                let theirs = <[u8; 6]>::try_from(&*tsig.other)
                    .ok()
                    .map(|six| six.iter().fold(0_u64, |secs, octet| secs << 8 | u64::from(*octet)));
                Complaint::Time(theirs.map(|secs| secs.abs_diff(now_secs())))
            }
            TsigError::BadTrunc => Complaint::Other(22),
            TsigError::Unknown(code) => Complaint::Other(code),
        }
    }
}

/// Why a message is not the expected answer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ExchangeProblem {
    /// It is malformed.
    #[error(transparent)]
    Malformed(#[from] MalformedMessage),
    /// Its signature is not accepted.
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

fn read(answer: &Answer, at: usize) -> Result<(HickoryName, TSIG), MalformedMessage> {
    let malformed = MalformedMessage("the signature record cannot be read");
    let at = u16::try_from(at).map_err(|_| malformed.clone())?;
    let record = Record::read(&mut BinDecoder::new(answer.octets()).clone(at));
    let record = record.map_err(|_| malformed.clone())?;
    let RData::TSIG(tsig) = record.data else { return Err(malformed) };
    Ok((record.name, tsig))
}

fn variables(tsig: &TSIG, key: &HickoryName) -> Vec<u8> {
    let mut octets = Vec::with_capacity(128);
    tsig.emit_tsig_for_mac(&mut BinEncoder::new(&mut octets), key)
        .expect("the names of a key and an algorithm can be written");
    octets
}

fn change_additionals(message: &mut [u8], by: i16) {
    let count = u16::from_be_bytes([message[10], message[11]]);
    message[10..12].copy_from_slice(&count.wrapping_add_signed(by).to_be_bytes());
}

#[expect(clippy::disallowed_methods, reason = "a signature holds the time at which it is made")]
pub(super) fn now_secs() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
