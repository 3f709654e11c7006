//! OpenSSH signatures (PROTOCOL.sshsig), as `ssh-keygen -Y sign` makes them.
//!
//! `ssh-key` reads keys and signatures, and computes with Ed25519, ECDSA and FIDO keys. RSA is left to
//! `ring`, because the crate `rsa` leaks its private keys by timing (RUSTSEC-2023-0071). For the same
//! reason this crate signs with Ed25519 and ECDSA keys only: for any other key, `ssh-keygen` signs.

#![expect(clippy::wildcard_enum_match_arm, reason = "the enums of `ssh-key` are open sets")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512, RsaPublicKeyComponents,
};
use ssh_key::public::{KeyData, RsaPublicKey};
use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey, PublicKey, SshSig};

/// The namespace of the signatures: a signature that was made for anything else does not count.
pub const NAMESPACE: &str = "cutover-approval@v1";

const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----\n";
const END: &str = "\n-----END SSH SIGNATURE-----\n";

/// The length of a line of base64 in a signature (OpenSSH, `sshbuf_dtob64`).
const LINE: usize = 70;

/// The shortest RSA key that counts, in bits (NIST SP 800-131A Rev. 2 §3).
const RSA_BITS_MIN: usize = 2048;

/// The flag of a FIDO signature that says that somebody touched the key (PROTOCOL.u2f).
const USER_PRESENT: u8 = 0x01;

/// The octets after a FIDO signature: flags and a counter (PROTOCOL.u2f).
const FIDO_TRAILER: usize = 5;

/// A signature, as it was read. Nobody has checked yet what it signs.
#[derive(Clone, Debug)]
pub struct Signature {
    sig: SshSig,
    pem: String,
}

/// Why a signature does not count, whoever made it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// It cannot be read.
    #[error("it is not an OpenSSH signature")]
    Form,
    /// Another version of the format.
    #[error("it has version {0} of the format, and only version 1 is known")]
    Version(u32),
    /// It was reformatted.
    #[error("it is not in the form that `ssh-keygen` writes: it was edited or reformatted")]
    NotCanonical,
    /// It was made for something else.
    #[error("it was made for `{0}`, not for `{NAMESPACE}`")]
    Namespace(String),
    /// A kind of key or signature that nobody here can check.
    #[error("signatures of the type `{0}` are not supported")]
    Algorithm(String),
    /// RSA with SHA-1.
    #[error("it is an RSA signature with SHA-1, which can be forged")]
    Sha1,
    /// An RSA key that is too short.
    #[error("its RSA key has {0} bits, and {RSA_BITS_MIN} is the least")]
    ShortKey(usize),
    /// A FIDO key that nobody touched.
    #[error("nobody touched the security key when it signed")]
    NotTouched,
    /// It is not a signature of this text by this key.
    #[error("it does not fit the text: one of them was changed")]
    Wrong,
}

impl Signature {
    /// Reads a signature as `ssh-keygen -Y sign` writes it.
    ///
    /// # Errors
    /// [`SignatureError`], if it cannot be read, has another version, or was reformatted.
    pub fn decode(text: &str) -> Result<Self, SignatureError> {
        let body = text.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END));
        let body = body.ok_or(SignatureError::Form)?;
        let octets = STANDARD.decode(body.replace('\n', "")).map_err(|_| SignatureError::Form)?;
        let sig = SshSig::from_pem(text).map_err(|error| match error {
            ssh_key::Error::AlgorithmUnsupported { algorithm } => unsupported(&algorithm),
            _ => SignatureError::Form,
        })?;
        // The version is not signed, and `ssh-key` takes every number up to its own.
        if sig.version() != SshSig::VERSION {
            return Err(SignatureError::Version(sig.version()));
        }
        // Nor are lengths, and `ssh-key` takes some that are too large.
        match encoded(&sig).is_some_and(|own| own == octets) && armored(&octets) == text {
            true => Ok(Self { sig, pem: text.to_owned() }),
            false => Err(SignatureError::NotCanonical),
        }
    }

    /// The text that [`Signature::decode`] reads.
    #[must_use]
    pub fn encode(&self) -> &str {
        &self.pem
    }

    /// The key that it says it was made with.
    #[must_use]
    pub fn key(&self) -> &KeyData {
        self.sig.public_key()
    }

    /// The fingerprint of that key.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        fingerprint(self.key())
    }

    /// Checks that the key has signed this text as an approval.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify(&self, text: &str) -> Result<(), SignatureError> {
        if self.sig.namespace() != NAMESPACE {
            return Err(SignatureError::Namespace(self.sig.namespace().to_owned()));
        }
        match self.key() {
            KeyData::Rsa(key) => return verify_rsa(key, &self.sig, text),
            KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_) => {
                let octets = self.sig.signature_bytes();
                let flags = octets.len().checked_sub(FIDO_TRAILER).map(|at| octets[at]);
                if flags.is_none_or(|flags| flags & USER_PRESENT == 0) {
                    return Err(SignatureError::NotTouched);
                }
            }
            KeyData::Ed25519(_) | KeyData::Ecdsa(_) => {}
            other => return Err(unsupported(&other.algorithm())),
        }
        let key = PublicKey::from(self.key().clone());
        key.verify(NAMESPACE, text.as_bytes(), &self.sig).map_err(|_| SignatureError::Wrong)
    }
}

fn unsupported(algorithm: &Algorithm) -> SignatureError {
    SignatureError::Algorithm(algorithm.as_str().to_owned())
}

fn verify_rsa(key: &RsaPublicKey, sig: &SshSig, text: &str) -> Result<(), SignatureError> {
    let parts = key.n.as_positive_bytes().zip(key.e.as_positive_bytes());
    let (n, e) = parts.ok_or(SignatureError::Wrong)?;
    let zeros = n.first().map_or(0, |first| first.leading_zeros() as usize);
    let bits = n.len() * 8 - zeros;
    if bits < RSA_BITS_MIN {
        return Err(SignatureError::ShortKey(bits));
    }
    let by = match sig.algorithm() {
        Algorithm::Rsa { hash: Some(HashAlg::Sha256) } => &RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rsa { hash: Some(HashAlg::Sha512) } => &RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Rsa { hash: None } => return Err(SignatureError::Sha1),
        other => return Err(unsupported(&other)),
    };
    // What a future OpenSSH may reserve is part of what is signed, but `signed_data` leaves it out.
    if !sig.reserved().is_empty() {
        return Err(SignatureError::Wrong);
    }
    let signed = SshSig::signed_data(NAMESPACE, sig.hash_alg(), text.as_bytes());
    let signed = signed.map_err(|_| SignatureError::Wrong)?;
    let checked = RsaPublicKeyComponents { n, e }.verify(by, &signed, sig.signature_bytes());
    checked.map_err(|_| SignatureError::Wrong)
}

/// The octets of a signature (PROTOCOL.sshsig). `ssh-key` 0.6.7 writes those of ECDSA keys on a device
/// wrongly.
fn encoded(sig: &SshSig) -> Option<Vec<u8>> {
    let mut octets = b"SSHSIG".to_vec();
    octets.extend(sig.version().to_be_bytes());
    let key = PublicKey::from(sig.public_key().clone()).to_bytes().ok()?;
    let raw = sig.signature_bytes();
    let trailer = match sig.public_key() {
        KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_) => FIDO_TRAILER,
        _ => 0,
    };
    let (raw, trailer) = raw.split_at_checked(raw.len().checked_sub(trailer)?)?;
    let algorithm = sig.algorithm();
    let signed = [&string(algorithm.as_str().as_bytes())?, &string(raw)?, trailer].concat();
    let hash = sig.hash_alg();
    let parts =
        [&key, sig.namespace().as_bytes(), sig.reserved(), hash.as_str().as_bytes(), &signed];
    for part in parts {
        octets.extend(string(part)?);
    }
    Some(octets)
}

/// A string of the SSH protocol: its length, and its octets (RFC 4251 §5).
fn string(octets: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(octets.len()).ok()?;
    Some([&length.to_be_bytes(), octets].concat())
}

/// A signature as text: base64 in lines, between two marks.
fn armored(octets: &[u8]) -> String {
    let body = STANDARD.encode(octets);
    let lines = body.as_bytes().chunks(LINE);
    let lines: Vec<&str> =
        lines.map(|line| std::str::from_utf8(line).expect("base64 is ASCII")).collect();
    format!("{BEGIN}{}{END}", lines.join("\n"))
}

/// A fingerprint as `ssh-keygen -l` shows it: `SHA256:` and base64.
fn fingerprint(key: &KeyData) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// A key to sign with, as it was found in a file.
#[derive(Clone, Debug)]
pub struct SigningKey {
    public: PublicKey,
    /// `None`: somebody else has to sign with it, and this says why.
    private: Result<Box<PrivateKey>, NoSignature>,
}

/// Why this crate makes no signature with a key. `ssh-keygen` may.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSignature {
    /// It is neither a private nor a public key of OpenSSH.
    #[error("it is not a key in OpenSSH's format")]
    Form,
    /// It needs a passphrase.
    #[error("it is protected by a passphrase")]
    Encrypted,
    /// It is a public key: an agent or a device has the other half.
    #[error("it is a public key")]
    Public,
    /// It is a FIDO key: the device has to sign.
    #[error("it is a security key")]
    Fido,
    /// We sign with Ed25519 and ECDSA only.
    #[error("it is a key of the type `{0}`, and cutover signs with Ed25519 and ECDSA only")]
    Algorithm(String),
    /// The signature could not be made.
    #[error("nothing can be signed with it")]
    Broken,
}

impl SigningKey {
    /// Reads a private key (`-----BEGIN OPENSSH PRIVATE KEY-----`) or a public one
    /// (`ssh-ed25519 AAAA… comment`).
    ///
    /// # Errors
    /// [`NoSignature::Form`].
    pub fn read(text: &str) -> Result<Self, NoSignature> {
        if let Ok(public) = PublicKey::from_openssh(text.trim()) {
            return Ok(Self { public, private: Err(NoSignature::Public) });
        }
        let key = PrivateKey::from_openssh(text).map_err(|_| NoSignature::Form)?;
        let public = key.public_key().clone();
        let private = match key.public_key().key_data() {
            _ if key.is_encrypted() => Err(NoSignature::Encrypted),
            KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_) => Err(NoSignature::Fido),
            KeyData::Ed25519(_) | KeyData::Ecdsa(_) => Ok(Box::new(key)),
            other => Err(NoSignature::Algorithm(other.algorithm().as_str().to_owned())),
        };
        Ok(Self { public, private })
    }

    /// The fingerprint of the key.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        fingerprint(self.public.key_data())
    }

    /// The comment of the key: often `user@machine`. A private key that needs a passphrase hides it.
    #[must_use]
    pub fn comment(&self) -> &str {
        self.public.comment()
    }

    /// Its name in a directory of signatures: the fingerprint, with characters that a file name may
    /// have.
    #[must_use]
    pub fn file_name(&self) -> String {
        self.fingerprint().replace(':', "-").replace('/', "_").replace('+', "-")
    }
}

/// Signs a text as an approval.
///
/// # Errors
/// [`NoSignature`]: why `ssh-keygen` has to sign with this key.
pub fn sign(key: &SigningKey, text: &str) -> Result<Signature, NoSignature> {
    let private = key.private.as_ref().map_err(Clone::clone)?;
    // SHA-512 is what `ssh-keygen` chooses too.
    let sig = private.sign(NAMESPACE, HashAlg::Sha512, text.as_bytes());
    let sig = sig.map_err(|_| NoSignature::Broken)?;
    let pem = sig.to_pem(LineEnding::LF).map_err(|_| NoSignature::Broken)?;
    let pem = if pem.ends_with('\n') { pem } else { pem + "\n" };
    Ok(Signature { sig, pem })
}
